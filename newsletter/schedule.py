"""When the stages run. What is due is read from rows, not from timers: downtime and several schedulers do no harm.

every minute:  gather, when it is time -> draft, before an edition's hour -> approve, where the rule says send
               -> send what is approved and due -> take up what is half sent -> find out about the uncertain
               -> ask editors for reviews
               -> send waiting confirmations and letters -> once a day, let go what was kept for long enough
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import false
from sqlmodel import Session, col, func, select

from newsletter import delivery, gather, issues, letters, pictures, retention, signup
from newsletter.app import App
from newsletter.errors import NewsletterError, Refused
from newsletter.issues import Slot
from newsletter.issues.approval import ALL, DKIM_SELECTORS, look_around
from newsletter.models import Chunk, ChunkState, DeadlineRule, Edition, Issue, IssueState, Source
from newsletter.preflight import Known
from newsletter.providers import Scheduling

log = logging.getLogger(__name__)

_TICK_SECONDS = 60
#: How long a picture that could not be had is left alone.
_PICTURES_AGAIN = timedelta(hours=1)


class Act(StrEnum):
    """What is due for an edition's week."""

    #: Make the issue from the stories there are.
    DRAFT = "draft"
    #: Nobody made an issue while there was time; leave a skipped row that says so.
    MISSED = "missed"
    #: Nobody approved it, and the edition says to send it anyway.
    APPROVE = "approve"
    #: Send it, or go on sending it.
    SEND = "send"
    #: Hand it over in advance, to a provider that sends it at its time.
    AHEAD = "ahead"
    #: It is approved, but its hour is too long past; an editor decides.
    HOLD = "hold"


@dataclass(frozen=True)
class Due:
    """One thing to do now, and for whom."""

    act: Act
    edition_slug: str
    slot: Slot
    issue_id: int | None = None


@dataclass(frozen=True)
class Done:
    """What a tick did, as a sentence; `failed` when it could not."""

    what: str
    failed: bool = False


def due_for(
    edition: Edition, rows: Sequence[Issue], now: datetime, late_limit: timedelta, ahead: timedelta = timedelta()
) -> list[Due]:
    """Return what is due for an edition, given its issues. Pure.

    The coming week is drafted from its draft time on. The week just past is drafted late when nobody did and the limit
    allows, else left out with a reason. An issue goes out at the time it has itself, which an approval promised, and
    late within the limit only: nobody wants last week's news. By `ahead` before it goes to a provider that waits for
    the time itself.
    """
    weeks = {issue.week for issue in rows}
    found: list[Due] = []
    for slot in (issues.last_slot(edition, now), issues.next_slot(edition, now)):
        too_new = slot.send_at < edition.created_at
        if slot.week not in weeks and now >= slot.draft_at and not too_new:
            act = Act.DRAFT if now - slot.send_at <= late_limit else Act.MISSED
            found.append(Due(act, edition.slug, slot))
    for issue in rows:
        late = now - issue.send_at
        slot = Slot(issue.week, issue.send_at, issue.send_at)
        if issue.state is IssueState.DRAFT and edition.deadline_rule == DeadlineRule.SEND:
            if timedelta() <= late <= late_limit:
                found.append(Due(Act.APPROVE, edition.slug, slot, issue.id))
        elif issue.state is IssueState.APPROVED and not issue.reason and late >= timedelta():
            found.append(Due(Act.SEND if late <= late_limit else Act.HOLD, edition.slug, slot, issue.id))
        elif issue.state is IssueState.APPROVED and not issue.reason and ahead and -ahead <= late:
            found.append(Due(Act.AHEAD, edition.slug, slot, issue.id))
    return found


def tick(app: App, stop: threading.Event | None = None) -> list[Done]:
    """Do everything that is due now and return what was done. One failure never keeps the rest from being done."""
    done = _guarded("gathering", partial(_gather, app))
    done += _guarded("telling the editors", partial(_tell_editors, app))
    with app.db.reading() as session:
        editions = session.exec(select(Edition).where(col(Edition.enabled)).order_by(Edition.slug)).all()
    for edition in editions:
        done += _guarded(edition.slug, partial(_edition, app, edition, stop))
    done += _guarded("sending", partial(_hold_overdue, app, app.clock()))
    for issue_id, name in _half_sent(app, app.clock()):
        done += _guarded(name, partial(_send, app, issue_id, name, stop))
    done += _guarded("uncertain readers", partial(_reconcile, app))
    done += _guarded("asking for reviews", partial(_reviews, app))
    done += _guarded("confirmations", partial(_confirmations, app))
    done += _guarded("letters", partial(_letters, app))
    done += _guarded("readers' requests", partial(_requests, app))
    done += _guarded("tidying", partial(_tidy, app))
    return done


