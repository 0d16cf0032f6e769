"""The simulation of bench/scale against what queueing theory and a pocket calculator say."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import replace

import pytest
from simpy import Environment

from bench.scale.arrival_rates import DAY, burst, day, steady
from bench.scale.calibrate import simulate
from bench.scale.lambdas import LambdaFunction
from bench.scale.machine import Machine
from bench.scale.measure import Service
from bench.scale.policies import Fixed, Keda, TargetTracking
from bench.scale.prices import Prices
from bench.scale.simulated_fleet import SimulatedFleet
from bench.scale.simulated_queue import SimulatedPhoto, SimulatedQueue, SimulatedWorker
from bench.scale.simulated_run import Demand, SimulatedRun, quantile, run_lambda, run_workers
from tests.support.exhaustive import matrix


def always(seconds: float) -> Demand:
    return lambda _: (seconds, 0.0)


def exponential(mean: float) -> Demand:
    return lambda chance: (chance.expovariate(1 / mean), 0.0)


def at_once(_: random.Random) -> float:
    return 0.0


def mean_wait(outcome: SimulatedRun) -> float:
    return statistics.mean(outcome.waits)


ERLANG = [(1, 0.5), (1, 0.8), (2, 0.7), (5, 0.8)]
"""Workers, and how busy each is."""


class TestAgainstTheory:
    """Without messages taken ahead a queue with c workers is the textbook's."""

    @pytest.mark.parametrize(
        ("workers", "load"),
        matrix([pytest.param(c, load, id=f"{c}-{load}") for c, load in ERLANG], keep=["1-0.5"]),
    )
    def test_waits_are_those_of_erlang_c(self, workers: int, load: float) -> None:
        policy = Fixed(workers, prefetch=0)
        arrivals = steady(load * workers, 5_000)
        waits = [
            mean_wait(run_workers(arrivals, policy, exponential(1.0), seed, at_once, slots=1)) for seed in range(10)
        ]
        expected = erlang_c(workers, load * workers) / (workers - load * workers)
        margin = 3.25 * statistics.stdev(waits) / math.sqrt(len(waits))  # 99% of Student's t with 9 degrees
        assert statistics.mean(waits) == pytest.approx(expected, abs=margin)
        assert margin < 0.4 * expected  # else nearly everything would do

    def test_constant_service_waits_half_as_long(self) -> None:
        arrivals = steady(0.7, 5_000)
        waits = [
            mean_wait(run_workers(arrivals, Fixed(1, 0), always(1.0), seed, at_once, slots=1)) for seed in range(10)
        ]
        margin = 3.25 * statistics.stdev(waits) / math.sqrt(len(waits))
        assert statistics.mean(waits) == pytest.approx(0.7 / (2 * (1 - 0.7)), abs=margin)  # Pollaczek and Khinchine

    def test_a_worker_with_slots_works_on_pixels_while_other_photos_wait_for_aws(self) -> None:
        arrivals = steady(7, 600)
        waits = [
            mean_wait(run_workers(arrivals, Fixed(1), lambda _: (0.1, 0.4), 1, at_once, slots)) for slots in (8, 1)
        ]
        assert waits[0] < 1  # 7 of the 10 photos a second that one vCPU does, and half of the waiting for AWS
        assert waits[1] > 100  # 2 a second

    def test_prefetched_messages_may_wait_although_a_worker_is_idle(self) -> None:
        arrivals = steady(3, 2000)
        ahead, none = (
            run_workers(arrivals, Fixed(5, prefetch), exponential(1.0), 1, at_once, 1) for prefetch in (1, 0)
        )
        assert mean_wait(ahead) > 1.5 * mean_wait(none)


def erlang_c(workers: int, offered: float) -> float:
    """The probability of a wait, for so many erlangs."""
    below = sum(offered**n / math.factorial(n) for n in range(workers))
    last = offered**workers / math.factorial(workers) / (1 - offered / workers)
    return last / (below + last)


