"""A deployment in which a service dies at a named call, and checks of its state after a healthy worker's repair.

Each run starts the real service with a fault in it (tests/support/faulty.py), asserts that it was killed there, and
then starts a healthy worker, which repairs what it finds. A run mostly waits for a lease to end: several runs happen at
the same time, each in its own deployment.
"""

from __future__ import annotations

import contextlib
import io
import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from darkroom.record.keys import result_key
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import Batch
from darkroom.services import Services
from tests.support.faulty import Fault, start
from tests.support.records import end_late_writes
from tests.support.stack import Stack, content_of, is_empty, named_by, store_file
from tests.support.waiting import PATIENCE, wait_until
from tests.support.worker_process import WorkerProcess
from worker.child.workspace import is_in_use

JOBS = [{"type": "resize", "width": 160}, {"type": "resize", "width": 160, "output": {"format": "png"}}]

CREATE = "darkroom.aws.table:Table.create"
UPDATE = "darkroom.aws.table:Table.update"
UPDATE_ASSETS = "darkroom.aws.asset_table:AssetTable.update"
PUT = "darkroom.aws.bucket:Bucket.put"
FETCH = "darkroom.aws.bucket:Bucket.fetch"
REMOVE = "darkroom.aws.bucket:Bucket.remove_photo"
FETCH_UPLOAD = "darkroom.aws.bucket:Bucket.fetch_upload"
COPY = "darkroom.aws.bucket:Bucket.copy"
REMOVE_UPLOAD = "darkroom.aws.bucket:Bucket.remove"
SEND = "darkroom.aws.queue:Queue.send"
SEND_BATCH = "darkroom.aws.queue:Queue.send_batch"
DELETE = "darkroom.aws.queue:Queue.delete"

PHOTOS, EVENTS, DEAD, INGEST = "-photos", "-photo-events", "-photos-dlq", "-photo-ingest"

OFTEN = {"DARKROOM_SWEEP_INTERVAL": "0.5"}
SELDOM = {"DARKROOM_SWEEP_INTERVAL": "3600"}


