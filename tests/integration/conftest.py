"""Real processes to test with: workers, and photos handed to them without an API."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from darkroom.aws.queue import Queue
from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.keys import original_key
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
from darkroom.services import Services
from tests.support import launcher

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds until a test stops waiting for what should come soon. It ends a hanging test and says nothing of speed."""


def wait_until(what: str, look: Callable[[], T | None]) -> T:
    """Look again and again until there is something true to see."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE:g} s in vain until {what}")


class WorkerProcess:
    """`python -m worker`, or another program that is one, and what it logs."""

    def __init__(self, environ: dict[str, str], log: Path, program: str = "worker") -> None:
        self._log = log
        self.process = launcher.start([program], environ, log)
        wait_until("the worker has started or ended", lambda: self.logged("worker.started") or self.process.poll())
        assert self.process.poll() is None, log.read_text()

    def logged(self, action: str) -> list[dict[str, Any]]:
        lines = self._log.read_text().splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [entry for entry in entries if entry["action"] == action]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def children(self) -> list[int]:
        """The processes that hold pixels: grandchildren, started by the fork server."""
        servers = children_of(self.process.pid)
        return [child for server in servers for child in children_of(server)]


def children_of(pid: int) -> list[int]:
    """Of all threads of a process: a child belongs to the thread that started it."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for children in lists for child in children.read_text().split()]


@dataclass(frozen=True)
class Stack:
    """One deployment, seen from inside, with workers to start and photos to submit."""

    services: Services
    environ: dict[str, str]
    directory: Path
    workers: contextlib.ExitStack

    def worker(self, program: str = "worker", **variables: str) -> WorkerProcess:
        log = self.directory / f"worker-{new_id()}.log"
        worker = WorkerProcess(self.environ | {"DARKROOM_LOG_FORMAT": "json"} | variables, log, program)
        self.workers.callback(worker.stop)
        return worker

    def record(self, image: bytes, jobs: list[dict[str, Any]], owner: str = "default", **more: Any) -> PhotoRecord:
        """A record as the API writes it; nothing is stored or sent yet."""
        photo_id = new_id()
        original = Original(
            key=original_key(photo_id),
            filename="photo.jpg",
            content_type="image/jpeg",
            size=len(image),
            sha256=hashlib.sha256(image).hexdigest(),
            width=640,
            height=480,
        )
        photo = PhotoRecord(id=photo_id, owner=owner, created_at=now(), original=original, **more)
        photo.add_order(jobs_adapter.validate_python(jobs), self.services.settings.resend_after)
        return photo

    def submit(self, image: bytes, *jobs: dict[str, Any], owner: str = "default") -> PhotoRecord:
        """Record, original, message."""
        photo = self.record(image, list(jobs), owner)
        self.services.table.create(photo)
        self.store(photo, image)
        for order in photo.orders:
            self.services.outbox.send_order(photo, order)
        return photo

    def store(self, photo: PhotoRecord, image: bytes) -> None:
        assert photo.original is not None
        self.services.bucket.put(photo.original.key, io.BytesIO(image), "image/jpeg")

    def as_a_newer_release(self, photo: PhotoRecord) -> None:
        """Add something to a record that this release does not know."""
        self.services.clients.dynamodb.update_item(
            TableName=self.services.settings.table,
            Key={"pk": f"photo#{photo.id}"},
            UpdateExpression="SET #record.colour = :blue",
            ExpressionAttributeNames={"#record": "record"},
            ExpressionAttributeValues={":blue": "blue"},
        )

    def as_this_release(self, photo: PhotoRecord) -> None:
        """Take that away again."""
        self.services.clients.dynamodb.update_item(
            TableName=self.services.settings.table,
            Key={"pk": f"photo#{photo.id}"},
            UpdateExpression="REMOVE #record.colour",
            ExpressionAttributeNames={"#record": "record"},
        )

    def look(self, photo: PhotoRecord) -> PhotoRecord:
        found = self.services.table.get(photo.id)
        assert found is not None
        return found

    def wait_for(self, photo: PhotoRecord) -> PhotoRecord:
        """Wait until nothing of a photo is unfinished."""

        def ended() -> PhotoRecord | None:
            found = self.look(photo)
            return None if found.unfinished else found

        return wait_until(f"photo {photo.id} has ended", ended)

    def wait_in_work(self, photo: PhotoRecord) -> None:
        wait_until(f"photo {photo.id} is in work", lambda: "processing" in self.look(photo).counts)

    def wait_until_empty(self) -> None:
        """Wait until the photos queue holds nothing, in flight included."""

        def empty() -> bool:
            depth = self.services.photos.depth()
            return depth.visible == depth.in_flight == depth.delayed == 0

        wait_until("the queue is empty", empty)

    def receive(self, queue: Queue) -> list[str]:
        """The bodies of all messages that wait in a queue, which are taken from it."""
        bodies = []
        while messages := queue.receive(10, wait=1, visibility=30):
            bodies += [message.body for message in messages]
            queue.delete([message.receipt_handle for message in messages])
        return bodies

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.receive(self.services.events)]

    def objects(self, photo: PhotoRecord) -> list[str]:
        """The keys of all results of a photo, published or not."""
        clients, bucket = self.services.clients, self.services.settings.bucket
        found = clients.s3.list_objects_v2(Bucket=bucket, Prefix=f"results/{photo.id}/")
        return [item["Key"] for item in found.get("Contents", [])]


SLOW = "tests.support.slow_worker"
"""The program of a worker that takes its time over `slow_job`."""

QUICK_LEASE = {"DARKROOM_LEASE": "6", "DARKROOM_HEARTBEAT": "1"}
"""So that the message of a killed worker is soon back. Real deployments have a longer one."""


@pytest.fixture
def make_stack(deploy: Any, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    with contextlib.ExitStack() as workers:

        def make(**variables: str) -> Stack:
            deployment = deploy(**QUICK_LEASE, **variables)
            environ = deployment.environ_of("worker")
            return Stack(Services.connect(deployment.settings), environ, tmp_path, workers)

        yield make


@pytest.fixture
def stack(make_stack: Callable[..., Stack]) -> Stack:
    """A deployment of the test's own: its queues hold nothing of other tests."""
    return make_stack()


@pytest.fixture(scope="session")
def slow_job() -> dict[str, Any]:
    """A job that takes `SLOW` eight seconds, longer than QUICK_LEASE, and no CPU time."""
    return {"type": "filter", "filter": "blur", "sigma": 80}
