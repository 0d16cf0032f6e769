"""The fonts that Darkroom brings (worker/photo/operations/fonts/).

A child opens no files, so the files are mapped into memory when this module is loaded, before children are forked. The
system reads a page of a font when it is first used, and children share it.

Pillow draws single glyphs. `lines.py` says where: Pillow's own layout knows neither kerning nor text from right to left
without libraries that its wheels do not bring, and results must not depend on what a machine has.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import as_file, files
from typing import Any

from PIL import ImageFont

from worker.photo.operations.overlays.font_tables import FontTables, read_font_tables


@dataclass(frozen=True)
class Typeface:
    """A font file."""

    name: str
    file: mmap.mmap

    @cached_property
    def tables(self) -> FontTables:
        return read_font_tables(self.file)

    def of_size(self, size: float) -> ImageFont.FreeTypeFont:
        """What Pillow draws with. `size` is in pixels."""
        file: Any = self.file
        file.seek(0)
        return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)


def _mapped(name: str) -> Typeface:
    with as_file(files("worker.photo.operations").joinpath("fonts", f"{name}.ttf")) as path, path.open("rb") as file:
        return Typeface(name, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


_OTHERS = {"regular": _mapped("DejaVuSans"), "bold": _mapped("DejaVuSans-Bold")}
"""For characters that the fonts below lack: Arabic, and many symbols."""

_NAMES = {"sans": "LiberationSans", "serif": "LiberationSerif", "mono": "LiberationMono"}
"""They have Latin, Greek, Cyrillic and Hebrew."""

FACES = {
    (font, weight): (_mapped(f"{name}-{weight.title()}"), others)
    for font, name in _NAMES.items()
    for weight, others in _OTHERS.items()
}
"""Font and weight of a text -> the faces that a character is looked for in, the first one first."""
