"""Batches: the response to an upload of several photos, and GET /v1/batches/{id}."""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus
from typing import Literal

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api.context import RETRY_SOON, Context, context, json_response
from api.http.problems import Problem, problem_of, problem_response, unexpected_problem
from api.openapi import responses
from api.routes.paths import BatchPath
from api.token_scope import current_token
from api.uploads.intake import Accepted, Outcome, Rejected
from darkroom.errors import InvalidRequest, Unavailable
from darkroom.record.batch_views import batch_callback_view, batch_links
from darkroom.record.job import JobStatus
from darkroom.record.photo import PhotoRecord
from darkroom.record.state import PhotoStatus
from darkroom.record.views import CallbackView, PhotoView, Time

batches = APIBlueprint(
    "batches",
    __name__,
    abp_tags=[Tag(name="batches", description="Photos that one request has uploaded together")],
    abp_responses=responses.COMMON,
)


class BatchPhotoView(BaseModel):
    """A photo of a batch, in short."""

    id: str
    filename: str | None
    status: PhotoStatus
    counts: dict[JobStatus, int] = Field(description="jobs by status")
    links: dict[str, str]


class BatchView(BaseModel):
    """A batch and its photos, in the order sent. Photos that were not accepted, were deleted or have expired are left
    out."""

    generation: int = Field(description="how often it has ended; again after its photos got more jobs")

    id: str
    owner: str
    status: Literal["processing", "completed"] = Field(description="completed: the jobs of all its photos have ended")
    callback: CallbackView | None = Field(description="where a webhook is sent when all its photos have ended")
    created_at: Time
    counts: dict[PhotoStatus, int] = Field(description="photos by status")
    photos: list[BatchPhotoView]
    links: dict[str, str]


@batches.get(
    "/v1/batches/<uuid:batch_id>",
    operation_id="getBatch",
    summary="Get a batch and the state of its photos",
    responses={200: responses.progress(BatchView), 404: responses.NO_BATCH},
)
def get_batch(path: BatchPath) -> Response:
    ctx = context()
    batch = ctx.batch(path.batch_id)
    records = {photo.id: photo for photo in ctx.services.table.get_many(batch.photos)}
    photos, unfinished = batch.present(records), bool(batch.unfinished(records))
    view = BatchView(
        id=batch.id,
        owner=batch.owner,
        status="processing" if unfinished else "completed",
        created_at=batch.created_at,
        counts=dict(Counter(photo.status for photo in photos)),
        photos=[_short(ctx, photo) for photo in photos],
        generation=batch.generation,
        callback=None if current_token() else batch_callback_view(batch),  # the URL may hold a secret of the owner
        links=batch_links(batch, ctx.settings.base_url),
    )
    return json_response(view, retry_after=RETRY_SOON if unfinished else None)


def _short(ctx: Context, photo: PhotoRecord) -> BatchPhotoView:
    links = {"self": f"{ctx.settings.base_url}/v1/photos/{photo.id}"}
    filename = photo.original.filename if photo.original else None
    return BatchPhotoView(id=photo.id, filename=filename, status=photo.status, counts=photo.counts, links=links)


class BatchOutcomeView(BaseModel):
    """The outcome of each photo of a request, in the order sent: the photo, or the reason why it was not accepted."""

    batch: str = Field(description="the batch's id; each of its photos has it")
    photos: list[PhotoView | Problem]
    links: dict[str, str]


class BatchProblem(Problem):
    """No photo of a batch was accepted."""

    batch: str | None = Field(None, description="the batch's id")
    photos: list[Problem] = Field([], description="the problem of each photo, in the order sent")


def batch_response(ctx: Context, batch: str, outcomes: list[Outcome]) -> Response:
    """202 when at least one photo was accepted. Otherwise 503 when another try may help, 500 after an unexpected error,
    or 422."""
    rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
    if len(rejected) < len(outcomes):
        links = {"batch": f"{ctx.settings.base_url}/v1/batches/{batch}"}
        view = BatchOutcomeView(batch=batch, photos=[_view(ctx, outcome) for outcome in outcomes], links=links)
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
