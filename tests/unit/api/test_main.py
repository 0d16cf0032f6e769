from __future__ import annotations

import pytest

from api.__main__ import bind_address
from darkroom.settings import Settings


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1:8080"), ("localhost", "localhost:8080"), ("::", "[::]:8080"), ("::1", "[::1]:8080")],
)
def test_an_ipv6_host_stands_in_brackets(host: str, address: str) -> None:
    assert bind_address(Settings(host=host)) == address
