"""One thread for each process looks at all photos that callers listen to, so that they share its reads.

DynamoDB has nothing that tells many readers of a change, so the thread asks: once in PAUSE for a photo with unfinished
work, in batches of 100, however many callers listen to it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from api.live.changes import HEARTBEAT, RETRY, Seen, ViewsOf, changes, gone, is_newer, seen, whole
from darkroom.aws.table import Table
from darkroom.errors import DarkroomError
from darkroom.record.photo import PhotoRecord

log = structlog.get_logger()

PAUSE = 1.0
"""Seconds between two looks."""

PAUSE_AFTER_ERROR = 5.0

HEARTBEAT_SECONDS = 15.0
"""Proxies close connections on which nothing happens for 60 s (nginx, Application Load Balancer)."""

NEWEST = 50
"""Photos of an owner that are looked at. Beyond these, only those count that had unfinished work before."""


class Listener(Protocol):
    """A caller who gets events. Any thread may call its methods; none of them waits."""

    gone: bool
    """The caller has closed the connection, or reads too slowly."""

    def send(self, events: bytes) -> None: ...

    def end(self) -> None:
        """Close the connection when everything is sent."""


@dataclass
class _Photo:
    """Who listens to a photo, and what they know of it."""

    seen: Seen
    listeners: list[Listener] = field(default_factory=list)


@dataclass
class _Owner:
    """Who listens to all photos of an owner, and what they know of each."""

    seen: dict[str, Seen] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    begun: bool = False


class Watcher:
    def __init__(self, table: Table, views: ViewsOf) -> None:
        self._table, self._views = table, views
        self._photos: dict[str, _Photo] = {}
        self._owners: dict[str, _Owner] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._heartbeat_at = 0.0
        self.reads = 0
        """Photos read from the table, for the benchmark."""

    @property
    def listeners(self) -> int:
        with self._changed:
            return sum(1 for _ in self._all())

    def follow_photo(self, listener: Listener, photo: PhotoRecord, last_event: str | None) -> None:
        """Send the photo as it is, unless the listener knows it from `last_event`, and then what changes until it has
        ended."""
        listener.send(RETRY)
        if is_newer(photo, last_event):
            listener.send(whole(photo, self._views))
        if not photo.unfinished:
            listener.end()
            return
        with self._changed:
            watched = self._photos.setdefault(photo.id, _Photo(seen(photo)))
            watched.listeners.append(listener)
            if watched.seen.version > photo.version:  # then this listener would miss what has changed since
                watched.seen = seen(photo)
            self._wake()

    def follow_owner(self, listener: Listener, owner: str, now: list[PhotoRecord]) -> None:
        """Send these photos as they are now, and then what changes in the owner's photos."""
        listener.send(RETRY)
        for photo in reversed(now):
            listener.send(whole(photo, self._views))
        with self._changed:
            self._owners.setdefault(owner, _Owner()).listeners.append(listener)
            self._wake()

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._forget_gone()
                while not (self._photos or self._owners):
                    self._changed.wait()
            pause = PAUSE
            try:
                self._look()
            except DarkroomError as error:
                log.warning("watcher.failed", code=error.code, detail=error.detail)
                pause = PAUSE_AFTER_ERROR
            except Exception:  # the thread must go on, otherwise every listener would wait for ever
                log.exception("watcher.failed")
                pause = PAUSE_AFTER_ERROR
            self._beat()
            time.sleep(pause)

    def _look(self) -> None:
        """Read all photos that somebody listens to, and send what has changed."""
        with self._changed:
            photos, owners = dict(self._photos), dict(self._owners)
        newest = {owner: self._table.newest(owner, NEWEST) for owner in owners}
        wanted = dict.fromkeys(photos)
        for owner, ids in newest.items():
            wanted |= dict.fromkeys(id_ for id_ in ids if _worth_a_look(owners[owner], id_))
            wanted |= dict.fromkeys(id_ for id_, known in owners[owner].seen.items() if known.unfinished)
        found = {photo.id: photo for photo in self._table.get_many(list(wanted))}
        self.reads += len(wanted)
        for photo_id, watched in photos.items():
            self._tell(watched, photo_id, found.get(photo_id))
        for owner, all_of in owners.items():
            self._tell_owner(all_of, [photo for photo in found.values() if photo.owner == owner])
            recent = set(newest[owner])
            all_of.seen = {id_: known for id_, known in all_of.seen.items() if known.unfinished or id_ in recent}

    def _tell(self, watched: _Photo, photo_id: str, photo: PhotoRecord | None) -> None:
        if photo is None or photo.deleted_or_expired:
            events, ended = gone(photo_id), True
        else:
            events, ended = changes(watched.seen, photo, self._views), not photo.unfinished
            watched.seen = seen(photo)
        with self._changed:
            listeners = list(watched.listeners)
            if ended:
                self._photos.pop(photo_id, None)
        for listener in listeners:
            if events:
                listener.send(events)
            if ended:
                listener.end()

    def _tell_owner(self, watched: _Owner, photos: list[PhotoRecord]) -> None:
        """Photos that are new for the listeners come whole, but not those that were there when the first one came."""
        events = []
        for photo in reversed(photos):
            before = watched.seen.get(photo.id)
            if photo.deleted_or_expired:
                events.append(gone(photo.id) if before else b"")
                watched.seen.pop(photo.id, None)
                continue
            if before:
                events.append(changes(before, photo, self._views))
            elif watched.begun:
                events.append(whole(photo, self._views))
            watched.seen[photo.id] = seen(photo)
        watched.begun = True
        if text := b"".join(events):
            for listener in list(watched.listeners):
                listener.send(text)

    def _beat(self) -> None:
        if time.monotonic() < self._heartbeat_at:
            return
        self._heartbeat_at = time.monotonic() + HEARTBEAT_SECONDS
        with self._changed:
            listeners = list(self._all())
        for listener in listeners:
            listener.send(HEARTBEAT)

    def _forget_gone(self) -> None:
        """Forget listeners who have closed their connections, and what nobody listens to."""
        tables: tuple[dict[str, Any], ...] = (self._photos, self._owners)
        for table in tables:
            for key, watched in list(table.items()):
                watched.listeners[:] = [listener for listener in watched.listeners if not listener.gone]
                if not watched.listeners:
                    del table[key]

    def _all(self) -> Iterator[Listener]:
        lists = [photo.listeners for photo in self._photos.values()] + [
            owner.listeners for owner in self._owners.values()
        ]
        yield from (listener for listeners in lists for listener in listeners if not listener.gone)


def _worth_a_look(owner: _Owner, photo_id: str) -> bool:
    """Whether a photo of the newest ones may have changed: it is new, or has unfinished work."""
    known = owner.seen.get(photo_id)
    return known is None or known.unfinished
