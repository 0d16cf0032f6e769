"""Notes of uploads in parts that have begun: files below the user's state folder, each for one file and its jobs.

A note names the photo that waits for the parts, so that the same call continues after the process was killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from darkroom.client.answers import MultipartJson

KEPT = 2 * 24 * 3600
"""Seconds. An upload can be continued for a day, so an older note is of no use."""

KEPT_MEMBERS: tuple[Literal["uploadId", "part_bytes", "parts"], ...] = ("uploadId", "part_bytes", "parts")


def state_folder() -> Path:
    """XDG Base Directory Specification: state that persists between runs."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "darkroom" / "uploads"


class ResumeNote:
    """The note of the upload that these facts identify: address of the API, path, size, time of change, fields."""

    def __init__(self, *facts: Any) -> None:
        name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        self._file = state_folder() / f"{name}.json"

    def read(self) -> MultipartJson | None:
        """None without a note that can be read."""
        try:
            note = json.loads(self._file.read_text())
            upload: MultipartJson = {"uploadId": str(note["uploadId"]), "part_bytes": int(note["part_bytes"])}
            if parts := note.get("parts"):
                upload["parts"] = list(parts)
            return upload
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None

    def write(self, upload: MultipartJson) -> None:
        """Keep the note, and remove those that are too old to be of use."""
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        remove_old_notes(self._file.parent)
        written = self._file.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps({name: upload[name] for name in KEPT_MEMBERS if name in upload}))
        written.replace(self._file)

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)


def remove_old_notes(folder: Path) -> None:
    """Remove the notes of uploads that were never ended, also half-written ones."""
    for file in folder.iterdir():
        with suppress(OSError):  # another process has removed it
            if file.stat().st_mtime < time.time() - KEPT:
                file.unlink()
