"""From an issue's rows to its mail: looked at, judged by preflight, and frozen for sending."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import Session, col, select

from newsletter import preflight
from newsletter.db import Database
from newsletter.errors import Refused
from newsletter.issues.candidates import sent_before, text_of
from newsletter.issues.content import content_of
from newsletter.issues.rows import issue_name, places, require_open
from newsletter.mail import Mail
from newsletter.models import Edition, Issue, IssueState
from newsletter.preflight import Finding, Known
from newsletter.reach import domain, links
from newsletter.render import Renderer
from newsletter.sources.http import Client

#: Instead of a rule's number: a reason that holds for every warning.
ALL = "all"
#: Provider -> the names under which it publishes its DKIM keys at the sender's domain.
DKIM_SELECTORS: Mapping[str, tuple[str, ...]] = {"sendgrid": ("s1", "s2")}
#: How many places of a finding are shown to those who do not ask for all.
PLACES_SHOWN = 5

_NOTHING_KNOWN = Known()
_NOTHING_ACCEPTED: Mapping[str, str] = {}


@dataclass(frozen=True)
class Judged:
    """An issue's mail and what preflight says of it; `accepted` maps a warning to the reason it was accepted for."""

    mail: Mail
    findings: tuple[Finding, ...]
    accepted: Mapping[Finding, str]

    @property
    def errors(self) -> list[Finding]:
        """What keeps the mail from going out."""
        return [one for one in self.findings if one.severity == "error"]

    @property
    def open_warnings(self) -> list[Finding]:
        """The warnings that nobody has accepted."""
        return [one for one in self.findings if one.severity == "warning" and one not in self.accepted]


def render(session: Session, issue: Issue, renderer: Renderer, base_url: str) -> tuple[Mail, list[Finding]]:
    """Return the issue's mail and what preflight found: the frozen mail once approved, else one made now."""
    if issue.content_hash:
        return issue.frozen_mail(), []
    judged = judge(session, issue, renderer, base_url)
    return judged.mail, list(judged.findings)


def judge(session: Session, issue: Issue, renderer: Renderer, base_url: str, known: Known = _NOTHING_KNOWN) -> Judged:
    """Return the issue's mail with what preflight finds in it and what was accepted; `known` is from `look_around`.

    A frozen mail is judged as it is, whatever its stories say by now.
    """
    if issue.content_hash:
        mail = issue.frozen_mail()
        language = session.get_one(Edition, issue.edition_id).language
        findings = preflight.check_mail(mail, language=language, site=base_url, known=known)
        found = {_key(one) for one in findings}
        findings = [*findings, *(one for one in _accepted_findings(issue) if _key(one) not in found)]
        return Judged(mail, tuple(findings), _reasons(findings, accepted_of(issue)))
    content = content_of(session, issue, base_url)
    mail = renderer.issue(content, secrets.token_hex(8))
    known = replace(
        known,
        earlier_subjects=_earlier_subjects(session, issue),
        missing_words=renderer.missing_words(content.language, content.look.templates),
    )
    return Judged(mail, tuple(preflight.check(content, mail, known)), {})


def look_around(
    db: Database,
    issue_id: int,
    renderer: Renderer,
    base_url: str,
    client: Client,
    *,
    selectors: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
    only_if_sound: bool = False,
) -> Known:
    """Return what the network says of the issue's links and of its sender's domain; takes half a minute at most.

    `selectors` are those of the provider's DKIM keys; `progress` is called with how many links are done, and of how
    many. With `only_if_sound` no link is asked for while the mail has errors: a schedule asks every minute. Raises
    Refused when the issue has no stories. The sender's domain is that of the edition.
    """
    with db.reading() as session:
        issue = session.get_one(Issue, issue_id)
        content = content_of(session, issue, base_url)
        mail = issue.frozen_mail() if issue.content_hash else renderer.issue(content, secrets.token_hex(8))
    known = Known(domain=domain.look(mail.sender.address.rpartition("@")[2], selectors=selectors))
    if only_if_sound and any(one.severity == "error" for one in preflight.check(content, mail, known)):
        return known
    urls = preflight.links_of(content, mail)
    return replace(known, links=links.look(urls, client, trial=not base_url.startswith("https:"), progress=progress))


def approve(
    session: Session,
    issue: Issue,
    renderer: Renderer,
    base_url: str,
    *,
    by: str,
    now: datetime,
    accept: Mapping[str, str] = _NOTHING_ACCEPTED,
    known: Known = _NOTHING_KNOWN,
) -> list[Finding]:
    """Freeze the issue's subject, html and text with their hash; return the warnings, all of them accepted.

    `accept` maps a rule such as "R37", or ALL, to the reason that is kept with the approval. Raises Refused when
    preflight finds an error, when it finds a warning that is not accepted, and when one is accepted that it does not
    find.
    """
    name = issue_name(session, issue)
    require_open(issue, name)
    if issue.state is IssueState.APPROVED:
        raise Refused(f"{name} is approved already. Any edit takes the approval back.")
    if issue.state is IssueState.SKIPPED:
        raise Refused(f"{name} is skipped ({issue.reason}). `newsletter issue draft` makes it again.")
    _refuse_repeats(session, issue, name)
    judged = judge(session, issue, renderer, base_url, known)
    accepted = _accepted(name, judged, accept, by)
    mail = judged.mail
    issue.subject, issue.html, issue.text, issue.nonce = mail.subject, mail.html, mail.text, mail.nonce
    issue.name_key = issue.name_key or mail.nonce
    issue.from_name, issue.from_address = mail.sender.name, mail.sender.address
    issue.reply_to, issue.content_hash = mail.sender.reply_to, mail.content_hash
    issue.state, issue.approved_at, issue.approved_by, issue.reason = IssueState.APPROVED, now, by, ""
    issue.accepted = accepted
    for place in places(session, issue.id):
        place.row.sent_text = text_of(place.story)
    session.add(issue)
    session.flush()
    return list(judged.findings)


