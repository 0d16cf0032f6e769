"""What the client sends, and what it keeps: forms, fields, notes, types."""

from __future__ import annotations

import io
import json
import tomllib
from pathlib import Path

import pytest

from darkroom.client import UnusableFile
from darkroom.client.file_to_send import opened
from darkroom.client.form_body import FormBody
from darkroom.client.resume_notes import ResumeNote, state_folder
from darkroom.client.upload_arguments import fields_of, key_header, texts_of
from darkroom.settings import PROJECT


def whole(form: FormBody, size: int = 7) -> bytes:
    return b"".join(iter(lambda: form.read(size), b""))


def test_a_form_is_the_same_when_it_is_sent_again() -> None:
    prefixed = io.BytesIO(b"prefix" + b"first file")
    prefixed.seek(6)
    with opened(prefixed, "a.jpg") as first, opened(b"second file", "ä.jpg") as second:
        form = FormBody({"preset": "web"}, "photo", [first, second])
        sent = whole(form)
        assert len(form) == len(sent) == form.tell()
        form.seek(0)
        assert form.tell() == 0
        assert whole(form, 1000) == sent
    assert b"prefix" not in sent
    assert sent.index(b"web") < sent.index(b"a.jpg") < sent.index(b"first file") < sent.index("ä.jpg".encode())
    assert sent.count(b'name="photo"') == 2


def test_only_texts_are_written_as_they_are() -> None:
    fields = fields_of({"jobs": [{"type": "metadata"}], "reference": "7", "public": True, "preset": None}, dedupe=None)
    assert fields == {"jobs": [{"type": "metadata"}], "reference": "7", "public": True}
    assert texts_of(fields) == {"jobs": '[{"type":"metadata"}]', "reference": "7", "public": "true"}


def test_names_of_files_and_keys_are_no_fields() -> None:
    assert fields_of({"filename": "a.jpg", "idempotency_key": "k"}) == {}


def test_a_key_is_quoted_and_new_each_time() -> None:
    assert key_header("order-7") == {"Idempotency-Key": '"order-7"'}
    assert key_header() != key_header()


@pytest.mark.parametrize("name", [None, 4711])
def test_a_file_without_a_name_of_its_own_gets_one(name: object) -> None:
    file = io.BytesIO(b"x")
    file.name = name  # type: ignore[attr-defined]
    with opened(file, None) as sent:
        assert (sent.name, sent.size) == ("photo", 1)


def test_a_file_that_was_read_to_its_end_is_empty() -> None:
    file = io.BytesIO(b"x")
    file.read()
    with pytest.raises(UnusableFile, match="the file is empty"), opened(file, None):
        pass


@pytest.mark.parametrize("content", ["", "[]", "null", '{"uploadId": "u"}', '{"uploadId": "u", "part_bytes": "many"}'])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    note = ResumeNote("url", "path")
    assert note.read() is None
    note.write({"uploadId": "u", "part_bytes": 5, "parts": [{"PartNumber": 1, "ETag": "e"}]})
    assert note.read() == {"uploadId": "u", "part_bytes": 5, "parts": [{"PartNumber": 1, "ETag": "e"}]}
    assert ResumeNote("url", "other path").read() is None
    (file,) = state_folder().iterdir()
    assert json.loads(file.read_text())["uploadId"] == "u"
    file.write_text(content)
    assert note.read() is None


def test_type_checkers_of_other_programs_read_its_types() -> None:
    """PEP 561: the file must be in the package, and be installed with it."""
    assert (PROJECT / "darkroom/py.typed").is_file()
    setuptools = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert "py.typed" in setuptools["package-data"]["darkroom"]
