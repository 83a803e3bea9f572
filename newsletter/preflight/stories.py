"""The stories of an issue: what each must have, and whether both parts show it (R21, R37, R45, R47, R52, R59)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from newsletter.preflight.finding import Finding, errors, warnings
from newsletter.preflight.known import Known
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

_NOT_WORDS = re.compile(r"[\W_]+")


def headlines(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R45, R59: each story has one, of a length that is read, in both parts."""
    del known
    cards = _cards(content)
    silent = [_name(card) for card in cards if not display_text(card.headline)]
    yield from errors("R45", "A story has no headline", silent, "Write one, or drop the story.")
    long = [card for card in cards if len(display_text(card.headline)) > HEADLINE_LENGTH]
    fix = 'Shorten it with `newsletter issue edit --headline "STORY=…"`.'
    named = (f"{_name(card)} has {len(display_text(card.headline))}" for card in long)
    yield from warnings("copy", f"A headline is longer than {HEADLINE_LENGTH} characters", named, fix)
    yield from _shown(reading, cards, "headline", lambda card: card.headline)


def summaries(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """The editorial copy rules: two to five sentences, so that readers know what happened without leaving."""
    del known
    fix = 'Write two to five sentences with `newsletter issue edit --summary "STORY=…"`.'
    missing, thin, long = [], [], []
    for card in _cards(content):
        text = display_text(card.summary)
        count, words = len(sentences(text, card.language or content.language)), words_in(text)
        if not text:
            missing.append(_name(card))
        elif count > MOST_SENTENCES or words > MOST_WORDS:
            long.append(f"{_name(card)} has {count} sentences, {words} words")
        elif count < 2 and words < _FEWEST_WORDS:
            thin.append(_name(card))
    yield from warnings("copy", "A story has no summary", missing, fix)
    yield from warnings("copy", "A summary is one short sentence", thin, fix)
    yield from warnings("copy", f"A summary has more than {MOST_SENTENCES} sentences or {MOST_WORDS} words", long, fix)
    yield from _shown(reading, _cards(content), "summary", lambda card: card.summary)
    texts = {_words(display_text(card.summary)) for card in _cards(content)} - {""}
    page = reading.page
    small = [
        page.place(one)
        for one in page.all("p", "td", "div")
        if _words(page.text_of(one)) in texts and (pixels(inherited(one, "font-size")) or _TEXT) < _TEXT
    ]
    yield from warnings(
        "R49", f"Running text is smaller than {_TEXT} pixels", small, f"Write font-size:{_TEXT}px or more."
    )


def sources(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """The editorial copy rules: whose story it is, and of which day."""
    del known
    cards = _cards(content)
    unnamed = [_name(card) for card in cards if not display_text(card.source)]
    yield from warnings("copy", "A story does not say where it is from", unnamed, "Give its source a name.")
    yield from _shown(reading, cards, "source", lambda card: card.source)
    yield from _shown(reading, cards, "date", lambda card: reading.language.short_date(card.day) if card.day else "")
    yield from _shown(reading, cards, "region", lambda card: card.regions[0].name if card.regions else "")


def once(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R45, R46: as many headings as stories, each story's once and in the issue's order."""
    del known
    page = reading.page
    headings = [_words(page.text_of(one)) for one in page.all("h2", "h3")]
    twice = [
        _name(card)
        for card in _cards(content)
        if headings.count(own := _words(display_text(card.headline))) > 1 and own
    ]
    same = [_words(display_text(card.headline)) for card in _cards(content)]
    if len(set(same)) == len(same):
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
            closed.append(f"{_name(card)} ({display_text(card.link) or 'it is empty'})")
            continue
        unlinked += [] if address in hrefs else [_name(card)]
        unprinted += [] if address in lines else [_name(card)]
    fix = "Drop the story, or correct its link."
    yield from errors("R37", "A story has no web address that readers can open", closed, fix)
    fix = "Link the headline of every story in issue/body.html."
    yield from errors("R59", "The html has no link to a story", unlinked, fix)
    fix = "Print every story's link in issue/body.txt, on a line of its own."
    yield from errors("R59", "The text part has no link to a story", unprinted, fix)


def pictures(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R21, R47: pictures are there, and the lead's says what it shows."""
    del known
    lead = content.lead
    if lead.image_url and not display_text(lead.image_alt):
        fix = "Describe what it shows, in up to 125 characters."
        yield from warnings(
            "R47", "The lead picture has no description for those who do not see it", [_name(lead)], fix
        )
    if reading.is_trial:
        return
    pictured = [card for card in _cards(content) if card.image_url]
    left_out = [_name(card) for card in pictured if not web_address(card.image_url).startswith("https:")]
    fix = "Take the story's picture from another source, or leave it so."
    yield from warnings("R21", "A story's picture is left out, since its address is not https", left_out, fix)


def languages(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R52: a headline in another language says so, or it is read out as if it were the mail's."""
    del known
    page = reading.page
    marked = [(one.attributes["lang"], _words(page.text_of(one))) for one in page.elements if "lang" in one.attributes]
    foreign = [card for card in _cards(content) if card.language]
    foreign = [card for card in foreign if Language.of(card.language).primary != reading.language.primary]
    unsaid = [
        _name(card)
        for card in foreign
        if not any(
            Language.of(tag).primary == Language.of(card.language).primary
            and _words(display_text(card.headline)) in text
            for tag, text in marked
        )
    ]
    fix = "Print it by the macro `said`, which sets lang and dir."
    yield from warnings("R52", "A headline does not say in which language it is", unsaid, fix)


def _shown(reading: Reading, cards: tuple[Card, ...], name: str, value: Callable[[Card], str]) -> Iterator[Finding]:
    """Yield a warning for each part of the mail that lacks the cards' values (R59)."""
    plain = re.sub(r"https?://\S+", "", reading.text)  # a paper's name may stand in its addresses
    for part, text, whole in (("html", reading.shown_text, reading.shown_text), ("text", plain, reading.text)):
        said = {card: display_text(value(card)) for card in cards}
        missing = [
            _name(card) for card, one in said.items() if _words(one) not in _words(whole if "://" in one else text)
        ]
        fix = f"Print the {name} of every story in issue/body.{'html' if part == 'html' else 'txt'}."
        yield from warnings("R59", f"The {part} part lacks the {name} of a story", missing, fix)


def _cards(content: IssueContent) -> tuple[Card, ...]:
    return (content.lead, *content.more)


def _name(card: Card) -> str:
    return f"“{shortened(display_text(card.headline) or display_text(card.link), 80)}”"


def _words(text: str) -> str:
    """Return the letters and digits of a text alone, so that line breaks and marks make no difference."""
    return _NOT_WORDS.sub("", text).casefold()


RULES = (headlines, summaries, sources, once, links, pictures, languages)
