"""The real worker, whose blur takes sigma / 10 seconds and no CPU time: `python -m tests.support.slow_worker`.

For tests that need a photo in progress, however fast or busy the machine is. Children import this program, so that
their blur is replaced as well.
"""

from __future__ import annotations

import sys
import threading

from PIL import Image

from darkroom.jobs.steps.filters.details import Blur
from worker.photo.operations.step_functions import STEP_FUNCTIONS


def _wait(image: Image.Image, spec: Blur, _materials: object) -> Image.Image:
    threading.Event().wait(spec.sigma / 10)  # not time.sleep: its system call is refused
    return image


STEP_FUNCTIONS[Blur] = _wait

if __name__ == "__main__":
    from worker.__main__ import main  # not in the children, which would load all of the worker

    sys.exit(main())
