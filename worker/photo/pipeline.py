"""The entry point of worker/photo: a photo and the jobs of an order in, a file for each result out."""

from __future__ import annotations

import io
import json
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from PIL import Image

from darkroom.containers.frame_formats import shown_durations
from darkroom.errors import PhotoError
from darkroom.jobs.job_types import Job, MetadataJob, PictureJob
from darkroom.jobs.sizes import Pixels
from darkroom.jobs.step_types import STEP_TYPES
from darkroom.photo_metadata.photo_document import as_json
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.animations import job_runs, with_all_frames
from darkroom.plan.graph import Decode, Finish, MeasureTrim, Node, Plan
from darkroom.plan.least_memory import plan_within
from darkroom.plan.recipes import TrimKey
from worker.photo.animation.animation_limits import USUAL_LIMITS, AnimationLimits
from worker.photo.animation.frame_run import write_animation
from worker.photo.decode import PhotoFacts, PhotoFile
from worker.photo.encode import encode
from worker.photo.job_ends import JobEnd, PipelineResult, Written, made, step_warnings
from worker.photo.materials import Materials
from worker.photo.metadata import metadata
from worker.photo.metadata.read import read_metadata
from worker.photo.operations.plan_operations import OPERATIONS, measure
from worker.photo.result_metadata.proof import check_fields, fields_of, reread
from worker.photo.step_count import StepCount, Tell


def produce(
    original: BinaryIO,
    jobs: Mapping[str, Job],
    files: Mapping[str, BinaryIO],
    max_pixels: int,
    memory: int | None = None,
    assets: Mapping[str, BinaryIO] | None = None,
    animation_limits: AnimationLimits = USUAL_LIMITS,
    tell: Tell = lambda _step, _done, _of: None,
) -> Iterator[JobEnd]:
    """Do the jobs (id -> job) of the photo in `original`, and write each result to its empty file.

    `assets`: id -> open file, of every asset that the jobs name. `tell` hears of each step (`StepCount`).

    Jobs of one picture end page by page, in the order of the page's plan, and then those of animations. A job fails
    alone: with PhotoError when the photo cannot become what the job asks for, because the result would have more than
    `max_pixels` (width x height), its pictures need more than `memory` bytes, it takes more frames than
    `animation_limits` allow, or its format cannot hold it. If a page cannot be decoded, all jobs on it end with the
    same error, except metadata jobs: they read the file, not its pixels.
    """
    try:
        photo = PhotoFile(original, max_pixels)
    except Exception as error:  # noqa: BLE001 - decoders raise errors of any kind
        yield from (JobEnd(job_id, error) for job_id in jobs)
        return
    of_pages, of_frames = job_runs(photo.stored, jobs)
    count = StepCount(tell, len(of_pages) + len(of_frames))
    for page, of_page in of_pages.items():
        try:
            opened = PhotoFile(original, max_pixels, page) if page else photo
        except Exception as error:  # noqa: BLE001 - decoders raise errors of any kind
            yield from (JobEnd(job_id, error) for job_id in of_page)
        else:
            yield from _from_one_picture(opened, of_page, files, max_pixels, memory, assets or {}, count)
    for job_id, job in of_frames.items():
        try:
            file, limits = files[job_id], animation_limits
            yield _animated(original, job_id, job, file, max_pixels, memory, assets or {}, limits, count)
        except Exception as error:  # noqa: BLE001 - decoders raise errors of any kind
            _free_pictures(error)
            yield JobEnd(job_id, error)


