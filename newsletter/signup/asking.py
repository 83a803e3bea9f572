"""Taking down what the door has let in: who asked for which editions, in which words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session, col, select

from newsletter.models import Edition
from newsletter.signup.limits import may_mail
from subscribers import consent
from subscribers.addresses import Address
from subscribers.consent import Evidence, Requested
from subscribers.hashes import KeyedHash
from subscribers.lists import open_only
from subscribers.models import MailingList


@dataclass(frozen=True)
class Asked:
    """What a form said. `wordings` are the words that were beside its button, by the slugs of the editions asked for.

    `source` is the page's address, `ip` the client's. `answers` are as in `Subscription.answers`.
    """

    address: Address
    wordings: Mapping[str, str]
    source: str
    ip: str
    answers: Mapping[str, str] = field(default_factory=dict)


def ask(session: Session, asked: Asked, *, hashes: KeyedHash, now: datetime) -> dict[int, Requested]:
    """Take down that somebody asked for editions with this address; the mail is `send_confirmations`'s to send.

    Returns what that led to, by list; editions that nobody can sign up for any more are left out. What comes back must
    not change what a stranger sees (threat 12).
    """
    wishes: dict[int, str] = {}
    for edition in open_editions(session, list(asked.wordings)):
        before = wishes.get(edition.list_id)
        wording = asked.wordings[edition.slug]
        wishes[edition.list_id] = f"{before}\n{wording}" if before else wording
    return consent.request(
        session,
        wishes,
        address=asked.address,
        evidence=Evidence(now, asked.source, "", asked.ip),
        hashes=hashes,
        may_mail=lambda: may_mail(session, asked.address.key, hashes, now),
        answers=asked.answers,
    )


def open_editions(session: Session, slugs: Sequence[str] | None = None) -> Sequence[Edition]:
    """Return the editions one can sign up for, by name: all, or those of the slugs that can."""
    query = select(Edition).join(MailingList, col(MailingList.id) == col(Edition.list_id))
    query = query.where(col(Edition.enabled), open_only()).order_by(col(Edition.name), col(Edition.id))
    return session.exec(query if slugs is None else query.where(col(Edition.slug).in_(slugs))).all()
