"""Content Credentials: the program that wrote the claim of a C2PA manifest (C2PA specification 2.1, 10 and 11).

The manifest is JUMBF (ISO/IEC 19566-5): boxes, in which the claim is CBOR (RFC 8949). Nothing is checked.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from darkroom.photo_metadata.picture import Provenance
from worker.photo.metadata.embedded import Embedded
from worker.photo.metadata.texts import clean

_MAX_BOXES, _MAX_DEPTH, _MAX_ITEMS = 2_000, 12, 20_000


def provenance(embedded: Embedded) -> Provenance | None:
    """None if the file has no manifest."""
    if not embedded.c2pa:
        return None
    generator = None
    try:
        for claim in _claims(embedded.c2pa):
            generator = _generator(_Cbor(claim).value()) or generator  # the last manifest is the active one
    except (ValueError, IndexError, struct.error, RecursionError):
        pass
    if generator is None:
        embedded.fault("C2PA", "claim", "damaged")
    return Provenance(c2pa=True, claim_generator=generator, bytes=embedded.c2pa_bytes)


def _generator(claim: Any) -> str | None:
    if not isinstance(claim, dict):
        return None
    info = claim.get("claim_generator_info")
    info = info[0] if isinstance(info, list) and info else info
    if isinstance(info, dict) and isinstance(info.get("name"), str):
        return clean(f"{info['name']} {info.get('version') or ''}") or None
    name = claim.get("claim_generator")
    return clean(name) or None if isinstance(name, str) else None


def _claims(data: bytes) -> Iterator[bytes]:
    """The CBOR of each claim. Boxes may stand behind a header of the format, as in HEIF."""
    start = data.find(b"jumb")
    pending = [(max(0, start - 4), len(data), 0)]
    seen = 0
    while pending:
        at, end, depth = pending.pop(0)
        label = b""
        while at + 8 <= end and seen < _MAX_BOXES:
            seen += 1
            size, kind = struct.unpack_from(">I4s", data, at)
            size = size or end - at
            if size < 8:
                break
            body, stop = at + 8, min(at + size, end)
            if kind == b"jumb" and depth < _MAX_DEPTH:
                pending.append((body, stop, depth + 1))
            elif kind == b"jumd":
                label = data[body + 17 : stop].partition(b"\0")[0]
            elif kind == b"cbor" and label.startswith(b"c2pa.claim"):
                yield data[body:stop]
            at += size


class _Cbor:
    """Reads one value of CBOR: maps, lists, texts, bytes, numbers. Tags are passed over."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._items = data, 0, 0

    def value(self, depth: int = 0) -> Any:
        self._items += 1
        if depth > _MAX_DEPTH or self._items > _MAX_ITEMS:
            raise ValueError("more values than a claim has")
        first = self._take(1)[0]
        major, detail = first >> 5, first & 31
        if major == 7:
            return self._simple(detail)
        if detail == 31:
            return self._indefinite(major, depth)
        number = self._number(detail)
        if major in (0, 1):
            return number if major == 0 else -1 - number
        if major in (2, 3):
            data = self._take(number)
            return data if major == 2 else data.decode("utf-8", "replace")
        if major == 4:
            return [self.value(depth + 1) for _ in range(self._possible(number))]
        if major == 5:
            return dict(self._pair(depth) for _ in range(self._possible(number)))
        return self.value(depth + 1)  # a tag

    def _pair(self, depth: int) -> tuple[Any, Any]:
        key, value = self.value(depth + 1), self.value(depth + 1)
        return (key if isinstance(key, str | int | bytes) else str(key)), value

    def _indefinite(self, major: int, depth: int) -> Any:
        """A value without a length: its parts go on up to a mark."""
        values: list[Any] = []
        while self._data[self._at] != 0xFF:
            values.append(self._pair(depth) if major == 5 else self.value(depth + 1))
        self._at += 1
        if major == 5:
            return dict(values)
        if major == 4:
            return values
        return b"".join(values) if major == 2 else "".join(values)

    def _simple(self, detail: int) -> Any:
        if detail in (24, 25, 26, 27):
            self._take(1 << detail - 24)
            return None
        return {20: False, 21: True}.get(detail)

    def _number(self, detail: int) -> int:
        if detail < 24:
            return detail
        if detail > 27:
            raise ValueError("not CBOR")
        return int.from_bytes(self._take(1 << detail - 24), "big")

    def _possible(self, count: int) -> int:
        if count > len(self._data):
            raise ValueError("more values than bytes")
        return count

    def _take(self, size: int) -> bytes:
        data = self._data[self._at : self._at + size]
        if len(data) < size:
            raise ValueError("it ends too early")
        self._at += size
        return data
