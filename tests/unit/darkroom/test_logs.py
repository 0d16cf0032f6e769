"""Logs, by a process that sets them up as the services do."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

FAILS = """
import structlog
from darkroom.logs import set_up_logs
from darkroom.settings import read_settings

set_up_logs(read_settings(), "api")

def call(token):
    raise ValueError("a fault of ours")

try:
    call("dk_" + "very" + "secret")
except ValueError:
    structlog.get_logger().exception("request.failed", photo="p1")
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_where_it_happened_and_no_values(form: str) -> None:
    environ = os.environ | {"DARKROOM_LOG_FORMAT": form}
    done = subprocess.run([sys.executable, "-c", FAILS], env=environ, capture_output=True, text=True, check=True)
    assert "request.failed" in done.stderr
    assert "ValueError: a fault of ours" in done.stderr
    assert "in call" in done.stderr
    assert "dk_verysecret" not in done.stderr


def test_a_json_line_begins_with_its_action() -> None:
    script = FAILS.replace('.exception("request.failed"', '.info("request.failed"')
    environ = os.environ | {"DARKROOM_LOG_FORMAT": "json"}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    fields = list(json.loads(done.stderr))
    assert fields[:3] == ["action", "service", "photo"]
