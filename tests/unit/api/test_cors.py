"""Which origins may call, and what is logged of the others. tests/integration/test_cors.py shows it in a browser."""

from __future__ import annotations

import pytest
import structlog

from api.http import cors
from api.http.cors import Cors, RefusedOrigins


def logged(refused: RefusedOrigins, *origins: str) -> list[str]:
    with structlog.testing.capture_logs() as lines:
        for origin in origins:
            refused.log(origin)
    assert all("DARKROOM_CORS_ORIGINS" in line["detail"] for line in lines)
    return [line["origin"] for line in lines]


def test_a_refused_origin_is_logged_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    refused, a, b = RefusedOrigins(), "https://a.example", "https://b.example"
    clock = 1000.0
    monkeypatch.setattr("api.http.cors.time.monotonic", lambda: clock)
    assert logged(refused, a, b, a, a) == [a, b]
    clock += cors.MINUTE - 1
    assert logged(refused, a) == []
    clock += 1
    assert logged(refused, a, a) == [a]


def test_many_refused_origins_do_not_fill_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cors, "MAX_LOGGED", 3)
    assert len(logged(RefusedOrigins(), *(f"https://{number}.example" for number in range(9)))) == 3


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (["https://a.example"], "https://a.example", "https://a.example"),
        (["https://a.example"], "https://b.example", None),
        (["https://*.example.com"], "https://x.y.example.com", "https://x.y.example.com"),
        (["https://*.example.com"], "https://example.com", None),
        (["https://*.example.com"], "https://x.example.com.evil.example", None),
        (["*"], "https://b.example", "*"),
        (["*"], "", None),
        ([], "https://a.example", None),
    ],
)
def test_responses_without_the_app_allow_the_same_origins(origins: list[str], origin: str, allowed: str | None) -> None:
    headers = Cors(tuple(origins)).refusal_headers(origin)
    assert headers.get("Access-Control-Allow-Origin") == allowed
    assert ("Vary" in headers) == (allowed not in (None, "*"))
