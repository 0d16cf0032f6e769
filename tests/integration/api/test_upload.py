"""POST /v1/photos: which uploads the API accepts, and what it writes to S3, DynamoDB and SQS."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any
from urllib.parse import quote

import pytest

WEB = ["resize", "resize", "resize", "metadata"]


def test_a_form_with_jobs_is_answered_with_the_photo(api: Any, picture: bytes) -> None:
    api.messages()
    jobs = [{"type": "resize", "width": 80}, {"type": "filter", "filter": "sepia"}, {"type": "metadata"}]

    answer = api.upload(("beach.jpg", picture), jobs=jobs, reference="order 7", metadata={"album": 3, "sunny": True})

    assert answer.status_code == 202
    photo = answer.json()
    assert answer.headers["Location"] == f"{api.settings.base_url}/v1/photos/{photo['id']}" == photo["links"]["self"]
    assert answer.headers["Retry-After"] == "1"
    assert photo["status"] == "processing"
    assert photo["owner"] == "default"
    assert photo["reference"] == "order 7"
    assert photo["metadata"] == {"album": 3, "sunny": True}
    assert photo["original"] == {
        "filename": "beach.jpg",
        "content_type": "image/jpeg",
        "size": len(picture),
        "sha256": hashlib.sha256(picture).hexdigest(),
        "width": 640,
        "height": 480,
        "frames": 1,
    }
    assert [(job["type"], job["status"], job["attempts"]) for job in photo["jobs"]] == [
        ("resize", "queued", 0),
        ("filter", "queued", 0),
        ("metadata", "queued", 0),
    ]
    assert photo["jobs"][0]["spec"]["width"] == 80

    record = api.record(photo["id"])
    assert api.services.bucket.read(record.original.key) == picture
    (message,) = api.messages()
    assert message["photo"] == photo["id"]
    assert message["jobs"] == [job["id"] for job in photo["jobs"]]
    assert message["trace"] == answer.headers["X-Request-Id"]


def test_a_preset_stands_for_its_jobs(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, preset="thumbnail")

    assert [job["spec"]["position"] for job in photo["jobs"]] == ["attention"]


def test_without_jobs_and_preset_the_default_preset_is_used(api: Any, picture: bytes) -> None:
    answer = api.upload(("photo.jpg", picture))

    assert [job["type"] for job in answer.json()["jobs"]] == WEB


def test_empty_form_fields_are_ignored(api: Any, picture: bytes) -> None:
    answer = api.upload(("photo.jpg", picture), jobs="", preset="", reference="", metadata="")

    assert answer.status_code == 202
    assert answer.json()["reference"] is None
    assert [job["type"] for job in answer.json()["jobs"]] == WEB


def test_form_fields_may_be_query_parameters(api: Any, picture: bytes) -> None:
    answer = api.post("/v1/photos?preset=metadata&reference=r1", files={"photo": ("photo.jpg", picture)})

    assert answer.status_code == 202
    assert answer.json()["reference"] == "r1"
    assert [job["type"] for job in answer.json()["jobs"]] == ["metadata"]


@pytest.mark.parametrize("content_type", ["image/webp", "image/jpeg", "application/octet-stream"])
def test_a_raw_body_is_a_photo_whatever_image_type_it_claims(api: Any, webp: bytes, content_type: str) -> None:
    headers = {"Content-Type": content_type}

    answer = api.post("/v1/photos?preset=web&filename=forest.webp", data=webp, headers=headers)

    assert answer.status_code == 202, answer.text
    assert answer.json()["original"]["filename"] == "forest.webp"
    assert answer.json()["original"]["content_type"] == "image/webp"
    assert [job["type"] for job in answer.json()["jobs"]] == WEB


def test_a_raw_body_needs_no_type(api: Any, webp: bytes) -> None:
    answer = api.post("/v1/photos?preset=metadata", data=webp)

    assert answer.status_code == 202, answer.text
    assert answer.json()["original"]["content_type"] == "image/webp"


def test_a_raw_body_takes_jobs_and_metadata_as_json_in_the_query(api: Any, webp: bytes) -> None:
    jobs = quote(json.dumps([{"type": "resize", "height": 20}]))
    metadata = quote(json.dumps({"camera": "Ω"}))

    answer = api.post(f"/v1/photos?jobs={jobs}&metadata={metadata}", data=webp, headers={"Content-Type": "image/webp"})

    assert answer.status_code == 202, answer.text
    assert answer.json()["metadata"] == {"camera": "Ω"}
    assert answer.json()["jobs"][0]["spec"]["height"] == 20
    assert answer.json()["original"]["filename"] == "photo.webp"


def test_a_raw_body_may_be_chunked(api: Any, webp: bytes) -> None:
    chunks = (webp[start : start + 100] for start in range(0, len(webp), 100))

    answer = api.post("/v1/photos?preset=web", data=chunks, headers={"Content-Type": "image/webp"})

    assert answer.status_code == 202, answer.text
    assert answer.json()["original"]["size"] == len(webp)


def test_file_names_are_made_safe(api: Any, webp: bytes) -> None:
    answer = api.post(
        "/v1/photos?filename=" + quote("../../etc/\u202egpj.b\x07.webp"),
        data=webp,
        headers={"Content-Type": "image/webp"},
    )

    assert answer.status_code == 422  # a control character in a field is a fault
    assert answer.json()["errors"][0]["field"] == "filename"
    answer = api.upload(("../../etc/bei\u202espiel.webp", webp))
    assert answer.json()["original"]["filename"] == "beispiel.webp"


def form(*parts: tuple[bytes, bytes]) -> dict[str, Any]:
    """A request with a form of these parts, as (head, content), byte for byte."""
    body = b"".join(b"--XX\r\nContent-Disposition: form-data; " + b"\r\n\r\n".join(part) + b"\r\n" for part in parts)
    return {"data": body + b"--XX--\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=XX"}}


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (rb'filename="C:\Users\me\a.jpg"', "a.jpg"),
        (b'filename="Ofsl\xfadyk.jpg"', "Ofslúdyk.jpg"),
        (b"filename*=UTF-8''", "photo.webp"),
        (b"filename*=UTF-8''%E4%B8%AD.jpg", "中.jpg"),
        (b'filename="a%22b\x07.jpg"', 'a"b.jpg'),
        (b'filename="' + b"long" * 10_000 + b'.jpg"', "long" * 49 + ".jpg"),
    ],
    ids=["Windows path", "Latin-1", "empty", "extended", "quotation mark", "long"],
)
def test_a_file_name_is_a_label_that_refuses_no_photo(api: Any, webp: bytes, head: bytes, name: str) -> None:
    answer = api.post("/v1/photos", **form((b'name="photo"; ' + head, webp)))
    assert answer.status_code == 202, answer.text
    assert answer.json()["original"]["filename"] == name


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b'name="jobs"', b"\xef\xbb\xbf" + b'[{"type":"metadata"}]'),
        (b'name="jobs"; filename="blob"\r\nContent-Type: application/json', b'[{"type":"metadata"}]'),
        (b'name="jobs"', '\ufeff[{"type":"metadata"}]'.encode("utf-16-le")),
    ],
    ids=["byte order mark", "Blob", "UTF-16"],
)
def test_jobs_are_taken_as_clients_send_them(api: Any, webp: bytes, head: bytes, text: bytes) -> None:
    answer = api.post("/v1/photos", **form((head, text), (b'name="photo"; filename="a.webp"', webp)))
    assert answer.status_code == 202, answer.text
    assert [job["type"] for job in answer.json()["jobs"]] == ["metadata"]


def test_a_text_in_another_encoding_is_refused_or_read_as_the_form_says(api: Any, webp: bytes) -> None:
    reference = (b'name="reference"', "Größe".encode("latin-1"))
    photo = (b'name="photo"; filename="a.webp"', webp)

    refused = api.post("/v1/photos", **form(reference, photo))
    taken = api.post("/v1/photos", **form((b'name="_charset_"', b"iso-8859-1"), reference, photo))

    assert (refused.status_code, refused.json()["detail"]) == (422, "reference: is not text in UTF-8")
    assert (taken.status_code, taken.json()["reference"]) == (202, "Größe")


def test_each_photo_of_a_batch_is_accepted_or_refused_by_itself(api: Any, picture: bytes, webp: bytes) -> None:
    answer = api.upload(("a.jpg", picture), ("b.jpg", b"hello"), ("c.webp", webp), jobs=[{"type": "metadata"}])

    assert answer.status_code == 202
    batch = answer.json()["batch"]
    first, second, third = answer.json()["photos"]
    assert first["original"]["filename"] == "a.jpg"
    assert first["batch"] == third["batch"] == batch
    assert (second["status"], second["filename"]) == (415, "b.jpg")
    assert "text file" in second["detail"]
    assert third["original"]["filename"] == "c.webp"
    assert api.get(third["links"]["self"]).json()["status"] == "processing"


def test_a_batch_whose_photos_are_all_refused_gets_a_problem_document(api: Any, picture: bytes) -> None:
    answer = api.upload(("a.jpg", b"hello"), ("b.jpg", picture[:20]))

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [(photo["filename"], photo["status"]) for photo in answer.json()["photos"]] == [
        ("a.jpg", 415),
        ("b.jpg", 422),
    ]
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.json()["batch"])


def test_a_photo_expires_after_the_retention_period(start_api: Any, webp: bytes) -> None:
    api = start_api(DARKROOM_RETENTION_DAYS="7")

    photo = api.upload(("a.webp", webp)).json()

    record = api.record(photo["id"])
    assert (record.expires_at - record.created_at).days == 7
    assert photo["expires_at"].endswith("Z")
