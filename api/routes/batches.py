"""The response to an upload of several photos."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response
from pydantic import BaseModel, Field

from api.context import RETRY_SOON, Context, json_response
from api.http.problems import Problem, problem_of, problem_response, unexpected_problem
from api.uploads.intake import Accepted, Outcome, Rejected
from darkroom.errors import InvalidRequest, Unavailable
from darkroom.record.views import PhotoView


class BatchView(BaseModel):
    """The outcome of each photo of a request, in the order sent: the photo, or the reason why it was not accepted."""

    batch: str = Field(description="the batch's id; each of its photos has it")
    photos: list[PhotoView | Problem]


class BatchProblem(Problem):
    """No photo of a batch was accepted."""

    batch: str | None = Field(None, description="the batch's id")
    photos: list[Problem] = Field([], description="the problem of each photo, in the order sent")


def batch_response(ctx: Context, batch: str, outcomes: list[Outcome]) -> Response:
    """202 when at least one photo was accepted. Otherwise 503 when another try may help, 500 after an unexpected error,
    or 422."""
    rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
    if len(rejected) < len(outcomes):
        view = BatchView(batch=batch, photos=[_view(ctx, outcome) for outcome in outcomes])
        return json_response(view, HTTPStatus.ACCEPTED, RETRY_SOON)
    unavailable = next((outcome.error for outcome in rejected if isinstance(outcome.error, Unavailable)), None)
    if unavailable:
        problem = problem_of(unavailable)
    elif any(outcome.error is None for outcome in rejected):
        problem = unexpected_problem()
    else:
        problem = problem_of(InvalidRequest(f"none of the {len(rejected)} photos was accepted; see photos"))
    problems = [_problem(outcome) for outcome in rejected]
    return problem_response(BatchProblem(**problem.model_dump(), batch=batch, photos=problems))


def _view(ctx: Context, outcome: Outcome) -> PhotoView | Problem:
    if isinstance(outcome, Accepted):
        return ctx.photo_view(outcome.photo)
    return _problem(outcome)


def _problem(outcome: Rejected) -> Problem:
    return problem_of(outcome.error, outcome.filename) if outcome.error else unexpected_problem(outcome.filename)
