"""T1, the document: frame, head, what must not be in it, size, kept style blocks (R1 to R14, R50, R55, R56)."""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator

from newsletter.render import Language
from tests.mail.view import MailView, is_hidden, without_comments, words

DOCTYPE = "<!DOCTYPE html>"
HEAD = (
    "Content-Type",
    "viewport",
    "x-apple-disable-message-reformatting",
    "format-detection",
    "color-scheme",
    "supported-color-schemes",
    "title",
)
SETTINGS = {
    "Content-Type": "text/html; charset=utf-8",
    "viewport": "width=device-width, initial-scale=1",
    "format-detection": "telephone=no,date=no,address=no,email=no,url=no",
    "color-scheme": "light dark",
    "supported-color-schemes": "light dark",
}
NAMESPACES = ("xmlns", "xmlns:v", "xmlns:o")
#: Dropped, mangled or refused by some mail program, or of no use in a mail (R7, R8, R24, R52).
REFUSED = (
    *("script", "form", "input", "button", "select", "textarea", "iframe", "video", "audio", "link", "base"),
    *("picture", "source", "wbr", "svg", "object", "embed", "th", "thead", "tfoot", "caption", "bdi", "font", "center"),
    *("article", "header", "footer", "section", "main", "nav", "aside", "figure", "figcaption"),
)
#: Bytes: R9 and R10.
HTML_LIMIT, ENCODED_LIMIT, STYLE_LIMIT = 90_000, 102_400, 8_192
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
_WIDE = "@media only screen and (min-width:481px){"


def problems(view: MailView) -> Iterator[str]:
    """Yield what is wrong with the document, each as a sentence that begins with the rule."""
    yield from _frame(view)
    yield from _wrapper(view)
    yield from _head(view)
    yield from _elements(view)
    yield from _size(view)
    yield from _blocks(view)


def _frame(view: MailView) -> Iterator[str]:
    if not view.html.startswith(f"{DOCTYPE}\n<html "):
        yield f"R1: the html does not start with {DOCTYPE} and <html>"
    root = view.root
    tag = root.get("lang", "")
    if not re.fullmatch("[a-z]{2,3}(-[A-Za-z0-9]+)*", tag) or tag == "und":
        yield f"R2: the document's language is {tag!r}"
    elif root.get("dir") != Language.of(tag).direction:
        yield f"R2: {tag} is not read {root.get('dir')!r}"
    yield from (f"R2: the attribute {name} is missing" for name in NAMESPACES if name not in root.attrib)
    for part, content in (("subject", view.subject), ("html", view.html), ("text", view.text)):
        if found := _CONTROLS.search(content):
            yield f"R6: the {part} holds the control character {found[0]!r}"


def _wrapper(view: MailView) -> Iterator[str]:
    articles = view.root.xpath("//*[@role='article']")
    if len(articles) != 1 or articles[0].tag != "div" or articles[0].getparent().tag != "body":
        yield "R3: there is no single div with the role article below body"
        return
    article = articles[0]
    if article.get("aria-roledescription") != "email":
        yield "R3: the wrapper does not say that it is an email"
    if article.get("aria-label", "").translate(str.maketrans("‹›", "<>")) != (view.title or view.subject):
        yield "R3: the wrapper is not labelled with the subject"
    if (article.get("lang"), article.get("dir")) != (view.root.get("lang"), view.root.get("dir")):
        yield "R3: the wrapper does not repeat language and direction"
    for element in view.root.find("body"):
        if element is not article and isinstance(element.tag, str) and words(element) and not is_hidden(element):
            yield f"R3: <{element.tag}> stands outside the wrapper"


