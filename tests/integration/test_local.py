"""The embedded run, as a process that gets signals.

Most tests put small stand-ins in the place of API and worker, which write down what happens to them, so
that the order can be seen; the last one runs the real ones.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
import requests
from PIL import Image

from darkroom.local.containers import main
from darkroom.local.emulator import Emulator, StartFailed, free_port
from darkroom.settings import PROJECT
from tests.support.embedded_run import HANGS, EmbeddedProcess, ended, is_port_free

API = """
import http.server, os, signal, sys
def stop(*_):
    print("api stops", file=open("order", "a")); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(os.environ["DARKROOM_SPOOL_DIR"].encode())
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["DARKROOM_PORT"])), Handler).serve_forever()
"""

WORKER = """
import os, signal, sys, time
def stop(*_):
    time.sleep(0.3)
    print("worker stops", file=open("order", "a")); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("worker starts with", os.environ["DARKROOM_CHILDREN"], os.environ["DARKROOM_POLL_WAIT"],
      "its share" if int(os.environ["DARKROOM_CHILD_MEMORY"]) else "", flush=True)
while True: time.sleep(0.1)
"""

STUBBORN_WORKER = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True: time.sleep(0.1)
"""

BROKEN_WORKER = """
import sys
print("the reason why it ended"); sys.exit(3)
"""


class LocalRun(EmbeddedProcess):
    """`python -m darkroom.local` in a folder of its own, in which `-m api` and `-m worker` are the stand-ins."""

    module = "darkroom.local"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.api_port = free_port()

    def with_stand_ins(self) -> LocalRun:
        self.write("api", API)
        self.write("worker", WORKER)
        return self

    def write(self, module: str, source: str) -> None:
        (self.folder / f"{module}.py").write_text(source)

    def own_environ(self) -> dict[str, str]:
        return super().own_environ() | {"DARKROOM_PORT": str(self.api_port)}


@pytest.fixture
def real_run(tmp_path: Path) -> Iterator[LocalRun]:
    run = LocalRun(tmp_path)
    yield run
    run.end()


@pytest.fixture
def run(real_run: LocalRun) -> LocalRun:
    return real_run.with_stand_ins()


def until(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANGS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"it did not happen that {what}")
        time.sleep(0.05)


def test_it_says_where_everything_is_and_stops_in_order(run: LocalRun) -> None:
    process, printed = run.ready("--workers", "3")
    base = f"http://127.0.0.1:{run.api_port}"

    assert f"{base}\n" in printed
    assert f"{base}/docs" in printed
    assert "kill -9" in printed
    assert f"AWS_ENDPOINT_URL={run.aws_url}" in printed
    curl = re.search(rf"curl -F photo=@photo.jpg -F 'jobs=(.*)' {base}/v1/photos", printed)
    assert curl
    assert [job["type"] for job in json.loads(curl[1])] == ["resize", "filter", "metadata"]
    log = run.folder / ".darkroom/logs/worker-3.log"  # it is ready when the API is; the workers may still start
    until("the third worker has started", lambda: log.read_text().endswith("\n"))
    assert log.read_text() == "worker starts with 1 2 its share\n"

    process.send_signal(signal.SIGINT)
    status, printed = ended(process)

    assert (status, printed.splitlines()[-1]) == (0, "stopped")
    assert (run.folder / "order").read_text().splitlines() == ["api stops"] + 3 * ["worker stops"]
    assert is_port_free(run.aws_port)


def test_where_keys_are_needed_the_example_sends_one(run: LocalRun) -> None:
    run.environ["DARKROOM_API_KEYS"] = f"alice:{'0' * 64}"
    _, printed = run.ready()

    assert 'curl -H "Authorization: Bearer $DARKROOM_API_KEY" -F photo=@photo.jpg' in printed


def test_a_user_of_aws_stays_with_the_emulator(run: LocalRun, tmp_path: Path) -> None:
    """Neither a profile nor an endpoint of theirs may lead the run, or the command that it prints, elsewhere."""
    run.write("worker", "import os; print(sorted(n for n in os.environ if n[:4] == 'AWS_'), flush=True)" + WORKER)
    config = tmp_path / "config"
    config.write_text("[profile work]\nsso_session = work\n[sso-session work]\nsso_region = eu-central-1\n")
    run.environ = {
        "AWS_PROFILE": "work",
        "AWS_CONFIG_FILE": str(config),
        "AWS_SESSION_TOKEN": "of another account",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1",
        "AWS_REGION": "eu-central-1",
    }

    _, printed = run.ready()

    log = run.folder / ".darkroom/logs/worker-1.log"
    until("the worker has started", lambda: "\n" in log.read_text())
    seen = {*ast.literal_eval(log.read_text().splitlines()[0])}
    assert seen == {"AWS_REGION", *Emulator(tmp_path).environ}
    command = printed.rpartition(":\n\n")[2]
    asked = subprocess.run(command, shell=True, env=run.users_environ(), capture_output=True, text=True, timeout=HANGS)
    assert asked.returncode == 0, asked.stderr
    assert "darkroom-photos " in asked.stdout


