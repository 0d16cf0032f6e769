"""Uploads with an Idempotency-Key: repeated, at once, or held in the middle; and the items that the API stores."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import requests

from tests.support.fault_proxy import Answer, FaultProxy, Forward, ProxyFault, Request, error
from tests.support.waiting import PATIENCE

JOBS = [{"type": "metadata"}]

REFUSED = error(403, "AccessDenied")


def upload_with_key(api: Any, key: str, *photos: tuple[str, bytes], **fields: Any) -> requests.Response:
    """Upload on a new connection, with a new multipart boundary."""
    data = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    files = [("photo", photo) for photo in photos]
    return requests.post(f"{api.url}/v1/photos", files=files, data=data, headers={"Idempotency-Key": key}, timeout=120)


def run_at_once(number: int, request: Callable[[int], requests.Response]) -> list[requests.Response]:
    """Call `request` with 0 to `number` - 1 in as many threads, which start together."""
    answers: list[requests.Response] = []
    start = threading.Barrier(number)

    def run(index: int) -> None:
        start.wait()
        answers.append(request(index))

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


class HeldRequest:
    """A request to the API that the proxy holds at its first call of one AWS operation, until `fail`.

    A call that is held for longer than the API's limit is tried again: the proxy holds these tries, too.
    """

    def __init__(self, proxy: FaultProxy, operation: str, send: Callable[[], requests.Response]) -> None:
        self._answers: list[requests.Response] = []
        self._thread = threading.Thread(target=lambda: self._answers.append(send()))
        arrived, self._continue = threading.Event(), threading.Event()
        first_come, held = threading.Lock(), ""

        def hold(request: Request, forward: Forward) -> Answer | None:
            nonlocal held
            call = request.headers["amz-sdk-invocation-id"]  # the same in each try of one call
            with first_come:
                held = held or call
            if call != held and not self._continue.is_set():
                return forward()
            arrived.set()
            self._continue.wait(PATIENCE)
            return REFUSED.act(request, forward)

        proxy.rule(operation, ProxyFault("held", hold))
        self._thread.start()
        assert arrived.wait(PATIENCE), f"the API did not call {operation}"

    def fail(self) -> requests.Response:
        """Refuse the held call and every later call of the operation. Return the API's answer."""
        self._continue.set()
        self._thread.join()
        return self._answers[0]


def listed_ids(api: Any) -> list[str]:
    return [photo["id"] for photo in api.get("/v1/photos?limit=100").json()["photos"]]


def item_key(key: str, owner: str = "default") -> dict[str, str]:
    return {"pk": f"idempotency#{owner}#{hashlib.sha256(key.encode()).hexdigest()}"}


def idempotency_item(api: Any, key: str) -> dict[str, Any]:
    table = api.services.clients.dynamodb
    found: dict[str, Any] = table.get_item(TableName=api.settings.table, Key=item_key(key), ConsistentRead=True)["Item"]
    return found


def change_item(api: Any, key: str, **values: Any) -> None:
    """Set values of the key's item: a time in the past is as if that time had passed."""
    api.services.clients.dynamodb.update_item(
        TableName=api.settings.table,
        Key=item_key(key),
        UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in values),
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
    )


def forget_answer(api: Any, key: str, owner: str = "default") -> None:
    """Leave the key's item as if the API had died just before it stored its answer, and its lock had expired since."""
    api.services.clients.dynamodb.update_item(
        TableName=api.settings.table,
        Key=item_key(key, owner),
        UpdateExpression="SET locked_until = :past REMOVE answer",
        ExpressionAttributeValues={":past": int(time.time()) - 1},
    )
