"""The one door of all sign-ups: page, form on another site, frame, script (threats 10, 11, 12, 19).

A form holds a signed token that can be sent once, from 3 seconds to 2 hours after it was made. Whoever comes without
one is asked to press once more, on a page that has one; nobody is turned away for that. How many presses a sign-up
takes is its price: it rises while an edition is flooded and for mailboxes that are thrown away, and a browser that has
done some work has paid one. Only who comes too often is asked to come back later.

Nothing here depends on what is known of the address, so that neither the answer nor its time tells (threat 12). How
often one address is mailed to is counted after the answer (`limits.may_mail`).
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlmodel import Session

from newsletter.signup.disposable import KNOWN, is_disposable
from newsletter.signup.limits import PREFIX, Key, count, counted, lock
from newsletter.windows import HOUR, MINUTE
from subscribers.addresses import Address
from subscribers.consent import shorten_network
from subscribers.errors import InvalidToken
from subscribers.hashes import KeyedHash
from subscribers.tokens import Signer

#: How old a form is when it is sent, at least and at most. Who is asked for one more press has read the rest.
YOUNGEST, YOUNGEST_AGAIN, OLDEST = timedelta(seconds=3), timedelta(seconds=1), timedelta(hours=2)
#: For so many seconds after the last minute with too many sign-ups the price is higher.
TRIPPED_FOR = 15 * MINUTE
#: Meanwhile a network gets so many in an hour, and a large one, /16 or /32, so many.
NARROW, NARROW_WIDE = 3, 30
#: All editions together may have so many times the sign-ups of one.
_ALTOGETHER = 3
_MOST_PRESSES = 3
#: A browser's work: the SHA-256 of token and number begins with so many zero bits. A second or two on a phone.
WORK_BITS = 16
_RANDOM_BYTES = 8
_WIDE = {4: 16, 6: 32}
_ALL = f"{PREFIX}all"


@dataclass(frozen=True)
class Rules:
    """What an installation allows; the settings [signup]."""

    #: Sign-ups in an hour from one network (/24 or /48).
    per_network: int = 20
    #: Sign-ups for one edition in a minute and in an hour above which its price rises.
    per_minute: int = 60
    per_hour: int = 600
    proof_of_work: bool = False
    disposable: Collection[str] = field(default=KNOWN, repr=False)


class Verdict(StrEnum):
    """What becomes of a form."""

    #: It is taken: the request is stored, and the neutral answer shown.
    TAKEN = "taken"
    #: A form that was taken came once more: the neutral answer, and nothing else.
    REPEATED = "repeated"
    #: The reader is asked to press once more.
    AGAIN = "again"
    #: Too much comes from there: they are asked to come back later. Nothing is stored, and the form is not used up.
    TOO_MANY = "too many"


@dataclass(frozen=True)
class Answer:
    """What the door says. `token` is for the form of one more press; `flooded` names what has just begun to be."""

    verdict: Verdict
    token: str = ""
    flooded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Knock:
    """A form at the door: what it is for, by the editions' slugs, and what came with it; `ip` is the client's."""

    address: Address
    editions: Sequence[str]
    token: str
    work: str
    ip: str


@dataclass(frozen=True)
class Ticket:
    """A form's token, read. `worth` is how many presses it stands for."""

    name: str
    worth: int


@dataclass(frozen=True)
class Pressure:
    """What was counted: sign-ups of the last hour from the network and the large one; whether something is flooded."""

    network: int = 0
    wide: int = 0
    flooded: bool = False


@dataclass(frozen=True)
class Door:
    """Decides over forms. It works inside the caller's transaction."""

    signer: Signer
    hashes: KeyedHash
    rules: Rules = field(default_factory=Rules)

    def token(self, now: datetime, worth: int = 1) -> str:
        """Return a token for a form that is shown now. Nothing is stored."""
        return self.signer.sign_form(now, worth, secrets.token_bytes(_RANDOM_BYTES))

    def knock(self, session: Session, knock: Knock, now: datetime) -> Answer:
        """Decide over a form, and count it."""
        lock(session)
        scopes = _Scopes.of(knock)
        ticket = read_ticket(self.signer, knock.token, now)
        used_up, the_same = self._uses(ticket, knock)
        used = counted(session, [*scopes.all, used_up, the_same], now)
        if used[the_same]:
            return Answer(Verdict.REPEATED)
        paid = 0 if ticket is None or used[used_up] else ticket.worth + has_worked(knock.token, knock.work)
        pressure = scopes.pressure(used)
        verdict = decide(self.rules, pressure, paid, self._price(knock, pressure))
        # Only what was stored is "the same" when it comes again, and who has to come back later keeps what they paid.
        keys = {Verdict.TAKEN: [used_up, the_same], Verdict.AGAIN: [used_up] if paid else []}.get(verdict, [])
        flooded: list[str] = []
        # What a network tries beyond its limit counts nowhere, so that it is free again an hour after what was taken.
        if verdict is not Verdict.AGAIN and pressure.network < self.rules.per_network:
            flooded = self._flooded(scopes, used)
            keys += [*scopes.networks, *scopes.windows, *(_breaker(name) for name in flooded)]
        count(session, keys, now)
        token = self.token(now, max(paid, 1) + 1) if verdict is Verdict.AGAIN else ""
        return Answer(verdict, token, tuple(name for name in flooded if not used[_breaker(name)]))

    def _price(self, knock: Knock, pressure: Pressure) -> int:
        """Return how many presses a sign-up takes now."""
        signs = (pressure.flooded, is_disposable(knock.address.key, self.rules.disposable), self.rules.proof_of_work)
        return min(_MOST_PRESSES, 1 + sum(signs))

    def _uses(self, ticket: Ticket | None, knock: Knock) -> tuple[Key, Key]:
        """Return where uses of a token are counted, and those for the same request; nobody can tell from it whose."""
        name = f"{PREFIX}form {ticket.name if ticket else ''}"
        said = self.hashes.of(" ".join([knock.address.key, *sorted(knock.editions)]))
        seconds = int(OLDEST.total_seconds())
        return (name, seconds), (f"{name} {said}", seconds)

    def _flooded(self, scopes: _Scopes, used: Mapping[Key, int]) -> list[str]:
        """Return what has more sign-ups with this one, paid for and taken or not, than is usual."""
        per = {MINUTE: self.rules.per_minute, HOUR: self.rules.per_hour}
        return [
            name
            for name, factor in scopes.flooding.items()
            if any(used[name, seconds] >= factor * limit for seconds, limit in per.items())
        ]


