"""Every reader accounted for: the identity, what contradicts it, who got it and why not, and what sending would do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, col, select, update

from newsletter import delivery
from newsletter.db import Database
from newsletter.delivery import Carrier, Post, Tally, ledger
from newsletter.delivery.accounting import contradictions, reasons, under_way
from newsletter.delivery.forecast import SPARE_BATCHES, UNDO_AT_LEAST, forecast, how_long, why_not_ahead
from newsletter.delivery.history import History, histories
from newsletter.delivery.ledger.values import Terms
from newsletter.delivery.planning import plan
from newsletter.delivery.rates import Limits, WarmUp, Windows
from newsletter.delivery.resolving import doubtful, settle
from newsletter.delivery.undoing import cancel, pause, undo
from newsletter.errors import Refused
from newsletter.feedback import take_in
from newsletter.mail import Kind, Outcome, Status
from newsletter.models import Chunk, ChunkState, Delivery, DeliveryState, Edition, Issue, IssueState
from newsletter.providers.events import Event
from newsletter.testing import MemoryProvider
from subscribers import consent, suppression
from subscribers.errors import InvalidAddress
from subscribers.models import Subscriber, SubscriptionState, SuppressionReason
from tests.builders import NOW, Newsroom, reader
from tests.waiting import AT, BASE, BEFORE, NAME, SIGNER, Later, approved, issue_of, send

S = DeliveryState


def plan_it(database: Database, readers: int) -> int:
    issue_id = approved(database, readers=readers)
    with database.transaction() as session:
        plan(session, session.get_one(Issue, issue_id), 2, NOW)
    return issue_id


def claim(database: Database, issue_id: int) -> ledger.Claim:
    with database.transaction() as session:
        claimed = ledger.claim(session, issue_id, "another-host:1:1:1", NOW, Terms(provider=NAME, full=2))
    assert claimed is not None
    return claimed


def record(database: Database, claimed: ledger.Claim, *statuses: Status) -> None:
    told = zip(claimed.readers, statuses, strict=True)
    with database.transaction() as session:
        outcomes = [Outcome(one.delivery_id, status, f"said {status}", "ref") for one, status in told]
        ledger.record(session, claimed, outcomes, NOW)


def wrong(database: Database, issue_id: int) -> list[str]:
    with database.reading() as session:
        return contradictions(session, session.get_one(Issue, issue_id))


@given(st.lists(st.integers(0, 5), min_size=6, max_size=6), st.integers(0, 30))
def test_the_identity_holds_exactly_when_it_adds_up(counts: list[int], expected: int) -> None:
    planned, sending, accepted, rejected, suppressed, uncertain = counts
    tally = Tally(expected, planned, sending, accepted, rejected, suppressed, uncertain)
    assert tally.adds_up == (sum(counts) == expected)
    sums = f"{accepted} accepted + {rejected} rejected + {suppressed} suppressed late + {uncertain} held"
    assert tally.identity == (
        f"{expected} expected {'=' if tally.adds_up else 'IS NOT'} {sums} + {planned + sending} planned"
    )


def test_the_identity_holds_in_the_middle_of_everything(database: Database) -> None:
    issue_id = plan_it(database, 9)
    record(database, claim(database, issue_id), Status.ACCEPTED, Status.REJECTED)
    record(database, claim(database, issue_id), Status.UNCERTAIN, Status.DEFERRED)
    claim(database, issue_id)
    with database.reading() as session:
        tally = delivery.tally(session, session.get_one(Issue, issue_id))
    assert (tally.planned, tally.sending, tally.accepted, tally.rejected, tally.uncertain) == (4, 2, 1, 1, 1)
    assert tally.identity == "9 expected = 1 accepted + 1 rejected + 0 suppressed late + 1 held + 6 planned"
    assert wrong(database, issue_id) == []


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda s: s.exec(update(Issue).values(expected=7)), "do not add up: 7 expected IS NOT 0 accepted"),
        (
            lambda s: s.exec(update(Issue).values(state=IssueState.SENT)),
            "counts as sent, and 4 readers have no outcome",
        ),
        (
            lambda s: s.exec(update(Chunk).where(col(Chunk.n) == 0).values(state=ChunkState.DONE)),
            "2 readers are planned",
        ),
        (lambda s: s.exec(update(Delivery).values(chunk=99)), "4 readers are planned in a chunk that nobody"),
        (lambda s: s.exec(update(Delivery).values(state=S.SENDING, attempt=1)), "4 readers are being sent to"),
        (lambda s: s.exec(update(Delivery).values(state=S.ACCEPTED)), "4 readers have an outcome of no attempt"),
    ],
    ids=["expected", "sent", "chunk done", "no chunk", "no worker", "no attempt"],
)
def test_what_cannot_be_is_found(database: Database, damage: object, sentence: str) -> None:
    """A reader who is counted and whom nobody would ever send to is lost, though the numbers add up."""
    issue_id = plan_it(database, 4)
    assert wrong(database, issue_id) == []
    with database.transaction() as session:
        damage(session)  # type: ignore[operator] # a function of the session
    [found] = wrong(database, issue_id)
    assert sentence in found


def test_attempts_under_way_and_what_was_said(database: Database) -> None:
    issue_id = plan_it(database, 6)
    record(database, claim(database, issue_id), Status.REJECTED, Status.REJECTED)
    claimed = claim(database, issue_id)
    with database.reading() as session:
        [working] = under_way(session, issue_id)
        said = reasons(session, issue_id, S.REJECTED)
    assert (working.attempt, working.readers, working.provider) == (claimed.attempt, 2, NAME)
    assert working.until == NOW + ledger.LEASE
    assert [(one.detail, one.readers) for one in said] == [("said rejected", 2)]


def ask(database: Database, issue_id: int, address: str, now: object = BEFORE) -> History:
    with database.reading() as session:
        [found] = histories(session, session.get_one(Issue, issue_id), address, now)  # type: ignore[arg-type]
    return found


def test_who_got_it_in_every_state(database: Database) -> None:
    issue_id = plan_it(database, 8)
    assert ask(database, issue_id, "r0@example.org").answer == "not sent yet: waits for its turn"
    record(database, claim(database, issue_id), Status.ACCEPTED, Status.REJECTED)
    record(database, claim(database, issue_id), Status.UNCERTAIN, Status.DEFERRED)
    with database.transaction() as session:
        suppression.suppress(session, "r4@example.org", SuppressionReason.COMPLAINT, "", NOW)
    claim(database, issue_id)
    answers = {number: ask(database, issue_id, f"R{number}@Example.org", NOW).answer for number in range(8)}
    assert answers == {
        0: "accepted by later on 2026-11-19 12:00 UTC",
        1: "refused for good on 2026-11-19 12:00 UTC: said rejected",
        2: "uncertain since 2026-11-19 12:00 UTC: said uncertain",
        3: "not sent yet: waits until 2026-11-19 12:05 UTC (said deferred)",
        4: "nothing was sent: left or suppressed before it was sent",
        5: "being handed to later since 2026-11-19 12:00 UTC",
        6: "not sent yet: waits for its turn",
        7: "not sent yet: waits for its turn",
    }
    with database.transaction() as session:
        pause(session, session.get_one(Issue, issue_id), "ed")
    assert ask(database, issue_id, "r6@example.org").answer == "not sent yet: the issue waits, paused by ed"
    with database.transaction() as session:
        cancel(session, session.get_one(Issue, issue_id), "ed")
    assert ask(database, issue_id, "r6@example.org").answer == "does not get it, since the issue was called off by ed"


def test_a_readers_history_has_every_try_outcome_and_report_in_order(database: Database) -> None:
    issue_id = plan_it(database, 2)
    first = claim(database, issue_id)
    record(database, first, Status.UNCERTAIN, Status.ACCEPTED)
    with database.transaction() as session:
        issue = session.get_one(Issue, issue_id)
        [doubt] = doubtful(session, issue, address="r0@example.org")
        settle(session, issue, [doubt], NOW + timedelta(minutes=1), "ann", resend=True)
    with database.transaction() as session:
        later = NOW + timedelta(minutes=2)
        again = ledger.claim(session, issue_id, "w", later, Terms(provider=NAME, full=2))
        assert again is not None
        outcomes = [Outcome(again.readers[0].delivery_id, Status.ACCEPTED, "250 ok", "250 ok")]
        ledger.record(session, again, outcomes, later)
    name = again.readers[0].delivery_id
    at = NOW + timedelta(minutes=3)
    event = Event("e1", Kind.DELIVERED, at, name, again.attempt, address="r0@example.org", detail="250 2.0.0")
    take_in(database, NAME, [event], at)
    found = ask(database, issue_id, "r0@example.org", at)
    assert found.answer == "accepted by later on 2026-11-19 12:02 UTC, reported delivered on 2026-11-19 12:03 UTC"
    assert (found.message_id, found.reference) == (f"<{name}@fen.example>", "250 ok")
    assert [(line.what, line.detail) for line in found.lines] == [
        ("attempt 1 begun, for 2 readers, through later", "by another-host:1:1:1"),
        ("attempt 1: unclear whether it was taken", "said uncertain"),
        ("attempt 1: free to be sent again, by ann", "was uncertain; to be sent again, decided by ann"),
        ("attempt 2 begun, for 1 reader, through later", "by w"),
        ("attempt 2: accepted", "250 ok"),
        ("later reported: delivered", "250 2.0.0"),
    ]
    other = ask(database, issue_id, "r1@example.org", at)
    assert [line.what for line in other.lines] == [
        "attempt 1 begun, for 2 readers, through later",
        "attempt 1: accepted",
    ]


def test_a_history_tells_of_a_batch_that_was_taken_back(database: Database) -> None:
    issue_id, provider = approved(database, readers=2), Later()
    send(database, issue_id, provider)
    assert "which sends it at 2026-11-21 06:00 UTC" in ask(database, issue_id, "r0@example.org").answer
    undo(database, issue_id, {NAME: provider}, lambda: BEFORE, "ed", wait=lambda seconds: None)
    found = ask(database, issue_id, "r0@example.org")
    assert "not sent yet: the issue waits, undone by ed" in found.answer
    assert [line.what.partition(", ")[0] for line in found.lines] == [
        "attempt 1 begun",
        "attempt 1: accepted",
        "attempt 1: the provider was asked not to send its batch",
        "attempt 1: its batch was cancelled before its time",
    ]


def test_an_address_that_changed_hands_is_found_by_both(database: Database) -> None:
    """The address frozen in the delivery is where it went, whoever has it now."""
    issue_id = plan_it(database, 2)
    record(database, claim(database, issue_id), Status.ACCEPTED, Status.ACCEPTED)
    with database.transaction() as session:
        moved = session.exec(select(Subscriber).where(Subscriber.address == "r0@example.org")).one()
        moved.address = moved.address_key = "new@example.org"
    assert ask(database, issue_id, "new@example.org").address == "r0@example.org"
    assert ask(database, issue_id, "r0@example.org").state is S.ACCEPTED


def left(session: Session, made: Newsroom) -> None:
    row = reader(session, made, "ann@example.org")
    consent.leave(session, subscription_id=row.id, now=NOW, source="test")


def suppressed(session: Session, made: Newsroom) -> None:
    reader(session, made, "ann@example.org")
    suppression.suppress(session, "ann@example.org", SuppressionReason.BOUNCE, "", NOW)


def joined_later(session: Session, made: Newsroom) -> None:
    reader(session, made, "ann@example.org").changed_at = NOW + timedelta(days=1)


def pending(session: Session, made: Newsroom) -> None:
    reader(session, made, "ann@example.org", state=SubscriptionState.PENDING)


def on_another_list(session: Session, made: Newsroom) -> None:
    row = reader(session, made, "ann@example.org")
    session.delete(row)


def lifted_since(session: Session, made: Newsroom) -> None:
    reader(session, made, "ann@example.org")


@pytest.mark.parametrize(
    ("happened", "why"),
    [
        (left, "left the list fen-weekly on 2026-11-19 12:00 UTC"),
        (suppressed, "the address is suppressed since 2026-11-19 12:00 UTC (bounce)"),
        (joined_later, "on the list since 2026-11-20 12:00 UTC, after the readers were chosen on 2026-11-19 12:00 UTC"),
        (pending, "asked to join on 2026-11-19 12:00 UTC and has not confirmed"),
        (on_another_list, "never was on the list fen-weekly"),
        (lifted_since, "but could not be written to when the readers were chosen on 2026-11-19 12:00 UTC"),
        (lambda session, made: None, "nobody with this address is known here"),
    ],
    ids=["left", "suppressed", "late", "pending", "never", "lifted", "unknown"],
)
def test_who_was_not_in_the_audience_and_why(database: Database, happened: object, why: str) -> None:
    issue_id = plan_it(database, 1)
    with database.transaction() as session:
        edition = session.exec(select(Edition)).one()
        happened(session, Newsroom(edition.id, edition.list_id, 0, 0))  # type: ignore[operator]
    found = ask(database, issue_id, "ann@example.org")
    assert found.state is None
    assert found.answer.startswith("not in the audience: ")
    assert found.answer.endswith(why)


def test_before_the_readers_are_chosen_it_says_who_would_get_it(database: Database) -> None:
    issue_id = approved(database, readers=1)
    assert ask(database, issue_id, "r0@example.org").answer.startswith("would get it as things stand")
    assert ask(database, issue_id, "ann@example.org").answer.startswith("would not get it: nobody")
    with pytest.raises(InvalidAddress):
        ask(database, issue_id, "ann")


def test_uncertain_readers_by_attempt_by_reader_and_settled(database: Database) -> None:
    issue_id = plan_it(database, 6)
    for _ in range(2):
        record(database, claim(database, issue_id), Status.UNCERTAIN, Status.UNCERTAIN)
    with database.transaction() as session:
        issue = session.get_one(Issue, issue_id)
        everybody = doubtful(session, issue)
        assert [(one.attempt, [each.address[:2] for each in one.readers]) for one in everybody] == [
            (1, ["r0", "r1"]),
            (2, ["r2", "r3"]),
        ]
        assert [one.attempt for one in doubtful(session, issue, attempt=2)] == [2]
        [found] = doubtful(session, issue, address="R3@example.org")
        assert settle(session, issue, [found], NOW, "ann", resend=False) == 1
        assert settle(session, issue, everybody, NOW, "ann", resend=True) == 3  # who was settled since stays so
        assert doubtful(session, issue) == []
        tally = delivery.tally(session, issue)
    assert (tally.accepted, tally.planned, tally.adds_up) == (1, 5, True)


def told(database: Database, issue_id: int, provider: object, limits: Limits = Limits()) -> object:  # noqa: B008 - frozen
    with database.reading() as session:
        issue = session.get_one(Issue, issue_id)
        return forecast(session, issue, Carrier(provider, NAME, limits), BEFORE)  # type: ignore[arg-type]


def test_a_forecast_is_what_sending_does(database: Database) -> None:
    issue_id, provider = approved(database, readers=5), Later()
    with database.transaction() as session:
        edition = session.exec(select(Edition)).one()
        made = Newsroom(edition.id, edition.list_id, 0, 0)
        reader(session, made, "One@Other.example")
        pending(session, made)
        suppression.suppress(session, "r4@example.org", SuppressionReason.MANUAL, "", NOW)
    before = told(database, issue_id, provider)
    assert isinstance(before, delivery.forecast.Forecast)
    assert (before.readers, dict(before.domains)) == (5, {"example.org": 4, "other.example": 1})
    assert (before.suppressed, before.pending, before.left, before.chunks, before.settled) == (1, 1, 0, 3, 0)
    assert (before.not_ahead, before.undo_until) == ("", AT - timedelta(minutes=11))
    assert before.content_hash == issue_of(database, issue_id).content_hash
    with database.reading() as session:
        assert session.exec(select(Delivery)).all() == []  # it changed nothing
    assert send(database, issue_id, provider).tally.accepted == before.readers
    after = told(database, issue_id, provider)
    assert isinstance(after, delivery.forecast.Forecast)
    assert (after.readers, after.settled) == (0, 5)


def test_a_forecast_of_what_would_not_be_sent_is_refused(database: Database) -> None:
    issue_id = approved(database, readers=1)
    for state, why in ((IssueState.SKIPPED, "is not approved"), (IssueState.CANCELLED, "was cancelled")):
        with database.transaction() as session:
            session.get_one(Issue, issue_id).state = state
        with pytest.raises(Refused, match=why):
            told(database, issue_id, Later())


@pytest.mark.parametrize(
    ("limits", "readers", "at_least"),
    [
        (Limits(), 1_000_000, timedelta(0)),
        (Limits(Windows(per_second=20)), 20, timedelta(0)),
        (Limits(Windows(per_second=20)), 21, timedelta(seconds=1)),
        (Limits(Windows(per_second=20, per_hour=100)), 1_000, timedelta(hours=9)),
        (Limits(of_domains={"example.org": Windows(per_minute=10)}), 100, timedelta(minutes=9)),
        (Limits(other_domains=Windows(per_day=50)), 100, timedelta(days=1)),
        (Limits(warm_up=WarmUp(50, 2, 20_000)), 50, timedelta(0)),
        (Limits(warm_up=WarmUp(50, 2, 20_000)), 151, timedelta(days=2)),
        (Limits(warm_up=WarmUp(50, 2, 200)), 1_000_000, timedelta(days=2)),
    ],
    ids=["none", "fits", "one more", "slowest", "domain", "others", "first day", "third day", "warm"],
)
def test_how_long_it_takes_at_least(limits: Limits, readers: int, at_least: timedelta) -> None:
    assert how_long(limits, {"example.org": readers}) == at_least


@given(
    st.timedeltas(timedelta(hours=-1), timedelta(days=4)),
    st.integers(0, 200),
    st.sampled_from([Later(), MemoryProvider()]),
    st.sampled_from([timedelta(0), timedelta(seconds=1)]),
)
def test_why_not_ahead_gives_a_reason_exactly_when_it_cannot(
    before: timedelta, readers: int, provider: Later | MemoryProvider, at_least: timedelta
) -> None:
    ahead = isinstance(provider, Later) and (
        provider.cancel_before + UNDO_AT_LEAST <= before <= provider.schedule_ahead
        and readers <= (provider.max_cancelled - SPARE_BATCHES) * provider.chunk_size
        and not at_least
    )
    assert (why_not_ahead(provider, AT, AT - before, readers, at_least) == "") == ahead


@pytest.mark.parametrize(("per_hour", "handed_over"), [(4, True), (3, False)])
def test_what_rates_spread_over_time_is_not_handed_over_in_advance(
    sqlite_database: Database, per_hour: int, handed_over: bool
) -> None:
    """The provider would send it at once, in more batches than it gives back."""
    issue_id, provider = approved(sqlite_database, readers=4), Later()
    carrier = Carrier(provider, NAME, Limits(Windows(per_hour=per_hour)))
    post = Post(provider, SIGNER, BASE, lambda: BEFORE, name=NAME, limits=carrier.limits)
    with sqlite_database.reading() as session:
        told = forecast(session, session.get_one(Issue, issue_id), carrier, BEFORE)
    assert (told.not_ahead == "") == handed_over
    send_report = delivery.send(sqlite_database, issue_id, post, by_hand=True, ahead=True)
    assert send_report.tally.accepted == (4 if handed_over else 0)
    assert send_report.state is (IssueState.SENDING if handed_over else IssueState.APPROVED)
