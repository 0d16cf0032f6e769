"""Callers that keep the API busy with little effort: one process with many connections.

Each attacker has one connection at a time. When it ends, the attacker opens the next one after a pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import re
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Literal

RECONNECT_PAUSE = 1.0
"""Seconds until an attacker whose connection has ended opens the next one."""

SMALL_WINDOW = 4096
"""Bytes of an attacker's receive buffer: the rest of a response must wait on the API's side."""

READ_SIZE = 1500
"""Bytes that an attacker reads at a time."""

READ_PAUSE = 1.0
"""Seconds between two reads of a slow reader."""

TCP_CLOSE = 7
"""The state of a connection that the other side has reset, in the kernel's tcp_states.h."""

Behaviour = Literal["read slowly", "read nothing", "send more", "ask again", "stay silent"]


@dataclass(frozen=True)
class Attack:
    """So many attackers, each of which sends `request` and then behaves in one way."""

    count: int
    behaviour: Behaviour
    request: bytes = b""
    more: bytes = b""
    """What a sender sends again and again after the request."""
    pause: float = 0.5
    """Seconds between two times that it does so."""


class Attackers:
    """A context in which attackers call. `addresses`: how many loopback addresses they call from."""

    def __init__(self, port: int, attacks: Sequence[Attack], addresses: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.met: Counter[str] = Counter()
        """What the attackers met and how often; complete after the context."""
        self._stop = context.Event()
        self._receiver, sender = context.Pipe(duplex=False)
        arguments = (port, list(attacks), addresses, self._stop, sender)
        self._process = context.Process(target=_run, args=arguments, daemon=True)

    def __enter__(self) -> Attackers:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._receiver.poll(10):
            self.met.update(self._receiver.recv())
        self._process.join(5)
        self._process.kill()
        self._process.join()


def source_address(number: int, addresses: int) -> str:
    """The address that an attacker calls from. None is 127.0.0.1, which is the good client's."""
    number %= addresses
    return f"127.0.{1 + number // 200}.{2 + number % 200}"


def _run(port: int, attacks: list[Attack], addresses: int, stop: Event, sender: Connection) -> None:
    met: Counter[str] = Counter()
    asyncio.run(_attack(port, attacks, addresses, stop, met))
    sender.send(met)


async def _attack(port: int, attacks: list[Attack], addresses: int, stop: Event, met: Counter[str]) -> None:
    each = [attack for attack in attacks for _ in range(attack.count)]
    tasks = [
        asyncio.create_task(_keep_on(port, attack, source_address(number, addresses), met))
        for number, attack in enumerate(each)
    ]
    while not stop.is_set():
        await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(ended, asyncio.CancelledError):
            raise RuntimeError("an attacker has stopped by itself") from ended


async def _keep_on(port: int, attack: Attack, address: str, met: Counter[str]) -> None:
    while True:
        caller = _Caller(attack, met)
        try:
            await caller.connect(port, address)
            await caller.behave()
        except OSError as error:
            met[f"lost connection ({type(error).__name__})"] += 1
        finally:
            caller.close()
        await asyncio.sleep(RECONNECT_PAUSE)


class _Caller:
    """One connection of an attacker. All methods raise OSError when the connection is lost."""

    def __init__(self, attack: Attack, met: Counter[str]) -> None:
        self._attack = attack
        self._met = met
        self._socket = socket.socket()

    async def connect(self, port: int, address: str) -> None:
        self._socket.setblocking(False)
        if self._attack.behaviour != "ask again":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW)
        self._socket.bind((address, 0))
        await asyncio.get_running_loop().sock_connect(self._socket, ("127.0.0.1", port))
        self._met["connection"] += 1

    def close(self) -> None:
        self._socket.close()

    async def behave(self) -> None:
        """Returns when the API has closed the connection."""
        sending = asyncio.create_task(self._send_all())  # the API may read the request slowly
        try:
            match self._attack.behaviour:
                case "read slowly":
                    await self._read(READ_PAUSE)
                case "read nothing":
                    await self._notice_reset()
                case "ask again":
                    await self._ask_again()
                case "send more" | "stay silent":
                    await self._read(0)
        finally:
            sending.cancel()
        self._met["closed by the API"] += 1

    async def _send_all(self) -> None:
        with contextlib.suppress(OSError):  # the reading side notices it
            await self._send(self._attack.request)
            while self._attack.more:
                await asyncio.sleep(self._attack.pause)
                await self._send(self._attack.more)

    async def _read(self, pause: float) -> None:
        while data := await self._receive(READ_SIZE):
            self._count_status(data)
            await asyncio.sleep(pause)

    async def _notice_reset(self) -> None:
        while self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != TCP_CLOSE:
            await asyncio.sleep(1)

    async def _ask_again(self) -> None:
        """Read each answer at once, then send the request again."""
        data = b""
        while received := await self._receive(256 * 1024):
            data += received
            if _is_complete(data):
                self._count_status(data)
                data = b""
                await self._send(self._attack.request)

    def _count_status(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1."):
            self._met[f"answer {data[9:12].decode()}"] += 1

    async def _send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def _receive(self, size: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._socket, size)


def _is_complete(response: bytes) -> bool:
    head, end, body = response.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head.lower())
    return bool(end) and len(body) >= (int(length[1]) if length else 0)
