"""Requests about work that may not have ended: how long they wait for it, and the answer where it has to end first."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response
from pydantic import Field

from api.context import RETRY_SOON
from api.http.problems import make_problem, problem_response
from darkroom.jobs.spec import Spec
from darkroom.record.job import JobRecord


class WaitQuery(Spec):
    wait: float = Field(
        0, ge=0, description="seconds to wait until the work has ended; the service has an upper limit (60 by default)"
    )


def not_finished(job: JobRecord, retry_after: int = RETRY_SOON) -> Response:
    """The problem for a request that needs the outcome of this job. `retry_after`: seconds."""
    problem = make_problem(HTTPStatus.CONFLICT, "not_finished", f"job {job.id} is {job.status}; ask again later")
    return problem_response(problem, retry_after=retry_after)
