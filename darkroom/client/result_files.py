"""Files that the API gives, or redirects to: results and archives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin
from uuid import uuid4

import requests
from urllib3 import Retry
from urllib3.exceptions import MaxRetryError

from darkroom.client.api_requests import ApiRequests
from darkroom.client.client_errors import Unreachable
from darkroom.client.form_body import CHUNK
from darkroom.client.network_faults import root_cause
from darkroom.client.sessions import Repeat, storage_session
from darkroom.client.storage import fetch

T = TypeVar("T")

MORE_TRIES = Retry(total=2, backoff_factor=0.5)
"""Of a download whose connection breaks. Each starts again, with a new link."""


def read_all(api: ApiRequests, path: str, wait: float = 0) -> bytes:
    """The whole file in memory."""
    return _download(api, path, wait, lambda response: response.content)


def save(api: ApiRequests, path: str, to: Path, wait: float = 0) -> Path:
    """Write the file to `to` while it arrives. A file that is at `to` is only replaced by a complete one."""
    partial = to.with_name(f".{uuid4().hex}.partial")

    def write(response: requests.Response) -> None:
        with partial.open("wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)

    try:
        _download(api, path, wait, write)
        return partial.replace(to)
    finally:
        partial.unlink(missing_ok=True)


def _download(api: ApiRequests, path: str, wait: float, take: Callable[[requests.Response], T]) -> T:
    """What `take` makes of the response. Raises Unreachable when its body breaks off at every try."""
    tries = MORE_TRIES
    while True:
        try:
            with _response(api, path, wait) as response:
                return take(response)
        except requests.RequestException as error:
            try:
                tries = tries.increment("GET", path, error=error)
            except MaxRetryError:
                raise Unreachable(f"the download of {api.url}{path} broke off: {root_cause(error)}") from error
            tries.sleep()


@contextmanager
def _response(api: ApiRequests, path: str, wait: float) -> Iterator[requests.Response]:
    """The response with the file, whose body is read later."""
    with api.send("GET", path, stream=True, timeout=wait + 60) as response:
        if not response.is_redirect:  # the API itself answers with archives and small metadata
            yield response
            return
        link = urljoin(api.url + path, response.headers["Location"])
    with storage_session(Repeat.READ, 2) as storage, fetch(storage, link) as file:
        yield file