def test_what_was_in_the_queue_is_there_in_the_next_run(run: LocalRun, endpoint: str) -> None:
    process, _ = run.ready()
    sqs = boto3.client("sqs", endpoint_url=run.aws_url)
    queue = sqs.get_queue_url(QueueName="darkroom-photos")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="not lost", MessageGroupId="default")
    s3 = boto3.client("s3", endpoint_url=run.aws_url)
    s3.put_object(Bucket="darkroom-photos", Key="originals/x", Body=b"pixels")
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 0

    run.ready()

    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "not lost"
    assert s3.get_object(Bucket="darkroom-photos", Key="originals/x")["Body"].read() == b"pixels"


def test_a_worker_that_ends_by_itself_ends_the_run_and_shows_its_log(run: LocalRun) -> None:
    run.write("worker", BROKEN_WORKER)

    status, printed = ended(run.start())

    assert status == 1
    assert re.search("worker-[12] ended with exit code 3", printed)  # both do
    assert "the reason why it ended" in printed
    assert is_port_free(run.api_port)
    assert is_port_free(run.aws_port)


def test_a_killed_worker_ends_the_run_as_well(run: LocalRun) -> None:
    process, _ = run.ready()
    os.kill(run.processes()["worker-1"], signal.SIGKILL)

    status, printed = ended(process)

    assert status == 1
    assert "was killed by SIGKILL" in printed


def test_a_second_ctrl_c_does_not_wait(run: LocalRun) -> None:
    run.write("worker", STUBBORN_WORKER)
    process, _ = run.ready()

    process.send_signal(signal.SIGINT)
    until("the API stops", lambda: (run.folder / "order").exists())
    process.send_signal(signal.SIGINT)
    status, printed = ended(process)

    assert status == 0
    assert "worker-1 was killed" in printed
    assert (run.folder / ".darkroom/state/sqs.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workers", "abc"], "'--workers': 'abc' is not a valid integer"),
        (["--workers", "0"], "'--workers': 0 is not in the range 1<=x<=1000"),
        (["--aws-port", "70000"], "'--aws-port': 70000 is not in the range 1<=x<=65535"),
    ],
)
def test_wrong_arguments_are_said_in_words(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)

    assert words in capsys.readouterr().err


@pytest.mark.parametrize("taken", ["api", "aws"])
def test_a_port_in_use_is_reported_without_a_traceback(run: LocalRun, taken: str) -> None:
    port = run.api_port if taken == "api" else run.aws_port
    with socket.create_server(("127.0.0.1", port)):
        status, printed = ended(run.start())

    assert status == 1
    assert f"127.0.0.1:{port}" in printed
    assert "in use" in printed
    assert "Traceback" not in printed


def test_what_a_killed_run_left_behind_is_named(run: LocalRun) -> None:
    process, _ = run.ready()
    left = run.processes()
    process.kill()
    ended(process)

    status, printed = ended(run.start())
    for number in left.values():
        os.kill(number, signal.SIGTERM)

    assert status == 1
    for name, number in left.items():
        assert f"{name} {number}" in printed


def test_two_runs_do_not_share_a_folder(run: LocalRun) -> None:
    run.ready()

    status, printed = ended(run.start())

    assert status == 1
    assert "in use by another run" in printed


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DARKROOM_LEASE", "a while", "DARKROOM_LEASE"),
        ("DARKROOM_SPOOL_DIR", "/proc/spool", "DARKROOM_SPOOL_DIR: cannot write to /proc/spool"),
        ("DARKROOM_HOST", "192.0.2.1", "DARKROOM_HOST: this machine has no address 192.0.2.1"),
    ],
)
def test_wrong_settings_are_said_without_a_traceback(run: LocalRun, name: str, value: str, said: str) -> None:
    run.environ = {"DARKROOM_AUTH": "off", name: value}  # else an address for others wants keys

    status, printed = ended(run.start())

    assert status == 1
    assert said in printed
    assert "Traceback" not in printed


def test_only_what_was_set_is_found_wrong(run: LocalRun) -> None:
    run.api_port = 180_810

    _, printed = ended(run.start())

    assert "DARKROOM_PORT" in printed
    assert "DARKROOM_PUBLIC_URL" not in printed


def test_an_endpoint_where_nothing_answers_is_named(run: LocalRun) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    run.environ = {"AWS_ENDPOINT_URL": endpoint}
    status, printed = ended(run.start())
    assert status == 1
    assert printed.startswith(f"waiting for AWS at {endpoint} (AWS_ENDPOINT_URL)\n")
    assert f"darkroom: nothing answers at {endpoint} after 10 s (Connection refused)" in printed
    assert is_port_free(run.api_port)


