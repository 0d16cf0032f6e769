"""The entry point of worker/photo: a photo and the jobs of an order in, a file for each result out."""

from __future__ import annotations

import io
import json
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from PIL import Image

from darkroom.errors import PhotoError
from darkroom.jobs.job_types import Job, MetadataJob, PictureJob
from darkroom.jobs.sizes import Pixels, Size
from darkroom.jobs.step_types import STEP_TYPES
from darkroom.making import NOT_TOLD, Making
from darkroom.photo_metadata.measures import ShortMeasures
from darkroom.photo_metadata.photo_document import as_json
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.drawing import steps
from darkroom.plan.graph import Apply, Decode, Finish, MeasureTrim, Node, Plan
from darkroom.plan.least_memory import plan_within
from darkroom.plan.recipes import TrimKey
from worker.photo.backends import METADATA, backends
from worker.photo.decode import PhotoFacts, PhotoFile
from worker.photo.encode import encode
from worker.photo.materials import Materials
from worker.photo.metadata import metadata
from worker.photo.metadata.read import read_metadata
from worker.photo.operations.plan_operations import OPERATIONS, measure
from worker.photo.operations.step_functions import STEP_WARNINGS
from worker.photo.result_metadata.proof import check_fields, fields_of


@dataclass(frozen=True)
class PipelineResult:
    """What was written to the file of a result: one of RESULT_FORMATS.

    `width` and `height` are in pixels, None if the result is not a picture. `seconds` are by step. Work that several
    jobs share counts for the job that is finished first. `warnings` are those of the photo and of the job.
    `measures`: what a metadata job has measured, if it says that events hold it.
    """

    format: str
    width: int | None
    height: int | None
    seconds: dict[str, float]
    warnings: tuple[PhotoWarning, ...] = ()
    making: Making = NOT_TOLD
    measures: ShortMeasures | None = None


class Written(NamedTuple):
    """What a job has written to its file: the format, and the size in pixels if it is a picture.

    `warnings` are those of the job. They are added to those of the photo. `fields` and `pixels`: see Making.
    `measures`: see PipelineResult.
    """

    format: str
    size: Size | None = None
    warnings: tuple[PhotoWarning, ...] = ()
    fields: tuple[str, ...] = ()
    pixels: str | None = None
    measures: ShortMeasures | None = None


@dataclass(frozen=True)
class JobEnd:
    """How a job ended: what was written to its file, or the error that prevents it."""

    job: str
    result: PipelineResult | Exception


def produce(
    original: BinaryIO,
    jobs: Mapping[str, Job],
    files: Mapping[str, BinaryIO],
    max_pixels: int,
    memory: int | None = None,
    assets: Mapping[str, BinaryIO] | None = None,
) -> Iterator[JobEnd]:
    """Do the jobs (id -> job) of the photo in `original`, and write each result to its empty file.

    `assets`: id -> open file, of every asset that the jobs name.

    Jobs end in the order of the plan. A job fails alone: with PhotoError when the photo cannot become what the job asks
    for, because the result would have more than `max_pixels` (width x height), its pictures need more than `memory`
    bytes, or its format cannot hold it. If the photo cannot be decoded, all jobs end with the same error, except
    metadata jobs: they read the file, not its pixels.
    """
    started = time.perf_counter()
    header: PhotoFacts | None = None
    try:
        file = PhotoFile(original, max_pixels)
        header = file.facts()
        plan = plan_within(file.stored, jobs, max_pixels, memory, {})
        if not plan.decodes:
            yield from PlanRun(plan, Materials(header, assets or {}), None, jobs, files, {}).ends()
            return
        photo, image = file.decode(plan.scale, tolerate_cut=any(map(_tolerates_cut, jobs.values())))
        if photo.stored != plan.photo:  # for some formats the header does not say everything
            plan = plan_within(photo.stored, jobs, max_pixels, memory, {})
    except Exception as error:  # noqa: BLE001 - decoders raise errors of any kind
        described = _without_pixels(jobs) if header and isinstance(error, PhotoError) else {}
        yield from (JobEnd(job_id, error) for job_id in jobs if job_id not in described)
        if header and described:
            plan = plan_within(header.stored, described, max_pixels, memory, {})
            yield from PlanRun(plan, Materials(header, assets or {}), None, jobs, files, {}).ends()
        return
    seconds = {"decode": time.perf_counter() - started}
    refused = [job_id for job_id, job in jobs.items() if photo.cut and not _tolerates_cut(job)]
    yield from (JobEnd(job_id, photo.cut) for job_id in refused if photo.cut)
    materials = Materials(photo, assets or {}, read_metadata=read_metadata)
    if plan.measured_for:
        started = time.perf_counter()
        plan, errors = _measured(plan, materials, image, jobs, max_pixels, memory)
        yield from (JobEnd(job_id, error) for job_id, error in errors.items() if job_id not in refused)
        seconds["trim"] = time.perf_counter() - started
    run = PlanRun(plan, materials, image if plan.decodes else None, jobs, files, seconds, refused)
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
                (*self._photo.warnings, *self._step_warnings(position), *written.warnings),
                self._making(position, written),
                written.measures,
            ),
        )

    def _step_warnings(self, position: int) -> Iterator[PhotoWarning]:
        """Those of the steps that lead to this result."""
        for at in self._plan.needed_for(position):
            operation, size = self._plan.nodes[at].operation, self._plan.nodes[at].size
            if isinstance(operation, Apply) and (warnings := STEP_WARNINGS.get(type(operation.spec))):
                yield from warnings(operation.spec, size, self._materials)

    def _making(self, position: int, written: Written) -> Making:
        needed = self._plan.needed_for(position)
        libraries = {"metadata": METADATA}
        if written.size:
            operations = [self._plan.nodes[at].operation for at in needed]
            libraries = backends(self._photo.source.format, operations, written.format)
            libraries |= {"metadata": METADATA} if written.fields else {}
        return Making(steps(self._plan, needed), libraries, written.fields, written.pixels)

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
    return Written(encoded.format, (encoded.width, encoded.height), encoded.warnings, fields, encoded.pixels)


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
