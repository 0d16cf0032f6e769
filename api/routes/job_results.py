"""The results of jobs, each by its job, or by the name that the caller gave the job."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from flask_openapi3.types import ResponseDict

from api.context import BUSY_RETRY, RETRY_SOON, context
from api.openapi import responses
from api.routes.paths import JobPath, ResultPath
from api.routes.unfinished import WaitQuery, not_finished
from darkroom.aws.bucket import content_disposition
from darkroom.errors import Conflict, NotFound
from darkroom.jobs.job_types import JOB_TYPES
from darkroom.record.job import JobRecord
from darkroom.record.stored import Result

results = APIBlueprint(
    "results",
    __name__,
    abp_tags=[Tag(name="results", description="The files and the JSON that jobs have made")],
    abp_responses=responses.COMMON,
)

_ETAG = responses.header("ETag", "the SHA-256 of the result, in quotes", {"type": "string"}, always=True)
_HOW = (
    "With `wait`, the response comes when the job has ended, or after that many seconds. HEAD describes the result: "
    "its type, length, ETag and file name. It never redirects."
)
_ANSWERS: ResponseDict = {
    200: responses.success(
        {"type": "object"},
        "The result of a metadata job",
        responses.header("Content-Disposition", "a file name for the result", {"type": "string"}, always=True) | _ETAG,
    ),
    302: {
        "description": "The result of any other job: a redirect to the file",
        "headers": responses.location(always=True, description="a presigned URL that is valid for a limited time"),
    },
    304: {"description": "The result is the one that If-None-Match names", "headers": _ETAG},
    409: responses.NO_RESULT,
    422: responses.INVALID,
}


@results.get(
    "/v1/photos/<uuid:photo_id>/jobs/<uuid:job_id>/result",
    operation_id="getResult",
    summary="Fetch the result of a job",
    description=_HOW,
    responses={
        **_ANSWERS,
        404: responses.problem(
            "The photo or job does not exist, the photo was deleted or has expired, or the result has expired"
        ),
    },
)
def get_result(path: JobPath, query: WaitQuery) -> Response:
    return _answer(lambda: context().photo(path.photo_id).job(str(path.job_id)), query)


@results.get(
    "/v1/photos/<uuid:photo_id>/results/<name>",
    operation_id="getNamedResult",
    summary="Fetch the newest result with a name",
    description="Of the jobs with this `name`, the newest that has succeeded counts. Until one has, the response is "
    f"about the newest of them. So the address is known before the work is done. {_HOW}",
    responses={
        **_ANSWERS,
        404: responses.problem(
            "The photo does not exist, was deleted or has expired, it has no job with this name, or the result has "
            "expired"
        ),
    },
)
def get_named_result(path: ResultPath, query: WaitQuery) -> Response:
    return _answer(lambda: context().photo(path.photo_id).job_named(path.name), query)


def _answer(read: Callable[[], JobRecord], query: WaitQuery) -> Response:
    """The result of the job that `read` gives. Raises NotFound, and Conflict if the job has ended without a result."""
    ctx = context()
    job, waited = ctx.waits.until_ended(read, min(query.wait, ctx.settings.max_wait))
    if job.unfinished:
        return not_finished(job, RETRY_SOON if waited else BUSY_RETRY)
    result = job.result
    if job.status != "succeeded" or result is None:
        reason = f": {job.errors[-1].detail}" if job.status == "failed" and job.errors else ""
        raise Conflict(f"job {job.id} has {'failed' if job.status == 'failed' else 'been cancelled'}{reason}")
    bucket, inline, head = ctx.services.bucket, JOB_TYPES[job.spec.type].inline, request.method == "HEAD"
    if (inline or head) and request.if_none_match.contains_weak(result.sha256):
        return _with_etag(Response(status=HTTPStatus.NOT_MODIFIED), result)
    if result.content is not None:
        return _result_itself(result, result.content.encode())
    # The bucket's lifecycle may remove results before the record expires.
    if result.key is None or not bucket.exists(result.key):
        raise NotFound("the result has expired")
    if head:
        # S3 would refuse a HEAD of the redirect's URL: the method is signed, too.
        return _described(result)
    if inline:
        return _result_itself(result, bucket.read(result.key))
    response = Response(status=HTTPStatus.FOUND)
    response.headers["Location"] = bucket.link(result.key, result.filename, result.content_type)
    return response


def _described(result: Result) -> Response:
    """The headers of a result, without its content."""
    response = _result_itself(result, b"")
    response.content_length = result.size
    response.headers["Accept-Ranges"] = "bytes"
    return response


def _result_itself(result: Result, content: bytes) -> Response:
    response = Response(content, content_type=result.content_type)
    response.headers["Content-Disposition"] = content_disposition(result.filename)
    return _with_etag(response, result)


def _with_etag(response: Response, result: Result) -> Response:
    """Let the caller keep the result, and ask each time whether it is still the one that it has."""
    response.set_etag(result.sha256)
    response.headers["Cache-Control"] = "private, no-cache"
    return response
