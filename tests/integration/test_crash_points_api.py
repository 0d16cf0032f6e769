"""The API dies between each two steps of a request; the sweep or the next worker repairs what it left.

The tables name every point. tests/support/crash_scene.py says how a run goes.
"""

from __future__ import annotations

import json
from concurrent.futures import Future
from datetime import timedelta

import pytest

from darkroom.record.clock import now
from tests.support.crash_scene import (
    CREATE,
    EVENTS,
    JOBS,
    PHOTOS,
    PUT,
    REMOVE,
    REMOVE_UPLOAD,
    SEND,
    SEND_BATCH,
    UPDATE,
    UPDATE_ASSETS,
    Scene,
    runs_of,
)
from tests.support.exhaustive import matrix
from tests.support.faulty import Fault
from tests.support.waiting import wait_until

UPLOAD: dict[str, tuple[Fault, list[str]]] = {
    "nothing-written": (Fault(CREATE, "before"), []),
    "record-written": (Fault(CREATE, "after"), ["failed"]),
    "original-stored": (Fault(PUT, "after"), ["succeeded"]),
    "order-sent-not-answered": (Fault(SEND, "after", queue=PHOTOS), ["succeeded"]),
    "between-two-photos": (Fault(CREATE, "before", 2), ["succeeded"]),
    "second-of-two-written": (Fault(CREATE, "after", 2), ["failed", "succeeded"]),
}
"""Where the API dies in an upload, and how the photos end that there are then, newest first."""

MORE_JOBS = {
    "nothing-written": (Fault(UPDATE, "before"), ["succeeded"]),
    "order-written-not-sent": (Fault(UPDATE, "after"), ["succeeded", "succeeded"]),
    "order-sent-not-answered": (Fault(SEND, "after", queue=PHOTOS), ["succeeded", "succeeded"]),
}
"""Where the API dies when one more job is asked for, and how the jobs end."""

CANCEL = {
    "nothing-written": (Fault(UPDATE, "before"), "succeeded"),
    "written-not-announced": (Fault(UPDATE, "after"), "cancelled"),
    "announced-not-answered": (Fault(SEND_BATCH, "after", queue=EVENTS), "cancelled"),
}
"""Where the API dies when a photo is cancelled, and how that ends."""

ERASE = {
    "tombstone-written": Fault(UPDATE, "after", 1),
    "objects-removed": Fault(REMOVE, "after"),
    "purge-written-not-answered": Fault(UPDATE, "after", 2),
}
"""Where the API dies when it deletes a photo whose message and one result still exist."""

ADD_ASSET = {
    "key-written": (Fault(UPDATE_ASSETS, "after", 1), 0),
    "object-stored": (Fault(PUT, "after"), 0),
    "asset-written-not-answered": (Fault(UPDATE_ASSETS, "after", 2), 1),
}
"""Where the API dies when an asset is uploaded, and how many assets there are then."""

REMOVE_ASSET = {
    "asset-removed": Fault(UPDATE_ASSETS, "after", 1),
    "object-removed": Fault(REMOVE_UPLOAD, "after"),
}
"""Where the API dies when an asset is removed."""


def upload(scene: Scene, fault: Fault, statuses: list[str]) -> None:
    photos = [("photo", (f"{n}.jpg", scene.picture)) for n in range(fault.nth)]
    scene.let_api_die(fault, "POST", "/v1/photos", files=photos, data={"jobs": json.dumps(JOBS)})
    scene.repair()
    assert [photo.status for photo in scene.photos()] == statuses
    for photo in scene.photos():
        errors = {error.code for job in photo.jobs.values() for error in job.errors}
        assert errors == ({"unavailable"} if photo.status == "failed" else set())
    scene.check()


def more_jobs(scene: Scene, fault: Fault, statuses: list[str]) -> None:
    photo = scene.stack.submit(scene.picture, JOBS[0])
    scene.repair()
    scene.let_api_die(fault, "POST", f"/v1/photos/{photo.id}/jobs", json={"jobs": [JOBS[0]]})
    scene.wait_until_settled()
    assert [job.status for job in scene.stack.look(photo).jobs.values()] == statuses
    scene.check(len(statuses))


def cancel(scene: Scene, fault: Fault, status: str) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    scene.let_api_die(fault, "POST", f"/v1/photos/{photo.id}/cancel")
    scene.repair()
    assert [photo.status for photo in scene.photos()] == [status]
    scene.check()


def erase(scene: Scene, fault: Fault) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    scene.store_result(photo)
    scene.let_api_die(fault, "DELETE", f"/v1/photos/{photo.id}")
    scene.let_time_pass(photo)
    scene.repair()
    scene.check_erased(photo)


def add_asset(scene: Scene, fault: Fault, count: int) -> None:
    content_type = {"Content-Type": "image/jpeg"}
    scene.let_api_die(fault, "POST", "/v1/assets", data=scene.picture, headers=content_type)
    assert len(scene.services.assets.get("default").assets) == count
    clean_up_assets(scene)


def remove_asset(scene: Scene, fault: Fault) -> None:
    kept, gone = scene.stack.add_asset(scene.picture), scene.stack.add_asset(b"another one")
    scene.let_api_die(fault, "DELETE", f"/v1/assets/{gone.id}")
    assert set(scene.services.assets.get("default").assets) == {kept.id}
    clean_up_assets(scene)


def clean_up_assets(scene: Scene) -> None:
    """Have the sweep clean up: then there are the objects of all assets, and no others."""
    assets, past = scene.services.assets, now() - timedelta(seconds=1)
    assets.update("default", lambda record: record.leftovers.update(dict.fromkeys(record.leftovers, past)))
    scene.repair()
    wait_until("the sweep has cleaned up", lambda: not assets.get("default").leftovers)
    scene.end_repair()
    assert scene.objects() == {asset.key for asset in assets.get("default").assets.values()}


RUNS = runs_of(
    {
        upload: UPLOAD,
        more_jobs: MORE_JOBS,
        cancel: CANCEL,
        erase: ERASE,
        add_asset: ADD_ASSET,
        remove_asset: REMOVE_ASSET,
    }
)


@pytest.mark.parametrize(
    "point", matrix(RUNS, keep=["upload-record-written", "erase-tombstone-written", "add_asset-object-stored"])
)
def test_a_crash_is_repaired(point: str, crash_runs: dict[str, Future[None]]) -> None:
    crash_runs[point].result()
