"""A simulated machine whose cores are shared, for comparison with real runs on one machine.

In the cloud each worker has its own vCPUs. Here the workers and the AWS emulator share the cores, so a second of CPU
takes longer than a second as soon as there is more work than there are cores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from simpy import Environment, Event


@dataclass
class _Task:
    group: str
    left: float
    end: Event
    rate: float = 0.0


class Machine:
    """Groups of tasks, such as containers, share the cores evenly. A group gets at most its cap, a task at most one
    core.

    `others`: cores that other programs use. `together`: speed of a core while all cores are busy, relative to a core
    that is busy alone. Cores that share caches, memory or (hyperthreads) execution units are slower together.
    """

    def __init__(
        self,
        env: Environment,
        cores: int,
        others: float = 0.0,
        together: float = 1.0,
        caps: dict[str, float] | None = None,
    ) -> None:
        self._env = env
        self._cores = cores
        self._others = others
        self._together = together
        self._caps = caps or {}
        self._tasks: list[_Task] = []
        self._at = 0.0
        self._alarm = 0

    def work(self, group: str, seconds: float) -> Event:
        """Start a task of so many CPU seconds. Returns the event of its end."""
        end = self._env.event()
        if seconds <= 0:
            return end.succeed()
        self._advance()
        self._tasks.append(_Task(group, seconds, end))
        self._share_out()
        return end

    def _advance(self) -> None:
        passed, self._at = self._env.now - self._at, self._env.now
        for task in self._tasks:
            task.left -= passed * task.rate

    def _share_out(self) -> None:
        groups: dict[str, list[_Task]] = {}
        for task in self._tasks:
            groups.setdefault(task.group, []).append(task)
        # In ascending order of demand: what a group does not use of its share goes to the others.
        demands = sorted((min(self._caps.get(group, math.inf), len(tasks)), group) for group, tasks in groups.items())
        free = ours = max(0.1, self._cores - self._others)
        for position, (demand, group) in enumerate(demands):
            share = min(demand, free / (len(demands) - position))
            free -= share
            for task in groups[group]:
                task.rate = share / len(groups[group])
        busy = ours - free + self._others
        speed = 1 - (1 - self._together) * max(0.0, busy - 1) / (self._cores - 1) if self._cores > 1 else 1.0
        for task in self._tasks:
            task.rate *= speed
        self._alarm += 1
        if self._tasks:
            next_end = min(task.left / task.rate for task in self._tasks)
            alarm = self._alarm
            self._env.timeout(max(0.0, next_end)).callbacks.append(lambda _: self._ring(alarm))

    def _ring(self, alarm: int) -> None:
        if alarm != self._alarm:  # a task has started or ended since
            return
        self._advance()
        done = [task for task in self._tasks if task.left <= 1e-9]
        self._tasks = [task for task in self._tasks if task.left > 1e-9]
        for task in done:
            task.end.succeed()
        self._share_out()
