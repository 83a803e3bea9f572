"""What the DNS records of a sender's domain come to: SPF (RFC 7208), DMARC (RFC 9989), DKIM (RFC 6376). Pure.

The rules are those that Gmail and Yahoo (2024) and Microsoft (2025) have for mail in bulk: SPF, DKIM, and a DMARC
record, p=none being enough. Nothing here is worse than a warning: some receivers take the mail all the same.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

#: Mechanisms and modifiers that make a receiver ask the DNS; more than ten break the record (RFC 7208 section 4.6.4).
SPF_LOOKUPS = 10
_ASKING = re.compile(r"[+?~-]?(?:include:|exists:|a(?=[:/]|$)|mx(?=[:/]|$)|ptr(?=:|$))|redirect=", re.IGNORECASE)
_SPF_TERM = re.compile(
    r"[+?~-]?(?:all|include:\S+|exists:\S+|(?:a|mx)(?::[^\s/]+)?(?:/\d{1,3})?(?://\d{1,3})?|ptr(?::\S+)?"
    r"|ip4:(?P<ip4>\S+)|ip6:(?P<ip6>\S+))|[a-z][a-z0-9._-]*=\S*",
    re.IGNORECASE,
)
_DMARC = re.compile(r"\s*[vV]\s*=\s*DMARC1\s*(?:;|$)")
_POLICIES = frozenset({"none", "quarantine", "reject"})
#: Bytes of an RSA key of 1,024 bits, the least that receivers take (RFC 8301), without its wrapping.
_RSA_BYTES = 135


@dataclass(frozen=True)
class DomainFinding:
    """Something to put right at the sender's domain. `rule` names the record, `fix` says what to do."""

    rule: str
    severity: Literal["error", "warning"]
    message: str
    fix: str


