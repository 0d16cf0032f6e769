"""Settings: one frozen object, read from the environment once, at an entry point.

Every variable starts with `DARKROOM_`; region, credentials and endpoint are boto3's own
`AWS_*` variables and are read by boto3. `.env.example` lists them all.
"""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from darkroom.errors import SettingsError
from darkroom.webhooks.signing import masters_of

PREFIX = "DARKROOM_"
PROJECT = Path(__file__).parent.parent

CLIENT_VARIABLES = {"DARKROOM_URL", "DARKROOM_API_KEY"}
"""Read by the command line, not by the services."""

MIB = 1024 * 1024

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,46}[a-z0-9]$")]


_SECRET = re.compile(r"(dk|whsec)_[A-Za-z0-9+/_-]{20,}")
"""An API key or a webhook secret."""

_HOST = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")


def _listed(given: object) -> object:
    """`a, b` of the environment as a tuple."""
    return tuple(part.strip().lower() for part in given.split(",") if part.strip()) if isinstance(given, str) else given


class Settings(BaseModel):
    """What can be set, with its default. Durations are in seconds, sizes in bytes."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    # AWS resources: the names under which `darkroom provision` makes them and the services find them
    stack: Name = Field("darkroom", description="CloudFormation stack; also the prefix of queue and table names")
    bucket: str = Field("darkroom-photos", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="S3 bucket")
    queue_type: Literal["standard", "fifo"] = Field("standard", description="type of the photos queue")
    events_queue_type: Literal["standard", "fifo"] = Field("standard", description="type of the events queue")
    queue_visibility: int | None = Field(
        None,
        ge=30,
        le=43_200,
        description="the queues' own visibility timeout, which Lambda takes: six times what its function may run; "
        "default: what they have, which is 1200 at first",
    )
    aws_timeout: float = Field(
        10, gt=0, le=60, description="AWS may leave us waiting so long; then we try again, three times in all"
    )
    s3_public_endpoint_url: AnyHttpUrl | None = Field(
        None, description="S3 endpoint in presigned links, when callers reach S3 under another host than we do"
    )

    # API
    auth: Literal["keys", "off", "auto"] | None = Field(
        None,
        description="keys, or off: every caller is the owner `default`; auto: keys where there are any, else off; "
        "default: the same, but off only where the API is on a loopback address",
    )
    api_keys: str | None = Field(None, repr=False, description="owner:hash of each key, as `darkroom key` prints it")
    owners_file: Path | None = Field(None, description="owners and the hashes of their API keys (TOML)")
    rate_limit: str = Field("600/minute", description="requests of one API key in one API process; off: no limit")
    upload_share: float = Field(
        0.5, gt=0, le=1, description="share of the threads that uploads of one owner may hold, where there are API keys"
    )
    upload_bytes_per_hour: int | None = Field(
        None, ge=1, description="of one owner, to one API process, where there are API keys; default: no limit"
    )
    host: str = Field("127.0.0.1", description="address the API binds to")
    port: int = Field(8080, ge=1, le=65535)
    api_processes: int = Field(2, ge=1, le=64, description="gunicorn worker processes")
    api_threads: int = Field(16, ge=2, le=256, description="threads of each process; one request each")
    silence: int = Field(60, ge=1, le=3600, description="a caller that sends nothing for so long is taken for gone")
    public_url: AnyHttpUrl | None = Field(None, description="prefix of every link; without it links are relative")
    presets_file: Path = Field(PROJECT / "presets.toml", description="named lists of jobs")
    default_preset: str = Field("web", description="what an upload without jobs gets")
    max_upload_bytes: int = Field(64 * MIB, ge=1024, description="one photo")
    max_request_bytes: int = Field(512 * MIB, ge=1024, description="one request; a batch holds several photos")
    max_photos: int = Field(50, ge=1, le=1000, description="photos in one request")
    max_wait: float = Field(60, ge=0, le=300, description="longest ?wait=")
    wait_share: float = Field(0.5, ge=0, le=1, description="share of the threads that ?wait= may hold")
    idempotency_hours: int = Field(24, ge=1, le=336, description="how long an Idempotency-Key is remembered")
    upload_ttl: int = Field(
        3600,
        ge=60,
        le=518_400,
        description="how long a direct upload's form works, if the credentials that sign it last so long",
    )
    link_ttl: int = Field(3600, ge=60, le=604_800, description="how long a presigned link works")

    # Photos
    max_pixels: int = Field(100_000_000, ge=1, le=1_000_000_000, description="width x height, in and out")
    spool_dir: Path = Field(Path(".darkroom/spool"), description="uploads and originals on disk; not a tmpfs")
    retention_days: int | None = Field(None, ge=1, le=3650, description="delete photos after this; default: keep")

    # Worker
    concurrency: int | None = Field(
        None, ge=1, le=256, description="photos at a time; default: as many as CPUs and memory allow"
    )
    prefetch: int | None = Field(
        None, ge=0, le=256, description="messages of each queue that may wait, leased; default: one a slot"
    )
    poll_wait: int = Field(20, ge=0, le=20, description="long polling; a stop waits for a poll to return")
    lease: int = Field(60, ge=6, le=21_600, description="visibility timeout set on every receive")
    heartbeat: float = Field(20, ge=1, le=10_800, description="a lease is renewed when it is this old")
    time_limit: int = Field(90, ge=1, le=3600, description="of one message; also of a job run alone after a crash")
    stop_grace: int = Field(
        105, ge=1, le=3700, description="after SIGTERM, work may go on so long before it is given back"
    )
    max_attempts: int = Field(5, ge=1, le=100, description="claims of an order, less those given back")
    backoff_base: float = Field(2, gt=0, le=900, description="longest first wait before a retry; doubles each time")
    backoff_cap: float = Field(900, gt=0, le=21_600, description="longest wait before a retry")
    child_memory: int | None = Field(
        None, ge=64 * MIB, description="of each child process; default: its share of the container's or the machine's"
    )
    child_orders: int = Field(200, ge=1, le=100_000, description="a child process is replaced after so many orders")
    job_events: bool = Field(False, description="send job.succeeded and job.failed beside photo.completed")

    # Webhooks
    webhook_secret: SecretStr | None = Field(
        None, repr=False, description="signs webhooks (whsec_...); several for a change of it; default: no webhooks"
    )
    webhook_timeout: float = Field(15, ge=1, le=30, description="of one delivery, from looking up the host to its end")
    webhook_private_hosts: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        (), description="host or host:port that webhooks may go to although it is not public, and without TLS"
    )

    # Sweep
    sweep_interval: float = Field(60, gt=0, le=3600, description="how often a worker looks for what is overdue")
    resend_after: float = Field(300, gt=0, le=86_400, description="an order not claimed by then is sent again")

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal, else JSON")

    @field_validator("public_url", "s3_public_endpoint_url")
    @classmethod
    def _without_query(cls, url: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if url is not None and (url.query or url.fragment):
            raise ValueError("give an address without ? or #")
        return url

    @field_validator("rate_limit")
    @classmethod
    def _rate(cls, text: str) -> str:
        from limits import parse_many  # here, because it is slow to import, and most leave the setting as it is

        if text == "off":
            return text
        try:
            good = all(limit.amount > 0 for limit in parse_many(text))
        except ValueError:
            good = False
        if not good:
            raise ValueError("say it as 600/minute or as 20/second; 600/minute, or switch it off: off")
        return text

    @field_validator("webhook_secret")
    @classmethod
    def _secrets(cls, given: SecretStr | None) -> SecretStr | None:
        if given:
            masters_of(given.get_secret_value())
        return given

    @field_validator("webhook_private_hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [host for host in hosts if not _HOST.fullmatch(host)]:
            raise ValueError(f"{wrong[0]!r} is no host; write names such as localhost:9000, separated by commas")
        return hosts

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
        if self.backoff_cap < self.backoff_base:
            faults.append(f"{PREFIX}BACKOFF_CAP must be at least {PREFIX}BACKOFF_BASE ({self.backoff_base:g})")
        if self.retention_days and self.upload_ttl > self.retention_days * 86_400 / 2:
            faults.append(
                f"{PREFIX}UPLOAD_TTL ({self.upload_ttl}) must be at most half of {PREFIX}RETENTION_DAYS "
                f"({self.retention_days}), which begin with the form, or a photo that comes late is gone at once"
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
        """All of them, each before its dead letters."""
        work = [self.photos_queue, self.photos_dlq, self.ingest_queue, self.ingest_dlq]
        return [*work, self.webhooks_queue, self.webhooks_dlq, self.events_queue]

    @property
    def base_url(self) -> str:
        """What links start with: the public URL without its last slash, or nothing."""
        return str(self.public_url).rstrip("/") if self.public_url else ""


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; an entry point calls this once.

    Raises SettingsError with every faulty variable by name, misspelt ones included.
    """
    faults = [
        _unknown(variable)
        for variable in environ
        if variable.startswith(PREFIX)
        and variable not in CLIENT_VARIABLES
        and _field(variable) not in Settings.model_fields
    ]
    # An empty value means "not set": compose files and .env files write ${NAME:-} for it.
    values = {_field(variable): value for variable, value in environ.items() if variable.startswith(PREFIX) and value}
    for name in [name for name, value in values.items() if _is_misplaced(name, value)]:
        faults.append(f"{PREFIX}{name.upper()}: what it holds is an API key or a webhook secret; better make a new one")
        del values[name]
    settings = None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            name = PREFIX + str(fault["loc"][0]).upper() + ": " if fault["loc"] else ""
            shown = bool(fault["loc"]) and Settings.model_fields[str(fault["loc"][0])].repr  # no secret
            given = f" (it is {fault['input']!r})" if shown else ""
            faults.append(name + str(fault["msg"]).removeprefix("Value error, ") + given)
    if faults or settings is None:
        raise SettingsError("settings are wrong:\n" + "\n".join(f"  {fault}" for fault in faults))
    return settings


def prepare_spool(settings: Settings) -> None:
    """Make the spool folder. Raises SettingsError when it cannot be written to: better now than at the first photo."""
    try:
        settings.spool_dir.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=settings.spool_dir).close()
    except OSError as error:
        raise SettingsError(f"{PREFIX}SPOOL_DIR: cannot write to {settings.spool_dir}: {error.strerror}") from error


def _typed(queue: str, queue_type: str) -> str:
    return f"{queue}.fifo" if queue_type == "fifo" else queue


def _field(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower()


def _is_misplaced(name: str, value: str) -> bool:
    """Whether a secret stands where it would be shown, in the faults or in a log."""
    known = Settings.model_fields.get(name)
    return known is not None and known.repr and _SECRET.search(value) is not None


def _unknown(variable: str) -> str:
    near = difflib.get_close_matches(_field(variable), Settings.model_fields, n=1)
    return f"{variable}: there is no such setting" + (f"; did you mean {PREFIX}{near[0].upper()}?" if near else "")
