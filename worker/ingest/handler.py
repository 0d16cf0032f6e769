"""One message of the ingest queue: the file becomes a photo, and the orders' handler carries out the photo's order."""

from __future__ import annotations

from dataclasses import replace

import structlog

from darkroom.aws.queue import Received
from darkroom.errors import DarkroomError
from darkroom.record.messages import FetchMessage, OrderMessage
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from worker.child.runner import PhotoProcessors
from worker.ingest.fetcher import Fetcher
from worker.ingest.importer import Arrival, Importer, IngestTools
from worker.ingest.notifications import read_body, split_body
from worker.ingest.rules import IngestRules
from worker.lease import Lease
from worker.orders.handler import OrderHandler
from worker.refusal import as_darkroom_error, refuse
from worker.verdict import Delete, Verdict

log = structlog.get_logger()


class IngestHandler:
    """Carries out the messages of the ingest queue. Several threads may use it at the same time."""

    def __init__(
        self, services: Services, rules: IngestRules, processors: PhotoProcessors, orders: OrderHandler
    ) -> None:
        self._services = services
        self._importer = Importer(services, rules)
        self._fetcher = Fetcher(services)
        self._processors = processors
        self._orders = orders

    def handle(self, received: Received, lease: Lease) -> Verdict:
        """Carry out a message and return its verdict."""
        try:
            arrivals = read_body(received.body)
            if isinstance(arrivals, FetchMessage):
                return self._fetcher.handle(arrivals, received, lease)
            if not isinstance(arrivals, list):
                return self._arrive(arrivals, received, lease)
            if len(arrivals) == 1:
                return self._arrive(arrivals[0], received, lease)
            for body in split_body(received.body) if arrivals else []:  # so that each file gets its own verdict
                lease.queue.send(body, group="s3", deduplication_id=received.id)
            return Delete()
        except Exception as error:
            if not isinstance(error, DarkroomError):
                log.exception("ingest.unexpected_error")
            return refuse(lease.queue, received, as_darkroom_error(error), self._services.settings)

    def _arrive(self, arrival: Arrival, received: Received, lease: Lease) -> Verdict:
        with self._processors.use(lease) as processor:
            tools = IngestTools(processor.files, processor.look, processor.check)
            photo = self._importer.import_file(arrival, tools, received.receives)
        return Delete() if photo is None else self._carry_out_order(photo, received, lease)

    def _carry_out_order(self, photo: PhotoRecord, received: Received, lease: Lease) -> Verdict:
        first, *others = [order for order in photo.orders.values() if order.unfinished_jobs] or [
            photo.orders[min(photo.orders)]
        ]
        for other in others:  # jobs that were added while the file was fetched
            if not other.claim_count:
                self._services.outbox.send_order(photo, other.id)
        order = first
        # This message belongs to the photo's first generation, even if later ones have begun.
        message = OrderMessage.of(photo, order.id).model_copy(update={"generation": 1})
        if not self._services.photos.fifo:
            # If the order has to be buried, its own message goes to the dead letters, not S3's.
            return self._orders.carry_out(message, replace(received, body=message.model_dump_json()), lease)
        # The FIFO queue keeps the order of an owner's photos.
        if not photo.unfinished:
            self._services.outbox.announce(photo, message)
        elif not order.claim_count:  # an order with a claim was sent already
            self._services.outbox.send_order(photo, order.id)
        return Delete()
