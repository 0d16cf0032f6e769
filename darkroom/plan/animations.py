"""Which jobs of an order share a plan: those on one page of a photo, because they share its picture.

A job on several frames of an animation has a plan of its own, which is run for each frame.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from darkroom.cost import Work, megapixels
from darkroom.jobs.frame_choice import frames_taken
from darkroom.jobs.job_types import Job, PictureJob
from darkroom.jobs.output import animated_format
from darkroom.plan.graph import Finish, Node, Plan, StoredPhoto


class JobRuns(NamedTuple):
    """The jobs of an order (id -> job). `of_pages`: page -> those that work with it. A photo without pages
    has page 0. `of_frames`: those that take several frames."""

    of_pages: dict[int, dict[str, Job]]
    of_frames: dict[str, PictureJob]


def job_runs(photo: StoredPhoto, jobs: Mapping[str, Job]) -> JobRuns:
    of_pages: defaultdict[int, dict[str, Job]] = defaultdict(dict)
    of_frames: dict[str, PictureJob] = {}
    for job_id, job in jobs.items():
        if isinstance(job, PictureJob) and frames_taken(job.frames, photo.frames) > 1:
            of_frames[job_id] = job
        else:
            of_pages[job.page if isinstance(job, PictureJob) else 0][job_id] = job
    return JobRuns(dict(sorted(of_pages.items())), of_frames)


def with_all_frames(plan: Plan, job: PictureJob) -> Plan:
    """The plan of a job of several frames, with the work of all of them."""
    frames = frames_taken(job.frames, plan.photo.frames)
    format_ = animated_format(job.output, plan.photo.format)

    def work(node: Node) -> Work:
        if isinstance(node.operation, Finish):
            palettes: Work = {"palette": frames} if format_ == "gif" else {}
            return {f"encode animated {format_}": frames * megapixels(node.size), **palettes}
        return {kind: amount * (1 if kind.startswith("read ") else frames) for kind, amount in node.work.items()}

    return replace(plan, nodes=tuple(replace(node, work=work(node)) for node in plan.nodes))
