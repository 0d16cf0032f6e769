"""One project of Docker Compose, used as a user would use it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from darkroom.local.emulator import free_port

PROJECT = Path(__file__).parents[2]
ENDED = {"succeeded", "failed"}

HANGS = 240
"""Seconds after which a test stops waiting. The limit only ends a hanging test."""


class ComposeProject:
    """One project of Docker Compose: the commands of the README, and a client for its API."""

    def __init__(self, name: str, api_port: int, localstack_port: int) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{api_port}"
        self.checkout = Path(tempfile.mkdtemp(prefix="darkroom-e2e-"))
        """The folder in which check-settings looks for .env."""
        self.storage_url = f"http://127.0.0.1:{localstack_port}"
        # Variables of the shell that runs the tests must not reach the services.
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("DARKROOM_", "AWS_"))}
        self.environ = clean | {
            "COMPOSE_PROJECT_NAME": name,
            "DARKROOM_PORT": str(api_port),
            "LOCALSTACK_PORT": str(localstack_port),
            "E2E_CHECKOUT": str(self.checkout),
        }
        self.http = requests.Session()
        self.http.trust_env = False

    def compose(self, *arguments: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        files = ["-f", "docker-compose.yml", "-f", "tests/e2e/compose.e2e.yml", "--env-file", os.devnull]
        return self._run(["docker", "compose", *files, *arguments], check=check, stdin=stdin)

    def shell(self, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run commands with bash as a user types them, including `docker compose`, in a folder of the test."""
        files = [PROJECT / "docker-compose.yml", PROJECT / "tests/e2e/compose.e2e.yml"]
        environ = {"COMPOSE_FILE": os.pathsep.join(map(str, files)), "COMPOSE_ENV_FILES": os.devnull}
        return subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )

    def docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._run(["docker", *arguments], check=check)

    def _run(self, command: list[str], check: bool, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=900,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def up(self, workers: int, lease: int = 12, children: int | None = None) -> None:
        """Start this number of workers and what they need, and wait until they are healthy. `lease`: seconds.

        `children` of each worker; None: as many as Darkroom chooses.
        """
        self.environ["E2E_LEASE"] = str(lease)
        self.environ.pop("DARKROOM_CHILDREN", None)
        if children is not None:
            self.environ["DARKROOM_CHILDREN"] = str(children)
        self.compose("up", "-d", "--wait", "--scale", f"worker={workers}")

    def containers(self, service: str) -> list[dict[str, Any]]:
        """The output of `docker inspect` for the containers of a service, including stopped ones."""
        ids = self.compose("ps", "-aq", service).stdout.split()
        return json.loads(self.docker("inspect", *ids).stdout) if ids else []

    def logs(self, container: dict[str, Any]) -> list[dict[str, Any]]:
        """The lines of a container's log that are JSON objects, as all lines of Darkroom are."""
        done = self.docker("logs", container["Id"])
        return [json.loads(line) for line in (done.stdout + done.stderr).splitlines() if line.startswith("{")]

    def upload(self, photo: bytes, jobs: list[dict[str, Any]]) -> dict[str, Any]:
        response = self.http.post(
            f"{self.url}/v1/photos",
            files={"photo": ("photo.jpg", photo, "image/jpeg")},
            data={"jobs": json.dumps(jobs)},
            timeout=60,
        )
        assert response.status_code == 202, response.text
        assert response.headers["Location"] == response.json()["links"]["self"]
        return response.json()

    def photo(self, photo: dict[str, Any], wait: int = 0) -> dict[str, Any]:
        response = self.http.get(photo["links"]["self"], params={"wait": wait} if wait else None, timeout=60)
        assert response.status_code == 200, response.text
        return response.json()

    def ended(self, photo: dict[str, Any]) -> dict[str, Any]:
        """Wait until all jobs of the photo have ended, and return it."""
        deadline = time.monotonic() + HANGS
        while time.monotonic() < deadline:
            photo = self.photo(photo, wait=20)
            if photo["status"] in ENDED:
                return photo
        return pytest.fail(f"the photo's jobs did not end: {json.dumps(photo, indent=2)}")

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + HANGS
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {HANGS} s until {what}, which did not happen")
            time.sleep(0.2)


def everything(stack: ComposeProject) -> str:
    """The state and the last log lines of all services."""
    looks = [stack.compose("ps", "-a", check=False), stack.compose("logs", "--no-color", "--tail", "50", check=False)]
    return "\n".join(look.stdout + look.stderr for look in looks)


def free_ports(count: int) -> set[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return ports
