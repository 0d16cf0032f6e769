"""What an order costs: estimated seconds of one reference core, from the photo's header and the jobs alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from darkroom.cost import Work, seconds_of
from darkroom.jobs.job_types import Job
from darkroom.plan.animations import job_runs, with_all_frames
from darkroom.plan.graph import Plan, StoredPhoto
from darkroom.plan.planner import make_plan


def order_seconds(photo: StoredPhoto, jobs: Iterable[Job]) -> float:
    """The estimated seconds of one reference core for these jobs of a photo, in one order."""
    return seconds_of(order_work(photo, jobs))


def order_work(photo: StoredPhoto, jobs: Iterable[Job]) -> Work:
    """The work of the plans, and what comes with every order and job. Each page counts as large as the first one."""
    numbered = {str(number): job for number, job in enumerate(jobs)}
    of_pages, of_frames = job_runs(photo, numbered)
    plans = [make_plan(photo, of_page, math.inf) for of_page in of_pages.values()]
    plans += [with_all_frames(make_plan(photo, {job_id: job}, math.inf), job) for job_id, job in of_frames.items()]
    return with_transfers(plans, len(numbered))


def with_transfers(plans: Iterable[Plan], jobs: int) -> Work:
    """The work of the plans of an order, and that of transfers, records and answers for this number of jobs."""
    work = Counter[str]()
    for plan in plans:
        work.update(plan.work)
    return {**work, "order": 1, "job": jobs}
