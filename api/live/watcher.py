"""One thread for each process looks at all photos that callers listen to, so that they share its reads.

DynamoDB has nothing that tells many readers of a change, so the thread asks: once in PAUSE, in batches of 100, for each
photo with unfinished work, however many callers listen to it. Of an owner's finished photos it only reads the list.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import structlog

from api.live.changes import BEGUN, HEARTBEAT, RETRY, Seen, ViewsOf, changes, gone, is_newer, seen, whole
from api.live.followed import NEWEST, Followed, Listener, NewestPhotos
from darkroom.aws.table import FoundRecords, Table
from darkroom.errors import DarkroomError
from darkroom.record.photo import PhotoRecord

log = structlog.get_logger()

PAUSE = 1.0
"""Seconds between two looks."""

PAUSE_AFTER_ERROR = 5.0

HEARTBEAT_SECONDS = 15.0
"""Proxies close connections on which nothing happens for 60 s (nginx, Application Load Balancer)."""

KEPT = 60.0
"""Seconds that may pass between a listener's request and the start of its events."""

Baseline = list[tuple[str, Seen]]


@dataclass(frozen=True)
class Feed:
    """Events for one listener: `first` at once, and then what it is sent after `attach`, which never waits."""

    first: bytes
    attach: Callable[[Listener], None]


class Watcher:
    def __init__(self, table: Table, views: ViewsOf) -> None:
        self._table, self._views = table, views
        self._followed: dict[tuple[str, str | None], Followed] = {}
        """By owner and photo."""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._heartbeat_at = 0.0
        self._unreadable: set[str] = set()

    def listeners(self, owner: str | None = None) -> int:
        """How many listen now; `owner`: of this owner only."""
        with self._changed:
            return sum(1 for _ in self._all(owner))

    def photo_feed(self, photo: PhotoRecord, last_event: str | None) -> Feed:
        """The photo as it is, unless the listener knows it from `last_event`, and then what changes until it has
        ended."""
        first = RETRY + (whole(photo, self._views) if is_newer(photo, last_event) else b"")
        if not photo.unfinished:
            return Feed(first, lambda listener: listener.end())
        return Feed(first, partial(self._attach, photo.owner, photo.id, [(photo.id, seen(photo))]))

    def owner_feed(self, owner: str, again: bool) -> Feed:
        """What changes in the owner's photos. `again`: the listener has lost a connection; it first gets the newest
        photos as they are now. Reads the table, unless others listen to this owner already."""
        baseline: Baseline = []
        first = [RETRY, BEGUN]
        if again or not self._keep(owner):
            photos, _ = self._table.list_photos(owner, NEWEST)
            baseline = [(photo.id, seen(photo)) for photo in photos]
            first += [whole(photo, self._views) for photo in reversed(photos) if again and not photo.deleted_or_expired]
        return Feed(b"".join(first), partial(self._attach, owner, None, baseline))

    def _keep(self, owner: str) -> bool:
        """Whether the owner's photos are known already. Then they stay known until the listener can be attached."""
        with self._changed:
            if followed := self._followed.get((owner, None)):
                followed.kept_until = time.monotonic() + KEPT
            return followed is not None

    def _attach(self, owner: str, photo: str | None, baseline: Baseline, listener: Listener) -> None:
        with self._changed:
            followed = self._followed.setdefault((owner, photo), Followed(owner, photo))
            followed.attach(listener, baseline)
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
                while not self._followed:
                    self._changed.wait()
            pause = PAUSE
            try:
                self.look()
            except DarkroomError as error:
                log.warning("watcher.failed", code=error.code, detail=error.detail)
                pause = PAUSE_AFTER_ERROR
            except Exception:  # the thread must go on, otherwise every listener would wait for ever
                log.exception("watcher.failed")
                pause = PAUSE_AFTER_ERROR
            self._beat()
            time.sleep(pause)

    def look(self) -> None:
        """Read all photos that may have changed, and send what has."""
        with self._changed:
            followed = list(self._followed.values())
        lists = [
            NewestPhotos() if one.photo else NewestPhotos(self._table.newest(one.owner, NEWEST)) for one in followed
        ]
        with self._changed:
            due = [one.due(newest) for one, newest in zip(followed, lists, strict=True)]
        found = self._table.find(list(dict.fromkeys(photo_id for ids in due for photo_id in ids)))
        self._log_unreadable(found)
        for one, ids, newest in zip(followed, due, lists, strict=True):
            self._tell(one, ids, found, newest)

    def _tell(self, followed: Followed, ids: Iterable[str], found: FoundRecords, newest: NewestPhotos) -> None:
        """Send what has changed in these photos. Renders without the lock, for which the main loop would wait."""
        with self._changed:
            before = followed.known(ids)
        events, after = self._news(before, found)
        state = after.get(followed.photo or "")
        ended = followed.photo in after and not (state and state.unfinished)
        with self._changed:
            followed.learn(before, after, newest)
            if ended:
                self._followed.pop((followed.owner, followed.photo), None)
            listeners = list(followed.listeners)
        for listener in listeners:
            if events:
                listener.send(events)
            if ended:
                listener.end()

    def _news(self, before: dict[str, Seen | None], found: FoundRecords) -> tuple[bytes, dict[str, Seen | None]]:
        """The events since `before`, and what the listeners know after them. Photos that are new to them come whole."""
        events = []
        after: dict[str, Seen | None] = {}
        for photo_id in sorted(before):  # the oldest first: ids sort by time
            known, photo = before[photo_id], found.photos.get(photo_id)
            if photo_id in found.unreadable or (photo and known and photo.version < known.version):
                continue
            after[photo_id] = seen(photo) if photo else None
            if photo is None or photo.deleted_or_expired:
                events.append(gone(photo_id) if known and not known.gone else b"")
            elif known is None:
                events.append(whole(photo, self._views))
            else:
                events.append(changes(known, photo, self._views))
        return b"".join(events), after

    def _log_unreadable(self, found: FoundRecords) -> None:
        """Once for each photo: the next process, of the newer release, reads it."""
        for photo_id in found.unreadable.keys() - self._unreadable:
            log.warning("record.unreadable", detail=found.unreadable[photo_id].detail)
        self._unreadable = set(found.unreadable)

    def _beat(self) -> None:
        if time.monotonic() < self._heartbeat_at:
            return
        self._heartbeat_at = time.monotonic() + HEARTBEAT_SECONDS
        with self._changed:
            listeners = list(self._all())
        for listener in listeners:
            listener.send(HEARTBEAT)

    def _forget_gone(self) -> None:
        """Forget listeners who have closed their connections, and what has no listener."""
        for key, followed in list(self._followed.items()):
            followed.listeners[:] = [listener for listener in followed.listeners if not listener.gone]
            if not followed.listeners and followed.kept_until < time.monotonic():
                del self._followed[key]

    def _all(self, owner: str | None = None) -> Iterator[Listener]:
        for followed in self._followed.values():
            if owner in (None, followed.owner):
                yield from (listener for listener in followed.listeners if not listener.gone)
