"""The API follows its OpenAPI document: schemathesis makes valid and invalid requests from the document.

No request gets a 5xx, or a status that the document does not name for the operation. Every body and header is as
documented. Valid requests are accepted, invalid ones refused, and deleted photos stay deleted. CI sends a few requests
of each kind, always the same ones; `make attack` sends more, with another seed (ATTACK_REQUESTS, ATTACK_SEED).
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from darkroom.errors import ChildDied
from darkroom.jobs.asset_ids import EXAMPLE_PICTURE
from darkroom.owners import hash_of, new_key
from darkroom.webhooks.callback import PATTERN
from tests.support.example_assets import EXAMPLE_ASSETS
from tests.support.exhaustive import matrix
from tests.support.waiting import PATIENCE

REQUESTS = int(os.environ.get("ATTACK_REQUESTS", "10"))
"""Requests that the tool sends to each operation when it fuzzes, and the number of its sequences of requests. It also
sends boundary values."""

SEED = os.environ.get("ATTACK_SEED", "1")

ALICE, BOB = new_key(), new_key()

DESTRUCTIVE = ["deletePhoto", "redriveDeadLetter", "purgeDeadLetter", "redriveDeadLetters", "purgeDeadLetters"]
"""They remove what other operations need, so each of them has its own photo and its own run."""

WITH_JOBS = ["uploadPhotos", "addJobs", "uploadDirectly", "makeUploadToken"]
"""Each has a value just inside and just outside of every bound of every job: thousands of requests, which take minutes.
test_parameters sends the same values to the jobs themselves."""

ENDLESS = ["followAll"]
"""Its response goes on as long as the caller listens."""

WITHOUT_KEY = ["getEmbedded"]

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "valid_requests_are_accepted",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ignored_auth",
]

REFUSALS = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 406, 409, 413, 414, 415, 422, 428, 501]
"""
"""Configuration of the tool: the statuses that refuse an invalid request. The tool's own list lacks 403, 413 and 414:
a request may be invalid and too large, and a link that is no text of ours is refused with 403."""


@pytest.fixture(scope="module")
def keyed(start_api: Any) -> Any:
    owners = f"alice:{hash_of(ALICE)} bob:{hash_of(BOB)}"
    # No worker runs: each request with ?wait waits for the longest time.
    return start_api(
        DARKROOM_API_KEYS=owners,
        DARKROOM_RATE_LIMIT="off",
        DARKROOM_MAX_WAIT="0.1",
        DARKROOM_WEBHOOK_SECRET="whsec_" + "A" * 43 + "=",
        DARKROOM_SIGNING_KEYS="a-signing-key-of-32-characters-or-more",
    )


def key(of: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {of}"}


def upload_ids(api: Any, picture: bytes, headers: dict[str, str], dead: bool = False) -> dict[str, str]:
    """Upload a photo and return its ids and the name of a result, so that requests get more than 404.

    With `dead` its order is a dead letter.
    """
    request = {"params": {"preset": "web"}, "data": picture, "headers": headers | {"Content-Type": "image/jpeg"}}
    answer = api.post("/v1/photos", **request)
    assert answer.status_code == 202, answer.text
    photo = answer.json()
    (order,) = api.record(photo["id"]).orders
    if dead:
        api.change_record(photo["id"], lambda record: record.bury(record.claim(order, 5, 90, 300), ChildDied()))
    job, asset = photo["jobs"][0], EXAMPLE_ASSETS[EXAMPLE_PICTURE]
    assert api.post("/v1/assets", data=asset, headers=request["headers"]).ok
    ids = {"photo_id": photo["id"], "job_id": job["id"], "order_id": order, "name": job["name"]}
    return ids | {"asset_id": EXAMPLE_PICTURE}


def with_ids(ids: dict[str, str], probability: float) -> str:
    """Configuration of the tool: requests have these ids in their path, with this probability."""
    lists = [f'[dictionaries.{field}]\nvalues = ["{value}"]' for field, value in ids.items()]
    uses = [f'"path.{field}" = {{ dictionary = "{field}", probability = {probability} }}' for field in ids]
    return "\n".join([*lists, "[parameters]", *uses])


def attack(folder: Path, api: Any, configuration: str, *options: str, checks: list[str]) -> None:
    """Run the command of schemathesis. Its output shows how to repeat a request that failed."""
    (folder / "attack.toml").write_text(configuration + REFUSALS)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", "attack.toml", "run"),
        *(f"{api.url}/openapi.json", "--url", api.url, "--checks", ",".join(checks), "--continue-on-failure"),
        *("--max-examples", str(REQUESTS), "--seed", SEED, "--no-color", *options),
    ]
    environ = os.environ | {"SCHEMATHESIS_HOOKS": "tests.support.attack"}
    environ["PYTHONPATH"] = str(Path(__file__).parents[3])
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 generated" not in done.stdout
    assert api.get("/healthz").ok
    assert not api.logged("request.failed")
    assert not list(api.settings.spool_dir.iterdir())


def test_the_openapi_document_names_every_status(api: Any) -> None:
    for path, operations in api.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            statuses = operation["responses"].keys()
            assert all(status.isdigit() for status in statuses), f"{method} {path}: {statuses}"


