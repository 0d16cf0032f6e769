"""What `make run` prints: the lines for another terminal, and why it did not start."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from darkroom.local.containers import LocalRun
from darkroom.local.emulator import StartFailed
from darkroom.local.supervisor import run_until_stopped, terminal_lines
from darkroom.settings import Settings


def test_the_lines_for_another_terminal_set_what_the_command_needs() -> None:
    lines = terminal_lines("http://127.0.0.1:8081", {"AWS_ENDPOINT_URL": "http://x", "AWS_KEY": "test"}, [], "queue")

    assert lines == (
        "  export DARKROOM_URL=http://127.0.0.1:8081\n  export AWS_ENDPOINT_URL=http://x AWS_KEY=test\n  queue"
    )


def test_the_lines_for_another_terminal_remove_what_leads_elsewhere() -> None:
    lines = terminal_lines(
        "http://x", {}, ["AWS_PROFILE", "AWS_SESSION_TOKEN"], "echo ${AWS_PROFILE-none} $DARKROOM_URL"
    )

    shell = subprocess.run(lines, shell=True, env={"AWS_PROFILE": "work"}, capture_output=True, text=True, check=True)
    assert shell.stdout == "none http://x\n"


def test_one_port_for_both_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    run = LocalRun(1, 4566, io.StringIO())

    with pytest.raises(StartFailed, match="the API and the AWS emulator would both use port 4566") as failed:
        run._check_ports(Settings(port=4566))
    assert "DARKROOM_PORT=4567 make run" in failed.value.detail


def test_a_misspelt_setting_is_named_before_the_folder_is_locked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DARKROOM_PROT", "8081")

    with pytest.raises(SystemExit) as ended:
        run_until_stopped(tmp_path / "home", lambda _: pytest.fail("nothing may start"))
    assert "DARKROOM_PROT: there is no such setting; did you mean DARKROOM_PORT?" in str(ended.value)
    assert not (tmp_path / "home").exists()
