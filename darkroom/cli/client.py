"""Darkroom's HTTP API in Python: what the command line uses, and an example of how to talk to the API.

    with Client("http://127.0.0.1:8080") as darkroom:
        photo = darkroom.upload(Path("cat.jpg"), preset="web")
        photo = darkroom.wait(photo["id"], timeout=300)
        for job in photo["jobs"]:
            if job["result"]:
                darkroom.download(photo["id"], job["id"], Path(job["result"]["filename"]))

Needs the `cli` extra. A client is for one thread; give each thread its own.
"""

from __future__ import annotations

import html
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Self, TypedDict, cast
from urllib.parse import quote, urlencode, urljoin, urlsplit
from uuid import uuid4

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import Retry
from urllib3.exceptions import InvalidHeader, MaxRetryError, ProtocolError, ReadTimeoutError
from urllib3.filepost import encode_multipart_formdata

from darkroom import __version__
from darkroom.errors import DarkroomError, RequestTooLarge

POLL = 20.0
"""How long one request waits for a photo's jobs to end."""
PAUSE = 1.0
"""Between two such requests: an API with too many of them answers at once."""
DOWNLOAD_TRIES = 3
STATUS_TRIES = 6
READ_TRIES = 3
"""Of an upload. An API that is there and says nothing takes two minutes each time."""
CHUNK = 256 * 1024
LONGEST_WAIT = 60
"""Seconds. An API that says to come back later than this is not waited for."""
REFUSED_FOR = 600
"""Seconds for which a request is sent again that the API has no room for now."""
LONGEST_QUERY = 7_500
"""gunicorn takes request lines of 8,190 bytes at most; what is longer is sent as a form."""

ARRIVES = 10.0
"""Seconds for which a file is awaited of which nobody knows whether the storage took it."""

FORMS = "/v1/uploads"
PAST_THE_API = "`darkroom upload --direct` sends larger photos, straight to the storage"
REFUSALS = {
    "EntityTooLarge": "EntityTooLarge: the file has more bytes than it had when the form was made for it",
    "EntityTooSmall": "EntityTooSmall: the file is empty",
}
"""What S3 says of a form, in plainer words."""


class Job(TypedDict):
    id: str
    type: str
    status: str
    attempts: int
    result: dict[str, Any] | None
    error: dict[str, str] | None


class Photo(TypedDict):
    id: str
    status: str
    created_at: str
    original: dict[str, Any] | None
    upload: dict[str, Any] | None
    jobs: list[Job]


class ApiError(DarkroomError):
    """The API refused a request."""

    code = "api_error"

    def __init__(self, http_status: int, detail: str) -> None:
        super().__init__(detail)
        self.http_status = http_status


class NotDarkroom(DarkroomError):
    """Something else answers at an address."""

    code = "not_darkroom"


class Unreachable(DarkroomError):
    """Nobody answers at an address."""

    code = "unreachable"


class AnswerLost(DarkroomError):
    """Something was sent, several times if need be, and nobody knows whether it was taken."""

    code = "answer_lost"


class NotFinished(DarkroomError):
    """The photo's jobs did not end in the time that the caller gave them."""

    code = "not_finished"


