"""The chaos run with few photos; `make chaos` is the same with 500."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.chaos.run import Plan, run


@pytest.mark.exhaustive
@pytest.mark.timeout(900)
@pytest.mark.parametrize("plan", [Plan(photos=60), Plan(photos=24, fifo=True)], ids=["standard", "fifo"])
def test_nothing_is_lost_while_workers_are_killed_and_stopped(
    plan: Plan, deploy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(plan, deploy(**plan.variables).environ, tmp_path)
    with capsys.disabled():
        print(f"\n{plan}\n{report}")
    assert not report.faults