def accepted_of(issue: Issue) -> list[dict[str, str]]:
    """Return the warnings that were accepted with the approval that holds: rule, message, reason, by, places.

    The places are all that the warning holds for, a line each; it has none where the message says everything.
    """
    return list(issue.accepted or []) if issue.content_hash else []


def other_places(finding: Finding, *, most: int | None = PLACES_SHOWN) -> list[str]:
    """Return lines with the places of a finding that its message does not name, up to `most` with the one it does."""
    shown = finding.places[1:most]
    left = len(finding.places[1:]) - len(shown)
    more = [f"and {left} more; `newsletter issue check` shows them with --all"] if left else []
    return [*(f"also {place}" for place in shown), *more]


def _accepted(name: str, judged: Judged, accept: Mapping[str, str], by: str) -> list[dict[str, str]]:
    """Return what is kept of the warnings. Raises Refused with what must be put right, or accepted, first."""
    if judged.errors:
        raise Refused(f"{name} cannot be approved:\n{_listed(judged.errors)}")
    reasons = {rule.strip().casefold(): reason.strip() for rule, reason in accept.items()}
    if unsaid := [rule for rule, reason in accept.items() if not reason.strip()]:
        raise Refused(f"Say why {unsaid[0]} is accepted: the reason is kept with the approval.")
    _refuse_others(accept, judged.findings)
    kept = []
    left = []
    for one in judged.findings:
        reason = reasons.get(one.rule.casefold(), reasons.get(ALL, ""))
        if reason:
            rule, message, lines = _key(one)
            kept.append({"rule": rule, "message": message, "reason": reason, "by": by, "places": lines})
        else:
            left.append(one)
    if left:
        raise Refused(
            f"{name} is not approved, since preflight warns of this:\n{_listed(left)}\n"
            f"Put it right, or accept it and say why:\n  {_command(name, judged.findings, reasons)}"
        )
    return kept


def _refuse_others(accept: Mapping[str, str], findings: Sequence[Finding]) -> None:
    """Raise Refused when a warning is accepted that there is not: a slip would else go unnoticed."""
    rules = list(dict.fromkeys(one.rule for one in findings))
    known = {ALL, *(rule.casefold() for rule in rules)}
    others = [rule.strip() for rule in accept if rule.strip().casefold() not in known]
    if others:
        there = f": {', '.join(rules)}" if rules else ", since there are none"
        raise Refused(f"{', '.join(others)} {'are' if len(others) > 1 else 'is'} not among the warnings{there}.")


def _command(name: str, findings: Sequence[Finding], reasons: Mapping[str, str]) -> str:
    """Return the command line that accepts every warning; what was given stays as it was."""
    words = []
    for rule in dict.fromkeys(one.rule for one in findings):
        reason = reasons.get(rule.casefold(), reasons.get(ALL, "your reason"))
        quoted = reason.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
        words.append(f'--accept "{rule}={quoted}"' if " " in rule else f'--accept {rule}="{quoted}"')
    return f"newsletter issue approve {name} {' '.join(words)}"


def _listed(findings: Sequence[Finding]) -> str:
    return "\n".join(
        line
        for one in findings
        for line in (f"  {one.rule}: {one.message} {one.fix}", *(f"    {place}" for place in other_places(one)))
    )


def _key(finding: Finding) -> tuple[str, str, str]:
    """Return what a finding is known by when the mail is judged again: rule, message and its places, a line each."""
    return finding.rule, finding.message, "\n".join(finding.places)


def _accepted_findings(issue: Issue) -> list[Finding]:
    return [
        Finding(one["rule"], "warning", one["message"], "", tuple(one.get("places", "").splitlines()))
        for one in accepted_of(issue)
    ]


def _reasons(findings: Sequence[Finding], accepted: Sequence[Mapping[str, str]]) -> dict[Finding, str]:
    """Return for each warning that was accepted why, and by whom."""
    known = {(one["rule"], one["message"], one.get("places", "")): f"{one['reason']} ({one['by']})" for one in accepted}
    return {one: known[_key(one)] for one in findings if _key(one) in known}


def _earlier_subjects(session: Session, issue: Issue) -> tuple[tuple[str, str], ...]:
    """Return week and subject of the edition's other issues that readers got, or are approved to get (R14)."""
    gone = (IssueState.APPROVED, IssueState.SENDING, IssueState.SENT)
    query = (
        select(Issue.week, Issue.subject)
        .where(Issue.edition_id == issue.edition_id, Issue.id != issue.id, col(Issue.state).in_(gone))
        .order_by(col(Issue.week).desc())
    )
    return tuple((week, subject) for week, subject in session.exec(query) if subject)


def _refuse_repeats(session: Session, issue: Issue, name: str) -> None:
    """Raise Refused when a story of the issue went out, or is approved to, in another week of the same edition."""
    session.get_one(Edition, issue.edition_id, with_for_update=True)  # two weeks are not approved at the same time
    sent = sent_before(session, issue.edition_id, issue.id)
    repeated = [
        place for place in places(session, issue.id) if place.story.id in sent and not sent[place.story.id].updated
    ]
    if repeated:
        listed = "\n".join(f"  {one.story.id}  {one.headline} ({sent[one.story.id].week})" for one in repeated)
        raise Refused(f"{name} has stories that these readers get or got in another week:\n{listed}\nDraft it again.")
