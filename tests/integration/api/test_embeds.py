"""Embed links: addresses of results that need no key and stay the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests

from darkroom.owners import hash_of, new_key
from darkroom.record.clock import now
from darkroom.record.keys import result_key
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Result
from darkroom.signed_texts import Signer

ALICE, BOB = new_key(), new_key()
SIGNING = "a-signing-key-of-32-characters-or-more"
FILE = b"no real JPEG, but as long as one of 48 bytes is."


@pytest.fixture(scope="module")
def keyed(start_api: Any) -> Any:
    return start_api(
        DARKROOM_API_KEYS=f"alice:{hash_of(ALICE)} bob:{hash_of(BOB)}",
        DARKROOM_SIGNING_KEYS=SIGNING,
        DARKROOM_PUBLIC_OWNERS="bob",
    )


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def upload(api: Any, picture: bytes, key: str = ALICE, **fields: Any) -> requests.Response:
    jobs = [{"type": "resize", "width": 20, "name": "small"}, {"type": "metadata", "name": "facts"}]
    answer: requests.Response = api.ask(
        "POST",
        "/v1/photos",
        files=[("photo", ("cat.jpg", picture))],
        data={"jobs": str(jobs).replace("'", '"')} | fields,
        headers=bearer(key),
    )
    return answer


def finish(api: Any, photo_id: str, file: bytes = FILE) -> None:
    """Store the results of both jobs as a worker does."""
    photo = api.record(photo_id)
    (order,) = photo.orders
    fence = photo.fence_counter + 1
    results = {}
    for job in photo.jobs.values():
        made = {"filename": f"cat-{job.name}", "size": len(file), "sha256": hash_of(file.decode())}
        if job.name == "facts":
            results[job.id] = Result(content=file.decode(), content_type="application/json", **made)
        else:
            key = result_key(photo_id, job.id, fence, "jpg")
            stored = {"CacheControl": "public, max-age=31536000, immutable", "ContentDisposition": "inline"}
            api.services.clients.s3.put_object(
                Bucket=api.settings.bucket, Key=key, Body=file, ContentType="image/jpeg", **stored
            )
            results[job.id] = Result(key=key, content_type="image/jpeg", **made)

    def publish(record: PhotoRecord) -> None:
        claim = record.claim(order, 5, 90, 300)
        record.publish(claim, results)

    api.change_record(photo_id, publish)


def embeds(api: Any, photo_id: str, key: str = ALICE) -> dict[str, str]:
    jobs = api.get(f"/v1/photos/{photo_id}", headers=bearer(key)).json()["jobs"]
    return {job["name"]: job["links"].get("embed") for job in jobs}


def test_a_link_is_known_before_the_work_is_done_and_stays_the_same(keyed: Any, picture: bytes) -> None:
    photo = upload(keyed, picture).json()["id"]
    before = embeds(keyed, photo)
    assert keyed.get(before["small"]).status_code == 409
    finish(keyed, photo)
    assert embeds(keyed, photo) == before

    redirect = keyed.get(before["small"])

    assert redirect.status_code == 302
    assert redirect.headers["Cache-Control"] == "public, max-age=300"
    file = requests.get(redirect.headers["Location"], timeout=10)
    assert (file.content, file.headers["Content-Type"]) == (FILE, "image/jpeg")
    assert file.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert file.headers["Content-Disposition"].startswith("inline")
    part = requests.get(redirect.headers["Location"], headers={"Range": "bytes=3-7"}, timeout=10)
    assert (part.status_code, part.content) == (206, FILE[3:8])


def test_head_range_and_conditional_requests_work_on_every_address_of_a_result(keyed: Any, picture: bytes) -> None:
    photo = upload(keyed, picture).json()["id"]
    finish(keyed, photo)
    links = embeds(keyed, photo)
    own = {name: f"/v1/photos/{photo}/results/{name}" for name in links}
    for address, key in ((links, {}), (own, bearer(ALICE))):
        for name, url in address.items():
            head = keyed.ask("HEAD", url, headers=key)
            assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(FILE)))
            assert head.headers["Accept-Ranges"] == "bytes"
            assert head.headers["Content-Disposition"].startswith(f'inline; filename="cat-{name}"')
            same = keyed.get(url, headers=key | {"If-None-Match": head.headers["ETag"]})
            assert (same.status_code, same.headers["ETag"]) == (304, head.headers["ETag"])
            download = keyed.ask("HEAD", f"{url}?download=1", headers=key)
            assert download.headers["Content-Disposition"].startswith("attachment; ")
        part = keyed.get(address["facts"], headers=key | {"Range": "bytes=3-7"})
        assert (part.status_code, part.content) == (206, FILE[3:8])
        assert part.headers["Content-Range"] == f"bytes 3-7/{len(FILE)}"
        saved = requests.get(keyed.get(f"{address['small']}?download=1", headers=key).headers["Location"], timeout=10)
        assert saved.headers["Content-Disposition"].startswith("attachment; ")


@pytest.mark.parametrize("header", ["pages=1-2", "bytes=0-1,5-6", "bytes=x"])
def test_a_range_that_is_not_understood_is_ignored(keyed: Any, picture: bytes, header: str) -> None:
    photo = upload(keyed, picture).json()["id"]
    finish(keyed, photo)
    whole = keyed.get(embeds(keyed, photo)["facts"], headers={"Range": header})
    assert (whole.status_code, whole.content) == (200, FILE)


def test_head_ignores_a_range_and_a_range_beyond_the_end_is_refused_with_the_length(keyed: Any, picture: bytes) -> None:
    photo = upload(keyed, picture).json()["id"]
    finish(keyed, photo)
    link = embeds(keyed, photo)["facts"]
    head = keyed.ask("HEAD", link, headers={"Range": "bytes=3-7"})
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(FILE)))
    beyond = keyed.get(link, headers={"Range": "bytes=99-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(FILE)}")
    assert beyond.headers["Content-Type"] == "application/problem+json"
    newer = keyed.get(link, headers={"Range": "bytes=3-7", "If-Range": '"another"'})
    assert (newer.status_code, newer.content) == (200, FILE)


def test_no_log_line_has_a_link(keyed: Any, picture: bytes) -> None:
    photo = upload(keyed, picture).json()["id"]
    link = embeds(keyed, photo)["small"]
    assert keyed.get(link).status_code == 409
    assert link.rpartition("/")[2] not in keyed.log_text()
    assert "/v1/embeds/<link>" in {line["path"] for line in keyed.logged("request.answered")}


def test_a_link_of_a_deleted_photo_leads_nowhere(keyed: Any, picture: bytes) -> None:
    photo = upload(keyed, picture).json()["id"]
    link = embeds(keyed, photo)["small"]
    keyed.ask("DELETE", f"/v1/photos/{photo}", headers=bearer(ALICE))
    assert keyed.get(link).status_code == 404


def test_a_wrong_or_expired_link_says_so(keyed: Any, picture: bytes) -> None:
    photo = upload(keyed, picture).json()["id"]
    link = embeds(keyed, photo)["small"]
    old = Signer([SIGNING]).sign("embed-link", [photo, "small", "", int((now() - timedelta(hours=1)).timestamp())])
    foreign = Signer(["another-key-of-32-characters-or-more"]).sign("embed-link", [photo, "small", "", 0])
    token = Signer([SIGNING]).sign("upload-token", [photo, "small", "", 0])
    for text, code in (
        (f"{link.rpartition('/')[2]}x", "invalid"),
        (old, "expired"),
        (foreign, "invalid"),
        (token, "invalid"),
    ):
        answer = keyed.get(f"/v1/embeds/{text}")
        assert (answer.status_code, answer.json()["type"]) == (403, f"urn:darkroom:problem:embed_{code}")


def test_only_the_owners_that_may_upload_public_photos(keyed: Any, picture: bytes) -> None:
    refused = upload(keyed, picture, public="true")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "public_not_allowed")
    assert "DARKROOM_PUBLIC_OWNERS" in refused.json()["detail"]

    photo = upload(keyed, picture, BOB, public="true").json()["id"]

    text = embeds(keyed, photo, BOB)["small"].rpartition("/")[2]
    assert Signer([SIGNING]).read("embed-link", text) == [photo, "small", "", 0]


def test_without_a_signing_key_there_are_no_links(start_api: Any, picture: bytes) -> None:
    api = start_api(DARKROOM_API_KEYS=f"alice:{hash_of(ALICE)}")
    photo = upload(api, picture).json()["id"]
    assert embeds(api, photo) == {"small": None, "facts": None}


def test_with_a_cdn_the_address_is_that_of_the_object_and_an_earlier_link_redirects_there(
    start_api: Any, picture: bytes
) -> None:
    api = start_api(DARKROOM_CDN_URL="https://cdn.example.com")
    photo = upload(api, picture).json()["id"]
    early = embeds(api, photo)
    finish(api, photo)
    links = embeds(api, photo)

    assert links["small"].startswith("https://cdn.example.com/results/")
    assert links["facts"] == early["facts"]  # it stands in the record, so it has no object
    redirect = api.get(early["small"])
    assert (redirect.status_code, redirect.headers["Location"]) == (302, links["small"])
    saved = api.get(f"{early['small']}?download=1")
    assert "response-content-disposition=attachment" in saved.headers["Location"]
