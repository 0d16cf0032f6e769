"""Crop, turn, mirror, extend, round and trim: each pixel of a result is where the steps one by one would put it.

The reference does each step with Pillow on the upright photo. The plan makes a part, one resample and one turn of them.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from darkroom.errors import PhotoError
from darkroom.jobs.job_types import jobs_adapter
from tests.support.plain_photo import done, made_of
from worker.photo.operations import plan_operations, rotate
from worker.photo.pipeline import produce

PNG = {"output": {"format": "png"}}
SIZE = (61, 40)
LIMIT = 10_000_000


def numbered(size: tuple[int, int] = SIZE) -> Image.Image:
    """Each pixel says where it is: red its column, green its row."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    return Image.fromarray(np.stack([columns * 4, rows * 6, np.full_like(rows, 9)], axis=-1).astype(np.uint8))


def smooth(size: tuple[int, int] = SIZE) -> Image.Image:
    """Tones that differ in every corner, without edges."""
    corners = Image.new("RGB", (2, 2))
    for at, colour in {(0, 0): "#d21e1e", (1, 0): "#1ec81e", (0, 1): "#1e1edc", (1, 1): "#e6e61e"}.items():
        corners.paste(colour, (*at, at[0] + 1, at[1] + 1))
    return corners.resize(size, Image.Resampling.BILINEAR)


def result(
    upright: Image.Image, steps: list[dict[str, Any]], orientation: int = 1, format_: str = "PNG"
) -> Image.Image:
    """What the steps make of a photo that is stored with this orientation and is `upright` when it is turned."""
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    exif = Image.Exif()
    exif[0x0112] = undo
    turned = upright.copy()
    turned.getexif()[0x0112] = undo
    stored = ImageOps.exif_transpose(turned)
    exif[0x0112] = orientation
    with TemporaryFile() as file:
        stored.save(
            file, format_, exif=exif.tobytes(), **({"quality": 97, "subsampling": 0} if format_ == "JPEG" else {})
        )
        file.seek(0)
        _, written = done(file, LIMIT, type="pipeline", steps=steps, **PNG)
    with Image.open(io.BytesIO(written.getvalue())) as image:
        return image.convert(image.mode)


Move = tuple[dict[str, Any], Callable[[Image.Image], Image.Image]]

