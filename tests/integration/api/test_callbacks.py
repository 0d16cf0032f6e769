"""callback_url: the API checks, stores and shows it, and sends no request to it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from darkroom.record.messages import read_webhook
from darkroom.webhooks.callback import MAX_URL
from tests.support.receiver import Receiver

SECRET = "whsec_" + "A" * 43 + "="
URL = "https://hook.example/photos?token=x"


@pytest.fixture(scope="module")
def api(start_api: Any) -> Any:
    return start_api(DARKROOM_WEBHOOK_SECRET=SECRET, DARKROOM_WEBHOOK_PRIVATE_HOSTS="127.0.0.1")


def faults(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(fault["field"], fault["code"]) for fault in answer.json()["errors"]]


def test_a_callback_url_is_stored_and_shown(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, callback_url="HTTPS://Hook.example/photos?token=x")
    assert photo["callback"] == {"url": URL, "deliveries": []}
    assert api.get(photo["links"]["self"]).json()["callback"] == photo["callback"]
    assert api.record(photo["id"]).callback.url == URL


def test_a_raw_upload_has_its_callback_url_in_the_query(api: Any, picture: bytes) -> None:
    answer = api.post("/v1/photos", data=picture, headers={"Content-Type": "image/jpeg"}, params={"callback_url": URL})
    assert answer.status_code == 202, answer.text
    assert answer.json()["callback"]["url"] == URL


def test_every_photo_of_a_batch_has_the_callback_url(api: Any, picture: bytes, webp: bytes) -> None:
    answer = api.upload(("a.jpg", picture), ("b.webp", webp), callback_url=URL)
    assert {photo["callback"]["url"] for photo in answer.json()["photos"]} == {URL}


def test_an_empty_callback_url_means_none(api: Any, picture: bytes) -> None:
    assert api.upload_photo(picture, callback_url="")["callback"] is None


@pytest.mark.parametrize(
    "url",
    [
        "hook.example",
        "http://hook.example/",
        "https://localhost/",
        "https://10.0.0.1/",
        "https://2852039166/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/",
        "https://ann:secret@hook.example/",
        "https://hook.example:22/",
        "https://hook.example/#x",
    ],
)
def test_a_forbidden_callback_url_is_refused(api: Any, picture: bytes, url: str) -> None:
    answer = api.upload(("photo.jpg", picture), callback_url=url, preset="nope")
    assert faults(answer) == [("preset", "unknown_preset"), ("callback_url", "callback_refused")]


def test_a_callback_url_that_is_too_long_is_refused(api: Any, picture: bytes) -> None:
    answer = api.upload(("photo.jpg", picture), callback_url=URL + "a" * MAX_URL)
    assert faults(answer) == [("callback_url", "too_long")]


def test_a_callback_url_is_refused_when_webhooks_are_off(start_api: Any, picture: bytes) -> None:
    answer = start_api().upload(("photo.jpg", picture), callback_url=URL)
    assert faults(answer) == [("callback_url", "webhooks_off")]
    assert "DARKROOM_WEBHOOK_SECRET is not set" in answer.text


def test_the_api_queues_the_webhook_and_calls_no_url_itself(api: Any, picture: bytes) -> None:
    with Receiver() as receiver:
        photo = api.upload_photo(picture, callback_url=receiver.url)
        assert api.post(photo["links"]["cancel"]).status_code == 200
        (received,) = api.services.webhooks.receive(10, wait=5, visibility=60)
        message = read_webhook(received.body)
        assert (message.photo, message.owner, message.generation) == (photo["id"], "default", 1)
        assert receiver.got == []


def test_an_owner_may_have_a_callback_url_for_all_uploads(start_api: Any, picture: bytes, tmp_path: Path) -> None:
    file = tmp_path / "owners.toml"
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("dk_ann", "dk_bob")}
    file.write_text(
        f'[ann]\nkeys = ["{hashes["dk_ann"]}"]\ncallback_url = "https://ann.example/hook"\n'
        f'[bob]\nkeys = ["{hashes["dk_bob"]}"]\n'
    )
    api = start_api(DARKROOM_WEBHOOK_SECRET=SECRET, DARKROOM_OWNERS_FILE=str(file))

    def callback_of(key: str, **fields: str) -> str | None:
        answer = api.post(
            "/v1/photos",
            files={"photo": ("photo.jpg", picture)},
            data=fields,
            headers={"Authorization": f"Bearer {key}"},
        )
        assert answer.status_code == 202, answer.text
        callback = answer.json()["callback"]
        return str(callback["url"]) if callback else None

    assert callback_of("dk_ann") == "https://ann.example/hook"
    assert callback_of("dk_ann", callback_url=URL) == URL
    assert callback_of("dk_bob") is None
