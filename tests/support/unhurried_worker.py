"""The real worker, whose events and deletes wait for each other however long it takes, as long as there is more work:
`python -m tests.support.unhurried_worker`. So its number of requests does not depend on the speed of the machine.
"""

from __future__ import annotations

import sys

from worker import announcer, lease

announcer.WAIT = lease.LONGEST_WAIT = 3600.0

if __name__ == "__main__":
    from worker.__main__ import main  # not in the children, which would load all of the worker

    sys.exit(main())
