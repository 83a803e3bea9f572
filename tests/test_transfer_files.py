"""Large files, files again, and what a file knows of readers besides their address."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import Session, col, delete, select

from newsletter.db import Database
from subscribers.addresses import one_line
from subscribers.errors import TransferError
from subscribers.fields import UnknownField, add_field, get_field, say, values_of
from subscribers.lists import count_by_state
from subscribers.models import (
    Consent,
    FieldKind,
    FieldValue,
    Subscriber,
    SubscriberTag,
    Subscription,
    SubscriptionState,
    Suppression,
    Tag,
)
from subscribers.tags import tags_of
from subscribers.transfer import (
    Bookmark,
    ImportReport,
    Options,
    Position,
    Transaction,
    export_csv,
    export_json_lines,
    import_csv,
    importing,
)
from tests.builders import add_list
from tests.databases import database, sqlite_database

__all__ = ["database", "sqlite_database"]

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
STATEMENT = "Paper forms, market day, May 2026"


def _import(transaction: Transaction, list_id: int, content: str, options: Options | None = None) -> ImportReport:
    file = io.StringIO(content, newline="")
    return import_csv(
        transaction, file, list_id=list_id, consent=STATEMENT, source="readers.csv", now=NOW, options=options
    )


def _weekly(database: Database) -> int:
    with database.transaction() as session:
        return add_list(session, "weekly", "Weekly", NOW).id


def _add_fields(session: Session) -> None:
    add_field(session, "town", label="Town", kind=FieldKind.TEXT)
    add_field(session, "format", label="Format", kind=FieldKind.CHOICE, choices=["Long", "Short"])
    add_field(session, "born", label="Born", kind=FieldKind.DATE)


def _known(session: Session) -> dict[str, tuple[str, dict[str, str], list[str]]]:
    readers = session.exec(select(Subscriber).order_by(col(Subscriber.address_key))).all()
    return {
        one.address.partition("@")[0]: (one.name, values_of(session, one.id), tags_of(session, one.id))
        for one in readers
    }


_MAP = {"field:town": "City", "field:format": "Format", "field:born": "Born", "tag": "Groups"}


def test_fields_and_tags_come_in_beside_the_address(database: Database) -> None:
    weekly = _weekly(database)
    with database.transaction() as session:
        _add_fields(session)
    report = _import(
        database.transaction,
        weekly,
        "email,Name,City,Format,Born,Groups\n"
        'ann@example.org,Ann,Lviv,long,1980-02-29,"Donor, Book club"\n'
        "bob@example.org,Bob,,,,\n"
        "cy@example.org,Cy,Odesa,Medium,,\n"
        "di@example.org,Di,Odesa,,29.2.1980,\n",
        Options(columns=_MAP),
    )
    assert [row.reason for row in report.rejected] == [
        "format: choose one of Long, Short.",
        "born: write the date as year, month and day, such as 2026-11-30.",
    ]
    with database.reading() as session:
        assert _known(session) == {
            "ann": ("Ann", {"town": "Lviv", "format": "Long", "born": "1980-02-29"}, ["book club", "donor"]),
            "bob": ("Bob", {}, []),
        }


@pytest.mark.parametrize("update", [False, True])
def test_what_is_known_of_a_reader_is_replaced_only_when_asked(database: Database, update: bool) -> None:
    """Never their state or consent; tags are added either way, and what is missing is filled in."""
    weekly = _weekly(database)
    with database.transaction() as session:
        _add_fields(session)
    columns = Options(columns=_MAP)
    first = "email,name,city,format,born,groups\nann@example.org,Ann,Lviv,Long,,donor\nout@example.org,Out,Lviv,,,\n"
    _import(database.transaction, weekly, first, columns)
    with database.transaction() as session:
        out = session.exec(select(Subscription).join(Subscriber).where(Subscriber.name == "Out")).one()
        out.state = SubscriptionState.LEFT
    again = _import(
        database.transaction,
        weekly,
        "email,name,city,format,born,groups\n"
        "ANN@example.org,Anna,Kyiv,,1980-02-29,vip\nout@example.org,Back,Kyiv,Short,,vip\n",
        Options(columns=_MAP, update=update),
    )
    assert (again.added, again.already, again.kept_out_left) == (0, 1, 1)
    with database.reading() as session:
        name, town = ("Anna", "Kyiv") if update else ("Ann", "Lviv")
        assert _known(session) == {
            "ann": (name, {"town": town, "format": "Long", "born": "1980-02-29"}, ["donor", "vip"]),
            "out": ("Out", {"town": "Lviv"}, []),
        }
        assert len(session.exec(select(Consent)).all()) == 2


def test_an_empty_name_replaces_none(sqlite_database: Database) -> None:
    weekly = _weekly(sqlite_database)
    for content in ("email,name\nann@example.org,Ann\n", "email,name\nann@example.org,\n"):
        _import(sqlite_database.transaction, weekly, content, Options(update=True))
    with sqlite_database.reading() as session:
        assert session.exec(select(Subscriber.name)).all() == ["Ann"]


def test_a_field_that_does_not_exist_is_refused_before_anything_is_stored(sqlite_database: Database) -> None:
    weekly = _weekly(sqlite_database)
    with pytest.raises(UnknownField, match="no field called 'town'"):
        _import(
            sqlite_database.transaction,
            weekly,
            "email,City\nann@example.org,Lviv\n",
            Options(columns={"field:town": "City"}),
        )
    with sqlite_database.reading() as session:
        assert session.exec(select(Subscriber)).all() == []


@pytest.mark.parametrize(
    ("rows", "added", "left"),
    [
        (["confirmed", "left"], 0, 1),
        (["left", "confirmed"], 0, 1),
        (["confirmed", "confirmed"], 1, 0),
        (["confirmed", "confirmed", "left"], 0, 1),
    ],
)
def test_who_left_in_one_of_several_rows_stays_out(database: Database, rows: list[str], added: int, left: int) -> None:
    weekly = _weekly(database)
    content = "email,state\n" + "".join(f"Ann@example.org,{state}\n" for state in rows)
    report = _import(database.transaction, weekly, content)
    assert (report.added, report.kept_out_left) == (added, left)
    assert [(row.line, row.reason) for row in report.rejected] == [
        (line, "the address is already on line 2.") for line in range(3, len(rows) + 2)
    ]


ROWS = 2_500


def _many(first: int = 0) -> str:
    return "email\n" + "".join(f"reader{number}@example.org\n" for number in range(first, ROWS))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 400)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("cut", [0, 400, 2_000])
def test_an_interrupted_import_goes_on_behind_the_last_batch(database: Database, tmp_path: Path, cut: int) -> None:
    """The report is that of the whole, and no batch before is stored again."""
    weekly = _weekly(database)
    bookmark = Bookmark(tmp_path / "readers.csv.import", {"sha256": "ab", "size": 1})

    class PowerCut(Exception):
        pass

    def keep(position: Position) -> None:
        if position.done > cut:
            raise PowerCut
        bookmark.keep(position)

    def take(start: Position | None, committed: Callable[[Position], None], now: datetime = NOW) -> ImportReport:
        return import_csv(
            database.transaction,
            io.StringIO(_many() + "broken\n", newline=""),
            list_id=weekly,
            consent=STATEMENT,
            source="readers.csv",
            now=now,
            start=start,
            committed=committed,
        )

    with pytest.raises(PowerCut):
        take(None, keep)
    kept = bookmark.read()
    assert (kept.done if kept else 0) == cut
    report = take(kept, bookmark.keep, NOW + timedelta(days=1))
    # The batch whose bookmark was not kept is there, and counted as such.
    assert (report.added, report.already, report.rejected_rows) == (ROWS - 400, 400, 1)
    with database.reading() as session:
        assert count_by_state(session, weekly)[SubscriptionState.CONFIRMED] == ROWS
        evidence = session.exec(select(Consent.at)).all()
    assert len(evidence) == ROWS
    assert sum(at == NOW for at in evidence) == cut + 400
    bookmark.remove()
    assert bookmark.read() is None


def test_a_bookmark_is_of_one_import_and_holds_no_addresses(tmp_path: Path) -> None:
    path = tmp_path / "readers.csv.import"
    Bookmark(path, {"sha256": "ab", "list": 1}).keep(Position(400))
    assert Bookmark(path, {"sha256": "ab", "list": 1}).read() == Position(400)
    assert Bookmark(path, {"sha256": "cd", "list": 1}).read() is None
    assert Bookmark(path, {"sha256": "ab", "list": 2}).read() is None
    assert "@" not in path.read_text()
    assert list(tmp_path.iterdir()) == [path]
    for broken in ("", "{", "[]", "{}", '{"of": {"sha256": "ab", "list": 1}, "done": "x", "fates": {}}'):
        path.write_text(broken)
        assert Bookmark(path, {"sha256": "ab", "list": 1}).read() is None


@pytest.mark.usefixtures("small_batches")
def test_several_batches_at_a_time_do_what_one_does(database: Database) -> None:
    """Two lanes help on PostgreSQL; on SQLite they wait for each other, and all is the same."""
    weekly = _weekly(database)
    done: list[int] = []
    report = import_csv(
        database.transaction,
        io.StringIO(_many(), newline=""),
        list_id=weekly,
        consent=STATEMENT,
        source="readers.csv",
        now=NOW,
        options=Options(lanes=2),
        committed=lambda position: done.append(position.done),
    )
    assert report == ImportReport(ROWS, 0, 0, 0, ())
    assert done == [400, 800, 1200, 1600, 2000, 2400, ROWS]
    with database.reading() as session:
        assert count_by_state(session, weekly)[SubscriptionState.CONFIRMED] == ROWS


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_a_batch_costs_the_same_late_in_a_large_file(database: Database) -> None:
    """Rows of earlier batches do not stay in the temporary table, and each batch is counted for PostgreSQL's planner."""
    _import(database.transaction, _weekly(database), _many())
    with database.reading() as session:
        held, counted = session.execute(
            text("SELECT pg_relation_size(oid) / 8192, reltuples FROM pg_class WHERE oid = 'incoming'::regclass")
        ).one()
    assert counted == ROWS % 400
    assert held < 10


