"""Sending from the command line: what will be done is shown first, and what was done is told in numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select, update

from newsletter import issues
from newsletter.cli.base import DONE, FAILED, IN_PART, USAGE
from newsletter.cli.issue_stopping import _before_cancelling
from newsletter.db import Database
from newsletter.delivery import Tally
from newsletter.models import Chunk, Delivery, DeliveryState, Edition, Issue, IssueState
from newsletter.render import Renderer
from newsletter.testing.sendgrid import API_KEY, Fault, SendGridSimulator, When
from tests.builders import newsroom, reader, story
from tests.servers.smtp import free_port
from tests.test_cli import Said, run

__all__ = ["run"]

BASE = "https://news.example.org"
NAME = "fen-weekly"
READERS = 6
Run = Callable[..., Said]


@pytest.fixture
def sendgrid() -> Iterator[SendGridSimulator]:
    with SendGridSimulator() as server:
        yield server


@pytest.fixture
def ready(run: Run, sendgrid: SendGridSimulator) -> Run:
    """Return `run` for an installation with an approved issue that goes out in two hours, through the simulator."""
    run("init", "--base-url", BASE)
    file = Path("newsletter.toml")
    text = file.read_text(encoding="utf-8")
    options = f'api_key = "{API_KEY}"\nhost = "{sendgrid.url}"\nchunk_size = 2\n'
    settings = f'[provider]\nuse = "sendgrid"\n{options}\n[delivery]\nlanes = 1\n'
    file.write_text(text[: text.index("[provider]")] + settings, encoding="utf-8")
    with database().transaction() as session:
        now = datetime.now(UTC)
        at = now + timedelta(hours=2)
        times = {"send_weekday": at.weekday(), "send_hour_minute": f"{at:%H:%M}", "time_zone": "UTC"}
        made = newsroom(session, NAME, created_at=now - timedelta(days=3), **times)
        for number in range(3):
            story(session, made, number, published_at=now - timedelta(hours=1), first_seen_at=now)
        for number in range(READERS):
            reader(session, made, f"r{number}@example.org")
        edition = session.get_one(Edition, made.edition_id)
        issue = issues.draft(session, edition, issues.next_slot(edition, now), now).issue
        issues.approve(session, issue, Renderer(None), BASE, by="ed", now=now)
    return run


def database() -> Database:
    return Database("sqlite:///newsletter.db")


def make(state: DeliveryState, *numbers: int, detail: str = "") -> None:
    """Give readers another state, as a provider's answer would have."""
    with database().transaction() as session:
        ids = session.exec(select(Delivery.id).order_by(col(Delivery.id))).all()
        mine = col(Delivery.id).in_([ids[number] for number in numbers])
        session.exec(update(Delivery).where(mine).values(state=state, detail=detail))


def status(run: Run) -> Any:
    return run("issue", "status", NAME, "--json").json


def test_a_dry_run_shows_who_would_get_it_and_sends_nothing(ready: Run, sendgrid: SendGridSimulator) -> None:
    shown = ready("issue", "send", NAME, "--dry-run", "--json").json
    assert (shown["readers"], shown["chunks"], shown["domains"]) == (READERS, 3, {"example.org": READERS})
    assert (shown["provider"], shown["not_ahead"], shown["dry_run"]) == ("sendgrid", "", True)
    said = ready("issue", "send", NAME, "--dry-run").out
    assert "goes to 6 readers through sendgrid in 3 calls or more: " in said
    assert "and undone until" in said
    assert said.endswith("Nothing was sent or changed: this was a dry run.\n")
    assert (sendgrid.mails, status(ready)["state"], status(ready)["expected"]) == ([], "approved", 0)


def test_handed_over_for_its_time_and_undone(ready: Run, sendgrid: SendGridSimulator) -> None:
    said = ready("issue", "send", NAME, "--at-its-time").out
    assert "to be sent at" in said.splitlines()[0]
    assert "`newsletter issue undo fen-weekly/" in said
    there = status(ready)
    assert (there["state"], there["accepted"], there["contradictions"]) == ("sending", READERS, [])
    assert there["undo_until"] < there["scheduled_for"]
    assert "It can be undone until" in ready("issue", "status", NAME).out
    assert "which sends it at" in ready("issue", "who-got-it", NAME, "r1@example.org").out
    asked = ready("issue", "undo", NAME, code=FAILED)
    assert "The provider has the mails to 6 of 6 readers, in" in asked.out
    assert "add --yes" in asked.err
    undone = ready("issue", "undo", NAME, "--yes", "--json").json
    assert (undone["freed"], undone["kept"], undone["whole"]) == (READERS, 0, True)
    assert status(ready)["state"] == "approved"
    assert "The provider has nothing of it" in ready("issue", "undo", NAME, "--yes", code=FAILED).err
    assert "goes out on" in ready("issue", "resume", NAME).out
    assert ready("issue", "send", NAME, "--json").json["accepted"] == READERS
    assert "nobody is left to be sent to" in ready("issue", "send", NAME).out
    assert sum(not mail.batch_id for mail in sendgrid.mails) == READERS


