"""Files of assets that a worker has downloaded, kept on the spool for the next orders that need them.

An object under the key of an asset never changes, so a file in the cache is always right. Whether the asset still
exists is in its record, which is read for each order. The files that were not used for the longest time make room for
others.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path

from worker.child.workspace import Workspace


class AssetCache:
    """Holds at most `most` bytes. Several threads may use it at the same time."""

    def __init__(self, spool: Path, most: int) -> None:
        self._workspace = Workspace(spool)
        self._most = most
        self._sizes: OrderedDict[str, int] = OrderedDict()
        """File name -> bytes; the one that was used last is at the end."""
        self._lock = threading.Lock()

    def take(self, key: str, path: Path) -> bool:
        """Make the file of this key available at `path`. False if the cache does not have it.

        The file at `path` is a hard link: it stays when the cache gives up its own.
        """
        name = _name_of(key)
        with self._lock:
            if name not in self._sizes:
                return False
            try:
                os.link(self._workspace.folder / name, path)
            except FileNotFoundError:  # somebody has emptied the spool
                del self._sizes[name]
                return False
            self._sizes.move_to_end(name)
            return True

    def keep(self, key: str, path: Path) -> None:
        """Keep the file at `path`, which has the object of this key. Raises OSError."""
        name, size = _name_of(key), path.stat().st_size
        with self._lock:
            if name in self._sizes or size > self._most:
                return
            self._workspace.hold()
            os.link(path, self._workspace.folder / name)
            self._sizes[name] = size
            while sum(self._sizes.values()) > self._most:
                oldest, _ = self._sizes.popitem(last=False)
                (self._workspace.folder / oldest).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all files."""
        with self._lock:
            self._sizes.clear()
            self._workspace.close()


def _name_of(key: str) -> str:
    """The last part of an asset's key is an id that no other key has."""
    return key.rpartition("/")[2]
