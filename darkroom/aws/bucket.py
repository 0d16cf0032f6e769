"""Originals and results in S3.

darkroom/record/keys.py says which keys there are.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from botocore.exceptions import ClientError

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors, error_code
from darkroom.errors import NotFound, ObjectDenied, ObjectReplaced, Unavailable, UnreadablePhoto
from darkroom.record.clock import now
from darkroom.record.keys import original_key, results_prefix, upload_key
from darkroom.settings import Settings

DELETE_BATCH = 1000
"""DeleteObjects' own limit."""


CHUNK = 1024 * 1024

NEVER = ("InvalidObjectState", "InvalidRequest", "KeyTooLongError")
"""What S3 says of an object in an archive, of one whose key only its sender has (SSE-C), and of one that cannot be."""


@dataclass(frozen=True)
class UploadForm:
    """A presigned POST: who sends these fields and, as the last one, `file` to the address uploads an object."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Fetched:
    """An object as it was when it was read. Without a hash it was too large, and was not."""

    etag: str
    size: int
    sha256: str


class Bucket:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.bucket
        self._s3 = clients.s3
        self._s3_public = clients.s3_public
        self._link_ttl = settings.link_ttl

    def put(self, key: str, source: BinaryIO, content_type: str) -> None:
        """Store a file, read from its beginning."""
        with aws_errors(f"storing {key}"):
            source.seek(0)
            self._s3.put_object(Bucket=self._name, Key=key, Body=source, ContentType=content_type)

    def fetch(self, key: str, target: Path) -> None:
        """Copy an object into a file. Raises NotFound when there is none."""
        with aws_errors(f"fetching {key}"), _not_found(key), target.open("wb") as file:
            # The body knows its length and raises when the connection ends early.
            shutil.copyfileobj(self._s3.get_object(Bucket=self._name, Key=key)["Body"], file, CHUNK)

    def read(self, key: str) -> bytes:
        """An object's whole content; for small ones. Raises NotFound when there is none."""
        with aws_errors(f"reading {key}"), _not_found(key):
            return self._s3.get_object(Bucket=self._name, Key=key)["Body"].read()

    def fetch_upload(self, key: str, target: BinaryIO, most: int) -> Fetched:
        """Copy an object, as it is now, into a file; nothing of one that has more than so many bytes.

        Raises NotFound, UnreadablePhoto when S3 will never hand it out, ObjectDenied when it does not as things are.
        """
        sha256 = hashlib.sha256()
        with aws_errors(f"fetching {key}"), _not_found(key), _denied(key):
            found = self._s3.get_object(Bucket=self._name, Key=key)
            etag, size = _bare(found["ETag"]), found["ContentLength"]
            with closing(found["Body"]) as body:  # as its own context it gives out the bare stream
                if size > most:
                    return Fetched(etag, size, "")
                for chunk in body.iter_chunks(CHUNK):
                    sha256.update(chunk)
                    target.write(chunk)
        return Fetched(etag, size, sha256.hexdigest())

    def copy(self, source: str, etag: str, target: str, content_type: str) -> None:
        """Copy an object if it is still the one with this ETag. Raises ObjectReplaced, NotFound, ObjectDenied."""
        with aws_errors(f"copying {source}"), _not_found(source), _denied(source):
            try:
                self._s3.copy_object(
                    Bucket=self._name,
                    Key=target,
                    CopySource={"Bucket": self._name, "Key": source},
                    CopySourceIfMatch=f'"{etag}"',
                    MetadataDirective="REPLACE",
                    TaggingDirective="REPLACE",  # by none: copying them needs further rights
                    ContentType=content_type,
                )
            except ClientError as error:
                if error_code(error) in ("412", "PreconditionFailed"):
                    raise ObjectReplaced(f"{source} was replaced while it was read") from error
                raise

    def etag(self, key: str) -> str | None:
        """Of the object as it is now; None when there is none, "" when S3 does not say: whoever reads it learns why."""
        try:
            with aws_errors(f"looking for {key}"), _not_found(key):
                try:
                    return _bare(self._s3.head_object(Bucket=self._name, Key=key)["ETag"])
                except ClientError as error:
                    if error_code(error) in ("400", "403"):  # no body, so no reason
                        return ""
                    raise
        except NotFound:
            return None

    def exists(self, key: str) -> bool:
        return self.etag(key) is not None

    def upload_form(self, photo_id: str, content_type: str, most: int, until: datetime) -> UploadForm:
        """What uploads one file of at most so many bytes, and of this type, past the API until then."""
        with aws_errors("signing a form"):
            form = self._s3_public.generate_presigned_post(
                Bucket=self._name,
                Key=upload_key(photo_id),
                Fields={"Content-Type": content_type},
                Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, most]],
                ExpiresIn=max(1, int((until - now()).total_seconds())),
            )
        return UploadForm(form["url"], form["fields"])

    def link(self, key: str, filename: str, content_type: str) -> str:
        """A presigned URL under which a browser downloads the object by that file name."""
        with aws_errors("signing a link"):  # temporary credentials may have to be fetched first
            return self._s3_public.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self._name,
                    "Key": key,
                    "ResponseContentType": content_type,
                    "ResponseContentDisposition": content_disposition(filename),
                },
                ExpiresIn=self._link_ttl,
            )

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there count as removed."""
        remaining = list(keys)
        while remaining:
            batch, remaining = remaining[:DELETE_BATCH], remaining[DELETE_BATCH:]
            with aws_errors("removing objects"):
                answer = self._s3.delete_objects(
                    Bucket=self._name, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
                )
            for error in answer.get("Errors", []):
                raise Unavailable(f"removing {error.get('Key')}: {error.get('Code')} {error.get('Message')}")

    def remove_photo(self, photo_id: str) -> None:
        """Remove a photo's original and every result, published or not, and what was uploaded for it."""
        stored = [*self.originals(photo_id), *self.results(photo_id)]
        self.remove([original_key(photo_id), upload_key(photo_id), *stored])

    def originals(self, photo_id: str) -> list[str]:
        """The keys of all copies of a file that came past the API."""
        return self._keys(f"{original_key(photo_id)}/")

    def results(self, photo_id: str) -> list[str]:
        """The keys of all results of a photo, published or not."""
        return self._keys(results_prefix(photo_id))

    def _keys(self, prefix: str) -> list[str]:
        with aws_errors(f"listing {prefix}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
            return [found["Key"] for page in pages for found in page.get("Contents", [])]


def content_disposition(filename: str) -> str:
    """RFC 6266: a plain name for old clients, the true one for all others."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%;' else "_" for c in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _bare(etag: str) -> str:
    return etag.strip('"')


@contextmanager
def _not_found(key: str) -> Iterator[None]:
    """Say NotFound for S3's several ways to say that there is no such object."""
    try:
        yield
    except ClientError as error:
        if error_code(error) in ("404", "NoSuchKey", "NotFound"):
            raise NotFound(f"there is no object {key}") from error
        raise


@contextmanager
def _denied(key: str) -> Iterator[None]:
    """Tell an object that nobody, or not we, may read from an AWS that is down."""
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if code in NEVER:
            raise UnreadablePhoto(
                f"S3 does not hand out {key}: {error.response['Error'].get('Message') or code}"
            ) from error
        if code == "AccessDenied" or (code.startswith("KMS.") and "Throttling" not in code):
            raise ObjectDenied(f"S3 does not let us read {key}: {code}") from error
        raise
