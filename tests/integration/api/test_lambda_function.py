"""The API as a Lambda function below a gateway's stage: what differs from gunicorn, and what events could change."""

from __future__ import annotations

import hashlib
import io
import re
from typing import Any

import pytest
from PIL import Image

from darkroom.local.emulator import free_port
from darkroom.owners import hash_of, new_key
from darkroom.record.keys import original_key
from tests.support.ended_jobs import IN_THE_RECORD, WRITTEN, succeed

STAGE = "prod"
ALICE = new_key()
MIB = 1024 * 1024


@pytest.fixture(scope="module", params=["1.0", "2.0"])
def staged(start_api: Any, request: pytest.FixtureRequest) -> Any:
    port = free_port()
    return start_api(
        payload=request.param,
        LAMBDA_STAGE=STAGE,
        DARKROOM_PORT=str(port),
        DARKROOM_PUBLIC_URL=f"http://127.0.0.1:{port}/{STAGE}",
    )


def test_a_photo_arrives_byte_by_byte(staged: Any, picture: bytes) -> None:
    every_byte = picture + bytes(range(256)) * 16  # readers of JPEG ignore what follows the image
    form = staged.upload(("a.jpg", every_byte), preset="metadata").json()
    raw = staged.post("/v1/photos?preset=metadata", data=every_byte, headers={"Content-Type": "image/jpeg"}).json()

    for photo in (form, raw):
        stored = staged.services.clients.s3.get_object(Bucket=staged.settings.bucket, Key=original_key(photo["id"]))
        assert stored["Body"].read() == every_byte


@pytest.mark.parametrize("content_type", ["image/x-not-in-any-list", "application/octet-stream"])
def test_photos_of_any_content_type_arrive_unchanged(staged: Any, picture: bytes, content_type: str) -> None:
    answer = staged.post("/v1/photos?preset=metadata", data=picture, headers={"Content-Type": content_type})

    assert answer.status_code == 202, answer.text
    assert staged.record(answer.json()["id"]).original.sha256 == hashlib.sha256(picture).hexdigest()


def test_a_photo_that_a_rest_api_decoded_as_text_is_refused(start_api: Any) -> None:
    """Such a photo might still be readable, and show something else."""
    image = io.BytesIO()
    Image.new("L", (8, 8), 200).save(image, "TIFF")
    rest = start_api(payload="1.0")

    answer = rest.post("/v1/photos?preset=metadata", data=image.getvalue())

    assert (answer.status_code, answer.json()["type"]) == (415, "urn:darkroom:problem:unsupported_media_type")
    assert "took this for text" in answer.json()["detail"]
    assert "Content-Type" in answer.json()["detail"]
    assert rest.get("/v1/photos").json()["photos"] == []


def test_a_boundary_may_have_a_comma(staged: Any, picture: bytes) -> None:
    head = b'--a,b\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
    answer = staged.post(
        "/v1/photos?preset=metadata",
        data=head + picture + b"\r\n--a,b--\r\n",
        headers={"Content-Type": 'multipart/form-data; boundary="a,b"'},
    )

    assert answer.status_code == 202, answer.text


def test_every_link_is_below_the_stage(staged: Any, picture: bytes) -> None:
    answer = staged.upload(("a.jpg", picture), preset="metadata")
    photo = answer.json()

    assert answer.headers["Location"] == f"{staged.url}/v1/photos/{photo['id']}"
    assert staged.url.endswith(f"/{STAGE}")
    for link in [*photo["links"].values(), *photo["jobs"][0]["links"].values()]:
        assert link.startswith((f"{staged.url}/v1/photos/{photo['id']}", f"{staged.url}/v1/embeds/"))
    assert staged.get(photo["links"]["self"]).json() == photo
    page = staged.get("/v1/photos?limit=1").json()
    assert staged.get(page["links"]["next"]).status_code == 200


def test_long_responses_are_not_there_and_the_answer_names_what_is(staged: Any, picture: bytes) -> None:
    photo = staged.upload(("a.jpg", picture), preset="metadata").json()
    base = f"/v1/photos/{photo['id']}"
    for path, instead in (("/v1/events", "?wait="), (f"{base}/events", "?wait="), (f"{base}/archive", "by its link")):
        answer = staged.get(path)
        assert (answer.status_code, answer.json()["type"]) == (501, "urn:darkroom:problem:not_configured")
        assert instead in answer.json()["detail"]


def test_the_pages_work_below_the_stage(staged: Any) -> None:
    for page in (staged.get("/"), staged.get("/docs")):
        assert page.headers["Content-Type"].startswith("text/html")
        for source in re.findall(r'(?:src|href)="([^"#]+)"', page.text):
            assert staged.get(f"/{source}").status_code == 200
    document = staged.get("/openapi.json").json()
    assert [server["url"] for server in document["servers"]] == ["."], "paths are relative to the document"


