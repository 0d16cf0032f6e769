"""The receipts of results."""

from __future__ import annotations

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.context import context, json_response
from api.openapi import responses, schemas
from api.routes.paths import JobPath
from api.routes.unfinished import not_finished
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
        409: responses.NO_RESULT,
    },
)
def get_receipt(path: JobPath) -> Response:
    photo = context().photo(path.photo_id)
    job = photo.job(str(path.job_id))
    if job.unfinished:
        return not_finished(job)
    return json_response(receipt_of(photo, job))
