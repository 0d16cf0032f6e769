"""One file from a URL that a caller has given: GET, with redirects followed hop by hop.

Each hop has the rules of a callback URL (darkroom/webhooks/callback.py), and its connection goes to an address that was
checked (worker/connections.py). No cookie, no referrer and no login are sent to any host.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import urljoin

import darkroom
from darkroom.errors import CallbackRefused, DeliveryFailed, Unavailable
from darkroom.fetch_errors import FetchFailed, FetchRefused
from darkroom.status_phrases import with_phrase
from darkroom.webhooks.callback import Target, read_callback
from worker.connections import Deadline, connected

REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5

PASSING = (408, 421, 423, 425, 429)
"""Responses 4xx that another try may not get. All 5xx pass, too."""

CHUNK = 256 * 1024

HEADERS = {
    "Accept": "image/*, */*;q=0.5",
    "Accept-Encoding": "identity",
    "User-Agent": f"Darkroom/{darkroom.__version__}",
    "Connection": "close",
}


def download(
    url: str,
    file: BinaryIO,
    most: int,
    seconds: float,
    private_hosts: Collection[str],
    tls: ssl.SSLContext,
    check: Callable[[], None],
) -> str:
    """Write the file that a URL leads to into `file`. Returns its SHA-256 in hex.

    `most`: bytes. `seconds`: for all of it. `check` is called before each chunk; its error ends the download. Raises
    FetchFailed if another try may succeed, FetchRefused if not. Neither shows more of a URL than its host.
    """
    deadline = Deadline(seconds)
    seen: set[str] = set()
    for _ in range(MOST_REDIRECTS + 1):
        target = _allowed(url, private_hosts, after_redirect=bool(seen))
        if target.url in seen:
            raise FetchRefused(f"the redirects of {target.host} lead in a circle")
        seen.add(target.url)
        try:
            with connected(target, deadline, tls) as client:
                client.request("GET", target.path, headers=HEADERS)
                with client.getresponse() as response:
                    if response.status in REDIRECTS:
                        url = _next_url(target, response)
                        continue
                    digest = _read(target, response, file, most, deadline, check)
            return digest
        except DeliveryFailed as error:
            raise FetchFailed(f"{target.host}: {error.detail}") from error
        except (OSError, http.client.HTTPException) as error:
            raise FetchFailed(f"{target.host}: {_reason(deadline, error)}") from error
    raise FetchRefused(f"there are more than {MOST_REDIRECTS} redirects")


def _reason(deadline: Deadline, error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead) and not deadline.over:
        return "it ended the connection before the end of the file"
    return deadline.reason(error).replace("no answer within", "the file did not arrive within")


def _allowed(url: str, private_hosts: Collection[str], after_redirect: bool) -> Target:
    try:
        return read_callback(url, private_hosts)
    except CallbackRefused as error:
        what = "a redirect leads to a URL that is not allowed" if after_redirect else "the URL is not allowed"
        raise FetchRefused(f"{what}: {error.detail}") from error


def _next_url(target: Target, response: http.client.HTTPResponse) -> str:
    location = response.getheader("Location")
    if not location:
        raise FetchRefused(f"{target.host} sent a redirect without a Location")
    try:
        return urljoin(target.url, location.strip()).partition("#")[0]
    except ValueError as error:
        raise FetchRefused(f"{target.host} sent a redirect to something that is not a URL") from error


def _read(
    target: Target,
    response: http.client.HTTPResponse,
    file: BinaryIO,
    most: int,
    deadline: Deadline,
    check: Callable[[], None],
) -> str:
    status = response.status
    if status != HTTPStatus.OK:
        passes = status in PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise (FetchFailed if passes else FetchRefused)(f"{target.host} answered {with_phrase(status)}")
    if (response.getheader("Content-Encoding") or "identity").strip().lower() != "identity":
        raise FetchRefused(f"{target.host} sent the file compressed, although only the plain file was asked for")
    too_large = FetchRefused(f"the file has more than {most:,} bytes")
    if response.length is not None and response.length > most:
        raise too_large
    digest, size = hashlib.sha256(), 0
    while True:
        check()
        chunk = response.read1(CHUNK)
        if not chunk:
            break
        size += len(chunk)
        if size > most:
            raise too_large
        digest.update(chunk)
        try:
            file.write(chunk)
        except OSError as error:  # not the source's fault
            raise Unavailable("the disk of the worker does not take the file") from error
    deadline.left()  # a file that the watchdog has cut off can look complete
    if response.length:  # bytes that did not come
        raise FetchFailed(f"{target.host} ended the connection before the end of the file")
    if not size:
        raise FetchRefused(f"{target.host} sent an empty file")
    return digest.hexdigest()
