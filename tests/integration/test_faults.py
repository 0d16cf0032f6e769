"""A proxy in front of AWS loses, repeats, refuses and corrupts requests and answers: every photo still completes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from PIL import Image

from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from tests.support.api import Api
from tests.support.exhaustive import matrix
from tests.support.fault_proxy import (
    CUT,
    EMPTY,
    HTML,
    LOST_ANSWER,
    LOST_REQUEST,
    RESET,
    STALE_DELETE,
    TWICE,
    FaultProxy,
    ProxyFault,
    delay,
    error,
    hand_out_twice,
)
from tests.support.stack import QUICK_LEASE, Stack, content_of, named_by
from tests.support.waiting import wait_until

SEED = 20240

PHOTOS = 4

JOBS = [{"type": "resize", "width": 160}, {"type": "filter", "filter": "invert"}, {"type": "metadata"}]

IMPATIENT = QUICK_LEASE | {
    "DARKROOM_BACKOFF_BASE": "1",
    "DARKROOM_BACKOFF_CAP": "1",
    "DARKROOM_SWEEP_INTERVAL": "1",
    "DARKROOM_RESEND_AFTER": "5",
}


@dataclass(frozen=True)
class Behind:
    """An API and two workers that reach AWS through the proxy, and a stack that reads the real state."""

    proxy: FaultProxy
    api: Api
    stack: Stack

    def take(self, picture: bytes) -> PhotoRecord:
        """Upload a photo as a client does: what is answered with 503 is sent again."""

        def taken() -> str | None:
            answer = self.api.upload(("photo.jpg", picture), jobs=JOBS)
            assert answer.status_code in (202, 503), answer.text
            if answer.status_code == 202:
                return str(answer.json()["id"])
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) > 0
            return None

        return self.api.record(wait_until("the photo is taken", taken))


@pytest.fixture(scope="module")
def behind(endpoint: str, deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    deployment, directory = deploy(**IMPATIENT), tmp_path_factory.mktemp("behind")
    with FaultProxy(endpoint, SEED) as proxy, contextlib.ExitStack() as processes:
        deployment = replace(deployment, environ=deployment.environ | {"AWS_ENDPOINT_URL": proxy.url})
        api = Api(deployment, directory / "api.log", {})
        processes.callback(api.stop)
        stack = Stack(Services.connect(deployment.settings), deployment.environ, directory, processes)
        for _ in range(2):
            stack.worker(DARKROOM_CHILDREN="1")
        yield Behind(proxy, api, stack)
        print(proxy.report())


OFTEN = 0.2
"""High enough that sometimes all three tries of the SDK fail, and Darkroom itself has to retry."""

THROTTLING = ("ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded")


@pytest.mark.parametrize(
    ("operations", "fault", "chance"),
    matrix(
        [
            pytest.param(operations, fault, chance, id=fault.name)
            for operations, fault, chance in [
                ("*", delay(0.3), OFTEN),
                ("*", LOST_REQUEST, OFTEN),
                ("*", LOST_ANSWER, OFTEN),
                ("*", TWICE, OFTEN),
                ("*", error(500, "InternalError"), OFTEN),
                ("*", error(503, "SlowDown"), OFTEN),
                *[("[sd][qy]*", error(400, code), OFTEN) for code in THROTTLING],
                ("*", HTML, OFTEN),
                ("*", EMPTY, OFTEN),
                ("*", CUT, OFTEN),
                ("*", RESET, OFTEN),
                ("sqs.DeleteMessageBatch", STALE_DELETE, 0.6),
                ("sqs.ReceiveMessage", hand_out_twice(same_handle=True), 1),
                ("sqs.ReceiveMessage", hand_out_twice(same_handle=False), 1),
            ]
        ],
        keep=[LOST_ANSWER.name],
    ),
)
def test_every_photo_completes(
    behind: Behind, picture: bytes, operations: str, fault: ProxyFault, chance: float
) -> None:
    behind.proxy.rule(operations, fault, chance=chance)

    all_is_well(behind, picture, PHOTOS)

    assert behind.proxy.seen(operations, fault.name) > 0


@pytest.mark.parametrize(
    "photos", matrix([pytest.param(PHOTOS, id="few"), pytest.param(5 * PHOTOS, id="many")], keep=["few"])
)
def test_every_photo_completes_with_all_faults_mixed(behind: Behind, picture: bytes, photos: int) -> None:
    faults = [LOST_REQUEST, LOST_ANSWER, TWICE, HTML, EMPTY, CUT, RESET, error(500, "InternalError")]
    for fault in [*faults, error(503, "SlowDown"), error(400, "ThrottlingException"), delay(0.3)]:
        behind.proxy.rule("*", fault, chance=0.03)
    behind.proxy.rule("sqs.DeleteMessageBatch", STALE_DELETE, chance=0.3)
    behind.proxy.rule("sqs.ReceiveMessage", hand_out_twice(same_handle=False), chance=0.7)

    all_is_well(behind, picture, photos)


def all_is_well(behind: Behind, picture: bytes, count: int) -> None:
    stack = behind.stack
    photos = [stack.wait_for(behind.take(picture)) for _ in range(2)]  # one after the other, then all the rest at once
    photos += [stack.wait_for(photo) for photo in [behind.take(picture) for _ in range(count - 2)]]

    for photo in photos:
        assert photo.status == "succeeded", photo.jobs
        the_results_are_right(stack, photo)
    wait_until("every event came", events_of(stack, photos))
    behind.proxy.heal()  # what was refused to the last may now end
    stack.wait_until_empty()
    assert stack.receive(stack.services.photos.dead_letters) == []
    for photo in photos:
        named = named_by(stack.look(photo))
        wait_until("no result is left that no record names", lambda: set(stack.objects(photo)) == named)  # noqa: B023
    assert stack.services.photos.depth().in_flight == 0


def events_of(stack: Stack, photos: list[PhotoRecord]) -> Any:
    expected = {photo.id: {photo.event_id("photo.completed")} for photo in photos}
    seen: dict[str, set[str]] = {}

    def all_came() -> bool:
        for event in stack.events():
            assert event["type"] == "photo.completed"
            seen.setdefault(event["data"]["id"], set()).add(event["id"])
        # Photos that were answered with 503 have events, too.
        return {photo_id: ids for photo_id, ids in seen.items() if photo_id in expected} == expected

    return all_came


def the_results_are_right(stack: Stack, photo: PhotoRecord) -> None:
    resized, negated, metadata = (content_of(stack.services, job.result) for job in photo.jobs.values() if job.result)
    picture = Image.open(io.BytesIO(resized)).convert("RGB")
    assert picture.size == (160, 120)
    assert colours(picture) == ("red", "blue")
    picture = Image.open(io.BytesIO(negated)).convert("RGB")
    assert picture.size == (640, 480)
    assert colours(picture) == ("cyan", "yellow")
    assert b'"width":640' in metadata.replace(b" ", b"")


def colours(picture: Image.Image) -> tuple[str, ...]:
    """The names of the colours in the middle of the left and of the right half; JPEG changes colours a little."""
    names = {(255, 0, 0): "red", (0, 0, 255): "blue", (0, 255, 255): "cyan", (255, 255, 0): "yellow"}
    places = [(picture.width * part // 4, picture.height // 2) for part in (1, 3)]
    found = [picture.getpixel(place) for place in places]
    return tuple(names.get(tuple(round(value / 255) * 255 for value in colour), "?") for colour in found)  # type: ignore[union-attr]
