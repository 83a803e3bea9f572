"""The provider's list of suppressed addresses and ours, both ways (trust 1.4: a reader who comes back is dropped)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from newsletter.cli import suppression as commands
from newsletter.cli.base import options
from newsletter.db import Database
from newsletter.errors import ProviderRefused
from newsletter.feedback import Plan, Step, agree, plan_agreement, take_in
from newsletter.feedback.agreeing import Reader, decide
from newsletter.mail import Kind
from newsletter.providers.events import Suppressed
from subscribers import suppression
from subscribers.models import SubscriptionState, SuppressionReason
from tests.builders import NOW
from tests.reported import Out, out

HOUR = timedelta(hours=1)
BOUNCED, COMPLAINED, UNSUBSCRIBED = Kind.BOUNCED, Kind.COMPLAINED, Kind.UNSUBSCRIBED
BLOCKED, OTHER = Kind.BLOCKED, Kind.OTHER
BOUNCE, COMPLAINT, MANUAL = SuppressionReason.BOUNCE, SuppressionReason.COMPLAINT, SuppressionReason.MANUAL
NOTHING, SUPPRESS, LEAVE, LIFT, LIFT_BOTH = Step.NOTHING, Step.SUPPRESS, Step.LEAVE, Step.LIFT, Step.LIFT_BOTH
ON = Reader(1, on_since=(NOW - 9 * HOUR,))
BACK = replace(ON, on_since=(NOW + HOUR,), confirmed_at=NOW + HOUR)
DROPPED = "dropped, reported by house: Bounced Address"


@dataclass
class House:
    """A provider with a list of its own."""

    entries: list[Suppressed] = field(default_factory=list)
    lifted: list[str] = field(default_factory=list)
    broken: bool = False

    def suppressed(self, since: datetime | None) -> Iterator[Suppressed]:
        if self.broken:
            raise ProviderRefused("house", "The key may not read the list.")
        yield from self.entries

    def lift(self, address: str) -> bool:
        if self.broken:
            raise ProviderRefused("house", "The key may not change the list.")
        known = any(entry.address == address for entry in self.entries)
        self.entries = [entry for entry in self.entries if entry.address != address]
        self.lifted.append(address)
        return known

    def add(self, number: int, kind: Kind, at: datetime = NOW, detail: str = "as it said") -> None:
        """Add a reader of the issue to the list."""
        self.entries.append(Suppressed(f"r{number}@example.org", kind, at, detail))


@pytest.mark.parametrize(
    ("kind", "reader", "step"),
    [
        (BOUNCED, ON, SUPPRESS),
        (COMPLAINED, ON, SUPPRESS),
        (OTHER, ON, SUPPRESS),
        (BLOCKED, ON, NOTHING),
        (UNSUBSCRIBED, ON, LEAVE),
        (UNSUBSCRIBED, replace(ON, on_since=()), NOTHING),
        (UNSUBSCRIBED, replace(ON, reason=BOUNCE), LEAVE),
        (BOUNCED, replace(ON, on_since=()), SUPPRESS),
        (BOUNCED, replace(ON, reason=BOUNCE), NOTHING),
        (BOUNCED, replace(ON, reason=MANUAL), NOTHING),
        (BOUNCED, replace(ON, confirmed_at=NOW), SUPPRESS),
        (BOUNCED, replace(ON, confirmed_at=NOW - HOUR), SUPPRESS),
        (BOUNCED, BACK, LIFT),
        (COMPLAINED, BACK, LIFT),
        (UNSUBSCRIBED, BACK, LIFT),
        (BLOCKED, BACK, NOTHING),
        (BOUNCED, replace(BACK, on_since=()), SUPPRESS),
        (BOUNCED, replace(BACK, reason=BOUNCE, note="bounced, reported by house: 550"), NOTHING),
        (BOUNCED, replace(BACK, reason=BOUNCE, note=DROPPED), LIFT_BOTH),
        (BOUNCED, replace(BACK, reason=MANUAL, note=DROPPED), NOTHING),
        (BOUNCED, replace(ON, seen=True), LIFT),
        (BOUNCED, replace(ON, seen=True, on_since=()), NOTHING),
        (BOUNCED, replace(ON, seen=True, reason=BOUNCE), NOTHING),
        (BOUNCED, replace(ON, told_at=NOW - HOUR / 2), LIFT),
        (BOUNCED, replace(ON, told_at=NOW + 9 * HOUR), LIFT),
        (BOUNCED, replace(ON, told_at=NOW - 2 * HOUR), SUPPRESS),
    ],
)
def test_what_is_done_about_an_entry(kind: Kind, reader: Reader, step: Step) -> None:
    decided, why = decide(Suppressed("r1@example.org", kind, NOW), reader, "house")
    assert decided is step
    assert why


def _sync(issue: Out, house: House, now: datetime = NOW + HOUR) -> tuple[Plan, dict[Step, int]]:
    plan = plan_agreement(issue.db, house, "house")
    return plan, dict(agree(issue.db, house, "house", plan, now))


def test_what_the_provider_found_out_comes_to_us(database: Database) -> None:
    issue, house = out(database, 6), House()
    for number, kind in enumerate((BOUNCED, COMPLAINED, UNSUBSCRIBED, BLOCKED, OTHER)):
        house.add(number, kind)
    house.entries.append(Suppressed("stranger@example.org", BOUNCED, NOW))
    house.entries.append(Suppressed(" R0@Example.org", OTHER, NOW))
    before = issue.dump()
    plan = plan_agreement(database, house, "house")
    assert issue.dump() == before
    assert plan.strangers == 1
    assert [one.step for one in plan.changes] == [SUPPRESS, SUPPRESS, LEAVE, SUPPRESS, SUPPRESS]
    assert agree(database, house, "house", plan, NOW + HOUR) == {SUPPRESS: 4, LEAVE: 1}
    found = {key: (row.reason, row.note, row.at) for key, row in issue.suppressions().items()}
    assert found == {
        "r0@example.org": (BOUNCE, "bounced, reported by house", NOW),
        "r1@example.org": (COMPLAINT, "complained, reported by house: as it said", NOW),
        "r4@example.org": (BOUNCE, "bounced, reported by house: as it said", NOW),
    }
    states = [issue.subscription(number).state for number in range(4)]
    left, on = SubscriptionState.LEFT, SubscriptionState.CONFIRMED
    assert states == [on, left, left, on]
    assert house.lifted == []
    after = issue.dump()
    again, done = _sync(issue, house)
    assert (again.changes, done) == ([], {})
    assert issue.dump() == after


def test_who_confirmed_since_is_lifted_at_the_provider(database: Database) -> None:
    issue, house = out(database, 3), House()
    for number in (0, 1, 2):
        house.add(number, BOUNCED)
    issue.confirmed_at(0, NOW + HOUR)
    issue.confirmed_at(1, NOW - HOUR)
    _, done = _sync(issue, house)
    assert done == {LIFT: 1, SUPPRESS: 2}
    assert house.lifted == ["r0@example.org"]
    assert sorted(issue.suppressions()) == ["r1@example.org", "r2@example.org"]


def test_who_was_lifted_here_by_an_admin_is_lifted_there(database: Database) -> None:
    """Whether we had it from the list or from a report."""
    issue, house = out(database, 3), House()
    for number in (0, 1, 2):
        house.add(number, BOUNCED)
    take_in(database, "house", [issue.event(1, BOUNCED, at=NOW - HOUR / 2)], NOW)
    assert _sync(issue, house)[1] == {SUPPRESS: 2}
    with database.transaction() as session:
        for number in (0, 1):
            assert suppression.lift(session, f"r{number}@example.org")
    assert _sync(issue, house)[1] == {LIFT: 2}
    assert house.lifted == ["r0@example.org", "r1@example.org"]
    house.add(0, BOUNCED, NOW + 9 * HOUR)
    assert _sync(issue, house)[1] == {SUPPRESS: 1}


def test_a_reader_who_came_back_and_was_dropped_gets_mail_again(database: Database) -> None:
    """Trust 1.4: the provider drops a reader for an old bounce; its list tells that it was before they confirmed."""
    issue, house = out(database, 2), House()
    house.add(0, BOUNCED, NOW - 99 * HOUR)
    issue.confirmed_at(0, NOW - HOUR)
    taken = take_in(database, "house", [issue.event(0, Kind.DROPPED, detail="Bounced Address")], NOW)
    assert taken.suppressed == 1
    assert _sync(issue, house)[1] == {LIFT_BOTH: 1}
    assert (house.lifted, issue.suppressions()) == (["r0@example.org"], {})


def test_what_changed_since_the_plan_is_not_done(database: Database) -> None:
    """Between showing a plan and doing it a person may confirm, or be suppressed for another reason."""
    issue, house = out(database, 2), House()
    for number in (0, 1):
        house.add(number, BOUNCED)
    plan = plan_agreement(database, house, "house")
    issue.confirmed_at(0, NOW + HOUR)
    assert agree(database, house, "house", plan, NOW + HOUR) == {SUPPRESS: 1}
    assert list(issue.suppressions()) == ["r1@example.org"]
    assert _sync(issue, house)[1] == {LIFT: 1}


def test_a_provider_that_does_not_lift_says_so_and_loses_nothing(database: Database) -> None:
    issue, house = out(database, 2), House()
    for number in (0, 1):
        house.add(number, BOUNCED)
    issue.confirmed_at(0, NOW + HOUR)
    plan = plan_agreement(database, house, "house")
    house.broken = True
    with pytest.raises(ProviderRefused, match="may not change"):
        agree(database, house, "house", plan, NOW + HOUR)
    assert list(issue.suppressions()) == ["r1@example.org"]
    with pytest.raises(ProviderRefused, match="may not read"):
        plan_agreement(database, house, "house")
    house.broken = False
    assert _sync(issue, house)[1] == {LIFT: 1}


def test_a_long_list_is_taken_over_in_portions(sqlite_database: Database) -> None:
    issue, house = out(sqlite_database, 1_203), House()
    for number in range(1_203):
        house.add(number, BOUNCED)
    assert _sync(issue, house)[1] == {SUPPRESS: 1_203}
    assert len(issue.suppressions()) == 1_203


#: What the command below talks to; a provider of one's own is made by its import path.
HOUSE = House()


class Pigeons:
    """The house as a provider for the settings: it carries nothing."""

    chunk_size = 1

    def send(self, mail: object, recipients: object) -> list[object]:
        return []

    def suppressed(self, since: datetime | None) -> Iterator[Suppressed]:
        return HOUSE.suppressed(since)

    def lift(self, address: str) -> bool:
        return HOUSE.lift(address)


@pytest.fixture
def settings_file(sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings for a database of which the schema is up to date."""
    sqlite_database.close()
    (tmp_path / "newsletter.db").unlink()
    sqlite_database.upgrade()
    file = tmp_path / "newsletter.toml"
    use = f"{__name__}:Pigeons"
    file.write_text(f'database = "{sqlite_database.url}"\n[provider]\nuse = "{use}"\n', encoding="utf-8")
    monkeypatch.setattr(options, "config", file)
    monkeypatch.setattr(HOUSE, "entries", [])
    monkeypatch.setattr(HOUSE, "lifted", [])
    return file


