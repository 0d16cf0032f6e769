"""Names and file names of the parts of a form, as clients write them."""

from __future__ import annotations

import pytest

from api.uploads.part_head import ENCODINGS, PartHead, known_encoding, read_head
from darkroom.filenames import safe_filename


def head(value: str | bytes, encoding: str | None = None) -> PartHead:
    data = value.encode() if isinstance(value, str) else value
    return read_head(b"Content-Disposition: form-data; " + data + b"\r\nContent-Type: image/jpeg", encoding)


def filename(value: str | bytes, encoding: str | None = None) -> str | None:
    read = head(b'name="photo"; ' + (value.encode() if isinstance(value, str) else value), encoding)
    assert read.name == "photo"
    return read.filename


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('filename="a.jpg"', "a.jpg"),
        ("filename=a.jpg", "a.jpg"),
        ('FileName = "a.jpg"', "a.jpg"),
        ('filename=""', ""),
        ("filename=", ""),
        ('filename="ünï 📷.jpg"', "ünï 📷.jpg"),
        ('filename="a; name=b.jpg"', "a; name=b.jpg"),
        ('filename="100%25 %41.jpg"', "100%25 %41.jpg"),
        ('filename="a%22b.jpg"', 'a"b.jpg'),
        (r'filename="a\"b.jpg"', 'a"b.jpg'),
        ('filename="a"b.jpg"', 'a"b.jpg'),
        ('filename="a%0D%0Ab.jpg"', "a\r\nb.jpg"),
        (r'filename="C:\Users\me\a.jpg"', r"C:\Users\me\a.jpg"),
        (r'filename="C:\Users\me\\"', "C:\\Users\\me\\\\"),
        (r'filename="\\server\share\n.jpg"', r"\\server\share\n.jpg"),
        ('filename="unclosed.jpg', "unclosed.jpg"),
        ("filename*=UTF-8''", ""),
        ("filename*=UTF-8''na%C3%AFve.jpg", "naïve.jpg"),
        ("filename*=utf-8'en'a%20b.jpg", "a b.jpg"),
        ("filename*=ISO-8859-1''%FAd.jpg", "úd.jpg"),
        ("filename*=GBK''%D6%D0.jpg", "中.jpg"),
        ("filename*=UTF-8''%FF%FEa.jpg", "ÿþa.jpg"),
        ("filename*=nonsense''%C3%BC.jpg", "ü.jpg"),
        ("filename*=%C3%BC.jpg", "ü.jpg"),
        ("filename=\"plain.jpg\"; filename*=UTF-8''%E4%B8%AD.jpg", "中.jpg"),
        ("filename*=UTF-8''%E4%B8%AD.jpg; filename=\"plain.jpg\"", "中.jpg"),
        ("filename=\"plain.jpg\"; filename*=UTF-8''", "plain.jpg"),
        ('filename*0="a"; filename*1="b.jpg"', "ab.jpg"),
        ('filename*1="b.jpg"; filename*0="a"', "ab.jpg"),
        ("filename*0*=UTF-8''%E4%B8; filename*1*=%AD; filename*2=\".jpg\"", "中.jpg"),
        ("filename*99999=x", None),
        ("filename*x=y", None),
    ],
)
def test_a_file_name_is_read_as_it_is_meant(written: str, read: str | None) -> None:
    assert filename(written) == read


@pytest.mark.parametrize(
    ("written", "encoding", "read"),
    [
        (b'filename="\xfad.jpg"', None, "úd.jpg"),
        (b'filename="\x93a\x94.jpg"', None, "“a”.jpg"),
        (b'filename="\x81.jpg"', None, "\x81.jpg"),
        ('filename="中国.jpg"'.encode("gbk"), "gb18030", "中国.jpg"),
        ('filename="表.jpg"'.encode("shift_jis"), "shift_jis", "表.jpg"),  # its second byte is a backslash
        ('filename="中国.jpg"'.encode(), "gb18030", "中国.jpg".encode().decode("gb18030")),
        (b'filename="\xff.jpg"', "shift_jis", "ÿ.jpg"),
    ],
)
def test_bytes_that_are_not_utf_8_are_a_name_too(written: bytes, encoding: str | None, read: str) -> None:
    assert filename(written, encoding) == read


def test_gbk_without_its_name_is_taken_with_other_characters() -> None:
    name = filename('filename="中国.jpg"'.encode("gbk"))
    assert name is not None
    assert safe_filename(name).endswith(".jpg")


def test_a_part_without_a_file_name_is_no_file() -> None:
    assert head('name="jobs"').filename is None
    assert head("filename=a.jpg").name is None


def test_headers_may_be_folded_and_come_in_any_order() -> None:
    first = b'Content-Type: text/plain;\r\n charset="gbk"\n'
    data = first + b'CONTENT-DISPOSITION:form-data;\r\n\tname="jobs"\r\nX: y\r\nnonsense'
    assert read_head(data) == PartHead("jobs", None, "text/plain", "gbk")
    assert read_head(b"") == PartHead(None, None, "", "")


def test_every_known_encoding_can_decode_ascii() -> None:
    for name, codec in ENCODINGS.items():
        assert known_encoding(name) == codec
        assert bytes(range(32, 91)).decode(codec) == bytes(range(32, 91)).decode()


@pytest.mark.parametrize("label", ["", "utf-16", "rot13", "base64", "idna", "\0", "x" * 10_000, "unicode_escape"])
def test_any_other_encoding_is_unknown(label: str) -> None:
    assert known_encoding(label) is None


def test_a_long_head_costs_no_time() -> None:
    for text in ('; a="', '";"', ";a ", '" ;', ";x*1=y", "; filename*=u''%"):
        read_head(b"Content-Disposition: form-data" + text.encode() * (250_000 // len(text)))
