"""A real API for tests: gunicorn, as `python -m api` starts it, on a port of its own. No worker runs: jobs stay queued.

With API=lambda it is a gateway and the API's Lambda function (tests/support/lambda_gateway.py) in payload format 2.0,
with API=lambda1 in 1.0. All answers are the same, except for the tests in tests/integration/api/not_on_lambda.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import requests

from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from tests.support import launcher
from tests.support.deployment import Deploy
from tests.support.stack import QUICK_LEASE, Stack
from tests.support.waiting import PATIENCE
from tests.support.worker_process import children_of

T = TypeVar("T")

PAYLOAD = {"lambda": "2.0", "lambda1": "1.0", "": ""}[os.environ.get("API", "")]
"""The payload format of the gateway's events; empty when gunicorn serves the API."""


class Api:
    def __init__(self, deployment: Any, log: Path, variables: dict[str, str], payload: str = PAYLOAD) -> None:
        self.settings = deployment.settings
        self.services = Services.connect(deployment.settings)
        self.url = self.settings.base_url or f"http://127.0.0.1:{self.settings.port}"
        self._log = log
        self._session = requests.Session()
        defaults = {"DARKROOM_LOG_FORMAT": "json", "PYTHONWARNINGS": "error"}
        if payload:  # a function needs a setting that says whether callers need keys
            defaults |= {"LAMBDA_PAYLOAD": payload, "DARKROOM_AUTH": "auto"}
        environ = deployment.environ_of("api") | defaults | variables
        program = "tests.support.lambda_gateway" if payload else "api"
        self.process = launcher.start([program], environ, log)
        self.wait_until("the API answers", self._answers)

    def ask(self, method: str, path: str, **request: Any) -> requests.Response:
        """Send a request, by path or by a link of an earlier answer."""
        url = path if path.startswith("http") else self.url + path
        return self._session.request(method, url, timeout=PATIENCE, allow_redirects=False, **request)

    def get(self, path: str, **request: Any) -> requests.Response:
        return self.ask("GET", path, **request)

    def post(self, path: str, **request: Any) -> requests.Response:
        return self.ask("POST", path, **request)

    def upload(self, *photos: tuple[str, bytes], **fields: Any) -> requests.Response:
        """Upload photos, as (name, content), in a form. A field that is not a string is sent as JSON."""
        data = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
        return self.post("/v1/photos", files=[("photo", photo) for photo in photos], data=data)

    def upload_photo(self, picture: bytes, **fields: Any) -> dict[str, Any]:
        """Upload one photo, which the API must accept, and return its view."""
        answer = self.upload(("photo.jpg", picture), **(fields or {"jobs": [{"type": "metadata"}]}))
        assert answer.status_code == 202, answer.text
        photo: dict[str, Any] = answer.json()
        return photo

    def record(self, photo_id: str) -> PhotoRecord:
        photo = self.services.table.get(photo_id)
        assert photo is not None
        return photo

    def change_record(self, photo_id: str, change: Callable[[PhotoRecord], object]) -> None:
        """Change a record as a worker would."""
        self.services.table.update(photo_id, change)

    def messages(self) -> list[dict[str, Any]]:
        """The bodies of all messages on the photos queue. They are deleted from it."""
        bodies = []
        while received := self.services.photos.receive(10, wait=0, visibility=60):
            bodies += [json.loads(message.body) for message in received]
            self.services.photos.delete([message.receipt_handle for message in received])
        return bodies

    def logged(self, action: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["action"] == action]

    def processes(self) -> list[int]:
        """Process ids of gunicorn's workers, or of the function's execution environments."""
        return children_of(self.process.pid)

    def spooled(self) -> list[str]:
        """Unnamed files in the spool folder that a process of the API holds open."""
        found = []
        for process in self.processes():
            for link in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    found.append(str(link.readlink()))
        return [target for target in found if target.startswith(str(self.settings.spool_dir))]

    def wait_until(self, what: str, look: Callable[[], T]) -> T:
        """Call `look` until it returns a true value. Fails when the API ends, or after PATIENCE seconds."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if seen := look():
                return seen
            assert self.process.poll() is None, f"the API ended:\n{self.log_text()}"
            time.sleep(0.05)
        raise AssertionError(f"waited {PATIENCE:g} s until {what}, which did not happen:\n{self.log_text()[-3000:]}")

    def stop(self) -> int:
        self._session.close()  # gunicorn waits for open connections
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def log_text(self) -> str:
        return self._log.read_text()

    def _answers(self) -> bool:
        try:
            return self.get("/healthz").ok
        except requests.ConnectionError:
            return False


def refusal_to_start(environ: dict[str, str]) -> str:
    """Start an API that refuses to start, and return its message on stderr."""
    ended = subprocess.run(
        [sys.executable, "-m", "api"], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    return ended.stderr


StartApi = Callable[..., Api]


@contextlib.contextmanager
def api_and_worker(deploy: Deploy, folder: Path, **variables: str) -> Iterator[Api]:
    """An API and a worker of a deployment with these variables. `folder`: for their logs."""
    with contextlib.ExitStack() as exits:
        deployment = deploy(**QUICK_LEASE, **variables)
        Stack(Services.connect(deployment.settings), deployment.environ_of("worker"), folder, exits).worker()
        api = Api(deployment, folder / "api.log", {}, payload="")
        exits.callback(api.stop)
        yield api
