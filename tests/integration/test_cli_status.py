"""`darkroom status`, the version and the help texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from darkroom.cli.main import main
from tests.support.fake_api import FakeApi, run, write


def test_status_shows_the_photo_and_its_jobs(fake_api: FakeApi, photo_folder: Path) -> None:
    write(photo_folder, "broken.jpg")
    run("upload", photo_folder, url=fake_api.url)
    result = run("status", "photo-0-broken.jpg", url=fake_api.url)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["status", "failed"] in lines
    assert ["JOB", "NAME", "TYPE", "STATUS", "ATTEMPTS", "RESULT"] in lines
    assert ["job1", "resize", "succeeded", "1", "800x600", "image/jpeg", "93", "KB"] in lines
    assert ["job2", "facts", "metadata", "succeeded", "1", "image/jpeg", "93", "KB"] in lines
    assert "unreadable_photo: The photo is cut short." in result.stdout
    as_json = run("status", "photo-0-broken.jpg", "--json", url=fake_api.url)
    assert json.loads(as_json.stdout) == fake_api.photos["photo-0-broken.jpg"]


def test_status_names_a_file_that_did_not_become_a_photo(fake_api: FakeApi) -> None:
    fake_api.photos["photo-9"] = {
        "id": "photo-9",
        "status": "failed",
        "original": None,
        "upload": {"filename": "note.txt"},
        "created_at": "2026-11-23T12:00:00Z",
        "jobs": [],
    }
    result = run("status", "photo-9", url=fake_api.url)
    assert ["file", "note.txt"] in [line.split() for line in result.stdout.splitlines()]


def test_status_of_an_unknown_photo_says_so(fake_api: FakeApi) -> None:
    result = run("status", "nobody/else", url=fake_api.url)
    assert result.exit_code == 1
    assert result.stderr == f"Error: there is no photo nobody/else at {fake_api.url}\n"


@pytest.mark.parametrize("arguments", [["status", "photo-0"], ["upload", "a.jpg"]])
def test_another_server_at_the_address_is_not_taken_for_darkroom(
    fake_api: FakeApi, photo_folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    write(photo_folder, "a.jpg")
    monkeypatch.chdir(photo_folder)
    result = run(*arguments, url=fake_api.storage_url)
    assert result.exit_code == 1
    assert result.stderr == f"Error: the program that answers at {fake_api.storage_url} is not Darkroom\n"


def test_version_and_help() -> None:
    assert run("--version").stdout.startswith("darkroom 0.")
    for command in main.commands:
        help_text = run(command, "--help").stdout
        assert "Example" in help_text
