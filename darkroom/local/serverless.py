"""`make run-serverless`: API Gateway, Lambda functions and their queues in one command, without Docker.

It deploys the templates for AWS to the AWS emulator, which runs the functions in its own processes. Ctrl-C disconnects
the functions from their queues, lets them finish their photos, and stops the emulator, which saves its state.

Two things differ from AWS. The emulator cannot fill in the gateway's template for POST /v1/ingest: it answers 400, or
sends a message that no worker can read, which becomes a dead letter. And it sets no memory limit for functions.
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
"""Not the folder of `make run`, whose queues have other consumers."""

ANSWERS_WITHIN = 60.0
"""The first request waits for the API function's imports."""

ONE_REQUEST = 20.0
"""Seconds for one of these requests. Each that is given up earlier would start another copy of the function."""

OTHERS_MEMORY = 1024 * MIB
"""For the emulator, and the functions other than the workers."""


class ServerlessRun(EmbeddedRun):
    """The emulator, with everything deployed to it."""

    command = "make run-serverless"

    def __init__(self, aws_port: int, pid_file: TextIO) -> None:
        self._emulator = Emulator(FOLDER, aws_port)
        super().__init__(FOLDER, self._emulator, pid_file)
        self._functions: Functions | None = None
        self._url = ""
        # A short path: it holds Unix sockets, whose paths have at most 100 characters.
        self._temporary = Path(tempfile.mkdtemp(prefix="darkroom-"))

    def start(self) -> Settings:
        if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
            raise StartFailed(
                f"AWS_ENDPOINT_URL is set ({endpoint}), but this run needs its own emulator; "
                f"run it without the variable: env -u AWS_ENDPOINT_URL {self.command}"
            )
        # All settings reach the functions: they inherit the emulator's environment.
        settings = self.prepare({"DARKROOM_SPOOL_DIR": str(FOLDER / "spool")})
        for name in ("spool_dir", "presets_file", "owners_file"):
            if path := getattr(settings, name):  # the functions run in another folder
                os.environ[f"{PREFIX}{name.upper()}"] = str(path.absolute())
        os.environ["TMPDIR"] = str(self._temporary)
        self.check_emulator_port()
        self.pid_file.truncate(0)
        prepare_spool(settings)
        self.start_emulator()
        share = (usable_memory() - OTHERS_MEMORY) // WORKERS
        functions = Functions(settings, make_clients(settings), share)
        self._url = functions.deploy()
        self._functions = functions
        self.check()
        wait_until_answers(
            self.processes[0],
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
        if self._functions and not self.processes[0].ended:
            try:
                if held := self._functions.drain(enough=lambda: self.signals > 1):
                    say(f"{held} photos are unfinished or wait for a retry; the next run processes them")
            except DarkroomError as error:
                say(f"cannot disconnect the functions from their queues: {error.detail}")
        self.stop_emulator()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def welcome(self, settings: Settings) -> str:
        return f"""
Darkroom runs as Lambda functions, up to {WORKERS} workers at a time. Ctrl-C stops it.

  API   {self._url}
  docs  {self._url}/docs
  logs  {self.log("emulator")}
  state {FOLDER}/ holds queues, records, photos and functions for the next run. Ctrl-C saves them, kill -9
        of the emulator loses the queues. `make clean` removes everything.

Upload a photo of up to 4 MB, Lambda's limit; `darkroom upload --direct` sends larger ones:

  {self.example_upload(settings, self._url)}

Use the `darkroom` command in another terminal; `queue` shows how many messages wait:

{self.other_terminal(self._url)}
"""


@click.command(context_settings=HELP)
@aws_port_option
def main(aws_port: int) -> None:
    """Run Darkroom as Lambda functions on this machine, without Docker."""
    sys.exit(run_until_stopped(FOLDER, lambda pid_file: ServerlessRun(aws_port, pid_file)))


if __name__ == "__main__":
    main()
