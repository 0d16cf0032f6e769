"""What Pillow reads differently than the formats say: done before the pixels are loaded, or with the loaded ones."""

from __future__ import annotations

from functools import reduce
from typing import Any

from PIL import Image, ImageChops, ImagePalette
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from darkroom.photo_warnings import PhotoWarning

_COLOUR_MAP, _BITS_PER_SAMPLE, _PLANAR_CONFIGURATION = 320, 258, 284

TRANSPARENCY = "transparency"
"""Pillow's name in `info` of the level or the palette entries that are transparent."""

Transparency = Any


def correct_description(image: ImageFile) -> None:
    """Correct what Pillow has made of the header. Call this before the pixels are loaded."""
    if isinstance(image, TiffImageFile):
        image.info.pop("xmp", None)  # Pillow also obeys the orientation in XMP, other readers do not
        _deepen_planes(image)
        _raise_colour_map(image)


def correct_pixels(
    image: Image.Image, opened: ImageFile, transparency: Transparency
) -> tuple[Image.Image, tuple[PhotoWarning, ...]]:
    """The picture with the right transparency, and what to say of it. `opened` is the file that it was loaded from,
    `transparency` what it said before the pixels were loaded."""
    if isinstance(opened, PngImageFile):
        return image, _late_transparency(image, transparency)
    if isinstance(opened, GifImageFile):
        return _on_canvas(image, opened)
    return image, ()


def _deepen_planes(image: TiffImageFile) -> None:
    """Make Pillow read uncompressed planes of 16 bits: it takes them for 8 bits. It reads compressed ones correctly."""
    planar_configuration = image.tag_v2.get(_PLANAR_CONFIGURATION)
    if planar_configuration == 2 and set(image.tag_v2.get(_BITS_PER_SAMPLE, ())) == {16} and not image.use_load_libtiff:
        depth = ";16B" if image.tag_v2.prefix == b"MM" else ";16L"
        for at, tile in enumerate(image.tile):
            assert isinstance(tile.args, tuple)
            image.tile[at] = tile._replace(args=(tile.args[0] + depth, *tile.args[1:]))


def _raise_colour_map(image: TiffImageFile) -> None:
    """A colour map has values of 16 bits. Some writers leave values of 8 bits in it (libtiff, tif_getimage.c)."""
    values = image.tag_v2.get(_COLOUR_MAP, ())
    if image.mode in {"P", "PA"} and values and max(values) < 256:
        image.palette = ImagePalette.raw("RGB;L", bytes(values))


def _late_transparency(image: Image.Image, transparency: Transparency) -> tuple[PhotoWarning, ...]:
    """A transparency chunk behind the pixels is not valid, and libpng ignores it (W3C PNG, table 7)."""
    if image.info.get(TRANSPARENCY) == transparency:
        return ()
    if transparency is None:
        del image.info[TRANSPARENCY]
    else:
        image.info[TRANSPARENCY] = transparency
    detail = "The transparency chunk (tRNS) of the PNG stands behind its pixels and was ignored."
    return (PhotoWarning("invalid_transparency", detail),)


def _on_canvas(image: Image.Image, opened: GifImageFile) -> tuple[Image.Image, tuple[PhotoWarning, ...]]:
    """A first frame that does not cover the canvas: browsers show nothing around it. Pillow fills it with entry 0."""
    box = opened.dispose_extent
    if box is None or box == (0, 0, *image.size):
        return image, ()
    warning = PhotoWarning(
        "partial_frame", "The first frame of the GIF does not cover its canvas. The rest is transparent."
    )
    if TRANSPARENCY in image.info:
        return image, (warning,)  # Pillow has filled the canvas with the transparent entry
    canvas = Image.new("RGBA", image.size)
    canvas.paste(image.crop(box).convert("RGBA"), box[:2])
    return canvas, (warning,)


def is_deep_and_keyed(image: ImageFile) -> bool:
    """Whether this is a PNG of 16 bits a channel with one transparent colour. Pillow keeps the upper 8 bits only."""
    is_deep = isinstance(image, PngImageFile) and bool(image.tile) and image.tile[0].args == "RGB;16B"
    return is_deep and TRANSPARENCY in image.info


def keyed(upper: Image.Image, again: ImageFile) -> Image.Image:
    """The picture with its transparent colour compared at 16 bits (W3C PNG, 13.16). `again`: the file, opened again."""
    colour = upper.info.pop(TRANSPARENCY)
    again.tile = [tile._replace(args="RGB;16L") for tile in again.tile]  # the second byte of each sample: the lower one
    again.load()
    same = [
        channel.point([255 * (level == wanted) for level in range(256)])
        for picture, shift in ((upper, 8), (again, 0))
        for channel, wanted in zip(picture.split(), (value >> shift & 255 for value in colour), strict=True)
    ]
    result = upper.copy()
    result.putalpha(ImageChops.invert(reduce(ImageChops.darker, same)))
    return result
