"""API keys: a caller without a key gets 401, and an owner sees only their own photos."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from api.access.auth import OPEN
from api.app import create_app
from darkroom.errors import ChildDied
from darkroom.owners import hash_of, new_key
from darkroom.record.photo import PhotoRecord
from tests.support.api import refusal_to_start

ALICE, ALICES_OTHER, BOB = new_key(), new_key(), new_key()
PAIRS = [f"alice:{hash_of(ALICE)}", f"alice:{hash_of(ALICES_OTHER)}", f"bob:{hash_of(BOB)}"]

UNKNOWN = "01890000-0000-7000-8000-000000000000"

WITHOUT_ALL = (
    "/v1/photos",
    "/v1/uploads",
    "/v1/s3/multipart",
    "/v1/upload-tokens",
    "/v1/assets",
    "/v1/events",
    "/v1/archive",
)
"""Routes without an id in their path that take no `all`. What the archive gives of others' photos is tested with it."""

REFUSED = {
    "no key": {},
    "an unknown key": {"Authorization": f"Bearer {new_key()}"},
    "an empty key": {"Authorization": "Bearer "},
    "a hash": {"Authorization": f"Bearer {hash_of(BOB)}"},
    "a name": {"Authorization": "Bearer bob"},
    "another scheme": {"Authorization": f"Basic {BOB}"},
    "another header": {"X-Api-Key": BOB},
    "no text": {"Authorization": b"Bearer \xff\xfe"},
}


def key(of: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {of}"}


@pytest.fixture(scope="module")
def keyed(start_api: Any) -> Any:
    # With keys the API may listen on all addresses.
    return start_api(DARKROOM_API_KEYS=" ".join(PAIRS), DARKROOM_HOST="0.0.0.0", DARKROOM_RATE_LIMIT="off")


def upload_as(api: Any, picture: bytes, of: str) -> dict[str, Any]:
    headers = key(of) | {"Content-Type": "image/jpeg"}
    answer = api.post("/v1/photos?preset=metadata", data=picture, headers=headers)
    assert answer.status_code == 202, answer.text
    photo: dict[str, Any] = answer.json()
    return photo


def rules(api: Any) -> Iterator[tuple[str, str, set[str]]]:
    """Every route of the app that is not open: method, path with {names} in it, and the names."""
    app = create_app(api.settings, api.services)
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in OPEN:
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), rule.arguments


def without_ids(answer: requests.Response) -> tuple[int, str, str]:
    """Status, type and text of an answer, without ids, which differ from request to request."""
    text = re.sub(r"[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", answer.text)
    return answer.status_code, answer.headers.get("Content-Type", ""), text


# --- with and without a key --------------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", REFUSED)
def test_every_refusal_is_the_same_and_says_nothing_about_the_key(keyed: Any, refused: str) -> None:
    answer = keyed.get("/v1/photos", headers=REFUSED[refused])

    assert without_ids(answer) == without_ids(keyed.get("/v1/photos"))
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:darkroom:problem:unauthorized"


def test_all_keys_of_an_owner_see_the_same_photos(keyed: Any, picture: bytes) -> None:
    photo = upload_as(keyed, picture, ALICE)

    for secret in (ALICE, ALICES_OTHER):
        for scheme in ("Bearer", "bearer"):
            assert keyed.get(photo["links"]["self"], headers={"Authorization": f"{scheme} {secret}"}).status_code == 200
    assert keyed.record(photo["id"]).owner == "alice"


def test_open_routes_need_no_key(keyed: Any) -> None:
    for path in ("/healthz", "/readyz", "/docs", "/docs/css/swagger-ui.css", "/openapi.json", "/web/app.js"):
        assert keyed.get(path).status_code == 200, path
    assert keyed.get("/").status_code == 302  # this API listens on all addresses, so there is no web page


def test_every_other_route_needs_a_key(keyed: Any) -> None:
    for method, path, names in rules(keyed):
        answer = keyed.ask(method, path.format(**dict.fromkeys(names, UNKNOWN)), json={})
        assert answer.status_code == 401, f"{method} {path}"
    for method, path in (("GET", "/nowhere"), ("PUT", "/v1/photos"), ("OPTIONS", "/v1/photos"), ("GET", "/docs/nope")):
        assert keyed.ask(method, path).status_code == (404 if path.startswith("/docs") else 401), f"{method} {path}"


def test_a_removed_key_is_refused_and_the_others_still_work(start_api: Any, keyed: Any) -> None:
    fewer = start_api(DARKROOM_API_KEYS=" ".join(pair for pair in PAIRS if hash_of(ALICE) not in pair))

    assert keyed.get("/v1/photos", headers=key(ALICE)).status_code == 200
    assert fewer.get("/v1/photos", headers=key(ALICE)).status_code == 401
    assert fewer.get("/v1/photos", headers=key(ALICES_OTHER)).status_code == 200


