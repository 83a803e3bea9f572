"""Stage 3b: what is wrong with an issue's mail before it goes out. Errors block approval, warnings are shown.

Pure: it reads the content and the finished mail, and returns findings in words an editor can act on.
"""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import urlsplit

from newsletter.mail import HOLES, Mail, hole_tag
from newsletter.render import Card, IssueContent, web_address
from newsletter.render.text import display_text, shortened

#: Bytes of the html part after the holes are filled (R9), of the encoded part, and of the kept style blocks (R10).
HTML_WARNING, HTML_LIMIT, ENCODED_LIMIT, STYLE_LIMIT = 70_000, 90_000, 102_400, 8_192
#: Characters of a subject that inboxes on a desk show.
SUBJECT_LENGTH = 100

_WEB = frozenset({"http", "https"})
#: As long as a reader's values usually are.
_TYPICAL = {name: "x" * (160 if name.endswith("_url") else 40) for name in HOLES}
_STYLE = re.compile("<style[^>]*>(.*?)</style>", re.DOTALL)
_CONDITIONAL = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """Something to put right. `rule` says where the demand comes from, `fix` what to do."""

    rule: str
    severity: Literal["error", "warning"]
    message: str
    fix: str


def check(content: IssueContent, mail: Mail) -> list[Finding]:
    """Return what is wrong with the mail, in the order in which an editor would look at it."""
    cards = (content.lead, *content.more)
    return [
        *_imprint(content),
        *_subject(mail),
        *_lead(content.lead),
        *(finding for card in cards for finding in _story(card, mail)),
        *_pictures(content),
        *_links(content, mail),
        *_holes(mail),
        *_size(mail),
    ]


def _imprint(content: IssueContent) -> Iterator[Finding]:
    if not content.postal_address.strip():
        fix = "Set the edition's postal address."
        yield Finding("CAN-SPAM", "error", "The mail has no postal address, which the law asks for.", fix)
    if not content.publisher.strip():
        yield Finding("R42", "error", "The mail does not say who publishes it.", "Set the edition's publisher.")
    if not content.contact.strip():
        yield Finding("R42", "error", "Readers are not told where to send corrections.", "Set the edition's contact.")


def _subject(mail: Mail) -> Iterator[Finding]:
    length = len(mail.subject)
    if not mail.subject.strip():
        yield Finding("R14", "error", "The subject is empty.", "Write a subject.")
    elif length > SUBJECT_LENGTH:
        message = f"The subject has {length} characters; inboxes cut it after {SUBJECT_LENGTH} at the latest."
        yield Finding("R14", "warning", message, "Shorten it; phones show the first 40.")


def _lead(lead: Card) -> Iterator[Finding]:
    if not lead.summary.strip():
        yield Finding("R59", "warning", "The lead story has no summary.", "Write two to five sentences.")
    if lead.image_url and not lead.image_alt.strip():
        fix = "Describe what it shows, in up to 125 characters."
        yield Finding("R47", "warning", "The lead picture has no description for those who do not see it.", fix)


def _story(card: Card, mail: Mail) -> Iterator[Finding]:
    name = _name(card)
    if not display_text(card.headline):
        yield Finding("R45", "error", f"The story {name} has no headline.", "Write one, or drop the story.")
    address = web_address(card.link)
    if not address:
        message = f"The story {name} has no web address readers can open ({display_text(card.link) or 'it is empty'})."
        yield Finding("R37", "error", message, "Drop the story, or correct its link.")
    elif not re.search(rf"^{re.escape(address)}$", mail.text, re.MULTILINE):
        fix = "Print every story's link in issue/body.txt, on a line of its own."
        yield Finding("R59", "error", f"The text part has no link to {name}.", fix)
    if not card.source.strip():
        yield Finding("R59", "warning", f"The story {name} does not say where it is from.", "Give its source a name.")