def _from_one_picture(
    file: PhotoFile,
    jobs: Mapping[str, Job],
    files: Mapping[str, BinaryIO],
    max_pixels: int,
    memory: int | None,
    assets: Mapping[str, BinaryIO],
    count: StepCount,
) -> Iterator[JobEnd]:
    """Do the jobs that work with one picture: a still photo, a page of it, or the first frame of an animation."""
    started = time.perf_counter()
    header: PhotoFacts | None = None
    try:
        header = file.facts()
        plan = plan_within(file.stored, jobs, max_pixels, memory, {})
        count.begin(len(plan.nodes))
        if not plan.decodes:
            yield from PlanRun(plan, materials_of(header, assets), None, jobs, files, {}, count=count).ends()
            return
        count.step("decode", 0)
        photo, image = file.decode(plan.scale, tolerate_cut=any(map(_tolerates_cut, jobs.values())))
        if photo.stored != plan.photo:  # for some formats the header does not say everything
            plan = plan_within(photo.stored, jobs, max_pixels, memory, {})
    except Exception as error:  # noqa: BLE001 - decoders raise errors of any kind
        described = _without_pixels(jobs) if header and isinstance(error, PhotoError) else {}
        yield from (JobEnd(job_id, error) for job_id in jobs if job_id not in described)
        if header and described:
            plan = plan_within(header.stored, described, max_pixels, memory, {})
            yield from PlanRun(plan, materials_of(header, assets), None, jobs, files, {}).ends()
        return
    seconds = {"decode": time.perf_counter() - started}
    refused = [job_id for job_id, job in jobs.items() if photo.cut and not _tolerates_cut(job)]
    yield from (JobEnd(job_id, photo.cut) for job_id in refused if photo.cut)
    materials = materials_of(photo, assets)
    if plan.measured_for:
        started = time.perf_counter()
        count.step("trim", 0)
        plan, errors = _measured(plan, materials, image, jobs, max_pixels, memory)
        yield from (JobEnd(job_id, error) for job_id, error in errors.items() if job_id not in refused)
        seconds["trim"] = time.perf_counter() - started
    run = PlanRun(plan, materials, image if plan.decodes else None, jobs, files, seconds, refused, count)
    del image  # the run frees it
    yield from run.ends()


def _measured(
    plan: Plan,
    materials: Materials,
    image: Image.Image,
    jobs: Mapping[str, Job],
    max_pixels: int,
    memory: int | None,
) -> tuple[Plan, dict[str, Exception]]:
    """Find what trims keep, and plan all jobs with it. Also returns the errors of the jobs that are not planned.

    Each round measures the first unknown trim of every job, so there are as many rounds as a job has trims.
    """
    parts: dict[TrimKey, Pixels] = {}
    errors: dict[str, Exception] = {}
    while plan.measured_for:
        for key, found in PlanRun(plan, materials, image, jobs, {}, {}).measured().items():
            if isinstance(found, Exception):
                errors |= dict.fromkeys(plan.measured_for[key], found)
            else:
                parts[key] = found
        jobs = {job_id: job for job_id, job in jobs.items() if job_id not in errors}
        plan = plan_within(materials.photo.stored, jobs, max_pixels, memory, parts, plan.scale)
    return plan, errors


def _animated(
    original: BinaryIO,
    job_id: str,
    job: PictureJob,
    file: BinaryIO,
    max_pixels: int,
    memory: int | None,
    assets: Mapping[str, BinaryIO],
    limits: AnimationLimits,
    count: StepCount,
) -> JobEnd:
    """Do a job on every frame. A photo whose first frame is cut short counts as a still photo."""
    photo, first = PhotoFile(original, max_pixels).decode(1, tolerate_cut=_tolerates_cut(job))
    materials, jobs = materials_of(photo, assets), {job_id: job}
    plan = plan_within(photo.stored, jobs, max_pixels, memory, {})
    plan, errors = _measured(plan, materials, first, jobs, max_pixels, memory)
    if job_id in errors:
        raise errors[job_id]
    if job_id in plan.refused or photo.cut:
        return next(PlanRun(plan, materials, first, jobs, {job_id: file}, {}).ends())
    del first
    end = len(plan.nodes) - 1
    written = write_animation(original, materials, plan, job, file, limits, count)
    encoded = written.encoded
    fields = fields_of(file, encoded.format)
    check_fields(fields, job.output)
    durations = shown_durations(reread(file), encoded.format)
    return JobEnd(
        job_id,
        PipelineResult(
            encoded.format,
            encoded.width,
            encoded.height,
            written.seconds,
            (
                *_of_animation(photo.warnings),
                *step_warnings(plan, end, materials),
                *written.warnings,
                *encoded.warnings,
            ),
            made(with_all_frames(plan, job), end, materials, encoded.format, fields, encoded.pixels),
            frames=len(durations) or None,
            duration=sum(durations) / 1000 if durations else None,
        ),
    )