@dataclass
class Scene:
    """A deployment in which a service dies."""

    stack: Stack
    picture: bytes
    directory: Path
    healthy: WorkerProcess | None = None
    owner: str = "default"

    @property
    def services(self) -> Services:
        return self.stack.services

    # --- what happens -------------------------------------------------------------------------------------------

    def let_worker_die(self, *faults: Fault, **variables: str) -> None:
        environ = self.stack.environ | {"DARKROOM_CHILDREN": "1"} | SELDOM | variables
        self._see_it_die("worker", faults, environ)

    def let_api_die(self, fault: Fault, method: str, path: str, **request: Any) -> None:
        environ = self.stack.environ | {"DARKROOM_API_PROCESSES": "1"}
        self._see_it_die("api", [fault], environ, lambda: self._no_answer(method, path, **request))

    def _see_it_die(
        self, service: Any, faults: Any, environ: dict[str, str], meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        log = self.directory / f"{service}.log"
        process = start(service, faults, environ, log)
        self.stack.workers.callback(process.wait)
        self.stack.workers.callback(process.kill)
        meanwhile()
        assert process.wait(PATIENCE) == -signal.SIGKILL, log.read_text()
        wait_until("its children are gone", lambda: not living(process.pid))

    def _no_answer(self, method: str, path: str, **request: Any) -> None:
        url = f"http://127.0.0.1:{self.services.settings.port}"

        def answers() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"{url}/healthz", timeout=PATIENCE).ok
            return False

        wait_until("the API answers", answers)
        with pytest.raises(requests.ConnectionError):
            requests.request(method, url + path, timeout=PATIENCE, **request)

    def repair(self, **variables: str) -> None:
        """Start a healthy worker, and wait until nothing is left to do."""
        self.healthy = self.stack.worker(DARKROOM_CHILDREN="1", **OFTEN, **variables)
        self.wait_until_settled()

    def wait_until_settled(self) -> None:
        wait_until("nothing is unfinished", lambda: not any(photo.unfinished for photo in self.photos()))
        ids = {photo.batch for photo in self.photos() if photo.batch}
        wait_until("every batch has ended", lambda: not any(self.batch(batch_id).due_at for batch_id in ids))
        self.stack.wait_until_empty()
        wait_until("the ingest queue is empty", lambda: is_empty(self.services.ingest))
        spool = self.services.settings.spool_dir
        wait_until("the folders of the killed worker are gone", lambda: all(map(is_in_use, spool.iterdir())))
        wait_until("no photo is left on the disk", lambda: not list(spool.glob("*/*/*")))

    def presets(self) -> Path:
        """A file with JOBS under the name `dying`."""
        file = self.directory / "presets.toml"
        file.write_text('[dying]\njobs = [{ type = "resize", width = 160 }, { type = "metadata" }]\n')
        return file

    def store_result(self, photo: PhotoRecord, claim: int = 1) -> None:
        """Store a result as a worker that dies before it publishes it."""
        key = result_key(photo.id, next(iter(photo.jobs)), claim, "jpg")
        store_file(self.services.bucket, key, self.picture)

    def let_time_pass(self, photo: PhotoRecord) -> None:
        """Have the sweep clean up the photo now: no earlier worker can store anything any more."""
        self.services.table.update(photo.id, end_late_writes)

    def end_repair(self) -> None:
        """Stop the healthy worker, because its sweep may hold messages."""
        if self.healthy:
            self.healthy.send(signal.SIGTERM)
            assert self.healthy.wait() == 0
            self.healthy = None

    def batch(self, batch_id: str) -> Batch:
        batch = self.services.batches.get(batch_id)
        assert batch is not None
        return batch

    # --- the final state ----------------------------------------------------------------------------------------

    def photos(self) -> list[PhotoRecord]:
        return self.services.table.list_photos(self.owner, 10)[0]

    def objects(self) -> set[str]:
        """The keys of all objects, except of files dropped into the bucket, which stay there."""
        found = self.services.clients.s3.list_objects_v2(Bucket=self.services.settings.bucket)
        keys = {item["Key"] for item in found.get("Contents", [])}
        return {key for key in keys if not key.startswith("incoming/")}

    def check(self, *generations: int) -> None:
        """Every result is right, no object is left over, and every event was sent.

        `generations`: the generation of each photo, newest photo first.
        """
        self.end_repair()
        photos = self.photos()
        named = named_by(*photos)
        originals = {photo.id: photo.original.key for photo in photos if photo.original}
        stored = self.objects()
        assert stored <= named | set(originals.values())
        # A failed photo may have no original.
        assert stored >= named | {originals[photo.id] for photo in photos if photo.status != "failed"}
        for photo in photos:
            for job in photo.jobs.values():
                self._check_result(job)
        event_ids: dict[str, set[str]] = {photo.id: set() for photo in photos}
        batches = [self.batch(photo.batch) for photo in photos if photo.batch]
        batch_event_ids: dict[str, set[str]] = {batch.id: set() for batch in batches}
        for event in self.stack.events():
            if event["type"] == "batch.completed":
                batch_event_ids[event["data"]["id"]].add(event["id"])
                continue
            assert event["type"] == "photo.completed"
            event_ids[event["data"]["id"]].add(event["id"])
        for photo, expected in zip(photos, generations or [1] * len(photos), strict=True):
            assert photo.generation == expected
            ids = {photo.model_copy(update={"generation": n + 1}).event_id("photo.completed") for n in range(expected)}
            assert event_ids[photo.id] == ids
        for batch in batches:
            assert batch_event_ids[batch.id] == {batch.event_id(n + 1) for n in range(max(generations, default=1))}
        assert self.stack.receive(self.services.photos.dead_letters) == []
        assert self.stack.receive(self.services.ingest.dead_letters) == []

    def check_erased(self, photo: PhotoRecord) -> None:
        wait_until("the deletion is finished", lambda: self.stack.look(photo).due_at is None)
        assert self.stack.look(photo).status == "deleted"
        assert self.photos() == []
        self.check()

    def _check_result(self, job: Any) -> None:
        if job.status != "succeeded":
            assert job.result is None
        elif job.spec.type == "metadata":
            assert json.loads(content_of(self.services, job.result))["width"] == 640
        else:
            image = Image.open(io.BytesIO(self.services.bucket.read(job.result.key))).convert("RGB")
            assert image.size == (160, 120)
            red, _, blue = image.getpixel((10, 60))  # type: ignore[misc]
            assert red > 200 > 50 > blue


def living(group: int) -> list[str]:
    """The processes of a group, without zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                found.append(stat.parent.name)
    return found


def runs_of(actions: dict[Callable[..., None], dict[str, Any]]) -> dict[str, Callable[[Scene], None]]:
    """A run for each point of each action: `{upload: {"original-stored": fault}}` gives `upload-original-stored`.

    An action takes a scene and the point, which is a fault, or a list or tuple of arguments.
    """
    runs = {}
    for action, points in actions.items():
        for name, point in points.items():
            arguments = point if isinstance(point, tuple | list) else [point]
            runs[f"{action.__name__}-{name}"] = lambda scene, action=action, arguments=arguments: action(
                scene, *arguments
            )
    return runs
