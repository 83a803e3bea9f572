"""From an issue's rows to what its mail shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlmodel import Session

from newsletter import flags
from newsletter.errors import Refused
from newsletter.identity import look_of
from newsletter.issues.candidates import primary, reports_of
from newsletter.issues.events import Report, outlet_key, outlets
from newsletter.issues.rows import Place, evidence_of, places, regions_of, wider_regions_of
from newsletter.mail import Sender
from newsletter.models import Edition, Issue, Region, StoryRegion
from newsletter.pictures import address_of, small_copies
from newsletter.render import Card, IssueContent, RegionTag
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
    cards = _cards(session, edition, placed, regions, base_url)
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
        intro=issue.intro,
        corrections=issue.corrections,
        closing=issue.closing,
        view_url=f"{base_url}/issues/{edition.slug}/{issue.number}",
        signup_url=f"{base_url}/editions/{edition.slug}",
        sender=Sender(edition.sender_name, edition.sender_address, edition.reply_to),
        look=look_of(edition),
    )


def _cards(
    session: Session, edition: Edition, placed: Sequence[Place], regions: dict[int, Region], base_url: str
) -> list[Card]:
    """Return a card for each story, in order. `regions` are the edition's own."""
    small = small_copies(session, [place.picture for place in placed])
    seen = _Seen(edition, regions | wider_regions_of(session, regions.values()), small, base_url)
    evidence = evidence_of(session, [place.story.id for place in placed], seen.regions)
    reports = reports_of(session, [place.story.coverage for place in placed], [])
    return [
        seen.card(place, evidence.get(place.story.id, []), _others(place, reports.get(place.story.coverage or 0, [])))
        for place in placed
    ]


@dataclass(frozen=True)
class _Seen:
    """How an edition's readers see stories."""

    edition: Edition
    regions: dict[int, Region]
    #: Hash of a picture -> hash of its small copy.
    small: dict[str, str]
    base_url: str

    def card(self, place: Place, evidence: list[StoryRegion], also: Sequence[str]) -> Card:
        story = place.story
        ours = place.row.headline and place.row.summary
        foreign = not ours and primary(story.language) not in {"", primary(self.edition.language)}
        named = [row for row in evidence if not row.evidence.startswith("from ")] or evidence
        tags = [self.regions[row.region_id] for row in named[:_TAGS]]
        return Card(
            number=place.story.id,
            headline=place.headline,
            summary=place.summary,
            link=story.link,
            source=place.source.name,
            day=story.published_at.astimezone(ZoneInfo(self.edition.time_zone)).date() if story.is_dated else None,
            regions=tuple(self._tag(region) for region in tags),
            image_url=self._address(place.picture),
            small_url=self._address(self.small.get(place.picture, "")),
            image_alt=place.image_alt,
            image_credit=place.image_credit,
            also=tuple(also)[:_ALSO],
            language=story.language if foreign else "",
        )

    def _tag(self, region: Region) -> RegionTag:
        return RegionTag(region.code, region.name, flags.address_of(self.base_url, region.code))

    def _address(self, picture: str) -> str:
        return address_of(self.base_url, picture) if picture else ""


def _others(place: Place, reports: Sequence[Report]) -> list[str]:
    """Return the outlets that tell the same event beside the story's own; another feed of its site is not another."""
    own = outlet_key(place.story.url, place.source.name)
    other = [report for report in reports if outlet_key(report.url, report.outlet) != own]
    return [name for name in outlets(other) if name != place.source.name]


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
