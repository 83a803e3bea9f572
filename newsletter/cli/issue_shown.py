"""An issue as the command line shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from newsletter.cli.base import say, say_json, table, warn
from newsletter.stories import shorten

if TYPE_CHECKING:
    from datetime import datetime

    from sqlmodel import Session

    from newsletter.app import App
    from newsletter.delivery import Tally
    from newsletter.issues import LeftOut, Place
    from newsletter.models import Issue
    from newsletter.preflight import Finding

#: Characters of an editor's text that are printed of it.
_SHOWN = 200


def some(count: int, what: str = "reader") -> str:
    """Return a number with its noun."""
    plural = "batches" if what == "batch" else f"{what}s"
    return f"{count} {what if count == 1 else plural}"


def moment(at: datetime | None) -> str:
    """Return a time as the commands write it; "" for none."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""


def accounting_line(counts: Tally, *, over: bool = False) -> str:
    """Return how many readers of an issue are in which state, as a sentence; `over`: nobody else is sent to."""
    parts: list[tuple[int, str]] = [
        (counts.accepted, "accepted"),
        (counts.rejected, "rejected"),
        (counts.suppressed, "left, paused or suppressed meanwhile"),
        (counts.uncertain, "uncertain"),
        (counts.sending, "being sent"),
        (counts.planned, "not sent to" if over else "waiting"),
    ]
    listed = ", ".join(f"{number} {what}" for number, what in parts if number)
    text = f"{some(counts.expected)}: {listed}."
    return text if counts.adds_up else f"{text} THESE DO NOT ADD UP: please report this."


def find(app: App, issue: str) -> tuple[Issue, str]:
    """Return an issue and its whole name."""
    from newsletter import issues

    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        return found, issues.issue_name(session, found)


def show_before(text: str, *, json: bool) -> None:
    """Print what is about to be done: beside the document where one is asked for."""
    (warn if json else say)(text)


def where_it_stands(name: str, issue: Issue, counts: Tally) -> dict[str, Any]:
    return {"issue": name, "state": issue.state, "reason": issue.reason} | asdict(counts)


def mention_approval(had_approval: bool, name: str) -> None:
    if had_approval:
        warn(f"The approval was taken back: {name} is not sent before it is approved again.")


def show_findings(findings: Sequence[Finding]) -> None:
    """Print what preflight found, errors first."""
    for finding in sorted(findings, key=lambda one: one.severity):
        warn(f"{finding.severity} {finding.rule}: {finding.message} {finding.fix}")


