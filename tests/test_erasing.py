"""One person's data, complete by schema, and gone by schema (threat 23; GDPR articles 15, 17 and 20)."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, String, Text, inspect, text, update
from sqlmodel import Session, SQLModel, col, select

from newsletter import privacy
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger.outcomes import settle
from newsletter.delivery.ledger.values import Claim, Reader
from newsletter.delivery.planning import plan as plan_readers
from newsletter.feedback import take_in
from newsletter.mail import Kind, Outcome, Status
from newsletter.models import (
    AttemptOutcome,
    Delivery,
    DeliveryState,
    Issue,
    IssueState,
    ReportedEvent,
)
from newsletter.privacy import ABOUT_NOBODY, TABLES
from newsletter.providers.events import Event
from subscribers import consent
from subscribers.consent import Evidence, join
from subscribers.finding import find
from subscribers.hashes import KeyedHash
from subscribers.models import (
    Consent,
    ConsentAction,
    FieldKind,
    FieldValue,
    Letter,
    LetterKind,
    ReaderField,
    ReaderRequest,
    RequestKind,
    Subscriber,
    SubscriberTag,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
    Tag,
)
from subscribers.suppression import find_known, forget_erased, is_barred, lift, may_receive, suppress
from subscribers.transfer import Options, import_csv
from tests.builders import NOW, populated
from tests.builders import reader as add_reader
from tests.reported import out

HASHES = KeyedHash(["a secret of thirty-two characters", "an older one of thirty-two chars."])
LATER = NOW + timedelta(days=1)
#: What must not be found anywhere afterwards: the address in any spelling, the name, the network, what was said.
ADDRESS, KEY = "Ann.Canary@Example.org", "ann.canary@example.org"
FILE = (("ann", "blocklisted"), ("Bob", "enabled"), ("cara", "enabled"), ("dan", "enabled"))
CANARIES = ("ann.canary", "canary-name", "203.0.113.0", "canary-town", "canary-note", "canary-raw")


# ---------------------------------------------------------------- every column is decided about


def test_every_column_of_every_table_is_decided_about() -> None:
    """Threat 23: a new column fails here until somebody says what it holds of a person and what erasing does to it."""
    decided = {
        one.table: frozenset([*one.emptied, *one.marked, *one.kept_columns]) for one in TABLES if not one.deleted
    }
    decided |= {one.table: frozenset(one.columns.split()) for one in ABOUT_NOBODY}
    deleted = {one.table for one in TABLES if one.deleted}
    for table in SQLModel.metadata.sorted_tables:
        if table.name not in deleted:
            assert decided[table.name] == set(table.columns.keys()), f"decide about the columns of {table.name}"
    assert decided.keys() | deleted == set(SQLModel.metadata.tables)


def test_nothing_is_decided_twice() -> None:
    names = [one.table for one in TABLES] + [one.table for one in ABOUT_NOBODY]
    assert len(names) == len(set(names))
    for one in TABLES:
        kept = " ".join(one.kept).split()
        assert len(kept) == len(set(kept))
        assert not set(kept) & set(one.emptied)
        assert all(one.kept.values())


def test_every_pointer_to_a_reader_is_in_a_table_about_readers() -> None:
    """A table with a key of a reader, or of what belongs to one, is about readers."""
    about = {one.table for one in TABLES}
    pointing = {
        table.name
        for table in SQLModel.metadata.sorted_tables
        for column in table.columns
        if column.name in {"subscriber_id", "subscription_id", "delivery_id"}
        or {key.column.table.name for key in column.foreign_keys} & {"subscriber", "subscription", "delivery"}
    }
    assert pointing
    assert pointing <= about


# ---------------------------------------------------------------- a reader with everything


def plant(db: Database) -> int:
    """Give one reader, beside another, a row in every table about people, with canaries in all of its texts."""
    made = populated(db, readers=1)
    with db.transaction() as session:
        row = add_reader(session, made, ADDRESS, name="Canary-Name")
        person = session.get_one(Subscriber, row.subscriber_id)
        person.language = "de"
        row.answers = {"language": "de", "field:town": "canary-town"}
        town, donor = ReaderField(slug="town", label="Town", kind=FieldKind.TEXT), Tag(name="donor")
        session.add_all([town, donor, person, row])
        session.flush()
        session.add(SubscriberTag(subscriber_id=person.id, tag_id=donor.id, at=NOW))
        session.add(FieldValue(subscriber_id=person.id, field_id=town.id, value="canary-town"))
        session.add(Letter(subscription_id=row.id, kind=LetterKind.WELCOME, caused_at=NOW))
        session.add(
            ReaderRequest(
                subscription_id=row.id,
                kind=RequestKind.ADDRESS,
                address=f"new.{KEY}",
                address_key=f"new.{KEY}",
                asked_at=NOW,
            )
        )
        evidence = Evidence(NOW, "https://news.example.org/fen-weekly", "Send me Fen Weekly.", "203.0.113.77")
        consent.record(session, ConsentAction.CONFIRMED, person.id, row.list_id, evidence)
        suppress(session, KEY, SuppressionReason.BOUNCE, f"canary-note <{ADDRESS}>", NOW)
        _plant_mails(session, made.edition_id, person.id)
    return person.id


def _plant_mails(session: Session, edition_id: int, subscriber_id: int) -> None:
    issue = Issue(
        edition_id=edition_id, week="2026-W46", state=IssueState.SENT, expected=1, send_at=NOW, drafted_at=NOW,
        content_hash="x", approved_at=NOW, name_key="k",
    )  # fmt: skip
    session.add(issue)
    session.flush()
    mail = Delivery(
        issue_id=issue.id, subscriber_id=subscriber_id, chunk=0, state=DeliveryState.ACCEPTED, attempt=1,
        address=ADDRESS, detail=f"250 ok canary-note {ADDRESS}", changed_at=NOW,
    )  # fmt: skip
    session.add(mail)
    session.flush()
    session.add(AttemptOutcome(attempt_id=1, delivery_id=mail.id, status="accepted", by="worker", at=NOW))
    session.add(_event("1", mail.id))
    session.add(_event("2", None))
    session.add(_event(f"suppressed {'0' * 64}", None))


def _event(name: str, delivery_id: int | None) -> ReportedEvent:
    return ReportedEvent(
        provider="sendgrid", event_id=name, kind=Kind.BOUNCED, at=NOW, received_at=NOW, delivery_id=delivery_id,
        address=ADDRESS, detail=f"550 canary-note {ADDRESS}", raw={"email": ADDRESS, "ip": "canary-raw"},
    )  # fmt: skip


def dump(db: Database) -> str:
    """Return every value of every table, in lower case."""
    with db.connect() as connection:
        tables = inspect(connection).get_table_names()
        rows = [connection.execute(text(f'SELECT * FROM "{one}"')).all() for one in tables]
    return json.dumps([[list(row) for row in table] for table in rows], default=str).lower()


def test_the_plant_has_a_row_in_every_table_about_people(database: Database) -> None:
    """Else the tests below would prove less than they say."""
    plant(database)
    with database.reading() as session:
        data = privacy.data_of(session, KEY, HASHES, NOW)
    assert {one["table"] for one in data["tables"]} == {one.table for one in TABLES}
    everything = dump(database)
    assert [one for one in CANARIES if one not in everything] == []


def test_an_export_has_every_column_of_every_row(database: Database) -> None:
    """Articles 15 and 20: complete by schema, as JSON, with names beside the numbers."""
    reader_id = plant(database)
    with database.reading() as session:
        data = privacy.data_of(session, KEY, HASHES, NOW)
    assert json.loads(json.dumps(data)) == data
    for part in data["tables"]:
        columns = set(SQLModel.metadata.tables[part["table"]].columns.keys())
        assert all(columns <= row.keys() for row in part["rows"])
    by_table = {part["table"]: part["rows"] for part in data["tables"]}
    assert [one["id"] for one in by_table["subscriber"]] == [reader_id]
    assert [one["list"] for one in by_table["subscription"]] == ["Fen Weekly"]
    assert [one["tag"] for one in by_table["subscriber_tag"]] == ["donor"]
    assert [one["issue"] for one in by_table["delivery"]] == ["fen-weekly/2026-W46"]
    assert [one["field"] for one in by_table["field_value"]] == ["Town"]
    assert len(by_table["event"]) == 3
    assert "r0@example.org" not in json.dumps(data)


def test_an_export_of_nobody_says_so(database: Database) -> None:
    with database.reading() as session:
        data = privacy.data_of(session, "nobody@example.org", HASHES, NOW)
    assert (data["reader"], data["tables"]) == (False, [])


def test_after_erasing_nothing_says_who_it_was(database: Database) -> None:
    """Threat 23: neither address, name, network nor what was said is in a full dump of the database."""
    reader_id = plant(database)
    done = privacy.erase(database, KEY, HASHES, LATER, source="command line")
    assert done.reader
    assert done.left == 1
    everything = dump(database)
    assert [one for one in CANARIES if one in everything] == []
    with database.reading() as session:
        row = session.get_one(Subscriber, reader_id)
        assert (row.address, row.address_key, row.name, row.erased_at) == ("", f"erased:{reader_id}", "", LATER)
        [at] = consent.subscriptions_of(session, reader_id)
        assert (at.state, at.changed_at, at.answers) == (SubscriptionState.LEFT, LATER, None)
        lines = consent.history(session, reader_id)
        assert [(one.action, one.list_id is None) for one in lines] == [
            (ConsentAction.CONFIRMED, False),
            (ConsentAction.ERASED, True),
        ]
        assert [one.wording for one in lines] == ["Send me Fen Weekly.", ""]
        # The other reader has lost nothing.
        assert [one.address for one in find(session, limit=10)] == ["r0@example.org"]


def test_the_file_itself_says_nothing_either(sqlite_database: Database) -> None:
    """SQLite leaves what is deleted in its file and its log until something is written over it; here it does not."""
    plant(sqlite_database)
    with sqlite_database.connect() as connection:
        path = connection.exec_driver_sql("PRAGMA database_list").all()[0][2]
    privacy.erase(sqlite_database, KEY, HASHES, LATER, source="command line")
    content = b""
    for end in ("", "-wal"):
        content += Path(path + end).read_bytes().lower()
    assert [one for one in CANARIES if one.encode() in content] == []


@pytest.mark.parametrize("about", [one for one in TABLES if not one.deleted], ids=lambda one: one.table)
def test_every_text_that_is_not_kept_is_emptied(sqlite_database: Database, about: Any) -> None:
    """By schema: a canary in every text of a row that erasing says it empties."""
    plant(sqlite_database)
    table = SQLModel.metadata.tables[about.table]
    texts = [one for one in table.columns if isinstance(one.type, String | Text | JSON) and one.name in about.emptied]
    free = [one for one in texts if one.name not in {"address_key", "answers", "raw"}]
    with sqlite_database.transaction() as session:
        person = privacy.person_with(session, KEY, HASHES)
        if about.table not in {"consent"}:  # the database itself refuses to change that one
            values = dict.fromkeys(free, "canary-planted")
            if values:
                session.connection().execute(update(table).where(about.mine(person)).values(values))
    privacy.erase(sqlite_database, KEY, HASHES, LATER, source="command line")
    assert "canary-planted" not in dump(sqlite_database)


def test_the_figures_of_issues_stay(database: Database) -> None:
    """The accounting identity: every reader of an issue is still counted, and found in the same state."""
    plant(database)

    def account() -> list[tuple[object, ...]]:
        with database.reading() as session:
            rows = session.exec(select(Delivery))
            return [(one.id, one.issue_id, one.state, one.attempt, one.subscriber_id) for one in rows]

    before = account()
    privacy.erase(database, KEY, HASHES, LATER, source="command line")
    assert account() == before
    with database.reading() as session:
        assert len(session.exec(select(AttemptOutcome)).all()) == 1
        # Reports stay counted, but for the entry of the provider's list, whose id is made of the address.
        assert sorted(session.exec(select(ReportedEvent.event_id))) == ["1", "2"]


def test_erasing_is_shown_before(database: Database) -> None:
    plant(database)
    with database.reading() as session:
        steps = {one.table: one for one in privacy.plan(session, KEY, HASHES)}
    assert steps["reader_request"].deleted
    assert steps["reader_request"].rows == 1
    assert steps["delivery"].emptied == ("address", "detail")
    assert "attempt_outcome" not in steps  # nothing is done to it
    assert "erased_at" not in steps["subscriber"].emptied  # it is set
    assert "ann.canary" in dump(database)


def test_erasing_twice_does_no_harm(database: Database) -> None:
    plant(database)
    privacy.erase(database, KEY, HASHES, LATER, source="command line")
    before = dump(database)
    again = privacy.erase(database, KEY, HASHES, LATER + timedelta(days=1), source="command line")
    assert not again.reader
    assert dump(database) == before


def test_an_earlier_address_is_erased_too(database: Database) -> None:
    """A reader who changed their address: reports about the old one go, unless it is somebody else's by now."""
    reader_id = plant(database)
    with database.transaction() as session:
        row = session.get_one(Subscriber, reader_id)
        row.address = row.address_key = "moved@example.org"
        session.add(row)
    privacy.erase(database, "moved@example.org", HASHES, LATER, source="command line")
    with database.reading() as session:
        assert {one.address for one in session.exec(select(ReportedEvent))} == {""}
        assert {one.address for one in session.exec(select(Delivery))} == {""}


