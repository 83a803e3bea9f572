"""The text part, beside the html: R59 and R60."""

from __future__ import annotations

import re
from collections.abc import Iterator

from newsletter.preflight.finding import Finding, warnings
from newsletter.preflight.reading import MARKS, Reading
from newsletter.render.text import display_text, shortened

#: Characters of a line (RFC 5322 recommends 78; a web address may be longer).
_LINE = 78
#: How much of the words are the same in both parts, together: what is wanted, and from where on it is another mail.
_ALIKE, _STUB = 0.85, 0.5
#: Scripts without spaces count letter by letter, since a line may end between any two.
_WORD = re.compile(
    r"\ue000hole\.\w+\ue001|https?://[^\s<>]+|[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+"
)
_URL = re.compile(r"https?://[^\s<>]+|\ue000hole\.\w+_url\ue001")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|shy|zwnj|copy|[lr][sd]quo|hellip|[mn]dash|#x?[0-9a-fA-F]+);")
_MARKUP = re.compile(
    r"</?(?:p|br|a|b|i|strong|em|div|span|td|tr|table|h[1-6]|img|ul|li)\b[^>]*>|\[\]\([^)]*\)|^#{1,6} (?=\S)",
    re.IGNORECASE | re.MULTILINE,
)


def presence(reading: Reading) -> Iterator[Finding]:
    """R59: without a text part some programs show nothing, and spam filters count it."""
    if not reading.text.strip():
        yield Finding("R59", "error", "The mail has no text part.", "Write body.txt beside body.html.")


def writing(reading: Reading) -> Iterator[Finding]:
    """R59: text is text, in lines that are not broken on their way."""
    shown = reading.shown_text
    codes = [one for one in _ENTITY.findall(reading.text) if one not in shown]
    fix = "Print plain values in body.txt; nothing is escaped there."
    yield from warnings("R59", "The text part has codes of html", codes, fix)
    tags = [one.strip() for one in _MARKUP.findall(reading.text) if one not in shown]
    yield from warnings("R59", "The text part has markup", tags, "Write body.txt as text, not as a copy of the html.")
    long = [line for line in reading.text.splitlines() if len(line) > _LINE and not _URL.search(line)]
    fix = "Print it through the filter `wrapped`."
    found = (f"“{shortened(display_text(line), 50)}” has {len(line)}" for line in long)
    yield from warnings("R59", f"A line of the text part is longer than {_LINE} characters", found, fix)


def likeness(reading: Reading) -> Iterator[Finding]:
    """R60: both parts say the same; SpamAssassin scores those that do not (MPART_ALT_DIFF)."""
    if not reading.text.strip():
        return
    html, text = words_of(reading.shown_text), words_of(_URL.sub(" ", reading.text))
    alike = len(html & text) / max(1, len(html | text))
    if alike < _ALIKE:
        lacking = ", ".join(f"“{one}”" for one in sorted(html - text, key=len, reverse=True)[:3])
        missing = f" The text part lacks {lacking}." if lacking else ""
        message = f"Html and text part have {alike:.0%} of their words in common; {_ALIKE:.0%} are needed.{missing}"
        fix = "Print in body.txt what body.html has."
        yield Finding("R60", "error" if alike < _STUB else "warning", message, fix)


def links(reading: Reading) -> Iterator[Finding]:
    """R60: who reads the text part can go where the others go, and nowhere else."""
    if not reading.text.strip():
        return
    html = dict.fromkeys(one.attributes.get("href", "").strip() for one in reading.links)
    web = [one for one in html if _URL.fullmatch(one)]
    text = dict.fromkeys(_URL.findall(reading.text))
    missing = [one for one in web if one not in text]
    yield from warnings("R60", "The text part lacks a link of the html", map(_shown, missing), "Print it in body.txt.")
    printed = reading.shown_text
    extra = [one for one in text if one not in html and one not in printed and one.rstrip(".,;:!?)") not in html]
    yield from warnings("R60", "The html lacks a link of the text part", map(_shown, extra), "Print it in body.html.")


def _shown(address: str) -> str:
    return address if address in MARKS.values() else f"“{shortened(address, 80)}”"


def words_of(text: str) -> set[str]:
    """Return the words of a text, folded; addresses count as words."""
    return {one.casefold() for one in _WORD.findall(text)}


RULES = (presence, writing, likeness, links)
