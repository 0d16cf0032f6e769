"""Clients that generators make from the running service's OpenAPI document, in Python and in TypeScript.

The commands and the programs are those of docs/generated-clients.md.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom.errors import AttemptsExhausted
from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from darkroom.settings import PROJECT
from tests.support.api import Api
from tests.support.documents import under
from tests.support.stack import QUICK_LEASE, Stack

PAGE = PROJECT / "docs/generated-clients.md"


@dataclass(frozen=True)
class Service:
    """An API with a worker."""

    api: Api
    stack: Stack

    def failed_photo(self, picture: bytes) -> dict[str, Any]:
        """A photo whose job has failed: a JPEG has no page 9."""
        photo = self.api.upload_photo(picture, jobs=[{"type": "resize", "width": 50, "page": 9}])
        return self.ended(photo["id"])

    def dead_photo(self, picture: bytes) -> str:
        """The id of a photo whose order is a dead letter; a worker makes its result after a redrive."""
        photo = self.stack.record(picture, [{"type": "resize", "width": 50}])
        self.stack.services.table.create(photo)
        self.stack.store(photo, picture)

        def bury(record: PhotoRecord) -> None:
            (order,) = record.orders
            record.bury(record.claim(order, 5, 90, 300), AttemptsExhausted("given up after 5 attempts"))

        self.api.change_record(photo.id, bury)
        return photo.id

    def ended(self, photo_id: str) -> dict[str, Any]:
        photo: dict[str, Any] = self.api.get(f"/v1/photos/{photo_id}?wait=60").json()
        return photo


@dataclass(frozen=True)
class Run:
    """What the commands of a section of the page have done."""

    folder: Path
    output: str
    failed: dict[str, Any]
    dead: str
    """The photos that had failed, and been given up, before the program ran."""

    def printed(self, word: str) -> list[str]:
        """What stands behind a word that begins a line of the output."""
        return re.findall(rf"^{word} (.+)$", self.output, re.MULTILINE)


@pytest.fixture(scope="module")
def service(deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("generated")
    with contextlib.ExitStack() as exits:
        deployment = deploy(**QUICK_LEASE)
        stack = Stack(Services.connect(deployment.settings), deployment.environ_of("worker"), folder, exits)
        stack.worker()
        api = Api(deployment, folder / "api.log", {}, payload="")
        exits.callback(api.stop)
        yield Service(api, stack)


def run(service: Service, heading: str, program: str, folder: Path, picture: bytes) -> Run:
    """Run the commands under a heading of the page. `program`: the name of the file with its code."""
    failed, dead = service.failed_photo(picture), service.dead_photo(picture)
    (folder / "photo.jpg").write_bytes(picture)
    texts = {
        block.language: block.text.replace("http://127.0.0.1:8080", service.api.url) for block in under(PAGE, heading)
    }
    commands = texts.pop("bash")
    ((_, code),) = texts.items()
    (folder / program).write_text(code)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DARKROOM_"))}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return Run(folder, done.stdout, failed, dead)


@pytest.fixture(scope="module")
def python(service: Service, picture: bytes, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(service, "Python", "follow.py", tmp_path_factory.mktemp("python"), picture)


@pytest.fixture(scope="module")
def typescript(service: Service, picture: bytes, node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "node_modules").symlink_to(node_modules)
    return run(service, "TypeScript", "follow.mts", folder, picture)


def check_run(service: Service, run: Run) -> None:
    """Check what a program has printed and done."""
    ((uploaded, status),) = [line.split() for line in run.printed("uploaded")]
    assert status == "succeeded"
    photo = service.ended(uploaded)
    assert (photo["reference"], photo["status"]) == ("order-4711", "succeeded")
    assert [job["name"] for job in photo["jobs"]] == ["small", "facts", "tiny"]

    small = (run.folder / "small.jpg").read_bytes()
    assert Image.open(io.BytesIO(small)).size == (320, 240)
    assert run.printed("fetched") == [f"{len(small)} bytes of image/jpeg from a jpeg"]
    assert run.printed("added") == ["tiny succeeded"]

    (redriven,) = run.printed("redriven")
    assert redriven.startswith(f"{run.dead}/")
    assert service.ended(run.dead)["status"] == "succeeded"

    (job,) = run.failed["jobs"]
    assert f"{job['id']} failed" in run.printed("retried")
    assert service.ended(run.failed["id"])["generation"] == run.failed["generation"] + 1


def operation_ids(service: Service) -> list[str]:
    paths = service.api.get("/openapi.json").json()["paths"]
    return [operation["operationId"] for operations in paths.values() for operation in operations.values()]


class TestPython:
    def test_the_generator_warns_of_nothing_and_leaves_out_no_operation(self, service: Service, python: Run) -> None:
        lines = python.output.splitlines()
        assert lines[0] == "Generating darkroom_api"
        assert lines[1].startswith("uploaded ")
        modules = {path.stem for path in python.folder.glob("darkroom_api/api/*/*.py")} - {"__init__"}
        assert modules == {re.sub("([A-Z])", r"_\1", name).lower() for name in operation_ids(service)}

    def test_the_client_uploads_waits_fetches_adds_retries_and_redrives(self, service: Service, python: Run) -> None:
        check_run(service, python)

    def test_every_job_can_be_written_with_its_class(
        self, service: Service, python: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The class also sends the defaults of all fields that were not given. They must mean the same job."""
        monkeypatch.syspath_prepend(str(python.folder))
        from darkroom_api import models  # type: ignore[import-not-found]
        from darkroom_api.types import Unset  # type: ignore[import-not-found]

        schemas = service.api.get("/openapi.json").json()["components"]["schemas"]
        examples = [
            (name, example)
            for name, schema in schemas.items()
            if name.endswith("Job")
            for example in schema["examples"]
        ]
        assert len(examples) > 40
        for name, example in examples:
            job = getattr(models, name).from_dict(example)
            for field in job.__attrs_attrs__:
                if isinstance(getattr(job, field.name), Unset):
                    setattr(job, field.name, field.default)
            sent = json.loads(json.dumps(job.to_dict()))
            assert sent.keys() > example.keys(), name
            assert jobs_adapter.validate_python([sent]) == jobs_adapter.validate_python([example]), name


class TestTypeScript:
    def test_the_generator_warns_of_nothing_and_leaves_out_no_operation(
        self, service: Service, typescript: Run
    ) -> None:
        lines = typescript.output.splitlines()
        assert re.match(r"✨ openapi-typescript \S+$", lines[0])
        assert re.match(r"🚀 \S+ → darkroom.d.ts \[\S+\]$", lines[1])
        assert lines[2].startswith("uploaded ")
        written = (typescript.folder / "darkroom.d.ts").read_text()
        _, _, operations = written.partition("export interface operations {\n")
        named = re.findall(r"^    (\w+): \{$", operations, re.MULTILINE)
        assert set(operation_ids(service)) - set(named) == set()

    def test_the_client_uploads_waits_fetches_adds_retries_and_redrives(
        self, service: Service, typescript: Run
    ) -> None:
        check_run(service, typescript)
