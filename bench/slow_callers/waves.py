"""The waves of attackers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.slow_callers.attackers import Attack

BIG_FILE = "/docs/js/swagger-ui-bundle.js"
"""The largest static file of the docs page: 1.5 MB."""


@dataclass(frozen=True)
class Wave:
    name: str
    description: str
    attacks: Callable[[AttackTarget], list[Attack]]
    keys: bool = False
    """Whether the API demands keys."""
    hung_aws: bool = False
    """Whether all calls to AWS hang. Then the good client asks for `/healthz` only."""
    reads_counted: bool = False
    """Whether the reads of DynamoDB that the callers cause are counted."""
    many_addresses: bool = True
    """Whether the wave is also measured with an address for each attacker, beside one address for all."""

    @property
    def addresses(self) -> tuple[int, ...]:
        """From how many addresses the wave comes, for each measurement."""
        attackers = sum(attack.count for attack in self.attacks(AttackTarget("")))
        return (1, attackers) if self.many_addresses else (1,)


@dataclass(frozen=True)
class AttackTarget:
    """What attackers know of the API."""

    photo: str
    """The id of a photo of theirs whose jobs never end."""
    key: str | None = None

    def get(self, path: str, times: int = 1) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: x\r\n{self._authorization}\r\n".encode() * times

    def slow_upload(self) -> bytes:
        """The beginning of an upload of 50 MB, with the first bytes of a JPEG file."""
        return self._upload("Content-Length: 50000000") + b"\xff\xd8\xff\xe0"

    def chunked_upload(self) -> bytes:
        """The head of an upload in chunks."""
        return self._upload("Transfer-Encoding: chunked")

    def _upload(self, framing: str) -> bytes:
        head = f"POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n{framing}\r\n"
        return f"{head}{self._authorization}\r\n".encode()

    @property
    def _authorization(self) -> str:
        return f"Authorization: Bearer {self.key}\r\n" if self.key else ""


def _slow_readers(target: AttackTarget) -> list[Attack]:
    return [Attack(40, "read slowly", target.get(BIG_FILE, times=6))]


def _slow_uploads(target: AttackTarget) -> list[Attack]:
    return [Attack(200, "send more", target.slow_upload(), b"xx")]


def _one_owner(target: AttackTarget) -> list[Attack]:
    return [
        Attack(60, "send more", target.slow_upload(), b"xx"),
        Attack(40, "read slowly", target.get(BIG_FILE, times=6)),
        Attack(60, "ask again", target.get(f"/v1/photos/{target.photo}?wait=60")),
        Attack(40, "read slowly", target.get("/v1/photos?limit=100", times=100)),
        Attack(100, "stay silent"),
    ]


def _listeners(target: AttackTarget) -> list[Attack]:
    return [
        Attack(250, "stay silent", target.get(f"/v1/photos/{target.photo}/events")),
        Attack(250, "stay silent", target.get("/v1/events")),
    ]


WAVES = [
    Wave("slow readers", "40 connections pipeline six GETs of a 1.5 MB file and read 1.5 KB/s", _slow_readers),
    Wave(
        "listeners",
        "250 connections listen to the events of one photo with unfinished work, and 250 to those of its owner",
        _listeners,
        reads_counted=True,
        many_addresses=False,
    ),
    Wave("slow uploads", "200 uploads send 4 bytes a second; there are no API keys", _slow_uploads),
    Wave(
        "one owner with a key",
        "60 slow uploads, 40 slow readers of a file and 40 of lists, 60 `?wait=60` again and again, 100 silent "
        "connections, all with the key of one owner; the good client has another one",
        _one_owner,
        keys=True,
    ),
    Wave(
        "hung AWS",
        "AWS answers no call, and 48 clients ask for their photos again and again",
        lambda target: [Attack(48, "ask again", target.get("/v1/photos"))],
        hung_aws=True,
        many_addresses=False,
    ),
]

FURTHER_WAVES = [
    Wave(
        "stopped readers",
        "200 connections pipeline six GETs of a 1.5 MB file and read nothing",
        lambda target: [Attack(200, "read nothing", target.get(BIG_FILE, times=6))],
    ),
    Wave(
        "slow heads",
        "400 connections send a request's head, 2 bytes a second",
        lambda _: [Attack(400, "send more", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ", b"x")],
    ),
    Wave("silent connections", "2,000 connections send nothing", lambda _: [Attack(2000, "stay silent")]),
    Wave(
        "more slow heads",
        "4,500 connections, more than the API has, send a request's head, 2 bytes a second",
        lambda _: [Attack(4500, "send more", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ", b"x")],
    ),
    Wave(
        "kept connections",
        "2,500 connections ask for /healthz once and stay open",
        lambda target: [Attack(2500, "read slowly", target.get("/healthz"))],
    ),
    Wave(
        "HTTP/1.0 readers",
        "100 connections ask for a 1.5 MB file with HTTP/1.0 and read 1.5 KB/s",
        lambda _: [Attack(100, "read slowly", f"GET {BIG_FILE} HTTP/1.0\r\n\r\n".encode())],
    ),
    Wave(
        "many small requests",
        "100 connections pipeline 2,000 GETs of the OpenAPI document and read 1.5 KB/s",
        lambda target: [Attack(100, "read slowly", target.get("/openapi.json", times=2000))],
    ),
    Wave(
        "small chunks",
        "40 uploads send chunks of one byte as fast as they can; there are no API keys",
        lambda target: [Attack(40, "send more", target.chunked_upload(), b"1\r\nx\r\n" * 20_000, pause=0)],
    ),
    Wave(
        "trailers",
        "20 chunked uploads send trailers without end, 350 KB a second",
        lambda target: [
            Attack(20, "send more", target.chunked_upload() + b"1\r\nx\r\n0\r\n", b"X-A: b\r\n" * 5000, pause=0.1)
        ],
    ),
    Wave(
        "waits",
        "300 connections ask for a photo with `?wait=60` again and again; there are no API keys",
        lambda target: [Attack(300, "ask again", target.get(f"/v1/photos/{target.photo}?wait=60"))],
    ),
    Wave(
        "lists",
        "100 connections with the key of one owner pipeline 100 GETs of a list and read nothing",
        lambda target: [Attack(100, "read nothing", target.get("/v1/photos?limit=100", times=100))],
        keys=True,
    ),
    Wave(
        "OpenAPI document",
        "20 connections ask for the OpenAPI document again and again",
        lambda target: [Attack(20, "ask again", target.get("/openapi.json"))],
    ),
]
