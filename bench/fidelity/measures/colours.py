"""Pictures in other colour spaces against the formulas of their standards, beside sharp."""

from __future__ import annotations

import numpy as np

from bench.fidelity.colour_difference import ciede2000, lab
from bench.fidelity.fidelity_run import OURS, SHARP, FidelityRun, Found, SeenFound, darkroom_results, sharp_result
from bench.fidelity.pictures import rgba
from bench.fidelity.wide_pictures import PICTURES, Levels
from bench.performance.tables import head, line


def measure(run: FidelityRun) -> Found:
    found: Found = {}
    for name, make in PICTURES.items():
        picture = make()
        job = {"type": "resize", "width": picture.expected.shape[1], "output": {"format": "png"}}
        [data] = darkroom_results(picture.file, [job])
        found[name] = {OURS: _compared(data, picture.expected)}
        if run.sharp is not None:
            path = run.directory / "wide.png"
            path.write_bytes(picture.file)
            data = sharp_result(run.sharp, path, [["png"]], run.directory / "wide-result.png")
            found[name][SHARP] = _compared(data, picture.expected)
    return {"colours": found}


def _compared(data: bytes, expected: Levels) -> Found:
    differences = ciede2000(lab(rgba(data)[..., :3]), lab(expected))
    levels = np.abs(rgba(data)[..., :3] - expected)
    return {
        "mean": float(differences.mean()), "worst": float(differences.max()),
        "levels_mean": float(levels.mean()), "levels_worst": float(levels.max()),
    }  # fmt: skip


def lines(found: SeenFound) -> list[str]:
    table = head("picture", "contender", "CIEDE2000, mean", "worst", "levels of 255, mean", "worst")
    for picture, contenders in found["colours"].items():
        for name, one in contenders.items():
            values = (one["mean"], one["worst"], one["levels_mean"], one["levels_worst"])
            table.append(line(picture, name, *(f"{value:.2f}" for value in values)))
    return table
