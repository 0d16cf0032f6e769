"""Messages that are sent in batches: SQS's limits, and which messages failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError, ReadTimeoutError

from darkroom.aws.clients import Clients
from darkroom.aws.queue import BATCH_BYTES, Outgoing, Queue


class FakeSqs:
    """Notes the bodies of each request, and answers with the next of `answers`: entries that failed, or an error."""

    def __init__(self, *answers: list[dict[str, Any]] | Exception) -> None:
        self.requests: list[list[str]] = []
        self.entries: list[dict[str, Any]] = []
        self._answers = list(answers)

    def get_queue_url(self, **_: Any) -> dict[str, str]:
        return {"QueueUrl": "https://sqs/events"}

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        self.requests.append([entry["MessageBody"] for entry in request["Entries"]])
        self.entries += request["Entries"]
        answer = self._answers.pop(0) if self._answers else []
        if isinstance(answer, Exception):
            raise answer
        return {"Failed": answer} if answer else {}


def queue(sqs: FakeSqs, name: str = "events") -> Queue:
    return Queue(name, cast(Clients, SimpleNamespace(sqs=sqs, sqs_poll=sqs)))


def outgoing(*bodies: str, group: str = "ann") -> list[Outgoing]:
    return [Outgoing(body, group, f"id-{body}") for body in bodies]


def failed(number: int, sender: bool = False) -> list[dict[str, Any]]:
    return [{"Id": str(number), "Code": "InternalError", "SenderFault": sender}]


def test_ten_messages_go_in_one_request():
    sqs = FakeSqs()
    assert queue(sqs).send_batch(outgoing(*map(str, range(23)))) == {}
    assert [len(request) for request in sqs.requests] == [10, 10, 3]
    assert [body for request in sqs.requests for body in request] == [str(number) for number in range(23)]


def test_no_messages_are_no_request():
    sqs = FakeSqs()
    assert queue(sqs).send_batch([]) == {}
    assert sqs.requests == []


def test_messages_that_are_large_together_go_in_several_requests():
    sqs = FakeSqs()
    bodies = [letter * (BATCH_BYTES // 2) for letter in "abc"]
    assert queue(sqs).send_batch(outgoing(*bodies)) == {}
    assert sqs.requests == [bodies[:2], bodies[2:]]


def test_attributes_count_for_the_size_of_a_request():
    sqs = FakeSqs()
    messages = [Outgoing("a" * (BATCH_BYTES // 2), "ann", str(n), {"reason": "late"}) for n in range(2)]
    assert queue(sqs).send_batch(messages) == {}
    assert [len(request) for request in sqs.requests] == [1, 1]


def test_each_failed_message_is_reported_and_the_others_are_sent():
    sqs = FakeSqs(failed(1) + failed(3, sender=True))
    failures = queue(sqs).send_batch(outgoing("a", "b", "c", "d"))
    assert {number: error.certain for number, error in failures.items()} == {1: False, 3: True}
    assert "sending to events failed: InternalError" in failures[1].detail


def test_a_failed_request_is_the_error_of_its_messages_only():
    throttled = ClientError(
        {"Error": {"Code": "Throttled"}, "ResponseMetadata": {"HTTPStatusCode": 400}},  # type: ignore[typeddict-item]
        "SendMessageBatch",
    )
    sqs = FakeSqs(throttled, [], ReadTimeoutError(endpoint_url="https://sqs"))
    failures = queue(sqs).send_batch(outgoing(*map(str, range(21))))
    assert {number: error.certain for number, error in failures.items()} == dict.fromkeys(range(10), True) | {20: False}


def test_a_fifo_queue_gets_no_second_message_of_a_group_in_one_request():
    sqs = FakeSqs()
    messages = [*outgoing("a", "b"), *outgoing("c", group="bob"), *outgoing("d")]
    assert queue(sqs, "events.fifo").send_batch(messages) == {}
    assert sqs.requests == [["a"], ["b", "c"], ["d"]]
    assert [entry["MessageDeduplicationId"] for entry in sqs.entries] == ["id-a", "id-b", "id-c", "id-d"]


def test_on_a_fifo_queue_nothing_overtakes_a_message_that_failed():
    sqs = FakeSqs(failed(0))
    messages = [*outgoing("a", "b"), *outgoing("c", group="bob"), *outgoing("d")]
    failures = queue(sqs, "events.fifo").send_batch(messages)
    assert sqs.requests == [["a"], ["c"]]
    assert {number: error.certain for number, error in failures.items()} == {0: False, 1: True, 3: True}


def test_a_standard_queue_sends_what_follows_a_message_that_failed():
    sqs = FakeSqs(failed(0))
    assert set(queue(sqs).send_batch(outgoing(*map(str, range(11))))) == {0}
    assert sqs.requests[1] == ["10"]
