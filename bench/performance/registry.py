"""Every measure, in the order in which they run and are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.performance.bench import Bench
from bench.performance.measures import api, encoders, latency, library, memory, overlap, quality, requests, worker


@dataclass(frozen=True)
class Measure:
    """`measure` returns JSON; `lines` makes a Markdown table of it."""

    described: str
    measure: Callable[[Bench], dict[str, Any]]
    lines: Callable[[Mapping[str, Any]], list[str]]


MEASURES: Mapping[str, Measure] = {
    "worker": Measure("CPU of the worker for one order, beside peers", worker.measure, worker.lines),
    "library": Measure("CPU of pixels alone, in one process", library.measure, library.lines),
    "quality": Measure("SSIM and PSNR of each picture, beside peers", quality.measure, quality.lines),
    "encoders": Measure("CPU, size and quality of each setting of the encoders", encoders.measure, encoders.lines),
    "memory": Measure("Memory of a child process", memory.measure, memory.lines),
    "api": Measure("CPU of the API for one upload, beside a minimal app", api.measure, api.lines),
    "requests": Measure("Requests to AWS for each photo of a backlog", requests.measure, requests.lines),
    "overlap": Measure("Pixels while AWS is waited for", overlap.measure, overlap.lines),
    "latency": Measure("Time from the answer to an upload to its results, when idle", latency.measure, latency.lines),
}
