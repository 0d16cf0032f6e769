"""A plan as data: the pictures that an order's jobs need, and what each is made from.

A plan is a list of nodes. Each node names the nodes that it is made from, which stand before it. So running the nodes
in their order always works, and the last node that reads a picture is known: after it the picture is freed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from darkroom.cost import Work, seconds_of
from darkroom.errors import PhotoError
from darkroom.jobs.sizes import Pixels, Size, Sizes
from darkroom.jobs.steps.step import StepSpec
from darkroom.jobs.steps.trim import Trim
from darkroom.plan.geometry import Box, Placement
from darkroom.plan.recipes import TrimKey


@dataclass(frozen=True)
class StoredPhoto:
    """What a plan needs to know of a photo, all of it from the header.

    `format` is as in darkroom/sniff.py, `bytes` the size of the file. `width` and `height` are in pixels, as stored;
    `orientation` is the EXIF number 1 to 8 of the turn that makes the photo upright. `mode` is Pillow's mode.
    `colour_space` is that of the colour profile, such as `RGB`, `GRAY` or `CMYK`. It is None if there is no profile, or
    if it is sRGB, so that nothing has to be converted. `gain_map`: whether the file has one, for HDR. `frames`: of an
    animation; 1 for a still photo. `page`: which one of the photo this is; the first is 0.
    """

    format: str
    width: int
    height: int
    bytes: int = 0
    orientation: int = 1
    mode: str = "RGB"
    colour_space: str | None = None
    gain_map: bool = False
    frames: int = 1
    page: int = 0

    def colours_for(self, profile: str) -> str:
        """The colours of pictures of a job whose output has this `profile`: `srgb`, `p3`, or `photo` for those of the
        photo's own profile. It can only be kept if it is for RGB."""
        if profile != "keep":
            return profile
        is_rgb = self.mode in {"RGB", "RGBA", "RGBa", "RGBX", "P", "PA"}
        return "photo" if is_rgb and self.colour_space == "RGB" else "srgb"


@dataclass(frozen=True)
class Operation:
    """Base of what makes a node from its sources. `label` is the name in timings and in a drawing."""

    @property
    def label(self) -> str:
        return type(self).__name__.lower()


@dataclass(frozen=True)
class Decode(Operation):
    """Decode a page of the photo, with each side divided by `scale`. The picture lies as stored."""

    scale: int
    page: int = 0


@dataclass(frozen=True)
class Turn(Operation):
    """Make a picture with this EXIF orientation upright."""

    orientation: int


@dataclass(frozen=True)
class Colours(Operation):
    """Convert the colours of the photo to `target`: `srgb` or `p3`."""

    target: str = "srgb"


@dataclass(frozen=True)
class Cut(Operation):
    """Cut a part out of the source. Pixels stay as they are."""

    part: Pixels
    label: str = "crop"


@dataclass(frozen=True)
class Resample(Operation):
    """Resample a box of the source to the node's size. `label` is `resize`, or `overview` for a small copy."""

    kernel: str
    box: Box
    label: str = "resize"


@dataclass(frozen=True)
class CropByContent(Operation):
    """Resample the part of the first source that a strategy chooses by looking at the second source, an overview.

    `placement` says how the first source shows what the overview shows. `sizes` are those of what is cut, upright.
    `then` says what of the chosen part the node shows.
    """

    kernel: str
    strategy: str
    sizes: Sizes
    placement: Placement
    then: Placement

    @property
    def label(self) -> str:
        return "resize"


@dataclass(frozen=True)
class Pad(Operation):
    """Lay the source on a background of the node's size. `corner` is its left and top pixel there. `colours` are those
    of the source: `srgb`, `p3`, or `photo` for those of the photo's profile."""

    background: str
    corner: Size
    colours: str = "srgb"
    label: str = "resize"


@dataclass(frozen=True)
class Surround(Operation):
    """Surround the source with pixels of its own: `copy`, `repeat` or `mirror`. `corner` is as in `Pad`."""

    extend_with: str
    corner: Size
    label: str = "extend"


