"""Settings: one frozen object, which an entry point reads from the environment once.

Every variable starts with `DARKROOM_`. boto3 itself reads region, credentials and endpoint from its own `AWS_*`
variables. `.env.example` lists all of them.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError, model_validator

from darkroom.errors import SettingsError
from darkroom.nearest_name import nearest_name
from darkroom.setting_fields import (
    MIB,
    PROJECT,
    ApiSettings,
    AssetSettings,
    FetchSettings,
    LogSettings,
    PhotoSettings,
    ResourceSettings,
    SweepSettings,
    WebhookSettings,
    WorkerSettings,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["CLIENT_VARIABLES", "MIB", "PREFIX", "PROJECT", "Settings", "prepare_spool", "read_settings"]

PREFIX = "DARKROOM_"

SLOWEST_STORE = 250_000
"""Bytes per second. An original that S3 takes more slowly is not expected."""

CLIENT_VARIABLES = {"DARKROOM_URL", "DARKROOM_API_KEY"}
"""Only the command line reads these, not the services."""

_SECRET = re.compile(r"(dk|whsec)_[A-Za-z0-9+/_-]{20,}")
"""An API key or a webhook secret."""


class Settings(
    ResourceSettings,
    ApiSettings,
    PhotoSettings,
    AssetSettings,
    WorkerSettings,
    WebhookSettings,
    FetchSettings,
    SweepSettings,
    LogSettings,
):
    """Everything that can be set, with its default."""

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        faults = []
        if self.heartbeat > self.lease / 2:
            faults.append(
                f"{PREFIX}HEARTBEAT ({self.heartbeat:g}) must be at most half of {PREFIX}LEASE ({self.lease}), "
                "so that one failed renewal does not lose the lease"
            )
        if self.max_request_bytes < self.max_upload_bytes:
            faults.append(
                f"{PREFIX}MAX_REQUEST_BYTES must be at least {PREFIX}MAX_UPLOAD_BYTES ({self.max_upload_bytes})"
            )
        if (self.cdn_key_id is None) != (self.cdn_private_key_file is None):
            faults.append(
                f"{PREFIX}CDN_KEY_ID and {PREFIX}CDN_PRIVATE_KEY_FILE belong together: set both; or set "
                "none, and the CDN shows every result to everyone who knows its address"
            )
        if self.cdn_key_id and self.cdn_url is None:
            faults.append(f"{PREFIX}CDN_KEY_ID signs addresses of {PREFIX}CDN_URL, which is not set")
        if self.backoff_cap < self.backoff_base:
            faults.append(f"{PREFIX}BACKOFF_CAP must be at least {PREFIX}BACKOFF_BASE ({self.backoff_base:g})")
        if self.retention_days and self.upload_ttl > self.retention_days * 86_400 / 2:
            faults.append(
                f"{PREFIX}UPLOAD_TTL ({self.upload_ttl}) must be at most half of {PREFIX}RETENTION_DAYS "
                f"({self.retention_days}): the days count from when the form was made, so a file that comes at the end "
                "of a longer time would be deleted at once"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    # Names of the resources, as deploy/aws/data.yaml makes them.

    @property
    def table(self) -> str:
        return self.stack

    @property
    def photos_queue(self) -> str:
        return _typed(f"{self.stack}-photos", self.queue_type)

    @property
    def photos_dlq(self) -> str:
        return _typed(f"{self.stack}-photos-dlq", self.queue_type)

    @property
    def events_queue(self) -> str:
        return _typed(f"{self.stack}-photo-events", self.events_queue_type)

    @property
    def ingest_queue(self) -> str:
        return f"{self.stack}-photo-ingest"

    @property
    def ingest_dlq(self) -> str:
        return f"{self.stack}-photo-ingest-dlq"

    @property
    def webhooks_queue(self) -> str:
        return f"{self.stack}-photo-webhooks"

    @property
    def webhooks_dlq(self) -> str:
        return f"{self.stack}-photo-webhooks-dlq"

    @property
    def queues(self) -> list[str]:
        """All queues, each before its dead-letter queue."""
        work = [self.photos_queue, self.photos_dlq, self.ingest_queue, self.ingest_dlq]
        return [*work, self.webhooks_queue, self.webhooks_dlq, self.events_queue]

    def storing_time(self, size: int) -> float:
        """Seconds that the API has to store an original of `size` bytes. Then the sweep looks for it: it comes before
        the first resend.

        A PUT without an answer ends after three time-outs, so four leave a margin. One that is slower than
        SLOWEST_STORE may take longer: then the API starts the order again (api/uploads/intake.py).
        """
        return min(self.resend_after, 4 * self.aws_timeout + size / SLOWEST_STORE)

    @property
    def base_url(self) -> str:
        """The prefix of links: the public URL without its last slash, or an empty string."""
        return str(self.public_url).rstrip("/") if self.public_url else ""


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. An entry point calls this once.

    Raises SettingsError, which names every variable that is wrong or misspelt.
    """
    faults = [
        _unknown(variable)
        for variable in environ
        if variable.startswith(PREFIX)
        and variable not in CLIENT_VARIABLES
        and _field(variable) not in Settings.model_fields
    ]
    # An empty value means "not set": that is what ${NAME:-} gives in a compose file.
    values = {_field(variable): value for variable, value in environ.items() if variable.startswith(PREFIX) and value}
    for name in [name for name, value in values.items() if _is_misplaced(name, value)]:
        faults.append(
            f"{PREFIX}{name.upper()}: this variable must not hold an API key or a webhook secret; "
            "replace the secret, because it may have been seen"
        )
        del values[name]
    settings = None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        faults += [_described(fault) for fault in error.errors(include_url=False)]
    if faults or settings is None:
        raise SettingsError("settings are wrong:\n" + "\n".join(f"  {fault}" for fault in faults))
    return settings


