"""What operations and jobs work with besides their pictures."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeVar

from darkroom.asset_errors import AssetMissing
from darkroom.making import FoundFocus
from darkroom.photo_metadata.photo_document import PhotoMetadata
from worker.photo.decode import PhotoFacts

T = TypeVar("T")


@dataclass(frozen=True)
class Materials:
    """`assets`: id -> the open file of an asset that the caller has uploaded for use in jobs. `colours`: those of the
    picture that an operation changes: `srgb`, `p3`, or `photo` for those of the photo's profile. `measured`: what an
    operation on the frames of an animation has found in the first one; None for a still photo. `prepared`: what an
    operation has made for the rest of the order, such as a decoded asset. `read_metadata` reads what the file of the
    photo says of itself: few steps need it. `focal_points`: an operation that crops by content, with its sources -> the
    middle of the part that it has kept."""

    photo: PhotoFacts
    assets: Mapping[str, BinaryIO] = field(default_factory=dict)
    colours: str = "srgb"
    measured: dict[str, Any] | None = None
    read_metadata: Callable[[PhotoFacts], PhotoMetadata] | None = None
    prepared: dict[Hashable, Any] = field(default_factory=dict)
    focal_points: dict[Hashable, FoundFocus] = field(default_factory=dict)

    def once(self, name: str, measure: Callable[[], T]) -> T:
        """What `measure` finds out by looking at a picture, under a name that the operation chooses.

        In an animation it is measured in the first frame and holds for all frames: if each frame had its own, such as
        its own contrast or crop, the result would flicker.
        """
        if self.measured is None:
            return measure()
        if name not in self.measured:
            self.measured[name] = measure()
        found: T = self.measured[name]
        return found

    def asset(self, asset_id: str) -> BinaryIO:
        """The file of an asset, at its beginning. Do not close it: other steps may read it. Raises AssetMissing."""
        file = self.assets.get(asset_id)
        if file is None:
            raise AssetMissing(f"asset {asset_id} was removed")
        file.seek(0)
        return file

    def prepare(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returns. It is made once for an order, and not for each job or frame."""
        if key not in self.prepared:
            self.prepared[key] = make()
        found: T = self.prepared[key]
        return found
