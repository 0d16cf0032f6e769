"""The orders that are measured, as jobs of Darkroom. The programs of the peers have the same ones in their own way."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from darkroom.settings import PROJECT

Jobs = list[dict[str, Any]]

JPEG = {"format": "jpeg", "quality": 80}

ORDERS: Mapping[str, Jobs] = {
    "mixed": [
        {"type": "resize", "width": 1600, "output": JPEG},
        {"type": "resize", "width": 800, "output": JPEG},
        {"type": "resize", "width": 200, "height": 200, "fit": "cover", "output": JPEG},
        {
            "type": "pipeline",
            "steps": [{"type": "resize", "width": 800}, {"type": "filter", "filter": "sepia"}],
            "output": JPEG,
        },
        {"type": "metadata"},
    ],
    "width800": [{"type": "resize", "width": 800, "output": JPEG}],
    "sepia": [{"type": "filter", "filter": "sepia", "output": JPEG}],
    "formats": [{"type": "resize", "width": 200, "output": {"format": name}} for name in ("webp", "avif", "png")],
    "web": tomllib.loads((PROJECT / "presets.toml").read_text())["web"]["jobs"],
}
