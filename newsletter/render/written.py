"""What an editor writes into an issue: Markdown's paragraphs, emphasis and links, as html and as text.

Two things beside Markdown: `{name|reader}` is the reader's name, or "reader" where it is not known; and a paragraph
that begins with `{new}` is for those who joined within a month only, one with `{not new}` for the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from newsletter.errors import Refused
from newsletter.mail import block_tags, hole_tags
from newsletter.render.language import UPRIGHT
from newsletter.render.text import display_text, web_address, wrapped

#: Nothing else of Markdown: headings would break the order of the mail's own (R45), and html is text like any other.
_MARKDOWN = MarkdownIt("zero").enable(["emphasis", "link", "newline", "escape"])
_MARKS = {"em": "em", "strong": "strong"}
_CONDITION = re.compile(r"\{(new|not new)\}\s*")
_NAME = re.compile(r"\{name\|([^{}|]*)\}")
#: Anything else in braces is a slip, and would be printed as it is. After a backslash braces are meant.
_SLIP = re.compile(r"(?<!\\)\{[^{}\n]*\}")
#: Lines that somebody wrote as a list keep their beginnings.
_ITEM = re.compile(r"\n(?=[-*•–] )")
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

    Links that are no web address become plain text, and a mail address is shown as one. `language` is the primary
    language: where its script has no slanted letters, emphasis is bold. Raises Refused for a name within a paragraph
    that only some readers see or within a link's address, and for anything else in braces.
    """
    marks = _MARKS | ({"em": "strong"} if language in UPRIGHT else {})
    html, text = [], []
    for source in re.split(r"\n\s*\n", markdown.replace("\r\n", "\n").replace(_PLACE, "")):
        condition = _CONDITION.match(source.strip())
        fallbacks = _NAME.findall(source)
        plain = _NAME.sub(_PLACE, source.strip()[condition.end() if condition else 0 :])
        _refuse_slips(plain)
        parsed = _MARKDOWN.parse(_ITEM.sub("  \n", plain))
        tokens = [child for token in parsed if token.type == "inline" for child in token.children or []]
        if not _text(tokens).strip():
            continue
        name = (condition[1] if condition else "").replace(" ", "_")
        html.append(_paragraph(_html(tokens, marks), name, fallbacks, nonce, html=True))
        text.append(_paragraph(wrapped(_text(tokens)), name, fallbacks, nonce, html=False))
    return Written(tuple(html), tuple(text))


def _refuse_slips(source: str) -> None:
    if slip := _SLIP.search(source):
        raise Refused(
            f"{slip[0]} would be printed as it is. A reader's name is written {{name|reader}}, with what stands there "
            "when it is not known; {new} or {not new} stands at the beginning of a paragraph, in small letters. "
            "Other braces are written with a backslash before them."
        )


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
            parts.append(f'<a class="link text" href="{escape(links[-1])}">' if "://" in links[-1] else "")
        elif token.type == "link_close":
            address = links.pop()
            parts.append("</a>" if "://" in address else _in_brackets(address, parts))
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
            parts.append(f" <{address}>" if "://" in address else _in_brackets(address, parts))
        elif token.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
        else:
            parts.append(_shown(token.content))
    return " ".join("".join(parts).split())


def _target(token: Token) -> str:
    """Return a link's web address, or the mail address that it writes to, or nothing."""
    href = str(token.attrGet("href") or "")
    if _PLACE in unquote(href):
        raise Refused("A link's address cannot hold {name|...}: it is the same for every reader.")
    if href.startswith("mailto:"):
        return display_text(unquote(href.removeprefix("mailto:").partition("?")[0]))
    return web_address(href)


def _in_brackets(address: str, before: Sequence[str]) -> str:
    """Return a mail address in brackets, or nothing when it is what the words before it say."""
    return f" ({escape(address)})" if address and before[-1:] != [address] else ""


def _shown(text: str) -> str:
    """Return a piece of text fit to be shown, with the spaces at its ends that keep it apart from its neighbours."""
    middle = display_text(text)
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() and middle else ""
    return f"{before}{middle}{after}"