def test_only_the_first_rows_are_read_for_a_look(sqlite_database: Database) -> None:
    weekly = _weekly(sqlite_database)
    report = _import(sqlite_database.transaction, weekly, _many(), Options(limit=10, dry_run=True))
    assert report.added == 10
    with sqlite_database.reading() as session:
        assert session.exec(select(Subscriber)).all() == []


def test_a_report_names_some_of_many_rejected_rows_and_counts_all(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "NAMED", 3)
    report = _import(sqlite_database.transaction, _weekly(sqlite_database), "email\n" + "bad\n" * 50)
    assert ([row.line for row in report.rejected], report.rejected_rows) == ([2, 3, 4], 50)


def _export(session: Session, list_id: int | None, state: SubscriptionState | None = None) -> str:
    file = io.StringIO(newline="")
    export_csv(session, list_id, file, state=state, raw=True)
    return file.getvalue()


def test_an_export_has_tags_and_fields_where_there_are_any(database: Database) -> None:
    weekly = _weekly(database)
    with database.transaction() as session:
        _add_fields(session)
    content = 'email,City,Groups,state\nann@example.org,Lviv,"vip,a b",\nbob@example.org,,,\n'
    options = Options(columns={"field:town": "City", "tag": "Groups"})
    _import(database.transaction, weekly, content, options)
    with database.transaction() as session:
        bob = session.exec(select(Subscription).join(Subscriber).where(Subscriber.address == "bob@example.org")).one()
        bob.state = SubscriptionState.LEFT
    at = "2026-11-22T07:00:00+00:00"
    with database.reading() as session:
        assert _export(session, weekly) == (
            "email,name,list,state,since,language,text_only,paused_until,monthly,tags,"
            "field:town,field:format,field:born\r\n"
            f'ann@example.org,,weekly,confirmed,{at},,no,,no,"a b, vip",Lviv,,\r\n'
            f"bob@example.org,,weekly,left,{at},,no,,no,,,,\r\n"
        )
        assert _export(session, None, SubscriptionState.LEFT).splitlines()[1:] == [
            f"bob@example.org,,weekly,left,{at},,no,,no,,,,"
        ]
        out = io.StringIO()
        assert export_json_lines(session, weekly, out) == 2
    ann: dict[str, object] = {
        "email": "ann@example.org", "name": "", "list": "weekly", "state": "confirmed", "since": at,
        "language": "", "text_only": False, "paused_until": None, "monthly": False,
    }  # fmt: skip
    bob_line = ann | {"email": "bob@example.org", "state": "left"}
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        ann | {"tags": ["a b", "vip"], "fields": {"town": "Lviv"}},
        bob_line | {"tags": [], "fields": {}},
    ]


