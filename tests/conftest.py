"""What every test may use: an AWS to talk to, Darkroom's resources in it, and the rule that CI skips nothing."""

from __future__ import annotations

import io
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import localstack_client.session
import pytest
from PIL import Image

from darkroom.aws.clients import Clients, make_clients
from darkroom.local.emulator import Emulator, free_port
from darkroom.provision.data import provision
from darkroom.settings import PREFIX, Settings, read_settings
from tests.support.browser import chromium
from tests.support.deployment import Deploy, Deployment
from tests.support.fault_proxy import FaultProxy, transparent_mix
from tests.support.launcher import share_aws_models
from tests.support.npm import HERE, install_packages
from tests.support.principals import principals

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REGION = "us-east-1"

REPORT = pytest.StashKey[str]()


def pytest_configure() -> None:
    # Tests say themselves what they set; a developer's own settings must not reach them.
    for name in [name for name in os.environ if name.startswith((PREFIX, "AWS_")) and name != "AWS_ENDPOINT_URL"]:
        del os.environ[name]
    # Hundreds of processes are started: none of them compiles what another one has compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # Workers of tests load numpy in their own process, which in a real worker only children do. OpenBLAS would start a
    # thread there that does not block the signals that a worker waits for.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    share_aws_models()
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    # What runs on this machine is not asked for through a proxy.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(
        filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1,localhost"])
    )


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where AWS is: at AWS_ENDPOINT_URL when that is set (LocalStack), else in an emulator of our own."""
    tmp_path_factory.getbasetemp()  # made now: several threads may ask for folders in it later
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("AWS_DEFAULT_REGION", REGION)
        environ.setenv("AWS_ACCESS_KEY_ID", "test")
        environ.setenv("AWS_SECRET_ACCESS_KEY", "test")
        if given := os.environ.get("AWS_ENDPOINT_URL"):
            yield given
            return
        if os.environ.get("POLICIES"):
            environ.setenv("AUTH", "true")  # the emulator refuses what no policy allows
        with Emulator(tmp_path_factory.mktemp("aws")) as emulator:
            environ.setenv("AWS_ENDPOINT_URL", emulator.url)
            yield emulator.url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of tests/npm/package-lock.json."""
    return install_packages(HERE)


@pytest.fixture(autouse=True)
def pixel_limit() -> Iterator[None]:
    """Pillow's limit of pixels is global, and the API's start sets it: one test's must not hold for the next one."""
    limit = Image.MAX_IMAGE_PIXELS
    yield
    Image.MAX_IMAGE_PIXELS = limit


@pytest.fixture(scope="session")
def faults(endpoint: str, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """With FAULTS set to a seed, the processes that tests start reach AWS through a proxy with a mix of faults.

    The tests themselves look at what is really there.
    """
    if not (seed := os.environ.get("FAULTS")):
        yield {}
        return
    with FaultProxy(endpoint, int(seed)) as proxy:
        transparent_mix(proxy)
        yield {"AWS_ENDPOINT_URL": proxy.url}
        request.config.stash[REPORT] = proxy.report()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if report := config.stash.get(REPORT, ""):
        terminalreporter.write_line(report)


@pytest.fixture(scope="module")
def deploy(endpoint: str, faults: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """Make a deployment of one's own: `deploy(DARKROOM_QUEUE_TYPE="fifo")`."""
    made: list[Deployment] = []

    def make(**variables: str) -> Deployment:
        name = f"test-{uuid.uuid4().hex[:12]}"
        port = free_port()
        ours = {
            "DARKROOM_STACK": name,
            "DARKROOM_BUCKET": name,
            "DARKROOM_SPOOL_DIR": str(tmp_path_factory.mktemp("spool")),
            "DARKROOM_PORT": str(port),
            "DARKROOM_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "DARKROOM_POLL_WAIT": "1",
            **variables,
        }
        settings = read_settings(ours)
        clients = make_clients(settings)
        provision(settings, clients)
        own = principals(settings, clients) if os.environ.get("POLICIES") else {}
        made.append(Deployment(settings, clients, {**os.environ, **faults, **ours}, own))
        return made[-1]

    yield make
    for deployment in made:
        deployment.clients.cloudformation.delete_stack(StackName=deployment.settings.stack)


@pytest.fixture(scope="module")
def deployment(deploy: Deploy) -> Deployment:
    """The module's own deployment with default settings."""
    return deploy()


@pytest.fixture(scope="module")
def settings(deployment: Deployment) -> Settings:
    return deployment.settings


@pytest.fixture(scope="module")
def clients(deployment: Deployment) -> Clients:
    return deployment.clients


@pytest.fixture(scope="module")
def aws_env(deployment: Deployment) -> dict[str, str]:
    """The environment for API, worker and command line processes that a test starts."""
    return deployment.environ


@pytest.fixture(scope="session")
def aws(endpoint: str) -> localstack_client.session.Session:
    """A session that looks into AWS from outside, as a user would: `aws.client("sqs")`."""
    return localstack_client.session.Session(region_name=REGION)


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A JPEG of 640x480 pixels, left half red, right half blue."""
    image = Image.new("RGB", (640, 480), "red")
    image.paste("blue", (320, 0, 640, 480))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=95)
    return data.getvalue()


# On a laptop a missing service skips what needs it. In CI everything must be there: a skip is a failure.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    return _no_skips_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[Any]:
    return _no_skips_in_ci((yield))


def _no_skips_in_ci(report: Any) -> Any:
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"In CI nothing may be skipped. {reason}"
    return report
