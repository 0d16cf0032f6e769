"""Archives: results of photos as one zip file, written while it is sent.

Results are compressed already, so the zip stores them as they are. Then its length is known before its content: a
download that ends early is too short, and the client knows it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from zipstream import ZipStream  # type: ignore[import-untyped]

from darkroom.aws.bucket import Bucket
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Result

MAX_FILES = 5000
"""Results in one archive. Each needs some hundred bytes of memory."""


@dataclass(frozen=True)
class ArchiveFile:
    name: str
    """Its path in the archive."""
    result: Result


class ArchivePlaces:
    """How many archives a process sends at a time: each holds a thread. Safe to use from several threads."""

    def __init__(self, threads: int, share: float) -> None:
        self.limit = max(1, min(int(threads * share / 2), threads - 1))
        self.limit_of_owner = max(1, self.limit // 2)
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, owner: str, shared: bool) -> str:
        """Take a place, which `give_back` ends, and return an empty text; or, if none is free, why.

        `shared`: one owner may take only `limit_of_owner` of them.
        """
        with self._lock:
            if self._taken.total() >= self.limit:
                return f"this process sends {self.limit} archives, and no more at the same time"
            if shared and self._taken[owner] >= self.limit_of_owner:
                return (
                    f"this process sends {self.limit_of_owner} archives to you, and no more at the same time; wait for "
                    "one of them to end"
                )
            self._taken[owner] += 1
            return ""

    def give_back(self, owner: str) -> None:
        with self._lock:
            self._taken[owner] -= 1
            if not self._taken[owner]:
                del self._taken[owner]


def files_of(photos: Iterable[PhotoRecord]) -> list[ArchiveFile]:
    """The results of all jobs that have succeeded, under the names that browsers save them with. Of two with the same
    name the second one gets a number."""
    taken: set[str] = set()
    files = []
    for photo in photos:
        for job in photo.jobs.values():
            if job.status == "succeeded" and job.result:
                name = _free_name(job.result.filename, taken)
                taken.add(name.casefold())  # some file systems do not tell a from A
                files.append(ArchiveFile(name, job.result))
    return files


def write(files: Iterable[ArchiveFile], bucket: Bucket) -> tuple[Iterator[bytes], int]:
    """The bytes of the archive, and how many there will be. Raises Unavailable or NotFound while it is read, when a
    result cannot be fetched."""
    archive = ZipStream(sized=True)
    for file in files:
        archive.add(_content(file.result, bucket), file.name, size=file.result.size)
    return iter(archive), len(archive)


def _content(result: Result, bucket: Bucket) -> Iterator[bytes]:
    if result.content is not None:
        yield result.content.encode()
    elif result.key:
        yield from bucket.chunks(result.key)


def _free_name(name: str, taken: set[str]) -> str:
    path, number = PurePosixPath(name), 1
    free = name
    while free.casefold() in taken:
        number += 1
        free = f"{path.stem} ({number}){path.suffix}"
    return free
