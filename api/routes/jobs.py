"""The jobs of a photo: look at, ask for more, run again, fetch what they left."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field

from api.context import RETRY_SOON, Context, context, json_answer, present
from api.http.problems import invalid_request, make_problem, problem_response
from api.idempotency import KeyHeader, about_photo, content_of_json, once, read_key
from api.openapi import document as openapi
from api.openapi.document import JobPath, PhotoPath
from api.uploads.fields import jobs_asked_for, one_choice
from api.uploads.intake import send
from darkroom.aws.bucket import content_disposition
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.errors import Conflict, NotFound
from darkroom.jobs.job_types import JOB_TYPES, Jobs
from darkroom.jobs.spec import Spec
from darkroom.record.job import JobRecord
from darkroom.record.order import Order
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import JobView, job_view, photo_view

jobs = APIBlueprint(
    "jobs",
    __name__,
    abp_tags=[Tag(name="jobs", description="What is made from a photo")],
    abp_responses=openapi.COMMON,
)


class JobsBody(Spec):
    """More jobs for a photo that is there: give jobs or a preset."""

    model_config = ConfigDict(
        json_schema_extra=openapi.exactly_one({"jobs": {"type": "array"}, "preset": {"type": "string"}})
    )

    jobs: Jobs | None = None
    preset: str | None = Field(None, description="a named list of jobs, as GET /v1/operations lists them")


class JobsView(BaseModel):
    jobs: list[JobView]
    links: dict[str, str]


@jobs.get(
    "/v1/photos/<uuid:photo_id>/jobs",
    operation_id="listJobs",
    summary="The jobs of a photo",
    responses={200: openapi.progress(JobsView), 404: openapi.NOT_FOUND},
)
def list_jobs(path: PhotoPath) -> Response:
    here = context()
    photo = here.photo(path.photo_id)
    return _jobs_answer(here, photo, list(photo.jobs.values()), HTTPStatus.OK)


@jobs.post(
    "/v1/photos/<uuid:photo_id>/jobs",
    operation_id="addJobs",
    summary="Ask for more jobs",
    responses={
        202: openapi.accepted(openapi.ref(JobsView), "Queued; these are the new jobs", openapi.REPLAYED),
        400: openapi.problem(f"{openapi.BAD_KEY}, or the body no JSON"),
        404: openapi.NOT_FOUND,
        409: openapi.problem(
            f"The file of the photo has not arrived. Or: {openapi.IN_FLIGHT}", headers=openapi.retry_after()
        ),
        413: openapi.TOO_LARGE,
        415: openapi.NOT_JSON,
        422: openapi.problem(f"Something in the request is wrong; `errors` names each field. Or {openapi.REUSED}"),
    },
)
def add_jobs(header: KeyHeader, path: PhotoPath, body: JobsBody) -> Response:
    here = context()
    asked, faults = jobs_asked_for(body.jobs, body.preset, here.presets, default=None)
    if faults := one_choice(body.model_dump(exclude_none=True)) + faults:
        raise invalid_request(faults)

    def act(reserved: ReservedIds) -> Response:
        def change(record: PhotoRecord) -> Order:
            present(record, path.photo_id)
            return record.add_order(asked, here.settings.resend_after, g.request_id, reserved.ids[0])

        photo, order = here.services.table.update(str(path.photo_id), change)
        send(here, photo, order.id)
        return _jobs_answer(here, photo, list(order.jobs.values()), HTTPStatus.ACCEPTED)

    return once(read_key(header.key), content_of_json(), 1, act, about_photo(path.photo_id))


@jobs.get(
    "/v1/photos/<uuid:photo_id>/jobs/<uuid:job_id>",
    operation_id="getJob",
    summary="Look at a job",
    responses={200: openapi.progress(JobView), 404: openapi.NO_JOB},
)
def get_job(path: JobPath) -> Response:
    here = context()
    photo = here.photo(path.photo_id)
    return _job_answer(here, photo, photo.job(str(path.job_id)), HTTPStatus.OK)


@jobs.post(
    "/v1/photos/<uuid:photo_id>/jobs/<uuid:job_id>/retry",
    operation_id="retryJob",
    summary="Run a failed or cancelled job again",
    responses={
        202: openapi.accepted(openapi.ref(JobView), "Queued again", openapi.REPLAYED),
        400: openapi.problem(openapi.BAD_KEY),
        404: openapi.NO_JOB,
        409: openapi.problem(
            f"The job has neither failed nor been cancelled. Or: {openapi.IN_FLIGHT}", headers=openapi.retry_after()
        ),
        413: openapi.TOO_LARGE,
        422: openapi.problem(openapi.REUSED[0].upper() + openapi.REUSED[1:]),
    },
)
def retry_job(header: KeyHeader, path: JobPath) -> Response:
    here = context()

    def act(reserved: ReservedIds) -> Response:
        def change(record: PhotoRecord) -> Order:
            present(record, path.photo_id)
            return record.retry(str(path.job_id), here.settings.resend_after, g.request_id, reserved.ids[0])

        photo, order = here.services.table.update(str(path.photo_id), change)
        send(here, photo, order.id)
        return _job_answer(here, photo, photo.job(str(path.job_id)), HTTPStatus.ACCEPTED)

    return once(read_key(header.key), content_of_json(), 1, act, about_photo(path.photo_id))


@jobs.get(
    "/v1/photos/<uuid:photo_id>/jobs/<uuid:job_id>/result",
    operation_id="getResult",
    summary="Fetch what a job left",
    responses={
        200: openapi.answer(
            {"type": "object"},
            "The result of a metadata job",
            openapi.header("Content-Disposition", "a name to keep it by", {"type": "string"}, always=True),
        ),
        302: {
            "description": "Where the picture is",
            "headers": openapi.location(always=True, description="the link works for a limited time"),
        },
        404: openapi.problem("There is no such photo or job, or no longer, or its result has expired"),
        409: openapi.problem("The job has not finished, or has left no result", headers=openapi.retry_after()),
    },
)
def get_result(path: JobPath) -> Response:
    here = context()
    job = here.photo(path.photo_id).job(str(path.job_id))
    if job.unfinished:
        told = make_problem(HTTPStatus.CONFLICT, "not_finished", f"job {job.id} is {job.status}; ask again later")
        return problem_response(told, retry_after=RETRY_SOON)
    result = job.result
    if job.status != "succeeded" or result is None:
        reason = f": {job.errors[-1].detail}" if job.status == "failed" and job.errors else ""
        raise Conflict(f"job {job.id} has {'failed' if job.status == 'failed' else 'been cancelled'}{reason}")
    bucket = here.services.bucket
    if not bucket.exists(result.key):  # the bucket's own rules may remove results earlier than we do
        raise NotFound("the result has expired")
    if JOB_TYPES[job.spec.type].inline:
        response = Response(bucket.read(result.key), content_type=result.content_type)
        response.headers["Content-Disposition"] = content_disposition(result.filename)
        return response
    link = bucket.link(result.key, result.filename, result.content_type)
    response = Response(status=HTTPStatus.FOUND)
    response.headers["Location"] = link
    return response


def _jobs_answer(here: Context, photo: PhotoRecord, shown: list[JobRecord], status: HTTPStatus) -> Response:
    base = here.settings.base_url
    links = photo_view(photo, base).links
    view = JobsView(
        jobs=[job_view(photo, job, base) for job in shown],
        links={"self": links["jobs"], "photo": links["self"]},
    )
    response = json_answer(view, status, RETRY_SOON if any(job.unfinished for job in shown) else None)
    if status == HTTPStatus.ACCEPTED:
        response.headers["Location"] = links["self"]
    return response


def _job_answer(here: Context, photo: PhotoRecord, job: JobRecord, status: HTTPStatus) -> Response:
    view = job_view(photo, job, here.settings.base_url)
    response = json_answer(view, status, RETRY_SOON if job.unfinished else None)
    if status == HTTPStatus.ACCEPTED:
        response.headers["Location"] = view.links["self"]
    return response