def prepare_spool(settings: Settings) -> None:
    """Make the spool folder. Raises SettingsError when we cannot write to it."""
    try:
        settings.spool_dir.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=settings.spool_dir).close()
    except OSError as error:
        raise SettingsError(f"{PREFIX}SPOOL_DIR: cannot write to {settings.spool_dir}: {error.strerror}") from error


def _typed(queue: str, queue_type: str) -> str:
    return f"{queue}.fifo" if queue_type == "fifo" else queue


_EXPECTED = {
    **dict.fromkeys(("int_parsing", "int_from_float"), "expected a whole number"),
    **dict.fromkeys(("float_parsing", "finite_number"), "expected a number"),
    "bool_parsing": "expected true or false",
    "literal_error": "expected {expected}",
    "less_than_equal": "expected at most {le:.15g}",
    "greater_than_equal": "expected at least {ge:.15g}",
    "greater_than": "expected more than {gt:.15g}",
    "string_pattern_mismatch": "expected lower-case letters, digits and hyphens: {pattern}",
    **dict.fromkeys(("url_parsing", "url_scheme"), "expected an address that starts with https:// or http://"),
}
"""By pydantic's name of a fault. Its own sentences speak of Python."""


def _described(fault: ErrorDetails) -> str:
    """A fault that pydantic found, in words: the variable, what it expects, and its value unless it is a secret."""
    if known := _EXPECTED.get(fault["type"]):
        expected = known.format_map(fault.get("ctx", {}))
    else:
        expected = str(fault["msg"]).removeprefix("Value error, ")
    if not fault["loc"]:
        return expected
    name = str(fault["loc"][0])
    value = f" (it is {fault['input']!r})" if Settings.model_fields[name].repr else ""
    return f"{PREFIX}{name.upper()}: {expected}{value}"


def _field(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower()


def _is_misplaced(name: str, value: str) -> bool:
    """Whether the value is a secret, but the variable's value may be shown in a fault or a log."""
    known = Settings.model_fields.get(name)
    return known is not None and known.repr and _SECRET.search(value) is not None


def _unknown(variable: str) -> str:
    near = nearest_name(_field(variable), Settings.model_fields)
    return f"{variable}: there is no such setting" + (f"; did you mean {PREFIX}{near.upper()}?" if near else "")
