"""Which files under `incoming/` become whose photos, and with which jobs. These are pure decisions.

A file in `incoming/{owner}/{preset}/...` becomes a photo when S3 notifies of it; any file under `incoming/{owner}/`
becomes one when its owner asks for it. Keys with `.` or `..` as a part are refused, because some tools between Darkroom
and S3 treat them as folders. During a rolling upgrade a newer worker may know an owner or a preset that this one does
not know, so such a message is retried.
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
    """A file in the bucket that becomes a photo. `etag`: its version, if S3 notified of it."""

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
class IngestRules:
    """The presets and owners of the settings, and what they mean for a file in the bucket."""

    presets: Presets
    owners: Owners

    @classmethod
    def read(cls, settings: Settings) -> IngestRules:
        """Raises SettingsError for a faulty file of presets or owners."""
        return cls(read_presets(settings), read_owners(settings))

    def from_notification(self, notice: Notification) -> Drop | None:
        """The drop that S3 reports. None for a folder, or a file that waits for a request of its owner.

        Raises IngestRefused and IngestUnknown.
        """
        if notice.key.endswith("/"):  # the AWS console makes such objects as folders
            return None
        owner, slash, path = notice.key.removeprefix(INCOMING).partition("/")
        if not slash:
            raise IngestRefused(f"{notice.key} has no owner in its key; put files into {PLACE}")
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

    def from_request(self, message: IngestMessage) -> Drop:
        """The drop that an owner requests. Raises IngestUnknown; IngestRefused also for a file of another owner."""
        place = f"{INCOMING}{message.owner}/"
        if not message.key.startswith(place) or message.key == place:
            raise IngestRefused(f"{message.key} does not belong to {message.owner}; name an object under {place}")
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
            raise IngestRefused(
                f"{key}: {name[:80]!r} is not a valid owner; put files into {PLACE}, owner: {OWNER_RULE}"
            )
        if self.owners.keys and name not in self.owners.keys.values():
            raise IngestUnknown(
                f"{key}: there is no owner {name}; {PREFIX}API_KEYS and {PREFIX}OWNERS_FILE define the owners"
            )
        if {".", ".."} & set(key.split("/")):
            raise IngestRefused(f"{key}: a part of the key is . or ..; give the object another key")
        return name

    def _jobs(self, preset: str, key: str) -> list[Job]:
        if preset not in self.presets:
            raise IngestUnknown(f"{key}: there is no preset {preset[:80]!r}; the presets are {', '.join(self.presets)}")
        return self.presets[preset].jobs