MOVES: dict[str, Move] = {
    "flip": ({"type": "flip"}, ImageOps.flip),
    "flop": ({"type": "flop"}, ImageOps.mirror),
    "90": ({"type": "rotate", "angle": 90}, lambda image: image.transpose(Image.Transpose.ROTATE_270)),
    "180": ({"type": "rotate", "angle": -180}, lambda image: image.transpose(Image.Transpose.ROTATE_180)),
    "270": ({"type": "rotate", "angle": 270}, lambda image: image.transpose(Image.Transpose.ROTATE_90)),
    "0": ({"type": "rotate", "angle": 360}, lambda image: image.copy()),
    "corner": (
        {"type": "crop", "left": 3, "top": 5, "width": 20, "height": 11},
        lambda image: image.crop((3, 5, 23, 16)),
    ),
    "east": (
        {"type": "crop", "width": 30, "height": 30, "position": "east"},
        lambda image: image.crop(
            (image.width - 30, (image.height - 30 + 1) // 2, image.width, (image.height + 31) // 2)
        ),
    ),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("first", MOVES)
def test_moves_in_a_row_are_those_of_the_upright_photo(orientation: int, first: str) -> None:
    photo = numbered()
    for second in MOVES:
        if (first, second) in {("corner", "corner"), ("corner", "east")}:
            continue  # nothing is left to cut
        steps = [MOVES[name][0] for name in (first, second)]
        expected = MOVES[second][1](MOVES[first][1](photo))
        found = result(photo, steps, orientation)
        assert (found.size, found.tobytes()) == (expected.size, expected.tobytes()), second


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
def test_each_corner_has_its_colour_after_any_moves_and_a_resize(orientation: int, format_: str) -> None:
    """A JPEG of this size is decoded at half of it or less."""
    photo = smooth((600, 400))
    for name, (step, move) in MOVES.items():
        if name in {"corner", "east"}:
            step, move = {"type": "crop", "left": 0.1, "top": 0.3, "width": 0.6, "height": 0.5, "unit": "share"}, _part
        for at in (0, 1):
            resize = {"type": "resize", "width": 90, "height": 77, "fit": "fill"}
            steps = [step, resize] if at == 0 else [resize, step]
            small = photo.resize((90, 77), Image.Resampling.LANCZOS)
            expected = move(photo).resize((90, 77), Image.Resampling.LANCZOS) if at == 0 else move(small)
            found = result(photo, steps, orientation, format_)
            assert found.size == expected.size
            for x, y in ((2, 2), (-3, 2), (2, -3), (-3, -3)):
                place = x % found.width, y % found.height
                assert found.getpixel(place) == pytest.approx(expected.getpixel(place), abs=8), (name, at, place)


def _part(image: Image.Image) -> Image.Image:
    left, top, right, bottom = (
        int(share * side + 0.5) for share, side in zip((0.1, 0.3, 0.7, 0.8), (*image.size, *image.size), strict=True)
    )
    return image.crop((left, top, right, bottom))


def random_steps(chance: random.Random) -> list[dict[str, Any]]:
    """Steps that do not change the size of a pixel, and up to two resizes among them."""
    steps: list[dict[str, Any]] = []
    for _ in range(chance.randint(1, 5)):
        left, top = chance.random() * 0.4, chance.random() * 0.4
        share = {"left": left, "top": top, "width": 0.3 + chance.random() * 0.3, "height": 0.3 + chance.random() * 0.3}
        steps.append(
            chance.choice(
                [
                    {"type": "flip"},
                    {"type": "flop"},
                    {"type": "rotate", "angle": chance.choice((90, 180, 270))},
                    {"type": "crop", "unit": "share", **share},
                    {
                        "type": "crop",
                        "aspect": chance.choice(("1:1", "3:2")),
                        "position": chance.choice(("south", "west")),
                    },
                    {"type": "crop", "aspect": "2:3", "position": "attention"},
                ]
            )
        )
    for _ in range(chance.randint(0, 2)):
        sides = {"width": chance.randint(20, 60), "height": chance.randint(20, 60)}
        fit = chance.choice(("cover", "fill", "inside", "contain"))
        steps.insert(chance.randint(0, len(steps)), {"type": "resize", **sides, "fit": fit, "background": "#808080"})
    return steps


NOTHING = {"type": "filter", "filter": "brightness", "amount": 1}
"""Between two steps it keeps the plan from doing both at once."""


def test_steps_that_are_done_at_once_make_what_they_make_one_by_one() -> None:
    chance = random.Random(15)
    photo = smooth((240, 180))
    ImageDraw.Draw(photo).ellipse((150, 40, 190, 90), fill="#e0ac88")
    for _ in range(60):
        steps = random_steps(chance)
        orientation = chance.randint(1, 8)
        one_by_one = result(photo, [one for step in steps for one in (NOTHING, step)], orientation)
        at_once = result(photo, steps, orientation)
        assert at_once.size == one_by_one.size, steps
        if any(step.get("position") == "attention" for step in steps):
            continue  # what a strategy sees may differ by a level, and the part by a pixel of the overview
        difference = np.abs(np.asarray(at_once, float) - np.asarray(one_by_one, float))
        # The ellipse has hard edges, which two resamples blur more than one.
        assert np.percentile(difference, 90) <= 4, steps


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2)])
@pytest.mark.parametrize(
    "step",
    [
        {"type": "crop", "aspect": "16:9"},
        {"type": "crop", "left": 0.99, "top": 0.99, "unit": "share"},
        {"type": "rotate", "angle": 45},
        {"type": "rotate", "angle": 90},
        {"type": "flip"},
        {"type": "flop"},
        {"type": "trim"},
        {"type": "trim", "line_art": True, "threshold": 0, "margin": 16384},
        {"type": "extend", "left": 7, "bottom": 5, "extend_with": "mirror"},
        {"type": "extend", "right": 7, "top": 5, "extend_with": "repeat"},
        {"type": "extend", "right": 7, "top": 5, "extend_with": "copy"},
        {"type": "round", "radius": 16384},
        {"type": "round", "circle": True},
    ],
)
def test_tiny_pictures(mode: str, size: tuple[int, int], step: dict[str, Any]) -> None:
    colour = (90, 140, 200, 120)[: len(mode)]
    found = np.asarray(made_of(Image.new(mode, size, colour), LIMIT, **step).convert("RGBA"))
    if step["type"] in {"crop", "flip", "flop", "trim", "extend"}:
        assert (found == [*colour[:3], 120 if mode == "RGBA" else 255]).all()
    assert found.size


@pytest.mark.parametrize(
    ("step", "detail"),
    [
        ({"left": 30, "top": 0, "width": 40, "height": 10}, "40 x 10 pixels at left 30, top 0"),
        ({"left": 61, "top": 0}, "at left 61, top 0"),
        ({"left": 0, "top": 0, "width": 61, "aspect": "1:1"}, "61 x 61 pixels at left 0, top 0"),
    ],
)
def test_a_crop_outside_of_the_picture_says_both_sizes(step: dict[str, Any], detail: str) -> None:
    with pytest.raises(PhotoError, match=f"{detail}.*61 x 40"):
        made_of(numbered(), LIMIT, type="crop", **step)


