"""The worker's Lambda functions under Lambda's real runtime client, on this machine: what becomes of each message of a
batch. tests/e2e/test_lambda.py does it in a container that is like Lambda's."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom.aws.queue import Queue
from darkroom.record.clock import now
from darkroom.record.delivery import Callback
from darkroom.record.ids import new_id
from darkroom.record.keys import upload_key
from darkroom.record.messages import WebhookMessage
from darkroom.record.photo import PhotoRecord
from tests.support.fault_proxy import LOST_REQUEST, FaultProxy
from tests.support.ingesting import await_upload, notification, put, record_of, send
from tests.support.lambda_runtime import EventSource, Function, FunctionError, PlainProcess, TaskTimedOut, as_process
from tests.support.receiver import Receiver
from tests.support.stack import Stack
from tests.support.waiting import wait_until

MISBEHAVING = "tests.support.misbehaving_function"
WORK, SWEEP = "worker.lambda_function.lambda_handler", "worker.lambda_function.sweep"

RESIZE = {"type": "resize", "width": 160}
SLEEP = {"type": "filter", "filter": "posterize"}  # as tests/support/misbehaving.py replaces it

FUTURE = json.dumps({"v": 99})
"""A message that only a newer release can read: it is given back."""

ENOUGH = 120.0
SHORT = 14.0
"""Seconds, of which a photo gets one: ten are kept for what is around the work, and it may need its time twice."""


class Lambda:
    """Functions on one deployment, and what they log."""

    def __init__(self, stack: Stack, exits: contextlib.ExitStack) -> None:
        self.stack = stack
        self._exits = exits
        self._log = stack.directory / "function.log"

    def function(
        self, handler: str = WORK, timeout: float = ENOUGH, program: str = "awslambdaric", **variables: str
    ) -> Function:
        environ = self.stack.environ | {"DARKROOM_LOG_FORMAT": "json", "DARKROOM_BACKOFF_CAP": "2"} | variables
        log = self._exits.enter_context(self._log.open("ab"))
        start = as_process([sys.executable, "-m", program, handler], environ, log)
        return self._exits.enter_context(Function(start, timeout))

    def source(self, function: Function, queue: Queue | None = None) -> EventSource:
        queue = queue or self.stack.services.photos
        return EventSource(self.stack.services.clients.sqs, queue.url, function)

    def logged(self, action: str) -> list[dict[str, Any]]:
        entries = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [entry for entry in entries if entry["action"] == action]

    def receive_all(self, source: EventSource, count: int) -> list[dict[str, Any]]:
        """So many messages, as one batch."""
        messages: list[dict[str, Any]] = []

        def enough() -> bool:
            messages.extend(source.receive())
            return len(messages) >= count

        wait_until(f"{count} messages are received", enough)
        return messages


@pytest.fixture
def make_lambda(make_stack: Callable[..., Stack]) -> Iterator[Callable[..., Lambda]]:
    with contextlib.ExitStack() as exits:
        yield lambda **variables: Lambda(make_stack(**variables), exits)


@pytest.fixture
def aws_lambda(make_lambda: Callable[..., Lambda]) -> Lambda:
    return make_lambda()


def names(answer: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def by_body(messages: list[dict[str, Any]], part: str) -> str:
    """The id of the message whose body has that in it."""
    (found,) = [message["MessageId"] for message in messages if part in message["Body"]]
    return str(found)


def is_done(stack: Stack, photo: PhotoRecord) -> bool:
    (job,) = stack.look(photo).jobs.values()
    if job.status != "succeeded":
        return False
    assert job.result is not None
    return Image.open(io.BytesIO(stack.services.bucket.read(job.result.key))).size == (160, 120)


def counts(queue: Queue) -> tuple[int, int]:
    depth = queue.depth()
    return depth.visible, depth.in_flight


class TestBatches:
    def test_only_what_is_not_done_is_named_and_comes_back_soon(self, aws_lambda: Lambda, picture: bytes) -> None:
        stack = aws_lambda.stack
        photos = [stack.submit(picture, RESIZE) for _ in range(3)]
        stack.services.photos.send("what is this?", group="x", deduplication_id=new_id())
        stack.services.photos.send(FUTURE, group="x", deduplication_id=new_id())
        source = aws_lambda.source(aws_lambda.function())
        messages = aws_lambda.receive_all(source, 5)

        answer = source.function.invoke(source.event(messages))

        assert names(answer) == [by_body(messages, FUTURE)]
        assert all(is_done(stack, photo) for photo in photos)
        (buried,) = stack.services.photos.dead_letters.receive(10, wait=1, visibility=60)
        assert (buried.body, buried.attributes["code"]) == ("what is this?", "undecodable_message")
        # The queue itself would hide it for ten minutes.
        (back,) = wait_until("it is back", source.receive)
        assert back["MessageId"] == by_body(messages, FUTURE)
        assert {event["data"]["id"] for event in stack.events()} == {photo.id for photo in photos}

    def test_what_comes_once_more_is_only_deleted(self, aws_lambda: Lambda, picture: bytes) -> None:
        photo = aws_lambda.stack.submit(picture, RESIZE)
        source = aws_lambda.source(aws_lambda.function())
        event = source.event(aws_lambda.receive_all(source, 1))
        assert [names(source.function.invoke(event)) for _ in range(2)] == [[], []]
        (job,) = aws_lambda.stack.look(photo).jobs.values()
        assert (job.status, job.attempts) == ("succeeded", 1)
        assert source.function.starts == 1, "the second one was to find a warm environment"

    def test_a_fifo_group_stops_at_its_first_failure(self, make_lambda: Callable[..., Lambda], picture: bytes) -> None:
        aws_lambda = make_lambda(DARKROOM_QUEUE_TYPE="fifo")
        stack = aws_lambda.stack
        before = stack.submit(picture, RESIZE, owner="ann")
        stack.services.photos.send(FUTURE, group="ann", deduplication_id=new_id())
        behind = stack.submit(picture, RESIZE, owner="ann")
        other = stack.submit(picture, RESIZE, owner="bob")
        source = aws_lambda.source(aws_lambda.function())
        messages = aws_lambda.receive_all(source, 4)

        answer = source.function.invoke(source.event(messages))

        assert names(answer) == [by_body(messages, FUTURE), by_body(messages, behind.id)]
        assert is_done(stack, before)
        assert is_done(stack, other)
        (job,) = stack.look(behind).jobs.values()
        assert (job.status, job.attempts) == ("queued", 0)
        source.sqs.delete_message_batch(
            QueueUrl=source.queue_url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)
                if message["MessageId"] not in names(answer)
            ],
        )
        back = aws_lambda.receive_all(source, 2)
        assert [message["MessageId"] for message in back] == names(answer), "in their order"

    def test_what_somebody_else_has_taken_is_neither_deleted_nor_given_back(
        self, aws_lambda: Lambda, picture: bytes
    ) -> None:
        stack = aws_lambda.stack
        photo = stack.submit(picture, SLEEP)
        (order,) = photo.orders
        source = aws_lambda.source(aws_lambda.function(program=MISBEHAVING, timeout=SHORT))
        messages = aws_lambda.receive_all(source, 1)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(source.function.invoke, source.event(messages))
            stack.wait_in_progress(photo)
            message = messages[0]["MessageId"]
            stack.services.table.update(photo.id, lambda record: record.claim(order, 5, 90, 300, message))
            assert names(answer.result()) == [message]
        assert [entry["verdict"] for entry in aws_lambda.logged("order.handled")] == ["leave"]
        assert counts(stack.services.photos) == (0, 1)

    def test_a_queue_that_is_not_ours_is_refused(self, aws_lambda: Lambda, picture: bytes) -> None:
        aws_lambda.stack.submit(picture, RESIZE)
        source = aws_lambda.source(aws_lambda.function(DARKROOM_STACK="another"))
        source.poll()
        (error,) = source.answers
        assert isinstance(error, FunctionError)
        assert "this deployment has no queue " in str(error)
        assert "connect one of another-photos, another-photo-ingest, another-photo-webhooks" in str(error)
        assert counts(aws_lambda.stack.services.photos) == (0, 1)


class TestTime:
    def test_what_can_no_longer_be_finished_goes_back_unstarted(self, aws_lambda: Lambda, picture: bytes) -> None:
        stack = aws_lambda.stack
        sleeping = stack.submit(picture, *[SLEEP] * 3)
        photos = [stack.submit(picture, RESIZE) for _ in range(2)]
        source = aws_lambda.source(aws_lambda.function(program=MISBEHAVING, timeout=SHORT))
        messages = sorted(aws_lambda.receive_all(source, 3), key=lambda message: sleeping.id not in message["Body"])

        answer = source.function.invoke(source.event(messages))

        assert names(answer) == [message["MessageId"] for message in messages[1:]]
        codes = [error.code for job in stack.look(sleeping).jobs.values() for error in job.errors]
        assert codes == ["time_limit_exceeded"] * 3
        assert {order.claim_count for photo in photos for order in stack.look(photo).orders.values()} == {0}
        (capped,) = aws_lambda.logged("time_limit.capped")
        assert capped["seconds"] < capped["wanted"]
        back = aws_lambda.receive_all(source, 2)
        assert names(source.function.invoke(source.event(back))) == []
        assert all(is_done(stack, photo) for photo in photos)

    def test_what_runs_near_the_deadline_is_given_back_and_goes_on_where_it_was(
        self, aws_lambda: Lambda, picture: bytes
    ) -> None:
        stack = aws_lambda.stack
        photo = stack.submit(picture, *[SLEEP] * 9, RESIZE)
        source = aws_lambda.source(aws_lambda.function(program=MISBEHAVING, timeout=SHORT))
        messages = aws_lambda.receive_all(source, 1)

        answer = source.function.invoke(source.event(messages))

        assert names(answer) == [messages[0]["MessageId"]]
        record = stack.look(photo)
        assert record.counts["failed"] > 0, "nothing of it was done"
        unfinished = [job for job in record.jobs.values() if job.unfinished]
        assert {(job.status, job.attempts, job.errors[-1].code) for job in unfinished} == {("queued", 0, "interrupted")}

        with source.running():
            record = stack.wait_for(photo)

        assert [job.status for job in record.jobs.values()] == ["failed"] * 9 + ["succeeded"]
        assert source.function.starts == 1, "the environment was to stay in use"

    def test_an_invocation_that_times_out_loses_nothing_and_leaves_nothing_on_the_disk(
        self, aws_lambda: Lambda, picture: bytes
    ) -> None:
        stack = aws_lambda.stack
        spool = stack.services.settings.spool_dir
        hanging, good = (stack.submit(picture, RESIZE) for _ in range(2))
        source = aws_lambda.source(aws_lambda.function(program=MISBEHAVING, timeout=SHORT, HANG=hanging.id))
        messages = sorted(aws_lambda.receive_all(source, 2), key=lambda message: hanging.id in message["Body"])
        with pytest.raises(TaskTimedOut):
            source.function.invoke(source.event(messages))
        assert is_done(stack, good)
        assert len(list(spool.glob("slot-*"))) == 1
        # As the queue does once its timeout is over.
        source.sqs.change_message_visibility_batch(
            QueueUrl=source.queue_url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                for number, message in enumerate(messages)
            ],
        )
        with source.running():
            stack.wait_until_empty()
        assert is_done(stack, hanging)
        assert {job.attempts for photo in (hanging, good) for job in stack.look(photo).jobs.values()} == {1}
        assert source.function.starts == 2
        assert list(spool.iterdir()) == []

    def test_a_timeout_in_which_nothing_can_be_done_is_an_error_not_a_loop(
        self, aws_lambda: Lambda, picture: bytes
    ) -> None:
        aws_lambda.stack.submit(picture, RESIZE)
        source = aws_lambda.source(aws_lambda.function(timeout=11))
        source.poll()
        (error,) = source.answers
        assert "too short to process a photo: give the function a longer timeout" in str(error)
        assert counts(aws_lambda.stack.services.photos) == (0, 1)


class TestIngest:
    def test_a_file_that_came_past_the_api_becomes_a_photo(self, aws_lambda: Lambda, picture: bytes) -> None:
        stack = aws_lambda.stack
        photo = await_upload(stack.services)
        put(stack.services, upload_key(photo.id), picture)
        send(stack.services, notification(record_of(stack.services, upload_key(photo.id))))
        send(stack.services, "what is this?")
        source = aws_lambda.source(aws_lambda.function(), stack.services.ingest)
        with source.running():
            stack.wait_for(photo)
            wait_until("the queue is empty", lambda: counts(stack.services.ingest) == (0, 0))
        assert is_done(stack, photo)
        (buried,) = stack.services.ingest.dead_letters.receive(10, wait=1, visibility=60)
        assert buried.body == "what is this?"


class TestWebhooks:
    SECRET = "whsec_" + "c2VjcmV0IHRoYXQgaXMgbG9uZyBlbm91Z2ghISE="

    @pytest.fixture
    def receiver(self) -> Iterator[Receiver]:
        with Receiver() as receiver:
            yield receiver

    def photo(self, stack: Stack, receiver: Receiver, picture: bytes) -> PhotoRecord:
        """One that has ended, and is told of."""
        photo = stack.record(picture, [RESIZE], callback=Callback(url=receiver.url))
        photo.cancel()
        stack.services.table.create(photo)
        stack.services.outbox.send_webhook(WebhookMessage.of(photo, 1))
        return photo

    def test_each_is_delivered_once_or_leads_to_the_next_attempt(
        self, aws_lambda: Lambda, receiver: Receiver, picture: bytes
    ) -> None:
        stack, queue = aws_lambda.stack, aws_lambda.stack.services.webhooks
        receiver.answers.append((500, {"Retry-After": "800"}))
        photos = [self.photo(stack, receiver, picture) for _ in range(3)]
        queue.send("hello", group="x", deduplication_id="")
        queue.send(json.dumps({"v": 2}), group="x", deduplication_id="")
        function = aws_lambda.function(
            DARKROOM_WEBHOOK_SECRET=self.SECRET, DARKROOM_WEBHOOK_PRIVATE_HOSTS=receiver.host
        )
        source = aws_lambda.source(function, queue)
        messages = aws_lambda.receive_all(source, 5)

        answer = function.invoke(source.event(messages))

        assert names(answer) == [by_body(messages, '{"v": 2}')]
        assert {got.id for got in receiver.got} == {photo.event_id("photo.completed") for photo in photos}
        deliveries = [stack.look(photo).delivery(1) for photo in photos]
        assert sorted(delivery.delivered_at is None for delivery in deliveries if delivery) == [False, False, True]
        wait_until("the next attempt waits", lambda: queue.depth().delayed == 1)
        (buried,) = queue.dead_letters.receive(10, wait=1, visibility=60)
        assert buried.body == "hello"

    def test_without_a_secret_they_wait(self, aws_lambda: Lambda, receiver: Receiver, picture: bytes) -> None:
        self.photo(aws_lambda.stack, receiver, picture)
        source = aws_lambda.source(aws_lambda.function(), aws_lambda.stack.services.webhooks)
        source.poll()
        assert "webhooks cannot be signed: set DARKROOM_WEBHOOK_SECRET" in str(source.answers[0])
        assert counts(aws_lambda.stack.services.webhooks) == (0, 1)


def test_the_sweep_is_a_function_too(aws_lambda: Lambda, picture: bytes) -> None:
    stack = aws_lambda.stack
    photo = stack.record(picture, [RESIZE])
    for order in photo.orders.values():
        order.due_at = now() - timedelta(hours=1)
    stack.services.table.create(photo)
    stack.store(photo, picture)

    assert aws_lambda.function(SWEEP).invoke({"source": "aws.scheduler"}) is None

    assert [entry["finished"] for entry in aws_lambda.logged("sweep.done")] == [True]
    (message,) = aws_lambda.stack.receive(stack.services.photos)
    assert json.loads(message)["photo"] == photo.id


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DARKROOM_LEASE": "soon"}, "DARKROOM_LEASE"),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}, "give the worker 384 MiB"),
        ({"DARKROOM_SPOOL_DIR": "/proc/spool"}, "DARKROOM_SPOOL_DIR: cannot write to /proc/spool"),
    ],
)
def test_what_is_wrong_is_said_in_the_init_phase(
    aws_lambda: Lambda, picture: bytes, variables: dict[str, str], said: str
) -> None:
    with pytest.raises(FunctionError, match="init/error") as raised:
        aws_lambda.function(**variables).invoke({})
    assert said in str(raised.value)


UNGUARDED = """
import json, sys
event = json.loads(sys.stdin.readline())
from worker.lambda_function import lambda_handler
class Context:
    aws_request_id = "1"
    def get_remaining_time_in_millis(self):
        return 60_000
