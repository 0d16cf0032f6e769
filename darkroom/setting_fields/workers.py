"""The settings of workers, of webhooks and of the sweep."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
)

from darkroom.setting_fields.group import MIB, Group, listed
from darkroom.webhooks.signing import masters_of

_HOST = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")


def _hosts(given: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := [host for host in given if not _HOST.fullmatch(host)]:
        raise ValueError(f"{wrong[0]!r} is not a host; expected names such as localhost:9000, separated by commas")
    return given


PrivateHosts = Annotated[tuple[str, ...], BeforeValidator(listed), AfterValidator(_hosts)]
"""Hosts that may have any address."""


class WorkerSettings(Group):
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


class WebhookSettings(Group):
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
    webhook_private_hosts: PrivateHosts = Field(
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


class FetchSettings(Group):
    """Photos by URL"""

    fetch_timeout: float = Field(
        30,
        ge=1,
        le=60,
        description="Seconds in which a worker fetches a photo from its URL, with look-ups and redirects.",
    )
    fetch_private_hosts: PrivateHosts = Field(
        (),
        description="Hosts that photos by URL may come from although they are not public, and without TLS; for "
        "development. Each caller can then read photos from these hosts. Write them as in "
        "DARKROOM_WEBHOOK_PRIVATE_HOSTS. Default: none.",
    )
    fetches: int = Field(
        16, ge=1, le=256, description="Photos that one worker fetches at the same time, beside its other work."
    )


class SweepSettings(Group):
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
