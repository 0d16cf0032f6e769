"""The file in which a bench keeps what it has measured: JSON, with the figures of each measure under its name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def keep(file: Path, found: Mapping[str, Any], order: Iterable[str]) -> None:
    """Replace the figures of these measures in the file, and leave the others. `order`: all measures; figures under
    other names are dropped."""
    kept = {**(json.loads(file.read_text()) if file.exists() else {}), **found}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({name: rounded(kept[name]) for name in order if name in kept}, indent=1) + "\n")


def rounded(value: Any) -> Any:
    """JSON with its floats rounded to 5 decimal places."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value
