"""The AWS emulator of `make run` and the tests: ministack, a process that listens on 127.0.0.1 only.

It saves queues and records when a signal ends it, and photos at once.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from darkroom.errors import DarkroomError

HOST = "127.0.0.1"
STARTS_WITHIN = 60.0
SAVES_WITHIN = 30.0

AWS_ANSWERS_WITHIN = 10.0
"""Seconds to wait for an endpoint that the user has set."""


class StartFailed(DarkroomError):
    """A process of the embedded run did not start."""

    code = "start_failed"
    retryable = False


class LocalProcess:
    """A process that we started, with its log file.

    It has its own session, so Ctrl-C in the terminal reaches only us, and we stop the processes in the right order.
    """

    def __init__(self, name: str, module: str, log: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", module],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def terminate(self) -> None:
        if not self.ended:
            self.process.terminate()

    def wait(self, within: float, give_up: Callable[[], bool] = lambda: False) -> bool:
        """Wait until it has ended. Kills it after `within` seconds. Returns True if it ended without a kill."""
        deadline = time.monotonic() + within
        while not self.ended and time.monotonic() < deadline and not give_up():
            time.sleep(0.05)
        ended_itself = self.ended
        # The whole session, even after a clean end: its own child processes may still run.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return ended_itself

    def failure(self) -> str:
        """How it ended, and the last lines of its log."""
        code = self.process.poll() or 0
        ending = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        last_lines = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        return f"{self.name} {ending}; the end of {self.log}:\n{last_lines}"


class Emulator:
    """ministack on a local port, with its state in a directory.

    A context manager; `with Emulator(directory) as emulator: emulator.url`.
    """

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._directory = directory.absolute()
        self._process: LocalProcess | None = None

    @property
    def environ(self) -> dict[str, str]:
        """The variables that point boto3 here, if no other AWS_* variable is set except a region."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            # The user's own files may name other endpoints or credentials.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def start(self, log: Path | None = None, give_up: Callable[[], bool] = lambda: False) -> LocalProcess:
        """Start it and wait until it answers. Raises StartFailed."""
        if importlib.util.find_spec("ministack") is None:
            raise StartFailed("the AWS emulator is not installed; in the checkout, `make install` installs it")
        if is_taken(HOST, self.port):
            raise StartFailed(f"{HOST}:{self.port} is in use by another program")
        state, photos = self._directory / "state", self._directory / "s3"
        if not (state / "cloudformation.json").exists():
            # A first run was killed before it saved its state. Remove its photos, because CloudFormation cannot make a
            # bucket that exists.
            shutil.rmtree(photos, ignore_errors=True)
        environ = {
            **os.environ,
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(photos),
            # Services that listen on further ports.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
        }
        self._process = process = LocalProcess(
            "emulator", "ministack", log or self._directory / "emulator.log", environ
        )
        try:
            wait_until_answers(process, HOST, self.port, "/_ministack/health", STARTS_WITHIN, give_up)
        except BaseException:
            self.stop()
            raise
        return process

    def stop(self) -> bool:
        """Stop it. Returns True if it ended without a kill, and so has saved its state."""
        if self._process is None:
            return True
        self._process.terminate()
        return self._process.wait(SAVES_WITHIN)

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def wait_until_answers(
    process: LocalProcess,
    host: str,
    port: int,
    path: str,
    within: float,
    give_up: Callable[[], bool] = lambda: False,
    request_timeout: float = 2.0,
) -> None:
    """Wait for a 200 on this address. Raises StartFailed after `within` seconds, and at once when the process ends."""
    deadline = time.monotonic() + within
    while not give_up():
        if process.ended:
            raise StartFailed(process.failure())
        if _answers(host, port, path, request_timeout):
            return
        if time.monotonic() > deadline:
            raise StartFailed(f"{process.name} does not answer after {within:g} s; see {process.log}")
        time.sleep(0.1)


def _answers(host: str, port: int, path: str, timeout: float) -> bool:
    # Not urllib: it would use a proxy that the environment names.
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_for_aws(url: str, give_up: Callable[[], bool] = lambda: False) -> None:
    """Wait until something accepts connections at the address. Raises StartFailed after AWS_ANSWERS_WITHIN seconds."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    deadline = time.monotonic() + AWS_ANSWERS_WITHIN
    while not give_up():
        try:
            socket.create_connection(address, timeout=2).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"nothing answers at {url} after {AWS_ANSWERS_WITHIN:g} s ({error.strerror or error}). Start what "
                    "should answer there, or run the built-in AWS emulator: env -u AWS_ENDPOINT_URL make run"
                ) from error
        time.sleep(0.2)


def is_taken(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise StartFailed(f"DARKROOM_HOST: this machine has no address {host}") from None
            return error.errno == errno.EADDRINUSE  # the process that listens here reports other errors
    return False


def free_port() -> int:
    """A port that nobody listens on. Outgoing connections do not take it before it is used: it is not one of the
    ephemeral ports, which begin at 32768 on Linux and at 49152 elsewhere (RFC 6335)."""
    while True:
        port = random.randrange(20_000, 32_768)  # noqa: S311 - spreads processes, no secret
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port