def start(app: App, stop: threading.Event, report: Callable[[Done], None]) -> BackgroundScheduler:
    """Start ticking every minute in the background and return the scheduler; the first tick comes at once."""

    def job() -> None:
        if not stop.is_set():
            for one in tick(app, stop):
                report(one)

    # The default job store is memory: what is due is in our own rows. The default grace of 1 s would drop late ticks.
    scheduler = BackgroundScheduler(job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600})
    scheduler.add_job(job, IntervalTrigger(seconds=_TICK_SECONDS), id="tick", next_run_time=app.clock())
    scheduler.start()
    return scheduler


def _guarded(name: str, step: Callable[[], list[Done]]) -> list[Done]:
    try:
        return step()
    except NewsletterError as error:
        return [Done(f"{name}: {error}", failed=True)]
    except Exception:
        log.exception("%s failed", name)
        return [Done(f"{name}: failed unexpectedly; the log has the details", failed=True)]


def _gather(app: App) -> list[Done]:
    with app.db.reading() as session:
        sources = session.exec(select(Source).where(col(Source.enabled))).all()
    every = timedelta(minutes=app.settings.schedule.gather_every)
    if not any(gather.is_due(source, every, app.clock()) for source in sources):
        return []
    threads = app.settings.fetch.threads
    reports = gather.gather(app.db, app.open_source, clock=app.clock, threads=threads, every=every)
    read = [one for one in reports if one.resting_until is None]
    new, updated = sum(one.new for one in read), sum(one.updated for one in read)
    done = [Done(f"sources read: {len(read)}; new stories: {new}, updated: {updated}")]
    return done + [Done(f"source {one.slug}: {one.error}", failed=True) for one in read if one.error]


def _tell_editors(app: App) -> list[Done]:
    editors = app.settings.schedule.editors
    told = gather.tell_editors(
        app.db, app.provider, app.renderer, editors=editors, patience=app.patience, now=app.clock()
    )
    return [Done(f"told the editors of {told} source{'s' if told > 1 else ''} in trouble")] if told else []


def _pictures(app: App, issue_id: int) -> list[Done]:
    """Fetch what the open draft's stories lack: a crash, or a server's bad hour, kept it from being there."""
    pictures.fetch_pictures(app.db, app.client, issue_id, clock=app.clock, again_after=_PICTURES_AGAIN)
    return []


def _edition(app: App, edition: Edition, stop: threading.Event | None) -> list[Done]:
    """Do what is due for one edition; its issue may be drafted, approved and sent in one go."""
    done: list[Done] = []
    late_limit = timedelta(hours=app.settings.schedule.late_limit)
    for _ in (Act.DRAFT, Act.APPROVE, Act.SEND):
        with app.db.reading() as session:
            rows = session.exec(select(Issue).where(Issue.edition_id == edition.id)).all()
        for row in rows:
            if row.state is IssueState.DRAFT and row.send_at > app.clock() - late_limit:
                done += _guarded(f"{edition.slug}/{row.week}", partial(_pictures, app, row.id))
        new: list[Done] = []
        for due in due_for(edition, rows, app.clock(), late_limit, _ahead(app)):
            new += _guarded(f"{edition.slug}/{due.slot.week}", _step(app, edition, due, stop))
        done += new
        if not new or any(one.failed for one in new):
            break
    return done


def _step(app: App, edition: Edition, due: Due, stop: threading.Event | None) -> Callable[[], list[Done]]:
    name = f"{edition.slug}/{due.slot.week}"
    match due.act:
        case Act.DRAFT:
            return partial(_draft, app, edition.id, due.slot, name)
        case Act.MISSED:
            return partial(_missed, app, edition.id, due.slot, name)
        case Act.APPROVE:
            return partial(_approve, app, due, name)
        case Act.HOLD:
            return partial(_hold, app, due, name)
        case Act.SEND | Act.AHEAD:
            return partial(_send, app, due.issue_id or 0, name, stop, ahead=due.act is Act.AHEAD)


