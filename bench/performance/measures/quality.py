"""SSIM and PSNR of every picture of the order `mixed`, beside those of the peers at the same JPEG quality."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench.performance.bench import Bench
from bench.performance.contenders import CannotDoIt
from bench.performance.inputs import Photo
from bench.performance.lineup import OURS, lineup
from bench.performance.picture_quality import KINDS, References
from bench.performance.tables import head, line

PHOTOS = ("s7", "oppo", "leica", "progressive", "png")
BESIDE = "sharp"


def measure(bench: Bench) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        contenders = [stack.enter_context(contender) for contender in lineup(bench)]
        found: dict[str, Any] = {}
        for photo in bench.photos(PHOTOS):
            references = References(photo)
            for contender in contenders:
                with contextlib.suppress(CannotDoIt):
                    _add(found, references, photo, contender.name, contender.results(photo, "mixed"))
    return {"pictures": found}


def _add(found: dict[str, Any], references: References, photo: Photo, name: str, results: list[bytes]) -> None:
    for kind, data in zip(KINDS, results, strict=True):
        found.setdefault(f"{photo.name} {kind}", {})[name] = asdict(references.compare(data, kind))


def lines(found: Mapping[str, Any]) -> list[str]:
    names = list(dict.fromkeys(name for pictures in found["pictures"].values() for name in pictures))
    table = head("picture", *(f"{name}: SSIM, PSNR, KB" for name in names), f"{OURS} against {BESIDE}")
    for picture, by_name in found["pictures"].items():
        cells = [_cell(by_name[name]) if name in by_name else "-" for name in names]
        table.append(line(picture, *cells, _difference(by_name)))
    return table


def _cell(one: Mapping[str, Any]) -> str:
    return f"{one['ssim']:.4f}, {one['psnr']:.2f} dB, {one['bytes'] / 1000:.0f}"


def _difference(by_name: Mapping[str, Any]) -> str:
    if BESIDE not in by_name:
        return "-"
    ours, other = by_name[OURS], by_name[BESIDE]
    return f"{ours['ssim'] - other['ssim']:+.4f}, {ours['psnr'] - other['psnr']:+.2f} dB"