print(json.dumps(lambda_handler(event, Context())))
"""


def test_children_do_not_run_the_program_that_runs_the_function(
    aws_lambda: Lambda, picture: bytes, tmp_path: Path
) -> None:
    """Emulators have a program of their own that reads events; it may do so as soon as it is loaded."""
    photo = aws_lambda.stack.submit(picture, RESIZE)
    source = aws_lambda.source(aws_lambda.function())
    program = tmp_path / "emulator.py"
    program.write_text(UNGUARDED)
    ran = subprocess.run(
        [sys.executable, program],
        env=aws_lambda.stack.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        input=json.dumps(source.event(aws_lambda.receive_all(source, 1))) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(ran.stdout) == {"batchItemFailures": []}
    assert is_done(aws_lambda.stack, photo)


def test_a_fork_server_that_died_between_two_invocations_is_replaced(aws_lambda: Lambda, picture: bytes) -> None:
    source = aws_lambda.source(aws_lambda.function())
    photos = []
    for _ in range(2):
        photos.append(aws_lambda.stack.submit(picture, RESIZE))
        wait_until("it has come", source.poll)
        process = source.function.process
        assert isinstance(process, PlainProcess)
        # One is multiprocessing's resource tracker; neither a child nor a thread is left to be frozen.
        assert len(list(Path(f"/proc/{process.pid}/task").iterdir())) == 1
        helpers = children_of(process.pid)
        assert [children_of(helper) for helper in helpers] == [[], []]
        for helper in helpers:
            os.kill(helper, signal.SIGKILL)
    assert all(is_done(aws_lambda.stack, photo) for photo in photos)
    assert source.function.starts == 1


def test_connections_that_went_stale_in_a_freeze_are_made_anew(
    aws_lambda: Lambda, picture: bytes, endpoint: str
) -> None:
    stack = aws_lambda.stack
    with FaultProxy(endpoint) as proxy:
        source = aws_lambda.source(aws_lambda.function(AWS_ENDPOINT_URL=proxy.url))
        photos = [stack.submit(picture, RESIZE)]
        wait_until("it has come", source.poll)
        process = source.function.process
        assert isinstance(process, PlainProcess)
        frozen = [process.pid, *children_of(process.pid)]
        for one in frozen:
            os.kill(one, signal.SIGSTOP)
        proxy.rule("*", LOST_REQUEST, first_tries=True)
        photos.append(stack.submit(picture, RESIZE))
        for one in frozen:
            os.kill(one, signal.SIGCONT)
        wait_until("it has come", source.poll)
        assert proxy.seen(fault=LOST_REQUEST.name) > 0
    assert all(is_done(stack, photo) for photo in photos)
    assert [names(answer) for answer in source.answers] == [[], []]
    assert source.function.starts == 1


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
