"""SQS queues: send, receive, change the visibility timeout, delete, and copy to the dead-letter queue."""

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

BATCH_BYTES = 262_144
"""Bytes of all messages in one batch request, within the limit of every SQS endpoint and of the stand-ins."""

LOOK = 60
"""Visibility timeout, in seconds, for dead letters that are received only to look at them."""


@dataclass(frozen=True)
class Received:
    """A message as SQS delivered it; its body is not parsed yet."""

    id: str
    receipt_handle: str
    body: str
    group: str | None
    receives: int
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outgoing:
    """A message to send.

    `group`: a FIFO queue keeps the order in a group; a standard queue serves groups fairly.
    `deduplication_id`: a FIFO queue drops a second message with the same id within 5 minutes, and reports success.
    `delay`: seconds until the message can be received, at most 900. FIFO queues have no delay for single messages.
    """

    body: str
    group: str
    deduplication_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    delay: int = 0

    @property
    def size(self) -> int:
        """Bytes that count for SQS's limits: the body, and the attributes with their names and types."""
        texts = [self.body, *(f"{name}String{value or '-'}" for name, value in self.attributes.items())]
        return sum(len(text.encode()) for text in texts)


@dataclass(frozen=True)
class Depth:
    """SQS's approximate counts of a queue's messages; on AWS they are up to a minute old."""

    queue: str
    visible: int
    in_flight: int
    delayed: int


class Queue:
    """One SQS queue. It is a FIFO queue if its name ends with .fifo."""

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
        """Send a message (`Outgoing` explains the parameters). Raises Unavailable."""
        message = Outgoing(body, group, deduplication_id, attributes or {}, delay)
        with aws_errors(f"sending to {self.name}"):
            self._sqs.send_message(QueueUrl=self.url, **self._fields(message))

    def send_batch(self, messages: Sequence[Outgoing]) -> dict[int, Unavailable]:
        """Send messages, up to ten in a request. Returns the errors of those that failed, by their place in `messages`.

        A failed request is the error of each of its messages. On a FIFO queue a request has one message of a group, and
        when it fails, the later ones of its group are not sent: they must not overtake it.
        """
        failures: dict[int, Unavailable] = {}
        stopped: dict[str, Unavailable] = {}
        for numbers in _requests(messages, one_of_a_group=self.fifo):
            for number in numbers:
                if error := stopped.get(messages[number].group):
                    failures[number] = Unavailable(error.detail, certain=True)
            sent = [number for number in numbers if number not in failures]
            failed = self._send_request({number: messages[number] for number in sent}) if sent else {}
            failures |= failed
            if self.fifo:
                stopped |= {messages[number].group: error for number, error in failed.items()}
        return failures

    def _send_request(self, messages: Mapping[int, Outgoing]) -> dict[int, Unavailable]:
        action = f"sending to {self.name}"
        entries: list[Any] = [{"Id": str(number), **self._fields(message)} for number, message in messages.items()]
        try:
            with aws_errors(action):
                failed = self._sqs.send_message_batch(QueueUrl=self.url, Entries=entries).get("Failed", [])
        except Unavailable as error:
            return dict.fromkeys(messages, error)
        # SQS refused an entry of its sender for sure. Of its own fault it does not say how far it came.
        return {
            int(fault["Id"]): Unavailable(f"{action} failed: {fault['Code']}", certain=fault["SenderFault"])
            for fault in failed
        }

    def _fields(self, message: Outgoing) -> dict[str, Any]:
        """A message's fields in a request."""
        fields: dict[str, Any] = {"MessageBody": message.body, "MessageGroupId": message.group}
        if self.fifo:
            fields["MessageDeduplicationId"] = message.deduplication_id
        if message.delay:
            fields["DelaySeconds"] = message.delay
        if message.attributes:
            fields["MessageAttributes"] = {
                name: {"DataType": "String", "StringValue": value or "-"} for name, value in message.attributes.items()
            }
        return fields

    def receive(self, limit: int, wait: int, visibility: int) -> list[Received]:
        """Receive up to `limit` messages (at most ten), and wait up to `wait` seconds for the first.

        Their visibility timeout is `visibility` seconds. Only Lambda uses the queue's own visibility timeout.
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
        """Set visibility timeouts by receipt handle, in seconds from now; 0 makes a message visible at once.

        Returns the handles that SQS refused, with its reason.
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
        """Delete messages by receipt handle. Returns the handles that SQS refused, with its reason."""
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
                if not fault["SenderFault"]:  # SQS itself failed for this entry of the batch
                    raise Unavailable(f"{action} {self.name} failed: {fault['Code']}")
            handle_of = dict(entries)
            refused |= {handle_of[fault["Id"]]: fault["Code"] for fault in failed}
        return refused


class WorkQueue(Queue):
    """A queue that our workers read, with its dead-letter queue."""

    def __init__(self, name: str, dead_letters: str, clients: Clients) -> None:
        super().__init__(name, clients)
        self.dead_letters = Queue(dead_letters, clients)

    def bury(self, received: Received, code: str, reason: str, fence: int | None = None) -> None:
        """Copy a message to the dead-letter queue, with the reason. The caller deletes the message itself.

        `fence`: the order's fence. The copy belongs to the order's dead letter as long as the order has this fence.
        """
        copy_id = f"{received.id}-{fence or 0}"
        fenced = {"fence": str(fence)} if fence else {}
        self.dead_letters.send(
            received.body,
            group=copy_id,  # on a FIFO queue, a message that somebody looks at must not hold up the others
            deduplication_id=copy_id,
            attributes={"code": code, "reason": UNSENDABLE.sub("\ufffd", reason[:500])}
            | {"receives": str(received.receives)}
            | fenced,
        )

    def max_receives(self) -> int | None:
        """SQS's maxReceiveCount: after so many receives SQS itself moves a message to the dead-letter queue."""
        with aws_errors(f"asking about {self.name}"):
            answer = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["RedrivePolicy"])
        policy = json.loads(answer.get("Attributes", {}).get("RedrivePolicy", "{}"))
        return int(policy["maxReceiveCount"]) if "maxReceiveCount" in policy else None


def depths(settings: Settings, clients: Clients) -> list[Depth]:
    """The depth of each queue."""
    return [Queue(name, clients).depth() for name in settings.queues]


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value}


def _requests(messages: Sequence[Outgoing], one_of_a_group: bool) -> Iterator[list[int]]:
    """Divide messages, given by their places, into requests that keep SQS's limits, in the order given."""
    request: list[int] = []
    groups: set[str] = set()
    size = 0
    for number, message in enumerate(messages):
        full = len(request) == BATCH or size + message.size > BATCH_BYTES
        if request and (full or (one_of_a_group and message.group in groups)):
            yield request
            request, groups, size = [], set(), 0
        request.append(number)
        groups.add(message.group)
        size += message.size
    if request:
        yield request


def _batches(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