def spf_records(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the SPF records among TXT records (RFC 7208 section 4.5)."""
    return tuple(text for text in texts if re.match(r"v=spf1(?: |$)", text, re.IGNORECASE))


def lookups_of(record: str) -> int:
    """Return how often a receiver asks the DNS for what stands in this SPF record itself."""
    return sum(_ASKING.match(term) is not None for term in _evaluated(record))


def included(record: str) -> list[str]:
    """Return the domains whose SPF records belong to this one, but for names with macros: they depend on the mail."""
    found = (re.fullmatch(r"(?:[+?~-]?include:|redirect=)([^%]+)", term, re.IGNORECASE) for term in _evaluated(record))
    return [match[1] for match in found if match]


def _evaluated(record: str) -> list[str]:
    """Return the terms that count: none after "all", and no redirect beside it (RFC 7208 sections 5.1 and 6.1)."""
    terms = _terms(record)
    end = next((place for place, term in enumerate(terms) if term.lstrip("+?~-").casefold() == "all"), None)
    return terms if end is None else [term for term in terms[:end] if not term.casefold().startswith("redirect=")]


def _terms(record: str) -> list[str]:
    """Return the mechanisms and modifiers of an SPF record."""
    return record.split()[1:]


def spf_faults(domain: str, records: Sequence[str], lookups: int, missing: Sequence[str]) -> Iterator[DomainFinding]:
    """Yield what is wrong with a domain's SPF records.

    `lookups` are those of the record with all that it includes; `missing` are included domains without a record.
    """
    if not records:
        message = f"{domain} has no SPF record, which Gmail, Yahoo and Microsoft ask of those who write to many."
        yield _warning("SPF", message, f"Publish a TXT record at {domain} that names what sends for it; {_PROVIDER}")
    elif len(records) > 1:
        message = f"{domain} has {len(records)} SPF records, so none counts (RFC 7208)."
        yield _warning("SPF", message, "Make one of them, with the mechanisms of all.")
    else:
        yield from _spf_record(domain, records[0], lookups, missing)


_PROVIDER = "your mail provider says what to write."


def _spf_record(domain: str, record: str, lookups: int, missing: Sequence[str]) -> Iterator[DomainFinding]:
    wrong = [term for term in _terms(record) if not _is_spf_term(term)]
    if wrong:
        message = f"The SPF record of {domain} is broken, so it does not count: {wrong[0][:60]!r} means nothing."
        yield _warning("SPF", message, "Correct it in the TXT record.")
    if missing:
        message = f"The SPF record of {domain} does not count: it includes {missing[0]}, which has none."
        yield _warning("SPF", message, f"Take {missing[0]} out of the TXT record, or correct the name.")
    if lookups > SPF_LOOKUPS:
        message = f"The SPF record of {domain} does not count: it needs more than {SPF_LOOKUPS} lookups in the DNS."
        yield _warning("SPF", message, "Take out what no longer sends for the domain.")
    if any(term.casefold() in {"all", "+all"} for term in _terms(record)):
        message = f"The SPF record of {domain} lets everybody send in its name ({record[:80]})."
        yield _warning("SPF", message, "End it with ~all or -all.")


def _is_spf_term(term: str) -> bool:
    match = _SPF_TERM.fullmatch(term)
    if match is None:
        return False
    try:
        if match["ip4"]:
            IPv4Network(match["ip4"], strict=False)
        if match["ip6"]:
            IPv6Network(match["ip6"], strict=False)
    except ValueError:
        return False
    return True


def dmarc_records(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the DMARC records among TXT records; their version is written in capitals (RFC 9989 section 4.7)."""
    return tuple(text for text in texts if _DMARC.match(text))


def tags(record: str) -> dict[str, str]:
    """Return the tags of a DMARC or DKIM record, by their names in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    for part in record.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            found.setdefault(name.strip().casefold(), value.strip())
    return found


def dmarc_faults(domain: str, found: Sequence[tuple[str, Sequence[str]]]) -> Iterator[DomainFinding]:
    """Yield what is wrong with the TXT records at _dmarc of the domain and, where it has none, of its parents."""
    several = [name for name, texts in found if len(dmarc_records(texts)) > 1]
    applying = [(name, dmarc_records(texts)[0]) for name, texts in found if len(dmarc_records(texts)) == 1]
    if several:
        message = f"_dmarc.{several[0]} has several DMARC records, so none counts (RFC 9989)."
        yield _warning("DMARC", message, "Keep one of them.")
    elif not applying:
        damaged = next((text for _, texts in found for text in texts if "dmarc" in text.casefold()), "")
        message = (
            f"{domain} has no DMARC record that counts: {damaged[:60]!r} does not begin with v=DMARC1; and a tag."
            if damaged
            else f"{domain} has no DMARC record, which Gmail, Yahoo and Microsoft ask of those who write to many."
        )
        yield _warning("DMARC", message, f"Publish a TXT record at _dmarc.{domain}: v=DMARC1; p=none")
    else:
        # The domain's own record, or else that of the organization, which is the uppermost (section 4.10.2).
        name, record = applying[0] if applying[0][0] == domain else applying[-1]
        if tags(record).get("p", "").casefold() not in _POLICIES:
            message = f"The DMARC record at _dmarc.{name} has no valid policy, so not every receiver counts it."
            yield _warning("DMARC", message, "Add p=none, p=quarantine or p=reject right after v=DMARC1.")


def is_of_a_registry(record: str) -> bool:
    """Say whether a DMARC record is one for all domains below a public suffix (psd=y), so nobody's own."""
    return tags(record).get("psd", "").casefold() == "y"


def dkim_faults(domain: str, keys: Sequence[tuple[str, Sequence[str]]]) -> Iterator[DomainFinding]:
    """Yield what is wrong with the keys at the selectors: one that can be used is enough. `keys`: selector, TXTs."""
    selectors = " and ".join(selector for selector, _ in keys)
    faults = [_key_fault(text) for _, texts in keys for text in texts]
    if "" in faults or not keys:
        return
    if faults:
        message = f"The DKIM key of {domain} at the selector {selectors} cannot be used: {faults[0]}."
        yield _warning("DKIM", message, f"Publish a new key; {_PROVIDER}")
    else:
        message = f"{domain} has no DKIM key at the selector {selectors}, so the mail may go out unsigned."
        fix = "Authenticate the domain at your mail provider; if you chose another selector there, set it here."
        yield _warning("DKIM", message, fix)


def _key_fault(record: str) -> str:
    """Return why a DKIM key cannot be used, or nothing (RFC 6376 section 3.6.1)."""
    found = tags(record)
    if found.get("v", "DKIM1") != "DKIM1" or "p" not in found:
        return "the record there is not one of DKIM"
    if not found["p"]:
        return "it is revoked"
    try:
        key = base64.b64decode(re.sub(r"\s", "", found["p"]), validate=True)
    except (binascii.Error, ValueError):
        return "it is damaged"
    if found.get("k", "rsa").casefold() == "rsa" and len(key) < _RSA_BYTES:
        return "it has fewer than 1,024 bits"
    return ""


def _warning(rule: str, message: str, fix: str) -> DomainFinding:
    return DomainFinding(rule, "warning", message, fix)
