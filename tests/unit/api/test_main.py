from __future__ import annotations

import pytest

from api.__main__ import CONNECTIONS, MIN_CONNECTIONS, bind_address, most_connections
from darkroom.resources import OPEN_FILES
from darkroom.settings import Settings


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1:8080"), ("localhost", "localhost:8080"), ("::", "[::]:8080"), ("::1", "[::1]:8080")],
)
def test_an_ipv6_host_stands_in_brackets(host: str, address: str) -> None:
    assert bind_address(Settings(host=host)) == address


@pytest.mark.parametrize(
    ("threads", "open_files", "connections"),
    [
        (16, OPEN_FILES, CONNECTIONS),
        (256, OPEN_FILES, 25_600),
        (16, 4096, (4096 - 16 * 50 - 200) // 2),
        (16, 1024, MIN_CONNECTIONS),
    ],
)
def test_a_process_accepts_no_more_connections_than_it_may_have_open_files(
    threads: int, open_files: int, connections: int
) -> None:
    assert most_connections(Settings(api_threads=threads), open_files) == connections
