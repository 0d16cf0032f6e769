"""What children are forked from: Python, Pillow and their own code, loaded once, and nothing of the worker's.

Imported by the fork server alone, when it starts, and by each that follows one that died. That one is started while
the worker's threads run, with the worker's whole environment, and an environment stays in the memory of its process,
and of its children, for good: so it starts itself once more, without.
"""

from __future__ import annotations

import os
import sys

from worker.child import sandbox

AGAIN = "-Xdarkroom-without-secrets"

if "multiprocessing.forkserver" in sys.orig_argv[-1]:
    sandbox.guard_this_process()
    harmless = sandbox.harmless_environ()
    if harmless != dict(os.environ) and AGAIN not in sys.orig_argv:
        os.execve(sys.executable, [sys.orig_argv[0], AGAIN, *sys.orig_argv[1:]], harmless)  # noqa: S606

import worker.child.main  # noqa: E402, F401 - for the children
