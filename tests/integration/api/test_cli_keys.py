"""The command line and API keys: it makes and sends keys, explains refusals, and waits for short rate limits."""

from __future__ import annotations

import re
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.http.photo_memory import LARGEST_IN_MEMORY
from darkroom.cli.main import main
from darkroom.client import ApiError, Client
from darkroom.owners import hash_of, new_key, read_owners
from darkroom.settings import Settings

ALICE, BOB = new_key(), new_key()
KEYS = f"alice:{hash_of(ALICE)} bob:{hash_of(BOB)}"
NO_KEY = {"DARKROOM_API_KEY": None, "DARKROOM_API_KEYS": None, "DARKROOM_URL": None}


def run(*arguments: str | Path, **env: str) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)], env=NO_KEY | env, prog_name="darkroom")


@pytest.fixture(scope="module")
def keyed(start_api: Any) -> Any:
    return start_api(DARKROOM_API_KEYS=KEYS)


@pytest.fixture
def photo(tmp_path: Path, picture: bytes) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(picture)
    return path


# --- darkroom key ------------------------------------------------------------------------------------------------


def test_a_new_key_is_printed_with_the_line_for_the_settings() -> None:
    result = run("key", "alice")

    assert result.exit_code == 0
    key, line = result.stdout.splitlines()
    assert re.fullmatch(r"dk_[\w-]{43}", key)
    assert read_owners(Settings(api_keys=line)).owner_of(hash_of(key)) == "alice"
    assert "DARKROOM_API_KEYS" in result.stderr
    assert key not in result.stderr
    assert run("key", "alice").stdout.splitlines()[0] != key


@pytest.mark.parametrize("owner", ["", "a b", "../alice", "a" * 65])
def test_a_key_for_an_invalid_owner_is_not_made(owner: str) -> None:
    refused = run("key", owner)

    assert refused.exit_code == 2
    assert "not a valid owner" in refused.stderr
    assert "dk_" not in refused.stdout


# --- sending a key -----------------------------------------------------------------------------------------------


def test_the_key_is_taken_from_the_option_or_the_variable(keyed: Any, photo: Path) -> None:
    with Client(keyed.url, api_key=ALICE) as client:
        photo_id = client.upload(photo, preset="metadata")["id"]

    assert keyed.record(photo_id).owner == "alice"
    for result in (
        run("status", photo_id, "--url", keyed.url, "--api-key", ALICE),
        run("status", photo_id, "--url", keyed.url, DARKROOM_API_KEY=ALICE),
    ):
        assert result.exit_code == 0, result.output
        assert photo_id in result.stdout
    others = run("status", photo_id, "--url", keyed.url, DARKROOM_API_KEY=BOB)
    assert (others.exit_code, others.stderr) == (1, f"Error: there is no photo {photo_id} at {keyed.url}\n")


def test_an_upload_belongs_to_the_owner_of_the_key(keyed: Any, photo: Path) -> None:
    run("upload", photo, "--preset", "metadata", "--timeout", "1", "--url", keyed.url, DARKROOM_API_KEY=BOB)

    listed = keyed.get("/v1/photos?limit=1", headers={"Authorization": f"Bearer {BOB}"}).json()["photos"]
    assert [keyed.record(photo["id"]).owner for photo in listed] == ["bob"]


def test_a_netrc_file_does_not_replace_the_key(keyed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    with Client(keyed.url, api_key=ALICE) as client:
        assert "web" in client.operations()["presets"]


# --- a wrong key -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "phrase"),
    [
        ({}, "none was sent"),
        ({"DARKROOM_API_KEYS": KEYS}, "none was sent"),
        ({"DARKROOM_API_KEY": new_key()}, "does not know the one that was sent"),
    ],
)
def test_without_a_known_key_it_says_how_to_give_one_and_sends_nothing(
    keyed: Any, photo: Path, env: dict[str, str], phrase: str
) -> None:
    before = keyed.logged("photo.accepted")
    for command in (["upload", photo], ["status", "01890000-0000-7000-8000-000000000000"]):
        refused = run(*command, "--url", keyed.url, **env)

        assert refused.exit_code == 1
        assert phrase in refused.stderr
        assert "--api-key or DARKROOM_API_KEY" in refused.stderr
        assert not [value for value in env.values() if value in refused.output]
    assert keyed.logged("photo.accepted") == before


@pytest.mark.parametrize(
    ("wrong", "phrase"),
    [(f"alice:{hash_of(ALICE)}", "this is the hash"), (hash_of(ALICE), "this is the hash"), ("dk a", "no spaces")],
    ids=["line for the settings", "hash", "space"],
)
def test_a_malformed_key_is_not_sent(wrong: str, phrase: str) -> None:
    refused = run("status", "x", "--url", "http://127.0.0.1:1", DARKROOM_API_KEY=wrong)

    assert refused.exit_code == 2
    assert phrase in refused.stderr
    assert wrong not in refused.output


def test_a_client_that_is_still_sending_reads_the_refusal(keyed: Any, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(30_000_000)

    with Client(keyed.url, api_key=new_key()) as client, pytest.raises(ApiError) as refused:
        client.upload(large)

    assert refused.value.http_status == 401


# --- limits ------------------------------------------------------------------------------------------------------


def test_the_client_waits_for_a_short_rate_limit(start_api: Any) -> None:
    api = start_api(DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="1", DARKROOM_RATE_LIMIT="2/2 seconds")

    with Client(api.url, api_key=ALICE) as client:
        for _ in range(7):
            assert client.operations()["presets"]

    assert [line for line in api.logged("request.answered") if line["status"] == 429]


def test_the_client_does_not_wait_for_a_long_rate_limit(start_api: Any, photo: Path) -> None:
    api = start_api(DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="1", DARKROOM_RATE_LIMIT="1/hour")

    with Client(api.url, api_key=ALICE) as client:
        client.operations()
        for ask in (client.operations, lambda: client.upload(photo)):
            with pytest.raises(ApiError, match="1 per 1 hour") as refused:
                ask()
            assert refused.value.http_status == 429
    assert len([line for line in api.logged("request.answered") if line["status"] == 429]) == 2, (
        "each call must send one request"
    )


@pytest.fixture
def narrow(start_api: Any) -> Any:
    """An API that accepts one upload of an owner at a time."""
    return start_api(DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS="3")


def test_the_client_waits_for_a_free_upload_place(narrow: Any, photo: Path, picture: bytes) -> None:
    photo.write_bytes(picture + bytes(5_000_000))
    large = picture + bytes(LARGEST_IN_MEMORY)  # so that it can be seen on disk
    uploaded: list[str] = []

    def upload() -> None:
        with Client(narrow.url, api_key=ALICE) as client:
            uploaded.append(client.upload(photo, preset="metadata")["id"])

    head = (
        "POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
        f"Authorization: Bearer {ALICE}\r\nContent-Length: {len(large)}\r\n\r\n"
    )
    waiting = threading.Thread(target=upload)
    with socket.create_connection(("127.0.0.1", narrow.settings.port), timeout=60) as slow:
        slow.sendall(head.encode() + large[:1])
        narrow.wait_until("the slow upload has begun", narrow.spooled)
        waiting.start()
        narrow.wait_until("the second upload is refused", lambda: refusals(narrow))
        slow.sendall(large[1:])
        assert slow.recv(65536).startswith(b"HTTP/1.1 202 ")
    waiting.join()

    assert narrow.record(uploaded[0]).original.size == len(picture) + 5_000_000


def refusals(api: Any) -> list[Any]:
    return [line for line in api.logged("request.answered") if line["status"] == 429]
