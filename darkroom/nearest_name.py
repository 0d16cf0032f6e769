"""Say which known name a caller probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest_name(given: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most resembles, for "did you mean"; None if none is similar."""
    return next(iter(difflib.get_close_matches(given, known, n=1)), None)
