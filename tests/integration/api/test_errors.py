"""Every error is a problem document that names what is wrong and in which field."""

from __future__ import annotations

import contextlib
import http.client
import json
import struct
import zlib
from typing import Any

import pytest
import requests

from darkroom.local.emulator import free_port

LIMIT = 200_000


@pytest.fixture(scope="module")
def strict(start_api: Any) -> Any:
    """An API with small limits."""
    return start_api(
        DARKROOM_MAX_PHOTOS="3",
        DARKROOM_MAX_UPLOAD_BYTES=str(LIMIT),
        DARKROOM_MAX_REQUEST_BYTES=str(5 * LIMIT),
    )


def problem(answer: requests.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:darkroom:problem:")
    assert document["title"]
    assert document["detail"]
    assert document["instance"].startswith("/")
    assert document["request_id"] == answer.headers["X-Request-Id"]
    return document


def fields(answer: requests.Response) -> list[str]:
    return [fault["field"] for fault in problem(answer, 422)["errors"]]


def one_colour_png(width: int, height: int) -> bytes:
    """A decompression bomb: few bytes, many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = b"\0" * (width // 8 + 1 + 1)  # one bit a pixel, so that it is made quickly
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_text_file_called_jpg_is_not_a_photo(api: Any) -> None:
    document = problem(api.upload(("photo.jpg", b"Dear diary,\n" * 20)), 415)

    assert "a text file" in document["detail"]
    assert api.messages() == []


def test_a_decompression_bomb_is_refused_before_it_is_queued(api: Any) -> None:
    bomb = one_colour_png(20_000, 15_000)
    assert len(bomb) < 100_000

    document = problem(api.upload(("bomb.png", bomb)), 422)

    assert document["type"] == "urn:darkroom:problem:too_many_pixels"
    assert "300,000,000 pixels" in document["detail"]
    assert api.messages() == []
    assert api.get("/v1/photos").json()["photos"] == []


def test_a_photo_cut_short_in_its_header_is_unreadable(api: Any, picture: bytes) -> None:
    assert problem(api.upload(("a.jpg", picture[:30])), 422)["type"] == "urn:darkroom:problem:unreadable_photo"


def test_an_empty_file_is_not_a_photo(api: Any) -> None:
    assert "empty" in problem(api.upload(("a.jpg", b"")), 415)["detail"]
    assert "empty" in problem(api.post("/v1/photos", headers={"Content-Type": "image/jpeg"}), 415)["detail"]


def test_a_photo_of_too_many_bytes_is_too_large(strict: Any, picture: bytes) -> None:
    large = picture + b"\0" * LIMIT

    for answer in (
        strict.upload(("a.jpg", large)),
        strict.post("/v1/photos", data=large, headers={"Content-Type": "image/jpeg"}),
        strict.post("/v1/photos", data=iter([large]), headers={"Content-Type": "image/jpeg"}),
    ):
        assert "200,000 bytes" in problem(answer, 413)["detail"]
    assert strict.get("/healthz").status_code == 200, "the connection must still work"
    both = strict.upload(("a.jpg", large), ("b.jpg", picture))
    assert both.status_code == 202
    assert [photo["status"] for photo in both.json()["photos"]] == [413, "processing"]


def test_a_request_of_too_many_bytes_is_too_large(strict: Any) -> None:
    # Only the head is sent: it suffices, and a caller that sends a body may not read the answer.
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", strict.settings.port, timeout=60)) as caller:
        caller.putrequest("POST", "/v1/photos")
        caller.putheader("Content-Type", "multipart/form-data; boundary=x")
        caller.putheader("Content-Length", str(5 * LIMIT + 1))
        caller.endheaders()
        answer = caller.getresponse()
        document = json.loads(answer.read())

    assert (answer.status, document["status"]) == (413, 413)
    assert "the request has more than 1,000,000 bytes" in document["detail"]


def test_too_much_text_in_a_form_is_too_large(api: Any, picture: bytes) -> None:
    assert "bytes of text" in problem(api.upload(("a.jpg", picture), reference="x" * 2_000_000), 413)["detail"]


def test_a_form_with_far_too_many_photos_is_too_large(strict: Any) -> None:
    answer = strict.upload(*[("a.jpg", b"hello")] * (3 + 25))

    assert "too many parts (at most 3 files)" in problem(answer, 413)["detail"]


def test_a_json_body_has_a_size_limit(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)

    problem(api.post(photo["links"]["jobs"], json={"preset": "x" * 2_000_000}), 413)


def test_too_many_photos_are_refused_together(strict: Any, picture: bytes) -> None:
    answer = strict.upload(*[("a.jpg", picture)] * 4)

    assert fields(answer) == ["photo"]
    assert "at most 3 photos" in answer.json()["detail"]
    assert strict.upload(*[("a.jpg", picture)] * 3).status_code == 202


def test_all_faults_are_listed_at_once_with_their_paths(api: Any, picture: bytes) -> None:
    api.messages()
    jobs = [
        {"type": "resize"},
        {"type": "resize", "width": 0, "colour": "red"},
        {
            "type": "pipeline",
            "steps": [{"type": "filter", "filter": "blur", "sigma": 1000}, {"type": "resize", "width": "x"}],
        },
        {"type": "filter", "filter": "sepia", "output": {"format": "bmp"}},
        {"type": "twist"},
    ]

    answer = api.upload(
        ("a.jpg", picture), jobs=jobs, preset="nope", metadata={"a": [1], "b": "c"}, reference="r" * 300, colour="red"
    )

    assert sorted(fields(answer)) == sorted(
        [
            "jobs[0]",
            "jobs[1].width",
            "jobs[1].colour",
            "jobs[2].steps[0].sigma",
            "jobs[2].steps[1].width",
            "jobs[3].output.format",
            "jobs[4]",
            "preset",  # there are both jobs and a preset
            "preset",  # no preset has this name
            "metadata.a",
            "reference",
            "colour",
        ]
    )
    assert "and 11 more" in answer.json()["detail"]
    assert api.messages() == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"jobs": "[{"}, "jobs"),
        ({"jobs": "{}"}, "jobs"),
        ({"jobs": "[]"}, "jobs"),
        ({"jobs": [{"type": "metadata"}] * 51}, "jobs"),
        ({"metadata": "[1]"}, "metadata"),
        ({"metadata": {str(number): 1 for number in range(21)}}, "metadata"),
        ({"metadata": {"text": "x" * 2048}}, "metadata"),
        ({"metadata": {"number": 1e38}}, "metadata.number"),
        ({"metadata": {"text": "\x00"}}, "metadata.text"),
        ({"metadata": {"nothing": None}}, "metadata.nothing"),
        ({"reference": "\uffff"}, "reference"),
        ({"preset": "web", "jobs": [{"type": "metadata"}]}, "preset"),
    ],
)
def test_fields_are_checked(api: Any, picture: bytes, given: dict[str, Any], field: str) -> None:
    assert fields(api.upload(("a.jpg", picture), **given)) == [field]


def test_a_tiny_number_is_stored_exactly(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, jobs='[{"type":"filter","filter":"brightness","amount":1e-300}]')

    assert photo["jobs"][0]["spec"]["amount"] == 1e-300
    assert api.get(photo["links"]["self"]).json()["jobs"][0]["spec"]["amount"] == 1e-300


def test_unknown_parts_and_parameters_are_faults(api: Any, picture: bytes) -> None:
    def post(files: list[tuple[str, Any]], data: Any = None) -> list[str]:
        return fields(api.post("/v1/photos", files=files, data=data))

    photo = ("photo", ("a.jpg", picture))
    assert post([photo, ("picture", ("a.jpg", picture))]) == ["picture"]
    assert post([photo, ("jobs", ("jobs.json", b"[]"))]) == ["jobs"]
    assert post([photo], {"preset": ["web", "thumbnail"]}) == ["preset"]
    assert post([("note", (None, "hello"))]) == ["photo", "note"]
    assert post([("photo", (None, "hello"))]) == ["photo"]
    assert fields(api.post("/v1/photos?nonsense=1", data=picture, headers={"Content-Type": "image/jpeg"})) == [
        "nonsense"
    ]


def test_an_upload_of_another_media_type_gets_the_right_one_named(api: Any, picture: bytes) -> None:
    for content_type in ("application/x-www-form-urlencoded", "text/plain"):
        answer = api.post("/v1/photos", data=picture, headers={"Content-Type": content_type})
        assert "multipart/form-data" in problem(answer, 415)["detail"]
    # JSON gives the URL of a photo.
    answer = api.post("/v1/photos", data=picture, headers={"Content-Type": "application/json"})
    assert "multipart/form-data" in problem(answer, 400)["detail"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"hello"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\nabc',
        ),
    ],
)
def test_a_broken_form_is_a_bad_request(api: Any, content_type: str, body: bytes) -> None:
    answer = api.post("/v1/photos", data=body, headers={"Content-Type": content_type})

    assert "multipart" in problem(answer, 400)["detail"]


def test_a_broken_json_body_is_a_bad_request(api: Any, picture: bytes) -> None:
    url = api.upload_photo(picture)["links"]["jobs"]
    as_json = {"Content-Type": "application/json"}

    assert "not valid JSON" in problem(api.post(url, data="{", headers=as_json), 400)["detail"]
    assert "application/json" in problem(api.post(url, data="{}"), 415)["detail"]
    assert fields(api.post(url, json=[])) == ["body"]
    assert fields(api.post(url, json={})) == ["jobs"]
    half_a_character = api.post(url, data='{"\\ud800": 1, "preset": "web"}', headers=as_json)
    assert "a wrong escape" in problem(half_a_character, 400)["detail"]
    assert len(fields(api.post(url, json={str(number): 1 for number in range(1000)}))) == 100
    assert fields(api.post(url, json={"preset": "nope"})) == ["preset"]
    assert fields(api.post(url, json={"jobs": [{"type": "metadata"}], "preset": "web"})) == ["preset"]
    assert fields(api.post(url, json={"jobs": [{"type": "resize", "width": 0}], "x": 1})) == ["jobs[0].width", "x"]


def test_a_misspelt_field_of_a_body_or_a_query_gets_a_suggestion(api: Any) -> None:
    for answer, field in (
        (api.post("/v1/uploads", json={"filename": "a.jpg", "size": 1, "presets": "web"}), "preset"),
        (api.get("/v1/photos?limt=5"), "limit"),
    ):
        (fault,) = problem(answer, 422)["errors"]
        assert fault["detail"] == f"unknown field; did you mean {field}?"


def test_queries_are_checked(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)["links"]["self"]

    assert fields(api.get("/v1/photos?limit=0&status=good&page=2")) == ["limit", "status", "page"]
    assert fields(api.get("/v1/photos?cursor=nonsense")) == ["cursor"]
    assert fields(api.get(photo + "?wait=-1")) == ["wait"]
    assert fields(api.get(photo + "?wait=long")) == ["wait"]


def test_unknown_paths_and_methods_get_404_and_405(api: Any) -> None:
    problem(api.get("/v2/photos"), 404)
    answer = api.ask("PUT", "/v1/photos")
    problem(answer, 405)
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))
    assert api.ask("HEAD", "/v1/photos").status_code == 200
    assert api.ask("OPTIONS", "/v1/photos").status_code == 200


# --- when AWS does not answer ------------------------------------------------------------------------------------


def test_without_aws_every_request_gets_503_with_retry_after(start_api: Any, picture: bytes) -> None:
    api = start_api(AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")

    photo = "/v1/photos/01890000-0000-7000-8000-000000000000"
    for answer in (
        api.upload(("a.jpg", picture)),
        api.post("/v1/photos", data=picture, headers={"Content-Type": "image/jpeg"}),
        api.get("/v1/photos"),
        api.get(photo),
        api.ask("DELETE", photo),
        api.get("/readyz"),
    ):
        problem(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
    batch = api.upload(("a.jpg", picture), ("b.jpg", picture), ("c.jpg", b"hello"))
    document = problem(batch, 503)
    assert [photo["filename"] for photo in document["photos"]] == ["a.jpg", "b.jpg", "c.jpg"]
    assert api.get("/healthz").status_code == 200
    problem(api.upload(("a.jpg", b"hello")), 415)


def test_an_original_that_could_not_be_stored_leaves_a_failed_photo(start_api: Any, picture: bytes) -> None:
    api = start_api()
    api.services.clients.s3.delete_bucket(Bucket=api.settings.bucket)

    answer = api.upload(("a.jpg", picture))

    problem(answer, 503)
    (photo,) = api.get("/v1/photos").json()["photos"]
    assert photo["status"] == "failed"
    assert photo["jobs"][0]["error"]["code"] == "unavailable"
    assert api.messages() == []
    assert f"bucket {api.settings.bucket} does not exist" in problem(api.get("/readyz"), 503)["detail"]


def test_a_message_that_was_not_sent_fails_the_photo_or_is_left_to_the_sweep(start_api: Any, picture: bytes) -> None:
    api = start_api()
    photo = api.upload_photo(picture)
    sqs = api.services.clients.sqs
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=api.settings.photos_queue)["QueueUrl"])

    answer = api.post(photo["links"]["jobs"], json={"jobs": [{"type": "resize", "width": 10}]})

    assert answer.status_code == 202  # the record has the new order
    assert [job["status"] for job in api.get(photo["links"]["jobs"]).json()["jobs"]] == ["queued", "queued"]
    assert api.record(photo["id"]).due_at is not None
    problem(api.upload(("b.jpg", picture)), 503)
    assert api.get("/v1/photos").json()["photos"][0]["status"] == "failed"
    assert f"queue {api.settings.photos_queue} does not exist" in problem(api.get("/readyz"), 503)["detail"]


def test_an_internal_error_shows_only_the_id_of_the_request(start_api: Any, picture: bytes) -> None:
    api = start_api()
    photo = api.upload_photo(picture)
    table, key = api.services.clients.dynamodb, {"pk": f"photo#{photo['id']}"}
    table.update_item(TableName=api.settings.table, Key=key, UpdateExpression="REMOVE version")

    document = problem(api.get(photo["links"]["self"]), 500)

    assert document["request_id"] in document["detail"]
    assert "KeyError" not in json.dumps(document)
    (line,) = api.logged("request.failed")
    assert line["trace"] == document["request_id"]
    assert "KeyError" in line["exception"]
