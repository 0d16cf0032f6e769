"""The real compose file: our image, LocalStack, as many workers as we like."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import localstack_client.session
import pytest
from PIL import Image, ImageStat

from tests.support import probe
from tests.support.documents import commands, pages, refused, script

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.compose import ComposeProject

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

COMPOSE_PAGES = sorted(
    (page for page in pages() if commands(page, "compose")), key=lambda page: page.name == "README.md"
)

PIDS_MAX = "cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max"
"""Control groups of version 2, or of version 1."""

MakePhoto = Callable[[int, int], bytes]
Photo = dict[str, Any]

QUICK = [{"type": "resize", "width": 64}]
# AVIF takes its time, so that there is work to be interrupted.
SLOW = [{"type": "resize", "width": 1600 - n, "output": {"format": "avif"}} for n in range(10)]


def test_an_upload_becomes_results_that_the_host_can_fetch(stack: ComposeProject, make_photo: MakePhoto) -> None:
    jobs = [{"type": "resize", "width": 160}, {"type": "filter", "filter": "sepia"}, {"type": "metadata"}]
    photo = stack.upload(make_photo(640, 480), jobs)
    assert photo["links"]["self"] == f"{stack.url}/v1/photos/{photo['id']}"

    photo = stack.ended(photo)

    assert photo["status"] == "succeeded"
    # In the order in which they were asked for.
    assert [job["type"] for job in photo["jobs"]] == ["resize", "filter", "metadata"]
    resize, sepia, metadata = photo["jobs"]
    resized, toned = fetch(stack, resize), fetch(stack, sepia)
    assert (resized.format, resized.size) == ("JPEG", (160, 120))
    assert (toned.format, toned.size) == ("JPEG", (640, 480))
    red, _, blue = ImageStat.Stat(toned).mean
    assert red > blue + 20
    read = stack.http.get(metadata["links"]["result"], timeout=60)
    assert read.status_code == 200
    assert (read.json()["width"], read.json()["height"], read.json()["format"]) == (640, 480, "jpeg")


def test_three_workers_share_the_work(stack: ComposeProject, make_photo: MakePhoto) -> None:
    stack.up(workers=3)
    workers = stack.containers("worker")
    assert [worker["State"]["Health"]["Status"] for worker in workers] == ["healthy"] * 3

    photos = [stack.upload(make_photo(1200, 900), QUICK) for _ in range(30)]

    assert Counter(stack.ended(photo)["status"] for photo in photos) == {"succeeded": 30}
    ids = {photo["id"] for photo in photos}
    worked = [worker["Name"] for worker in workers if ids & {line.get("photo") for line in stack.logs(worker)}]
    assert len(worked) > 1, "one worker did everything"


def test_a_killed_worker_costs_no_photo(stack: ComposeProject, make_photo: MakePhoto) -> None:
    stack.up(workers=2)
    photos = [stack.upload(make_photo(1600, 1200), SLOW) for _ in range(6)]
    stack.until("both workers have a photo in hand", lambda: len(in_hand(stack, photos)) >= 2)

    stack.docker("kill", "--signal", "KILL", stack.containers("worker")[0]["Id"])

    ended = [stack.ended(photo) for photo in photos]
    assert Counter(photo["status"] for photo in ended) == {"succeeded": 6}
    assert any(job["attempts"] > 1 for photo in ended for job in photo["jobs"]), "nothing was lost by the kill"
    for photo in ended:
        assert [fetch(stack, job).size[0] for job in photo["jobs"]] == [job["spec"]["width"] for job in photo["jobs"]]


def test_stop_lets_the_workers_finish_what_they_have_in_hand(
    stack: ComposeProject, make_photo: MakePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.storage_url)  # where localstack_client looks
    sqs = localstack_client.session.Session().client("sqs")
    stack.up(workers=2, children=1)
    photos = [stack.upload(make_photo(1600, 1200), SLOW) for _ in range(8)]
    stack.until("both workers have a photo in hand", lambda: len(in_hand(stack, photos)) >= 2)

    stack.compose("stop", "worker")

    assert {worker["State"]["ExitCode"] for worker in stack.containers("worker")} == {0}
    queued = {photo["id"] for photo in photos if stack.photo(photo)["status"] != "succeeded"}
    assert not in_hand(stack, photos)
    assert 0 < len(queued) < len(photos), "the stop came too early or too late to show anything"
    # The counts of a queue lag behind a little.
    stack.until(
        "what is left waits in the queue, and nothing is in flight",
        lambda: queue_counts(sqs) == {"waiting": len(queued), "in flight": 0},
    )

    stack.up(workers=2, children=1)

    assert Counter(stack.ended(photo)["status"] for photo in photos) == {"succeeded": 8}


def test_scaling_in_loses_nothing_and_delays_nothing(stack: ComposeProject, make_photo: MakePhoto) -> None:
    longer_than_we_wait, more_than_are_claimed = 1000, 24
    stack.up(workers=4, lease=longer_than_we_wait, children=1)
    photos = [stack.upload(make_photo(1600, 1200), SLOW[:4]) for _ in range(more_than_are_claimed)]
    stack.until("all workers have a photo in hand", lambda: len(in_hand(stack, photos)) >= 4)

    stack.up(workers=1, lease=longer_than_we_wait, children=1)

    assert len(stack.containers("worker")) == 1
    assert any(stack.photo(photo)["status"] != "succeeded" for photo in photos), "it came too late to show anything"
    ended = [stack.ended(photo) for photo in photos]
    assert Counter(photo["status"] for photo in ended) == {"succeeded": more_than_are_claimed}
    assert {job["attempts"] for photo in ended for job in photo["jobs"]} == {1}


def test_the_containers_are_locked_down(stack: ComposeProject) -> None:
    stack.up(workers=1)
    status = "import pathlib; print(pathlib.Path('/proc/self/status').read_text())"
    for service in ("api", "worker"):
        (container,) = stack.containers(service)
        assert container["Config"]["User"] == "10001:10001"
        assert container["HostConfig"]["ReadonlyRootfs"]
        assert container["HostConfig"]["CapDrop"] == ["ALL"]
        assert not container["HostConfig"]["CapAdd"]
        assert not container["HostConfig"]["Privileged"]
        assert container["HostConfig"]["PidsLimit"] == 512

        # And as the kernel sees it.
        lines = stack.compose("exec", "-T", service, "python", "-c", status).stdout.splitlines()
        seen = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert set(seen["Uid"].split() + seen["Gid"].split()) == {"10001"}
        assert int(seen["CapEff"], 16) == int(seen["CapBnd"], 16) == 0
        assert seen["NoNewPrivs"] == "1"
        assert stack.compose("exec", "-T", service, "sh", "-c", PIDS_MAX).stdout.split() == ["512"]
        for path, writable in {"/tmp/x": True, "/var/lib/darkroom/spool/x": True, "/app/x": False}.items():
            assert (stack.compose("exec", "-T", service, "touch", path, check=False).returncode == 0) == writable


def test_the_children_that_hold_pixels_are_sandboxed(stack: ComposeProject, make_photo: MakePhoto) -> None:
    stack.up(workers=1)
    (worker,) = stack.containers("worker")
    assert stack.ended(stack.upload(make_photo(640, 480), QUICK))["status"] == "succeeded"
    assert "sandbox.incomplete" not in {line.get("action") for line in stack.logs(worker)}


def test_a_photo_that_takes_over_a_child_reaches_nothing(stack: ComposeProject) -> None:
    stack.up(workers=1)

    def report(*without: str) -> dict[str, str]:
        walls = [option for wall in without for option in ("--without", wall)]
        done = stack.compose("exec", "-T", "worker", "python", "-", *walls, stdin=Path(probe.__file__).read_text())
        found: dict[str, str] = json.loads(done.stdout)
        return found

    for found in (report(), report("landlock")):
        assert probe.not_refused(found) == {}
        assert found[probe.OUTLIVE] == probe.KILLED
    # Process 1 is Docker's init. It has the worker's whole environment, and runs as the same user.
    assert report("seccomp", "landlock")["read the secrets of process 1"] == probe.SUCCEEDED

    # And as the kernel sees it: one process has a filter of its own on top of the container's.
    look = "import pathlib; print(*(path.read_text() for path in pathlib.Path('/proc').glob('[0-9]*/status')))"
    lines = stack.compose("exec", "-T", "worker", "python", "-c", look).stdout.splitlines()
    filters = Counter(line.split()[1] for line in lines if line.startswith("Seccomp_filters:"))
    assert len(filters) == 2
    assert filters[max(filters)] == 1


def test_only_the_loopback_address_is_published(stack: ComposeProject) -> None:
    addresses = {
        binding["HostIp"]
        for service in ("api", "worker", "localstack")
        for container in stack.containers(service)
        for bindings in container["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    }
    assert addresses == {"127.0.0.1"}


def test_the_image_holds_no_secrets(stack: ComposeProject) -> None:
    layers = stack.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", stack.name).stdout
    environment = stack.docker("image", "inspect", "--format", "{{json .Config.Env}}", stack.name).stdout
    for word in ("AWS_", "SECRET", "PASSWORD", "TOKEN", "CREDENTIAL"):
        assert word not in (layers + environment).upper()
    files = stack.compose("exec", "-T", "api", "find", "/app", "-name", ".*").stdout
    assert files == "", "nothing hidden, such as .env or .git, belongs into the image"


def test_provision_may_run_again(stack: ComposeProject) -> None:
    (first,) = stack.containers("provision")
    assert first["State"]["ExitCode"] == 0

    again = stack.compose("run", "--rm", "-T", "provision")

    assert "unchanged" in again.stdout


@pytest.mark.parametrize("service", ["api", "worker", "provision"])
def test_a_wrong_setting_is_named(stack: ComposeProject, service: str) -> None:
    run = stack.compose("run", "--rm", "-T", "--no-deps", "-e", "DARKROOM_PORT=x", service, check=False)

    assert run.returncode != 0
    assert "DARKROOM_PORT" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


MODE = """
from darkroom.owners import auth_mode, read_owners
from darkroom.settings import read_settings
settings = read_settings()
print(auth_mode(settings, read_owners(settings)))
"""


OWNERS = """
from darkroom.owners import read_owners
from darkroom.settings import read_settings
print(*sorted(set(read_owners(read_settings()).keys.values())))
"""


def test_a_misspelt_setting_is_named_and_replaces_nothing(stack: ComposeProject) -> None:
    stack.up(workers=2)
    running = stack.compose("ps", "-q", "api", "worker").stdout
    env_file = stack.checkout / ".env"
    env_file.write_text("DARKROOM_LAESE=30\n")
    env_file.chmod(0o600)
    try:
        up = stack.compose("up", "-d", check=False)
        check = stack.compose("run", "--rm", "-T", "check-settings", check=False)
    finally:
        env_file.unlink()
    assert up.returncode
    assert 'service "check-settings" didn\'t complete successfully' in up.stderr
    assert check.returncode == 1
    assert "DARKROOM_LAESE: there is no such setting; did you mean DARKROOM_LEASE?" in check.stderr
    assert stack.compose("ps", "-q", "api", "worker").stdout == running


def test_workers_reach_a_webhook_receiver_on_the_host(stack: ComposeProject) -> None:
    look = "import socket; print(socket.gethostbyname('host.docker.internal'))"
    assert stack.compose("exec", "-T", "worker", "python", "-c", look).stdout.strip()


def test_keys_are_needed_as_soon_as_there_are_some(
    stack: ComposeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mode(*options: str) -> str:
        return stack.compose("run", "--rm", "-T", "--no-deps", *options, "api", "python", "-c", MODE).stdout.strip()

    assert mode() == "off"
    assert mode("-e", f"DARKROOM_API_KEYS=alice:{'0' * 64}") == "keys"
    owners = tmp_path / "owners.toml"
    owners.write_text(f'[alice]\nkeys = ["{"0" * 64}"]\n')
    owners.chmod(0o644)
    monkeypatch.setitem(stack.environ, "DARKROOM_OWNERS_FILE", str(owners))
    assert mode() == "keys"
    known = stack.compose("run", "--rm", "-T", "--no-deps", "worker", "python", "-c", OWNERS).stdout
    assert known.strip() == "alice"


# playwright's own event loop is still open when Python collects what it left
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_docs_page_in_a_browser(stack: ComposeProject, browser: Browser) -> None:
    from playwright.sync_api import expect

    faults: list[str] = []
    with browser.new_page() as page:
        page.on("requestfailed", lambda request: faults.append(f"{request.url}: {request.failure}"))
        page.on("response", lambda answer: answer.ok or faults.append(f"{answer.url}: {answer.status}"))
        page.on("pageerror", lambda error: faults.append(str(error)))
        # Not the name of DARKROOM_PUBLIC_URL, but one that people type.
        page.goto(f"{stack.url.replace('127.0.0.1', 'localhost')}/docs")
        expect(page.get_by_text("/v1/photos", exact=True).first).to_be_visible(timeout=30_000)
        assert page.locator(".opblock").count() >= 10
        operation = page.locator("#operations-operations-listOperations")
        operation.locator(".opblock-summary-control").click()
        operation.get_by_role("button", name="Try it out").click()
        operation.get_by_role("button", name="Execute").click()
        status = operation.locator(".live-responses-table tbody td.response-col_status").first
        expect(status).to_have_text("200", timeout=30_000)  # the page lays out some 300 KB of JSON

    assert not faults


@pytest.mark.parametrize("page", COMPOSE_PAGES, ids=lambda page: page.name)
def test_the_compose_commands_of_the_documents(
    stack: ComposeProject, make_photo: MakePhoto, tmp_path: Path, page: Path
) -> None:
    """The last test here: README.md ends with the removal of everything."""
    (tmp_path / "photo.jpg").write_bytes(make_photo(640, 480))
    ours = {
        "127.0.0.1:8080": stack.url.removeprefix("http://"),
        "127.0.0.1:4566": stack.storage_url.removeprefix("http://"),
        "docker compose up\n": "docker compose up -d --wait\n",  # the other commands need the terminal
    }

    done = stack.shell(script(page, "compose", ours), tmp_path)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert refused(done.stderr) == []


def fetch(stack: ComposeProject, job: Photo) -> Image.Image:
    """A job's picture, as a browser on the host gets it."""
    redirect = stack.http.get(job["links"]["result"], allow_redirects=False, timeout=60)
    assert redirect.status_code == 302, redirect.text
    assert redirect.headers["Location"].startswith(stack.storage_url + "/")
    picture = stack.http.get(redirect.headers["Location"], timeout=60)
    assert picture.status_code == 200, picture.text
    image = Image.open(io.BytesIO(picture.content))
    image.load()
    return image


def in_hand(stack: ComposeProject, photos: list[Photo]) -> list[Photo]:
    """The photos that a worker is at."""
    now = [stack.photo(photo) for photo in photos]
    return [photo for photo in now if any(job["status"] == "processing" for job in photo["jobs"])]


def queue_counts(sqs: Any) -> dict[str, int]:
    url = sqs.get_queue_url(QueueName="darkroom-photos")["QueueUrl"]
    names = {"waiting": "ApproximateNumberOfMessages", "in flight": "ApproximateNumberOfMessagesNotVisible"}
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names.values()))["Attributes"]
    return {what: int(found[name]) for what, name in names.items()}
