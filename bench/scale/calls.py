"""Count the AWS calls of one photo at the clients, while a real API and a real worker process photos."""

from __future__ import annotations

import base64
import io
import json
import math
import tempfile
import threading
import time
from collections import Counter
from contextlib import redirect_stderr
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from api.app import create_app
from bench.scale.real_stack import Processes, wait_until
from bench.scale.sample_photos import SIZES, make_photo
from darkroom.capacity import Capacity
from darkroom.logs import set_up_logs
from darkroom.services import Services
from darkroom.settings import MIB, prepare_spool, read_settings
from worker import announcer, lease
from worker.consumer import Consumer

INDEXES = {
    "by_owner": ("photo_list", "pk"),
    "due": ("shard", "due_at"),
    "dead_letters": ("dead_letter_list", "dead_letter"),
}
"""Keys of the table's indexes, as in deploy/aws/data.yaml; all of them project keys only."""


class Meter:
    """Counts calls, and the units that DynamoDB would bill for them."""

    def __init__(self, services: Services) -> None:
        self.calls: Counter[str] = Counter()
        self.units: Counter[str] = Counter()
        """DynamoDB units: `table` and the names of the indexes for writes, `read` for reads."""
        self.largest_item = 0
        self.first_items: list[int] = []
        """Bytes of each record when it was written for the first time."""
        self._items: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        clients = services.clients
        for client in (clients.s3, clients.sqs, clients.sqs_poll, clients.dynamodb):
            client.meta.events.register("before-call", self._before)
            client.meta.events.register("after-call", self._after)

    def reset(self) -> None:
        with self._lock:
            self.calls.clear()
            self.units.clear()

    def _before(self, model: Any, params: dict[str, Any], **_: Any) -> None:
        with self._lock:
            self.calls[f"{model.service_model.service_name} {model.name}"] += 1
            if model.name == "PutItem":
                self._write(json.loads(params["body"])["Item"])
            elif model.name == "UpdateItem":  # only of small items that have no index
                self.units["table"] += 1
            elif model.name == "GetItem":
                key = json.loads(params["body"])["Key"]["pk"]["S"]
                self.units["read"] += math.ceil(item_size(self._items.get(key, {})) / 4096) or 1

    def _after(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        if model.name == "ReceiveMessage" and not parsed.get("Messages"):
            with self._lock:
                self.calls["sqs ReceiveMessage"] -= 1
                self.calls["sqs ReceiveMessage, empty"] += 1

    def _write(self, item: dict[str, Any]) -> None:
        """The larger of old and new item in KiB, and for each index one for a new entry and one for one that goes."""
        key = item["pk"]["S"]
        old = self._items.get(key, {})
        self._items[key] = item
        if not old:
            self.first_items.append(item_size(item))
        self.largest_item = max(self.largest_item, item_size(item))
        self.units["table"] += math.ceil(max(item_size(item), item_size(old)) / 1024)
        for index, names in INDEXES.items():
            before, after = ([_key_value(state.get(name)) for name in names] for state in (old, item))
            if before != after:
                self.units[index] += (None not in before) + (None not in after)


def _key_value(typed: dict[str, Any] | None) -> Any:
    """The value of an attribute in an index's key. A number may be written in several ways, such as 1.5 and 1.50."""
    if typed is None:
        return None
    return Decimal(typed["N"]) if "N" in typed else typed["S"]


def item_size(item: dict[str, Any]) -> int:
    """Bytes, as the guide's "DynamoDB item sizes and formats" counts them."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(typed: dict[str, Any]) -> int:
    ((kind, value),) = typed.items()
    if kind == "S":
        return len(value.encode())
    if kind == "B":
        return len(base64.b64decode(value))
    if kind == "N":
        return math.ceil(len(value.lstrip("-").replace(".", "").strip("0")) / 2) + 1
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _value_size(item) for name, item in value.items())
    if kind == "L":
        return 3 + sum(1 + _value_size(item) for item in value)
    return 1  # BOOL, NULL


def count_calls(photos: int = 100) -> dict[str, Any]:
    """As `_count`, with events and deletes that wait for each other however slow this machine is."""
    with patch.object(announcer, "WAIT", 3600.0), patch.object(lease, "LONGEST_WAIT", 3600.0):
        return _count(photos)


def _count(photos: int) -> dict[str, Any]:
    """Per photo of 12 MP and the `web` preset: calls, DynamoDB's units, bytes of log lines, and the API's CPU."""
    with tempfile.TemporaryDirectory(prefix="darkroom-scale-") as directory, Processes(Path(directory)):
        spool = Path(directory, "spool")
        fixed = {"spool_dir": spool, "children": 1, "poll_wait": 1, "child_memory": 2048 * MIB, "sweep_interval": 3600}
        fixed |= {"aws_timeout": 60}  # the sweep checks a waiting photo after four times that
        logs = {"log_level": "info", "log_format": "json"}
        settings = read_settings().model_copy(update=fixed | logs)
        services = Services.connect(settings)
        prepare_spool(settings)
        log = io.StringIO()
        with redirect_stderr(log):  # the handler keeps it
            set_up_logs(settings, "bench")
        meter = Meter(services)
        client = create_app(settings, services).test_client()
        photo = make_photo(Path(directory, "photo.jpg"), SIZES["12 MP"], 0).read_bytes()

        def upload() -> None:
            answer = client.post("/v1/photos?preset=web", data=photo, content_type="image/jpeg")
            assert answer.status_code == 202, answer.text

        for queue in (services.photos, services.events):
            assert queue.url  # looked up once by each process
        meter.reset()
        log.truncate(log.seek(0))
        cpu = time.process_time()
        for _ in range(photos):
            upload()
        cpu = time.process_time() - cpu
        consumer = Consumer(services, Capacity(children=1, slots=1, child_memory=2048 * MIB))
        thread = threading.Thread(target=consumer.run)
        thread.start()
        wait_until("all photos are done", lambda: meter.calls["sqs DeleteMessageBatch"] > 0 and _idle(services))
        time.sleep(0.5)
        consumer.stop()
        thread.join()
    # Ours, to see whether all is done, and those of a worker without work.
    for aside in ("sqs GetQueueUrl", "sqs GetQueueAttributes", "sqs ReceiveMessage, empty"):
        meter.calls.pop(aside, None)
    return {
        "photos": photos,
        "calls": {call: round(count / photos, 2) for call, count in sorted(meter.calls.items()) if count},
        "units": {name: round(count / photos, 2) for name, count in sorted(meter.units.items())},
        "item_bytes": meter.largest_item,
        "first_item_bytes": max(meter.first_items),
        "log_bytes": round(len(log.getvalue().encode()) / photos),
        "upload_cpu": round(cpu / photos, 4),
    }


def _idle(services: Services) -> bool:
    depth = services.photos.depth()
    return depth.visible + depth.in_flight == 0
