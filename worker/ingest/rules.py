"""Which files under `incoming/` become whose photos, and with which jobs. Pure: no bucket, no clock.

A file in `incoming/{owner}/{preset}/...` is brought in when S3 tells of it, any file under `incoming/{owner}/` when its
owner asks for it. Object keys are flat, but not everything between us and S3 believes that of `..`. An owner or preset
that is not known here may be known to newer workers, in a rolling upgrade: they get a chance to receive it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from darkroom.errors import IngestRefused, IngestUnknown
from darkroom.jobs.job_types import Job
from darkroom.owners import OWNER_RULE, Owners, is_owner, read_owners
from darkroom.presets import Presets, read_presets
from darkroom.record.keys import INCOMING
from darkroom.record.messages import IngestMessage
from darkroom.settings import PREFIX, Settings
from worker.ingest.notifications import Notification, derived_id

PLACE = f"{INCOMING}{{owner}}/{{preset}}/"


@dataclass(frozen=True)
class Drop:
    """A file that is to become a photo. `etag`: which one it was, if S3 told of it."""

    photo: str
    owner: str
    key: str
    jobs: list[Job]
    at: datetime
    trace: str
    etag: str | None = None
    callback_url: str | None = None
    reference: str | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True)
class Drops:
    """What the settings say about files that are dropped."""

    presets: Presets
    owners: Owners

    @classmethod
    def read(cls, settings: Settings) -> Drops:
        """Raises SettingsError for a faulty file of presets or owners."""
        return cls(read_presets(settings), read_owners(settings))

    def noticed(self, notice: Notification) -> Drop | None:
        """None when it only waits for a request, or is a folder. Raises IngestRefused, IngestUnknown."""
        if notice.key.endswith("/"):  # what consoles make for a folder
            return None
        owner, slash, path = notice.key.removeprefix(INCOMING).partition("/")
        if not slash:
            raise IngestRefused(f"{notice.key} belongs to nobody; put files into {PLACE}")
        preset, slash, _ = path.partition("/")
        if not slash:
            return None
        return Drop(
            photo=notice.photo,
            owner=self._owner(owner, notice.key),
            key=notice.key,
            jobs=self._jobs(preset, notice.key),
            at=notice.at,
            trace=notice.trace,
            etag=notice.etag,
            callback_url=self.owners.callback_url(owner),
        )

    def asked(self, message: IngestMessage) -> Drop:
        """Raises IngestRefused, also for what is not the owner's, and IngestUnknown."""
        place = f"{INCOMING}{message.owner}/"
        if not message.key.startswith(place) or message.key == place:
            raise IngestRefused(f"{message.key} is not {message.owner}'s; name an object under {place}")
        at = datetime.fromtimestamp(message.at / 1000, UTC)
        return Drop(
            photo=derived_id(at, message.trace, message.key),
            owner=self._owner(message.owner, message.key),
            key=message.key,
            jobs=self._jobs(message.preset, message.key),
            at=at,
            trace=message.trace,
            callback_url=self.owners.callback_url(message.owner),
            reference=message.reference,
            metadata=message.metadata,
        )

    def _owner(self, name: str, key: str) -> str:
        if not is_owner(name):
            raise IngestRefused(f"{key}: {name[:80]!r} cannot be an owner; put files into {PLACE}, owner: {OWNER_RULE}")
        if self.owners.keys and name not in self.owners.keys.values():
            raise IngestUnknown(
                f"{key}: there is no owner {name}; owners stand in {PREFIX}API_KEYS or {PREFIX}OWNERS_FILE"
            )
        if {".", ".."} & set(key.split("/")):
            raise IngestRefused(f"{key}: a part of it is . or ..; give the object another name")
        return name

    def _jobs(self, preset: str, key: str) -> list[Job]:
        if preset not in self.presets:
            raise IngestUnknown(f"{key}: there is no preset {preset[:80]!r}; there are {', '.join(self.presets)}")
        return self.presets[preset].jobs
