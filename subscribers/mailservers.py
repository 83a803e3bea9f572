"""Whether mail can go to a domain at all, as far as the DNS says (point 8). Optional: nothing else here asks the DNS.

One question or two for each domain, whatever the number of addresses. A name server that does not answer, and a network
without the Internet, say nothing about a domain: it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns.rdatatype import RdataType
    from dns.resolver import Resolver

#: Seconds for one question, all tries together.
QUESTION_SECONDS = 5.0
#: Domains that are asked about at the same time.
_THREADS = 16


class Verdict(StrEnum):
    """What the DNS says of a domain, to follow its name in a sentence."""

    TAKES_MAIL = "takes mail"
    #: RFC 7505: one MX record, whose host is the root.
    NULL_MX = "says that it takes no mail"
    NO_SUCH_DOMAIN = "does not exist"
    #: RFC 5321 section 5.1: without MX records mail goes to the domain's own address; it has none either.
    NO_SERVER = "has no mail server"
    UNKNOWN = "could not be asked about"

    @property
    def refuses(self) -> bool:
        """Whether mail to the domain surely cannot be delivered."""
        return self not in {Verdict.TAKES_MAIL, Verdict.UNKNOWN}


def check(domain: str, resolver: Resolver | None = None) -> Verdict:
    """Return whether a domain, in its ASCII form, takes mail, as the system's name server says or the one given."""
    return check_all([domain], resolver)[domain]


def check_all(
    domains: Collection[str], resolver: Resolver | None = None, progress: Callable[[int], None] | None = None
) -> dict[str, Verdict]:
    """Return the same of several domains, some at a time; `progress` is told how many are done."""
    import dns.resolver  # noqa: PLC0415 - a tenth of a second that most commands do without

    asked = resolver or dns.resolver.get_default_resolver()
    if not _answers(asked):
        return dict.fromkeys(domains, Verdict.UNKNOWN)
    found = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for domain, verdict in zip(domains, pool.map(lambda one: _verdict(one, asked), domains), strict=True):
            found[domain] = verdict
            if progress:
                progress(len(found))
    return found


def _verdict(domain: str, resolver: Resolver) -> Verdict:
    from dns.exception import DNSException  # noqa: PLC0415 - as above
    from dns.rdatatype import AAAA, MX, A  # noqa: PLC0415
    from dns.resolver import NXDOMAIN  # noqa: PLC0415

    try:
        if records := _ask(domain, MX, resolver):
            return Verdict.NULL_MX if records == ["0 ."] else Verdict.TAKES_MAIL
        has_address = any(_ask(domain, kind, resolver) for kind in (A, AAAA))
    except NXDOMAIN:
        return Verdict.NO_SUCH_DOMAIN
    except DNSException:
        return Verdict.UNKNOWN
    return Verdict.TAKES_MAIL if has_address else Verdict.NO_SERVER


def _ask(domain: str, kind: RdataType, resolver: Resolver) -> list[str]:
    """Return the records of one kind, as in a zone file; none for a name without any. Raises DNSException."""
    answer = resolver.resolve(f"{domain}.", kind, lifetime=QUESTION_SECONDS, raise_on_no_answer=False, search=False)
    return [one.to_text() for one in answer.rrset or ()]


def _answers(resolver: Resolver) -> bool:
    """Tell whether the name server knows of anything: it has to know the root's own."""
    from dns.exception import DNSException  # noqa: PLC0415 - as above
    from dns.rdatatype import NS  # noqa: PLC0415

    try:
        resolver.resolve(".", NS, lifetime=QUESTION_SECONDS, search=False)
    except DNSException:
        return False
    return True
