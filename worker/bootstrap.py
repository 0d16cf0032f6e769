"""The start of every worker, in containers (worker/__main__.py) and on Lambda (worker/lambda_function.py)."""

from __future__ import annotations

import structlog

from darkroom.capacity import Capacity, worker_capacity
from darkroom.logs import set_up_logs
from darkroom.services import Services
from darkroom.settings import MIB, Settings, prepare_spool
from worker.child.limits import ChildLimits
from worker.child.process import try_sandbox
from worker.child.workspace import remove_leftovers

log = structlog.get_logger()


def prepare(settings: Settings, cpus: int, usable: int) -> tuple[Services, Capacity]:
    """Check the environment. Returns the services, and what a worker can do at a time with `cpus` CPUs and `usable`
    bytes of memory. Raises SettingsError. The fork server must be running."""
    set_up_logs(settings, "worker")
    capacity = worker_capacity(settings, cpus, usable)
    settings = settings.model_copy(update={"child_memory": capacity.child_memory})
    log.info(
        "worker.memory",
        children=capacity.children,
        child_mib=capacity.child_memory // MIB,
        usable_mib=usable // MIB,
    )
    services = Services.connect(settings)
    prepare_spool(settings)
    # A killed worker leaves its files, and the next one may start on the same disk.
    remove_leftovers(settings.spool_dir)
    if missing := try_sandbox(ChildLimits(capacity.child_memory, settings.max_pixels, settings.max_result_bytes)):
        log.warning("sandbox.incomplete", missing=missing, why="this system does not support it")
    return services, capacity
