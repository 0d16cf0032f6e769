"""`darkroom upload` sends files and folders, waits, and downloads the results."""

from __future__ import annotations

import json
import os
import pty
import signal
import time
from pathlib import Path

import pytest

from tests.support.fake_api import JPEG, FakeApi, files_below, in_process, run, write


def test_files_and_folders_are_uploaded_and_their_results_downloaded(
    fake_api: FakeApi, photo_folder: Path, tmp_path: Path
) -> None:
    write(photo_folder, "a.jpg", "day/a.jpg", "day/b.HEIC", "day/notes.txt", ".hidden.jpg", ".git/c.jpg")
    out = tmp_path / "results"

    result = run("upload", photo_folder, "--preset", "web", "--reference", "trip 1", "--out", out, url=fake_api.url)

    assert result.exit_code == 0, result.output
    assert "3 of 3 photos succeeded, 9 files in" in result.stderr
    assert files_below(out) == {
        f"{folder}/{name}"
        for folder in ("a", "day/a", "day/b")
        for name in ("same.jpg", "same-2.jpg", "a-metadata.json")
    }
    sent = {upload["filename"]: upload for upload in fake_api.uploads}
    assert sent.keys() == {"a.jpg", "b.HEIC"}
    assert sent["b.HEIC"]["headers"]["Content-Length"] == str(len(JPEG))
    assert {(upload["preset"], upload["reference"], upload["bytes"]) for upload in fake_api.uploads} == {
        ("web", "trip 1", JPEG)
    }
    assert all(wait > 0 for wait in fake_api.waits)
    assert (out / "a" / "same-2.jpg").read_text().endswith("job1")
    assert json.loads((out / "a" / "a-metadata.json").read_text()) == {"width": 4}


def test_a_second_run_writes_over_the_first_and_does_not_upload_its_results(
    fake_api: FakeApi, photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(photo_folder, "a.jpg")
    monkeypatch.chdir(photo_folder)
    for _ in range(2):
        assert run("upload", ".", "a.jpg", "--out", "results", url=fake_api.url).exit_code == 0
    assert len(fake_api.uploads) == 2
    assert len(files_below(photo_folder / "results")) == 3


def test_without_out_it_prints_id_status_and_links(fake_api: FakeApi, photo_folder: Path) -> None:
    write(photo_folder, "a.jpg")
    result = run("upload", photo_folder, env={"DARKROOM_URL": fake_api.url})
    assert result.exit_code == 0
    assert f"ok      {photo_folder}/a.jpg  photo-0-a.jpg  succeeded\n" in result.stdout
    assert f"resize    {fake_api.url}/v1/photos/photo-0-a.jpg/jobs/job0/result\n" in result.stdout


def test_every_failure_is_named_with_its_reason_and_the_rest_goes_on(
    fake_api: FakeApi, photo_folder: Path, tmp_path: Path
) -> None:
    write(photo_folder, "a.jpg", "broken.jpg", "wrong.jpg", "forbidden.jpg", "notes.txt")
    out = tmp_path / "results"

    result = run("upload", photo_folder, photo_folder / "notes.txt", "--out", out, url=fake_api.url)

    assert result.exit_code == 1
    assert f"failed: {photo_folder}/notes.txt\n  The file is not a photo.\ufffd[2J\n" in result.stderr
    assert f"failed: {photo_folder}/wrong.jpg\n  jobs[0].width: must be at least 1\n" in result.stderr
    assert "  resize: unreadable_photo: The photo is cut short.\n" in result.stderr
    assert "  resize: the storage at 127.0.0.1:" in result.stderr
    assert "answered 403 AccessDenied\n" in result.stderr
    assert "1 of 5 photos succeeded, 4 failed" in result.stderr
    assert files_below(out) == {
        *(f"a/{name}" for name in ("same.jpg", "same-2.jpg", "a-metadata.json")),
        *(f"broken/{name}" for name in ("same.jpg", "a-metadata.json")),
        "forbidden/a-metadata.json",
    }


def test_results_stay_in_their_folder_and_torn_downloads_are_repeated(
    fake_api: FakeApi, photo_folder: Path, tmp_path: Path
) -> None:
    write(photo_folder, "evil.jpg", "torn.jpg")
    out = tmp_path / "deep" / "results"
    result = run("upload", photo_folder, "--out", out, url=fake_api.url)
    assert result.exit_code == 0, result.output
    assert {name for name in files_below(tmp_path) if "evil" in name} == {
        "photos/evil.jpg",
        *(f"deep/results/evil/{name}" for name in ("evil.jpg", "evil-2.jpg", "a-metadata.json")),
    }
    torn = next(photo for photo in fake_api.photos if "torn" in photo)
    assert (out / "torn" / "same.jpg").read_text() == f"{torn} job0"


def test_credentials_of_the_api_are_not_sent_to_the_storage(
    fake_api: FakeApi, photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    write(photo_folder, "a.jpg")
    assert run("upload", photo_folder, "--out", tmp_path / "out", url=fake_api.url).exit_code == 0
    assert "Authorization" in fake_api.uploads[0]["headers"]
    assert fake_api.storage_headers
    assert not any("Authorization" in headers for headers in fake_api.storage_headers)


def test_jobs_come_from_the_command_line_or_a_file(fake_api: FakeApi, photo_folder: Path, tmp_path: Path) -> None:
    write(photo_folder, "a.jpg")
    jobs = [{"type": "resize", "width": 800}, {"type": "metadata"}]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs, indent=4))
    for given in (json.dumps(jobs), f"@{tmp_path}/jobs.json"):
        assert run("upload", photo_folder, "--jobs", given, url=fake_api.url).exit_code == 0
    assert [json.loads(upload["jobs"]) for upload in fake_api.uploads] == [jobs, jobs]


