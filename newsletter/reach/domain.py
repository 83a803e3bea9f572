"""May mail come from the sender's domain? What the DNS says of it, measured by what the big receivers ask for.

Where the DNS does not answer, nothing is said: a finding is only what a name server has said. One that knows of no
domain at all, as in a network without the Internet, does not count as one that answers.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from newsletter.reach.records import (
    SPF_LOOKUPS,
    DomainFinding,
    dkim_faults,
    dmarc_faults,
    dmarc_records,
    included,
    is_of_a_registry,
    lookups_of,
    spf_faults,
    spf_records,
)

if TYPE_CHECKING:
    from dns.resolver import Resolver

__all__ = ["DomainFinding", "DomainState", "look"]

Kind: TypeAlias = Literal["MX", "A", "AAAA", "TXT", "NS"]

#: Seconds for one question, and for one try at it. Without an answer to the first, nothing else is asked.
QUESTION_SECONDS, TRY_SECONDS = 2.0, 0.8
#: How many labels of a long domain the DMARC walk keeps after its first step (RFC 9989 section 4.10).
_WALK_LABELS = 7

#: Names that are nobody's, for examples and trials (RFC 2606, 6761, 6762, 8375), and .internal.
_TRIAL = frozenset({"test", "example", "invalid", "localhost", "local", "internal", "home.arpa"})
_EXAMPLES = frozenset({"example.com", "example.net", "example.org"})
#: Domains whose mail only their own servers may send.
_MAILBOXES = frozenset({
    "aol.com", "free.fr", "gmail.com", "gmx.at", "gmx.ch", "gmx.de", "gmx.net", "googlemail.com", "hotmail.com",
    "icloud.com", "live.com", "mac.com", "mail.ru", "me.com", "msn.com", "o2.pl", "orange.fr", "outlook.com",
    "proton.me", "protonmail.com", "rambler.ru", "seznam.cz", "t-online.de", "ukr.net", "web.de", "wp.pl", "yahoo.com",
    "yandex.ru", "ymail.com",
})  # fmt: skip
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


@dataclass(frozen=True)
class DomainState:
    """What is known of a sender's domain. A fact is None where nobody answered, and `unknown` says so in sentences.

    `mail_hosts` are those of its MX records, or the domain itself where it takes mail without one; `dmarc` is the
    record that applies and `dmarc_at` the domain it belongs to; `dkim` are the selectors with a key. A `trial` domain
    is nobody's, and was not asked for.
    """

    domain: str
    findings: tuple[DomainFinding, ...] = ()
    unknown: tuple[str, ...] = ()
    trial: bool = False
    exists: bool | None = None
    mail_hosts: tuple[str, ...] | None = None
    spf: tuple[str, ...] | None = None
    dmarc: str | None = None
    dmarc_at: str = ""
    dkim: tuple[str, ...] | None = None


def look(
    domain: str, *, selectors: Sequence[str] = (), resolver: Resolver | None = None, seconds: float = 5.0
) -> DomainState:
    """Return what the DNS says of the domain of a sender's address, within about so many seconds.

    `selectors` are those under which the provider publishes DKIM keys, such as SendGrid's s1 and s2; without any, DKIM
    is not judged. `resolver` stands in for the system's. Whatever happens in the network, this raises nothing.
    """
    name = _ascii(domain)
    if not name:
        message = f"The sender's address has no domain that can exist ({domain[:80]!r})."
        return DomainState(domain, (DomainFinding("DNS", "error", message, _SENDER),), exists=False)
    if _is_trial(name):
        message = f"{name} is a domain for examples and trials, so nobody can answer, and receivers refuse its mail."
        fix = f"{_SENDER[:-1]} before you write to real readers."
        return DomainState(name, (DomainFinding("RFC 2606", "warning", message, fix),), trial=True)
    dns = _Dns.of(resolver, seconds)
    first = dns.ask(name, "MX") if dns else None
    if dns is None or first is None or first.silent:
        return DomainState(name, unknown=(f"Nothing can be told about {name}: the DNS does not answer here.",))
    if not first.exists and not dns.ask(name, "A").exists:
        return _missing(name, dns)
    return _judged(name, first, dns, selectors)


_SENDER = "Set the edition's sender to an address of a domain of your own."


def _ascii(domain: str) -> str:
    """Return the domain as the DNS has it (RFC 5890), or nothing when it cannot be one."""
    try:
        name = domain.strip().rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""
    labels = name.split(".")
    return name if len(labels) > 1 and len(name) < 254 and all(map(_LABEL.fullmatch, labels)) else _localhost(name)


def _localhost(name: str) -> str:
    """Return the one name of a single label that mail comes from, on machines where somebody tries things."""
    return name if name == "localhost" else ""


def _is_trial(name: str) -> bool:
    return any(name == one or name.endswith(f".{one}") for one in _TRIAL | _EXAMPLES)


def _missing(name: str, dns: _Dns) -> DomainState:
    """Return the state of a domain that name servers say does not exist, if they know of any: the root always does."""
    if not dns.ask(".", "NS").records:
        sentence = f"Nothing can be told about {name}: the DNS here knows of no domain of the Internet."
        return DomainState(name, unknown=(sentence,))
    message = f"The sender's domain {name} does not exist, so nobody can answer, and receivers refuse its mail."
    return DomainState(name, (DomainFinding("DNS", "error", message, _SENDER),), exists=False)


@dataclass(frozen=True)
class _Reply:
    """What came back for a question: records, perhaps none, of a name that exists or not, or no answer."""

    records: tuple[str, ...] = ()
    exists: bool = True
    known: bool = True
    silent: bool = False


@dataclass(frozen=True)
class _Dns:
    """A resolver, and until when it may be asked, as a moment on the monotonic clock."""

    resolver: Resolver
    end: float

    @classmethod
    def of(cls, resolver: Resolver | None, seconds: float) -> _Dns | None:
        """Return the resolver given or the system's, to be asked for so many seconds; None where there is none."""
        import dns.resolver  # noqa: PLC0415 - takes a fifth of a second, and only this needs it

        if resolver is None:
            try:
                resolver = dns.resolver.Resolver()
            except dns.resolver.NoResolverConfiguration:
                return None
            resolver.timeout = min(resolver.timeout, TRY_SECONDS)
        return cls(resolver, time.monotonic() + seconds)

    def ask(self, name: str, kind: Kind) -> _Reply:
        """Return what the name servers say."""
        import dns.exception  # noqa: PLC0415 - see above
        import dns.name  # noqa: PLC0415
        import dns.resolver  # noqa: PLC0415

        left = self.end - time.monotonic()
        if left <= 0:
            return _Reply(known=False, silent=True)
        try:
            # A name that ends in a dot is asked for as it is, without the domains that resolv.conf adds.
            full = dns.name.from_text(f"{name.rstrip('.')}.")
            answer = self.resolver.resolve(full, kind, lifetime=min(left, QUESTION_SECONDS))
        except dns.resolver.NXDOMAIN:
            return _Reply(exists=False)
        except dns.resolver.NoAnswer:
            return _Reply()
        except dns.exception.Timeout:
            return _Reply(known=False, silent=True)
        except (dns.exception.DNSException, OSError):  # what servers answer may be no DNS at all
            return _Reply(known=False)
        return _Reply(tuple(sorted(map(_text, answer))))  # servers send them in any order

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return the TXT records at the name; None when nobody answered."""
        reply = self.ask(name, "TXT")
        return reply.records if reply.known else None


def _text(record: object) -> str:
    """Return a record's content: the strings of a TXT joined (RFC 7208 section 3.3), the host of an MX."""
    strings = getattr(record, "strings", None)
    if strings is not None:
        return b"".join(strings).decode("utf-8", "replace")
    return str(getattr(record, "exchange", record))


