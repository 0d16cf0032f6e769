"""The results of jobs, each by its job, or by the name that the caller gave the job."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from flask_openapi3.types import ResponseDict
from pydantic import Field

from api.context import BUSY_RETRY, RETRY_SOON, context
from api.openapi import responses
from api.routes.paths import JobPath, ResultPath
from api.routes.unfinished import WaitQuery, not_finished
from darkroom.aws.bucket import attachment, inline
from darkroom.errors import Conflict, NotFound
from darkroom.jobs.job_types import JOB_TYPES
from darkroom.jobs.spec import Spec
from darkroom.record.job import JobRecord
from darkroom.record.stored import Result

results = APIBlueprint(
    "results",
    __name__,
    abp_tags=[Tag(name="results", description="The files and the JSON that jobs have made")],
    abp_responses=responses.COMMON,
)

PRIVATE = "private, no-cache"
"""Let the caller keep the result, and ask each time whether it is still the one that it has."""


class DownloadQuery(Spec):
    download: bool = Field(
        False, description="true: a browser saves the file (Content-Disposition: attachment) instead of showing it"
    )


class ResultQuery(DownloadQuery, WaitQuery):
    pass


_ETAG = responses.header("ETag", "the SHA-256 of the result, in quotes", {"type": "string"}, always=True)
_HOW = (
    "With `wait`, the response comes when the job has ended, or after that many seconds. HEAD describes the result: "
    "its type, length, ETag and file name. It never redirects."
)
ANSWERS: ResponseDict = {
    200: responses.success(
        {"type": "object", "additionalProperties": True},
        "The result of a metadata job",
        responses.header("Content-Disposition", "a file name for the result", {"type": "string"}, always=True) | _ETAG,
    ),
    302: {
        "description": "The result of any other job: a redirect to the file",
        "headers": responses.location(always=True, description="a presigned URL that is valid for a limited time"),
    },
    206: {
        "description": "The part of a metadata result that Range names",
        "headers": responses.header("Content-Range", "which bytes, of how many", {"type": "string"}, always=True),
    },
    304: {"description": "The result is the one that If-None-Match names", "headers": _ETAG},
    409: responses.NO_RESULT,
    416: responses.problem(
        "Range begins after the end of the result",
        headers=responses.header("Content-Range", "how many bytes the result has", {"type": "string"}),
    ),
    422: responses.INVALID,
}


@results.get(
    "/v1/photos/<uuid:photo_id>/jobs/<uuid:job_id>/result",
    operation_id="getResult",
    summary="Fetch the result of a job",
    description=_HOW,
    responses={
        **ANSWERS,
        404: responses.problem(
            "The photo or job does not exist, the photo was deleted or has expired, or the result has expired"
        ),
    },
)
def get_result(path: JobPath, query: ResultQuery) -> Response:
    return _answer(lambda: context().photo(path.photo_id).job(str(path.job_id)), query)


@results.get(
    "/v1/photos/<uuid:photo_id>/results/<name>",
    operation_id="getNamedResult",
    summary="Fetch the newest result with a name",
    description="Of the jobs with this `name`, the newest that has succeeded counts. Until one has, the response is "
    f"about the newest of them. So the address is known before the work is done. {_HOW}",
    responses={
        **ANSWERS,
        404: responses.problem(
            "The photo does not exist, was deleted or has expired, it has no job with this name, or the result has "
            "expired"
        ),
    },
)
def get_named_result(path: ResultPath, query: ResultQuery) -> Response:
    return _answer(lambda: context().photo(path.photo_id).job_named(path.name), query)


def _answer(read: Callable[[], JobRecord], query: ResultQuery) -> Response:
    """The result of the job that `read` gives. Raises NotFound, and Conflict if the job has ended without a result."""
    ctx = context()
    job, waited = ctx.waits.until_ended(read, min(query.wait, ctx.settings.max_wait))
    return result_response(job, query.download, PRIVATE, RETRY_SOON if waited else BUSY_RETRY)


def result_response(
    job: JobRecord,
    download: bool,
    cache_control: str,
    retry_after: int = RETRY_SOON,
    shown_at: Callable[[str], str | None] = lambda _key: None,
) -> Response:
    """The result of a job: itself if it is JSON, otherwise a redirect to its file. Problem 409 while there is none.

    `retry_after`: seconds. `shown_at`: the address of an object at a CDN, by its key; without one the redirect leads to
    the bucket. Raises NotFound for a result that has expired, and Conflict if there will be none.
    """
    if job.unfinished:
        return not_finished(job, retry_after)
    result = job.result
    if job.status != "succeeded" or result is None:
        reason = f": {job.errors[-1].detail}" if job.status == "failed" and job.errors else ""
        raise Conflict(f"job {job.id} has {'failed' if job.status == 'failed' else 'been cancelled'}{reason}")
    bucket, head = context().services.bucket, request.method == "HEAD"
    if request.if_none_match.contains_weak(result.sha256):
        return _cached(Response(status=HTTPStatus.NOT_MODIFIED), result, cache_control)
    if result.content is not None:
        return _result_itself(result, result.content.encode(), download, cache_control)
    # The bucket's lifecycle may remove results before the record expires.
    if result.key is None or not bucket.exists(result.key):
        raise NotFound("the result has expired")
    if head:
        # S3 would refuse a HEAD of the redirect's URL: the method is signed, too.
        response = _described(Response(content_type=result.content_type), result, download)
        response.content_length = result.size
        response.headers["Accept-Ranges"] = "bytes"
        return _cached(response, result, cache_control)
    if JOB_TYPES[job.spec.type].inline:
        return _result_itself(result, bucket.read(result.key), download, cache_control)
    response = Response(status=HTTPStatus.FOUND)
    at_cdn = None if download else shown_at(result.key)
    response.headers["Location"] = at_cdn or bucket.link(result.key, attachment(result.filename) if download else None)
    response.headers["Cache-Control"] = "no-store" if cache_control == PRIVATE else cache_control
    return response


def _result_itself(result: Result, content: bytes, download: bool, cache_control: str) -> Response:
    response = _described(Response(content, content_type=result.content_type), result, download)
    _cached(response, result, cache_control)
    response.headers["Accept-Ranges"] = "bytes"
    if _range_applies():
        response.make_conditional(request.environ, accept_ranges=True, complete_length=len(content))
    return response


def _range_applies() -> bool:
    """Whether the response may be a part of the result.

    RFC 9110, 14.2: a Range counts only for GET, and one of another unit is ignored. One with several parts may be."""
    wanted = request.range
    return request.method == "GET" and wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1


def _described(response: Response, result: Result, download: bool) -> Response:
    response.headers["Content-Disposition"] = (attachment if download else inline)(result.filename)
    return response


def _cached(response: Response, result: Result, cache_control: str) -> Response:
    response.set_etag(result.sha256)
    response.headers["Cache-Control"] = cache_control
    return response
