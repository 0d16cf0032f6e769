"""What children are forked from: Python, Pillow and the child's code, loaded once, and none of the worker's code.

A child opens no files, so it can load nothing later.

Only the fork server imports this module. multiprocessing starts a new fork server when one has died: then the worker's
threads are running, and the new process inherits the worker's whole environment. A process and its children keep that
environment in memory, even after they delete the variables. So the fork server replaces itself by a copy without them.
"""

from __future__ import annotations

import os
import sys
import traceback

from worker.child import sandbox

CLEANED = "-Xdarkroom-without-secrets"

if "multiprocessing.forkserver" in sys.orig_argv[-1]:
    sandbox.guard_this_process()
    harmless = sandbox.harmless_environ()
    if harmless != dict(os.environ) and CLEANED not in sys.orig_argv:
        os.execve(sys.executable, [sys.orig_argv[0], CLEANED, *sys.orig_argv[1:]], harmless)  # noqa: S606

import worker.child.main  # noqa: E402, F401 - for the children

try:
    raise ValueError
except ValueError:
    traceback.format_exc()  # loads what tracebacks need
