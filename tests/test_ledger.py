"""What follows an outcome, as a table; and that docs/design.md tells the changes of state that there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError
from sqlmodel import delete, select, update

from newsletter import delivery
from newsletter.db import Database
from newsletter.delivery import Post, ledger
from newsletter.delivery.carrying import Carrier
from newsletter.delivery.journal import Journal
from newsletter.delivery.ledger import MAX_TRIES, TRANSITIONS, Then, what_follows
from newsletter.delivery.names import name_of, number_in
from newsletter.delivery.planning import plan
from newsletter.errors import ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status
from newsletter.models import Attempt, AttemptOutcome, Chunk, Delivery, DeliveryState, Issue
from tests.builders import NOW, reader
from tests.test_delivery import BASE, SIGNER, Scripted, approved, counts

S = DeliveryState
LAST = MAX_TRIES - 1


@pytest.mark.parametrize(
    ("status", "tries", "anybody", "state", "then"),
    [
        (Status.ACCEPTED, 0, False, S.ACCEPTED, Then.SETTLED),
        (Status.ACCEPTED, LAST, True, S.ACCEPTED, Then.SETTLED),
        (Status.REJECTED, 0, False, S.REJECTED, Then.SETTLED),
        (Status.UNCERTAIN, 0, False, S.UNCERTAIN, Then.SETTLED),
        (Status.UNCERTAIN, LAST, True, S.UNCERTAIN, Then.SETTLED),
        (Status.DEFERRED, 0, False, S.PLANNED, Then.LATER),
        (Status.DEFERRED, LAST - 1, True, S.PLANNED, Then.LATER),
        (Status.DEFERRED, LAST, True, S.REJECTED, Then.SETTLED),
        (Status.NOT_TRIED, 0, False, S.PLANNED, Then.WAIT),
        (Status.NOT_TRIED, 99, True, S.PLANNED, Then.WAIT),
        (Status.REFUSED, 0, False, S.PLANNED, Then.HOLD),
        (Status.REFUSED, 99, False, S.PLANNED, Then.HOLD),
        (Status.REFUSED, 0, True, S.PLANNED, Then.LATER),
        (Status.REFUSED, LAST, True, S.REJECTED, Then.SETTLED),
    ],
)
def test_what_follows(status: Status, tries: int, anybody: bool, state: DeliveryState, then: Then) -> None:
    """Trust 3.3: nothing that says nothing about a reader costs them a try; nothing unclear is sent again."""
    follows = what_follows(Outcome("d", status, "said"), tries, anybody_accepted=anybody)
    assert (follows.state, follows.then) == (state, then)
    assert follows.detail.endswith("said")
    assert (S.SENDING, follows.state) in TRANSITIONS


def test_the_document_lists_the_changes_of_state() -> None:
    text = (Path(__file__).parent.parent / "docs/design.md").read_text()
    table = text.partition("### The ledger")[2].partition("\n\n`expected")[0]
    rows = re.findall(r"^\| (\w+) \| .* \| (\w+) \|$", table, flags=re.MULTILINE)
    told = {(S(before), S(after)) for before, after in rows if before != "from"}
    assert told == TRANSITIONS


def test_a_name_belongs_to_one_delivery() -> None:
    names = {
        name_of(nonce, number, reader) for nonce in ("a" * 32, "b" * 32) for number in (1, 16, 17) for reader in (1, 2)
    }
    assert len(names) == 12
    assert {number_in(name) for name in names} == {1, 16, 17}
    assert all(len(name) <= 37 for name in names)  # with "bounce+" and "@" it fits into 64 characters


@pytest.mark.parametrize(
    "name", ["", "1", "1-", "x-" + "0" * 20, "1-" + "0" * 19, "1-" + "0" * 21, "1-" + "G" * 20, "0" * 32]
)
def test_what_is_no_name(name: str) -> None:
    assert number_in(name) is None


@pytest.mark.parametrize("table", [Attempt, AttemptOutcome])
def test_what_was_tried_is_never_changed(database: Database, table: type[Attempt | AttemptOutcome]) -> None:
    _, issue_id = approved(database, readers=2)
    delivery.send(database, issue_id, Post(Scripted(), SIGNER, BASE, lambda: NOW), by_hand=False)
    for statement in (update(table).values(id=99), delete(table)):
        with pytest.raises(DatabaseError, match="append-only"), database.transaction() as session:
            session.execute(statement)
    with database.reading() as session:
        assert len(session.exec(select(table)).all()) == 1


def test_every_answer_is_kept_with_its_attempt(database: Database) -> None:
    _, issue_id = approved(database, readers=4)
    provider = Scripted(chunk_size=4, r0=Status.REJECTED, r1=Status.DEFERRED, r2=Status.UNCERTAIN)
    delivery.send(database, issue_id, Post(provider, SIGNER, BASE, lambda: NOW, name="memory"), by_hand=False)
    with database.reading() as session:
        attempt = session.exec(select(Attempt)).one()
        kept = sorted(
            (one.status, one.readers, one.delivery_id, one.detail) for one in session.exec(select(AttemptOutcome))
        )
    assert (attempt.provider, attempt.readers) == ("memory", 4)
    assert kept == [
        ("accepted", 1, None, "said accepted"),
        ("deferred", 1, 2, "said deferred"),
        ("rejected", 1, 1, "said rejected"),
        ("uncertain", 1, 3, "said uncertain"),
    ]


class Refusing(Scripted):
    """One that takes nothing."""

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        raise ProviderRefused("first", "the key is wrong")


@pytest.mark.parametrize("how", ["refuses", "out-of-reach"])
def test_a_second_provider_carries_what_the_first_surely_did_not_take(database: Database, how: str) -> None:
    _, issue_id = approved(database, readers=7)
    busy = Scripted()
    busy.answers = {f"r{number}": Status.NOT_TRIED for number in range(2, 7)}
    first, second = Refusing() if how == "refuses" else busy, Scripted()
    post = Post(first, SIGNER, BASE, lambda: NOW, name="first", fallback=Carrier(second, "second"))
    report = delivery.send(database, issue_id, post, by_hand=False)
    assert (report.state, report.tally.accepted, report.reason) == ("sent", 7, "")
    everybody = first.addresses + second.addresses
    assert everybody == {f"r{number}@example.org": 1 for number in range(7)}
    assert len(second.sent) == (7 if how == "refuses" else 5)
    with database.reading() as session:
        providers = set(session.exec(select(Attempt.provider)))
    assert providers == {"first", "second"}


def test_what_the_first_may_have_taken_is_not_given_to_the_second(database: Database) -> None:
    _, issue_id = approved(database, readers=3)
    first, second = Scripted(), Scripted()
    first.answers = {f"r{number}": Status.UNCERTAIN for number in range(3)}
    post = Post(first, SIGNER, BASE, lambda: NOW, name="first", fallback=Carrier(second, "second"))
    delivery.send(database, issue_id, post, by_hand=False)
    assert second.sent == []
    assert counts(database, issue_id).uncertain == 3


def test_lanes_share_the_work(database: Database, tmp_path: Path) -> None:
    _, issue_id = approved(database, readers=40)
    provider = Scripted(chunk_size=3)
    post = Post(provider, SIGNER, BASE, lambda: NOW, journal=Journal(tmp_path / "sending"), lanes=4)
    done: list[tuple[int, int]] = []
    report = delivery.send(database, issue_id, post, by_hand=False, progress=lambda *one: done.append(one))
    assert report.tally.accepted == 40
    assert provider.addresses == {f"r{number}@example.org": 1 for number in range(40)}
    assert done[-1] == (40, 40)
    assert [path.name for path in (tmp_path / "sending").iterdir() if path.name.startswith("attempt")] == []


class Ramping(Scripted):
    """An account that takes at most so many at once."""

    first_chunk = 1
    most = 1_000

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        if len(recipients) > self.most:
            return [Outcome(one.delivery_id, Status.NOT_TRIED, "too many") for one in recipients]
        return super().send(mail, recipients)


def test_a_new_account_begins_small(database: Database) -> None:
    """Trust 2.1, provider ramp-up: 1, 10, 100, and a restart does not forget."""
    _, issue_id = approved(database, readers=150)
    provider = Ramping(chunk_size=100)
    post = Post(provider, SIGNER, BASE, lambda: NOW, name="ramping")
    delivery.send(database, issue_id, post, by_hand=False)
    with database.reading() as session:
        sizes = [one.readers for one in session.exec(select(Attempt).order_by(Attempt.id))]  # type: ignore[arg-type]
    assert sizes[:3] == [1, 10, 89]
    assert provider.addresses == {f"r{number}@example.org": 1 for number in range(150)}


def test_an_account_that_takes_no_large_calls_gets_small_ones(database: Database) -> None:
    _, issue_id = approved(database, readers=25)
    provider = Ramping(chunk_size=100)
    provider.most = 5
    now = NOW
    for _ in range(40):
        post = Post(provider, SIGNER, BASE, lambda now=now: now, name="ramping")  # type: ignore[misc]
        report = delivery.send(database, issue_id, post, by_hand=False)
        if not report.tally.open:
            break
        now += timedelta(hours=1)
    assert counts(database, issue_id).accepted == 25


def test_planning_again_adds_who_has_joined(database: Database) -> None:
    """An issue that was undone keeps its deliveries; the others get numbers of their own chunks."""
    made, issue_id = approved(database, readers=5)
    with database.transaction() as session:
        issue = session.get_one(Issue, issue_id)
        plan(session, issue, 2, NOW)
        reader(session, made, "late@example.org")
        assert plan(session, issue, 2, NOW) == 6
        chunks = {one.chunk for one in session.exec(select(Delivery))}
        assert sorted(session.exec(select(Chunk.n))) == sorted(chunks)  # none without a delivery
    assert chunks == {0, 1, 2, 5}
    report = delivery.send(database, issue_id, Post(Scripted(), SIGNER, BASE, lambda: NOW), by_hand=False)
    assert report.tally.accepted == 6


def test_a_claim_takes_no_more_than_the_terms_allow(database: Database) -> None:
    _, issue_id = approved(database, readers=10)
    with database.transaction() as session:
        plan(session, session.get_one(Issue, issue_id), 10, NOW)
        terms = ledger.Terms("p", full=4)
        sizes = []
        while (claimed := ledger.claim(session, issue_id, "w:1:1", NOW, terms)) is not None:
            sizes.append(len(claimed.readers))
    assert sizes == [4, 4, 2]
