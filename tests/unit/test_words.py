"""Callers read our own sentences: no text of a library's error becomes part of one."""

from __future__ import annotations

import ast
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom import errors
from darkroom.errors import PhotoError
from darkroom.sniff import set_pixel_limit, sniff
from tests.support.fuzz.damages import damaged
from tests.support.fuzz.photos import sound_photos
from tests.support.words import FORBIDDEN, ROOMS, ROOT, is_ours

MAX_PIXELS = 4_000_000

TOOLS = ("darkroom/cli", "darkroom/local", "darkroom/provision")
"""Their users run the command, and see what it saw."""

ALLOWED = {
    "api/__main__.py: _check_address": "for operators: a host name that the system does not know",
    "api/http/parse_faults.py: parse_fault": "InvalidHead is ours",
    "api/http/request.py: on_json_loading_failed": "NotJson is ours",
    "api/uploads/asset_content.py: _lut": "CubeError is ours",
    "api/uploads/fields.py: _from_json": "NotJson is ours",
    "darkroom/aws/clients.py: make_clients": "for operators: what botocore needs",
    "darkroom/jobs/json_text.py: read_json": "explained, not repeated",
    "darkroom/owners.py: _read_file": "for operators: what is wrong in their file",
    "darkroom/owners.py: read_owners": "for operators: what is wrong in their file",
    "darkroom/presets.py: _read": "for operators: what is wrong in their file",
    "darkroom/settings.py: prepare_spool": "for operators: what is wrong with their folder",
    "darkroom/settings.py: read_settings": "SettingsError lists faults that are ours",
    "darkroom/sniff.py: _reader_message": "compared, not repeated",
    "darkroom/sniff.py: reading": "compared, not repeated",
    "worker/ingest/notifications.py: read_body": "NotJson is ours",
    "worker/photo/operations/filters/luts.py: _read": "CubeError is ours",
    "worker/photo/operations/resampling.py: _resample_fast": "a bug: callers read of an unexpected error",
    "worker/refusal.py: as_darkroom_error": "the words of the system, such as: no space left on device",
    "worker/webhooks/schedule.py: judge_delivery": "the detail of DeliveryFailed, which is ours",
    "api/uploads/by_url.py: _read_body": "what is wrong with the JSON, in our words",
    "worker/connections.py: reason": "the words of the system, such as: connection refused",
}
"""Where an error's text is used -> why that is right."""

TEXTS = {"args", "strerror", "msg", "message", "reason", "verify_message", "description"}
"""Attributes of an error that hold its text, or a part of it."""


def uses(path: Path) -> Iterator[str]:
    """Where a module repeats the text of an error that it has caught, unless it logs it: `file: function`."""
    tree = ast.parse(path.read_text())
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def above(node: ast.AST) -> Iterator[ast.AST]:
        while node := parents.get(node):  # type: ignore[assignment]
            yield node

    for node in ast.walk(tree):
        match node:
            case ast.FormattedValue(value=ast.Name(id=name)):
                pass
            case ast.Call(func=ast.Name(id="str" | "repr"), args=[ast.Name(id=name)]):
                pass
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute in TEXTS:
                pass
            case _:
                continue
        calls = [ast.unparse(one.func) for one in above(node) if isinstance(one, ast.Call)]
        logged = any(call.startswith(("log.", "current_app.logger.", "print")) for call in calls)
        if logged or not re.fullmatch("e|error|exc|exception|cause|fault", name):
            continue
        function = next((one.name for one in above(node) if isinstance(one, ast.FunctionDef)), "")
        yield f"{path.relative_to(ROOT)}: {function}"


def test_no_sentence_repeats_the_text_of_an_error() -> None:
    modules = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    found = {use for path in modules for use in uses(path) if not use.startswith(TOOLS)}
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    "text",
    [
        "The header is damaged or cut short: unpack_from requires a buffer of at least 7 bytes.",
        "The header is damaged or cut short: index out of range.",
        "This begins like a PNG photo, but its header is damaged: broken PNG file (bad header checksum in b'tEXt').",
        "This begins like a TIFF photo, but its header is damaged or cut short: not identified by this driver.",
        "The JPEG data is damaged or cut short: broken data stream when reading image file.",
        "This begins like an AVIF photo, but its header is damaged: Failed to decode image: BMFF parsing failed.",
        "The result cannot be written as PNG: encoder error -2.",
        "AssertionError: ",
        "RuntimeError: injected",
        "Input should be a valid integer, unable to parse string as an integer",
    ],
)
def test_words_of_libraries_are_recognized(text: str) -> None:
    assert not is_ours(text)


def test_our_own_sentences_have_no_word_of_a_library() -> None:
    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, Exception):
            assert not FORBIDDEN.search((error.__doc__ or "").partition("\n")[0])


def test_every_refusal_of_a_reader_is_in_our_words() -> None:
    set_pixel_limit(MAX_PIXELS)
    sound = sound_photos()
    foreign = {}
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(1500):
            what, data = damaged(20261130, number, sound)
            try:
                sniff(io.BytesIO(data), MAX_PIXELS)
            except PhotoError as error:
                refused += 1
                if not is_ours(error.detail):
                    foreign[number, what] = error.detail
    assert refused > 300
    assert foreign == {}
