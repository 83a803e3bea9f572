"""Which characters a line of text is made of: what nobody sees, or sees wrongly, goes (threats 1, 4 and 8)."""

from __future__ import annotations

import re
import unicodedata

#: Controls (C0, DEL, C1), line and paragraph separators: a space stands for them.
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: What has no place in a line of text: soft hyphens, zero-width spaces, fillers and the grapheme joiner (all of them
#: used to hide or to pad), marks that override the reading direction, annotation and object marks, private use (the
#: icons of share bars), lone surrogates (no database takes them) and noncharacters.
_NOISE = re.compile(
    "[\xad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffc"
    "\ue000-\uf8ff\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff]+"
)
#: Joiners do their work between letters of Arabic, Indic and other scripts and in emoji, never beside these.
_IDLE_JOINERS = re.compile("(?:^|(?<=[\\s\x00-\u058f]))[\u200c\u200d]+|[\u200c\u200d]+(?=[\\s\x00-\u058f]|$)")
_JOINERS = re.compile("([\u200c\u200d])[\u200c\u200d]+")
#: Marks of direction tell a full stop after Hebrew or Arabic where to stand; elsewhere they only hide.
_DIRECTION = re.compile("[\u061c\u200e\u200f]+")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u060b\u061d-\u08ff\ufb1d-\ufdfd\ufe70-\ufefc]")
#: Tags spell the region of a flag (Scotland's) after the black flag, and secret messages elsewhere.
_STRAY_TAGS = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e0fff]+")
#: Where marks may be stacked on a letter: neither letters nor spaces. Putting 64 KB of marks into their canonical order
#: takes seconds, and no language stacks more than a few (UAX 15 section 13 allows 30).
_STACKS = re.compile(r"[^\w\s\x00-\x7f]{9,}")
_STACK_LIMIT = 8


#: The controls that mean nothing in any encoding; those above ASCII may be letters that were misread (repair.py).
_ASCII_CONTROLS = re.compile("[\x00-\x1f\x7f]+")
_UNPARSABLE = re.compile("[\ud800-\udfff\ufffe\uffff]+")


def parsable(markup: str) -> str:
    """Return `markup` without what upsets a parser of html: a space for each run of controls, no lone surrogates."""
    return _UNPARSABLE.sub("", _ASCII_CONTROLS.sub(" ", markup))


def unbroken(address: str) -> str:
    """Return `address` without controls and invisible characters, which no address has."""
    return _NOISE.sub("", _BREAKS.sub("", address)).strip()


def scrubbed(text: str) -> str:
    """Return `text` as one line: NFC, single spaces, nothing invisible."""
    text = _NOISE.sub("", _BREAKS.sub(" ", text))
    if not text.isascii():
        text = unicodedata.normalize("NFC", _seen(text))
    return " ".join(text.split())


def _seen(text: str) -> str:
    """Return `text` without marks that do nothing where they stand."""
    text = _STRAY_TAGS.sub("", _IDLE_JOINERS.sub("", _JOINERS.sub(r"\1", text)))
    text = _STACKS.sub(_unstacked, text)
    if not _RIGHT_TO_LEFT.search(text):
        text = _DIRECTION.sub("", text)
    return text


def _unstacked(match: re.Match[str]) -> str:
    kept, marks = [], 0
    for character in match[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _STACK_LIMIT:
            kept.append(character)
    return "".join(kept)
