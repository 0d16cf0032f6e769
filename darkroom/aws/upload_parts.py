"""Multipart uploads of S3: a client sends a large file in parts, each with a presigned URL, in any order and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from botocore.exceptions import ClientError

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors, error_code
from darkroom.errors import Conflict, NotFound
from darkroom.record.keys import upload_key
from darkroom.record.photo import PhotoRecord
from darkroom.settings import Settings

SMALLEST_PART = 5 * 1024 * 1024
"""Bytes. Only the last part may be smaller (Amazon S3 User Guide, "Multipart upload limits")."""

MOST_PARTS = 10_000
"""From the same page."""

INCOMPLETE = {
    "EntityTooSmall": "a part has less than 5 MiB; only the last one may be smaller",
    "InvalidPart": "a part is missing, or has another ETag; list the parts, and send those that are missing",
    "InvalidPartOrder": "the parts are not in the order of their numbers",
}
"""S3's reasons not to complete an upload -> ours."""


@dataclass(frozen=True)
class Part:
    """A part that S3 has. `etag` has S3's quotation marks."""

    number: int
    size: int
    etag: str


class MultipartUploads:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.bucket
        self._s3 = clients.s3
        self._s3_public = clients.s3_public
        self._part_ttl = settings.upload_ttl

    def begin(self, photo_id: str) -> str:
        """Returns S3's id of the upload."""
        with aws_errors("beginning a multipart upload"):
            upload_id: str = self._s3.create_multipart_upload(Bucket=self._name, Key=upload_key(photo_id))["UploadId"]
        return upload_id

    def sign_part(self, photo_id: str, upload_id: str, number: int) -> tuple[str, int]:
        """A URL that stores one part by PUT, and the seconds for which it is valid."""
        with aws_errors("signing a part"):
            url = self._s3_public.generate_presigned_url(
                "upload_part",
                Params={
                    "Bucket": self._name,
                    "Key": upload_key(photo_id),
                    "UploadId": upload_id,
                    "PartNumber": number,
                },
                ExpiresIn=self._part_ttl,
            )
        return url, self._part_ttl

    def parts(self, photo_id: str, upload_id: str) -> list[Part]:
        """The parts that S3 has, by number. Raises NotFound when the upload was completed or aborted."""
        with aws_errors("listing parts"), _no_upload(photo_id):
            pages = self._s3.get_paginator("list_parts").paginate(
                Bucket=self._name, Key=upload_key(photo_id), UploadId=upload_id
            )
            return [
                Part(part["PartNumber"], part["Size"], part["ETag"]) for page in pages for part in page.get("Parts", [])
            ]

    def complete(self, photo_id: str, upload_id: str, parts: list[Part]) -> None:
        """Make the object of these parts. Raises NotFound when the upload was completed or aborted, and Conflict when
        S3 cannot make an object of these parts."""
        named = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        with aws_errors("completing a multipart upload"), _no_upload(photo_id):
            try:
                self._s3.complete_multipart_upload(
                    Bucket=self._name,
                    Key=upload_key(photo_id),
                    UploadId=upload_id,
                    MultipartUpload={"Parts": named},  # type: ignore[typeddict-item]
                )
            except ClientError as error:
                if reason := INCOMPLETE.get(error_code(error)):
                    raise Conflict(f"the upload is not complete: {reason}") from error
                raise

    def abort(self, photo: PhotoRecord) -> None:
        """Remove the parts of a photo's multipart upload, if it has one. May be repeated."""
        if photo.upload and photo.upload.multipart_id:
            try:
                with aws_errors("aborting a multipart upload"), _no_upload(photo.id):
                    self._s3.abort_multipart_upload(
                        Bucket=self._name, Key=upload_key(photo.id), UploadId=photo.upload.multipart_id
                    )
            except NotFound:
                return


@contextmanager
def _no_upload(photo_id: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error_code(error) == "NoSuchUpload":
            raise NotFound(f"S3 has no parts of photo {photo_id}: they were put together, or removed") from error
        raise
