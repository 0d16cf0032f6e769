from __future__ import annotations

import pytest

from darkroom.filenames import MAX_FILENAME, safe_filename


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
    assert safe_filename(given) == kept


@pytest.mark.parametrize("given", [None, "", ".", "..", "/", "a/", "\x00", "   "])
def test_of_no_name_nothing_is_left(given: str | None) -> None:
    assert safe_filename(given) == ""


def test_a_long_name_keeps_its_ending() -> None:
    name = safe_filename("ä" * 1000 + ".jpg")

    assert name.endswith("ä.jpg")
    assert MAX_FILENAME - 2 <= len(name.encode()) <= MAX_FILENAME


def test_only_the_end_of_an_endless_name_is_looked_at() -> None:
    assert safe_filename("a" * 10_000 + "/" + "b" * 1020 + ".jpg").endswith("b.jpg")
    assert safe_filename("\0" * 1_000_000 + "beach.jpg") == "beach.jpg"
    assert safe_filename("beach" + "\0" * 1_000_000 + ".jpg") == "jpg"


def test_a_long_ending_is_cut() -> None:
    assert len(safe_filename("a." + "b" * 1000)) < 30
