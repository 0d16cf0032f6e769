"""The serverless run: API Gateway, Lambda functions and their queues in one command, without Docker.

`python -m darkroom.local.serverless` (or `make run-serverless`) deploys to the AWS emulator what is deployed to AWS,
from the same templates. The emulator runs the functions, in processes of its own; there is no other one of ours.
`Ctrl-C` takes the functions from their queues, lets them finish what they have in hand, and ends the emulator, which
then saves its state for the next run.

Two things are not as on AWS: the emulator cannot fill in the gateway's template for POST /v1/ingest, so that it answers
400, or sends what no worker can read (a dead letter), and it gives a function no limit of memory.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import click

from darkroom.aws.clients import make_clients
from darkroom.errors import DarkroomError
from darkroom.local.emulator import HOST, Emulator, StartFailed, wait_until_answers
from darkroom.local.functions import WORKERS, Functions
from darkroom.local.supervisor import HELP, HOME, EmbeddedRun, aws_port_option, run_until_stopped, say
from darkroom.resources import usable_memory
from darkroom.settings import MIB, PREFIX, Settings, prepare_spool

FOLDER = HOME / "serverless"
"""Apart from that of `make run`, whose queues have other readers."""

ANSWERS_WITHIN = 60.0
"""The first request waits for the API function's imports."""

ONE_REQUEST = 20.0
"""Seconds for one of these requests. Each that is given up earlier would start another copy of the function."""

OTHERS_MEMORY = 1024 * MIB
"""For the emulator, and the functions beside the workers."""


class ServerlessRun(EmbeddedRun):
    """The emulator, with everything deployed to it."""

    command = "make run-serverless"

    def __init__(self, aws_port: int, processes: TextIO) -> None:
        self._emulator = Emulator(FOLDER, aws_port)
        super().__init__(FOLDER, self._emulator, processes)
        self._functions: Functions | None = None
        self._url = ""
        # Not in our folder: sockets lie in it, whose names must not be longer than 100 characters.
        self._temporary = Path(tempfile.mkdtemp(prefix="darkroom-"))

    def start(self) -> Settings:
        if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
            raise StartFailed(
                f"AWS_ENDPOINT_URL is set, to {endpoint}, but only this run's own emulator runs the functions; "
                f"without it: env -u AWS_ENDPOINT_URL {self.command}"
            )
        # Whatever is set reaches the functions as well: they have the emulator's environment beside their own.
        settings = self.prepare({"DARKROOM_SPOOL_DIR": str(FOLDER / "spool")})
        for name in ("spool_dir", "presets_file", "owners_file"):
            if path := getattr(settings, name):  # they run in another folder
                os.environ[f"{PREFIX}{name.upper()}"] = str(path.absolute())
        os.environ["TMPDIR"] = str(self._temporary)
        self.check_emulator_port()
        self.processes.truncate(0)
        prepare_spool(settings)
        self.start_emulator()
        share = (usable_memory() - OTHERS_MEMORY) // WORKERS
        functions = Functions(settings, make_clients(settings), share)
        self._url = functions.deploy()
        self._functions = functions
        self.check()
        wait_until_answers(
            self.children[0],
            HOST,
            self._emulator.port,
            f"{urlsplit(self._url).path}/healthz",
            ANSWERS_WITHIN,
            give_up=self.stop_wanted,
            request_timeout=ONE_REQUEST,
        )
        self.check()
        return settings

    def stop(self) -> None:
        if self._functions and not self.children[0].ended:
            try:
                if held := self._functions.drain(enough=lambda: self.signals > 1):
                    say(f"{held} photos were in work, or waited to be tried again; a later run takes them up")
            except DarkroomError as error:
                say(f"the functions could not be taken from their queues: {error.detail}")
        self.stop_emulator()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def welcome(self, settings: Settings) -> str:
        return f"""
Darkroom runs as Lambda functions, up to {WORKERS} workers at a time. Ctrl-C stops it.

  API   {self._url}
  docs  {self._url}/docs
  logs  {self.log("emulator")}
  state {FOLDER}/: queues, records, photos and functions. Ctrl-C saves them and the next run goes on;
        kill -9 of the emulator loses the queue. `make clean` removes everything.

Try it with a photo of yours, of up to 4 MB, as on Lambda; `darkroom upload --direct` sends larger ones:

  {self.example_upload(settings, self._url)}

Look into the queue:

  {self.aws_environ()} {self.darkroom_command()} queue
"""


@click.command(context_settings=HELP)
@aws_port_option
def main(aws_port: int) -> None:
    """Run Darkroom as Lambda functions on this machine, without Docker."""
    sys.exit(run_until_stopped(FOLDER, lambda processes: ServerlessRun(aws_port, processes)))


if __name__ == "__main__":
    main()
