"""`darkroom replay`: a result made again from its receipt."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

import darkroom
from darkroom.cli.main import main
from darkroom.jobs.asset_ids import EXAMPLE_PICTURE
from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.receipt import receipt_of
from darkroom.record.stored import Original
from darkroom.record.stored import Result as StoredResult
from tests.support.example_assets import EXAMPLE_ASSETS
from tests.support.records import claim, photo
from worker.photo.pipeline import produce

JOBS = [{"type": "resize", "width": 30}, {"type": "resize", "width": 90, "output": {"caption": "A caption"}}]


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """A receipt and its photo."""
    return make(tmp_path, JOBS)


def make(tmp_path: Path, wanted: list[dict[str, Any]]) -> tuple[Path, Path]:
    """The receipt of the first of these jobs, and its photo."""
    path = tmp_path / "photo.jpg"
    Image.linear_gradient("L").convert("RGB").save(path)
    jobs = {str(number): job for number, job in enumerate(jobs_adapter.validate_python(wanted))}
    files = {name: io.BytesIO() for name in jobs}
    logo = tmp_path / "logo.png"
    logo.write_bytes(EXAMPLE_ASSETS[EXAMPLE_PICTURE])
    with path.open("rb") as original, logo.open("rb") as asset:
        ends = {end.job: end.result for end in produce(original, jobs, files, 10**6, assets={EXAMPLE_PICTURE: asset})}
    record = photo(*wanted)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    record.original = Original(
        key="k", filename="photo.jpg", content_type="image/jpeg", size=path.stat().st_size, sha256=digest, width=256,
        height=256,
    )  # fmt: skip
    held = claim(record)
    outcomes: Any = {}
    for number, job_id in enumerate(held.jobs):
        end, data = ends[str(number)], files[str(number)].getvalue()
        assert not isinstance(end, Exception)
        outcomes[job_id] = StoredResult(
            key="k", filename="f.jpg", content_type="image/jpeg", size=len(data), making=end.making,
            sha256=hashlib.sha256(data).hexdigest(), company=tuple(held.jobs), width=end.width, height=end.height,
            versions={"darkroom": darkroom.__version__},
        )  # fmt: skip
    record.publish(held, outcomes, last=True)
    first = next(iter(record.jobs.values()))
    receipt = tmp_path / "receipt.json"
    receipt.write_text(receipt_of(record, first).model_dump_json())
    return receipt, path


def changed(receipt: Path, **parts: Any) -> Path:
    """The receipt with other values: `output__sha256` is that of `output`."""
    document = json.loads(receipt.read_text())
    for place, value in parts.items():
        *above, name = place.split("__")
        section = document
        for part in above:
            section = section[part]
        section[name] = value
    receipt.write_text(json.dumps(document))
    return receipt


def replay(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["replay", *map(str, arguments)])


def test_the_same_photo_gives_the_same_bytes(made, tmp_path):
    again = replay(*made, "--out", tmp_path / "again.jpg")
    assert (again.exit_code, again.output.partition(":")[0]) == (0, "The bytes agree, and so do the pixels")
    with Image.open(tmp_path / "again.jpg") as picture:
        assert picture.size == (30, 30)


def test_other_bytes_with_the_same_pixels_are_named_as_such(made):
    receipt, path = made
    again = replay(changed(receipt, output__sha256="0" * 64, backends__encode="libjpeg-turbo 1.0"), path)
    assert again.exit_code == 1
    assert "The bytes differ" in again.output
    assert "The pixels before encoding agree" in again.output
    assert "encode: libjpeg-turbo 1.0 then, libjpeg-turbo" in again.output


def test_other_pixels_and_another_release_are_named_as_such(made):
    receipt, path = made
    other = changed(
        receipt, output__sha256="0" * 64, output__pixels="0" * 16, versions__darkroom="0.0.1", plan=["a 1x1"]
    )
    again = replay(other, path)
    assert again.exit_code == 1
    assert "The pixels before encoding differ" in again.output
    assert f"Darkroom was 0.0.1 and is {darkroom.__version__}" in again.output
    assert "then: a 1x1" in again.output


def test_another_photo_is_not_compared(made, tmp_path):
    other = tmp_path / "other.jpg"
    Image.new("RGB", (4, 3)).save(other)
    again = replay(made[0], other)
    assert again.exit_code == 2
    assert "is another file than the receipt's" in again.output


@pytest.mark.parametrize("text", ["", "{}", '{"receipt": 2}', "[]"])
def test_a_file_that_is_no_receipt_is_refused(made, text):
    receipt, path = made
    receipt.write_text(text)
    again = replay(receipt, path)
    assert again.exit_code == 2
    assert "is not a receipt" in again.output


def test_a_result_that_cannot_be_made_again_says_why(made):
    receipt, path = made
    small = CliRunner().invoke(main, ["replay", str(receipt), str(path)], env={"DARKROOM_MAX_PIXELS": "100"})
    assert small.exit_code == 1
    assert "cannot be made again" in small.output


def test_the_assets_of_a_recipe_have_to_be_given(tmp_path: Path) -> None:
    receipt, path = make(tmp_path, [{"type": "watermark", "image": EXAMPLE_PICTURE}])
    without = CliRunner().invoke(main, ["replay", str(receipt), str(path)])
    assert without.exit_code == 2
    assert without.stderr == f"The recipe names asset {EXAMPLE_PICTURE}: give its file with --asset.\n"
    with_it = CliRunner().invoke(main, ["replay", str(receipt), str(path), "--asset", str(tmp_path / "logo.png")])
    assert with_it.exit_code == 0, with_it.output
