"""What a ledger says, compared with the truth of the side that took the mail. Nothing here knows how the mail went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlmodel import Session, col, select

from newsletter import delivery
from newsletter.db import Database
from newsletter.delivery.accounting import contradictions
from newsletter.delivery.audience import audience_size
from newsletter.delivery.names import name_of
from newsletter.models import Delivery, DeliveryState, Edition, Issue

S = DeliveryState


@dataclass(frozen=True)
class Judgement:
    """What became of an issue. `lost`, `duplicated` and `silent` are faults of ours, `held` is what we own up to."""

    readers: int
    accepted: int
    #: Uncertain, and shown as such; of these so many got the mail.
    held: int
    held_and_sent: int
    #: Accepted says the ledger, and the other side never had it; or the ledger has no such reader at all.
    lost: int
    #: Mails beyond the first to the same reader.
    duplicated: int
    #: The other side took it, and the ledger says neither that nor that it does not know.
    silent: int
    #: Still to be sent to.
    open: int
    problems: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether everybody is accounted for."""
        return not (self.lost or self.duplicated or self.silent or self.problems)


def judge(db: Database, issue_id: int, taken: Counter[str]) -> Judgement:
    """Compare the ledger of an issue for the whole list with what was taken, by the deliveries' names."""
    with db.reading() as session:
        issue = session.get_one(Issue, issue_id)
        states = dict(_states(session, issue))
        others = dict(_states(session, *session.exec(select(Issue).where(col(Issue.id) != issue_id))))
        counts = delivery.tally(session, issue)
        edition = session.get_one(Edition, issue.edition_id)
        readers = audience_size(session, issue, edition, issue.send_at) + counts.suppressed
        problems = contradictions(session, issue)
    if strangers := [name for name in taken if name not in states and name not in others]:
        problems.append(f"{len(strangers)} mails of no delivery went out, such as {strangers[0]}")
    taken = Counter({name: count for name, count in taken.items() if name in states})
    held = [name for name, state in states.items() if state is S.UNCERTAIN]
    known = {S.ACCEPTED, S.UNCERTAIN}
    return Judgement(
        readers=readers,
        accepted=counts.accepted,
        held=len(held),
        held_and_sent=sum(1 for name in held if taken[name]),
        lost=sum(1 for name, state in states.items() if state is S.ACCEPTED and not taken[name])
        + (max(0, readers - len(states)) if states else 0),
        duplicated=sum(count - 1 for count in taken.values() if count > 1),
        silent=sum(1 for name in taken if states[name] not in known),
        open=counts.open,
        problems=tuple(problems),
    )


def _states(session: Session, *of: Issue) -> Iterator[tuple[str, DeliveryState]]:
    """Yield the name and the state of each delivery of these issues."""
    keys = {issue.id: issue.name_key for issue in of}
    columns = select(Delivery.issue_id, Delivery.id, Delivery.subscriber_id, Delivery.state)
    for issue_id, number, subscriber, state in session.exec(columns.where(col(Delivery.issue_id).in_(keys))):
        yield name_of(keys[issue_id], number, subscriber), DeliveryState(state)
