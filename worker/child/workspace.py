"""The folder of a photo processor on the spool, and the open files that its child gets from it. The child opens
none itself.

The worker holds a file lock in the folder. The kernel releases the lock however the worker ends, so a folder without a
held lock is left over from a worker that died, and any worker may remove it. Workers can share a disk, and a Lambda
function finds the files of the execution before it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

log = structlog.get_logger()

PREFIX = "slot-"
LOCK = "lock"


class Workspace:
    """The folder of one photo processor, which serves one message at a time."""

    def __init__(self, spool: Path) -> None:
        self.folder = spool / f"{PREFIX}{secrets.token_hex(8)}"
        """It exists from the first photo on."""
        self._lock: int | None = None

    @contextmanager
    def files(self) -> Iterator[Path]:
        """An empty folder for the files of one photo; it is removed afterwards. Raises OSError."""
        self.hold()
        with TemporaryDirectory(dir=self.folder) as folder:
            yield Path(folder)

    def hold(self) -> None:
        """Make and lock the folder, unless this process holds it. Another worker may have removed it just after it was
        made."""
        while not self._is_held():
            self.close()
            self.folder.mkdir(mode=0o700, exist_ok=True)
            with suppress(FileNotFoundError):  # another worker removed it before the lock
                self._lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        if self._lock is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    def _is_held(self) -> bool:
        if self._lock is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._lock), (self.folder / LOCK).stat())
        except FileNotFoundError:
            return False


@dataclass(frozen=True)
class OpenFiles:
    """Descriptors of an original, of a file for each result, and of assets."""

    descriptors: list[int]

    def close(self) -> None:
        while self.descriptors:
            os.close(self.descriptors.pop())


@contextmanager
def opened(original: Path, results: Iterable[Path], assets: Iterable[Path] = ()) -> Iterator[OpenFiles]:
    """Open an original and assets for reading, and make an empty file for each result. Raises OSError."""
    files = OpenFiles([])
    try:
        files.descriptors.append(os.open(original, os.O_RDONLY | os.O_CLOEXEC))
        for path in results:
            path.unlink(missing_ok=True)  # an earlier child may still have it open
            files.descriptors.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        files.descriptors.extend(os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in assets)
        yield files
    finally:
        files.close()


def remove_leftovers(spool: Path) -> None:
    """Remove the folders of workers that have died."""
    for folder in spool.glob(f"{PREFIX}*"):
        try:
            if not is_in_use(folder):
                shutil.rmtree(folder)
                log.warning("spool.removed", folder=folder.name)
        except FileNotFoundError:
            pass  # another worker on this disk removed it first
        except OSError as error:  # for example, it belongs to another user
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
