"""One POST to an address that a caller has given (worker/connections.py).

Redirects are responses like others, and the body of a response is not read.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from darkroom.errors import DeliveryFailed
from darkroom.webhooks.callback import Target
from worker.connections import Deadline, connected


@dataclass(frozen=True)
class WebhookResponse:
    """The parts of a response that count."""

    status: int
    retry_after: str | None = None


def post(
    target: Target, body: bytes, headers: Mapping[str, str], time_limit: float, tls: ssl.SSLContext
) -> WebhookResponse:
    """POST, and wait at most `time_limit` seconds in all for the head of the response.

    Raises DeliveryFailed if there is none, or if an address of the host is not public.
    """
    deadline = Deadline(time_limit)
    try:
        with connected(target, deadline, tls) as client:
            client.request("POST", target.path, body, {**headers, "Connection": "close"})
            with client.getresponse() as response:
                found = WebhookResponse(response.status, response.getheader("Retry-After"))
        return found
    except (OSError, http.client.HTTPException) as error:
        raise DeliveryFailed(deadline.reason(error)) from error
