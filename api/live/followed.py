"""What the same listeners follow, a photo or all photos of an owner, and what they know of it.

The watcher's thread reads photos and renders events without a lock, while new listeners come. So it takes over what is
known then (`known`), and changes it only where no listener has come meanwhile who knows less (`learn`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from api.live.changes import Seen

NEWEST = 50
"""Photos of an owner that are followed. Of older ones, only those that were unfinished when they were seen last."""

OLDER = 100
"""Unfinished photos older than these that one look reads, at most; the others have their turn in the next looks."""

MAX_OLDER = 1000
"""Unfinished photos older than the newest that are followed."""


class Listener(Protocol):
    """A caller who gets events. Any thread may call its methods; none of them waits."""

    gone: bool
    """The caller has closed the connection, or reads too slowly."""

    def send(self, events: bytes) -> None: ...

    def end(self) -> None:
        """Close the connection when everything is sent."""


@dataclass(frozen=True)
class NewestPhotos:
    """The generations of an owner's newest photos by id, as the index has them: it may be a little late."""

    photos: Mapping[str, int] = field(default_factory=dict)

    def covers(self, photo_id: str) -> bool:
        """Whether the photo is one of the newest, or was until it was deleted. Ids sort by time."""
        return len(self.photos) < NEWEST or photo_id >= self._oldest

    @cached_property
    def _oldest(self) -> str:
        return min(self.photos)


@dataclass
class Followed:
    """Not thread-safe: the watcher's lock guards it. `photo`: None for all photos of the owner."""

    owner: str
    photo: str | None
    listeners: list[Listener] = field(default_factory=list)
    kept_until: float = 0.0
    """Monotonic time until which a listener may still come that relies on what is known here."""
    _seen: dict[str, Seen] = field(default_factory=dict)
    """In the order in which the photos were read, the one that was read last at the end."""

    def attach(self, listener: Listener, baseline: Iterable[tuple[str, Seen]]) -> None:
        """`baseline`: what this listener knows. Where the others know more, they hear of some changes twice, so that
        this listener misses none."""
        self.listeners.append(listener)
        for photo_id, mine in baseline:
            others = self._seen.get(photo_id)
            if others is None or mine.version < others.version:
                self._seen[photo_id] = mine

    def due(self, newest: NewestPhotos) -> list[str]:
        """The photos that may have changed: new and unfinished ones, and finished ones of which the list says more."""
        if self.photo:
            return [self.photo]
        wanted = [id_ for id_, generation in newest.photos.items() if _may_differ(self._seen.get(id_), generation)]
        older = 0
        for id_, known in self._seen.items():
            if id_ in newest.photos:
                continue
            if newest.covers(id_):  # then it was deleted, or the list is late
                wanted.append(id_)
            elif known.unfinished and older < OLDER:
                wanted.append(id_)
                older += 1
        return wanted

    def known(self, ids: Iterable[str]) -> dict[str, Seen | None]:
        return {photo_id: self._seen.get(photo_id) for photo_id in ids}

    def learn(self, before: Mapping[str, Seen | None], after: Mapping[str, Seen | None], newest: NewestPhotos) -> None:
        """The listeners know `after` now, except where a new one has come who does not know `before`. None: gone.

        Forget photos of which no news can come.
        """
        for photo_id, now in after.items():
            if self._seen.get(photo_id) is not before[photo_id]:
                continue
            self._seen.pop(photo_id, None)
            if now:
                self._seen[photo_id] = now
        if not self.photo:
            older = [id_ for id_, one in self._seen.items() if not newest.covers(id_) and one.unfinished]
            kept = set(sorted(older)[-MAX_OLDER:])
            self._seen = {id_: one for id_, one in self._seen.items() if id_ in kept or newest.covers(id_)}


def _may_differ(known: Seen | None, generation: int) -> bool:
    return known is None or known.unfinished or known.expires or generation > known.generation
