"""Darkroom's HTTP API in Python: the command line uses it, and it shows how to talk to the API.

    with ApiClient("http://127.0.0.1:8080") as darkroom:
        photo = darkroom.upload(Path("cat.jpg"), preset="web")
        photo = darkroom.wait(photo["id"], timeout=300)
        for job in photo["jobs"]:
            if job["result"]:
                darkroom.download(photo["id"], job["id"], Path(job["result"]["filename"]))

A client is for one thread; give each thread its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, TypedDict, cast
from urllib.parse import quote, urlencode, urljoin
from uuid import uuid4

import requests

from darkroom.cli import sessions
from darkroom.cli.client_errors import (
    AnswerLost,
    ApiError,
    NotDarkroom,
    NotFinished,
    Unreachable,
    may_have_arrived,
    root_cause,
)
from darkroom.cli.multipart import CHUNK, MultipartForm, printable
from darkroom.cli.sessions import api_session, storage_session
from darkroom.cli.storage import fetch, send_form
from darkroom.errors import DarkroomError, RequestTooLarge
from darkroom.status_phrases import with_phrase

POLL = 20.0
"""Longest `?wait=` of one request, in seconds."""
PAUSE = 1.0
"""Seconds between two such requests: an API with too many waiting requests answers at once."""
DOWNLOAD_TRIES = 3
LONGEST_QUERY = 7_500
"""gunicorn accepts request lines of up to 8,190 bytes; a longer query becomes a form."""

ARRIVES = 10.0
"""Seconds to wait for a file when the storage's answer was lost."""

FORMS = "/v1/uploads"
ASSETS = "/v1/assets"
LONGEST_ASSET_NAME = 100
"""Characters of a name that the API takes."""
USE_DIRECT = "`darkroom upload --direct` sends larger photos, directly to the storage"


class JobJson(TypedDict):
    """A job, as the API shows it."""

    id: str
    name: str | None
    type: str
    status: str
    attempts: int
    result: dict[str, Any] | None
    error: dict[str, str] | None


class PhotoJson(TypedDict):
    """A photo, as the API shows it."""

    id: str
    status: str
    created_at: str
    original: dict[str, Any] | None
    upload: dict[str, Any] | None
    jobs: list[JobJson]


