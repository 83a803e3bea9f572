"""Readers in and out as CSV: each row accounted for, nobody brought back, no cell a formula (threats 13, 14)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlmodel import Session, col, delete, select

from newsletter.db import Database
from subscribers import consent
from subscribers.addresses import one_line, parse_address
from subscribers.errors import TransferError
from subscribers.lists import count_by_state
from subscribers.models import (
    Consent,
    ConsentAction,
    Subscriber,
    Subscription,
    SubscriptionState,
    SuppressionReason,
)
from subscribers.suppression import suppress
from subscribers.transfer import (
    ImportReport,
    Options,
    Progress,
    RejectedRow,
    Transaction,
    export_csv,
    import_csv,
    importing,
)
from tests.builders import add_list
from tests.databases import database, sqlite_database

__all__ = ["database", "sqlite_database"]

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
STATEMENT = "Paper forms, market day, May 2026"


def _import(
    session: Session,
    list_id: int,
    content: str,
    *,
    dry_run: bool = False,
    now: datetime = NOW,
    rejects: Callable[[], AbstractContextManager[TextIO]] | None = None,
    **options: Any,
) -> ImportReport:
    """Import within the session of the test, for what does not depend on where transactions end."""
    return import_csv(
        lambda: nullcontext(session),
        io.StringIO(content, newline=""),
        list_id=list_id,
        consent=STATEMENT,
        source="readers.csv",
        now=now,
        options=Options(dry_run=dry_run, **options),
        rejects=rejects,
    )


def _weekly(session: Session) -> int:
    return add_list(session, "weekly", "Weekly", NOW).id


def _readers(session: Session) -> dict[str, str]:
    return {row.address: row.name for row in session.exec(select(Subscriber).order_by(col(Subscriber.id)))}


def test_readers_come_in_confirmed_with_the_statement_as_evidence(database: Database) -> None:
    with database.transaction() as session:
        weekly = _weekly(session)
        report = _import(session, weekly, "email,name\nAnn@Example.org,Ann Reader\nbob@example.org,\n")
        assert report == ImportReport(2, 0, 0, 0, ())
        assert _readers(session) == {"Ann@Example.org": "Ann Reader", "bob@example.org": ""}
        assert count_by_state(session, weekly)[SubscriptionState.CONFIRMED] == 2
        told = [(row.action, row.at, row.source, row.wording, row.network) for row in session.exec(select(Consent))]
    assert told == [(ConsentAction.IMPORTED, NOW, "readers.csv", STATEMENT, "")] * 2


def test_who_is_known_already_stays_as_they_are(database: Database) -> None:
    with database.transaction() as session:
        weekly = _weekly(session)
        _import(session, weekly, "email,name\npending@example.org,\nleft@example.org,\non@example.org,Olga\n")
        for name, state in (("pending", SubscriptionState.PENDING), ("left", SubscriptionState.LEFT)):
            reader = consent.find_subscriber(session, parse_address(f"{name}@example.org"))
            assert reader
            (row,) = consent.subscriptions_of(session, reader.id)
            row.state = state
        suppress(session, "bounced@example.org", SuppressionReason.BOUNCE, "", NOW)

        later = NOW + timedelta(days=1)
        report = _import(
            session,
            weekly,
            "email,name\nPENDING@example.org,P\nleft@example.org,L\non@example.org,Mallory\n"
            "Bounced@example.org,B\nnew@example.org,N\n",
            now=later,
        )
        assert report == ImportReport(added=2, already=1, kept_out_left=1, kept_out_suppressed=1, rejected=())
        assert count_by_state(session, weekly) == {
            SubscriptionState.PENDING: 0,
            SubscriptionState.CONFIRMED: 3,
            SubscriptionState.LEFT: 1,
        }
        assert _readers(session)["on@example.org"] == "Olga"
        assert "Bounced@example.org" not in _readers(session)
        told = session.exec(
            select(Subscriber.address)
            .where(Subscriber.id == Consent.subscriber_id, Consent.at == later)
            .order_by(col(Subscriber.id))
        ).all()
    assert told == ["pending@example.org", "new@example.org"]


def test_another_list_is_another_matter(database: Database) -> None:
    with database.transaction() as session:
        weekly, other = _weekly(session), add_list(session, "other", "Other", NOW).id
        content = "email\nann@example.org\n"
        assert _import(session, weekly, content).added == 1
        assert _import(session, other, content).added == 1
        assert _import(session, weekly, content) == ImportReport(0, 1, 0, 0, ())
        for name, state in (("asked", SubscriptionState.PENDING), ("gone", SubscriptionState.LEFT)):
            _add(session, other, f"{name}@example.org", "", state)
        content = "email\nasked@example.org\ngone@example.org\n"
        assert _import(session, weekly, content) == ImportReport(2, 0, 0, 0, ())
        assert _import(session, weekly, content) == ImportReport(0, 2, 0, 0, ())
        assert count_by_state(session, other) == dict.fromkeys(SubscriptionState, 1)


ROWS = (
    "email,name",
    "good@example.org,Good",
    "not an address,Nobody",
    "ann@home@example.org,Ann",
    ",Nameless",
    "",
    "good@example.org,Again",
    "Good@EXAMPLE.org,And again",
    "many@example.org,Many,columns,here",
    "trailing@example.org,Trailing,,",
    "short@example.org",
    '"quoted@example.org","Reader, Quoted ""Q"""',
    '"open@example.org,Never closed',
    "after@example.org,After the open quote",
    '"wrong"@example.org,Quote in the middle',
    "jörg@example.org,Jörg",
    " spaced@example.org , Spaced",
    "nul\0@example.org,Nul",
    "last@example.org,Last",
)
BROKEN = "\n".join(ROWS)


