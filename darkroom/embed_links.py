"""Addresses of results for web pages: signed, without a login, and the same each time that they are asked for.

`{base}/v1/embeds/{text}`: the text names a photo, and a result of it by the name that its job has, or else by its job.
It holds the time at which it expires; none for a photo that was uploaded with `public`. In front of the bucket may be a
CDN (DARKROOM_CDN_URL): then the address of a result is that of the object there.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import datetime

from darkroom.aws.cdn import Cdn
from darkroom.errors import RequestError
from darkroom.record.job import JobRecord
from darkroom.record.photo import PhotoRecord
from darkroom.settings import Settings
from darkroom.signed_texts import Signer, WrongSignature

FOR_EVER = 0


class EmbedInvalid(RequestError):
    """This is no embed link of this service, or the key that signed it was removed: ask for the photo's links again."""

    code = "embed_invalid"
    status = 403


class EmbedExpired(RequestError):
    """The embed link has expired: ask for the photo's links again."""

    code = "embed_expired"
    status = 403


@dataclass(frozen=True)
class EmbedTarget:
    """What an embed link leads to: the result with this name, or of this job. `until`: when the link expires, as Unix
    time, or FOR_EVER."""

    photo_id: str
    name: str | None
    job_id: str | None
    until: int


class EmbedLinks:
    def __init__(self, settings: Settings, signer: Signer | None) -> None:
        self._base_url, self._ttl = settings.base_url, settings.embed_ttl
        self._signer = signer
        self._cdn = Cdn(settings) if settings.cdn_url else None

    def link(self, photo: PhotoRecord, job: JobRecord) -> str | None:
        """The address of the job's result; None if it has none yet, or nothing can be signed here."""
        until = FOR_EVER if photo.public else window_end(photo.created_at, time.time(), self._ttl)
        if job.result and job.result.key and (address := self.at_cdn(job.result.key, until)):
            return address
        if self._signer is None or not (job.name or job.result):
            return None
        text = self._signer.sign("embed-link", [photo.id, job.name or "", "" if job.name else job.id, until])
        return f"{self._base_url}/v1/embeds/{text}"

    def at_cdn(self, key: str, until: int) -> str | None:
        """The address of an object at the CDN; None if there is no CDN. `until`: Unix time, or FOR_EVER."""
        return self._cdn.address(key, until or None) if self._cdn else None

    def read(self, text: str) -> EmbedTarget:
        """Raises EmbedInvalid and EmbedExpired."""
        try:
            if self._signer is None:
                raise EmbedInvalid
            photo_id, name, job_id, until = self._signer.read("embed-link", text)
        except WrongSignature:
            raise EmbedInvalid from None
        if until != FOR_EVER and until <= time.time():
            raise EmbedExpired
        return EmbedTarget(photo_id, name or None, job_id or None, until)


def window_end(start: datetime, now: float, ttl: int) -> int:
    """The Unix time at which a link that is made `now` expires: `ttl` to 2 x `ttl` seconds later.

    All links that are made in one window of `ttl` seconds since `start` expire at the same time, so they are the same.
    """
    begun = start.timestamp()
    return int(begun) + ttl * (math.floor(max(0.0, now - begun) / ttl) + 2)
