"""Fixtures with `docker compose up` as a user does it, on free ports and under a project name of its own."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest
from PIL import Image

from tests.support.compose import ComposeProject, everything, free_ports


@pytest.fixture(scope="module")
def stack() -> Iterator[ComposeProject]:
    for command in (["docker", "compose", "version"], ["docker", "info"]):
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            pytest.skip(f"`{' '.join(command)}` does not work here: these tests need Docker with Compose v2")
    stack = ComposeProject(f"darkroom-e2e-{os.getpid()}", *free_ports(2))
    try:
        if stack.compose("up", "-d", "--build", "--wait", check=False).returncode:
            pytest.fail(f"`docker compose up` failed\n{everything(stack)}")
        yield stack
    finally:
        stack.http.close()
        stack.compose("--profile", "*", "down", "--volumes", "--timeout", "1", check=False)
        stack.docker("image", "rm", stack.name, check=False)
        shutil.rmtree(stack.checkout)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    running = getattr(item, "funcargs", {}).get("stack")
    if report.when == "call" and report.failed and isinstance(running, ComposeProject):
        report.sections.append(("docker compose", everything(running)))
    return report


@pytest.fixture(scope="session")
def make_photo() -> Callable[[int, int], bytes]:
    """JPEGs with something in them, no two alike."""
    chance = random.Random(1)

    def photo(width: int, height: int) -> bytes:
        noise = Image.frombytes("RGB", (64, 64), chance.randbytes(64 * 64 * 3))
        file = io.BytesIO()
        noise.resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        return file.getvalue()

    return photo
