"""bench/system_calls/trace.py: what it reads from the traces of strace and of qemu-user."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.system_calls.call_kinds import call_kinds, refused, table, telling_arguments
from bench.system_calls.trace import Call, calls_by_case, read_line, split_arguments

CLONE = (
    "clone(child_stack=0x7f52c1, flags=CLONE_VM|CLONE_FS|CLONE_THREAD, parent_tid=[31], tls=0x7f52, "
    "child_tidptr=0x7f52c2) = 31"
)
QEMU_CLONE = (
    "20 clone(CLONE_VM|CLONE_FS|CLONE_THREAD,child_stack=0x00007f66,parent_tidptr=0x00007f66,tls=0x00007f66,"
    "child_tidptr=0x00007f66) = 31"
)


def resolve(number: int) -> str:
    return {435: "clone3"}[number]


def one(line: str) -> Call:
    (call,) = read_line(line, 20, resolve)
    return call


@pytest.mark.parametrize(
    ("line", "name", "arguments", "result", "error"),
    [
        ("getpid() = 20", "getpid", (), "20", ""),
        ("exit_group(77)                          = ?", "exit_group", ("77",), "?", ""),
        (
            'openat(AT_FDCWD, "/tmp/a, b) = 3", O_RDONLY|O_CLOEXEC) = -1 EACCES (Permission denied)',
            "openat",
            ("AT_FDCWD", '"/tmp/a, b) = 3"', "O_RDONLY|O_CLOEXEC"),
            "-1 EACCES (Permission denied)",
            "EACCES",
        ),
        (
            "prlimit64(0, RLIMIT_CPU, NULL, {rlim_cur=RLIM64_INFINITY, rlim_max=RLIM64_INFINITY}) = 0",
            "prlimit64",
            ("0", "RLIMIT_CPU", "NULL", "{rlim_cur=RLIM64_INFINITY, rlim_max=RLIM64_INFINITY}"),
            "0",
            "",
        ),
        ("read(14,  <unfinished ...>)             = ?", "read", ("14",), "", ""),
        ("poll([{fd=3}], 1 <unfinished ...>", "poll", ("[{fd=3}]", "1"), "", ""),
    ],
)
def test_a_line_of_strace(line: str, name: str, arguments: tuple[str, ...], result: str, error: str) -> None:
    call = one(line)
    assert (call.thread, call.name, call.arguments, call.result, call.error) == (20, name, arguments, result, error)


@pytest.mark.parametrize(
    ("line", "thread", "name", "arguments", "error"),
    [
        ("21 prlimit64(0,RLIMIT_AS,NULL,0x7f) = 0 ({rlim_cur=-1,rlim_max=-1})", 21, "prlimit64",
         ("0", "RLIMIT_AS", "NULL", "0x7f"), ""),
        ('21 faccessat(AT_FDCWD,"/case: x",F_OK,0x1) = -1 errno=2 (No such file or directory)', 21, "faccessat",
         ("AT_FDCWD", '"/case: x"', "F_OK", "0x1"), "errno 2"),
        ("21 Unknown syscall 435", 21, "clone3", (), ""),
        ("21 exit_group(0)", 21, "exit_group", ("0",), ""),
        ("21 wait4(22,0x00007f66,0,(nil))", 21, "wait4", ("22", "0x00007f66", "0", "(nil)"), ""),
    ],
)  # fmt: skip
def test_a_line_of_qemu(line: str, thread: int, name: str, arguments: tuple[str, ...], error: str) -> None:
    call = one(line)
    assert (call.thread, call.name, call.arguments, call.error) == (thread, name, arguments, error)


def test_two_processes_that_share_a_file_of_qemu() -> None:
    """A parent waits, and its child's next call stands in the same line."""
    first, second = read_line("20 wait4(22,0x00007f66,0,(nil))22 getpid() = 22", 20, resolve)
    assert (first.thread, first.name) == (20, "wait4")
    assert (second.thread, second.name, second.result) == (22, "getpid", "22")


