"""Write on a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from darkroom.jobs.sizes import Size
from darkroom.jobs.steps.overlays.text import Text
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.geometry import GRAVITY
from worker.photo.colour.result_profile import background_colour
from worker.photo.materials import Materials
from worker.photo.operations.overlays.compositing import composite
from worker.photo.operations.overlays.lines import TextLine, layout
from worker.photo.operations.overlays.placeholders import filled
from worker.photo.operations.overlays.placing import exact_pixels, laid_on, pixels
from worker.photo.operations.overlays.typefaces import FACES, Typeface

BLEED = 0.3
"""Space around the lines, as a share of the size, for marks and letters that reach beyond their line."""

Colour = tuple[int, ...]
"""Red, green, blue, and alpha if it is not opaque."""


@dataclass(frozen=True)
class TextBlock:
    """The lines of a text as they stand on a picture, in pixels. `lines` are those that the picture has room for.

    `size` is that of the letters, `step` the distance of base lines. `edge` is what the box and the outline add around
    the lines. `missing` are characters that no font has, `empty` placeholders without a value.
    """

    lines: tuple[TextLine, ...]
    size: float
    ascent: float
    step: float
    width: int
    height: int
    edge: int
    missing: tuple[str, ...]
    empty: tuple[str, ...]
    cut: bool


def text(image: Image.Image, spec: Text, materials: Materials) -> Image.Image:
    """A copy with the text on it. Without any glyph to draw, also without its box."""
    block = text_block(spec, image.size, materials)
    if not any(line.glyphs for line in block.lines):
        return image.copy()
    bleed = math.ceil(BLEED * block.size) + block.edge
    drawn = materials.once("drawn", lambda: _drawn(block, spec, bleed, materials))
    return laid_on(image, drawn, spec, bleed - block.edge)


def text_warnings(spec: Text, size: Size, materials: Materials) -> Iterator[PhotoWarning]:
    """What is missing of the text on a picture of this size."""
    block = text_block(spec, size, materials)
    if block.empty:
        names = ", ".join(f"{{{name}}}" for name in block.empty)
        yield PhotoWarning("placeholder_empty", f"The photo's metadata has no value for {names}: nothing was written.")
    if block.missing:
        codes = ", ".join(f"U+{ord(character):04X}" for character in block.missing[:10])
        more = " and others" if len(block.missing) > 10 else ""
        yield PhotoWarning("glyphs_missing", f"The fonts have no glyph for {codes}{more}: they were left out.")
    if block.cut:
        yield PhotoWarning("text_cut", "The text has more lines than the picture has room for. The last were left out.")


def text_block(spec: Text, picture: Size, materials: Materials) -> TextBlock:
    return materials.prepare(("text", spec, picture), lambda: _text_block(spec, picture, materials))


def _text_block(spec: Text, picture: Size, materials: Materials) -> TextBlock:
    written, empty = filled(spec.text, materials)
    faces = FACES[spec.font, spec.weight]
    size = max(1.0, min(float(exact_pixels(spec.size, picture)), float(max(picture))))
    edge = math.ceil(size * (spec.box_padding if spec.box else spec.stroke_width))
    edge = min(edge, max(picture) // 2)  # more would only make the box larger than the picture
    around = 2 * (pixels(spec.margin, picture) + edge)
    found = layout(written, faces, max(1.0, picture[0] - around) * spec.width / size)
    tables, step = faces[0].tables, spec.line_height * size
    one_line = (tables.ascent + tables.descent) * size
    space = max(picture) if spec.angle else picture[1] - around
    room = 1 + max(0, math.floor((space - one_line) / step + 1e-9))
    lines = found.lines[:room]
    return TextBlock(
        lines=lines,
        size=size,
        ascent=tables.ascent * size,
        step=step,
        width=math.ceil(max(line.width for line in lines) * size),
        height=math.ceil(one_line + (len(lines) - 1) * step),
        edge=edge,
        missing=found.missing,
        empty=empty,
        cut=len(lines) < len(found.lines),
    )


def _drawn(block: TextBlock, spec: Text, bleed: int, materials: Materials) -> Image.Image:
    """The text in RGBA, with `bleed` pixels around its lines."""
    size = block.width + 2 * bleed, block.height + 2 * bleed

    def letters(colour: str, stroke: float) -> Image.Image:
        return _layer(_mask(block, spec, size, bleed, stroke * block.size), colour, materials)

    if not (spec.box or spec.stroke_width):
        return letters(spec.colour, 0)
    drawn = Image.new("RGBA", size)
    if spec.box:
        inset = bleed - block.edge
        drawn.paste(_levels(spec.box, materials), (inset, inset, size[0] - inset, size[1] - inset))
    if spec.stroke_width:
        composite(drawn, letters(spec.stroke_colour, spec.stroke_width), (0, 0))
    composite(drawn, letters(spec.colour, 0), (0, 0))
    return drawn


def _mask(block: TextBlock, spec: Text, size: Size, bleed: int, stroke: float) -> Image.Image:
    """How much of each pixel the letters cover, with an outline of `stroke` pixels."""
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    fonts: dict[Typeface, ImageFont.FreeTypeFont] = {}
    share = _share_before(spec)
    for number, line in enumerate(block.lines):
        left = bleed + share * (block.width - line.width * block.size)
        base = bleed + round(block.ascent + number * block.step)
        for glyph in line.glyphs:
            font = fonts.get(glyph.face) or fonts.setdefault(glyph.face, glyph.face.of_size(block.size))
            at = left + glyph.left * block.size, base
            draw.text(at, glyph.character, 255, font, anchor="ls", stroke_width=stroke)
    return mask


def _share_before(spec: Text) -> float:
    """The share of a line's free space that lies left of it."""
    if spec.align:
        return {"left": 0.0, "centre": 0.5, "right": 1.0}[spec.align]
    return float(GRAVITY[spec.position][0]) if isinstance(spec.position, str) else 0.5


def _layer(mask: Image.Image, colour: str, materials: Materials) -> Image.Image:
    """This colour where the mask is."""
    red, green, blue, alpha = _levels(colour, materials)
    layer = Image.new("RGBA", mask.size, (red, green, blue, 0))
    layer.putalpha(mask if alpha == 255 else mask.point([round(level * alpha / 255) for level in range(256)]))
    return layer


def _levels(colour: str, materials: Materials) -> tuple[int, int, int, int]:
    """A colour of a spec, which is sRGB, in the colours of the picture: red, green, blue and alpha."""
    red, green, blue, *alpha = background_colour(colour, materials.colours, materials.photo.colours)
    return red, green, blue, alpha[0] if alpha else 255
