"""The editions of a list: named, moved to another, and a list left alone while something is sent to it."""

from __future__ import annotations

from sqlmodel import Session, col, select, update

from newsletter.errors import Refused
from newsletter.models import Edition, Issue, IssueState


def editions_of(session: Session, list_id: int) -> list[str]:
    """Return the short names of the editions that go to a list."""
    return list(session.exec(select(Edition.slug).where(Edition.list_id == list_id).order_by(Edition.slug)))


def move_editions(session: Session, from_list: int, to_list: int) -> None:
    """Let the editions of a list go to another."""
    session.exec(update(Edition).where(col(Edition.list_id) == from_list).values(list_id=to_list))


def refuse_while_sending(session: Session, list_id: int) -> None:
    """Raise Refused while an issue is sent to a list: the readers who are still to get it would be dropped."""
    sending = (
        select(Edition.slug, Issue.week)
        .join(Issue, col(Issue.edition_id) == Edition.id)
        .where(Edition.list_id == list_id, Issue.state == IssueState.SENDING)
    )
    found = session.exec(sending.limit(1)).first()
    if found:
        raise Refused(f"{found[0]}/{found[1]} is being sent; change its list when it is done.")
