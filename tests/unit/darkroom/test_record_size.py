"""The record of a photo fits into an item of DynamoDB, whatever is asked for."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest

from darkroom.aws.items import item_of
from darkroom.errors import AttemptsExhausted, InvalidRequest
from darkroom.jobs.job_types import MAX_JOBS, MAX_STEPS, jobs_adapter
from darkroom.record.keys import result_key
from darkroom.record.stored import MAX_CONTENT
from tests.support.records import MAX_ATTEMPTS, RESEND, claim, job_list, only_order, photo, result

RANDOM = random.Random(1)


def noise(size: int) -> str:
    """A text that compression makes hardly shorter, another one each time."""
    return "".join(RANDOM.choices(string.printable, k=size))


def rare(size: int) -> str:
    """A text of characters that take four bytes each."""
    return "".join(chr(RANDOM.randrange(0x20000, 0x30000)) for _ in range(size))


def many_boxes() -> dict[str, Any]:
    """A job of 500 boxes, with 55 KB as JSON."""
    sides = ("left", "top", "width", "height")
    steps = [
        {
            "type": "filter",
            "filter": "pixelate",
            "boxes": [{side: RANDOM.uniform(0.1, 0.9) for side in sides} for _ in range(100)],
        }
        for _ in range(5)
    ]
    return {"type": "pipeline", "steps": steps}


def test_the_largest_record_fits_into_an_item() -> None:
    """An item in DynamoDB has at most 400 KB."""
    step = {
        "type": "resize",
        "width": 10_000,
        "height": 10_000,
        "fit": "outside",
        "position": {"x": 0.123456789, "y": 0.123456789},
        "background": "#12345678",
    }
    record = photo(
        *[
            {
                "type": "pipeline",
                "steps": [*[step] * (MAX_STEPS - 2), *({"type": "text", "text": rare(500)} for _ in "ab")],
            }
            for _ in range(MAX_JOBS)
        ]
    )
    record.metadata = {"m": noise(2048)}
    for _ in range(10):  # redrives
        for _ in range(MAX_ATTEMPTS):
            record.postpone(claim(record), AttemptsExhausted(noise(1000)), True, 1, RESEND)
        record.bury(claim(record), AttemptsExhausted(noise(1000)))
        record.redrive(only_order(record).id, RESEND)
    for _ in range(MAX_ATTEMPTS):
        record.postpone(claim(record), AttemptsExhausted(noise(1000)), True, 1, RESEND)
    record.bury(claim(record), AttemptsExhausted(noise(1000)))
    for job in job_list(record):
        job.result = result(result_key(record.id, job.id, 1000, "jpeg")).model_copy(
            update={
                "filename": noise(255),
                "seconds": dict.fromkeys(["decode", "resize", "encode", "store"], 1.2345),
                "versions": {"darkroom": "10.10.10", "pillow": "13.10.10"},
            }
        )
    job_list(record)[0].result.content = noise(MAX_CONTENT)  # type: ignore[union-attr]
    assert len(item_of(record)["record"]) < 399_000


def test_the_specs_of_a_photo_fit_into_its_item() -> None:
    record, size = photo(), 0
    while size < 180_000:
        record.add_order(jobs_adapter.validate_python([many_boxes()]), RESEND)
        size = len(item_of(record)["record"])
    more = jobs_adapter.validate_python([many_boxes(), many_boxes()])
    with pytest.raises(InvalidRequest, match="at most 200,000 bytes together, as compressed JSON") as refused:
        record.add_order(more, RESEND)
    assert [fault.code for fault in refused.value.faults] == ["jobs_too_large"]
    assert size < 250_000
