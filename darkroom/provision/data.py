"""Make what Darkroom needs of AWS, from deploy/aws/*.yaml, at whatever endpoint is set: the bucket, the queues and the
table, and on request the policies of API and workers.

It can be run at any time: it makes what is missing, changes what differs, and leaves the rest alone.
"""

from __future__ import annotations

from darkroom.aws.clients import Clients
from darkroom.provision.stack import TEMPLATES, Outcome, Stack
from darkroom.settings import Settings

TEMPLATE = TEMPLATES / "data.yaml"


def provision(settings: Settings, clients: Clients) -> Outcome:
    """Deploy the bucket, the queues and the table, and wait until that is done. Raises what Stack.deploy does."""
    parameters = {
        "Name": settings.stack,
        "Bucket": settings.bucket,
        # A day later than the records of uploads from now on say, so that those give nobody a link to nothing. Those
        # of earlier uploads keep the expiry they were given: the bucket's rule may take their files sooner.
        "ObjectLifetimeDays": str(settings.retention_days + 1 if settings.retention_days else 0),
        # Only a stand-in is asked in the clear, and one that enforces policies would refuse everything.
        "RequireTls": "true" if clients.cloudformation.meta.endpoint_url.startswith("https://") else "false",
    }
    if settings.queue_visibility is not None:
        parameters["VisibilityTimeout"] = str(settings.queue_visibility)
    return Stack(settings.stack, TEMPLATE, parameters).deploy(clients.cloudformation)


def provision_policies(settings: Settings, clients: Clients) -> dict[str, str]:
    """Deploy the policies of API and workers; their ARNs, as ApiPolicy and WorkerPolicy."""
    stack = Stack(
        f"{settings.stack}-policies", TEMPLATES / "policies.yaml", {"Name": settings.stack, "Bucket": settings.bucket}
    )
    stack.deploy(clients.cloudformation)
    return stack.outputs(clients.cloudformation)