def test_the_openapi_document_names_what_may_be_wrong_with_a_body(api: Any) -> None:
    for path, operations in api.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            if method == "get":
                assert "408" not in operation["responses"], path
            else:
                assert {"408", "413"} <= operation["responses"].keys(), f"{method} {path}"


HTTP_ERRORS = {
    "a long URL": (414, "?" + "a" * 9000, ""),
    "a long header": (431, "", f"X-Long: {'a' * 40_000}\r\n"),
    "a body that is too large": (413, "", "Content-Type: image/jpeg\r\nContent-Length: 999999999999\r\n"),
    "an unknown expectation": (417, "", "Expect: a-miracle\r\n"),
    "an unknown coding": (501, "", "Transfer-Encoding: zip\r\n"),
    "an invalid header": (400, "", "no header\r\n"),
    "an invalid length": (400, "", "Content-Length: 1e3\r\n"),
}
"""The status, and what is added to the address and to the headers. The body of a GET is ignored."""


@pytest.mark.parametrize("name", HTTP_ERRORS)
def test_http_errors_are_documented_for_every_operation(api: Any, name: str) -> None:
    expected, query, header = HTTP_ERRORS[name]
    for path, operations in api.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            if expected == 413 and method == "get":
                continue
            target = re.sub(r"{\w+}", "01890000-0000-7000-8000-000000000000", path) + query
            head = f"{method.upper()} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n"
            answer = first_bytes(api.settings.port, head.encode())
            assert answer.startswith(f"HTTP/1.1 {expected} "), f"{method} {path}: {answer}"
            assert "application/problem+json" in answer
            assert str(expected) in operation["responses"], f"{method} {path}"


def first_bytes(port: int, request: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as caller:
        caller.sendall(request)
        return caller.makefile("rb").read(2000).decode()


def test_every_callback_url_has_the_pattern_that_is_checked(api: Any) -> None:
    document = api.get("/openapi.json").json()
    upload, direct = (document["paths"][path]["post"] for path in ("/v1/photos", "/v1/uploads"))
    form = upload["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]["callback_url"]
    (query,) = (each["schema"] for each in upload["parameters"] if each["name"] == "callback_url")
    body = direct["requestBody"]["content"]["application/json"]["schema"]["properties"]["callback_url"]
    assert form["pattern"] == query["pattern"] == f"^$|{PATTERN}"  # an empty field counts as not given
    assert body["anyOf"][0]["pattern"] == PATTERN


def answered(api: Any, path: str) -> set[int]:
    return {line["status"] for line in api.logged("request.answered") if line["path"] == path}


@pytest.mark.timeout(900)
@pytest.mark.exhaustive
def test_every_answer_is_as_documented(keyed: Any, picture: bytes, tmp_path: Path) -> None:
    photo = upload_ids(keyed, picture, key(ALICE), dead=True)
    common = tmp_path, keyed, with_ids(photo, 0.8), "-H", f"Authorization: Bearer {ALICE}"
    others = [word for name in [*DESTRUCTIVE, *WITH_JOBS, *ENDLESS] for word in ("--exclude-operation-id", name)]
    with_jobs = [word for name in WITH_JOBS for word in ("--include-operation-id", name)]

    attack(*common, *others, checks=CHECKS)
    attack(*common, *with_jobs, "--phases", "fuzzing", checks=CHECKS)

    path = "/v1/photos/{photo_id}".format(**photo)
    for address in (path, f"{path}/jobs", f"{path}/jobs/{photo['job_id']}"):
        assert 200 in answered(keyed, address), "the tool must use the known ids"
    assert 409 in answered(keyed, f"{path}/results/{photo['name']}"), "the job has failed"


@pytest.mark.parametrize("operation", matrix(DESTRUCTIVE, keep=["deletePhoto"]))
def test_destructive_operations_answer_as_documented(api: Any, picture: bytes, tmp_path: Path, operation: str) -> None:
    """The API here needs no keys."""
    photo = upload_ids(api, picture, {}, dead=True)
    dead_letter = "/v1/dead-letters/{photo_id}/{order_id}".format(**photo)
    assert api.get(dead_letter).ok
    options = ["--include-operation-id", operation, "--phases", "coverage,fuzzing"]

    attack(tmp_path, api, with_ids(photo, 0.5), *options, checks=CHECKS)

    assert api.get(dead_letter).status_code == 404


@pytest.mark.exhaustive
def test_ids_of_another_owner_get_the_answer_of_unknown_ids(keyed: Any, picture: bytes, tmp_path: Path) -> None:
    photo = upload_ids(keyed, picture, key(ALICE), dead=True)
    before = keyed.record(photo["photo_id"])
    options = ["--include-path-regex", "{", "--mode", "positive", "--phases", "fuzzing"]
    options += [word for name in WITHOUT_KEY for word in ("--exclude-operation-id", name)]

    attack(
        *(tmp_path, keyed, with_ids(photo, 1), *options, "-H", f"Authorization: Bearer {BOB}"),
        checks=["not_a_server_error", "status_code_conformance", "other_owners_get_404"],
    )

    assert keyed.record(photo["photo_id"]) == before
