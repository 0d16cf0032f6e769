"""worker/photo/pipeline.py: jobs in, result files out. Every spec has its implementation, and the other way round."""

from __future__ import annotations

import io
import json
import weakref
from dataclasses import replace
from typing import get_args

import pytest
from PIL import Image, ImageOps

from darkroom.errors import TooManyPixels, UnreadablePhoto
from darkroom.jobs.job_types import JOB_TYPES
from darkroom.jobs.output_formats import OUTPUT_FORMATS, FormatName
from darkroom.jobs.step_types import FILTERS, STEP_TYPES, STEPS
from darkroom.jobs.steps.crop import Crop
from darkroom.jobs.steps.extend import Extend
from darkroom.jobs.steps.filters.colours import Sepia
from darkroom.jobs.steps.resize import Resize
from darkroom.jobs.steps.rotate import Flip, Flop, Rotate
from darkroom.jobs.steps.trim import Trim
from darkroom.photo_warnings import PhotoWarning
from tests.support import plain_photo
from tests.support.metadata_blocks import broken, exif, jpeg, short, text
from tests.support.plain_photo import job
from worker.photo import pipeline
from worker.photo.decode import PhotoFile
from worker.photo.encode import ENCODERS
from worker.photo.operations import plan_operations
from worker.photo.operations.resampling import resample
from worker.photo.operations.step_functions import STEP_FUNCTIONS
from worker.photo.pipeline import JOB_FUNCTIONS, PlanRun, Written, produce

LIMIT = 1_000_000

OTHER_JOBS = [job_type.spec for name, job_type in JOB_TYPES.items() if name not in STEP_TYPES]
"""The specs of the jobs that are not a single step."""


def done(photo, **spec):
    """What a job says of its result, and the file that it wrote."""
    return plain_photo.done(photo.original, LIMIT, **spec)


def test_every_job_type_has_its_function_and_every_function_its_job_type():
    assert JOB_TYPES.keys() == JOB_FUNCTIONS.keys()


OF_THE_PLAN = {Resize, Crop, Rotate, Flip, Flop, Trim, Extend}
"""Steps that may change the size: the plan has operations for them."""


def test_every_step_has_its_function_and_every_function_its_step():
    assert set(STEPS) == {*OF_THE_PLAN, *STEP_FUNCTIONS}
    assert not STEP_FUNCTIONS.keys() & OF_THE_PLAN


def test_every_output_format_has_its_encoder_and_the_other_way_round():
    assert set(get_args(FormatName)) == OUTPUT_FORMATS.keys() == ENCODERS.keys()


def test_a_picture_job(quarters, opened):
    result, file = done(opened(quarters), type="resize", width=30, output={"format": "webp"})
    with Image.open(file) as image:
        assert (image.format, result.format) == ("WEBP", "webp")
        assert image.size == (result.width, result.height) == (30, 20)
    assert result.seconds.keys() == {"decode", "resize", "encode"}


@pytest.mark.parametrize("spec", [{"type": "convert"}, {"type": "pipeline", "steps": []}])
def test_a_job_without_steps_changes_the_format_and_no_pixel(quarters, opened, spec):
    photo = opened(quarters, "PNG", exif=exif(image=[short(0x0112, 6)]))
    result, file = done(photo, **spec, output={"format": "webp", "quality": 100})
    with Image.open(file) as image:
        assert (image.format, image.size, (result.width, result.height)) == ("WEBP", (40, 60), (40, 60))
        for place in ((5, 5), (35, 5), (5, 55), (35, 55)):
            seen, right = image.getpixel(place), quarters.transpose(Image.Transpose.ROTATE_270).getpixel(place)
            assert all(abs(ours - theirs) <= 12 for ours, theirs in zip(seen, right, strict=True))
    assert changes(photo, spec) is False


def test_a_conversion_without_an_output_keeps_the_format_and_leaves_out_what_is_personal(tmp_path):
    (tmp_path / "photo").write_bytes(jpeg(exif_block=exif(image=[text(0x010F, "SomeMaker")])))
    jobs, file = {"same": job(type="convert")}, io.BytesIO()
    with (tmp_path / "photo").open("rb") as original:
        (end,) = produce(original, jobs, {"same": file}, LIMIT)
    assert end.result.format == "jpeg"
    assert b"SomeMaker" not in file.getvalue()


