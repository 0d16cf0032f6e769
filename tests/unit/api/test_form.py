"""A multipart form becomes texts and files, whatever client has made it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from api.uploads.form import Form, read_form

TYPE = {"boundary": "XX"}


def part(head: str | bytes, content: str | bytes = b"") -> bytes:
    first, second = (text.encode() if isinstance(text, str) else text for text in (head, content))
    return b"--XX\r\nContent-Disposition: form-data; " + first + b"\r\n\r\n" + second + b"\r\n"


def read(*parts: bytes, end: bytes = b"--XX--\r\n", **content_type: str) -> Form[Any]:
    body = io.BytesIO(b"".join(parts) + end)
    return read_form(body, TYPE | content_type, {"jobs", "reference"}, io.BytesIO, 1000, 5)


def test_texts_and_files_come_in_their_order() -> None:
    form = read(part('name="b"', "1"), part('name="photo"; filename="a.jpg"', b"\xff\xd8"), part('name="a"', "2"))
    assert form.texts == [("b", "1"), ("a", "2")]
    assert [(file.name, file.filename, file.content.read()) for file in form.files] == [("photo", "a.jpg", b"\xff\xd8")]
    assert form.faults == []


def test_a_text_may_have_a_file_name() -> None:
    """FormData.append("jobs", new Blob([json])) sends one."""
    form = read(part('name="jobs"; filename="blob"\r\nContent-Type: application/json', "[]"))
    assert (form.texts, form.files) == ([("jobs", "[]")], [])


@pytest.mark.parametrize("media_type", ["image/jpeg", "Image/PNG", "application/octet-stream"])
def test_a_part_with_the_type_of_a_photo_is_a_file_without_a_file_name(media_type: str) -> None:
    form = read(part(f'name="photo"\r\nContent-Type: {media_type}', b"\xff\xd8"))
    assert [(file.name, file.filename, file.content.read()) for file in form.files] == [("photo", "", b"\xff\xd8")]


def test_a_part_without_file_name_and_type_is_a_text() -> None:
    assert read(part('name="photo"', "http://a.example/a.jpg")).texts == [("photo", "http://a.example/a.jpg")]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf[]", b"\xff\xfe[\0]\0", b"\xfe\xff\0[\0]"])
def test_a_byte_order_mark_says_the_encoding_and_is_dropped(mark: bytes) -> None:
    assert read(part('name="jobs"', mark)).texts == [("jobs", "[]")]


def test_a_text_that_is_not_utf_8_is_a_fault_and_not_changed() -> None:
    form = read(part('name="reference"', "Größe".encode("latin-1")), part('name="jobs"', "[]"))
    assert form.texts == [("jobs", "[]")]
    ((field, detail),) = [(fault.field, fault.detail) for fault in form.faults]
    assert (field, detail) == ("reference", "is not text in UTF-8")


def test_the_encoding_of_texts_is_taken_from_where_the_form_names_it() -> None:
    text = "中国".encode("gbk")
    of_part = read(part('name="reference"\r\nContent-Type: text/plain; charset=GBK', text))
    of_form = read(part('name="_charset_"', "gbk"), part('name="reference"', text))
    of_request = read(part('name="reference"', text), charset="GB2312")
    assert of_part.texts == of_form.texts == of_request.texts == [("reference", "中国")]


def test_the_encoding_of_file_names_is_taken_from_where_the_form_names_it() -> None:
    head = b'name="photo"; filename="' + "表示.jpg".encode("shift_jis") + b'"'
    of_form = read(part('name="_charset_"', "Shift_JIS"), part(head))
    of_request = read(part(head), charset="shift_jis")
    assert [form.files[0].filename for form in (of_form, of_request)] == ["表示.jpg"] * 2


def test_an_unknown_encoding_is_a_fault() -> None:
    (fault,) = read(part('name="_charset_"', "klingon"), part('name="reference"', "x")).faults
    assert (fault.field, fault.detail) == ("_charset_", "'klingon' is not an encoding of forms; use UTF-8")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ((), "its first boundary is missing"),
        ((b"hello",), "its first boundary is missing"),
        ((part('name="a"', "1"),), "its last boundary is missing"),
        ((b"--XX\r\nContent-Disposition: form-data",), "its last boundary is missing"),
    ],
)
def test_a_form_that_is_cut_short_is_refused(body: tuple[bytes, ...], words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(*body, end=b"")
    assert words in str(caught.value.description)


@pytest.mark.parametrize("head", ["filename=a.jpg", "", 'nome="photo"'])
def test_a_part_without_a_name_is_refused(head: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(part(head))
    assert "a part of the form has no name" in str(caught.value.description)


@pytest.mark.parametrize("boundary", ["", "é"])
def test_a_form_without_a_boundary_is_refused(boundary: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(boundary=boundary)
    assert "names no boundary" in str(caught.value.description)


def test_texts_and_parts_are_bounded() -> None:
    with pytest.raises(RequestEntityTooLarge):
        read(part('name="jobs"; filename="blob"', b"x" * 1001))
    with pytest.raises(RequestEntityTooLarge):
        read(*[part('name="a"')] * 6)


@pytest.mark.parametrize("line", [b"\n", b"\r\n"])
def test_every_cut_of_a_form_is_read_or_refused(line: bytes) -> None:
    parts = part('name="_charset_"', "utf-8") + part("name=jobs; filename*=UTF-8''", "[]")
    whole = (parts + b"--XX--\r\n").replace(b"\r\n", line)
    for size in range(len(whole) - 4):
        with pytest.raises(BadRequest):
            read(whole[:size], end=b"")
    assert read(whole, end=b"").texts == [("jobs", "[]")]
