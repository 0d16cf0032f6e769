"""The estimated cost of an order, from the photo's header and the jobs."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.cost import RATES, PhotoHeader, decoded_size, order_seconds, order_work, seconds_of
from darkroom.jobs.job_types import Job, jobs_adapter
from darkroom.jobs.output import OUTPUT_FORMATS
from darkroom.jobs.steps import FILTERS
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.messages import OrderMessage
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
from darkroom.sniff import INPUT_FORMATS

PHOTO = PhotoHeader("jpeg", 4000, 3000, size=3_000_000)


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
    assert [kind for kind in kinds if kind not in RATES] == []


@pytest.mark.parametrize(
    ("specs", "size"),
    [
        ([width(2000)], (2000, 1500)),
        ([width(2001)], (4000, 3000)),
        ([width(500), width(501)], (1000, 750)),
        ([{"type": "resize", "width": 500, "height": 500}], (1000, 750)),  # cover: 667 x 500 before the cut
        ([width(500), SEPIA], (4000, 3000)),
        ([{"type": "pipeline", "steps": [SEPIA, width(500)]}], (4000, 3000)),
        ([{"type": "metadata"}], (500, 375)),
    ],
)
def test_a_jpeg_is_decoded_at_the_smallest_scale_that_is_enough(
    specs: list[dict[str, Any]], size: tuple[int, int]
) -> None:
    assert decoded_size(PHOTO, jobs(*specs)) == size


def test_another_format_is_decoded_at_its_full_size() -> None:
    assert decoded_size(PhotoHeader("png", 4000, 3000, 1), jobs(width(10))) == (4000, 3000)


def test_a_resize_begins_with_the_smallest_result_that_is_large_enough() -> None:
    work = order_work(PHOTO, jobs(width(200), width(1600), width(800)))
    decoded, first, second = 2000 * 1500, 1600 * 1200, 800 * 600
    assert work["resize from"] == pytest.approx((decoded + first + second) / 1e6)
    assert work["resize to"] == pytest.approx((first + second + 200 * 150) / 1e6)


def test_steps_that_jobs_begin_with_count_once() -> None:
    alone = order_work(PHOTO, jobs(width(800)))
    both = order_work(PHOTO, jobs(width(800), {"type": "pipeline", "steps": [width(800), SEPIA]}))
    assert both["resize from"] == alone["resize from"]
    assert both["sepia"] == pytest.approx(0.48)
    assert both["encode jpeg"] == 2 * alone["encode jpeg"]


def test_cover_resamples_only_what_it_keeps() -> None:
    work = order_work(PhotoHeader("png", 4000, 2000, 1), jobs({"type": "resize", "width": 500, "height": 500}))
    assert work["resize from"] == pytest.approx(4.0)
    assert work["resize to"] == pytest.approx(0.25)


def test_a_result_is_encoded_in_the_format_of_the_job_or_of_the_photo_or_in_jpeg() -> None:
    asked = order_work(PHOTO, jobs(width(1000, output={"format": "webp"})))
    own = order_work(PhotoHeader("png", 4000, 3000, 1), jobs(width(1000)))
    neither = order_work(PhotoHeader("heic", 4000, 3000, 1), jobs(width(1000)))
    assert (asked["encode webp"], own["encode png"], neither["encode jpeg"]) == (0.75, 0.75, 0.75)


def test_seconds_are_work_times_rates() -> None:
    assert seconds_of({"order": 1, "encode jpeg": 2}) == RATES["order"] + 2 * RATES["encode jpeg"]
    assert order_seconds(PHOTO, jobs(SEPIA)) == seconds_of(order_work(PHOTO, jobs(SEPIA)))


def test_more_work_costs_more() -> None:
    small = order_seconds(PHOTO, jobs(width(800)))
    assert small < order_seconds(PHOTO, jobs(width(800), width(1600))) < order_seconds(PHOTO, jobs(SEPIA))
    assert small < order_seconds(PhotoHeader("jpeg", 8000, 6000, 12_000_000), jobs(width(800)))


class TestTheMessageOfAnOrder:
    def photo(self, *specs: dict[str, Any]) -> PhotoRecord:
        photo = PhotoRecord(id=new_id(), owner="ann", created_at=now())
        photo.original = Original(
            key="k", filename="f", content_type="image/jpeg", size=PHOTO.size, sha256="0", width=4000, height=3000
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
