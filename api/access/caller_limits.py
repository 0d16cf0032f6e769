"""What one caller may use of the API: requests per time, uploads at the same time, uploaded bytes per hour.

Limits keep one caller from taking the API away from the others. Each process counts in its own memory. So that one
machine keeps what was set, each of its `DARKROOM_API_PROCESSES` processes allows its share of it, rounded up. Several
machines allow a multiple. A limit that must hold exactly, for all machines together, belongs into the gateway or proxy
in front of them.
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

from api.access.limit_errors import TooManyRequests, TooManyUploads, UploadQuotaSpent
from darkroom.errors import TooLarge
from darkroom.settings import Settings

UPLOAD_RETRY = 2
"""Seconds. An estimate: the time when a running upload ends is unknown."""

BODY_RETRY = 1
"""Seconds. A JSON body is short."""


@dataclass(frozen=True)
class UploadReservation:
    """The bytes that an upload took from its owner's quota before it was read."""

    owner: str
    size: int
    hour_ends: float
    """Unix time at which the hour of the quota ends."""


class CallerLimits:
    """The counters of this process. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._processes = settings.api_processes
        self._rates_set = [] if settings.rate_limit == "off" else parse_many(settings.rate_limit)
        self._rates = [type(rate)(self._share(rate.amount), rate.multiples) for rate in self._rates_set]
        self._bytes_set = settings.upload_bytes_per_hour
        self._bytes = RateLimitItemPerHour(self._share(self._bytes_set), namespace="bytes") if self._bytes_set else None
        # A fixed window costs the same at any limit, and its end is known. A moving window would keep an entry for
        # each byte.
        self._counts = MemoryStorage()
        self._windows = FixedWindowRateLimiter(self._counts)
        self._max_request_bytes = settings.max_request_bytes
        self.max_uploads = max(1, min(int(settings.api_threads * settings.upload_share), settings.api_threads - 1))
        self._uploads: Counter[str] = Counter()
        self.max_bodies = max(1, (settings.api_threads - self.max_uploads) // 2)
        self._bodies: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count_request(self, key: str) -> None:
        """Count a request with this API key. Raises TooManyRequests."""
        with self._lock:
            if wait := self._spend(self._rates, key):
                raise TooManyRequests(
                    f"too many requests with this API key: at most {_listed(self._rates_set)} are allowed"
                    f"{self._share_hint(_listed(self._rates))}; try again in {wait} s",
                    wait,
                )

    def begin_body(self, owner: str) -> None:
        """Count a body that is received from now on, unless it is an upload. Raises TooManyRequests."""
        with self._lock:
            if self._bodies[owner] >= self.max_bodies:
                raise TooManyRequests(
                    f"the bodies of {self.max_bodies} of your requests are still being received, and no more are "
                    "received at the same time",
                    BODY_RETRY,
                )
            self._bodies[owner] += 1

    def end_body(self, owner: str) -> None:
        """The body has arrived, or no more of it is received."""
        with self._lock:
            self._decrement(self._bodies, owner)

    def begin_upload(self, owner: str, size: int | None) -> UploadReservation:
        """Count an upload of `size` bytes before it is read. `end_upload` ends it and corrects the bytes.

        Raises TooManyUploads, UploadQuotaSpent, or TooLarge for more bytes than a request or a whole hour may have.
        """
        if size is not None and size > self._max_request_bytes:
            raise TooLarge(f"the request has more than {self._max_request_bytes:,} bytes")
        with self._lock:
            if self._uploads[owner] >= self.max_uploads:
                raise TooManyUploads(
                    f"{self.max_uploads} of your uploads are in progress, and no more are accepted at the same time; "
                    "wait for one of them to end",
                    UPLOAD_RETRY,
                )
            reserved = 1 if size is None else size
            hour_ends = self._spend_bytes(owner, reserved)
            self._uploads[owner] += 1
            return UploadReservation(owner, reserved, hour_ends)

    def end_upload(self, reservation: UploadReservation, received: int) -> None:
        """Give back the reserved bytes that did not arrive; count those that arrived and were not reserved.

        The latter are no longer refused, but the next upload is.
        """
        owner, more = reservation.owner, received - reservation.size
        with self._lock:
            self._decrement(self._uploads, owner)
            if not self._bytes or not more:
                return
            if more > 0:
                self._windows.hit(self._bytes, owner, cost=more)
            else:
                self._give_bytes_back(owner, -more, reservation.hour_ends)

    @contextmanager
    def direct_upload(self, owner: str, size: int, hint: str = "") -> Iterator[None]:
        """Count an upload straight to S3 of at most `size` bytes. The API never learns how many bytes arrive there.

        The bytes are given back when the upload cannot be offered. Raises UploadQuotaSpent, or TooLarge for more bytes
        than a whole hour may have; both messages end with `hint`.
        """
        with self._lock:
            hour_ends = self._spend_bytes(owner, size, hint)
        try:
            yield
        except BaseException:
            with self._lock:
                self._give_bytes_back(owner, size, hour_ends)
            raise

    def _share(self, amount: int) -> int:
        return math.ceil(amount / self._processes)

    def _share_hint(self, share: str) -> str:
        return f", {share} in each of {self._processes} processes" if self._processes > 1 else ""

    @staticmethod
    def _decrement(counts: Counter[str], owner: str) -> None:
        counts[owner] -= 1
        if not counts[owner]:
            del counts[owner]

    def _spend_bytes(self, owner: str, size: int, hint: str = "") -> float:
        """Returns the Unix time at which the hour ends in which the bytes are counted."""
        if not self._bytes:
            return 0.0
        quota = f"at most {self._bytes_set:,} bytes may be uploaded in an hour"
        quota += self._share_hint(f"{self._bytes.amount:,}")
        if size > self._bytes.amount:
            raise TooLarge(quota + hint)
        if wait := self._spend([self._bytes], owner, size):
            raise UploadQuotaSpent(
                f"this upload would exceed your quota: {quota}; try again in {wait} s, when the next hour begins{hint}",
                wait,
            )
        return self._windows.get_window_stats(self._bytes, owner).reset_time

    def _give_bytes_back(self, owner: str, size: int, hour_ends: float) -> None:
        """Does nothing when the hour has ended."""
        if self._bytes and self._windows.get_window_stats(self._bytes, owner).reset_time == hour_ends:
            self._counts.decr(self._bytes.key_for(owner), size)

    def _spend(self, limits: list[RateLimitItem], who: str, cost: int = 1) -> int:
        """Take `cost` from each limit and return 0; or, if one has too little left, the seconds until it has more."""
        exhausted = [limit for limit in limits if not self._windows.test(limit, who, cost=cost)]
        if exhausted:
            ends = max(self._windows.get_window_stats(limit, who).reset_time for limit in exhausted)
            return max(1, math.ceil(ends - time.time()))
        for limit in limits:
            self._windows.hit(limit, who, cost=cost)
        return 0


def _listed(rates: list[RateLimitItem]) -> str:
    return ", ".join(str(rate) for rate in rates)
