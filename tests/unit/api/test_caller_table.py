"""Connections are counted by address."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from api.http.body_end import LengthEnd
from api.http.caller_table import CallerTable, network_of
from api.http.connection import CallerSocket
from api.http.time_limits import TimeLimit


@pytest.fixture
def callers(tmp_path: Path) -> Iterator[list[CallerSocket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(CallerSocket(socket.socket(), tmp_path)) for _ in range(3)]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_ipv6_address_counts_with_its_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_an_address_over_its_limit_is_refused_until_a_connection_closes(callers: list[CallerSocket]) -> None:
    table = CallerTable(most_per_address=1)

    assert table.add(callers[0], "192.0.2.7")
    assert not table.add(callers[1], "192.0.2.7")
    assert table.add(callers[2], "192.0.2.8")
    for caller in callers[:2]:
        table.remove(caller)
        table.remove(caller)
    assert table.add(callers[0], "192.0.2.7")


def test_zero_is_no_limit(callers: list[CallerSocket]) -> None:
    table = CallerTable(most_per_address=0)

    assert all(table.add(caller, "192.0.2.7") for caller in callers)


def test_what_connections_hold_is_added_up(callers: list[CallerSocket]) -> None:
    table = CallerTable(most_per_address=0)
    for caller in callers:
        table.add(caller, "192.0.2.7")
        caller.response.add(b"12345")
    callers[0].request.put_back(b"123")
    callers[0].request.expect_body(LengthEnd(10))
    callers[0].request.begin_body(TimeLimit(60, 60), 10)

    assert (table.unsent, table.collected) == (15, 3)
    table.remove(callers[0])
    assert (table.unsent, table.collected) == (10, 0)
