"""The execution environment of the worker's Lambda function: its start, its child processes, and freezes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fault_proxy import LOST_REQUEST, FaultProxy
from tests.support.lambda_functions import (
    RESIZE,
    Lambda,
    is_done,
    names,
)
from tests.support.lambda_runtime import FunctionError, PlainProcess
from tests.support.waiting import wait_until
from tests.support.worker_process import children_of


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DARKROOM_LEASE": "soon"}, "DARKROOM_LEASE"),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}, "give the worker 384 MiB"),
        ({"DARKROOM_SPOOL_DIR": "/proc/spool"}, "DARKROOM_SPOOL_DIR: cannot write to /proc/spool"),
    ],
)
def test_a_configuration_error_is_reported_in_the_init_phase(
    aws_lambda: Lambda, picture: bytes, variables: dict[str, str], said: str
) -> None:
    with pytest.raises(FunctionError, match="init/error") as raised:
        aws_lambda.function(**variables).invoke({})
    assert said in str(raised.value)


UNGUARDED = """
import json, sys
event = json.loads(sys.stdin.readline())
from worker.lambda_function import lambda_handler
class Context:
    aws_request_id = "1"
    def get_remaining_time_in_millis(self):
        return 60_000
print(json.dumps(lambda_handler(event, Context())))
"""


def test_children_do_not_run_the_program_that_runs_the_function(
    aws_lambda: Lambda, picture: bytes, tmp_path: Path
) -> None:
    """An emulator's own program reads events, and may do so while it is imported."""
    photo = aws_lambda.stack.submit(picture, RESIZE)
    source = aws_lambda.source(aws_lambda.function())
    program = tmp_path / "emulator.py"
    program.write_text(UNGUARDED)
    ran = subprocess.run(
        [sys.executable, program],
        env=aws_lambda.stack.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        input=json.dumps(source.event(aws_lambda.receive_all(source, 1))) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(ran.stdout) == {"batchItemFailures": []}
    assert is_done(aws_lambda.stack, photo)


def test_a_fork_server_that_died_between_two_invocations_is_replaced(aws_lambda: Lambda, picture: bytes) -> None:
    source = aws_lambda.source(aws_lambda.function())
    photos = []
    for _ in range(2):
        photos.append(aws_lambda.stack.submit(picture, RESIZE))
        wait_until("it has come", source.poll)
        process = source.function.process
        assert isinstance(process, PlainProcess)
        # One is multiprocessing's resource tracker; neither a child nor a thread is left to be frozen.
        assert len(list(Path(f"/proc/{process.pid}/task").iterdir())) == 1
        helpers = children_of(process.pid)
        assert [children_of(helper) for helper in helpers] == [[], []]
        for helper in helpers:
            os.kill(helper, signal.SIGKILL)
    assert all(is_done(aws_lambda.stack, photo) for photo in photos)
    assert source.function.starts == 1


def test_connections_that_a_freeze_made_stale_are_opened_again(
    aws_lambda: Lambda, picture: bytes, endpoint: str
) -> None:
    stack = aws_lambda.stack
    with FaultProxy(endpoint) as proxy:
        source = aws_lambda.source(aws_lambda.function(AWS_ENDPOINT_URL=proxy.url))
        photos = [stack.submit(picture, RESIZE)]
        wait_until("it has come", source.poll)
        process = source.function.process
        assert isinstance(process, PlainProcess)
        frozen = [process.pid, *children_of(process.pid)]
        for one in frozen:
            os.kill(one, signal.SIGSTOP)
        proxy.rule("*", LOST_REQUEST, first_tries=True)
        photos.append(stack.submit(picture, RESIZE))
        for one in frozen:
            os.kill(one, signal.SIGCONT)
        wait_until("it has come", source.poll)
        assert proxy.seen(fault=LOST_REQUEST.name) > 0
    assert all(is_done(stack, photo) for photo in photos)
    assert [names(answer) for answer in source.answers] == [[], []]
    assert source.function.starts == 1