@pytest.mark.parametrize("spec", [{"type": "convert"}, {"type": "pipeline", "steps": []}])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_photo_of_one_pixel_can_be_converted(opened, spec, mode):
    colour = (200, 100, 50, 128)[: len(mode)]
    _, file = done(opened(Image.new(mode, (1, 1), colour)), **spec, output={"format": "png"})
    with Image.open(file) as image:
        assert (image.size, image.convert(mode).getpixel((0, 0))) == ((1, 1), colour)


def test_a_metadata_job(quarters, opened):
    result, file = done(opened(quarters), type="metadata", colours=2)
    assert (result.format, result.width, result.height) == ("json", None, None)
    assert len(json.loads(file.getvalue())["dominant_colours"]) == 2


def test_a_job_adds_its_own_warnings_to_those_of_the_photo(quarters, opened, monkeypatch):
    own, of_the_photo = PhotoWarning("metadata_damaged", "Own."), PhotoWarning("end_missing", "Of the photo.")
    decode = PhotoFile.decode

    def warned(file, scale, **options):
        facts, image = decode(file, scale, **options)
        return replace(facts, warnings=(of_the_photo,)), image

    monkeypatch.setattr(PhotoFile, "decode", warned)
    monkeypatch.setitem(JOB_FUNCTIONS, "resize", lambda *_: Written("png", (1, 1), (own,)))
    assert done(opened(quarters), type="resize", width=30)[0].warnings == (of_the_photo, own)
    assert done(opened(quarters), type="filter", filter="sepia")[0].warnings == (of_the_photo,)


def test_a_metadata_job_without_colours_decodes_nothing(quarters, opened, monkeypatch):
    photo = opened(quarters, "JPEG")
    monkeypatch.setattr(PhotoFile, "decode", None)
    result, file = done(photo, type="metadata")
    assert result.seconds.keys() == {"metadata"}
    document = json.loads(file.getvalue())
    assert (document["width"], document["height"], document["dominant_colours"]) == (60, 40, [])


@pytest.mark.parametrize("colours", [0, 3])
def test_a_photo_that_cannot_be_decoded_has_metadata(noise, tmp_path, colours):
    path = tmp_path / "photo"
    noise.save(path, "PNG")
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 4] ^= 0xFF  # the first byte of the compressed pixels
    path.write_bytes(data)
    jobs = {"said": job(type="metadata", colours=colours), "picture": job(type="resize", width=3)}
    files = {name: io.BytesIO() for name in jobs}
    with path.open("rb") as file:
        ends = {end.job: end.result for end in produce(file, jobs, files, LIMIT)}
    assert isinstance(ends["picture"], UnreadablePhoto)
    assert [warning.code for warning in ends["said"].warnings] == ["pixels_unavailable"] * bool(colours)
    document = json.loads(files["said"].getvalue())
    assert (document["format"], document["width"], document["height"]) == ("png", 90, 70)


def test_what_cannot_be_read_of_the_metadata_is_a_warning(tmp_path):
    (tmp_path / "photo").write_bytes(jpeg(exif_block=exif(image=[broken(0x010F), short(0x0112, 6)])))
    jobs = {"said": job(type="metadata")}
    with (tmp_path / "photo").open("rb") as file:
        (end,) = produce(file, jobs, {"said": io.BytesIO()}, LIMIT)
    assert [warning.code for warning in end.result.warnings] == ["metadata_damaged"]


def test_steps_run_in_their_order(quarters, opened):
    def corner(*steps):
        with Image.open(done(opened(quarters), type="pipeline", steps=list(steps))[1]) as image:
            return image.size, image.convert("RGB").getpixel((0, 0))

    pad = {"type": "resize", "width": 80, "height": 80, "fit": "contain", "background": "#102030"}
    invert = {"type": "filter", "filter": "invert"}
    assert corner(pad, invert) == ((80, 80), (0xEF, 0xDF, 0xCF))
    assert corner(invert, pad) == ((80, 80), (0x10, 0x20, 0x30))


def changes(photo, spec):
    """Produce a picture job; say whether the result looks different from the photo."""
    with Image.open(done(photo, **spec, output={"format": "png"})[1]) as image:
        return image.size != photo.image.size or image.tobytes() != photo.image.tobytes()


