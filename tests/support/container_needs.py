"""How many threads and how much disk the containers of API and worker need at most; docs/deploy.md has the formulas."""

from __future__ import annotations

from darkroom.settings import MIB, Settings
from darkroom.sniff import DECODING_THREADS
from worker.child.limits import MOST_FILES, ChildLimits
from worker.webhooks.sender import AT_A_TIME

INIT, COMMANDS = 1, 10
"""Process 1, and commands such as health checks and `docker compose exec`."""

IMAGE = 1024 * MIB
"""Bytes of Fargate's disk for the image, which has 0.3 GB, and for logs."""

CHILD = 1 + 2 * DECODING_THREADS
"""Threads of a child process. Most has one that reads a HEIC of tiles."""


def worker_threads(slots: int) -> int:
    """Threads of the worker's own process. Look-ups of hosts for webhooks come and go."""
    return 10 + 2 * slots + AT_A_TIME


def worker_pids(slots: int) -> int:
    fork_server_and_resource_tracker = 2
    return INIT + COMMANDS + worker_threads(slots) + AT_A_TIME + fork_server_and_resource_tracker + slots * CHILD


def api_pids(settings: Settings) -> int:
    return INIT + COMMANDS + 1 + settings.api_processes * (settings.api_threads + 8)


def worker_spool(settings: Settings, slots: int) -> int:
    """Bytes of originals, and of all files that children can hold open: also those of earlier orders, if a photo has
    taken over the child."""
    return slots * (settings.max_upload_bytes + MOST_FILES * ChildLimits(None, settings.max_pixels).file_size)


def api_spool(settings: Settings) -> int:
    """Bytes of the bodies that are collected, and of the copies that threads make of those that have arrived."""
    return 2 * settings.api_processes * settings.api_threads * settings.max_request_bytes
