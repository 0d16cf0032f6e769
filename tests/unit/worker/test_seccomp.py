"""worker/child/seccomp.py: the allow-list names calls of every machine that Darkroom runs on."""

from __future__ import annotations

import sys

import pytest

from worker.child import seccomp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no seccomp")


@pytest.mark.parametrize("machine", ["X86_64", "AARCH64"])
@pytest.mark.parametrize("name", sorted(seccomp.allowed_names()))
def test_a_name_of_the_allow_list_is_a_system_call_on_both_machines(name: str, machine: str) -> None:
    """libseccomp gives a negative number to a name that the machine does not have. The filter would not be loaded."""
    pyseccomp = seccomp.pyseccomp
    assert pyseccomp.resolve_syscall(getattr(pyseccomp.Arch, machine), name) >= 0


def test_calls_that_a_parser_of_photos_never_needs_are_not_on_the_allow_list() -> None:
    for name in ("socket", "connect", "execve", "fork", "kill", "openat", "ptrace", "shmget", "memfd_create", "chmod"):
        assert name not in seccomp.allowed_names()
