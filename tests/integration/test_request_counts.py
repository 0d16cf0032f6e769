"""How many requests to AWS the photos of a backlog cost, counted by a proxy between AWS and a real API and worker."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from darkroom.services import Services
from tests.support.api import Api
from tests.support.fault_proxy import FaultProxy
from tests.support.stack import Stack
from tests.support.worker_process import UNHURRIED

PHOTOS = 100

FILES = 3
"""Results of the preset `web` in the bucket; its metadata is in the record."""


@pytest.fixture(scope="module")
def proxy(
    endpoint: str, deploy: Any, picture: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, FaultProxy]]:
    """What the API sent for a backlog of photos, and what a worker sent then until the queue was empty."""
    deployment, directory = deploy(DARKROOM_API_PROCESSES="1"), tmp_path_factory.mktemp("counts")
    with FaultProxy(endpoint) as of_api, FaultProxy(endpoint) as of_worker, contextlib.ExitStack() as processes:
        counted = replace(deployment, environ=deployment.environ | {"AWS_ENDPOINT_URL": of_api.url})
        api = Api(counted, directory / "api.log", {}, payload="")
        processes.callback(api.stop)
        photos = [api.record(api.upload_photo(picture, preset="web")["id"]) for _ in range(PHOTOS)]
        stack = Stack(Services.connect(deployment.settings), deployment.environ, directory, processes)
        settings = {"DARKROOM_CHILDREN": "1", "DARKROOM_SWEEP_INTERVAL": "3600", "DARKROOM_LEASE": "21600"}
        settings |= {"DARKROOM_POLL_WAIT": "20"}  # so that the polls of empty queues are few
        stack.worker(UNHURRIED, AWS_ENDPOINT_URL=of_worker.url, **settings)
        assert {stack.wait_for(photo).status for photo in photos} == {"succeeded"}
        stack.wait_until_empty()
        assert len(stack.events()) == PHOTOS
        print(of_api.report(), of_worker.report(), sep="\n")
        yield {"api": of_api, "worker": of_worker}


def per_photo(proxies: dict[str, FaultProxy], pattern: str) -> float:
    return sum(proxy.seen(pattern) for proxy in proxies.values()) / PHOTOS


def test_sqs_gets_ten_messages_in_a_request(proxy: dict[str, FaultProxy]) -> None:
    assert per_photo({"api": proxy["api"]}, "sqs.Send*") == 1
    assert per_photo({"worker": proxy["worker"]}, "sqs.*") <= 0.5
    assert per_photo({"worker": proxy["worker"]}, "sqs.SendMessageBatch") == 0.1


def test_s3_gets_one_request_for_each_file_and_one_for_the_download(proxy: dict[str, FaultProxy]) -> None:
    assert per_photo(proxy, "s3.*") == 2 + FILES


def test_dynamodb_gets_a_read_and_three_writes(proxy: dict[str, FaultProxy]) -> None:
    assert per_photo(proxy, "dynamodb.PutItem") == 3
    notes = proxy["worker"].seen("dynamodb.UpdateItem")  # the worker is alive: one at its start, one a minute
    assert (proxy["worker"].seen("dynamodb.*") - notes) / PHOTOS == 3
    assert 1 <= notes <= 5
    assert per_photo(proxy, "dynamodb.*") <= 4 + notes / PHOTOS