def test_an_earlier_address_that_is_somebody_elses_now_is_left_alone(database: Database) -> None:
    reader_id = plant(database)
    with database.transaction() as session:
        row = session.get_one(Subscriber, reader_id)
        row.address = row.address_key = "moved@example.org"
        session.add(row)
        session.flush()
        session.add(Subscriber(address=ADDRESS, address_key=KEY, created_at=NOW))
    privacy.erase(database, "moved@example.org", HASHES, LATER, source="command line")
    with database.reading() as session:
        stayed = session.exec(select(ReportedEvent.address).where(col(ReportedEvent.delivery_id).is_(None)))
        assert set(stayed) == {ADDRESS}


# ---------------------------------------------------------------- who was erased and what they may do


def erased(db: Database, *, reason: SuppressionReason | None = None) -> None:
    """Erase a reader who was, or was not, suppressed."""
    made = populated(db, readers=0)
    with db.transaction() as session:
        add_reader(session, made, ADDRESS.lower())
        if reason:
            suppress(session, KEY, reason, "", NOW)
    privacy.erase(db, KEY, HASHES, LATER, source="command line")


@pytest.mark.parametrize("reason", [SuppressionReason.BOUNCE, SuppressionReason.COMPLAINT, SuppressionReason.MANUAL])
def test_a_suppression_outlives_its_reader_as_a_hash(database: Database, reason: SuppressionReason) -> None:
    erased(database, reason=reason)
    with database.transaction() as session:
        [row] = session.exec(select(Suppression)).all()
        assert (row.address_key, row.reason, row.note) == (HASHES.of(KEY), reason, "")
        assert is_barred(session, KEY, HASHES)
        assert not forget_erased(session, KEY, HASHES)
        assert lift(session, KEY, HASHES)
        session.expire_all()
        assert not is_barred(session, KEY, HASHES)
        left = find_known(session, KEY, HASHES)
        assert left is not None
        assert left.reason is SuppressionReason.ERASED
        assert not lift(session, KEY, HASHES)


