"""Sizes of results, and the part of the picture that they show, beside sharp."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from bench.fidelity.fidelity_run import OURS, SHARP, FidelityRun, Found, SeenFound, darkroom_results, sharp_result
from bench.fidelity.pictures import rgba
from bench.performance.tables import head, line
from darkroom.jobs.sizes import Size, sizes_of
from darkroom.jobs.steps.resize import Resize
from darkroom.plan.geometry import GRAVITY

PHOTOS = ((1, 1), (1, 300), (300, 1), (7, 5), (32, 200), (200, 32), (101, 67), (333, 1000), (1000, 667), (2017, 13))
WANTED = (1, 2, 3, 33, 99, 100, 150, 255, 333, None)
FITS = ("cover", "contain", "fill", "inside", "outside")
DRAWN = 600
"""For each fit, photos and results up to 1200 pixels, drawn at random: the same ones in each run."""

LARGEST = 4000
"""Results with a longer side are left out: sharp takes long for them."""

PLACES = ((41, 20), (40, 21), (20, 41), (21, 40), (33, 33))
"""Sizes of pictures of which a square of 20 or 33 pixels is cut out, or which are put onto one, unscaled."""

HALVES = "the exact side ends in one half: we round it up; sharp's number is lower by less than a millionth"


def measure(run: FidelityRun) -> Found:
    if run.sharp is None:
        return {"sizes": {}, "places": {}}
    sizes = {fit: {"cases": 0, "equal": 0, "halves": 0, "different": []} for fit in FITS}
    for photo, resize in itertools.islice(_cases(), 0, None, 50 if run.quick else 1):
        ours = sizes_of(photo, Resize.model_validate(resize)).result
        answer = run.sharp.ask({"kind": "size", "width": photo[0], "height": photo[1], "resize": _for_sharp(resize)})
        _count(sizes[resize["fit"]], photo, resize, ours, (answer["width"], answer["height"]))
    return {"sizes": sizes, "places": _places(run)}


def _cases() -> Iterator[tuple[Size, dict[str, Any]]]:
    """A photo's size, and the options of a resize."""
    wanted = [sides for sides in itertools.product(WANTED, WANTED) if any(sides)]
    cases = list(itertools.product(PHOTOS, wanted, FITS, (False, True)))
    chance = random.Random(14)
    for fit in FITS * DRAWN:
        photo, result = ((chance.randint(1, 1200), chance.randint(1, 1200)) for _ in range(2))
        cases.append((photo, result, fit, False))
    for photo, (width, height), fit, keep_small in cases:
        sides = {name: side for name, side in (("width", width), ("height", height)) if side}
        resize = {**sides, "fit": fit, "without_enlargement": keep_small}
        scaled = sizes_of(photo, Resize.model_validate(resize))
        if max(*scaled.scaled, *scaled.result) <= LARGEST:
            yield photo, resize


def _for_sharp(resize: dict[str, Any]) -> dict[str, Any]:
    renamed = dict(resize)
    renamed["withoutEnlargement"] = renamed.pop("without_enlargement")
    return renamed


def _count(
    counts: dict[str, Any],
    photo: Size,
    resize: dict[str, Any],
    ours: Size,
    sharp: Size,
) -> None:
    counts["cases"] += 1
    if ours == sharp:
        counts["equal"] += 1
    elif _is_half(photo, resize, ours, sharp):
        counts["halves"] += 1
    else:
        counts["different"].append({"photo": photo, "resize": resize, OURS: ours, SHARP: sharp})


def _is_half(photo: Size, resize: dict[str, Any], ours: Size, sharp: Size) -> bool:
    """One side is decided by the other, is exactly so many pixels and a half, and we have the higher number."""
    wanted = resize.get("width"), resize.get("height")
    for side, other in ((0, 1), (1, 0)):
        given = wanted[other]
        if given and ours[other] == sharp[other] and ours[side] == sharp[side] + 1:
            return bool(2 * photo[side] * given % (2 * photo[other]) == photo[other])
    return False


def _places(run: FidelityRun) -> Found:
    """Whether pictures that are cut or padded without scaling are pixel for pixel those of sharp."""
    assert run.sharp is not None
    found: Found = {}
    for fit, position in itertools.product(("cover", "contain"), GRAVITY):
        counts = found.setdefault(position, {}).setdefault(fit, {"cases": 0, "equal": 0})
        for size in PLACES[: 1 if run.quick else None]:
            path = run.directory / f"place-{size[0]}x{size[1]}.png"
            _numbered(size).save(path)
            side = min(size) if fit == "cover" else max(size)
            resize = {"width": side, "height": side, "fit": fit, "position": position}
            job = {"type": "resize", **resize, "output": {"format": "png"}}
            [ours] = darkroom_results(path.read_bytes(), [job])
            theirs = sharp_result(run.sharp, path, [["resize", resize], ["png"]], run.directory / "place.png")
            counts["cases"] += 1
            counts["equal"] += bool(np.array_equal(rgba(ours), rgba(theirs)))
    return found


def _numbered(size: Size) -> Image.Image:
    """Each pixel says where it is: red its column, green its row."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    return Image.fromarray(np.stack([columns * 6, rows * 6, np.full_like(rows, 9)], axis=-1).astype(np.uint8))


def lines(found: SeenFound) -> list[str]:
    if not found["sizes"]:
        return ["Not measured: sharp is not installed."]
    table = head("fit", "sizes compared", "equal", "exactly one half", "other differences")
    for fit, counts in found["sizes"].items():
        other = "; ".join(map(_difference, counts["different"][:5])) or "none"
        table.append(line(f"`{fit}`", str(counts["cases"]), str(counts["equal"]), str(counts["halves"]), other))
    places = head("unscaled pictures that are equal pixel for pixel", "`cover`", "`contain`")
    for position, by_fit in found["places"].items():
        cells = [f"{by_fit[fit]['equal']} of {by_fit[fit]['cases']}" for fit in ("cover", "contain")]
        places.append(line(f"`{position}`", *cells))
    return [*table, "", f"*Exactly one half*: {HALVES}.", "", *places]


def _difference(one: SeenFound) -> str:
    asked = ", ".join(f"{key} {value}" for key, value in one["resize"].items() if key != "fit")
    sizes = [f"{name} {one[name][0]}x{one[name][1]}" for name in (OURS, SHARP)]
    return f"{one['photo'][0]}x{one['photo'][1]} to {asked}: {', '.join(sizes)}"
