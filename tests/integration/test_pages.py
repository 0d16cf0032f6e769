"""Pages in a real worker: its sandbox allows what they need, and a child can say that one is missing."""

from __future__ import annotations

import io

import pillow_heif
import pytest
from PIL import Image

from tests.support.stack import Stack

pillow_heif.register_heif_opener()

SIZES = (40, 30), (24, 52), (64, 64)


@pytest.mark.parametrize(
    ("format_", "options"), [("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {"compression": "jpeg"}), ("HEIF", {})]
)
def test_jobs_of_an_order_work_with_different_pages(stack: Stack, format_: str, options: dict[str, str]) -> None:
    first, *others = [Image.linear_gradient("L").resize(size).convert("RGB") for size in SIZES]
    file = io.BytesIO()
    first.save(file, format_, save_all=True, append_images=others, **options)
    pages = (2, 0, 1, 3)
    photo = stack.submit(
        file.getvalue(), *({"type": "convert", "page": page, "output": {"metadata": "all"}} for page in pages)
    )
    stack.worker()
    *made, missing = stack.wait_for(photo).jobs.values()
    assert [job.status for job in made] == ["succeeded"] * 3, [job.errors for job in made]
    assert [(job.result.width, job.result.height) for job in made] == [SIZES[page] for page in pages[:3]]
    assert (missing.status, missing.errors[-1].code) == ("failed", "page_missing")
    assert missing.errors[-1].detail == "The job asks for page 3, but the photo has 3 pages, 0 to 2."
