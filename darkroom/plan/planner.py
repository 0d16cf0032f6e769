"""Make the plan of an order from the photo's header and its jobs.

What the plan saves, each time without a change of any size:

- A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, if that leaves enough pixels for all jobs (decode_scale.py).
- Jobs that begin with the same steps share what these steps make.
- A resize begins with an earlier, larger result of the whole photo, if that is large enough (`REUSE`).
- Turns and colours are done after the first resize, on the smaller picture.
- Jobs with the same picture and the same output are encoded once.
- If no job needs pixels, nothing is decoded: a metadata job without colours and measures reads the file only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from darkroom.cost import Work, megapixels
from darkroom.errors import PhotoError
from darkroom.jobs.job_types import Job, MetadataJob
from darkroom.jobs.output import Output
from darkroom.jobs.sizes import Size
from darkroom.plan.decode_scale import decode_scale
from darkroom.plan.encoding_work import encoding_work
from darkroom.plan.geometry import Part, Placement, kept_part, pad_corner, swapped
from darkroom.plan.graph import (
    Apply,
    Colours,
    CropByContent,
    Decode,
    Finish,
    Node,
    Operation,
    Pad,
    Plan,
    Resample,
    StoredPhoto,
    Turn,
)
from darkroom.plan.overview import Overview
from darkroom.plan.recipes import PlainStep, Recipe, ResizeStep, recipe_of

REUSE = 2
"""A resize begins with an earlier result that is at least this many times as large on each axis. Measured as in
decode_scale.py, it loses 0.05 dB and 0.0004 SSIM at most. One pixel may be missing: 1600 x 2133 is enough for
800 x 1067."""

REUSABLE = ("lanczos3", "cubic")
"""The kernels whose results another resize can begin with. The others blur or leave out too much."""


@dataclass(frozen=True)
class _Source:
    """A picture that a resize can begin with: the node, how it shows the photo, and its colours.

    `colours`: `srgb`, `p3`, or `photo` for those of the decoded photo, if they are not sRGB.
    `changed`: it is a picture on the way of some jobs, for which it stands in for the photo.
    """

    node: int
    placement: Placement
    colours: str
    changed: bool = False


def make_plan(photo: StoredPhoto, jobs: Mapping[str, Job], max_pixels: float) -> Plan:
    """Plan jobs (id -> job) of a photo. No picture has more than `max_pixels` (width x height)."""
    upright = swapped((photo.width, photo.height), photo.orientation)
    recipes: list[Recipe] = []
    refused: dict[str, PhotoError] = {}
    for job_id, job in jobs.items():
        try:
            recipes.append(recipe_of(job_id, job, upright, max_pixels))
        except PhotoError as error:
            refused[job_id] = error
    return _Planner(photo, upright, recipes).plan(refused)


class _Planner:
    """Builds the nodes. An operation on the same sources is one node, however many jobs need it."""

    def __init__(self, photo: StoredPhoto, upright: Size, recipes: list[Recipe]) -> None:
        self._photo = photo
        self._upright = upright
        self._recipes = recipes
        self._nodes: list[Node] = []
        self._positions: dict[tuple[Operation, tuple[int, ...], Size], int] = {}
        self._sources: list[_Source] = []
        """The decoded photo, and results that a resize can begin with."""
        self._overviews: dict[Overview, int] = {}
        """The overviews of crops by content and of measures. They are made of the decoded photo and not of another
        job's result, so that what is found on them does not depend on the other jobs. They are made first: the photo
        can then be freed."""
        self._encoded: dict[tuple[int, Output], str] = {}
        """A picture and an output -> the first job that asks for them."""

    def plan(self, refused: Mapping[str, PhotoError]) -> Plan:
        if any(recipe.needs_pixels for recipe in self._recipes):
            self._decode()
        for recipe in sorted(self._recipes, key=self._rank):
            self._add_job(recipe)
        return Plan(self._photo, tuple(self._nodes), refused)

    def _decode(self) -> None:
        """Add the decoded photo, and the pictures that later ones begin with."""
        photo = self._photo
        scale = decode_scale(photo, self._upright, self._recipes)
        stored = photo.width, photo.height
        decoded = -(-stored[0] // scale), -(-stored[1] // scale)
        work = {f"decode {photo.format}": megapixels(decoded), f"read {photo.format}": photo.bytes / 1e6}
        decode = self._add(Decode(scale), (), decoded, work)
        placement = Placement(self._upright, photo.orientation, (stored[0] / scale, stored[1] / scale))
        self._sources.append(_Source(decode, placement, "photo" if self._needs_colours() else "srgb"))
        for kind in dict.fromkeys(filter(None, (recipe.fixed_overview for recipe in self._recipes))):
            self._overviews[kind] = self._overview_of(self._in_blocks(self._sources[0], scale, kind), kind)
        if any(self._reads_full_size(recipe) for recipe in self._recipes):
            targets = {self._target(recipe) for recipe in self._recipes}
            if len(targets) == 1:
                self._sources = [self._finished(self._sources[0], targets.pop())]

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

    def _target(self, recipe: Recipe) -> str:
        """The colours of the job's pictures."""
        return self._photo.colours_for(recipe.output.profile if recipe.output else "srgb")

    def _reads_full_size(self, recipe: Recipe) -> bool:
        return recipe.first_resize is None and not isinstance(recipe.job, MetadataJob)

    def _rank(self, recipe: Recipe) -> tuple[int, int]:
        """The order of jobs: the largest results of the whole photo first, so that others can begin with them. Jobs of
        full size come last: their pictures are the largest, and the small ones are then freed already."""
        resize = recipe.first_resize
        if resize is None:
            return (2 if isinstance(recipe.job, MetadataJob) else 3), 0
        return int(resize.cuts), -resize.sizes.scaled[0] * resize.sizes.scaled[1]

    # --- one job ----------------------------------------------------------------------------------------------------

    def _add_job(self, recipe: Recipe) -> None:
        if isinstance(recipe.job, MetadataJob):
            if recipe.overview:
                work = {"metadata": 1.0, "colours": float(recipe.job.colours > 0)}
                work |= {f"measure {name}": 1.0 for name in recipe.job.measures}
                self._finish(recipe, self._overview(recipe.overview), work)
            else:
                self._add(Finish(recipe.id, recipe.job.type), (), self._upright, {"metadata": 1.0})
            return
        first, target = recipe.first_resize, self._target(recipe)
        picture = self._first_picture(first, target) if first else self._finished(self._sources[0], target).node
        for step in recipe.steps if first is None else recipe.steps[1:]:
            picture = self._step(picture, step, target)
        self._finish(recipe, picture, self._encoding(recipe, picture) if recipe.output else {})

    def _encoding(self, recipe: Recipe, picture: int) -> Work:
        assert recipe.output is not None
        return encoding_work(recipe.output, recipe.format(self._photo.format), self._megapixels(picture))

    def _finish(self, recipe: Recipe, picture: int, work: Work) -> None:
        size = self._nodes[picture].size
        if recipe.output is None:
            self._add(Finish(recipe.id, recipe.job.type), (picture,), size, work)
            return
        first = self._encoded.setdefault((picture, recipe.output), recipe.id)
        if first == recipe.id:
            finish = Finish(recipe.id, gain_map_part=self._gain_map_part(recipe))
            self._add(finish, (picture,), size, work)
        else:
            self._add(Finish(recipe.id, same_as=first), (picture,), size, {})

    def _gain_map_part(self, recipe: Recipe) -> Part | None:
        """The part of the photo that the gain map of the result shows. Only a JPEG can have one."""
        photo, output = self._photo, recipe.output
        if not (output and output.keep_hdr and photo.gain_map):
            return None
        return recipe.shown_part if photo.format == recipe.format(photo.format) == "jpeg" else None

    def _first_picture(self, resize: ResizeStep, target: str) -> int:
        """The result of a resize of the whole photo, upright and in the colours of the job."""
        source = self._source(resize.sizes.scaled, resize.spec.kernel, target)
        made = self._finished(self._resampled(source, resize), target)
        if resize.spec.kernel in REUSABLE and not (resize.cuts or resize.enlarges) and made not in self._sources:
            self._sources.append(made)
        return self._padded(made.node, resize, target)

    def _step(self, picture: int, step: ResizeStep | PlainStep, target: str) -> int:
        """A later step, on a picture that belongs to some of the jobs only."""
        if isinstance(step, PlainStep):
            size = self._nodes[picture].size
            return self._add(Apply(step.spec, target), (picture,), size, {step.spec.label: megapixels(size)})
        if step.scales or step.cuts:
            placement = Placement(step.before, 1, step.before)
            picture = self._resampled(_Source(picture, placement, target, changed=True), step).node
        return self._padded(picture, step, target)

    # --- pictures ---------------------------------------------------------------------------------------------------

    def _source(self, scaled: Size, kernel: str, target: str) -> _Source:
        """The smallest picture that a resize to this size can begin with. Its colours are `target`, or the photo's."""
        decoded, *results = self._sources
        enough = [
            result
            for result in results
            if kernel != "nearest"
            and result.colours == target
            and all(have + 1 >= REUSE * need for have, need in zip(result.placement.extent, scaled, strict=True))
        ]
        return min([*enough, decoded], key=lambda whole: whole.placement.extent[0] * whole.placement.extent[1])

    def _resampled(self, source: _Source, resize: ResizeStep) -> _Source:
        spec, sizes, placement = resize.spec, resize.sizes, source.placement
        upright = sizes.result if resize.cuts else sizes.scaled
        share = megapixels(upright) / megapixels(sizes.scaled)  # only the part that stays is resampled
        work = {
            "resize from": megapixels(self._nodes[source.node].size) * share,
            "resize to": megapixels(upright),
        }
        operation: Operation
        sources: tuple[int, ...] = (source.node,)
        if resize.strategy:
            kind = resize.overview
            overview = self._overview_of(source, kind) if source.changed else self._overview(kind)
            operation = CropByContent(spec.kernel, resize.strategy, sizes, placement)
            sources, work = (source.node, overview), {**work, resize.strategy: 1.0}
        elif resize.cuts:
            operation = Resample(spec.kernel, placement.box(kept_part(placement.photo, sizes, spec.position)))
        else:
            operation = Resample(spec.kernel, placement.whole())
        size = swapped(upright, placement.orientation)
        node = self._add(operation, sources, size, work)
        return _Source(node, Placement(placement.photo, placement.orientation, size), source.colours)

    def _padded(self, picture: int, resize: ResizeStep, target: str) -> int:
        if not resize.pads:
            return picture
        size = resize.sizes.result
        operation = Pad(resize.spec.background, pad_corner(resize.sizes, resize.spec.position), target)
        return self._add(operation, (picture,), size, {"pad": megapixels(size)})

    def _overview(self, kind: Overview) -> int:
        """The small copy of the whole photo. For dominant colours it is made from the smallest picture that is large
        enough, if no other job needs one."""
        if kind in self._overviews:
            return self._overviews[kind]
        return self._overview_of(self._source(kind.size(self._upright), kind.kernel, "srgb"), kind)

    def _in_blocks(self, decoded: _Source, scale: int, kind: Overview) -> _Source:
        """The decoded photo in nearly the same pixels at whatever scale it was decoded.

        libjpeg makes a JPEG smaller by averaging blocks of pixels. Here the rest of these blocks is averaged, up to the
        largest ones that an overview may be made from. Columns and rows that fill no block are left out.
        """
        if self._photo.format != "jpeg":
            return decoded  # always at full size
        largest = kind.decode_scale(self._upright)
        blocks = self._photo.width // largest, self._photo.height // largest
        node = decoded.node
        if scale < largest:
            side = largest // scale
            box = 0.0, 0.0, float(blocks[0] * side), float(blocks[1] * side)
            work = {"resize from": megapixels(self._nodes[node].size), "resize to": megapixels(blocks)}
            node = self._add(Resample("box", box, "overview"), (node,), blocks, work)
        return _Source(node, Placement(self._upright, self._photo.orientation, blocks), decoded.colours)

    def _overview_of(self, source: _Source, kind: Overview) -> int:
        placement = source.placement
        upright = kind.size(placement.photo)
        if upright != placement.photo:
            size = swapped(upright, placement.orientation)
            work = {"resize from": megapixels(self._nodes[source.node].size), "resize to": megapixels(size)}
            node = self._add(Resample(kind.kernel, placement.whole(), "overview"), (source.node,), size, work)
            source = _Source(node, Placement(placement.photo, placement.orientation, size), source.colours)
        return self._finished(source, "srgb" if source.colours == "photo" else source.colours).node

    def _finished(self, whole: _Source, target: str) -> _Source:
        """The picture, turned upright and in these colours."""
        node, placement = whole.node, whole.placement
        if placement.orientation != 1:
            size = swapped(self._nodes[node].size, placement.orientation)
            node = self._add(Turn(placement.orientation), (node,), size, {"turn": megapixels(size)})
            placement = placement.turned()
        if whole.colours != target:
            size = self._nodes[node].size
            node = self._add(Colours(target), (node,), size, {"to srgb": megapixels(size)})
        return _Source(node, placement, target)

    def _add(self, operation: Operation, sources: tuple[int, ...], size: Size, work: Work) -> int:
        """The position of the node that does this. It is added if there is none yet."""
        key = operation, sources, size
        if key not in self._positions:
            self._positions[key] = len(self._nodes)
            self._nodes.append(Node(operation, sources, size, work))
        return self._positions[key]

    def _megapixels(self, node: int) -> float:
        return megapixels(self._nodes[node].size)