def _pictures(content: IssueContent) -> Iterator[Finding]:
    if _is_trial(content):
        return
    for card in (content.lead, *content.more):
        if card.image_url and not web_address(card.image_url).startswith("https:"):
            message = f"The picture of {_name(card)} is left out: its address is not https."
            yield Finding("R21", "warning", message, "Take the story's picture from another source, or leave it so.")


def _links(content: IssueContent, mail: Mail) -> Iterator[Finding]:
    addresses = _Links.of(mail.html)
    tags = tuple(hole_tag(mail.nonce, name, html=True) for name in HOLES)
    wrong = [one for one in addresses if urlsplit(one).scheme not in _WEB and not one.startswith(tags)]
    for address in dict.fromkeys(wrong):
        fix = "Correct the template that prints it."
        yield Finding("R37", "error", f"The link “{address}” is no complete web address.", fix)
    if _is_trial(content):
        message = f"The installation is a trial: its address, {_site(content)}, is not https."
        yield Finding("R37", "warning", message, "Set base_url to an https address before you write to real readers.")
        return
    insecure = [one for one in dict.fromkeys(addresses) if one.startswith("http:")]
    if insecure:
        message = f"Links that are not https: {len(insecure)}, such as {insecure[0]}."
        yield Finding("R37", "warning", message, "See whether the source has an https address.")


def _holes(mail: Mail) -> Iterator[Finding]:
    for part, content, is_html in (("html", mail.html, True), ("text", mail.text, False)):
        for hole, severity, rule in _WANTED_HOLES:
            if hole_tag(mail.nonce, hole, html=is_html) not in content:
                fix = f"Print {{{{ hole.{hole} }}}} in issue/body.{'html' if is_html else 'txt'}."
                yield Finding(rule, severity, f"The {part} part has no link for {_HOLE_NAMES[hole]}.", fix)


_WANTED_HOLES: tuple[tuple[str, Literal["error", "warning"], str], ...] = (
    ("unsubscribe_url", "error", "CAN-SPAM"),
    ("preferences_url", "warning", "R42"),
)
_HOLE_NAMES = {"unsubscribe_url": "unsubscribing", "preferences_url": "changing preferences"}


def _size(mail: Mail) -> Iterator[Finding]:
    html = mail.html_for(_TYPICAL).encode()
    size, encoded = len(html), len(quopri.encodestring(html))
    fix = "Take stories out, or shorten summaries: Gmail cuts the mail off, and the unsubscribe link with it."
    if size >= HTML_LIMIT:
        yield Finding("R9", "error", f"The html part has {size:,} bytes; {HTML_LIMIT:,} are too many.", fix)
    elif encoded >= ENCODED_LIMIT:
        message = f"The html part has {encoded:,} bytes on its way; {ENCODED_LIMIT:,} are too many."
        yield Finding("R9", "error", message, fix)
    elif size >= HTML_WARNING:
        yield Finding("R9", "warning", f"The html part has {size:,} bytes; from {HTML_LIMIT:,} on it is refused.", fix)
    kept = kept_style_bytes(mail.html)
    if kept >= STYLE_LIMIT:
        message = f"The style blocks have {kept:,} bytes; some mail programs drop them from {STYLE_LIMIT:,} on."
        yield Finding("R10", "error", message, "Shorten _styles.html.")


def kept_style_bytes(html: str) -> int:
    """Return the bytes of the style blocks that stay in the mail; what only Word reads does not count."""
    return sum(len(block.encode()) for block in _STYLE.findall(_CONDITIONAL.sub("", html)))


def _name(card: Card) -> str:
    return f"“{shortened(display_text(card.headline) or display_text(card.link), 80)}”"


def _is_trial(content: IssueContent) -> bool:
    return urlsplit(content.view_url).scheme != "https"


def _site(content: IssueContent) -> str:
    parts = urlsplit(content.view_url)
    return f"{parts.scheme}://{parts.netloc}"


class _Links(HTMLParser):
    """Collects where the links of a mail lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @classmethod
    def of(cls, html: str) -> list[str]:
        parser = cls()
        parser.feed(html)
        parser.close()
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value or "" for name, value in attrs if name == "href"]
