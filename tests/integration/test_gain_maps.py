"""Gain maps in a real worker: its sandbox allows what `keep_hdr` needs."""

from __future__ import annotations

from PIL import Image

from tests.support.stack import Stack
from tests.support.ultra_hdr import gain_map, listed_pictures, opened, ultra_hdr


def test_a_worker_keeps_the_gain_map_where_the_job_asks_for_it(stack: Stack) -> None:
    data = ultra_hdr(Image.new("RGB", (400, 200), "teal"), gain_map(Image.new("L", (200, 100), 90)))
    resize = {"type": "resize", "width": 100}
    photo = stack.submit(data, resize | {"output": {"keep_hdr": True}}, resize)
    stack.worker()
    kept, plain = stack.wait_for(photo).jobs.values()
    assert (kept.status, plain.status) == ("succeeded", "succeeded"), (kept.errors, plain.errors)
    assert [warning.code for warning in kept.result.warnings] == []
    assert [warning.code for warning in plain.result.warnings] == ["gain_map_lost"]
    _, of_map = listed_pictures(stack.services.bucket.read(kept.result.key))
    assert opened(of_map).size == (50, 25)
    assert abs(opened(of_map).getpixel((25, 12)) - 90) <= 2