def test_jobs_too_long_for_an_address_are_sent_as_a_form(fake_api: FakeApi, photo_folder: Path, tmp_path: Path) -> None:
    write(photo_folder, "busy.jpg")
    blur = {"type": "filter", "filter": "blur", "sigma": 1.5}
    jobs = [{"type": "pipeline", "steps": [blur] * 10}] * 50
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    result = run("upload", photo_folder, "--jobs", f"@{tmp_path}/jobs.json", "--reference", "é", url=fake_api.url)
    assert result.exit_code == 0, result.output
    assert [upload["bytes"] for upload in fake_api.uploads] == [JPEG] * 3  # it is busy twice
    assert {upload["reference"] for upload in fake_api.uploads} == {"é"}
    assert [json.loads(upload["jobs"]) for upload in fake_api.uploads] == [jobs] * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.jpg", "--preset", "web", "--jobs", '[{"type": "metadata"}]'], "not both"),
        (["a.jpg", "--jobs", '[{"type": "resize", "widht": 8}]'], "jobs[0].widht"),
        (["a.jpg", "--jobs", "{"], "jobs: not valid JSON"),
        (["a.jpg", "--preset", "wbe"], "it has print, web"),
        (["a.jpg", "--jobs", "@nowhere.json"], "cannot read nowhere.json"),
        (["a.jpg", "--jobs", "@a.jpg"], "jobs: not valid JSON"),
        (["a.jpg", "--url", "127.0.0.1:8080"], "http://"),
        (["a.jpg", "--parallel", "0"], "--parallel"),
        (["nowhere.jpg"], "nowhere.jpg"),
        (["empty"], "there are no photos in empty"),
        ([".", "--out", "."], "--out"),
        ([], "PATHS"),
    ],
)
def test_wrong_usage_exits_with_2_and_sends_nothing(
    fake_api: FakeApi, photo_folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    write(photo_folder, "a.jpg", "empty/notes.txt")
    monkeypatch.chdir(photo_folder)
    result = run("upload", *arguments, env={"DARKROOM_URL": fake_api.url})
    assert result.exit_code == 2
    assert words in result.stderr
    assert not fake_api.uploads


def test_ctrl_c_exits_with_130_and_leaves_nothing_half_done(
    fake_api: FakeApi, photo_folder: Path, tmp_path: Path
) -> None:
    write(photo_folder, "a.jpg", "slow.jpg")
    out = tmp_path / "results"
    process = in_process("upload", photo_folder, "--out", out, "--url", fake_api.url, start_new_session=True)
    assert process.stdout is not None
    done = process.stdout.readline()
    assert "a.jpg" in done
    assert "3 files" in done
    deadline = time.monotonic() + 60
    while not (fake_api.polls["photo-0-slow.jpg"] or fake_api.polls["photo-1-slow.jpg"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "1 of 2 photos succeeded, 1 not awaited" in stderr
    assert "Traceback" not in stderr
    assert [path.name for path in out.iterdir()] == ["a"]


def test_a_terminal_gets_one_progress_bar(fake_api: FakeApi, photo_folder: Path, tmp_path: Path) -> None:
    write(photo_folder, "a.jpg", "b.jpg", "broken.jpg")
    master, slave = pty.openpty()
    env = {"TERM": "xterm", "COLUMNS": "100"}
    process = in_process(
        "upload", photo_folder, "--out", tmp_path / "out", "--url", fake_api.url, stderr=slave, env=env
    )
    os.close(slave)
    seen = b""
    with os.fdopen(master, "rb", buffering=0) as terminal:
        while True:
            try:
                seen += terminal.read(4096)
            except OSError:  # the other side has closed the terminal
                break
    stdout, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert stdout == ""
    assert "3/3" in seen.decode()
    assert "1 failed" in seen.decode()


def test_file_names_that_are_not_valid_unicode_are_sent(fake_api: FakeApi, photo_folder: Path, tmp_path: Path) -> None:
    try:
        write(photo_folder, os.fsdecode(b"caf\xe9.jpg"), "100% & more?.jpg")
    except OSError:
        pytest.skip("this file system takes only text")
    result = run("upload", photo_folder, "--out", tmp_path / "out", url=fake_api.url)
    assert result.exit_code == 0, result.output
    assert {upload["filename"] for upload in fake_api.uploads} == {"caf?.jpg", "100% & more?.jpg"}
