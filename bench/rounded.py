"""Figures as files hold them."""

from __future__ import annotations

from typing import Any


def rounded(value: Any) -> Any:
    """JSON with its floats rounded to 5 decimal places."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value
