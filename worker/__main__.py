"""`python -m worker`: settings once -> services -> consumer; the first SIGTERM drains, the second gives back."""

from __future__ import annotations

import signal
import sys
import threading

import structlog

from darkroom.errors import DarkroomError
from darkroom.logs import set_up_logs
from darkroom.memory import usable_memory
from darkroom.services import Services
from darkroom.settings import MIB, prepare_spool, read_settings
from worker.consumer import Consumer
from worker.cpus import usable_cpus
from worker.memory import slots_and_memory
from worker.pool import start_fork_server, try_sandbox
from worker.sandbox import Limits, guard_this_process

log = structlog.get_logger()

STOP = {signal.SIGTERM, signal.SIGINT}


def main() -> int:
    start_fork_server()
    # Waited for in a thread: a handler would run between any two lines, in the middle of a lock.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    guard_this_process()
    try:
        settings = read_settings()
        usable = usable_memory()
        slots, child_memory = slots_and_memory(settings, usable_cpus(), usable)
        settings = settings.model_copy(update={"child_memory": child_memory})
        set_up_logs(settings, "worker")
        log.info("worker.memory", slots=slots, child_mib=child_memory // MIB, usable_mib=usable // MIB)
        services = Services.connect(settings)
        prepare_spool(settings)
        missing = try_sandbox(Limits(settings.child_memory, settings.spool_dir))
        consumer = Consumer(services, slots)
    except DarkroomError as error:
        print(f"darkroom worker: {error.detail}", file=sys.stderr)
        return 2
    if missing:
        log.warning("sandbox.incomplete", missing=missing, why="this system has no means for it")
    threading.Thread(target=_obey_signals, args=[consumer], name="signals", daemon=True).start()
    return 0 if consumer.run() else 1


def _obey_signals(consumer: Consumer) -> None:
    signal.sigwait(STOP)
    consumer.stop()
    signal.sigwait(STOP)
    consumer.interrupt()


if __name__ == "__main__":
    sys.exit(main())
