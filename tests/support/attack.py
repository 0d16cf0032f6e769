"""What schemathesis is told for the attack on the API (test_contract.py): photos to send, and checks of our own.

It is loaded by schemathesis' own command, by SCHEMATHESIS_HOOKS.
"""

from __future__ import annotations

import io
from typing import Any

import schemathesis
from hypothesis import strategies
from PIL import Image
from schemathesis.specs.openapi.checks import positive_data_acceptance

from darkroom.sniff import INPUT_FORMATS

EXCUSED = {
    # Whether these hold depends on what is there, which no document can say.
    "bad_cursor": "a cursor is what an answer named",
    "idempotency_key_reused": "the key came with another request before",
    "too_many_jobs": "the photo has as many as it may",
    "unknown_preset": "the settings name the presets",
    "webhooks_off": "the settings hold the secret",
    "too_large": "the settings say how many bytes a photo may have",
    "unsupported_photo": "any bytes are sound; whether they are a photo only they say",
    "unreadable_photo": "the same",
    "not_a_file": "OpenAPI cannot ask for a file name",
    "extra_forbidden": "`filename` stands in the address of a raw photo only",
    "json_invalid": "the document asks for JSON in the text (contentSchema), which schemathesis does not always make",
    # OpenAPI cannot say these of an address, or of an address and a form together.
    "duplicate_field": "given in the form and in the address",
    "jobs_and_preset": "give one of them",
    "one_selection": "give exactly one",
    "too_long": "bytes of metadata, counted as JSON",
    "number_too_large": "integers of metadata beyond 2^53",
}
"""Reasons, by code, for which a request that fits the document may be refused all the same."""


def _photo(file_format: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (40, 30), "green").save(data, file_format)
    return data.getvalue()


PHOTOS = [_photo("JPEG"), _photo("PNG"), _photo("WEBP"), _photo("GIF"), _photo("JPEG")[:30], b"no photo", b""]

for _type in (*INPUT_FORMATS.values(), "application/octet-stream"):
    schemathesis.openapi.media_type(_type, strategies.sampled_from(PHOTOS))


def reasons(problem: dict[str, Any]) -> set[str]:
    """The codes of what is wrong; of a batch, those of its photos."""
    within = [
        *problem.get("errors", []),
        *[{"code": code} for one in problem.get("photos", []) for code in reasons(one)],
    ]
    return {fault["code"] for fault in within} or {problem["type"].rpartition(":")[2]}


@schemathesis.check
def sound_requests_are_taken(ctx: Any, response: Any, case: Any) -> None:
    refused = response.status_code in (400, 413, 415, 422)
    if not refused or not reasons(response.json()) <= EXCUSED.keys():
        positive_data_acceptance(ctx, response, case)


@schemathesis.check
def strangers_see_nothing(ctx: Any, response: Any, case: Any) -> None:
    refused = response.status_code == 422 and reasons(response.json()) <= EXCUSED.keys()
    assert response.status_code == 404 or refused, f"{case.method} {case.path}: {response.status_code}"
