"""The orders that are measured, as jobs of Darkroom. The programs of the peers have the same ones in their own way."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from bench.gallery.examples import LOGO, LUT, asset_id
from darkroom.jobs.job_types import STEP_JOBS
from darkroom.settings import PROJECT

Jobs = list[dict[str, Any]]


def _name(job: Mapping[str, Any]) -> str:
    return str(job.get("filter", job["type"]))


def _with_own_assets(job: Mapping[str, Any]) -> dict[str, Any]:
    """The job with assets of the gallery in place of those of its example."""
    own = {"image": asset_id(LOGO), "asset": asset_id(LUT)}
    return {**job, **{field: own[field] for field in own.keys() & job.keys()}}


JPEG = {"format": "jpeg", "quality": 80}

OPERATIONS: Mapping[str, dict[str, Any]] = {
    "convert": {"type": "convert", "output": JPEG},
    **{_name(spec.example): {**_with_own_assets(spec.example), "output": JPEG} for spec in STEP_JOBS.values()},
}
"""Every operation -> the job of its example, on the whole photo. `convert` only decodes and encodes."""

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
    "formats": [{"type": "resize", "width": 200, "output": {"format": name}} for name in ("webp", "avif", "png")],
    **{name: [job] for name, job in OPERATIONS.items()},
    "web": tomllib.loads((PROJECT / "presets.toml").read_text())["web"]["jobs"],
}
