"""Which handler carries out the messages of which queue. The container's worker and the Lambda function both use it."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Protocol

from darkroom.aws.queue import Received, WorkQueue
from darkroom.services import Services
from worker.child.runner import PhotoProcessors
from worker.ingest.handler import IngestHandler
from worker.ingest.rules import IngestRules
from worker.lease import Lease
from worker.orders.handler import OrderHandler
from worker.verdict import Verdict


class Handler(Protocol):
    """Carries out the messages of one queue. Several threads may call it at the same time."""

    def handle(self, received: Received, lease: Lease) -> Verdict:
        """Carry out a message and return its verdict. Every error becomes a verdict, so this raises nothing."""
        ...


def make_handlers(
    services: Services, rules: IngestRules, processors: PhotoProcessors, transfers: Executor
) -> dict[WorkQueue, Handler]:
    """The handlers of the queues that bring photos to process. `transfers`: threads that transfer files."""
    orders = OrderHandler(services, processors, transfers)
    return {services.photos: orders, services.ingest: IngestHandler(services, rules, processors, orders)}
