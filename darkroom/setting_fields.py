"""The settings, one by one: type, default, limits and meaning. darkroom/settings.py puts them together.

`make docs` writes .env.example and the table in docs/operations.md from this file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
)

from darkroom.aws_timeouts import LONGEST_AWS_TIMEOUT
from darkroom.webhooks.signing import masters_of

PROJECT = Path(__file__).parent.parent

MIB = 1024 * 1024

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,46}[a-z0-9]$")]

_HOST = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")


def _listed(given: object) -> object:
    """`a, b` from the environment, as a tuple."""
    return tuple(part.strip().lower() for part in given.split(",") if part.strip()) if isinstance(given, str) else given


def _without_query(url: AnyHttpUrl) -> AnyHttpUrl:
    if url.query or url.fragment:
        raise ValueError("expected an address without ? or #")
    return url


BaseUrl = Annotated[AnyHttpUrl, AfterValidator(_without_query)]
"""An address that paths are appended to."""


class _Group(BaseModel):
    """Settings that belong together. The first line of a group's docstring is its heading in .env.example and in
    docs/operations.md.

    A description says what the variable means, with its unit. Where the default value alone does not say enough, the
    description ends with a sentence `Default: ...`.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class ResourceSettings(_Group):
    """AWS resources"""

    stack: Name = Field(
        "darkroom",
        description="CloudFormation stack that `darkroom provision` makes; also the prefix of queue and table names.",
    )
    bucket: str = Field(
        "darkroom-photos",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="S3 bucket. On AWS choose another name: all accounts share the names of buckets.",
    )
    queue_type: Literal["standard", "fifo"] = Field(
        "standard", description="Type of the photos queue: standard, or fifo (keeps the order of each owner's photos)."
    )
    events_queue_type: Literal["standard", "fifo"] = Field(
        "standard",
        description="Type of the queue for photo.completed: standard, or fifo (keeps the order of each owner's events, "
        "and SQS drops duplicates within 5 minutes).",
    )
    queue_visibility: int | None = Field(
        None,
        ge=30,
        le=43_200,
        description="Visibility timeout of the queues themselves, in seconds. Only Lambda uses it, and needs six times "
        "the timeout of its function; container workers set DARKROOM_LEASE at each receive. "
        "Default: unchanged; new queues get 1200.",
    )
    aws_timeout: float = Field(
        10,
        gt=0,
        le=LONGEST_AWS_TIMEOUT,
        description="Seconds to wait for an answer of AWS. A call is tried three times in all.",
    )
    s3_public_endpoint_url: BaseUrl | None = Field(
        None,
        description="S3 endpoint in presigned URLs, for callers that reach S3 under another host than the services do. "
        "Default: the services' own endpoint.",
    )


