"""What a data-protection officer does on the command line: evidence, data, erasing, and what stays out afterwards."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
from sqlmodel import select

from newsletter.app import make_app
from newsletter.cli import main
from newsletter.cli.base import DONE, FAILED
from newsletter.settings import load
from subscribers import consent
from subscribers.addresses import parse_address
from subscribers.consent import Evidence, wording_version
from subscribers.models import ConsentAction, Subscriber, Subscription, SubscriptionState
from tests.builders import NOW
from tests.commands import CommandLine
from tests.test_cli import Run, Said

DATA = Path(__file__).parent / "data"
WORDS = "=Send me the Fens every Saturday."


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an installation with readers Ann and Bob of one list, to be copied."""
    folder = tmp_path_factory.mktemp("installation")
    command = CommandLine(folder)
    command("init", "--base-url", "https://news.example.org")
    command("apply", DATA / "newsroom.toml")
    (folder / "fens.csv").write_text("email,name\nann@example.org,Ann Sample\nbob@example.org,Bob\n")
    command("subscriber", "import", "fens.csv", "--list", "fens", "--consent", "Paper forms, May 2026")
    return folder


@pytest.fixture
def run(installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command, inside this process, in a copy of the installation."""
    shutil.copytree(installation, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str, code: int = DONE) -> Said:
        monkeypatch.setattr(sys, "argv", ["newsletter", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert (end.value.code or 0) == code, (words, end.value.code, said.out, said.err)
        return Said(said.out, said.err)

    return invoke


def confirmed_on_the_page(address: str) -> None:
    """Give a reader the evidence of a sign-up, and of a pause that is about no list."""
    app = make_app(load(None))
    with app.db.transaction() as session:
        reader = session.exec(select(Subscriber).where(Subscriber.address_key == address)).one()
        list_id = session.exec(select(Subscription.list_id).where(Subscription.subscriber_id == reader.id)).one()
        for action in (ConsentAction.REQUESTED, ConsentAction.CONFIRMED):
            shown = Evidence(NOW, "https://news.example.org/fens", WORDS, "203.0.113.7")
            consent.record(session, action, reader.id, list_id, shown)
        paused = Evidence(NOW, "preferences", "paused until 2026-12-24", "")
        consent.record(session, ConsentAction.CHANGED, reader.id, None, paused)
        reader.language, reader.text_only = "uk", True
        session.add(reader)


def test_evidence_is_a_document_that_says_what_is_not_in_it(run: Run) -> None:
    """Point 5: when, what, where, to which words, from which network, oldest first; and what is missing."""
    confirmed_on_the_page("ann@example.org")
    run("subscriber", "remove", "ann@example.org")
    said = run("subscriber", "evidence", "ANN@example.org").out
    assert said.startswith("Evidence of consent: ann@example.org (Ann Sample)\n")
    order = ["1. ", "brought in", "asked to join", "confirmed by the link", "changed how", "UTC  left: "]
    assert sorted(order, key=said.index) == order
    assert f"Words (version {wording_version(WORDS)}): {WORDS}" in said
    assert "Network: 203.0.113.0/24" in said
    assert "3 of 5 lines have no network" in said
    assert "Never kept: whole IP addresses" in said


def test_evidence_as_json_and_as_a_file_for_a_spreadsheet(run: Run, tmp_path: Path) -> None:
    confirmed_on_the_page("ann@example.org")
    facts = json.loads(run("subscriber", "evidence", "ann@example.org", "--json", "--csv", "ann.csv").out)
    assert [one["action"] for one in facts["lines"]] == ["imported", "requested", "confirmed", "changed"]
    assert [one["list"] for one in facts["lines"]] == ["fens", "fens", "fens", ""]
    assert facts["lines"][2]["wording"] == WORDS
    with (tmp_path / "ann.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [one["action"] for one in rows] == ["imported", "requested", "confirmed", "changed"]
    assert rows[2]["wording"] == f"'{WORDS}"  # threat 13


def test_missing_evidence_is_named(run: Run) -> None:
    """A reader on a list without a line that proves it is the first thing an officer has to see."""
    said = run("subscriber", "evidence", "bob@example.org").out
    assert "the reader was brought in from elsewhere" in said
    app = make_app(load(None))
    with app.db.transaction() as session:
        carl = Subscriber(address="carl@example.org", address_key="carl@example.org", created_at=NOW)
        session.add(carl)
        session.flush()
        confirmed = SubscriptionState.CONFIRMED
        session.add(Subscription(subscriber_id=carl.id, list_id=1, state=confirmed, requested_at=NOW, changed_at=NOW))
    assert "NOTHING HERE PROVES CONSENT" in run("subscriber", "evidence", "carl@example.org").out


def test_show_prints_what_a_reader_wishes_and_lines_about_no_list(run: Run) -> None:
    confirmed_on_the_page("ann@example.org")
    said = run("subscriber", "show", "ann@example.org").out
    assert "Wishes: pages and letters in uk, mails as text only" in said
    assert "changed: paused until 2026-12-24" in said
    facts = json.loads(run("subscriber", "show", "ann@example.org", "--json").out)
    assert (facts["language"], facts["text_only"], facts["paused_until"]) == ("uk", True, None)
    assert [one["list"] for one in facts["consent"]] == ["fens", "fens", "fens", ""]


def test_data_is_written_for_its_owner_alone(run: Run, tmp_path: Path) -> None:
    run("subscriber", "data", "ann@example.org", "--output", "ann.json")
    file = tmp_path / "ann.json"
    assert file.stat().st_mode & 0o077 == 0
    known = json.loads(file.read_text(encoding="utf-8"))
    assert known["address"] == "ann@example.org"
    assert {"subscriber", "subscription", "consent"} <= {one["table"] for one in known["tables"]}
    assert "Nothing is known" in run("subscriber", "data", "nobody@example.org").err


def test_erasing_asks_first_and_a_dry_run_changes_nothing(run: Run) -> None:
    run("subscriber", "erase", "ann@example.org", "--dry-run")
    said = run("subscriber", "erase", "ann@example.org", code=FAILED)  # no terminal to type at
    assert "add --yes" in said.err
    assert "Ann Sample" in run("subscriber", "show", "ann@example.org").out


def test_erasing_asks_for_the_address(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "bob@example.org")
    assert "another address" in run("subscriber", "erase", "ann@example.org", code=FAILED).err
    monkeypatch.setattr("typer.prompt", lambda *_, **__: " Ann@Example.org ")
    assert "Erased; 1 list left." in run("subscriber", "erase", "ann@example.org").out


def test_who_was_erased_is_nowhere_and_stays_out(run: Run, tmp_path: Path) -> None:
    """Threat 23: no command finds them, and no import or admin brings them back."""
    said = run("subscriber", "erase", "ann@example.org", "--yes").out
    assert "Backups made until now" in said
    assert "is not known. Its reader was erased" in run("subscriber", "show", "ann@example.org", code=FAILED).err
    assert "says nothing of who it was" in run("subscriber", "evidence", "ann@example.org", code=FAILED).err
    assert "A reader who was erased on" in run("subscriber", "evidence", "erased:1").out
    found = json.loads(run("subscriber", "find", "--json").out)["readers"]
    assert [one["address"] for one in found] == ["bob@example.org"]
    run("subscriber", "export", "all.csv")
    assert "ann" not in (tmp_path / "all.csv").read_text().lower()
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 2
    for segment in ("no-list", "no-name", "state:left", "-list:fens", "list:fens state:left", "no-name or state:left"):
        assert json.loads(run("segment", "count", "--json", "--", segment).out)["readers"] == 0
    [lists] = [one for one in json.loads(run("list", "show", "--json").out) if one["slug"] == "fens"]
    assert (lists["confirmed"], lists["left"]) == (1, 0)
    said = run("subscriber", "import", "fens.csv", "--list", "fens", "--consent", "Again", "--json").out
    report = json.loads(said)
    assert (report["added"], report["already"], report["kept_out_erased"]) == (0, 1, 1)
    again = run("subscriber", "add", "ann@example.org", "--list", "fens", "--consent", "Again", code=FAILED)
    assert "stays out; only they can come back" in again.err


def test_the_suppression_list_leaves_hashes_out_and_says_so(run: Run, tmp_path: Path) -> None:
    """Another installation has other secrets, and could make nothing of them."""
    run("subscriber", "block", "zoe@example.org")
    run("subscriber", "erase", "ann@example.org", "--yes")
    said = run("suppression", "export", "blocked.csv")
    assert "1 entry left out" in said.err
    assert "h:" not in (tmp_path / "blocked.csv").read_text()
    [row] = json.loads(run("suppression", "list", "--reason", "erased", "--json").out)
    assert row["address_key"].startswith("h:")


def test_blocking_and_unblocking_an_erased_address_stores_it_nowhere(run: Run, tmp_path: Path) -> None:
    run("subscriber", "erase", "ann@example.org", "--yes")
    assert "is blocked." in run("subscriber", "block", "ann@example.org").out
    assert "was blocked" in run("subscriber", "block", "ann@example.org").out
    (tmp_path / "more.csv").write_text("email,reason\nann@example.org,bounce\n")
    assert "0 added" in run("suppression", "import", "more.csv").out
    rows = json.loads(run("suppression", "list", "--json").out)
    assert [(one["address_key"][:2], one["reason"]) for one in rows] == [("h:", "manual")]
    assert "may be written to again" in run("subscriber", "unblock", "ann@example.org").out
    rows = json.loads(run("suppression", "list", "--json").out)
    assert [(one["address_key"][:2], one["reason"]) for one in rows] == [("h:", "erased")]
    assert "Only they can come back" in run("subscriber", "unblock", "ann@example.org", code=FAILED).err
    said = run("subscriber", "import", "fens.csv", "--list", "fens", "--consent", "Again", "--json").out
    assert json.loads(said)["kept_out_erased"] == 1


def test_tidy_says_what_goes_and_when(run: Run) -> None:
    said = json.loads(run("tidy", "--dry-run", "--json").out)
    assert said["dry_run"]
    assert {one["rule"] for one in said["rules"]} >= {"networks", "mail-addresses", "requests"}
    assert "365 days" in run("tidy").out


def test_nothing_of_the_erased_is_in_the_file(run: Run, tmp_path: Path) -> None:
    """Neither in the database's file nor in its log, whatever SQLite leaves behind there."""
    confirmed_on_the_page("ann@example.org")
    run("subscriber", "erase", "ann@example.org", "--yes")
    content = b"".join(path.read_bytes() for path in tmp_path.glob("newsletter.db*"))
    assert b"bob@example.org" in content
    for canary in (b"ann@example.org", b"Ann Sample", b"203.0.113.0"):
        assert canary not in content


def test_who_comes_back_after_erasing_is_a_new_reader_and_not_blocked(run: Run) -> None:
    """They signed up again by themselves; until they confirm, the hash still keeps imports out."""
    run("subscriber", "erase", "ann@example.org", "--yes")
    app = make_app(load(None))
    with app.db.transaction() as session:
        consent.request(
            session,
            {1: WORDS},
            address=parse_address("ann@example.org"),
            evidence=Evidence(NOW, "page", "", ""),
            hashes=app.hashes,
            may_mail=lambda: True,
        )
    facts = json.loads(run("subscriber", "show", "ann@example.org", "--json").out)
    assert (facts["blocked"], [one["state"] for one in facts["lists"]]) == (None, ["pending"])
    report = json.loads(run("subscriber", "import", "fens.csv", "--list", "fens", "--consent", "x", "--json").out)
    assert report["kept_out_erased"] == 1
    with app.db.transaction() as session:
        row = session.exec(select(Subscription).where(Subscription.state == SubscriptionState.PENDING)).one()
        consent.confirm(
            session, subscription_id=row.id, requested_at=row.requested_at, now=NOW, source="page", hashes=app.hashes
        )
    assert json.loads(run("suppression", "list", "--json").out) == []
    report = json.loads(run("subscriber", "import", "fens.csv", "--list", "fens", "--consent", "x", "--json").out)
    assert (report["already"], report["kept_out_erased"]) == (2, 0)
