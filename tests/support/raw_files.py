"""Camera raw files and Photoshop files, as small as can be."""

from __future__ import annotations

import io
import struct
from typing import Any

from PIL import Image


def jpeg_of(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def raw_file(kind: str, preview: bytes | None, orientation: int = 1, small: bytes = b"") -> bytes:
    """A TIFF with the marks of this kind: `dng`, `cr2`, `nef`, `arw` or another maker. Its raw pixels are 64 bytes.

    `preview` stands in a sub-directory, `small` in the first one. In an ARW and CR2 the preview is in the first one.
    """
    maker = {"nef": b"NIKON CORPORATION\0", "arw": b"SONY\0", "cr2": b"Canon\0"}.get(kind, b"Other\0")
    head = b"II*\0" + struct.pack("<I", 16) + (b"CR\2\0" if kind == "cr2" else bytes(4)) + bytes(4)
    first = small or (preview if kind in ("arw", "cr2") else None)
    tags: list[tuple[int, int, int, int | bytes]] = [
        (254, 4, 1, 1 if kind not in ("arw", "cr2") else 0),
        (256, 4, 1, 8),
        (257, 4, 1, 8),
        (258, 3, 1, 8),
        (259, 3, 1, 6 if first else 1),
        (262, 3, 1, 6 if first else 1),
        (271, 2, len(maker), maker),
        (274, 3, 1, orientation),
        (277, 3, 1, 1),
    ]
    if kind == "dng":
        tags.append((50706, 1, 4, b"\1\4\0\0"))
    body = bytearray()
    subs = [b""] if preview is None or kind in ("arw", "cr2") else [preview]
    count = len(tags) + 2 + 1
    at = 16 + 2 + 12 * count + 4  # where the values begin
    first_data = first or bytes(64)

    def place(data: bytes) -> int:
        start = at + len(body)
        body.extend(data)
        return start

    if kind in ("arw",) and first:
        tags += [(513, 4, 1, place(first_data)), (514, 4, 1, len(first_data))]
    else:
        tags += [(273, 4, 1, place(first_data)), (279, 4, 1, len(first_data))]
    data = place(subs[0] or bytes(64))
    inner = [(254, 4, 1, 1), (256, 4, 1, 8), (257, 4, 1, 8), (513, 4, 1, data), (514, 4, 1, len(subs[0] or bytes(64)))]
    directory = struct.pack("<H", len(inner)) + b"".join(struct.pack("<HHII", *tag) for tag in inner) + bytes(4)
    tags.append((330, 4, 1, place(directory)))
    table = struct.pack("<H", len(tags))
    for number, type_, length, value in sorted(tags, key=lambda tag: tag[0]):
        if isinstance(value, bytes):
            field = value if len(value) <= 4 else struct.pack("<I", place(value))
        else:
            field = struct.pack("<I", value)
        table += struct.pack("<HHI", number, type_, length) + field.ljust(4, b"\0")
    return head + table + bytes(4) + bytes(body)


def photoshop_file(image: Image.Image, resources: bytes = b"") -> bytes:
    """The picture without layers, uncompressed (Adobe Photoshop File Formats, 2019)."""
    planes = b"".join(plane.tobytes() for plane in image.convert("RGB").split())
    head = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, image.height, image.width, 8, 3)
    return head + bytes(4) + struct.pack(">I", len(resources)) + resources + bytes(4) + bytes(2) + planes
