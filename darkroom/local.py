"""The embedded run: API, workers and an AWS emulator in one command, without Docker.

`python -m darkroom.local` (or `make run`) starts them, `Ctrl-C` stops them in the order that loses
nothing: first the API, so that nothing more comes in; then the workers, which finish what they hold or
give it back; the emulator last, because it saves queues and records only when it ends by itself.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TextIO

from darkroom.aws import make_clients
from darkroom.emulator import HOST, Child, Emulator, StartFailed, is_taken, wait_until_answers
from darkroom.errors import DarkroomError
from darkroom.memory import usable_memory
from darkroom.owners import read_owners
from darkroom.provision import provision
from darkroom.settings import MIB, Settings, read_settings

HOME = Path(".darkroom")

AWS_PORT = 4566
"""LocalStack's port: what looks into LocalStack finds the emulator without being told."""

REGION = {"AWS_REGION", "AWS_DEFAULT_REGION"}

API_STARTS_WITHIN = 60.0
API_STOPS_WITHIN = 40.0
KILLED_WITHIN = 10.0
"""A process that should be gone; a little more than a busy machine takes."""

OTHERS = 2
"""Processes, beside the workers, that want memory: the API and the emulator."""

PROCESS_MEMORY = 256 * MIB
LEAST_CHILD_MEMORY = 128 * MIB
"""With less a child makes nothing of a photo: rather a machine that is promised twice."""

EXAMPLE_JOBS = '[{"type":"resize","width":800},{"type":"filter","filter":"sepia"},{"type":"metadata"}]'


class Stopped(Exception):
    """Somebody wants the run to end."""


class Run:
    """The processes of one embedded run, in the order in which they were started."""

    def __init__(self, workers: int, aws_port: int, processes: TextIO) -> None:
        self.processes = processes
        # Who names an endpoint means it: LocalStack, perhaps, which then gets no emulator beside it.
        self.emulator = None if os.environ.get("AWS_ENDPOINT_URL") else Emulator(HOME, aws_port)
        self.workers = workers
        self.children: list[Child] = []
        self.signals = 0
        self.own_environ: dict[str, str] = {}
        self.left_out: list[str] = []
        """The user's AWS_* variables that do not reach our processes."""
        self.stop_grace = float(Settings().stop_grace)

    def start(self) -> Settings:
        """Start everything and wait until the API answers. Raises Stopped when that is not wanted any more."""
        if self.emulator:
            # A profile, or an endpoint for S3 alone, would lead past the emulator: to an account of the user's.
            self.left_out = [name for name in os.environ if name.startswith("AWS_") and name not in REGION]
            for name in self.left_out:
                del os.environ[name]
        self.own_environ = _defaults(self.emulator)
        os.environ.update(self.own_environ)
        settings = read_settings()
        self.stop_grace = settings.stop_grace
        self._check_ports(settings)
        self.processes.truncate(0)
        settings.spool_dir.mkdir(parents=True, exist_ok=True)
        if self.emulator:
            self._note(self.emulator.start(_log("emulator"), give_up=self.stop_wanted))
            self.check()
        provision(settings, make_clients(settings))
        self.check()
        api = Child("api", "api", _log("api"), os.environ)
        self._note(api)
        shares = worker_shares(settings, self.workers, usable_memory())
        for number in range(1, self.workers + 1):
            name = f"worker-{number}"
            self._note(Child(name, "worker", _log(name), os.environ | shares))
        wait_until_answers(api, settings.host, settings.port, "/healthz", API_STARTS_WITHIN, give_up=self.stop_wanted)
        self.check()
        return settings

    def check(self) -> None:
        """Raise Stopped when the run shall end, StartFailed when one of its processes ended by itself."""
        if self.stop_wanted():
            raise Stopped
        for child in self.children:
            if child.ended:
                raise StartFailed(f"{child.name} {child.how_it_ended()}; the end of {child.log}:\n{child.last_lines()}")

    def stop(self) -> None:
        """Stop everything, in the order that loses nothing."""
        self._stop([child for child in self.children if child.name == "api"], API_STOPS_WITHIN)
        self._stop(
            [child for child in self.children if child.name.startswith("worker")], self.stop_grace + KILLED_WITHIN
        )
        if self.emulator and not self.emulator.stop():
            _say("the emulator did not end by itself: what was in the queue is lost")

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.signals += 1

    def stop_wanted(self) -> bool:
        return self.signals > 0

    def _note(self, child: Child) -> None:
        self.children.append(child)
        print(child.name, child.process.pid, file=self.processes, flush=True)

    def _stop(self, children: list[Child], within: float) -> None:
        for child in children:
            child.tell_to_stop()
        for child in children:
            if not child.wait(within, give_up=lambda: self.signals > 1):
                _say(f"{child.name} was killed; its photos are taken up again when their lease is over")

    def _check_ports(self, settings: Settings) -> None:
        left = self._left_by_an_earlier_run()
        if is_taken(settings.host, settings.port):
            raise StartFailed(
                f"{settings.host}:{settings.port} is in use by another program{left}; "
                f"end that one, or take another port: DARKROOM_PORT={settings.port + 1} make run"
            )
        if self.emulator and is_taken(HOST, self.emulator.port):
            raise StartFailed(
                f"{HOST}:{self.emulator.port}, for the AWS emulator, is in use by another program, "
                f"perhaps LocalStack{left}; end that one, or take another port: "
                f"make run ARGS='--aws-port {self.emulator.port + 1}'"
            )

    def _left_by_an_earlier_run(self) -> str:
        """A run that was killed could not take its processes along; they are named, not ended: numbers are reused."""
        self.processes.seek(0)
        listed = ", ".join(line.strip() for line in self.processes)
        return f" (a run that was killed had these processes: {listed})" if listed else ""


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    HOME.mkdir(exist_ok=True)
    # The list of our processes is also the lock: two emulators must not save into one folder.
    with (HOME / "processes").open("a+") as processes:
        try:
            fcntl.flock(processes, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(f"darkroom: {HOME.absolute()} is in use by another run")
        run = Run(options.workers, options.aws_port, processes)
        status = _run(run)
        if run.children:
            processes.truncate(0)
    sys.exit(status)


def _run(run: Run) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, run.on_signal)
    failed = False
    try:
        settings = run.start()
        _say(_welcome(settings, run))
        while True:
            run.check()
            time.sleep(0.2)
    except Stopped:
        _say("\nstopping; Ctrl-C once more does not wait for photos in work")
    except DarkroomError as error:
        failed = True
        print(f"\ndarkroom: {error.detail}", file=sys.stderr)
    finally:
        run.stop()
    _say("stopped")
    return 1 if failed else 0


