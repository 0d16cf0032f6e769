"""Where the limits of the control groups stand that this process is in: its container's, its service's, a slice's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def limits(files: tuple[str, ...], controller: str, root: Path = ROOT, membership: Path = MEMBERSHIP) -> Iterator[Path]:
    """Each of these files, of version 2 or 1, that exists for a group which holds this process, from its own up.

    A limit further up counts as well, so the caller takes the smallest. Source: cgroups(7), "/proc/[pid]/cgroup".
    """
    seen = set()
    for base, group in _groups(controller, root, membership):
        for folder in (base / group, *(base / above for above in group.parents)):
            if folder not in seen:
                seen.add(folder)
                yield from (folder / name for name in files if (folder / name).is_file())


def _groups(controller: str, root: Path, membership: Path) -> Iterator[tuple[Path, PurePosixPath]]:
    """Where a hierarchy is mounted, and the group of this process in it.

    The group may be named as the host sees it while only the container's part is mounted: then there is no such
    folder, and what counts is at the top.
    """
    top = PurePosixPath()
    bases = [root, root / "unified", root / controller]
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        path = PurePosixPath(group.lstrip("/"))
        path = top if ".." in path.parts else path  # outside of what a namespace shows
        if not controllers:
            yield from ((base, path) for base in bases[:2])
        elif controller in controllers.split(","):
            yield from ((base, path) for base in (root / controller, root / controllers))
    yield from ((base, top) for base in bases)
