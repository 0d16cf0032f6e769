"""The worker's Lambda function for real: our image under Lambda's runtime client, in a container like Lambda's, fed
from LocalStack's SQS; and the same image as a worker in a container, which must come to the same."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import random
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
import requests
from PIL import Image, ImageCms

from darkroom.jobs.job_types import STEP_JOBS, MetadataJob, jobs_adapter, steps_of
from darkroom.jobs.output import OUTPUT_FORMATS
from darkroom.jobs.steps import FILTERS
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from darkroom.settings import MIB
from tests.support.compose import HANGS, PROJECT, free_ports
from tests.support.deployment import Deploy
from tests.support.lambda_runtime import EnvironmentProcess, EventSource, Function, Start, TaskTimedOut
from tests.support.stack import Stack
from tests.support.waiting import wait_until
from worker.child.sandbox import FILES

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

LOCALSTACK = "localstack/localstack:4.14.0"

MEMORY = 1024
"""MiB of the function, /tmp included: here that is a tmpfs, on Lambda it is not."""

LIKE_LAMBDA = [
    "--ipc=none",  # no /dev/shm
    "--read-only",
    *("--tmpfs", "/tmp:size=512m"),
    *("--memory", f"{MEMORY}m", "--memory-swap", f"{MEMORY}m"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--user", "993:990"),  # as Lambda has it: nobody that the image knows
]

MISBEHAVING = "tests.support.misbehaving_function"
MOUNTS = [
    f"--volume={PROJECT}/tests/integration/{name}:/app/tests/integration/{name}:ro"
    for name in ("misbehaving.py", "misbehaving_function.py")
]
"""What it needs and the image lacks."""

RESIZE = {"type": "resize", "width": 160}
# As tests/support/misbehaving.py replaces them.
CRASH = {"type": "filter", "filter": "sepia"}
ALLOCATE = {"type": "filter", "filter": "invert"}


def docker(*arguments: str, timeout: float = 900) -> str:
    command = ["docker", *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass
class Container:
    """`docker run` in the foreground."""

    name: str
    process: subprocess.Popen[bytes]

    def poll(self) -> int | None:
        return self.process.poll()

    def kill(self) -> None:
        subprocess.run(["docker", "rm", "--force", "--volumes", self.name], capture_output=True, timeout=60)
        self.process.wait()


def run_container(
    image: str, options: list[str], command: list[str], variables: dict[str, str], log: Path
) -> Container:
    name = f"darkroom-lambda-{uuid.uuid4().hex[:12]}"
    environ = [option for variable in variables.items() for option in ("--env", "=".join(variable))]
    # The host's network, where the Runtime API and LocalStack are on the loopback address.
    line = ["docker", "run", "--rm", "--name", name, "--network", "host", *options, *environ, image, *command]
    with log.open("ab") as output:
        return Container(name, subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=output))


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("`docker info` does not work here: these tests need Docker")
    name = f"darkroom-lambda-{os.getpid()}"
    docker("build", "--quiet", "--tag", name, ".")
    yield name
    subprocess.run(["docker", "image", "rm", name], capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def endpoint(image: str) -> Iterator[str]:
    """A LocalStack of our own, instead of the emulator."""
    (port,) = free_ports(1)
    name = f"darkroom-lambda-localstack-{os.getpid()}"
    variables = {"SERVICES": "s3,sqs,dynamodb,cloudformation", "SKIP_SSL_CERT_DOWNLOAD": "1", "DISABLE_EVENTS": "1"}
    environ = [option for variable in variables.items() for option in ("--env", "=".join(variable))]
    docker("run", "--detach", "--name", name, "--publish", f"127.0.0.1:{port}:4566", *environ, LOCALSTACK)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until("LocalStack answers", lambda: is_healthy(url))
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ENDPOINT_URL", url)
            environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
            environment.setenv("AWS_ACCESS_KEY_ID", "test")
            environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
            yield url
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, timeout=60)


def is_healthy(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{url}/_localstack/health", timeout=5).ok
    return False


@pytest.fixture(scope="module")
def faults() -> dict[str, str]:
    return {}


@dataclass
class Cloud:
    """Deployments, the function's container, and the worker's beside it."""

    image: str
    deploy: Deploy
    directory: Path
    exits: contextlib.ExitStack

    def stack(self) -> Stack:
        deployment = self.deploy()
        return Stack(Services.connect(deployment.settings), deployment.environ, self.directory, self.exits)

    def function(
        self,
        stack: Stack,
        timeout: float,
        program: str = "awslambdaric",
        options: Sequence[str] = (),
        **more: str,
    ) -> Function:
        variables = {
            "DARKROOM_SPOOL_DIR": "/tmp/darkroom",
            "AWS_LAMBDA_FUNCTION_NAME": "darkroom",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY),
        }
        start = self._starting(
            ["python", "-m", program, "worker.lambda_function.lambda_handler"],
            [*LIKE_LAMBDA, *options],
            self._variables(stack) | variables | more,
        )
        return self.exits.enter_context(Function(start, timeout))

    def worker(self, stack: Stack) -> Container:
        # As docker-compose.yml runs it.
        options = ["--read-only", "--tmpfs", "/tmp", "--volume", "/var/lib/darkroom/spool", "--cap-drop", "ALL"]
        variables = self._variables(stack) | {"DARKROOM_SPOOL_DIR": "/var/lib/darkroom/spool"}
        worker = run_container(self.image, options, ["python", "-m", "worker"], variables, self.log("worker"))
        self.exits.callback(worker.kill)
        return worker

    def _starting(self, command: list[str], options: list[str], variables: dict[str, str]) -> Start:
        def start(address: str) -> EnvironmentProcess:
            more = {"AWS_LAMBDA_RUNTIME_API": address}
            return run_container(self.image, options, command, variables | more, self.log("function"))

        return start

    def _variables(self, stack: Stack) -> dict[str, str]:
        ours = {name: value for name, value in stack.environ.items() if name.startswith(("DARKROOM_", "AWS_"))}
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            ours.pop(name, None)
        return ours | {"DARKROOM_LOG_FORMAT": "json"}

    def log(self, of: str) -> Path:
        return self.directory / f"{of}.log"

    def logged(self, of: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log(of).read_text().splitlines() if line.startswith("{")]


@pytest.fixture
def cloud(image: str, deploy: Deploy, tmp_path: Path) -> Iterator[Cloud]:
    with contextlib.ExitStack() as exits:
        yield Cloud(image, deploy, tmp_path, exits)


def until(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANGS
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen that {what}"
        time.sleep(0.5)


# --- everything that can go wrong in one queue -------------------------------------------------------------------


def test_a_queue_of_good_and_bad_ends_as_designed(cloud: Cloud, picture: bytes) -> None:
    stack = cloud.stack()
    good = [stack.submit(picture, RESIZE) for _ in range(30)]
    damaged = [stack.submit(picture[: len(picture) // 2], RESIZE) for _ in range(5)]
    stack.services.photos.send("what is this?", group="x", deduplication_id=new_id())
    stack.services.photos.send('{"v": 1, "kind": "dance"}', group="x", deduplication_id=new_id())
    crashing = stack.submit(picture, CRASH, RESIZE)
    good += [stack.submit(picture, RESIZE) for _ in range(24)]
    hung_over = good[40]
    timeout = 24
    function = cloud.function(stack, timeout, MISBEHAVING, MOUNTS, HANG=hung_over.id)
    source = EventSource(stack.services.clients.sqs, stack.services.photos.url, function)
    # AWS refuses an event source whose queue hides for less than the function's timeout.
    source.sqs.set_queue_attributes(QueueUrl=source.queue_url, Attributes={"VisibilityTimeout": str(timeout + 6)})
    photos = [*good, *damaged, crashing]
    assert len(photos) == 60

    with source.running():
        until("every photo has ended", lambda: not any(stack.look(photo).unfinished for photo in photos))
        until("the queue is empty", lambda: depth(stack) == (0, 0))

    assert Counter(stack.look(photo).status for photo in good) == {"succeeded": 54}
    for photo in good:
        (job,) = stack.look(photo).jobs.values()
        assert job.result is not None
        result = Image.open(io.BytesIO(stack.services.bucket.read(job.result.key)))
        result.load()
        assert (result.format, result.size) == ("JPEG", (160, 120))
        assert close(result.getpixel((20, 60)), (254, 0, 0))
        assert close(result.getpixel((140, 60)), (0, 0, 254))
    for photo in damaged:
        (job,) = stack.look(photo).jobs.values()
        assert (job.status, job.attempts, [error.code for error in job.errors]) == ("failed", 1, ["unreadable_photo"])
    crashed, resized = stack.look(crashing).jobs.values()
    assert (crashed.status, [error.code for error in crashed.errors]) == ("failed", ["child_died"])
    assert "SIGABRT" in crashed.errors[0].detail
    assert resized.status == "succeeded"

    letters, dlq = [], stack.services.photos.dead_letters
    while found := dlq.receive(10, wait=1, visibility=60):
        letters += found
    reasons = Counter(letter.attributes["code"] for letter in letters)
    assert reasons == {"undecodable_message": 2, "child_died": 1}

    timed_out = [answer for answer in source.answers if not isinstance(answer, dict)]
    assert [type(error) for error in timed_out] == [TaskTimedOut]
    assert function.starts == 2
    # What was done in the invocation that timed out was not done again; only the hung one was not claimed before.
    attempts = Counter(job.attempts for photo in photos for job in stack.look(photo).jobs.values())
    assert attempts == {1: 61}
    assert {event["data"]["id"] for event in stack.events()} == {photo.id for photo in photos}
    assert "sandbox.incomplete" not in {entry["action"] for entry in cloud.logged("function")}


def depth(stack: Stack) -> tuple[int, int]:
    found = stack.services.photos.depth()
    return found.visible, found.in_flight


def close(pixel: Any, colour: tuple[int, int, int]) -> bool:
    """JPEG's own loss; the picture is red and blue."""
    return all(abs(here - there) < 12 for here, there in zip(pixel, colour, strict=True))


