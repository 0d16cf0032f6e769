"""The commands that talk to AWS instead of the API: `darkroom queue` and `darkroom provision`."""

from __future__ import annotations

import socket
import uuid
from typing import Any

import pytest

from tests.support.fake_api import in_process, run


@pytest.mark.parametrize("command", ["queue", "provision"])
def test_commands_for_aws_work_without_the_cli_extra_and_say_what_is_wrong(command: str) -> None:
    without = "sys.modules['requests'] = None; import runpy; runpy.run_module('darkroom')"
    process = in_process(command, code=without, env={"DARKROOM_LEASE": "soon"})
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "DARKROOM_LEASE" in stderr
    assert "Traceback" not in stderr


AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def test_queue_names_the_endpoint_that_does_not_answer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        process = in_process("queue", env={**AWS, "AWS_ENDPOINT_URL": endpoint})
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"The request went to {endpoint}. AWS_ENDPOINT_URL" in stderr
    assert "Traceback" not in stderr


def test_provision_makes_what_queue_then_counts(endpoint: str, aws: Any, request: pytest.FixtureRequest) -> None:
    name = f"test-{uuid.uuid4().hex[:12]}"
    env: dict[str, str | None] = {"DARKROOM_STACK": name, "DARKROOM_BUCKET": name}
    request.addfinalizer(lambda: aws.client("cloudformation").delete_stack(StackName=name))

    before = run("queue", env=env)
    assert before.exit_code == 1
    assert f"looking up queue {name}-photos failed" in before.stderr
    assert "`darkroom provision` makes what is missing" in before.stderr

    first, second = run("provision", env=env), run("provision", env=env)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert endpoint in first.stderr
    assert ["stack", name, "(created)"] in [line.split() for line in first.stdout.splitlines()]
    assert f"{name} (unchanged)" in second.stdout

    made = [line.split()[1] for line in first.stdout.splitlines() if line.startswith("queue")]
    lines = [line.split() for line in run("queue", env=env).stdout.splitlines()]
    assert [f"{name}-photos", "0", "0", "0"] in lines
    for queue in ("photos-dlq", "photo-ingest-dlq", "photo-webhooks-dlq"):
        assert [f"{name}-{queue}", "0", "0", "0"] in lines
    assert made == [line[0] for line in lines if line and line[0].startswith(name)]
