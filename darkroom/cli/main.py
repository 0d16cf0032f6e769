"""The `darkroom` command.

`upload`, `download`, `status`, `batch` and `asset` run wherever the package is installed; all other commands need the
extra `services`. So each command imports what it needs when it runs.
"""

from __future__ import annotations

from typing import Any

import click

from darkroom import __version__
from darkroom.cli.asset_commands import asset
from darkroom.cli.dead_letter_commands import dead_letters
from darkroom.cli.download_command import download
from darkroom.cli.operator_commands import check_settings, key, provision, queue, record, versions, webhook_secret
from darkroom.cli.photo_commands import batch, status, upload
from darkroom.cli.plan_command import plan
from darkroom.cli.replay import replay
from darkroom.cli.terminal import say
from darkroom.errors import DarkroomError

INTERRUPTED = 130
"""Exit status of a command that Ctrl-C ended, as shells expect it."""


class Commands(click.Group):
    """Turns expected errors into a message and an exit status, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DarkroomError as error:
            say(f"Error: {error.detail}", err=True)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("api", "darkroom", "worker"):
                raise
            say(
                f"Error: this command needs the package {error.name}, which the extra `services` installs; in the "
                "checkout, `make install` installs everything",
                err=True,
            )
        except BrokenPipeError:  # `darkroom ... | head`: click exits without a message
            raise
        except OSError as error:
            say(f"Error: {error}", err=True)
        except KeyboardInterrupt:
            say("Stopped.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        raise click.exceptions.Exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="darkroom %(version)s")
def main() -> None:
    """Process photos with Darkroom.

    \b
    darkroom upload holiday/ --preset web --out results/
    darkroom download 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88 thumbnail
    darkroom status 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88
    darkroom queue
    """


for command in (
    upload,
    download,
    status,
    batch,
    asset,
    plan,
    replay,
    queue,
    record,
    dead_letters,
    key,
    webhook_secret,
    check_settings,
    provision,
    versions,
):
    main.add_command(command)
