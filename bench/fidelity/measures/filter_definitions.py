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


def _decoded(rgb: Any) -> Any:
    """The light of sRGB (IEC 61966-2-1), 0 to 1."""
    return np.where(rgb <= 0.04045 * 255, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)


def _encoded(light: Any) -> Any:
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.003) ** (1 / 2.4) - 0.055)


def _lighter_shadows(rgb: Any) -> Any:
    return rgb * (1 + 1.2 * (1 - rgb.max(axis=-1, keepdims=True) / 255) ** 3)


def _darker_highlights(rgb: Any) -> Any:
    largest = rgb.max(axis=-1, keepdims=True) / 255
    return rgb * (1 - 1.2 * (1 - largest) * largest**2)


def _tinted(rgb: Any) -> Any:
    """The lightness of the picture, with a* and b* of #a06030 (CIE 15:2004, 8.2.1.1)."""
    of_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    white = of_xyz.sum(axis=1)
    x, y, z = _lab_root(of_xyz @ _decoded(np.array([160.0, 96.0, 48.0])) / white)
    middle = _lab_root(_decoded(rgb.astype(np.float64)) @ of_xyz[1])[..., None]
    weight = 1 - 4 * (1.16 * middle - 0.66) ** 2
    roots = middle + weight * np.array([x - y, 0, z - y])
    xyz = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29)) * white
    return _encoded(np.clip(xyz @ np.linalg.inv(of_xyz).T, 0, 1))


def _lab_root(shares: Any) -> Any:
    return np.where(shares > (6 / 29) ** 3, np.cbrt(shares), shares / (3 * (6 / 29) ** 2) + 4 / 29)


def _vibrant(rgb: Any) -> Any:
    return _luma(rgb) + (1 + 0.6 * (1 - np.ptp(rgb, axis=-1, keepdims=True) / 255)) * (rgb - _luma(rgb))


def _vignette(rgba: Plane) -> Plane:
    y, x = ((2 * np.arange(side) + 1) / side - 1 for side in rgba.shape[:2])
    t = np.clip((np.hypot(y[:, None], x) / 2**0.5 - 0.4) / 0.6, 0, 1)
    return _colours(lambda rgb: rgb * (1 - 0.7 * t**2 * (3 - 2 * t))[..., None])(rgba)


def _box_blurred(rgba: Plane) -> Plane:
    values = np.concatenate([rgba[..., :3].astype(np.float64) * rgba[..., 3:], rgba[..., 3:]], axis=-1)
    for axis in (0, 1):
        padded = np.pad(values, [(4, 4) if at == axis else (0, 0) for at in range(3)], mode="edge")
        values = np.mean([padded.take(range(at, at + values.shape[axis]), axis=axis) for at in range(9)], axis=0)
    return np.concatenate([values[..., :3] / np.maximum(values[..., 3:], 1e-9), values[..., 3:]], axis=-1)


HUE_90 = np.array([[0, 0, 1.0], [0.356, 0.855, -0.211], [-0.574, 1.43, 0.144]])
"""hue-rotate(90deg): W3C Filter Effects Module Level 1."""

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
    "linear, a 0.8, b 30": FilterCase(
        {"filter": "linear", "a": 0.8, "b": 30}, _colours(lambda rgb: 0.8 * rgb + 30), [["linear", 0.8, 30]]
    ),
    "gamma 1.4": FilterCase({"filter": "gamma", "gamma": 1.4}, _colours(lambda rgb: 255 * (rgb / 255) ** (1 / 1.4))),
    "exposure, 0.7 stops": FilterCase(
        {"filter": "exposure", "stops": 0.7}, _colours(lambda rgb: _encoded(_decoded(rgb) * 2**0.7))
    ),
    "levels, 20 to 230": FilterCase(
        {"filter": "levels", "black": 20, "white": 230}, _colours(lambda rgb: (rgb - 20) / 210 * 255)
    ),
    "solarize": FilterCase({"filter": "solarize"}, _colours(lambda rgb: np.where(rgb >= 128, 255 - rgb, rgb))),
    "threshold, each channel": FilterCase(
        {"filter": "threshold", "grayscale": False},
        _colours(lambda rgb: np.where(rgb >= 128, 255, 0)),
        [["threshold", 128, {"greyscale": False}]],
    ),
    "shadows, amount 0.6": FilterCase({"filter": "shadows", "amount": 0.6}, _colours(_lighter_shadows)),
    "highlights, amount -0.6": FilterCase({"filter": "highlights", "amount": -0.6}, _colours(_darker_highlights)),
    "hue, 90 degrees": FilterCase({"filter": "hue", "degrees": 90}, _colours(lambda rgb: rgb @ HUE_90.T)),
    "tint": FilterCase({"filter": "tint", "colour": "#a06030"}, _colours(_tinted), [["tint", "#a06030"]]),
    "duotone": FilterCase(
        {"filter": "duotone", "dark": "#1e2a5a", "light": "#f5d76e"},
        _colours(lambda rgb: np.array([30, 42, 90]) + np.array([215, 173, 20]) * _luma(rgb) / 255),
    ),
    "vibrance, amount 0.6": FilterCase({"filter": "vibrance", "amount": 0.6}, _colours(_vibrant)),
    "vignette, amount 0.7": FilterCase({"filter": "vignette", "amount": 0.7}, _vignette),
    "box-blur, radius 4": FilterCase({"filter": "box-blur", "radius": 4}, _box_blurred),
    "sharpen, amount 0": FilterCase({"filter": "sharpen", "amount": 0}, lambda rgba: rgba),
    "sharpen, sigma 1.5, amount 0.8, threshold 0": FilterCase(
        {"filter": "sharpen", "sigma": 1.5, "amount": 0.8, "threshold": 0}, _sharpened(1.5, 0.8, 0)
    ),
}
"""What is measured."""

IN_UNIT_TESTS = {"auto-contrast", "equalize", "clahe", "curves", "temperature", "look", "lut"} | {
    *("motion-blur", "median", "edge", "emboss", "pixelate", "noise", "grain")
}
"""Filters that are not measured here: the unit tests compare them with slow definitions, or count pixels."""


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
