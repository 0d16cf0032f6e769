"""Originals and results in S3. darkroom/record/keys.py defines their keys."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from botocore.exceptions import ClientError

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors, error_code
from darkroom.aws.write_check import CheckedBody, MayWrite, checked
from darkroom.errors import NotFound, ObjectDenied, ObjectReplaced, Unavailable, UnreadablePhoto, WrongHash
from darkroom.record.clock import now
from darkroom.record.keys import original_key, results_prefix, upload_key
from darkroom.settings import Settings

DELETE_BATCH = 1000
"""DeleteObjects' own limit."""

CHUNK = 1024 * 1024

IMMUTABLE = "public, max-age=31536000, immutable"
"""A result is stored under a key of its own: what is under a key never changes (RFC 8246)."""

NEVER_READABLE = {
    "InvalidObjectState": "it is archived",
    "InvalidRequest": "it is encrypted with a key of its sender (SSE-C)",
    "KeyTooLongError": "its key is too long",
}
"""S3's error code for an object that no retry can read -> why."""


@dataclass(frozen=True)
class UploadForm:
    """A presigned POST. A client uploads a file by sending these fields, and last the field `file`, to the URL."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Fetched:
    """An object as it was when it was read. `sha256` is empty if the object was too large to read."""

    etag: str
    size: int
    sha256: str


class Bucket:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.bucket
        self._s3 = clients.s3
        self._s3_public = clients.s3_public
        self._link_ttl = settings.link_ttl
        # Over https nothing on the way can change a file. Over http botocore compares it with S3's checksum.
        encrypted = clients.s3.meta.endpoint_url.startswith("https://")
        self._checked_get: Any = {} if encrypted else {"ChecksumMode": "ENABLED"}

    def put(
        self,
        key: str,
        source: BinaryIO,
        content_type: str,
        sha256: str,
        may_write: MayWrite,
        served_as: str | None = None,
    ) -> None:
        """Store a file, read from its beginning. Raises the error of `may_write` when the right to write was lost.

        `sha256`: the file's hash in hex. `served_as`: the file name under which browsers get the object. It never
        changes under its key, so they may keep it. Raises WrongHash if the bytes that S3 gets have another hash; it
        then stores nothing.
        """
        body = cast(BinaryIO, CheckedBody(source, may_write))
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        served: Any = {"CacheControl": IMMUTABLE, "ContentDisposition": inline(served_as)} if served_as else {}
        with aws_errors(f"storing {key}"), checked(may_write):
            try:
                self._s3.put_object(
                    Bucket=self._name, Key=key, Body=body, ContentType=content_type, ChecksumSHA256=checksum, **served
                )
            except ClientError as error:
                if error_code(error) == "BadDigest":
                    raise WrongHash(f"storing {key} failed: S3 got bytes with another SHA-256", certain=True) from error
                raise

    def fetch(self, key: str, target: Path, check: Callable[[], None]) -> None:
        """Copy an object into a file. Calls `check` before each CHUNK; its error ends the copying.

        Raises NotFound when there is no such object.
        """
        with aws_errors(f"fetching {key}"), _not_found(key), target.open("wb") as file:
            body = self._s3.get_object(Bucket=self._name, Key=key, **self._checked_get)["Body"]
            with closing(body):
                # The body checks its length, and raises when the connection ends early.
                for chunk in body.iter_chunks(CHUNK):
                    check()
                    file.write(chunk)

    def chunks(self, key: str) -> Iterator[bytes]:
        """An object's content, CHUNK bytes at a time. Raises NotFound when there is no such object."""
        with aws_errors(f"reading {key}"), _not_found(key):
            body = self._s3.get_object(Bucket=self._name, Key=key, **self._checked_get)["Body"]
            with closing(body):
                yield from body.iter_chunks(CHUNK)

    def read(self, key: str) -> bytes:
        """An object's whole content; for small ones. Raises NotFound when there is none."""
        with aws_errors(f"reading {key}"), _not_found(key):
            return self._s3.get_object(Bucket=self._name, Key=key, **self._checked_get)["Body"].read()

    def fetch_upload(self, key: str, target: BinaryIO, most: int) -> Fetched:
        """Copy an object into a file, unless it has more than `most` bytes.

        Raises NotFound, UnreadablePhoto when S3 can never return the object, and ObjectDenied when S3 refuses to.
        """
        sha256 = hashlib.sha256()
        with aws_errors(f"fetching {key}"), _not_found(key), _denied(key):
            found = self._s3.get_object(Bucket=self._name, Key=key, **self._checked_get)
            etag, size = _unquoted(found["ETag"]), found["ContentLength"]
            with closing(found["Body"]) as body:  # `with found["Body"]` would give the raw stream, without checks
                if size > most:
                    return Fetched(etag, size, "")
                for chunk in body.iter_chunks(CHUNK):
                    sha256.update(chunk)
                    target.write(chunk)
        return Fetched(etag, size, sha256.hexdigest())

    def copy(self, source: str, etag: str, target: str, content_type: str, may_write: MayWrite) -> None:
        """Copy an object if it still has this ETag. Raises ObjectReplaced, NotFound, ObjectDenied.

        Raises the error of `may_write` when the right to write was lost.
        """
        with aws_errors(f"copying {source}"), _not_found(source), _denied(source), checked(may_write):
            try:
                self._s3.copy_object(
                    Bucket=self._name,
                    Key=target,
                    CopySource={"Bucket": self._name, "Key": source},
                    CopySourceIfMatch=f'"{etag}"',
                    MetadataDirective="REPLACE",
                    TaggingDirective="REPLACE",  # with no tags: to copy them needs more permissions
                    ContentType=content_type,
                )
            except ClientError as error:
                if error_code(error) in ("412", "PreconditionFailed"):
                    raise ObjectReplaced(f"{source} was replaced while it was read") from error
                raise

    def etag(self, key: str) -> str | None:
        """The object's ETag; None when there is no such object, "" when S3 refuses to say.

        After "", reading the object raises an error that has the reason.
        """
        try:
            with aws_errors(f"looking for {key}"), _not_found(key):
                try:
                    return _unquoted(self._s3.head_object(Bucket=self._name, Key=key)["ETag"])
                except ClientError as error:
                    if error_code(error) in ("400", "403"):  # a HEAD has no body, so no reason
                        return ""
                    raise
        except NotFound:
            return None

    def exists(self, key: str) -> bool:
        return self.etag(key) is not None

    def upload_form(self, photo_id: str, content_type: str, most: int, until: datetime) -> UploadForm:
        """A form that uploads one file of this type straight to S3: 1 to `most` bytes, valid until `until`."""
        with aws_errors("signing a form"):
            form = self._s3_public.generate_presigned_post(
                Bucket=self._name,
                Key=upload_key(photo_id),
                Fields={"Content-Type": content_type},
                Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, most]],
                ExpiresIn=max(1, int((until - now()).total_seconds())),
            )
        return UploadForm(form["url"], form["fields"])

    def link(self, key: str, disposition: str | None = None) -> str:
        """A presigned URL. `disposition`: a Content-Disposition in place of the one that the object has."""
        overrides = {"ResponseContentDisposition": disposition} if disposition else {}
        with aws_errors("signing a link"):  # boto3 may have to fetch temporary credentials first
            return self._s3_public.generate_presigned_url(
                "get_object", Params={"Bucket": self._name, "Key": key, **overrides}, ExpiresIn=self._link_ttl
            )

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects. Objects that do not exist count as removed."""
        remaining = list(keys)
        while remaining:
            batch, remaining = remaining[:DELETE_BATCH], remaining[DELETE_BATCH:]
            with aws_errors("removing objects"):
                answer = self._s3.delete_objects(
                    Bucket=self._name, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
                )
            for error in answer.get("Errors", []):
                raise Unavailable(f"removing {error.get('Key')} failed: {error.get('Code')}")

    def remove_photo(self, photo_id: str) -> None:
        """Remove a photo's upload, original, and all results, published or not."""
        stored = [*self.originals(photo_id), *self.results(photo_id)]
        self.remove([original_key(photo_id), upload_key(photo_id), *stored])

    def originals(self, photo_id: str) -> list[str]:
        """The keys of the copies of a file that reached the bucket without the API."""
        return self._keys(f"{original_key(photo_id)}/")

    def results(self, photo_id: str) -> list[str]:
        """The keys of all results of a photo, published or not."""
        return self._keys(results_prefix(photo_id))

    def _keys(self, prefix: str) -> list[str]:
        with aws_errors(f"listing {prefix}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
            return [found["Key"] for page in pages for found in page.get("Contents", [])]


def inline(filename: str) -> str:
    """A Content-Disposition with which a browser shows the file, and saves it under this name when it is asked to."""
    return _disposition("inline", filename)


def attachment(filename: str) -> str:
    """A Content-Disposition with which a browser saves the file under this name."""
    return _disposition("attachment", filename)


def _disposition(kind: str, filename: str) -> str:
    """RFC 6266: an ASCII name for old clients, and the exact name for all others."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%;' else "_" for c in filename)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _unquoted(etag: str) -> str:
    return etag.strip('"')


@contextmanager
def _not_found(key: str) -> Iterator[None]:
    """Raise NotFound for each of S3's error codes for a missing object."""
    try:
        yield
    except ClientError as error:
        if error_code(error) in ("404", "NoSuchKey", "NotFound"):
            raise NotFound(f"there is no object {key}") from error
        raise


@contextmanager
def _denied(key: str) -> Iterator[None]:
    """Raise UnreadablePhoto or ObjectDenied for an object that S3 does not let us read."""
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if code in NEVER_READABLE:
            raise UnreadablePhoto(f"S3 cannot return {key}: {NEVER_READABLE[code]}") from error
        if code == "AccessDenied" or (code.startswith("KMS.") and "Throttling" not in code):
            raise ObjectDenied(f"S3 refuses to let Darkroom read {key}: {code}") from error
        raise
