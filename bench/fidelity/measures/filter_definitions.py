"""Every filter against its definition in floating point (docs/filters.md), and sharp's counterparts."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from bench.fidelity.fidelity_run import FidelityRun, Found, SeenFound, darkroom_results, sharp_result
from bench.fidelity.float_reference import Plane, premultiplied
from bench.fidelity.pictures import Picture, made
from bench.performance.tables import head, line

REC709 = np.array([0.2126, 0.7152, 0.0722])
REC601 = np.array([0.299, 0.587, 0.114])
SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
"""W3C Filter Effects Module Level 1, section 13.2."""

Definition = Callable[[Plane], Plane]
"""RGBA that is not premultiplied, 0 to 255 -> the same."""


@dataclass(frozen=True)
class FilterCase:
    """A filter with its parameters, its definition, and the calls of sharp that mean the same."""

    job: dict[str, Any]
    definition: Definition
    sharp: list[list[Any]] | None = None


def _colours(function: Callable[[Any], Any]) -> Definition:
    """A definition for RGB; alpha stays."""
    return lambda rgba: np.concatenate([np.clip(function(rgba[..., :3]), 0, 255), rgba[..., 3:]], axis=-1)


def _luma(rgb: Any, weights: Any = REC709) -> Any:
    return (rgb @ weights)[..., None]


def _posterized(rgb: Any, bits: int) -> Any:
    steps = 2**bits - 1
    return np.floor(rgb * steps / 255 + 0.5) * 255 / steps


def _around_mean(rgba: Plane) -> Plane:
    visible = rgba[..., 3]
    pivot = (_luma(rgba[..., :3])[..., 0] * visible).sum() / visible.sum()
    return _colours(lambda rgb: pivot + 1.5 * (rgb - pivot))(rgba)


def gaussian(values: Any, sigma: float) -> Any:
    """The weighted mean of the pixels up to 6 sigma around. The outermost pixels are repeated beyond the border."""
    radius = int(np.ceil(6 * sigma))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        around = [(radius, radius) if at == axis else (0, 0) for at in range(values.ndim)]
        padded = np.pad(values, around, mode="edge")
        length = values.shape[axis]
        values = sum(weight * padded.take(range(at, at + length), axis=axis) for at, weight in enumerate(weights))
    return values


def _blurred(sigma: float) -> Definition:
    def blur(rgba: Plane) -> Plane:
        alpha = gaussian(rgba[..., 3:].astype(np.float64), sigma)
        colours = gaussian(rgba[..., :3].astype(np.float64) * rgba[..., 3:], sigma) / np.maximum(alpha, 1e-9)
        return np.concatenate([colours, alpha], axis=-1)

    return blur


def _sharpened(sigma: float, amount: float, threshold: float) -> Definition:
    def sharpen(rgba: Plane) -> Plane:
        step = rgba[..., :3] - _blurred(sigma)(rgba)[..., :3]
        return _colours(lambda rgb: rgb + np.where(np.abs(step) >= threshold, amount * step, 0))(rgba)

    return sharpen


CASES: Mapping[str, FilterCase] = {
    "grayscale": FilterCase(
        {"filter": "grayscale"}, _colours(lambda rgb: np.repeat(_luma(rgb), 3, -1)), [["greyscale"]]
    ),
    "grayscale, rec601": FilterCase(
        {"filter": "grayscale", "luma": "rec601"}, _colours(lambda rgb: np.repeat(_luma(rgb, REC601), 3, -1))
    ),
    "sepia": FilterCase({"filter": "sepia"}, _colours(lambda rgb: rgb @ SEPIA.T), [["recomb", SEPIA.tolist()]]),
    "sepia, amount 0.5": FilterCase(
        {"filter": "sepia", "amount": 0.5}, _colours(lambda rgb: (rgb @ SEPIA.T + rgb) / 2)
    ),
    "invert": FilterCase({"filter": "invert"}, _colours(lambda rgb: 255 - rgb), [["negate", {"alpha": False}]]),
    "brightness, amount 1.4": FilterCase(
        {"filter": "brightness", "amount": 1.4}, _colours(lambda rgb: 1.4 * rgb), [["linear", 1.4, 0]]
    ),
    "contrast, amount 1.5": FilterCase(
        {"filter": "contrast", "amount": 1.5},
        _colours(lambda rgb: 127.5 + 1.5 * (rgb - 127.5)),
        [["linear", 1.5, 127.5 * (1 - 1.5)]],
    ),
    "contrast, amount 1.5, mean": FilterCase({"filter": "contrast", "amount": 1.5, "pivot": "mean"}, _around_mean),
    "saturation, amount 1.6": FilterCase(
        {"filter": "saturation", "amount": 1.6}, _colours(lambda rgb: _luma(rgb) + 1.6 * (rgb - _luma(rgb)))
    ),
    **{
        f"posterize, {bits} bits": FilterCase(
            {"filter": "posterize", "bits": bits}, _colours(partial(_posterized, bits=bits))
        )
        for bits in (1, 3, 8)
    },
    **{
        f"blur, sigma {sigma}": FilterCase({"filter": "blur", "sigma": sigma}, _blurred(sigma), [["blur", sigma]])
        for sigma in (0.3, 0.7, 2.0, 5.5, 20.0, 60.0)
    },
    "sharpen, amount 0": FilterCase({"filter": "sharpen", "amount": 0}, lambda rgba: rgba),
    "sharpen, sigma 1.5, amount 0.8, threshold 0": FilterCase(
        {"filter": "sharpen", "sigma": 1.5, "amount": 0.8, "threshold": 0}, _sharpened(1.5, 0.8, 0)
    ),
}
"""What is measured. `auto-contrast` is in the unit tests: its definition is one of counts of pixels."""


def measure(run: FidelityRun) -> Found:
    found: Found = {}
    for picture in made(run)[: 2 if run.quick else None]:
        for name, case in CASES.items():
            reference = premultiplied(case.definition(_straight(picture.path.read_bytes())))
            job = {"type": "filter", **case.job, "output": {"format": "png"}}
            [data] = darkroom_results(picture.path.read_bytes(), [job])
            counts = found.setdefault(name, {})
            _add(counts.setdefault("ours", []), picture, reference, data)
            if case.sharp and run.sharp:
                out = run.directory / "filtered.png"
                data = sharp_result(run.sharp, picture.path, [*case.sharp, ["png"]], out)
                _add(counts.setdefault("sharp", []), picture, reference, data)
    return {"filters": found}


def _straight(data: bytes) -> Plane:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGBA"), np.float32)


def _add(found: list[Found], picture: Picture, reference: Plane, data: bytes) -> None:
    differences = np.abs(premultiplied(_straight(data)) - reference)
    found.append({"picture": picture.name, "mean": float(differences.mean()), "worst": float(differences.max())})


def lines(found: SeenFound) -> list[str]:
    table = head("filter", "mean", "worst", "picture", "sharp, mean", "sharp, worst")
    for name, contenders in found["filters"].items():
        table.append(line(name, *_cells(contenders["ours"], True), *_cells(contenders.get("sharp", []), False)))
    return table


def _cells(pictures: list[SeenFound], with_name: bool) -> list[str]:
    if not pictures:
        return ["-", "-"]
    worst = max(pictures, key=lambda one: one["worst"])
    cells = [f"{np.mean([one['mean'] for one in pictures]):.2f}", f"{worst['worst']:.2f}"]
    return [*cells, worst["picture"]] if with_name else cells