WITHOUT_LANDLOCK = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [
        {
            "names": ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": errno.ENOSYS,
        }
    ],
}
"""The answer of a kernel that is older than Landlock, as Lambda's may be."""


def test_crashes_and_greed_cost_one_job_where_there_is_no_landlock(cloud: Cloud, picture: bytes) -> None:
    stack = cloud.stack()
    photo = stack.submit(picture, CRASH, ALLOCATE, RESIZE)
    profile = cloud.directory / "seccomp.json"
    profile.write_text(json.dumps(WITHOUT_LANDLOCK))
    function = cloud.function(stack, 120, MISBEHAVING, (*MOUNTS, f"--security-opt=seccomp={profile}"))
    source = EventSource(stack.services.clients.sqs, stack.services.photos.url, function)

    with source.running():
        until("the photo has ended", lambda: not stack.look(photo).unfinished)

    crashed, greedy, resized = stack.look(photo).jobs.values()
    assert [error.code for error in crashed.errors] == ["child_died"]
    assert [error.code for error in greedy.errors] == ["out_of_memory"]
    (shares,) = [entry for entry in cloud.logged("function") if entry["action"] == "worker.memory"]
    assert shares["usable_mib"] == MEMORY
    assert f"ran out of memory at {shares['child_mib'] * MIB / 1e6:.0f} MB" in greedy.errors[0].detail
    assert resized.status == "succeeded"
    assert function.starts == 1
    missing = [entry["missing"] for entry in cloud.logged("function") if entry["action"] == "sandbox.incomplete"]
    assert missing == [[FILES]]


