"""`darkroom download` fetches results of a photo, all or by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.fake_api import FakeApi, files_below, run, write


@pytest.fixture
def uploaded(fake_api: FakeApi, photo_folder: Path) -> str:
    """The id of a photo whose metadata is named `facts`."""
    write(photo_folder, "a.jpg")
    run("upload", photo_folder, url=fake_api.url)
    (photo,) = fake_api.photos
    return photo


def test_without_names_it_downloads_all_results(fake_api: FakeApi, uploaded: str, tmp_path: Path) -> None:
    out = tmp_path / "results"
    result = run("download", uploaded, "--out", out, url=fake_api.url)
    assert result.exit_code == 0, result.output
    assert files_below(out) == {"same.jpg", "same-2.jpg", "a-metadata.json"}
    assert set(result.stdout.split()) == {str(out / name) for name in files_below(out)}
    assert (out / "same-2.jpg").read_text().endswith("job1")


def test_a_name_selects_its_result(
    fake_api: FakeApi, uploaded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("download", uploaded, "facts", "facts", url=fake_api.url)
    assert (result.exit_code, result.stdout) == (0, "a-metadata.json\n")
    assert json.loads((tmp_path / "a-metadata.json").read_text()) == {"width": 4}


def test_the_newest_result_with_a_name_counts(fake_api: FakeApi, uploaded: str, tmp_path: Path) -> None:
    jobs = fake_api.photos[uploaded]["jobs"]
    for job in jobs:
        job["name"] = "thumb"
    jobs[2] |= {"status": "failed", "result": None, "error": {"code": "out_of_memory", "detail": "Too large."}}
    assert run("download", uploaded, "thumb", "--out", tmp_path / "out", url=fake_api.url).exit_code == 0
    assert files_below(tmp_path / "out") == {"same.jpg"}
    assert (tmp_path / "out/same.jpg").read_text().endswith("job1")


def test_a_result_that_does_not_exist_says_why_and_the_others_are_downloaded(
    fake_api: FakeApi, uploaded: str, tmp_path: Path
) -> None:
    error = {"code": "out_of_memory", "detail": "Too large."}
    fake_api.photos[uploaded]["jobs"][0] |= {"name": "thumb", "status": "failed", "result": None, "error": error}
    result = run("download", uploaded, "thumb", "facts", "--out", tmp_path / "out", url=fake_api.url)
    assert result.exit_code == 1
    assert "thumb: out_of_memory: Too large.\n" in result.stderr
    assert files_below(tmp_path / "out") == {"a-metadata.json"}


def test_an_unknown_name_says_which_names_exist(fake_api: FakeApi, uploaded: str, tmp_path: Path) -> None:
    result = run("download", uploaded, "hero", "facts", "--out", tmp_path / "out", url=fake_api.url)
    assert result.exit_code == 1
    assert result.stderr == f"Error: photo {uploaded} has no result named hero; its results are named facts\n"
    assert files_below(tmp_path / "out") == set()


def test_an_unknown_photo_says_so(fake_api: FakeApi) -> None:
    result = run("download", "nobody", "thumb", url=fake_api.url)
    assert (result.exit_code, result.stderr) == (1, f"Error: there is no photo nobody at {fake_api.url}\n")


def test_it_waits_until_the_jobs_have_ended(fake_api: FakeApi, photo_folder: Path, tmp_path: Path) -> None:
    write(photo_folder, "slow.jpg")
    run("upload", photo_folder, "--timeout", "1", url=fake_api.url)
    (photo,) = fake_api.photos
    result = run("download", photo, "facts", "--timeout", "1", "--out", tmp_path / "out", url=fake_api.url)
    assert result.exit_code == 1
    assert "not finished after 1 s" in result.stderr
