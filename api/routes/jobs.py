"""The jobs of a photo: list, add, get, retry."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field

from api.context import RETRY_SOON, Context, context, json_response, require_own
from api.http.problems import invalid_request
from api.idempotency import KeyHeader, json_content, read_key, run_once
from api.openapi import responses, schemas
from api.routes.paths import JobPath, PhotoPath
from api.uploads.asset_check import check_assets
from api.uploads.fields import choose_jobs, one_choice
from api.uploads.intake import send
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.jobs.job_types import Jobs
from darkroom.jobs.spec import StrictSpec
from darkroom.record.job import JobRecord
from darkroom.record.order import Order
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import JobView

jobs = APIBlueprint(
    "jobs",
    __name__,
    abp_tags=[Tag(name="jobs", description="What Darkroom makes from a photo")],
    abp_responses=responses.COMMON,
)


class JobsBody(StrictSpec):
    """More jobs for a photo: give jobs or a preset."""

    model_config = ConfigDict(
        json_schema_extra=schemas.exactly_one({"jobs": {"type": "array"}, "preset": {"type": "string"}})
        | {"example": {"jobs": [{"name": "small", "type": "resize", "width": 800}]}}
    )

    jobs: Jobs | None = Field(None, description="the jobs to add")
    preset: str | None = Field(None, description="the name of a list of jobs; GET /v1/operations shows the presets")


class JobsView(BaseModel):
    jobs: list[JobView]
    links: dict[str, str]


@jobs.get(
    "/v1/photos/<uuid:photo_id>/jobs",
    operation_id="listJobs",
    summary="List the jobs of a photo",
    responses={200: responses.progress(JobsView), 404: responses.NOT_FOUND},
)
def list_jobs(path: PhotoPath) -> Response:
    ctx = context()
    photo = ctx.photo(path.photo_id)
    return _jobs_response(ctx, photo, list(photo.jobs.values()), HTTPStatus.OK)


@jobs.post(
    "/v1/photos/<uuid:photo_id>/jobs",
    operation_id="addJobs",
    summary="Add jobs to a photo",
    responses={
        202: responses.accepted(schemas.ref(JobsView), "The new jobs; they are queued", responses.REPLAYED),
        400: responses.problem(f"{responses.BAD_KEY}, or the body is not valid JSON"),
        404: responses.NOT_FOUND,
        409: responses.problem(
            f"The photo's file has not arrived. Or: {responses.IN_FLIGHT}", headers=responses.retry_after()
        ),
        415: responses.NOT_JSON,
        422: responses.INVALID_OR_REUSED,
    },
)
def add_jobs(header: KeyHeader, path: PhotoPath, body: JobsBody) -> Response:
    ctx = context()
    specs, faults = choose_jobs(body.jobs, body.preset, ctx.presets, default=None)
    faults += check_assets(ctx, specs, body.preset)
    if faults := one_choice(body.model_dump(exclude_none=True)) + faults:
        raise invalid_request(faults)

    def act(reserved: ReservedIds) -> Response:
        def change(record: PhotoRecord) -> Order:
            require_own(record, path.photo_id)
            return record.add_order(specs, ctx.settings.resend_after, g.request_id, reserved.ids[0])

        photo, order = ctx.services.table.update(str(path.photo_id), change)
        send(ctx, photo, order.id)
        return _jobs_response(ctx, photo, list(order.jobs.values()), HTTPStatus.ACCEPTED)

    return run_once(read_key(header.key), json_content(), 1, act, partial(_replay, path.photo_id))


@jobs.get(
    "/v1/photos/<uuid:photo_id>/jobs/<uuid:job_id>",
    operation_id="getJob",
    summary="Get a job",
    responses={200: responses.progress(JobView), 404: responses.NO_JOB},
)
def get_job(path: JobPath) -> Response:
    ctx = context()
    photo = ctx.photo(path.photo_id)
    return _job_response(ctx, photo, photo.job(str(path.job_id)), HTTPStatus.OK)


@jobs.post(
    "/v1/photos/<uuid:photo_id>/jobs/<uuid:job_id>/retry",
    operation_id="retryJob",
    summary="Retry a failed or cancelled job",
    responses={
        202: responses.accepted(schemas.ref(JobView), "The job, queued again", responses.REPLAYED),
        400: responses.problem(responses.BAD_KEY),
        404: responses.NO_JOB,
        409: responses.problem(
            f"The job is neither failed nor cancelled. Or: {responses.IN_FLIGHT}", headers=responses.retry_after()
        ),
        422: responses.problem(responses.REUSED[0].upper() + responses.REUSED[1:]),
    },
)
def retry_job(header: KeyHeader, path: JobPath) -> Response:
    ctx = context()

    def act(reserved: ReservedIds) -> Response:
        def change(record: PhotoRecord) -> Order:
            require_own(record, path.photo_id)
            return record.retry(str(path.job_id), ctx.settings.resend_after, g.request_id, reserved.ids[0])

        photo, order = ctx.services.table.update(str(path.photo_id), change)
        send(ctx, photo, order.id)
        return _job_response(ctx, photo, photo.job(str(path.job_id)), HTTPStatus.ACCEPTED)

    return run_once(read_key(header.key), json_content(), 1, act, partial(_replay, path.photo_id))


def _replay(photo_id: UUID, body: Any) -> Any:
    """The stored response, as long as the photo exists. Raises NotFound."""
    context().photo(photo_id)
    return body


def _jobs_response(ctx: Context, photo: PhotoRecord, jobs: list[JobRecord], status: HTTPStatus) -> Response:
    links = ctx.photo_view(photo).links
    view = JobsView(
        jobs=[ctx.job_view(photo, job) for job in jobs],
        links={"self": links["jobs"], "photo": links["self"]},
    )
    response = json_response(view, status, RETRY_SOON if any(job.unfinished for job in jobs) else None)
    if status == HTTPStatus.ACCEPTED:
        response.headers["Location"] = links["self"]
    return response


def _job_response(ctx: Context, photo: PhotoRecord, job: JobRecord, status: HTTPStatus) -> Response:
    view = ctx.job_view(photo, job)
    response = json_response(view, status, RETRY_SOON if job.unfinished else None)
    if status == HTTPStatus.ACCEPTED:
        response.headers["Location"] = view.links["self"]
    return response
