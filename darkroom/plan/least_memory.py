"""Which jobs of a photo fit into the memory of a child process, known from the header and the jobs alone.

A JPEG of 200 megapixels that becomes 1600 pixels wide is decoded at an eighth of its size, and needs 13 MB. A filter of
its full size needs two pictures of 800 MB each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from darkroom.errors import NotEnoughMemory, PhotoError
from darkroom.jobs.job_types import Job
from darkroom.plan.graph import Colours, Finish, Plan, StoredPhoto
from darkroom.plan.planner import make_plan
from darkroom.plan.recipes import Parts

BYTES_OF_A_PIXEL = 4
"""Pillow stores RGB and RGBA alike."""

GRAY = frozenset({"1", "L"})
"""Modes with one byte for each pixel."""


def plan_within(
    photo: StoredPhoto,
    jobs: Mapping[str, Job],
    max_pixels: float,
    memory: int | None,
    parts: Parts | None = None,
    scale: int | None = None,
) -> Plan:
    """The plan for the jobs (id -> job), as `make_plan` makes it. Jobs that need more than `memory` bytes on their own
    are refused. None: there is no limit."""
    plan = make_plan(photo, jobs, max_pixels, parts, scale)
    if memory is None or least_memory(plan) <= memory:
        return plan
    refused: dict[str, PhotoError] = {}
    for job_id, job in jobs.items():
        need = least_memory(make_plan(photo, {job_id: job}, max_pixels, parts, scale))
        if need > memory:
            refused[job_id] = _error(photo, need, memory)
    possible = {job_id: job for job_id, job in jobs.items() if job_id not in refused}
    plan = make_plan(photo, possible, max_pixels, parts, scale)
    return replace(plan, refused={**plan.refused, **refused})


def least_memory(plan: Plan) -> int:
    """The bytes of all pictures that exist at the same time. Decoders, encoders and filters need more besides."""
    most, pictures = 0, dict[int, int]()
    for position, (node, freed) in enumerate(zip(plan.nodes, plan.freed_after(), strict=True)):
        if not isinstance(node.operation, Finish):
            pictures[position] = node.size[0] * node.size[1] * _bytes_of_a_pixel(plan, position)
        most = max(most, sum(pictures.values()))
        for picture in freed:
            pictures.pop(picture, None)
    return most


def _bytes_of_a_pixel(plan: Plan, position: int) -> int:
    """A gray photo stays gray until its colours are converted."""
    if plan.photo.mode not in GRAY:
        return BYTES_OF_A_PIXEL
    converted = any(isinstance(plan.nodes[needed].operation, Colours) for needed in plan.needed_for(position))
    return BYTES_OF_A_PIXEL if converted else 1


def _error(photo: StoredPhoto, need: int, memory: int) -> NotEnoughMemory:
    return NotEnoughMemory(
        f"The job needs at least {need / 1e6:,.0f} MB for this photo of {photo.width * photo.height / 1e6:,.0f} "
        f"megapixels; a worker may use {memory / 1e6:,.0f} MB for it (DARKROOM_CHILD_MEMORY). "
        "Ask for a smaller result. A resize of a JPEG needs the least."
    )