class TestNothingIsLost:
    @pytest.mark.parametrize(
        "policy",
        [
            Fixed(3),
            TargetTracking("ECS", 5, begin=1, least=1, most=30),
            Keda("KEDA", 2, begin=1, least=1, most=30),
        ],
        ids=lambda policy: policy.name,
    )
    def test_each_photo_is_done_once_while_workers_start_and_stop(self, policy: Fixed | TargetTracking | Keda) -> None:
        arrivals = burst(0.5, 20, 600, 600, 7200)
        outcome = run_workers(arrivals, policy, exponential(2.0), 1, lambda chance: chance.uniform(30, 60), 1)
        assert outcome.done == outcome.arrived == len({id(photo) for photo in outcome.photos})
        assert all(photo.arrived <= photo.started <= photo.done for photo in outcome.photos)

    def test_every_photo_is_done_in_progress_or_waiting(self) -> None:
        env = Environment()
        queue = SimulatedQueue(env)
        photos = [SimulatedPhoto(0.0, 1.0) for _ in range(50)]
        fleet = SimulatedFleet(
            env, lambda: SimulatedWorker(env, queue, lambda photo: env.timeout(photo.cpu)), lambda: 3.0
        )
        fleet.scale_to(4)
        for photo in photos:
            queue.send(photo)
        for second, workers in enumerate([4, 4, 4, 4, 4, 4, 1, 6, 0, 0, 2]):
            env.run(until=second + 0.5)
            fleet.scale_to(workers)
            done = sum(not math.isnan(photo.done) for photo in photos)
            assert done + queue.in_flight + queue.visible == queue.sent == 50
        env.run(until=100)
        assert (queue.visible, queue.in_flight) == (0, 0)

    def test_a_stopped_worker_finishes_its_photo_and_gives_back_the_rest(self) -> None:
        env = Environment()
        queue = SimulatedQueue(env)
        photos = [SimulatedPhoto(0.0, 10.0), SimulatedPhoto(0.0, 10.0), SimulatedPhoto(0.0, 10.0)]
        for photo in photos:
            queue.send(photo)
        worker = SimulatedWorker(env, queue, lambda photo: env.timeout(photo.cpu), slots=1, prefetch=1)
        env.run(until=1)
        assert (queue.visible, queue.in_flight) == (1, 2)
        worker.stop()
        assert (queue.visible, queue.in_flight) == (2, 1)
        env.run()
        assert (worker.ended.triggered, photos[0].done, queue.visible) == (True, 10.0, 2)

    def test_lambda_does_all_photos(self) -> None:
        outcome = run_lambda(burst(1, 50, 60, 60, 600), LambdaFunction(1769, most=20), exponential(1.0), 1)
        assert outcome.done == outcome.arrived
        assert outcome.peak == 20


class TestScaling:
    ARRIVALS = burst(1, 50, 900, 300, 7200)

    @pytest.mark.parametrize("kind", ["ECS", "KEDA"])
    def test_a_burst_adds_workers_and_its_end_removes_them(self, kind: str) -> None:
        policy = (
            TargetTracking("ECS", 10, begin=2, least=2, most=60)
            if kind == "ECS"
            else Keda("KEDA", 10, begin=2, least=2, most=60)
        )
        outcome = run_workers(self.ARRIVALS, policy, always(0.8), 1, lambda _: 45.0, slots=1)
        workers = {round(at): count for at, _, count in outcome.timeline}
        before = max(count for at, count in workers.items() if at < 900)
        during = max(count for at, count in workers.items() if 900 <= at < 1800)
        assert before <= 4 < 30 < during <= 60
        assert workers[max(workers)] <= 4
        fixed = run_workers(self.ARRIVALS, Fixed(2), always(0.8), 1, at_once, slots=1)
        assert quantile(outcome.waits, 0.95) < 0.2 * quantile(fixed.waits, 0.95)

    def test_alarms_need_three_minutes_and_a_start_takes_time(self) -> None:
        policy = TargetTracking("ECS", 10, begin=2, least=2, most=60)
        outcome = run_workers(self.ARRIVALS, policy, always(0.8), 1, lambda _: 45.0, slots=1)
        more = min(at for at, _, workers in outcome.timeline if workers > 4)
        assert 900 + 2 * 60 + 45 <= more <= 900 + 5 * 60 + 45

    def test_lambda_starts_with_five_batches_and_adds_five_a_second(self) -> None:
        outcome = run_lambda(steady(200, 60), LambdaFunction(1769, most=1000), always(1.0), 1)
        busy = {round(at): count for at, _, count in outcome.timeline}
        assert busy[5] <= 5 + 5 * 5
        assert 5 + 5 * 15 <= busy[20] <= 5 + 5 * 21

    def test_maximum_concurrency_is_never_exceeded(self) -> None:
        outcome = run_lambda(steady(50, 120), LambdaFunction(1769, most=12, batch=1), always(1.0), 1)
        assert outcome.peak == 12

    def test_less_memory_means_less_cpu_and_a_second_cpu_has_no_effect(self) -> None:
        photo = SimulatedPhoto(0, cpu=1.0, idle=0.5)
        assert LambdaFunction(1769).seconds(photo) == pytest.approx(1.5)
        assert LambdaFunction(885).seconds(photo) == pytest.approx(2.5, rel=0.01)
        assert LambdaFunction(3538).seconds(photo) == LambdaFunction(1769).seconds(photo)


