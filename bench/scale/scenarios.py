"""Which arrivals are simulated against which policies, and with what photos."""

from __future__ import annotations

import math
import multiprocessing
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean, median
from typing import Any

from bench.scale.arrival_rates import Arrivals, burst, day, steady
from bench.scale.lambdas import LambdaFunction
from bench.scale.policies import Fixed, Keda, Policy, TargetTracking
from bench.scale.prices import MILLION, Prices
from bench.scale.simulated_run import Demand, SimulatedRun, quantile, run_lambda, run_workers

MIX = {"2 MP": 0.20, "12 MP": 0.60, "24 MP": 0.15, "48 MP": 0.05}
"""What people upload, as shares: assumed."""

SEEDS = (1, 2, 3)
BATCH = 10
"""Messages of an invocation, as deploy/aws/serverless.yaml has it."""

ECS_MESSAGES = 20
"""That wait for each worker: BacklogPerWorker of deploy/aws/fargate.yaml."""

KEDA_MESSAGES = 10
"""Those in progress included: queueLength in deploy/kubernetes/base/worker-scaling.yaml."""

BACKLOG_SECONDS = 60
UTILIZATION = 0.8
MEMORIES = (1024, 1769, 3008)


@dataclass(frozen=True)
class World:
    """What a photo takes in the cloud: measured CPU time, and AWS's answers as bench/prices.toml assumes them."""

    measured: Mapping[str, Any]
    prices: Prices
    preset: str = "web"

    def cpus(self, size: str) -> list[float]:
        return [float(one["worker_cpu"]) for one in self.measured["services"][self.preset][size]]

    def idle(self, size: str) -> float:
        """Read and claim the record, fetch, the last result (storing the others goes on beside the work), publish."""
        assumed = self.prices.assumed
        return float(
            3 * assumed["dynamodb_seconds"]
            + assumed["s3_get_seconds"]
            + self.measured["bytes"][size] / assumed["s3_bytes_a_second"]
            + assumed["s3_put_seconds"]
        )

    def demand(self) -> Demand:
        speed = self.prices.assumed["speed_x86"]
        sizes, shares = list(MIX), list(MIX.values())
        pools = {size: ([cpu / speed for cpu in self.cpus(size)], self.idle(size)) for size in sizes}

        def draw(chance: random.Random) -> tuple[float, float]:
            cpus, idle = pools[chance.choices(sizes, shares)[0]]
            return chance.choice(cpus), idle

        return draw

    @property
    def cpu(self) -> float:
        """Mean seconds of one vCPU."""
        speed = self.prices.assumed["speed_x86"]
        return float(sum(share * mean(self.cpus(size)) / speed for size, share in MIX.items()))

    @property
    def seconds(self) -> float:
        """Mean seconds from a photo's start to its end. A worker handles other photos while one waits for AWS; a Lambda
        function does not."""
        return self.cpu + sum(share * self.idle(size) for size, share in MIX.items())

    def function(self, memory: int, most: int, batch: int = BATCH) -> LambdaFunction:
        start = self.measured["worker_start"]
        return LambdaFunction(memory, most, batch, start["cpu"], self.prices.assumed["lambda_start_seconds"])


@dataclass(frozen=True)
class Row:
    """A policy against arrivals: waits in seconds, and for a million photos what it takes and costs."""

    policy: str
    arrivals: str
    p50: float
    p95: float
    p99: float
    p95_spread: tuple[float, float]
    late: float
    hours: float
    peak: int
    dollars: Mapping[str, float]
    outcome: SimulatedRun


def all_arrivals() -> list[Arrivals]:
    return [steady(10, 3600), burst(2, 100, 600, 300, 3600), day(1e6)]


def policies(arrivals: Arrivals, cpu: float) -> list[Policy]:
    """Those that are compared. Each begins with what the first minute needs. `cpu`: mean seconds of a photo."""
    average = sum(arrivals.rate(arrivals.seconds * (n + 0.5) / 1000) for n in range(1000)) / 1000
    for_mean, for_peak, at_first = (
        max(2, math.ceil(rate * cpu / UTILIZATION)) for rate in (average, arrivals.highest, arrivals.rate(0))
    )
    chosen: list[Policy] = [Fixed(for_mean)]
    chosen.append(Fixed(for_peak) if for_peak > for_mean else Fixed(for_mean, prefetch=1))
    tracked = TargetTracking(f"ECS, {ECS_MESSAGES} messages a worker", ECS_MESSAGES, begin=at_first, least=1)
    in_seconds = replace(tracked, name=f"ECS, {BACKLOG_SECONDS} s of backlog", target=BACKLOG_SECONDS / cpu)
    keda = Keda(f"KEDA, {KEDA_MESSAGES} messages a worker", KEDA_MESSAGES, begin=at_first, least=2)
    most = max(20, 2 * for_peak)
    return [*chosen, replace(tracked, most=most), replace(in_seconds, most=most), replace(keda, most=most)]


