"""The pictures of an issue: each story's own, its flags, and none that watches readers (R17, R21, R38, R47, R54)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from newsletter.preflight.comparing import words_of
from newsletter.preflight.finding import Finding, warnings
from newsletter.preflight.known import Known
from newsletter.preflight.page import Element
from newsletter.preflight.preheader import conceals
from newsletter.preflight.reading import WIDEST, Reading, pixels, whole
from newsletter.render import Card, IssueContent, web_address
from newsletter.render.text import attribute_text, display_text, shortened

#: Pixels: the side of a picture that shows nothing.
_NOTHING = 2


def name_of(card: Card) -> str:
    """Return how findings name a story: its headline, and the number by which commands do."""
    number = f" ({card.number})" if card.number else ""
    return f"“{shortened(display_text(card.headline) or display_text(card.link), 80)}”{number}"


def watching(reading: Reading) -> Iterator[Finding]:
    """A picture that shows nothing is there to report who opened the mail; readers were not asked, and filters know."""
    found = [one for one in reading.page.all("img") if _shows_nothing(one)]
    fix = "Take it out; a space is a padding or a margin."
    yield from warnings("R21", "A picture shows nothing, as those do that watch readers", _sources(found), fix)
    grounds = [one for one in reading.page.elements if one.attributes.get("background")]
    fix = "Show it as a picture, or take it out."
    yield from warnings("R25", "Not every mail program shows pictures behind text", _sources(grounds), fix)


def _shows_nothing(picture: Element) -> bool:
    sides = [whole(picture.attributes.get(name, "")) for name in ("width", "height")]
    styled = [pixels(picture.style.get(name, "")) for name in ("width", "height", "max-width", "max-height")]
    small = any(side is not None and side <= _NOTHING for side in (*sides, *styled))
    return small or picture.is_hidden or any(conceals(one) for one in picture.up())


def _sources(elements: list[Element]) -> list[str]:
    addresses = (one.attributes.get("src") or one.attributes.get("background", "") for one in elements)
    return [f"“{shortened(display_text(one), 80)}”" for one in addresses]


def width(reading: Reading) -> Iterator[Finding]:
    """R17: Word draws a picture as wide as its attribute says, and the mail with it."""
    found = [one for one in reading.page.all("img") if (whole(one.attributes.get("width", "")) or 0) > WIDEST]
    fix = f'Write width="{WIDEST}" or less; the file may be larger.'
    yield from warnings("R17", f"A picture is wider than {WIDEST} pixels", map(reading.page.place, found), fix)


def own(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R21, R46: each story has its own picture, once, and in the order of the stories."""
    del known
    shown = _shown(reading)
    cards = [(card, wanted) for card in (content.lead, *content.more) if (wanted := addresses_of(card, reading))]
    missing = [name_of(card) for card, wanted in cards if not wanted & shown.keys()]
    fix = "Print {{ card.image_url }} or {{ card.small_url }} of the story itself in issue/body.html."
    yield from warnings("R21", "A story's picture is not shown", missing, fix)
    allowed = Counter(address for _, wanted in cards for address in wanted)
    twice = [f"“{shortened(one, 80)}”" for one, times in allowed.items() if len(shown.get(one, [])) > times]
    yield from warnings("R21", "A story's picture stands in the mail more than once", twice, fix)
    first = [min(shown[one][0].index for one in wanted & shown.keys()) for _, wanted in cards if wanted & shown.keys()]
    if first != sorted(first) and set(allowed.values()) == {1}:
        yield Finding("R46", "warning", "The pictures are not in the order of their stories.", fix)


def said(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R38, R47: a story's picture is described as the story says, and leads to the story."""
    del known
    shown = _shown(reading)
    others, silent, astray = [], [], []
    for card in (content.lead, *content.more):
        pictures = [one for address in addresses_of(card, reading) for one in shown.get(address, [])]
        described = words_of(attribute_text(display_text(card.image_alt)))
        alts = [words_of(one.attributes.get("alt", "")) for one in pictures]
        others += [name_of(card)] if any(alt and not described.startswith(alt) for alt in alts) else []
        wanted = card is content.lead and described and described != words_of(display_text(card.headline))
        silent += [name_of(card)] if wanted and pictures and not any(alts) else []
        links = [up.attributes.get("href", "") for one in pictures for up in one.up() if up.tag == "a"]
        astray += [name_of(card)] if any(link != web_address(card.link) for link in links) else []
    fix = "Print {{ card.image_alt }} of the story itself, or nothing."
    yield from warnings("R47", "A picture's alternative text is not its story's", others, fix)
    yield from warnings("R47", "The lead picture's description is not in the mail", silent, fix)
    fix = "Link it to {{ card.link }} of the story itself."
    yield from warnings("R38", "A picture leads to another story than its own", astray, fix)


def flags(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R54: a place that has a flag shows it, and no other's."""
    del known
    addresses = [one.attributes.get("src", "") for one in reading.page.all("img") if not one.is_hidden]
    regions = [one for card in (content.lead, *content.more) for one in card.regions]
    wanted = [(str(one), address) for one in regions if (address := web_address(one.flag_url))]
    there = Counter(addresses)
    needed = Counter(address for _, address in wanted)
    missing = [f"“{display_text(name)}”" for name, address in wanted if there[address] < needed[address]]
    fix = "Print {{ region.flag_url }} beside each {{ region.name }}."
    yield from warnings("R54", "A place is shown without its flag", missing, fix)
    extra = [address for address in needed if there[address] > needed[address]]
    yield from warnings("R54", "A flag stands at a place that it does not belong to", extra, fix)
    shown = [address for address in addresses if address in needed]
    if there.keys() >= needed.keys() and not missing and not extra and shown != [address for _, address in wanted]:
        yield Finding("R54", "warning", "The flags are not in the order of their places.", fix)


def addresses_of(card: Card, reading: Reading) -> frozenset[str]:
    """Return where the story's picture lies: as wide as a lead's and as a card's. None where readers cannot load it."""
    large = web_address(card.image_url)
    if not large or not (reading.is_trial or large.startswith("https:")):
        return frozenset()
    return frozenset({large, web_address(card.small_url) or large})


def _shown(reading: Reading) -> dict[str, list[Element]]:
    """Return address -> the pictures that readers see of it."""
    found: dict[str, list[Element]] = {}
    for one in reading.page.all("img"):
        if not one.is_hidden:
            found.setdefault(one.attributes.get("src", ""), []).append(one)
    return found


MAIL_RULES = (watching, width)
ISSUE_RULES = (own, said, flags)
