"""darkroom/plan: what is decoded, shared, reused and freed. No pixel is needed for it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from PIL import Image

from darkroom.errors import TooManyPixels
from darkroom.jobs.job_types import jobs_adapter
from darkroom.jobs.sizes import Sizes
from darkroom.plan.geometry import Placement, kept_part, swapped
from darkroom.plan.graph import (
    Apply,
    Colours,
    CropByContent,
    Decode,
    Finish,
    Pad,
    Plan,
    Resample,
    StoredPhoto,
    Turn,
)
from darkroom.plan.planner import make_plan

LIMIT = 100_000_000
JPEG = StoredPhoto("jpeg", 4000, 3000)
PNG = StoredPhoto("png", 4000, 3000)
SEPIA = {"type": "filter", "filter": "sepia"}


def width(pixels: int, **more: Any) -> dict[str, Any]:
    return {"type": "resize", "width": pixels, **more}


def pipeline(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "pipeline", "steps": list(steps)}


def planned(photo: StoredPhoto, *specs: dict[str, Any], limit: int = LIMIT) -> Plan:
    jobs = jobs_adapter.validate_python(list(specs))
    return make_plan(photo, {str(number): job for number, job in enumerate(jobs)}, limit)


def drawn(plan: Plan) -> list[str]:
    """Each node in a line, after its sources: `0 > resize 800x600`."""
    return [
        f"{','.join(map(str, node.sources))} > {node.operation.label} {node.size[0]}x{node.size[1]}"
        for node in plan.nodes
    ]


class TestTheScaleOfAJpeg:
    @pytest.mark.parametrize(
        ("specs", "scale"),
        [
            ([width(1600)], 2),  # 2000 is 1.25 times as much
            ([width(1601)], 1),
            ([width(570)], 4),
            ([width(572)], 2),
            ([width(285)], 8),
            ([width(285), width(1600)], 2),
            ([width(285), width(1601)], 1),
            ([width(500, height=500)], 2),  # cover: 667 x 500 before the cut
            ([width(500, height=500, fit="inside")], 4),
            ([width(100, fit="fill")], 1),  # the height stays
            ([width(5000)], 1),
            ([width(100, kernel="nearest")], 1),
            ([SEPIA], 1),
            ([pipeline(SEPIA, width(100))], 1),
            ([pipeline(width(100), SEPIA)], 8),
            ([pipeline(width(100), width(3000))], 8),  # the second one enlarges what the first one leaves
            ([width(4000)], 1),
            ([{"type": "metadata", "colours": 5}], 8),
            ([{"type": "metadata", "colours": 5}, width(1600)], 2),
            ([width(100, height=100, position="attention")], 8),
        ],
    )
    def test_leaves_more_than_the_largest_need_of_any_job(self, specs: list[dict[str, Any]], scale: int) -> None:
        assert planned(JPEG, *specs).scale == scale

    def test_a_large_photo_may_leave_less(self) -> None:
        assert planned(StoredPhoto("jpeg", 8160, 6120), width(1600)).scale == 4  # 2040 wide; 4080 would take 50 MB
        assert planned(StoredPhoto("jpeg", 8160, 6120), width(1600, output={"format": "png"})).scale == 2

    @pytest.mark.parametrize(
        ("output", "scale"),
        [
            ({"format": "jpeg", "quality": 85}, 2),
            ({"format": "jpeg", "quality": 86}, 1),
            ({"format": "png"}, 1),
            ({"format": "webp"}, 2),
            ({"lossless": True}, 1),
        ],
    )
    def test_leaves_more_for_a_result_that_keeps_more_detail(self, output: dict[str, Any], scale: int) -> None:
        assert planned(JPEG, width(1600, output=output)).scale == scale

    def test_a_small_photo_is_decoded_in_full_where_the_overview_needs_it(self) -> None:
        small = StoredPhoto("jpeg", 200, 100)
        assert planned(small, {"type": "metadata", "colours": 5}).scale == 1
        assert planned(small, width(10, height=10, position="attention")).scale == 1
        assert planned(small, width(10, height=10)).scale == 4

    @pytest.mark.parametrize("format_", ["png", "webp", "heic", "avif", "gif", "tiff", "jxl"])
    def test_is_no_matter_of_other_formats(self, format_: str) -> None:
        assert planned(StoredPhoto(format_, 4000, 3000), width(100)).scale == 1

    def test_a_turned_photo_is_measured_upright(self) -> None:
        turned = StoredPhoto("jpeg", 4000, 3000, orientation=6)
        assert planned(turned, width(1200)).scale == 2
        assert planned(turned, width(1201)).scale == 1


class TestWhatIsShared:
    def test_equal_steps_are_done_once(self) -> None:
        plan = planned(PNG, width(800), pipeline(width(800), SEPIA), pipeline(width(800), SEPIA, width(100)))
        assert drawn(plan) == [
            " > decode 4000x3000",
            "0 > resize 800x600",
            "1 > encode 800x600",
            "1 > sepia 800x600",
            "3 > encode 800x600",
            "3 > resize 100x75",
            "5 > encode 100x75",
        ]

    def test_a_resize_begins_with_the_smallest_result_of_twice_its_size(self) -> None:
        plan = planned(PNG, width(200, height=200), width(801), width(400), width(1600))
        assert drawn(plan) == [
            " > decode 4000x3000",
            "0 > resize 1600x1200",
            "1 > encode 1600x1200",
            "0 > resize 801x601",
            "3 > encode 801x601",
            "3 > resize 400x300",
            "5 > encode 400x300",
            "3 > resize 200x200",
            "7 > encode 200x200",
        ]

    def test_one_pixel_of_rounding_does_not_prevent_it(self) -> None:
        plan = planned(StoredPhoto("png", 3000, 4000), width(1600), width(800))
        assert drawn(plan)[3] == "1 > resize 800x1067"  # of 1600 x 2133

    @pytest.mark.parametrize(
        "larger",
        [
            width(1600, height=1000),  # cut
            pipeline(SEPIA, width(1600)),
            pipeline(width(1600), SEPIA),
            pipeline(width(3000), width(1600)),
            width(1600, kernel="nearest"),
            width(1600, kernel="box"),
        ],
    )
    def test_a_result_that_is_not_the_plain_whole_photo_is_no_beginning(self, larger: dict[str, Any]) -> None:
        plan = planned(PNG, larger, width(400))
        (last,) = [node for node in plan.nodes if node.size == (400, 300) and isinstance(node.operation, Resample)]
        source = plan.nodes[last.sources[0]]
        whole = {(4000, 3000), (3000, 2250)} | ({(1600, 1200)} if larger == pipeline(width(1600), SEPIA) else set())
        assert source.size in whole
        assert isinstance(source.operation, Decode | Resample)

    def test_a_padded_result_is_no_beginning_but_the_picture_inside_is(self) -> None:
        plan = planned(PNG, width(1600, height=1600, fit="contain"), width(800))
        assert drawn(plan)[:5] == [
            " > decode 4000x3000",
            "0 > resize 1600x1200",
            "1 > resize 1600x1600",
            "2 > encode 1600x1600",
            "1 > resize 800x600",
        ]
        assert isinstance(plan.nodes[2].operation, Pad)

    def test_nearest_takes_pixels_of_the_photo_itself(self) -> None:
        plan = planned(PNG, width(1600), width(100, kernel="nearest"))
        assert "0 > resize 100x75" in drawn(plan)

    def test_an_enlargement_is_no_beginning(self) -> None:
        plan = planned(StoredPhoto("png", 1000, 1000), width(2000), width(900))
        assert "0 > resize 900x900" in drawn(plan)

    def test_the_overview_of_dominant_colours_comes_from_the_smallest_result(self) -> None:
        plan = planned(PNG, width(800), {"type": "metadata", "colours": 5})
        assert drawn(plan)[3:] == ["1 > overview 128x96", "3 > metadata 128x96"]

    def test_the_overview_of_a_crop_comes_from_the_decoded_photo_and_is_shared(self) -> None:
        plan = planned(PNG, width(800), width(90, height=90, position="entropy"), {"type": "metadata", "colours": 5})
        assert drawn(plan) == [
            " > decode 4000x3000",
            "0 > overview 128x96",
            "0 > resize 800x600",
            "2 > encode 800x600",
            "2,1 > resize 90x90",
            "4 > encode 90x90",
            "1 > metadata 128x96",
        ]

    @pytest.mark.parametrize(
        ("others", "overview"),
        [
            ([], ["0 > overview 128x96"]),
            ([width(1600)], ["0 > overview 504x378", "1 > overview 128x96"]),
            ([width(1600), width(320)], ["0 > overview 504x378", "1 > overview 128x96"]),
            ([SEPIA], ["0 > overview 504x378", "1 > overview 128x96"]),
        ],
    )
    def test_the_overview_of_a_crop_is_made_of_the_same_blocks_in_any_company(
        self, others: list[dict[str, Any]], overview: list[str]
    ) -> None:
        photo = StoredPhoto("jpeg", 4033, 3025)
        plan = planned(photo, width(90, height=30, position="attention"), *others)
        assert [line for line in drawn(plan) if "overview" in line] == overview
        boxes = [node.operation.box for node in plan.nodes if getattr(node.operation, "label", "") == "overview"]
        blocks_of_8_pixels = (504 * 8 / plan.scale, 378 * 8 / plan.scale)
        assert boxes[0] == (0, 0, *blocks_of_8_pixels)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_job_of_full_size_does_not_change_the_overview_of_a_crop(self, orientation: int) -> None:
        crop = width(90, height=30, position="attention")
        photo = StoredPhoto("webp", 1200, 33, orientation=orientation)
        alone, together = planned(photo, crop), planned(photo, crop, SEPIA)
        assert drawn(together)[1:2] == drawn(alone)[1:2]
        assert together.nodes[1].operation == alone.nodes[1].operation


class TestStepsThatChangeNothing:
    @pytest.mark.parametrize(
        "spec", [width(4000), width(9000, without_enlargement=True), width(4000, height=3000, fit="contain")]
    )
    def test_are_left_out(self, spec: dict[str, Any]) -> None:
        assert drawn(planned(PNG, spec)) == [" > decode 4000x3000", "0 > encode 4000x3000"]

    def test_a_cover_that_cuts_nothing_is_the_same_resize(self) -> None:
        assert len(planned(PNG, width(800), width(800, height=600), width(800, height=600, fit="inside")).nodes) == 5


class TestOrientationAndColours:
    @pytest.mark.parametrize("orientation", range(2, 9))
    def test_the_result_of_the_first_resize_is_turned(self, orientation: int) -> None:
        plan = planned(StoredPhoto("png", 4000, 3000, orientation=orientation), width(600), width(300))
        upright, stored = ((600, 800), (800, 600)) if orientation >= 5 else ((600, 450), (600, 450))
        half = (300, 400) if orientation >= 5 else (300, 225)
        assert [node.size for node in plan.nodes] == [(4000, 3000), stored, upright, upright, half, half]
        assert [node.operation for node in plan.nodes if isinstance(node.operation, Turn)] == [Turn(orientation)]

    def test_a_job_of_full_size_needs_the_turn_at_full_size_and_others_then_use_that(self) -> None:
        plan = planned(StoredPhoto("png", 4000, 3000, orientation=6), SEPIA, width(300))
        assert drawn(plan)[:3] == [" > decode 4000x3000", "0 > turn 3000x4000", "1 > resize 300x400"]

    @pytest.mark.parametrize(
        ("mode", "colour_space", "converted"),
        [
            ("RGB", None, False),
            ("RGB", "RGB", True),
            ("RGBA", "RGB", True),
            ("P", "RGB", True),
            ("L", None, True),
            ("I;16", None, True),
            ("L", "GRAY", True),
            ("CMYK", None, False),
            ("CMYK", "CMYK", False),
            ("LA", "GRAY", False),
        ],
    )
    def test_rgb_and_gray_are_converted_after_the_first_resize(
        self, mode: str, colour_space: str | None, converted: bool
    ) -> None:
        plan = planned(StoredPhoto("png", 4000, 3000, mode=mode, colour_space=colour_space), width(800), width(400))
        assert [node.size for node in plan.nodes if isinstance(node.operation, Colours)] == [(800, 600)] * converted


class TestJobs:
    def test_every_job_ends_once(self) -> None:
        specs = [
            width(800),
            width(800),
            SEPIA,
            {"type": "metadata", "colours": 5},
            width(50, height=50, position="attention"),
        ]
        ends = [node.operation.job for node in planned(JPEG, *specs).nodes if isinstance(node.operation, Finish)]
        assert sorted(ends) == ["0", "1", "2", "3", "4"]

    def test_equal_results_are_encoded_once(self) -> None:
        small = StoredPhoto("jpeg", 640, 480)
        kept = {"without_enlargement": True}
        other = {"output": {"quality": 50}}
        plan = planned(
            small,
            width(800, **kept),
            width(1600, **kept),
            width(800, **kept, **other),
            {"type": "metadata", "colours": 5},
        )
        ends = [node.operation for node in plan.nodes if isinstance(node.operation, Finish)]
        assert {end.job: end.same_as for end in ends} == {"0": None, "1": "0", "2": None, "3": None}
        assert plan.work["encode jpeg"] == pytest.approx(2 * 0.3072)

    def test_jobs_without_steps_share_the_decoded_photo_and_equal_outputs_are_encoded_once(self) -> None:
        webp = {"output": {"format": "webp"}}
        plan = planned(PNG, {"type": "convert", **webp}, SEPIA, pipeline() | webp, {"type": "convert"})
        assert drawn(plan) == [
            " > decode 4000x3000",
            "0 > encode 4000x3000",
            "0 > sepia 4000x3000",
            "2 > encode 4000x3000",
            "0 > encode 4000x3000",
            "0 > encode 4000x3000",
        ]
        ends = [node.operation for node in plan.nodes if isinstance(node.operation, Finish)]
        assert {end.job: end.same_as for end in ends} == {"0": None, "1": None, "2": "0", "3": None}
        assert plan.work["encode webp"] == plan.work["encode png"] / 2 == 12

    def test_a_result_of_too_many_pixels_is_refused_and_the_others_are_planned(self) -> None:
        plan = planned(PNG, width(8000), width(800), pipeline(width(10), width(9000)), limit=12_000_000)
        assert list(plan.refused) == ["0", "2"]
        assert isinstance(plan.refused["0"], TooManyPixels)
        assert "8000 x 6000" in str(plan.refused["0"])
        assert drawn(plan) == [" > decode 4000x3000", "0 > resize 800x600", "1 > encode 800x600"]

    def test_jobs_of_full_size_come_last(self) -> None:
        plan = planned(PNG, SEPIA, {"type": "metadata", "colours": 5}, width(100), width(50, height=50))
        ends = [node.operation.job for node in plan.nodes if isinstance(node.operation, Finish)]
        assert ends == ["2", "3", "1", "0"]

    def test_what_depends_on_a_picture_is_known(self) -> None:
        plan = planned(PNG, width(800), pipeline(width(800), SEPIA), width(300), width(2000, height=100))
        assert plan.jobs_of(plan.made_from(0)) == ["0", "1", "2", "3"]
        first, sepia = drawn(plan).index("0 > resize 800x600"), drawn(plan).index("1 > sepia 800x600")
        assert plan.jobs_of(plan.made_from(first)) == ["0", "1", "2"]
        assert plan.jobs_of(plan.made_from(sepia)) == ["1"]


def test_each_picture_is_freed_after_the_last_node_that_reads_it() -> None:
    plan = planned(PNG, width(800), pipeline(width(800), SEPIA), width(1600), width(50, height=50, position="entropy"))
    freed = plan.freed_after()
    assert sorted(picture for pictures in freed for picture in pictures) == list(range(len(plan.nodes)))
    for position, pictures in enumerate(freed):
        for picture in pictures:
            later = plan.nodes[position + 1 :]
            assert all(picture not in node.sources for node in later)
            assert picture in (position, *plan.nodes[position].sources)


def test_the_work_of_a_plan_is_that_of_its_nodes() -> None:
    plan = planned(StoredPhoto("jpeg", 4000, 3000, bytes=3_000_000), width(1600), width(800), SEPIA)
    assert plan.work["decode jpeg"] == 12
    assert plan.work["read jpeg"] == 3
    assert plan.work["resize from"] == pytest.approx(12 + 1.92)
    assert plan.work["resize to"] == pytest.approx(1.92 + 0.48)
    assert plan.work["encode jpeg"] == pytest.approx(1.92 + 0.48 + 12)
    assert plan.seconds == pytest.approx(sum(node.seconds for node in plan.nodes))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_part_of_the_upright_photo_is_found_in_the_stored_one(orientation: int) -> None:
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # the number of Pillow's transpose that makes it upright
    stored = Image.new("L", swapped((40, 30), orientation))
    stored.frombytes(bytes(at % 251 for at in range(1200)))
    upright = stored.transpose(turns[orientation]) if orientation > 1 else stored
    left, top, right, bottom = Placement.stored((40, 30), orientation).part((3, 5, 21, 16))
    part = stored.crop((int(left), int(top), int(right), int(bottom)))
    part = part.transpose(turns[orientation]) if orientation > 1 else part
    assert part.tobytes() == upright.crop((3, 5, 21, 16)).tobytes()


def test_a_box_is_scaled_to_the_extent_of_a_smaller_copy() -> None:
    part = kept_part(Sizes((268, 201), (200, 201)), "east")
    left, top, right, bottom = Placement.stored((4033, 3025), 1, 8).scaled((268, 201)).part(part)
    assert (right, bottom) == (504.125, 378.125)
    assert (left, top) == (Fraction(68 * 4033, 268 * 8), 0)


def test_a_crop_by_content_looks_at_an_overview() -> None:
    (crop,) = [
        node
        for node in planned(PNG, width(100, height=100, position="attention")).nodes
        if isinstance(node.operation, CropByContent)
    ]
    assert crop.sources[0] == 0
    assert isinstance(crop.operation, CropByContent)
    assert crop.operation.sizes == Sizes((133, 100), (100, 100))


def test_equal_filters_of_a_job_and_of_a_pipeline_are_equal() -> None:
    plan = planned(PNG, SEPIA, pipeline(SEPIA), pipeline(SEPIA | {"amount": 0.5}))
    assert sum(isinstance(node.operation, Apply) for node in plan.nodes) == 2
