"""The stories of an issue: what each must have, and whether both parts show it (R21, R37, R45, R47, R52, R59)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from newsletter.preflight.comparing import first_astray, letters_of, words_of
from newsletter.preflight.finding import Finding, errors, warnings
from newsletter.preflight.known import Known
from newsletter.preflight.pictures import addresses_of, name_of
from newsletter.preflight.reading import Reading, inherited, pixels
from newsletter.render import Card, IssueContent, web_address
from newsletter.render.language import Language
from newsletter.render.text import display_text, shortened
from newsletter.sources.prose.sentences import sentences, words_in

#: Characters of a headline; sentences and words of a summary (the editorial copy rules).
HEADLINE_LENGTH, MOST_SENTENCES, MOST_WORDS = 110, 5, 90
#: One sentence is enough when it has so many words: less is a headline said twice.
_FEWEST_WORDS = 10
#: Pixels of the letters of running text (R49).
_TEXT = 16


def headlines(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R45, R59: each story has one, of a length that is read, in both parts."""
    del known
    cards = _cards(content)
    silent = [name_of(card) for card in cards if not display_text(card.headline)]
    yield from errors("R45", "A story has no headline", silent, "Write one, or drop the story.")
    long = [card for card in cards if len(display_text(card.headline)) > HEADLINE_LENGTH]
    fix = 'Shorten it with `newsletter issue edit --headline "STORY=…"`.'
    named = (f"{name_of(card)} has {len(display_text(card.headline))}" for card in long)
    yield from warnings("copy", f"A headline is longer than {HEADLINE_LENGTH} characters", named, fix)
    yield from _shown(reading, cards, "headline", lambda card: [card.headline])