def finding_rows(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [{"rule": one.rule, "severity": one.severity, "message": one.message, "fix": one.fix} for one in findings]


def print_accepted(accepted: list[dict[str, str]]) -> None:
    """Print the warnings that an approval accepted, with the reasons."""
    for one in accepted:
        say(f"Accepted {one['rule']}: {one['message']} Because: {one['reason']} ({one['by']}).")
        for place in one.get("places", "").splitlines()[1:]:
            say(f"  also {place}")


def fetch_pictures(app: App, issue_id: int) -> list[dict[str, Any]]:
    """Store the pictures that the issue's stories lack; return what became of each that was tried."""
    from newsletter.pictures import fetch_pictures as fetch

    reports = fetch(app.db, app.client, issue_id, clock=app.clock)
    return [{"story": one.story_id, "headline": one.headline, "problem": one.problem} for one in reports]


def facts_of(session: Session, issue: Issue) -> dict[str, Any]:
    """Return what `show` prints, from the rows."""
    from newsletter import issues
    from newsletter.issues.approval import accepted_of
    from newsletter.models import Edition

    places = issues.all_places(session, issue.id)
    about = issues.about_edition(session, issue.edition_id, [place.story.id for place in places])
    edition = session.get_one(Edition, issue.edition_id)
    return {
        "id": issue.id,
        "max_stories": edition.max_stories,
        "issue": issues.issue_name(session, issue),
        "number": issue.number,
        "state": issue.state,
        "reason": issue.reason,
        "send_at": issue.send_at,
        "send_at_local": issues.local_time(session, issue),
        "subject": issue.subject or issue.subject_override,
        "intro": issue.intro,
        "corrections": issue.corrections,
        "closing": issue.closing,
        "approved_by": issue.approved_by,
        "accepted": accepted_of(issue),
        "stories": [
            _story_facts(place, is_about=place.story.id in about)
            for place in places
            if place.row.position is not None or place.row.dropped
        ],
    }


def _story_facts(place: Place, *, is_about: bool) -> dict[str, Any]:
    position = place.row.position
    return {
        "id": place.story.id,
        "place": "dropped" if position is None else "lead" if position == 0 else "more",
        "pinned": place.row.pinned,
        "is_about": is_about,
        "headline": place.headline,
        "source": place.source.name,
        "published_at": place.story.published_at,
        "is_dated": place.story.is_dated,
        "picture": place.picture,
        "picture_by": "editor" if place.row.picture else "source",
        "picture_edited": place.has_edited_picture,
        "image_alt": place.image_alt,
        "image_credit": place.image_credit,
        "picture_problem": "" if place.row.picture else place.story.picture_problem,
        "link": place.story.link,
        "score": place.row.score,
        "reasons": place.row.reasons,
    }


def print_issue(facts: dict[str, Any], *, json: bool, left_out: dict[int, LeftOut] | None = None) -> None:
    """Print an issue's facts, and the stories left out of it when they are given."""
    if json:
        why_not = {} if left_out is None else {str(one): asdict(what) for one, what in left_out.items()}
        say_json(facts | ({} if left_out is None else {"left_out": why_not}))
        return
    number = f", number {facts['number']}" if facts["number"] else ""
    say(f"{facts['issue']}{number}: {facts['state']}{': ' + facts['reason'] if facts['reason'] else ''}")
    say(f"Send time {facts['send_at_local']}.")
    if facts["subject"]:
        say(f"Subject: {facts['subject']}")
    print_accepted(facts["accepted"])
    for name in ("intro", "corrections", "closing"):
        _print_words(name, facts[name])
    for story in facts["stories"]:
        _print_story(story)
    for picture in facts.get("pictures", ()):
        if picture["problem"]:
            warn(f"Story {picture['story']} has no picture: {picture['problem']}")
    if left_out:
        say("Left out, the next best first:")
        rows = sorted(left_out.items(), key=lambda row: (row[1].rank or 1_000_000, row[0]))
        table(("Story", "Headline", "Reason"), ((one, what.headline, what.reason) for one, what in rows))


def _print_words(name: str, words: str) -> None:
    """Print how the editor's words begin, and how many there are where that is not all."""
    if not words:
        return
    line = " ".join(words.split())
    count = f" ({len(words.split()):,} words)" if len(line) > _SHOWN else ""
    say(f"{name.capitalize() + ':':13}{shorten(line, _SHOWN)}{count}")


def _print_story(story: dict[str, Any]) -> None:
    date = f"{story['published_at']:%d %B}" if story["is_dated"] else "no date"
    marks = [*(["pinned"] if story["pinned"] else []), *([] if story["is_about"] else ["not about its regions"])]
    say(f"{story['place']:>7}  {story['id']:>4}  {story['headline']}{' (' + ', '.join(marks) + ')' if marks else ''}")
    say(f"               {story['source']}, {date}; because: {', '.join(story['reasons'])}")
    if story["picture_edited"]:
        say(f"               {_picture_words(story)}")


def _picture_words(story: dict[str, Any]) -> str:
    """Return what an editor made of a story's picture."""
    whose = f"the {story['picture_by']}'s picture"
    if not story["picture"]:
        return "no picture, as the editor wants it" if story["picture_by"] == "editor" else f"{whose} is not there yet"
    alt = f'"{story["image_alt"]}"' if story["image_alt"] else "without a description"
    return f"{whose}: {alt}; {story['image_credit'] or 'without a credit'}"