def _of_animation(warnings: tuple[PhotoWarning, ...]) -> tuple[PhotoWarning, ...]:
    """Without what is said of the end of the file: the frames are counted instead."""
    return tuple(warning for warning in warnings if warning.code != "end_missing")


def materials_of(photo: PhotoFacts, assets: Mapping[str, BinaryIO]) -> Materials:
    return Materials(photo, assets, read_metadata=read_metadata)


def _without_pixels(jobs: Mapping[str, Job]) -> dict[str, Job]:
    """The metadata jobs, as they are planned if no pixels can be had."""
    return {job_id: job.without_pixels for job_id, job in jobs.items() if isinstance(job, MetadataJob)}


def _tolerates_cut(job: Job) -> bool:
    return not isinstance(job, PictureJob) or job.tolerate == "truncated"


class PlanRun:
    """Runs a plan. It frees each picture after the last operation that reads it. The jobs in `ended` get no result."""

    def __init__(
        self,
        plan: Plan,
        materials: Materials,
        decoded: Image.Image | None,
        jobs: Mapping[str, Job],
        files: Mapping[str, BinaryIO],
        seconds: Mapping[str, float],
        ended: Collection[str] = (),
        count: StepCount | None = None,
    ) -> None:
        self._plan = plan
        self._materials = materials
        self._photo = materials.photo
        self._jobs = jobs
        self._files = files
        self._pictures = {} if decoded is None else {0: decoded}
        """Position in the plan -> the picture."""
        self._impossible = {
            position
            for position, node in enumerate(plan.nodes)
            if isinstance(node.operation, Finish) and node.operation.job in ended
        }
        """Positions in the plan that an error prevents."""
        self._seconds: defaultdict[str, float] = defaultdict(float, seconds)
        """What was spent since the last job ended."""
        self._ended = ended
        self._count = count or StepCount()
        finishes = [node.operation for node in plan.nodes if isinstance(node.operation, Finish)]
        self._uses = Counter(finish.same_as for finish in finishes if finish.same_as is not None)
        """Job -> how many later jobs have the same result."""
        self._kept: dict[str, tuple[Written, bytes]] = {}
        """Results that later jobs have, too: job -> what was written, and the bytes of the file."""

    def ends(self) -> Iterator[JobEnd]:
        """Each job's end, as soon as it is known.

        An operation that fails ends all jobs that depend on it at once, with its error.
        """
        yield from (JobEnd(job_id, error) for job_id, error in self._plan.refused.items() if job_id not in self._ended)
        for position, (node, freed) in enumerate(zip(self._plan.nodes, self._plan.freed_after(), strict=True)):
            if position not in self._impossible:
                try:
                    if end := self._run(position, node):
                        yield end
                except Exception as error:  # noqa: BLE001 - a bug in one operation must not stop the others
                    _free_pictures(error)
                    prevented = self._plan.made_from(position)
                    self._impossible |= prevented
                    jobs = (job_id for job_id in self._plan.jobs_of(prevented) if job_id not in self._ended)
                    yield from (JobEnd(job_id, error) for job_id in jobs)
            for picture in freed:
                self._pictures.pop(picture, None)

    def measured(self) -> dict[TrimKey, Pixels | Exception]:
        """What each trim of a plan that measures keeps, or the error that prevents it."""
        found: dict[TrimKey, Pixels | Exception] = {}
        for position, (node, freed) in enumerate(zip(self._plan.nodes, self._plan.freed_after(), strict=True)):
            operation = node.operation
            try:
                if position in self._impossible:
                    continue
                if isinstance(operation, MeasureTrim):
                    found[operation.key] = measure(operation, self._materials, self._pictures[node.sources[0]])
                else:
                    self._run(position, node)
            except Exception as error:  # noqa: BLE001 - a bug in one operation must not stop the others
                _free_pictures(error)
                prevented = self._plan.made_from(position)
                self._impossible |= prevented
                operations = (self._plan.nodes[at].operation for at in prevented)
                found |= {each.key: error for each in operations if isinstance(each, MeasureTrim)}
            finally:
                for picture in freed:
                    self._pictures.pop(picture, None)
        return found

    def _run(self, position: int, node: Node) -> JobEnd | None:
        operation = node.operation
        if isinstance(operation, Decode):
            return None  # done
        self._count.step(operation.label, position)
        started = time.perf_counter()
        sources = [self._pictures[source] for source in node.sources]
        if not isinstance(operation, Finish):
            self._pictures[position] = OPERATIONS[type(operation)](operation, node, self._materials, *sources)
            self._seconds[operation.label] += time.perf_counter() - started
            return None
        written = self._finished(operation, sources[0] if sources else None)
        width, height = written.size or (None, None)
        self._seconds[operation.label] += time.perf_counter() - started
        seconds, self._seconds = dict(self._seconds), defaultdict(float)
        return JobEnd(
            operation.job,
            PipelineResult(
                written.format,
                width,
                height,
                seconds,
                (*self._photo.warnings, *step_warnings(self._plan, position, self._materials), *written.warnings),
                replace(
                    made(self._plan, position, self._materials, written.format, written.fields, written.pixels),
                    tries=written.tries,
                ),
                written.measures,
            ),
        )

    def _finished(self, finish: Finish, image: Image.Image | None) -> Written:
        """Write a result."""
        job, file = self._jobs[finish.job], self._files[finish.job]
        write = JOB_FUNCTIONS[job.type]
        first = finish.same_as or finish.job
        if first in self._kept:
            written, data = self._kept[first]
            self._uses[first] -= 1
            if not self._uses[first]:
                del self._kept[first]
            file.write(data)
        elif self._uses[finish.job]:
            buffer = io.BytesIO()
            written = write(self._photo, job, image, buffer, finish)
            data = buffer.getvalue()
            self._kept[finish.job] = written, data
            file.write(data)
        else:  # also if the first of several equal jobs has failed
            written = write(self._photo, job, image, file, finish)
        return written


