"""How many threads and how much disk the containers of API and worker need at most; docs/deploy.md has the formulas."""

from __future__ import annotations

from darkroom.settings import MIB, Settings
from darkroom.sniff import DECODING_THREADS
from worker.child.limits import MOST_FILES
from worker.child.runner import MOST_WAITING_RESULTS
from worker.consumer import TRANSFERS_PER_CHILD
from worker.webhooks.sender import AT_A_TIME

INIT, COMMANDS = 1, 10
"""Process 1, and commands such as health checks and `docker compose exec`."""

IMAGE = 1024 * MIB
"""Bytes of Fargate's disk for the image, which has 0.3 GB, and for logs."""

CHILD = 1 + 2 * DECODING_THREADS
"""Threads of a child process. Most has one that reads a HEIC of tiles."""


def worker_threads(children: int, slots: int) -> int:
    """Threads of the worker's own process: with one for each slot, and for each child those that upload.
    Look-ups of hosts for webhooks come and go."""
    return 13 + slots + TRANSFERS_PER_CHILD * children + AT_A_TIME


def worker_pids(children: int, slots: int) -> int:
    fork_server_and_resource_tracker = 2
    fetches = 2 * Settings.model_fields["fetches"].default  # with look-ups of hosts
    threads = worker_threads(children, slots) + AT_A_TIME + fetches
    return INIT + COMMANDS + threads + fork_server_and_resource_tracker + children * CHILD


def api_pids(settings: Settings) -> int:
    return INIT + COMMANDS + 1 + settings.api_processes * (settings.api_threads + 8)


def worker_spool(settings: Settings, children: int, slots: int) -> int:
    """Bytes of originals, of assets, of results that wait for their upload, and of all files that children can hold
    open: also those of earlier orders, if a photo has taken over the child."""
    held_open = MOST_FILES * settings.max_result_bytes
    kept = settings.asset_cache_bytes + MOST_WAITING_RESULTS
    return slots * settings.max_upload_bytes + children * held_open + kept


def api_spool(settings: Settings) -> int:
    """Bytes of the bodies that are collected, and of the copies that threads make of those that have arrived."""
    return 2 * settings.api_processes * settings.api_threads * settings.max_request_bytes
