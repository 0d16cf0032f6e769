"""The estimated cost of an order, from the photo's header and the jobs."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.cost import RATES, seconds_of
from darkroom.jobs.job_types import Job, jobs_adapter
from darkroom.jobs.measure_names import MEASURES
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from darkroom.jobs.step_types import FILTERS, STEPS
from darkroom.jobs.steps.step import StepSpec
from darkroom.plan.estimate import order_seconds, order_work
from darkroom.plan.graph import StoredPhoto
from darkroom.plan.planner import make_plan
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.messages import OrderMessage
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
from darkroom.sniff import INPUT_FORMATS

PHOTO = StoredPhoto("jpeg", 4000, 3000, bytes=3_000_000)


def jobs(*specs: dict[str, Any]) -> list[Job]:
    return jobs_adapter.validate_python(specs)


def width(pixels: int, **more: Any) -> dict[str, Any]:
    return {"type": "resize", "width": pixels, **more}


SEPIA = {"type": "filter", "filter": "sepia"}


def test_every_format_and_filter_has_a_rate() -> None:
    inputs = [content_type.partition("/")[2] for content_type in INPUT_FORMATS.values()]
    kinds = [f"{verb} {name}" for name in inputs for verb in ("read", "decode")]
    kinds += [f"encode {name}" for name in OUTPUT_FORMATS]
    kinds += FILTERS
    kinds += [f"measure {name}" for name in MEASURES]
    assert [kind for kind in kinds if kind not in RATES] == []


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_rates(step: type[StepSpec]) -> None:
    assert order_seconds(PHOTO, jobs(dict(step.example))) > order_seconds(PHOTO, jobs({"type": "metadata"}))


def test_an_order_costs_its_plan_and_what_comes_with_every_order_and_job() -> None:
    work = order_work(PHOTO, jobs(width(800), SEPIA))
    plan = make_plan(PHOTO, dict(zip("ab", jobs(width(800), SEPIA), strict=True)), 10**9)
    assert work == {**plan.work, "order": 1, "job": 2}


def test_each_page_is_decoded_once_and_counts_as_the_first_one() -> None:
    photo = StoredPhoto("tiff", 1000, 1000, bytes=3_000_000)
    one = order_work(photo, jobs(width(100), width(200)))
    two = order_work(photo, jobs(width(100), width(200, page=1), width(300, page=1)))
    assert (one["decode tiff"], two["decode tiff"]) == (1, 2)
    assert (one["read tiff"], two["read tiff"]) == (3, 6)


def test_a_result_is_encoded_in_the_format_of_the_job_or_of_the_photo_or_in_jpeg() -> None:
    asked = order_work(PHOTO, jobs(width(1000, output={"format": "webp"})))
    own = order_work(StoredPhoto("png", 4000, 3000, 1), jobs(width(1000)))
    neither = order_work(StoredPhoto("heic", 4000, 3000, 1), jobs(width(1000)))
    assert (asked["encode webp"], own["encode png"], neither["encode jpeg"]) == (0.75, 0.75, 0.75)


def test_a_small_avif_is_encoded_with_more_effort() -> None:
    small, large = (order_work(PHOTO, jobs(width(side, output={"format": "avif"}))) for side in (1000, 2000))
    assert small["encode small avif"] == 0.75
    assert large["encode avif"] == 3.0


def test_seconds_are_work_times_rates() -> None:
    assert seconds_of({"order": 1, "encode jpeg": 2}) == RATES["order"] + 2 * RATES["encode jpeg"]
    assert order_seconds(PHOTO, jobs(SEPIA)) == seconds_of(order_work(PHOTO, jobs(SEPIA)))


def test_more_work_costs_more() -> None:
    small = order_seconds(PHOTO, jobs(width(800)))
    assert small < order_seconds(PHOTO, jobs(width(800), width(1600))) < order_seconds(PHOTO, jobs(SEPIA))
    assert small < order_seconds(StoredPhoto("jpeg", 8000, 6000, 12_000_000), jobs(width(800)))


class TestTheMessageOfAnOrder:
    def photo(self, *specs: dict[str, Any]) -> PhotoRecord:
        photo = PhotoRecord(id=new_id(), owner="ann", created_at=now())
        photo.original = Original(
            key="k", filename="f", content_type="image/jpeg", size=PHOTO.bytes, sha256="0", width=4000, height=3000
        )
        photo.add_order(jobs(*specs), resend_after=300)
        return photo

    def test_carries_the_estimate_for_its_own_jobs(self) -> None:
        photo = self.photo(width(800), SEPIA)
        first = next(iter(photo.orders))
        assert OrderMessage.of(photo, first).cost == round(order_seconds(PHOTO, jobs(width(800), SEPIA)), 4)
        later = photo.add_order(jobs(width(100)), resend_after=300)
        assert OrderMessage.of(photo, later.id).cost == round(order_seconds(PHOTO, jobs(width(100))), 4)

    def test_carries_the_estimate_for_its_unfinished_jobs_when_it_is_sent_again(self) -> None:
        photo = self.photo(width(800), SEPIA)
        order = next(iter(photo.orders.values()))
        sepia = next(job for job in order.jobs.values() if job.spec.type == "filter")
        sepia.cancel()
        assert OrderMessage.of(photo, order.id).cost == round(order_seconds(PHOTO, jobs(width(800))), 4)

    def test_costs_nothing_as_long_as_the_file_has_not_arrived(self) -> None:
        photo = self.photo(width(800))
        photo.original = None
        assert OrderMessage.of(photo, next(iter(photo.orders))).cost == 0


@pytest.mark.parametrize(
    ("output", "encoding"),
    [
        ({}, "encode jpeg"),
        ({"lossless": True}, "encode png"),
        ({"lossless": True, "format": "webp"}, "encode lossless webp"),
    ],
)
def test_the_work_of_a_result_is_that_of_its_format(output: dict[str, Any], encoding: str) -> None:
    photo = StoredPhoto("jpeg", 4000, 3000, gain_map=True)
    (job,) = jobs(width(1000, output={"keep_hdr": True, **output}))
    finish = make_plan(photo, {"a": job}, 1e9).nodes[-1]
    assert finish.work == {encoding: 0.75}
    assert (finish.operation.gain_map_view is not None) == (encoding == "encode jpeg")  # type: ignore[attr-defined]
