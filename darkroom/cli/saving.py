"""How commands write results to files: under which names, and complete or not at all."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from uuid import uuid4

from darkroom.client import Client, JobJson


def safe_name(name: str) -> str:
    """The name without folders, special characters and leading dots; may be empty."""
    return re.sub(r'[\x00-\x1f<>:"|?*]', "_", re.split(r"[/\\]", name)[-1]).strip(" .")


def free_name(name: PurePath, taken: set[str]) -> PurePath:
    """The name, with a number if it is taken already. Adds it to `taken`."""
    number, free = 1, name
    while key_of(free) in taken:
        number += 1
        free = name.with_stem(f"{name.stem}-{number}")
    taken.add(key_of(free))
    return free


def key_of(path: PurePath) -> str:
    """The same for paths that are one file on a system that ignores case, such as macOS and Windows."""
    return str(path).casefold()


def label_of(job: JobJson) -> str:
    """What messages call a job: its name, or its type."""
    return job["name"] or job["type"]


class ResultFolder:
    """A folder for the results of one photo.

    Downloads go to the folder `partial` first, on the same file system, and move when they are complete.
    """

    def __init__(self, folder: Path, partial: Path) -> None:
        self._folder = folder
        self._partial = partial
        self._taken: set[str] = set()

    def save(self, client: Client, photo_id: str, job: JobJson) -> Path:
        """Download the result of a job that has one. Raises ClientError or OSError."""
        result = job["result"]
        assert result is not None
        name = free_name(PurePath(safe_name(result["filename"]) or job["id"]), self._taken)
        partial = self._partial / uuid4().hex
        client.result(photo_id, job=job["id"], to=partial)
        self._folder.mkdir(parents=True, exist_ok=True)
        return partial.replace(self._folder / name)