@dataclass(frozen=True)
class RotateFreely(Operation):
    """Turn the source clockwise by this angle in degrees. `colours` are as in `Pad`."""

    angle: float
    background: str
    colours: str = "srgb"
    label: str = "rotate"


@dataclass(frozen=True)
class MeasureTrim(Operation):
    """Find the part of the source that a trim keeps. It makes no picture. `colours` are as in `Pad`."""

    key: TrimKey
    spec: Trim
    colours: str = "srgb"
    label: str = "trim"


@dataclass(frozen=True)
class Apply(Operation):
    """Apply a step that keeps the size of the picture. `colours` are those of the source, as in `Pad`."""

    spec: StepSpec
    colours: str = "srgb"

    @property
    def label(self) -> str:
        return self.spec.label


@dataclass(frozen=True)
class Finish(Operation):
    """Write the result of a job: encode a picture, or describe it. The answer to the job follows.

    `same_as`: an earlier job with the same picture and the same output. The bytes of its result are written again.
    `gain_map_view`: how the upright photo shows what the result and its gain map show. None: the result has no map.
    """

    job: str
    label: str = "encode"
    same_as: str | None = None
    gain_map_view: Placement | None = None


@dataclass(frozen=True)
class Node:
    """One picture, or the result of a job. `sources` are positions in the plan, `size` is in pixels."""

    operation: Operation
    sources: tuple[int, ...]
    size: Size
    work: Work

    @property
    def seconds(self) -> float:
        """The estimated seconds of one reference core."""
        return seconds_of(self.work)


@dataclass(frozen=True)
class Plan:
    """The nodes in the order in which they run. The first one decodes, unless no job needs pixels.

    `refused` are the jobs that cannot be done, known from the header: their results would have too many pixels.
    `measured_for`: the plan only measures what trims keep, for these jobs. With their parts, the jobs can be planned.
    """

    photo: StoredPhoto
    nodes: tuple[Node, ...]
    refused: Mapping[str, PhotoError]
    measured_for: Mapping[TrimKey, tuple[str, ...]] = field(default_factory=dict)

    @property
    def decodes(self) -> bool:
        """Whether the photo is decoded."""
        return any(isinstance(node.operation, Decode) for node in self.nodes)

    @property
    def scale(self) -> int:
        """By what each side is divided when the photo is decoded. The plan has to decode it."""
        decode = self.nodes[0].operation
        assert isinstance(decode, Decode)
        return decode.scale

    @property
    def work(self) -> Work:
        """The work of the whole plan: kind of work -> units."""
        total: defaultdict[str, float] = defaultdict(float)
        for node in self.nodes:
            for kind, amount in node.work.items():
                total[kind] += amount
        return total

    @property
    def seconds(self) -> float:
        """The estimated seconds of one reference core."""
        return seconds_of(self.work)

    def freed_after(self) -> list[set[int]]:
        """For each node, the pictures that no later node reads."""
        last_reader: dict[int, int] = {}
        for position, node in enumerate(self.nodes):
            last_reader |= dict.fromkeys(node.sources, position)
            last_reader.setdefault(position, position)
        freed: list[set[int]] = [set() for _ in self.nodes]
        for picture, reader in last_reader.items():
            freed[reader].add(picture)
        return freed

    def made_from(self, picture: int) -> set[int]:
        """The node itself and all that need it, directly or by others."""
        found = {picture}
        for position, node in enumerate(self.nodes):
            if found.intersection(node.sources):
                found.add(position)
        return found

    def needed_for(self, picture: int) -> list[int]:
        """The node itself and all that it needs, directly or by others, in the order in which they run."""
        needed = {picture}
        for position in range(picture, -1, -1):
            if position in needed:
                needed.update(self.nodes[position].sources)
        return sorted(needed)

    def jobs_of(self, nodes: set[int]) -> list[str]:
        """The ids of the jobs whose results, or whose trims, are among these nodes."""
        jobs: list[str] = []
        for position in sorted(nodes):
            operation = self.nodes[position].operation
            if isinstance(operation, Finish):
                jobs.append(operation.job)
            elif isinstance(operation, MeasureTrim):
                jobs += self.measured_for.get(operation.key, ())
        return jobs
