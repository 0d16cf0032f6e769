"""`python -m worker`: settings once -> services -> consumer; the first SIGTERM drains, the second gives back."""

from __future__ import annotations

import signal
import sys
import threading

from darkroom.errors import DarkroomError
from darkroom.resources import raise_limit_of_open_files, usable_cpus, usable_memory
from darkroom.settings import read_settings
from worker.bootstrap import prepare
from worker.child.process import start_fork_server
from worker.child.sandbox import guard_this_process
from worker.consumer import Consumer

STOP = {signal.SIGTERM, signal.SIGINT}


def main() -> int:
    start_fork_server()
    # A thread waits for the signals: a signal handler would run between any two lines, even inside a lock.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    guard_this_process()
    raise_limit_of_open_files()
    try:
        services, capacity = prepare(read_settings(), usable_cpus(), usable_memory())
        consumer = Consumer(services, capacity)
    except DarkroomError as error:
        print(f"darkroom worker: {error.detail}", file=sys.stderr)
        return 2
    threading.Thread(target=_obey_signals, args=[consumer], name="signals", daemon=True).start()
    return 0 if consumer.run() else 1


def _obey_signals(consumer: Consumer) -> None:
    signal.sigwait(STOP)
    consumer.stop()
    signal.sigwait(STOP)
    consumer.interrupt()


if __name__ == "__main__":
    sys.exit(main())