def test_a_bad_row_is_reported_with_its_line_and_the_rest_goes_on(database: Database) -> None:
    with database.transaction() as session:
        report = _import(session, _weekly(session), BROKEN)
        assert _readers(session) == {
            "good@example.org": "Good",
            "trailing@example.org": "Trailing",
            "short@example.org": "",
            "quoted@example.org": 'Reader, Quoted "Q"',
            "after@example.org": "After the open quote",
            "spaced@example.org": "Spaced",
            "last@example.org": "Last",
        }
    assert report.added == 7
    assert report.rejected == (
        RejectedRow(3, "not an address", "it has a space in it."),
        RejectedRow(4, "ann@home@example.org", "it has more than one @-sign."),
        RejectedRow(5, "", "it is empty."),
        RejectedRow(7, "good@example.org", "the address is already on line 2."),
        RejectedRow(8, "Good@EXAMPLE.org", "the address is already on line 2."),
        RejectedRow(9, "many@example.org", "the row has 4 columns, but the header has 2."),
        RejectedRow(13, '"open@example.org,Never closed', "its quotation marks do not match."),
        RejectedRow(15, '"wrong"@example.org,Quote in the middle', "its quotation marks do not match."),
        RejectedRow(
            16, "jörg@example.org", "it has letters other than a to z before the @-sign, which few mail servers take."
        ),
        RejectedRow(18, "nul @example.org", "it has a control or invisible character in it."),
    )


ROWS_OF_A_LARGE_FILE = 2_500


def _large(broken: str = "") -> io.StringIO:
    rows = "".join(f"reader{number}@example.org,Reader {number}\n" for number in range(ROWS_OF_A_LARGE_FILE))
    return io.StringIO(f"email,name\n{rows}{broken}", newline="")


def _stored(database: Database, list_id: int) -> tuple[int, int]:
    """Return how many are on the list, and how many entries their evidence has."""
    with database.reading() as session:
        confirmed = count_by_state(session, list_id)[SubscriptionState.CONFIRMED]
        evidence = session.exec(select(Consent.subscriber_id)).all()
    assert len(set(evidence)) == len(evidence)
    return confirmed, len(evidence)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 1000)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("dry_run", [False, True])
def test_others_write_while_a_large_file_comes_in(database: Database, dry_run: bool) -> None:
    """One transaction for all of it held SQLite's only write lock until a sending beside it gave up."""
    with database.transaction() as session:
        weekly = _weekly(session)
    told: list[Progress] = []

    def progress(step: Progress) -> None:
        told.append(step)
        with database.transaction() as other:
            suppress(other, f"gone{step.done}@example.org", SuppressionReason.MANUAL, "", NOW)

    report = import_csv(
        database.transaction,
        _large("broken\nreader1@example.org\nlast@example.org\n"),
        list_id=weekly,
        consent=STATEMENT,
        source="readers.csv",
        now=NOW,
        options=Options(dry_run=dry_run),
        progress=progress,
    )
    good = ROWS_OF_A_LARGE_FILE + 2
    assert told == [
        Progress(storing=False, done=ROWS_OF_A_LARGE_FILE + 3),
        *(
            Progress(storing=True, done=done, total=total)
            for done, total in ((1000, good), (2000, good - 1), (good - 1, good - 1))
        ),
    ]
    assert report.added == ROWS_OF_A_LARGE_FILE + 1
    assert [row.line for row in report.rejected] == [ROWS_OF_A_LARGE_FILE + 2, ROWS_OF_A_LARGE_FILE + 3]
    stored = 0 if dry_run else report.added
    assert _stored(database, weekly) == (stored, stored)