def test_an_undo_that_the_provider_does_not_confirm_says_what_is_left(ready: Run, sendgrid: SendGridSimulator) -> None:
    ready("issue", "send", NAME, "--at-its-time")
    sendgrid.fail(Fault(When(method="GET", path="/v3/user/scheduled_sends/*"), status=500))
    undone = ready("issue", "undo", NAME, "--yes", code=IN_PART)
    assert "is not taken back as a whole: 0 readers do not get it, 6 may get it" in undone.out
    there = status(ready)
    assert (there["uncertain"], there["adds_up"], there["state"]) == (READERS, True, "sending")
    sendgrid.fail()
    assert ready("issue", "undo", NAME, "--yes", "--json").json["whole"] is True


def test_cancelling_takes_back_first_and_leaves_everybody_without_it(ready: Run) -> None:
    assert "Its sending has not begun" in ready("issue", "cancel", NAME, "--yes", code=FAILED).err
    ready("issue", "send", NAME, "--at-its-time")
    said = ready("issue", "cancel", NAME, "--yes").out
    assert "With the provider for later: 6 readers. That is taken back first." in said
    assert "is cancelled, called off by" in said
    assert "6 readers: 6 not sent to." in said
    assert "does not get it, since the issue was called off" in ready("issue", "who-got-it", NAME, "r1@example.org").out
    for words in (["send"], ["retry"], ["resume"], ["undo", "--yes"], ["cancel", "--yes"], ["pause"]):
        ready("issue", words[0], NAME, *words[1:], code=FAILED)


def test_pausing_and_resuming_before_it_begins_sends_nothing(ready: Run, sendgrid: SendGridSimulator) -> None:
    assert "`newsletter issue resume" in ready("issue", "pause", NAME).out
    assert "is paused by" in ready("issue", "send", NAME, code=FAILED).err
    assert status(ready)["reason"].startswith("paused by")
    assert "It goes out on" in ready("issue", "resume", NAME).out
    assert (status(ready)["reason"], sendgrid.mails) == ("", [])


def test_pausing_what_the_provider_has_says_that_it_goes_out(ready: Run) -> None:
    ready("issue", "send", NAME, "--at-its-time")
    assert "The provider has the mails to 6 readers and sends them at" in ready("issue", "pause", NAME).err


def test_retrying_shows_the_reasons_and_sends_to_the_refused_only(ready: Run, sendgrid: SendGridSimulator) -> None:
    ready("issue", "send", NAME)
    make(DeliveryState.REJECTED, 0, 1, 2, detail="550 no")
    make(DeliveryState.REJECTED, 3, detail="552 full")
    shown = ready("issue", "retry", NAME, "--dry-run").out
    assert shown.splitlines() == [f"{whole_name()}: 4 readers refused, most of them with:", "3\t550 no", "1\t552 full",
                                  "Nothing was changed."]  # fmt: skip
    assert ready("issue", "retry", NAME, "--dry-run", "--json").json["rejected"] == 4
    assert "add --yes" in ready("issue", "retry", NAME, code=FAILED).err
    assert ready("issue", "retry", NAME, "--yes", "--json").json["accepted"] == READERS
    twice = [mail.address for mail in sendgrid.mails]
    assert sorted(address for address in set(twice) if twice.count(address) == 2) == [
        f"r{n}@example.org" for n in range(4)
    ]
    assert "0 readers refused." in ready("issue", "retry", NAME, "--yes").out


def whole_name() -> str:
    with database().reading() as session:
        return f"{NAME}/{session.exec(select(Issue.week)).one()}"


def test_resolving_shows_then_asks_then_settles(ready: Run, sendgrid: SendGridSimulator) -> None:
    ready("issue", "send", NAME)
    make(DeliveryState.UNCERTAIN, 0, 1, 2, detail="reset")
    shown = ready("issue", "resolve", NAME)
    assert "r0@example.org  1-" in shown.out
    assert "uncertain; reported about this attempt so far: nothing" in shown.out
    assert ready("issue", "resolve", NAME, "--json").json["uncertain"] == 3
    asked = ready("issue", "resolve", NAME, "--as", "resend", code=FAILED)
    assert "would get it twice" in asked.err
    assert ready("issue", "resolve", NAME, "--as", "accepted", "--reader", "R0@example.org", "--yes").out.endswith(
        "1 reader taken as sent.\n"
    )
    last = ready("issue", "resolve", NAME, "--json").json["attempts"][-1]["attempt"]
    said = ready("issue", "resolve", NAME, "--as", "resend", "--attempt", str(last), "--yes").out
    assert "1 reader planned again. `newsletter run` sends to them" in said
    assert "No reader" in ready("issue", "resolve", NAME, "--attempt", "999").out
    assert ready("issue", "resume", NAME, "--json", code=IN_PART).json["accepted"] == READERS - 1
    assert len(sendgrid.mails) == READERS + 1
    ready("issue", "resolve", NAME, "--as", "nonsense", code=USAGE)


