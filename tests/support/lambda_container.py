"""The worker's Lambda function in our image under Lambda's runtime client, in a container like Lambda's."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from darkroom.services import Services
from tests.support.compose import HANGS, PROJECT
from tests.support.deployment import Deploy
from tests.support.lambda_runtime import EnvironmentProcess, Function, Start
from tests.support.stack import Stack

LOCALSTACK = "localstack/localstack:4.14.0"

MEMORY = 1024
"""MiB of the function, /tmp included: here that is a tmpfs, on Lambda it is not."""

LIKE_LAMBDA = [
    "--ipc=none",  # no /dev/shm
    "--read-only",
    *("--tmpfs", "/tmp:size=512m"),
    *("--memory", f"{MEMORY}m", "--memory-swap", f"{MEMORY}m"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--user", "993:990"),  # like Lambda: a user that the image does not have
]


def docker(*arguments: str, timeout: float = 900) -> str:
    command = ["docker", *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass
class Container:
    """`docker run` in the foreground."""

    name: str
    process: subprocess.Popen[bytes]

    def poll(self) -> int | None:
        return self.process.poll()

    def kill(self) -> None:
        subprocess.run(["docker", "rm", "--force", "--volumes", self.name], capture_output=True, timeout=60)
        self.process.wait()


def run_container(
    image: str, options: list[str], command: list[str], variables: dict[str, str], log: Path
) -> Container:
    name = f"darkroom-lambda-{uuid.uuid4().hex[:12]}"
    environ = [option for variable in variables.items() for option in ("--env", "=".join(variable))]
    # The host's network, where the Runtime API and LocalStack are on the loopback address.
    line = ["docker", "run", "--rm", "--name", name, "--network", "host", *options, *environ, image, *command]
    with log.open("ab") as output:
        return Container(name, subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=output))


def is_healthy(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{url}/_localstack/health", timeout=5).ok
    return False


@dataclass
class Cloud:
    """Deployments, the function's container, and the worker's beside it."""

    image: str
    deploy: Deploy
    directory: Path
    exits: contextlib.ExitStack

    def stack(self) -> Stack:
        deployment = self.deploy()
        return Stack(Services.connect(deployment.settings), deployment.environ, self.directory, self.exits)

    def function(
        self,
        stack: Stack,
        timeout: float,
        program: str = "awslambdaric",
        options: Sequence[str] = (),
        **more: str,
    ) -> Function:
        variables = {
            "DARKROOM_SPOOL_DIR": "/tmp/darkroom",
            "AWS_LAMBDA_FUNCTION_NAME": "darkroom",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY),
        }
        start = self._starting(
            ["python", "-m", program, "worker.lambda_function.lambda_handler"],
            [*LIKE_LAMBDA, *options],
            self._variables(stack) | variables | more,
        )
        return self.exits.enter_context(Function(start, timeout))

    def worker(self, stack: Stack) -> Container:
        # As docker-compose.yml runs it.
        options = ["--read-only", "--tmpfs", "/tmp", "--volume", "/var/lib/darkroom/spool", "--cap-drop", "ALL"]
        variables = self._variables(stack) | {"DARKROOM_SPOOL_DIR": "/var/lib/darkroom/spool"}
        worker = run_container(self.image, options, ["python", "-m", "worker"], variables, self.log("worker"))
        self.exits.callback(worker.kill)
        return worker

    def _starting(self, command: list[str], options: list[str], variables: dict[str, str]) -> Start:
        def start(address: str) -> EnvironmentProcess:
            more = {"AWS_LAMBDA_RUNTIME_API": address}
            return run_container(self.image, options, command, variables | more, self.log("function"))

        return start

    def _variables(self, stack: Stack) -> dict[str, str]:
        ours = {name: value for name, value in stack.environ.items() if name.startswith(("DARKROOM_", "AWS_"))}
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            ours.pop(name, None)
        return ours | {"DARKROOM_LOG_FORMAT": "json"}

    def log(self, of: str) -> Path:
        return self.directory / f"{of}.log"

    def logged(self, of: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log(of).read_text().splitlines() if line.startswith("{")]


def until(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANGS
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen that {what}"
        time.sleep(0.5)
