"""What sharp, imgproxy, Cloudinary and other photo services call things that have another name here."""

from __future__ import annotations

from collections.abc import Collection, Mapping

FOREIGN_NAMES: Mapping[str, tuple[str, ...]] = {
    "angle": ("degrees",),
    "border": ("extend",),
    "clip": ("inside",),
    "colorize": ("tint",),
    "composite": ("watermark",),
    "crop": ("cover",),
    "degrees": ("angle",),
    "extract": ("crop",),
    "gaussian": ("blur",),
    "gravity": ("position",),
    "h": ("height",),
    "max": ("inside",),
    "mirror": ("flop",),
    "monochrome": ("grayscale",),
    "overlay": ("watermark",),
    "pad": ("extend", "contain"),
    "palette": ("colours",),
    "q": ("quality",),
    "ratio": ("aspect",),
    "scale": ("resize", "width"),
    "strategy": ("position",),
    "stretch": ("fill",),
    "thumbnail": ("resize",),
    "w": ("width",),
}
"""A foreign name -> the names that it may have here. They are suggested; a request that uses a foreign name is refused.

The aliases of specs are other spellings of the same word: those are accepted.
"""


def name_here(foreign: str, known: Collection[str]) -> str | None:
    """Which of the names that are known at this place the foreign one stands for."""
    return next((name for name in FOREIGN_NAMES.get(foreign, ()) if name in known), None)