def test_parts_in_shares_that_meet_have_no_gap_and_no_overlap() -> None:
    found = [made_of(numbered(), LIMIT, type="crop", unit="share", left=at / 7, width=1 / 7) for at in range(7)]
    assert np.hstack([np.asarray(part) for part in found]).tobytes() == numbered().tobytes()


def test_a_crop_by_position_keeps_its_aspect_when_the_picture_is_too_small() -> None:
    assert made_of(numbered(), LIMIT, type="crop", width=2000, aspect="1:1").size == (40, 40)
    assert made_of(numbered(), LIMIT, type="crop", width=2000, height=10).size == (61, 10)


def test_a_trim_that_fails_ends_only_the_jobs_that_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(plan_operations, "trim_part", fails)
    specs = [
        {"type": "trim"},
        {"type": "pipeline", "steps": [{"type": "trim"}, {"type": "resize", "width": 9}]},
        {"type": "resize", "width": 9},
        {"type": "metadata"},
    ]
    jobs = {str(number): job for number, job in enumerate(jobs_adapter.validate_python(specs))}
    with TemporaryFile() as file:
        numbered().save(file, "PNG")
        file.seek(0)
        ends = {end.job: end.result for end in produce(file, jobs, {name: io.BytesIO() for name in jobs}, LIMIT)}
    assert {name: isinstance(end, MemoryError) for name, end in ends.items()} == {
        "0": True,
        "1": True,
        "2": False,
        "3": False,
    }


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_trim_and_what_follows_it(orientation: int) -> None:
    framed = ImageOps.expand(smooth((80, 60)), (7, 9, 11, 13), "white")
    steps = [{"type": "trim"}, {"type": "rotate", "angle": 90}, {"type": "trim", "margin": 3}]
    found = result(framed, steps, orientation)
    assert found.tobytes() == smooth((80, 60)).transpose(Image.Transpose.ROTATE_270).tobytes()
    small = result(framed, [{"type": "trim"}, {"type": "resize", "width": 40}], orientation)
    assert small.size == (40, 30)


