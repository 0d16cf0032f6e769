"""AWS Lambda for tests: its Runtime API, from which the real runtime client gets events; an execution environment that
is killed at its deadline; and an event source that polls SQS.

The HTTP API is what AWS documents in "Using the Lambda runtime API for custom runtimes"; how batches are received,
deleted and left is documented in "Using Lambda with Amazon SQS".
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NothingYet
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

ARN = "arn:aws:lambda:us-east-1:000000000000:function:darkroom"

STARTS_WITHIN = 120.0
"""Seconds until an environment that asks for no event counts as hanging."""

LOOKS_EVERY = 0.2


class FunctionError(Exception):
    """The function raised an error, in an invocation or when it was loaded."""


class TaskTimedOut(Exception):
    """The function did not answer before its deadline, and its environment was killed."""


class RuntimeExited(Exception):
    """The function's process ended in the middle of an invocation, or never asked for one."""


class EnvironmentProcess(Protocol):
    """The process of an execution environment: a container, or a process of this machine."""

    def poll(self) -> int | None: ...

    def kill(self) -> None: ...


Start = Callable[[str], EnvironmentProcess]
"""Start a runtime client that asks the given address (AWS_LAMBDA_RUNTIME_API) for events."""


def as_process(command: list[str], environ: dict[str, str], log: Any = None) -> Start:
    """Start the runtime client as a process of this machine, without a container."""

    def start(address: str) -> EnvironmentProcess:
        variables = environ | {"AWS_LAMBDA_RUNTIME_API": address, "AWS_LAMBDA_FUNCTION_NAME": "darkroom"}
        process = subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, stderr=log)
        return PlainProcess(process)

    return start


@dataclass
class PlainProcess:
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    def poll(self) -> int | None:
        return self.process.poll()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class _Invocation:
    event: Any
    deadline: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    answer: Future[Any] = field(default_factory=Future)


