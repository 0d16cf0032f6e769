"""What a caller gives as a photo, as a file that can be sent more than once."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from darkroom.client.client_errors import UnusableFile

PhotoSource = str | os.PathLike[str] | bytes | BinaryIO
"""The path of a file, its bytes, or an open file."""

UNNAMED = "photo"


@dataclass(frozen=True)
class FileToSend:
    """An open file: `size` bytes from its present position on."""

    content: BinaryIO
    name: str
    size: int


@contextmanager
def opened(photo: PhotoSource, filename: str | None) -> Iterator[FileToSend]:
    """The photo as a file. One that cannot be read twice, such as a pipe, is copied to the disk first.

    Raises OSError, and UnusableFile when it is empty or gives text.
    """
    if isinstance(photo, bytes):
        yield _checked(io.BytesIO(photo), filename or UNNAMED)
    elif isinstance(photo, str | os.PathLike):
        path = Path(photo)
        with path.open("rb") as file:
            yield from _rewindable(file, filename or path.name)
    else:
        own = getattr(photo, "name", None)  # an open descriptor has a number here
        yield from _rewindable(photo, filename or (Path(own).name if isinstance(own, str) else UNNAMED))


def require_regular(photo: PhotoSource) -> None:
    """Raises UnusableFile for a path that is no regular file, such as a pipe: its size is not known."""
    if isinstance(photo, str | os.PathLike) and Path(photo).exists() and not Path(photo).is_file():
        raise UnusableFile("a direct upload needs a regular file")


def _rewindable(file: BinaryIO, name: str) -> Iterator[FileToSend]:
    if isinstance(file, io.TextIOBase):
        raise UnusableFile('the file gives text: open it with open(path, "rb")')
    if file.seekable():
        yield _checked(file, name)
        return
    with TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        yield _checked(cast(BinaryIO, copy), name)


def _checked(file: BinaryIO, name: str) -> FileToSend:
    start = file.tell()
    size = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    if size <= 0:
        raise UnusableFile("the file is empty")
    return FileToSend(file, printable(name), size)


def printable(filename: str) -> str:
    """The file name with question marks for bytes that are not text."""
    return filename.encode(errors="replace").decode()