class ApiSettings(_Group):
    """API"""

    auth: Literal["keys", "off", "auto"] | None = Field(
        None,
        description="keys: callers need an API key. off: every caller is the owner `default` and may do everything. "
        "auto: keys if there are any, else off. Default: keys if there are any; else off if the API listens on a "
        "loopback address only; else the API does not start. docker compose sets auto, and publishes its ports on "
        "127.0.0.1 only.",
    )
    api_keys: str | None = Field(
        None,
        repr=False,
        description="API keys as owner:hash, separated by spaces or commas; an owner may have several. "
        "`darkroom key OWNER` makes one. DARKROOM_API_KEY is another variable: the key itself. "
        "Default: no keys.",
    )
    owners_file: Path | None = Field(
        None,
        description='TOML file with API keys and webhook addresses of owners: [alice] with keys = ["<hash>", ...] and '
        'callback_url = "https://...". Without any keys, only [default] has an effect. docker compose needs a path '
        "beside docker-compose.yml, such as ./owners.toml, which the container's user can read. Default: no file.",
    )
    rate_limit: str = Field(
        "600/minute",
        description="Requests that one API key may make, such as 600/minute or 20/second; off: no limit. "
        "It holds where there are API keys, for one machine: each API process counts, and allows, its share of them, "
        "rounded up.",
    )
    upload_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Most uploads of one owner at the same time, as a share of the API's threads, where there are API "
        "keys. An upload that still arrives counts, although it holds no thread.",
    )
    upload_bytes_per_hour: int | None = Field(
        None,
        ge=1,
        description="Bytes that one owner may upload in an hour to one machine, where there are API keys. Each API "
        "process counts, and allows, its share of them, rounded up. Default: no limit.",
    )
    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    port: int = Field(8080, ge=1, le=65535, description="Port that the API listens on.")
    api_processes: int = Field(2, ge=1, le=64, description="gunicorn worker processes of the API.")
    api_threads: int = Field(16, ge=2, le=256, description="Threads of each API process; each serves one request.")
    connections_per_address: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Connections that one client address may have to one machine at a time; each API process allows "
        "its share of them, rounded up. An IPv6 address counts together with its /64 network. 0: no limit. Set it "
        "only where callers connect to the API directly: behind a proxy or load balancer, and under docker compose, "
        "all callers have the same address.",
    )
    silence: int = Field(
        60,
        ge=1,
        le=3600,
        description="Seconds without a byte after which the API ends the upload of a photo. The head of a request, and "
        "a body that is not an upload, have 10 seconds in all.",
    )
    public_url: BaseUrl | None = Field(
        None, description="Prefix of every link, such as https://photos.example.com. Default: links are relative."
    )
    presets_file: Path = Field(
        PROJECT / "presets.toml",
        description="TOML file with named lists of jobs. docker compose needs a path beside docker-compose.yml. "
        "Default: the presets.toml that comes with Darkroom.",
    )
    default_preset: str = Field("web", description="Preset for an upload that names no jobs.")
    max_upload_bytes: int = Field(64 * MIB, ge=1024, description="Largest photo, in bytes; 67108864 is 64 MiB.")
    max_request_bytes: int = Field(
        512 * MIB,
        ge=1024,
        description="Largest request, in bytes; 536870912 is 512 MiB. A request can hold several photos.",
    )
    max_photos: int = Field(50, ge=1, le=1000, description="Most photos in one request.")
    max_wait: float = Field(60, ge=0, le=300, description="Longest ?wait= of a request, in seconds.")
    wait_share: float = Field(
        0.5, ge=0, le=1, description="Share of the API's threads that requests with ?wait= may use."
    )
    idempotency_hours: int = Field(
        24, ge=1, le=336, description="Hours for which the API remembers an Idempotency-Key."
    )
    upload_ttl: int = Field(
        3600,
        ge=60,
        le=518_400,
        description="Seconds for which the form of a direct upload is valid. It ends earlier if the credentials that "
        "signed it expire: those of a role are renewed 15 minutes before.",
    )
    link_ttl: int = Field(
        3600,
        ge=60,
        le=604_800,
        description="Seconds for which a presigned URL is valid. It ends earlier if the credentials that signed it "
        "expire.",
    )

    @field_validator("rate_limit")
    @classmethod
    def _rate(cls, text: str) -> str:
        from limits import parse_many  # slow to import, and most processes never need it

        if text == "off":
            return text
        try:
            good = all(limit.amount > 0 for limit in parse_many(text))
        except ValueError:
            good = False
        if not good:
            raise ValueError("expected a rate such as 600/minute or 20/second, or off for no limit")
        return text


class PhotoSettings(_Group):
    """Photos"""

    max_pixels: int = Field(
        268_402_689,
        ge=1,
        le=1_000_000_000,
        description="Most pixels (width x height) of a photo and of a result. The default is sharp's, 16,383 squared: "
        "phones take photos of 200 megapixels. A job that needs more memory for its photo than a child process may "
        "use is refused before the photo is decoded.",
    )
    max_result_bytes: int = Field(
        500_000_000,
        ge=100_000,
        le=4_000_000_000,
        description="Most bytes of a result. A PNG of noise has 4 bytes for each pixel. The disk space of a worker "
        "follows it (docs/deploy.md).",
    )
    spool_dir: Path = Field(
        Path(".darkroom/spool"),
        description="Folder for photos while they are processed. It must be on a disk: a tmpfs counts as memory.",
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        le=3650,
        description="Days after which photos are deleted. After a change run `darkroom provision`: the files of "
        "existing photos then follow the new value, counted from their upload, while their records keep their "
        "expiry. Default: photos are kept.",
    )


class AssetSettings(_Group):
    """Assets"""

    max_assets: int = Field(
        100, ge=0, le=500, description="Most assets of one owner: logos and LUTs that jobs name by id."
    )
    max_asset_bytes: int = Field(
        8 * MIB, ge=1024, le=64 * MIB, description="Largest asset, in bytes; 8388608 is 8 MiB."
    )
    max_asset_pixels: int = Field(
        10_000_000, ge=1, le=100_000_000, description="Most pixels (width x height) of a picture that is an asset."
    )
    asset_cache_bytes: int = Field(
        128 * MIB,
        ge=0,
        description="Bytes of assets that a worker keeps on its spool for further orders; 134217728 is 128 MiB.",
    )


