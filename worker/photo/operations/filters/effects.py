"""Filters that hide details or add what the photo does not have."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from PIL import Image

from darkroom.jobs.sizes import Size
from darkroom.jobs.steps.filters.effects import Grain, Noise, Pixelate, ShareBox, Vignette
from darkroom.photo_warnings import PhotoWarning
from worker.photo.materials import Materials
from worker.photo.operations.bands import Numbers, Values, change_bands, rounded
from worker.photo.operations.face_areas import face_areas
from worker.photo.operations.filters.luma import LUMA
from worker.photo.operations.filters.srgb import rgb_of
from worker.photo.operations.gaussian import gaussian_weights, sums_around
from worker.photo.operations.random_numbers import normal_numbers
from worker.photo.operations.tiles import Area, paste_values, read_values, tiles, weighted_by_alpha, weighted_means

FACE_BLOCKS = 8
"""Blocks of a face along its longer side, at most: nobody is recognized by so few."""

ROWS = 32
"""Rows whose pixels `pixelate` sums up at a time."""


def noise(image: Image.Image, spec: Noise) -> Image.Image:
    each = 1 if spec.monochrome else 3
    sigma = np.float32(spec.sigma)

    def change(planes: Values, top: int) -> Numbers:
        rows, columns = planes.shape[1:]
        numbers = [normal_numbers(spec.seed, plane * columns, top, columns, rows) for plane in range(each)]
        return planes + sigma * np.stack(numbers)

    return change_bands(image, change)


def grain(image: Image.Image, spec: Grain) -> Image.Image:
    weights = gaussian_weights(spec.size / 2)
    reach = len(weights) - 1
    squares = sum(float(weight) ** 2 for weight in (*weights[:0:-1], *weights))
    strength = np.float32(40 * spec.amount / squares)  # along rows and columns: the root of `squares` twice
    red, green, blue = (np.float32(weight / 127.5) for weight in LUMA["rec709"])
    result = image.copy()
    for area in tiles(image):
        left, top, right, bottom = area
        numbers = normal_numbers(spec.seed, left, top, right - left + 2 * reach, bottom - top + 2 * reach)
        pixels = read_values(image, area)
        tones = pixels[..., 0] * red + pixels[..., 1] * green + pixels[..., 2] * blue - 1
        added = strength * (1 - tones**2) * sums_around(numbers[..., None], weights)[..., 0]
        paste_values(result, rounded(pixels[..., :3] + added[..., None]), area)
    return result


def vignette(image: Image.Image, spec: Vignette) -> Image.Image:
    across, down = _squares_of_distances(image.width), _squares_of_distances(image.height)
    colour = np.array(rgb_of(spec.colour), np.float32)[:, None, None]
    start = np.float32(spec.start)

    def change(planes: Values, top: int) -> Numbers:
        distance = np.sqrt((across + down[top : top + planes.shape[1], None]) / 2)
        t = np.maximum(distance - start, 0) / (1 - start)
        share = np.float32(spec.amount) * t * t * (3 - 2 * t)
        return np.asarray(planes + share * (colour - planes), np.float32)

    return change_bands(image, change)


def _squares_of_distances(side: int) -> Numbers:
    """Of the middle of each pixel from the centre; the borders are at -1 and 1."""
    return (((2 * np.arange(side) + 1) / side - 1) ** 2).astype(np.float32)


def pixelate(image: Image.Image, spec: Pixelate, materials: Materials) -> Image.Image:
    """In an animation, faces are looked for in each frame: they move."""
    result = image.copy()
    whole = 0, 0, image.width, image.height
    parts = [(_pixels_of(box, image), spec.size) for box in spec.boxes or ()]
    if spec.faces:
        faces = face_areas(image)
        _note_faces(len(faces), spec, image.size, materials)
        parts += [(face, max(spec.size, _block_of(face))) for face in faces]
    elif not spec.boxes:
        parts = [(whole, spec.size)]
    for (left, top, right, bottom), size in parts:
        if size == 1:
            continue
        for first in range(top, bottom, size):
            band = left, first, right, min(first + size, bottom)
            paste_values(result, _row_of_blocks(image, band, size), band)
    return result


def _block_of(face: Area) -> int:
    return -(-max(face[2] - face[0], face[3] - face[1]) // FACE_BLOCKS)


def _note_faces(count: int, spec: Pixelate, size: Size, materials: Materials) -> None:
    """Keep the least number of faces of a picture of this size that this step has changed, for `pixelate_warnings`."""
    key = "faces", spec, size
    materials.prepared[key] = min(count, materials.prepared.get(key, count))


def pixelate_warnings(spec: Pixelate, size: Size, materials: Materials) -> Iterator[PhotoWarning]:
    if materials.prepared.get(("faces", spec, size)) == 0:
        yield PhotoWarning("no_face_found", "No face was found in the picture, so none was made unrecognizable.")


def _pixels_of(box: ShareBox, image: Image.Image) -> Area:
    """The whole pixels that a box touches."""
    left, right = (round(x * image.width, 6) for x in (box.left, box.left + box.width))
    top, bottom = (round(y * image.height, 6) for y in (box.top, box.top + box.height))
    return math.floor(left), math.floor(top), min(math.ceil(right), image.width), min(math.ceil(bottom), image.height)


def _row_of_blocks(image: Image.Image, band: Area, size: int) -> Values:
    """The pixels of a row of blocks. The sums are whole numbers, so a value is the mean, rounded."""
    left, top, right, bottom = band
    sums = np.zeros((right - left, len(image.getbands())), np.uint64)
    for row in range(top, bottom, ROWS):
        pixels = read_values(image, (left, row, right, min(row + ROWS, bottom)))
        sums += weighted_by_alpha(pixels).sum(axis=0, dtype=np.uint64)
    if image.mode == "RGB":
        sums = np.column_stack([sums, np.full(right - left, bottom - top, np.uint64)])
    means = weighted_means(np.add.reduceat(sums, np.arange(0, right - left, size), axis=0))
    row_of_pixels = np.repeat(means, size, axis=0)[: right - left]
    return np.repeat(row_of_pixels[None], bottom - top, axis=0)
