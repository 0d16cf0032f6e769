"""The real worker, with operations that misbehave in its children: `python -m tests.support.misbehaving`.

A child imports the program it belongs to, so that it finds the operations replaced here as well.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageFilter

import worker.child.main
from darkroom.jobs.steps.filters.colours import Grayscale, Saturation, Sepia
from darkroom.jobs.steps.filters.filter import Filter
from darkroom.jobs.steps.filters.tones import AutoContrast, Brightness, Invert, Posterize
from darkroom.sniff import Sniffed, sniff
from worker.photo.operations.step_functions import STEP_FUNCTIONS

TRAP = 15.0
"""Seconds: longer than the test's lease."""


def crash() -> None:
    os.abort()


def allocate_without_end() -> None:
    blocks = []
    while True:
        blocks.append(bytearray(10_000_000))


def sleep_forever() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    threading.Event().wait()


def reach_the_network() -> None:
    socket.socket(socket.AF_INET)


def run_a_program() -> None:
    subprocess.run(["/bin/true"], check=True)


def read_a_file_elsewhere() -> None:
    Path("/etc/passwd").read_bytes()


def _first(misbehave: Callable[[], None]) -> Callable[..., Image.Image]:
    def apply(image: Image.Image, _spec: Filter, _materials: object) -> Image.Image:
        misbehave()
        return image

    return apply


def _rank_filter(image: Image.Image, _spec: Any, _materials: object) -> Image.Image:
    """Hold the GIL, as Pillow does while it filters. It filters again until TRAP seconds have passed."""
    end = time.monotonic() + TRAP
    image = image.convert("L")
    while True:
        image = image.filter(ImageFilter.MedianFilter(9))
        if time.monotonic() > end:
            return image.convert("RGB")


def _sniff(original: BinaryIO, max_pixels: int) -> Sniffed:
    beginning = original.read(5)
    if beginning == b"CRASH":
        crash()
    if beginning == b"SLEEP":
        sleep_forever()
    if beginning == b"BUGGY":
        raise RuntimeError("an unexpected error")
    return sniff(original, max_pixels)


worker.child.main.sniff = _sniff
STEP_FUNCTIONS[Sepia] = _first(crash)
STEP_FUNCTIONS[Invert] = _first(allocate_without_end)
STEP_FUNCTIONS[Posterize] = _first(sleep_forever)
STEP_FUNCTIONS[Saturation] = _first(reach_the_network)
STEP_FUNCTIONS[AutoContrast] = _first(run_a_program)
STEP_FUNCTIONS[Brightness] = _first(read_a_file_elsewhere)
STEP_FUNCTIONS[Grayscale] = _rank_filter

if __name__ == "__main__":
    from worker.__main__ import main  # not in the children, which would load all of the worker

    sys.exit(main())