@dataclass(frozen=True)
class _Scopes:
    """Where a form is counted: the network and the large one, and what may be flooded, with a factor for its limits."""

    networks: tuple[Key, ...]
    flooding: dict[str, int]

    @classmethod
    def of(cls, knock: Knock) -> _Scopes:
        networks = tuple((f"{PREFIX}from {one}", HOUR) for one in networks_of(knock.ip))
        editions = {f"{PREFIX}edition {slug}": 1 for slug in sorted(set(knock.editions))}
        return cls(networks, editions | {_ALL: _ALTOGETHER})

    @property
    def windows(self) -> list[Key]:
        return [(name, seconds) for name in self.flooding for seconds in (MINUTE, HOUR)]

    @property
    def all(self) -> list[Key]:
        return [*self.networks, *self.windows, *map(_breaker, self.flooding)]

    def pressure(self, used: Mapping[Key, int]) -> Pressure:
        network, wide = [used[key] for key in self.networks] or [0, 0]
        return Pressure(network, wide, any(used[_breaker(name)] for name in self.flooding))


def decide(rules: Rules, pressure: Pressure, paid: int, price: int) -> Verdict:
    """Return what becomes of a form for which so many presses were `paid`. Pure.

    While something is flooded, few come from each network: that is what tells a flood from readers.
    """
    if pressure.network >= rules.per_network:
        return Verdict.TOO_MANY
    if paid < price:
        return Verdict.AGAIN
    if pressure.flooded and (pressure.network >= min(NARROW, rules.per_network) or pressure.wide >= NARROW_WIDE):
        return Verdict.TOO_MANY
    return Verdict.TAKEN


def read_ticket(signer: Signer, token: str, now: datetime) -> Ticket | None:
    """Return what a form's token is worth; None when it is not ours, or too young or too old."""
    try:
        made_at, worth, random = signer.read_form(token)
    except InvalidToken:
        return None
    youngest = YOUNGEST if worth == 1 else YOUNGEST_AGAIN
    # A token has whole seconds: the rest of its own counts for it.
    return Ticket(random.hex(), worth) if youngest <= now - made_at <= OLDEST else None


def has_worked(token: str, work: str) -> bool:
    """Tell whether a browser has found a number that fits the token. Pure."""
    if not (work.isascii() and work.isdigit() and len(work) < 16):
        return False
    digest = hashlib.sha256(f"{token}:{work}".encode()).digest()
    return int.from_bytes(digest) >> (len(digest) * 8 - WORK_BITS) == 0


def networks_of(ip: str) -> tuple[str, ...]:
    """Return the network of a client, /24 or /48, and the large one around it, /16 or /32; none when unknown. Pure."""
    network = shorten_network(ip)
    if not network:
        return ()
    small = ipaddress.ip_network(network)
    return network, str(small.supernet(new_prefix=_WIDE[small.version]))


def flooded_editions(names: Sequence[str]) -> tuple[str, ...]:
    """Return the slugs of the editions among what is flooded; none where it is all of them together. Pure."""
    return tuple(name.removeprefix(f"{PREFIX}edition ") for name in names if name != _ALL)


def _breaker(name: str) -> Key:
    return f"{PREFIX}flooded{name.removeprefix(PREFIX.rstrip())}", TRIPPED_FOR


def count_mail_wish(session: Session, rules: Rules, ip: str, now: datetime) -> bool:
    """Count that somebody wants a mail sent to an address, in another way than with a sign-up form, as one sign-up.

    Counted are their network and all sign-ups together. Returns False, and counts nothing, when too much comes from
    there. It works inside the caller's transaction.
    """
    lock(session)
    networks = tuple((f"{PREFIX}from {one}", HOUR) for one in networks_of(ip))
    scopes = _Scopes(networks, {_ALL: _ALTOGETHER})
    used = counted(session, scopes.all, now)
    if decide(rules, scopes.pressure(used), 1, 1) is not Verdict.TAKEN:
        return False
    per = {MINUTE: rules.per_minute, HOUR: rules.per_hour}
    flooded = any(used[_ALL, seconds] >= _ALTOGETHER * limit for seconds, limit in per.items())
    count(session, [*scopes.networks, *scopes.windows, *([_breaker(_ALL)] if flooded else [])], now)
    return True
