"""Options and checks that several commands share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import click

Command = Callable[..., None]


def _checked_url(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise click.BadParameter(f"{value!r} is not an address: expected one that starts with http:// or https://")
    return value


def checked_jobs(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Check the jobs before anything is sent: a typing error would fail every photo.

    Without the extra `services` only the JSON is checked here, and the API checks the jobs.
    """
    if value is None:
        return None
    try:
        from pydantic import ValidationError
    except ModuleNotFoundError:
        return _checked_json(value)

    from darkroom.jobs.faults import faults_of
    from darkroom.jobs.job_types import jobs_adapter
    from darkroom.jobs.json_text import NotJson, read_json

    try:
        given = read_json(Path(value[1:]).read_bytes() if value.startswith("@") else value)
        jobs_adapter.validate_python(given)
    except OSError as error:
        raise click.BadParameter(f"cannot read {value[1:]}: {error.strerror}") from error
    except NotJson as error:
        if value and not value.lstrip().startswith(("@", "[", "{", '"', "'")):
            raise click.BadParameter(f"{value!r} is not JSON; for a file write --jobs @{value}") from error
        raise click.BadParameter(f"jobs: {error}") from error
    except ValidationError as error:
        faults = [f"{fault.field}: {fault.detail}" for fault in faults_of(error, "jobs")]
        raise click.BadParameter("\n  ".join(faults)) from error
    return json.dumps(given, separators=(",", ":"), ensure_ascii=False)


def _checked_json(value: str) -> str:
    try:
        given = json.loads(Path(value[1:]).read_bytes() if value.startswith("@") else value)
    except OSError as error:
        raise click.BadParameter(f"cannot read {value[1:]}: {error.strerror}") from error
    except ValueError as error:
        raise click.BadParameter(f"jobs: this is not valid JSON: {error}") from error
    return json.dumps(given, separators=(",", ":"), ensure_ascii=False)


url_option: Callable[[Command], Command] = click.option(
    "--url",
    envvar="DARKROOM_URL",
    default="http://127.0.0.1:8080",
    show_default=True,
    show_envvar=True,
    callback=_checked_url,
    help="Address of the API.",
)


def _checked_key(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """The messages do not repeat the value, because it may be a key with a typing error."""
    if value and re.fullmatch(r"(.+:)?[0-9a-fA-F]{64}", value):
        raise click.BadParameter(
            "this is the hash, which belongs into the API's DARKROOM_API_KEYS; the key itself starts with dk_"
        )
    if value and not re.fullmatch(r"[!-~]+", value):
        raise click.BadParameter("an API key has no spaces and only ASCII characters")
    return value or None


api_key_option: Callable[[Command], Command] = click.option(
    "--api-key",
    metavar="KEY",
    envvar="DARKROOM_API_KEY",
    show_envvar=True,
    callback=_checked_key,
    help="API key, if the API requires one. Prefer the variable: other users can see a command's options.",
)
