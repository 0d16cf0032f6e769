"""Counts the steps of an order while they are done: the nodes of its plans, and the frames of its animations."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str, int, int], None]
"""Called at the start of each step, with its name, the steps before it, and all steps that are known so far."""


class StepCount:
    def __init__(self, tell: Tell = lambda _step, _done, _of: None, runs: int = 1) -> None:
        """`runs`: how often `begin` is called. A run that has not begun counts as one step."""
        self._tell = tell
        self._left = runs
        self._before = self._steps = 0

    def begin(self, steps: int) -> None:
        """A run of so many steps begins."""
        self._before += self._steps
        self._steps = steps
        self._left = max(0, self._left - 1)

    def step(self, name: str, done: int) -> None:
        """`done`: the steps of this run before this one."""
        self._tell(name, self._before + done, self._before + self._steps + self._left)
