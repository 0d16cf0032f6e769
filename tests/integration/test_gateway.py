"""deploy/aws/gateway.yaml in front of a real API: what it passes on, what it refuses itself, and how it is updated.

POST /v1/ingest itself is tested in tests/e2e/test_gateway.py: the embedded emulator neither validates bodies nor knows
enough of mapping templates.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from click.testing import CliRunner

from darkroom.cli.main import main
from darkroom.provision.gateway import Gateway, provision_gateway
from tests.support.api import Api

if TYPE_CHECKING:
    from tests.support.deployment import Deploy

pytestmark = pytest.mark.skipif(
    "AWS_ENDPOINT_URL" in os.environ, reason="a gateway in a container does not reach what listens on this machine only"
)


class ApiBehindGateway:
    """An API, and a gateway in front of it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.gateway = self.deploy(api.url)

    def deploy(self, url: str) -> Gateway:
        services = self.api.services
        return provision_gateway(services.settings, services.clients, url)

    def ask(self, method: str, path: str, **request: Any) -> requests.Response:
        return requests.request(method, self.gateway.url + path, timeout=60, allow_redirects=False, **request)


@pytest.fixture(scope="module")
def site(deploy: Deploy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBehindGateway]:
    api = Api(deploy(), tmp_path_factory.mktemp("api") / "api.log", {})
    try:
        yield ApiBehindGateway(api)
    finally:
        api.stop()


def test_an_upload_arrives_as_it_was_sent(site: ApiBehindGateway, picture: bytes) -> None:
    answer = site.ask("POST", "/v1/photos", files={"photo": ("photo.jpg", picture)}, data={"preset": "web"})

    assert answer.status_code == 202, answer.text
    original = site.api.record(answer.json()["id"]).original
    assert original is not None
    assert site.api.services.bucket.read(original.key) == picture


def test_a_photo_as_the_body_arrives_as_it_was_sent(site: ApiBehindGateway, picture: bytes) -> None:
    answer = site.ask("POST", "/v1/photos?preset=web", data=picture, headers={"Content-Type": "image/jpeg"})

    assert answer.status_code == 202, answer.text
    original = site.api.record(answer.json()["id"]).original
    assert original is not None
    assert site.api.services.bucket.read(original.key) == picture


@pytest.mark.parametrize("path", ["/healthz", "/v1/photos?limit=1", "/v1/photos/nothing", "/nowhere/at/all"])
def test_every_other_path_reaches_the_api(site: ApiBehindGateway, path: str) -> None:
    direct, through = site.api.get(path), site.ask("GET", path)

    # Not its type: the emulator calls every error plain JSON.
    assert (through.status_code, without_request(through)) == (direct.status_code, without_request(direct))


def without_request(answer: requests.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    return {name: value for name, value in body.items() if name != "request_id"}


def test_ingest_requires_the_gateways_key(site: ApiBehindGateway) -> None:
    refused = site.ask("POST", "/v1/ingest", json={"key": "incoming/default/x.jpg", "preset": "web"})

    assert refused.status_code == 401
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:darkroom:problem:unauthorized"


def test_ingest_accepts_only_json(site: ApiBehindGateway) -> None:
    assert site.gateway.key
    refused = site.ask(
        "POST", "/v1/ingest", data="key=x", headers={"x-api-key": site.gateway.key, "Content-Type": "text/plain"}
    )

    assert refused.status_code == 415
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_a_second_run_changes_nothing(site: ApiBehindGateway) -> None:
    apigateway = boto3.client("apigateway")
    id_ = _id(site.gateway)
    before = [one["id"] for one in apigateway.get_deployments(restApiId=id_)["items"]]

    again = site.deploy(site.api.url)

    assert (again.change, again.url, again.key) == ("unchanged", site.gateway.url, site.gateway.key)
    assert [one["id"] for one in apigateway.get_deployments(restApiId=id_)["items"]] == before


def test_a_change_is_published_and_can_be_reverted(site: ApiBehindGateway) -> None:
    away = site.deploy("http://127.0.0.1:1")

    assert (away.change, away.url, away.key) == ("updated", site.gateway.url, site.gateway.key)
    assert site.ask("GET", "/healthz").status_code >= 500

    site.deploy(site.api.url)
    assert site.ask("GET", "/healthz").status_code == 200


def test_the_next_run_publishes_what_a_dead_run_did_not(
    site: ApiBehindGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as dying:
        dying.setattr("darkroom.provision.gateway.make_apigateway", _die)
        with pytest.raises(RuntimeError):
            site.deploy("http://127.0.0.1:1")

    assert site.deploy("http://127.0.0.1:1").change == "unchanged"

    assert site.ask("GET", "/healthz").status_code >= 500
    site.deploy(site.api.url)
    assert site.ask("GET", "/healthz").status_code == 200


def test_the_gateway_can_be_deleted(site: ApiBehindGateway) -> None:
    name = f"{site.api.settings.stack}-gateway"
    cloudformation = site.api.services.clients.cloudformation
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )

    assert site.ask("GET", "/healthz").status_code in (403, 404)
    assert not [key for key in boto3.client("apigateway").get_api_keys()["items"] if key["name"].startswith(name)]


def _id(gateway: Gateway) -> str:
    return gateway.url.rsplit("/", 2)[-2]


def _die() -> Any:
    raise RuntimeError("killed")


def test_the_command_refuses_a_wrong_address() -> None:
    refused = CliRunner().invoke(main, ["provision", "--gateway", "api.example.com"])

    assert refused.exit_code == 2
    assert "'api.example.com' is not an address: expected one that starts with http:// or https://" in refused.output
