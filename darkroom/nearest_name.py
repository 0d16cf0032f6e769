"""Say which known name a caller probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LEAST_RATIO = 0.65
"""How alike two names are, from 0 to 1 (difflib). `frames` and `name`, which mean different things, have 0.6."""


def nearest_name(given: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most resembles, for "did you mean"; None if none is similar."""
    return next(iter(difflib.get_close_matches(given, known, n=1, cutoff=LEAST_RATIO)), None)