def test_reconciling_says_who_is_left_and_why(ready: Run) -> None:
    assert "nothing to find out" in ready("issue", "reconcile").out
    ready("issue", "send", NAME)
    make(DeliveryState.UNCERTAIN, 0, detail="reset")
    said = ready("issue", "reconcile", NAME, code=IN_PART).out
    assert "Uncertain: 1 reader in 1 attempt, through sendgrid." in said
    assert "Left: 1 reader." in said
    assert "may still come" in said
    assert "it is no older copy" in ready("issue", "reconcile", "--restored", code=IN_PART).err


def settings_with(old: str, new: str) -> None:
    file = Path("newsletter.toml")
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_an_outage_is_named_where_the_wait_is(ready: Run, sendgrid: SendGridSimulator) -> None:
    """A wrong host must not look like a healthy wait."""
    settings_with(sendgrid.url, f"http://127.0.0.1:{free_port()}")
    assert "could not be reached" in ready("issue", "send", NAME, code=IN_PART).err
    assert ", because " in ready("issue", "status", NAME).out
    told = status(ready)
    assert "could not be reached" in told["why_waiting"]
    assert told["planned"] == READERS


def test_a_held_issue_promises_no_other_try(ready: Run) -> None:
    ready("issue", "send", NAME)
    make(DeliveryState.PLANNED, 0, 1, detail="said")
    with database().transaction() as session:
        issue = session.exec(select(Issue)).one()
        issue.state, issue.reason, issue.next_try_at = IssueState.SENDING, "held: look", datetime.now(UTC)
        session.add(issue)
        session.exec(update(Chunk).values(state="planned"))
    assert "next try" not in ready("issue", "status", NAME).out


def test_who_is_just_being_sent_to_may_have_it_when_it_is_cancelled() -> None:
    counts = Tally(expected=10, planned=3, sending=2, accepted=5)
    assert _before_cancelling(counts, 0, "") == "Have it, or may have it: 7 readers. Would not get it: 3 readers."


@pytest.mark.parametrize(("use", "said"), [("sntp", "sntp"), ("sendgrid", "the same as provider.use")])
def test_a_check_looks_at_the_fallback(ready: Run, use: str, said: str) -> None:
    settings_with("[delivery]", f'[fallback]\nuse = "{use}"\n\n[delivery]')
    found = {one["part"]: one for one in ready("check", "--json", code=IN_PART).json}
    assert found["fallback"]["ok"] is False
    assert said in found["fallback"]["message"]


def test_a_ledger_that_does_not_add_up_is_said_loudly(ready: Run) -> None:
    ready("issue", "send", NAME)
    with database().transaction() as session:
        session.exec(update(Issue).values(expected=READERS + 1))
    said = ready("issue", "status", NAME, code=FAILED)
    assert "THESE DO NOT ADD UP" in said.out
    assert "7 expected IS NOT 6 accepted" in said.err
    assert ready("issue", "status", NAME, "--json", code=FAILED).json["adds_up"] is False


def test_the_sandbox_sends_nothing_and_says_so(ready: Run, sendgrid: SendGridSimulator) -> None:
    said = ready("issue", "test", NAME, "--sandbox").out
    assert said.startswith("sendgrid would take the mail to weekly@fen.example.")
    assert said.endswith("Nothing was sent: this was the provider's sandbox.\n")
    assert sendgrid.mails == []
    assert "say who gets it" in ready("issue", "test", NAME, code=USAGE).err


def test_a_provider_without_a_sandbox_says_so(ready: Run) -> None:
    text = Path("newsletter.toml").read_text(encoding="utf-8")
    Path("newsletter.toml").write_text(text[: text.index("[provider]")] + '[provider]\nuse = "maildir"\n')
    assert "The provider maildir has no sandbox" in ready("issue", "test", NAME, "--sandbox", code=FAILED).err
    said = ready("issue", "send", NAME, "--at-its-time", code=FAILED).err
    assert (
        "cannot be handed over for its time. The provider takes no mail for a time to come. Nothing was done." in said
    )
    assert ready("issue", "send", NAME, "--json").json["accepted"] == READERS


def test_on_a_terminal_sending_asks_first(
    ready: Run, sendgrid: SendGridSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question: False)
    said = ready("issue", "send", NAME, code=FAILED)
    assert "goes to 6 readers" in said.out
    assert ("Nothing was done." in said.err, sendgrid.mails) == (True, [])
    ready("issue", "send", NAME, "--yes", code=DONE)
    assert len(sendgrid.mails) == READERS


def test_who_got_it_for_somebody_unknown_and_in_json(ready: Run) -> None:
    ready("issue", "send", NAME)
    [one] = ready("issue", "who-got-it", NAME, "r2@example.org", "--json").json["readers"]
    assert (one["state"], one["answer"].partition(" on ")[0]) == ("accepted", "accepted by sendgrid")
    assert [line["what"].partition(":")[0] for line in one["lines"]] != []
    assert "nobody with this address is known here" in ready("issue", "who-got-it", NAME, "x@example.org").out
    assert "cannot be used as an e-mail address" in ready("issue", "who-got-it", NAME, "x", code=FAILED).err
