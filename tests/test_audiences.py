"""Whom an edition goes to of its list: set with a count, kept in the newsroom file, and never made unclear."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from newsletter.cli.base import FAILED, USAGE
from newsletter.db import Database
from newsletter.delivery.history import histories
from newsletter.models import Chunk, ChunkState, Issue, IssueState
from subscribers.models import Subscriber, Subscription
from subscribers.segments import named_in
from tests.builders import NOW, populated
from tests.test_cli import Run
from tests.test_privacy_commands import installation, run

__all__ = ["installation", "run"]


def tagged(run: Run) -> None:
    run("subscriber", "tag", "bob@example.org", "--add", "Staff", "--yes")


def edition_of(run: Run) -> str:
    slug: str = json.loads(run("edition", "list", "--json").out)[0]["slug"]
    return slug


def test_an_audience_is_counted_when_it_is_set(run: Run) -> None:
    """Exclude lists, point 6: `-tag:staff`, `-list:internal`."""
    tagged(run)
    slug = edition_of(run)
    said = run("edition", "set", slug, "--audience", "-tag:staff").out
    assert "Of 2 readers 1 get it. Readers who " in said
    assert "Of 2 readers 1 get it." in run("edition", "show", slug).out
    shown = json.loads(run("edition", "show", slug, "--json").out)
    assert (shown["audience"], shown["reach"]["readers"], shown["reach"]["meant"]) == ("-tag:staff", 2, 1)
    assert "Of 2 readers 2 get it." in run("edition", "set", slug, "--audience", "").out


def test_who_is_on_another_list_can_be_left_out(run: Run) -> None:
    run("list", "add", "internal", "Colleagues")
    run("subscriber", "add", "bob@example.org", "--list", "internal", "--consent", "Contract")
    assert "Of 2 readers 1 get it." in run("edition", "set", edition_of(run), "--audience", "-list:internal").out


@pytest.mark.parametrize(
    ("audience", "says"),
    [("-tag:nobody", "there is no tag called"), ("-tag", "say which tag"), ("list:(", "")],
)
def test_a_line_that_nobody_understands_is_refused(run: Run, audience: str, says: str) -> None:
    slug = edition_of(run)
    said = run("edition", "set", slug, "--audience", audience, code=FAILED)
    assert f"Edition {slug}: audience:" in said.err
    assert says in said.err
    assert json.loads(run("edition", "show", slug, "--json").out)["audience"] == ""


def test_the_newsroom_file_carries_audience_and_monthly(run: Run, tmp_path: Path) -> None:
    tagged(run)
    slug = edition_of(run)
    run("edition", "set", slug, "--audience", "-tag:staff", "--monthly")
    run("export", "out.toml")
    text = (tmp_path / "out.toml").read_text(encoding="utf-8")
    assert 'audience = "-tag:staff"' in text
    assert "monthly = true" in text
    assert "Nothing to change" in run("apply", "out.toml").out
    run("edition", "set", slug, "--no-monthly", "audience=")
    said = run("apply", "out.toml").out
    assert "audience: '' -> '-tag:staff'" in said
    assert "monthly: False -> True" in said


def test_nothing_to_set_is_said(run: Run) -> None:
    assert "say what to change" in run("edition", "set", edition_of(run), code=USAGE).err


def test_what_an_audience_names_can_neither_go_nor_be_renamed(run: Run) -> None:
    """Else nobody could tell whom the edition goes to, and it would go to nobody."""
    tagged(run)
    run("field", "add", "town")
    run("list", "add", "internal", "Colleagues")
    slug = edition_of(run)
    audience = "(-tag:Staff or field:town=Ely) -list:internal"
    run("edition", "set", slug, f"audience={audience}")
    for words in (
        ("subscriber", "tags", "delete", "staff", "--yes"),
        ("subscriber", "tags", "rename", "staff", "colleague"),
        ("field", "remove", "town", "--yes"),
        ("list", "rename", "internal", "--short", "colleagues", "--yes"),
    ):
        said = run(*words, code=FAILED).err
        assert f"says who gets {slug}" in said
        assert f"newsletter edition set {slug} --audience" in said
    run("edition", "set", slug, "--audience", "")
    run("subscriber", "tags", "delete", "staff", "--yes")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("-tag:Staff", {("tag", "staff")}),
        ('list:a,b (tag:"vip 2024" or -field:town=Ely)', {("list", "a"), ("list", "b"), ("tag", "vip 2024"), ("field", "town")}),
        ("no-name clicked:90d", set()),
        ("tag:(", set()),
    ],
)  # fmt: skip
def test_what_a_segment_names(text: str, named: set[tuple[str, str]]) -> None:
    assert named_in(text) == named


def test_who_did_not_get_it_is_told_why(sqlite_database: Database) -> None:
    """`issue who-got-it` knows what readers and editions chose: a pause, one issue a month, an audience."""
    made = populated(sqlite_database, readers=4, audience="no-name", monthly=True)
    with sqlite_database.transaction() as session:
        first, second = (
            Issue(
                edition_id=made.edition_id, week=f"2026-W{week}", state=state, expected=1, content_hash="x",
                send_at=NOW, drafted_at=NOW, approved_at=NOW, sending_since=NOW,
            )
            for week, state in ((45, IssueState.SENT), (46, IssueState.SENT))
        )  # fmt: skip
        session.add_all([first, second])
        session.flush()
        for one in (first, second):
            session.add(Chunk(issue_id=one.id, n=0, state=ChunkState.DONE))
            session.flush()
        people = session.exec(select(Subscriber).order_by(col(Subscriber.id))).all()
        people[0].paused_until = NOW + timedelta(days=9)
        people[1].name = "Bob"
        monthly = session.exec(select(Subscription).where(Subscription.subscriber_id == people[2].id)).one()
        monthly.monthly = True
        session.add_all([*people, monthly])
        session.flush()
        answers = [histories(session, second, one.address, NOW)[0].answer for one in people]
    assert answers == [
        "not in the audience: asked for a pause, until 2026-11-28 12:00 UTC",
        "not in the audience: fen-weekly goes to others of its list: its audience is 'no-name'",
        "not in the audience: asked for one issue a month, and this is not its first",
        "not in the audience: on the list since 2026-11-10 12:00 UTC, but could not be written to when the readers were "
        "chosen on 2026-11-19 12:00 UTC",
    ]
