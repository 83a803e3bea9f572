"""Mailing lists: their names, how many readers stand where, archived ones, and two that become one."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import Session, select

from newsletter import newsroom
from newsletter.db import Database
from newsletter.delivery.audience import audience_size
from newsletter.delivery.planning import plan
from newsletter.errors import Refused
from newsletter.models import Edition, Issue, IssueState
from newsletter.signup.asking import Asked, ask
from newsletter.web.shown import enabled_editions
from subscribers import consent, lists, merging
from subscribers.addresses import parse_address
from subscribers.errors import UnknownList
from subscribers.hashes import KeyedHash
from subscribers.lists import count_by_state, get_list
from subscribers.models import Consent, ConsentAction, MailingList, Subscriber, Subscription, SubscriptionState
from tests.builders import add_list, populated
from tests.databases import created_database

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def test_a_list_is_found_by_its_short_name(database: Database) -> None:
    with database.transaction() as session:
        for slug in ("weekly", "fen-north"):
            add_list(session, slug, slug.title(), NOW)
    with database.reading() as session:
        found = get_list(session, "fen-north")
    assert (found.slug, found.name, found.created_at) == ("fen-north", "Fen-North", NOW)


def test_an_unknown_list_names_the_command_that_lists_them(database: Database) -> None:
    with database.reading() as session, pytest.raises(UnknownList, match=r"no list called 'nowhere'.*`newsletter list"):
        get_list(session, "nowhere")


def test_readers_are_counted_by_state_and_list(database: Database) -> None:
    with database.transaction() as session:
        weekly, other = (add_list(session, slug, slug, NOW) for slug in ("weekly", "other"))
        assert count_by_state(session, weekly.id) == dict.fromkeys(SubscriptionState, 0)
        for number, state in enumerate(
            [SubscriptionState.CONFIRMED, SubscriptionState.CONFIRMED, SubscriptionState.LEFT]
        ):
            reader = Subscriber(address=f"{number}@example.org", address_key=f"{number}@example.org", created_at=NOW)
            session.add(reader)
            session.flush()
            for mailing_list in (weekly, other)[: number + 1]:
                session.add(
                    Subscription(
                        subscriber_id=reader.id, list_id=mailing_list.id, state=state, requested_at=NOW, changed_at=NOW
                    )
                )
        assert count_by_state(session, weekly.id) == {
            SubscriptionState.PENDING: 0,
            SubscriptionState.CONFIRMED: 2,
            SubscriptionState.LEFT: 1,
        }


def test_an_archived_list_can_be_found_and_not_joined(database: Database) -> None:
    with database.transaction() as session:
        add_list(session, "weekly", "Weekly", NOW)
        assert lists.get_open_list(session, "weekly").archived_at is None
        assert lists.archive(session, "weekly", NOW)
        assert not lists.archive(session, "weekly", NOW + DAY)
        assert lists.get_list(session, "weekly").archived_at == NOW
        with pytest.raises(lists.ArchivedList, match="The list weekly is archived: nobody can join it"):
            lists.get_open_list(session, "weekly")
        assert lists.unarchive(session, "weekly")
        assert not lists.unarchive(session, "weekly")
        assert lists.get_open_list(session, "weekly").slug == "weekly"


def test_nothing_is_sent_to_an_archived_list_and_nobody_can_sign_up(database: Database) -> None:
    """`may_receive` says who may be sent to, at planning and at every claim."""
    made = populated(database, readers=3)
    with database.transaction() as session:
        edition = session.get_one(Edition, made.edition_id)
        lists.archive(session, "fen-weekly", NOW)
        assert enabled_editions(session) == []
        asked = Asked(parse_address("new@example.org"), {"fen-weekly": "words"}, "page", "")
        assert ask(session, asked, hashes=KeyedHash(["a secret of more than thirty-two characters"]), now=NOW) == {}
        issue = Issue(edition_id=edition.id, week="2026-W47", state=IssueState.DRAFT, send_at=NOW, drafted_at=NOW)
        session.add(issue)
        session.flush()
        assert audience_size(session, issue, edition, NOW) == 0
        with pytest.raises(Refused, match="The list of Fen Weekly is archived, so nothing is sent to it"):
            plan(session, issue, 100, NOW)


def test_a_list_that_is_being_sent_to_is_left_alone(database: Database) -> None:
    made = populated(database, readers=1)
    with database.transaction() as session:
        newsroom.refuse_while_sending(session, made.list_id)
        issue = Issue(edition_id=made.edition_id, week="2026-W47", state=IssueState.DRAFT, send_at=NOW, drafted_at=NOW)
        issue.state, issue.content_hash, issue.approved_at = IssueState.SENDING, "x", NOW
        session.add(issue)
        session.flush()
        with pytest.raises(Refused, match="fen-weekly/2026-W47 is being sent"):
            newsroom.refuse_while_sending(session, made.list_id)


# Merging: two letters for each reader, where they stand with the one list and with the other; "-" is nowhere.

STATES = {"c": SubscriptionState.CONFIRMED, "p": SubscriptionState.PENDING, "l": SubscriptionState.LEFT}
STANDINGS = tuple(one + other for one in "-cpl" for other in "-cpl")
#: Where each stands afterwards.
AFTER = {
    "--": "--", "-c": "-c", "-p": "-p", "-l": "-l",
    "c-": "-c", "cc": "cc", "cp": "cc", "cl": "cl",
    "p-": "p-", "pc": "pc", "pp": "pp", "pl": "pl",
    "l-": "l-", "lc": "lc", "lp": "lp", "ll": "ll",
}  # fmt: skip


def standing(session: Session, source: MailingList, target: MailingList) -> dict[str, str]:
    """Return where the readers stand with the two lists, by their names."""
    found = {}
    for person in session.exec(select(Subscriber)):
        rows = {row.list_id: row.state for row in consent.subscriptions_of(session, person.id)}
        found[person.name] = "".join(rows[one.id][0] if one.id in rows else "-" for one in (source, target))
    return found


def two_lists(database: Database) -> tuple[MailingList, MailingList]:
    """Add two lists and a reader for each way to stand with both, named so."""
    with database.transaction() as session:
        source, target = (add_list(session, slug, slug.title(), NOW) for slug in ("source", "target"))
        for number, name in enumerate(STANDINGS):
            person = Subscriber(
                address=f"r{number}@example.org", address_key=f"r{number}@example.org", name=name, created_at=NOW
            )
            session.add(person)
            session.flush()
            for one, letter in zip((source, target), name, strict=True):
                if letter in STATES:
                    row = Subscription(
                        subscriber_id=person.id, list_id=one.id, state=STATES[letter], requested_at=NOW, changed_at=NOW
                    )
                    session.add(row)
    return source, target


@pytest.mark.parametrize("batch", [3, 1000])
def test_who_left_stays_left_and_who_waits_is_not_merged(
    database: Database, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "BATCH", batch)
    source, target = two_lists(database)
    with database.reading() as session:
        assert merging.plan_merge(session, source, target) == merging.Merged(
            joined=2, already=1, left_target=1, pending=4, left_source=4, left_source_on_target=1
        )
    seen: list[int] = []
    words = {"consent": "One newsletter\nuntil May", "now": NOW + DAY}
    assert merging.merge(database.transaction, source, target, progress=seen.append, **words) == 2  # type: ignore[arg-type]
    assert seen[-1] == 2
    with database.reading() as session:
        assert standing(session, source, target) == AFTER
        evidence = session.exec(select(Consent)).all()
        names = {person.id: person.name for person in session.exec(select(Subscriber))}
    assert sorted(names[one.subscriber_id] for one in evidence) == ["c-", "cp"]
    assert {(one.list_id, one.action, one.at, one.source, one.wording) for one in evidence} == {
        (target.id, ConsentAction.IMPORTED, NOW + DAY, "merged from the list source", "One newsletter until May")
    }
    assert merging.merge(database.transaction, source, target, **words) == 0  # type: ignore[arg-type]
    with database.reading() as session:
        assert standing(session, source, target) == AFTER
        assert len(session.exec(select(Consent)).all()) == 2


def test_a_merge_goes_on_where_it_was_interrupted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "BATCH", 1)
    source, target = two_lists(database)

    def interrupted(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merging.merge(database.transaction, source, target, consent="x", now=NOW, progress=interrupted)
    with database.reading() as session:
        assert standing(session, source, target) != AFTER
    merging.merge(database.transaction, source, target, consent="x", now=NOW)
    with database.reading() as session:
        assert standing(session, source, target) == AFTER
        assert len(session.exec(select(Consent)).all()) == 2


def test_links_in_old_mails_work_after_a_merge(database: Database) -> None:
    """Who unsubscribes with a mail that was sent for the old list leaves the list they are on now (RFC 8058)."""
    source, target = two_lists(database)
    with database.reading() as session:
        person = session.exec(select(Subscriber).where(Subscriber.name == "c-")).one()
        [before] = consent.subscriptions_of(session, person.id)
    merging.merge(database.transaction, source, target, consent="x", now=NOW)
    with database.transaction() as session:
        assert consent.leave(session, subscription_id=before.id, now=NOW + DAY, source="one-click")
        assert standing(session, source, target)["c-"] == "-l"


@pytest.mark.postgresql
def test_somebody_joins_the_target_while_the_lists_are_merged(tmp_path: Path) -> None:
    """A batch that runs into a subscription that was not there a moment ago is done again: nobody is there twice."""
    with created_database("postgresql", tmp_path) as database:
        source, target = two_lists(database)
        with database.reading() as session:
            person = session.exec(select(Subscriber.id).where(Subscriber.name == "c-")).one()
        done: list[int] = []
        merger = threading.Thread(
            target=lambda: done.append(merging.merge(database.transaction, source, target, consent="x", now=NOW))
        )
        with database.transaction() as session:
            consent.join(session, subscriber_id=person, list_id=target.id, now=NOW, source="page", wording="")
            merger.start()
            # It does not see the new row, moves the old one, and waits for this transaction at the unique index.
            merger.join(1)
            assert merger.is_alive()
        merger.join(30)
        assert done == [1]
        with database.reading() as session:
            assert standing(session, source, target) == AFTER | {"c-": "cc"}
            assert len(consent.history(session, person)) == 1


def test_lists_that_cannot_be_merged(sqlite_database: Database) -> None:
    source, target = two_lists(sqlite_database)
    with sqlite_database.transaction() as session:
        with pytest.raises(merging.CannotMerge, match="cannot be merged into itself"):
            merging.plan_merge(session, source, source)
        lists.archive(session, "target", NOW)
        with pytest.raises(merging.CannotMerge, match="The list target is archived"):
            merging.plan_merge(session, source, lists.get_list(session, "target"))
    with pytest.raises(merging.CannotMerge, match="Say with --consent"):
        merging.merge(sqlite_database.transaction, source, target, consent=" \n", now=NOW)
