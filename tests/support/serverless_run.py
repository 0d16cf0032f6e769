"""`make run-serverless` as a process, seen from outside over HTTP and from inside the emulator."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import requests

from darkroom.record.photo import PhotoRecord
from tests.support.embedded_run import EmbeddedProcess
from tests.support.stack import Stack
from tests.support.waiting import PATIENCE, wait_until
from tests.support.worker_process import children_of

OWN = {
    "DARKROOM_CHILD_MEMORY": str(256 * 1024 * 1024),
    "DARKROOM_TIME_LIMIT": "60",
    "DARKROOM_BACKOFF_BASE": "1",
    "DARKROOM_BACKOFF_CAP": "2",
    "DARKROOM_STOP_GRACE": "20",
}


class ServerlessProcess(EmbeddedProcess):
    module = "darkroom.local.serverless"
    home = ".darkroom/serverless"


@dataclass
class Serverless:
    """A run, seen from outside (`url`) and from inside (`stack`)."""

    process: ServerlessProcess
    url: str
    stack: Stack
    overdue: PhotoRecord
    running: subprocess.Popen[str] = field(repr=False)

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.process.aws_url)

    def upload(self, image: bytes, *jobs: dict[str, Any]) -> dict[str, Any]:
        answer = requests.post(
            f"{self.url}/v1/photos",
            files={"photo": ("photo.jpg", image)},
            data={"jobs": json.dumps(jobs)},
            timeout=PATIENCE,
        )
        assert answer.status_code == 202, answer.text
        photo: dict[str, Any] = answer.json()
        return photo

    def record(self, photo: dict[str, Any]) -> PhotoRecord:
        found = self.stack.services.table.get(photo["id"])
        assert found
        return found

    def set_functions(self, queue: str, on: bool) -> None:
        """Have the functions take messages from a queue, or not."""
        client = self.client("lambda")
        for source in client.list_event_source_mappings()["EventSourceMappings"]:
            if source["EventSourceArn"].endswith(f":{queue}"):
                client.update_event_source_mapping(UUID=source["UUID"], Enabled=on)

    def logged(self, function: str, action: str) -> list[dict[str, Any]]:
        """What a function has said in its log group."""
        found = self.client("logs").filter_log_events(logGroupName=f"/darkroom/darkroom/{function}")["events"]
        lines = [event["message"].strip() for event in found]
        entries = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [entry for entry in entries if entry.get("action") == action]

    def workers(self) -> list[int]:
        """The processes in which the emulator runs the worker function."""
        children = children_of(self.process.processes()["emulator"])
        return [child for child in children if "-darkroom-worker-" in Path(f"/proc/{child}/cmdline").read_text()]


def wait_for_photo(photo: dict[str, Any]) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = requests.get(photo["links"]["self"], timeout=PATIENCE).json()
        return None if found["status"] in ("processing", "awaiting_upload") else found

    return wait_until(f"photo {photo['id']} has ended", ended)


def url_in(printed: str) -> str:
    return next(line.split()[1] for line in printed.splitlines() if line.strip().startswith("API "))