# --- rotate -----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["curves", "lines"])
def interpolation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small results are interpolated with curves, and large ones with lines."""
    monkeypatch.setattr(rotate, "LARGE", 0 if request.param == "lines" else LIMIT)


@pytest.mark.usefixtures("interpolation")
@pytest.mark.parametrize("angle", [1, 10, 45, 135, -30, 271.5])
def test_a_turned_picture_has_its_colours_in_the_middle_and_the_background_in_the_corners(angle: float) -> None:
    found = made_of(Image.new("RGB", (90, 70), "#3060c0"), LIMIT, type="rotate", angle=angle, background="#ffa000")
    assert found.mode == "RGB"
    assert found.getpixel((found.width // 2, found.height // 2)) == (0x30, 0x60, 0xC0)
    for corner in ((0, 0), (found.width - 1, 0), (0, found.height - 1), (found.width - 1, found.height - 1)):
        if abs(angle) > 1:
            assert found.getpixel(corner) == (255, 160, 0)
    levels = np.asarray(found, float)
    # Every pixel lies between both colours, and both mix with the same share in all channels: no dark or light edge.
    share = (levels[..., 0] - 0x30) / (255 - 0x30)
    assert share.min() >= 0
    assert share.max() <= 1
    assert np.abs(levels[..., 1] - (0x60 + share * (160 - 0x60))).max() <= 2
    assert np.abs(levels[..., 2] - (0xC0 + share * (0 - 0xC0))).max() <= 2
    mixed = ((share > 0.02) & (share < 0.98)).sum()
    assert mixed > 0.5 * (90 + 70)  # a smooth edge


@pytest.mark.usefixtures("interpolation")
def test_a_turn_goes_clockwise_around_the_middle() -> None:
    image = Image.new("RGB", (101, 101))
    image.paste("white", (48, 5, 53, 15))  # above the middle
    found = made_of(image, LIMIT, type="rotate", angle=45)
    x, y = np.average(np.argwhere(np.asarray(found.convert("L")) > 128), axis=0)[::-1]
    middle, reach = found.width / 2, 40.5 * 0.5**0.5
    assert (x + 0.5, y + 0.5) == pytest.approx((middle + reach, middle - reach), abs=0.5)


@pytest.mark.usefixtures("interpolation")
def test_a_turn_with_a_clear_background_gains_alpha_and_covers_as_much_as_before() -> None:
    found = made_of(Image.new("RGB", (90, 70), "red"), LIMIT, type="rotate", angle=20, background="transparent")
    rgba = np.asarray(found, float)
    assert rgba[..., 3].sum() / 255 == pytest.approx(90 * 70, rel=0.002)
    assert (rgba[rgba[..., 3] > 0][:, :3] == [255, 0, 0]).all()


@pytest.mark.usefixtures("interpolation")
@pytest.mark.parametrize("background", ["#ffa000", "#ffa00080", "transparent"])
def test_transparent_parts_of_a_turned_picture_stay_transparent(background: str) -> None:
    photo = Image.new("RGBA", (60, 60), (0, 0, 255, 255))
    photo.paste((9, 250, 9, 0), (0, 0, 30, 60))  # the left half is transparent
    found = made_of(photo, LIMIT, type="rotate", angle=10, background=background)
    middle = found.width // 2
    clear = {"#ffa000": (255, 160, 0, 255), "#ffa00080": (255, 160, 0, 128)}.get(background, (0, 0, 0, 0))
    rgba = found.convert("RGBA")
    assert rgba.getpixel((middle + 15, middle)) == (0, 0, 255, 255)
    assert rgba.getpixel((middle - 15, middle)) == (0, 0, 0, 0)
    assert rgba.getpixel((0, 0)) == clear
    visible = np.asarray(rgba, float)
    assert (visible[..., 1] * visible[..., 3] / 255).max() <= 161  # the green that nobody sees


@pytest.mark.usefixtures("interpolation")
@pytest.mark.parametrize(("background", "least"), [("#ffa000", 255), ("#ffa00080", 128)])
def test_the_edge_of_a_turned_picture_is_no_more_transparent_than_its_background(background: str, least: int) -> None:
    photo = Image.new("RGBA", (60, 40), "blue")
    photo.putpixel((30, 20), (0, 0, 0, 0))  # it keeps its alpha
    found = made_of(photo, LIMIT, type="rotate", angle=13, background=background).convert("RGBA")
    middle = found.width // 2, found.height // 2
    found.paste((0, 0, 0, 255), (middle[0] - 6, middle[1] - 6, middle[0] + 6, middle[1] + 6))
    assert found.getchannel("A").getextrema() == (least, 255)


# --- extend and round -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extend_with", "columns", "rows"),
    [  # the numbers are those of sharp 0.35.5
        ("mirror", "3 4 4 3 2 1 0 0 1 2 3 4 4 3 2 1 0 0 1 2 3 4 4 3", "2 2 1 0 0 1 2 2"),
        ("repeat", "3 4 0 1 2 3 4 0 1 2 3 4 0 1 2 3 4 0 1 2 3 4 0 1", "2 0 1 2 0 1 2 0"),
        ("copy", "0 0 0 0 0 0 0 0 1 2 3 4 4 4 4 4 4 4 4 4 4 4 4 4", "0 0 0 0 0 1 2 2"),
    ],
)
def test_an_extended_picture_goes_on_as_sharps(extend_with: str, columns: str, rows: str) -> None:
    found = made_of(numbered((5, 3)), LIMIT, type="extend", top=4, left=7, right=12, bottom=1, extend_with=extend_with)
    levels = np.asarray(found)
    assert [level // 4 for level in levels[4, :, 0]] == [int(number) for number in columns.split()]
    assert [level // 6 for level in levels[:, 7, 1]] == [int(number) for number in rows.split()]


def test_an_extended_picture_with_a_background() -> None:
    found = made_of(numbered(), LIMIT, type="extend", top=2, left=3, background="#ff000080")
    assert found.size == (64, 42)
    assert found.getpixel((2, 41)) == found.getpixel((63, 1)) == (255, 0, 0, 128)
    assert found.crop((3, 2, 64, 42)).convert("RGB").tobytes() == numbered().tobytes()


@pytest.mark.parametrize("radius", [1, 2.5, 10, 20, 300.25])
def test_round_corners_cover_the_area_of_their_circle(radius: float) -> None:
    width, height = 700, 640
    alpha = made_of(Image.new("RGB", (width, height), "red"), LIMIT, type="round", radius=radius).getchannel("A")
    cut = width * height - np.asarray(alpha, float).sum() / 255
    assert cut == pytest.approx((4 - np.pi) * radius**2, abs=0.5 + 0.01 * radius)
    for turn in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM):
        assert alpha.transpose(turn).tobytes() == alpha.tobytes()


def test_a_circle_is_in_the_middle() -> None:
    alpha = np.asarray(made_of(Image.new("RGB", (90, 60), "red"), LIMIT, type="round", circle=True).getchannel("A"))
    assert alpha[:, :15].max() == alpha[:, 75:].max() == 0
    assert alpha.astype(float).sum() / 255 == pytest.approx(np.pi * 30**2, rel=0.002)


def test_a_radius_of_nothing_changes_nothing() -> None:
    assert made_of(numbered(), LIMIT, type="round", radius=0).tobytes() == numbered().tobytes()
