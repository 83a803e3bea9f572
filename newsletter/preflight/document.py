"""The frame of a mail: R1 to R8, and what must not be in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from newsletter.preflight.finding import Finding, errors, warnings
from newsletter.preflight.page import Element
from newsletter.preflight.reading import Reading
from newsletter.render.inlining import DOCTYPE

_TAG = re.compile("[a-z]{2,3}(-[a-z0-9]{2,8})*", re.IGNORECASE)
#: What the head has, in this order (R4): an attribute, its value, and what the content must have.
_HEAD = (
    ("http-equiv", "content-type", "charset=utf-8"),
    ("name", "viewport", "width=device-width"),
    ("name", "x-apple-disable-message-reformatting", ""),
    ("name", "format-detection", "telephone=no"),
    ("name", "color-scheme", "light dark"),
    ("name", "supported-color-schemes", "light dark"),
)
_FORBIDDEN = frozenset({
    "script", "form", "input", "textarea", "select", "button", "iframe", "frame", "object", "embed", "applet",
    "video", "audio", "canvas", "svg", "math", "picture", "source", "wbr", "base", "link", "template", "marquee",
    "blink",
})  # fmt: skip
_SECTIONS = ("article", "header", "section", "main", "footer", "nav", "aside", "figure", "figcaption", "details")
_LETTERED = (
    "font",
    "small",
    "big",
    "sup",
    "sub",
    "tt",
    "code",
    "pre",
    "nobr",
    "strike",
    "blockquote",
    "hr",
    "noscript",
)
_ODD = ("ping", "loading", "usemap", "ismap", "hspace", "vspace", "nowrap", "inert", "draggable", "download")
_C1 = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_TURNING = re.compile("[\u202a-\u202e]")
#: A zero-width space or joiner; joiners belong into emoji and into scripts that need them, not between these letters.
_ZERO_WIDTH = re.compile("[\u200b\u2060\ufeff]|(?<=[\x00-\u024f])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\u024f])")
_FRAME = "Take _base.html over from ours, and change the blocks in it only."


def doctype(reading: Reading) -> Iterator[Finding]:
    """R1: anything else is quirks mode."""
    html = reading.mail.html
    if not html.startswith(DOCTYPE):
        yield from errors("R1", f"The html does not start with {DOCTYPE}", [repr(html[:30])], _FRAME)
    yield from errors("T2", "Tags are opened and not closed, or the other way round", reading.page.unbalanced, _FRAME)


def language(reading: Reading) -> Iterator[Finding]:
    """R2: screen readers speak, and lines run, as these say."""
    html = reading.page.first("html")
    attributes = html.attributes if html else {}
    tag, direction, wanted = attributes.get("lang", ""), attributes.get("dir", ""), reading.language
    fix = f'Write <html lang="{wanted.tag}" dir="{wanted.direction}">.'
    if not _TAG.fullmatch(tag) or tag.lower() in {"und", "mul", "zxx"}:
        yield from errors("R2", "The html names no language", [f'lang="{tag}"'], fix)
    elif tag.partition("-")[0].lower() != wanted.primary:
        yield from errors("R2", f"The html names another language than the edition's ({wanted.tag})", [tag], fix)
    if direction != wanted.direction:
        yield from errors("R2", f"The html does not say that it reads {wanted.direction}", [f'dir="{direction}"'], fix)
    missing = [name for name in ("xmlns", "xmlns:v", "xmlns:o") if not attributes.get(name)]
    yield from warnings("R2", "Word needs the namespaces of the html element", missing, _FRAME)


def wrapper(reading: Reading) -> Iterator[Finding]:
    """R3: webmail throws the html element away, and the wrapper is what stays."""
    mains = [one for one in reading.page.elements if one.tag == "main" or one.attributes.get("role") == "main"]
    fix = "Webmail pages have a main part already; write <div> without a role."
    yield from warnings("R3", "The mail claims to be the main part of a page", map(reading.page.place, mains), fix)
    found = next((one for one in reading.page.elements if one.attributes.get("role") == "article"), None)
    fix = 'Put all into one <div role="article" aria-roledescription="email" aria-label="…" lang="…" dir="…">.'
    if found is None:
        yield Finding("R3", "warning", "No wrapper in the body repeats language and direction.", fix)
        return
    html = reading.page.first("html")
    same = html.attributes if html else {}
    missing = [name for name in ("aria-roledescription", "aria-label", "lang", "dir") if not found.attributes.get(name)]
    missing += [name for name in ("lang", "dir") if found.attributes.get(name, same.get(name)) != same.get(name)]
    yield from warnings("R3", "The wrapper lacks an attribute, or has another than the html element", missing, fix)
    outside = [
        run.element
        for run in reading.page.runs
        if run.text.strip() and found not in run.element.up() and not run.element.is_hidden
    ]
    yield from warnings("R3", "Text stands outside the wrapper", map(reading.page.place, outside), fix)


def head(reading: Reading) -> Iterator[Finding]:
    """R4: what mail programs read before they draw."""
    metas = {key: one for one in reading.page.all("meta") for key in [_meta_key(one)] if one.inside("head")}
    wrong = []
    for attribute, name, content in _HEAD:
        meta = metas.get((attribute, name))
        held = meta.attributes.get("content", "").lower() if meta else ""
        if meta is None or content not in held.replace("charset= ", "charset="):
            wrong.append(name)
    if "content-type" in wrong:
        wrong.remove("content-type")
        fix = 'Write <meta http-equiv="Content-Type" content="text/html; charset=utf-8"> first into the head.'
        yield Finding("R4", "error", "The head does not say that the html is UTF-8.", fix)
    yield from warnings("R4", "The head lacks, or sets otherwise", (f"<meta {name}>" for name in wrong), _FRAME)
    order = [metas[key].index for attribute, name, _ in _HEAD if (key := (attribute, name)) in metas]
    if order != sorted(order):
        yield Finding("R4", "warning", "The head's meta elements are not in their order.", _FRAME)
    viewport = metas.get(("name", "viewport"))
    if viewport and re.search(r"user-scalable\s*=\s*(no|0)|maximum-scale", viewport.attributes.get("content", "")):
        yield Finding("R4", "warning", "Readers are kept from zooming in.", "Take that out of the meta viewport.")
    yield from _title(reading)


def _meta_key(meta: Element) -> tuple[str, str]:
    name = "http-equiv" if "http-equiv" in meta.attributes else "name"
    return name, meta.attributes.get(name, "").lower()


def _title(reading: Reading) -> Iterator[Finding]:
    title = reading.page.first("title")
    text = reading.page.text_of(title) if title else ""
    if not text:
        yield Finding("R4", "error", "The html has no title.", "Write <title>{{ subject }}</title> into the head.")
    elif text != " ".join(reading.mail.subject.split()):
        fix = "Write <title>{{ subject }}</title>."
        yield from warnings("R4", "The title is not the subject", [text[:80]], fix)


def for_word(reading: Reading) -> Iterator[Finding]:
    """R5: without these Word draws pictures too large and falls back to Times."""
    comments = "".join(reading.page.comments)
    wanted = {
        "<o:AllowPNG/>": "<o:AllowPNG",
        "96 pixels an inch": "PixelsPerInch>96<",
        "exact line heights": "mso-line-height-rule:exactly",
    }
    missing = [name for name, written in wanted.items() if written not in comments]
    yield from warnings("R5", "The head tells Word too little", missing, _FRAME)


def characters(reading: Reading) -> Iterator[Finding]:
    """R6, R16, R52: characters that mail programs choke on, or that hide and turn what is read."""
    parts = {"the subject": reading.mail.subject, "the html": reading.mail.html, "the text part": reading.mail.text}
    fix = "Take them out of the template, or out of the words of the story."
    yield from errors("R6", "Control characters make Gmail cut a mail off", _with(_C1, parts), fix)
    yield from warnings("R16", "Invisible characters of no width", _with(_ZERO_WIDTH, parts), fix)
    fix = "Take them out; dir attributes, and U+2068 with U+2069 in text, say the direction."
    yield from warnings("R52", "Characters that turn the reading direction", _with(_TURNING, parts), fix)


def _with(pattern: re.Pattern[str], parts: dict[str, str]) -> Iterator[str]:
    for name, text in parts.items():
        for found in pattern.finditer(text):
            yield f"U+{ord(found[0]):04X} in {name}"


def forbidden(reading: Reading) -> Iterator[Finding]:
    """R7, R8: what mail programs remove, or refuse the mail for."""
    place = reading.page.place
    fix = "Take it out: links, pictures and tables are all that a mail has."
    gone = [one for one in reading.page.elements if one.tag in _FORBIDDEN]
    yield from errors("R7", "Mail programs remove this element", map(place, gone), fix)
    handlers = [
        f"{name} at {place(one)}" for one in reading.page.elements for name in one.attributes if name[:2] == "on"
    ]
    yield from errors("R7", "Mail programs remove scripts", handlers, fix)
    moved = [one for one in reading.page.all("meta") if one.attributes.get("http-equiv", "").lower() == "refresh"]
    yield from errors("R7", "A mail leads nowhere by itself", map(place, moved), "Take the meta refresh out.")
    lettered = [place(one) for one in reading.page.all(*_LETTERED) if not one.is_hidden]
    fix = "Write <p> or <span>, and a class that sets size, line height and colour."
    yield from warnings("R30", "Each mail program sets this element in its own way", lettered, fix)
    odd = [f"{name} at {place(one)}" for one in reading.page.elements for name in _ODD if name in one.attributes]
    yield from warnings("R25", "Not every mail program knows this attribute", odd, "Take it out.")
    sections = [place(one) for one in reading.page.elements if one.tag in _SECTIONS]
    fix = "Write <div> or a table, and h1 to h3."
    yield from warnings("R8", "Outlook.com and Yahoo throw sectioning elements away", sections, fix)


RULES = (doctype, language, wrapper, head, for_word, characters, forbidden)
