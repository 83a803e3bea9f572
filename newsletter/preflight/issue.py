"""What an issue must have beside a sound mail: subject, preheader, imprint, the way out (R14, R34, R42, R46)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from newsletter.preflight.comparing import in_order, words_of
from newsletter.preflight.finding import Finding, errors, warnings
from newsletter.preflight.known import Known
from newsletter.preflight.page import Element
from newsletter.preflight.preheader import conceals
from newsletter.preflight.reading import MARKS, Reading, inherited, pixels
from newsletter.render import IssueContent
from newsletter.render.colours import accent_problems
from newsletter.render.text import display_text, shortened

#: Characters of a subject that inboxes on a desk show, and of a preheader: at least, at most (R34).
SUBJECT_LENGTH, PREHEADER_LENGTH = 100, (85, 130)
#: Of one that was made from the stories; phones show as much.
MADE_PREHEADER_LENGTH = 40

#: Scripts whose letters are as wide as two.
_WIDE = re.compile("[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60]")


def trial(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R37: once, instead of for each link to our own pages."""
    del known
    if reading.is_trial:
        message = f"The installation is a trial: its address, {reading.site}, is not https."
        yield Finding("R37", "warning", message, "Set base_url to an https address before you write to real readers.")
    if not urlsplit(content.view_url).hostname:
        fix = "Set base_url to a complete address in newsletter.toml."
        yield from errors("R37", "The issue's page has no address", [f"“{content.view_url}”"], fix)


def subject(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R14: said, short, and not said before."""
    text = reading.mail.subject
    length = max(len(text), len(display_text(content.subject)))  # a template may have cut it
    if not display_text(text):
        yield Finding("R14", "error", "The subject is empty.", "Write a subject.")
    elif length > SUBJECT_LENGTH:
        message = f"The subject has {length} characters; inboxes cut it after {SUBJECT_LENGTH} at the latest."
        yield Finding("R14", "warning", message, "Shorten it; phones show the first 40.")
    same = [name for name, earlier in known.earlier_subjects if words_of(earlier) == words_of(text)]
    fix = "Write another one: Gmail hides what repeats an earlier mail of the same thread."
    yield from warnings("R14", "The subject is that of an earlier issue", same, fix)


def preheader(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R34: a second line that says something else than the first."""
    del known
    text = display_text(reading.page.text_of(reading.preheader)) if reading.preheader else ""
    text = re.sub("[\u034f\u2007\u00ad]", "", text).strip()
    shortest, longest = PREHEADER_LENGTH
    least = shortest if content.preheader else MADE_PREHEADER_LENGTH  # few stories do not give more
    fix = 'Write one with `newsletter issue edit --preheader "…"`; the first 40 characters count most.'
    if not text:
        yield Finding("R34", "warning", "Inboxes have nothing to show after the subject.", fix)
    elif len(text) > longest or len(text) + len(_WIDE.findall(text)) < least:
        message = f"The line after the subject has {len(text)} characters; {shortest} to {longest} are shown."
        yield Finding("R34", "warning", message, fix)
    twins = {"the subject": reading.mail.subject, "the lead's headline": content.lead.headline}
    same = [name for name, twin in twins.items() if text and words_of(twin) == words_of(text)]
    yield from warnings("R34", "The line after the subject only repeats", same, fix)


def way_out(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R42: both parts have the ways to leave, to choose, and to see the mail on the web."""
    del known
    links = {one.attributes.get("href", ""): one for one in reversed(reading.links) if not _is_concealed(one)}
    wanted = {
        "unsubscribing": MARKS["unsubscribe_url"],
        "changing preferences": MARKS["preferences_url"],
        "viewing it in the browser": content.view_url,
    }
    for number, (what, address) in enumerate(wanted.items()):
        parts = {"html": address in links, "text": address in reading.text}
        for part in (part for part, there in parts.items() if not there):
            name = address[1:-1] if address in MARKS.values() else "view_url"
            fix = f"Print {{{{ {name} }}}} in issue/body.{'html' if part == 'html' else 'txt'}."
            message = f"The {part} part has no link for {what}."
            yield Finding("R42", "warning" if number else "error", message, fix)
    yield from _way_out_looks([links[one] for one in wanted.values() if one in links])


def _is_concealed(link: Element) -> bool:
    return any(conceals(one) for one in link.up())


def _way_out_looks(links: list[Element]) -> Iterator[Finding]:
    if len(links) != 3:
        return
    leave, choose, view = links
    if not choose.index < leave.index < view.index:
        fix = "Put them in this order: change preferences, unsubscribe, view in browser."
        yield Finding("R42", "warning", "The links of the footer are not in their order.", fix)
    sizes = [pixels(inherited(one, "font-size")) or 0 for one in (leave, choose, view)]
    tones = {inherited(one, "color") for one in (choose, view)}
    if sizes[0] < max(sizes) or inherited(leave, "color") not in tones:
        fix = "Give it the class of the links beside it."
        yield Finding(
            "R42", "warning", "The link for unsubscribing is smaller or of another colour than its neighbours.", fix
        )


def imprint(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R42: who sends this, where their post goes, and where corrections are taken."""
    del known
    missing = {
        "postal_address": (content.postal_address, "The mail has no postal address, which the law asks for."),
        "publisher": (content.publisher, "The mail does not say who publishes it."),
        "contact": (content.contact, "Readers are not told where to send corrections."),
    }
    links = " ".join(one.attributes.get("href", "") for one in reading.links)
    parts = {"html": words_of(f"{reading.shown_text} {links}"), "text": words_of(reading.text)}
    for name, (value, sentence) in missing.items():
        if not display_text(value):
            yield Finding("R42", "error", sentence, f"Set the edition's {name.replace('_', ' ')}.")
            continue
        lacking = [part for part, words in parts.items() if words_of(display_text(value)) not in words]
        fix = f"Print {{{{ {name} }}}} in it, as the imprint of _macros.html does."
        yield from errors(
            "R42", f"The edition's {name.replace('_', ' ')} is missing", (f"the {one} part" for one in lacking), fix
        )


def outline(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R46, R60: the stories come in the editor's order in both parts."""
    del known
    headlines = [words_of(display_text(card.headline)) for card in (content.lead, *content.more)]
    titles = [words_of(reading.page.name_of(one)) for one in reading.page.all("h2", "h3")]
    places = [titles.index(one) for one in headlines if one in titles]
    fix = "Print the lead first and `more` in its order."
    if places != sorted(places) and len(set(headlines)) == len(headlines):
        yield Finding("R46", "warning", "The stories of the html are not in the editor's order.", fix)
    text = words_of(reading.text)
    found = in_order(headlines, text)
    if not found:
        yield Finding("R60", "warning", "The stories of the text part are not in the editor's order.", fix)


def words(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """Issue of translations: a phrase that is shown in English among others."""
    del content
    listed = (f"“{shortened(one, 60)}”" for one in known.missing_words)
    fix = f"Add it to the catalogue {reading.language.primary}.po (docs/templates.md), or live with the English."
    yield from warnings("words", "A fixed phrase is not translated", listed, fix)


def accent(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R48: the edition's own colour, also where this issue does not show it in every place."""
    del reading, known
    for sentence in accent_problems(content.look.accent, content.look.accent_dark):
        fix = "Set the edition's accent to a colour with more contrast."
        yield Finding("R48", "error", f"The edition's {sentence[:1].lower()}{sentence[1:].rstrip('.')}.", fix)


RULES = (trial, imprint, subject, preheader, way_out, outline, words, accent)
