"""CIEDE2000 and SSIMULACRA2 of results against resizes in floating point, beside sharp."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from bench.fidelity.colour_difference import ciede2000, lab
from bench.fidelity.fidelity_run import OURS, SHARP, FidelityRun, Found, SeenFound, darkroom_results, sharp_result
from bench.fidelity.float_reference import Plane, on_white, resampled
from bench.fidelity.pictures import Picture, pictures, rgba
from bench.performance.tables import head, line

OUTPUTS: Mapping[str, dict[str, Any]] = {
    "png": {},
    "jpeg": {"quality": 80},
    "webp": {"quality": 80},
    "avif": {"quality": 55},
}
"""Format -> its options, which have the same names in sharp."""

SHARP_OUTPUTS: Mapping[str, dict[str, Any]] = {**OUTPUTS, "avif": {"quality": 60}}
"""A quality of AVIF means something else in sharp, which has another tuning: 60 gives files of about the same size."""


@dataclass(frozen=True)
class Kind:
    """An operation: the options of a resize, and the reference of its result. `small_only`: it enlarges."""

    resize: Callable[[Picture], dict[str, Any]]
    reference: Callable[[Picture], Plane]
    small_only: bool = False


def _smaller(picture: Picture) -> tuple[int, int]:
    """400 wide, or 211 wide if it is small."""
    width = 211 if picture.small else 400
    return width, int(picture.size[1] * width / picture.size[0] + 0.5)


def _covered(picture: Picture) -> Plane:
    """The middle square of 200 x 200 of the scaled picture. An odd free pixel is cut at the left or top."""
    shrink = min(picture.size) / 200
    width, height = (int(side / shrink + 0.5) for side in picture.size)
    left, top = (width - 200 + 1) // 2, (height - 200 + 1) // 2
    return resampled(picture.pixels, width, height)[top : top + 200, left : left + 200]


KINDS: Mapping[str, Kind] = {
    "smaller": Kind(
        lambda picture: {"width": _smaller(picture)[0]}, lambda picture: resampled(picture.pixels, *_smaller(picture))
    ),
    "cover 200x200": Kind(lambda _: {"width": 200, "height": 200, "fit": "cover"}, _covered),
    "larger": Kind(
        lambda _: {"width": 700, "height": 525, "fit": "fill"},
        lambda picture: resampled(picture.pixels, 700, 525),
        small_only=True,
    ),
}


def measure(run: FidelityRun) -> Found:
    found: Found = {}
    for picture in pictures(run):
        for kind_name, kind in KINDS.items():
            if kind.small_only and not picture.small:
                continue
            reference = on_white(kind.reference(picture))
            made = _both(run, picture, kind.resize(picture))
            for name, files in made.items():
                for format_, data in files.items():
                    by_picture = found.setdefault(f"{kind_name} {format_}", {}).setdefault(name, {})
                    by_picture[picture.name] = _compared(run, reference, data)
    return {"results": found}


def _both(run: FidelityRun, picture: Picture, resize: dict[str, Any]) -> dict[str, dict[str, bytes]]:
    """Contender -> format -> file."""
    jobs = [{"type": "resize", **resize, "output": {"format": format_, **OUTPUTS[format_]}} for format_ in OUTPUTS]
    ours = darkroom_results(picture.path.read_bytes(), jobs)
    made = {OURS: dict(zip(OUTPUTS, ours, strict=True))}
    if run.sharp is not None:
        out = run.directory / "result"
        made[SHARP] = {}
        for format_, options in SHARP_OUTPUTS.items():
            flatten: list[list[Any]] = [["flatten", {"background": "#ffffff"}]] if format_ == "jpeg" else []
            calls = [["resize", resize], *flatten, [format_, options]]
            made[SHARP][format_] = sharp_result(run.sharp, picture.path, calls, out)
    return made


def _compared(run: FidelityRun, reference: Plane, data: bytes) -> Found:
    result = on_white(rgba(data))
    differences = ciede2000(lab(reference), lab(result))
    found = {"mean": float(differences.mean()), "worst": float(differences.max()), "bytes": len(data)}
    if run.ssimulacra2 is not None:
        paths = {name: str(run.directory / f"{name}.png") for name in ("reference", "picture")}
        for path, pixels in zip(paths.values(), (reference, result), strict=True):
            Image.fromarray(np.round(pixels).astype(np.uint8)).save(path, compress_level=1)
        found["ssimulacra2"] = run.ssimulacra2.ask(paths)["score"]
    return found


def lines(found: SeenFound) -> list[str]:
    table = head(
        "result", "pictures", "contender", "CIEDE2000, mean", "worst picture", "worst pixel",
        "SSIMULACRA2, mean", "worst picture", "KB",
    )  # fmt: skip
    for kind, contenders in found["results"].items():
        for name, by_picture in contenders.items():
            table.append(line(kind, str(len(by_picture)), name, *_cells(list(by_picture.values()))))
    return table


def _cells(pictures: list[SeenFound]) -> list[str]:
    means = [one["mean"] for one in pictures]
    scores = [one["ssimulacra2"] for one in pictures if "ssimulacra2" in one]
    return [
        f"{np.mean(means):.2f}", f"{max(means):.2f}", f"{max(one['worst'] for one in pictures):.1f}",
        *([f"{np.mean(scores):.1f}", f"{min(scores):.1f}"] if scores else ["-", "-"]),
        f"{sum(one['bytes'] for one in pictures) / 1000:.0f}",
    ]  # fmt: skip