class TestArrivals:
    def test_a_day_has_the_right_number_of_photos_and_the_right_curve(self) -> None:
        times = list(day(50_000).times(random.Random(1)))
        assert len(times) == pytest.approx(50_000, abs=5 * math.sqrt(50_000))
        noon = sum(DAY / 4 < at < 3 * DAY / 4 for at in times)
        assert noon / len(times) == pytest.approx(0.5 + 0.8 / math.pi, abs=0.02)

    def test_a_burst_has_a_hundred_times_the_rate(self) -> None:
        times = list(burst(2, 100, 600, 300, 3600).times(random.Random(1)))
        assert sum(600 <= at < 900 for at in times) == pytest.approx(60_000, rel=0.03)
        assert len(times) == pytest.approx(60_000 + 6_600, rel=0.03)

    def test_every_policy_gets_the_same_photos(self) -> None:
        arrivals = steady(2, 600)
        one, other = (run_workers(arrivals, Fixed(n), exponential(0.5), 7, at_once, 1) for n in (2, 9))
        assert [(p.arrived, p.cpu) for p in one.photos] == [(p.arrived, p.cpu) for p in other.photos]


class TestMachine:
    def ends(self, machine: Machine, env: Environment, *work: tuple[str, float]) -> list[float]:
        ends = [math.nan] * len(work)
        for number, (group, seconds) in enumerate(work):
            machine.work(group, seconds).callbacks.append(lambda _, n=number: ends.__setitem__(n, env.now))
        env.run()
        return ends

    def test_each_process_has_a_core_while_there_are_enough(self) -> None:
        env = Environment()
        assert self.ends(Machine(env, 2), env, ("a", 1), ("b", 2)) == pytest.approx([1, 2])

    def test_three_processes_share_two_cores(self) -> None:
        env = Environment()
        assert self.ends(Machine(env, 2), env, ("a", 1), ("b", 1), ("c", 2)) == pytest.approx([1.5, 1.5, 2.5])

    def test_a_container_is_capped_and_others_get_the_rest(self) -> None:
        env = Environment()
        machine = Machine(env, 2, caps={"a": 0.5})
        assert self.ends(machine, env, ("a", 1), ("b", 1), ("c", 1.5)) == pytest.approx([2, 4 / 3, 11 / 6])

    def test_cores_that_other_programs_use_are_not_available(self) -> None:
        env = Environment()
        assert self.ends(Machine(env, 2, others=1.0), env, ("a", 1), ("b", 1)) == pytest.approx([2, 2])

    def test_cores_are_slower_together(self) -> None:
        env = Environment()
        assert self.ends(Machine(env, 2, together=0.8), env, ("a", 0.8), ("b", 1.6)) == pytest.approx([1, 1.8])


