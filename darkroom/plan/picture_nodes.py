"""The pictures of a plan: which node shows what of the photo, and from which one another is made."""

from __future__ import annotations

from dataclasses import dataclass, replace

from darkroom.cost import Work, megapixels
from darkroom.jobs.sizes import Size
from darkroom.plan.geometry import Placement, swapped
from darkroom.plan.graph import (
    Colours,
    CropByContent,
    Cut,
    Decode,
    Node,
    Operation,
    Resample,
    StoredPhoto,
    Turn,
)
from darkroom.plan.overview import Overview
from darkroom.plan.recipes import ContentStep, ViewStep

REUSE = 2
"""A resize begins with an earlier result that is at least this many times as large on each axis. Measured as in
decode_scale.py, it loses 0.05 dB and 0.0004 SSIM at most. One pixel may be missing: 1600 x 2133 is enough for
800 x 1067."""

REUSABLE = ("lanczos3", "cubic")
"""The kernels whose results another resize can begin with. The others blur or leave out too much."""


@dataclass(frozen=True)
class _Source:
    """A picture that a view can begin with: the node, how it shows the photo or what stands in for it, and its colours.

    `colours`: `srgb`, `p3`, or `photo` for those of the decoded photo, if they are not sRGB.
    """

    node: int
    view: Placement
    colours: str

    def showing(self, view: Placement) -> _Source:
        return replace(self, view=self.view.showing(view))