def _free_pictures(error: BaseException | None) -> None:
    """Clear the frames of an error and its causes: their variables keep pictures alive as long as the error."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _encoded(photo: PhotoFacts, job: PictureJob, image: Image.Image, file: BinaryIO, finish: Finish) -> Written:
    """Write the picture, and read back which metadata its file has."""
    encoded = encode(image, photo, job.output, file, finish.gain_map_view)
    fields = fields_of(file, encoded.format)
    check_fields(fields, job.output)
    return Written(
        encoded.format,
        (encoded.width, encoded.height),
        encoded.warnings,
        fields,
        encoded.pixels,
        tries=encoded.tries,
    )


def _described(
    photo: PhotoFacts, job: MetadataJob, overview: Image.Image | None, file: BinaryIO, _finish: Finish
) -> Written:
    document, warnings = metadata(photo, job, overview)
    short = document.measures.short if job.in_events and document.measures else None
    return _json(as_json(document), file)._replace(warnings=warnings, measures=short)


def _json(value: dict[str, Any], file: BinaryIO) -> Written:
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))  # short: records hold it
    file.write(f"{text}\n".encode())
    return Written("json")


JOB_FUNCTIONS: Mapping[str, Callable[[PhotoFacts, Any, Any, BinaryIO, Finish], Written]] = {
    **dict.fromkeys(STEP_TYPES, _encoded),
    "convert": _encoded,
    "pipeline": _encoded,
    "metadata": _described,
}
"""Every job type -> function(photo, job, image, file, finish) that writes the result. `image` is the picture that the
job's steps have made; for `metadata` it is a small copy of the photo, or None if no pixels are needed or can be had. A
job type without steps gets the whole photo."""
