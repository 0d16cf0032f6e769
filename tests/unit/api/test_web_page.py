"""The files of the web page: their size, where they come from, and nothing in them that the browser must not run."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from api.routes.web_page import FOLDER, is_on
from darkroom.settings import Settings

STATIC = FOLDER / "static"
VENDORED = STATIC / "vendor"
OURS = sorted(path for path in (*STATIC.glob("*.js"), *STATIC.glob("*.css"), *(FOLDER / "templates").iterdir()))

MOST = 150_000
"""Bytes of the whole page."""


def test_the_page_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < MOST


def test_every_file_of_others_is_the_one_that_its_package_has() -> None:
    listed = {}
    for package in json.loads((VENDORED / "vendored.json").read_text()):
        assert package["license"]
        assert "LICENSE" in package["sha256"]
        assert package["version"] in package["source"]
        listed |= {f"{package['package']}/{name}": digest for name, digest in package["sha256"].items()}
    found = {
        path.relative_to(VENDORED).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDORED.rglob("*")
        if path.is_file() and path.name != "vendored.json"
    }
    assert found == listed


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_nothing_is_inline_and_no_text_becomes_markup(path: Path) -> None:
    text = path.read_text()
    for pattern in (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|unsafeHTML|unsafeStatic|\beval\(|new Function",
        r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=[\"']|javascript:",
    ):
        assert not re.search(pattern, text), f"{path.name}: {re.search(pattern, text)}"
    assert set(re.findall(r"https?://([^/\"'`]+)", text)) <= {"www.openstreetmap.org", "example.com"}


@pytest.mark.parametrize(
    ("setting", "host", "on"),
    [
        ("auto", "127.0.0.1", True),
        ("auto", "::1", True),
        ("auto", "0.0.0.0", False),
        ("on", "0.0.0.0", True),
        ("off", "127.0.0.1", False),
    ],
)
def test_by_default_the_page_is_there_on_loopback_only(setting: str, host: str, on: bool) -> None:
    assert is_on(Settings(web_page=setting, host=host)) is on
