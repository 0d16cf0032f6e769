"""The walks that find the frames of a file without decoding them."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from darkroom.containers.animation import FOREVER, MOST_COUNTED, shown_duration
from darkroom.containers.frame_formats import FRAME_FORMATS, frame_count, shown_durations
from darkroom.containers.gif import palette_bytes
from darkroom.containers.track_times import track_times
from darkroom.containers.view import view
from darkroom.sniff import sniff
from tests.support.animations import CLEAR_FRAMES, DURATIONS, FRAMES, SIZE, animated

LIMIT = 10**6


def frames_of(format_: str, data: bytes, most: int = 100) -> tuple[list[object], bool]:
    found = FRAME_FORMATS[format_].stored_frames(io.BytesIO(data), most)
    return list(found.frames), found.whole


@pytest.mark.parametrize("format_", ["gif", "webp", "png", "avif"])
def test_the_header_of_an_animation_says_its_frames(format_: str) -> None:
    assert sniff(io.BytesIO(animated(format_)), LIMIT).frames == len(FRAMES)


@pytest.mark.parametrize("format_", ["gif", "webp", "png", "avif", "jpeg", "tiff"])
def test_a_still_photo_has_one_frame(format_: str) -> None:
    file = io.BytesIO()
    FRAMES[0].save(file, format_)
    assert sniff(file, LIMIT).frames == 1


def test_the_pages_of_a_tiff_are_no_frames() -> None:
    file = io.BytesIO()
    FRAMES[0].save(file, "TIFF", save_all=True, append_images=FRAMES[1:])
    assert sniff(file, LIMIT).frames == 1


@pytest.mark.parametrize("format_", ["gif", "webp", "png", "avif"])
def test_durations_are_those_of_the_file(format_: str) -> None:
    assert shown_durations(io.BytesIO(animated(format_)), format_) == [*DURATIONS]


@pytest.mark.parametrize("format_", ["gif", "webp", "png"])
@pytest.mark.parametrize("plays", [FOREVER, 1, 3])
def test_the_number_of_plays_is_that_of_the_file(format_: str, plays: int) -> None:
    assert FRAME_FORMATS[format_].plays(io.BytesIO(animated(format_, plays=plays))) == plays


def test_the_frames_of_an_avif_have_the_times_of_its_track() -> None:
    times = track_times(io.BytesIO(animated("avif")))
    assert times
    assert (times.durations, times.plays) == ([*DURATIONS], FOREVER)


@pytest.mark.parametrize(("stored", "shown"), [(0, 100), (10, 100), (11, 11), (20, 20), (500, 500)])
def test_very_short_durations_are_those_of_browsers(stored: float, shown: float) -> None:
    assert shown_duration(stored) == shown


@pytest.mark.parametrize("format_", ["gif", "webp", "png"])
def test_each_frame_is_a_still_photo_of_its_own(format_: str) -> None:
    data = animated(format_)
    found, whole = frames_of(format_, data)
    assert whole
    for frame in found:
        still = Image.open(view(io.BytesIO(data), frame.still))
        still.load()
        assert still.size == (frame.width, frame.height)
        assert still.convert("RGB").tobytes() == FRAMES[found.index(frame)].crop(box_of(frame)).tobytes()


def box_of(frame: object) -> tuple[int, int, int, int]:
    return frame.left, frame.top, frame.left + frame.width, frame.top + frame.height


def test_frames_that_are_cleared_say_so() -> None:
    found, _ = frames_of("gif", animated("gif", CLEAR_FRAMES))
    assert {frame.disposal for frame in found} == {"clear"}


def test_a_picture_of_a_png_that_is_no_frame_is_left_out() -> None:
    file = io.BytesIO()
    Image.new("RGB", SIZE).save(
        file, "PNG", save_all=True, append_images=FRAMES, default_image=True, duration=[*DURATIONS]
    )
    found, whole = frames_of("png", file.getvalue())
    assert (len(found), whole) == (4, True)
    assert sniff(file, LIMIT).frames == 4


@pytest.mark.parametrize("format_", ["gif", "webp", "png"])
def test_no_more_frames_are_read_than_asked_for(format_: str) -> None:
    found, whole = frames_of(format_, animated(format_), most=2)
    assert (len(found), whole) == (2, True)


@pytest.mark.parametrize("format_", ["webp", "png"])
def test_a_file_that_lacks_announced_frames_is_not_whole(format_: str) -> None:
    data = animated(format_)
    cut = data[: data.rindex(b"ANMF")] if format_ == "webp" else data[: data.rindex(b"fcTL") - 4]
    found, whole = frames_of(format_, cut)
    assert (len(found), whole) == (3, False)


def test_a_gif_that_ends_within_a_frame_is_not_whole() -> None:
    data = animated("gif")
    found, whole = frames_of("gif", data[:-10])
    assert (len(found), whole) == (3, False)


def test_a_gif_without_its_trailer_is_whole() -> None:
    found, whole = frames_of("gif", animated("gif")[:-1])
    assert (len(found), whole) == (4, True)


def test_a_gif_in_which_something_else_follows_a_frame_is_not_whole() -> None:
    found, whole = frames_of("gif", animated("gif")[:-1] + b"?")
    assert (len(found), whole) == (4, False)


def test_endless_blocks_of_a_gif_end_the_walk() -> None:
    head = b"GIF89a" + struct.pack("<HH", 1, 1) + bytes(3)
    assert palette_bytes(head[10]) == 0
    data = head + b"!\xfe" + b"\x01x" * 400_000
    found, whole = frames_of("gif", data)
    assert (found, whole) == ([], False)


def test_an_announced_number_of_frames_is_bounded() -> None:
    data = animated("png")
    place = data.index(b"acTL") + 4
    data = data[:place] + struct.pack(">I", 2**31) + data[place + 4 :]
    assert frame_count(io.BytesIO(data), "png") == MOST_COUNTED
