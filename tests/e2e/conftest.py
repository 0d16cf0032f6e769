"""Fixtures with Docker: `docker compose up` as a user does it, on free ports and under a project name of its own; and
our image as a Lambda function, with LocalStack instead of the emulator."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.support.compose import ComposeProject, everything, free_ports
from tests.support.deployment import Deploy
from tests.support.lambda_container import LOCALSTACK, Cloud, docker, is_healthy
from tests.support.waiting import wait_until


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


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """The name of our image, which is built once for all tests of the Lambda function."""
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("`docker info` does not work here: these tests need Docker")
    name = f"darkroom-lambda-{os.getpid()}"
    docker("build", "--quiet", "--tag", name, ".")
    yield name
    subprocess.run(["docker", "image", "rm", name], capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def endpoint(image: str) -> Iterator[str]:
    """The address of a LocalStack container for this module, instead of the emulator."""
    (port,) = free_ports(1)
    name = f"darkroom-lambda-localstack-{os.getpid()}"
    variables = {"SERVICES": "s3,sqs,dynamodb,cloudformation", "SKIP_SSL_CERT_DOWNLOAD": "1", "DISABLE_EVENTS": "1"}
    environ = [option for variable in variables.items() for option in ("--env", "=".join(variable))]
    docker("run", "--detach", "--name", name, "--publish", f"127.0.0.1:{port}:4566", *environ, LOCALSTACK)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until("LocalStack answers", lambda: is_healthy(url))
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ENDPOINT_URL", url)
            environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
            environment.setenv("AWS_ACCESS_KEY_ID", "test")
            environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
            yield url
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def faults() -> dict[str, str]:
    """No proxy of faults: containers reach LocalStack directly."""
    return {}


@pytest.fixture
def cloud(image: str, deploy: Deploy, tmp_path: Path) -> Iterator[Cloud]:
    with contextlib.ExitStack() as exits:
        yield Cloud(image, deploy, tmp_path, exits)