# --- the same to the byte ----------------------------------------------------------------------------------------

FILTERS_AS_STEPS = [spec.example for spec in FILTERS.values()]

EVERYTHING = [
    *({"type": "resize", "width": 80, "height": 90, "fit": fit} for fit in ("cover", "contain", "fill", "inside")),
    {"type": "resize", "width": 80, "height": 90, "fit": "outside", "kernel": "cubic", "output": {"format": "png"}},
    {"type": "resize", "width": 60, "height": 60, "position": "attention", "output": {"keep_metadata": True}},
    {"type": "resize", "width": 60, "height": 60, "position": {"x": 0.2, "y": 0.8}},
    *FILTERS_AS_STEPS,
    *({"type": "resize", "width": 100, "output": {"format": name}} for name in ("jpeg", "png", "webp", "avif")),
    {
        "type": "pipeline",
        "steps": [{"type": "resize", "width": 90}, *FILTERS_AS_STEPS[:4]],
        "output": {"format": "webp", "quality": 70},
    },
    {"type": "metadata"},
]

OF_TIME = {"seconds", "message_id", "version"}
"""What of a record depends on when it was written: how long things took, which message led to it, and how often
it was written, for that happens now and then. With them goes every `..._at`."""


def test_the_jobs_are_of_every_kind() -> None:
    jobs = jobs_adapter.validate_python(EVERYTHING)
    pictures = [job for job in jobs if not isinstance(job, MetadataJob)]
    assert len(jobs) > len(pictures)
    assert {type(job) for job in pictures if job.type != "pipeline"} == set(STEP_JOBS.values())
    assert any(len(steps_of(job)) > 1 for job in pictures)
    assert {job.output.format for job in pictures} - {None} == set(OUTPUT_FORMATS)


