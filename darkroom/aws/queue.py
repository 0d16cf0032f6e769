"""SQS in Darkroom's own verbs: send, receive, extend, delete, bury."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors
from darkroom.errors import Unavailable
from darkroom.record.labels import UNSENDABLE
from darkroom.settings import Settings

BATCH = 10
"""Entries in one SQS batch request, and messages in one receive."""

LOOK = 60
"""Seconds for which others do not see a dead letter that is only looked at."""


@dataclass(frozen=True)
class Received:
    """A message as it came; nobody has looked into its body yet."""

    id: str
    receipt_handle: str
    body: str
    group: str | None
    receives: int
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Depth:
    """Approximate counts of a queue; on AWS they lag by up to a minute."""

    queue: str
    visible: int
    in_flight: int
    delayed: int


class Queue:
    """One SQS queue, standard or FIFO by its name."""

    def __init__(self, name: str, clients: Clients) -> None:
        self.name = name
        self.fifo = name.endswith(".fifo")
        self._sqs = clients.sqs
        self._sqs_poll = clients.sqs_poll

    @cached_property
    def url(self) -> str:
        with aws_errors(f"looking up queue {self.name}"):
            return self._sqs.get_queue_url(QueueName=self.name)["QueueUrl"]

    def send(
        self,
        body: str,
        group: str,
        deduplication_id: str,
        attributes: Mapping[str, str] | None = None,
        delay: int = 0,
    ) -> None:
        """Send a message.

        `group`: order within it on a FIFO queue, a fair share of the consumers on a standard one.
        `deduplication_id`: a FIFO queue swallows a second one within five minutes, with a 200.
        `delay`: seconds until anybody can receive it, at most 900; a FIFO queue delays no single message.
        """
        more: dict[str, Any] = {"MessageDeduplicationId": deduplication_id} if self.fifo else {}
        if delay:
            more["DelaySeconds"] = delay
        if attributes:
            more["MessageAttributes"] = {
                name: {"DataType": "String", "StringValue": value or "-"} for name, value in attributes.items()
            }
        with aws_errors(f"sending to {self.name}"):
            self._sqs.send_message(QueueUrl=self.url, MessageBody=body, MessageGroupId=group, **more)

    def receive(self, limit: int, wait: int, visibility: int) -> list[Received]:
        """Receive up to `limit` messages (at most ten), waiting up to `wait` seconds for the first.

        They stay hidden from others for `visibility` seconds. The queue's own timeout belongs to Lambda.
        """
        with aws_errors(f"receiving from {self.name}"):
            answer = self._sqs_poll.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(limit, BATCH),
                WaitTimeSeconds=wait,
                VisibilityTimeout=visibility,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
                MessageAttributeNames=["All"],
            )
            return [
                Received(
                    id=message["MessageId"],
                    receipt_handle=message["ReceiptHandle"],
                    body=message["Body"],
                    group=message.get("Attributes", {}).get("MessageGroupId"),
                    receives=int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
                    attributes=_texts(message.get("MessageAttributes", {})),
                )
                for message in answer.get("Messages", [])
            ]

    def set_visibility(self, seconds: Mapping[str, int]) -> dict[str, str]:
        """Hide messages, by receipt handle, for so many seconds from now; 0 gives one back.

        Returns the handles that were refused, with SQS's reason.
        """
        return self._in_batches(
            "changing visibility on",
            list(seconds),
            lambda entries: self._sqs.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": id_, "ReceiptHandle": handle, "VisibilityTimeout": seconds[handle]}
                    for id_, handle in entries
                ],
            ),
        )

    def delete(self, handles: Sequence[str]) -> dict[str, str]:
        """Delete messages by receipt handle. Returns the handles that were refused, with SQS's reason."""
        return self._in_batches(
            "deleting from",
            handles,
            lambda entries: self._sqs.delete_message_batch(
                QueueUrl=self.url, Entries=[{"Id": id_, "ReceiptHandle": handle} for id_, handle in entries]
            ),
        )

    def depth(self) -> Depth:
        with aws_errors(f"counting {self.name}"):
            answer = self._sqs.get_queue_attributes(
                QueueUrl=self.url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )
            count = {name: int(value) for name, value in answer["Attributes"].items()}
            return Depth(
                queue=self.name,
                visible=count["ApproximateNumberOfMessages"],
                in_flight=count["ApproximateNumberOfMessagesNotVisible"],
                delayed=count["ApproximateNumberOfMessagesDelayed"],
            )

    def _in_batches(
        self, action: str, handles: Sequence[str], request: Callable[[list[tuple[str, str]]], Any]
    ) -> dict[str, str]:
        refused: dict[str, str] = {}
        for batch in _batches(handles, BATCH):
            entries = [(str(number), handle) for number, handle in enumerate(batch)]
            with aws_errors(f"{action} {self.name}"):
                answer = request(entries)
            failed = answer.get("Failed", [])
            for fault in failed:
                if not fault["SenderFault"]:  # SQS's own trouble, for one entry of the batch
                    raise Unavailable(f"{action} {self.name} failed: {fault['Code']}")
            handle_of = dict(entries)
            refused |= {handle_of[fault["Id"]]: fault["Code"] for fault in failed}
        return refused


class WorkQueue(Queue):
    """A queue that our workers read, and the dead letters beside it."""

    def __init__(self, name: str, dead_letters: str, clients: Clients) -> None:
        super().__init__(name, clients)
        self.dead_letters = Queue(dead_letters, clients)

    def bury(self, received: Received, code: str, reason: str, fence: int | None = None) -> None:
        """Copy a message to the dead letters with the reason. The message itself is deleted when it is settled.

        `fence`: the order's; the copy stands for its dead letter as long as the order has this fence.
        """
        copy_id = f"{received.id}-{fence or 0}"
        fenced = {"fence": str(fence)} if fence else {}
        self.dead_letters.send(
            received.body,
            group=copy_id,  # on a FIFO queue one that is looked at must not hold up the others
            deduplication_id=copy_id,
            attributes={"code": code, "reason": UNSENDABLE.sub("\ufffd", reason[:500])}
            | {"receives": str(received.receives)}
            | fenced,
        )

    def max_receives(self) -> int | None:
        """After how many receives SQS moves a message to the dead letters by itself."""
        with aws_errors(f"asking about {self.name}"):
            answer = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["RedrivePolicy"])
        policy = json.loads(answer.get("Attributes", {}).get("RedrivePolicy", "{}"))
        return int(policy["maxReceiveCount"]) if "maxReceiveCount" in policy else None


def depths(settings: Settings, clients: Clients) -> list[Depth]:
    """How much waits in each queue."""
    return [Queue(name, clients).depth() for name in settings.queues]


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value}


def _batches(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
