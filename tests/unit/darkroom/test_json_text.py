"""JSON of callers: byte order marks are ignored, and what is wrong is said without a library's words."""

from __future__ import annotations

import pytest

from darkroom.jobs.json_text import _OTHER_REASON, _REASONS, NotJson, read_json

JOBS = '[{"type": "metadata"}]'


def refused(given: str | bytes) -> str:
    with pytest.raises(NotJson) as caught:
        read_json(given)
    return str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        JOBS,
        "\ufeff" + JOBS,
        JOBS.encode(),
        JOBS.encode("utf-8-sig"),
        b"\xff\xfe" + JOBS.encode("utf-16-le"),
        b"\xfe\xff" + JOBS.encode("utf-16-be"),
    ],
    ids=["text", "text with a mark", "utf-8", "utf-8 with a mark", "utf-16-le", "utf-16-be"],
)
def test_a_byte_order_mark_is_ignored(given: str | bytes) -> None:
    assert read_json(given) == [{"type": "metadata"}]


@pytest.mark.parametrize("given", [b'["\xfa"]', JOBS.encode("utf-16-le") + b"\xff", b"\xff\xfe\x00"])
def test_bytes_that_are_no_text_are_named(given: bytes) -> None:
    assert refused(given) == "not valid JSON: it is not text in UTF-8"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("[1 2]", "a comma or the closing ] is missing (line 1, column 4)"),
        ('{"a": 1 "b": 2}', "a comma or the closing } is missing (line 1, column 9)"),
        ('{"a" 1}', "a colon is missing after a name (line 1, column 6)"),
        ("[tru]", "without quotes there may only be numbers, true, false and null"),
        ("[NaN]", "a value is missing or wrong"),
        ("[01]", "a number is wrong"),
        ("9" * 5000, "a number has too many digits"),
        ('["\\x"]', "a wrong escape after a backslash"),
        ('["\\ud800"]', "a wrong escape after a backslash"),
        ('["\n"]', "write a line break as \\n"),
        ("[" * 1000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(given: str, words: str) -> None:
    assert words in refused(given)


def test_each_damage_of_a_json_text_has_its_own_words() -> None:
    """Cut, doubled and exchanged characters reach every reason of the parser."""
    text = '{"name": ["v\\u00e9", -1.5e3, true, null, {}], "b": "\\n"}'
    damaged = {
        text[:at] + put + text[at + taken :] for at in range(len(text)) for put in ",:\"'{}[]\\1x\n" for taken in (0, 1)
    }
    reasons = set()
    for given in damaged | {text[:at] for at in range(len(text))}:
        try:
            read_json(given)
        except NotJson as error:
            reasons.add(str(error).removeprefix("not valid JSON: ").partition(" (line")[0])
    assert len(reasons) > 8
    assert reasons <= set(_REASONS.values())
    assert _OTHER_REASON not in reasons
