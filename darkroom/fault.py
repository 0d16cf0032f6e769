"""One thing that is wrong with a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """Where a request is wrong, in words what would be right, and a stable code."""

    field: str
    detail: str
    code: str