class Client:
    """A connection to the API at `url`.

    A busy API is asked again when it says, for ten minutes at most; `waiting` is called with a sentence whenever that
    begins or goes on. `patience` is how often it is called again when nobody is there, or when
    the connection breaks: 6 times take half a minute, in which a restart goes unnoticed; 2 are for people who wait at
    a terminal.
    """

    def __init__(
        self,
        url: str,
        patience: int = 6,
        api_key: str | None = None,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._patience = patience
        self._api_key = api_key
        self._waiting = waiting
        self._api = _session(patience, api_key, refused=self._refused)
        self._storage = _storage_session(2)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()
        self._storage.close()

    def check(self) -> None:
        """Raise Unreachable when nobody answers at the address."""
        self._ask(self._api, "GET", "/healthz", timeout=5).close()

    def presets(self) -> list[str]:
        """The names of the presets that the API has."""
        try:
            return list(self._ask(self._api, "GET", "/v1/operations", timeout=30).json()["presets"])
        except (ValueError, LookupError, TypeError) as error:
            raise self._not_darkroom() from error

    def upload(
        self,
        path: Path,
        *,
        preset: str | None = None,
        jobs: str | None = None,
        reference: str | None = None,
        key: str | None = None,
    ) -> Photo:
        """Send a file as it is read, so that its size does not matter. `jobs` is JSON, as in the API's docs.

        When the answer is lost it is sent again, under one Idempotency-Key, so that no second photo is made of it.
        A `key` of the caller's own lets another process do so too. Raises AnswerLost when all patience is used up.
        """
        given = {"preset": preset, "jobs": jobs, "reference": reference}
        fields = {name: value for name, value in given.items() if value}
        # File names may hold bytes that are no text; they become question marks.
        query = urlencode({"filename": path.name, **fields}, errors="replace")
        # Each upload has its own connection: the API may just be hanging up one that was kept.
        with path.open("rb") as file, self._upload_session() as session:
            body: BinaryIO | _Form = file
            address, content_type = f"/v1/photos?{query}", "application/octet-stream"  # the API looks into it itself
            if len(query) > LONGEST_QUERY:
                body = _Form(fields, "photo", _text(path.name), file)
                address, content_type = "/v1/photos", body.content_type
            headers = {"Content-Type": content_type, "Idempotency-Key": f'"{key or uuid4()}"'}
            return self._photo(self._ask(session, "POST", address, data=body, headers=headers, timeout=120))

    def ask_for_form(
        self,
        path: Path,
        *,
        preset: str | None = None,
        jobs: str | None = None,
        reference: str | None = None,
        key: str | None = None,
    ) -> Photo:
        """A photo that waits for this file, which `send_past_the_api` sends: for what a gateway finds too large."""
        if not path.is_file():  # a pipe does not say how long it is
            raise DarkroomError("only regular files can be sent straight to the storage")
        if not (size := path.stat().st_size):
            raise DarkroomError("this is an empty file")
        asked = {"preset": preset, "jobs": json.loads(jobs) if jobs else None, "reference": reference}
        body = {"filename": _text(path.name), "size": size} | {name: said for name, said in asked.items() if said}
        headers = {"Idempotency-Key": f'"{key or uuid4()}"'}
        with self._upload_session() as session:
            return self._photo(self._ask(session, "POST", FORMS, json=body, headers=headers, timeout=60))

    def send_past_the_api(self, path: Path, photo: Photo) -> None:
        """Send the file of a photo straight to the storage, as it is read.

        What went wrong on the way is forgotten if the file has arrived all the same. Raises AnswerLost when it has not
        so far, Unreachable when it cannot have.
        """
        if photo["status"] != "awaiting_upload":  # an earlier try, under the same key, has sent it
            return
        with path.open("rb") as file:
            try:
                upload = cast(dict[str, Any], photo["upload"])
                url, form = str(upload["url"]), _Form(upload["fields"], "file", _text(path.name), file)
            except (LookupError, TypeError) as error:
                raise self._not_darkroom() from error
            try:
                self._send_form(url, form)
            except AnswerLost as error:
                if self.photo(photo["id"], ARRIVES)["status"] != "awaiting_upload":
                    return
                raise AnswerLost(
                    f"{error}. The file is not there so far; `darkroom status {photo['id']}` says whether it comes"
                ) from error

    def photo(self, photo_id: str, wait: float = 0) -> Photo:
        """The photo as it is now, or as soon as its jobs have ended, at the latest after `wait` seconds."""
        path = f"/v1/photos/{quote(photo_id, safe='')}?wait={wait:g}"
        return self._photo(self._ask(self._api, "GET", path, timeout=wait + 30))

    def wait(self, photo_id: str, timeout: float) -> Photo:
        """The photo when all its jobs have ended. Raises NotFinished after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            photo = self.photo(photo_id, min(POLL, left))
            if photo["status"] not in ("awaiting_upload", "processing"):
                return photo
            if not left:
                raise NotFinished(f"not finished after {timeout:g} s; it goes on: darkroom status {photo_id}")
            time.sleep(min(PAUSE, left))

    def result_url(self, photo_id: str, job_id: str) -> str:
        return f"{self.url}/v1/photos/{quote(photo_id, safe='')}/jobs/{quote(job_id, safe='')}/result"

    def download(self, photo_id: str, job_id: str, to: Path) -> None:
        """Write a job's result to the file `to`."""
        for more in reversed(range(DOWNLOAD_TRIES)):
            try:
                self._download(self.result_url(photo_id, job_id), to)
                return
            except requests.RequestException as error:  # cut short in the middle: begin anew, with a new link
                if not more:
                    raise Unreachable(f"the download of job {job_id} broke off: {_cause(error)}") from error

    def _download(self, url: str, to: Path) -> None:
        response = self._ask(self._api, "GET", url.removeprefix(self.url), stream=True, timeout=60)
        if response.is_redirect:  # metadata comes from the API itself
            response.close()
            response = self._fetch(urljoin(url, response.headers["Location"]))
        with response, to.open("wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)

    def _fetch(self, link: str) -> requests.Response:
        host = urlsplit(link).netloc
        try:
            response = self._storage.get(link, stream=True, timeout=(5, 60))
        except requests.RequestException as error:
            raise Unreachable(
                f"the result is at {host}, which cannot be reached from here ({_cause(error)}); "
                "DARKROOM_S3_PUBLIC_ENDPOINT_URL of the API says which host its links name"
            ) from error
        if not response.ok:
            raise _refusal(response, host)
        return response

    def _send_form(self, url: str, form: _Form) -> None:
        """Send a file to the storage. A form can be used again, so it is sent again when the connection breaks.

        Raises AnswerLost when nobody but Darkroom can know whether the file was taken.
        """
        host = urlsplit(url).netloc
        with _storage_session(self._patience, upload=True) as storage:
            try:
                response = storage.post(
                    url, data=form, headers={"Content-Type": form.content_type}, timeout=(5, 120), allow_redirects=False
                )
            except requests.RequestException as error:
                if _may_be_done(error):
                    raise AnswerLost(f"the connection to {host} broke at every try ({_cause(error)})") from error
                raise Unreachable(
                    f"the photo goes to {host}, which cannot be reached from here ({_cause(error)}); "
                    "DARKROOM_S3_PUBLIC_ENDPOINT_URL of the API says which host its forms name"
                ) from error
            with response:
                if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise AnswerLost(str(_refusal(response, host)))
                if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
                    raise _refusal(response, host)

    def _ask(
        self, session: requests.Session, method: str, path: str, *, timeout: float, **request: Any
    ) -> requests.Response:
        """Send a request to the API; raises ApiError or NotDarkroom for every answer that is an error."""
        try:
            response = session.request(method, self.url + path, timeout=(5, timeout), allow_redirects=False, **request)
        except requests.RequestException as error:
            if method == "POST" and _may_be_done(error):
                raise AnswerLost(
                    f"the answer was lost ({_cause(error)}), however often it was asked for. "
                    + (
                        "Only a form was asked for: the photo was not sent"
                        if path == FORMS
                        else f"Darkroom may have taken the photo or not; {self.url}/v1/photos lists what is there"
                    )
                ) from error
            raise Unreachable(
                f"Darkroom does not answer at {self.url} ({_cause(error)}).\n"
                "Start it with `docker compose up` or `make run`, or say where it is with --url or DARKROOM_URL."
            ) from error
        if not response.ok:
            with response:
                raise self._problem(response)
        return response

    def _upload_session(self) -> requests.Session:
        return _session(self._patience, self._api_key, upload=True, refused=self._refused)

    def _refused(self, status: int) -> None:
        if self._waiting:
            reason = f"{status} {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else str(status)
            self._waiting(
                f"{self.url} answers {reason}: it is asked again when it says, for {REFUSED_FOR / 60:g} minutes at most"
            )

    def _photo(self, response: requests.Response) -> Photo:
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or not {"id", "status", "jobs"} <= body.keys():
            raise self._not_darkroom()
        return cast(Photo, body)

    def _not_darkroom(self) -> NotDarkroom:
        return NotDarkroom(f"what answers at {self.url} is not Darkroom")

    def _problem(self, response: requests.Response) -> DarkroomError:
        """The API's own words (RFC 9457), or the status line of whatever stands before the API."""
        if response.status_code == 404 and "problem+json" not in response.headers.get("Content-Type", ""):
            return self._not_darkroom()
        try:
            body = response.json()
            faults = [f"{fault['field']}: {fault['detail']}" for fault in body.get("errors", [])]
            detail = "\n".join(faults) or str(body["detail"])
            if body.get("type") == f"urn:darkroom:problem:{RequestTooLarge.code}":
                detail += f"; {PAST_THE_API}"
        except (ValueError, LookupError, AttributeError, TypeError):
            detail = f"{self.url} answered {response.status_code} {response.reason}"
            if response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:  # what stands before the API takes less
                detail += f"; {PAST_THE_API}"
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            detail = (
                f"{self.url} takes no request without an API key that it knows, and "
                f"{'does not know the one that was sent' if self._api_key else 'none was sent'}.\n"
                "Give it with --api-key or DARKROOM_API_KEY. (DARKROOM_API_KEYS is the API's and holds hashes of keys.)"
            )
        return ApiError(response.status_code, detail)


class _Form:
    """A multipart body with a file in it: read as it is sent, and again from its start when it is sent again."""

    def __init__(self, fields: dict[str, str], name: str, filename: str, file: BinaryIO) -> None:
        boundary = uuid4().hex
        place = f"<{boundary}>".encode()  # of the file, between what comes before it and after it
        photo = {name: (filename, place, "application/octet-stream")}
        text, self.content_type = encode_multipart_formdata({**fields, **photo}, boundary)
        head, _, tail = text.partition(place)
        self._parts: list[BinaryIO] = [BytesIO(head), file, BytesIO(tail)]
        self._length = len(head) + os.fstat(file.fileno()).st_size + len(tail)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        """Only for requests, which knows by it that this is no string."""
        return iter(lambda: self.read(CHUNK), b"")

    def read(self, size: int) -> bytes:
        return next(filter(None, (part.read(size) for part in self._parts)), b"")

    def tell(self) -> int:
        return sum(part.tell() for part in self._parts)

    def seek(self, start: int) -> None:
        """urllib3 goes back to where it began, which is the start."""
        for part in self._parts:
            part.seek(start)


class _Retry(Retry):
    """Waits for an API that is busy, as long as that is not for long, neither each time nor altogether.

    `until`: when a request that was refused is not sent again any more. `refused` is told of each refusal after which
    it is.
    """

    def __init__(
        self, *counts: Any, until: float | None = None, refused: Callable[[int], None] | None = None, **named: Any
    ) -> None:
        super().__init__(*counts, **named)
        self._until = until
        self._refused = refused

    def new(self, **named: Any) -> Self:
        return super().new(**{"until": self._until, "refused": self._refused, **named})

    def increment(self, method: Any = None, url: Any = None, response: Any = None, *more: Any, **named: Any) -> Self:
        if response is None:
            return super().increment(method, url, response, *more, **named)
        at, wait = time.monotonic(), self.get_retry_after(response) or 0
        until = self._until or at + REFUSED_FOR
        if wait > LONGEST_WAIT or at + wait > until:
            raise MaxRetryError(cast(Any, named.get("_pool")), url or "")
        left = super().increment(method, url, response, *more, **named)
        if self._refused:
            self._refused(response.status)
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:  # it does not count among those that failed
            return left.new(total=self.total, status=self.status, until=until)
        return left.new(until=until)

    def get_retry_after(self, response: Any) -> float | None:
        """What nobody can read is as good as nothing."""
        try:
            return super().get_retry_after(response)
        except (InvalidHeader, ValueError, OverflowError):
            return None


class _Key(AuthBase):
    """Sends the API key; as requests' own kind of password it is not replaced by one of a .netrc."""

    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


def _session(
    patience: int,
    api_key: str | None = None,
    upload: bool = False,
    refused: Callable[[int], None] | None = None,
    passing: tuple[int, ...] = (),
) -> requests.Session:
    """Asks again where that is safe: an upload has a key by which Darkroom knows it again.

    After a 409 the first try is still under way, or its API has died and the lock has to run out. `passing`: further
    answers that another try may change.
    """
    session = requests.Session()
    session.headers["User-Agent"] = f"darkroom-cli/{__version__}"
    if api_key:
        session.auth = _Key(api_key)
    retry = _Retry(
        total=None if upload else 6,
        connect=patience,
        read=min(patience, READ_TRIES) if upload else None,
        status=STATUS_TRIES if upload else None,
        other=0,
        status_forcelist=(*((409,) if upload else ()), 429, 502, 503, 504, *passing),
        allowed_methods=["POST"] if upload else ["GET"],
        backoff_factor=0.5,
        backoff_max=15,
        backoff_jitter=0.5,
        retry_after_max=LONGEST_WAIT + 1,  # longer ones are cut down to it, and can still be told from it
        raise_on_status=False,  # the last answer says why
        refused=refused,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _storage_session(patience: int, upload: bool = False) -> requests.Session:
    """For another host than the API's, whose addresses are signed: a password of a .netrc, which S3 would take for a
    second signature, must not go there. S3's 500 asks for another try."""
    session = _session(patience, upload=upload, passing=(500,))
    session.auth = lambda request: request
    return session


def _refusal(response: requests.Response, host: str) -> ApiError:
    """What the storage says, which speaks XML."""
    with response:
        said = {name: html.unescape(text) for name, text in re.findall(r"<(Code|Message)>([^<]*)</", response.text)}
    code = said.get("Code", response.reason)
    words = REFUSALS.get(code) or f"{code}{': ' if said.get('Message') else ''}{said.get('Message', '')}"
    return ApiError(response.status_code, f"the storage at {host} answered {response.status_code} {words}")


def _text(name: str) -> str:
    """File names may hold bytes that are no text; they become question marks."""
    return name.encode(errors="replace").decode()


def _may_be_done(error: requests.RequestException) -> bool:
    """Whether the last try had got through when it failed: urllib3 says so by what it gives up with."""
    last = error.args[0] if error.args else None
    return not isinstance(last, MaxRetryError) or isinstance(last.reason, ReadTimeoutError | ProtocolError)


def _cause(error: BaseException) -> str:
    """The system's own words, which requests and urllib3 wrap several times: `Connection refused`."""
    while inner := error.__cause__ or error.__context__ or _named_in(error):
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _named_in(error: BaseException) -> BaseException | None:
    """What urllib3 gives up with holds the error that it is about as a mere argument."""
    return next((named for named in error.args if isinstance(named, BaseException)), None)
