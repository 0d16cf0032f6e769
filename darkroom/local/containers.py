"""`make run`: API, workers and an AWS emulator in one command, without Docker.

Ctrl-C stops them in an order that loses nothing: first the API, so that nothing new arrives; then the workers, which
finish their photos or give them back; the emulator last, because it saves queues and records when it stops.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click

from darkroom.aws.clients import make_clients
from darkroom.capacity import LEAST, RESERVE
from darkroom.local.emulator import (
    HOST,
    Emulator,
    LocalProcess,
    StartFailed,
    is_taken,
    wait_for_aws,
    wait_until_answers,
)
from darkroom.local.supervisor import HELP, HOME, EmbeddedRun, aws_port_option, run_until_stopped, say
from darkroom.provision.data import provision
from darkroom.resources import usable_memory
from darkroom.settings import Settings, prepare_spool, read_settings

API_STARTS_WITHIN = 60.0
API_STOPS_WITHIN = 40.0
KILLED_WITHIN = 10.0
"""Seconds beyond the grace of a worker; enough for a busy machine."""

OTHERS = 2
"""Processes beside the workers that need RESERVE bytes too: the API and the emulator."""


class LocalRun(EmbeddedRun):
    """The API, workers and, unless AWS_ENDPOINT_URL names another AWS, the emulator."""

    def __init__(self, workers: int, aws_port: int, pid_file: TextIO) -> None:
        # The user may have set an endpoint, such as LocalStack's.
        emulator = None if os.environ.get("AWS_ENDPOINT_URL") else Emulator(HOME, aws_port)
        super().__init__(HOME, emulator, pid_file)
        self.workers = workers
        self.stop_grace = float(Settings().stop_grace)

    def start(self) -> Settings:
        port = read_settings().port
        settings = self.prepare(
            {
                "DARKROOM_PUBLIC_URL": f"http://{HOST}:{port}",
                "DARKROOM_SPOOL_DIR": str((HOME / "spool").absolute()),
                # A worker that stops waits until its poll returns.
                "DARKROOM_POLL_WAIT": "2",
            }
        )
        self.stop_grace = settings.stop_grace
        self._check_ports(settings)
        self.pid_file.truncate(0)
        prepare_spool(settings)
        self.start_emulator()
        if self.emulator is None:
            endpoint = os.environ["AWS_ENDPOINT_URL"]
            say(f"waiting for AWS at {endpoint} (AWS_ENDPOINT_URL)")
            wait_for_aws(endpoint, give_up=self.stop_wanted)
            self.check()
        provision(settings, make_clients(settings))
        self.check()
        api = LocalProcess("api", "api", self.log("api"), os.environ)
        self.note(api)
        shares = worker_shares(settings, self.workers, usable_memory())
        for worker in range(1, self.workers + 1):
            name = f"worker-{worker}"
            self.note(LocalProcess(name, "worker", self.log(name), os.environ | shares))
        wait_until_answers(api, settings.host, settings.port, "/healthz", API_STARTS_WITHIN, give_up=self.stop_wanted)
        self.check()
        return settings

    def stop(self) -> None:
        api = [process for process in self.processes if process.name == "api"]
        workers = [process for process in self.processes if process.name.startswith("worker")]
        self._stop(api, API_STOPS_WITHIN, "uploads without an answer are lost")
        self._stop(workers, self.stop_grace + KILLED_WITHIN, "the next run processes its photos again")
        self.stop_emulator()

    def _stop(self, processes: list[LocalProcess], within: float, after_a_kill: str) -> None:
        for process in processes:
            process.terminate()
        for process in processes:
            if not process.wait(within, give_up=lambda: self.signals > 1):
                say(f"{process.name} was killed; {after_a_kill}")

    def _check_ports(self, settings: Settings) -> None:
        if self.emulator and settings.port == self.emulator.port:
            raise StartFailed(same_port(settings.port))
        if is_taken(settings.host, settings.port):
            raise StartFailed(
                f"{settings.host}:{settings.port} is in use by another program{self.left_by_an_earlier_run()}. "
                f"Stop it, or use another port: DARKROOM_PORT={settings.port + 1} make run"
            )
        self.check_emulator_port()

    def welcome(self, settings: Settings) -> str:
        base = settings.base_url
        state = (
            f"{HOME}/ holds queues, records and photos for the next run. Ctrl-C saves them, kill -9 of the\n"
            "        emulator loses the queues. `make clean` removes everything."
            if self.emulator
            else f"at {os.environ['AWS_ENDPOINT_URL']} (AWS_ENDPOINT_URL)"
        )
        return f"""
Darkroom runs with {self.workers} worker{"s"[: self.workers != 1]}. Ctrl-C stops it.

  API   {base}
  docs  {base}/docs
  logs  {HOME / "logs"}/
  state {state}

Upload a photo:

  {self.example_upload(settings, base)}

Use the `darkroom` command in another terminal; `queue` shows how many messages wait:

{self.other_terminal(base)}
"""


def same_port(port: int) -> str:
    return (
        f"the API and the AWS emulator would both use port {port}. Give one of them another port: "
        f"DARKROOM_PORT={port + 1} make run, or make run ARGS='--aws-port {port + 1}'"
    )


def worker_shares(settings: Settings, workers: int, usable: int) -> dict[str, str]:
    """Settings that give each worker its share of the `usable` bytes; by default each would take all of them.

    Each worker has one child process, so that several workers share the work visibly. The user's own settings win.
    """
    children = settings.children or 1
    share = (usable - (workers + OTHERS) * RESERVE) // (workers * children)
    memory = settings.child_memory or max(
        LEAST, share
    )  # a child needs at least this, even if the sum exceeds the machine
    return {"DARKROOM_CHILDREN": str(children), "DARKROOM_CHILD_MEMORY": str(memory)}


@click.command(context_settings=HELP)
@click.option("--workers", type=click.IntRange(1, 1000), default=2, show_default=True, help="Worker processes.")
@aws_port_option
def main(workers: int, aws_port: int) -> None:
    """Run Darkroom on this machine, without Docker."""
    sys.exit(run_until_stopped(HOME, lambda pid_file: LocalRun(workers, aws_port, pid_file)))
