"""All connections of a process: how many each address has, and what they hold together."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.http.connection import CallerSocket

IPV6_NETWORK = 64
"""Bits of an IPv6 address that count: a caller usually has a whole network of this size."""


class CallerTable:
    def __init__(self, most_per_address: int) -> None:
        """`most_per_address`: connections that one address may have; 0 for no limit."""
        self._most = most_per_address
        self._counts: Counter[str] = Counter()
        self._networks: dict[CallerSocket, str] = {}

    def add(self, caller: CallerSocket, address: str) -> bool:
        """Returns whether the address has no more connections than it may have, this one included."""
        network = network_of(address)
        self._networks[caller] = network
        self._counts[network] += 1
        return not self._most or self._counts[network] <= self._most

    def remove(self, caller: CallerSocket) -> None:
        if network := self._networks.pop(caller, None):
            self._counts[network] -= 1
            if not self._counts[network]:
                del self._counts[network]

    @property
    def collected(self) -> int:
        """Bytes of bodies on disk."""
        return sum(caller.request.on_disk for caller in self._networks)

    @property
    def unsent(self) -> int:
        """Bytes of responses in memory."""
        return sum(caller.response.memory for caller in self._networks)


def network_of(address: str) -> str:
    """The address itself, or the network of an IPv6 address."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_NETWORK), strict=False))
