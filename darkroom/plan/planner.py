"""Make the plan of an order from the photo's header and its jobs.

What the plan saves, each time without a change of any size:

- A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, if that leaves enough pixels for all jobs (decode_scale.py).
- Jobs that begin with the same steps share what these steps make.
- A resize begins with an earlier, larger result of the whole photo, if that is large enough (picture_nodes.py).
- Crops, flips, quarter turns and a resize in a row are one resample of a part, and one turn (recipes.py).
- Turns and colours are done after the first resize, on the smaller picture.
- Jobs with the same picture and the same output are encoded once.
- If no job needs pixels, nothing is decoded: a metadata job without colours and measures reads the file only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

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
    Finish,
    MeasureTrim,
    Pad,
    Plan,
    RotateFreely,
    StoredPhoto,
    Surround,
)
from darkroom.plan.picture_nodes import PictureNodes
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
    """Adds what each job needs to the pictures of the plan."""

    def __init__(self, photo: StoredPhoto, upright: Size, recipes: list[Recipe], scale: int) -> None:
        self._photo = photo
        self._upright = upright
        self._recipes = recipes
        self._pictures = PictureNodes(photo, upright, scale)
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
        return Plan(self._photo, tuple(self._pictures.nodes), refused, self._measured_for)

    def _decode(self) -> None:
        """Add the decoded photo, and the pictures that later ones begin with."""
        self._pictures.decode()
        for recipe in self._recipes:
            if recipe.fixed_overview:
                self._pictures.keep_overview(recipe.fixed_overview, recipe.looks_at)
        if any(self._reads_full_size(recipe) for recipe in self._recipes):
            targets = {recipe.colours for recipe in self._recipes}
            if len(targets) == 1:
                self._pictures.finish_photo(targets.pop())

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

    def _add_job(self, recipe: Recipe) -> None:
        if isinstance(recipe.job, MetadataJob):
            if recipe.overview:
                work = {"metadata": 1.0, "colours": float(recipe.job.colours > 0)}
                work |= {f"measure {name}": 1.0 for name in recipe.job.measures}
                self._finish(recipe, self._pictures.overview(recipe.overview), work)
            else:
                self._pictures.add(Finish(recipe.id, recipe.job.type), (), self._upright, {"metadata": 1.0})
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
            picture, steps = self._pictures.first(first, colours), steps[1:]
        else:
            picture = self._pictures.whole_photo(colours)
        for step in steps:
            picture = self._step(picture, step, colours)
        return picture

    def _encoding(self, recipe: Recipe, picture: int) -> Work:
        assert recipe.output is not None
        return encoding_work(
            recipe.output, recipe.format(self._photo.format), megapixels(self._pictures.nodes[picture].size)
        )

    def _finish(self, recipe: Recipe, picture: int, work: Work) -> None:
        size = self._pictures.nodes[picture].size
        if recipe.output is None:
            self._pictures.add(Finish(recipe.id, recipe.job.type), (picture,), size, work)
            return
        first = self._encoded.setdefault((picture, recipe.output), recipe.id)
        if first == recipe.id:
            finish = Finish(recipe.id, gain_map_view=self._gain_map_view(recipe))
            self._pictures.add(finish, (picture,), size, work)
        else:
            self._pictures.add(Finish(recipe.id, same_as=first), (picture,), size, {})

    def _gain_map_view(self, recipe: Recipe) -> Placement | None:
        """What of the photo the gain map of the result shows. Only a JPEG can have one."""
        photo, output = self._photo, recipe.output
        if not (output and output.keep_hdr and photo.gain_map):
            return None
        return recipe.shown if photo.format == recipe.format(photo.format) == "jpeg" else None

    def _step(self, picture: int, step: AnyStep, target: str) -> int:
        """A later step, on a picture that belongs to some of the jobs only."""
        pictures = self._pictures
        size = pictures.nodes[picture].size
        match step:
            case ViewStep() | ContentStep():
                return pictures.later(picture, step, target)
            case PadStep(after, corner, background, label):
                work = {"pad": megapixels(after)}
                return pictures.add(Pad(background, corner, target, label), (picture,), after, work)
            case ExtendStep(after, corner, extend_with):
                return pictures.add(Surround(extend_with, corner), (picture,), after, {"extend": megapixels(after)})
            case RotateStep(after, angle, background):
                work = {"rotate": megapixels(after)}
                return pictures.add(RotateFreely(angle, background, target), (picture,), after, work)
            case MeasureStep(key, spec):
                pictures.add(MeasureTrim(key, spec, target), (picture,), size, {"trim": megapixels(size)})
                return picture
            case PlainStep(spec):
                work = {spec.label: megapixels(size), **spec.fixed_work}
                return pictures.add(Apply(spec, target), (picture,), size, work)
