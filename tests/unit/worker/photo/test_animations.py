"""Jobs on the frames of animations: what they show, for how long, how often, and what they cost."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageChops, ImageSequence

from darkroom.containers.animation import FOREVER
from darkroom.containers.frame_formats import FRAME_FORMATS, shown_durations
from darkroom.containers.track_times import track_times
from darkroom.errors import TooManyFrames, TooManyPixels, UnreadablePhoto
from darkroom.jobs.job_types import jobs_adapter
from darkroom.photo_warnings import are_allowed
from tests.support.animations import CLEAR_FRAMES, DURATIONS, FRAMES, SIZE, animated, ball
from worker.photo.animation.animation_limits import AnimationLimits
from worker.photo.encode.frame_sequence import Clock
from worker.photo.job_ends import PipelineResult
from worker.photo.pipeline import produce

LIMIT = 10**6
FORMATS = ("gif", "webp", "png", "avif")

WORST = {"gif": 0, "webp": 0, "png": 0, "avif": 8}
"""Levels by which a pixel of a result without loss may differ. AVIF has none, and Pillow converts it to YCbCr."""


@pytest.fixture
def done(tmp_path):
    """Do one job on a photo with these bytes. Returns what is said of the result, and its bytes."""

    def do(data, limits=AnimationLimits(), **job):
        path = tmp_path / "original"
        path.write_bytes(data)
        (spec,) = jobs_adapter.validate_python([{"type": "convert", "frames": "all", **job}])
        file = io.BytesIO()
        with path.open("rb") as original:
            (end,) = produce(original, {"a": spec}, {"a": file}, LIMIT, animation_limits=limits)
        if isinstance(end.result, Exception):
            raise end.result
        return end.result, file.getvalue()

    return do


def shown(data):
    """The frames as Pillow composes them, in RGBA."""
    return [frame.convert("RGBA") for frame in ImageSequence.Iterator(Image.open(io.BytesIO(data)))]


def worst(one, other):
    """The largest difference of two pictures on white."""
    white = [
        Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
        for picture in (one, other)
    ]
    return max(high for _, high in ImageChops.difference(*white).getextrema())


def output(format_):
    return {"format": format_} | {"webp": {"lossless": True}, "avif": {"quality": 100, "chroma": "4:4:4"}}.get(
        format_, {}
    )


def plays_of(data, format_):
    return track_times(io.BytesIO(data)).plays if format_ == "avif" else FRAME_FORMATS[format_].plays(io.BytesIO(data))


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("result", FORMATS)
def test_every_format_becomes_every_other_with_the_same_frames_and_durations(done, source, result):
    told, data = done(animated(source), output=output(result))
    assert (told.format, told.width, told.height, told.frames, told.duration) == (result, *SIZE, 4, 0.46)
    assert shown_durations(io.BytesIO(data), result) == [*DURATIONS]
    for frame, wanted in zip(shown(data), FRAMES, strict=True):
        assert worst(frame, wanted) <= WORST[source] + WORST[result]


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("result", FORMATS)
def test_what_moves_over_nothing_leaves_nothing_behind(done, source, result):
    _, data = done(animated(source, CLEAR_FRAMES), output=output(result))
    for frame, wanted in zip(shown(data), CLEAR_FRAMES, strict=True):
        assert worst(frame, wanted) <= WORST[source] + WORST[result]
        assert frame.getchannel("A").tobytes() == wanted.getchannel("A").tobytes()


@pytest.mark.parametrize("result", FORMATS)
@pytest.mark.parametrize("plays", [FOREVER, 1, 2, 5])
def test_a_result_is_shown_as_often_as_the_photo(done, result, plays):
    _, data = done(animated("png", plays=plays), output=output(result))
    assert plays_of(data, result) == plays


@pytest.mark.parametrize("result", FORMATS)
def test_every_frame_goes_through_every_step(done, result):
    steps = [
        {"type": "resize", "width": 24},
        {"type": "filter", "filter": "invert"},
    ]
    told, data = done(animated("png"), type="pipeline", steps=steps, output=output(result))
    assert (told.width, told.height) == (24, 16)
    for frame, source in zip(shown(data), FRAMES, strict=True):
        wanted = ImageChops.invert(source.resize((24, 16), Image.Resampling.LANCZOS))
        assert worst(frame, wanted) <= 12 + WORST[result]


@pytest.mark.parametrize("format_", FORMATS)
def test_the_default_format_is_the_photos_own(done, format_):
    assert done(animated(format_))[0].format == format_


def test_the_default_format_can_hold_what_the_output_asks_for(done):
    assert done(animated("gif"), output={"lossless": True})[0].format == "webp"


@pytest.mark.parametrize(("frames", "count"), [("first", None), (1, None), (2, 2), (4, 4), (9, 4), ("all", 4)])
def test_a_job_says_how_many_frames_it_takes(done, frames, count):
    told, data = done(animated("gif"), frames=frames, output={"format": "webp"})
    assert told.frames == count
    assert told.duration == (None if count is None else sum(DURATIONS[:count]) / 1000)
    assert len(shown(data)) == (count or 1)


def test_the_first_frame_is_what_it_was_without_frames(done):
    assert done(animated("gif"), frames="first")[1] == done(animated("gif"), frames=1)[1]
    assert worst(shown(done(animated("gif"), frames="first", output={"format": "png"})[1])[0], FRAMES[0]) == 0


def test_all_frames_of_a_still_photo_are_a_still_photo(done):
    file = io.BytesIO()
    FRAMES[0].save(file, "JPEG")
    told, data = done(file.getvalue())
    assert (told.format, told.frames, told.duration) == ("jpeg", None, None)
    assert data == done(file.getvalue(), frames="first")[1]


@pytest.mark.parametrize("result", FORMATS)
def test_the_same_animation_gives_the_same_bytes(done, result):
    first, second = (done(animated("png"), output={"format": result})[1] for _ in range(2))
    assert first == second


def test_a_cover_keeps_the_part_that_it_has_chosen_in_the_first_frame(done):
    """The square wanders to the right, where attention would follow it."""
    frames = [ball(at) for at in (0, 4)]
    job = {"type": "resize", "width": 16, "height": 32, "position": "attention"}
    _, data = done(animated("png", frames, durations=[50, 50]), **job)
    first, second = shown(data)
    assert first.getpixel((8, 16))[:3] == (230, 40, 40)
    assert second.getextrema()[0] == (20, 20)


def test_contrast_is_measured_in_the_first_frame(done):
    frames = [Image.new("RGB", SIZE, (60, 60, 60)), Image.new("RGB", SIZE, (200, 200, 200))]
    frames[0].paste((120, 120, 120), (0, 0, 10, 10))
    job = {"type": "filter", "filter": "auto-contrast"}
    _, data = done(animated("png", frames, durations=[50, 50]), **job)
    first, second = shown(data)
    assert first.getextrema()[0] == (0, 255)
    assert second.getpixel((20, 20)) == (255, 255, 255, 255)


# --- limits and damage ------------------------------------------------------------------------------------------------


def test_too_many_frames_are_refused_with_both_numbers(done):
    message = r'^The animation has 4 frames; at most 3 are allowed. Ask for a part of them: "frames": 3.$'
    with pytest.raises(TooManyFrames, match=message):
        done(animated("gif"), AnimationLimits(frames=3))
    assert done(animated("gif"), AnimationLimits(frames=3), frames=3)[0].frames == 3
    assert done(animated("gif"), AnimationLimits(frames=3), frames="first")[0].frames is None


def test_too_many_pixels_of_all_frames_are_refused_with_both_numbers(done):
    message = r'^The animation has 4 frames of 48 x 32, 6,144 pixels in all; at most 4,608 are allowed. .*"frames": 3.$'
    with pytest.raises(TooManyPixels, match=message):
        done(animated("gif"), AnimationLimits(pixels=3 * 48 * 32))
    assert done(animated("gif"), AnimationLimits(pixels=3 * 48 * 32), frames=3)[0].frames == 3


def test_too_many_pixels_of_a_result_are_refused(done):
    with pytest.raises(
        TooManyPixels, match=r"^The result has 4 frames of 96 x 64, 24,576 pixels in all; at most 9,999"
    ):
        done(animated("gif"), AnimationLimits(pixels=9_999), type="resize", width=96)


def cut(format_):
    """An animation whose last frame is damaged."""
    data = animated(format_, [Image.effect_noise(SIZE, 90).convert("RGB") for _ in range(4)])
    if format_ == "avif":
        return data[:-400] + bytes(400)
    if format_ == "webp":
        return data[: data.rindex(b"ANMF") + 40]
    if format_ == "png":
        place = data.rindex(b"fdAT") + 60
        return data[:place] + bytes(40) + data[place + 40 :]
    return data[:-200]


@pytest.mark.parametrize("format_", FORMATS)
def test_an_animation_with_a_damaged_frame_is_refused(done, format_):
    with pytest.raises(UnreadablePhoto, match=r"3 (of its 4 )?frames are there. A job with"):
        done(cut(format_))


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("result", FORMATS)
def test_the_frames_before_the_damage_can_be_had(done, format_, result):
    told, data = done(cut(format_), tolerate="truncated", output={"format": result})
    assert told.frames == len(shown(data)) == 3
    assert [warning.code for warning in told.warnings] == ["frames_missing"]
    assert are_allowed(told.warnings)


@pytest.mark.parametrize("format_", FORMATS)
def test_damage_behind_the_frames_that_a_job_takes_does_not_matter(done, format_):
    told, _ = done(cut(format_), frames=2)
    assert (told.frames, told.warnings) == (2, ())


# --- durations --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "least", "durations", "units"),
    [
        (10, 2, [33, 33, 34, 100], [3, 4, 3, 10]),
        (10, 2, [12, 12, 12, 12], [2, 2, 2, 2]),
        (1, 1, [33.3, 33.3, 33.4], [33, 34, 33]),
    ],
)
def test_durations_are_rounded_so_that_the_sum_stays(unit, least, durations, units):
    clock = Clock(unit, least, 65_535)
    assert [clock.units(duration) for duration in durations] == units


def test_durations_of_a_gif_keep_to_ten_milliseconds(done):
    _, data = done(animated("webp", durations=[33, 33, 33, 33]), output={"format": "gif"})
    assert sum(shown_durations(io.BytesIO(data), "gif")) == pytest.approx(132, abs=5)


def test_the_result_of_a_job_is_described(done):
    told, _ = done(animated("gif"), type="resize", width=24)
    assert isinstance(told, PipelineResult)
    assert told.making.plan == ("decode 48x32", "resize (lanczos3) 24x16", "encode animated gif 24x16")
    assert told.seconds.keys() == {"decode", "resize", "encode"}
    assert told.making.pixels


# --- bursts and sequences ---------------------------------------------------------------------------------------------


def burst(*frames):
    file = io.BytesIO()
    frames[0].save(file, "HEIF", save_all=True, append_images=frames[1:], quality=-1)
    return file.getvalue()


def test_a_burst_of_heic_photos_becomes_an_animation(done):
    told, data = done(burst(*FRAMES))
    assert (told.format, told.frames, told.duration) == ("webp", 4, 0.4)
    _, exact = done(burst(*FRAMES), output={"format": "png"})
    for frame, wanted in zip(shown(exact), FRAMES, strict=True):
        assert worst(frame, wanted) <= 6
    assert len(shown(data)) == 4


def test_pictures_of_other_sizes_are_not_of_the_burst(done):
    told, data = done(burst(FRAMES[0], Image.new("RGB", (80, 64)), FRAMES[1]), output={"format": "png"})
    assert told.frames == len(shown(data)) == 2
    told, _ = done(burst(FRAMES[0], Image.new("RGB", (80, 64))), output={"format": "png"})
    assert told.frames is None


def test_a_photo_that_lies_on_its_side_is_turned_in_every_frame(done):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    FRAMES[0].save(
        file, "WEBP", save_all=True, append_images=FRAMES[1:], duration=[*DURATIONS], lossless=True, exif=exif
    )
    told, data = done(file.getvalue(), output={"format": "png"})
    assert (told.width, told.height) == (SIZE[1], SIZE[0])
    for frame, wanted in zip(shown(data), FRAMES, strict=True):
        assert worst(frame, wanted.transpose(Image.Transpose.ROTATE_270)) == 0


@pytest.mark.parametrize("mode", ["L", "LA", "P", "I;16"])
def test_frames_of_every_kind_of_png_are_read(done, mode):
    grays = [Image.linear_gradient("L").resize(SIZE).rotate(90 * at) for at in range(3)]
    frames = [
        gray.convert("I;16").point(lambda level: level * 257) if mode == "I;16" else gray.convert(mode)
        for gray in grays
    ]
    _, data = done(animated("png", frames, durations=[50] * 3), output={"format": "png"})
    for frame, wanted in zip(shown(data), grays, strict=True):
        assert worst(frame, wanted.convert("RGB")) <= 1
