"""Darkroom's HTTP API in Python: what the command line uses, and an example of how to talk to the API.

    with Client("http://127.0.0.1:8080") as darkroom:
        photo = darkroom.upload(Path("cat.jpg"), preset="web")
        photo = darkroom.wait(photo["id"], timeout=300)
        for job in photo["jobs"]:
            if job["status"] == "succeeded":
                darkroom.download(photo["id"], job["id"], Path(f"{job['id']}.part"))

Needs the `cli` extra. A client is for one thread; give each thread its own.
"""

from __future__ import annotations

import re
import time
import unicodedata
import uuid
from pathlib import Path
from typing import Any, TypedDict, cast
from urllib.parse import quote, unquote, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from darkroom import __version__
from darkroom.errors import DarkroomError, Fault

CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpe": "image/jpeg",
    ".jfif": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".heif": "image/heif",
}
"""The photos that Darkroom takes, by extension: the system's own list differs from system to system."""

UNFINISHED = {"awaiting_upload", "processing"}
POLL = 20.0
"""How long one request waits for a photo's jobs to end."""
LONGEST_PAUSE = 60
LONGEST_QUERY = 7_500
"""gunicorn takes request lines of 8,190 bytes at most."""
DOWNLOAD_TRIES = 3
CHUNK = 256 * 1024


class JobError(TypedDict):
    code: str
    detail: str


class Job(TypedDict):
    id: str
    type: str
    status: str
    attempts: int
    spec: dict[str, Any]
    result: dict[str, Any] | None
    error: JobError | None
    links: dict[str, str]


class Photo(TypedDict):
    id: str
    status: str
    created_at: str
    owner: str
    original: dict[str, Any]
    jobs: list[Job]
    counts: dict[str, int]
    links: dict[str, str]


class Download(TypedDict):
    """What a result says of itself; either may be missing."""

    filename: str | None
    content_type: str | None


class ApiError(DarkroomError):
    """The API refused a request."""

    code = "api_error"

    def __init__(self, http_status: int, detail: str, faults: list[Fault] | None = None) -> None:
        super().__init__(detail)
        self.http_status = http_status
        self.faults = faults or []


class Unreachable(DarkroomError):
    """Nobody answers at an address."""

    code = "unreachable"


class NotFinished(DarkroomError):
    """The photo's jobs did not end in the time that the caller gave them."""

    code = "not_finished"


