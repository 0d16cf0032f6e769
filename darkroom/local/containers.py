"""The embedded run: API, workers and an AWS emulator in one command, without Docker.

`python -m darkroom.local` (or `make run`) starts them, `Ctrl-C` stops them in the order that loses
nothing: first the API, so that nothing more comes in; then the workers, which finish what they hold or
give it back; the emulator last, because it saves queues and records only when it ends by itself.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click

from darkroom.aws.clients import make_clients
from darkroom.local.emulator import HOST, Child, Emulator, StartFailed, is_taken, wait_until_answers
from darkroom.local.supervisor import HELP, HOME, EmbeddedRun, aws_port_option, run_until_stopped, say
from darkroom.provision.data import provision
from darkroom.resources import LEAST, RESERVE, usable_memory
from darkroom.settings import Settings, prepare_spool, read_settings

API_STARTS_WITHIN = 60.0
API_STOPS_WITHIN = 40.0
KILLED_WITHIN = 10.0
"""A process that should be gone; a little more than a busy machine takes."""

OTHERS = 2
"""Processes, beside the workers, that want as much memory as a worker itself: the API and the emulator."""


class LocalRun(EmbeddedRun):
    """The API, workers and, unless AWS_ENDPOINT_URL names another AWS, the emulator."""

    def __init__(self, workers: int, aws_port: int, processes: TextIO) -> None:
        # Who names an endpoint means it: LocalStack, perhaps, which then gets no emulator beside it.
        emulator = None if os.environ.get("AWS_ENDPOINT_URL") else Emulator(HOME, aws_port)
        super().__init__(HOME, emulator, processes)
        self.workers = workers
        self.stop_grace = float(Settings().stop_grace)

    def start(self) -> Settings:
        port = read_settings().port
        settings = self.prepare(
            {
                "DARKROOM_PUBLIC_URL": f"http://{HOST}:{port}",
                "DARKROOM_SPOOL_DIR": str((HOME / "spool").absolute()),
                # A worker that stops waits for its poll to return.
                "DARKROOM_POLL_WAIT": "2",
            }
        )
        self.stop_grace = settings.stop_grace
        self._check_ports(settings)
        self.processes.truncate(0)
        prepare_spool(settings)
        self.start_emulator()
        provision(settings, make_clients(settings))
        self.check()
        api = Child("api", "api", self.log("api"), os.environ)
        self.note(api)
        shares = worker_shares(settings, self.workers, usable_memory())
        for worker in range(1, self.workers + 1):
            name = f"worker-{worker}"
            self.note(Child(name, "worker", self.log(name), os.environ | shares))
        wait_until_answers(api, settings.host, settings.port, "/healthz", API_STARTS_WITHIN, give_up=self.stop_wanted)
        self.check()
        return settings

    def stop(self) -> None:
        api = [child for child in self.children if child.name == "api"]
        workers = [child for child in self.children if child.name.startswith("worker")]
        self._stop(api, API_STOPS_WITHIN, "uploads that it had not answered are lost")
        self._stop(workers, self.stop_grace + KILLED_WITHIN, "its photos are taken up again when their lease is over")
        self.stop_emulator()

    def _stop(self, children: list[Child], within: float, otherwise: str) -> None:
        for child in children:
            child.tell_to_stop()
        for child in children:
            if not child.wait(within, give_up=lambda: self.signals > 1):
                say(f"{child.name} was killed; {otherwise}")

    def _check_ports(self, settings: Settings) -> None:
        if is_taken(settings.host, settings.port):
            raise StartFailed(
                f"{settings.host}:{settings.port} is in use by another program{self.left_by_an_earlier_run()}; "
                f"end that one, or take another port: DARKROOM_PORT={settings.port + 1} make run"
            )
        self.check_emulator_port()

    def welcome(self, settings: Settings) -> str:
        base = settings.base_url
        state = (
            f"{HOME}/: queues, records and photos. Ctrl-C saves them and the next run goes on;\n"
            "        kill -9 of the emulator loses the queue. `make clean` removes everything."
            if self.emulator
            else f"at {os.environ['AWS_ENDPOINT_URL']}, which you have set."
        )
        return f"""
Darkroom runs with {self.workers} worker{"s"[: self.workers != 1]}. Ctrl-C stops it.

  API   {base}
  docs  {base}/docs
  logs  {HOME / "logs"}/
  state {state}

Try it with a photo of yours:

  {self.example_upload(settings, base)}

Look into the queue:

  {self.aws_environ()} {self.darkroom_command()} queue
"""


def worker_shares(settings: Settings, workers: int, usable: int) -> dict[str, str]:
    """The part of this machine that each worker takes, of `usable` bytes; each would take all for itself.

    One photo at a time each, as there are several workers to be seen. What the user has set holds.
    """
    slots = settings.concurrency or 1
    share = (usable - (workers + OTHERS) * RESERVE) // (workers * slots)
    memory = settings.child_memory or max(LEAST, share)  # rather a machine that is promised twice
    return {"DARKROOM_CONCURRENCY": str(slots), "DARKROOM_CHILD_MEMORY": str(memory)}


@click.command(context_settings=HELP)
@click.option("--workers", type=click.IntRange(1, 1000), default=2, show_default=True, help="Worker processes.")
@aws_port_option
def main(workers: int, aws_port: int) -> None:
    """Run Darkroom on this machine, without Docker."""
    sys.exit(run_until_stopped(HOME, lambda processes: LocalRun(workers, aws_port, processes)))