def _head(view: MailView) -> Iterator[str]:
    head = view.root.find("head")
    metas = {one.get("name") or one.get("http-equiv"): one.get("content") for one in head.iter("meta")}
    told = [one.get("name") or one.get("http-equiv") or one.tag for one in head if one.tag in {"meta", "title"}]
    if (named := [name for name in told if name != "robots"]) != list(HEAD):
        yield f"R4: the head tells {named}"
    yield from (f"R4: {name} is {metas.get(name)!r}" for name, value in SETTINGS.items() if metas.get(name) != value)
    if (head.findtext("title") or "").strip() != (view.title or view.subject) or not view.subject:
        yield "R4: the title is not the subject"
    start = view.html.partition("<body")[0]
    for needed in ("<o:AllowPNG/>", "<o:PixelsPerInch>96</o:PixelsPerInch>", "mso-line-height-rule:exactly"):
        if not re.search(rf"</title>.*<!--\[if mso\]>.*{re.escape(needed)}.*<!\[endif\]-->.*<style>", start, re.DOTALL):
            yield f"R5: between title and style blocks Word is not told {needed}"
    if not re.search(r"<!--\[if mso\]>.*<style>[^<]*font-family:[^<]*!important[^<]*</style>", start, re.DOTALL):
        yield "R5: Word is told no font"


def _elements(view: MailView) -> Iterator[str]:
    for element in view.root.iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag in REFUSED:
            yield f"R7: <{element.tag}> is in the mail"
        if element.tag == "style" and element.getparent().tag != "head":
            yield "R13: a style block stands outside the head"
        yield from (f"R7: <{element.tag}> has {name}" for name in element.attrib if name.startswith("on"))
        if element.get("dir", "ltr") not in {"ltr", "rtl"}:
            yield f"R2: <{element.tag}> has dir={element.get('dir')!r}"
        if "data-premailer" in element.attrib:
            yield "T15: data-premailer is left over"
        if element.get("role") in {"main", "banner", "contentinfo", "navigation"}:
            yield f"R3: <{element.tag}> has the role {element.get('role')}"


def _size(view: MailView) -> Iterator[str]:
    size, encoded = len(view.html.encode()), len(quopri.encodestring(view.html.encode()))
    if size >= HTML_LIMIT or encoded >= ENCODED_LIMIT:
        yield f"R9: the html has {size} bytes, {encoded} on its way"
    kept = sum(len(block.encode()) for block in view.styles)
    if kept >= STYLE_LIMIT / 2:
        yield f"R10: the kept style blocks have {kept} bytes; {STYLE_LIMIT // 2} are the target"


def _blocks(view: MailView) -> Iterator[str]:
    if len(view.styles) != 3:
        yield f"R12: there are {len(view.styles)} style blocks, not three"
        return
    wide, dark, hacks = view.styles
    if not wide.strip().startswith(_WIDE) or wide.count("@") != 1 or not wide.strip().endswith("}\n}"):
        yield "R12: the first block is not one media query for wide screens"
    if re.search(r"color|\[|:hover|url", wide):
        yield "R12: the first block does more than sizes and spaces"
    if not re.search(r":root\{color-scheme:light dark", dark) or "prefers-color-scheme:dark" not in dark:
        yield "R55: the second block is not the dark one"
    if not all(one in hacks for one in ("[data-ogsc]", "[data-ogsb]", "a[x-apple-data-detectors]")):
        yield "R12, R56: the third block lacks the answers to what clients do"
    if re.search(r"data-ogs|x-apple|:hover", wide + dark) or "@" in hacks:
        yield "R12: what some clients refuse stands in an earlier block"
    for block in view.styles:
        yield from _syntax(block)


def _syntax(block: str) -> Iterator[str]:
    """R11: one thing that Gmail does not read, and it drops the block."""
    if block.count("{") != block.count("}"):
        yield "R11: a style block has braces without a partner"
    depth = 0
    for token in re.findall(r"@[\w-]+|[{}]", block):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if token.startswith("@") and depth:
            yield f"R11: {token} is nested"
        if depth > 2:
            yield "R11: rules are nested"
    if found := re.search(r"url\(|var\(|--\w|:has\(|:not\(|(?:rgb|hsl)a?\(|@(?!media\b)[\w-]+|&#|<", block):
        yield f"R11: a style block has {found[0]!r}"
    declared = re.findall(r"([\w-]+):([^;{}]+)(?=[;}])", block.replace("prefers-color-scheme:dark", ""))
    for name, value in declared:
        if name not in {"color-scheme", "supported-color-schemes"} and not value.endswith("!important"):
            yield f"P1: {name}:{value} in a kept block lacks !important, so the inline value wins"
    if without_comments(block) != block:
        yield "R11: a style block has a comment"
