"""The API's Lambda function without its app: addresses, the settings that it needs, and who may pass the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api import lambda_function
from api.lambda_function import authorize, lambda_handler
from darkroom.errors import SettingsError
from darkroom.owners import hash_of, new_key
from darkroom.settings import PREFIX

ALICE = new_key()
KEYS = f"alice:{hash_of(ALICE)}"
METHOD = "arn:aws:execute-api:eu-central-1:123456789012:abc123/prod/POST/v1/ingest"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings are read once in an execution environment; each test is one. The logs are those of all tests."""
    monkeypatch.setattr(lambda_function, "set_up_logs", lambda *_: None)
    yield
    lambda_function._settings.cache_clear()
    lambda_function._handler.cache_clear()


def rest(path: str, asked: str, **more: str) -> dict[str, Any]:
    return {"path": path, "requestContext": {"path": asked, "stage": "prod"}, **more}


def http(path: str, stage: str) -> dict[str, Any]:
    return {"version": "2.0", "rawPath": path, "requestContext": {"stage": stage, "http": {"path": path}}}


@pytest.mark.parametrize(
    ("event", "public_path", "path"),
    [
        (rest("/v1/photos", "/prod/v1/photos"), "/prod", "/v1/photos"),
        (rest("/prod/x", "/prod/prod/x"), "/prod", "/prod/x"),
        (rest("/v1/photos", "/prod/v1/photos", version="1.0"), "/prod", "/v1/photos"),
        (rest("/photos/v1/photos", "/photos/v1/photos"), "/photos", "/v1/photos"),  # a custom domain maps /photos
        (rest("/v1/photos", "/v1/photos"), "", "/v1/photos"),  # it maps everything
        (rest("/prod/v1/photos", "/prod/v1/photos", version="1.0"), "", "/v1/photos"),  # an HTTP API
        (http("/prod/v1/photos", "prod"), "", "/v1/photos"),
        (http("/v1/v1/photos", "v1"), "/v1", "/v1/photos"),
        (http("/v1/photos", "$default"), "/v1", "/v1/photos"),
        (http("/production/v1/photos", "prod"), "", "/production/v1/photos"),
        (http("/prod", "prod"), "", "/"),
    ],
)
def test_what_stands_before_our_address_is_taken_away(event: dict[str, Any], public_path: str, path: str) -> None:
    assert lambda_function._path(event, public_path) == path


def test_whether_callers_need_keys_has_to_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere an API on a loopback address may go without; that is the default, and says nothing here."""
    monkeypatch.delenv("DARKROOM_AUTH", raising=False)

    for entry in (lambda_handler, authorize):
        with pytest.raises(SettingsError) as told:
            entry({"methodArn": METHOD}, None)
        assert "DARKROOM_AUTH=off" in str(told.value)
        assert "`darkroom key OWNER`" in str(told.value)


def test_faults_of_the_settings_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_AUTH", "sometimes")

    with pytest.raises(SettingsError, match="DARKROOM_AUTH"):
        lambda_handler({}, None)


def test_nothing_takes_longer_than_the_gateway_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AUTH": "off", "MAX_WAIT": "60", "AWS_TIMEOUT": "10"}.items():
        monkeypatch.setenv(PREFIX + name, value)

    settings, _ = lambda_function._settings()

    assert settings.max_wait < 29
    assert 3 * settings.aws_timeout < 29


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_key_lets_its_owner_into_the_whole_stage(monkeypatch: pytest.MonkeyPatch, name: str, scheme: str) -> None:
    monkeypatch.setenv("DARKROOM_API_KEYS", KEYS)

    policy = authorize({"methodArn": METHOD, "headers": {name: f"{scheme} {ALICE}"}}, None)

    assert policy["principalId"] == "alice"
    (statement,) = policy["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "execute-api:Invoke")
    # The gateway keeps the policy for all that comes with this key.
    assert statement["Resource"] == "arn:aws:execute-api:eu-central-1:123456789012:abc123/prod/*"


@pytest.mark.parametrize(
    "headers", [None, {}, {"Authorization": ALICE}, {"Authorization": "Bearer "}, {"Authorization": "Bearer dk_wrong"}]
)
def test_nobody_else_is_let_in(monkeypatch: pytest.MonkeyPatch, headers: dict[str, str] | None) -> None:
    monkeypatch.setenv("DARKROOM_API_KEYS", KEYS)

    with pytest.raises(Exception, match=r"^Unauthorized$"):  # what API Gateway makes a 401 of
        authorize({"methodArn": METHOD, "headers": headers}, None)


def test_without_keys_everybody_is_the_same_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_AUTH", "off")

    assert authorize({"methodArn": METHOD, "headers": {}}, None)["principalId"] == "default"
