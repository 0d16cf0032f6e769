"""Hooks of schemathesis for test_contract.py: photos that it sends, and two checks of ours.

The command of schemathesis loads this module, which SCHEMATHESIS_HOOKS names.
"""

from __future__ import annotations

import io
import json
from typing import Any

import jsonschema
import schemathesis
from hypothesis import strategies
from PIL import Image
from schemathesis.specs.openapi.checks import positive_data_acceptance

from darkroom.jobs.job_types import jobs_adapter
from darkroom.jobs.output_rules import OUTPUT_RULES
from darkroom.sniff import INPUT_FORMATS
from tests.support.example_assets import EXAMPLE_ASSETS

EXCUSED = {
    # These depend on data and settings, which an OpenAPI document cannot describe.
    "bad_cursor": "a valid cursor comes from an earlier answer",
    "idempotency_key_reused": "the key was used for another request",
    "too_many_jobs": "the photo already has the maximum",
    "jobs_too_large": "the jobs of the photo fill its record",
    "unknown_preset": "the settings define the presets",
    "webhooks_off": "the settings have no secret",
    "callback_refused": "which hosts and ports are allowed depends on settings and on networks that are not public",
    "url_refused": "the same of the URL of a photo",
    "public_not_allowed": "which owners may is in the settings",
    "too_large": "the settings limit the bytes of a photo",
    "unsupported_photo": "OpenAPI allows any bytes, and some are not a photo",
    "unreadable_photo": "the same",
    "unsupported_asset": "OpenAPI allows any bytes, and some are neither a picture nor a LUT",
    "unreadable_asset": "the same",
    "unknown_asset": "which assets there are depends on earlier requests",
    "too_many_assets": "different ids in several jobs",
    "not_a_file": "OpenAPI cannot require a file name or a type",
    "extra_forbidden": "`filename` is a parameter of raw uploads only",
    # OpenAPI cannot describe these rules of a query, or of a query and a form together.
    "duplicate_field": "in the form and in the query",
    "jobs_and_preset": "at most one of them",
    "one_selection": "exactly one of them",
    "duplicate_name": "two jobs of one request; JSON Schema cannot compare the fields of two items",
    **{
        rule.code: "fields of an output that exclude each other: many clients ignore if/then of a schema"
        for rule in OUTPUT_RULES
    },
    "frames_format": "the frames of a job and the format of its output: many clients ignore if/then of a schema",
    "crop_fields": "the same of the fields of a crop",
    "round_shape": "the same of the fields of round",
    "frames_and_page": "the same of the frames and the page of a job",
    "too_long": "bytes of metadata, counted as JSON",
    "number_too_large": "integers of metadata beyond 2^53",
}
"""Codes of errors with which the API may refuse a request that fits the document, with the reason."""


ANY_FIELDS = {
    "/v1/s3/multipart": "`metadata` has the fields that a page gives Uppy; texts and numbers are checked later"
}
"""Addresses whose requests may fit the document and be refused all the same, with the reason."""


def _photo(file_format: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (40, 30), "green").save(data, file_format)
    return data.getvalue()


FILES = [
    *[_photo(name) for name in ("JPEG", "PNG", "WEBP", "GIF")],
    *EXAMPLE_ASSETS.values(),
    *[_photo("JPEG")[:30], b"no photo", b""],
]
"""What uploads send: photos, assets, and files that are neither."""

for _type in (*INPUT_FORMATS.values(), "application/octet-stream"):
    schemathesis.openapi.media_type(_type, strategies.sampled_from(FILES))


def reasons(problem: dict[str, Any]) -> set[str]:
    """The error codes of a problem document, including those of a batch's photos."""
    faults = [
        *problem.get("errors", []),
        *[{"code": code} for photo in problem.get("photos", []) for code in reasons(photo)],
    ]
    return {fault["code"] for fault in faults} or {problem["type"].rpartition(":")[2]}


JOBS = jsonschema.Draft202012Validator(jobs_adapter.json_schema())


def fits_the_document(case: Any) -> bool:
    """Whether jobs and metadata of a request are as the document describes them.

    In a form and in a query they are texts that hold JSON, which only their description says. And the tool leaves out a
    part of some rules between fields, and then takes a number beyond its limits for a valid one.
    """
    body = case.body if isinstance(case.body, dict) else {}
    fields = {**(case.query or {}), **body}
    try:
        jobs, metadata = (_from_text(fields.get(name)) for name in ("jobs", "metadata"))
    except ValueError:
        return False
    return (jobs is None or JOBS.is_valid(jobs)) and isinstance(metadata, dict | None)


def _from_text(value: Any) -> Any:
    """A field as it is, or what its JSON says; None if it was left empty. Raises ValueError for text without JSON."""
    return (json.loads(value) if value else None) if isinstance(value, str) else value


@schemathesis.check
def valid_requests_are_accepted(ctx: Any, response: Any, case: Any) -> None:
    refused = response.status_code in (400, 413, 415, 422)
    if refused and case.path in ANY_FIELDS:
        return
    if not refused or (fits_the_document(case) and not reasons(response.json()) <= EXCUSED.keys()):
        positive_data_acceptance(ctx, response, case)


@schemathesis.check
def other_owners_get_404(ctx: Any, response: Any, case: Any) -> None:
    refused = response.status_code == 422 and (
        not fits_the_document(case) or reasons(response.json()) <= EXCUSED.keys()
    )
    assert response.status_code == 404 or refused, f"{case.method} {case.path}: {response.status_code}"