class WorkerSettings(_Group):
    """Worker"""

    children: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Child processes of a worker. Each one processes the pixels of one photo at a time. Default: one "
        "for each CPU, fewer if memory is short (128 MiB for each child and 256 MiB for the worker itself).",
    )
    slots: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Messages that a worker handles at a time. While some photos are in the child processes, others "
        "are downloaded, and the results of others are uploaded. Default: eight for each child process.",
    )
    prefetch: float = Field(
        3,
        ge=0,
        le=300,
        description="Seconds of work of each queue that a worker may receive ahead for each child process, by the "
        "estimates in the messages. However long they take, it may receive one message ahead for each child process. "
        "0: it receives only when a child process is idle.",
    )
    poll_wait: int = Field(
        20, ge=0, le=20, description="Seconds of long polling. A stop waits until the poll in flight returns."
    )
    lease: int = Field(60, ge=6, le=21_600, description="Visibility timeout of each receive, in seconds.")
    heartbeat: float = Field(
        20,
        ge=1,
        le=10_800,
        description="Seconds after which a worker renews the visibility timeout; at most half of DARKROOM_LEASE.",
    )
    time_limit: int = Field(
        90,
        ge=1,
        le=3600,
        description="Seconds for the jobs of one message, and for each job that runs alone after a crash.",
    )
    stop_grace: int = Field(
        105,
        ge=1,
        le=3700,
        description="Seconds after SIGTERM until a worker gives unfinished work back to the queue. Under docker "
        "compose set WORKER_STOP_GRACE_PERIOD to a little more.",
    )
    max_attempts: int = Field(
        5, ge=1, le=100, description="Attempts at an order. Attempts that a worker gave back do not count."
    )
    backoff_base: float = Field(
        2, gt=0, le=900, description="Longest backoff before the first retry, in seconds; it doubles with each retry."
    )
    backoff_cap: float = Field(900, gt=0, le=21_600, description="Longest backoff before any retry, in seconds.")
    child_memory: int | None = Field(
        None,
        ge=64 * MIB,
        description="Bytes of memory for each child process. A job of the full size of a photo of 100 megapixels "
        "needs up to 3.8 GB, of 24 megapixels 1 GB. Small results of a JPEG need a small part of that. "
        "Default: an equal share of what the container or the machine has.",
    )
    child_orders: int = Field(
        200, ge=1, le=100_000, description="Orders after which a worker replaces a child process."
    )
    job_events: bool = Field(
        False, description="true: workers also send job.succeeded and job.failed, beside photo.completed."
    )


class WebhookSettings(_Group):
    """Webhooks"""

    webhook_secret: SecretStr | None = Field(
        None,
        repr=False,
        description="Secret that signs webhooks (Standard Webhooks). `echo whsec_$(openssl rand -base64 32)` makes "
        "one; `darkroom webhook-secret OWNER` prints the secret of an owner's receiver. To replace it, write the new "
        "one, a space, and the old one. Default: no webhooks.",
    )
    webhook_timeout: float = Field(
        15, ge=1, le=30, description="Seconds for one delivery, the look-up of the host included."
    )
    webhook_private_hosts: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        (),
        description="Hosts that webhooks may go to although they are not public, and without TLS; for development. "
        "Write host or host:port, separated by commas, such as host.docker.internal:9000. Default: none.",
    )

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
            raise ValueError(f"{wrong[0]!r} is not a host; expected names such as localhost:9000, separated by commas")
        return hosts


class SweepSettings(_Group):
    """Sweep"""

    sweep_interval: float = Field(
        60,
        gt=0,
        le=3600,
        description="How often a worker looks for overdue photos, in seconds. "
        "Several workers together look up to twice as often.",
    )
    resend_after: float = Field(
        300,
        gt=0,
        le=86_400,
        description="Seconds after which the sweep sends an order again that no worker has claimed.",
    )


class LogSettings(_Group):
    """Logs"""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least important lines that are logged: debug, info, warning or error."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="json, console, or auto: console on a terminal, else JSON."
    )


GROUPS: tuple[type[_Group], ...] = (
    ResourceSettings,
    ApiSettings,
    PhotoSettings,
    AssetSettings,
    WorkerSettings,
    WebhookSettings,
    SweepSettings,
    LogSettings,
)
"""In the order in which they are documented."""