class Client:
    """A connection to the API at `url`.

    Busy answers are asked again when they say. `patience` is how often a connection is tried again when nobody
    answers: 6 is half a minute, in which a restart goes unnoticed; 2 is for people who wait at a terminal.
    """

    def __init__(self, url: str, patience: int = 6) -> None:
        self.url = url.rstrip("/")
        self._api = _session(patience)
        # Results come from another host, and their links are signed: nothing that belongs to the API goes there,
        # and no password of a .netrc, which S3 would take for a second signature and refuse.
        self._storage = _session(2)
        self._storage.auth = lambda request: request

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()
        self._storage.close()

    def check(self) -> None:
        """Raise Unreachable when nobody answers at the address."""
        self._ask("GET", "/healthz", timeout=5).close()

    def upload(
        self, path: Path, *, preset: str | None = None, jobs: str | None = None, reference: str | None = None
    ) -> Photo:
        """Send a file as it is read, so that its size does not matter. `jobs` is JSON, as in the API's docs."""
        given = {"preset": preset, "jobs": jobs, "reference": reference, "filename": path.name}
        # File names may hold bytes that are no text; they become question marks.
        pairs = [f"{name}={quote(value, safe='', errors='replace')}" for name, value in given.items() if value]
        query = "&".join(pairs)
        if len(query) > LONGEST_QUERY:
            raise DarkroomError("the jobs are too long for an address; save them as a preset and name it")
        # The key makes it safe to send again after an answer that was lost on the way: it stays the same photo.
        headers = {"Content-Type": content_type(path), "Idempotency-Key": str(uuid.uuid4())}
        with path.open("rb") as file:
            body = file if path.stat().st_size else b""  # a stream of no bytes would be sent without a length
            response = self._ask("POST", f"/v1/photos?{query}", data=body, headers=headers, timeout=120)
        return self._photo(response)

    def photo(self, photo_id: str, wait: float = 0) -> Photo:
        """The photo as it is now, or as soon as its jobs have ended, at the latest after `wait` seconds."""
        return self._photo(self._ask("GET", _path(photo_id, wait), timeout=wait + 30))

    def wait(self, photo_id: str, timeout: float) -> Photo:
        """The photo when all its jobs have ended. Raises NotFinished after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            asked = time.monotonic()
            poll = max(0.0, min(POLL, deadline - asked))
            response = self._ask("GET", _path(photo_id, poll), timeout=poll + 30)
            photo = self._photo(response)
            now = time.monotonic()
            if photo["status"] not in UNFINISHED:
                return photo
            if now >= deadline:
                raise NotFinished(f"not finished after {timeout:g} s; it goes on: darkroom status {photo_id}")
            # A busy API answers at once and says when to come back; after a long answer that time has passed.
            pause = min(_retry_after(response), LONGEST_PAUSE) - (now - asked)
            time.sleep(max(0.0, min(pause, deadline - now)))

    def result_url(self, photo_id: str, job_id: str) -> str:
        return f"{self.url}{_path(photo_id)}/jobs/{quote(job_id, safe='')}/result"

    def download(self, photo_id: str, job_id: str, to: Path) -> Download:
        """Write a job's result to the file `to`: what the storage sends, or the JSON that the API answers with."""
        for tries in range(1, DOWNLOAD_TRIES + 1):
            try:
                return self._download(self.result_url(photo_id, job_id), to)
            except requests.RequestException as error:  # cut short in the middle: begin anew, with a new link
                if tries == DOWNLOAD_TRIES:
                    raise Unreachable(f"the download of job {job_id} broke off: {_cause(error)}") from error
        raise AssertionError("unreachable")

    def _download(self, url: str, to: Path) -> Download:
        response = self._ask("GET", url.removeprefix(self.url), stream=True, timeout=60)
        if response.is_redirect:
            response.close()
            response = self._fetch(urljoin(url, response.headers["Location"]))
        with response, to.open("wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
        return Download(
            filename=filename_of(response.headers.get("Content-Disposition", "")),
            content_type=response.headers.get("Content-Type", "").partition(";")[0].strip() or None,
        )

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
            with response:
                code = re.search(r"<Code>(\w+)</Code>", response.text)
            raise ApiError(
                response.status_code,
                f"the storage at {host} answered {response.status_code} {code[1] if code else response.reason}",
            )
        return response

    def _ask(self, method: str, path: str, *, timeout: float, **request: Any) -> requests.Response:
        """Send a request to the API; raises ApiError for every answer that is an error."""
        try:
            response = self._api.request(
                method, self.url + path, timeout=(5, timeout), allow_redirects=False, **request
            )
        except requests.RequestException as error:
            raise Unreachable(
                f"Darkroom does not answer at {self.url} ({_cause(error)}).\n"
                "Start it with `docker compose up` or `make run`, or say where it is with --url or DARKROOM_URL."
            ) from error
        if response.status_code >= 400 and path != "/healthz":
            with response:
                raise _problem(response)
        return response

    def _photo(self, response: requests.Response) -> Photo:
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or not {"id", "status", "jobs"} <= body.keys():
            raise ApiError(response.status_code, f"what answers at {self.url} is not Darkroom")
        return cast(Photo, body)


def content_type(path: Path) -> str:
    """What the extension promises. The API looks into the file itself, and says better what is wrong with it."""
    return CONTENT_TYPES.get(path.suffix.lower(), "application/octet-stream")


def filename_of(disposition: str) -> str | None:
    """The file name in a Content-Disposition header, made safe; the encoded form (RFC 6266) goes first."""
    encoded = re.search(r"filename\*\s*=\s*(utf-8|iso-8859-1)'[^']*'([^;\s]+)", disposition, re.I)
    if encoded:
        return safe_name(unquote(encoded[2], encoding=encoded[1]))
    plain = re.search(r'filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', disposition, re.I)
    return safe_name(re.sub(r"\\(.)", r"\1", plain[1]) if plain[1] is not None else plain[2]) if plain else None


def safe_name(name: str) -> str | None:
    """A name that stays in its folder, is not hidden, and that every file system takes; None if nothing is left."""
    name = re.split(r"[/\\]", name)[-1]
    name = "".join("_" if char in '<>:"|?*' or unicodedata.category(char) == "Cc" else char for char in name)
    stem, dot, suffix = name.strip(" .").rpartition(".")
    if not stem:
        stem, dot, suffix = suffix, "", ""
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", stem):
        stem = "_" + stem  # devices on Windows, whatever the extension
    suffix = suffix[:16]
    while len((stem + dot + suffix).encode(errors="surrogatepass")) > 200:
        stem = stem[:-1]
    return stem + dot + suffix or None


def _session(patience: int) -> requests.Session:
    session = requests.Session()
    session.headers["User-Agent"] = f"darkroom-cli/{__version__}"
    retry = Retry(
        total=6,
        connect=patience,
        status_forcelist=(429, 502, 503, 504),
        allowed_methods=None,  # POST too: uploads carry an Idempotency-Key
        backoff_factor=0.5,
        backoff_max=15,
        backoff_jitter=0.5,
        retry_after_max=LONGEST_PAUSE,
        raise_on_status=False,  # the last answer says why
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _path(photo_id: str, wait: float = 0) -> str:
    return f"/v1/photos/{quote(photo_id, safe='')}" + (f"?wait={wait:g}" if wait else "")


def _retry_after(response: requests.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("Retry-After", 1)))
    except ValueError:  # a date; our API sends seconds
        return 1.0


def _problem(response: requests.Response) -> ApiError:
    """The API's own words (RFC 9457), or the status line of whatever stands before the API."""
    status, fallback = response.status_code, f"{response.status_code} {response.reason}"
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return ApiError(status, fallback)
    faults = [
        Fault(str(fault.get("field", "")), str(fault.get("detail", "")), str(fault.get("code", "")))
        for fault in body.get("errors") or []
        if isinstance(fault, dict)
    ]
    return ApiError(status, str(body.get("detail") or body.get("title") or fallback), faults)


def _cause(error: BaseException) -> str:
    """The system's own words, which requests and urllib3 wrap several times: `Connection refused`."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        if isinstance(seen, TimeoutError | requests.Timeout):
            return "no answer in time"
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__
