"""What the API documents about itself, how it starts, and what all its answers have in common."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import requests

from darkroom.jobs.job_types import JOB_TYPES
from darkroom.jobs.step_types import STEP_TYPES
from darkroom.photo_warnings import WARNING_CODES
from tests.support.api import refusal_to_start
from tests.support.waiting import PATIENCE


def test_the_api_is_alive_and_ready(api: Any) -> None:
    for path in ("/healthz", "/readyz"):
        answer = api.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_operations_list_all_jobs_steps_filters_and_presets(api: Any) -> None:
    operations = api.get("/v1/operations").json()

    def schema(reference: dict[str, str]) -> Any:
        return operations["$defs"][reference["$ref"].removeprefix("#/$defs/")]

    assert operations["jobs"].keys() == JOB_TYPES.keys()
    assert operations["steps"].keys() == STEP_TYPES.keys()
    assert operations["aliases"]["position"]["center"] == "centre"
    assert {"grayscale", "sepia", "blur", "auto-contrast", "posterize"} <= operations["filters"].keys()
    assert schema(operations["filters"]["blur"])["properties"]["sigma"]["maximum"] == 100
    assert operations["default_preset"] == "web"
    assert operations["warnings"] == WARNING_CODES
    assert schema(operations["metadata"])["properties"]["schema_version"]["const"] == 1
    assert operations["$defs"]["Gps"]["properties"]["speed"]["unit"] == "km/h"
    assert [job["type"] for job in operations["presets"]["web"]["jobs"]] == ["resize", "resize", "resize", "metadata"]
    assert operations["presets"]["web"]["description"]


def test_the_openapi_document_describes_every_route(api: Any) -> None:
    document = api.get("/openapi.json").json()

    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert operations.keys() == {
        "POST /v1/photos",
        "GET /v1/photos",
        "POST /v1/uploads",
        "POST /v1/s3/multipart",
        "GET /v1/s3/multipart/{photo_id}",
        "DELETE /v1/s3/multipart/{photo_id}",
        "GET /v1/s3/multipart/{photo_id}/{part_number}",
        "POST /v1/s3/multipart/{photo_id}/complete",
        "POST /v1/upload-tokens",
        "GET /v1/photos/{photo_id}",
        "DELETE /v1/photos/{photo_id}",
        "GET /v1/photos/{photo_id}/original",
        "POST /v1/photos/{photo_id}/cancel",
        "GET /v1/photos/{photo_id}/jobs",
        "POST /v1/photos/{photo_id}/jobs",
        "GET /v1/photos/{photo_id}/jobs/{job_id}",
        "GET /v1/photos/{photo_id}/jobs/{job_id}/result",
        "GET /v1/photos/{photo_id}/jobs/{job_id}/receipt",
        "GET /v1/photos/{photo_id}/results/{name}",
        "GET /v1/embeds/{link}",
        "GET /v1/batches/{batch_id}",
        "GET /v1/batches/{batch_id}/archive",
        "GET /v1/photos/{photo_id}/archive",
        "GET /v1/archive",
        "GET /v1/events",
        "GET /v1/photos/{photo_id}/events",
        "POST /v1/photos/{photo_id}/jobs/{job_id}/retry",
        "GET /v1/assets",
        "POST /v1/assets",
        "GET /v1/assets/{asset_id}",
        "GET /v1/assets/{asset_id}/file",
        "DELETE /v1/assets/{asset_id}",
        "GET /v1/dead-letters",
        "DELETE /v1/dead-letters",
        "POST /v1/dead-letters/redrive",
        "GET /v1/dead-letters/{photo_id}/{order_id}",
        "DELETE /v1/dead-letters/{photo_id}/{order_id}",
        "POST /v1/dead-letters/{photo_id}/{order_id}/redrive",
        "GET /v1/operations",
        "GET /v1/queue",
        "GET /healthz",
        "GET /readyz",
    }
    ids = [operation["operationId"] for operation in operations.values()]
    assert len(set(ids)) == len(ids)
    for name, operation in operations.items():
        assert operation["tags"], name
        assert operation["summary"], name
        assert "application/problem+json" in operation["responses"]["500"]["content"], name
        assert all("X-Request-Id" in answer["headers"] for answer in operation["responses"].values()), name
    data = {}
    for kind, webhook in document["webhooks"].items():
        event, completed = webhook["post"]["requestBody"]["content"]["application/json"]["schema"]["allOf"]
        assert event == {"$ref": "#/components/schemas/Event"}
        assert completed["properties"]["type"] == {"const": kind}
        data[kind] = completed["properties"]["data"]
    assert data == {
        "photo.completed": {"$ref": "#/components/schemas/CompletedPhotoView"},
        "batch.completed": {"$ref": "#/components/schemas/CompletedBatchView"},
    }
    schemas = document["components"]["schemas"]
    assert "name" in schemas["JobOutcomeView"]["properties"]
    assert schemas["CompletedPhotoView"]["properties"].keys() == (
        schemas["PhotoView"]["properties"].keys() - {"callback"} | {"ended_generation"}
    )
    assert [server["url"] for server in document["servers"]] == ["."], (
        "paths are relative to the document, under any host name"
    )
    upload = operations["POST /v1/photos"]
    assert upload["requestBody"]["required"]
    for status in ("422", "500", "503"):
        described = upload["responses"][status]["content"]["application/problem+json"]["schema"]
        assert {"$ref": "#/components/schemas/BatchProblem"} in described["anyOf"], status
    assert {"multipart/form-data", "application/octet-stream"} <= upload["requestBody"]["content"].keys()
    assert all(kind in upload["requestBody"]["description"] for kind in ("image/jpeg", "image/heic"))
    assert {"jobs", "preset", "filename"} <= {parameter["name"] for parameter in upload["parameters"]}


def test_every_reference_in_the_openapi_document_has_its_schema(api: Any) -> None:
    text = api.get("/openapi.json").text

    wanted = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert wanted <= json.loads(text)["components"]["schemas"].keys()


def test_the_body_that_the_docs_page_offers_adds_jobs(api: Any, picture: bytes) -> None:
    body = api.get("/openapi.json").json()["components"]["schemas"]["JobsBody"]["example"]
    photo = api.upload(("a.jpg", picture), preset="metadata").json()["id"]
    answer = api.post(f"/v1/photos/{photo}/jobs", json=body)
    assert answer.status_code == 202
    assert answer.json()["jobs"][0]["name"] == "small"


def test_without_the_web_page_the_root_leads_to_the_docs(start_api: Any) -> None:
    off = start_api(DARKROOM_WEB_PAGE="off")
    assert off.get("/").headers["Location"] == f"{off.settings.base_url}/docs"


def test_the_original_of_a_photo_can_be_fetched(api: Any, picture: bytes) -> None:
    photo = api.upload(("Ä cat.jpg", picture), preset="metadata").json()
    path = f"/v1/photos/{photo['id']}/original"

    answer = requests.get(api.get(path).headers["Location"], timeout=PATIENCE)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, picture, "image/jpeg")
    assert answer.headers["Content-Disposition"].startswith("inline")
    saved = requests.get(api.get(f"{path}?download=1").headers["Location"], timeout=PATIENCE)
    assert saved.headers["Content-Disposition"].startswith("attachment")
    head = api.ask("HEAD", path)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(picture)))
    assert head.headers["ETag"] == f'"{photo["original"]["sha256"]}"'

    api.services.bucket.remove([api.record(photo["id"]).original.key])
    assert api.get(path).status_code == 404
    awaited = api.post("/v1/uploads", json={"preset": "metadata"}).json()
    assert api.get(f"/v1/photos/{awaited['id']}/original").status_code == 409


def test_the_docs_page_loads_everything_from_the_api(api: Any) -> None:
    page = api.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(sources) == 3
    for source in sources:
        assert "//" not in source
        assert api.get(f"/{source}").status_code == 200


def test_a_valid_request_id_is_kept_and_an_invalid_one_replaced(api: Any) -> None:
    pattern = api.get("/openapi.json").json()["components"]["headers"]["X-Request-Id"]["schema"]["pattern"]
    for valid in ("caller-7.1", "JKJaXmPLvHcESHA="):  # the second one is from API Gateway
        assert api.get("/healthz", headers={"X-Request-Id": valid}).headers["X-Request-Id"] == valid
        assert re.search(pattern, valid)
    for invalid in ("x" * 65, "a b", "né", ""):
        request_id = api.get("/healthz", headers={"X-Request-Id": invalid.encode()}).headers["X-Request-Id"]
        assert re.fullmatch(r"[0-9a-f-]{36}", request_id)


def test_requests_are_logged_with_photo_status_and_duration(api: Any, picture: bytes) -> None:
    answer = api.upload(("a.jpg", picture), preset="metadata")
    photo = answer.json()["id"]
    api.get(f"/v1/photos/{photo}", headers={"X-Request-Id": "look-1"})

    (accepted,) = [line for line in api.logged("photo.accepted") if line["photo"] == photo]
    assert accepted["trace"] == answer.headers["X-Request-Id"]
    (answered,) = [line for line in api.logged("request.answered") if line["trace"] == "look-1"]
    assert (answered["method"], answered["status"], answered["photo"]) == ("GET", 200, photo)
    assert answered["seconds"] >= 0
    assert not [line for line in api.logged("request.answered") if line["path"] == "/healthz"]


def test_answers_have_security_headers(api: Any) -> None:
    headers = api.get("/v1/photos").headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


def test_links_are_relative_without_a_public_url(start_api: Any, picture: bytes) -> None:
    api = start_api(DARKROOM_PUBLIC_URL="")

    answer = api.upload(("a.jpg", picture))

    assert answer.headers["Location"] == f"/v1/photos/{answer.json()['id']}"
    assert api.get(answer.headers["Location"]).status_code == 200


# --- starting and stopping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "phrases"),
    [
        ({"DARKROOM_PORT": "99999", "DARKROOM_API_THREADS": "0"}, ["DARKROOM_PORT", "DARKROOM_API_THREADS"]),
        ({"DARKROOM_DEFAULT_PRESET": "nope"}, ["DARKROOM_DEFAULT_PRESET", "web"]),
        ({"DARKROOM_PRESETS_FILE": "/nowhere.toml"}, ["DARKROOM_PRESETS_FILE", "/nowhere.toml"]),
        ({"DARKROOM_SPOOL_DIR": "/dev/null/spool"}, ["DARKROOM_SPOOL_DIR"]),
        ({"AWS_ENDPOINT_URL": "nonsense"}, ["AWS_ENDPOINT_URL"]),
        ({"DARKROOM_HOST": "nowhere.invalid"}, ["DARKROOM_HOST", "nowhere.invalid"]),
    ],
)
def test_a_wrong_setting_ends_the_start_with_a_plain_message(
    aws_env: dict[str, str], variables: dict[str, str], phrases: list[str]
) -> None:
    message = refusal_to_start(aws_env | variables)

    for phrase in phrases:
        assert phrase in message


def test_the_api_listens_on_ipv6(start_api: Any) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")

    api = start_api(DARKROOM_HOST="::", DARKROOM_AUTH="off")

    assert api.get(f"http://[::1]:{api.settings.port}/healthz").status_code == 200


def test_the_api_writes_to_no_folder_but_its_spool(start_api: Any, tmp_path: Path, picture: bytes) -> None:
    home = tmp_path / "home"
    home.mkdir()
    api = start_api(HOME=str(home), XDG_RUNTIME_DIR=str(home))

    assert api.upload(("a.jpg", picture)).status_code == 202
    assert api.stop() == 0
    assert not list(home.iterdir())
    assert "Traceback" not in api.log_text()
    assert "Warning" not in api.log_text()
