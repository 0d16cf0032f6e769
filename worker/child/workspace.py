"""A slot's folder on the spool, out of the other slots' reach: its child writes there and nowhere else.

Who is at work in it holds a lock on a file in it. However a worker ends, the kernel lets go of that, and whoever finds
a folder that nobody holds may remove it: workers can share a disk, and a function finds what the last one left.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

log = structlog.get_logger()

PREFIX = "slot-"
LOCK = "lock"


class Workspace:
    """Owned by one slot."""

    def __init__(self, spool: Path) -> None:
        self.folder = spool / f"{PREFIX}{secrets.token_hex(8)}"
        """There while there is, or was, work."""
        self._lock: int | None = None

    @contextmanager
    def files(self) -> Iterator[Path]:
        """An empty folder for the files of one photo, which are gone afterwards. Raises OSError."""
        self._hold()
        with TemporaryDirectory(dir=self.folder) as folder:
            yield Path(folder)

    def close(self) -> None:
        if self._lock is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    def _hold(self) -> None:
        """Make the folder, unless it is there and ours: others clean disks as well."""
        while not self._is_held():
            self.close()
            self.folder.mkdir(mode=0o700, exist_ok=True)
            with suppress(FileNotFoundError):  # it was taken for abandoned already
                self._lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_EX)

    def _is_held(self) -> bool:
        if self._lock is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._lock), (self.folder / LOCK).stat())
        except FileNotFoundError:
            return False


def remove_abandoned(spool: Path) -> None:
    """Remove the folders of workers that are gone."""
    for folder in spool.glob(f"{PREFIX}*"):
        try:
            if not is_in_use(folder):
                shutil.rmtree(folder)
                log.warning("spool.removed", folder=folder.name)
        except FileNotFoundError:
            pass  # another worker that shares the disk was faster
        except OSError as error:  # another user's, say
            log.warning("spool.not_removed", folder=folder.name, detail=error.strerror)


def is_in_use(folder: Path) -> bool:
    try:
        lock = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
