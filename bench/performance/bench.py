"""What a run of measures has in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.performance import inputs
from bench.performance.inputs import Photo


@dataclass(frozen=True)
class Bench:
    """`directory`: for files of this run. `folder`: of real photos. `rounds`: interleaved rounds of each measure.
    `times`: how often a round repeats an order. `chosen`: names of photos; empty for all. `peers`: measure peers, too.
    `against`: another checkout of Darkroom with its own .venv, or None."""

    directory: Path
    folder: Path
    rounds: int = 5
    times: int = 5
    chosen: tuple[str, ...] = ()
    peers: bool = False
    against: Path | None = None

    def photo(self, name: str) -> Photo | None:
        return inputs.find(name, self.folder, self.directory)

    def photos(self, names: tuple[str, ...]) -> list[Photo]:
        """Those of `names` that are chosen and exist."""
        found = [self.photo(name) for name in names if not self.chosen or name in self.chosen]
        return [photo for photo in found if photo is not None]
