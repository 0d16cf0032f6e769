"""An AWS and a deployment of one's own, for runs that are programs and not tests."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from darkroom.local.emulator import Emulator, free_port
from darkroom.logs import set_up_logs
from darkroom.provision.data import provision
from darkroom.services import Services
from darkroom.settings import read_settings


@dataclass(frozen=True)
class OwnDeployment:
    """`environ` is the whole environment for processes. `aws` says where the deployment is."""

    services: Services
    environ: dict[str, str]
    directory: Path
    aws: str


@contextmanager
def own_deployment(name: str, variables: Mapping[str, str]) -> Iterator[OwnDeployment]:
    """A deployment with these settings, on an emulator of its own or on AWS_ENDPOINT_URL (LocalStack). It is removed
    at the end."""
    with (
        tempfile.TemporaryDirectory(prefix=f"darkroom-{name}-") as directory,
        _aws(Path(directory, "aws")) as aws,
    ):
        unique = f"{name}-{uuid.uuid4().hex[:12]}"
        os.environ |= {
            **variables,
            "DARKROOM_STACK": unique,
            "DARKROOM_BUCKET": unique,
            "DARKROOM_SPOOL_DIR": str(Path(directory, "spool")),
            "DARKROOM_PORT": str(free_port()),
        }
        services = Services.connect(read_settings())
        set_up_logs(services.settings.model_copy(update={"log_level": "error"}), name)
        provision(services.settings, services.clients)
        try:
            yield OwnDeployment(services, dict(os.environ), Path(directory), aws)
        finally:
            services.clients.cloudformation.delete_stack(StackName=unique)


@contextmanager
def _aws(directory: Path) -> Iterator[str]:
    for name in [name for name in os.environ if name.startswith("DARKROOM_")]:
        del os.environ[name]  # a developer's own settings must not reach the run
    os.environ |= {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    if url := os.environ.get("AWS_ENDPOINT_URL"):
        yield url
        return
    with Emulator(directory) as emulator:
        os.environ["AWS_ENDPOINT_URL"] = emulator.url
        yield f"ministack {version('ministack')}"
