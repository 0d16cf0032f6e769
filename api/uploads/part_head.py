"""The head of a part of a multipart form: its name and its file name, as clients really write them.

Clients do not agree. Browsers write the name as it is, in the encoding of the page, with `%22` for a quotation mark
(WHATWG HTML, "multipart/form-data encoding algorithm"). Others escape a quotation mark with a backslash (RFC 9110), or
write `filename*=UTF-8''...` (RFC 5987), or the same in pieces (RFC 2231). A backslash stands for itself everywhere
else, because it is part of a path on Windows.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

LATIN = "windows-1252"
"""What browsers understand by ASCII and Latin-1 (WHATWG Encoding, "Names and labels")."""

ENCODINGS = {
    "utf-8": "utf-8",
    **dict.fromkeys(("ascii", "iso8859-1", "cp1252"), LATIN),
    **{name: name for name in (f"iso8859-{part}" for part in range(2, 17) if part != 12)},
    **{name: name for name in ("cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258")},
    **{name: name for name in ("koi8-r", "koi8-u", "cp874", "big5", "cp950", "shift_jis", "cp932", "euc_jp")},
    **dict.fromkeys(("gb2312", "gbk", "gb18030"), "gb18030"),
    **dict.fromkeys(("euc_kr", "cp949"), "cp949"),
}
"""Python's names of the encodings of forms -> the one that decodes it. ASCII has the same bytes in each of them."""


def known_encoding(label: str) -> str | None:
    """The codec for the label of an encoding, such as `GBK`. None for a label that forms do not have."""
    try:
        return ENCODINGS.get(codecs.lookup(label.strip()).name)
    except (LookupError, UnicodeError, ValueError):
        return None


@dataclass(frozen=True)
class PartHead:
    """`filename` is None if the head names none, and may be empty. `media_type`: the Content-Type of the part without
    its parameters, in small letters, and `charset` the label in it; each empty if there is none."""

    name: str | None
    filename: str | None
    media_type: str
    charset: str

    @property
    def is_file(self) -> bool:
        """Whether the part has a file name, or at least the type of a photo (RFC 7578, 4.2: the name is optional)."""
        return (
            self.filename is not None
            or self.media_type.startswith("image/")
            or self.media_type == "application/octet-stream"
        )


def read_head(data: bytes, encoding: str | None = None) -> PartHead:
    """Read the header lines of a part. `encoding`: the one that the form names for its texts."""
    headers = _headers(data)
    disposition = _parameters(_text(headers.get(b"content-disposition", b""), encoding))
    content_type = headers.get(b"content-type", b"").decode("latin-1")
    return PartHead(
        name=disposition.get("name"),
        filename=disposition.get("filename"),
        media_type=content_type.partition(";")[0].strip().lower(),
        charset=_parameters(content_type).get("charset", ""),
    )


_LINE_BREAK = re.compile(rb"\r\n|\r|\n")
_FOLDED = re.compile(rb"(?:\r\n|\r|\n)[ \t]+")


def _headers(data: bytes) -> dict[bytes, bytes]:
    """Name in small letters -> value. The first header of a name counts."""
    found: dict[bytes, bytes] = {}
    for line in _LINE_BREAK.split(_FOLDED.sub(b" ", data)):
        name, _, value = line.partition(b":")
        found.setdefault(name.strip().lower(), value.strip())
    return found


def _text(value: bytes, encoding: str | None) -> str:
    """The text of a header, which is a label: no byte makes it an error. Without a named encoding, what is not UTF-8 is
    read as Latin."""
    for candidate in (encoding, "utf-8", LATIN):
        if candidate:
            try:
                return value.decode(candidate)
            except UnicodeDecodeError:
                continue
    return value.decode("latin-1")


_NAME = re.compile(r";\s*([^\s=;\"]+)\s*=\s*")
_AFTER_QUOTE = re.compile(r"\s*(?:;|$)")


def _parameters(value: str) -> dict[str, str]:
    """The parameters of a header: name in small letters -> text."""
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    position = 0
    while found := _NAME.search(value, position):
        given, position = _value_at(value, found.end())
        name, star, rest = found[1].lower().partition("*")
        number, is_extended = rest.removesuffix("*"), rest.endswith("*") or (bool(star) and not rest)
        if number.isdecimal() and len(number) < 4:
            pieces.setdefault(name, {}).setdefault(int(number), (given, is_extended))
        elif is_extended and not number:
            extended.setdefault(name, _extended([(given, True)]))
        elif not star:
            plain.setdefault(name, given)
    joined = {name: _extended([numbered[at] for at in sorted(numbered)]) for name, numbered in pieces.items()}
    found_names = plain | joined | extended
    # An empty extended value does not replace a plain one.
    return {name: extended.get(name) or joined.get(name) or plain.get(name, "") for name in found_names}


def _value_at(text: str, start: int) -> tuple[str, int]:
    """The value that begins here, quoted or not, and the position behind it.

    A quoted value ends at the first quotation mark that a semicolon or the end follows. So a backslash before it is the
    end of a path, and a quotation mark inside a name that nobody has escaped is a part of the name.
    """
    if text[start : start + 1] != '"':
        end = text.find(";", start)
        end = len(text) if end < 0 else end
        return text[start:end].strip(), end
    quote = start
    while (quote := text.find('"', quote + 1)) >= 0:
        if _AFTER_QUOTE.match(text, quote + 1):
            break
    end = len(text) if quote < 0 else quote
    inner = text[start + 1 : end].replace('\\"', '"')
    for escaped, char in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        inner = inner.replace(escaped, char)
    return inner, end + 1


def _extended(values: list[tuple[str, bool]]) -> str:
    """Join the pieces of a value. Those that are marked as extended have their bytes percent-encoded, and the first one
    names their encoding: `UTF-8'en'na%C3%AFve`."""
    encoding: str | None = None
    data = b""
    for number, (text, is_extended) in enumerate(values):
        if not is_extended:
            data += text.encode(encoding or "utf-8", errors="replace")
            continue
        if number == 0 and text.count("'") >= 2:
            label, _, text = text.split("'", 2)
            encoding = known_encoding(label)
        data += unquote_to_bytes(text)
    return _text(data, encoding)
