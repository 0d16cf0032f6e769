"""The receipts of results."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.context import RETRY_SOON, context, json_response
from api.http.problems import make_problem, problem_response
from api.openapi import responses, schemas
from api.routes.paths import JobPath
from darkroom.record.receipt import Receipt, receipt_of

receipts = APIBlueprint(
    "receipts",
    __name__,
    abp_tags=[Tag(name="receipts", description="How results were made")],
    abp_responses=responses.COMMON,
)


@receipts.get(
    "/v1/photos/<uuid:photo_id>/jobs/<uuid:job_id>/receipt",
    operation_id="getReceipt",
    summary="Get the receipt of a result",
    responses={
        200: responses.success(schemas.ref(Receipt), "What the result was made from, how, and what came out"),
        404: responses.NO_JOB,
        409: responses.problem("The job has not ended, or has no result", headers=responses.retry_after()),
    },
)
def get_receipt(path: JobPath) -> Response:
    photo = context().photo(path.photo_id)
    job = photo.job(str(path.job_id))
    if job.unfinished:
        problem = make_problem(HTTPStatus.CONFLICT, "not_finished", f"job {job.id} is {job.status}; ask again later")
        return problem_response(problem, retry_after=RETRY_SOON)
    return json_response(receipt_of(photo, job))
