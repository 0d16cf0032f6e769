"""What one caller may take of the API: requests in a time, uploads at the same time, bytes in an hour.

Everything is counted in the memory of this process alone. With several processes, or several machines, a caller
gets that many times as much: this keeps one caller from crowding out the others. What must hold exactly for all
of them together is for the gateway before them.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerHour, parse_many
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from darkroom.errors import TooLarge, TooManyRequests, TooManyUploads, UploadQuotaSpent
from darkroom.settings import Settings

UPLOAD_RETRY = 2
"""Seconds. Nobody knows when one of the uploads under way ends."""

BODY_RETRY = 1
"""Seconds. A body of JSON is short."""


@dataclass(frozen=True)
class Reserved:
    """What an upload has taken of its owner's hour before it came."""

    owner: str
    size: int
    ends: float
    """The end of that hour."""


class Limits:
    def __init__(self, settings: Settings) -> None:
        self._rates = [] if settings.rate_limit == "off" else parse_many(settings.rate_limit)
        self._bytes = (
            RateLimitItemPerHour(settings.upload_bytes_per_hour, namespace="bytes")
            if settings.upload_bytes_per_hour
            else None
        )
        # A fixed window costs the same whatever the limit, and knows when it ends. A moving one would keep an entry
        # for every byte.
        self._counts = MemoryStorage()
        self._windows = FixedWindowRateLimiter(self._counts)
        self._most_bytes = settings.max_request_bytes
        self.most_uploads = max(1, min(int(settings.api_threads * settings.upload_share), settings.api_threads - 1))
        self._uploads: Counter[str] = Counter()
        self.most_bodies = max(1, (settings.api_threads - self.most_uploads) // 2)
        self._bodies: Counter[str] = Counter()
        self._lock = threading.Lock()

    def request(self, key: str) -> None:
        """Count a request with this key. Raises TooManyRequests."""
        with self._lock:
            if wait := self._spend(self._rates, key):
                raise TooManyRequests(
                    f"more requests than are allowed with this API key ({_said(self._rates)}); "
                    f"the next one is taken in {wait} s",
                    wait,
                )

    @contextmanager
    def body(self, owner: str) -> Iterator[None]:
        """While the body of a request that is no upload is read. Raises TooManyRequests."""
        with self._lock:
            if self._bodies[owner] >= self.most_bodies:
                raise TooManyRequests(
                    f"the bodies of {self.most_bodies} requests of yours are still on their way, and more are not "
                    "waited for at the same time",
                    BODY_RETRY,
                )
            self._bodies[owner] += 1
        try:
            yield
        finally:
            with self._lock:
                self._give_back(self._bodies, owner)

    def begin_upload(self, owner: str, size: int | None) -> Reserved:
        """Count an upload of so many bytes, before one of them is read; end_upload ends it, and corrects the bytes.

        Raises TooManyUploads, UploadQuotaSpent, or TooLarge for more than a request, or a whole hour, may have.
        """
        if size is not None and size > self._most_bytes:
            raise TooLarge(f"the request has more than {self._most_bytes:,} bytes")
        with self._lock:
            if self._uploads[owner] >= self.most_uploads:
                raise TooManyUploads(
                    f"{self.most_uploads} uploads of yours are under way, and more are not taken at the same time; "
                    "wait for one to end",
                    UPLOAD_RETRY,
                )
            cost = 1 if size is None else size
            ends = self._spend_bytes(owner, cost)
            self._uploads[owner] += 1
            return Reserved(owner, cost, ends)

    @contextmanager
    def announced(self, owner: str, size: int, hint: str = "") -> Iterator[None]:
        """Count an upload past the API, of at most so many bytes: nobody tells us what comes of it.

        They are given back if it cannot be offered. Raises UploadQuotaSpent, or TooLarge for more than a whole hour may
        have; their words end with `hint`.
        """
        with self._lock:
            ends = self._spend_bytes(owner, size, hint)
        try:
            yield
        except BaseException:
            with self._lock:
                self._give_bytes_back(owner, size, ends)
            raise

    def end_upload(self, reserved: Reserved, received: int) -> None:
        """Give back what was reserved and did not come; count what came and was not announced.

        The latter is not refused any more, but the next upload is.
        """
        owner, more = reserved.owner, received - reserved.size
        with self._lock:
            self._give_back(self._uploads, owner)
            if not self._bytes or not more:
                return
            if more > 0:
                self._windows.hit(self._bytes, owner, cost=more)
            else:
                self._give_bytes_back(owner, -more, reserved.ends)

    @staticmethod
    def _give_back(held: Counter[str], owner: str) -> None:
        held[owner] -= 1
        if not held[owner]:
            del held[owner]

    def _give_bytes_back(self, owner: str, size: int, ends: float) -> None:
        """Unless their hour is over."""
        if self._bytes and self._windows.get_window_stats(self._bytes, owner).reset_time == ends:
            self._counts.decr(self._bytes.key_for(owner), size)

    def _spend_bytes(self, owner: str, size: int, hint: str = "") -> float:
        """Returns the end of the hour that they are counted in."""
        if not self._bytes:
            return 0.0
        if size > self._bytes.amount:
            raise TooLarge(f"at most {self._bytes.amount:,} bytes may be uploaded in an hour{hint}")
        if wait := self._spend([self._bytes], owner, size):
            raise UploadQuotaSpent(
                f"with this upload it would be more than {self._bytes.amount:,} bytes in an hour; "
                f"the next hour begins in {wait} s{hint}",
                wait,
            )
        return self._windows.get_window_stats(self._bytes, owner).reset_time

    def _spend(self, items: list[RateLimitItem], who: str, cost: int = 1) -> int:
        """Spend the cost of all items, or nothing: then the whole seconds after which there is room again."""
        spent = [item for item in items if not self._windows.test(item, who, cost=cost)]
        if spent:
            ends = max(self._windows.get_window_stats(item, who).reset_time for item in spent)
            return max(1, math.ceil(ends - time.time()))
        for item in items:
            self._windows.hit(item, who, cost=cost)
        return 0


def _said(rates: list[RateLimitItem]) -> str:
    return ", ".join(str(rate) for rate in rates)