def test_who_was_erased_may_come_back_by_themselves(database: Database) -> None:
    erased(database)
    with database.transaction() as session:
        assert not is_barred(session, KEY, HASHES)
        known = find_known(session, KEY, HASHES)
        assert known is not None
        assert known.reason is SuppressionReason.ERASED
        assert not is_barred(session, "other@example.org", HASHES)
        assert forget_erased(session, KEY, HASHES)
        assert find_known(session, KEY, HASHES) is None


def test_a_hash_of_an_earlier_secret_is_found(database: Database) -> None:
    with database.transaction() as session:
        hashed = HASHES.each(KEY)[1]
        session.add(Suppression(address_key=hashed, reason=SuppressionReason.COMPLAINT, at=NOW))
        session.flush()
        assert is_barred(session, KEY, HASHES)
    privacy.erase(database, KEY, HASHES, LATER, source="command line")
    with database.reading() as session:
        assert [one.reason for one in session.exec(select(Suppression))] == [SuppressionReason.COMPLAINT]


def test_who_was_erased_gets_nothing_whatever_their_subscription_says(database: Database) -> None:
    """A link in an old mail must not put a row without an address back on a list."""
    erased(database)
    with database.transaction() as session:
        session.exec(update(Subscription).values(state=SubscriptionState.CONFIRMED))
        [list_id] = session.exec(select(Subscription.list_id))
        assert session.execute(may_receive(list_id, LATER)).all() == []


