"""Starts the API on the embedded AWS emulator, and measures a good client on the quiet API and under a wave."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.scale.sample_photos import make_photo
from bench.slow_callers.attackers import Attackers
from bench.slow_callers.good_client import UPLOAD_PACE, GoodClient
from bench.slow_callers.latency_table import Measured
from bench.slow_callers.waves import AttackTarget, Wave
from darkroom.local.emulator import Emulator, LocalProcess, free_port
from darkroom.owners import hash_of, new_key
from darkroom.provision.data import provision
from darkroom.services import Services
from darkroom.settings import read_settings
from tests.support.fault_proxy import FaultProxy

PHOTO = (1600, 1200)

WARM_UP = 5
"""Uploads before the measured ones: the first ones open connections to AWS."""

SETTLE = 5.0
"""Seconds from the start of a wave to the first measured request."""

STARTS_WITHIN = 30.0
ENDS_WITHIN = 2.0


@dataclass(frozen=True)
class RunningApi:
    port: int
    good_client: GoodClient
    target: AttackTarget


class WaveBench:
    """A context with the emulator and Darkroom's resources on it.

    `directory`: for state, spool and logs. `uploads`: of the good client in each measurement. `variables`: settings of
    the API. `round_trip`: of the good client, in seconds.
    """

    def __init__(self, directory: Path, uploads: int, variables: dict[str, str], round_trip: float) -> None:
        self.photo = make_photo(directory / "photo.jpg", PHOTO, seed=1).read_bytes()
        self._directory = directory
        self._uploads = uploads
        self._variables = variables
        self._round_trip = round_trip
        self._emulator = Emulator(directory / "aws")
        self._log = directory / "api.log"
        self._quiet: dict[bool, Measured] = {}

    def __enter__(self) -> WaveBench:
        self._emulator.start()
        self._environ = (
            {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DARKROOM_"))}
            | self._emulator.environ
            | {"AWS_DEFAULT_REGION": "us-east-1", "DARKROOM_SPOOL_DIR": str(self._directory / "spool")}
            | self._variables
        )
        os.environ |= self._environ
        services = Services.connect(read_settings(self._environ))
        provision(services.settings, services.clients)
        return self

    def __exit__(self, *_: object) -> None:
        self._emulator.stop()

    def has_measured_quiet(self, keys: bool) -> bool:
        return keys in self._quiet

    def quiet(self, keys: bool) -> Measured:
        """What the good client sees while there are no attackers. Measured once."""
        if keys not in self._quiet:
            with self._api(keys, self._emulator.url) as api:
                name = f"none, {'with' if keys else 'without'} API keys"
                self._quiet[keys] = self._sample(api, name, 0, self._uploads)
        return self._quiet[keys]

    def under(self, wave: Wave, addresses: int) -> Measured:
        """What the good client sees under a wave that comes from so many addresses."""
        with contextlib.ExitStack() as stack:
            between = wave.hung_aws or wave.reads_counted
            proxy = stack.enter_context(FaultProxy(self._emulator.url)) if between else None
            api = stack.enter_context(self._api(wave.keys, proxy.url if proxy else self._emulator.url))
            if proxy and wave.hung_aws:
                proxy.hang("*")
            with Attackers(api.port, wave.attacks(api.target), addresses) as attackers:
                time.sleep(SETTLE)
                before, begun = _reads(proxy), time.monotonic()
                seen = self._sample(api, wave.name, addresses, 0 if wave.hung_aws else self._uploads)
                minutes = (time.monotonic() - begun) / 60
            reads = {name: (count - before[name]) / minutes for name, count in _reads(proxy).items()}
            tracebacks = self._log.read_text(errors="replace").count("Traceback (most recent call last)")
        return replace(seen, attackers=attackers.met, tracebacks=tracebacks, reads=reads if wave.reads_counted else {})

    def _sample(self, api: RunningApi, name: str, addresses: int, uploads: int) -> Measured:
        sent, probed = api.good_client.measure(uploads, self._uploads * UPLOAD_PACE)
        return Measured(name, addresses, sent, probed, os.getloadavg()[0])

    @contextlib.contextmanager
    def _api(self, keys: bool, aws: str) -> Iterator[RunningApi]:
        port = free_port()
        environ = self._environ | {"AWS_ENDPOINT_URL": aws, "DARKROOM_PORT": str(port)}
        good, bad = (new_key(), new_key()) if keys else (None, None)
        if good and bad:
            environ["DARKROOM_API_KEYS"] = f"good:{hash_of(good)} bad:{hash_of(bad)}"
        process = LocalProcess("the API", "api", self._log, environ)
        try:
            client = GoodClient(port, self.photo, good, self._round_trip)
            _wait_for(client, process)
            for _ in range(WARM_UP):
                client.upload()
            _, photo = GoodClient(port, self.photo, bad).upload()
            yield RunningApi(port, client, AttackTarget(json.loads(photo)["id"], bad))
            if process.ended:
                raise RuntimeError(process.failure())
        finally:
            process.terminate()
            process.wait(ENDS_WITHIN)


def _reads(proxy: FaultProxy | None) -> dict[str, int]:
    """Requests of the thread that looks for changes; the good client causes none of these."""
    return {name: proxy.seen(f"dynamodb.{name}") if proxy else 0 for name in ("BatchGetItem", "Query", "GetItem")}


def _wait_for(client: GoodClient, process: LocalProcess) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while not process.ended and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if client.probe()[0] == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(process.failure() if process.ended else f"the API did not answer within {STARTS_WITHIN:g} s")
