"""The extras in pyproject.toml that formats of photos need, and whether they are installed in this environment."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

MODULES: Mapping[str, str] = {"jxl": "pillow_jxl"}
"""Extra -> a module that it installs."""


def is_missing(extra: str) -> bool:
    """Whether an extra is not installed. Does not import it: the API has no use for its code."""
    return find_spec(MODULES[extra]) is None