def worker_shares(settings: Settings, workers: int, usable: int) -> dict[str, str]:
    """The part of this machine that each worker takes, of `usable` bytes; each would take all for itself.

    One photo at a time each, as there are several workers to be seen. What the user has set holds.
    """
    slots = settings.concurrency or 1
    share = (usable - (workers + OTHERS) * PROCESS_MEMORY) // (workers * slots)
    memory = settings.child_memory or max(LEAST_CHILD_MEMORY, share)
    return {"DARKROOM_CONCURRENCY": str(slots), "DARKROOM_CHILD_MEMORY": str(memory)}


def _defaults(emulator: Emulator | None) -> dict[str, str]:
    """The environment of an embedded run; what the user has set wins."""
    environ = os.environ
    port = environ.get("DARKROOM_PORT") or Settings().port
    wanted = {
        "DARKROOM_PUBLIC_URL": f"http://{HOST}:{port}",
        "DARKROOM_SPOOL_DIR": str((HOME / "spool").absolute()),
        # A worker that stops waits for its poll to return.
        "DARKROOM_POLL_WAIT": "2",
    }
    if emulator:
        wanted |= emulator.environ
    elif not environ.get("AWS_ACCESS_KEY_ID") and not environ.get("AWS_PROFILE"):
        wanted |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    if not environ.get("AWS_REGION"):
        wanted["AWS_DEFAULT_REGION"] = "us-east-1"
    # What runs on this machine is not asked for through a proxy.
    direct = ",".join(filter(None, [environ.get("no_proxy") or environ.get("NO_PROXY"), HOST]))
    return {name: value for name, value in wanted.items() if not environ.get(name)} | {
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def _welcome(settings: Settings, run: Run) -> str:
    base = settings.base_url
    environ = " ".join(f"{name}={value}" for name, value in run.own_environ.items() if name.startswith("AWS_"))
    if run.left_out:
        environ = " ".join(["env", *(f"-u {name}" for name in run.left_out), environ])
    key = ' -H "Authorization: Bearer $DARKROOM_API_KEY"' if read_owners(settings).keys else ""
    command = Path(sys.executable).with_name("darkroom")
    if command.is_relative_to(Path.cwd()):
        command = command.relative_to(Path.cwd())
    state = (
        f"{HOME}/: queues, records and photos. Ctrl-C saves them and the next run goes on;\n"
        "        kill -9 of the emulator loses the queue. `make clean` removes everything."
        if run.emulator
        else f"at {os.environ['AWS_ENDPOINT_URL']}, which you have set."
    )
    return f"""
Darkroom runs with {run.workers} worker{"s"[: run.workers != 1]}. Ctrl-C stops it.

  API   {base}
  docs  {base}/docs
  logs  {HOME / "logs"}/
  state {state}

Try it with a photo of yours:

  curl{key} -F photo=@photo.jpg -F 'jobs={EXAMPLE_JOBS}' {base}/v1/photos

Look into the queue:

  {environ} {command} queue
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("darkroom.local", description="Run Darkroom on this machine, without Docker.")
    parser.add_argument("--workers", type=_number(1, 1000), default=2, help="worker processes (default: 2)")
    parser.add_argument(
        "--aws-port", type=_number(1, 65_535), default=AWS_PORT, help=f"the AWS emulator's port (default: {AWS_PORT})"
    )
    return parser


def _number(least: int, most: int) -> Callable[[str], int]:
    def checked(text: str) -> int:
        if not (text.isdecimal() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to {most}")
        return int(text)

    return checked


def _log(name: str) -> Path:
    return HOME / "logs" / f"{name}.log"


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
