"""`python -m api`: read the settings, set up the logs, run gunicorn."""

from __future__ import annotations

import resource
import socket
import sys
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from api.app import DarkroomApi, create_app
from api.bootstrap import prepare
from api.http.gunicorn_overrides import GunicornLog, Worker
from api.http.head_rules import MAX_HEADER, MAX_HEADERS, MAX_REQUEST_LINE
from darkroom.errors import SettingsError
from darkroom.logs import set_up_logs
from darkroom.owners import read_owners
from darkroom.resources import raise_limit_of_open_files
from darkroom.services import Services
from darkroom.settings import PREFIX, Settings, read_settings

GRACE = 30
"""Seconds that running requests have after SIGTERM; requests with ?wait= end at once."""

KEEP_ALIVE = 75
"""Seconds. Longer than the 60 s of usual load balancers: the side that reuses a connection must close it first."""

CONNECTIONS = 2000
"""Of each process, at least. Beyond them it closes idle and slow ones for new ones."""

CONNECTIONS_PER_THREAD = 100
"""At least. More connections than requests that wait for a thread, so that some can always be closed."""

MIN_CONNECTIONS = 100
"""Of a process that may have few files open. Uploads of many photos then get 503 when there are no more."""

OTHER_FILES = 200
"""Listening sockets, connections to AWS, logs."""


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, configured from our settings instead of a file."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in {
            "bind": bind_address(self.settings),
            "worker_class": f"{Worker.__module__}.{Worker.__name__}",
            "workers": self.settings.api_processes,
            "threads": self.settings.api_threads,
            "worker_connections": most_connections(self.settings, resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
            "graceful_timeout": GRACE,
            "keepalive": KEEP_ALIVE,
            "limit_request_line": MAX_REQUEST_LINE,
            "limit_request_fields": MAX_HEADERS,
            "limit_request_field_size": MAX_HEADER,
            "logger_class": GunicornLog,
            "post_worker_init": _end_waits_when_stopping,
            # The root file system may be read-only, and gunicorn is controlled by signals only.
            "control_socket_disable": True,
            "proc_name": "darkroom-api",
        }.items():
            self.cfg.set(name, value)

    def load(self) -> DarkroomApi:
        """Called in each worker process after the fork: processes never share clients and their connections."""
        return create_app(self.settings, Services.connect(self.settings))


def bind_address(settings: Settings) -> str:
    """An IPv6 address needs brackets, otherwise its end would be read as the port."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"


def most_connections(settings: Settings, open_files: int) -> int:
    """Connections of a process that may have `open_files` files open at a time.

    A connection needs one for itself and one for the body that is received or the file that is sent. Each thread may
    have the photos of an upload open. gunicorn's process would end when it could not accept a connection.
    """
    wanted = max(CONNECTIONS, CONNECTIONS_PER_THREAD * settings.api_threads)
    left = open_files - settings.api_threads * settings.max_photos - OTHER_FILES
    return max(MIN_CONNECTIONS, min(wanted, left // 2))


def _end_waits_when_stopping(worker: Any) -> None:
    context = worker.app.callable.context()
    context.waits.stopping = lambda: not worker.alive


def main() -> None:
    try:
        settings = read_settings()
        set_up_logs(settings, "api")
        _check_address(settings)
        prepare(settings, read_owners(settings), f"{settings.host}:{settings.port}")
    except SettingsError as error:
        sys.stderr.write(f"darkroom api: {error.detail}\n")
        sys.exit(2)
    raise_limit_of_open_files()
    Server(settings).run()


def _check_address(settings: Settings) -> None:
    try:
        socket.getaddrinfo(settings.host, settings.port, socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        detail = f"{PREFIX}HOST: {settings.host!r} is not an address and not a known host name: {error}"
        raise SettingsError(detail) from error


if __name__ == "__main__":
    main()