def simulate(world: World, arrivals: Arrivals, told: Callable[[str], None] = lambda _: None) -> list[Row]:
    seeds = SEEDS if arrivals.name != "day" else SEEDS[:1]  # a day's million photos are a large sample by themselves
    chosen = policies(arrivals, world.cpu)
    tasks = [partial(_policy_row, world, policy, arrivals, seeds) for policy in chosen]
    names = [policy.name for policy in chosen]
    for most in (10, 1000):
        tasks.append(partial(_lambda_row, world, world.function(1769, most), arrivals, seeds))
        names.append(f"Lambda, at most {most}")
    return _in_parallel(tasks, [f"{arrivals.name}: {name}" for name in names], told)


def simulate_memories(world: World, arrivals: Arrivals, told: Callable[[str], None] = lambda _: None) -> list[Row]:
    """Lambda at several sizes, with the template's batches and with single messages."""
    sizes = [(memory, batch) for memory in MEMORIES for batch in ((BATCH, 1) if memory == 1769 else (BATCH,))]
    names = [f"{memory:,} MB, batches of {batch}" for memory, batch in sizes]
    functions = [world.function(memory, 1000, batch) for memory, batch in sizes]
    tasks = [partial(_lambda_row, world, function, arrivals, SEEDS[:1]) for function in functions]
    rows = _in_parallel(tasks, [f"{arrivals.name}: Lambda, {name}" for name in names], told)
    return [replace(row, policy=name) for row, name in zip(rows, names, strict=True)]


def _in_parallel(tasks: Sequence[Callable[[], Row]], names: Sequence[str], told: Callable[[str], None]) -> list[Row]:
    """Run the tasks on all cores. Processes are forked, because arrivals hold functions that cannot be pickled."""
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(mp_context=context, initializer=_keep_tasks, initargs=(tasks,)) as pool:
        rows = []
        for row, name in zip(pool.map(_run_task, range(len(tasks))), names, strict=True):
            told(name)
            rows.append(row)
        return rows


_tasks: Sequence[Callable[[], Row]] = ()


def _keep_tasks(tasks: Sequence[Callable[[], Row]]) -> None:
    global _tasks
    _tasks = tasks


def _run_task(number: int) -> Row:
    return _tasks[number]()


def _policy_row(world: World, policy: Policy, arrivals: Arrivals, seeds: tuple[int, ...]) -> Row:
    earliest, latest = world.prices.assumed["pod_start" if isinstance(policy, Keda) else "fargate_start"]
    outcomes = [
        run_workers(arrivals, policy, world.demand(), seed, lambda chance: chance.uniform(earliest, latest))
        for seed in seeds
    ]
    return _row(arrivals, outcomes, lambda hours: _worker_dollars(world.prices, hours))


def _lambda_row(world: World, function: LambdaFunction, arrivals: Arrivals, seeds: tuple[int, ...]) -> Row:
    outcomes = [run_lambda(arrivals, function, world.demand(), seed) for seed in seeds]
    seconds = mean(outcome.worker_seconds / outcome.arrived for outcome in outcomes) * MILLION
    invocations = mean(outcome.invocations / outcome.arrived for outcome in outcomes) * MILLION
    row = _row(arrivals, outcomes, lambda _: {})
    dollars = {
        f"Lambda {chip}": world.prices.lambda_bill(chip, function.memory, seconds, invocations)
        for chip in ("x86", "arm")
    }
    return replace(row, policy=f"{row.policy}, {function.memory:,} MB", dollars=dollars)


def _row(arrivals: Arrivals, outcomes: list[SimulatedRun], dollars: Callable[[float], dict[str, float]]) -> Row:
    waits = [outcome.waits for outcome in outcomes]
    for outcome in outcomes:
        assert outcome.done == outcome.arrived, f"{outcome.policy}: {outcome.arrived - outcome.done} photos never done"
    p95s = [quantile(ordered, 0.95) for ordered in waits]
    hours = mean(outcome.worker_seconds / 3600 / outcome.arrived for outcome in outcomes) * MILLION
    p50, p95, p99 = (median(quantile(ordered, share) for ordered in waits) for share in (0.5, 0.95, 0.99))
    return Row(
        policy=outcomes[0].policy,
        arrivals=arrivals.name,
        p50=p50,
        p95=p95,
        p99=p99,
        p95_spread=(min(p95s), max(p95s)),
        late=mean(outcome.late for outcome in outcomes),
        hours=hours,
        peak=max(outcome.peak for outcome in outcomes),
        dollars=dollars(hours),
        outcome=replace(outcomes[0], photos=[]),  # they are a million, and other processes need none of them
    )


def _worker_dollars(prices: Prices, hours: float) -> dict[str, float]:
    return {f"Fargate {chip}": hours * prices.fargate_hour(chip) for chip in ("x86", "arm")} | {
        f"EC2 {chip}": hours * prices.ec2_hour(chip) for chip in ("x86", "arm")
    }