def test_an_old_preferences_link_joins_nobody_who_was_erased(database: Database) -> None:
    erased(database)
    with database.transaction() as session:
        [row] = session.exec(select(Subscription)).all()
        lines = len(session.exec(select(Consent)).all())
        assert not join(
            session, subscriber_id=row.subscriber_id, list_id=row.list_id, now=LATER, source="/p", wording="Ely Weekly"
        )
        session.refresh(row)
        assert row.state is SubscriptionState.LEFT
        assert len(session.exec(select(Consent)).all()) == lines


def test_who_is_erased_while_an_issue_is_sent_drops_out_at_the_claim(database: Database) -> None:
    """F7: planned and not yet claimed, they get nothing, and are counted as such."""
    made = populated(database, readers=2)
    with database.transaction() as session:
        issue = Issue(
            edition_id=made.edition_id, week="2026-W47", state=IssueState.APPROVED, send_at=NOW, drafted_at=NOW,
            content_hash="x", approved_at=NOW, name_key="k", from_address="weekly@fen.example",
        )  # fmt: skip
        session.add(issue)
        session.flush()
        plan_readers(session, issue, 10, NOW)
        issue_id = issue.id
    privacy.erase(database, "r0@example.org", HASHES, LATER, source="command line")
    with database.transaction() as session:
        claimed = ledger.claim(session, issue_id, "worker", LATER)
        assert claimed is not None
        assert [one.address for one in claimed.readers] == ["r1@example.org"]
    with database.reading() as session:
        states = session.exec(select(Delivery.state).order_by(col(Delivery.id))).all()
        assert states == [DeliveryState.SUPPRESSED, DeliveryState.SENDING]


