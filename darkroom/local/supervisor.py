"""What `make run` and `make run-serverless` share: the AWS emulator, a state folder for one run at a time, signals, and
messages.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

import click

from darkroom.errors import DarkroomError
from darkroom.local.emulator import HOST, Emulator, LocalProcess, StartFailed, is_taken
from darkroom.owners import read_owners
from darkroom.settings import Settings, read_settings

HOME = Path(".darkroom")

AWS_PORT = 4566
"""LocalStack's port, so that LocalStack's tools find the emulator."""

REGION = {"AWS_REGION", "AWS_DEFAULT_REGION"}

EXAMPLE_JOBS = '[{"type":"resize","width":800},{"type":"filter","filter":"sepia"},{"type":"metadata"}]'


class Stopped(Exception):
    """A signal asks the run to end."""


class EmbeddedRun(ABC):
    """The processes of one embedded run, in the order in which they were started."""

    command = "make run"

    def __init__(self, home: Path, emulator: Emulator | None, pid_file: TextIO) -> None:
        self.home = home
        self.emulator = emulator
        self.pid_file = pid_file
        self.processes: list[LocalProcess] = []
        self.signals = 0
        self.own_environ: dict[str, str] = {}
        self.left_out: list[str] = []
        """The user's AWS_* variables that we keep from our processes."""

    @abstractmethod
    def start(self) -> Settings:
        """Start everything and wait until it answers. Raises Stopped after a signal."""

    @abstractmethod
    def stop(self) -> None:
        """Stop everything, in an order that loses nothing."""

    @abstractmethod
    def welcome(self, settings: Settings) -> str:
        """The text to print when everything runs."""

    def prepare(self, wanted: Mapping[str, str]) -> Settings:
        """Put `wanted` into this process's environment, except for variables that the user has set."""
        if self.emulator:
            # A profile, or an endpoint for S3 alone, would lead to the user's own AWS account.
            self.left_out = [name for name in os.environ if name.startswith("AWS_") and name not in REGION]
            for name in self.left_out:
                del os.environ[name]
        self.own_environ = _defaults(wanted, self.emulator)
        os.environ.update(self.own_environ)
        return read_settings()

    def start_emulator(self) -> None:
        if self.emulator:
            self.note(self.emulator.start(self.log("emulator"), give_up=self.stop_wanted))
            self.check()

    def stop_emulator(self) -> None:
        if self.emulator and not self.emulator.stop():
            say("the emulator did not stop in time and was killed: the messages in its queues are lost")

    def note(self, process: LocalProcess) -> None:
        self.processes.append(process)
        print(process.name, process.process.pid, file=self.pid_file, flush=True)

    def check(self) -> None:
        """Raise Stopped after a signal, StartFailed when one of the processes has ended."""
        if self.stop_wanted():
            raise Stopped
        for process in self.processes:
            if process.ended:
                raise StartFailed(process.failure())

    def check_emulator_port(self) -> None:
        if self.emulator and is_taken(HOST, self.emulator.port):
            raise StartFailed(
                f"{HOST}:{self.emulator.port}, the AWS emulator's port, is in use by another program, "
                f"perhaps LocalStack{self.left_by_an_earlier_run()}. Stop it, or use another port: "
                f"{self.command} ARGS='--aws-port {self.emulator.port + 1}'"
            )

    def left_by_an_earlier_run(self) -> str:
        """The processes that a killed run left. We only name them, because their ids may belong to others by now."""
        self.pid_file.seek(0)
        listed = ", ".join(line.strip() for line in self.pid_file)
        return f" (an earlier run that was killed had these processes: {listed})" if listed else ""

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.signals += 1

    def stop_wanted(self) -> bool:
        return self.signals > 0

    def log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def other_terminal(self, url: str) -> str:
        """The lines that make the `darkroom` command of another terminal use this run."""
        aws = {name: value for name, value in self.own_environ.items() if name.startswith("AWS_")}
        return terminal_lines(url, aws, self.left_out, f"{self.darkroom_command()} queue")

    def darkroom_command(self) -> Path:
        command = Path(sys.executable).with_name("darkroom")
        return command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command

    def example_upload(self, settings: Settings, base: str) -> str:
        key = ' -H "Authorization: Bearer $DARKROOM_API_KEY"' if read_owners(settings).keys else ""
        return f"curl{key} -F photo=@photo.jpg -F 'jobs={EXAMPLE_JOBS}' {base}/v1/photos"


def terminal_lines(url: str, aws: Mapping[str, str], unset: Sequence[str], command: str) -> str:
    """Lines for a shell: `unset` and `export` what the command needs, then the command. Indented by two spaces."""
    lines = [f"unset {' '.join(unset)}"] if unset else []
    lines += [f"export DARKROOM_URL={url}"]
    lines += [f"export {' '.join(f'{name}={value}' for name, value in aws.items())}"] if aws else []
    return "\n".join(f"  {line}" for line in [*lines, command])


def run_until_stopped(home: Path, make_run: Callable[[TextIO], EmbeddedRun]) -> int:
    """Start a run, wait for a signal, stop it. Returns the exit status."""
    try:
        read_settings()  # before the lock: wrong settings are named even when another run uses the folder
    except DarkroomError as error:
        sys.exit(f"darkroom: {error.detail}")
    home.mkdir(parents=True, exist_ok=True)
    # The list of our processes is also a lock: two emulators must not save into one folder.
    with (home / "processes").open("a+") as pid_file:
        try:
            fcntl.flock(pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(
                f"darkroom: {home.absolute()} is in use by another run. Stop that one (Ctrl-C), or use another checkout"
            )
        run = make_run(pid_file)
        status = _run(run)
        if run.processes:
            pid_file.truncate(0)
    return status


def _run(run: EmbeddedRun) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, run.on_signal)
    failed = False
    try:
        settings = run.start()
        say(run.welcome(settings))
        while True:
            run.check()
            time.sleep(0.2)
    except Stopped:
        say("\nstopping; press Ctrl-C again to stop without waiting for photos in progress")
    except DarkroomError as error:
        failed = True
        print(f"\ndarkroom: {error.detail}", file=sys.stderr)
    finally:
        run.stop()
    say("stopped")
    return 1 if failed else 0


def _defaults(wanted: Mapping[str, str], emulator: Emulator | None) -> dict[str, str]:
    """The variables to set: `wanted` and those for AWS, except for variables that the user has set."""
    environ = os.environ
    wanted = dict(wanted)
    if emulator:
        wanted |= emulator.environ
    elif not environ.get("AWS_ACCESS_KEY_ID") and not environ.get("AWS_PROFILE"):
        wanted |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    if not environ.get("AWS_REGION"):
        wanted["AWS_DEFAULT_REGION"] = "us-east-1"
    # No proxy for this machine's own addresses.
    direct = ",".join(filter(None, [environ.get("no_proxy") or environ.get("NO_PROXY"), HOST]))
    return {name: value for name, value in wanted.items() if not environ.get(name)} | {
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


HELP = {"help_option_names": ["-h", "--help"]}

aws_port_option: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--aws-port", type=click.IntRange(1, 65_535), default=AWS_PORT, show_default=True, help="The AWS emulator's port."
)
"""The option of both runs."""


def say(text: str) -> None:
    print(text, flush=True)