class ApiClient:
    """A connection to the API at `url`.

    When the API is busy, the client tries again after its Retry-After, for ten minutes at most, and calls `on_wait`
    with a sentence each time. `patience` is the number of further tries when nothing answers or the connection breaks:
    6 take half a minute, enough for a restart of the API; 2 suit a person at a terminal.
    """

    def __init__(
        self,
        url: str,
        patience: int = 6,
        api_key: str | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._patience = patience
        self._api_key = api_key
        self._on_wait = on_wait
        self._api = api_session(patience, api_key, on_refusal=self._refused)
        self._storage = storage_session(2)

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()
        self._storage.close()

    def check(self) -> None:
        """Raise Unreachable when nothing answers at the address."""
        self._request(self._api, "GET", "/healthz", timeout=5).close()

    def presets(self) -> list[str]:
        """The names of the API's presets."""
        try:
            return list(self._request(self._api, "GET", "/v1/operations", timeout=30).json()["presets"])
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
    ) -> PhotoJson:
        """Send a file while it is read, so it can be larger than the memory. `jobs` is JSON, as in the API's docs.

        If the answer is lost, the client sends the file again under the same Idempotency-Key, so it becomes one photo.
        With a `key` of the caller, another process can repeat the upload too. Raises AnswerLost when every try failed.
        """
        given = {"preset": preset, "jobs": jobs, "reference": reference}
        fields = {name: value for name, value in given.items() if value}
        # Bytes of a file name that are not text become question marks.
        query = urlencode({"filename": path.name, **fields}, errors="replace")
        # A connection of its own: the API may just be closing one that was kept open.
        with path.open("rb") as file, self._upload_session() as session:
            body: BinaryIO | MultipartForm = file
            address, content_type = f"/v1/photos?{query}", "application/octet-stream"  # the API detects the type itself
            if len(query) > LONGEST_QUERY:
                body = MultipartForm(fields, "photo", printable(path.name), file)
                address, content_type = "/v1/photos", body.content_type
            headers = {"Content-Type": content_type, "Idempotency-Key": f'"{key or uuid4()}"'}
            return self._photo(self._request(session, "POST", address, data=body, headers=headers, timeout=120))

    def request_form(
        self,
        path: Path,
        *,
        preset: str | None = None,
        jobs: str | None = None,
        reference: str | None = None,
        key: str | None = None,
    ) -> PhotoJson:
        """Register a photo for a direct upload; `send_direct` then sends its file.

        For files that are too large for a gateway.
        """
        if not path.is_file():  # a pipe has no size
            raise DarkroomError("a direct upload needs a regular file")
        if not (size := path.stat().st_size):
            raise DarkroomError("the file is empty")
        wanted = {"preset": preset, "jobs": json.loads(jobs) if jobs else None, "reference": reference}
        body = {"filename": printable(path.name), "size": size} | {
            name: value for name, value in wanted.items() if value
        }
        headers = {"Idempotency-Key": f'"{key or uuid4()}"'}
        with self._upload_session() as session:
            return self._photo(self._request(session, "POST", FORMS, json=body, headers=headers, timeout=60))

    def send_direct(self, path: Path, photo: PhotoJson) -> None:
        """Send the file of a photo to the storage, while it is read.

        If the answer is lost, the photo's status shows whether the file arrived. Raises AnswerLost when it has not
        arrived yet, Unreachable when it cannot have arrived.
        """
        if photo["status"] != "awaiting_upload":  # an earlier try with the same key sent it
            return
        with path.open("rb") as file:
            try:
                upload = cast(dict[str, Any], photo["upload"])
                url, form = str(upload["url"]), MultipartForm(upload["fields"], "file", printable(path.name), file)
            except (LookupError, TypeError) as error:
                raise self._not_darkroom() from error
            try:
                send_form(url, form, self._patience)
            except AnswerLost as error:
                if self.photo(photo["id"], ARRIVES)["status"] != "awaiting_upload":
                    return
                raise AnswerLost(
                    f"{error}. The file has not arrived yet; `darkroom status {photo['id']}` shows whether it does"
                ) from error

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request that is safe to repeat, and return the JSON of the answer. A POST gets an Idempotency-Key."""
        if method != "POST":
            return self._request(self._api, method, path, timeout=60).json()
        headers = {"Idempotency-Key": f'"{uuid4()}"'}
        with self._upload_session() as session:
            return self._request(session, method, path, json=body, headers=headers, timeout=120).json()

    def photo(self, photo_id: str, wait: float = 0) -> PhotoJson:
        """The photo, as soon as its jobs have ended or `wait` seconds are over."""
        path = f"/v1/photos/{quote(photo_id, safe='')}?wait={wait:g}"
        return self._photo(self._request(self._api, "GET", path, timeout=wait + 30))

    def known_photo(self, photo_id: str) -> PhotoJson:
        """The photo with the id that the user has typed. Raises DarkroomError that names the id if there is none."""
        try:
            return self.photo(photo_id)
        except ApiError as error:
            if error.http_status == HTTPStatus.NOT_FOUND:
                raise DarkroomError(f"there is no photo {photo_id} at {self.url}") from error
            raise

    def wait(self, photo_id: str, timeout: float) -> PhotoJson:
        """Wait until all jobs of the photo have ended. Raises NotFinished after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            photo = self.photo(photo_id, min(POLL, left))
            if photo["status"] not in ("awaiting_upload", "processing"):
                return photo
            if not left:
                raise NotFinished(f"not finished after {timeout:g} s; processing goes on: darkroom status {photo_id}")
            time.sleep(min(PAUSE, left))

    def add_asset(self, path: Path, name: str) -> dict[str, Any]:
        """Upload a file as an asset. It may be sent again: the same file is the same asset."""
        query = urlencode({"name": name[:LONGEST_ASSET_NAME]}, errors="replace")
        headers = {"Content-Type": "application/octet-stream"}
        with path.open("rb") as file, self._upload_session(keyed=False) as session:
            return self._object(
                self._request(session, "POST", f"{ASSETS}?{query}", data=file, headers=headers, timeout=120), "id"
            )

    def assets(self) -> dict[str, Any]:
        """All assets of the caller, as the API lists them."""
        return self._object(self._request(self._api, "GET", ASSETS, timeout=30), "assets")

    def remove_asset(self, asset_id: str) -> None:
        self._request(self._api, "DELETE", f"{ASSETS}/{quote(asset_id, safe='')}", timeout=60).close()

    def result_url(self, photo_id: str, job_id: str) -> str:
        return f"{self.url}/v1/photos/{quote(photo_id, safe='')}/jobs/{quote(job_id, safe='')}/result"

    def download(self, photo_id: str, job_id: str, to: Path) -> None:
        """Write a job's result to the file `to`."""
        for tries_left in reversed(range(DOWNLOAD_TRIES)):
            try:
                self._download(self.result_url(photo_id, job_id), to)
                return
            except requests.RequestException as error:  # the connection broke: start again, with a new link
                if not tries_left:
                    raise Unreachable(f"the download of job {job_id} broke off: {root_cause(error)}") from error

    def _download(self, url: str, to: Path) -> None:
        response = self._request(self._api, "GET", url.removeprefix(self.url), stream=True, timeout=60)
        if response.is_redirect:  # the API itself answers with small metadata
            response.close()
            response = fetch(self._storage, urljoin(url, response.headers["Location"]))
        with response, to.open("wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)

    def _request(
        self, session: requests.Session, method: str, path: str, *, timeout: float, **request: Any
    ) -> requests.Response:
        """Send a request to the API. Raises ApiError or NotDarkroom for an answer that is an error."""
        try:
            response = session.request(method, self.url + path, timeout=(5, timeout), allow_redirects=False, **request)
        except requests.RequestException as error:
            if method == "POST" and may_have_arrived(error):
                raise AnswerLost(
                    f"no answer came, at any try ({root_cause(error)}). " + self._what_is_known(path)
                ) from error
            raise Unreachable(
                f"Darkroom does not answer at {self.url} ({root_cause(error)}).\n"
                "Start it with `docker compose up` or `make run`, or give its address with --url or DARKROOM_URL."
            ) from error
        if not response.ok:
            with response:
                raise self._problem(response)
        return response

    def _what_is_known(self, path: str) -> str:
        """What a request has done whose answer was lost."""
        if path == FORMS:
            return "The photo was not sent: this request only asked for its upload form"
        if path.startswith(ASSETS):
            return "Darkroom may have stored the asset; `darkroom asset list` lists all assets"
        return f"Darkroom may have stored the photo; {self.url}/v1/photos lists all photos"

    def _upload_session(self, keyed: bool = True) -> requests.Session:
        """`keyed`: the requests have an Idempotency-Key. A 409 then means that the first try still runs, or that its
        API process died and the lock has to expire."""
        also_retry = (HTTPStatus.CONFLICT.value,) if keyed else ()
        return api_session(self._patience, self._api_key, True, self._refused, also_retry)

    def _refused(self, status: int) -> None:
        if self._on_wait:
            self._on_wait(
                f"{self.url} answers {with_phrase(status)}: "
                f"trying again when it says, for {sessions.BUSY_FOR / 60:g} minutes at most"
            )

    def _photo(self, response: requests.Response) -> PhotoJson:
        return cast(PhotoJson, self._object(response, "id", "status", "jobs"))

    def _object(self, response: requests.Response, *members: str) -> dict[str, Any]:
        """The JSON object in a response. Raises NotDarkroom if it lacks one of these members."""
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or not body.keys() >= {*members}:
            raise self._not_darkroom()
        return body

    def _not_darkroom(self) -> NotDarkroom:
        return NotDarkroom(f"the program that answers at {self.url} is not Darkroom")

    def _problem(self, response: requests.Response) -> DarkroomError:
        """The API's reason (problem+json), or the status line of a proxy or gateway in front of it."""
        if response.status_code == 404 and "problem+json" not in response.headers.get("Content-Type", ""):
            return self._not_darkroom()
        try:
            body = response.json()
            faults = [f"{fault['field']}: {fault['detail']}" for fault in body.get("errors", [])]
            detail = "\n".join(faults) or str(body["detail"])
            if body.get("type") == f"urn:darkroom:problem:{RequestTooLarge.code}":
                detail += f"; {USE_DIRECT}"
        except (ValueError, LookupError, AttributeError, TypeError):
            detail = f"{self.url} answered {response.status_code} {response.reason}"
            if response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:  # from a gateway whose limit is lower
                detail += f"; {USE_DIRECT}"
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            detail = (
                f"{self.url} requires an API key, and "
                f"{'does not know the one that was sent' if self._api_key else 'none was sent'}.\n"
                "Give it with --api-key or DARKROOM_API_KEY. (DARKROOM_API_KEYS is the API's, with hashes of keys.)"
            )
        return ApiError(response.status_code, detail)
