"""The `darkroom` command.

`upload` and `status` talk to the API and need the `cli` extra; `queue`, `dead-letters` and `provision` talk to AWS
and run in the container image too. So each command imports what it needs when it runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from darkroom import __version__
from darkroom.cli.dead_letter_commands import dead_letters
from darkroom.cli.terminal import Once, asking, say, say_table
from darkroom.errors import DarkroomError

INTERRUPTED = 130
"""What shells expect of a command that Ctrl-C ended."""


class Commands(click.Group):
    """Turns what users and networks do wrong into a message and an exit status; never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DarkroomError as error:
            say(f"Error: {error.detail}", err=True)
        except ModuleNotFoundError as error:
            if error.name != "requests":
                raise
            say("Error: this command needs what the services do without; in the checkout: make install", err=True)
        except BrokenPipeError:  # `darkroom ... | head`: click ends quietly
            raise
        except OSError as error:
            say(f"Error: {error}", err=True)
        except KeyboardInterrupt:
            say("Stopped.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        raise click.exceptions.Exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="darkroom %(version)s")
def main() -> None:
    """Process photos with Darkroom.

    \b
    darkroom upload holiday/ --preset web --out results/
    darkroom status 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88
    darkroom queue
    """


main.add_command(dead_letters)


def _checked_url(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise click.BadParameter(f"{value!r} is no address; it starts with http:// or https://")
    return value


def _checked_jobs(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Check jobs before the first byte is sent: a slip of the pen would fail every photo in turn."""
    if value is None:
        return None
    from pydantic import ValidationError

    from darkroom.jobs.faults import faults_of
    from darkroom.jobs.job_types import jobs_adapter

    try:
        text = Path(value[1:]).read_bytes() if value.startswith("@") else value
        jobs_adapter.validate_json(text)
    except OSError as error:
        raise click.BadParameter(f"cannot read {value[1:]}: {error.strerror}") from error
    except ValidationError as error:
        faults = [f"{fault.field}: {fault.detail}" for fault in faults_of(error, "jobs")]
        raise click.BadParameter("\n  ".join(faults)) from error
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)


_url_option: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--url",
    envvar="DARKROOM_URL",
    default="http://127.0.0.1:8080",
    show_default=True,
    show_envvar=True,
    callback=_checked_url,
    help="Where the API is.",
)


def _checked_key(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Never says the value: it may be a key with a slip of the pen in it."""
    if value and re.fullmatch(r"(.+:)?[0-9a-fA-F]{64}", value):
        raise click.BadParameter("that is the hash, for DARKROOM_API_KEYS of the API; the key itself begins with dk_")
    if value and not re.fullmatch(r"[!-~]+", value):
        raise click.BadParameter("an API key has no spaces, and no characters beyond ASCII")
    return value or None


_key_option: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--api-key",
    metavar="KEY",
    envvar="DARKROOM_API_KEY",
    show_envvar=True,
    callback=_checked_key,
    help="Who you are, where the API wants to know; better in the variable, as other users see a command's options.",
)


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--preset", metavar="NAME", help="A named list of jobs. Default: the API's default preset.")
@click.option(
    "--jobs", metavar="JSON|@FILE", callback=_checked_jobs, help="The jobs themselves, or the file they are in."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Download the results into this folder.")
@_url_option
@_key_option
@click.option("--parallel", type=click.IntRange(1, 64), default=4, show_default=True, help="Photos at a time.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=1),
    default=600,
    show_default=True,
    help="How long one photo's jobs may take after its upload.",
)
@click.option("--reference", metavar="TEXT", help="Your own reference; it stays with the photos and comes in events.")
@click.option(
    "--direct", is_flag=True, help="Send the photos past the API to S3: large ones, to an API behind a gateway."
)
def upload(
    paths: tuple[Path, ...],
    preset: str | None,
    jobs: str | None,
    out: Path | None,
    url: str,
    api_key: str | None,
    parallel: int,
    timeout: float,
    reference: str | None,
    direct: bool,
) -> None:
    """Upload photos, wait for their jobs and download the results.

    PATHS are files and folders. Folders are searched to the bottom for photos (jpg, jpeg, jpe, jfif, png, webp,
    gif, tif, tiff, avif, heic, heif); hidden files are left out. A file that is named itself is always sent.

    \b
    Every photo gets a folder of its own in --out, named after it and placed as it was below the folder given:
      darkroom upload holiday --out results
        holiday/day1/sea.jpg   ->  results/day1/sea/...
        holiday/day2/sea.jpg   ->  results/day2/sea/...
    Where that would put two photos into one folder, the folder keeps the extension (sea.jpg/, sea.heic/),
    and where that does not help either, it gets a number (sea-2.jpg/). The same command again writes
    over its earlier results.
    Without --out the photos are uploaded and awaited; id, status and links of the results are printed.

    \b
    Examples:
      darkroom upload *.jpg --preset web --out results/
      darkroom upload scans/ --jobs '[{"type": "resize", "width": 800}, {"type": "metadata"}]' --out small/
      darkroom upload scans/ --jobs @jobs.json --parallel 8
      darkroom upload panorama.tif --direct --out small/

    \b
    Exit status: 0 all is well, 1 something failed (each photo is named with its reason), 2 wrong usage,
    130 stopped by Ctrl-C; photos that were already sent are processed all the same.
    """
    if preset and jobs:
        raise click.UsageError("give --preset or --jobs, not both")
    if out and any(path.is_dir() and path.resolve() == out.resolve() for path in paths):
        raise click.UsageError("--out is a folder that is uploaded: the next run would upload its results")
    from darkroom.cli.upload import Task, find_photos, upload_all

    sources = find_photos(paths, out)
    if not sources:
        raise click.UsageError("there are no photos in " + ", ".join(str(path) for path in paths))
    if not upload_all(sources, Task(url, preset, jobs, reference, timeout, out, api_key, direct), parallel):
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("photo_id", metavar="ID")
@_url_option
@_key_option
@click.option("--json", "as_json", is_flag=True, help="Print what the API says, for programs.")
def status(photo_id: str, url: str, api_key: str | None, as_json: bool) -> None:
    """Show a photo and its jobs.

    \b
    Examples:
      darkroom status 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88
      darkroom status 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88 --json | jq .counts
    """
    from darkroom.cli.client import ApiError, Client

    with Client(url, patience=2, api_key=api_key, waiting=Once()) as client:
        try:
            photo = client.photo(photo_id)
        except ApiError as error:
            if error.http_status == 404:
                raise DarkroomError(f"there is no photo {photo_id} at {url}") from error
            raise
    if as_json:
        click.echo(json.dumps(photo, indent=2))
        return
    original = photo["original"] or {}
    facts = {
        "photo": photo["id"],
        "status": photo["status"],
        "file": (original or photo.get("upload") or {}).get("filename"),
        "original": _picture(original),
        "created": photo["created_at"],
    }
    say_table([[name, value] for name, value in facts.items() if value])
    click.echo()
    rows = []
    for job in photo["jobs"]:
        ending = f"{job['error']['code']}: {job['error']['detail']}" if job["error"] else _picture(job["result"] or {})
        rows.append([job["id"], job["type"], job["status"], str(job["attempts"]), ending])
    say_table([["JOB", "TYPE", "STATUS", "ATTEMPTS", "RESULT"], *rows])


def _picture(facts: dict[str, Any]) -> str:
    """`800x600 image/jpeg 93 KB`; metadata has no width."""
    if not facts:
        return ""
    pixels = [f"{facts['width']}x{facts['height']}"] if facts["width"] else []
    size = f"{facts['size'] / 1000:,.0f} KB" if facts["size"] >= 1000 else f"{facts['size']} bytes"
    return " ".join([*pixels, facts["content_type"], size])


@main.command()
@click.argument("owner")
def key(owner: str) -> None:
    """Make an API key for OWNER.

    Nothing is stored: the key is for the owner alone, and the line with its hash is for the API's settings, which are
    read at its start. An owner may have several keys; whoever changes one adds the new one, and takes the old one away
    when nobody sends it any more.

    \b
    Example (two lines go to standard output: the key, and owner:hash):
      darkroom key alice
    """
    from darkroom.owners import OWNER_RULE, hash_of, is_owner, new_key

    if not is_owner(owner):
        raise click.UsageError(f"{owner!r} is not a valid owner; expected {OWNER_RULE}")
    made = new_key()
    say(f"The key of {owner}, for `Authorization: Bearer` or DARKROOM_API_KEY. Nobody can show it again:", err=True)
    say(made)
    say("\nFor DARKROOM_API_KEYS of the API, after the keys that are there:", err=True)
    say(f"{owner}:{hash_of(made)}")


@main.command("webhook-secret")
@click.argument("owner")
def webhook_secret(owner: str) -> None:
    """Print the secret with which OWNER's receiver verifies webhooks.

    It is derived from DARKROOM_WEBHOOK_SECRET; nothing is stored or asked. While that setting holds several, there is
    a line for each, the current one first; every webhook is signed with all of them.

    \b
    Example, where there are no API keys:
      darkroom webhook-secret default
    """
    from darkroom.owners import OWNER_RULE, is_owner
    from darkroom.settings import read_settings
    from darkroom.webhooks.signing import secrets_of

    if not is_owner(owner):
        raise click.UsageError(f"{owner!r} is not a valid owner; expected {OWNER_RULE}")
    secret = read_settings().webhook_secret
    if secret is None:
        raise DarkroomError("DARKROOM_WEBHOOK_SECRET is not set; this makes one: echo whsec_$(openssl rand -base64 32)")
    for line in secrets_of(owner, secret):
        click.echo(line)


@main.command()
def queue() -> None:
    """Show how many messages wait.

    Also how many are in work, delayed, or given up (dead letters). Asks SQS itself, with the AWS_* and DARKROOM_*
    settings of the services. SQS's counts are approximate and up to a minute old. A message holds all jobs that
    were asked for together.

    \b
    Example:
      AWS_ENDPOINT_URL=http://127.0.0.1:4566 darkroom queue
    """
    from darkroom.aws.clients import make_clients
    from darkroom.aws.queue import depths
    from darkroom.settings import read_settings

    settings = read_settings()
    clients = make_clients(settings)
    with asking(clients.sqs.meta.endpoint_url):
        found = depths(settings, clients)
    rows = [[depth.queue, str(depth.visible), str(depth.in_flight), str(depth.delayed)] for depth in found]
    say_table([["QUEUE", "WAITING", "IN FLIGHT", "DELAYED"], *rows])
    click.echo("\nSQS counts approximately, and up to a minute late. What waits in a queue named -dlq was given up.")


@main.command()
@click.option("--policies", is_flag=True, help="Also make the IAM policies of API and workers, and print their ARNs.")
@click.option("--gateway", metavar="URL", help="Also put API Gateway in front of the API, which is at this address.")
def provision(policies: bool, gateway: str | None) -> None:
    """Make bucket, queues and table.

    What is there already is brought up to date; nothing is deleted, so it can be repeated at any time.

    \b
    Examples:
      darkroom provision                                            (AWS)
      AWS_ENDPOINT_URL=http://127.0.0.1:4566 darkroom provision     (an emulator)
      darkroom provision --gateway https://darkroom.example.com     (API Gateway as well)
    """
    from darkroom.aws.clients import make_clients
    from darkroom.provision.data import provision as deploy
    from darkroom.provision.data import provision_policies
    from darkroom.provision.gateway import provision_gateway
    from darkroom.settings import read_settings

    if gateway and not gateway.startswith(("http://", "https://")):
        raise click.BadParameter(f"{gateway!r} does not begin with http:// or https://", param_hint="--gateway")

    settings = read_settings()
    clients = make_clients(settings)
    endpoint = clients.cloudformation.meta.endpoint_url
    say(f"Deploying the stack {settings.stack} to {endpoint} ...", err=True)
    with asking(endpoint, "and AWS's console what went wrong there"):
        outcome = deploy(settings, clients)
    rows = [["stack", f"{settings.stack} ({outcome})"], ["bucket", settings.bucket], ["table", settings.table]]
    rows += [["queue", name] for name in settings.queues]
    if policies:
        rows += [["policy", arn] for arn in provision_policies(settings, clients).values()]
    if gateway:
        made = provision_gateway(settings, clients, gateway)
        rows += [["gateway", f"{made.url} ({made.change})"]] + ([["x-api-key", made.key]] if made.key else [])
    say_table(rows)