def test_an_emulator_that_was_killed_at_its_first_run_starts_again(run: LocalRun, endpoint: str) -> None:
    """Its photos are on disk then, the rest is lost: nothing of it may stand in the way."""
    process, _ = run.ready()
    boto3.client("s3", endpoint_url=run.aws_url).put_object(Bucket="darkroom-photos", Key="originals/x", Body=b"pixels")
    os.kill(run.processes()["emulator"], signal.SIGKILL)
    assert ended(process)[0] == 1

    run.ready()


def test_the_emulator_says_when_its_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StartFailed, match="in use"):
        Emulator(tmp_path, taken.getsockname()[1]).start()


def test_photos_in_progress_at_ctrl_c_are_finished_by_the_next_run(real_run: LocalRun) -> None:
    """Nothing is lost: what is in progress is finished or given back, what waits is saved."""
    base = f"http://127.0.0.1:{real_run.api_port}"
    file = io.BytesIO()
    Image.linear_gradient("L").resize((2000, 1500)).convert("RGB").save(file, "JPEG")
    blurs = json.dumps([{"type": "filter", "filter": "blur", "sigma": 20}, {"type": "metadata"}])
    process, _ = real_run.ready()
    photos = []
    for _ in range(12):
        answer = requests.post(
            f"{base}/v1/photos", files={"photo": file.getvalue()}, data={"jobs": blurs}, timeout=HANGS
        )
        assert answer.status_code == 202, answer.text
        photos.append(answer.json()["links"]["self"])
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 0

    real_run.ready()

    for photo in photos:
        until(
            "the photo is done", lambda photo=photo: requests.get(photo, timeout=HANGS).json()["status"] == "succeeded"
        )


def test_the_command_line_processes_a_folder(real_run: LocalRun, tmp_path: Path) -> None:
    """Against the real API: uploads, results on disk, a photo that fails, the status of one, and the queue."""
    folder, out = tmp_path / "photos", tmp_path / "results"
    (folder / "day").mkdir(parents=True)
    photo = Image.linear_gradient("L").resize((1200, 900)).convert("RGB")
    photo.save(folder / "a.jpg")
    photo.save(folder / "day" / "b.png")
    photo.save(folder / "damaged.png")
    with (folder / "damaged.png").open("r+b") as file:
        file.truncate((folder / "damaged.png").stat().st_size // 2)
    _, printed = real_run.ready()
    base = f"http://127.0.0.1:{real_run.api_port}"

    def darkroom(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "darkroom", *map(str, arguments)]
        environ = {**os.environ, "PYTHONPATH": str(PROJECT), "DARKROOM_URL": base}
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=HANGS)

    jobs = '[{"type": "resize", "width": 300}, {"type": "metadata"}]'
    uploaded = darkroom("upload", folder, "--jobs", jobs, "--out", out)
    assert uploaded.returncode == 1, uploaded.stderr
    assert "2 of 3 photos succeeded, 1 failed, 5 files in" in uploaded.stderr
    assert f"failed: {folder}/damaged.png" in uploaded.stderr
    results = sorted(path for path in out.rglob("*") if path.is_file())
    # The metadata of a cut photo can be read.
    assert {path.parent.relative_to(out).as_posix() for path in results} == {"a", "day/b", "damaged"}
    pictures = [path for path in results if path.suffix != ".json"]
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.size == (300, 225)
    assert [json.loads(path.read_text())["width"] for path in results if path.suffix == ".json"] == [1200] * 3

    many = [{"type": "pipeline", "steps": [{"type": "resize", "width": 8 + n}] * 10} for n in range(50)]
    (tmp_path / "many.json").write_text(json.dumps(many))
    with_many_jobs = darkroom("upload", folder / "a.jpg", "--jobs", f"@{tmp_path}/many.json")
    assert with_many_jobs.returncode == 0, with_many_jobs.stderr

    misspelt = darkroom("upload", folder, "--preset", "wbe")
    assert misspelt.returncode == 2
    assert "web" in misspelt.stderr

    photos = requests.get(f"{base}/v1/photos?status=succeeded", timeout=HANGS).json()["photos"]
    assert len(photos) == 3
    status = darkroom("status", photos[-1]["id"])
    assert status.returncode == 0, status.stderr
    assert ["status", "succeeded"] in [line.split() for line in status.stdout.splitlines()]
    assert "300x225" in status.stdout
    assert darkroom("status", "0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88").stderr.startswith("Error: there is no photo ")

    command = printed.rpartition(":\n\n")[2]
    queue = subprocess.run(command, shell=True, env=os.environ, capture_output=True, text=True, timeout=HANGS)
    assert queue.returncode == 0, queue.stderr
    assert "darkroom-photos-dlq " in queue.stdout