@dataclass
class _Notes:
    """What is found out on the way."""

    findings: list[DomainFinding] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def untold(self, what: str) -> None:
        self.unknown.append(f"{what} cannot be told: the DNS did not answer.")


def _judged(name: str, mx: _Reply, dns: _Dns, selectors: Sequence[str]) -> DomainState:
    """Return the state of a domain that exists, as far as anybody knows."""
    notes = _Notes()
    if name in _MAILBOXES:
        message = f"Only {name} itself may send mail from its addresses; receivers take other mail for forged."
        notes.findings.append(DomainFinding("DMARC", "warning", message, _SENDER))
    hosts = _mail_hosts(name, mx, dns, notes)
    spf = _spf(name, dns, notes)
    dmarc_at, dmarc = _dmarc(name, dns, notes)
    dkim = _dkim(name, dns, selectors, notes)
    return DomainState(
        name,
        tuple(notes.findings),
        tuple(notes.unknown),
        exists=True if mx.known or hosts or spf else None,
        mail_hosts=hosts,
        spf=spf,
        dmarc=dmarc,
        dmarc_at=dmarc_at,
        dkim=dkim,
    )


def _mail_hosts(name: str, mx: _Reply, dns: _Dns, notes: _Notes) -> tuple[str, ...] | None:
    """Return where mail to the domain goes (RFC 5321 section 5.1)."""
    hosts = tuple(sorted(host.rstrip(".").lower() for host in mx.records))
    if hosts == ("",):
        message = f"{name} says that it takes no mail (a null MX, RFC 7505), so receivers refuse mail from it."
        notes.findings.append(DomainFinding("MX", "error", message, _SENDER))
        return ()
    replies = [mx]
    while not hosts and len(replies) < 3:
        replies.append(dns.ask(name, "A" if len(replies) == 1 else "AAAA"))
        hosts = (name,) if replies[-1].records else ()
    if hosts:
        return hosts
    if not all(reply.known for reply in replies):
        notes.untold(f"Whether answers to {name} arrive")
        return None
    message = f"{name} has neither an MX record nor an address, so answers do not arrive, and some receivers refuse it."
    notes.findings.append(DomainFinding("MX", "warning", message, f"Publish an MX record at {name}."))
    return ()