class _Environment:
    """One process, and its own Runtime API."""

    def __init__(self, start: Start) -> None:
        self.ready = threading.Event()
        self.init_error: str | None = None
        self.invocations: queue.Queue[_Invocation | None] = queue.Queue()
        self.current: _Invocation | None = None
        self._server = _RuntimeApiServer(("127.0.0.1", 0), _runtime_api(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.process = start(f"127.0.0.1:{self._server.server_address[1]}")

    def wait_until_ready(self) -> None:
        """The init phase. A deadline counts from its end."""
        given_up = time.monotonic() + STARTS_WITHIN
        while not self.ready.wait(LOOKS_EVERY):
            if self.init_error:
                raise FunctionError(self.init_error)
            if (status := self.process.poll()) is not None:
                raise RuntimeExited(f"exit status {status} in the init phase")
            if time.monotonic() > given_up:
                raise RuntimeExited(f"it asked for no event within {STARTS_WITHIN:g} s")

    def invoke(self, event: Any, timeout: float) -> Any:
        invocation = _Invocation(event, time.time() + timeout)
        self.invocations.put(invocation)
        while True:
            try:
                return invocation.answer.result(LOOKS_EVERY)
            except NothingYet:
                if (status := self.process.poll()) is not None:
                    raise RuntimeExited(f"exit status {status} in an invocation") from None
                if time.time() > invocation.deadline:
                    raise TaskTimedOut(f"Task timed out after {timeout:.2f} seconds") from None

    def kill(self) -> None:
        self.process.kill()
        self.invocations.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Function:
    """One function with one execution environment, which starts at the first invocation and is used until it fails.

    `timeout`: seconds after which its environment is killed.
    """

    def __init__(self, start: Start, timeout: float) -> None:
        self.timeout = timeout
        self.starts = 0
        self._start = start
        self._environment: _Environment | None = None

    def __enter__(self) -> Function:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def invoke(self, event: Any, timeout: float | None = None) -> Any:
        """Invoke the function and return its answer. Raises FunctionError, TaskTimedOut or RuntimeExited."""
        try:
            if self._environment is None:
                self.starts += 1
                self._environment = _Environment(self._start)
            self._environment.wait_until_ready()
            return self._environment.invoke(event, self.timeout if timeout is None else timeout)
        except (TaskTimedOut, RuntimeExited):
            self.kill()
            raise
        except FunctionError:
            if self._environment and self._environment.init_error:
                self.kill()
            raise

    @property
    def process(self) -> EnvironmentProcess | None:
        return self._environment.process if self._environment else None

    def kill(self) -> None:
        environment, self._environment = self._environment, None
        if environment:
            environment.kill()


class _RuntimeApiServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # the client was killed
            super().handle_error(request, client_address)


def _runtime_api(environment: _Environment) -> type[BaseHTTPRequestHandler]:
    class RuntimeApiHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.path == "/2018-06-01/runtime/invocation/next", self.path
            environment.ready.set()
            invocation = environment.current = environment.invocations.get()
            if invocation is None:  # the environment is being killed
                self.close_connection = True
                return
            self._answer(
                200,
                invocation.event,
                {
                    "Lambda-Runtime-Aws-Request-Id": invocation.id,
                    "Lambda-Runtime-Deadline-Ms": str(round(invocation.deadline * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": ARN,
                    "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
                },
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kind = self.path.rpartition("/")[2]
            error = f"{self.path}: {body.decode()}"
            if self.path == "/2018-06-01/runtime/init/error":
                environment.init_error = error
            else:
                invocation = environment.current
                assert invocation is not None
                assert self.path == f"/2018-06-01/runtime/invocation/{invocation.id}/{kind}", self.path
                if kind == "response":
                    invocation.answer.set_result(json.loads(body))
                else:
                    invocation.answer.set_exception(FunctionError(error))
            self._answer(202, {"status": "OK"}, {})

        def _answer(self, status: int, content: Any, headers: dict[str, str]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in (headers | {"Content-Type": "application/json"}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return RuntimeApiHandler


# --- SQS as an event source ------------------------------------------------------------------------------------


@dataclass
class EventSource:
    """An event source mapping with ReportBatchItemFailures: receives under the queue's own visibility timeout, invokes
    the function, deletes what it does not name, and leaves the rest as it is."""

    sqs: Any
    queue_url: str
    function: Function
    batch_size: int = 10
    answers: list[Any] = field(default_factory=list)
    """The answer or the error of each invocation."""

    def receive(self, wait: int = 1) -> list[dict[str, Any]]:
        found = self.sqs.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=self.batch_size,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return list(found.get("Messages", []))

    def poll(self, wait: int = 1) -> bool:
        """Receive and invoke once. False when there was nothing."""
        messages = self.receive(wait)
        if not messages:
            return False
        try:
            answer = self.function.invoke(self.event(messages))
        except (FunctionError, TaskTimedOut, RuntimeExited) as error:
            self.answers.append(error)  # the whole batch becomes visible again
            return True
        self.answers.append(answer)
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        assert failed <= {message["MessageId"] for message in messages}, (
            f"it names messages that it did not get: {answer}"
        )
        done = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
            if message["MessageId"] not in failed
        ]
        if done:
            self.sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=done)
        return True

    @contextmanager
    def running(self) -> Iterator[None]:
        """Poll in a thread within the context."""
        stopping = threading.Event()

        def run() -> None:
            while not stopping.is_set():
                self.poll()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def event(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """The event with which Lambda passes messages to a function."""
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["QueueArn"])
        return {"Records": [as_record(message, arn["Attributes"]["QueueArn"]) for message in messages]}


def as_record(message: dict[str, Any], arn: str) -> dict[str, Any]:
    attributes = {
        name: {
            "stringValue": value.get("StringValue"),
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": value["DataType"],
        }
        for name, value in message.get("MessageAttributes", {}).items()
    }
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": arn.split(":")[3],
    }
