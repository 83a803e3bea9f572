"""F3, F4, F5: what a provider may answer, and how the network may lose it; the ledger comes through each reader apart."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import time_machine

from newsletter import delivery
from newsletter.delivery import ledger
from newsletter.models import IssueState
from newsletter.testing.sendgrid import API_KEY, NAMED, Fault, Naming, Rate, SendGridSimulator, When
from tests.faults.figures import Figures
from tests.faults.judging import judge
from tests.faults.modes import MODES, settle
from tests.faults.newsroom import Clock, Installation, Template, opened
from tests.faults.sides import sendgrid_side
from tests.faults.worker import until_sent

_EVENTS = next(mode for mode in MODES if mode.events)
#: Seconds after which the client gives up on an answer.
_TIMEOUT = 0.5
#: What happens to a request as a whole (F3): it is taken or not, and the answer is lost, late, odd or wrong.
WHOLE = (
    *("202 then reset", "accept then stall", "accept then close", "truncated json", "truncated headers"),
    *(f"accept then {status}" for status in (500, 502, 503, 504)),
    *(f"{status} before accepting" for status in (500, 502, 503, 504)),
    *("not taken then reset", "not taken then stall", "reset mid-request", "stall mid-answer", "not http"),
    *("200 in place of 202", "201 in place of 202", "204 in place of 202", "429", "413"),
)
#: What SendGrid is not known to do: half of the readers are taken.
PARTIAL = ("partial accept then reset", "partial accept then 500")
#: Every 429 there is, by what it says about the wait (F4).
STORMS = tuple(name for name in NAMED if name.startswith("429"))


def odd_answers(template: Template, folder: Path, *, names: Sequence[str], sends: int, chunk: int = 5) -> Figures:
    """F3: each second request meets one of the faults, until so many were sent; events settle what is uncertain."""
    partial = names == PARTIAL
    figures = Figures("F3", "partial accepts" if partial else "odd answers", template.kind)
    started = time.monotonic()
    while figures.cases < sends:
        faults = [Fault.named(name, When(probability=0.5 / len(names))) for name in names]
        run = int(figures.more.get("runs", 0)) + 1
        with sendgrid_side(*faults) as side, template.copy(folder / f"run-{run}") as installation:
            options = {**side.options, "chunk_size": chunk, "timeout": _TIMEOUT}
            mine, clock = replace(installation, provider=options), Clock()
            with opened(mine, clock) as app:
                until_sent(app, mine.issue_id)
                figures.cases += side.simulator.counts()["asked"]
                side.simulator.fail()
                settle(_EVENTS, side, app, clock, mine)
                judged = judge(app.db, mine.issue_id, side.taken())
        figures.add(judged, f"run {run}")
        figures.more = {"runs": run}
        if judged.held and (judged.held_and_sent or not partial):
            figures.problems.append(
                f"run {run}: {judged.held} are held in the end, {judged.held_and_sent} of them sent"
            )
    figures.seconds = round(time.monotonic() - started, 1)
    return figures


def storm(template: Template, folder: Path, name: str, *, times: int = 6) -> Figures:
    """F4: so many answers of 429, one after the other; as the schedule does, the sending waits until it may go on."""
    figures = Figures("F4", name, template.kind)
    longest = 0.0
    fault = Fault.named(name, When(times=times))
    with (
        _standing_still() as traveller,
        SendGridSimulator(start=datetime.now(UTC), faults=[fault]) as simulator,
        template.copy(folder / "storm") as installation,
    ):
        mine = _to(simulator, installation)
        with opened(mine, simulator.account.clock.read) as app:
            while True:
                before = len(simulator.requests)
                report = delivery.send(app.db, mine.issue_id, app.post, by_hand=False)
                if report.state is IssueState.SENT:
                    break
                figures.cases += 1
                asked = len(simulator.requests) - before
                wait = (report.tally.next_try - app.clock()).total_seconds() if report.tally.next_try else 0.0
                longest = max(longest, wait)
                if asked > 1 or not 0 < wait <= ledger.LONGEST_WAIT.total_seconds() or figures.cases > times:
                    figures.problems.append(f"{asked} requests in one window, then a wait of {wait:g} s")
                    break
                delivery.send(app.db, mine.issue_id, app.post, by_hand=False)  # before its time it asks nobody
                figures.problems += ["it did not wait"] * (len(simulator.requests) - before - asked)
                simulator.advance(wait + 1)
                traveller.shift(wait + 1)
            figures.add(judge(app.db, mine.issue_id, simulator.left_by("delivery_id")))
    figures.more = {"longest_wait_s": round(longest, 1)}
    return figures


def limited(template: Template, folder: Path) -> Figures:
    """F4: an account that answers two requests a minute: more are never answered, and everybody gets the issue."""
    figures = Figures("F4", "two requests a minute", template.kind)
    with (
        _standing_still() as traveller,
        SendGridSimulator(start=datetime.now(UTC), rate=Rate(2, 60)) as simulator,
        template.copy(folder / "limited") as installation,
    ):
        mine = replace(_to(simulator, installation), provider={**_options(simulator), "chunk_size": 20})
        with opened(mine, simulator.account.clock.read) as app:
            while delivery.send(app.db, mine.issue_id, app.post, by_hand=False).state is not IssueState.SENT:
                simulator.advance(30)
                traveller.shift(30)
                figures.cases += 1
            figures.add(judge(app.db, mine.issue_id, simulator.left_by("delivery_id")))
        refused = sum(1 for one in simulator.requests if one.status == 429)
        figures.more = {"refused": refused, "minutes": figures.cases / 2}
        if refused > figures.cases / 2 + 1:
            figures.problems.append(f"{refused} requests were refused in {figures.cases / 2:g} minutes")
    return figures


def bad_readers(template: Template, folder: Path, *, pattern: str, bad: int, naming: Naming) -> Figures:
    """F5: `bad` readers of one chunk are refused with 400; exactly they are rejected, at little cost."""
    figures = Figures("F5", f"400, {bad} bad, naming {naming}", template.kind, cases=1)
    fault = Fault(name="400", bad=pattern, naming=naming)
    with SendGridSimulator(faults=[fault]) as simulator, template.copy(folder / "bad") as installation:
        mine = _to(simulator, installation)
        with opened(mine) as app:
            until_sent(app, mine.issue_id)
            judged = judge(app.db, mine.issue_id, simulator.left_by("delivery_id"))
        figures.add(judged)
        extra = len([one for one in simulator.requests if one.target == "/v3/mail/send"]) - 1
        most = math.ceil(2 * bad * math.log2(template.readers))
        figures.more = {"extra_requests": extra, "at_most": most}
        if judged.readers - judged.accepted != bad or judged.held or extra > most:
            figures.problems.append(
                f"{judged.accepted} accepted, {judged.held} held, {extra} requests more, not {most}"
            )
    return figures


def too_large(template: Template, folder: Path, *, most: int) -> Figures:
    """F5: requests with more readers than this are refused with 413; they are halved until they fit."""
    figures = Figures("F5", f"413 above {most}", template.kind, cases=1)
    fault = Fault.named("413", When(more_than=most))
    with SendGridSimulator(faults=[fault]) as simulator, template.copy(folder / "large") as installation:
        mine = _to(simulator, installation)
        with opened(mine) as app:
            until_sent(app, mine.issue_id)
            judged = judge(app.db, mine.issue_id, simulator.left_by("delivery_id"))
        figures.add(judged)
        figures.more = {"requests": len(simulator.requests)}
        if judged.accepted != judged.readers:
            figures.problems.append(f"only {judged.accepted} were accepted")
    return figures


def _standing_still() -> time_machine.travel:
    """Return a clock that stands still: the provider reckons from the machine's time how long it is asked to wait."""
    return time_machine.travel(datetime.now(UTC), tick=False)


def _options(simulator: SendGridSimulator) -> dict[str, object]:
    return {"use": "sendgrid", "host": simulator.url, "api_key": API_KEY}


def _to(simulator: SendGridSimulator, installation: Installation) -> Installation:
    return replace(installation, provider=_options(simulator))
