"""An HTTP proxy between Darkroom and AWS that behaves as failing networks and a failing AWS do.

    with FaultProxy(endpoint, seed=7) as proxy:
        proxy.rule("sqs.SendMessage", LOST_ANSWER, times=2)       # the next two
        proxy.rule("dynamodb.*", error(500, "InternalServerError"), chance=0.05)
        ...                                                       # run something with AWS_ENDPOINT_URL=proxy.url
        proxy.heal()                                              # remove all rules, end requests that hang
        print(proxy.report())

A rule is for the operations that its pattern names (`service.Operation`, with `*`). The first rule that applies to a
request decides. Each rule has its own seeded random generator and uses it once for each matching request: which calls
of a service meet a fault depends on the seed and on their order, not on the calls of other services.

A fault gets the request and `forward`, which sends it to AWS and returns the answer. The fault may call it once, twice
or not at all. It returns what the caller gets: an answer, or None for a connection that ends without one.
"""

from __future__ import annotations

import fnmatch
import http.client
import http.server
import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

PATIENCE = 60.0
"""Seconds that AWS itself may take, long polls included."""

HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "content-length", "date", "server"}
"""Headers that belong to one connection, or that the HTTP libraries write themselves."""


class Request(NamedTuple):
    operation: str
    """Such as `sqs.SendMessage`."""
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def first_try(self) -> bool:
        """The SDKs count their tries of one call."""
        return self.headers.get("amz-sdk-request", "").partition(";")[0] == "attempt=1"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    promised: int | None = None
    """The Content-Length, when the body is shorter."""

    def json(self) -> Any:
        return json.loads(self.body)


Forward = Callable[[], Answer]


class ProxyFault(NamedTuple):
    name: str
    act: Callable[[Request, Forward], Answer | None]


@dataclass
class Rule:
    pattern: str
    fault: ProxyFault
    chance: float
    times: int | None
    first_tries: bool
    """Only the SDK's first try of a call, so that each call succeeds in the end."""
    dice: random.Random

    def applies(self, request: Request) -> bool:
        if self.times == 0 or not fnmatch.fnmatchcase(request.operation, self.pattern):
            return False
        if (self.first_tries and not request.first_try) or self.dice.random() >= self.chance:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class FaultProxy:
    """Listens on a port of this machine and forwards to `upstream`, an address such as http://127.0.0.1:4566."""

    def __init__(self, upstream: str, seed: int = 0) -> None:
        self.seed = seed
        self.done: Counter[tuple[str, str]] = Counter()
        """How many requests of an operation met a fault, or were `passed`."""
        self._upstream = urlsplit(upstream).netloc
        self._rules: list[Rule] = []
        self._rolled = 0
        self._lock = threading.Lock()
        self._healed = threading.Event()
        self._server = _ProxyServer(self, 0)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FaultProxy:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()
        self._server.stop()

    def rule(
        self, pattern: str, fault: ProxyFault, *, chance: float = 1, times: int | None = None, first_tries: bool = False
    ) -> None:
        with self._lock:
            dice = random.Random(f"{self.seed}/{self._rolled}")
            self._rolled += 1
            self._rules.append(Rule(pattern, fault, chance, times, first_tries, dice))

    def hang(self, pattern: str) -> None:
        """Take these requests and never answer, until `heal`."""

        def act(request: Request, forward: Forward) -> None:
            healed.wait()

        healed = self._healed
        self.rule(pattern, ProxyFault("black hole", act))

    def heal(self) -> None:
        """Remove every rule, and close the connections of requests that hang."""
        with self._lock:
            self._rules = []
            self._healed.set()
            self._healed = threading.Event()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Stop listening within the context: connections are refused."""
        self._server.stop()
        try:
            yield
        finally:
            self._server = _ProxyServer(self, self._server.server_port)
            self._server.start()

    def seen(self, pattern: str = "*", fault: str | None = None) -> int:
        """How many requests came for these operations: all, or those that met one fault."""
        with self._lock:
            return sum(
                count
                for (operation, met), count in self.done.items()
                if fnmatch.fnmatchcase(operation, pattern) and fault in (None, met)
            )

    def report(self) -> str:
        with self._lock:
            lines = [f"  {count:6} {operation:32} {fault}" for (operation, fault), count in sorted(self.done.items())]
        return "\n".join([f"fault proxy, seed {self.seed}:", *lines])

    # --- a request ----------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer | None:
        with self._lock:
            rule = next((rule for rule in self._rules if rule.applies(request)), None)
            self.done[request.operation, rule.fault.name if rule else "passed"] += 1
        if rule is None:
            return self._forward(request)
        return rule.fault.act(request, lambda: self._forward(request))

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._upstream, timeout=PATIENCE)
        try:
            headers = {name: value for name, value in request.headers.items() if name not in HOP}
            connection.request(request.method, request.target, request.body.replace(AGAIN, b""), headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in HOP}
        # The answer to a HEAD has no body, but the length of one.
        promised = response.getheader("Content-Length") if request.method == "HEAD" else None
        return Answer(response.status, kept, body, int(promised) if promised else None)


class _ProxyServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy, port: int) -> None:
        self.proxy = proxy
        self.stopped = False
        super().__init__(("127.0.0.1", port), _Connection)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()

    def stop(self) -> None:
        self.stopped = True  # open connections get no more answers
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that hung up: most often a process that a test has killed."""