def _draft(app: App, edition_id: int, slot: Slot, name: str) -> list[Done]:
    with app.db.transaction() as session:
        edition = session.get_one(Edition, edition_id, with_for_update=True)
        if _exists(session, edition_id, slot.week):  # another scheduler was faster
            return []
        drafted = issues.draft(session, edition, slot, app.clock(), weights=app.weights)
        issue_id, count = drafted.issue.id, len(drafted.choice.chosen)
        if drafted.issue.state is IssueState.SKIPPED:
            return [Done(f"{name}: skipped: {drafted.issue.reason}")]
        held = edition.deadline_rule == DeadlineRule.HOLD
    pictures.fetch_pictures(app.db, app.client, issue_id, clock=app.clock)
    what = "it waits for approval" if held else "it goes out at its time, approved or not"
    return [Done(f"{name}: drafted with {count} stories; {what}")]


def _missed(app: App, edition_id: int, slot: Slot, name: str) -> list[Done]:
    limit = app.settings.schedule.late_limit
    reason = f"missed: nothing ran from its draft time until {limit:g} h after its send time"
    with app.db.transaction() as session:
        made = issues.record_missed(session, session.get_one(Edition, edition_id), slot, reason, app.clock())
    return [Done(f"{name}: skipped: {reason}")] if made else []


def _approve(app: App, due: Due, name: str) -> list[Done]:
    """Approve an issue that nobody has, warnings and all. One with errors stays a draft, which is told once."""
    issue_id = due.issue_id or 0
    try:
        known = _look_around(app, issue_id)
        with app.db.transaction() as session:
            issue = issues.lock_issue(session, issue_id)
            if issue.state is not IssueState.DRAFT:
                return []
            issues.approve(
                session, issue, app.renderer, app.settings.base_url,
                by="the deadline rule", now=app.clock(),
                accept={ALL: "sent by the edition's deadline rule"}, known=known,
            )  # fmt: skip
    except NewsletterError as error:
        return _not_sent(app, issue_id, name, f"not sent: {' '.join(str(error).split())}")
    return [Done(f"{name}: approved by the edition's deadline rule")]


def _look_around(app: App, issue_id: int) -> Known:
    """Return what the network says of a draft; in a trial it is not asked. What it does not tell blocks nothing."""
    base_url = app.settings.base_url
    if not base_url.startswith("https:"):
        return Known()
    selectors = DKIM_SELECTORS.get(app.settings.provider.use, ())
    return look_around(
        app.db, issue_id, app.renderer, base_url, app.client, selectors=selectors, only_if_sound=True
    )  # fmt: skip


def _not_sent(app: App, issue_id: int, name: str, reason: str) -> list[Done]:
    """Keep with the draft why it does not go out, and tell it when it is new."""
    with app.db.transaction() as session:
        issue = issues.lock_issue(session, issue_id)
        if issue.state is not IssueState.DRAFT or issue.reason == reason:
            return []
        issue.reason = reason
        session.add(issue)
    return [Done(f"{name}: {reason}", failed=True)]


def _hold(app: App, due: Due, name: str) -> list[Done]:
    limit = app.settings.schedule.late_limit
    reason = f"held: more than {limit:g} h after its send time; `newsletter issue send {name}` sends it all the same"
    with app.db.transaction() as session:
        issue = issues.lock_issue(session, due.issue_id or 0)
        if issue.state is not IssueState.APPROVED or issue.reason:
            return []
        issue.reason = reason
        session.add(issue)
    return [Done(f"{name}: {reason}")]


def _ahead(app: App) -> timedelta:
    """Return how long before its time an issue may be handed over; none where the provider does not wait."""
    minutes = app.settings.delivery.ahead
    return timedelta(minutes=minutes if minutes and isinstance(app.provider, Scheduling) else 0)


def _reconcile(app: App) -> list[Done]:
    found = delivery.reconcile(app.db, app.providers, app.clock())
    if not found.accepted + found.released:
        return []
    return [Done(f"uncertain readers: {found.accepted} have it, {found.released} surely not; {found.held} are left")]


def _send(app: App, issue_id: int, name: str, stop: threading.Event | None, *, ahead: bool = False) -> list[Done]:
    try:
        report = delivery.send(app.db, issue_id, app.post, by_hand=False, ahead=ahead, stop=stop)
    except Refused as error:
        with app.db.transaction() as session:
            issue = issues.lock_issue(session, issue_id)
            if issue.state in {IssueState.APPROVED, IssueState.SENDING}:  # not when an editor was faster
                issue.reason = f"held: {error}"  # a person has to look, and is told once
                session.add(issue)
        raise
    counts = report.tally
    held = f", {counts.uncertain} uncertain" if counts.uncertain else ""
    if report.state is IssueState.APPROVED:
        return []  # it cannot be handed over in advance: it waits for its time
    at = f", to go out at {report.scheduled_for:%H:%M} UTC" if report.scheduled_for else ""
    what = f"{name}: {report.state}: {counts.accepted} of {counts.expected} accepted{at}{held}"
    return [Done(f"{what}; {report.reason}", failed=True) if report.reason else Done(what)]


