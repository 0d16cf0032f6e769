"""Where a webhook may go: the rules for a callback URL, and for the addresses of its host.

Nothing is looked up here, so the API can check a URL without network traffic. The addresses of a host name are checked
when a worker connects (worker/connections.py), because they can change at any time. The URL of a photo that a worker
fetches has the same rules.
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

PATTERN = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00-\x20\x7f/?#@\\\ufffe\uffff]+([/?][^\x00-\x20\x7f#\ufffe\uffff]*)?$"
"""The form of a callback URL, in the part of regular expressions that Python and ECMAScript share: scheme, host and
port, then perhaps path and query; no user, no fragment, no spaces. The OpenAPI document has it, too."""

FIRST_FREE_PORT = 1024
"""Of the ports below it, only 443 is allowed: the others belong to services that are not webhook receivers."""

# AnyHttpUrl follows the URL standard: 0x7f.1, 2130706433 and full-width digits become 127.0.0.1, and names become lower
# case and ASCII. We connect to its result, so no second parser can find another host in the same text.
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
"""Networks that are not public, from the IANA special-purpose registries, with their kind. The first match counts."""

_NAT64 = IPv6Network("64:ff9b::/96")
"""NAT64: such an address stands for the IPv4 address in its last four bytes, and is as public as that one."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")

_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")


@dataclass(frozen=True)
class Target:
    """An allowed callback URL, in the parts that a request needs."""

    url: str
    host: str
    port: int
    path: str
    tls: bool
    private: bool
    """A setting names the host, so its addresses are not checked."""


def read_callback(url: str, private_hosts: Collection[str] = ()) -> Target:
    """Parse and check a callback URL without looking up its host. Raises CallbackRefused with the reason.

    `private_hosts`: hosts, with or without a port, that are allowed at any address, and without TLS.
    """
    try:
        parsed = _url.validate_python(url)
    except ValidationError:
        raise CallbackRefused("it is not a URL; expected one like https://example.com/photos") from None
    host = (parsed.host or "").removesuffix(".")
    port = parsed.port or 0
    private = host in private_hosts or f"{host}:{port}" in private_hosts
    if len(str(parsed)) > MAX_URL:
        raise CallbackRefused(f"it is longer than {MAX_URL} characters, with all escapes written out")
    if parsed.username is not None or parsed.password is not None:
        raise CallbackRefused("it has a user name or password; remove it")
    if parsed.fragment is not None:
        raise CallbackRefused("it has a #; remove it and what follows")
    host = host.removeprefix("[").removesuffix("]")
    _check_host(host, private)
    if parsed.scheme != "https" and not private:
        raise CallbackRefused("it must start with https://")
    if port == 0 or not (private or port == 443 or port >= FIRST_FREE_PORT):
        raise CallbackRefused(f"port {port} is not allowed; use 443, or a port from {FIRST_FREE_PORT} on")
    if not re.fullmatch(PATTERN, url):  # the URL standard forgives more: spaces around it, missing slashes
        raise CallbackRefused("it is not a URL; expected one like https://example.com/photos, without spaces")
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
            raise CallbackRefused("its host is not a host name or an IP address") from None
        if not private and (host == "localhost" or host.endswith(".localhost")):
            raise CallbackRefused("localhost is not a public address") from None
    else:
        if not private:
            check_address(address)


def check_address(address: IPv4Address | IPv6Address) -> None:
    """Raises CallbackRefused unless an address is on the public internet.

    IPv6 addresses that stand for an IPv4 address are refused, except for NAT64's.
    """
    if isinstance(address, IPv6Address) and address in _NAT64:
        return check_address(IPv4Address(address.packed[-4:]))
    kind = next((kind for network, kind in _REFUSED if address in network), None)
    if kind is None and isinstance(address, IPv6Address):
        if address not in _GLOBAL_UNICAST:
            kind = "a reserved"
        elif address.packed[8:12] in _ISATAP:
            kind = "an ISATAP"
    if kind is None and not address.is_global:  # newer releases of Python know more networks
        kind = "a special"
    if kind:
        raise CallbackRefused(f"{address} is not a public address: it is {kind} address")
    return None
