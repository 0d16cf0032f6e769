"""The good client: uploads and `/healthz` at a fixed pace, each on a new connection from 127.0.0.1.

A request begins at its time even if earlier ones still wait, so that a slow answer does not hide the next slow one.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable

from bench.slow_callers.latency_table import Sample

PATIENCE = 60.0
"""Seconds after which the client gives a request up."""

UPLOAD_PACE = 0.5
"""Seconds from one upload to the next."""

PROBE_PACE = 0.25
"""Seconds from one request for `/healthz` to the next."""


class GoodClient:
    def __init__(self, port: int, photo: bytes, key: str | None = None, round_trip: float = 0) -> None:
        """`round_trip`: seconds from the connection to the request, as over a network."""
        self._port = port
        self._photo = photo
        self._round_trip = round_trip
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def upload(self) -> tuple[int, bytes]:
        """Upload the photo. Returns the status and the body of the answer."""
        headers = self._headers | {"Content-Type": "image/jpeg"}
        return self._request("POST", "/v1/photos", self._photo, headers)

    def probe(self) -> tuple[int, bytes]:
        return self._request("GET", "/healthz", None, {})

    def measure(self, uploads: int, seconds: float) -> tuple[list[Sample], list[Sample]]:
        """Send so many uploads, and for so many seconds requests for `/healthz`. Returns the samples of both."""
        runs = [
            _Run(self.upload, uploads, UPLOAD_PACE),
            _Run(self.probe, round(seconds / PROBE_PACE), PROBE_PACE),
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        return runs[0].samples, runs[1].samples

    def _request(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.connect()
            time.sleep(self._round_trip)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class _Run(threading.Thread):
    """Calls `send` `count` times, one call each `pace` seconds, each in its own thread."""

    def __init__(self, send: Callable[[], tuple[int, bytes]], count: int, pace: float) -> None:
        super().__init__()
        self.samples: list[Sample] = []
        self._send = send
        self._count = count
        self._pace = pace

    def run(self) -> None:
        start = time.monotonic()
        threads = []
        for number in range(self._count):
            due = start + number * self._pace
            time.sleep(max(0.0, due - time.monotonic()))
            thread = threading.Thread(target=self._sample)
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()

    def _sample(self) -> None:
        start = time.monotonic()
        try:
            outcome = str(self._send()[0])
        except TimeoutError:
            outcome = "timed out"
        except (OSError, http.client.HTTPException) as error:
            outcome = f"failed ({type(error).__name__})"
        self.samples.append(Sample(time.monotonic() - start, outcome))