def test_logs_name_the_owner_and_never_the_key(keyed: Any, picture: bytes) -> None:
    photo = upload_as(keyed, picture, BOB)
    stranger = new_key()
    refused = keyed.get("/v1/photos", headers=key(stranger))

    (line,) = [line for line in keyed.logged("photo.accepted") if line["photo"] == photo["id"]]
    assert line["owner"] == "bob"
    (line,) = [line for line in keyed.logged("request.answered") if line["trace"] == refused.headers["X-Request-Id"]]
    assert (line["status"], line.get("owner")) == (401, None)
    for secret in (ALICE, BOB, stranger):
        assert secret not in keyed.log_text()
        assert hash_of(secret) not in keyed.log_text()


# --- bodies without a key ----------------------------------------------------------------------------------------

LARGE = 100_000_000


def test_a_large_body_without_a_key_is_refused_before_it_is_read(keyed: Any) -> None:
    """Only the head is sent: the API answers without the body."""
    head = (
        "POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nAuthorization: Bearer dk_no\r\n"
        f"Content-Length: {LARGE}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", keyed.settings.port), timeout=60) as caller:
        caller.sendall(head.encode())
        answer = caller.recv(65536)

    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("framing", [f"Content-Length: {LARGE}", "Transfer-Encoding: chunked"])
def test_a_caller_without_a_key_that_keeps_sending_is_cut_off(keyed: Any, framing: str) -> None:
    """The caller sends without reading. The API closes the connection, and the caller can still read the answer."""
    head = f"POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n{framing}\r\n\r\n"
    part = b"186a0\r\n" + bytes(100_000) + b"\r\n" if "chunked" in framing else bytes(100_000)
    sent = 0
    with socket.create_connection(("127.0.0.1", keyed.settings.port), timeout=60) as caller:
        caller.sendall(head.encode())
        with contextlib.suppress(ConnectionError):
            while sent < LARGE:
                caller.sendall(part)
                sent += len(part)
        answer = caller.recv(65536)

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert sent < LARGE / 2, "the API must not read most of the body"
    assert keyed.get("/v1/photos", headers=key(ALICE)).status_code == 200
    assert not list(keyed.settings.spool_dir.iterdir())


def test_a_small_body_without_a_key_leaves_the_connection_usable(keyed: Any) -> None:
    with requests.Session() as caller:
        assert caller.post(keyed.url + "/v1/photos", data=bytes(10_000), timeout=60).status_code == 401
        assert caller.get(keyed.url + "/v1/photos", headers=key(ALICE), timeout=60).status_code == 200


# --- photos of other owners --------------------------------------------------------------------------------------


def test_ids_of_another_owner_get_the_answer_of_unknown_ids_on_every_route(keyed: Any, picture: bytes) -> None:
    photo = upload_as(keyed, picture, ALICE)["id"]
    asset = keyed.post("/v1/assets", data=picture, headers=key(ALICE) | {"Content-Type": "image/jpeg"}).json()["id"]
    buried: list[str] = []

    def bury(record: PhotoRecord) -> None:
        (order,) = record.orders
        record.bury(record.claim(order, 5, 90, 300), ChildDied())
        buried[:] = [order]

    keyed.change_record(photo, bury)
    before = keyed.record(photo)
    (job,) = before.jobs
    two = [("photo", ("a.jpg", picture)), ("photo", ("b.jpg", picture))]
    batch = keyed.post("/v1/photos", files=two, headers=key(ALICE)).json()["batch"]
    alices = {"photo_id": photo, "job_id": job, "order_id": buried[0], "asset_id": asset, "name": "metadata"}
    alices |= {"batch_id": batch, "part_number": "1"}
    no_id = ("name", "part_number")
    routes = 0
    for method, path, names in rules(keyed):
        body: dict[str, Any] = {"json": {"preset": "metadata"}} if method == "POST" and path.endswith("/jobs") else {}
        if path.endswith("/complete"):
            body = {"json": {"parts": [{"PartNumber": 1, "ETag": "x"}]}}
        if not names:
            continue
        known_path = path.format(**{name: alices[name] for name in names})
        unknown_path = path.format(**{name: alices[name] if name in no_id else UNKNOWN for name in names})
        refused = keyed.ask(method, known_path, headers=key(BOB), **body)
        unknown = keyed.ask(method, unknown_path, headers=key(BOB), **body)
        assert refused.status_code == 404, f"{method} {path}: {refused.text}"
        assert without_ids(refused) == without_ids(unknown), f"{method} {path}"
        if method == "GET" and not path.startswith("/v1/s3/"):  # the photo did not come in parts
            assert keyed.get(known_path, headers=key(ALICE)).status_code != 404, f"{path}: the owner must see it"
        routes += 1
    assert routes >= 8
    assert keyed.record(photo) == before


