"""What the API makes of a callback_url: it is judged, kept and shown, and nothing is asked for it."""

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


def test_it_is_kept_and_shown(api: Any, picture: bytes) -> None:
    photo = api.taken(picture, callback_url="HTTPS://Hook.example/photos?token=x")
    assert photo["callback"] == {"url": URL, "deliveries": []}
    assert api.get(photo["links"]["self"]).json()["callback"] == photo["callback"]
    assert api.record(photo["id"]).callback.url == URL


def test_a_raw_upload_says_it_in_the_address(api: Any, picture: bytes) -> None:
    answer = api.post("/v1/photos", data=picture, headers={"Content-Type": "image/jpeg"}, params={"callback_url": URL})
    assert answer.status_code == 202, answer.text
    assert answer.json()["callback"]["url"] == URL


def test_every_photo_of_a_batch_has_it(api: Any, picture: bytes, webp: bytes) -> None:
    answer = api.upload(("a.jpg", picture), ("b.webp", webp), callback_url=URL)
    assert {photo["callback"]["url"] for photo in answer.json()["photos"]} == {URL}


def test_without_one_there_is_none(api: Any, picture: bytes) -> None:
    assert api.taken(picture, callback_url="")["callback"] is None


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
def test_one_that_may_not_be_asked_is_refused_by_name(api: Any, picture: bytes, url: str) -> None:
    answer = api.upload(("photo.jpg", picture), callback_url=url, preset="nope")
    assert faults(answer) == [("preset", "unknown_preset"), ("callback_url", "callback_refused")]


def test_one_that_is_too_long_is_refused(api: Any, picture: bytes) -> None:
    answer = api.upload(("photo.jpg", picture), callback_url=URL + "a" * MAX_URL)
    assert faults(answer) == [("callback_url", "too_long")]


def test_where_no_webhooks_are_sent_it_is_refused(start_api: Any, picture: bytes) -> None:
    answer = start_api().upload(("photo.jpg", picture), callback_url=URL)
    assert faults(answer) == [("callback_url", "webhooks_off")]
    assert "DARKROOM_WEBHOOK_SECRET is not set" in answer.text


def test_the_api_asks_nobody_and_leaves_the_end_of_a_photo_to_the_workers(api: Any, picture: bytes) -> None:
    with Receiver() as receiver:
        photo = api.taken(picture, callback_url=receiver.url)
        assert api.post(photo["links"]["cancel"]).status_code == 200
        (received,) = api.services.webhooks.receive(10, wait=5, visibility=60)
        message = read_webhook(received.body)
        assert (message.photo, message.owner, message.generation) == (photo["id"], "default", 1)
        assert receiver.got == []


def test_an_owner_may_have_one_for_all_uploads(start_api: Any, picture: bytes, tmp_path: Path) -> None:
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