_TEXTS = st.one_of(st.text(max_size=20), st.from_regex(r"'{0,2}[=+@|'\",;-]{0,2}[a-z ,;\"']{0,6}", fullmatch=True))
_VALUES = _TEXTS.map(one_line)
_TAGS = st.sets(st.from_regex(r"[a-zäß0-9=+@'-]{1,6}", fullmatch=True).map(lambda tag: tag.strip("'")), max_size=3)


@given(people=st.lists(st.tuples(_VALUES, _VALUES, st.sampled_from(["", "Long", "Short"]), _TAGS), max_size=3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("defused", [True, False])
def test_what_is_exported_comes_back_with_fields_and_tags(
    sqlite_database: Database, people: list[tuple[str, str, str, set[str]]], defused: bool
) -> None:
    with sqlite_database.connect() as connection, Session(connection) as session:
        connection.info["write"] = True
        weekly = add_list(session, "weekly", "Weekly", NOW).id
        _add_fields(session)
        for number, (name, town, choice, tags) in enumerate(people):
            row = f"r{number}@example.org"
            reader = Subscriber(address=row, address_key=row, name=name, created_at=NOW)
            session.add(reader)
            session.flush()
            state = SubscriptionState.CONFIRMED
            on = Subscription(subscriber_id=reader.id, list_id=weekly, state=state, requested_at=NOW, changed_at=NOW)
            session.add(on)
            _say_and_tag(session, reader.id, town, choice, tags - {""})
        before = _known(session)
        file = io.StringIO(newline="")
        export_csv(session, weekly, file, raw=not defused)
        for table in (SubscriberTag, FieldValue, Subscription, Subscriber, Tag):
            session.exec(delete(table))
        report = _import(lambda: nullcontext(session), weekly, file.getvalue())
        after = _known(session)
        session.rollback()
        connection.info.pop("write")
    assert (report.added, report.rejected) == (len(people), ())
    if defused:
        assert after == before


def _say_and_tag(session: Session, reader_id: int, town: str, choice: str, tags: set[str]) -> None:
    say(session, reader_id, get_field(session, "town"), town)
    say(session, reader_id, get_field(session, "format"), choice)
    for name in sorted(tags):
        tag = session.exec(select(Tag).where(Tag.name == name)).first() or Tag(name=name)
        session.add(tag)
        session.flush()
        session.add(SubscriberTag(subscriber_id=reader_id, tag_id=tag.id, at=NOW))
    session.flush()


def test_two_imports_of_the_same_people_at_once_make_one_of_each(database: Database) -> None:
    weekly = _weekly(database)
    with ThreadPoolExecutor(2) as pool:
        reports = [one.result() for one in [pool.submit(_import, database.transaction, weekly, _many()) for _ in "12"]]
    assert sum(one.added for one in reports) == ROWS
    assert sum(one.already for one in reports) == ROWS
    with database.reading() as session:
        assert len(session.exec(select(Consent.id)).all()) == ROWS


def test_a_list_of_suppressed_people_is_not_touched(database: Database) -> None:
    """Without being asked, an import suppresses nobody and leaves nobody's row behind."""
    weekly = _weekly(database)
    report = _import(database.transaction, weekly, "email,status\na@example.org,cleaned\nb@example.org,unsubscribed\n")
    assert (report.kept_out_suppressed, report.kept_out_left, report.recorded) == (1, 1, 0)
    with database.reading() as session:
        assert session.exec(select(Subscriber)).all() == []
        assert session.exec(select(Suppression)).all() == []


def test_a_consent_statement_is_needed_for_a_look_too(sqlite_database: Database) -> None:
    with pytest.raises(TransferError, match="Say where"):
        import_csv(
            sqlite_database.transaction,
            io.StringIO("email\na@example.org\n"),
            list_id=_weekly(sqlite_database),
            consent="",
            source="x.csv",
            now=NOW,
            options=Options(dry_run=True, limit=1),
        )


# ---------------------------------------------------------------- how readers want to be written to


def _chosen(session: Session) -> dict[str, tuple[object, ...]]:
    rows = session.exec(select(Subscriber, Subscription).join(Subscription)).all()
    return {
        reader.address.partition("@")[0]: (reader.language, reader.text_only, reader.paused_until, on.monthly)
        for reader, on in rows
    }


_CHOSEN = "email,language,text_only,paused_until,monthly\n"


@pytest.mark.parametrize("update", [False, True])
def test_how_readers_want_to_be_written_to_comes_in_for_new_ones(database: Database, update: bool) -> None:
    """And for those we know when that is asked; an empty cell changes nothing, and no pause that is over comes in."""
    weekly = _weekly(database)
    first = "ann@example.org,de,yes,2026-12-24T01:00:00+01:00,yes\nbob@example.org,Deutsch,,2026-11-22T06:59,no\n"
    assert _import(database.transaction, weekly, _CHOSEN + first).added == 2
    pause = datetime(2026, 12, 24, tzinfo=UTC)
    with database.reading() as session:
        assert _chosen(session) == {"ann": ("de", True, pause, True), "bob": ("", False, None, False)}
    again = import_csv(
        database.transaction,
        io.StringIO(f"{_CHOSEN}ann@example.org,uk,no,,no\nbob@example.org,,1,2027-01-01,\ncy@example.org,,,,true\n"),
        list_id=weekly,
        consent=STATEMENT,
        source="readers.csv",
        now=NOW + timedelta(hours=1),
        options=Options(update=update),
    )
    assert (again.added, again.already) == (1, 2)
    known: dict[str, tuple[object, ...]] = {"ann": ("de", True, pause, True), "bob": ("", False, None, False)}
    if update:
        known = {"ann": ("uk", False, pause, False), "bob": ("", True, datetime(2027, 1, 1, tzinfo=UTC), False)}
    with database.reading() as session:
        assert _chosen(session) == known | {"cy": ("", False, None, True)}


def test_what_cannot_be_told_of_how_to_write_is_refused(sqlite_database: Database) -> None:
    rows = "a@example.org,,perhaps,,\nb@example.org,,,soon,\nc@example.org,,,,weekly\nd@example.org,,,0001-01-01T00:00+14:00,\n"
    report = _import(sqlite_database.transaction, _weekly(sqlite_database), _CHOSEN + rows)
    assert [one.reason for one in report.rejected] == [
        "`text_only` says 'perhaps'; write yes or no.",
        "`paused_until` says 'soon'; write a time such as 2026-11-30T07:00.",
        "`monthly` says 'weekly'; write yes or no.",
        "`paused_until` says '0001-01-01T00:00+14:00'; write a time such as 2026-11-30T07:00.",
    ]


_CHOICE = st.tuples(
    st.sampled_from(["", "de", "zh-Hant", "ar"]),
    st.booleans(),
    st.none() | st.integers(1, 10_000).map(lambda hours: NOW + timedelta(hours=hours)),
    st.booleans(),
)


@given(people=st.lists(_CHOICE, max_size=4))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_how_readers_want_to_be_written_to_comes_back(
    database: Database, people: list[tuple[str, bool, datetime | None, bool]]
) -> None:
    with database.connect() as connection, Session(connection) as session:
        connection.info["write"] = True
        weekly = add_list(session, "weekly", "Weekly", NOW).id
        for number, (language, text_only, paused_until, monthly) in enumerate(people):
            row = f"r{number}@example.org"
            reader = Subscriber(address=row, address_key=row, created_at=NOW, language=language)
            reader.text_only, reader.paused_until = text_only, paused_until
            session.add(reader)
            session.flush()
            on = Subscription(
                subscriber_id=reader.id, list_id=weekly, state=SubscriptionState.CONFIRMED, requested_at=NOW,
                changed_at=NOW, monthly=monthly,
            )  # fmt: skip
            session.add(on)
        session.flush()
        before = _chosen(session)
        lines = io.StringIO()
        export_json_lines(session, weekly, lines)
        content = _export(session, weekly)
        for table in (Subscription, Subscriber):
            session.exec(delete(table))
        session.expire_all()
        report = _import(lambda: nullcontext(session), weekly, content)
        after = _chosen(session)
        session.rollback()
        connection.info.pop("write")
    assert (report.added, report.rejected) == (len(people), ())
    assert after == before
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(one["language"], one["text_only"], one["monthly"]) for one in told] == [
        (one[0], one[1], one[3]) for one in people
    ]
