"""`darkroom asset` against a real API."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from darkroom.jobs.asset_ids import EXAMPLE_LUT, EXAMPLE_PICTURE
from tests.support.example_assets import EXAMPLE_ASSETS
from tests.support.fake_api import run


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    logo, warm = tmp_path / "logo.png", tmp_path / "warm.cube"
    logo.write_bytes(EXAMPLE_ASSETS[EXAMPLE_PICTURE])
    warm.write_bytes(EXAMPLE_ASSETS[EXAMPLE_LUT])
    return logo, warm


def test_assets_are_added_listed_and_removed(api: Any, files: tuple[Path, Path]) -> None:
    added = run("asset", "add", *files, url=api.url)
    assert (added.exit_code, added.stdout.split()) == (0, [EXAMPLE_PICTURE, EXAMPLE_LUT]), added.output
    assert run("asset", "add", files[0], url=api.url).stdout == f"{EXAMPLE_PICTURE}\n"

    rows = [line.split() for line in run("asset", "list", url=api.url).stdout.splitlines()]
    assert rows[0] == ["ID", "NAME", "KIND", "SIZE", "FILE"]
    assert rows[1] == [EXAMPLE_LUT, "warm.cube", "lut", "3D", "2", "0.1", "KB"]
    assert rows[2] == [EXAMPLE_PICTURE, "logo.png", "picture", "8x8", "0.3", "KB"]
    assert rows[-1] == ["2", "of", "at", "most", "100"]
    assert len(json.loads(run("asset", "list", "--json", url=api.url).stdout)["assets"]) == 2

    removed = run("asset", "remove", EXAMPLE_PICTURE, EXAMPLE_LUT, url=api.url)
    assert (removed.exit_code, removed.stdout) == (0, f"removed {EXAMPLE_PICTURE}\nremoved {EXAMPLE_LUT}\n")
    assert api.services.assets.get("default").assets == {}


def test_a_name_is_for_one_file_and_replaces_the_old_one(api: Any, files: tuple[Path, Path]) -> None:
    assert run("asset", "add", *files, "--name", "x", url=api.url).exit_code == 2
    for name in ("one", "two"):
        assert run("asset", "add", files[0], "--name", name, url=api.url).exit_code == 0
        assert api.services.assets.get("default").asset(EXAMPLE_PICTURE).name == name


def test_the_reason_of_a_refusal_is_printed(start_api: Any, files: tuple[Path, Path], tmp_path: Path) -> None:
    api = start_api(DARKROOM_MAX_ASSETS="1")
    note = tmp_path / "note.txt"
    note.write_text("hello")
    refused = run("asset", "add", note, url=api.url)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"Error: {note}: This file cannot be used: an asset is a picture")
    full = run("asset", "add", *files, url=api.url)
    assert (full.exit_code, full.stdout) == (1, f"{EXAMPLE_PICTURE}\n")
    assert full.stderr.startswith(f"Error: {files[1]}: you have 1 of at most 1 assets")
    missing = run("asset", "remove", hashlib.sha256(b"").hexdigest(), url=api.url)
    assert missing.exit_code == 1
    assert "there is no asset" in missing.stderr
