"""What a file is, by its first bytes."""

from __future__ import annotations

import re

_SIGNATURES = [
    (rb"\xff\xd8\xff", "a JPEG", "JPEG"),
    (rb"\x89PNG\r\n\x1a\n", "a PNG", "PNG"),
    (rb"RIFF....WEBP", "a WebP", "WEBP"),
    (rb"GIF8[79]a", "a GIF", "GIF"),
    (rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]", "a TIFF", "TIFF"),
    (rb"....ftypavi[fs]", "an AVIF", "AVIF"),
    (rb"....ftyp", "a HEIC", "HEIF"),
    (rb"RIFF....AVI ", "a video (AVI)", None),
    (rb"\x1aE\xdf\xa3", "a video (Matroska or WebM)", None),
    (rb"%PDF-", "a PDF", None),
    (rb"8BPS", "a Photoshop file", "PSD"),
    (rb"BM....\0\0\0\0", "a BMP", "BMP"),
    (rb"\0\0\0\x0cJXL \r\n|\xff\x0a", "a JPEG XL", None),
    (rb"\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51", "a JPEG 2000", None),
    (rb"\0\0\x01\0", "an icon (ICO)", None),
    (rb"PK\x03\x04", "a ZIP archive or office document", None),
    (rb"\x1f\x8b", "a gzip archive", None),
    (rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<svg", "an SVG drawing", None),
    (rb"\s*<(?:!doctype html|html)", "an HTML page", None),
]
"""First bytes (from the specifications) -> what the file is, and Pillow's name of the format if it is accepted.
darkroom/containers/isobmff.py has refused other files with `ftyp` before."""


def kind_of_file(head: bytes) -> tuple[str, str | None]:
    """What a file with these first bytes is, for people, and Pillow's name of its format if that can be accepted."""
    matching = (entry for entry in _SIGNATURES if re.match(entry[0], head, re.DOTALL | re.IGNORECASE))
    _, what, name = next(matching, (b"", _unknown(head), None))
    return what, name


def _unknown(head: bytes) -> str:
    if not head:
        return "an empty file"
    unknown = "not a photo in a known format"
    try:
        text = head.decode(errors="strict" if len(head) < 512 else "ignore")
    except UnicodeDecodeError:
        return unknown
    return "a text file" if all(char.isprintable() or char.isspace() for char in text) else unknown
