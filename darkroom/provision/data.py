"""Deploy deploy/aws/data.yaml, the bucket, the queues and the table, and deploy/aws/policies.yaml, the IAM policies.

A deployment can be repeated at any time: it makes what is missing, changes what differs, and keeps the rest.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from darkroom.aws.clients import Clients
from darkroom.provision.stack import TEMPLATES, Stack, StackChange
from darkroom.setting_fields.origins import ALL
from darkroom.settings import Settings

TEMPLATE = TEMPLATES / "data.yaml"


def provision(settings: Settings, clients: Clients) -> StackChange:
    """Deploy the bucket, the queues and the table, and wait until that is done. Raises what Stack.deploy raises."""
    parameters = {
        "Name": settings.stack,
        "Bucket": settings.bucket,
        # A day longer than the records of new uploads, so that a record never links to a deleted file. Records of
        # earlier uploads keep their expiry, so the bucket may delete their files before that.
        "ObjectLifetimeDays": str(settings.retention_days + 1 if settings.retention_days else 0),
        # Only stand-ins for AWS have http endpoints, and with this policy they would refuse every request.
        "RequireTls": "true" if clients.cloudformation.meta.endpoint_url.startswith("https://") else "false",
    }
    if settings.cors_origins:
        parameters["CorsOrigins"] = ",".join(bucket_origins(settings))
    if settings.cdn_distribution:
        parameters["CdnDistribution"] = settings.cdn_distribution
    if settings.queue_visibility is not None:
        parameters["VisibilityTimeout"] = str(settings.queue_visibility)
    return Stack(settings.stack, TEMPLATE, parameters).deploy(clients.cloudformation)


def bucket_origins(settings: Settings) -> list[str]:
    """The origins of pages that may send direct uploads to the bucket: those that may call the API, and its own."""
    if ALL in settings.cors_origins:
        return [ALL]
    own = urlsplit(settings.base_url)
    return [*settings.cors_origins, *([f"{own.scheme}://{own.netloc}"] if own.netloc else [])]


def provision_policies(settings: Settings, clients: Clients) -> dict[str, str]:
    """Deploy the policies of API and workers. Returns their ARNs, as ApiPolicy and WorkerPolicy."""
    stack = Stack(
        f"{settings.stack}-policies", TEMPLATES / "policies.yaml", {"Name": settings.stack, "Bucket": settings.bucket}
    )
    stack.deploy(clients.cloudformation)
    return stack.outputs(clients.cloudformation)
