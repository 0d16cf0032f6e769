"""Damaged and odd photos in a real worker: its sandbox allows what repairs need, and warnings arrive in the record."""

from __future__ import annotations

import io
import random
import struct
from typing import Any

from PIL import Image

from tests.support.container_files import chunk, gif, lossless_jpeg, png, saved, webp_animation
from tests.support.stack import Stack

NOISE = Image.frombytes("RGB", (200, 160), random.Random(1).randbytes(200 * 160 * 3))
STRICT: dict[str, Any] = {"type": "resize", "width": 100, "output": {"format": "png"}}
TOLERANT = STRICT | {"tolerate": "truncated"}


def cut(format_: str, **options: Any) -> bytes:
    data = saved(NOISE, format_, **options)
    return data[: len(data) * 2 // 3]


REPAIRED = {
    "a JPEG without an end": (saved(NOISE, "JPEG")[:-2], {"end_missing"}),
    "a progressive JPEG without an end": (saved(NOISE, "JPEG", progressive=True)[:-2], {"end_missing"}),
    "a PNG with a short chunk": (png([bytes(9)] * 2, 3, before=chunk(b"pHYs", b"\0\0")), {"ancillary_damage"}),
    "a PNG without an end": (saved(NOISE, "PNG")[:-12] + b"\0\0\0\x76IDAT", {"end_missing"}),
    "a PNG with a transparent colour of 48 bits": (
        png([struct.pack(">6H", 0x8000, 0, 0, 0x80FF, 0, 0)], 2, depth=16, before=chunk(b"tRNS", b"\x80\0\0\0\0\0")),
        set(),
    ),
    "a small first frame of a GIF": (gif((16, 16), (4, 4, 8, 8)), {"partial_frame"}),
    "a GIF with too few pixels": (gif((8, 8), (0, 0, 8, 8), pixels=20), {"partial_frame"}),
    "a small first frame of a WebP": (webp_animation(16, 4, at=4), {"partial_frame"}),
    "a lossless JPEG": (lossless_jpeg(3), set()),
}

CUT = {
    "JPEG": cut("JPEG"),
    "JPEG, progressive": cut("JPEG", progressive=True),
    "PNG": cut("PNG"),
    "GIF": cut("GIF"),
    "TIFF": cut("TIFF"),
}


def test_repaired_photos_have_results_with_warnings(stack: Stack) -> None:
    photos = {name: stack.submit(data, STRICT) for name, (data, _) in REPAIRED.items()}
    stack.worker()
    for name, photo in photos.items():
        (job,) = stack.wait_for(photo).jobs.values()
        assert job.status == "succeeded", (name, job.errors)
        assert {warning.code for warning in job.result.warnings} == REPAIRED[name][1], name
    stack.wait_until_empty()
    events = {event["data"]["id"]: event for event in stack.events()}
    (job,) = events[photos["a JPEG without an end"].id]["data"]["jobs"]
    assert [warning["code"] for warning in job["result"]["warnings"]] == ["end_missing"]


def test_photos_that_are_cut_short_have_results_for_those_who_tolerate_it(stack: Stack) -> None:
    photos = {name: stack.submit(data, STRICT, TOLERANT) for name, data in CUT.items()}
    stack.worker()
    for name, photo in photos.items():
        strict, tolerant = stack.wait_for(photo).jobs.values()
        assert (strict.status, strict.errors[-1].code) == ("failed", "unreadable_photo"), name
        assert tolerant.status == "succeeded", (name, tolerant.errors)
        assert [warning.code for warning in tolerant.result.warnings] == ["truncated"], name
        with Image.open(io.BytesIO(stack.services.bucket.read(tolerant.result.key))) as picture:
            assert picture.mode == ("RGB" if "progressive" in name else "RGBA")
