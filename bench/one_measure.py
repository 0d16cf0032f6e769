"""One measure of a bench."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Run = TypeVar("Run")
"""What a run of the bench has."""


@dataclass(frozen=True)
class Measure(Generic[Run]):
    """`measure` returns JSON; `lines` makes Markdown tables of it. `explained` stands before them in the document."""

    described: str
    explained: str
    measure: Callable[[Run], dict[str, Any]]
    lines: Callable[[Mapping[str, Any]], list[str]]