def test_routes_over_all_photos_act_on_those_of_the_caller_only(keyed: Any, picture: bytes) -> None:
    alices, bobs = upload_as(keyed, picture, ALICE)["id"], upload_as(keyed, picture, BOB)["id"]
    for photo in (alices, bobs):
        keyed.change_record(
            photo, lambda record: record.bury(record.claim(next(iter(record.orders)), 5, 90, 300), ChildDied())
        )
    before = keyed.record(alices)
    for method, path, names in rules(keyed):
        if not names and path not in WITHOUT_ALL:
            everything: dict[str, Any] = {"json": {"all": True}} if method == "POST" else {}
            if method == "DELETE":
                everything = {"params": {"all": "true"}}
            answer = keyed.ask(method, path, headers=key(BOB), **everything)
            assert answer.ok, f"{method} {path}: {answer.text}"
            assert alices not in answer.text, f"{method} {path}"
    assert keyed.record(alices) == before

    listed = keyed.get("/v1/photos?limit=100", headers=key(BOB))
    assert bobs in listed.text
    assert alices not in listed.text


def test_a_cursor_of_another_owner_lists_the_callers_photos(keyed: Any, picture: bytes) -> None:
    for of in (ALICE, BOB, ALICE, BOB):
        upload_as(keyed, picture, of)
    cursor = keyed.get("/v1/photos?limit=1", headers=key(ALICE)).json()["next"]

    answer = keyed.get("/v1/photos", params={"cursor": cursor, "limit": "100"}, headers=key(BOB))

    assert answer.status_code == 200
    assert {keyed.record(photo["id"]).owner for photo in answer.json()["photos"]} == {"bob"}


def test_the_same_idempotency_key_of_two_owners_makes_two_photos(keyed: Any, picture: bytes) -> None:
    same = {"Idempotency-Key": f'"{uuid.uuid4()}"', "Content-Type": "image/jpeg"}

    answers = [keyed.post("/v1/photos", data=picture, headers=key(of) | same) for of in (ALICE, BOB)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert [keyed.record(answer.json()["id"]).owner for answer in answers] == ["alice", "bob"]


# --- the OpenAPI document, and the start -------------------------------------------------------------------------


def test_the_openapi_document_says_which_operations_need_a_key(keyed: Any, api: Any) -> None:
    document = keyed.get("/openapi.json").json()

    schemes = document["components"]["securitySchemes"]
    assert {name: scheme["type"] for name, scheme in schemes.items()} == {
        "apiKey": "http",
        "uploadToken": "http",
        "uploadTokenInQuery": "apiKey",
    }
    assert document["security"] == [{"apiKey": []}]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path in ("/healthz", "/readyz", "/v1/embeds/{link}"):
                assert operation["security"] == []
            else:
                assert {"apiKey": []} in operation.get("security", document["security"])
                assert {"401", "429"} <= operation["responses"].keys(), f"{method} {path}"
    without = api.get("/openapi.json").json()
    assert "security" not in without
    assert "securitySchemes" not in without["components"]


@pytest.mark.parametrize(
    ("variables", "phrases"),
    [
        ({"DARKROOM_HOST": "0.0.0.0"}, ["0.0.0.0", "darkroom key", "DARKROOM_AUTH=off"]),
        ({"DARKROOM_HOST": "0.0.0.0", "DARKROOM_API_KEY": ALICE}, ["DARKROOM_API_KEYS"]),
        ({"DARKROOM_AUTH": "off", "DARKROOM_API_KEYS": PAIRS[0]}, ["DARKROOM_AUTH=keys"]),
        ({"DARKROOM_AUTH": "keys"}, ["DARKROOM_API_KEYS"]),
        ({"DARKROOM_API_KEYS": f"alice:{ALICE}"}, ["alice", "the key itself"]),
    ],
)
def test_the_api_does_not_start_with_unclear_settings_of_keys(
    aws_env: dict[str, str], variables: dict[str, str], phrases: list[str]
) -> None:
    message = refusal_to_start(aws_env | variables)

    assert ALICE not in message
    for phrase in phrases:
        assert phrase in message


def test_an_api_without_keys_logs_a_warning(start_api: Any, keyed: Any) -> None:
    open_api = start_api(DARKROOM_API_KEY=ALICE)

    (line,) = open_api.logged("auth.off")
    assert "may do everything" in line["detail"]
    assert "DARKROOM_API_KEY does not change that" in line["detail"]
    assert line["level"] == "warning"
    assert ALICE not in json.dumps(line)
    assert open_api.get("/v1/photos").status_code == 200
    assert not keyed.logged("auth.off")
