"""The AWS resources, and the log."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
)

from darkroom.aws_timeouts import LONGEST_AWS_TIMEOUT
from darkroom.setting_fields.group import BaseUrl, Group, Name


class ResourceSettings(Group):
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


class LogSettings(Group):
    """Logs"""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least important lines that are logged: debug, info, warning or error."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="json, console, or auto: console on a terminal, else JSON."
    )
