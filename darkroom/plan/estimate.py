"""What an order costs: estimated seconds of one reference core, from the photo's header and the jobs alone."""

from __future__ import annotations

import math
from collections.abc import Iterable

from darkroom.cost import Work, seconds_of
from darkroom.jobs.job_types import Job
from darkroom.plan.graph import Plan, StoredPhoto
from darkroom.plan.planner import make_plan


def order_seconds(photo: StoredPhoto, jobs: Iterable[Job]) -> float:
    """The estimated seconds of one reference core for these jobs of a photo, in one order."""
    return seconds_of(order_work(photo, jobs))


def order_work(photo: StoredPhoto, jobs: Iterable[Job]) -> Work:
    """The work of the plan, and what comes with every order and job."""
    numbered = {str(number): job for number, job in enumerate(jobs)}
    return with_transfers(make_plan(photo, numbered, math.inf), len(numbered))


def with_transfers(plan: Plan, jobs: int) -> Work:
    """The work of a plan, and that of transfers, records and answers for this number of jobs."""
    return {**plan.work, "order": 1, "job": jobs}
