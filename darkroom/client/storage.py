"""What the client does with the storage (S3) itself: presigned links and forms."""

from __future__ import annotations

import html
import re
from http import HTTPStatus
from urllib.parse import urlsplit

import requests

from darkroom.client.client_errors import AnswerLost, NotDarkroom, StorageRefused, Unreachable
from darkroom.client.form_body import FormBody
from darkroom.client.network_faults import may_have_arrived, root_cause
from darkroom.client.sessions import Repeat, storage_session

REFUSALS = {
    "EntityTooLarge": "EntityTooLarge: the file is larger than it was when Darkroom made the form for it",
    "EntityTooSmall": "EntityTooSmall: the file is empty",
}
"""Our sentences for S3's reasons to refuse a form."""


def fetch(session: requests.Session, link: str) -> requests.Response:
    """Open a presigned link; the response is streamed. Raises Unreachable or StorageRefused."""
    host = urlsplit(link).netloc
    try:
        response = session.get(link, stream=True, timeout=(5, 60))
    except requests.RequestException as error:
        raise Unreachable(
            f"the result is at {host}, but nothing answers there ({root_cause(error)}); "
            "DARKROOM_S3_PUBLIC_ENDPOINT_URL of the API sets the host of such links",
            is_storage=True,
        ) from error
    if not response.ok:
        raise _refusal(response, host)
    return response


def send_form(url: str, form: FormBody, patience: int) -> None:
    """Send a file with its presigned form, which can be used more than once, so a broken connection is tried again.

    Raises AnswerLost when the storage may have stored the file, Unreachable or StorageRefused when it has not.
    """
    host = urlsplit(url).netloc
    with storage_session(Repeat.SAFE, patience) as storage:
        try:
            response = storage.post(
                url, data=form, headers={"Content-Type": form.content_type}, timeout=(5, 120), allow_redirects=False
            )
        except requests.RequestException as error:
            if may_have_arrived(error):
                raise AnswerLost(f"the connection to {host} broke at every try ({root_cause(error)})") from error
            raise Unreachable(
                f"the photo goes to {host}, but nothing answers there ({root_cause(error)}); "
                "DARKROOM_S3_PUBLIC_ENDPOINT_URL of the API sets the host of such forms",
                is_storage=True,
            ) from error
        with response:
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise AnswerLost(str(_refusal(response, host)))
            if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
                raise _refusal(response, host)


def send_part(session: requests.Session, url: str, content: bytes) -> str:
    """Send a part of a large photo to its presigned URL; returns its ETag. It may be sent again: the last one counts.

    Raises Unreachable, StorageRefused, NotDarkroom.
    """
    host = urlsplit(url).netloc
    try:
        response = session.put(url, data=content, timeout=(5, 120), allow_redirects=False)
    except requests.RequestException as error:
        raise Unreachable(
            f"the connection to {host} broke at every try ({root_cause(error)})", is_storage=True
        ) from error
    if not response.ok:
        raise _refusal(response, host)
    if etag := response.headers.get("ETag"):
        return etag
    raise NotDarkroom(f"the program at {host} answered a part without an ETag, so it is not S3")


def _refusal(response: requests.Response, host: str) -> StorageRefused:
    """The reason in the storage's XML."""
    with response:
        found = {name: html.unescape(text) for name, text in re.findall(r"<(Code|Message)>([^<]*)</", response.text)}
    code = found.get("Code", response.reason)
    words = REFUSALS.get(code) or f"{code}{': ' if found.get('Message') else ''}{found.get('Message', '')}"
    return StorageRefused(response.status_code, f"the storage at {host} answered {response.status_code} {words}")