@pytest.mark.parametrize("status", list(Status))
def test_what_attempts_came_to_never_names_the_reader(status: Status) -> None:
    """Outcomes are kept for good, so they are written down without the address (threat 23)."""
    reader = Reader(1, "d1", ADDRESS, "", 1, NOW)
    claimed = Claim(1, 1, 0, 1, 4, (reader,), "smtp", NOW)
    said = f"550 5.1.1 <{ADDRESS.upper()}> unknown"
    settled = settle(claimed, [Outcome("d1", status, said, said)], anybody_accepted=True)
    kept = repr([settled.final, settled.later, settled.not_tried, settled.refusal]).replace(repr(reader), "")
    assert KEY not in kept.lower()
    assert "(address)" in kept


# ---------------------------------------------------------------- what comes afterwards


@pytest.mark.parametrize("kind", [Kind.BOUNCED, Kind.COMPLAINED, Kind.DELIVERED])
def test_a_report_that_comes_after_the_erasure_says_nothing_of_who_it_was(database: Database, kind: Kind) -> None:
    """It is counted, and neither the address is stored again nor a row without an address suppressed."""
    issue = out(database, 2)
    privacy.erase(database, "r1@example.org", HASHES, NOW, source="command line")
    events = [
        issue.event(number, kind, detail=f"550 <r{number}@example.org>", raw={"email": f"r{number}@example.org"})
        for number in (0, 1)
    ]
    taken = take_in(database, "sendgrid", events, LATER)
    assert taken.matched == 2
    everything = dump(database)
    assert "r1@example.org" not in everything
    assert "r0@example.org" in everything
    assert {one.reported for one in issue.rows()} == {str(kind)}
    # The other reader's report is followed as ever.
    assert taken.suppressed == (kind is not Kind.DELIVERED)
    assert "erased:2" not in json.dumps(sorted(issue.suppressions()))