def summaries(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """The editorial copy rules: two to five sentences, so that readers know what happened without leaving."""
    del known
    fix = 'Write two to five sentences with `newsletter issue edit --summary "STORY=…"`.'
    missing, thin, long = [], [], []
    for card in _cards(content):
        text = display_text(card.summary)
        count, words = len(sentences(text, card.language or content.language)), words_in(text)
        if not text:
            missing.append(name_of(card))
        elif count > MOST_SENTENCES or words > MOST_WORDS:
            long.append(f"{name_of(card)} has {count} sentences, {words} words")
        elif count < 2 and words < _FEWEST_WORDS:
            thin.append(name_of(card))
    yield from warnings("copy", "A story has no summary", missing, fix)
    yield from warnings("copy", "A summary is one short sentence", thin, fix)
    yield from warnings("copy", f"A summary has more than {MOST_SENTENCES} sentences or {MOST_WORDS} words", long, fix)
    yield from _shown(reading, _cards(content), "summary", lambda card: [card.summary])
    texts = {words_of(display_text(card.summary)) for card in _cards(content)} - {""}
    page = reading.page
    small = [
        page.place(one)
        for one in page.all("p", "td", "div")
        if words_of(page.text_of(one)) in texts and (pixels(inherited(one, "font-size")) or _TEXT) < _TEXT
    ]
    yield from warnings(
        "R49", f"Running text is smaller than {_TEXT} pixels", small, f"Write font-size:{_TEXT}px or more."
    )


def sources(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """The editorial copy rules: whose story it is, and of which day."""
    del known
    cards = _cards(content)
    unnamed = [name_of(card) for card in cards if not display_text(card.source)]
    yield from warnings("copy", "A story does not say where it is from", unnamed, "Give its source a name.")
    yield from _shown(reading, cards, "source", lambda card: [card.source])
    yield from _shown(reading, cards, "date", lambda card: [reading.language.short_date(card.day)] if card.day else [])
    yield from _shown(reading, cards, "region", lambda card: [one.name for one in card.regions])


def reported(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """The editorial copy rules: who else reports it, and whose picture it is."""
    del known
    cards = _cards(content)
    yield from _shown(reading, cards, "list of other outlets", lambda card: card.also)
    yield from _shown(
        reading, cards, "picture credit", lambda card: [card.image_credit] if addresses_of(card, reading) else []
    )


def once(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R45, R46: as many headings as stories, each story's once and in the issue's order."""
    del known
    page = reading.page
    headings = [(one.tag, words_of(page.text_of(one))) for one in page.all("h2", "h3")]
    titles = [words_of(display_text(card.headline)) for card in _cards(content)]
    if any(pair == (("h2", titles[0]), ("h3", titles[1])) for pair in pairwise(headings) if content.more):
        fix = "Print a heading before them: More from {{ region }}."
        yield Finding("R45", "warning", "The stories below the lead have no heading of their own.", fix)
    times = Counter(text for _, text in headings)
    twice = [name_of(card) for card, title in zip(_cards(content), titles, strict=True) if title and times[title] > 1]
    if len(set(titles)) == len(titles):
        fix = "Print each story once in issue/body.html."
        yield from warnings("R45", "A story stands in the mail more than once", twice, fix)


def links(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R37, R59: every story can be opened from either part."""
    del known
    hrefs = {one.attributes.get("href", "") for one in reading.links}
    lines = {line.strip() for line in reading.text.splitlines()}
    closed, unlinked, unprinted = [], [], []
    for card in _cards(content):
        address = web_address(card.link)
        if not address:
            closed.append(f"{name_of(card)} ({display_text(card.link) or 'it is empty'})")
            continue
        unlinked += [] if address in hrefs else [name_of(card)]
        unprinted += [] if address in lines else [name_of(card)]
    fix = "Drop the story, or correct its link."
    yield from errors("R37", "A story has no web address that readers can open", closed, fix)
    fix = "Link the headline of every story in issue/body.html."
    yield from errors("R59", "The html has no link to a story", unlinked, fix)
    fix = "Print every story's link in issue/body.txt, on a line of its own."
    yield from errors("R59", "The text part has no link to a story", unprinted, fix)


def own_links(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R38, R60: a headline leads to its own story, and each link of the text part stands at its story."""
    del known
    page = reading.page
    leads: dict[str, set[str]] = {}
    for link in reading.links:
        for heading in link.up():
            if heading.tag in {"h1", "h2", "h3", "h4"}:
                leads.setdefault(words_of(page.text_of(heading)), set()).add(link.attributes.get("href", ""))
    wanted: dict[str, set[str]] = {}
    for card in _cards(content):
        wanted.setdefault(words_of(display_text(card.headline)), set()).add(web_address(card.link))
    astray = [
        name_of(card)
        for card in _cards(content)
        if leads.get(own := words_of(display_text(card.headline)), set()) - wanted[own]
    ]
    fix = "Link it to {{ card.link }} of the story itself."
    yield from warnings("R38", "A headline leads to another story than its own", astray, fix)
    lines = [line.strip() for line in reading.text.splitlines()]
    addresses = [address for card in _cards(content) if (address := web_address(card.link)) and address in lines]
    found = [lines.index(one) for one in addresses]
    if found != sorted(found) and len(set(addresses)) == len(addresses):
        fix = "Print each story's link below its words in issue/body.txt."
        yield Finding("R60", "warning", "The links of the text part do not stand at their stories.", fix)


def pictures(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R21, R47: pictures are there, and the lead's says what it shows."""
    del known
    lead = content.lead
    if lead.image_url and not display_text(lead.image_alt):
        fix = f'Describe what it shows, in up to 125 characters: --alt "{lead.number or "STORY"}=…" of `issue edit`.'
        yield from warnings(
            "R47", "The lead picture has no description for those who do not see it", [name_of(lead)], fix
        )
    if reading.is_trial:
        return
    pictured = [card for card in _cards(content) if card.image_url]
    left_out = [name_of(card) for card in pictured if not web_address(card.image_url).startswith("https:")]
    fix = "Take the story's picture from another source, or leave it so."
    yield from warnings("R21", "A story's picture is left out, since its address is not https", left_out, fix)


def languages(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R52: a headline in another language says so, or it is read out as if it were the mail's."""
    del known
    page = reading.page
    marked = [
        (one.attributes["lang"], words_of(page.text_of(one))) for one in page.elements if "lang" in one.attributes
    ]
    foreign = [card for card in _cards(content) if card.language]
    foreign = [card for card in foreign if Language.of(card.language).primary != reading.language.primary]
    tags = {reading.language.primary, "en", *(Language.of(card.language).primary for card in foreign)}
    strange = [
        f'lang="{tag}" at {shortened(page.text_of(one), 60)}'
        for one in page.elements
        if (tag := one.attributes.get("lang", "")) and one.tag != "html" and tag.partition("-")[0].lower() not in tags
    ]
    fix = "Name the language in which it is written, or none."
    yield from warnings("R52", "Text says that it is in a language which no story has", strange, fix)
    unsaid = [
        name_of(card)
        for card in foreign
        if not any(
            Language.of(tag).primary == Language.of(card.language).primary
            and words_of(display_text(card.headline)) in text
            for tag, text in marked
        )
    ]
    fix = "Print it by the macro `said`, which sets lang and dir."
    yield from warnings("R52", "A headline does not say in which language it is", unsaid, fix)


def _shown(
    reading: Reading, cards: tuple[Card, ...], name: str, values: Callable[[Card], Iterable[str]]
) -> Iterator[Finding]:
    """Yield a warning for each part of the mail that lacks the cards' values, or has them at other cards (R59)."""
    said = [(card, text) for card in cards for one in values(card) if (text := display_text(one))]
    for part, held in (("html", reading.shown_letters), ("text", reading.text_letters)):
        whole = letters_of(reading.shown_text if part == "html" else reading.text)
        pieces = [(card, letters_of(one), whole if "://" in one else held) for card, one in said]
        missing = [name_of(card) for card, letters, text in pieces if letters not in text]
        file = f"issue/body.{'html' if part == 'html' else 'txt'}"
        fix = f"Print the {name} of every story in {file}."
        yield from warnings("R59", f"The {part} part lacks the {name} of a story", missing, fix)
        astray = None if missing or name == "headline" else first_astray((letters for _, letters, _ in pieces), whole)
        if astray is not None:
            fix = f"Print each story's own {name} in {file}."
            what = f"The {part} part has the {name} of another story, or lacks it, near"
            yield from warnings("R59", what, [name_of(pieces[astray][0])], fix)


def _cards(content: IssueContent) -> tuple[Card, ...]:
    return (content.lead, *content.more)


RULES = (headlines, summaries, sources, reported, once, links, own_links, pictures, languages)
