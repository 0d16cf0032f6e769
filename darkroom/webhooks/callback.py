"""Where a webhook may go: the rules for a callback URL, and for the addresses that its host name leads to.

Pure: nothing is looked up or asked here, so that the API can judge a URL without sending anything for it.
What a name leads to is checked when a webhook is sent (worker/webhooks/transport.py), because its owner can
change it at any time.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from pydantic import AnyHttpUrl, TypeAdapter, ValidationError

from darkroom.errors import CallbackRefused

MAX_URL = 2048

FIRST_FREE_PORT = 1024
"""Below it, only 443: the other well-known ports belong to services that have no business with webhooks."""

# AnyHttpUrl reads as the URL standard says: 0x7f.1, 2130706433 and full-width digits become 127.0.0.1, and names
# become lower case and ASCII. We connect to what it read, so no second reader can see another host in the same text.
_url = TypeAdapter(AnyHttpUrl)

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")
MAX_NAME = 253

_REFUSED = [
    (ipaddress.ip_network(network), kind)
    for network, kind in {
        "0.0.0.0/8": "an unspecified",
        "10.0.0.0/8": "a private",
        "100.64.0.0/10": "a carrier-grade NAT",
        "127.0.0.0/8": "a loopback",
        "168.63.129.16/32": "a cloud provider's own",
        "169.254.0.0/16": "a link-local",
        "172.16.0.0/12": "a private",
        "192.0.0.0/24": "a reserved",
        "192.0.2.0/24": "a documentation",
        "192.88.99.0/24": "a 6to4 relay's",
        "192.168.0.0/16": "a private",
        "198.18.0.0/15": "a benchmarking",
        "198.51.100.0/24": "a documentation",
        "203.0.113.0/24": "a documentation",
        "224.0.0.0/4": "a multicast",
        "255.255.255.255/32": "a broadcast",
        "240.0.0.0/4": "a reserved",
        "::/128": "an unspecified",
        "::1/128": "a loopback",
        "::/96": "an IPv4-compatible",
        "::ffff:0:0/96": "an IPv4-mapped",
        "::ffff:0:0:0/96": "an IPv4-translated",
        "64:ff9b:1::/48": "a local NAT64",
        "2001::/32": "a Teredo",
        "2001::/23": "a reserved",
        "2001:db8::/32": "a documentation",
        "2002::/16": "a 6to4",
        "3fff::/20": "a documentation",
        "fc00::/7": "a private",
        "fe80::/10": "a link-local",
        "fec0::/10": "a site-local",
        "ff00::/8": "a multicast",
    }.items()
]
"""What is not public, by the IANA special-purpose registries. The first that fits names the kind."""

_NAT64 = IPv6Network("64:ff9b::/96")
"""How a network without IPv4 reaches a host without IPv6: as public as the IPv4 address in its last four bytes."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")

_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")


@dataclass(frozen=True)
class Target:
    """A callback URL that may be asked, in the parts that a request is made of."""

    url: str
    host: str
    port: int
    path: str
    tls: bool
    private: bool
    """DARKROOM_WEBHOOK_PRIVATE_HOSTS names it: its addresses are not checked."""


def read_callback(url: str, private_hosts: Collection[str] = ()) -> Target:
    """Raises CallbackRefused with what is wrong with a URL, as far as it can be seen without looking up its host.

    `private_hosts`: host names, with or without a port, that may be asked wherever they are, and without TLS.
    """
    try:
        parsed = _url.validate_python(url)
    except ValidationError:
        raise CallbackRefused("it is no address; give one like https://example.com/photos") from None
    host = (parsed.host or "").removesuffix(".")
    port = parsed.port or 0
    private = host in private_hosts or f"{host}:{port}" in private_hosts
    if len(str(parsed)) > MAX_URL:
        raise CallbackRefused(f"it is longer than {MAX_URL} characters when written out")
    if parsed.username is not None or parsed.password is not None:
        raise CallbackRefused("give it without user name and password; the signature shows who sent a webhook")
    if parsed.fragment is not None:
        raise CallbackRefused("give it without #")
    host = host.removeprefix("[").removesuffix("]")
    _check_host(host, private)
    if parsed.scheme != "https" and not private:
        raise CallbackRefused("it must start with https://")
    if port == 0 or not (private or port == 443 or port >= FIRST_FREE_PORT):
        raise CallbackRefused(f"port {port} is not taken; there are 443 and those from {FIRST_FREE_PORT} on")
    return Target(
        url=str(parsed),
        host=host,
        port=port,
        path=(parsed.path or "/") + (f"?{parsed.query}" if parsed.query is not None else ""),
        tls=parsed.scheme == "https",
        private=private,
    )


def _check_host(host: str, private: bool) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if len(host) > MAX_NAME or not _NAME.fullmatch(host):
            raise CallbackRefused("its host is no host name") from None
        if not private and (host == "localhost" or host.endswith(".localhost")):
            raise CallbackRefused("localhost is not a public address") from None
    else:
        if not private:
            check_address(address)


def check_address(address: IPv4Address | IPv6Address) -> None:
    """Raises CallbackRefused unless an address belongs to the public internet.

    IPv6 addresses that stand for an IPv4 address are refused whatever that one is, NAT64's apart.
    """
    if isinstance(address, IPv6Address) and address in _NAT64:
        return check_address(IPv4Address(address.packed[-4:]))
    kind = next((kind for network, kind in _REFUSED if address in network), None)
    if kind is None and isinstance(address, IPv6Address):
        if address not in _GLOBAL_UNICAST:
            kind = "a reserved"
        elif address.packed[8:12] in _ISATAP:
            kind = "an ISATAP"
    if kind is None and not address.is_global:  # what newer releases of Python know
        kind = "a special"
    if kind:
        raise CallbackRefused(f"{address} is not a public address: it is {kind} one")
    return None
