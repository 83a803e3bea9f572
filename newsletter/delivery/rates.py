"""How many mails may go out now: limits of the provider, of each domain of readers, and a plan for warming up.

A claim asks `allow` before it takes readers and `domains` once it knows them, then books. What became of it is told by
`settle`. All of it happens in the claim's own transactions, so that a claim and its booking are one commit, which every
worker sees and no restart forgets. Counts are locked in one order, the provider's before those of domains, by name; so
workers wait for each other but cannot deadlock. Without a limit nothing is read or written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from sqlmodel import Session

from newsletter import windows
from newsletter.delivery import warm_up
from newsletter.delivery.warm_up import WarmUp
from newsletter.windows import HELD, NO_WINDOWS, TOTAL, Change, Key, Windows, part_of

__all__ = ["NO_LIMITS", "Allowance", "Limits", "WarmUp", "Windows", "allow", "book", "domain_of", "domains", "settle"]

#: Who has to wait does so until this part of the limit is free, so that mails do not trickle out one by one.
_WORTH_IT = 4
#: Longer names of providers are cut, so that there is room for a domain beside them (`RateUse.scope`).
_NAME_LENGTH = 100


@dataclass(frozen=True)
class Limits:
    """Every limit of one provider."""

    overall: Windows = NO_WINDOWS
    #: Domain of readers, in lower case -> its limits.
    of_domains: Mapping[str, Windows] = field(default_factory=dict)
    #: The limits of each domain that is not named.
    other_domains: Windows = NO_WINDOWS
    warm_up: WarmUp | None = None

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return bool(self.overall.limits) or self.limit_domains or self.warm_up is not None

    def of_domain(self, domain: str) -> Windows:
        """Return the limits of one domain of readers."""
        return self.of_domains.get(domain, self.other_domains)

    @cached_property
    def limit_domains(self) -> bool:
        """Whether any domain of readers has a limit."""
        return bool(self.other_domains.limits) or any(one.limits for one in self.of_domains.values())


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Allowance:
    """How many mails may go now and, when those are fewer than wanted, when it is worth asking for more."""

    count: int
    until: datetime | None = None


def allow(  # noqa: PLR0917 - who sends stands before what, in every function here
    session: Session, limits: Limits, provider: str, sender_domain: str, wanted: int, now: datetime
) -> Allowance:
    """Return how many of `wanted` mails may go out now, domains of readers left aside. Books nothing.

    The counts stay locked until the transaction ends, so that what is allowed can be booked.
    """
    if not limits:
        return Allowance(wanted)
    scope = _name(provider)
    windows.lock(session, scope)
    free: dict[int, int] = {}
    if limits.overall.limits:
        held = windows.held(session, {scope: limits.overall}, {scope: wanted}, now)
        free = {seconds: limit - held[scope, seconds] for seconds, limit in limits.overall.limits}
    today = None
    if limits.warm_up is not None:
        today = warm_up.room(session, limits.warm_up, _from(provider, sender_domain), now)
    count = max(0, min([wanted, *free.values(), *([] if today is None else [today])]))
    if count == wanted:
        return Allowance(count)
    left = {seconds: one - count for seconds, one in free.items()}
    needs = _needs(scope, limits.overall, left, wanted - count)
    times = list(windows.room_at(session, needs, now).values()) if needs else []
    if today is not None and today <= count:
        times.append(warm_up.next_day(now))
    return Allowance(count, max(times))


def book(  # noqa: PLR0917 - as in `allow`
    session: Session, limits: Limits, provider: str, sender_domain: str, count: int, now: datetime
) -> None:
    """Count mails that go out now, which `allow` allowed in the same transaction."""
    if limits.overall.limits and count:
        scope = _name(provider)
        windows.add(session, _booking({scope: limits.overall}, {scope: count}, now))
    if limits.warm_up is not None and count:
        warm_up.book(session, limits.warm_up, _from(provider, sender_domain), count, now)


def domains(
    session: Session, limits: Limits, provider: str, addresses: Sequence[str], now: datetime
) -> dict[int, datetime]:
    """Count the readers whose domains have room now; return when it is worth trying each of the others again, by index.

    Of one domain the first go and the rest waits, all until the same time.
    """
    if not limits.limit_domains:
        return {}
    indexes: dict[str, list[int]] = defaultdict(list)
    for index, address in enumerate(addresses):
        indexes[domain_of(address)].append(index)
    scopes = {_to(provider, domain): limits.of_domain(domain) for domain in indexes if limits.of_domain(domain).limits}
    if not scopes:
        return {}
    windows.lock(session, _name(provider))
    wanted = {_to(provider, domain): len(of_domain) for domain, of_domain in indexes.items()}
    held = windows.held(session, scopes, wanted, now)
    booked: dict[str, int] = {}
    waiting: dict[str, list[int]] = {}
    needs: dict[Key, int] = {}
    for domain, of_domain in indexes.items():
        scope = _to(provider, domain)
        if scope not in scopes:
            continue
        free = {seconds: limit - held[scope, seconds] for seconds, limit in scopes[scope].limits}
        booked[scope] = max(0, min(len(of_domain), *free.values()))
        if rest := of_domain[booked[scope] :]:
            left = {seconds: one - booked[scope] for seconds, one in free.items()}
            waiting[scope] = rest
            needs |= _needs(scope, scopes[scope], left, len(rest))
    until = windows.room_at(session, needs, now) if needs else {}
    windows.add(session, _booking(scopes, booked, now))
    return {index: until[scope] for scope, rest in waiting.items() for index in rest}


def settle(
    session: Session,
    limits: Limits,
    provider: str,
    sender_domain: str,
    *,
    sent: Sequence[str],
    not_tried: Sequence[str],
    booked_at: datetime,
    now: datetime,
) -> None:
    """Tell what became of a claim that was booked at `booked_at`, by the addresses of its readers.

    Who was `sent` the mail, or may have been, counts from now on: a mail that arrives at the end of a slow call stands
    in the windows that begin there. Who was surely `not_tried` is given back, so that an outage does not eat the
    day's allowance.
    """
    if not limits:
        return
    scope = _name(provider)
    windows.lock(session, scope)
    if limits.overall.limits:
        _settle(
            session, {scope: limits.overall}, {scope: len(sent)}, {scope: len(not_tried)}, booked_at=booked_at, now=now
        )
    if limits.warm_up is not None and not_tried:
        warm_up.give_back(session, _from(provider, sender_domain), len(not_tried), booked_at)
    if limits.limit_domains:
        went = Counter(domain_of(address) for address in sent)
        back = Counter(domain_of(address) for address in not_tried)
        scopes = {_to(provider, one): limits.of_domain(one) for one in went | back if limits.of_domain(one).limits}
        to, returned = ({_to(provider, one): count for one, count in counts.items()} for counts in (went, back))
        _settle(session, scopes, to, returned, booked_at=booked_at, now=now)


def _settle(
    session: Session,
    scopes: Mapping[str, Windows],
    sent: Mapping[str, int],
    not_tried: Mapping[str, int],
    *,
    booked_at: datetime,
    now: datetime,
) -> None:
    """Move what was sent from the sixtieth it was booked in to that of now, and take out what was not tried."""
    lengths = {seconds for one in set(scopes.values()) for seconds in _lengths(one)}
    was = {seconds: _booked_in(booked_at, seconds) for seconds in lengths}
    becomes = {seconds: part_of(now, seconds) for seconds in lengths}
    moved = {seconds for seconds in lengths if was[seconds] != becomes[seconds]}
    scopes = {scope: one for scope, one in scopes.items() if not_tried.get(scope) or _lengths(one) & moved}
    if not scopes:
        return
    found = windows.counted_at(
        session, {(scope, seconds): was[seconds] for scope, one in scopes.items() for seconds in _lengths(one)}
    )
    changes: list[Change] = []
    for scope, one in scopes.items():
        went, back = sent.get(scope, 0), not_tried.get(scope, 0)
        for seconds in _lengths(one):
            changes.append((scope, seconds, becomes[seconds], went))
            if found.get((scope, seconds), 0) >= went + back:
                changes += [(scope, seconds, was[seconds], -went - back), (scope, seconds, TOTAL, -back)]
            else:  # it was removed, since no window saw it any more
                changes.append((scope, seconds, TOTAL, went))
    windows.add(session, changes)


def _booking(scopes: Mapping[str, Windows], counts: Mapping[str, int], now: datetime) -> list[Change]:
    parts = {seconds: _booked_in(now, seconds) for one in set(scopes.values()) for seconds in _lengths(one)}
    changes: list[Change] = []
    for scope, one in scopes.items():
        for seconds, _ in one.limits:
            changes.append((scope, seconds, parts[seconds], counts[scope]))
            changes.append((scope, seconds, TOTAL, counts[scope]))
    return changes


def _needs(scope: str, limited: Windows, left: Mapping[int, int], wanted: int) -> dict[Key, int]:
    """Return by how many too few are free in each window, for it to be worth while to come back."""
    needs = {}
    for seconds, limit in limited.limits:
        worth_it = min(wanted, max(1, limit // _WORTH_IT))
        if left[seconds] < worth_it:
            needs[scope, seconds] = worth_it - left[seconds]
    return needs


def _booked_in(at: datetime, seconds: int) -> int:
    held = HELD.get(seconds)
    return part_of(at if held is None else at + held, seconds)


def _lengths(one: Windows) -> set[int]:
    return {seconds for seconds, _ in one.limits}


def domain_of(address: str) -> str:
    """Return the domain of an address as limits name it."""
    return address.rpartition("@")[2].lower()


def _name(provider: str) -> str:
    return provider[:_NAME_LENGTH]


def _to(provider: str, domain: str) -> str:
    return f"{_name(provider)} to {domain}"


def _from(provider: str, sender_domain: str) -> str:
    return f"{_name(provider)} from {sender_domain.lower()}"
