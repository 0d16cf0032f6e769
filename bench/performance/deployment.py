"""A deployment of one checkout on this machine: the AWS emulator, the API, and one worker that can be halted.

Everything goes through commands and HTTP, so that another checkout of Darkroom, with its own .venv, is measured in the
same way.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import boto3

from bench.cpu_time import session_cpu
from bench.performance.cpu_quota import CpuQuota
from bench.performance.inputs import Photo
from bench.performance.orders import ORDERS
from darkroom.local.emulator import HOST, Emulator, free_port
from darkroom.settings import PROJECT
from tests.support.fault_proxy import FaultProxy

PATIENCE = 300.0


class Deployment:
    """The emulator, the API and perhaps a worker of the checkout in `checkout`. A context manager.

    `settings` are environment variables of API and worker. The API and the emulator run on the last CPU, if there are
    two or more, so that they disturb the worker little. With `watched`, API and worker reach the emulator through a
    proxy each, which counts their requests: `api_proxy` and `worker_proxy`.
    """

    def __init__(
        self,
        directory: Path,
        checkout: Path = PROJECT,
        settings: Mapping[str, str] | None = None,
        watched: bool = False,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = Path(tempfile.mkdtemp(dir=directory))  # a measure may have used the same folder before
        self._checkout = checkout
        self._watched = watched
        self._settings = settings or {}
        self._emulator = Emulator(self._directory / "aws")
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.emulator_session = self._emulator.start().process.pid
            stack.callback(self._emulator.stop)
            _pin(self.emulator_session, _helpers_cpus())
            self.port = free_port()
            self.environ = _clean_environ() | self._emulator.environ | {
                "AWS_DEFAULT_REGION": "us-east-1",
                "DARKROOM_LOG_FORMAT": "json",
                "DARKROOM_LOG_LEVEL": "warning",
                "DARKROOM_PORT": str(self.port),
                "DARKROOM_SPOOL_DIR": str(self._directory / "spool"),
                "DARKROOM_POLL_WAIT": "2",
                **self._settings,
            }  # fmt: skip
            (self._directory / "spool").mkdir()
            self._run("darkroom", "provision")
            self._sqs = boto3.client(
                "sqs",
                endpoint_url=self._emulator.url,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            api_environ, self._worker_environ = self.environ, self.environ
            if self._watched:
                self.api_proxy, self.worker_proxy = (stack.enter_context(FaultProxy(self.url)) for _ in range(2))
                api_environ = self.environ | {"AWS_ENDPOINT_URL": self.api_proxy.url}
                self._worker_environ = self.environ | {"AWS_ENDPOINT_URL": self.worker_proxy.url}
            self.api_session = self._start("api", "api", api_environ, _helpers_cpus(), stack).pid
            wait_until("the API answers", lambda: self._answers("/healthz"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        return self._emulator.url

    @contextlib.contextmanager
    def start_worker(self, cpus: int = 1, quota: CpuQuota | None = None, **variables: str) -> Iterator[WorkerTree]:
        """A worker that sees so many CPUs, and may use of them what `quota` allows. It ends with the context."""
        with contextlib.ExitStack() as stack:
            process = self._start("worker", "worker", self._worker_environ | variables, _first_cpus(cpus), stack, quota)
            yield WorkerTree(process)

    def make_queue(self, name: str) -> str:
        """The URL of a new queue of the emulator."""
        return str(self._sqs.create_queue(QueueName=name)["QueueUrl"])

    def upload(self, photo: Photo, order: str) -> str:
        """Upload a photo with the jobs of an order. Returns the photo's id."""
        query = urlencode({"jobs": json.dumps(ORDERS[order]), "filename": photo.path.name})
        answer = self._request("POST", f"/v1/photos?{query}", photo.path.read_bytes(), photo.content_type)
        return str(answer["id"])

    def wait_for(self, photos: Sequence[str]) -> None:
        """Wait until every job of these photos has ended and each message is deleted. Raises RuntimeError for a job
        that failed."""
        for photo in photos:
            view: dict[str, Any] = {}
            while view.get("status") not in ("succeeded", "failed"):
                view = self._request("GET", f"/v1/photos/{photo}?wait=20")
            if view["status"] == "failed":
                raise RuntimeError(f"photo {photo} failed: {json.dumps(view['jobs'])}")
        wait_until("the queue is empty", self._is_queue_empty)

    def completed(self, photos: Sequence[str]) -> list[float]:
        """When each of these photos was completed, in seconds since the epoch, the first one first.

        Takes the events of all photos from the queue.
        """
        missing, times = set(photos), list[float]()
        deadline = time.monotonic() + PATIENCE
        while missing and time.monotonic() < deadline:
            answer = self._sqs.receive_message(QueueUrl=self._queue("events"), MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                event = json.loads(message["Body"])
                if event["data"]["id"] in missing:
                    missing.remove(event["data"]["id"])
                    times.append(datetime.fromisoformat(event["timestamp"]).timestamp())
                self._sqs.delete_message(QueueUrl=self._queue("events"), ReceiptHandle=message["ReceiptHandle"])
        if missing:
            raise TimeoutError(f"no event within {PATIENCE:g} s for {', '.join(missing)}")
        return sorted(times)

    def fetch(self, photo: str) -> list[bytes]:
        """The bytes of every picture of a photo, in the order of its jobs."""
        jobs = self._request("GET", f"/v1/photos/{photo}")["jobs"]
        pictures = [job["id"] for job in jobs if job["type"] != "metadata"]
        return [self._download(f"/v1/photos/{photo}/jobs/{job}/result") for job in pictures]

    def _is_queue_empty(self) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue("photos"), AttributeNames=names)["Attributes"]
        return all(int(attributes[name]) == 0 for name in names)

    def _queue(self, name: str) -> str:
        urls: list[str] = self._sqs.list_queues()["QueueUrls"]
        return next(url for url in urls if url.endswith(f"-{name}"))

    def _request(self, method: str, target: str, body: bytes = b"", content_type: str = "") -> dict[str, Any]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        try:
            connection.request(method, target, body, {"Content-Type": content_type} if content_type else {})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {target}: {answer.status}\n{text.decode(errors='replace')}")
        found: dict[str, Any] = json.loads(text)
        return found

    def _download(self, target: str) -> bytes:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        connection.request("GET", target)
        location = connection.getresponse().getheader("Location") or ""
        connection.close()
        storage = http.client.HTTPConnection(HOST, self._emulator.port, timeout=PATIENCE)
        storage.request("GET", location.partition(str(self._emulator.port))[2])
        data = storage.getresponse().read()
        storage.close()
        return data

    def _answers(self, target: str) -> bool:
        with contextlib.suppress(OSError):
            self._request("GET", target)
            return True
        return False

    def _start(
        self,
        name: str,
        module: str,
        environ: Mapping[str, str],
        cpus: set[int],
        stack: contextlib.ExitStack,
        quota: CpuQuota | None = None,
    ) -> subprocess.Popen[bytes]:
        with (self._directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*(quota.command if quota else []), *_pinned(cpus), self._python(), "-m", module],
                cwd=self._checkout,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        stack.callback(_end, process)
        return process

    def _run(self, module: str, *arguments: str) -> None:
        subprocess.run(
            [self._python(), "-m", module, *arguments], cwd=self._checkout, env=self.environ, check=True,
            capture_output=True,
        )  # fmt: skip

    def _python(self) -> str:
        return str(self._checkout / ".venv" / "bin" / "python")


class WorkerTree:
    """A worker with its children."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.session = process.pid

    def halt(self) -> None:
        """Stop all its processes where they are, so that photos pile up."""
        os.killpg(self.session, signal.SIGSTOP)

    def go_on(self) -> None:
        os.killpg(self.session, signal.SIGCONT)

    def cpu(self) -> float:
        return session_cpu(self.session)


def wait_until(what: str, look: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE:g} s: {what}")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGCONT)
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _clean_environ() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DARKROOM_", "AWS_")) and name != "PYTHONPATH"
    }


def _first_cpus(count: int) -> set[int]:
    return set(sorted(os.sched_getaffinity(0))[:count])


def _helpers_cpus() -> set[int]:
    return {max(os.sched_getaffinity(0))}


def _pinned(cpus: set[int]) -> list[str]:
    return ["taskset", "--cpu-list", ",".join(map(str, sorted(cpus)))]


def _pin(pid: int, cpus: set[int]) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cpus)
