"""The evidence for what readers agreed to: rows that are only ever added (GDPR article 7(1))."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from subscribers.addresses import one_line
from subscribers.models import Consent, ConsentAction

_SOURCE_LIMIT = 500
#: The bits of an IP address that are kept: enough to see a pattern, too few to find a person (GDPR 5(1)(c)).
_IPV4_PREFIX = 24
_IPV6_PREFIX = 48


@dataclass(frozen=True)
class Evidence:
    """When and where something happened: `source` is a page's address, `wording` what the reader saw."""

    at: datetime
    source: str
    wording: str
    network: str


def wording_version(wording: str) -> str:
    """Return the first 8 hexadecimal digits of the SHA-256 of what a reader was shown; "" for nothing. Pure."""
    return hashlib.sha256(wording.encode()).hexdigest()[:8] if wording else ""


def history(session: Session, subscriber_id: int) -> list[Consent]:
    """Return the evidence about one reader on all lists, oldest first."""
    statement = select(Consent).where(Consent.subscriber_id == subscriber_id)
    return list(session.exec(statement.order_by(col(Consent.id))))


def record(
    session: Session, action: ConsentAction, subscriber_id: int, list_id: int | None, evidence: Evidence
) -> None:
    """Add one line of evidence. The network is shortened here: no caller can store a whole IP address."""
    session.add(
        Consent(
            subscriber_id=subscriber_id,
            list_id=list_id,
            action=action,
            at=evidence.at,
            source=one_line(evidence.source, _SOURCE_LIMIT),
            wording=evidence.wording,
            network=shorten_network(evidence.network),
        )
    )


def shorten_network(ip: str) -> str:
    """Return the network an IP address is in, as /24 or /48; empty for anything that is no IP address.

    A network stays what it is, so that shortening twice does no harm.
    """
    try:
        address = ipaddress.ip_interface(ip).ip
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if isinstance(address, ipaddress.IPv4Address):
        return str(ipaddress.IPv4Network((int(address), _IPV4_PREFIX), strict=False))
    return str(ipaddress.IPv6Network((int(address), _IPV6_PREFIX), strict=False))