class _Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _ProxyServer

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or self.server.stopped or not self.parse_request():
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body(headers)
        request = Request(operation_of(self.command, self.path, headers, body), self.command, self.path, headers, body)
        answer = self.server.proxy.answer(request)
        if answer is None or self.server.stopped:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) if answer.promised is None else answer.promised))
        self.end_headers()
        self.wfile.write(answer.body)
        if answer.promised is not None and self.command != "HEAD":
            self.close_connection = True

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "") != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)


def operation_of(method: str, target: str, headers: dict[str, str], body: bytes) -> str:
    """`service.Operation` of a request: from a header of the JSON protocols, or from method and path for S3."""
    name = headers.get("x-amz-target", "")
    if name.startswith("AmazonSQS."):
        return "sqs." + name.partition(".")[2]
    if name.startswith("DynamoDB_"):
        return "dynamodb." + name.partition(".")[2]
    if found := re.search(r"/([a-z0-9-]+)/aws4_request", headers.get("authorization", "")):
        service = found[1]
        if service != "s3":  # the query protocol, as CloudFormation speaks it
            return f"{service}.{parse_qs(body.decode(errors='replace')).get('Action', ['?'])[0]}"
    path, _, query = target.partition("?")
    if not path.strip("/").partition("/")[2]:
        of_bucket = {"GET": "ListObjectsV2", "POST": "DeleteObjects", "HEAD": "HeadBucket", "PUT": "CreateBucket"}
        return "s3." + ("DeleteBucket" if method == "DELETE" else of_bucket.get(method, method))
    return f"s3.{method.capitalize()}Object" + ("Part" if "uploadId=" in query else "")


# --- what can go wrong ------------------------------------------------------------------------------------------


FROM_AWS = {"x-amzn-RequestId": "the-fault-proxy", "x-amz-request-id": "the-fault-proxy"}
"""Headers that every answer of AWS has."""


def delay(seconds: float) -> ProxyFault:
    def act(request: Request, forward: Forward) -> Answer:
        time.sleep(seconds)
        return forward()

    return ProxyFault(f"delayed {seconds:g} s", act)


def _lost_answer(request: Request, forward: Forward) -> None:
    forward()


def _twice(request: Request, forward: Forward) -> Answer:
    forward()
    return forward()


LOST_REQUEST = ProxyFault("request lost", lambda request, forward: None)
LOST_ANSWER = ProxyFault("answer lost", _lost_answer)
"""AWS carried the request out, and the caller gets no answer."""
TWICE = ProxyFault("carried out twice", _twice)


