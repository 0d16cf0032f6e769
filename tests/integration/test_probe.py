"""What a photo that has taken over a decoder can do: tests/support/probe.py tries it, on real processes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from darkroom.settings import PROJECT
from tests.support.probe import ATTACKS, CALLS, FILES, KILLED, LIMITED, OTHERS, OUTLIVE, SUCCEEDED, not_refused
from worker.child import landlock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such sandbox")

DEPENDS_ON_THE_MACHINE = {
    "read the secrets of process 1",
    "bind another process to a CPU",
    "hold 1,000 MB in a file of memory",
    "start a thread with files of its own",
    "raise the size of its files",
    "raise its memory",
    "use io_uring",
    "be root in a namespace",
    "use keys of the kernel",
    "use bpf",
    "watch page faults",
}
"""Attacks that may fail without the walls, too: the machine, its container or the limits refuse them."""


def report(*without: str) -> dict[str, str]:
    walls = [option for wall in without for option in ("--without", wall)]
    command = [sys.executable, "-m", "tests.support.probe", *walls]
    found: dict[str, str] = json.loads(subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE).stdout)
    assert found.keys() == {*ATTACKS, OUTLIVE}
    return found


@pytest.mark.parametrize("without", [[], ["landlock"]], ids=["both walls", "seccomp alone"])
def test_every_attack_is_refused(without: list[str]) -> None:
    found = report(*without)
    assert not_refused(found) == {}
    assert found[OUTLIVE] == KILLED


@pytest.mark.skipif(landlock.version() < 6, reason="this kernel's Landlock knows no signals")
def test_landlock_alone_refuses_files_and_signals() -> None:
    assert not_refused(report("seccomp"), [*FILES, *OTHERS, *LIMITED]) == {}


def test_without_walls_the_attacks_succeed_so_the_probe_shows_something() -> None:
    found = report("seccomp", "landlock")
    attacks = {*FILES, *OTHERS, *CALLS, OUTLIVE} - DEPENDS_ON_THE_MACHINE
    assert {name: found[name] for name in attacks if found[name] != SUCCEEDED} == {}
    assert not_refused(found, LIMITED) == {}