@pytest.mark.parametrize("line", ["", " = 0", "--- SIGIOT {si_signo=SIGIOT, si_code=SI_TKILL} ---", "+++ exited +++"])
def test_other_lines_hold_no_call(line: str) -> None:
    assert list(read_line(line, 20, resolve)) == []


def test_commas_in_lists_structures_and_strings_do_not_separate_arguments() -> None:
    assert split_arguments(r'3, [{"a, \" b", 4}, x], NULL') == ("3", r'[{"a, \" b", 4}, x]', "NULL")


@pytest.mark.parametrize("clone", [CLONE, QEMU_CLONE])
def test_only_calls_inside_the_sandbox_count_and_those_of_the_childs_threads_do(tmp_path: Path, clone: str) -> None:
    prefix = "20 " if clone is QEMU_CLONE else ""
    entered = 'access("/case: jpeg", F_OK) = -1 ENOENT (No such file or directory)'
    made = ["execve(0x1) = 0", entered, clone.removeprefix("20 "), "getpid() = 20"]
    (tmp_path / "trace.20").write_text("".join(f"{prefix}{line}\n" for line in made))
    (tmp_path / "trace.31").write_text("31 futex(0x1) = 0\n" if prefix else "futex(0x1) = 0\n")
    (tmp_path / "trace.44").write_text("44 socket(1) = 0\n" if prefix else "socket(1) = 0\n")
    (case,) = calls_by_case(tmp_path.iterdir(), resolve).items()
    assert case[0] == "jpeg"
    assert sorted(call.name for call in case[1]) == ["clone", "futex", "getpid"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("mmap(NULL, 9, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED, 3, 0) = 0x7f", "executable, MAP_FIXED|MAP_PRIVATE"),
        ("mprotect(0x7f52c1000, 4096, PROT_READ|PROT_WRITE) = 0", ""),
        ("fcntl(3, F_SETOWN, 1) = 0", "F_SETOWN"),
        ("ioctl(3, TCGETS, 0x7ffd) = -1 ENOTTY (Inappropriate ioctl for device)", "TCGETS"),
        ("prlimit64(0, RLIMIT_CPU, {rlim_cur=5, rlim_max=5}, NULL) = 0", "0, RLIMIT_CPU, set"),
        ("madvise(0x7f, 4096, MADV_DONTNEED) = 0", "MADV_DONTNEED"),
        (CLONE, "CLONE_FS|CLONE_THREAD|CLONE_VM"),
        (QEMU_CLONE.removeprefix("20 "), "CLONE_FS|CLONE_THREAD|CLONE_VM"),
        ("socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3", "AF_INET, SOCK_STREAM, IPPROTO_IP"),
        ("tgkill(20, 20, SIGABRT) = 0", "2 ids, SIGABRT"),
        ('openat(AT_FDCWD, "/etc/localtime", O_RDONLY|O_CLOEXEC) = 3', '"/etc/localtime", O_RDONLY|O_CLOEXEC'),
        ('read(3, "", 4096) = 0', ""),
    ],
)
def test_the_arguments_that_a_filter_could_look_at_are_shown(line: str, kind: str) -> None:
    assert telling_arguments(one(line)) == kind


def test_calls_that_the_filter_refuses_are_marked() -> None:
    made = [
        "getpid() = 20",
        "ioctl(3, TCGETS, 0x7f) = -1 EPERM (Operation not permitted)",
        "socket(1) = -1 EPERM (Operation not permitted)",
        "uname(1) = 0",
    ]
    found = call_kinds({"jpeg": [one(line) for line in made]})
    allowed = {"getpid", "ioctl", "socket"}
    assert [line[0] for line in table(found, allowed)] == [" ", "~", "!", "!"]
    assert [str(row) for row in refused(found, allowed)] == ["ioctl(TCGETS)", "socket(1)", "uname(1)"]