@pytest.mark.parametrize("step", STEPS)
def test_the_example_of_every_step_works_as_a_job_and_in_a_pipeline(noise, opened, step):
    photo = opened(ImageOps.expand(noise, 5, "white"))
    assert step.model_validate(step.example).model_dump(mode="json").items() >= step.example.items()
    assert changes(photo, step.example)
    assert changes(photo, {"type": "pipeline", "steps": [step.example]})


@pytest.mark.parametrize("spec", OTHER_JOBS)
def test_the_example_of_every_other_job_works(noise, opened, spec):
    assert isinstance(job(**spec.example), spec)
    assert done(opened(noise), **spec.example)[1].getvalue()


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_works_as_a_job_of_its_own(noise, opened, name):
    result, file = done(opened(noise), **FILTERS[name].example)
    assert result.seconds.keys() == {"decode", name, "encode"}
    with Image.open(file) as image:
        assert image.size == noise.size


def test_jobs_share_one_photo_and_none_changes_it(noise, opened):
    photo = opened(noise.convert("RGBA"))
    before = photo.image.tobytes()
    steps = [
        {"type": "resize", "width": 90, "height": 70},
        {"type": "filter", "filter": "invert"},
        {"type": "filter", "filter": "blur"},
    ]
    for step in steps:
        done(photo, **step)
    assert photo.image.tobytes() == before
    assert photo.image.info == {}


def test_a_result_of_too_many_pixels_is_refused_and_leaves_nothing(quarters, opened):
    file = io.BytesIO()
    (end,) = produce(opened(quarters).original, {"job": job(type="resize", width=9000)}, {"job": file}, LIMIT)
    assert isinstance(end.result, TooManyPixels)
    assert not file.getvalue()


def test_the_decoded_picture_is_freed_before_its_results_are_written(noise, opened, monkeypatch):
    """It is the largest picture of an order."""
    original = opened(noise).original
    decoded, alive = [], []
    decode, write = PhotoFile.decode, pipeline.encode

    def watched(file, scale, **options):
        facts, image = decode(file, scale, **options)
        decoded.append(weakref.ref(image))
        return facts, image

    def encode(image, photo, output, file, part):
        alive.append(decoded[0]() is not None)
        return write(image, photo, output, file, part)

    monkeypatch.setattr(PhotoFile, "decode", watched)
    monkeypatch.setattr(pipeline, "encode", encode)
    jobs = {"a": job(type="resize", width=30), "b": job(type="resize", width=10)}
    ends = list(produce(original, jobs, {name: io.BytesIO() for name in jobs}, LIMIT))
    assert [type(end.result).__name__ for end in ends] == ["PipelineResult"] * 2
    assert alive == [False, False]


class TestEqualResults:
    """Three jobs that change nothing of a small photo, and one with another output."""

    @pytest.fixture
    def jobs(self):
        sizes = (job(type="resize", width=width, without_enlargement=True) for width in (70, 80, 90))
        other = job(type="resize", width=70, without_enlargement=True, output={"quality": 50})
        return dict(zip("abcd", [*sizes, other], strict=True))

    def ends_of(self, photo, jobs):
        files = {name: io.BytesIO() for name in jobs}
        ends = {end.job: end.result for end in produce(photo.original, jobs, files, LIMIT)}
        return ends, {name: file.getvalue() for name, file in files.items()}

    def count_encodes(self, monkeypatch, failures=0):
        encodes = []

        def write(image, file, output, exif):
            encodes.append(output)
            if len(encodes) <= failures:
                raise ValueError("no")
            plain.write(image, file, output, exif)

        plain = ENCODERS["jpeg"]
        monkeypatch.setitem(ENCODERS, "jpeg", replace(plain, write=write))
        return encodes

    def test_they_are_encoded_once(self, quarters, opened, jobs, monkeypatch):
        encodes = self.count_encodes(monkeypatch)
        ends, files = self.ends_of(opened(quarters, "JPEG"), jobs)
        assert len(encodes) == 2
        assert files["a"] == files["b"] == files["c"] != files["d"]
        assert {name: (end.format, end.width, end.height) for name, end in ends.items()} == dict.fromkeys(
            jobs, ("jpeg", 60, 40)
        )

    def test_a_failure_is_that_of_one_job(self, quarters, opened, jobs, monkeypatch):
        self.count_encodes(monkeypatch, failures=1)
        ends, files = self.ends_of(opened(quarters, "JPEG"), jobs)
        assert [name for name, end in ends.items() if isinstance(end, Exception)] == ["a"]
        assert files["b"] == files["c"] != b""

    def test_results_of_all_jobs_are_let_go(self, quarters, opened, jobs, monkeypatch):
        kept = []
        finished = PlanRun._finished

        def watch(self, finish, image):
            result = finished(self, finish, image)
            kept.append(len(self._kept))
            return result

        monkeypatch.setattr(PlanRun, "_finished", watch)
        self.ends_of(opened(quarters, "JPEG"), jobs)
        assert max(kept) == 1
        assert kept[-1] == 0


