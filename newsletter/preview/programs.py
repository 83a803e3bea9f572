"""The mail as programs show it that can do less than a browser: pure functions from html to html.

They are approximations. No browser is Word, and none has Gmail's filter (docs/design.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape, unescape

from newsletter.preview.tokens import Attributes, Kind, Token, rewritten, tokens

_CONDITIONAL = re.compile(r"\[if ([^\]]*)\]>(.*)<!\[endif\]", re.IGNORECASE | re.DOTALL)
#: `<!--[if !mso]><!-->`, and the same without a comment around it: what follows is for those who pass the condition.
_REVEALED = re.compile(r"(?:\[if ([^\]]*)\]>(?:<!)?|if (.*))", re.IGNORECASE | re.DOTALL)
_END_OF_REVEALED = re.compile(r"(?:<!\[endif\]|endif)", re.IGNORECASE)
#: The Office that the approximation stands for: 2016 and all that came after it.
_OFFICE = 16
_VERSION = re.compile(r"(?:(lte?|gte?)\s+)?mso\s*(\d+)?", re.IGNORECASE)
#: Settings of Office, which a browser would print as text.
_OFFICE_SETTINGS = re.compile(r"<xml\b.*?</xml>", re.IGNORECASE | re.DOTALL)

#: What Word passes over wherever it stands (T8).
_NOT_IN_WORD = re.compile(r"max-width|border-radius|float|opacity", re.IGNORECASE)
_PADDING = re.compile(r"padding(?:-\w+)?", re.IGNORECASE)
#: Of a picture, Word takes the size from the attributes alone (R20).
_SIZE = re.compile(r"(?:width|height)", re.IGNORECASE)
#: A colon's left and right side, up to a semicolon that is in no bracket and no quotes.
_DECLARATION = re.compile(r"""\s*([\w-]+)\s*:((?:\([^)]*\)|"[^"]*"|'[^']*'|[^;("'])*);?""")
#: What Word has its own name for: text that stands higher makes its line, and so a button, taller (R40).
_IN_A_BROWSER = {"mso-text-raise": "vertical-align"}
_RULE = re.compile(r"(?<=[{;])\s*(?:max-width|border-radius|float|opacity)\s*:[^;}]*;?", re.IGNORECASE)
_URL = re.compile(r"""url\(\s*(?:"[^"]*"|'[^']*'|[^)]*)\s*\)""", re.IGNORECASE)

#: Characters that fill up the line after the subject (R35).
_FILLER = dict.fromkeys(map(ord, "\u00ad\u034f\u200b\u200c\u200d\ufeff"))


def with_pictures(html: str, pictures: Mapping[str, str]) -> str:
    """Return the mail with these pictures in it, given as address -> data URL (RFC 2397)."""
    for address, data in pictures.items():
        html = html.replace(f'src="{escape(address)}"', f'src="{data}"')
    return html


def without_pictures(html: str) -> str:
    """Return the mail before its reader allows pictures: what is left of each is its alternative text (R47)."""
    return "".join(_without_picture(token) for token in tokens(html))


def without_styles(html: str) -> str:
    """Return the mail without any `<style>`, also in conditional comments, as Gmail may show it (R15)."""
    kept: list[str] = []
    inside = False
    for token in tokens(html):
        inside = inside or (token.kind is Kind.START and token.name == "style")
        if not inside and not (token.kind is Kind.COMMENT and "<style" in token.data.lower()):
            kept.append(token.raw)
        inside = inside and not (token.kind is Kind.END and token.name == "style")
    return "".join(kept)


def outlook_view(html: str) -> str:
    """Return what Word makes of the mail, as near as a browser comes to it (T8); it is meant for a 900 pixel window.

    What is in comments for Word is shown and what is kept from it is gone; of the styles, those that Word passes over
    are dropped: max-width, border-radius, float, opacity, every rule in an at-rule, padding of anything but a cell, and
    the size of a picture, which Word takes from its attributes.
    """
    written: list[str] = []
    in_style = False
    for token in tokens(_for_word(html)):
        if token.kind is Kind.START:
            written.append(_word_tag(token))
        else:
            written.append(_word_rules(token.raw) if in_style and token.kind is Kind.TEXT else token.raw)
        in_style = (token.name == "style" and token.kind is Kind.START) or (in_style and token.kind is Kind.TEXT)
    return "".join(written)


