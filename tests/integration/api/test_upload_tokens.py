"""Upload tokens: what a browser may do with one, and that it may do no more."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from api.token_scope import OPEN_TO_TOKENS, PREFIX, UploadToken, read_token
from darkroom.owners import hash_of, new_key
from darkroom.record.ids import new_id
from darkroom.signed_texts import Signer
from tests.support.idempotent_uploads import forget_answer

ALICE, BOB = new_key(), new_key()
OLD, NEW = "old-signing-key-" * 2, "new-signing-key-" * 2

UNKNOWN = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def keyed(start_api: Any) -> Any:
    return start_api(
        DARKROOM_API_KEYS=f"alice:{hash_of(ALICE)} bob:{hash_of(BOB)}",
        DARKROOM_SIGNING_KEYS=f"{NEW},{OLD}",
        DARKROOM_RATE_LIMIT="off",
        DARKROOM_PUBLIC_OWNERS="alice",
        DARKROOM_WEBHOOK_SECRET="whsec_" + "A" * 43 + "=",
    )


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def make_token(api: Any, of: str = ALICE, **allowed: Any) -> str:
    answer = api.post("/v1/upload-tokens", json=allowed, headers=bearer(of))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def forged(keys: list[str], **changes: Any) -> str:
    fields = {"id": new_id(), "owner": "alice", "until": int(time.time()) + 3600, "photos": 1, "size": 10**6}
    return UploadToken(**fields | {"presets": ["web"]} | changes).write(Signer(keys))


def upload(api: Any, token: str, picture: bytes, query: str = "", **headers: str) -> requests.Response:
    answer: requests.Response = api.post(
        f"/v1/photos{query}", data=picture, headers=bearer(token) | {"Content-Type": "image/jpeg"} | headers
    )
    return answer


def code(answer: requests.Response) -> str:
    return str(answer.json()["type"].removeprefix("urn:darkroom:problem:"))


def test_a_token_uploads_follows_and_reads_its_own_photos_only(keyed: Any, picture: bytes) -> None:
    token = make_token(keyed, jobs=[{"type": "metadata", "name": "facts"}])
    others = [
        keyed.post("/v1/photos", data=picture, headers=bearer(of) | {"Content-Type": "image/jpeg"}).json()["id"]
        for of in (ALICE, BOB, make_token(keyed))
    ]

    accepted = upload(keyed, token, picture)

    assert accepted.status_code == 202, accepted.text
    photo = accepted.json()
    (job,) = photo["jobs"]
    assert (photo["owner"], job["name"]) == ("alice", "facts")
    base = f"/v1/photos/{photo['id']}"
    for path in (base, f"{base}/jobs", f"{base}/jobs/{job['id']}"):
        assert keyed.get(path, headers=bearer(token)).status_code == 200
        assert keyed.get(f"{path}?token={token}").status_code == 200
    for path in (f"{base}/results/facts", f"{base}/jobs/{job['id']}/result"):
        assert code(keyed.get(f"{path}?token={token}")) == "not_finished"
    for other in others:
        assert keyed.get(f"/v1/photos/{other}", headers=bearer(token)).status_code == 404
        assert keyed.get(f"/v1/photos/{other}/results/facts", headers=bearer(token)).status_code == 404
    assert keyed.get(base, headers=bearer(ALICE)).status_code == 200  # its owner sees the photo
    assert keyed.get(base, headers=bearer(BOB)).status_code == 404


def test_a_token_may_call_nothing_else(keyed: Any, picture: bytes) -> None:
    token = make_token(keyed)
    photo = upload(keyed, token, picture).json()["id"]
    document = keyed.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            allowed = operation["operationId"] in OPEN_TO_TOKENS.values()
            schemes = {name for way in operation.get("security", document["security"]) for name in way}
            assert ("uploadToken" in schemes) == allowed
            if allowed or operation.get("security") == []:
                continue
            ids = {"photo_id": photo, "job_id": UNKNOWN, "asset_id": "0" * 64, "order_id": UNKNOWN, "name": "x"}
            ids |= {"batch_id": UNKNOWN, "part_number": "1"}
            answer = keyed.ask(method.upper(), path.format_map(ids), headers=bearer(token), json={})
            assert (answer.status_code, code(answer)) == (403, "token_scope"), (method, path)
            assert "upload photos" in answer.json()["detail"]


def test_a_token_allows_so_many_photos_and_bytes_over_all_processes(keyed: Any, picture: bytes) -> None:
    token = make_token(keyed, max_photos=5)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: upload(keyed, token, picture), range(12)))
    assert sorted(answer.status_code for answer in answers) == [202] * 5 + [403] * 7
    refused = next(answer for answer in answers if answer.status_code == 403)
    assert code(refused) == "token_spent"
    assert "allows 5 photos" in refused.json()["detail"]

    small = make_token(keyed, max_photos=100, max_bytes=len(picture) * 2)
    assert [upload(keyed, small, picture).status_code for _ in range(3)] == [202, 202, 403]


def test_photos_that_are_refused_are_not_counted(keyed: Any, picture: bytes) -> None:
    token = make_token(keyed, max_photos=2)
    assert upload(keyed, token, b"no photo").status_code == 415
    files = [("photo", ("a.jpg", picture)), ("photo", ("b.jpg", b"no photo"))]
    batch = keyed.post("/v1/photos", files=files, headers=bearer(token))
    assert batch.status_code == 202
    assert upload(keyed, token, picture).status_code == 202
    assert upload(keyed, token, picture).status_code == 403


def test_a_repeated_request_is_counted_once_and_keys_are_the_tokens_own(keyed: Any, picture: bytes) -> None:
    token, other = make_token(keyed), make_token(keyed)
    first, again, foreign = (upload(keyed, by, picture, **{"Idempotency-Key": "1"}) for by in (token, token, other))
    assert first.json()["id"] == again.json()["id"] != foreign.json()["id"]


def test_a_try_after_a_crash_is_not_counted_again(keyed: Any, picture: bytes) -> None:
    """The API dies after it has stored the photos, and before it has stored its answer."""
    token = make_token(keyed, max_photos=4)
    principal = f"alice#{read_token(Signer([NEW]), token).id}"
    two = [("photo", ("a.jpg", picture)), ("photo", ("b.jpg", picture)), ("photo", ("c.jpg", b"no photo"))]

    def send() -> list[requests.Response]:
        headers = bearer(token)
        return [
            keyed.post("/v1/photos", files=two, headers=headers | {"Idempotency-Key": "batch"}),
            keyed.post("/v1/uploads", json={"size": 10}, headers=headers | {"Idempotency-Key": "direct"}),
        ]

    first = send()
    for key in ("batch", "direct"):
        forget_answer(keyed, key, principal)
    again = send()

    assert [answer.status_code for answer in first + again] == [202, 201, 202, 201]
    (batch, direct), (batch_again, direct_again) = ([answer.json() for answer in tried] for tried in (first, again))
    assert [photo.get("id") for photo in batch["photos"]] == [photo.get("id") for photo in batch_again["photos"]]
    assert direct["id"] == direct_again["id"]
    item = keyed.services.clients.dynamodb.get_item(
        TableName=keyed.settings.table, Key={"pk": f"upload_token#{principal.removeprefix('alice#')}"}
    )["Item"]
    assert (item["photos"], item["size"]) == (3, 2 * len(picture) + 10)


@pytest.mark.parametrize("path", ["/v1/photos", "/v1/s3/multipart"])
def test_a_token_with_one_photo_left_allows_the_try_after_a_crash(keyed: Any, picture: bytes, path: str) -> None:
    token = make_token(keyed)
    headers = bearer(token) | {"Idempotency-Key": "only"}
    body: Any = {"data": picture} if path == "/v1/photos" else {"json": {"filename": "a.jpg", "type": "image/jpeg"}}
    if "data" in body:
        headers["Content-Type"] = "image/jpeg"
    assert keyed.post(path, headers=headers, **body).status_code in (201, 202)
    forget_answer(keyed, "only", f"alice#{read_token(Signer([NEW]), token).id}")
    assert keyed.post(path, headers=headers, **body).status_code in (200, 202)
    assert upload(keyed, token, picture).status_code == 403


def test_a_direct_upload_counts_the_most_that_its_form_takes(keyed: Any) -> None:
    token = make_token(keyed, max_photos=9, max_bytes=3000)
    offered = [keyed.post("/v1/uploads", json={"size": 1400}, headers=bearer(token)) for _ in range(3)]
    assert [answer.status_code for answer in offered] == [201, 201, 403]
    assert keyed.get(f"/v1/photos/{offered[0].json()['id']}", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize(
    ("allowed", "query", "status"),
    [
        ({"presets": ["thumbnail", "web"]}, "?preset=web", 202),
        ({"presets": ["thumbnail", "web"]}, "?preset=metadata", 403),
        ({"presets": ["thumbnail"]}, '?jobs=[{"type":"metadata"}]', 403),
        ({"jobs": [{"type": "metadata"}]}, "?preset=web", 403),
        ({}, "", 202),
        ({}, "?dedupe=true", 403),
        ({}, "?callback_url=https://example.com/", 403),
        ({}, "?public=true", 403),
        ({}, "?reference=mine", 202),
    ],
)
def test_an_upload_asks_for_no_more_than_its_token_allows(
    keyed: Any, picture: bytes, allowed: dict[str, Any], query: str, status: int
) -> None:
    answer = upload(keyed, make_token(keyed, **allowed), picture, query)

    assert answer.status_code == status, answer.text
    if status == 403:
        assert code(answer) == "token_scope"


def test_the_first_preset_and_the_callback_are_those_of_the_token(keyed: Any, picture: bytes) -> None:
    token = make_token(keyed, presets=["thumbnail", "web"], callback_url="https://example.com/photos")
    photo = upload(keyed, token, picture).json()
    assert len(photo["jobs"]) == 1
    path = f"/v1/photos/{photo['id']}"
    assert keyed.get(path, headers=bearer(ALICE)).json()["callback"]["url"] == "https://example.com/photos"
    for seen in (photo, keyed.get(path, headers=bearer(token)).json()):
        assert seen["callback"] is None  # the owner's address is not for the page


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (forged(["another-key-of-32-characters-1234"]), "token_invalid"),
        (f"{PREFIX}nonsense", "token_invalid"),
        (PREFIX, "token_invalid"),
        (f"{PREFIX}{'x' * 7000}", "token_invalid"),
        (forged([NEW], until=int(time.time()) - 1), "token_expired"),
        (forged([NEW], owner="carol"), "token_invalid"),
        (forged([NEW])[:-1], "token_invalid"),
        (PREFIX + Signer([NEW]).sign("upload-token", {"id": "x"}), "token_invalid"),
    ],
)
def test_a_wrong_token_is_refused_with_the_reason(keyed: Any, picture: bytes, token: str, expected: str) -> None:
    for answer in (upload(keyed, token, picture), keyed.get(f"/v1/photos/{UNKNOWN}?token={token}")):
        assert (answer.status_code, code(answer)) == (401, expected)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_texts_that_an_older_key_has_signed_are_accepted(keyed: Any, picture: bytes) -> None:
    assert upload(keyed, forged([OLD]), picture).status_code == 202


def test_an_api_key_in_the_query_is_no_key(keyed: Any) -> None:
    assert code(keyed.get(f"/v1/photos?token={ALICE}")) == "unauthorized"


def test_no_log_line_has_a_token(keyed: Any, picture: bytes) -> None:
    token = make_token(keyed)
    photo = upload(keyed, token, picture, f"?token={token}").json()["id"]
    assert keyed.get(f"/v1/photos/{photo}?token={token}").status_code == 200
    assert token[len(PREFIX) : 60] not in keyed.log_text()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"presets": ["unknown"]}, "preset"),
        ({"presets": ["web"], "jobs": [{"type": "metadata"}]}, "presets"),
        ({"expires_in": 1}, "expires_in"),
        ({"max_photos": 0}, "max_photos"),
        ({"callback_url": "http://10.0.0.1/"}, "callback_url"),
        ({"jobs": [{"type": "resize"}]}, "jobs[0]"),
        ({"lifetime": 5}, "lifetime"),
    ],
)
def test_a_token_that_would_be_of_no_use_is_not_made(keyed: Any, body: dict[str, Any], field: str) -> None:
    answer = keyed.post("/v1/upload-tokens", json=body, headers=bearer(ALICE))

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].startswith(field)


def test_jobs_that_make_the_token_too_long_are_refused(keyed: Any) -> None:
    texts = [
        {"type": "text", "text": "".join(new_key() for _ in range(10)), "name": f"n{number}"} for number in range(30)
    ]
    answer = keyed.post("/v1/upload-tokens", json={"jobs": texts}, headers=bearer(ALICE))
    assert answer.status_code == 422
    assert "make a preset" in answer.json()["detail"]


def test_without_a_signing_key_there_are_no_tokens(start_api: Any, picture: bytes) -> None:
    api = start_api(DARKROOM_API_KEYS=f"alice:{hash_of(ALICE)}")
    answer = api.post("/v1/upload-tokens", json={}, headers=bearer(ALICE))
    assert (answer.status_code, code(answer)) == (501, "not_configured")
    assert "DARKROOM_SIGNING_KEYS" in answer.json()["detail"]
    assert upload(api, forged([NEW]), picture).status_code == 401


def test_tokens_work_where_no_key_is_needed(start_api: Any, picture: bytes) -> None:
    api = start_api()
    token = api.post("/v1/upload-tokens", json={}).json()["token"]
    photo = upload(api, token, picture).json()["id"]
    other = api.upload_photo(picture)["id"]
    assert api.get(f"/v1/photos/{photo}?token={token}").status_code == 200
    assert api.get(f"/v1/photos/{other}?token={token}").status_code == 404
    assert api.get("/v1/photos", headers=bearer(token)).status_code == 403
    assert json.loads(api.get(f"/v1/photos/{photo}").text)["owner"] == "default"