@pytest.mark.parametrize("suppress_too", [False, True])
def test_an_import_never_brings_back_who_was_erased(database: Database, suppress_too: bool) -> None:
    """Threat 23: nothing of them is stored again, whatever the file says of them; under earlier secrets, too."""
    made = populated(database, readers=0)
    with database.transaction() as session:
        for address in ("ann@example.org", "bob@example.org"):
            add_reader(session, made, address)
        suppress(session, "bob@example.org", SuppressionReason.COMPLAINT, "", NOW)
        hashed = HASHES.each("cara@example.org")[1]
        session.add(Suppression(address_key=hashed, reason=SuppressionReason.ERASED, at=NOW))
    for address in ("ann@example.org", "bob@example.org"):
        privacy.erase(database, address, HASHES, LATER, source="command line")
    # A file of listmonk's, which says that one of them is blocked there.
    rows = [f"{name}@example.org,{name},{{}},{status},2026-01-01 00:00:00,2026-01-01 00:00:00" for name, status in FILE]
    report = import_csv(
        database.transaction,
        StringIO("email,name,attributes,status,created_at,updated_at\n" + "\n".join(rows) + "\n"),
        list_id=made.list_id,
        consent="Paper forms",
        source="readers.csv",
        now=LATER,
        options=Options(suppress=suppress_too),
        hashes=HASHES,
    )
    assert (report.added, report.kept_out_erased, report.kept_out_suppressed) == (1, 3, 0)
    everything = dump(database)
    assert [one for one in ("ann@", "bob@", "cara@") if one in everything] == []
    assert "dan@example.org" in everything


def test_no_address_is_hashed_where_there_is_no_hash(database: Database) -> None:
    """A million rows cost nothing more where nobody was erased."""
    made = populated(database, readers=0)
    asked: list[str] = []

    class Counting(KeyedHash):
        def each(self, key: str) -> tuple[str, ...]:
            asked.append(key)
            return super().each(key)

    where: dict[str, Any] = {"list_id": made.list_id, "consent": "Forms", "source": "readers.csv", "now": LATER}
    hashes = Counting(["a secret of thirty-two characters"])
    with database.transaction() as session:
        suppress(session, "zoe@example.org", SuppressionReason.MANUAL, "", NOW)
    import_csv(database.transaction, StringIO("email\nann@example.org\n"), hashes=hashes, **where)
    assert asked == []
    with database.transaction() as session:
        session.add(Suppression(address_key=hashes.of("x@example.org"), reason=SuppressionReason.ERASED, at=NOW))
    import_csv(database.transaction, StringIO("email\nbob@example.org\n"), hashes=hashes, **where)
    assert asked == ["bob@example.org"]


# ---------------------------------------------------------------- addresses of before, and of strangers


def asked_for(session: Session, subscription_id: int, address: str, done: bool) -> None:
    """Let a reader have asked to be written to at another address; when it was done, the row has the one of before."""
    session.add(
        ReaderRequest(
            subscription_id=subscription_id,
            kind=RequestKind.ADDRESS,
            address=address,
            address_key=address.lower(),
            asked_at=NOW,
            done_at=NOW if done else None,
        )
    )
    session.flush()


