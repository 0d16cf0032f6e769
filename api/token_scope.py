"""Upload tokens: what a browser gets in place of an API key.

A token is signed text that holds everything it allows. It may upload, and follow and read what it has uploaded. The
only thing that is stored is how much of it is used (darkroom/aws/token_uses.py). So it cannot be revoked: it expires.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import g
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from darkroom.aws.idempotency_store import ReservedIds
from darkroom.aws.token_uses import TokenLimit, TokenUses, Use
from darkroom.errors import RequestError, Unauthorized
from darkroom.jobs.job_types import Job, Jobs
from darkroom.signed_texts import Signer, WrongSignature

PREFIX = "dt_"
"""Tells a token from an API key, for us and for scanners for leaked secrets."""

MAX_LENGTH = 6000
"""Characters. A request line and a header of 8 KiB have room for it."""

OPEN_TO_TOKENS = {
    "photos.upload_photos": "uploadPhotos",
    "photos.get_photo": "getPhoto",
    "direct_uploads.upload_directly": "uploadDirectly",
    "multipart_uploads.begin_upload": "createMultipartUpload",
    "multipart_uploads.sign_part": "signPart",
    "multipart_uploads.list_parts": "listParts",
    "multipart_uploads.complete_upload": "completeMultipartUpload",
    "multipart_uploads.abort_upload": "abortMultipartUpload",
    "jobs.list_jobs": "listJobs",
    "jobs.get_job": "getJob",
    "batches.get_batch": "getBatch",
    "archives.get_photo_archive": "getPhotoArchive",
    "archives.get_batch_archive": "getBatchArchive",
    "archives.get_archive": "getArchive",
    "live.follow_photo": "followPhoto",
    "results.get_result": "getResult",
    "results.get_named_result": "getNamedResult",
}
"""Endpoints that an upload token may call -> their operations. Those with a photo's id answer only about photos that it
has uploaded (`api.context.require_own`)."""

WHAT_IT_MAY = "an upload token may upload photos, and follow and read what it has uploaded; use an API key for the rest"


class TokenInvalid(Unauthorized):
    """This is not an upload token of this service, or the key that signed it was removed: get a new one."""

    code = "token_invalid"


class TokenExpired(Unauthorized):
    """The upload token has expired: get a new one."""

    code = "token_expired"


class TokenScope(RequestError):
    """The upload token does not allow this."""

    code = "token_scope"
    status = 403


class TokenSpent(TokenScope):
    """Less is left of the upload token than this upload needs."""

    code = "token_spent"


class UploadToken(BaseModel):
    """What a token allows. The names are short, because they stand in every token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    owner: str
    until: int = Field(description="Unix time at which it expires")
    photos: int = Field(description="most photos")
    size: int = Field(description="most bytes of all photos together")
    presets: list[str] | None = Field(None, description="one of them for each upload; the first is the default")
    jobs: Jobs | None = Field(None, description="the jobs of each photo, in place of presets")
    callback: str | None = Field(None, description="the callback URL of each photo")

    def write(self, signer: Signer) -> str:
        return PREFIX + signer.sign("upload-token", self.model_dump(mode="json", exclude_none=True))

    def choose(self, jobs: list[Job] | None, preset: str | None) -> tuple[list[Job] | None, str | None]:
        """The jobs, or the preset, of an upload that asks for these. Raises TokenScope if it may not have them."""
        if self.jobs is not None:
            if jobs is not None or preset is not None:
                raise TokenScope("this upload token names the jobs of its photos itself: leave out jobs and preset")
            return self.jobs, None
        allowed = self.presets or []
        if jobs is not None or (preset is not None and preset not in allowed):
            raise TokenScope(f"this upload token allows no jobs but those of the presets {', '.join(allowed)}")
        return None, preset or allowed[0]


def is_token(text: str) -> bool:
    return text.startswith(PREFIX)


def read_token(signer: Signer | None, text: str) -> UploadToken:
    """Raises TokenInvalid and TokenExpired."""
    try:
        if signer is None or len(text) > MAX_LENGTH:
            raise TokenInvalid
        token = UploadToken.model_validate(signer.read("upload-token", text.removeprefix(PREFIX)))
    except (WrongSignature, ValidationError):
        raise TokenInvalid from None
    if token.until <= time.time():
        raise TokenExpired
    return token


def current_token() -> UploadToken | None:
    """The token of the current request; None if it has an API key, or needs none."""
    token: UploadToken | None = g.get("upload_token")
    return token


@dataclass(frozen=True)
class WantedJobs:
    """What an upload asks for, within what its token allows."""

    jobs: list[Job] | None
    preset: str | None
    callback_url: str | None
    token_id: str | None = None


def wanted_jobs(
    jobs: list[Job] | None, preset: str | None, callback_url: str | None, public: bool | None
) -> WantedJobs:
    """What the current request asks for, or its token says. Raises TokenScope for what the token does not allow."""
    token = current_token()
    if token is None:
        return WantedJobs(jobs, preset, callback_url)
    if callback_url is not None:
        raise TokenScope("an upload token names the callback URL of its photos itself: leave out callback_url")
    if public:
        raise TokenScope("an upload token makes no public photos: their embed links would outlive it for ever")
    return WantedJobs(*token.choose(jobs, preset), token.callback, token.id)


@dataclass(frozen=True)
class Count:
    """An upload that was counted."""

    uses: TokenUses
    use: Use | None = None

    def give_back(self, photos: int, size: int) -> None:
        if self.use and photos:
            self.uses.give_back(self.use, photos, size)


@contextmanager
def counted(uses: TokenUses, photos: int, size: int, key: str | None, reserved: ReservedIds) -> Iterator[Count]:
    """Count an upload of the current request's token, unless it fails. Raises TokenSpent.

    `size`: bytes. `key`: the Idempotency-Key; all tries with the same one count once. Without a token nothing is
    counted.
    """
    if (token := current_token()) is None:
        yield Count(uses)
        return
    limit = TokenLimit(token.id, token.photos, token.size, token.until)
    use = Use(limit, photos, size, reserved.ids[0] if key else None)
    if not uses.take(use, again=reserved.reused):
        raise TokenSpent(
            f"this upload token allows {token.photos:,} photos of {token.size:,} bytes together; "
            f"less is left than this upload needs ({photos:,} photos, {size:,} bytes)"
        )
    try:
        yield Count(uses, use)
    except BaseException:
        uses.give_back(use, use.photos, use.size)
        raise
