"""The client of the API. docs/client.md shows how to use it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack, cast, overload
from urllib.parse import quote, urlencode

from darkroom.client.answers import (
    AssetJson,
    AssetsJson,
    BatchJson,
    BatchUploadJson,
    DeadLetterJson,
    JobJson,
    OperationsJson,
    PhotoJson,
    QueueJson,
    UploadTokenJson,
)
from darkroom.client.api_requests import ApiRequests
from darkroom.client.client_errors import NotFinished
from darkroom.client.file_to_send import PhotoSource, opened
from darkroom.client.large_upload import LargeUpload, OnProgress
from darkroom.client.result_files import read_all, save
from darkroom.client.sessions import Repeat
from darkroom.client.upload_arguments import UploadArguments, key_header
from darkroom.client.uploads import (
    OF_PHOTO,
    SENDING,
    get_photo,
    photo_path,
    upload_by_form,
    upload_by_url,
    upload_one,
    upload_several,
)

POLL = 20.0
"""Longest `?wait=` of one request, in seconds."""
PAUSE = 1.0
"""Seconds between two such requests: an API with too many waiting requests answers at once."""

PAGE = 100
"""Entries of a list that one request asks for."""
LONGEST_ASSET_NAME = 100
"""Characters of a name that the API takes."""


class Client:
    """A client of the API at `url`, for one thread.

    Methods return the JSON of the API, and raise ClientError (darkroom/client/client_errors.py shows the tree).
    When the API is busy, the client tries again after its Retry-After, for ten minutes at most, and calls `on_busy`
    with a sentence each time. `patience` is the number of further tries when nothing answers or the connection breaks:
    6 take half a minute, enough for a restart of the API; 2 suit a person at a terminal.

    All uploads take the keyword arguments that UploadArguments describes. An upload is repeated under one
    Idempotency-Key, so it becomes one photo, however often it is sent.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        api_key: str | None = None,
        *,
        patience: int = 6,
        on_busy: Callable[[str], None] | None = None,
    ) -> None:
        self._api = ApiRequests(url, api_key, patience, on_busy)
        self.url = self._api.url

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def check(self) -> None:
        """Raise Unreachable when nothing answers at the address."""
        self._api.send("GET", "/healthz", timeout=5).close()

    # --- upload -----------------------------------------------------------------------------------------------------

    def upload(
        self, photo: PhotoSource, *, dedupe: bool | None = None, **arguments: Unpack[UploadArguments]
    ) -> PhotoJson:
        """Upload a photo: its path, its bytes, or an open file, which is sent from its present position on.

        The file is sent while it is read, so it can be larger than the memory. With `dedupe=True`, the same bytes with
        the same jobs give the photo that is there already.
        """
        return upload_one(self._api, photo, dedupe, arguments)

    def upload_batch(self, photos: Sequence[PhotoSource], **arguments: Unpack[UploadArguments]) -> BatchUploadJson:
        """Upload several photos in one request, with the same jobs. `batch` then gives the state of all.

        A photo that is not accepted does not stop the others: its entry has no `id`, but a reason. Raises ApiError
        when none is accepted.
        """
        return upload_several(self._api, photos, arguments)

    def upload_url(self, url: str, **arguments: Unpack[UploadArguments]) -> PhotoJson:
        """Have a worker fetch a photo from an https URL on the public internet."""
        return upload_by_url(self._api, url, arguments)

    def upload_direct(self, photo: PhotoSource, **arguments: Unpack[UploadArguments]) -> PhotoJson:
        """Upload a photo straight to S3, past the API and a gateway before it. A worker checks the file later.

        An error that comes after the photo was registered has its id as `photo_id`.
        """
        return upload_by_form(self._api, photo, arguments)

    def upload_large(
        self,
        path: str | Path,
        *,
        on_progress: OnProgress = lambda _sent, _size: None,
        **arguments: Unpack[UploadArguments],
    ) -> PhotoJson:
        """Upload a large file straight to S3 in parts.

        When the process is killed or gives up, the same call continues where it ended, for a day. Notes for that are
        kept in `~/.local/state/darkroom/uploads` (`XDG_STATE_HOME`). `on_progress` gets the bytes that have arrived
        and the size of the file: at the start, and after each part.
        """
        return LargeUpload(self._api, Path(path), on_progress, arguments).send()

    # --- follow -----------------------------------------------------------------------------------------------------

    def photo(self, photo_id: str, wait: float = 0) -> PhotoJson:
        """The photo, as soon as its jobs have ended or `wait` seconds (20 at most) are over."""
        return get_photo(self._api, photo_id, wait)

    def photos(self, status: str | None = None, reference: str | None = None) -> Iterator[PhotoJson]:
        """All your photos, or those with this status and exactly this reference; newest first."""
        return self._pages("/v1/photos", "photos", {"status": status, "reference": reference, "limit": str(PAGE)})

    def wait(self, photo_id: str, timeout: float = 300) -> PhotoJson:
        """Wait until all jobs of the photo have ended. Raises NotFinished after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            photo = self.photo(photo_id, min(POLL, left))
            if photo["status"] not in ("awaiting_upload", "processing"):
                return photo
            if not left:
                error = NotFinished(f"not finished after {timeout:g} s; processing goes on")
                error.photo_id = photo_id
                raise error
            time.sleep(min(PAUSE, left))

    def batch(self, batch_id: str) -> BatchJson:
        """The photos of one upload_batch, and how far they are."""
        return cast(BatchJson, self._api.json("GET", f"/v1/batches/{quote(batch_id, safe='')}", "id", "photos"))

    # --- results ----------------------------------------------------------------------------------------------------

    def result_url(self, photo_id: str, name: str | None = None, *, job: str | None = None) -> str:
        """The address of a result: of the newest one with this name, or of the job with this id."""
        return self.url + _result_path(photo_id, name, job)

    @overload
    def result(
        self, photo_id: str, name: str | None = None, *, job: str | None = None, to: None = None, wait: float = 0
    ) -> bytes: ...

    @overload
    def result(
        self, photo_id: str, name: str | None = None, *, job: str | None = None, to: str | Path, wait: float = 0
    ) -> Path: ...

    def result(
        self,
        photo_id: str,
        name: str | None = None,
        *,
        job: str | None = None,
        to: str | Path | None = None,
        wait: float = 0,
    ) -> bytes | Path:
        """The bytes of a result: of the newest one with this name, or of the job with this id.

        With `to` it is written to this file while it arrives, and the path is returned; a file that is there is only
        replaced by a complete one. `wait`: seconds (20 at most) to wait for the job. Raises StateConflict when there is
        no result yet, or the job has failed.
        """
        path = _result_path(photo_id, name, job) + (f"?wait={wait:g}" if wait else "")
        return read_all(self._api, path, wait) if to is None else save(self._api, path, Path(to), wait)

    def receipt(self, photo_id: str, job_id: str) -> dict[str, Any]:
        """What a result was made from, how, and what came out."""
        return self._api.json("GET", f"{_job_path(photo_id, job_id)}/receipt", "output")

    def archive(self, to: str | Path, *, photos: str | Sequence[str] = (), batch: str | None = None) -> Path:
        """Write the results of some photos, or of a batch, to the zip file `to` while it arrives."""
        ids = [photos] if isinstance(photos, str) else list(photos)
        if bool(ids) == bool(batch):
            raise ValueError("give either the ids of photos or that of a batch")
        if batch:
            path = f"/v1/batches/{quote(batch, safe='')}/archive"
        else:
            path = f"/v1/archive?{urlencode({'photo': ids}, doseq=True)}"
        return save(self._api, path, Path(to))

    # --- change -----------------------------------------------------------------------------------------------------

    def add_jobs(
        self,
        photo_id: str,
        jobs: Sequence[Mapping[str, Any]] | None = None,
        *,
        preset: str | None = None,
        idempotency_key: str | None = None,
    ) -> list[JobJson]:
        """Add jobs, or those of a preset, to a photo that is there. Returns the new jobs."""
        body = {"jobs": jobs} if preset is None else {"preset": preset} | ({"jobs": jobs} if jobs else {})
        path = f"{photo_path(photo_id)}/jobs"
        return cast(list[JobJson], self._post(path, "jobs", idempotency_key, body)["jobs"])

    def retry(self, photo_id: str, job_id: str, *, idempotency_key: str | None = None) -> JobJson:
        """Run a failed or cancelled job again."""
        return cast(JobJson, self._post(f"{_job_path(photo_id, job_id)}/retry", "id", idempotency_key))

    def cancel(self, photo_id: str) -> PhotoJson:
        """Cancel all jobs of a photo that have not ended. Raises StateConflict when all have ended."""
        return cast(PhotoJson, self._once("POST", f"{photo_path(photo_id)}/cancel", *OF_PHOTO))

    def delete(self, photo_id: str) -> None:
        """Delete a photo with its original and its results."""
        self._api.send("DELETE", photo_path(photo_id)).close()

    # --- dead letters -----------------------------------------------------------------------------------------------

    def dead_letters(self, code: str | None = None) -> Iterator[DeadLetterJson]:
        """Your jobs that were given up, or those with this reason; newest first."""
        return self._pages("/v1/dead-letters", "dead_letters", {"code": code, "limit": str(PAGE)})

    def redrive(self, dead_letter_id: str) -> PhotoJson:
        """Queue the jobs of a dead letter again, with new attempts."""
        return cast(PhotoJson, self._once("POST", f"{_dead_letter_path(dead_letter_id)}/redrive", *OF_PHOTO))

    def redrive_all(self, code: str | None = None) -> list[str]:
        """Redrive all your dead letters, or those with this reason. Returns their ids."""
        done: list[str] = []
        cursor: str | None = None
        while True:
            wanted: dict[str, Any] = {"code": code} if code else {"all": True}
            body = wanted | ({"cursor": cursor} if cursor else {})
            answer = self._once("POST", "/v1/dead-letters/redrive", "done", "more", json=body)
            done += answer["done"]
            if not answer["more"]:
                return done
            cursor = answer["next"]

    def purge(self, dead_letter_id: str) -> None:
        """Drop a dead letter; its jobs stay failed."""
        lost = self._lost
        self._api.send("DELETE", _dead_letter_path(dead_letter_id), repeat=Repeat.ONCE, lost=lost).close()

    # --- the service ------------------------------------------------------------------------------------------------

    def queue(self) -> QueueJson:
        """How much work waits, how old it is, how many workers there are and how fast they work."""
        return cast(QueueJson, self._api.json("GET", "/v1/queue", "waiting"))

    def operations(self) -> OperationsJson:
        """Every job type, step, filter and preset, with JSON schemas."""
        return cast(OperationsJson, self._api.json("GET", "/v1/operations", "presets", timeout=30))

    def upload_token(
        self,
        *,
        presets: Sequence[str] | None = None,
        jobs: Sequence[Mapping[str, Any]] | None = None,
        max_photos: int | None = None,
        max_bytes: int | None = None,
        expires_in: int | None = None,
        callback_url: str | None = None,
    ) -> UploadTokenJson:
        """A token with which a browser uploads photos, without your API key. `expires_in`: seconds."""
        given = {
            "presets": presets,
            "jobs": jobs,
            "max_photos": max_photos,
            "max_bytes": max_bytes,
            "expires_in": expires_in,
            "callback_url": callback_url,
        }
        body = {name: value for name, value in given.items() if value is not None}
        answer = self._api.json("POST", "/v1/upload-tokens", "token", repeat=Repeat.SAFE, json=body)
        return cast(UploadTokenJson, answer)

    # --- assets -----------------------------------------------------------------------------------------------------

    def add_asset(self, asset: PhotoSource, name: str | None = None) -> AssetJson:
        """Upload a logo or a LUT, which jobs name by its id. The same file is the same asset."""
        lost = f"Darkroom may have stored the asset; {self.url}/v1/assets lists all assets"
        headers = {"Content-Type": "application/octet-stream"}
        with opened(asset, name) as file:
            path = "/v1/assets?" + urlencode({"name": file.name[:LONGEST_ASSET_NAME]})
            answer = self._api.json(
                "POST", path, "id", repeat=Repeat.SAFE, timeout=SENDING, lost=lost, data=file.content, headers=headers
            )
        return cast(AssetJson, answer)

    def assets(self) -> AssetsJson:
        """All your assets, newest first."""
        return cast(AssetsJson, self._api.json("GET", "/v1/assets", "assets"))

    def remove_asset(self, asset_id: str) -> None:
        """Remove an asset. Jobs that name it and have not ended will fail."""
        path = f"/v1/assets/{quote(asset_id, safe='')}"
        self._api.send("DELETE", path, repeat=Repeat.ONCE, lost=self._lost).close()

    # --- inside -----------------------------------------------------------------------------------------------------

    _lost = "Darkroom may have done what the request asks for"

    def _pages(self, path: str, member: str, query: Mapping[str, str | None]) -> Iterator[Any]:
        """Each entry of a list, page by page."""
        given = {name: value for name, value in query.items() if value is not None}
        cursor: str | None = None
        while True:
            page = given | ({"cursor": cursor} if cursor else {})
            answer = self._api.json("GET", f"{path}?{urlencode(page)}", member, "next")
            yield from answer[member]
            cursor = answer["next"]
            if cursor is None:
                return

    def _post(self, path: str, member: str, key: str | None, body: Any = None) -> dict[str, Any]:
        """A POST that is safe to repeat, because it has an Idempotency-Key."""
        headers = key_header(key)
        return self._api.json("POST", path, member, repeat=Repeat.KEYED, lost=self._lost, json=body, headers=headers)

    def _once(self, method: str, path: str, *members: str, json: Any = None) -> dict[str, Any]:
        return self._api.json(method, path, *members, repeat=Repeat.ONCE, lost=self._lost, json=json)


def _result_path(photo_id: str, name: str | None, job_id: str | None) -> str:
    if (name is None) == (job_id is None):
        raise ValueError("give either the name of a result or the id of its job")
    if job_id is not None:
        return f"{_job_path(photo_id, job_id)}/result"
    return f"{photo_path(photo_id)}/results/{quote(str(name), safe='')}"


def _job_path(photo_id: str, job_id: str) -> str:
    return f"{photo_path(photo_id)}/jobs/{quote(job_id, safe='')}"


def _dead_letter_path(dead_letter_id: str) -> str:
    return f"/v1/dead-letters/{quote(dead_letter_id, safe='/')}"
