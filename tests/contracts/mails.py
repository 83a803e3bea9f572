"""Any mail and any reader's values, for what must hold for all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from hypothesis import strategies as st

from newsletter.mail import CONDITIONS, HOLES, VALUES, Mail, block_tags, hole_tag
from tests.contracts.providers import NONCE, make_mail

OTHER = "f" * len(NONCE)
OPENINGS = [opening for name in CONDITIONS for opening in (name, f"not_{name}")]
#: Text that looks like tags, breaks out of html, turns the direction or lies outside the basic plane.
_HOSTILE = st.sampled_from(
    [
        *(
            "-",
            "--",
            "\n",
            "\n\n",
            "\\",
            "\\1",
            "\\g<0>",
            '"',
            "'",
            "<b>",
            "&amp;",
            "&",
            "%s",
            "{0}",
            "$&",
            "\u202e",
            "🦉",
        ),
        *(f"-{OTHER}t.token-", f"-{OTHER}h.name-", f"<!--{OTHER}h.if.new-->", "-t.token-", "h.name-", "<!--", "-->"),
    ]
)
_FIXED = st.lists(_HOSTILE | st.text(max_size=5), max_size=4).map("".join)
#: What a reader might have typed, and what only somebody could who knows the nonce.
_VALUE = _FIXED | st.sampled_from(
    [
        *(hole_tag(NONCE, "token"), hole_tag(NONCE, "token", html=True), hole_tag(NONCE, "block1"), NONCE, NONCE * 2),
        *(block_tags(NONCE, html=True)["end"], block_tags(NONCE, html=False)["new"], f"-{NONCE[:-1]}", f"{NONCE[1:]}-"),
        f"{NONCE[:8]}{NONCE}{NONCE[8:]}",
    ]
)
ANY_VALUES: st.SearchStrategy[dict[str, str]] = st.fixed_dictionaries(dict.fromkeys(VALUES, st.just("") | _VALUE))


@dataclass(frozen=True)
class Hole:
    """A hole of a part."""

    name: str


@dataclass(frozen=True)
class Block:
    """What only some readers see."""

    opening: str
    inside: tuple[str | Hole, ...]


_PIECES = st.lists(_FIXED | st.sampled_from(HOLES).map(Hole), max_size=4)
ANY_PART = st.lists(
    _FIXED | st.sampled_from(HOLES).map(Hole) | st.builds(Block, st.sampled_from(OPENINGS), _PIECES.map(tuple)),
    max_size=6,
)
Part = list[str | Hole | Block]


def mail_of(html: Part, text: Part) -> Mail:
    """Return the mail with these parts."""
    return make_mail(html=source(html, html=True), text=source(text, html=False))


def source(part: Part, *, html: bool) -> str:
    """Return a part as a template prints it."""
    only = block_tags(NONCE, html=html)
    printed = []
    for piece in part:
        if isinstance(piece, Block):
            printed.append(f"{only[piece.opening]}{source([*piece.inside], html=html)}{only['end']}")
        elif isinstance(piece, Hole):
            printed.append(hole_tag(NONCE, piece.name, html=html))
        else:
            # No text opens a comment: a story's is escaped, and a template's own is closed before a block.
            printed.append(piece.replace("!", "") if html else piece)
    return "".join(printed)


def expected(part: Part, values: Mapping[str, str], *, html: bool) -> str:
    """Return what a reader with these values is to read, worked out from the pieces; empty lines of text apart."""
    read = []
    for piece in part:
        if isinstance(piece, Block):
            shown = bool(values[piece.opening.removeprefix("not_")]) is not piece.opening.startswith("not_")
            read.append(expected([*piece.inside], values, html=html) if shown else "")
        elif isinstance(piece, Hole):
            value = values[piece.name].replace(NONCE, "…")
            read.append(escape(value) if html else value)
        else:
            read.append(source([piece], html=html))
    return "".join(read)


def squeezed(text: str) -> str:
    """Return text without blanks and line ends."""
    return re.sub(r"[ \t\n]", "", text)
