"""Which sentences are Darkroom's own, and which fragments give a library away.

Callers read the `detail` of problems, of jobs' errors and of warnings. A sentence is ours if a string of our code has
its form: `The {what} data is damaged or cut short.` stands there with a gap.
"""

from __future__ import annotations

import ast
import functools
import re
import threading
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

ROOMS = ("darkroom", "worker", "api")
"""The folders whose strings are sentences for callers. The command line has its own users."""

LEAST_LETTERS = 10
"""Letters that a form must have outside of its gaps."""

LONGEST_GAP = 400

OF_AN_ERROR = {"error", "exc", "exception", "message", "reason"}
"""Names of variables that may hold the text of a library's error. A string that repeats one is no form of ours."""

FORBIDDEN = re.compile(
    r"""
      \b\w*(?:Error|Exception|Warning)\b | Traceback | \berrno\b | \bNone\b | \bTrue\b | \bFalse\b
    | \b0x[0-9a-f]{7,} | (?<!\w)b['"] | <[\w.]+\ object | \bat\ 0x | __\w+__ | \bself\b
    | unpack | \bbuffer\b | \bcodec\b | bytes-like | object\ has\ no | \bsubscript | indices | out\ of\ range
    | index\ out | integer\ division | invalid\ literal | \bpositional\b | \bkeyword\b | \battribute\b | assert
    | not\ identified | identify\ image | BMFF | data\ stream | File\ Read | file\ is\ truncated | decoder\ error
    | encoder\ error | \bstruct\b | \bdecoder\ object | quantization | Huffman | \bchunk\ checksum | IHDR | fcTL
    | \b(?:libheif|libavif|libde265|libaom|dav1d|libjpeg|libtiff|libpng|libwebp|zlib|lcms|LittleCMS|exiv2|Pillow|PIL
          |cykooz|pydantic|botocore|boto3|werkzeug|[Ff]lask|gunicorn|urllib3|OpenSSL)\b
    | Unspecified | Invalid\ input | [Uu]nsupported\ feature | Unexpected\ end | Memory\ allocation | security\ limit
    | SyntaxError | Corrupt | malformed | syntax\ error | tag\ mismatch | not\ well-formed
    """,
    re.VERBOSE,
)
"""Words of Python and of libraries. Ours stand in none of the sentences for callers."""

_READING = threading.Lock()
"""`ast.parse` of Python 3.11 fails if two threads use it at a time."""


@functools.cache
def is_ours(detail: str) -> bool:
    """Whether a sentence has a form that stands in our code, and no word of a library."""
    with _READING:
        forms = _forms()
    return not FORBIDDEN.search(detail) and any(form.fullmatch(detail) for form in forms)


@functools.cache
def _forms() -> tuple[re.Pattern[str], ...]:
    found = dict.fromkeys(form for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) for form in _of(path))
    return tuple(re.compile(form, re.DOTALL) for form in found)


def _of(path: Path) -> Iterator[str]:
    """The strings of a module as patterns. `{...}` of an f-string, and of a text for `str.format`, is a gap."""
    gap = f".{{0,{LONGEST_GAP}}}?"
    parts: list[str | None]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            if OF_AN_ERROR & {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}:
                continue
            parts = [str(part.value) if isinstance(part, ast.Constant) else None for part in node.values]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts = re.split(r"\{\w*\}", node.value)
            parts = [part for text in texts for part in (text, None)][:-1]
        else:
            continue
        literal = "".join(part for part in parts if part)
        if " " in literal.strip() and sum(map(str.isalpha, literal)) >= LEAST_LETTERS:
            yield "".join(gap if part is None else re.escape(part) for part in parts)
            if "\n" in literal:  # the first line of an error's docstring is its message
                yield re.escape(literal.strip().partition("\n")[0])
