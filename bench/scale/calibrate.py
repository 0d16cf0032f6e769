"""The simulation against real runs: the same photos at the same times, on workers that share this machine's cores."""

from __future__ import annotations

import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simpy import Environment, Event

from bench.scale.machine import Machine
from bench.scale.measure import Background, Service, make_photos, one_at_a_time, preset, send, store, versions
from bench.scale.queue import Photo, Worker, WorkQueue
from bench.scale.run import quantile
from bench.scale.samples import SIZES
from bench.scale.stack import Containers, OtherPrograms, Processes, Stack, docker_works, settled, wait_until
from worker.photo.decode import open_photo
from worker.photo.pipeline import produce

MIX = ["2 MP", "12 MP", "12 MP", "24 MP"]
MAX_PIXELS = 100_000_000


@dataclass(frozen=True)
class Result:
    """Seconds from the first send to the last end, and how long photos waited until a worker began."""

    makespan: float
    mean_wait: float
    p95_wait: float

    @classmethod
    def of(cls, times: list[tuple[float, float, float]]) -> Result:
        """From when each photo was sent, begun and done."""
        waits = sorted(max(0.0, begun - sent) for sent, begun, _ in times)
        span = max(done for *_, done in times) - min(sent for sent, *_ in times)
        return cls(span, statistics.mean(waits), quantile(waits, 0.95))


def calibrate(photos: int, repetitions: int, counts: list[int], containers: bool | None) -> dict[str, Any]:
    """Real and simulated runs for each number of workers, several times in turn."""
    containers = docker_works() if containers is None else containers
    runs = []
    with tempfile.TemporaryDirectory(prefix="darkroom-scale-") as name:
        directory = Path(name)
        files = make_photos(directory, sorted(set(MIX)))
        with Containers() if containers else Processes(directory) as stack:
            stack.start(1)
            singles = _singles(stack, files, repetitions=5)
            together = _together(files["12 MP"][0])
            for repetition in range(repetitions):
                for workers in counts:
                    stack.start(workers)
                    _warm_up(stack, files, workers)
                    order = random.Random(repetition).choices(MIX, k=photos)
                    real, sent, others = _real_run(stack, files, order)
                    simulated = simulate(workers, order, sent, singles, others, together, containers, repetition)
                    runs.append(
                        {"workers": workers, "real": asdict(real), "simulated": asdict(simulated)}
                        | {"others": round(others, 2)}
                    )
            kind = stack.kind
    return {
        "versions": versions(),
        "stack": kind,
        "photos": photos,
        "mix": MIX,
        "repetitions": repetitions,
        "cores": os.cpu_count(),
        "together": round(together, 3),
        "singles": {size: [asdict(one) for one in ones] for size, ones in singles.items()},
        "runs": runs,
    }


def simulate(
    workers: int,
    order: list[str],
    sent: list[float],
    singles: dict[str, list[Service]],
    others: float,
    together: float,
    containers: bool,
    seed: int,
) -> Result:
    """The run as the model has it: photos come when they really came, and take what single ones took.

    `others`: cores that other programs used meanwhile, on average.
    """
    env, chance = Environment(), random.Random(seed)
    # One interpreter is the emulator; a container has one CPU.
    caps = {"emulator": 1.0} | ({f"worker-{n}": 1.0 for n in range(workers)} if containers else {})
    machine = Machine(env, os.cpu_count() or 1, others, together, caps)
    queue = WorkQueue(env)
    photos: list[Photo] = []
    # The least: more than that was another program's turn.
    idle = {size: min(one.idle for one in ones) for size, ones in singles.items()}

    def perform(name: str, size: str, service: Service) -> Generator[Event]:
        yield machine.work("emulator", service.emulator_cpu / 2)
        yield machine.work(name, service.worker_cpu)
        yield machine.work("emulator", service.emulator_cpu / 2)
        yield env.timeout(idle[size])

    services: dict[int, Service] = {}
    for number in range(workers):
        name = f"worker-{number}"
        Worker(env, queue, lambda photo, name=name: env.process(perform(name, order[photo.kind], services[photo.kind])))  # type: ignore[misc]

    def arrive() -> Generator[Event]:
        for number, (size, at) in enumerate(zip(order, sent, strict=True)):
            yield env.timeout(max(0.0, at - sent[0] - env.now))
            services[number] = chance.choice(singles[size])
            photo = Photo(env.now, services[number].worker_cpu, kind=number)
            photos.append(photo)
            queue.send(photo)

    env.process(arrive())
    env.run()
    return Result.of([(photo.arrived, photo.started, photo.done) for photo in photos])


def _real_run(stack: Stack, files: dict[str, list[Path]], order: list[str]) -> tuple[Result, list[float], float]:
    """All photos are stored before the first message is sent, and then sent as fast as it goes.

    Returns with the result when each was sent, and how many cores other programs have used meanwhile.
    """
    jobs = preset("web")
    turns = dict.fromkeys(files, 0)
    records = []
    for size in order:
        records.append(store(stack.services, files[size][turns[size] % len(files[size])], SIZES[size], jobs))
        turns[size] += 1
    time.sleep(1)
    sent = []
    others = OtherPrograms(stack)
    for record in records:
        sent.append(time.time())
        send(stack.services, record)
    ids = {record.id for record in records}
    # Looking costs CPU time: seldom.
    wait_until("all photos are done", lambda: ids <= {one.photo for one in settled(stack.log())}, pause=0.5)
    used = others.cores()
    times = {one.photo: one for one in settled(stack.log())}
    result = Result.of(
        [(at, times[record.id].started, times[record.id].ended) for at, record in zip(sent, records, strict=True)]
    )
    return result, sent, used


def _singles(stack: Stack, files: dict[str, list[Path]], repetitions: int) -> dict[str, list[Service]]:
    jobs = preset("web")
    for size, ones in files.items():
        one_at_a_time(stack, ones[0], SIZES[size], jobs)
    background = Background.of(stack)
    return {
        size: [
            one_at_a_time(stack, ones[turn % len(ones)], SIZES[size], jobs, background) for turn in range(repetitions)
        ]
        for size, ones in files.items()
    }


def _warm_up(stack: Stack, files: dict[str, list[Path]], workers: int) -> None:
    """Each worker has its connections and its child process before it counts."""
    _real_run(stack, files, ["2 MP"] * 4 * workers)


def _together(photo: Path) -> float:
    """How fast a core works on pixels while all others do so as well, where 1 is a core that is busy alone."""
    cores = os.cpu_count() or 1
    return min(1.0, statistics.median(_pixels_on(photo, 1) / _pixels_on(photo, cores) for _ in range(3)))


def _pixels_on(photo: Path, processes: int) -> float:
    """Mean seconds of CPU for the same work in each of so many processes at once."""
    with multiprocessing.get_context("forkserver").Pool(processes) as pool:
        pool.map(_pixels, [(photo, 1)] * processes * 2)  # imports, caches
        return statistics.mean(pool.map(_pixels, [(photo, 6)] * processes, chunksize=1))


def _pixels(work: tuple[Path, int]) -> float:
    photo, times = work
    jobs = preset("web")
    started = time.process_time()
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(times):
            decoded = open_photo(photo, MAX_PIXELS)
            for number, job in enumerate(jobs):
                produce(decoded, job, Path(directory, str(number)), MAX_PIXELS)
    return time.process_time() - started
