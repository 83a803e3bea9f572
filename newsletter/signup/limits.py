"""How often an address may be mailed to because somebody typed it, counted in the database (threat 11).

What is counted belongs to an address as a keyed hash, so that the counts say nothing of who it was. Old counts are
those whose window is over; `forget_old` removes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, cast
from sqlmodel import Session, col, delete

from newsletter import windows
from newsletter.models import RateUse
from newsletter.windows import DAY, PARTS, part_of
from subscribers.hashes import KeyedHash

#: Every scope of this part begins so, and no provider's does: it has a space, which no provider's name has.
PREFIX = "sign-up "
_MONTH = 30 * DAY
#: So many mails an address gets that nobody has confirmed since, in 24 hours and in 30 days (trust, threat 11).
PER_DAY, PER_MONTH = 1, 3
_OF_AN_ADDRESS = {DAY: PER_DAY, _MONTH: PER_MONTH}
#: Mail services for which `a.b` and `ab` are one mailbox, under the name that stands for all of them.
_WITHOUT_DOTS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}
#: A scope and the length of a window in seconds.
Key = tuple[str, int]


def limiter_key(address_key: str) -> str:
    """Return one key for all spellings of a mailbox: without plus-tags and, where they mean nothing, dots. Pure.

    It is for counting only: as an address, `a+b@` stays what was typed.
    """
    local, _, domain = address_key.rpartition("@")
    plain = local.partition("+")[0] or local
    if domain in _WITHOUT_DOTS:
        return f"{plain.replace('.', '')}@{_WITHOUT_DOTS[domain]}"
    return f"{plain}@{domain}"


def may_mail(session: Session, address_key: str, hashes: KeyedHash, now: datetime) -> bool:
    """Take one of the mails that an address may get because somebody typed it; False when there is none left.

    Counted for all workers, by day and month together. The caller sends the mail or lets the transaction fail.
    """
    lock(session)
    names = _names(address_key, hashes)
    used = counted(session, [(name, seconds) for name in names for seconds in _OF_AN_ADDRESS], now)
    for seconds, limit in _OF_AN_ADDRESS.items():
        if sum(used[name, seconds] for name in names) >= limit:
            return False
    count(session, [(names[0], seconds) for seconds in _OF_AN_ADDRESS], now)
    return True


def forget_mails(session: Session, address_key: str, hashes: KeyedHash) -> None:
    """Let a mailbox get mails as if it had got none: somebody who reads it has confirmed a sign-up.

    Who locks a reader, too, does that first.
    """
    lock(session)
    names = _names(address_key, hashes)
    session.exec(delete(RateUse).where(col(RateUse.scope).in_(names)))


def _names(address_key: str, hashes: KeyedHash) -> list[str]:
    """Return under which names a mailbox is counted; the first is for new counts, the others for earlier secrets."""
    return [f"{PREFIX}to {one}" for one in hashes.each(limiter_key(address_key))]


def lock(session: Session) -> None:
    """Wait until nobody else counts sign-ups, and keep others waiting until the transaction ends."""
    windows.lock(session, f"{PREFIX}lock")


def counted(session: Session, keys: Sequence[Key], now: datetime) -> dict[Key, int]:
    """Return what each window holds that ends now; 0 for one that is empty."""
    found = windows.summed(session, {key: part_of(now, key[1]) - PARTS for key in keys})
    return dict.fromkeys(keys, 0) | found


def count(session: Session, keys: Iterable[Key], now: datetime) -> None:
    """Count one more in each of the windows."""
    windows.add(session, [(scope, seconds, part_of(now, seconds), 1) for scope, seconds in keys])


def forget_old(session: Session, now: datetime) -> int:
    """Remove what no window of sign-ups sees any more, and return how many rows that were."""
    start, seconds = col(RateUse.start), col(RateUse.seconds)
    over = cast(start + PARTS + 1, BigInteger) * seconds <= int(now.timestamp()) * PARTS
    mine = col(RateUse.scope).startswith(PREFIX)
    return session.exec(delete(RateUse).where(mine, start >= 0, over)).rowcount
