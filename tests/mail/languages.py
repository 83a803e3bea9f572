"""Issues in the languages that are laid out in ways of their own, for tests of the layout and of the words around it.

Right to left, no spaces between words, tall letters, long words, dates that end with a full stop. An issue shows all that
a lead can have: two places, a picture with a credit, other outlets. The stories are in `tests/data/mail_languages.toml`.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypedDict

from newsletter.render import Card, IssueContent, RegionTag
from tests import mail_fixtures as fixtures


class _Story(TypedDict):
    headline: str
    summary: str
    source: str
    place: str


class _Weekly(TypedDict):
    edition: str
    tagline: str
    region: str
    list: str
    publisher: str
    postal_address: str
    #: A code and a name.
    country: tuple[str, str]
    #: What the lead's picture shows, and whose it is.
    picture: str
    credit: str
    stories: list[_Story]


@cache
def _weeklies() -> dict[str, _Weekly]:
    # Its keys and types are those of the classes above, as the file is ours.
    file = Path(__file__).parents[1] / "data" / "mail_languages.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


#: The languages that there is an issue in.
LANGUAGES = tuple(_weeklies())


def issue_in(language: str) -> IssueContent:
    """Return an issue with a lead and four stories, one of them without a picture, in one of LANGUAGES."""
    weekly = _weeklies()[language]
    lead, *more = (_card(number, story) for number, story in enumerate(weekly["stories"]))
    issue = fixtures.issue()
    return replace(
        issue,
        edition_name=weekly["edition"],
        tagline=weekly["tagline"],
        language=language,
        region_name=weekly["region"],
        list_name=weekly["list"],
        publisher=weekly["publisher"],
        postal_address=weekly["postal_address"],
        lead=replace(
            lead,
            regions=(RegionTag(*weekly["country"]), *lead.regions),
            image_alt=weekly["picture"],
            image_credit=weekly["credit"],
            also=tuple(sorted({card.source for card in more} - {lead.source})),
        ),
        more=tuple(more),
        sender=replace(issue.sender, name=weekly["edition"]),
    )


def _card(number: int, story: _Story) -> Card:
    return replace(
        fixtures.card(number, pictures=number != 2),
        headline=story["headline"],
        summary=story["summary"],
        source=story["source"],
        regions=(RegionTag("", story["place"]),),
        image_alt="",
    )
