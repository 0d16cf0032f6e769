"""The charts of docs/scale.md: dark on white, to be read on a dark page as well, and the same to the byte."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.scale.arrival_rates import Arrivals
from bench.scale.ceilings import BILLION_A_DAY, Ceiling
from bench.scale.scenarios import Row

matplotlib.rcParams |= {
    "svg.hashsalt": "darkroom",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "path.simplify": True,
    "path.simplify_threshold": 0.5,
}

COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#ccbb44", "#66ccee", "#bbbbbb")
"""Told apart by colour-blind people as well (Paul Tol's bright scheme)."""


@contextmanager
def figure(path: Path, width: float, height: float) -> Iterator[Figure]:
    drawn = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    yield drawn
    drawn.savefig(path, format="svg", metadata={"Date": None})


def timeline(
    path: Path, rows: Sequence[Row], arrivals: Arrivals, service: float, unit: str, unit_seconds: float
) -> None:
    """Messages that wait, and workers, over time; dotted how many workers the arrivals keep busy."""
    until = arrivals.seconds
    with figure(path, 8, 5) as drawn:
        above, below = drawn.subplots(2, 1, sharex=True)
        for colour, row in zip(COLOURS, rows, strict=False):
            points = [point for point in row.outcome.timeline if point[0] <= until]
            times = [at / unit_seconds for at, *_ in points]
            above.plot(times, [waiting for _, waiting, _ in points], color=colour, lw=1.2, label=row.policy)
            below.plot(times, [workers for *_, workers in points], color=colour, lw=1.2)
        grid = [until * n / 300 for n in range(301)]
        needed = [arrivals.rate(at) * service for at in grid]
        below.plot([at / unit_seconds for at in grid], needed, color="#222222", lw=1, ls=":")
        above.set_yscale("symlog", linthresh=10)
        above.set_ylabel("messages that wait")
        below.set_ylabel("workers (dotted: busy ones)")
        below.set_xlabel(unit)
        above.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)


LEAST_SHOWN = 0.5
"""Dollars; parts of the cost below this are one part together."""


def costs(path: Path, requests: Mapping[str, float], compute: Mapping[str, float]) -> None:
    """What a million photos cost: requests, which are the same everywhere, and on top of them the computing."""
    with figure(path, 8, 0.42 * len(compute) + 1.2) as drawn:
        axes: Axes = drawn.subplots()
        names = list(compute)[::-1]
        left = [0.0] * len(names)
        parts = {name: [dollars] * len(names) for name, dollars in requests.items() if dollars >= LEAST_SHOWN}
        parts["other requests"] = [sum(one for one in requests.values() if one < LEAST_SHOWN)] * len(names)
        parts["computing"] = [compute[name] for name in names]
        for colour, (part, dollars) in zip(COLOURS, parts.items(), strict=False):
            axes.barh(names, dollars, left=left, color=colour, label=part, height=0.65)
            left = [start + amount for start, amount in zip(left, dollars, strict=True)]
        for position, total in enumerate(left):
            axes.text(total + 0.5, position, f"${total:.0f}", va="center")
        axes.set_xlabel("US dollars for a million photos")
        axes.set_xlim(0, max(left) * 1.1)
        axes.grid(visible=False, axis="y")
        axes.legend(fontsize=8, frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))


def ceilings(path: Path, limits: Sequence[Ceiling]) -> None:
    """How many photos a second each limit lets through, against a billion a day."""
    shown = [limit for limit in limits if math.isfinite(limit.rate)][::-1]
    colours = {"design": COLOURS[1], "quota": COLOURS[0], "order": COLOURS[3], "fine": COLOURS[2]}
    said = {
        "design": "our design",
        "quota": "a quota that AWS raises",
        "order": "order of a FIFO queue",
        "fine": "beyond a billion a day",
    }
    said = {kind: text for kind, text in said.items() if any(limit.kind == kind for limit in shown)}
    with figure(path, 8, 0.27 * len(shown) + 1.1) as drawn:
        axes: Axes = drawn.subplots()
        names, rates = [limit.what for limit in shown], [limit.rate for limit in shown]
        axes.barh(names, rates, height=0.65, color=[colours[limit.kind] for limit in shown])
        for position, rate in enumerate(rates):
            axes.text(rate * 1.1, position, f"{rate:,.0f}", va="center", fontsize=8)
        axes.axvline(BILLION_A_DAY, color="#222222", lw=1, ls=":")
        axes.text(BILLION_A_DAY * 1.1, len(shown) - 1, "a billion a day", va="center", fontsize=8)
        axes.set_xscale("log")
        axes.set_xlabel("photos a second")
        axes.set_xlim(1, 1e9)
        axes.grid(visible=False, axis="y")
        handles = [Patch(color=colours[kind], label=said[kind]) for kind in said]
        axes.legend(handles=handles, fontsize=8, frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1.02))


def calibration(path: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    """Simulated against real, one point a run."""
    with figure(path, 7, 3) as drawn:
        panels = drawn.subplots(1, 3)
        counts = sorted({run["workers"] for run in runs})
        for axes, (key, title) in zip(
            panels,
            (("makespan", "all done after"), ("mean_wait", "mean wait"), ("p95_wait", "p95 of waits")),
            strict=True,
        ):
            for colour, count in zip(COLOURS, counts, strict=False):
                mine = [run for run in runs if run["workers"] == count]
                axes.scatter(
                    [run["real"][key] for run in mine],
                    [run["simulated"][key] for run in mine],
                    color=colour,
                    s=22,
                    label=f"{count} worker{'s' * (count > 1)}",
                )
            most = 1.1 * max(max(run[kind][key] for kind in ("real", "simulated")) for run in runs)
            axes.plot([0, most], [0, most], color="#222222", lw=0.8, ls=":")
            axes.fill_between([0, most], [0, 0.85 * most], [0, 1.15 * most], color="#eeeeee", lw=0, zorder=0)
            axes.set(title=f"{title}, s", xlabel="real", xlim=(0, most), ylim=(0, most))
        panels[0].set_ylabel("simulated")
        panels[0].legend(fontsize=8, frameon=False, loc="upper left")
