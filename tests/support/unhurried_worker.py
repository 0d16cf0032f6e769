"""The slow worker (tests/support/slow_worker.py), whose events and deletes wait for each other as long as there is more
work: `python -m tests.support.unhurried_worker`. So its number of requests does not depend on the speed of the machine.
"""

from __future__ import annotations

import sys

import tests.support.slow_worker  # noqa: F401 - for the children, too

if __name__ == "__main__":
    from worker import announcer, lease
    from worker.__main__ import main  # not in the children, which would load all of the worker

    announcer.WAIT = lease.LONGEST_WAIT = 3600.0
    sys.exit(main())
