"""Which addresses sources may be read from (threat 5). Pure: nothing is looked up here.

A source's address is written by somebody, and what it redirects to and what its name resolves to by somebody else. So
that none of them reaches into the machine or its network, only addresses of the public Internet pass, at the ports of
web servers; a newsroom whose own system is inside names that network in its settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

WEB_PORTS = frozenset({80, 443, 8080, 8443})

#: Refused beside what `is_global`, `is_multicast` and `is_reserved` refuse: those miss all of these in some version of
#: Python (trust fact 10). From the IANA special-purpose registries and RFC 6890, 6052, 3056, 4380, 3879 and 9637.
_REFUSED = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carriers' own
        "168.63.129.16/32",  # the host of a machine at Azure
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64: an IPv4 address in disguise
        "64:ff9b:1::/48",
        "100::/32",  # discard
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",  # site-local
        "ff00::/8",
    )
)
#: Names that stand for the machine itself or for what a cloud's host tells its machines, whatever they resolve to.
_REFUSED_NAMES = frozenset({
    "localhost", "localhost.localdomain", "localhost6", "localhost6.localdomain6", "ip6-localhost", "ip6-loopback",
    "broadcasthost", "metadata", "metadata.google.internal", "metadata.goog", "metadata.azure.internal",
    "metadata.azure.com", "instance-data", "instance-data.ec2.internal", "metadata.tencentyun.com",
    "metadata.packet.net", "metadata.platformequinix.com", "kubernetes.default.svc",
})  # fmt: skip
_REFUSED_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa")


@dataclass(frozen=True)
class Reach:
    """Where sources may be: on the public Internet at `ports`, and in `private_networks` at any port."""

    private_networks: tuple[Network, ...] = ()
    ports: frozenset[int] = WEB_PORTS

    @classmethod
    def of(cls, private_networks: Iterable[str | Network], ports: Iterable[int]) -> Reach:
        """Return what settings describe; `ports` come on top of WEB_PORTS. Raises ValueError for what is no network."""
        return cls(tuple(ip_network(network) for network in private_networks), WEB_PORTS | frozenset(ports))

    def refusal(self, host: str, port: int, address: str) -> str:
        """Return why nothing is fetched from `host` at this numeric address and port, with what to do; or nothing."""
        try:
            number = real_address(address)
        except ValueError:
            return f"{address} is no address that sources can be read from. Check how it is written."
        if any(number in network for network in self.private_networks):
            return ""
        place = host if host == address else f"{host} ({address})"
        if not is_public(number) or is_inside_name(host):
            return (
                f"{place} is not on the public Internet, and sources are read from there only. If it is the "
                f'newsroom\'s own, add "{number}/{number.max_prefixlen}" to `private_networks` under [fetch].'
            )
        if port not in self.ports:
            return (
                f"Port {port} is none of those that web servers use ({', '.join(map(str, sorted(self.ports)))}). "
                f"Check the address; if it is right, add {port} to `ports` under [fetch]."
            )
        return ""


def real_address(address: str) -> Address:
    """Return the address; one of IPv4 in the clothes of IPv6 (::ffff:127.0.0.1) as the one it is.

    Raises ValueError for anything but a numeric address in its usual form.
    """
    number = ip_address(address)
    return (number.ipv4_mapped or number) if isinstance(number, IPv6Address) else number


def is_public(number: Address) -> bool:
    """Say whether this is an address of one machine on the public Internet."""
    if not number.is_global or number.is_multicast or number.is_reserved:
        return False
    return not any(number in network for network in _REFUSED)


def is_inside_name(host: str) -> bool:
    """Say whether the name is one for the machine itself, its host or its network (RFC 6761, 6762, 8375)."""
    name = host.lower().rstrip(".")
    return name in _REFUSED_NAMES or name.endswith(_REFUSED_SUFFIXES)


def wrong_with(url: str) -> str:
    """Return what makes `url` none that we would fetch, as the rest of a sentence; or nothing."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return f"it is not a web address ({error})"
    if parts.scheme not in {"http", "https"}:
        return "it must start with https:// or http://"
    if parts.username is not None or parts.password is not None:
        return "it carries a user name or password, and sources are read without one"
    if not parts.hostname:
        return "it has no host name"
    if any(character in "\\ " or not character.isprintable() for character in url):
        return "it contains a space, a backslash or an invisible character"
    return ""


def shown(url: str) -> str:
    """Return `url` as it may be printed and stored: without credentials."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url
