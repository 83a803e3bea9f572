"""From an issue's rows to its mail: for looking at, and frozen for sending."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session

from newsletter import preflight
from newsletter.errors import Refused
from newsletter.issues.candidates import primary, reports_of, sent_before, text_of
from newsletter.issues.events import Report, outlet_key, outlets
from newsletter.issues.rows import Place, evidence_of, issue_name, places, regions_of, require_open, wider_regions_of
from newsletter.mail import Mail, Sender
from newsletter.models import Edition, Issue, IssueState, Region, StoryRegion
from newsletter.pictures import address_of
from newsletter.preflight import Finding
from newsletter.render import Card, IssueContent, RegionTag, Renderer
from subscribers.models import MailingList

#: A card shows at most this many region tags; those of the source count only when the story names no place.
_TAGS = 2
#: And at most this many other outlets.
_ALSO = 4


def content_of(session: Session, issue: Issue, base_url: str) -> IssueContent:
    """Return what the issue's mail shows, from the rows as they are. Raises Refused when it has no stories."""
    edition = session.get_one(Edition, issue.edition_id)
    placed = places(session, issue.id)
    if not placed:
        reason = f": {issue.reason}" if issue.reason else ""
        raise Refused(f"{edition.slug}/{issue.week} has no stories{reason}. Gather and draft it again.")
    regions = regions_of(session, edition.id)
    seen = _Seen(edition, regions | wider_regions_of(session, regions.values()), base_url)
    evidence = evidence_of(session, [place.story.id for place in placed], seen.regions)
    reports = reports_of(session, [place.story.coverage for place in placed], [])
    cards = [
        seen.card(place, evidence.get(place.story.id, []), _others(place, reports.get(place.story.coverage or 0, [])))
        for place in placed
    ]
    names = [region.name for region in regions.values()]
    return IssueContent(
        edition_name=edition.name,
        tagline=edition.tagline,
        language=edition.language,
        region_name=edition.region_name or _joined(names),
        publisher=edition.publisher,
        postal_address=edition.postal_address,
        contact=edition.contact,
        list_name=session.get_one(MailingList, edition.list_id).name,
        number=issue.number,
        day=issue.send_at.astimezone(ZoneInfo(edition.time_zone)).date(),
        lead=cards[0],
        more=tuple(cards[1:]),
        subject=issue.subject_override,
        preheader=issue.preheader_override,
        view_url=f"{base_url}/issues/{edition.slug}/{issue.number}",
        signup_url=f"{base_url}/editions/{edition.slug}",
        sender=Sender(edition.sender_name, edition.sender_address, edition.reply_to),
    )


def render(session: Session, issue: Issue, renderer: Renderer, base_url: str) -> tuple[Mail, list[Finding]]:
    """Return the issue's mail and what preflight found: the frozen mail once approved, else one made now."""
    if issue.content_hash:
        return issue.frozen_mail(), []
    content = content_of(session, issue, base_url)
    mail = renderer.issue(content, secrets.token_hex(8))
    return mail, preflight.check(content, mail)


def approve(
    session: Session, issue: Issue, renderer: Renderer, base_url: str, *, by: str, now: datetime
) -> list[Finding]:
    """Freeze the issue's subject, html and text with their hash; return the warnings that remain.

    Raises Refused, with every error preflight found, when the mail must not go out as it is.
    """
    name = issue_name(session, issue)
    require_open(issue, name)
    if issue.state is IssueState.APPROVED:
        raise Refused(f"{name} is approved already. Any edit takes the approval back.")
    if issue.state is IssueState.SKIPPED:
        raise Refused(f"{name} is skipped ({issue.reason}). `newsletter issue draft` makes it again.")
    _refuse_repeats(session, issue, name)
    mail, findings = render(session, issue, renderer, base_url)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        listed = "\n".join(f"  {finding.rule}: {finding.message} {finding.fix}" for finding in errors)
        raise Refused(f"{name} cannot be approved:\n{listed}")
    issue.subject, issue.html, issue.text, issue.nonce = mail.subject, mail.html, mail.text, mail.nonce
    issue.from_name, issue.from_address = mail.sender.name, mail.sender.address
    issue.reply_to, issue.content_hash = mail.sender.reply_to, mail.content_hash
    issue.state, issue.approved_at, issue.approved_by, issue.reason = IssueState.APPROVED, now, by, ""
    for place in places(session, issue.id):
        place.row.sent_text = text_of(place.story)
    session.add(issue)
    session.flush()
    return findings


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


@dataclass(frozen=True)
class _Seen:
    """How an edition's readers see stories."""

    edition: Edition
    regions: dict[int, Region]
    base_url: str

    def card(self, place: Place, evidence: list[StoryRegion], also: Sequence[str]) -> Card:
        story = place.story
        ours = place.row.headline and place.row.summary
        foreign = not ours and primary(story.language) not in {"", primary(self.edition.language)}
        named = [row for row in evidence if not row.evidence.startswith("from ")] or evidence
        tags = [self.regions[row.region_id] for row in named[:_TAGS]]
        return Card(
            headline=place.headline,
            summary=place.summary,
            link=story.link,
            source=place.source.name,
            day=story.published_at.astimezone(ZoneInfo(self.edition.time_zone)).date() if story.is_dated else None,
            regions=tuple(RegionTag(region.code, region.name) for region in tags),
            image_url=address_of(self.base_url, story.picture) if story.picture else "",
            image_alt=story.image_alt,
            image_credit=story.image_credit,
            also=tuple(also)[:_ALSO],
            language=story.language if foreign else "",
        )


def _others(place: Place, reports: Sequence[Report]) -> list[str]:
    """Return the outlets that tell the same event beside the story's own; another feed of its site is not another."""
    own = outlet_key(place.story.url, place.source.name)
    other = [report for report in reports if outlet_key(report.url, report.outlet) != own]
    return [name for name in outlets(other) if name != place.source.name]


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
