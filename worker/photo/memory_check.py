"""Ask whether this process can have memory, before a library asks that reports the lack of it badly."""

from __future__ import annotations

import mmap


def require_memory(size: int) -> None:
    """Raise MemoryError if this process cannot have so many bytes. Uses none of them."""
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE).close()
    except OSError as error:
        raise MemoryError from error