def _half_sent(app: App, now: datetime) -> list[tuple[int, str]]:
    """Return the issues that are being sent and have something to do: a chunk that is due, or a claim to judge.

    One that has a reason waits for `issue resume`; one that the provider put off waits for its time.
    """
    state, not_before, next_try = col(Chunk.state), col(Chunk.not_before), col(Issue.next_try_at)
    due = (state == ChunkState.CLAIMED) | ((state == ChunkState.PLANNED) & (not_before.is_(None) | (not_before <= now)))
    # Nothing left but to say so: a process ended between the last outcome and that.
    unfinished = select(Chunk.id).where(Chunk.issue_id == Issue.id, state != ChunkState.DONE).exists()
    waits = col(Issue.scheduled_for) > now  # with the provider, for its time
    query = (
        select(Issue.id, Edition.slug, Issue.week)
        .join(Edition, col(Edition.id) == Issue.edition_id)
        .where(Issue.state == IssueState.SENDING, Issue.reason == "", next_try.is_(None) | (next_try <= now))
        .where(col(Issue.id).in_(select(Chunk.issue_id).where(due)) | (~unfinished & ~func.coalesce(waits, false())))
    )
    with app.db.reading() as session:
        return [(issue_id, f"{slug}/{week}") for issue_id, slug, week in session.exec(query)]


def _hold_overdue(app: App, now: datetime) -> list[Done]:
    """Hold the issues whose sending has gone on past the limit: the rest of the readers would get old news."""
    limit = app.settings.schedule.late_limit
    waits = col(Issue.scheduled_for) > now  # with the provider, for its time
    overdue = (Issue.state == IssueState.SENDING, Issue.reason == "", ~func.coalesce(waits, false()))
    done = []
    with app.db.transaction() as session:
        query = select(Issue).where(*overdue, col(Issue.sending_since) < now - timedelta(hours=limit))
        for issue in session.exec(query.with_for_update()).all():
            issue.reason = f"held: not done {limit:g} h after it began; `newsletter issue resume` goes on all the same"
            session.add(issue)
            done.append(Done(f"{issues.issue_name(session, issue)}: {issue.reason}", failed=True))
    return done


def _confirmations(app: App) -> list[Done]:
    sent = signup.send_confirmations(
        app.db, app.provider, app.renderer, app.signer, base_url=app.settings.base_url, now=app.clock()
    )
    return [Done(f"sent {sent} confirmation mail{'s' if sent > 1 else ''}")] if sent else []


def _letters(app: App) -> list[Done]:
    sent = letters.send_letters(
        app.db, app.provider, app.renderer, app.signer, base_url=app.settings.base_url, now=app.clock()
    )
    return [Done(f"sent {sent} welcome or goodbye mail{'s' if sent > 1 else ''}")] if sent else []


def _requests(app: App) -> list[Done]:
    sent = letters.send_requests(
        app.db, app.provider, app.renderer, app.signer, base_url=app.settings.base_url, now=app.clock()
    )
    return [Done(f"sent {sent} mail{'s' if sent > 1 else ''} that readers asked for")] if sent else []


def _reviews(app: App) -> list[Done]:
    asked = letters.ask_for_reviews(
        app.db,
        app.provider,
        app.renderer,
        base_url=app.settings.base_url,
        editors=app.settings.schedule.editors,
        now=app.clock(),
    )
    return [Done(f"{name}: the editors were asked to review it") for name in asked]


def _exists(session: Session, edition_id: int, week: str) -> bool:
    query = select(func.count()).select_from(Issue).where(Issue.edition_id == edition_id, Issue.week == week)
    return bool(session.exec(query).one())


def _tidy(app: App) -> list[Done]:
    """Let go what has been kept for long enough, once a day; what a day missed, the next one finds."""
    with app.db.reading() as session:
        if not retention.is_due(session, app.clock()):
            return []
    with app.db.transaction() as session:
        if not retention.claim_day(session, app.clock()):  # another scheduler was faster
            return []
    done = retention.tidy(app.db, app.clock(), full=False)
    told = [f"{one.rule.name} {one.rows}" for one in done if one.rows]
    return [Done(f"tidied: {', '.join(told)}")] if told else []
