"""What the gallery shows: for each picture a photo and a job."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from darkroom.jobs.step_types import FILTERS
from darkroom.jobs.steps.filters.looks import LookName
from darkroom.settings import PROJECT

FOLDER = PROJECT / "docs" / "gallery"
PHOTOS = FOLDER / "photos"

LOGO, LUT = "logo.png", "warm.cube"


@dataclass(frozen=True)
class Example:
    """One picture. `photo` is a file of docs/gallery/photos, `job` is as in a request."""

    title: str
    job: Mapping[str, Any]
    photo: str = "stones.jpg"

    @property
    def file(self) -> str:
        """The name of its picture, without extension."""
        return re.sub("[^a-z0-9]+", "-", self.title.lower().replace(" -", " minus ")).strip("-")


def asset_files() -> dict[str, Path]:
    """Every asset of the gallery: its id -> its file."""
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in PHOTOS.iterdir()}


def asset_id(name: str) -> str:
    return hashlib.sha256((PHOTOS / name).read_bytes()).hexdigest()


SHOWN: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "blur": ({"sigma": 4},),
    "contrast": ({"amount": 1.6},),
    "brightness": ({"amount": 1.4},),
    "saturation": ({"amount": 2}, {"amount": 0.3}),
    "posterize": ({"bits": 2},),
    "exposure": ({"stops": 1}, {"stops": -1}),
    "gamma": ({"gamma": 1.8},),
    "hue": ({"degrees": 90}, {"degrees": 180}),
    "clahe": ({"width": 100, "height": 100},),
    "temperature": ({"amount": 0.8}, {"amount": -0.8}),
    "vibrance": ({"amount": 1},),
    "median": ({"size": 7},),
    "pixelate": (
        {"size": 10},
        {"size": 8, "boxes": [{"left": 0.05, "top": 0.02, "width": 0.45, "height": 0.22}]},
        {"faces": True},
    ),
    "noise": ({"sigma": 20},),
    "grain": ({"amount": 0.8, "size": 2},),
    "vignette": ({"amount": 1},),
    "look": tuple({"look": look} for look in get_args(LookName)),
    "lut": ({"asset": asset_id(LUT)},),
}
"""Filter -> its parameters in the gallery. The others are shown with the example of their spec."""

ON = {"pixelate": "cook.jpg", "look": "waterfall.jpg", "shadows": "cook.jpg", "highlights": "cook.jpg"}
"""Filter -> the photo on which it shows best, if that is not the usual one."""


def filters() -> Iterator[Example]:
    for name, spec in FILTERS.items():
        parameters = {key: value for key, value in spec.example.items() if key not in ("type", "filter")}
        for shown in SHOWN.get(name, (parameters,)):
            job = {"type": "filter", "filter": name, **shown}
            yield Example(_title(name, shown), job, ON.get(name, "stones.jpg"))


def _title(name: str, parameters: Mapping[str, Any]) -> str:
    if name == "lut":
        return "lut, a .cube file"
    if name == "look":
        return f"look, {parameters['look']}"
    lists = [key for key, value in parameters.items() if isinstance(value, list | bool)]
    said = [f"{key} {value}" for key, value in parameters.items() if key not in lists]
    return ", ".join([name, *said, *lists])


def resizes() -> Iterator[Example]:
    for fit in ("cover", "contain", "fill", "inside", "outside"):
        yield Example(f"resize, {fit}", {"type": "resize", "width": 240, "height": 240, "fit": fit})
    for position in ("north", "entropy", "attention", "face"):
        job = {"type": "resize", "width": 260, "height": 130, "position": position}
        yield Example(f"resize, cover, {position}", job, "cook.jpg")


def moves() -> Iterator[Example]:
    small = {"type": "resize", "width": 240}
    part = {"type": "crop", "left": 0.4, "top": 0, "width": 0.5, "height": 0.8, "unit": "share"}
    square = {"type": "crop", "aspect": "1:1", "position": {"x": 0.62, "y": 0.4}}
    clear = {"output": {"format": "webp"}}
    yield Example("crop, a share", part, "cat.jpg")
    yield Example("crop, aspect 16:9", {"type": "crop", "aspect": "16:9", "position": "north"}, "waterfall.jpg")
    yield Example("rotate 90", {"type": "rotate", "angle": 90}, "cook.jpg")
    yield Example("rotate 12.5", {"type": "rotate", "angle": 12.5, "background": "#336699"}, "cook.jpg")
    turned = {
        "type": "pipeline",
        "steps": [small, {"type": "rotate", "angle": -8, "background": "transparent"}],
        **clear,
    }
    yield Example("rotate -8, transparent", turned, "cat.jpg")
    yield Example("flip", {"type": "flip"}, "cook.jpg")
    yield Example("flop", {"type": "flop"}, "cook.jpg")
    frame = {"type": "extend", "top": 30, "right": 30, "bottom": 60, "left": 30, "background": "#f4ecd8"}
    yield Example("extend, background", {"type": "pipeline", "steps": [small, frame]})
    for how in ("mirror", "copy", "repeat"):
        around = {"type": "extend", "top": 60, "right": 60, "bottom": 60, "left": 60, "extend_with": how}
        yield Example(f"extend, {how}", {"type": "pipeline", "steps": [{"type": "resize", "width": 180}, around]})
    trimmed = {"type": "pipeline", "steps": [small, frame, {"type": "trim", "margin": 5}]}
    yield Example("trim, a frame but for 5 pixels", trimmed)
    yield Example("round", {"type": "pipeline", "steps": [small, {"type": "round", "radius": 30}], **clear}, "cook.jpg")
    circle = {
        "type": "pipeline",
        "steps": [square, {"type": "resize", "width": 200}, {"type": "round", "circle": True}],
    }
    yield Example("round, circle", {**circle, **clear}, "cat.jpg")


def watermarks() -> Iterator[Example]:
    logo = {"type": "watermark", "image": asset_id(LOGO)}
    yield Example("watermark", {**logo, "scale": 0.4}, "waterfall.jpg")
    yield Example("watermark, tiled", {**logo, "scale": 0.3, "opacity": 0.35, "tile": True, "angle": -30}, "cat.jpg")
    cut = {**logo, "scale": 0.7, "position": "centre", "blend": "dest-out"}
    yield Example("watermark, cut out", {**cut, "output": {"format": "webp", "background": "#ffffff"}}, "cat.jpg")
    for blend in ("soft-light", "difference"):
        job = {**logo, "scale": 0.9, "position": "centre", "blend": blend}
        yield Example(f"watermark, {blend}", job, "waterfall.jpg")


def texts() -> Iterator[Example]:
    yield Example("text", {"type": "text", "text": "{camera}, {date}", "colour": "#ffcc00", "size": 0.06}, "cat.jpg")
    yield Example(
        "text, box",
        {"type": "text", "text": "Cairn\nabove the tree line", "box": "#000000a0", "position": "south", "size": 0.07},
    )
    yield Example(
        "text, outline",
        {"type": "text", "text": "Waterfall", "font": "serif", "weight": "bold", "size": 0.25, "stroke_width": 0.05,
         "colour": "#ffffffc0", "position": "centre", "blend": "overlay"},
        "waterfall.jpg",
    )  # fmt: skip
    yield Example(
        "text, mono, placeholders",
        {"type": "text", "text": "{camera}\n{date}  {time}", "font": "mono", "size": 0.05,
         "box": "#102030c0", "box_padding": 0.8, "position": "southwest", "margin": 0, "line_height": 1.4},
        "cat.jpg",
    )  # fmt: skip
    yield Example(
        "text, tiled",
        {"type": "text", "text": "PROOF", "weight": "bold", "size": 0.1, "opacity": 0.4, "angle": -30, "tile": True,
         "spacing": 0.1},
        "cook.jpg",
    )  # fmt: skip
    yield Example(
        "text, wrapped",
        {"type": "text", "text": "Lines break between words where the width ends, and are centred in their box.",
         "font": "serif", "size": 0.075, "width": 0.45, "align": "centre", "box": "#ffffffb0", "colour": "#202020",
         "position": {"x": 0.25, "y": 0.4}},
        "waterfall.jpg",
    )  # fmt: skip
    for language, words in (
        ("Arabic", "شلال سيليالاندسفوس ٢٠٢٤"),
        ("Hebrew", "מפל סליאלנדספוס 2024"),
        ("Greek", "Καταρράκτης"),
    ):
        job = {"type": "text", "text": words, "size": 0.1, "position": "north", "stroke_width": 0.08}
        yield Example(f"text, {language}", job, "waterfall.jpg")


def animations() -> Iterator[Example]:
    small = {"type": "resize", "width": 160}
    for format_ in ("gif", "webp", "avif"):
        job = {"frames": "all", **small, "output": {"format": format_}}
        yield Example(f"frames, all, {format_}", job, "pan.webp")
    steps = [
        {"type": "resize", "width": 140, "height": 140},
        {"type": "filter", "filter": "sepia"},
        {"type": "watermark", "image": asset_id(LOGO), "scale": 0.4},
        {"type": "round", "circle": True},
    ]
    every = {"type": "pipeline", "frames": "all", "steps": steps, "output": {"format": "webp"}}
    yield Example("frames, all, every step on each", every, "pan.webp")
    yield Example("frames, the first 4", {"frames": 4, **small, "output": {"format": "png"}}, "pan.webp")


def formats() -> Iterator[Example]:
    small = {"type": "resize", "width": 240}
    outputs: Mapping[str, Mapping[str, Any]] = {
        "jpeg": {"format": "jpeg"},
        "jpeg, quality 30": {"format": "jpeg", "quality": 30},
        "jpeg, quality auto": {"format": "jpeg", "quality": "auto"},
        "jpeg, max_bytes 4000": {"format": "jpeg", "max_bytes": 4000},
        "webp, max_bytes 4000": {"format": "webp", "max_bytes": 4000},
        "webp, lossless": {"format": "webp", "lossless": True},
        "avif": {"format": "avif"},
        "png": {"format": "png"},
        "png, 8 colours": {"format": "png", "colours": 8},
        "png, 8 colours, not dithered": {"format": "png", "colours": 8, "dither": False},
        "gif": {"format": "gif"},
        "the smallest format": {"format": "auto"},
    }
    for title, output in outputs.items():
        yield Example(f"output, {title}", {**small, "output": output}, "waterfall.jpg")


SECTIONS: Mapping[str, tuple[Example, ...]] = {
    "Sizes and crops": tuple(resizes()),
    "Moves": tuple(moves()),
    "Filters": tuple(filters()),
    "Watermarks": tuple(watermarks()),
    "Text": tuple(texts()),
    "Formats": tuple(formats()),
    "Animations": tuple(animations()),
}
"""Heading -> examples."""
