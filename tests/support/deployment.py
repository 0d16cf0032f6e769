"""Darkroom's resources on the AWS that tests use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from darkroom.aws.clients import Clients
from darkroom.settings import Settings


@dataclass(frozen=True)
class Deployment:
    """Darkroom's bucket, queues and table under new names, so that test modules do not affect each other."""

    settings: Settings
    clients: Clients
    environ: dict[str, str]
    """The whole environment for processes that a test starts."""
    principals: dict[str, dict[str, str]] = field(default_factory=dict)
    """With POLICIES set: variables with the credentials of the API and of the workers."""

    def environ_of(self, part: Literal["api", "worker"]) -> dict[str, str]:
        return self.environ | self.principals.get(part, {})


Deploy = Callable[..., Deployment]
