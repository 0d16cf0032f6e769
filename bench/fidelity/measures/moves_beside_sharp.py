"""Crops, turns, extensions and trims beside sharp: sizes, and pixels where none is computed anew."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image

from bench.fidelity.fidelity_run import OURS, SHARP, FidelityRun, Found, SeenFound, darkroom_results, sharp_result
from bench.fidelity.pictures import rgba
from bench.performance.tables import head, line
from darkroom.jobs.sizes import Size

CASES, QUICK_CASES = 150, 3
"""For each step, drawn at random: the same ones in each run."""

Case = tuple[Image.Image, dict[str, Any], list[list[Any]]]
"""The photo, the step, and the calls of sharp that mean the same."""


def _crop(chance: random.Random) -> Case:
    photo = _numbered(chance)
    left, top = chance.randrange(photo.width), chance.randrange(photo.height)
    size = {"width": chance.randint(1, photo.width - left), "height": chance.randint(1, photo.height - top)}
    part = {"left": left, "top": top, **size}
    return photo, {"type": "crop", **part}, [["extract", part]]


def _rotate(chance: random.Random) -> Case:
    angle = chance.choice((chance.randint(-359, 359), round(chance.uniform(-360, 360), 2)))
    return _numbered(chance), {"type": "rotate", "angle": angle}, [["rotate", angle]]


def _quarter(chance: random.Random) -> Case:
    angle = chance.choice((-270, -180, -90, 0, 90, 180, 270, 360))
    return _numbered(chance), {"type": "rotate", "angle": angle}, [["rotate", angle]]


def _flip(chance: random.Random) -> Case:
    return _numbered(chance), {"type": "flip"}, [["flip"]]


def _flop(chance: random.Random) -> Case:
    return _numbered(chance), {"type": "flop"}, [["flop"]]


def _extend(chance: random.Random) -> Case:
    sides = {side: chance.randint(0, 60) for side in ("top", "right", "bottom", "left")}
    how = chance.choice(("background", "copy", "repeat", "mirror"))
    more = {"background": "#336699"} if how == "background" else {}
    calls = [["extend", {**sides, "extendWith": how, **more}]]
    return _numbered(chance), {"type": "extend", **sides, "extend_with": how, **more}, calls


def _trim(chance: random.Random) -> Case:
    """A noisy rectangle, and a dot, on a plain picture, which may be transparent."""
    size = chance.randint(20, 90), chance.randint(20, 90)
    colour = tuple(chance.randrange(256) for _ in range(3)) + (
        (chance.choice((0, 255)),) if chance.random() < 0.4 else ()
    )
    photo = Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour)
    spread = chance.choice((8, 12, 40, 255))
    for width, height in ((chance.randint(3, size[0]), chance.randint(3, size[1])), (1, 1)):
        noise = np.random.default_rng(chance.randrange(10**6)).integers(
            -spread, spread + 1, (height, width, len(colour))
        )
        part = Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))
        photo.paste(part, (chance.randint(0, size[0] - width), chance.randint(0, size[1] - height)))
    threshold, line_art = chance.choice((0, 5, 10, 50)), chance.random() < 0.3
    calls = [["trim", {"threshold": threshold, "lineArt": line_art}]]
    return photo, {"type": "trim", "threshold": threshold, "line_art": line_art}, calls


STEPS: Mapping[str, Callable[[random.Random], Case]] = {
    "crop": _crop,
    "rotate, multiples of 90": _quarter,
    "rotate, any angle": _rotate,
    "flip": _flip,
    "flop": _flop,
    "extend": _extend,
    "trim": _trim,
}

COMPUTED = "rotate, any angle"
"""Pixels are computed anew, and not in the same way: only sizes are compared."""


def measure(run: FidelityRun) -> Found:
    if run.sharp is None:
        return {"steps": {}}
    found: Found = {}
    for name, make in STEPS.items():
        chance = random.Random(15)
        counts: dict[str, Any] = {"cases": 0, "sizes": 0, "pixels": 0, "different": []}
        for _ in range(QUICK_CASES if run.quick else CASES):
            photo, step, calls = make(chance)
            path = run.directory / "moved.png"
            photo.save(path)
            [ours] = darkroom_results(path.read_bytes(), [{**step, "output": {"format": "png"}}])
            theirs = sharp_result(run.sharp, path, [*calls, ["png"]], run.directory / "moved-by-sharp.png")
            _count(counts, photo.size, step, rgba(ours), rgba(theirs))
        found[name] = counts
    return {"steps": found}


def _numbered(chance: random.Random) -> Image.Image:
    """Each pixel says where it is: red its column, green its row."""
    columns, rows = np.meshgrid(np.arange(chance.randint(1, 80)), np.arange(chance.randint(1, 80)))
    return Image.fromarray(np.stack([columns * 3, rows * 3, np.full_like(rows, 9)], axis=-1).astype(np.uint8))


def _count(counts: dict[str, Any], photo: Size, step: dict[str, Any], ours: Any, theirs: Any) -> None:
    counts["cases"] += 1
    same_size = ours.shape == theirs.shape
    counts["sizes"] += same_size
    counts["pixels"] += same_size and bool(np.array_equal(ours, theirs))
    if not same_size:
        sizes = {OURS: ours.shape[1::-1], SHARP: theirs.shape[1::-1]}
        counts["different"].append({"photo": photo, "step": step, **sizes})


def lines(found: SeenFound) -> list[str]:
    if not found["steps"]:
        return ["Not measured: sharp is not installed."]
    table = head("step", "cases", "sizes that are equal", "pictures that are equal pixel for pixel")
    for name, counts in found["steps"].items():
        pixels = "not compared" if name == COMPUTED else str(counts["pixels"])
        table.append(line(f"`{name}`", str(counts["cases"]), str(counts["sizes"]), pixels))
    return table
