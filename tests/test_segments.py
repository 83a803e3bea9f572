"""Segments: what a line means, that the database finds exactly those readers, and that no text breaks anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from newsletter import engagement
from newsletter.db import Database
from subscribers import segments
from subscribers.models import (
    FieldKind,
    FieldValue,
    ReaderField,
    Subscriber,
    SubscriberTag,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
    Tag,
)
from subscribers.segments import ExtraTerm, SegmentError
from subscribers.segments.parsing import Either, Every, Node, Not, Term, parse
from tests.builders import add_list
from tests.databases import created_database

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
LISTS = ("weekly", "europe", "fen-north")
TAGS = ("donor", "staff", "vip 2024")
TOWNS = ("Lviv", "Ely", "Київ", "New York")
COLOURS = ("Red", "Green")
DAYS = tuple(date(2026, 1, 1) + timedelta(days=number) for number in range(0, 320, 40))
DOMAINS = ("example.org", "mail.example.org", "xn--mnchen-3ya.example")
READERS = 300


@dataclass
class Reader:
    """What the tests know of one reader."""

    address: str
    name: str
    blocked: SuppressionReason | None
    lists: dict[str, tuple[SubscriptionState, datetime, datetime]] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    fields: dict[str, str] = field(default_factory=dict)


def invented(random: Random, number: int) -> Reader:
    """Return a reader whose facts lie on the edges that segments ask about."""
    one = Reader(
        f"r{number}@{random.choice(DOMAINS)}",
        random.choice(("", f"Reader {number}")),
        random.choice((None, None, None, *SuppressionReason)),
    )
    for slug in LISTS:
        if random.random() < 0.6:
            one.lists[slug] = (random.choice(list(SubscriptionState)), _time(random), _time(random))
    one.tags = {tag for tag in TAGS if random.random() < 0.3}
    for slug, values in (("town", TOWNS), ("colour", COLOURS), ("born", tuple(day.isoformat() for day in DAYS))):
        if random.random() < 0.6:
            one.fields[slug] = random.choice(values)
    return one


def _time(random: Random) -> datetime:
    day = random.choice(DAYS)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + random.choice(
        [timedelta(0), timedelta(hours=24) - timedelta(microseconds=1), timedelta(hours=7)]
    )


class Stored:
    """Readers in a database, and the same in memory."""

    def __init__(self, database: Database) -> None:
        self.database = database
        random = Random(6)
        self.readers = [invented(random, number) for number in range(READERS)]
        with database.transaction() as session:
            lists = {slug: add_list(session, slug, slug.title(), NOW).id for slug in LISTS}
            tags = [Tag(name=name) for name in TAGS]
            fields = [
                ReaderField(slug="town", label="Your town", kind=FieldKind.TEXT),
                ReaderField(slug="colour", label="Colour", kind=FieldKind.CHOICE, choices=list(COLOURS)),
                ReaderField(slug="born", label="Born", kind=FieldKind.DATE),
            ]
            session.add_all([*tags, *fields])
            session.flush()
            ids = {tag.name: tag.id for tag in tags} | {one.slug: one.id for one in fields}
            for one in self.readers:
                _store(session, one, lists, ids)

    def found(self, text: str) -> list[str]:
        """Return the addresses that the database finds, each as often as it is in the result."""
        with self.database.reading() as session:
            ids = segments.readers(session, text, EXTRA, now=NOW).subquery()
            query = select_columns(col(Subscriber.address)).join(ids, ids.c.reader_id == col(Subscriber.id))
            found = sorted(session.execute(query).scalars())
            assert segments.count(session, text, EXTRA, now=NOW) == len(found)
            assert segments.explain(session, text, EXTRA, now=NOW).startswith("Readers who ")
        return found

    def meant(self, text: str) -> list[str]:
        """Return the addresses that a plain reading of the text means."""
        return sorted(one.address for one in self.readers if means(parse(text), one))


def _store(session: Session, one: Reader, lists: dict[str, int], ids: dict[str, int]) -> None:
    row = Subscriber(address=one.address, address_key=one.address, name=one.name, created_at=NOW)
    session.add(row)
    session.flush()
    for slug, (state, asked, changed) in one.lists.items():
        session.add(
            Subscription(subscriber_id=row.id, list_id=lists[slug], state=state, requested_at=asked, changed_at=changed)
        )
    session.add_all(SubscriberTag(subscriber_id=row.id, tag_id=ids[tag], at=NOW) for tag in one.tags)
    session.add_all(
        FieldValue(subscriber_id=row.id, field_id=ids[slug], value=said) for slug, said in one.fields.items()
    )
    if one.blocked:
        session.add(Suppression(address_key=one.address, reason=one.blocked, at=NOW))


#: A term of another package: readers whose number is divisible by the value.
EXTRA = {
    "every": ExtraTerm(
        lambda value: select_columns(col(Subscriber.id)).where(col(Subscriber.id) % _number(value) == 0),
        lambda value: f"have a number that {_number(value)} divides",
    )
}


def _number(value: str) -> int:
    if not value.isdecimal() or not value.isascii() or int(value) == 0:
        raise ValueError("write a number, such as every:3.")
    return int(value)


# The plain reading: the tree as the language's documentation says it, over one reader in memory.

_DATED = {"joined": SubscriptionState.CONFIRMED, "left": SubscriptionState.LEFT, "asked": SubscriptionState.PENDING}


def means(node: Node, one: Reader) -> bool:
    if isinstance(node, Either):
        return any(means(part, one) for part in node.parts)
    if isinstance(node, Not):
        return not means(node.part, one)
    parts = node.parts if isinstance(node, Every) else (node,)
    lists = [part for part in parts if isinstance(part, Term) and part.name == "list"]
    tied = [part for part in parts if isinstance(part, Term) and part.name in {"state", *_DATED}]
    rest = [part for part in parts if part not in lists and part not in tied]
    if not all(_about_reader(part, one) if isinstance(part, Term) else means(part, one) for part in rest):
        return False
    for named in lists:
        stands = [one.lists[slug] for slug in named.values if slug in one.lists]
        if not any(_fits(stand, tied, default=True) for stand in stands):
            return False
    return bool(lists) or not tied or any(_fits(stand, tied, default=False) for stand in one.lists.values())


def _fits(stand: tuple[SubscriptionState, datetime, datetime], tied: list[Term], *, default: bool) -> bool:
    state, asked, changed = stand
    if not tied:
        return not default or state is SubscriptionState.CONFIRMED
    for term in tied:
        if term.name == "state":
            if state not in term.values:
                return False
        elif state is not _DATED[term.name] or not _when(term, asked if term.name == "asked" else changed):
            return False
    return True


def _when(term: Term, at: datetime) -> bool:
    [value] = term.values
    if not term.comparison:
        return at >= NOW - timedelta(days=int(value.removesuffix("d")))
    return _compared(at.date().isoformat(), term.comparison, value)


def _compared(one: str, comparison: str, other: str) -> bool:
    return {"=": one == other, "<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[comparison]


def _about_reader(term: Term, one: Reader) -> bool:
    if term.name == "field":
        said = one.fields.get(term.key)
        if said is None or not term.comparison:
            return said is not None
        return any(_compared(said, term.comparison, value) for value in term.values)
    return {
        "tag": lambda: bool(one.tags & set(term.values)),
        "domain": lambda: (
            one.address.partition("@")[2] in {name.replace("münchen", "xn--mnchen-3ya") for name in term.values}
        ),
        "blocked": lambda: one.blocked in term.values if term.values else one.blocked is not None,
        "no-name": lambda: not one.name,
        "no-list": lambda: all(state is SubscriptionState.LEFT for state, *_ in one.lists.values()),
        "every": lambda: any((int(one.address[1:].partition("@")[0]) + 1) % int(value) == 0 for value in term.values),
    }[term.name]()


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


def _values(*choices: str) -> st.SearchStrategy[str]:
    some = st.lists(st.sampled_from(choices), min_size=1, max_size=2)
    return some.map(lambda values: ",".join(_quoted(value) for value in values))


_DATES = st.sampled_from([*DAYS, date(2026, 3, 2)]).map(date.isoformat)
_SIGNS = st.sampled_from(["<", "<=", "=", ">", ">="])
TERMS = st.one_of(
    _values(*LISTS).map("list:{}".format),
    _values(*SubscriptionState).map("state:{}".format),
    st.builds("{}{}{}".format, st.sampled_from(sorted(_DATED)), _SIGNS, _DATES),
    st.builds("{}:{}d".format, st.sampled_from(sorted(_DATED)), st.integers(1, 400)),
    _values(*TAGS).map("tag:{}".format),
    _values(*TOWNS).map("field:town={}".format),
    _values(*COLOURS).map("field:colour={}".format),
    st.builds("field:born{}{}".format, _SIGNS, _DATES),
    st.sampled_from(["field:town", "field:born", "no-name", "no-list", "blocked"]),
    _values(*SuppressionReason).map("blocked:{}".format),
    _values("example.org", "mail.example.org", "münchen.example").map("domain:{}".format),
    _values("2", "3").map("every:{}".format),
)


def _larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    bracketed = parts.map("({})".format)
    return st.one_of(
        st.lists(parts | bracketed, min_size=2, max_size=4).map(" ".join),
        st.builds("{} or {}".format, parts, parts),
        bracketed.map("-{}".format),
        TERMS.map("-{}".format),
    )


SEGMENTS = st.recursive(TERMS | TERMS.map("-{}".format), _larger, max_leaves=8)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    folder: Path = tmp_path_factory.mktemp("segments")
    with created_database(request.param, folder) as database:
        yield Stored(database)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=SEGMENTS)
def test_the_database_finds_exactly_the_readers_a_segment_means(stored: Stored, text: str) -> None:
    try:
        found = stored.found(text)
    except SegmentError as error:
        assume("other parentheses" not in error.sentence)
        raise
    assert found == stored.meant(text), text


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(max_size=60) | st.text(alphabet='lista:-()",=<>or 2d\0\ud800', max_size=40))
def test_any_text_is_a_segment_or_an_error_with_its_column(stored: Stored, text: str) -> None:
    try:
        stored.found(text)
    except SegmentError as error:
        caught = error
    else:
        return
    assert 1 <= caught.column <= len(text) + 1
    assert f"at column {caught.column}: " in str(caught)
    assert str(caught).encode()


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("", 1, "a condition is missing here"),
        ("   ", 4, "a condition is missing here"),
        ("tag:donor or", 13, "a condition is missing here"),
        ("(tag:donor", 1, "not closed"),
        ("tag:donor)", 10, "never opened"),
        ("()", 2, "a condition is missing here"),
        ("- tag:donor", 1, "directly before"),
        ("--tag:donor", 1, "directly before"),
        ("tag:", 5, "a value is missing"),
        ("tag:donor,", 11, "a value is missing"),
        ('tag:"donor', 5, "quotation mark is not closed"),
        ('tag:" "', 5, "nothing between"),
        ('tag:"donor"staff', 12, "a space is missing"),
        ("tag:don(or)", 8, "a space is missing"),
        ("list:weekly tag:donnor", 13, "Did you mean donor?"),
        ("list:nowhere", 1, "There are: europe, fen-north, weekly."),
        ("state:gone", 1, "There are: confirmed, left, pending."),
        ("field:twon=Ely", 1, "there is no field called 'twon'. Did you mean town?"),
        ("field:colour=Blue", 1, "there is no choice in colour called 'Blue'"),
        ("field:town<Ely", 1, "only dates come before or after"),
        ("field:born<1990", 1, "'1990' is no date"),
        ("field:born<2026-02-30", 1, "'2026-02-30' is no date"),
        ("field:=1", 7, "the field's name is missing"),
        ("joined:soon", 1, "joined:30d"),
        ("joined", 1, "joined>2026-01-31"),
        ("no-name:x", 1, "stands alone"),
        ("tag>donor", 1, "tag:donor"),
        ("domain:nothing", 1, "no domain of addresses"),
        ("tag:donor and tag:staff", 11, "leave it out"),
        ("not tag:donor", 1, "write a hyphen"),
        ("clicked:90d", 1, "no condition called `clicked`"),
        ("every:0", 1, "write a number"),
        ("list:weekly (tag:donor or state:left)", 27, "write the list here, too"),
        ("state:left (list:weekly or tag:donor)", 1, "write it beside the list"),
        ("(" * 30 + "no-name" + ")" * 30, 21, "nested"),
        ("no-name " * 41, 321, "at most 40 conditions"),
        ("no-name " * 500, 2001, "longer than 2000"),
        ("tag:do\0nor", 5, "control character"),
        ("tag:\ud800", 5, "control character"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_column(sqlite_stored: Stored, text: str, column: int, sentence: str) -> None:
    with pytest.raises(SegmentError) as caught:
        sqlite_stored.found(text)
    assert (caught.value.column, sentence in caught.value.sentence) == (column, True), str(caught.value)


@pytest.fixture(scope="module")
def sqlite_stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    with created_database("sqlite", tmp_path_factory.mktemp("mistakes")) as database:
        yield Stored(database)


def test_the_error_points_at_the_mistake(sqlite_stored: Stored) -> None:
    with pytest.raises(SegmentError) as caught:
        sqlite_stored.found("list:weekly tag:donnor")
    assert str(caught.value).splitlines()[1:] == ["  list:weekly tag:donnor", "              ^"]


def test_ages_need_a_time_to_count_back_from(sqlite_stored: Stored) -> None:
    with sqlite_stored.database.reading() as session, pytest.raises(SegmentError, match="ages cannot be used here"):
        segments.count(session, "joined:30d")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("list:weekly", "Readers who are on the list weekly."),
        (
            "list:weekly,europe state:pending,left -tag:staff",
            "Readers who asked for and have not confirmed or left the list weekly or europe "
            "and are not among those who have the tag staff.",
        ),
        (
            "list:weekly joined>2026-01-31 joined<=2026-02-28",
            "Readers who are on the list weekly, since 2026-02-01 00:00 (UTC), before 2026-03-01 00:00 (UTC).",
        ),
        (
            "field:town=lviv,Ely (no-name or blocked:bounce) field:born<1990-01-01 field:colour=red",
            "Readers who said in “Your town” “lviv” or “Ely” and said in “Born” a date before 1990-01-01 "
            "and said in “Colour” “Red” and (have no name or are blocked (bounce)).",
        ),
        ("domain:münchen.example every:2", "Readers who have an address at xn--mnchen-3ya.example and have a number that 2 divides."),
        ("no-list left:2d", "Readers who left any list, since 2026-11-20 07:00 (UTC) and are on no list and wait for none."),
    ],
)  # fmt: skip
def test_a_segment_is_said_in_words(sqlite_stored: Stored, text: str, words: str) -> None:
    with sqlite_stored.database.reading() as session:
        assert set(segments.explain(session, text, EXTRA, now=NOW).rstrip(".").split()) == set(
            words.rstrip(".").split()
        )


@pytest.mark.parametrize("value", ["Lviv' OR '1'='1", "Lviv\\", "%", "_", "x'); DROP TABLE subscriber; --"])
def test_values_reach_the_database_only_as_parameters(stored: Stored, value: str) -> None:
    """Threat 24."""
    said: list[str] = []
    with stored.database.reading() as session:
        engine = session.connection().engine
        event.listen(engine, "before_cursor_execute", lambda *words: said.append(words[2]))
        assert segments.count(session, f'field:town="{value}"') == 0
        assert session.exec(select(Subscriber.id).limit(1)).one()
    assert said
    assert len(value) == 1 or not any(value in statement for statement in said)


def test_a_domain_is_matched_whole(stored: Stored) -> None:
    assert {one.partition("@")[2] for one in stored.found("domain:example.org")} == {"example.org"}
    assert stored.found("domain:example.org,mail.example.org -domain:mail.example.org") == stored.found(
        "domain:@Example.ORG"
    )


def test_every_word_that_the_handbook_names_is_understood() -> None:
    page = (Path(__file__).parent.parent / "docs/operate.md").read_text(encoding="utf-8")
    table = page.partition("### Segments")[2].partition("\n## ")[0]
    words = [
        word for line in table.splitlines() if line.startswith("| `") for word in line.split("|")[1].split("`")[1::2]
    ]
    names = {node.name for word in words for node in [parse(word)] if isinstance(node, Term)}
    assert names == {
        "list", "joined", "left", "asked", "state", "tag", "field", "domain", "blocked", "no-name", "no-list",
        *engagement.terms(NOW),
    }  # fmt: skip