@pytest.mark.usefixtures("small_batches")
def test_an_interrupted_import_is_made_whole_by_importing_again(database: Database) -> None:
    class PowerCut(Exception):
        pass

    batches = 0

    @contextmanager
    def cut_in_the_second_batch() -> Iterator[Session]:
        nonlocal batches
        batches += 1
        with database.transaction() as session:
            yield session
            if batches == 2:
                raise PowerCut

    with database.transaction() as session:
        weekly = _weekly(session)

    def take(transaction: Transaction) -> ImportReport:
        return import_csv(
            transaction, _large(), list_id=weekly, consent=STATEMENT, source="readers.csv", now=NOW + timedelta(days=1)
        )

    with pytest.raises(PowerCut):
        take(cut_in_the_second_batch)
    assert _stored(database, weekly) == (1000, 1000)
    assert take(database.transaction) == ImportReport(ROWS_OF_A_LARGE_FILE - 1000, 1000, 0, 0, ())
    assert _stored(database, weekly) == (ROWS_OF_A_LARGE_FILE, ROWS_OF_A_LARGE_FILE)


def test_of_a_file_that_ceases_to_be_text_nothing_is_in(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "readers.csv"
    with database.transaction() as session:
        weekly = _weekly(session)

    def take() -> ImportReport:
        with path.open(encoding="utf-8", newline="") as file:
            return import_csv(
                database.transaction, file, list_id=weekly, consent=STATEMENT, source="readers.csv", now=NOW
            )

    rows = _large().getvalue().encode()
    path.write_bytes(rows + b"\xff\xfe@example.org,\n")
    with pytest.raises(TransferError, match=r"readers.csv is not text in utf-8\. Save the table"):
        take()
    assert _stored(database, weekly) == (0, 0)
    path.write_bytes(rows + b"mended@example.org,\n")
    assert take() == ImportReport(ROWS_OF_A_LARGE_FILE + 1, 0, 0, 0, ())


def test_an_import_needs_a_statement_of_consent_threat_14(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session:
        weekly = _weekly(session)
    file = io.StringIO("email\na@example.org\n")
    with pytest.raises(TransferError, match=r"Say where the readers in readers.csv agreed"):
        import_csv(sqlite_database.transaction, file, list_id=weekly, consent=" \n", source="readers.csv", now=NOW)
    assert _stored(sqlite_database, weekly) == (0, 0)


def test_which_column_is_meant_must_be_clear(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session:
        weekly = _weekly(session)
        with pytest.raises(TransferError, match="has two columns called `email`"):
            _import(session, weekly, "email,Email\na@example.org,b@example.org\n")
        assert _import(session, weekly, "Address;E-Mail;Name\n1 Bridge Street;a@example.org;Ann\n").added == 1
        assert _import(session, weekly, "address\tname\nb@example.org\tBob\n").added == 1
        assert _readers(session) == {"a@example.org": "Ann", "b@example.org": "Bob"}


def test_a_dry_run_reports_the_same_and_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        weekly = _weekly(session)
        _import(session, weekly, "email\nold@example.org\n")
        tried = _import(session, weekly, BROKEN, dry_run=True)
        assert list(_readers(session)) == ["old@example.org"]
        assert len(session.exec(select(Consent)).all()) == 1
        assert _import(session, weekly, BROKEN) == tried


def test_a_large_file_takes_a_few_statements_not_one_a_row(database: Database) -> None:
    rows = "".join(f"reader{number}@example.org,Reader {number}\n" for number in range(1200))
    statements: list[str] = []

    def count(connection: object, cursor: object, statement: str, *more: object) -> None:
        statements.append(statement)

    with database.transaction() as session:
        weekly = _weekly(session)
        event.listen(database._engine, "before_cursor_execute", count)
        assert _import(session, weekly, "email,name\n" + rows).added == 1200
        assert _import(session, weekly, "email,name\n" + rows).already == 1200
        assert len(session.exec(select(Consent.id)).all()) == 1200
    assert len(statements) < 60


def test_the_state_column_of_an_export_is_heeded(database: Database) -> None:
    """An export holds everybody. Brought into another installation, it must not bring back who left."""
    with database.transaction() as session:
        report = _import(
            session,
            _weekly(session),
            "email,state\non@example.org,confirmed\nleft@example.org,left\nasked@example.org,pending\n"
            "tx@example.org,Texas\nnone@example.org,\n",
        )
        assert sorted(_readers(session)) == ["none@example.org", "on@example.org", "tx@example.org"]
    assert report == ImportReport(
        added=3,
        already=0,
        kept_out_left=1,
        kept_out_suppressed=0,
        rejected=(RejectedRow(4, "asked@example.org", "the file says that this reader has not confirmed."),),
        rejected_rows=1,
    )


def test_rejects_are_written_for_a_spreadsheet_threat_13(database: Database) -> None:
    """With the row's own columns, so that it can be mended there and imported."""
    content = 'Email,Name\nann@example.org,Ann\n=HYPERLINK(1),=1+1\n"open,Olga\na b@example.org,"B ""B"""\n'
    out = io.StringIO(newline="")
    with database.transaction() as session:
        weekly = _weekly(session)
        assert _import(session, weekly, content, rejects=lambda: nullcontext(out)).rejected_rows == 3
        assert out.getvalue() == (
            '"line","reason","Email","Name"\r\n'
            '"3","it has no @-sign.","\'=HYPERLINK(1)","\'=1+1"\r\n'
            '"4","its quotation marks do not match.","""open,Olga"\r\n'
            '"5","it has a space in it.","a b@example.org","B ""B"""\r\n'
        )
        mended = out.getvalue().replace("a b@", "ab@")
        again = io.StringIO(newline="")
        report = _import(session, weekly, mended, rejects=lambda: nullcontext(again))
        assert (report.added, report.rejected_rows) == (1, 2)
        assert _readers(session)["ab@example.org"] == 'B "B"'
    # Rows that are rejected again do not get the same columns twice.
    assert again.getvalue().splitlines()[:2] == [
        '"line","reason","Email","Name"',
        '"2","it has no @-sign.","\'=HYPERLINK(1)","\'=1+1"',
    ]


def _add(session: Session, list_id: int, address: str, name: str, state: SubscriptionState) -> None:
    reader = Subscriber(address=address, address_key=parse_address(address).key, name=name, created_at=NOW)
    session.add(reader)
    session.flush()
    session.add(Subscription(subscriber_id=reader.id, list_id=list_id, state=state, requested_at=NOW, changed_at=NOW))
    session.flush()


def _export(session: Session, list_id: int | None, *, raw: bool = False) -> tuple[int, str]:
    file = io.StringIO(newline="")
    return export_csv(session, list_id, file, raw=raw), file.getvalue()


def test_an_export_has_everybody_and_where_they_stand(database: Database) -> None:
    with database.transaction() as session:
        weekly, other = _weekly(session), add_list(session, "other", "Other", NOW).id
        _add(session, weekly, "Ann@example.org", "Ann Ä. Reader", SubscriptionState.CONFIRMED)
        _add(session, other, "bob@example.org", 'Bob "B", Junior', SubscriptionState.PENDING)
        _add(session, weekly, "cleo@example.org", "", SubscriptionState.LEFT)
        assert _export(session, weekly, raw=True) == (
            2,
            "email,name,list,state,since,language,text_only,paused_until,monthly\r\n"
            "Ann@example.org,Ann Ä. Reader,weekly,confirmed,2026-11-22T07:00:00+00:00,,no,,no\r\n"
            "cleo@example.org,,weekly,left,2026-11-22T07:00:00+00:00,,no,,no\r\n",
        )
        assert _export(session, None) == (
            3,
            '"email","name","list","state","since","language","text_only","paused_until","monthly"\r\n'
            '"bob@example.org","Bob ""B"", Junior","other","pending","2026-11-22T07:00:00+00:00","","no","","no"\r\n'
            '"Ann@example.org","Ann Ä. Reader","weekly","confirmed","2026-11-22T07:00:00+00:00","","no","","no"\r\n'
            '"cleo@example.org","","weekly","left","2026-11-22T07:00:00+00:00","","no","","no"\r\n',
        )


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "\0", "|", "'=", "''+"])
def test_no_cell_of_an_export_begins_a_formula_threat_13(sqlite_database: Database, first: str) -> None:
    """On SQLite alone: PostgreSQL cannot even store a NUL."""
    with sqlite_database.transaction() as session:
        weekly = _weekly(session)
        _add(session, weekly, "ann@example.org", f"{first}1+1;=2+2", SubscriptionState.CONFIRMED)
        cells = list(csv.reader(io.StringIO(_export(session, weekly)[1], newline="")))[1]
        raw = list(csv.reader(io.StringIO(_export(session, weekly, raw=True)[1], newline="")))[1]
    assert cells[1] == f"'{first}1+1;=2+2"
    assert raw[1] == f"{first}1+1;=2+2"


def test_spreadsheets_that_split_at_semicolons_find_everything_in_quotes(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session:
        weekly = _weekly(session)
        _add(session, weekly, "ann@example.org", "Ann;=1+1", SubscriptionState.CONFIRMED)
        assert '"Ann;=1+1"' in _export(session, weekly)[1]


_LOCALS = st.from_regex(r"[=+|'a-z-]{1,3}[a-z0-9]{1,6}", fullmatch=True)
_NAMES = st.one_of(st.text(max_size=30), st.from_regex(r"'{0,3}[=+@|'\",;-]{0,3}[a-z ,;\"']{0,8}", fullmatch=True)).map(
    one_line
)
_PEOPLE = st.lists(
    st.tuples(_LOCALS, _NAMES, st.sampled_from(SubscriptionState)), max_size=8, unique_by=lambda person: person[0]
)


@given(people=_PEOPLE)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_exported_comes_back_the_same(
    database: Database, people: list[tuple[str, str, SubscriptionState]]
) -> None:
    # Each example begins with an empty list, since it is rolled back as a whole.
    with database.connect() as connection, Session(connection) as session:
        connection.info["write"] = True
        weekly = _weekly(session)
        for local, name, state in people:
            _add(session, weekly, f"{local}@example.org", name, state)
        written, content = _export(session, weekly)
        session.exec(delete(Subscription))
        session.exec(delete(Subscriber))
        report = _import(session, weekly, content)
        back = _readers(session)
        session.rollback()
        connection.info.pop("write")
    stood = Counter(state for *_, state in people)
    assert written == len(people)
    assert back == {
        f"{local}@example.org": name for local, name, state in people if state is SubscriptionState.CONFIRMED
    }
    assert (report.added, report.kept_out_left, len(report.rejected)) == (
        stood[SubscriptionState.CONFIRMED],
        stood[SubscriptionState.LEFT],
        stood[SubscriptionState.PENDING],
    )


_LINES = st.lists(st.text(st.sampled_from("ab@.;,\"'=\r\n\0 é"), max_size=20), max_size=8)


@given(lines=_LINES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_below_a_header_is_accounted_for(sqlite_database: Database, lines: list[str]) -> None:
    with sqlite_database.connect() as connection, Session(connection) as session:
        connection.info["write"] = True
        weekly = _weekly(session)
        report = _import(session, weekly, "email,name\n" + "\n".join(lines) + "\nlast@example.org\n")
        assert "last@example.org" in _readers(session)
        assert report.added == len(_readers(session))
        assert [row.line for row in report.rejected] == sorted(row.line for row in report.rejected)
        session.rollback()
        connection.info.pop("write")


def test_an_export_of_several_lists_cannot_bring_back_who_left_one(database: Database) -> None:
    """Ann is on the first list and has left the second; importing the whole export into the second is refused."""
    text = "email,list,state\r\nann@example.org,jordan,confirmed\r\nann@example.org,ukraine,left\r\n"
    with database.transaction() as session:
        list_id = add_list(session, "ukraine", "Ukraine", NOW).id
    with pytest.raises(TransferError, match=r"several lists \(jordan, ukraine\)"):
        import_csv(database.transaction, io.StringIO(text), list_id=list_id, consent="moved", source="all.csv", now=NOW)
    with database.reading() as session:
        assert session.exec(select(Subscription)).all() == []
