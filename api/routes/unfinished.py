"""The answer where a job has to end first."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response

from api.context import RETRY_SOON
from api.http.problems import make_problem, problem_response
from darkroom.record.job import JobRecord


def not_finished(job: JobRecord) -> Response:
    """The problem for a request that needs the outcome of this job."""
    problem = make_problem(HTTPStatus.CONFLICT, "not_finished", f"job {job.id} is {job.status}; ask again later")
    return problem_response(problem, retry_after=RETRY_SOON)