def preheader(html: str) -> str:
    """Return what an inbox shows after the subject: the first hidden text of the body (R33), without its filler."""
    said: list[str] = []
    name, depth = "", 0
    for token in tokens(html):
        if not name and token.kind is Kind.START and _hidden(token.get("style")):
            name, depth = token.name, 1
        elif name and token.name == name:
            depth += 1 if token.kind is Kind.START else -1
            if depth == 0:
                break
        elif name and token.kind is Kind.TEXT:
            said.append(unescape(token.raw))
    return " ".join("".join(said).translate(_FILLER).split())


def _hidden(style: str) -> bool:
    return re.search(r"display\s*:\s*none", style, re.IGNORECASE) is not None


def _without_picture(token: Token) -> str:
    if token.kind is not Kind.START:
        return _URL.sub("none", token.raw) if token.kind is Kind.TEXT else token.raw
    sources = {"src", "srcset"} if token.name in {"img", "source", "input"} else {"background"}
    kept = ((name, value) for name, value in token.attributes if name not in sources)
    return rewritten(
        token, ((name, _URL.sub("none", value) if name == "style" and value else value) for name, value in kept)
    )


def _for_word(html: str) -> str:
    """Return the html with its conditional comments decided as Word decides them."""
    written: list[str] = []
    skipping = False
    for token in tokens(html):
        if token.kind in {Kind.COMMENT, Kind.DECLARATION} and _END_OF_REVEALED.fullmatch(token.data):
            skipping = False
        elif skipping:
            continue
        elif token.kind is Kind.COMMENT and (whole := _CONDITIONAL.fullmatch(token.data)):
            written.append(_OFFICE_SETTINGS.sub("", whole[2]) if _holds(whole[1]) else "")
        elif token.kind in {Kind.COMMENT, Kind.DECLARATION} and (opening := _REVEALED.fullmatch(token.data)):
            skipping = not _holds(opening[1] or opening[2])
        else:
            written.append(token.raw)
    return "".join(written)


def _holds(condition: str) -> bool:
    """Tell whether the Office of today passes a condition such as `mso`, `!mso`, `gte mso 9` or `(gte mso 9)|(IE)`."""
    return any(all(_passes(part) for part in either.split("&")) for either in condition.split("|"))


def _passes(condition: str) -> bool:
    plain = condition.strip(" ()")
    if plain.startswith("!"):
        return not _passes(plain[1:])
    asked = _VERSION.fullmatch(plain)
    if asked is None:
        return False
    if asked[2] is None:
        return True
    ours, theirs = _OFFICE, int(asked[2])
    holds = {"lt": ours < theirs, "lte": ours <= theirs, "gt": ours > theirs, "gte": ours >= theirs}
    return holds.get((asked[1] or "").lower(), ours == theirs)


def _word_tag(token: Token) -> str:
    """Return a start tag with what Word takes from it."""
    attributes: Attributes = tuple(
        (name, _word_style(value, token.name) if name == "style" and value else value)
        for name, value in token.attributes
        if name != "hidden"  # which is HTML 5
    )
    return rewritten(token, attributes)


def _word_style(style: str, tag: str) -> str:
    passed_over = [_NOT_IN_WORD]
    if tag not in {"td", "th"}:
        passed_over.append(_PADDING)
    if tag == "img":
        passed_over.append(_SIZE)
    kept = (one for one in _DECLARATION.finditer(style) if not any(rule.fullmatch(one[1]) for rule in passed_over))
    return ";".join(f"{_IN_A_BROWSER.get(one[1].lower(), one[1])}:{one[2].strip()}" for one in kept)


def _word_rules(css: str) -> str:
    """Return the rules of a `<style>` that Word obeys: no at-rule, and nothing it passes over anywhere."""
    kept: list[str] = []
    depth, in_at_rule = 0, False
    for piece in re.split(r"([{};]|@[\w-]+)", css):
        in_at_rule = in_at_rule or (depth == 0 and piece.startswith("@"))
        if not in_at_rule:
            kept.append(piece)
        depth += {"{": 1, "}": -1}.get(piece, 0)
        if depth == 0 and piece in {"}", ";"}:
            in_at_rule = False
    return _RULE.sub("", "".join(kept))
