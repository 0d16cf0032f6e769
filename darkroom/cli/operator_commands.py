"""Commands for operators. `queue` and `provision` talk to AWS with the settings of the services.

Everything here runs in the container image too.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from darkroom.cli.terminal import asking, counted, say, say_table
from darkroom.errors import DarkroomError, SettingsError

if TYPE_CHECKING:
    from darkroom.backlog import Backlog

DARKROOM_NAME = re.compile(r"^[ \t]*(?:export[ \t]+)?(DARKROOM_\w*)[ \t]*=", re.MULTILINE)
"""The name in a line of an .env file that sets one of our variables."""


@click.command()
@click.argument("owner")
def key(owner: str) -> None:
    """Make an API key for OWNER.

    Prints the key, which only the owner should know, and owner:hash for the API's settings. Darkroom stores neither.
    The API reads its settings at the start. An owner can have several keys: to replace one, add the new key, and remove
    the old one when no client uses it any more.

    \b
    Example (standard output has two lines: the key, and owner:hash):
      darkroom key alice
    """
    from darkroom.owners import OWNER_RULE, hash_of, is_owner, new_key

    if not is_owner(owner):
        raise click.UsageError(f"{owner!r} is not a valid owner; expected {OWNER_RULE}")
    made = new_key()
    say(f"The key of {owner}, for `Authorization: Bearer` or DARKROOM_API_KEY. It cannot be shown again:", err=True)
    say(made)
    say("\nAdd this to the API's DARKROOM_API_KEYS:", err=True)
    say(f"{owner}:{hash_of(made)}")


@click.command("webhook-secret")
@click.argument("owner")
def webhook_secret(owner: str) -> None:
    """Print the webhook secret of OWNER.

    OWNER's receiver verifies webhooks with it. The secret is derived from DARKROOM_WEBHOOK_SECRET alone. If that holds
    several secrets, there is a line for each, the current one first; Darkroom signs every webhook with all of them.

    \b
    Example, without API keys:
      darkroom webhook-secret default
    """
    from darkroom.owners import OWNER_RULE, is_owner
    from darkroom.settings import read_settings
    from darkroom.webhooks.signing import secrets_of

    if not is_owner(owner):
        raise click.UsageError(f"{owner!r} is not a valid owner; expected {OWNER_RULE}")
    secret = read_settings().webhook_secret
    if secret is None:
        raise DarkroomError(
            "DARKROOM_WEBHOOK_SECRET is not set. This command makes a secret: echo whsec_$(openssl rand -base64 32)"
        )
    for line in secrets_of(owner, secret):
        click.echo(line)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def queue(as_json: bool) -> None:
    """Show what waits in each queue, also in seconds of work.

    Also how many are in flight (a worker has received them), delayed, or in a dead-letter queue. Asks SQS and DynamoDB
    with the AWS_* and DARKROOM_* settings of the services. SQS's counts are approximate and up to a minute old. A
    message is an order: all jobs of a photo that were requested together.

    The seconds of work are an estimate: orders that wait, times the mean cost of some orders. A worker with one CPU
    needs about that many seconds for them. --json has more figures, such as the error of the mean.

    \b
    Examples:
      docker compose exec worker darkroom queue
      darkroom queue      (with `make run`: first the export line that it prints)
    """
    from darkroom.aws.queue import depths
    from darkroom.backlog import backlog
    from darkroom.services import Services
    from darkroom.settings import read_settings

    settings = read_settings()
    services = Services.connect(settings)
    with asking(services.clients.sqs.meta.endpoint_url):
        found = depths(settings, services.clients)
        waiting = backlog(
            services.table, [depth for depth in found if depth.queue in (settings.photos_queue, settings.ingest_queue)]
        )
    if as_json:
        queues = [dataclasses.asdict(depth) for depth in found]
        click.echo(json.dumps({"queues": queues, "backlog": dataclasses.asdict(waiting)}, indent=2))
        return
    rows = [[depth.queue, str(depth.visible), str(depth.in_flight), str(depth.delayed)] for depth in found]
    say_table([["QUEUE", "WAITING", "IN FLIGHT", "DELAYED"], *rows])
    click.echo(f"\n{_backlog_sentence(waiting)}")
    click.echo("SQS's counts are approximate and up to a minute old. Queues named -dlq are dead-letter queues.")


def _backlog_sentence(waiting: Backlog) -> str:
    if not waiting.orders:
        return "No orders wait."
    orders = counted(waiting.orders, "order")
    if waiting.seconds is None or waiting.mean_cost is None:
        return f"{orders} wait. What they cost is not known: the records show no unfinished order."
    error = f" (+- {waiting.error:.0%})" if waiting.error is not None else ""
    return (
        f"{orders} wait, about {waiting.seconds:,.0f} s of work for one CPU. "
        f"An order takes {waiting.mean_cost:.2f} s on average{error}, from a sample of {waiting.sampled}."
    )


@click.command()
@click.argument("photo", type=click.UUID)
def record(photo: UUID) -> None:
    """Print the record of PHOTO as JSON.

    DynamoDB holds it compressed. This command reads it with the AWS_* and DARKROOM_* settings of the services, also if
    a newer release wrote it.

    \b
    Example:
      darkroom record 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88
    """
    from darkroom.aws.clients import make_clients
    from darkroom.aws.table import Table
    from darkroom.settings import read_settings

    settings = read_settings()
    clients = make_clients(settings)
    with asking(clients.dynamodb.meta.endpoint_url):
        text = Table(settings, clients).text(str(photo))
    click.echo(json.dumps(json.loads(text), indent=2, ensure_ascii=False))


@click.command("check-settings")
@click.option(
    "--env-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also report misspelt names in this file. It need not exist; its values are not read.",
)
def check_settings(env_file: Path | None) -> None:
    """Check settings, presets and owners.

    Reads the DARKROOM_* variables and the files that they name, as the services do at their start. It needs no AWS.
    Names everything that is wrong; the exit status is then 1.

    \b
    Examples:
      darkroom check-settings
      docker compose run --rm check-settings
    """
    from darkroom.owners import auth_mode, read_owners
    from darkroom.presets import read_presets
    from darkroom.settings import read_settings

    written = env_file.read_text(errors="replace") if env_file and env_file.exists() else ""
    settings = read_settings(dict.fromkeys(DARKROOM_NAME.findall(written), "") | os.environ)
    faults = []
    for check in (read_presets, lambda settings: auth_mode(settings, read_owners(settings))):
        try:
            check(settings)
        except SettingsError as error:
            faults.append(error.detail)
    if faults:
        raise SettingsError("\n".join(faults))
    say("The settings are valid.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def versions(as_json: bool) -> None:
    """Show the version of everything that runs here.

    Darkroom, the system, the Python packages, and the libraries that read and write photos. Compare the numbers under
    `libraries` with advisories: the libraries report them. Those under `files` are only the numbers in the names of the
    .so files, which are often no release: libpng16.so 16.58.0 is libpng 1.6.58.

    \b
    Examples:
      docker compose exec worker darkroom versions
      darkroom versions --json
    """
    from darkroom.versions import installation

    found = dataclasses.asdict(installation())
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    say_table(
        [
            ["PART", "NAME", "VERSION"],
            ["darkroom", "darkroom", found.pop("darkroom")],
            *([part, name, number or "missing"] for part, group in found.items() for name, number in group.items()),
        ]
    )


@click.command()
@click.option(
    "--policies", is_flag=True, help="Also make the IAM policies of the API and the workers, and print their ARNs."
)
@click.option("--gateway", metavar="URL", help="Also put API Gateway in front of the API at this address.")
def provision(policies: bool, gateway: str | None) -> None:
    """Make bucket, queues and table.

    Updates what exists and deletes nothing, so you can run it at any time.

    \b
    Examples:
      darkroom provision
      darkroom provision --gateway https://darkroom.example.com

    \b
    For an emulator, set where it is:
      export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_DEFAULT_REGION=us-east-1
      export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
      darkroom provision
    """
    from darkroom.aws.clients import make_clients
    from darkroom.provision.data import provision as deploy
    from darkroom.provision.data import provision_policies
    from darkroom.provision.gateway import provision_gateway
    from darkroom.settings import read_settings

    if gateway and not gateway.startswith(("http://", "https://")):
        raise click.BadParameter(
            f"{gateway!r} is not an address: expected one that starts with http:// or https://", param_hint="--gateway"
        )

    settings = read_settings()
    clients = make_clients(settings)
    endpoint = clients.cloudformation.meta.endpoint_url
    say(f"Deploying the stack {settings.stack} to {endpoint} ...", err=True)
    with asking(endpoint, "AWS's console shows why a stack fails"):
        outcome = deploy(settings, clients)
    rows = [["stack", f"{settings.stack} ({outcome})"], ["bucket", settings.bucket], ["table", settings.table]]
    rows += [["queue", name] for name in settings.queues]
    if policies:
        rows += [["policy", arn] for arn in provision_policies(settings, clients).values()]
    if gateway:
        made = provision_gateway(settings, clients, gateway)
        rows += [["gateway", f"{made.url} ({made.change})"]] + ([["x-api-key", made.key]] if made.key else [])
    say_table(rows)
