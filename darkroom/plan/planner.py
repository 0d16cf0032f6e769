"""Make the plan of an order from the photo's header and its jobs.

What the plan saves, each time without a change of any size:

- A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, if that leaves enough pixels for all jobs (decode_scale.py).
- Jobs that begin with the same steps share what these steps make.
- A resize begins with an earlier, larger result of the whole photo, if that is large enough (`REUSE`).
- Crops, flips, quarter turns and a resize in a row are one resample of a part, and one turn (recipes.py).
- Turns and colours are done after the first resize, on the smaller picture.
- Jobs with the same picture and the same output are encoded once.
- If no job needs pixels, nothing is decoded: a metadata job without colours and measures reads the file only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from darkroom.cost import Work, megapixels
from darkroom.errors import PhotoError
from darkroom.jobs.job_types import Job, MetadataJob, PictureJob
from darkroom.jobs.output import Output
from darkroom.jobs.sizes import Size
from darkroom.plan.decode_scale import decode_scale
from darkroom.plan.encoding_work import encoding_work
from darkroom.plan.geometry import Placement, swapped
from darkroom.plan.graph import (
    Apply,
    Colours,
    CropByContent,
    Cut,
    Decode,
    Finish,
    MeasureTrim,
    Node,
    Operation,
    Pad,
    Plan,
    Resample,
    RotateFreely,
    StoredPhoto,
    Surround,
    Turn,
)
from darkroom.plan.overview import Overview
from darkroom.plan.recipe_maker import recipe_of
from darkroom.plan.recipes import (
    AnyStep,
    ContentStep,
    ExtendStep,
    MeasureStep,
    PadStep,
    Parts,
    PlainStep,
    Recipe,
    RotateStep,
    TrimKey,
    ViewStep,
)

REUSE = 2
"""A resize begins with an earlier result that is at least this many times as large on each axis. Measured as in
decode_scale.py, it loses 0.05 dB and 0.0004 SSIM at most. One pixel may be missing: 1600 x 2133 is enough for
800 x 1067."""

REUSABLE = ("lanczos3", "cubic")
"""The kernels whose results another resize can begin with. The others blur or leave out too much."""


@dataclass(frozen=True)
class _Source:
    """A picture that a view can begin with: the node, how it shows the photo, and its colours.

    `colours`: `srgb`, `p3`, or `photo` for those of the decoded photo, if they are not sRGB.
    `changed`: it is a picture on the way of some jobs, which stands in for the photo.
    """

    node: int
    view: Placement
    colours: str
    changed: bool = False

    def showing(self, view: Placement) -> _Source:
        return replace(self, view=self.view.showing(view))


def make_plan(
    photo: StoredPhoto,
    jobs: Mapping[str, Job],
    max_pixels: float,
    parts: Parts | None = None,
    scale: int | None = None,
) -> Plan:
    """Plan jobs (id -> job) of a photo. No picture has more than `max_pixels` (width x height).

    What a trim keeps is known only from pixels. `parts` are those that are known. If some are missing, the plan only
    measures the first missing one of each job, and the jobs are planned again with it. Without `parts`, the plan is an
    estimate: trims are measured, and are taken to cut nothing off. `scale`: at which the photo is decoded already.
    """
    upright = swapped((photo.width, photo.height), photo.orientation)
    recipes: list[Recipe] = []
    refused: dict[str, PhotoError] = {}
    for job_id, job in jobs.items():
        colours = photo.colours_for(job.output.profile if isinstance(job, PictureJob) else "srgb")
        try:
            recipes.append(recipe_of(job_id, job, upright, max_pixels, colours, parts))
        except PhotoError as error:
            refused[job_id] = error
    scale = scale or decode_scale(photo, upright, recipes)
    unknown = [recipe for recipe in recipes if recipe.unmeasured] if parts is not None else []
    return _Planner(photo, upright, unknown or recipes, scale).plan(refused, measure=bool(unknown))


class _Planner:
    """Builds the nodes. An operation on the same sources is one node, however many jobs need it."""

    def __init__(self, photo: StoredPhoto, upright: Size, recipes: list[Recipe], scale: int) -> None:
        self._photo = photo
        self._upright = upright
        self._recipes = recipes
        self._scale = scale
        self._nodes: list[Node] = []
        self._positions: dict[tuple[Operation, tuple[int, ...], Size], int] = {}
        self._sources: list[_Source] = []
        """The decoded photo, and results that a view can begin with."""
        self._overviews: dict[tuple[Overview, Placement], int] = {}
        """The overviews of crops by content and of measures, by what of the photo they show. They are made of the
        decoded photo and not of another job's result, so that what is found on them does not depend on the other jobs.
        They are made first: the photo can then be freed."""
        self._encoded: dict[tuple[int, Output], str] = {}
        """A picture and an output -> the first job that asks for them."""
        self._measured_for: defaultdict[TrimKey, tuple[str, ...]] = defaultdict(tuple)

    def plan(self, refused: Mapping[str, PhotoError], *, measure: bool) -> Plan:
        if any(recipe.needs_pixels for recipe in self._recipes):
            self._decode()
        for recipe in sorted(self._recipes, key=self._rank):
            if measure:
                self._measure(recipe)
            else:
                self._add_job(recipe)
        return Plan(self._photo, tuple(self._nodes), refused, self._measured_for)

    def _decode(self) -> None:
        """Add the decoded photo, and the pictures that later ones begin with."""
        photo, scale = self._photo, self._scale
        decoded = -(-photo.width // scale), -(-photo.height // scale)
        work = {f"decode {photo.format}": megapixels(decoded), f"read {photo.format}": photo.bytes / 1e6}
        decode = self._add(Decode(scale, photo.page), (), decoded, work)
        view = Placement.stored(self._upright, photo.orientation, scale)
        self._sources.append(_Source(decode, view, "photo" if self._needs_colours() else "srgb"))
        for recipe in self._recipes:
            kind, view = recipe.fixed_overview, recipe.looks_at
            if kind and (kind, view) not in self._overviews:
                self._overviews[kind, view] = self._overview_of(self._in_blocks(kind, view), kind)
        if any(self._reads_full_size(recipe) for recipe in self._recipes):
            targets = {recipe.colours for recipe in self._recipes}
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

    def _reads_full_size(self, recipe: Recipe) -> bool:
        return recipe.first_view is None and not isinstance(recipe.job, MetadataJob)

    def _rank(self, recipe: Recipe) -> tuple[int, int]:
        """The order of jobs: the largest results of the whole photo first, so that others can begin with them. Jobs of
        full size come last: their pictures are the largest, and the small ones are then freed already."""
        step = recipe.first_resample
        if step is None:
            return (2 if isinstance(recipe.job, MetadataJob) else 3), 0
        width, height = step.resampled.shown
        return int(isinstance(step, ContentStep) or step.cuts), -width * height

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
        picture = self._made(recipe.steps, recipe.colours)
        self._finish(recipe, picture, self._encoding(recipe, picture) if recipe.output else {})

    def _measure(self, recipe: Recipe) -> None:
        step = recipe.unmeasured
        assert step is not None
        self._made(recipe.steps, recipe.colours)
        self._measured_for[step.key] += (recipe.id,)

    def _made(self, steps: Sequence[AnyStep], colours: str) -> int:
        """The picture that these steps make of the photo."""
        first = steps[0] if steps else None
        if isinstance(first, ViewStep | ContentStep):
            picture, steps = self._first_picture(first, colours), steps[1:]
        else:
            picture = self._finished(self._sources[0], colours).node
        for step in steps:
            picture = self._step(picture, step, colours)
        return picture

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
            finish = Finish(recipe.id, gain_map_view=self._gain_map_view(recipe))
            self._add(finish, (picture,), size, work)
        else:
            self._add(Finish(recipe.id, same_as=first), (picture,), size, {})

    def _gain_map_view(self, recipe: Recipe) -> Placement | None:
        """What of the photo the gain map of the result shows. Only a JPEG can have one."""
        photo, output = self._photo, recipe.output
        if not (output and output.keep_hdr and photo.gain_map):
            return None
        return recipe.shown if photo.format == recipe.format(photo.format) == "jpeg" else None

    def _first_picture(self, step: ViewStep | ContentStep, target: str) -> int:
        """The result of the first step, upright and in the colours of the job."""
        source = self._source(step, target)
        if isinstance(step, ContentStep):
            return self._finished(
                self._by_content(source, step, self._overviews[step.overview, step.whole_view]), target
            ).node
        made = self._finished(self._shown(source.showing(step.view), step.kernel), target)
        if self._is_reusable(step):
            self._sources.append(replace(made, view=Placement(self._upright, 1, made.view.box)))
        return made.node

    def _is_reusable(self, step: ViewStep) -> bool:
        """Whether later views can begin with its picture: it is the whole photo, upright and smaller."""
        view = step.view
        return step.kernel in REUSABLE and view.scales and view.orientation == 1 and not (step.cuts or view.enlarges)

    def _step(self, picture: int, step: AnyStep, target: str) -> int:
        """A later step, on a picture that belongs to some of the jobs only."""
        size = self._nodes[picture].size
        match step:
            case ViewStep(before, view, kernel):
                source = _Source(picture, Placement.whole(before), target, changed=True)
                return self._finished(self._shown(source.showing(view), kernel), target).node
            case ContentStep(before):
                source = _Source(picture, Placement.whole(before), target, changed=True)
                overview = self._overview_of(source.showing(step.whole_view), step.overview)
                return self._finished(self._by_content(source, step, overview), target).node
            case PadStep(after, corner, background, label):
                work = {"pad": megapixels(after)}
                return self._add(Pad(background, corner, target, label), (picture,), after, work)
            case ExtendStep(after, corner, extend_with):
                return self._add(Surround(extend_with, corner), (picture,), after, {"extend": megapixels(after)})
            case RotateStep(after, angle, background):
                return self._add(
                    RotateFreely(angle, background, target), (picture,), after, {"rotate": megapixels(after)}
                )
            case MeasureStep(key, spec):
                self._add(MeasureTrim(key, spec, target), (picture,), size, {"trim": megapixels(size)})
                return picture
            case PlainStep(spec):
                work = {spec.label: megapixels(size), **spec.fixed_work}
                return self._add(Apply(spec, target), (picture,), size, work)

    # --- pictures ---------------------------------------------------------------------------------------------------

    def _source(self, step: ViewStep | ContentStep, target: str) -> _Source:
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
        view, node = source.view, self._nodes[source.node]
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
        node = self._add(operation, sources, size, work)
        return replace(source, node=node, view=Placement(view.shown, view.orientation, (0, 0, *size)))

    def _overview(self, kind: Overview) -> int:
        """The small copy of the whole photo. For dominant colours it is made from the smallest picture that is large
        enough, if no other job needs one."""
        whole = Placement.whole(self._upright)
        if (kind, whole) in self._overviews:
            return self._overviews[kind, whole]
        step = ViewStep(self._upright, whole.scaled(kind.size(self._upright)), kind.kernel)
        return self._overview_of(self._source(step, "srgb"), kind)

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
            work = {"resize from": megapixels(self._nodes[node].size), "resize to": megapixels(blocks)}
            node = self._add(Resample("box", box, "overview"), (node,), blocks, work)
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
            size = swapped(self._nodes[node].size, view.orientation)
            node = self._add(Turn(view.orientation), (node,), size, {"turn": megapixels(size)})
            view = Placement(view.shown, 1, (0, 0, *view.extent))
        if whole.colours != target:
            size = self._nodes[node].size
            node = self._add(Colours(target), (node,), size, {"to srgb": megapixels(size)})
        return replace(whole, node=node, view=view, colours=target)

    def _add(self, operation: Operation, sources: tuple[int, ...], size: Size, work: Work) -> int:
        """The position of the node that does this. It is added if there is none yet."""
        key = operation, sources, size
        if key not in self._positions:
            self._positions[key] = len(self._nodes)
            self._nodes.append(Node(operation, sources, size, work))
        return self._positions[key]

    def _megapixels(self, node: int) -> float:
        return megapixels(self._nodes[node].size)


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
