"""What operations and jobs work with besides their pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from worker.photo.decode import PhotoFacts


@dataclass(frozen=True)
class Materials:
    """`assets`: id -> the open file of an asset that the caller has uploaded for use in jobs. `colours`: those of the
    picture that an operation changes: `srgb`, `p3`, or `photo` for those of the photo's profile."""

    photo: PhotoFacts
    assets: Mapping[str, BinaryIO] = field(default_factory=dict)
    colours: str = "srgb"
