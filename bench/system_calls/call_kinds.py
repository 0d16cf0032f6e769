"""Sums up the calls: a call and the arguments by which a filter could tell it from others are one kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bench.system_calls.trace import Call

CASES_SHOWN = 3

LEGEND = """\
Each line is one kind of call: mark, count, name and arguments, errors, and in brackets the first cases that made it.
  !            The seccomp filter refuses this call, and children may need it.
  ~            The filter refuses this call, and children work without it (HARMLESS in call_kinds.py).
  count        How many times all children together made the call.
  -> 3 EPERM   Three of these calls failed with EPERM: the filter refused them. It refuses clone3 with ENOSYS,
               and questions about files by their names with ENOENT.
With --without-filter and --guest, "refuses" means that the filter would refuse the call."""

HARMLESS: Mapping[str, str] = {
    r"ioctl\(TCGETS\)": "isatty(), when Python opens a file: it then takes the file for no terminal",
    r'newfstatat\("", AT_EMPTY_PATH\)': "fstat() of glibc 2.33 to 2.38, when Python opens a file: it buffers 8 KB then",
    r'(stat|newfstatat|statx)\(".*/\.exiv2"': "Exiv2 looks for a file with its settings: it goes on without one",
    r'openat\("(.*/)?\.exiv2"': "the same, in the user's home",
    r"getuid\(": "the same: whose home that is",
    r"socket\(AF_UNIX": "the same: glibc asks a service for it (nscd)",
    r'(openat|newfstatat)\("(/|/etc/nsswitch\.conf|/etc/passwd)"': "the same: glibc looks for it in files",
    r"mmap\(MAP_SHARED\)": "libtiff reads a file that it cannot map",
    r"clone3\(": "glibc uses clone, whose flags a filter can see",
    r"getsockname\(": "socket.fromfd(), which ignores the error",
    r"writev\(": "glibc says on stderr why it aborts; children have no stderr",
    r'openat\("/proc/sys/vm/overcommit_memory"': "glibc, before it gives memory back: it then does so in another way",
    r'(openat|newfstatat)\("(.*\.py|<unknown>)"': "a source line for a traceback: it is left out",
}
"""Attempts that a filter may refuse (a pattern of `name(arguments)`), and what follows then."""


@dataclass
class CallKind:
    """A kind of call: how often it was made, with which errors, and in which cases."""

    name: str
    arguments: str
    count: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    cases: dict[str, None] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}({self.arguments})"

    @property
    def harmless(self) -> bool:
        """Whether children do their work without this call."""
        return any(re.match(pattern, str(self)) for pattern in HARMLESS)


def call_kinds(calls_by_case: Mapping[str, Iterable[Call]]) -> list[CallKind]:
    """The kinds of calls, sorted by name."""
    found: dict[tuple[str, str], CallKind] = {}
    for case, calls in calls_by_case.items():
        for call in calls:
            arguments = telling_arguments(call)
            kind = found.setdefault((call.name, arguments), CallKind(call.name, arguments))
            kind.count += 1
            kind.cases[case] = None
            if call.error:
                kind.errors[call.error] += 1
    return [found[key] for key in sorted(found)]


def refused(found: Iterable[CallKind], allowed: Collection[str]) -> list[CallKind]:
    """The kinds that the filter refuses: it refused some of the calls, or it does not know the name."""
    return [kind for kind in found if kind.name not in allowed or "EPERM" in kind.errors]


def table(found: Iterable[CallKind], allowed: Collection[str]) -> Iterator[str]:
    """The table. `!` stands before calls that the filter refuses, `~` if they are harmless."""
    for kind in found:
        mark = " " if kind not in refused([kind], allowed) else "~" if kind.harmless else "!"
        errors = ", ".join(f"{count} {error}" for error, count in kind.errors.items())
        cases = "; ".join([*list(kind.cases)[:CASES_SHOWN], *(["..."] if len(kind.cases) > CASES_SHOWN else [])])
        yield f"{mark} {kind.count:7} {kind}" + (f" -> {errors}" if errors else "") + f"   [{cases}]"


def telling_arguments(call: Call) -> str:
    """The arguments that matter to a filter; empty if a filter would allow the call with any."""
    return _KINDS.get(call.name, _all)(call.arguments)


def _argument(number: int) -> Callable[[tuple[str, ...]], str]:
    return lambda arguments: _without_addresses(arguments[number]) if len(arguments) > number else "?"


def _all(arguments: tuple[str, ...]) -> str:
    return _without_addresses(", ".join(arguments))


def _without_addresses(text: str) -> str:
    return re.sub(r"0x[0-9a-f]{5,}", "ADDRESS", text)


def _path(arguments: tuple[str, ...]) -> str:
    """Paths and flags, without descriptors and addresses of structures."""
    return ", ".join(text for text in arguments if not re.match(r"\{|\d|AT_FDCWD|NULL", text))


def _memory(arguments: tuple[str, ...]) -> str:
    """Whether memory becomes executable, and for mmap the flags."""
    shown = "executable" if "PROT_EXEC" in arguments[2] else ""
    flags = arguments[3] if len(arguments) > 3 else ""
    return ", ".join(filter(None, (shown, _sorted_flags(flags))))


def _sorted_flags(flags: str) -> str:
    return "|".join(sorted(flags.split("|")))


def _clone(arguments: tuple[str, ...]) -> str:
    flags = next((text for text in arguments if "CLONE_" in text), "?")
    return _sorted_flags(flags.partition("=")[2] or flags)


def _limits(arguments: tuple[str, ...]) -> str:
    """For prlimit64: whose limit, which one, and whether it is set."""
    return f"{arguments[0]}, {arguments[1]}, " + ("read" if arguments[2] == "NULL" else "set")


def _signal(arguments: tuple[str, ...]) -> str:
    """The signal. The ids before it are checked where a filter can tell its own process."""
    return f"{len(arguments) - 1} ids, {arguments[-1]}"


_PATHS = (
    *("open", "openat", "access", "faccessat", "faccessat2", "stat", "lstat", "newfstatat", "statx", "readlink"),
    *("readlinkat", "unlink", "unlinkat", "rename", "renameat", "mkdir", "mkdirat", "chdir"),
)

_WITHOUT_ARGUMENTS = (
    *("read", "write", "readv", "writev", "pread64", "pwrite64", "lseek", "close", "fstat", "ftruncate", "getdents64"),
    *("poll", "ppoll", "select", "pselect6", "recvmsg", "getsockname", "getrandom", "sysinfo", "getcwd", "getuid"),
    *("brk", "munmap", "futex", "rseq", "set_robust_list", "clone3", "sched_yield", "sched_getaffinity", "getrusage"),
    *("clock_gettime", "clock_nanosleep", "gettimeofday", "getpid", "gettid", "exit", "exit_group"),
    *("restart_syscall", "rt_sigreturn"),
)

_KINDS: Mapping[str, Callable[[tuple[str, ...]], str]] = {
    **dict.fromkeys(_WITHOUT_ARGUMENTS, lambda _arguments: ""),
    **dict.fromkeys(_PATHS, _path),
    **dict.fromkeys(("fcntl", "ioctl"), _argument(1)),
    **dict.fromkeys(("prctl", "arch_prctl", "membarrier", "rt_sigaction", "rt_sigprocmask"), _argument(0)),
    **dict.fromkeys(("mmap", "mprotect"), _memory),
    **dict.fromkeys(("kill", "tkill", "tgkill"), _signal),
    "madvise": _argument(2),
    "mremap": _argument(3),
    "clone": _clone,
    "prlimit64": _limits,
}
"""Name of a call -> what is shown of its arguments. All arguments are shown of a call that is not listed here."""
