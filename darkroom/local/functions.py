"""Deploy deploy/aws/serverless.yaml, and everything that it needs, to an AWS emulator that runs functions.

The functions' code is a zip of our packages; the emulator's own Python has their dependencies. On AWS the functions use
the image, and SAM or CloudFormation deploys them.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors
from darkroom.aws.queue import Queue
from darkroom.owners import Owners, auth_mode, read_owners
from darkroom.presets import read_presets
from darkroom.provision.data import provision, provision_policies
from darkroom.provision.gateway import provision_gateway
from darkroom.provision.stack import TEMPLATES, Stack
from darkroom.settings import MIB, PROJECT, Settings

CODE = ("api/**/*.py", "darkroom/**/*.py", "worker/**/*", "deploy/aws/*.yaml", "presets.toml")
CODE_PREFIX = "code/"

WORKERS = 2
"""Worker functions that run at a time for each queue."""

VISIBILITY = 6
"""AWS's advice: a queue's visibility timeout is six times the function's timeout."""

BOTH_TRIES = 20
"""Seconds of a worker function beyond twice the time limit."""

SHORTEST, LONGEST = 30, 900
"""Limits of a worker function's timeout in the template, in seconds."""

LEAST_MEMORY, MOST_MEMORY = 512, 10_240
"""Limits of its memory in the template, in MiB."""


FROM_THE_IMAGE = re.compile(
    r"^( +)PackageType: Image\n"
    r"\1Code: .*\n"
    r"\1ImageConfig:\n"
    r"\1  EntryPoint: .*\n"
    r"\1  Command: \[(.+)\]\n"
    r"\1  WorkingDirectory: .*\n",
    re.MULTILINE,
)

FROM_THE_ZIP = r"""
\1Code: { S3Bucket: !Ref Bucket, S3Key: !Ref CodeKey }
\1Handler: \2
\1Runtime: python3.13
""".lstrip("\n")


class ZippedFunctions(Stack):
    """serverless.yaml, with functions from a zip instead of the image.

    The text is changed here, because the SAM CLI cannot read a template with conditions for this.
    """

    @property
    def text(self) -> str:
        text = FROM_THE_IMAGE.sub(FROM_THE_ZIP, super().text)
        text = re.sub(r"^  ImageUri:\n(    .*\n)+", "  CodeKey:\n    Type: String\n", text, flags=re.MULTILINE)
        # The emulator accepts no parameter for a number.
        return text.replace("MaximumConcurrency: !Ref MaximumConcurrency", f"MaximumConcurrency: {WORKERS}")


@dataclass(frozen=True)
class Functions:
    """The stack of all functions, and the queues of the worker functions."""

    settings: Settings
    clients: Clients
    memory: int
    """Bytes for each worker."""

    def deploy(self) -> str:
        """Deploy or update everything, the gateway included. Returns the gateway's address."""
        settings, clients = self.settings, self.clients
        read_presets(settings)
        auth = self._auth  # report wrong keys here, not as a function that does not start
        if settings.queue_visibility is None:
            settings = settings.model_copy(update={"queue_visibility": VISIBILITY * self._timeout})
        provision(settings, clients)
        policies = provision_policies(settings, clients)
        # The gateway first: the functions need its address for their links, and it only needs their names.
        functions = self._functions_in_the_account_of(policies["ApiPolicy"])
        authorizer = f"{functions}-authorizer" if auth == "keys" else ""
        gateway = provision_gateway(settings, clients, f"{functions}-api", authorizer)
        more = {"GatewayId": gateway.id, "PublicUrl": settings.base_url or gateway.url}
        self._stack({**policies, **self._upload(), **more}).deploy(clients.cloudformation)
        return gateway.url

    def drain(self, enough: Callable[[], bool]) -> int:
        """Disconnect the functions from their queues and wait until they have finished, or `enough` returns True.

        Returns the number of messages still in flight, which includes messages in backoff.
        """
        self._stack({"Paused": "true"}).deploy(self.clients.cloudformation)
        queues = [Queue(name, self.clients) for name in (self.settings.photos_queue, self.settings.ingest_queue)]
        deadline = time.monotonic() + min(self._timeout, self.settings.stop_grace)
        while (held := sum(queue.depth().in_flight for queue in queues)) and not enough():
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return held

    def _functions_in_the_account_of(self, policy: str) -> str:
        """The first part of every function's ARN."""
        _, partition, _, _, account, _ = policy.split(":")
        region = self.clients.cloudformation.meta.region_name
        return f"arn:{partition}:lambda:{region}:{account}:function:{self.settings.stack}"

    @property
    def _timeout(self) -> int:
        return min(max(2 * self.settings.time_limit + BOTH_TRIES, SHORTEST), LONGEST)

    def _stack(self, more: dict[str, str]) -> Stack:
        settings = self.settings
        secret = settings.webhook_secret
        parameters = {
            "Name": settings.stack,
            "Bucket": settings.bucket,
            "RetentionDays": str(settings.retention_days or 0),
            "QueueType": settings.queue_type,
            "EventsQueueType": settings.events_queue_type,
            "Auth": self._auth,
            "ApiKeys": ",".join(f"{owner}:{key_hash}" for key_hash, owner in self._owners.keys.items()),
            "WorkerTimeout": str(self._timeout),
            "TimeLimit": str(settings.time_limit),
            "WorkerMemory": str(min(max(self.memory // MIB, LEAST_MEMORY), MOST_MEMORY)),
            "SpoolDir": str(settings.spool_dir.absolute()),
            "MaxAttempts": str(settings.max_attempts),
            "WebhookSecret": secret.get_secret_value() if secret else "",
            "LogLevel": settings.log_level,
            "Paused": "false",
        }
        return ZippedFunctions(f"{settings.stack}-serverless", TEMPLATES / "serverless.yaml", parameters | more)

    @cached_property
    def _owners(self) -> Owners:
        return read_owners(self.settings)

    @property
    def _auth(self) -> str:
        """Independent of DARKROOM_HOST, because only this machine reaches the emulator."""
        settings = self.settings if self.settings.auth else self.settings.model_copy(update={"auth": "auto"})
        return auth_mode(settings, self._owners)

    def _upload(self) -> dict[str, str]:
        """Put the code into the bucket, under a key that changes with the code."""
        code = zip_of_code()
        bucket, key = self.settings.bucket, f"{CODE_PREFIX}{hashlib.sha256(code).hexdigest()}.zip"
        s3 = self.clients.s3
        with aws_errors("uploading the code"):
            s3.put_object(Bucket=bucket, Key=key, Body=code)
            for item in s3.list_objects_v2(Bucket=bucket, Prefix=CODE_PREFIX).get("Contents", []):
                if item["Key"] != key:
                    s3.delete_object(Bucket=bucket, Key=item["Key"])
        return {"CodeKey": key}


def zip_of_code() -> bytes:
    """A zip of our packages and the files that they read; equal files give equal bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(path for pattern in CODE for path in PROJECT.glob(pattern)):
            if path.is_dir() or path.suffix == ".pyc":
                continue
            archive.writestr(zipfile.ZipInfo(str(path.relative_to(PROJECT))), path.read_bytes())
    return file.getvalue()
