"""What Darkroom is to reach, and whether the measured figures do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.performance.lineup import BEFORE, OURS
from bench.performance.measures import library, memory, overlap, requests
from bench.performance.spread import Spread
from bench.performance.tables import head, line

Found = Mapping[str, Any]
"""Measure -> what it found. Without its measure, its photo or its peer, a goal is not measured."""


@dataclass(frozen=True)
class Goal:
    """`value` returns None when it was not measured. `most`: the value must not exceed the limit; otherwise it must not
    be below. `form` formats a value."""

    what: str
    limit: float
    value: Callable[[Found], Spread | float | None]
    form: str = ".2f"
    most: bool = True

    def row(self, found: Found) -> str:
        limit = f"{'<=' if self.most else '>='} {self.limit:{self.form}}"
        value = self.value(found)
        if value is None:
            return line(self.what, limit, "not measured", "-")
        middle = value.median if isinstance(value, Spread) else value
        reached = middle <= self.limit if self.most else middle >= self.limit
        return line(self.what, limit, f"{value:{self.form}}", "yes" if reached else "**no**")


def _cpu_ratio(measure: str, what: str, ours: str, other: str) -> Callable[[Found], Spread | None]:
    def value(found: Found) -> Spread | None:
        cpu = found.get(measure, {}).get("cpu", {}).get(what, {})
        return Spread.of_ratios(cpu[ours], cpu[other]) if cpu.get(ours) and cpu.get(other) else None

    return value


def _worker(what: str, other: str) -> Callable[[Found], Spread | None]:
    return _cpu_ratio("worker", what, OURS, other)


def _milliseconds(found: Found) -> Spread | None:
    values = found.get("worker", {}).get("cpu", {}).get("small web", {}).get(OURS)
    return Spread.of([1000 * value for value in values]) if values else None


def _worst_quality(key: str) -> Callable[[Found], float | None]:
    """Of all pictures: Darkroom's figure minus sharp's, where it is lowest."""

    def value(found: Found) -> float | None:
        pictures = found.get("quality", {}).get("pictures", {}).values()
        return min((one[OURS][key] - one["sharp"][key] for one in pictures if "sharp" in one), default=None)

    return value


def _of(measure: str, value: Callable[[Mapping[str, Any]], Any]) -> Callable[[Found], Any]:
    return lambda found: value(found[measure]) if measure in found else None


def _requests(service: str, *parts: str) -> Callable[[Found], Any]:
    return _of("requests", lambda one: requests.by_service(one, *parts)[service])


def _peak(photo: str) -> Callable[[Found], Spread | None]:
    def value(found: Found) -> Spread | None:
        values = found.get("memory", {}).get("peak_mb", {}).get(photo)
        return Spread.of(values) if values else None

    return value


def _growth(found: Mapping[str, Any]) -> float | None:
    if found["growth"]["orders"] < memory.ORDERS_OF_ONE_CHILD:
        return None
    before, after = (found["growth"][end]["median"] for end in ("before_mb", "after_mb"))
    return float(after / before - 1)


GOALS = (
    Goal("worker CPU for an order, S7 / bare Pillow", 0.80, _worker("s7 mixed", "bare Pillow")),
    Goal("the same / pyvips", 0.38, _worker("s7 mixed", "pyvips")),
    Goal("the same / sharp", 0.33, _worker("s7 mixed", "sharp")),
    Goal("the same / thumbor's five requests", 0.25, _worker("s7 mixed", "thumbor")),
    *(
        Goal(f"worker CPU for an order, {label} / pyvips", 0.65, _worker(f"{name} mixed", "pyvips"))
        for name, label in {"oppo": "Oppo", "leica": "Leica", "progressive": "progressive", "png": "PNG"}.items()
    ),
    Goal("worker CPU for an order, HEIC / before", 0.45, _worker("heic mixed", BEFORE)),
    Goal("one picture of 800 pixels, pixels alone / pyvips", 1.25,
         _cpu_ratio("library", "s7 width800", library.LIBRARY, "pyvips")),
    Goal("one sepia picture of full size / bare Pillow", 1.15,
         _cpu_ratio("library", "s7 sepia", library.WORKER, "bare Pillow")),
    Goal("640x480, preset web, ms of worker CPU", 30, _milliseconds, ".0f"),
    Goal("640x480, preset web / before", 0.5, _worker("small web", BEFORE)),
    Goal("SSIM, least of Darkroom - sharp", -0.002, _worst_quality("ssim"), ".4f", most=False),
    Goal("PSNR, least of Darkroom - sharp, dB", -0.3, _worst_quality("psnr"), most=False),
    *(
        Goal(f"peak memory of a child, {label}, MB", limit, _peak(photo), ".0f")
        for photo, label, limit in (("s7", "12 MP", 80), ("mp50", "50 MP", 80), ("mp100", "100 MP", 100))
    ),
    Goal("growth of a child's memory over thousands of orders", 0.05, _of("memory", _growth), ".1%"),
    Goal("orders a second on two CPUs / one, as measured: the emulator and the API run on them, too", 1.9,
         _of("overlap", lambda one: overlap.speed_up(one["near"])), most=False),
    Goal("the same for two children / one, each with a share of CPU time that it does not have to give away", 1.9,
         _of("overlap", lambda one: overlap.speed_up(one["shared"])), most=False),
    Goal("busy share of one CPU between the ends of a backlog, 30 ms added to each call of AWS", 0.95,
         _of("overlap", lambda one: overlap.busy(one["far"], 1, "steady_")), ".0%", most=False),
    Goal("SQS requests for each photo, API and worker", 1.5, _requests("sqs", "api", "worker")),
    Goal("SQS requests for each photo, worker", 0.5, _requests("sqs", "worker")),
    Goal("S3 requests for each photo, beyond its pictures", 2,
         _of("requests", lambda one: requests.by_service(one, "api", "worker")["s3"] - one["pictures"])),
    Goal("DynamoDB requests for each photo", 4, _requests("dynamodb", "api", "worker")),
    Goal("API CPU for a raw upload / minimal app", 1.15, _cpu_ratio("api", "raw", OURS, "minimal Flask")),
    Goal("API CPU for a multipart upload / minimal app", 1.4, _cpu_ratio("api", "multipart", OURS, "minimal Flask")),
    Goal("idle: upload answered to published / the child's own steps", 1.25,
         _of("latency", lambda one: Spread.of(one["ratio"]))),
)  # fmt: skip


def lines(found: Found) -> list[str]:
    """A table of all goals, also of those that were not measured."""
    return [*head("what", "goal", "measured (range)", "reached"), *(goal.row(found) for goal in GOALS)]
