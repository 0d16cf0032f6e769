"""AWS in one small process, for a laptop and the tests: ministack, bound to this machine only.

It saves queues and records when it ends by a signal, and photos as they come.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from darkroom.errors import DarkroomError

HOST = "127.0.0.1"
STARTS_WITHIN = 60.0
SAVES_WITHIN = 30.0


class StartFailed(DarkroomError):
    """A process of the embedded run did not start."""

    code = "start_failed"
    retryable = False


class Child:
    """One process that we started, with its log file.

    It gets a session of its own, so that Ctrl-C in the terminal reaches us alone and we end the
    processes in the right order.
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

    def tell_to_stop(self) -> None:
        if not self.ended:
            self.process.terminate()

    def wait(self, within: float, give_up: Callable[[], bool] = lambda: False) -> bool:
        """Wait until it ended, kill it when it takes too long; True when it ended by itself."""
        deadline = time.monotonic() + within
        while not self.ended and time.monotonic() < deadline and not give_up():
            time.sleep(0.05)
        by_itself = self.ended
        # The whole session, also after a clean end: children that it left behind have nobody else to end them.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return by_itself

    def last_lines(self, count: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def how_it_ended(self) -> str:
        code = self.process.poll()
        if code is not None and code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"


class Emulator:
    """ministack on a port of this machine, with its state in a directory.

    A context manager; `with Emulator(directory) as emulator: emulator.url`.
    """

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._directory = directory.absolute()
        self._child: Child | None = None

    @property
    def environ(self) -> dict[str, str]:
        """What leads boto3 here, when no other AWS_* variable but a region is set."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            # A user's files may name other endpoints, or a way to log in.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def start(self, log: Path | None = None, give_up: Callable[[], bool] = lambda: False) -> Child:
        """Start it and wait until it answers. Raises StartFailed."""
        if importlib.util.find_spec("ministack") is None:
            raise StartFailed("the AWS emulator is not installed; in the checkout: make install")
        if is_taken(HOST, self.port):
            raise StartFailed(f"{HOST}:{self.port} is in use by another program")
        state, photos = self._directory / "state", self._directory / "s3"
        if not (state / "cloudformation.json").exists():
            # Photos without the state that names them: a first run was killed before it could save.
            # They would only stand in the way, because CloudFormation makes no bucket that exists.
            shutil.rmtree(photos, ignore_errors=True)
        environ = {
            **os.environ,
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(photos),
            # Services of its own ports that nobody asked for.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
        }
        self._child = child = Child("emulator", "ministack", log or self._directory / "emulator.log", environ)
        try:
            wait_until_answers(child, HOST, self.port, "/_ministack/health", STARTS_WITHIN, give_up)
        except BaseException:
            self.stop()
            raise
        return child

    def stop(self) -> bool:
        """End it; True when it ended by itself, which means that it saved its state."""
        if self._child is None:
            return True
        self._child.tell_to_stop()
        return self._child.wait(SAVES_WITHIN)

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def wait_until_answers(
    child: Child,
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
        if child.ended:
            raise StartFailed(f"{child.name} {child.how_it_ended()}; the end of {child.log}:\n{child.last_lines()}")
        if _answers(host, port, path, request_timeout):
            return
        if time.monotonic() > deadline:
            raise StartFailed(f"{child.name} does not answer within {within:g} s; see {child.log}")
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


def is_taken(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise StartFailed(f"DARKROOM_HOST: this machine has no address {host}") from None
            return error.errno == errno.EADDRINUSE  # what else may be wrong is said better by who binds in earnest
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
