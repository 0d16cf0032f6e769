"""The worker's Lambda function, with operations that misbehave in its children, and a photo at which it hangs:

    HANG=<photo> python -m tests.support.misbehaving_function worker.lambda_function.lambda_handler

Children import this program, so that the operations are replaced in them as well.
"""

from __future__ import annotations

import os
import sys
import time

import tests.support.misbehaving  # noqa: F401 - it replaces operations


def hang_once_over(photo: str) -> None:
    """Let the worker's own process hang at the first receive of a photo. Only the end of the environment ends that."""
    from worker.orders.handler import OrderHandler  # not in the children, which would load all of the worker

    handle = OrderHandler.handle

    def hang(self, received, lease):  # type: ignore[no-untyped-def]
        if photo in received.body and received.receives == 1:
            time.sleep(3600)
        return handle(self, received, lease)

    OrderHandler.handle = hang  # type: ignore[method-assign]


if __name__ == "__main__":
    from awslambdaric.__main__ import main

    if photo := os.environ.get("HANG"):
        hang_once_over(photo)
    main(sys.argv)