def test_the_command_shows_first_and_acts_when_told(settings_file: Path, sqlite_database: Database) -> None:
    issue, run = out(sqlite_database, 3), CliRunner()
    HOUSE.add(0, BOUNCED, detail="550 no such user")
    HOUSE.add(1, BOUNCED)
    issue.confirmed_at(1, datetime.now(NOW.tzinfo))
    shown = run.invoke(commands.commands, ["sync", "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert "r0@example.org\tsuppress" in shown.output
    assert "550 no such user" in shown.output
    assert "Nothing was changed" in shown.output
    refused = run.invoke(commands.commands, ["sync"])
    assert refused.exit_code == 1
    assert "--yes" in refused.output
    assert issue.suppressions() == {}
    planned = json.loads(run.invoke(commands.commands, ["sync", "--dry-run", "--json"]).output)
    assert [(one["address"], one["step"]) for one in planned["planned"]] == [
        ("r0@example.org", "suppress"),
        ("r1@example.org", "lift"),
    ]
    done = run.invoke(commands.commands, ["sync", "--yes", "--json"])
    assert json.loads(done.output)["done"] == {"suppress": 1, "lift": 1}
    assert (list(issue.suppressions()), HOUSE.lifted) == (["r0@example.org"], ["r1@example.org"])
    assert "0 to change" in run.invoke(commands.commands, ["sync", "--yes"]).output


def test_the_command_lists_who_is_suppressed(settings_file: Path, sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session:
        suppression.suppress(session, "a@example.org", BOUNCE, "550", NOW)
        suppression.suppress(session, "b@example.org", MANUAL, "by telephone", NOW + HOUR)
    run = CliRunner()
    lines = run.invoke(commands.commands, ["list"]).output.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [["b@example.org", "manual"], ["a@example.org", "bounce"]]
    only = run.invoke(commands.commands, ["list", "--reason", "bounce", "--json"])
    assert [one["address_key"] for one in json.loads(only.output)] == ["a@example.org"]
    assert "There is no reason" in str(run.invoke(commands.commands, ["list", "--reason", "bounces"]).exception)


def test_a_provider_without_a_list_says_so(settings_file: Path, sqlite_database: Database) -> None:
    text = settings_file.read_text(encoding="utf-8")
    settings_file.write_text(text.replace(f"{__name__}:Pigeons", "maildir"), encoding="utf-8")
    refused = CliRunner().invoke(commands.commands, ["sync"])
    assert refused.exit_code == 1
    assert "keeps no list" in str(refused.exception)
