"""requests sessions that try again: which requests, after which answers, how often."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Self, cast

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import Retry
from urllib3.exceptions import InvalidHeader, MaxRetryError

from darkroom import __version__

STATUS_TRIES = 6
READ_TRIES = 3
"""Tries of a POST whose answer does not come; an upload then waits two minutes each time."""
LONGEST_WAIT = 60
"""Seconds. The client does not follow a longer Retry-After."""
BUSY_FOR = 600
"""Seconds for which the client repeats a request that a busy API refuses."""


class Repeat(Enum):
    """When a request may be sent again."""

    READ = auto()
    """Always: it changes nothing, or the second time changes no more than the first."""
    KEYED = auto()
    """Always: it is a POST with an Idempotency-Key. A 409 then means that the first try still runs, or that its API
    process died and the lock has to expire."""
    SAFE = auto()
    """Always: it is a POST or PUT that has the same effect twice."""
    ONCE = auto()
    """Only when the first try has surely had no effect."""


TRANSIENT = (429, 502, 503, 504)
REFUSED = (429, 503)
"""Statuses after which the request has had no effect."""


class BusyRetry(Retry):
    """Waits for a busy API as its Retry-After says, up to LONGEST_WAIT for one wait and BUSY_FOR altogether.

    `until`: time after which a refused request is not repeated. `on_refusal` gets the status of each refusal that is
    followed by another try.
    """

    def __init__(
        self,
        *counts: Any,
        until: float | None = None,
        on_refusal: Callable[[int], None] | None = None,
        **named: Any,
    ) -> None:
        super().__init__(*counts, **named)
        self._until = until
        self._on_refusal = on_refusal

    def new(self, **named: Any) -> Self:
        return super().new(**{"until": self._until, "on_refusal": self._on_refusal, **named})

    def increment(self, method: Any = None, url: Any = None, response: Any = None, *more: Any, **named: Any) -> Self:
        if response is None:
            return super().increment(method, url, response, *more, **named)
        now, wait = time.monotonic(), self.get_retry_after(response) or 0
        until = self._until or now + BUSY_FOR
        if wait > LONGEST_WAIT or now + wait > until:
            raise MaxRetryError(cast(Any, named.get("_pool")), url or "")
        left = super().increment(method, url, response, *more, **named)
        if self._on_refusal:
            self._on_refusal(response.status)
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:  # only BUSY_FOR limits these tries
            return left.new(total=self.total, status=self.status, until=until)
        return left.new(until=until)

    def get_retry_after(self, response: Any) -> float | None:
        """Ignores a Retry-After that cannot be parsed."""
        try:
            return super().get_retry_after(response)
        except (InvalidHeader, ValueError, OverflowError):
            return None


def seconds_of(retry_after: str | None) -> float | None:
    """The seconds that a Retry-After asks for; None without one that can be parsed."""
    try:
        return Retry().parse_retry_after(retry_after) if retry_after else None
    except (InvalidHeader, ValueError, OverflowError):
        return None


class BearerAuth(AuthBase):
    """Sends the API key. Unlike a plain header, requests does not replace it with a password from .netrc."""

    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


def make_session(
    repeat: Repeat,
    patience: int,
    api_key: str | None = None,
    on_refusal: Callable[[int], None] | None = None,
    also_retry: tuple[int, ...] = (),
) -> requests.Session:
    """A session whose requests are repeated as `repeat` says.

    `patience`: further tries when nothing answers. `also_retry`: further statuses after which another try may succeed.
    """
    session = requests.Session()
    session.headers["User-Agent"] = f"darkroom-client/{__version__}"
    if api_key:
        session.auth = BearerAuth(api_key)
    reads = {Repeat.READ: None, Repeat.ONCE: 0}.get(repeat, min(patience, READ_TRIES))
    statuses = REFUSED if repeat is Repeat.ONCE else (*TRANSIENT, *also_retry)
    if repeat is Repeat.KEYED:
        statuses += (HTTPStatus.CONFLICT.value,)
    retry = BusyRetry(
        total=STATUS_TRIES if repeat is Repeat.READ else None,
        connect=patience,
        read=reads,
        status=None if repeat is Repeat.READ else STATUS_TRIES,
        other=0,
        status_forcelist=statuses,
        allowed_methods=["GET", "DELETE"] if repeat is Repeat.READ else ["POST", "PUT", "DELETE"],
        backoff_factor=0.5,
        backoff_max=15,
        backoff_jitter=0.5,
        retry_after_max=LONGEST_WAIT + 1,  # urllib3 cuts longer waits to this, which BusyRetry then refuses
        raise_on_status=False,  # the last answer holds the reason
        on_refusal=on_refusal,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def storage_session(repeat: Repeat, patience: int) -> requests.Session:
    """For presigned URLs and forms of S3. It never sends a password from .netrc, which S3 would take for a second
    signature. It repeats a request after S3's 500."""
    session = make_session(repeat, patience, also_retry=(HTTPStatus.INTERNAL_SERVER_ERROR.value,))
    session.auth = lambda request: request
    return session