def _spf(name: str, dns: _Dns, notes: _Notes) -> tuple[str, ...] | None:
    texts = dns.texts(name)
    if texts is None:
        notes.untold(f"Whether {name} has an SPF record")
        return None
    records = spf_records(texts)
    lookups, missing = _included(records[0], dns) if len(records) == 1 else (0, [])
    notes.findings += spf_faults(name, records, lookups, missing)
    return records


def _included(record: str, dns: _Dns) -> tuple[int, list[str]]:
    """Return how many lookups a record needs with all that it includes, as far as that matters, and what lacks one."""
    lookups, missing = 0, []
    waiting = [record]
    while waiting and lookups <= SPF_LOOKUPS:
        current = waiting.pop(0)
        lookups += lookups_of(current)
        for domain in included(current)[:SPF_LOOKUPS]:
            texts = dns.texts(domain)
            found = spf_records(texts or ())
            waiting += found[:1]
            if texts is not None and not found:
                missing.append(domain)
    return lookups, missing


def _dmarc(name: str, dns: _Dns, notes: _Notes) -> tuple[str, str | None]:
    """Return the domain whose DMARC record applies, and the record; without one, nothing."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for domain in _lineage(name):
        texts = dns.texts(f"_dmarc.{domain}")
        if texts is None:
            notes.untold(f"Whether {name} has a DMARC record")
            return "", None
        records = dmarc_records(texts)
        if len(records) == 1 and is_of_a_registry(records[0]):
            break  # what stands above is no one's own
        found.append((domain, texts))
        if records and domain == name:
            break
    notes.findings += dmarc_faults(name, found)
    own = [(domain, dmarc_records(texts)[0]) for domain, texts in found if len(dmarc_records(texts)) == 1]
    return own[-1] if own else ("", "")


def _lineage(name: str) -> Iterator[str]:
    """Yield the domain and those above it as the DMARC walk goes (RFC 9989 section 4.10), but no top-level domain.

    The walk finds the organization's domain without a list of public suffixes. What a registry publishes for the
    domains below its own is not asked for: it is not the sender's.
    """
    labels = name.split(".")
    yield name
    for start in range(max(1, len(labels) - _WALK_LABELS), len(labels) - 1):
        yield ".".join(labels[start:])


def _dkim(name: str, dns: _Dns, selectors: Sequence[str], notes: _Notes) -> tuple[str, ...] | None:
    """Return the selectors that have a key at the domain or above it: a signature by its organization is aligned."""
    if not selectors:
        return None
    keys: list[tuple[str, tuple[str, ...]]] = []
    for selector in selectors:
        texts: tuple[str, ...] | None = ()
        for domain in _lineage(name):
            texts = dns.texts(f"{selector}._domainkey.{domain}")
            if texts is None or texts:
                break
        if texts is None:
            notes.untold(f"Whether {name} has a DKIM key at the selector {selector}")
        else:
            keys.append((selector, texts))
    faults = tuple(dkim_faults(name, keys))
    if len(keys) == len(selectors):  # one that nobody answered for may be the one that is used
        notes.findings += faults
    return tuple(selector for selector, texts in keys if texts) if keys else None
