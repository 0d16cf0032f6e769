"""`python -m worker`: settings once -> services -> consumer; the first SIGTERM drains, the second gives back."""

from __future__ import annotations

import signal
import sys
import threading

from darkroom.errors import DarkroomError
from darkroom.logs import set_up_logs
from darkroom.services import Services
from darkroom.settings import prepare_spool, read_settings
from worker.consumer import Consumer
from worker.cpus import usable_cpus
from worker.pool import start_fork_server

STOP = {signal.SIGTERM, signal.SIGINT}


def main() -> int:
    start_fork_server()
    # Waited for in a thread: a handler would run between any two lines, in the middle of a lock.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    try:
        settings = read_settings()
        set_up_logs(settings, "worker")
        services = Services.connect(settings)
        prepare_spool(settings)
    except DarkroomError as error:
        print(f"darkroom worker: {error.detail}", file=sys.stderr)
        return 2
    consumer = Consumer(services, settings.concurrency or usable_cpus())
    threading.Thread(target=_obey_signals, args=[consumer], name="signals", daemon=True).start()
    return 0 if consumer.run() else 1


def _obey_signals(consumer: Consumer) -> None:
    signal.sigwait(STOP)
    consumer.stop()
    signal.sigwait(STOP)
    consumer.interrupt()


if __name__ == "__main__":
    sys.exit(main())
