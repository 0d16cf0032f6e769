"""How `make run-serverless` starts: with the roles' permissions alone, and what it refuses."""

from __future__ import annotations

import socket
from pathlib import Path

import requests

from tests.support.embedded_run import ended
from tests.support.serverless_run import OWN, ServerlessProcess, url_in, wait_for_photo
from tests.support.waiting import PATIENCE


def test_functions_need_no_more_than_their_roles_allow(tmp_path: Path, picture: bytes) -> None:
    process = ServerlessProcess(tmp_path)
    process.environ = OWN | {"AUTH": "true"}  # the emulator refuses what no policy allows
    try:
        _, printed = process.ready()
        url = url_in(printed)
        sent = requests.post(
            f"{url}/v1/photos",
            files={"photo": ("photo.jpg", picture)},
            data={"jobs": '[{"type": "resize", "width": 64}, {"type": "metadata"}]'},
            timeout=PATIENCE,
        )
        photo = wait_for_photo(sent.json())
        result = requests.get(photo["jobs"][0]["links"]["result"], timeout=PATIENCE)
    finally:
        process.end()

    assert photo["status"] == "succeeded"
    assert result.ok


def test_another_aws_is_refused(tmp_path: Path) -> None:
    process = ServerlessProcess(tmp_path)
    process.environ = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}

    status, printed = ended(process.start())

    assert status == 1
    assert "env -u AWS_ENDPOINT_URL make run-serverless" in printed
    assert "Traceback" not in printed


def test_a_port_in_use_is_reported_without_a_traceback(tmp_path: Path) -> None:
    process = ServerlessProcess(tmp_path)
    with socket.create_server(("127.0.0.1", process.aws_port)):
        status, printed = ended(process.start())

    assert status == 1
    assert f"make run-serverless ARGS='--aws-port {process.aws_port + 1}'" in printed
    assert "Traceback" not in printed