class PictureNodes:
    """The nodes of a plan, and the pictures that they make. An operation on the same sources is one node, however many
    jobs need it."""

    def __init__(self, photo: StoredPhoto, upright: Size, scale: int) -> None:
        """`upright` is the size of the upright photo, `scale` that at which it is decoded."""
        self.nodes: list[Node] = []
        self._photo = photo
        self._upright = upright
        self._scale = scale
        self._positions: dict[tuple[Operation, tuple[int, ...], Size], int] = {}
        self._sources: list[_Source] = []
        """The decoded photo, and results that a view can begin with."""
        self._overviews: dict[tuple[Overview, Placement], int] = {}
        """The overviews of crops by content and of measures, by what of the photo they show. They are made of the
        decoded photo and not of another job's result, so that what is found on them does not depend on the other jobs.
        They are made first: the photo can then be freed."""

    def decode(self) -> None:
        """Add the decoded photo."""
        photo, scale = self._photo, self._scale
        decoded = -(-photo.width // scale), -(-photo.height // scale)
        work = {f"decode {photo.format}": megapixels(decoded), f"read {photo.format}": photo.bytes / 1e6}
        node = self.add(Decode(scale, photo.page), (), decoded, work)
        view = Placement.stored(self._upright, photo.orientation, scale)
        self._sources.append(_Source(node, view, "photo" if self._needs_colours() else "srgb"))

    def finish_photo(self, target: str) -> None:
        """Turn and convert the decoded photo itself: all pictures of all jobs are made of that."""
        self._sources = [self._finished(self._sources[0], target)]

    def keep_overview(self, kind: Overview, view: Placement) -> None:
        """Add the overview of what this view of the photo shows, if there is none yet."""
        if (kind, view) not in self._overviews:
            self._overviews[kind, view] = self._overview_of(self._in_blocks(kind, view), kind)

    def whole_photo(self, target: str) -> int:
        """The photo at the size at which it is decoded, upright and in these colours."""
        return self._finished(self._sources[0], target).node

    def first(self, step: ViewStep | ContentStep, target: str) -> int:
        """The result of a step on the photo, upright and in these colours."""
        source = self._source_for(step, target)
        if isinstance(step, ContentStep):
            overview = self._overviews[step.overview, step.whole_view]
            return self._finished(self._by_content(source, step, overview), target).node
        made = self._finished(self._shown(source.showing(step.view), step.kernel), target)
        if _is_reusable(step):
            self._sources.append(replace(made, view=Placement(self._upright, 1, made.view.box)))
        return made.node

    def later(self, picture: int, step: ViewStep | ContentStep, target: str) -> int:
        """The result of a step on a picture, which is upright and in these colours."""
        source = _Source(picture, Placement.whole(step.before), target)
        if isinstance(step, ContentStep):
            overview = self._overview_of(source.showing(step.whole_view), step.overview)
            return self._finished(self._by_content(source, step, overview), target).node
        return self._finished(self._shown(source.showing(step.view), step.kernel), target).node

    def overview(self, kind: Overview) -> int:
        """The small copy of the whole photo. For dominant colours it is made from the smallest picture that is large
        enough, if no other job needs one."""
        whole = Placement.whole(self._upright)
        if (kind, whole) in self._overviews:
            return self._overviews[kind, whole]
        step = ViewStep(self._upright, whole.scaled(kind.size(self._upright)), kind.kernel)
        return self._overview_of(self._source_for(step, "srgb"), kind)

    def add(self, operation: Operation, sources: tuple[int, ...], size: Size, work: Work) -> int:
        """The position of the node that does this. It is added if there is none yet."""
        key = operation, sources, size
        if key not in self._positions:
            self._positions[key] = len(self.nodes)
            self.nodes.append(Node(operation, sources, size, work))
        return self._positions[key]

    def _needs_colours(self) -> bool:
        """Whether the decoded photo is not sRGB yet.

        The decoder converts CMYK, LAB and gray with alpha itself, because they cannot be resized as they are.
        """
        mode = self._photo.mode
        return (
            mode in {"1", "L", "F"}
            or mode.startswith("I")
            or (self._photo.colour_space is not None and mode not in {"CMYK", "LAB", "LA", "La"})
        )

    def _source_for(self, step: ViewStep | ContentStep, target: str) -> _Source:
        """The smallest picture that this step can begin with. Its colours are `target`, or the photo's."""
        decoded, *results = self._sources
        enough = [
            result
            for result in results
            if step.kernel != "nearest" and result.colours == target and _has_pixels_for(result.view, step.resampled)
        ]
        return min([*enough, decoded], key=lambda source: source.view.extent[0] * source.view.extent[1])

    def _shown(self, source: _Source, kernel: str, label: str = "resize") -> _Source:
        """What the view of this source shows, at its size. It still needs the turn of the view."""
        view, node = source.view, self.nodes[source.node]
        left, top, right, bottom = view.box
        area = float((right - left) * (bottom - top)) / 1e6
        if view.scales or any(side != int(side) for side in view.box):
            work = _resize_work(kernel, area, view.shown)
            operation: Operation = Resample(kernel, (float(left), float(top), float(right), float(bottom)), label)
        elif view.shows_all_of(node.size):
            return source
        else:
            operation, work = Cut((int(left), int(top), int(right), int(bottom))), {"crop": area}
        return self._upon(source, operation, (source.node,), work)

    def _by_content(self, source: _Source, step: ContentStep, overview: int) -> _Source:
        """The part that a strategy chooses. It still needs the turn of the view."""
        resampled = source.view.showing(step.resampled)  # only the part that is kept is resampled
        width, height = resampled.extent
        work = _resize_work(step.kernel, float(width * height) / 1e6, resampled.shown) | {step.strategy: 1.0}
        operation = CropByContent(step.kernel, step.strategy, step.sizes, source.view.showing(step.view), step.then)
        return self._upon(replace(source, view=resampled), operation, (source.node, overview), work)

    def _upon(self, source: _Source, operation: Operation, sources: tuple[int, ...], work: Work) -> _Source:
        """The picture of what the view of a source shows. It lies as that source does."""
        view = source.view
        size = swapped(view.shown, view.orientation)
        node = self.add(operation, sources, size, work)
        return replace(source, node=node, view=Placement(view.shown, view.orientation, (0, 0, *size)))

    def _in_blocks(self, kind: Overview, view: Placement) -> _Source:
        """What this view of the photo shows, in nearly the same pixels at whatever scale the photo was decoded.

        libjpeg makes a JPEG smaller by averaging blocks of pixels. Here the rest of these blocks is averaged, up to the
        largest ones that an overview may be made from. Columns and rows that fill no block are left out.
        """
        (decoded,) = self._sources
        if self._photo.format != "jpeg":
            return decoded.showing(view)  # always at full size
        largest = kind.decode_scale(view.shown)
        blocks = self._photo.width // largest, self._photo.height // largest
        node = decoded.node
        if self._scale < largest:
            side = largest // self._scale
            box = 0.0, 0.0, float(blocks[0] * side), float(blocks[1] * side)
            work = {"resize from": megapixels(self.nodes[node].size), "resize to": megapixels(blocks)}
            node = self.add(Resample("box", box, "overview"), (node,), blocks, work)
        whole = Placement(self._upright, self._photo.orientation, (0, 0, *blocks))
        return _Source(node, whole.showing(view), decoded.colours)

    def _overview_of(self, source: _Source, kind: Overview) -> int:
        """The small copy of what the view of this source shows."""
        small = replace(source, view=source.view.scaled(kind.size(source.view.shown)))
        made = self._shown(small, kind.kernel, "overview")
        return self._finished(made, "srgb" if source.colours == "photo" else source.colours).node

    def _finished(self, whole: _Source, target: str) -> _Source:
        """The whole picture, turned upright and in these colours."""
        node, view = whole.node, whole.view
        if view.orientation != 1:
            size = swapped(self.nodes[node].size, view.orientation)
            node = self.add(Turn(view.orientation), (node,), size, {"turn": megapixels(size)})
            view = Placement(view.shown, 1, (0, 0, *view.extent))
        if whole.colours != target:
            size = self.nodes[node].size
            node = self.add(Colours(target), (node,), size, {"to srgb": megapixels(size)})
        return replace(whole, node=node, view=view, colours=target)


def _is_reusable(step: ViewStep) -> bool:
    """Whether later views can begin with its picture: it is the whole photo, upright and smaller."""
    view = step.view
    return step.kernel in REUSABLE and view.scales and view.orientation == 1 and not (step.cuts or view.enlarges)


def _has_pixels_for(result: Placement, step: Placement) -> bool:
    """Whether a step can begin with a smaller copy of the photo: REUSE, but for one pixel of the whole copy."""
    return all(
        have * (side + 1) >= REUSE * need * side
        for have, need, side in zip(result.showing(step).extent, step.shown, result.extent, strict=True)
    )


def _resize_work(kernel: str, area: float, shown: Size) -> dict[str, float]:
    """`area` are the megapixels that are read. lanczos2 is computed in numpy, which takes longer."""
    kind = "lanczos2" if kernel == "lanczos2" else "resize"
    return {f"{kind} from": area, f"{kind} to": megapixels(shown)}
