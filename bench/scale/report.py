"""docs/scale.md: bench/scale/document.md filled with what was measured and simulated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.scale import charts
from bench.scale.ceilings import BILLION_A_DAY, Ceiling, Load, find_ceilings
from bench.scale.prices import MILLION, Prices
from bench.scale.scenarios import BATCH, MIX, UTILIZATION, Row, World, all_arrivals, simulate, simulate_memories
from bench.scale.simulated_queue import PREFETCH
from darkroom.aws.items import SHARDS
from darkroom.aws.queue import BATCH as QUEUE_BATCH
from darkroom.aws.sweep_turns import GROUPS
from darkroom.aws.table import WHOLE_INDEX
from worker.announcer import WAIT

PICTURES = 3
"""Pictures of the `web` preset. To store them and the original in S3 takes one write more than that."""

INDEX_ENTRY = 80
"""Bytes of a photo in the index `due`."""

READ_UNIT = 4096
"""Bytes that a read unit reads; two times as many if the read is eventually consistent."""

MINUTES_A_MONTH = 60 * 24 * 30

TEMPLATE = Path(__file__).parent / "document.md"
KEYS = {"makespan": "all done after", "mean_wait": "mean wait", "p95_wait": "p95 of waits"}
MACHINES = {"Fargate x86": "Fargate x86", "Fargate arm": "Fargate ARM", "EC2 x86": "EC2 x86", "EC2 arm": "EC2 ARM"}


def write(
    document: Path,
    folder: Path,
    measured: Mapping[str, Any],
    calibrations: Sequence[Mapping[str, Any]],
    prices: Prices,
    told: Callable[[str], None],
) -> None:
    world = World(measured, prices)
    arrivals = {one.name: one for one in all_arrivals()}
    rows = {name: simulate(world, one, told) for name, one in arrivals.items()}
    memories = simulate_memories(world, arrivals["day"], told)
    requests = _requests(measured["calls"], prices)
    ceilings = find_ceilings(
        Load(measured["calls"]["calls"], measured["calls"]["units"], world.cpu, world.seconds, PREFETCH, BATCH)
    )
    compute = _compute(rows["day"], memories)
    charts.costs(folder / "cost.svg", requests, compute)
    charts.ceilings(folder / "limits.svg", ceilings)
    charts.calibration(folder / "calibration.svg", calibrations[0]["runs"])
    for name, unit, seconds in (("burst", "minutes", 60.0), ("day", "hours", 3600.0)):
        without = ("fixed", "Lambda: at most 10,") if name == "burst" else ("fixed", "Lambda")
        shown = [row for row in rows[name] if not row.policy.startswith(without)]
        charts.timeline(folder / f"{name}.svg", shown, arrivals[name], world.cpu, unit, seconds)
    text = TEMPLATE.read_text().format_map(
        _answer(world, rows["burst"], requests, compute, ceilings)
        | _simulated(rows, memories)
        | {name: one.described for name, one in arrivals.items()}
        | _asked(measured, requests, prices)
        | {"limits_table": "\n".join(_limit_lines(ceilings))}
        | {"calibrations": "\n\n".join(map(_calibration, calibrations))}
        | {"calibrated": calibrations[0]["versions"]["date"]}
        | {"worst": f"{max(abs(error) for found in calibrations for error in _errors(found)):.0%}"}
        | _inputs(world)
    )
    document.write_text(text)


def policy_lines(rows: Iterable[Row]) -> list[str]:
    lines = _head(
        "policy", "wait p50", "p95 (over seeds)", "p99", "over 5 min", "most workers", "worker hours", "Fargate x86",
        "Fargate ARM", "EC2 x86", "EC2 ARM", "Lambda x86", "Lambda ARM",
    )  # fmt: skip
    for row in rows:
        low, high = row.p95_spread
        spread = f" ({_seconds(low)} to {_seconds(high)})" if high - low >= 0.1 else ""
        money = [
            f"{row.dollars[name]:.2f}" if name in row.dollars else ""
            for name in (*MACHINES, "Lambda x86", "Lambda arm")
        ]
        times = [_seconds(row.p50), _seconds(row.p95) + spread, _seconds(row.p99)]
        lines.append(_line(row.policy, *times, f"{row.late:.0%}", str(row.peak), f"{row.hours:,.0f}", *money))
    return lines


def calibration_lines(found: Mapping[str, Any]) -> list[str]:
    """Medians over the repetitions, real and simulated, and the error with its range."""
    lines = _head("workers", "what", "real (range)", "simulated", "error (range over runs)")
    for workers in sorted({run["workers"] for run in found["runs"]}):
        mine = [run for run in found["runs"] if run["workers"] == workers]
        for key, name in KEYS.items():
            real, simulated = ([run[kind][key] for run in mine] for kind in ("real", "simulated"))
            errors = _relative(mine, key)
            lines.append(
                _line(
                    str(workers),
                    name,
                    f"{median(real):.1f} s ({min(real):.1f} to {max(real):.1f})",
                    f"{median(simulated):.1f} s",
                    f"{median(errors):+.0%} ({min(errors):+.0%} to {max(errors):+.0%})",
                )
            )
    return lines


def _answer(
    world: World,
    burst: Sequence[Row],
    requests: Mapping[str, float],
    compute: Mapping[str, float],
    ceilings: Sequence[Ceiling],
) -> dict[str, str]:
    total = sum(requests.values())
    own = world.prices.requests({"s3 PutObject": PICTURES + 1}, {})["S3 writes"]
    low, high = min(compute.values()), max(compute.values())
    waits = {
        name: _seconds(next(row.p95 for row in burst if part in row.policy))
        for name, part in {"burst_lambda": "1000,", "burst_ecs": "s of backlog", "burst_keda": "KEDA"}.items()
    }
    return waits | {
        "ours": _ours(ceilings),
        "region": world.prices.table["region"],
        "as_of": world.prices.table["as_of"],
        "total_low": f"{total + low:.0f}",
        "total_high": f"{total + high:.0f}",
        "own_writes": f"{own:.0f}",
        "above_low": f"{total - own + low:.0f}",
        "above_high": f"{total - own + high:.0f}",
        "above_requests": f"{total - own:.2f}",
        "compute_low": f"{low:.1f}",
        "compute_high": f"{high:.1f}",
        "per_worker": f"{1 / world.cpu:.1f}",
        "cpu": f"{world.cpu:.2f}",
        "idle": f"{world.seconds - world.cpu:.2f}",
        "workers_a_million": f"{MILLION / 86_400 * world.cpu / UTILIZATION:.1f}",
        "workers_a_billion": f"{BILLION_A_DAY * world.cpu / UTILIZATION:,.0f}",
        "billion": f"{BILLION_A_DAY:,.0f}",
        "utilization": f"{UTILIZATION:.0%}",
        "most": str(max(row.peak for row in burst if row.policy.startswith(("ECS", "KEDA")))),
        "sweeps": str(2 * SHARDS),
        "sweep_month": f"{sweep_dollars(world.prices):.2f}",
        "sweep_worker_month": f"{sweep_dollars_of_a_worker(world.prices):.4f}",
        "slow_events": f"{_slow_events(world):.2f}",
        "waiting_check": f"{_check_dollars(world):.2f}",
        "ten": f"{10 / world.seconds:.0f}",
    }


def _ours(ceilings: Sequence[Ceiling]) -> str:
    """A sentence about the limits that our own design sets."""
    below = [limit for limit in ceilings if limit.kind == "design"]
    if not below:
        return "None of the limits below a billion a day is one of our own design."
    listed = ", ".join(f"{limit.what} ({limit.rate:,.0f} photos a second)" for limit in below)
    return f"Of our own design are: {listed}."


def _requests(counted: Mapping[str, Any], prices: Prices) -> dict[str, float]:
    """Dollars for a million photos, whatever the workers run on."""
    found = prices.requests(counted["calls"], counted["units"])
    found["Logs"] = prices.logs(counted["log_bytes"])
    found["CPU of the API, on Fargate"] = MILLION * counted["upload_cpu"] / 3600 * prices.fargate_hour("x86")
    return found


def sweep_dollars(prices: Prices) -> float:
    """Dollars a month for the looks of all workers together, two a minute at the whole index and at all groups.

    Each has a turn, which is a write. A look at the whole index reads WHOLE_INDEX entries, and a query half a unit. Not
    counted: more pages of a shard with much to repair, and writes of turns that another worker took first.
    """
    table = prices.table["dynamodb"]
    whole = math.ceil(WHOLE_INDEX * INDEX_ENTRY / READ_UNIT) / 2  # eventually consistent
    units = (whole + SHARDS * 0.5) * table["million_read_units"] + (1 + GROUPS) * table["million_write_units"]
    return float(2 * MINUTES_A_MONTH * units / MILLION)


def sweep_dollars_of_a_worker(prices: Prices) -> float:
    """Dollars a month for what each worker reads each minute: the item with the turns."""
    return float(MINUTES_A_MONTH * 0.5 * prices.table["dynamodb"]["million_read_units"] / MILLION)


def _slow_events(world: World) -> float:
    """Dollars for a million photos: the events of a worker with one vCPU that wait for each other for so short a time
    that fewer than ten are sent together."""
    together = min(QUEUE_BATCH, 1 + WAIT / world.cpu)
    return float((1 / together - 1 / QUEUE_BATCH) * world.prices.table["sqs"]["million_standard"])


def _check_dollars(world: World) -> float:
    """Dollars for a million photos that the sweep checks: a read, a HEAD, a write of the record, two of the index."""
    table, s3 = world.prices.table["dynamodb"], world.prices.table["s3"]
    record = math.ceil(world.measured["calls"]["first_item_bytes"] / 1024)
    units = table["million_read_units"] + (record + 2) * table["million_write_units"]
    return float(units + MILLION * s3["thousand_get"] / 1000)


def _simulated(rows: Mapping[str, Sequence[Row]], memories: Sequence[Row]) -> dict[str, str]:
    lines = _head("", "wait p50", "p95", "p99", "cold starts", "billed hours", "x86, $", "ARM, $")
    lines += [
        _line(
            row.policy,
            *map(_seconds, (row.p50, row.p95, row.p99)),
            str(row.outcome.cold_starts),
            f"{row.hours:,.0f}",
            *(f"{row.dollars[f'Lambda {chip}']:.2f}" for chip in ("x86", "arm")),
        )
        for row in memories
    ]
    tables = {f"{name}_table": "\n".join(policy_lines(found)) for name, found in rows.items()}
    return tables | {"memory_table": "\n".join(lines)}


def _asked(measured: Mapping[str, Any], requests: Mapping[str, float], prices: Prices) -> dict[str, str]:
    counted = measured["calls"]
    size = sum(share * measured["bytes"][name] for name, share in MIX.items())
    kept = f"keeping the originals for a month ({size / 1e6:.1f} MB each)"
    gateway = prices.table["api_gateway"]["million_rest_requests"]
    dollars = [*requests.items(), ("API Gateway, if uploads come through it", gateway)]
    dollars.append((kept, size * MILLION / 1e9 * prices.table["s3"]["gb_month"]))
    calls = [_line(call, f"{count:g}") for call, count in counted["calls"].items()]
    money = [_line(name, f"{amount:,.2f}") for name, amount in dollars]
    return {
        "counted": str(counted["photos"]),
        "calls_table": "\n".join([*_head("call", "for each photo"), *calls]),
        "requests_table": "\n".join([*_head("for a million photos", "dollars"), *money]),
        "item_kb": f"{counted['item_bytes'] / 1024:.1f}",
        "log_bytes": f"{counted['log_bytes']:,.0f}",
        "upload_ms": f"{counted['upload_cpu'] * 1000:.0f}",
        **{
            f"{name}_units": f"{counted['units'][unit]:g}"
            for name, unit in {"table": "table", "due": "due", "owner": "by_owner", "read": "read"}.items()
        },
    }


def _limit_lines(ceilings: Sequence[Ceiling]) -> list[str]:
    said = {"design": "**ours**", "quota": "quota", "order": "order", "fine": "-"}
    lines = _head("what", "", "photos/s", "a day", "why", "what the design does about it, or would have to do")
    return lines + [
        _line(one.what, said[one.kind], _count(one.rate), _count(one.a_day), one.reason, one.answer) for one in ceilings
    ]


def _calibration(found: Mapping[str, Any]) -> str:
    others = sorted(run["others"] for run in found["runs"])
    stack, slots = found["stack"], found["slots"]
    at_a_time = f"{slots} photos" if slots > 1 else "one photo"
    about = (
        f"**{stack[0].upper()}{stack[1:]}**, {found['versions']['date']}: {found['photos']} photos in each run, sent "
        f"as fast as it goes (drawn from {', '.join(found['mix'])}), {found['repetitions']} repetitions. "
        f"The workers of that day handled {at_a_time} at a time, and the simulated ones as many. "
        f"{found['cores']} cores, {found['together']:.2f} of their speed when all are busy; other programs used "
        f"{others[0]:.1f} to {others[-1]:.1f} of them."
    )
    return "\n".join([about, "", *calibration_lines(found)])


def _inputs(world: World) -> dict[str, str]:
    measured, versions, assumed = world.measured, world.measured["versions"], world.prices.assumed
    lines = _head("preset", "photo", "file", "CPU (range over rows)", "time here", "assumed waiting for AWS")
    for preset, sizes in measured["services"].items():
        for size, ones in sizes.items():
            cpus = [one["worker_cpu"] for one in ones]
            took = f"{median(cpus):.2f} s ({min(cpus):.2f} to {max(cpus):.2f})"
            wall = f"{median(one['wall'] for one in ones):.2f} s"
            file = f"{measured['bytes'][size] / 1e6:.1f} MB"
            lines.append(_line(preset, size, file, took, wall, f"{world.idle(size):.2f} s"))
    return {
        "services_table": "\n".join(lines),
        "memory": ", ".join(f"{bytes_ / 2**20:.0f} MB for {size}" for size, bytes_ in measured["peak_memory"].items()),
        "mix": ", ".join(f"{share:.0%} {size}" for size, share in MIX.items()),
        "batch": str(BATCH),
        "jpeg": versions["libjpeg-turbo"],
        "load": str(versions["load_before"]),
        "repetitions": str(measured["repetitions"]),
        "row": str(measured["row"]),
        "start_wall": f"{measured['worker_start']['wall']:.1f}",
        "start_cpu": f"{measured['worker_start']['cpu']:.1f}",
        "fargate_start": "{} to {}".format(*assumed["fargate_start"]),
        "pod_start": "{} to {}".format(*assumed["pod_start"]),
        "vcpus": str(assumed["worker_vcpus"]),
        "gb": str(assumed["worker_gb"]),
        **{name: versions[name] for name in ("date", "darkroom", "python", "pillow", "boto3", "machine")},
    }


def _compute(day: Sequence[Row], memories: Sequence[Row]) -> dict[str, float]:
    """Dollars for a million photos in the curve of a day, on each kind of machine."""
    tracked = next(row for row in day if "s of backlog" in row.policy)
    found = {said: tracked.dollars[name] for name, said in MACHINES.items()}
    for row in memories:
        memory, _, batches = row.policy.partition(", batches of ")
        if batches == str(BATCH):
            for chip in ("x86", "arm"):
                found[f"Lambda {chip.replace('arm', 'ARM')}, {memory}"] = row.dollars[f"Lambda {chip}"]
    return found


def _errors(found: Mapping[str, Any]) -> list[float]:
    """The median error for each number of workers and each measure."""
    counts = {run["workers"] for run in found["runs"]}
    return [
        median(_relative([run for run in found["runs"] if run["workers"] == n], key)) for n in counts for key in KEYS
    ]


def _relative(runs: Iterable[Mapping[str, Any]], key: str) -> list[float]:
    return [run["simulated"][key] / run["real"][key] - 1 for run in runs]


def _head(*names: str) -> list[str]:
    return [_line(*names), "|" + "---|" * len(names)]


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"


def _count(value: float) -> str:
    if value == float("inf"):
        return "no limit"
    for size, unit in ((1e9, " billion"), (1e6, " million")):
        if value >= size:
            return f"{value / size:,.1f}{unit}"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
