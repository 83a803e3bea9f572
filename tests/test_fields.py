"""Fields: what a newsroom asks, and what is kept of the answers."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from newsletter.db import Database
from subscribers import fields
from subscribers.models import FieldKind, ReaderField
from tests.builders import newsroom, reader

TOWN = ReaderField(slug="town", label="Town", kind=FieldKind.TEXT)
REGION = ReaderField(slug="region", label="Region", kind=FieldKind.CHOICE, choices=["Lviv", "Київ"])
BORN = ReaderField(slug="born", label="Born", kind=FieldKind.DATE)


@pytest.mark.parametrize(
    ("field", "text", "kept"),
    [
        (TOWN, " New \u202e York\n", "New York"),
        (TOWN, "=cmd()", "=cmd()"),
        (TOWN, "  ", ""),
        (REGION, "lviv", "Lviv"),
        (REGION, "київ ", "Київ"),
        (REGION, "", ""),
        (BORN, "1980-02-29", "1980-02-29"),
        (BORN, " ", ""),
    ],
)
def test_an_answer_is_kept_in_one_form(field: ReaderField, text: str, kept: str) -> None:
    assert fields.value_of(field, text) == kept


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        (TOWN, "x" * 501, "more than 500 characters"),
        (REGION, "Paris", "choose one of Lviv, Київ"),
        (BORN, "29.02.1980", "such as 2026-11-30"),
        (BORN, "1981-02-29", "such as 2026-11-30"),
        (BORN, "١٩٨٠-٠٢-٢٩", "such as 2026-11-30"),
    ],
)
def test_what_a_field_does_not_take_is_refused_without_repeating_it(field: ReaderField, text: str, reason: str) -> None:
    with pytest.raises(fields.InvalidValue) as caught:
        fields.value_of(field, text)
    assert reason in caught.value.reason
    assert text not in str(caught.value)


def made(session: Session) -> tuple[int, ReaderField, ReaderField]:
    """Add a reader, a text and a choice; return the reader's id and the two."""
    person = reader(session, newsroom(session), "ann@example.org").subscriber_id
    town = fields.add_field(session, "town", label="", kind=FieldKind.TEXT)
    region = fields.add_field(session, "region", label="Region", kind=FieldKind.CHOICE, choices=["Lviv", "Kyiv"])
    return person, town, region


def test_what_a_reader_says_last_is_kept(database: Database) -> None:
    with database.transaction() as session:
        person, town, region = made(session)
        fields.say(session, person, region, "kyiv")
        for said in ("Ely", "March"):
            fields.say(session, person, town, said)
        assert list(fields.values_of(session, person).items()) == [("town", "March"), ("region", "Kyiv")]
        fields.say(session, person, town, " ")
        assert fields.values_of(session, person) == {"region": "Kyiv"}
        assert (fields.count_answers(session, region.id), fields.count_values(session, region.id)) == (1, {"Kyiv": 1})


def test_a_field_is_changed_moved_and_removed(database: Database) -> None:
    with database.transaction() as session:
        person, town, region = made(session)
        fields.say(session, person, region, "Kyiv")
        changed = fields.set_field(session, "region", choices=["Odesa", "Kyiv"], required=True, position=1)
        assert (changed.choices, changed.required, changed.label) == (["Odesa", "Kyiv"], True, "Region")
        assert [one.slug for one in fields.fields(session)] == ["region", "town"]
        with pytest.raises(fields.InvalidField, match="1 reader chose 'Kyiv' in region"):
            fields.set_field(session, "region", choices=["Odesa", "Lviv"])
        assert fields.remove_field(session, "region") == 1
        assert fields.values_of(session, person) == {}
        with pytest.raises(fields.UnknownField, match=r"no field called 'region'\. There are: town"):
            fields.get_field(session, "region")
        assert town.label == "Town"