class TestRealRunsAsSimulated:
    @pytest.fixture(autouse=True)
    def _two_cores(self, monkeypatch) -> None:
        monkeypatch.setattr("bench.scale.calibrate.os.cpu_count", lambda: 2)

    @pytest.mark.parametrize(("workers", "seconds"), [(1, 6.0), (2, 3.0)])
    def test_as_many_workers_as_cores_do_not_slow_each_other(self, workers: int, seconds: float) -> None:
        services = {"12 MP": [Service(wall=1.5, worker_cpu=1.5, emulator_cpu=0.0)]}
        result = simulate(workers, ["12 MP"] * 4, [100.0] * 4, services, 0.0, 1.0, containers=True, seed=1, slots=1)
        assert result.makespan == pytest.approx(seconds)

    @pytest.mark.parametrize("emulator_cpu", [0.4, 0.9])
    def test_one_worker_needs_the_sum_of_its_photos(self, emulator_cpu: float) -> None:
        """Whether the emulator's work left time over, or passed in part beside the worker's."""
        one = Service(wall=1.5, worker_cpu=1.0, emulator_cpu=emulator_cpu)
        result = simulate(1, ["a"] * 3, [7.0, 7.0, 20.0], {"a": [one]}, 0.0, 1.0, containers=True, seed=1, slots=1)
        assert (result.makespan, result.mean_wait) == pytest.approx((13 + 1.5, 1.5 / 3))

    def test_photos_wait_for_the_emulator_while_the_child_works_on_another_one(self) -> None:
        services = {"a": [Service(wall=1.0, worker_cpu=1.0, emulator_cpu=0.4)]}
        result = simulate(1, ["a"] * 8, [0.0] * 8, services, 0.0, 1.0, containers=True, seed=1, slots=8)
        assert result.makespan == pytest.approx(8, rel=0.2)

    def test_work_of_the_emulator_beside_the_photo_still_needs_cpu(self) -> None:
        services = {"a": [Service(wall=1.0, worker_cpu=1.0, emulator_cpu=0.5)]}
        result = simulate(2, ["a"] * 8, [0.0] * 8, services, 0.0, 1.0, containers=True, seed=1, slots=1)
        assert result.makespan == pytest.approx(8 * 1.5 / 2, rel=0.1)

    def test_more_workers_than_cores_reach_what_the_cores_can_do(self) -> None:
        services = {"a": [Service(wall=cpu, worker_cpu=cpu, emulator_cpu=0.0) for cpu in (0.5, 1.0, 1.5)]}
        alone, shared, less = (
            simulate(workers, ["a"] * 60, [0.0] * 60, services, others, 1.0, containers=True, seed=1, slots=1)
            for workers, others in ((2, 0.0), (4, 0.0), (4, 1.0))
        )
        assert shared.makespan == pytest.approx(alone.makespan, rel=0.05)
        assert less.makespan == pytest.approx(2 * alone.makespan, rel=0.05)


def test_quantiles_are_values_that_occurred() -> None:
    assert [quantile([1, 2, 3, 4], share) for share in (0.25, 0.5, 0.95, 1)] == [1, 2, 4, 4]
    assert math.isnan(quantile([], 0.5))


@pytest.mark.exhaustive
def test_the_document_can_be_written_from_its_template(tmp_path, monkeypatch) -> None:
    from bench.scale import report, scenarios

    short = [
        replace(steady(4, 120), described="steady"),
        replace(burst(1, 20, 30, 30, 120), described="burst"),
        replace(steady(3, 120), name="day", described="day"),
    ]
    monkeypatch.setattr(report, "all_arrivals", lambda: short)
    monkeypatch.setattr(scenarios, "SEEDS", (1,))
    monkeypatch.setattr(report, "simulate", scenarios.simulate)
    one = {"wall": 0.4, "worker_cpu": 0.35, "emulator_cpu": 0.03}
    result = {"makespan": 10.0, "mean_wait": 4.0, "p95_wait": 9.0}
    versions = dict.fromkeys(
        ("date", "darkroom", "python", "pillow", "libjpeg-turbo", "boto3", "machine", "load_before"), "1"
    )
    measured = {
        "versions": versions,
        "bytes": dict.fromkeys(scenarios.MIX, 1_000_000),
        "repetitions": 1,
        "row": 8,
        "worker_start": {"wall": 1.0, "cpu": 0.9},
        "peak_memory": dict.fromkeys(scenarios.MIX, 200 * 2**20),
        "services": {"web": {size: [one] for size in scenarios.MIX}},
        "calls": {
            "photos": 1,
            "calls": {"s3 PutObject": 4.0, "s3 GetObject": 1.0, "sqs SendMessage": 1.1},
            "units": {"table": 3.0, "due": 2.0, "by_owner": 1.0, "read": 1.0},
            "item_bytes": 1000,
            "first_item_bytes": 800,
            "log_bytes": 1500,
            "upload_cpu": 0.02,
        },
    }
    calibration = {
        "versions": versions,
        "stack": "worker processes",
        "slots": 8,
        "photos": 10,
        "mix": ["12 MP"],
        "repetitions": 1,
        "cores": 2,
        "together": 0.9,
        "runs": [
            {"workers": n, "real": result, "simulated": result | {"makespan": 11.0}, "others": 0.1} for n in (1, 2)
        ],
    }
    texts = []
    for name in ("once", "again"):
        (folder := tmp_path / name).mkdir()
        report.write(folder / "scale.md", folder, measured, [calibration], Prices.read(), lambda _: None)
        texts.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert texts[0] == texts[1]
    assert set(texts[0]) == {"scale.md", "burst.svg", "day.svg", "cost.svg", "limits.svg", "calibration.svg"}
    document = texts[0]["scale.md"].decode()
    assert "off by at most 10%" in document
    assert "{" not in document
