"""What an editor writes into an issue: Markdown's paragraphs, emphasis and links, as html and as text.

Two things beside Markdown: `{name|reader}` is the reader's name, or "reader" where it is not known; and a paragraph
that begins with `{new}` is for those who joined within a month only, one with `{not new}` for the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from newsletter.errors import Refused
from newsletter.mail import block_tags, hole_tags
from newsletter.render.text import display_text, web_address, wrapped

#: Nothing else of Markdown: headings would break the order of the mail's own (R45), and html is text like any other.
_MARKDOWN = MarkdownIt("zero").enable(["emphasis", "link", "newline", "escape"])
_MARKS = {"em": "em", "strong": "strong"}
#: Scripts that have no slanted letters (R51).
_UPRIGHT = frozenset({"ar", "fa", "ur", "ps", "ckb", "he", "yi", "ja", "zh", "ko", "hi", "mr", "ne", "th", "bn", "ta"})
_CONDITION = re.compile(r"\{(new|not new)\}\s*")
_NAME = re.compile(r"\{name\|([^{}|]*)\}")
#: Stands for a reader's name while the text is parsed and broken into lines.
_PLACE = "\ue000"


@dataclass(frozen=True)
class Paragraph:
    """One paragraph, to be printed as it is: `opening`, then `shown`, then `end`, which are tags or empty."""

    shown: str
    opening: str = ""
    end: str = ""


@dataclass(frozen=True)
class Written:
    """One piece of an editor's text. The text part's paragraphs are broken into lines."""

    html: tuple[Paragraph, ...] = ()
    text: tuple[Paragraph, ...] = ()


def written(markdown: str, language: str, nonce: str) -> Written:
    """Return the paragraphs of `markdown`, with the tags that `nonce` makes for what differs from reader to reader.

    Links that are no web address become plain text. `language` is the primary language: where its script has no slanted
    letters, emphasis is bold. Raises Refused for a name within a paragraph that only some readers see.
    """
    marks = _MARKS | ({"em": "strong"} if language in _UPRIGHT else {})
    html, text = [], []
    for source in re.split(r"\n\s*\n", markdown.replace("\r\n", "\n").replace(_PLACE, "")):
        condition = _CONDITION.match(source.strip())
        fallbacks = _NAME.findall(source)
        plain = _NAME.sub(_PLACE, source.strip()[condition.end() if condition else 0 :])
        tokens = [child for token in _MARKDOWN.parse(plain) if token.type == "inline" for child in token.children or []]
        if not _text(tokens).strip():
            continue
        name = (condition[1] if condition else "").replace(" ", "_")
        html.append(_paragraph(_html(tokens, marks), name, fallbacks, nonce, html=True))
        text.append(_paragraph(wrapped(_text(tokens)), name, fallbacks, nonce, html=False))
    return Written(tuple(html), tuple(text))


def _paragraph(shown: str, condition: str, fallbacks: Sequence[str], nonce: str, *, html: bool) -> Paragraph:
    """Return a paragraph with the tags of a reader's name in its places, and those of its condition around it."""
    hole, only = hole_tags(nonce, html=html), block_tags(nonce, html=html)
    if condition and fallbacks:
        raise Refused(
            "A paragraph that begins with {new} or {not new} cannot hold {name|...}: one condition does not fit into "
            "another. Put the name into a paragraph of its own."
        )
    for fallback in fallbacks:
        other = display_text(fallback)
        named = f"{only['name']}{hole['name']}{only['end']}"
        unnamed = f"{only['not_name']}{escape(other) if html else other}{only['end']}" if other else ""
        shown = shown.replace(_PLACE, named + unnamed, 1)
    opening, end = (only[condition], only["end"]) if condition else ("", "")
    return Paragraph(*map(Markup, (shown, opening, end)))


def _html(tokens: Sequence[Token], marks: Mapping[str, str]) -> str:
    parts: list[str] = []
    links: list[str] = []
    for token in tokens:
        kind, _, end = token.type.rpartition("_")
        if kind in marks:
            parts.append(f"<{'' if end == 'open' else '/'}{marks[kind]}>")
        elif token.type == "link_open":
            links.append(_target(token))
            parts.append(f'<a class="link text" href="{escape(links[-1])}">' if links[-1] else "")
        elif token.type == "link_close":
            parts.append("</a>" if links.pop() else "")
        elif token.type in {"softbreak", "hardbreak"}:
            parts.append("<br>" if token.type == "hardbreak" else " ")
        else:
            parts.append(str(escape(_shown(token.content))))
    return "".join(parts)


def _text(tokens: Sequence[Token]) -> str:
    """Return the paragraph's words, each link's address after them in angle brackets (RFC 3986, appendix C; R60)."""
    parts: list[str] = []
    links: list[str] = []
    for token in tokens:
        if token.type == "link_open":
            links.append(_target(token))
        elif token.type == "link_close":
            address = links.pop()
            parts.append(f" <{address}>" if address else "")
        elif token.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
        else:
            parts.append(_shown(token.content))
    return " ".join("".join(parts).split())


def _target(token: Token) -> str:
    return web_address(str(token.attrGet("href") or ""))


def _shown(text: str) -> str:
    """Return a piece of text fit to be shown, with the spaces at its ends that keep it apart from its neighbours."""
    middle = display_text(text)
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() and middle else ""
    return f"{before}{middle}{after}"
