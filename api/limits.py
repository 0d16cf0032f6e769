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

from limits import RateLimitItem, RateLimitItemPerHour, parse_many
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from darkroom.errors import TooLarge, TooManyRequests, TooManyUploads, UploadQuotaSpent
from darkroom.settings import Settings

UPLOAD_RETRY = 2
"""Seconds. Nobody knows when one of the uploads under way ends."""


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
        self._windows = FixedWindowRateLimiter(MemoryStorage())
        self.most_uploads = max(1, min(int(settings.api_threads * settings.upload_share), settings.api_threads - 1))
        self._uploads: Counter[str] = Counter()
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

    def begin_upload(self, owner: str, size: int | None) -> None:
        """Count an upload of so many bytes, before one of them is read; end_upload ends it.

        Without a size, whatever it has is counted by `received`. Raises TooManyUploads, UploadQuotaSpent,
        or TooLarge for more than may come in a whole hour.
        """
        with self._lock:
            if self._uploads[owner] >= self.most_uploads:
                raise TooManyUploads(
                    f"{self.most_uploads} uploads of yours are under way, and more are not taken at the same time; "
                    "wait for one to end",
                    UPLOAD_RETRY,
                )
            if self._bytes:
                cost = 1 if size is None else size
                if cost > self._bytes.amount:
                    raise TooLarge(f"at most {self._bytes.amount:,} bytes may be uploaded in an hour")
                if wait := self._spend([self._bytes], owner, cost):
                    raise UploadQuotaSpent(
                        f"with this upload it would be more than {self._bytes.amount:,} bytes in an hour; "
                        f"the next hour begins in {wait} s",
                        wait,
                    )
            self._uploads[owner] += 1

    def received(self, owner: str, size: int) -> None:
        """Count the bytes of an upload that did not say its size: it is not refused any more, but the next one is."""
        if self._bytes:
            with self._lock:
                self._windows.hit(self._bytes, owner, cost=size)

    def end_upload(self, owner: str) -> None:
        with self._lock:
            self._uploads[owner] -= 1
            if not self._uploads[owner]:
                del self._uploads[owner]

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
