"""One request to the API: with the API key, repeated where that is safe, and its errors as exceptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import requests

from darkroom.client import sessions
from darkroom.client.client_errors import (
    BY_STATUS,
    AnswerLost,
    ApiError,
    ClientError,
    FieldError,
    NotDarkroom,
    Unreachable,
)
from darkroom.client.network_faults import may_have_arrived, root_cause
from darkroom.client.sessions import Repeat, make_session
from darkroom.status_phrases import with_phrase

CONNECT = 5
"""Seconds to wait for a connection."""

PREFIX = "urn:darkroom:problem:"


class ApiRequests:
    """The way to the API at `url`. `on_busy` gets a sentence each time that the API is busy and the client waits."""

    def __init__(self, url: str, api_key: str | None, patience: int, on_busy: Callable[[str], None] | None) -> None:
        self.url = url.rstrip("/")
        self.patience = patience
        self._api_key = api_key
        self._on_busy = on_busy
        self._reads = self._session(Repeat.READ)

    def close(self) -> None:
        self._reads.close()

    def json(
        self,
        method: str,
        path: str,
        *members: str,
        repeat: Repeat = Repeat.READ,
        timeout: float = 60,
        lost: str = "",
        **request: Any,
    ) -> dict[str, Any]:
        """The JSON object that the API answers. Raises NotDarkroom if it lacks one of these members."""
        with closing(self.send(method, path, repeat=repeat, timeout=timeout, lost=lost, **request)) as response:
            return self._object(response, members)

    def send(
        self,
        method: str,
        path: str,
        *,
        repeat: Repeat = Repeat.READ,
        timeout: float = 60,
        lost: str = "",
        **request: Any,
    ) -> requests.Response:
        """Send a request; `request` are arguments of requests, `lost` says what it may have done if no answer comes.

        Raises ApiError, NotDarkroom, Unreachable, AnswerLost.
        """
        if repeat is Repeat.READ:
            return self._send(self._reads, method, path, timeout, lost, request)
        # A connection of its own: the API may just be closing one that was kept open.
        with self._session(repeat) as session:
            return self._send(session, method, path, timeout, lost, request)

    def not_darkroom(self) -> NotDarkroom:
        return NotDarkroom(f"the program that answers at {self.url} is not Darkroom")

    def _send(
        self,
        session: requests.Session,
        method: str,
        path: str,
        timeout: float,
        lost: str,
        request: Mapping[str, Any],
    ) -> requests.Response:
        try:
            response = session.request(
                method, self.url + path, timeout=(CONNECT, timeout), allow_redirects=False, **request
            )
        except requests.RequestException as error:
            if lost and may_have_arrived(error):
                raise AnswerLost(f"no answer came, at any try ({root_cause(error)}). {lost}") from error
            raise Unreachable(f"Darkroom does not answer at {self.url} ({root_cause(error)})") from error
        if not response.ok:
            with response:
                raise self._problem(response)
        return response

    def _session(self, repeat: Repeat) -> requests.Session:
        return make_session(repeat, self.patience, self._api_key, self._refused)

    def _refused(self, status: int) -> None:
        if self._on_busy:
            self._on_busy(
                f"{self.url} answers {with_phrase(status)}: "
                f"trying again when it says, for {sessions.BUSY_FOR / 60:g} minutes at most"
            )

    def _object(self, response: requests.Response, members: tuple[str, ...]) -> dict[str, Any]:
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or not body.keys() >= {*members}:
            raise self.not_darkroom()
        return body

    def _problem(self, response: requests.Response) -> ClientError:
        """The API's reason (problem+json), or the status line of a proxy or gateway in front of it."""
        status = response.status_code
        if status == 404 and "problem+json" not in response.headers.get("Content-Type", ""):
            return self.not_darkroom()
        kind = BY_STATUS.get(status, ApiError)
        retry_after = sessions.seconds_of(response.headers.get("Retry-After"))
        try:
            body = response.json()
            return kind(
                status,
                self._detail(status, body),
                code=str(body.get("type", "")).removeprefix(PREFIX),
                title=str(body.get("title", "")),
                errors=[_field_error(fault) for fault in body.get("errors", [])],
                request_id=str(body.get("request_id", "")),
                retry_after=retry_after,
            )
        except (ValueError, LookupError, AttributeError, TypeError):
            detail = self._no_key() if status == 401 else f"{self.url} answered {status} {response.reason}"
            return kind(status, detail, title=response.reason or "", retry_after=retry_after)

    def _detail(self, status: int, body: Mapping[str, Any]) -> str:
        """The API's own words, but of a missing key: only the client knows whether one was sent."""
        no_key = status == 401 and body.get("type") in (None, "about:blank", f"{PREFIX}unauthorized")
        return self._no_key() if no_key else str(body["detail"])

    def _no_key(self) -> str:
        sent = "does not know the one that was sent" if self._api_key else "none was sent"
        return f"{self.url} requires an API key, and {sent}"


def _field_error(fault: Mapping[str, Any]) -> FieldError:
    return FieldError(field=str(fault["field"]), detail=str(fault["detail"]), code=str(fault["code"]))