def test_the_suppression_of_an_address_of_before_is_a_hash_afterwards(database: Database) -> None:
    """Threat 23: mail to the old address came back, its reader took another, was never sent an issue, and is erased."""
    made = populated(database, readers=0)
    with database.transaction() as session:
        row = add_reader(session, made, "new@example.net")
        for old in ("Old.Canary@example.org", "older.canary@example.org"):
            asked_for(session, row.id, old, done=True)
        suppress(session, "old.canary@example.org", SuppressionReason.BOUNCE, "550 <old.canary@example.org>", NOW)
        # Under an earlier secret, too, and weaker: one of the two stays.
        hashed = HASHES.each("old.canary@example.org")[1]
        session.add(Suppression(address_key=hashed, reason=SuppressionReason.ERASED, at=NOW))
    privacy.erase(database, "new@example.net", HASHES, LATER, source="command line")
    everything = dump(database)
    assert [one for one in ("canary", "new@example.net") if one in everything] == []
    with database.reading() as session:
        kept = {row.address_key: (row.reason, row.note) for row in session.exec(select(Suppression))}
    assert kept == {
        HASHES.of("new@example.net"): (SuppressionReason.ERASED, ""),
        HASHES.of("old.canary@example.org"): (SuppressionReason.BOUNCE, ""),
        HASHES.of("older.canary@example.org"): (SuppressionReason.ERASED, ""),
    }


def test_an_address_that_was_asked_for_and_never_proved_is_nobodys(database: Database) -> None:
    """Else whoever types a stranger's address, and is erased, would change what is kept of the stranger."""
    made = populated(database, readers=0)
    with database.transaction() as session:
        row = add_reader(session, made, "ann@example.org")
        asked_for(session, row.id, "stranger@example.net", done=False)
        suppress(session, "stranger@example.net", SuppressionReason.COMPLAINT, "a note", NOW)
    privacy.erase(database, "ann@example.org", HASHES, LATER, source="command line")
    with database.reading() as session:
        kept = {row.address_key: row.note for row in session.exec(select(Suppression))}
        assert session.exec(select(ReaderRequest)).all() == []
    assert kept == {HASHES.of("ann@example.org"): "", "stranger@example.net": "a note"}


@pytest.mark.parametrize("known", [True, False], ids=["a reader", "nobody"])
def test_an_address_that_somebody_else_typed_goes_too(database: Database, known: bool) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        if known:
            add_reader(session, made, KEY)
        other = add_reader(session, made, "other@example.org")
        asked_for(session, other.id, ADDRESS, done=False)
        asked_for(session, other.id, "third@example.org", done=False)
    privacy.erase(database, KEY, HASHES, LATER, source="command line")
    assert "ann.canary" not in dump(database)
    with database.reading() as session:
        assert session.exec(select(ReaderRequest.address)).all() == ["third@example.org"]


@pytest.mark.parametrize("secret", [0, 1], ids=["secret", "earlier secret"])
def test_a_report_about_no_mail_of_ours_says_nothing_of_who_was_erased(database: Database, secret: int) -> None:
    """Threat 23: stored, so that it is known when it comes again, and without whom it is about."""
    with database.transaction() as session:
        hashed = HASHES.each(KEY)[secret]
        session.add(Suppression(address_key=hashed, reason=SuppressionReason.ERASED, at=NOW))
    events = [
        Event(name, Kind.BOUNCED, NOW, address=address, detail=f"550 {address}", raw={"email": address})
        for name, address in (("1", ADDRESS), ("2", "other@example.org"), ("3", ""))
    ]
    assert take_in(database, "sendgrid", events, LATER, HASHES).new == 3
    assert "ann.canary" not in dump(database)
    with database.reading() as session:
        rows = session.exec(select(ReportedEvent).order_by(col(ReportedEvent.event_id))).all()
        assert [(one.address, one.raw) for one in rows] == [
            ("", {}),
            ("other@example.org", {"email": "other@example.org"}),
            ("", {"email": ""}),
        ]
    assert take_in(database, "sendgrid", events, LATER, HASHES).new == 0
