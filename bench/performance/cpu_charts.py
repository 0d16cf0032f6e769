"""The charts of docs/performance.md, in the form of those of docs/scale.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import mean, median
from typing import Any

from matplotlib.axes import Axes

from bench.performance.inputs import SOURCES
from bench.scale.charts import COLOURS, figure

Colours = Mapping[str, str]


def colours(names: list[str]) -> dict[str, str]:
    return dict(zip(names, COLOURS, strict=False))


def cpu(path: Path, found: Mapping[str, Mapping[str, list[float]]], used: Colours) -> None:
    """CPU of an order for each photo and contender: medians, with the range over the rounds."""
    orders = {what: by_name for what, by_name in found.items() if what.endswith(" mixed")}
    names = [name for name in used if any(by_name.get(name) for by_name in orders.values())]
    height = 0.8 / len(names)
    with figure(path, 8, 0.25 * len(names) * len(orders) + 1) as drawn:
        axes: Axes = drawn.subplots()
        for place, name in enumerate(names):
            shown = [(row, by_name[name]) for row, by_name in enumerate(orders.values()) if by_name.get(name)]
            rows = [row + (place - (len(names) - 1) / 2) * height for row, _ in shown]
            middles = [1000 * median(values) for _, values in shown]
            below = [middle - 1000 * min(values) for middle, (_, values) in zip(middles, shown, strict=True)]
            above = [1000 * max(values) - middle for middle, (_, values) in zip(middles, shown, strict=True)]
            axes.barh(rows, middles, height=height, color=used[name], label=name, xerr=(below, above), ecolor="#222222")
        axes.set_yticks(range(len(orders)), [SOURCES[what.partition(" ")[0]].described for what in orders])
        axes.invert_yaxis()
        axes.set_xlabel("ms of CPU for one order")
        axes.grid(visible=False, axis="y")
        axes.legend(fontsize=8, frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))


def quality(
    path: Path, cpu_found: Mapping[str, Mapping[str, list[float]]], pictures: Mapping[str, Any], used: Colours
) -> None:
    """One point for each photo and contender: the mean PSNR of its pictures over the CPU of the order."""
    with figure(path, 8, 4) as drawn:
        axes: Axes = drawn.subplots()
        for name, colour in used.items():
            points = [
                (1000 * median(by_name[name]), psnr, what.partition(" ")[0])
                for what, by_name in cpu_found.items()
                if by_name.get(name) and (psnr := _mean_psnr(pictures, what.partition(" ")[0], name)) is not None
            ]
            if points:
                across, up, _ = zip(*points, strict=True)
                axes.scatter(across, up, color=colour, s=26, label=name)
                for at, height, label in points:
                    axes.annotate(label, (at, height), xytext=(4, 3), textcoords="offset points", fontsize=7)
        axes.set_xlabel("ms of CPU for one order")
        axes.set_ylabel("mean PSNR of its pictures, dB")
        axes.set_xlim(left=0)
        axes.legend(fontsize=8, frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))


def _mean_psnr(pictures: Mapping[str, Any], photo: str, name: str) -> float | None:
    """Without the sepia picture: thumbor makes another one."""
    found = [
        by_name[name]["psnr"]
        for what, by_name in pictures.items()
        if what.startswith(f"{photo} ") and not what.endswith("sepia") and name in by_name
    ]
    return mean(found) if found else None