def error(status: int, code: str) -> ProxyFault:
    """A refusal in the service's own protocol: nothing is carried out."""

    def act(request: Request, forward: Forward) -> Answer:
        if request.operation.startswith("s3."):
            text = f"<Error><Code>{escape(code)}</Code><Message>the fault proxy says so</Message></Error>"
            return Answer(
                status, {"Content-Type": "application/xml"}, text.encode() if request.method != "HEAD" else b""
            )
        document = {"__type": f"com.amazonaws#{code}", "message": "the fault proxy says so"}
        return Answer(status, FROM_AWS, json.dumps(document).encode())

    return ProxyFault(f"{status} {code}", act)


def _html(request: Request, forward: Forward) -> Answer:
    page = b"<html><body><h1>Welcome to our network! Please log in.</h1></body></html>"
    return Answer(200, {"Content-Type": "text/html"}, page if request.method != "HEAD" else b"")


def _cut(request: Request, forward: Forward) -> Answer:
    answer = forward()
    return answer._replace(body=answer.body[: len(answer.body) // 2])


def _reset(request: Request, forward: Forward) -> Answer | None:
    answer = forward()
    half = len(answer.body) // 2
    return answer._replace(body=answer.body[:half], promised=len(answer.body)) if half else None


HTML = ProxyFault("an HTML page", _html)
"""What a captive portal or a misconfigured proxy answers, with a 200: nothing is carried out."""
EMPTY = ProxyFault("an empty 200", lambda request, forward: Answer(200, {}, b""))
CUT = ProxyFault("half an answer", _cut)
"""Carried out; the answer's header promises no more than the half that comes."""
RESET = ProxyFault("reset in the middle", _reset)


def _stale_delete(request: Request, forward: Forward) -> Answer:
    batch = json.loads(request.body)
    successful = [{"Id": entry["Id"]} for entry in batch.get("Entries", [])]
    result = {"Successful": successful, "Failed": []} if successful else {}
    return Answer(200, FROM_AWS, json.dumps(result).encode())


STALE_DELETE = ProxyFault("a delete that deletes nothing", _stale_delete)
"""For sqs.DeleteMessage*: AWS documents that a message may be received again after a successful delete."""

AGAIN = b"~again"
"""The end of the second receipt handle of a message that was handed out twice. It is not sent to AWS."""


def hand_out_twice(same_handle: bool) -> ProxyFault:
    """For sqs.ReceiveMessage: each receive also gets the messages of the one before, hidden or deleted as they are."""
    earlier: dict[str, list[dict[str, Any]]] = {}
    lock = threading.Lock()

    def act(request: Request, forward: Forward) -> Answer:
        receive = json.loads(request.body)
        answer = forward()
        if answer.status != 200:
            return answer
        result = answer.json()
        fresh = result.get("Messages", [])
        suffix = "" if same_handle else AGAIN.decode()
        copies = [message | {"ReceiptHandle": message["ReceiptHandle"] + suffix} for message in fresh]
        with lock:
            again = earlier.get(receive["QueueUrl"], [])
            earlier[receive["QueueUrl"]] = copies
        messages = (fresh + again)[: receive.get("MaxNumberOfMessages", 1)]
        return answer._replace(body=json.dumps(result | {"Messages": messages}).encode())

    return ProxyFault(f"handed out twice, {'the same handle' if same_handle else 'another handle'}", act)


# --- all at once ------------------------------------------------------------------------------------------------

SENT_AGAIN = ("sqs.SendMessage", "sqs.*Batch", "dynamodb.*", "s3.*Object*")
"""Operations that an SDK retries by itself. The creation of queues and buckets is not among them."""


def transparent_mix(proxy: FaultProxy, chance: float = 0.02) -> None:
    """Faults of each kind that a retry of the SDK or of Darkroom repairs, so that no caller notices them.

    A lost receive is not among them: its messages stay hidden until the lease ends, and leases in tests are long.
    """
    for pattern in SENT_AGAIN:
        for fault in (LOST_ANSWER, LOST_REQUEST, TWICE, RESET, error(500, "InternalError"), error(503, "SlowDown")):
            proxy.rule(pattern, fault, chance=chance, first_tries=True)
    proxy.rule("sqs.ReceiveMessage", error(503, "ThrottlingException"), chance=chance)
    proxy.rule("[sd3]*", delay(0.2), chance=2 * chance)