def test_the_link_of_a_result_works(staged: Any, picture: bytes) -> None:
    photo = staged.upload_photo(picture, jobs=[{"type": "resize", "width": 10}])
    staged.change_record(photo["id"], succeed({"filename": "ä.webp", "content_type": "image/webp"}))
    (job,) = staged.record(photo["id"]).jobs.values()
    staged.services.clients.s3.put_object(Bucket=staged.settings.bucket, Key=job.result.key, Body=b"done")

    answer = staged.get(f"/v1/photos/{photo['id']}/jobs/{job.id}/result")

    assert (answer.status_code, answer.content) == (302, b"")
    assert staged.get(answer.headers["Location"]).content == b"done"


@pytest.mark.parametrize("place", ["record", "bucket"])
def test_metadata_is_answered_as_it_was_written(staged: Any, picture: bytes, place: str) -> None:
    photo = staged.upload_photo(picture)
    staged.change_record(photo["id"], succeed(IN_THE_RECORD if place == "record" else None))
    (job,) = staged.record(photo["id"]).jobs.values()
    if place == "bucket":
        staged.services.clients.s3.put_object(Bucket=staged.settings.bucket, Key=job.result.key, Body=WRITTEN)

    answer = staged.get(f"/v1/photos/{photo['id']}/jobs/{job.id}/result")

    assert (answer.headers["Content-Type"], answer.content) == ("application/json", WRITTEN)


def test_queries_keep_repeated_and_encoded_parameters(staged: Any, picture: bytes) -> None:
    jpeg = {"Content-Type": "image/jpeg"}
    twice = staged.post("/v1/photos?preset=web&preset=metadata", data=picture, headers=jpeg)
    assert [(fault["field"], fault["code"]) for fault in twice.json()["errors"]] == [("preset", "duplicate_field")]

    parameters = {"jobs": '[{"type": "metadata"}]', "filename": "100% & more + ä.jpg", "reference": ""}
    photo = staged.post("/v1/photos", params=parameters, data=picture, headers=jpeg).json()
    assert (photo["original"]["filename"], photo["reference"]) == ("100% & more + ä.jpg", None)


@pytest.mark.parametrize("path", ["/v1/photos/%2e%2e/x", "/v1/%E2%86%92", "/v1/%ff", "/v1/ph%6ftos", "/v1/a%2Fb", "/%"])
def test_odd_paths_cause_no_internal_error(staged: Any, path: str) -> None:
    answer = staged.get(path)

    assert answer.status_code == (200 if path == "/v1/ph%6ftos" else 404), answer.text
    assert not staged.logged("request.failed")


def test_answers_without_a_body_have_none(staged: Any, picture: bytes) -> None:
    photo = staged.upload_photo(picture)

    for method, status in (("HEAD", 200), ("OPTIONS", 200), ("DELETE", 204)):
        answer = staged.ask(method, photo["links"]["self"])
        assert (answer.status_code, answer.content) == (status, b""), method
    assert "Content-Type" not in answer.headers


def test_the_request_id_is_that_of_the_gateway(staged: Any) -> None:
    answer = staged.get("/v1/photos/nonsense")

    assert answer.json()["request_id"] == answer.headers["X-Request-Id"] == answer.headers["X-Gateway-Request-Id"]


def test_a_photo_too_large_for_lambda_gets_direct_uploads_named(staged: Any, picture: bytes) -> None:
    fits = picture + bytes(4 * MIB - len(picture))
    jpeg = {"Content-Type": "image/jpeg"}
    assert staged.post("/v1/photos?preset=metadata", data=fits, headers=jpeg).status_code == 202

    for answer in (
        staged.post("/v1/photos?preset=metadata", data=fits + b"x", headers=jpeg),
        staged.upload(("a.jpg", fits), preset="metadata"),
    ):
        assert answer.status_code == 413
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "4,194,304 bytes" in answer.json()["detail"]
        assert "POST /v1/uploads" in answer.json()["detail"]
        assert answer.json()["type"] == "urn:darkroom:problem:request_too_large"


def test_api_keys_work_on_lambda(start_api: Any) -> None:
    keyed = start_api(payload="2.0", DARKROOM_API_KEYS=f"alice:{hash_of(ALICE)}")

    assert keyed.get("/v1/photos").status_code == 401
    assert keyed.get("/v1/photos", headers={"Authorization": f"Bearer {ALICE}"}).status_code == 200
