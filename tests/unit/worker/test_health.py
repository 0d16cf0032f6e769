"""The liveness check, which decides whether a container is restarted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from annotated_types import Le

from darkroom.settings import Settings
from worker import health
from worker.poller import LONGEST_PAUSE


def longest(setting: str) -> float:
    (most,) = [rule.le for rule in Settings.model_fields[setting].metadata if isinstance(rule, Le)]
    return float(most)  # type: ignore[arg-type]


def test_a_worker_that_waits_for_sqs_is_alive_with_any_valid_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "ALIVE", tmp_path / "alive")
    assert health.main() == 1, "no poll so far"

    health.touch()
    assert health.main() == 0
    last = time.time() - longest("poll_wait") - longest("aws_timeout") - LONGEST_PAUSE
    os.utime(health.ALIVE, (last, last))
    assert health.main() == 0
    os.utime(health.ALIVE, (last - 60, last - 60))
    assert health.main() == 1
