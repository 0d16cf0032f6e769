from __future__ import annotations

import pytest

from api.filenames import MAX_BYTES, safe_filename


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("beach.jpg", "beach.jpg"),
        ("Strand, Süd (2).jpeg", "Strand, Süd (2).jpeg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\cat.png", "cat.png"),
        ("a\x00b\r\nc.jpg", "abc.jpg"),
        ("exe.\u202egpj", "exe.gpj"),
        ("\uffff.jpg", "jpg"),
        (".htaccess", "htaccess"),
        ("  spaced .jpg ", "spaced.jpg"),
        (
            "family \U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
            "family \U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
        ),
        ("u\u0308.jpg", "ü.jpg"),
        ("archive.tar.gz", "archive.tar.gz"),
    ],
)
def test_a_name_keeps_what_is_harmless(given: str, kept: str) -> None:
    assert safe_filename(given, "jpg") == kept


@pytest.mark.parametrize("given", [None, "", ".", "..", "/", "a/", "\x00", "   "])
def test_a_photo_without_a_name_gets_one(given: str | None) -> None:
    assert safe_filename(given, "heic") == "photo.heic"


def test_a_long_name_keeps_its_ending() -> None:
    name = safe_filename("ä" * 1000 + ".jpg", "jpg")

    assert name.endswith("ä.jpg")
    assert MAX_BYTES - 2 <= len(name.encode()) <= MAX_BYTES


def test_a_long_ending_is_cut() -> None:
    assert len(safe_filename("a." + "b" * 1000, "jpg")) < 30