def test_an_operation_that_fails_ends_the_jobs_that_need_it_with_its_error_and_no_others(quarters, opened, monkeypatch):
    def fail(*_):
        raise failure

    failure = RuntimeError("no sepia today")
    monkeypatch.setitem(STEP_FUNCTIONS, Sepia, fail)
    half, sepia = {"type": "resize", "width": 30}, {"type": "filter", "filter": "sepia"}
    specs = {
        "half": half,
        "sepia": {"type": "pipeline", "steps": [half, sepia]},
        "small sepia": {"type": "pipeline", "steps": [half, sepia, {"type": "resize", "width": 10}]},
        "colours": {"type": "metadata", "colours": 5},
    }
    jobs = {name: job(**spec) for name, spec in specs.items()}
    files = {name: io.BytesIO() for name in jobs}
    ends = [(end.job, end.result) for end in produce(opened(quarters).original, jobs, files, LIMIT)]
    assert [(name, error) for name, error in ends if isinstance(error, Exception)] == [
        ("sepia", failure),
        ("small sepia", failure),
    ]
    assert {name for name, _ in ends} == jobs.keys()
    assert len(ends) == len(jobs)


def test_a_photo_that_cannot_be_decoded_ends_all_jobs_with_one_error(tmp_path):
    path = tmp_path / "photo"
    path.write_bytes(b"\xff\xd8\xff")
    jobs = {"a": job(type="metadata"), "b": job(type="resize", width=3)}
    with path.open("rb") as file:
        first, second = produce(file, jobs, {name: io.BytesIO() for name in jobs}, LIMIT)
    assert isinstance(first.result, UnreadablePhoto)
    assert (first.job, second.job, second.result) == ("a", "b", first.result)


def test_pictures_are_freed_as_soon_as_no_step_needs_them(quarters, opened, monkeypatch):
    pictures = []

    def noted(image, size, kernel, box):
        pictures.append(weakref.ref(image))
        return resample(image, size, kernel, box)

    monkeypatch.setattr(plan_operations, "resample", noted)
    jobs = {str(width): job(type="resize", width=width) for width in (32, 16, 8)}
    files = {name: io.BytesIO() for name in jobs}
    ends = produce(opened(quarters).original, jobs, files, LIMIT)
    alive = [[reference() is not None for reference in pictures] for _ in ends]
    # The sources of the resizes are the decoded photo, 32 wide, and 16 wide.
    assert alive == [[False], [False, False], [False, False, False]]


def test_the_error_of_a_job_keeps_no_picture(noise, opened, monkeypatch):
    pictures = []

    def fail(image, *_):
        pictures.append(weakref.ref(image))
        try:
            raise ValueError("no encoder")
        except ValueError as error:
            raise RuntimeError("no result") from error

    monkeypatch.setattr(pipeline, "encode", fail)
    jobs = {"a": job(type="filter", filter="sepia"), "b": job(type="resize", width=10)}
    ends = list(produce(opened(noise).original, jobs, {name: io.BytesIO() for name in jobs}, LIMIT))
    assert [str(end.result) for end in ends] == ["no result", "no result"]
    assert [reference() for reference in pictures] == [None, None]


def test_work_that_jobs_share_counts_for_the_one_that_ends_first(quarters, opened):
    sepia = {"type": "pipeline", "steps": [{"type": "resize", "width": 30}, {"type": "filter", "filter": "sepia"}]}
    jobs = {"half": job(type="resize", width=30), "sepia": job(**sepia)}
    ends = produce(opened(quarters).original, jobs, {name: io.BytesIO() for name in jobs}, LIMIT)
    assert {end.job: set(end.result.seconds) for end in ends} == {
        "half": {"decode", "resize", "encode"},
        "sepia": {"sepia", "encode"},
    }
