"""`darkroom plan`: the plan of a photo as a tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from darkroom.cli.main import main
from darkroom.jobs.job_types import jobs_adapter
from darkroom.plan.drawing import drawn
from darkroom.plan.graph import StoredPhoto
from darkroom.plan.planner import make_plan

JOBS = [
    {"type": "resize", "width": 1600},
    {"type": "resize", "width": 100, "height": 100, "position": "attention"},
    {"type": "resize", "width": 100, "height": 100, "fit": "contain", "background": "#ff0000"},
    {"type": "pipeline", "steps": [{"type": "resize", "width": 1600}, {"type": "filter", "filter": "sepia"}]},
    {"type": "metadata", "colours": 5},
]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (640, 480)).save(path, exif=exif)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plan", *arguments])


def test_a_plan_is_drawn_as_a_tree() -> None:
    jobs = dict(zip("abcde", jobs_adapter.validate_python(JOBS), strict=True))
    plan = make_plan(StoredPhoto("jpeg", 4000, 6000, orientation=5, colour_space="RGB"), jobs, 10**8)
    assert [(words, size) for words, size, _ in drawn(plan)] == [
        ("decode at 1/2", "2000x3000"),
        ("├─ overview (box)", "500x750"),
        ("│  └─ overview (box)", "85x128"),
        ("│     └─ turn (orientation 5)", "128x85"),
        ("│        └─ convert to sRGB", "128x85"),
        ("│           └─ metadata -> e", "128x85"),
        ("└─ resize (lanczos3)", "1067x1600"),
        ("   └─ turn (orientation 5)", "1600x1067"),
        ("      └─ convert to sRGB", "1600x1067"),
        ("         ├─ encode jpeg -> a", "1600x1067"),
        ("         ├─ sepia", "1600x1067"),
        ("         │  └─ encode jpeg -> d", "1600x1067"),
        ("         ├─ resize (lanczos3)", "100x67"),
        ("         │  └─ pad with #ff0000", "100x100"),
        ("         │     └─ encode jpeg -> c", "100x100"),
        ("         └─ resize a part, by attention (lanczos3)", "100x100"),
        ("            └─ encode jpeg -> b", "100x100"),
    ]


def test_all_encoders_between_which_auto_chooses_are_drawn() -> None:
    output = {"format": "auto", "accept": ["jpeg", "webp"]}
    (job,) = jobs_adapter.validate_python([{"type": "convert", "output": output}])
    plan = make_plan(StoredPhoto("jpeg", 40, 60, orientation=1, colour_space="RGB"), {"a": job}, 10**8)
    assert [words for words, _, _ in drawn(plan)][-1].strip(" └─") == "encode jpeg or webp -> a"


def test_the_header_of_the_photo_decides(photo: Path) -> None:
    result = run(str(photo), "--jobs", json.dumps([{"type": "resize", "width": 100}]))
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "JPEG 640x480 RGB, orientation 6" in lines[0]
    assert [line.split("  ")[0] for line in lines[1:-1]] == [
        "STEP",
        "decode at 1/2",
        "└─ resize (lanczos3)",
        "",
        "",
    ]
    assert "encode jpeg -> job 1, 100" in lines[-2]


def test_each_page_has_a_tree(tmp_path: Path) -> None:
    path = tmp_path / "scan.tiff"
    Image.new("L", (60, 40)).save(path, save_all=True, append_images=[Image.new("L", (30, 80))])
    jobs = [{"type": "flip", "page": 1}, {"type": "resize", "width": 10}]
    result = run(str(path), "--jobs", json.dumps(jobs))
    assert result.exit_code == 0, result.output
    decodes = [line.split()[:-2] for line in result.output.splitlines() if line.startswith("decode")]
    assert decodes == [["decode", "60x40"], ["decode", "page", "1", "30x80"]]


def test_a_preset_is_planned(photo: Path) -> None:
    result = run(str(photo), "--preset", "metadata")
    assert result.exit_code == 0, result.output
    assert "metadata -> job 1, metadata" in result.output


def test_a_job_that_is_refused_is_named_with_its_reason(photo: Path) -> None:
    result = run(str(photo), "--jobs", json.dumps([{"type": "resize", "width": 16000}]))
    assert "refused -> job 1, 16000: The result would have" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "web", "--jobs", '[{"type": "metadata"}]'], "give either --preset or --jobs"),
        (["--preset", "poster"], "there is no preset 'poster'"),
        (["--jobs", "[]"], "must have at least 1 item"),
    ],
)
def test_wrong_usage_is_explained(photo: Path, options: list[str], message: str) -> None:
    result = run(str(photo), *options)
    assert result.exit_code == 2
    assert message in result.output


def test_a_file_that_is_no_photo_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("hello")
    result = run(str(path))
    assert result.exit_code == 1
    assert "This is a text file" in result.output
