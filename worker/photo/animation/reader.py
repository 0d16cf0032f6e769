"""Read the frames of a photo, one after the other: as pictures of the whole canvas, as browsers show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageCms

from darkroom.containers.animation import FOREVER, USUAL_DURATION, StoredFrame, shown_duration
from darkroom.containers.frame_formats import FRAME_FORMATS
from darkroom.containers.repair import name_of
from darkroom.containers.track_times import track_times
from darkroom.containers.view import view
from darkroom.sniff import OpenedHeader, open_header, pictures_of_one_size, reading
from worker.photo.animation.composition import composed
from worker.photo.colour.conversion import gray_levels, resizable, to_srgb
from worker.photo.decode import PhotoFile
from worker.photo.decode.loading import load, sdr
from worker.photo.encode.frame_sequence import ShownFrame


@dataclass(frozen=True)
class Animation:
    """An opened animation. `count`: of the frames that `frames` reads. `whole`: there is no damage before that.

    `frames` raises UnreadablePhoto at one that is damaged. They are RGB or RGBA, in the colours of the photo, and lie
    as stored. `plays`: how many times they are shown, or FOREVER. `may_clear`: whether a picture without transparent
    pixels may be followed by one that has some.
    """

    count: int
    plays: int
    whole: bool
    may_clear: bool
    frames: Iterator[ShownFrame]


def animation_of(file: PhotoFile, most: int) -> Animation:
    """The first frames of a photo, at most `most`."""
    if file.opened.sniffed.format in FRAME_FORMATS:
        return _of_parts(file, most)
    return _of_pictures(file, most)


def _of_parts(file: PhotoFile, most: int) -> Animation:
    """GIF, WebP and PNG store what changes from frame to frame. Each frame is decoded as the photo itself would be."""
    opened = file.opened
    walk = FRAME_FORMATS[opened.sniffed.format]
    # What a repair has left out of a file may be its last frames.
    stream = file.stream if opened.sniffed.format != "png" else opened.stream
    frames, whole = walk.stored_frames(stream, most)

    def picture(stored: StoredFrame) -> Image.Image:
        with reading(f"The {name_of(opened.sniffed.format)} data", opened.max_pixels):
            still = open_header(view(stream, stored.still), opened.max_pixels)
            loaded = load(still, 1, file.colours.curve, tolerate_cut=False)
            return _in_rgb(*resizable(loaded.image, file.colours.profile, loaded.levels))

    pictures = composed((opened.sniffed.width, opened.sniffed.height), ((stored, picture(stored)) for stored in frames))
    return Animation(
        len(frames),
        walk.plays(stream),
        whole,
        any(stored.disposal == "clear" or not stored.blends for stored in frames),
        map(ShownFrame, pictures, (shown_duration(stored.duration) for stored in frames)),
    )


def _of_pictures(file: PhotoFile, most: int) -> Animation:
    """AVIF and HEIC have whole pictures. A HEIC may also hold some of other sizes: they are not of the same burst.

    HEIC has no durations: a burst is shown with those that browsers use where there is none.
    """
    opened = file.opened
    times = track_times(opened.stream) if opened.sniffed.format == "avif" else None
    numbers = pictures_of_one_size(opened.image)[:most]
    durations = [shown_duration(duration) for duration in times.durations] if times else []
    durations += [USUAL_DURATION] * (len(numbers) - len(durations))

    def picture(number: int) -> Image.Image:
        with reading(f"The {name_of(opened.sniffed.format)} data", opened.max_pixels):
            return _whole_picture(file, opened, number)

    return Animation(
        len(numbers),
        times.plays if times else FOREVER,
        True,
        opened.image.mode == "RGBA",
        map(ShownFrame, map(picture, numbers), durations),
    )


def _whole_picture(file: PhotoFile, opened: OpenedHeader, number: int) -> Image.Image:
    opened.image.seek(number)
    opened.image.load()
    image = opened.image.copy()  # the next frame is read into the same memory
    if opened.aperture:
        image = image.crop(opened.aperture)
    if file.colours.curve:
        image = sdr(image, file.colours.curve)
    return _in_rgb(*resizable(image, file.colours.profile, gray_levels(opened.image)))


def _in_rgb(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> Image.Image:
    """Gray becomes sRGB: a canvas has frames of all kinds."""
    return to_srgb(image, profile) if image.mode == "L" else image