def test_container_and_function_come_to_the_same_to_the_byte(cloud: Cloud) -> None:
    in_container, in_function = cloud.stack(), cloud.stack()
    files = [file for _, file in sorted(make_photos().items())]
    assert len(files) == 20
    records = [in_container.record(file, EVERYTHING) for file in files]
    for stack in (in_container, in_function):
        for record, file in zip(records, files, strict=True):
            stack.services.table.create(record.model_copy(deep=True))
            stack.store(record, file)
            for order in record.orders:
                stack.services.outbox.send_order(record, order)
    worker = cloud.worker(in_container)
    source = EventSource(
        in_function.services.clients.sqs,
        in_function.services.photos.url,
        cloud.function(in_function, timeout=300),
    )
    with source.running():
        for stack in (in_function, in_container):

            def ended(stack: Stack = stack) -> bool:
                assert worker.poll() is None, cloud.log("worker").read_text()
                return not any(stack.look(record).unfinished for record in records)

            until("every photo has ended", ended)

    for record in records:
        theirs, ours = in_container.look(record), in_function.look(record)
        assert theirs.status == ours.status == "succeeded"
        hashes = [result_hashes(photo) for photo in (theirs, ours)]
        assert hashes[0] == hashes[1]
        assert timeless(theirs.model_dump()) == timeless(ours.model_dump())
    assert all(answer == {"batchItemFailures": []} for answer in source.answers), source.answers


def result_hashes(photo: PhotoRecord) -> dict[str, str]:
    return {job.id: job.result.sha256 for job in photo.jobs.values() if job.result}


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: timeless(part)
            for name, part in value.items()
            if name not in OF_TIME and not str(name).endswith("_at")
        }
    return [timeless(part) for part in value] if isinstance(value, list) else value


def make_photos() -> dict[str, bytes]:
    """Twenty photos of every kind that is taken, each of another shape."""
    chance = random.Random(5)
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    def scene(mode: str = "RGB") -> Image.Image:
        size = (chance.randrange(150, 260), chance.randrange(110, 200))
        noise = Image.frombytes("RGB", (16, 12), chance.randbytes(16 * 12 * 3)).resize(size, Image.Resampling.BICUBIC)
        if mode.endswith("A"):
            noise.putalpha(Image.linear_gradient("L").resize(size))
        return noise.convert(mode)

    def saved(picture: Image.Image, format_: str, **options: Any) -> bytes:
        file = io.BytesIO()
        picture.save(file, format_, **options)
        return file.getvalue()

    def turned(orientation: int) -> Image.Exif:
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = orientation, "Darkroom"
        return exif

    def heic(picture: Image.Image) -> bytes:
        file = io.BytesIO()
        pillow_heif.from_pillow(picture).save(file, quality=70)
        return file.getvalue()

    def palette() -> Image.Image:
        return scene().quantize(64)

    return {
        "jpeg": saved(scene(), "JPEG"),
        "jpeg, turned by 90": saved(scene(), "JPEG", exif=turned(6)),
        "jpeg, mirrored": saved(scene(), "JPEG", exif=turned(5), quality=95),
        "jpeg, progressive, with a profile": saved(scene(), "JPEG", progressive=True, icc_profile=icc),
        "jpeg, gray": saved(scene("L"), "JPEG"),
        "jpeg, CMYK": saved(scene("CMYK"), "JPEG"),
        "png": saved(scene(), "PNG"),
        "png, with alpha": saved(scene("RGBA"), "PNG", icc_profile=icc),
        "png, gray with alpha": saved(scene("LA"), "PNG"),
        "png, palette": saved(palette(), "PNG", transparency=3),
        "png, 16 bits": saved(scene("L").convert("I;16"), "PNG"),
        "png, black and white": saved(scene("1"), "PNG"),
        "gif": saved(palette(), "GIF"),
        "gif, animated": saved(palette(), "GIF", save_all=True, append_images=[palette()]),
        "webp": saved(scene(), "WEBP", quality=80, exif=turned(3)),
        "webp, lossless with alpha": saved(scene("RGBA"), "WEBP", lossless=True),
        "tiff": saved(scene(), "TIFF", compression="tiff_lzw"),
        "tiff, CMYK": saved(scene("CMYK"), "TIFF"),
        "avif": saved(scene(), "AVIF", quality=70),
        "heic": heic(scene()),
    }
