"""Read JSON that a caller has sent, and say in plain words what is wrong with it."""

from __future__ import annotations

from typing import Any

import pydantic_core


class NotJson(ValueError):
    """A text is not JSON. The message says why, and where."""


BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
"""First bytes of a text -> its encoding (WHATWG Encoding, "BOM sniff"). Windows writes such marks; nobody sees them."""


def decoded(data: bytes, encoding: str = "utf-8") -> str:
    """The text without its byte order mark. A mark decides the encoding (WHATWG Encoding, "decode").

    Raises UnicodeDecodeError.
    """
    for mark, marked in BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(marked)
    return data.decode(encoding)


def read_json(given: str | bytes) -> Any:
    """The value that a text of JSON holds. A byte order mark before it is ignored (RFC 8259, 8.1). Raises NotJson."""
    try:
        text = decoded(given) if isinstance(given, bytes) else given.removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise NotJson("not valid JSON: it is not text in UTF-8") from None
    try:
        return pydantic_core.from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise NotJson(explain_json_error(str(error))) from None


def explain_json_error(reason: str) -> str:
    """pydantic_core's reason why a text is not JSON, such as "trailing comma at line 1 column 4", in plain words."""
    what, _, place = reason.partition(" at line ")
    words = next((words for beginning, words in _REASONS.items() if what.startswith(beginning)), _OTHER_REASON)
    return f"not valid JSON: {words}" + (f" (line {place.replace(' column', ', column')})" if place else "")


_REASONS = {
    "key must be a string": 'names need double quotes, as in {"type": "metadata"}',
    "EOF while parsing": "the JSON ends too early",
    "expected value": "a value is missing or wrong; texts need double quotes",
    "expected ident": "a value is wrong; without quotes there may only be numbers, true, false and null",
    "expected `:`": "a colon is missing after a name",
    "expected `,` or `]`": "a comma or the closing ] is missing",
    "expected `,` or `}`": "a comma or the closing } is missing",
    "trailing comma": "a comma stands before the closing bracket",
    "trailing characters": "something follows the end of the JSON",
    "recursion limit exceeded": "it is nested too deeply",
    "control character": "a text has a control character; write a line break as \\n",
    **dict.fromkeys(
        ("invalid escape", "unexpected end of hex escape", "lone leading surrogate", "invalid unicode code point"),
        "a text has a wrong escape after a backslash; write a backslash itself as \\\\",
    ),
    "invalid number": "a number is wrong; expected one such as 8, -0.5 or 1e3",
    "number out of range": "a number has too many digits",
}
"""The beginning of pydantic_core's reason -> our words."""

_OTHER_REASON = "it is not well-formed"
