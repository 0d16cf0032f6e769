"""`make audit`: the real pip-audit, which asks an advisory service of ours by OSV's protocol."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from darkroom.cli.audit import EVERYTHING, IMAGE, NOT_CHECKED, VULNERABLE, pins_of, without_repeated_names

Pin = tuple[str, str]


@dataclass
class AdvisoryService:
    """Answers `POST /v1/query` as https://google.github.io/osv.dev/post-v1-query/ describes it."""

    url: str = ""
    vulnerable: set[Pin] = field(default_factory=set)
    asked: set[Pin] = field(default_factory=set)
    status: int = 200
    silent: bool = False

    def answer(self, query: dict[str, Any]) -> dict[str, Any]:
        assert query["package"]["ecosystem"] == "PyPI"
        pin = query["package"]["name"], query["version"]
        self.asked.add(pin)
        return {"vulns": [advisory(pin[0])]} if pin in self.vulnerable else {}


def advisory(name: str) -> dict[str, Any]:
    """Source of the form: the OSV schema, https://ossf.github.io/osv-schema/."""
    return {
        "schema_version": "1.6.0",
        "id": f"PYSEC-2026-{name}",
        "aliases": ["CVE-2026-99999"],
        "summary": "A crafted photo makes the decoder write outside of its buffer.",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9999.0.1"}]}],
            }
        ],
    }


@pytest.fixture
def service() -> Iterator[AdvisoryService]:
    service = AdvisoryService()
    released = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(service.answer(query)).encode()
            if service.silent:
                released.wait()
                return
            self.send_response(service.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}/v1/query"
        Thread(target=server.serve_forever, daemon=True).start()
        yield service
        released.set()
        server.shutdown()


def audit(service: AdvisoryService, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "darkroom.cli.audit", "--osv-url", service.url, *options]
    return subprocess.run(command, capture_output=True, text=True)


def version_of(package: str, lock: str) -> str:
    (found,) = [version for name, version in pins_of(lock) if name == package]
    return found


def test_every_version_of_every_package_is_checked_and_those_of_the_libraries_are_listed(
    service: AdvisoryService,
) -> None:
    done = audit(service)

    assert service.asked == set(pins_of(EVERYTHING))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        f"{len(pins_of(EVERYTHING))} packages checked: no known vulnerabilities.",
    )
    listed = {tuple(line.split()[:2]) for line in done.stdout.splitlines() if line}
    assert {("libraries", "libjpeg_turbo"), ("libraries", "libheif"), ("packages", "pillow")} <= listed


def test_a_vulnerable_version_is_reported_with_the_fix_and_where_it_is_used(service: AdvisoryService) -> None:
    pillow, pytest_ = version_of("pillow", IMAGE), version_of("pytest", EVERYTHING)
    service.vulnerable = {("pillow", pillow), ("pytest", pytest_)}

    done = audit(service)

    assert done.returncode == VULNERABLE
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("PYSEC-")]
    assert rows == [
        ["PYSEC-2026-pillow", "pillow", pillow, "9999.0.1", "image", "CVE-2026-99999"],
        ["PYSEC-2026-pytest", "pytest", pytest_, "9999.0.1", "tools", "CVE-2026-99999"],
    ]


def test_an_advisory_can_be_ignored_by_its_id(service: AdvisoryService) -> None:
    service.vulnerable = {("pillow", version_of("pillow", IMAGE))}

    assert audit(service, "--ignore-vuln", "CVE-2026-99999").returncode == 0


def test_a_service_that_cannot_be_reached_is_no_success(service: AdvisoryService) -> None:
    service.url = "http://127.0.0.1:1/v1/query"  # nothing listens there

    done = audit(service)

    assert done.returncode == NOT_CHECKED
    assert "the packages were not checked" in done.stderr
    assert "Connection refused" in done.stderr
    assert "no known vulnerabilities" not in done.stdout


def test_a_service_that_fails_is_no_success(service: AdvisoryService) -> None:
    service.status = 503

    done = audit(service)

    assert done.returncode == NOT_CHECKED
    assert "the packages were not checked" in done.stderr


def test_a_service_that_does_not_answer_is_no_success(service: AdvisoryService) -> None:
    service.silent = True

    done = audit(service, "--timeout", "1")

    assert done.returncode == NOT_CHECKED
    assert "timed out" in done.stderr


def test_a_name_with_two_versions_is_in_two_groups() -> None:
    groups = without_repeated_names([("a", "1"), ("b", "1"), ("a", "2"), ("c", "1")])

    assert groups == [[("a", "1"), ("b", "1"), ("c", "1")], [("a", "2")]]
