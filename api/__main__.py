"""`python -m api`: settings, logs, gunicorn."""

from __future__ import annotations

import logging
import resource
import socket
import sys
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from api.app import DarkroomApi, create_app
from api.bootstrap import prepare
from api.http.malformed import answer_with_problems
from darkroom.errors import SettingsError
from darkroom.logs import set_up_logs
from darkroom.owners import read_owners
from darkroom.services import Services
from darkroom.settings import PREFIX, Settings, read_settings

GRACE = 30
"""Seconds that requests under way have after SIGTERM; waits end at once."""

KEEP_ALIVE = 75
"""Longer than the 60 s of usual load balancers: the one who reuses a connection must not find it closed."""

REQUEST_LINE = 8190
"""Jobs may stand in the address of a raw upload."""

OPEN_FILES = 65_536
"""Every photo of an upload is an open file until it is stored, and every caller a socket."""


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, with everything that it has to know from our settings instead of a file."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in {
            "bind": bind_address(self.settings),
            "worker_class": "api.http.gunicorn_worker.Worker",
            "workers": self.settings.api_processes,
            "threads": self.settings.api_threads,
            "graceful_timeout": GRACE,
            "keepalive": KEEP_ALIVE,
            "sendfile": False,  # api.http.connection could not bound it
            "limit_request_line": REQUEST_LINE,
            "logger_class": GunicornLog,
            "post_worker_init": _when_worker_starts,
            # The root may be read-only, and nobody talks to gunicorn but by signals.
            "control_socket_disable": True,
            "proc_name": "darkroom-api",
        }.items():
            self.cfg.set(name, value)

    def load(self) -> DarkroomApi:
        """Called in each worker process after the fork: clients and their connections are never shared."""
        return create_app(self.settings, Services.connect(self.settings))


class GunicornLog(Logger):  # type: ignore[misc]
    """gunicorn's own lines in our form. The app writes a line for each request itself."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.NOTSET)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if isinstance(sys.exc_info()[1], TimeoutError):  # a limit of api.http.connection
            self.debug("a caller has fallen silent, or is too slow")
        else:
            super().exception(msg, *args, **kwargs)


def bind_address(settings: Settings) -> str:
    """An IPv6 address stands in brackets, or its end would be taken for the port."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"


def _when_worker_starts(worker: Any) -> None:
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
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    answer_with_problems()
    Server(settings).run()


def _check_address(settings: Settings) -> None:
    try:
        socket.getaddrinfo(settings.host, settings.port, socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{PREFIX}HOST: {settings.host!r} is no address and no name of a host: {error}") from error


if __name__ == "__main__":
    main()
