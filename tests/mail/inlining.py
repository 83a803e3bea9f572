"""T15: what premailer must leave alone, and what it must not make (email.md, section 4, P1 to P17)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import premailer
from lxml import html as lxml_html

from newsletter.mail import HOLES, Mail, hole_tag
from tests.mail.view import without_comments

_STYLE_BLOCK = re.compile("<style[^>]*>(.*?)</style>", re.DOTALL)
_KEPT = re.compile('<style data-premailer="ignore">(.*?)</style>', re.DOTALL)
_COMMENT = re.compile("<!--.*?-->", re.DOTALL)
#: Attributes that premailer would make from styles, over those that are written by hand (P5).
_WRITTEN = ("width", "height", "align", "valign", "bgcolor", "href", "src")


@dataclass(frozen=True)
class Inlined:
    """What premailer was given, what it made of it, and the finished mail."""

    before: str
    after: str
    mail: Mail


def inlined(render: Callable[[], Mail]) -> Inlined:
    """Render a mail and return it with what went into premailer and came out. premailer works as ever."""
    seen: list[tuple[str, str]] = []
    transform = premailer.transform

    def listening(html: str, *arguments: Any, **options: Any) -> str:
        made = str(transform(html, *arguments, **options))
        seen.append((html, made))
        return made

    with mock.patch.object(premailer, "transform", listening):
        mail = render()
    return Inlined(*seen[0], mail)


def problems(one: Inlined) -> Iterator[str]:
    """Yield what was lost or made while styles were written into the elements."""
    before, mail, after = one.before, one.mail, one.mail.html
    if not after.startswith("<!DOCTYPE html>"):
        yield "P6: the doctype is lost"
    if _STYLE_BLOCK.findall(without_comments(after)) != _KEPT.findall(before) or len(_KEPT.findall(before)) != 3:
        yield "P1, P2, P7: the three kept blocks are not byte for byte what they were"
    yield from (f"P2: {mark} is lost" for mark in ("[data-ogsc]", "a[x-apple-data-detectors]") if mark not in after)
    if after.count("!important") != before.count("!important"):
        yield "P1: an !important is lost, or made"
    if _conditional(after) != _conditional(before):
        yield "P13: a conditional comment is lost or changed"
    for name in HOLES:
        tag = hole_tag(mail.nonce, name, html=True)
        if after.count(tag) != before.count(tag):
            yield f"P11: the hole {name} stood {before.count(tag)} times and stands {after.count(tag)} times"
    yield from _left_over(after)
    yield from _elements(before, one.after)


def _conditional(html: str) -> list[str]:
    return [one for one in _COMMENT.findall(html) if one.startswith("<!--[if")]


def _left_over(html: str) -> Iterator[str]:
    for mark, rule in (("data-premailer", "T15"), ("style='", "P12"), ('align="start"', "P5"), ("{{", "T15")):
        if mark in html and "{{ 7" not in html:
            yield f"{rule}: {mark} is in the html"
    if found := re.search(r"<img[^>]*\s(width=\"100%\"|height=\"auto\")|<(?:img|a|div)[^>]*\sbgcolor=", html):
        yield f"P5: premailer made {found[0][-40:]}"
    if found := re.search(r"style=\"[^\"]*#(?![0-9A-Fa-f]{6}\b)[^\"]*", html):
        yield f"P17: a colour is not written with six digits: {found[0][-40:]}"


def _elements(before: str, after: str) -> Iterator[str]:
    was, now = (list(_shown(html)) for html in (before, after))
    if [one.tag for one in was] != [one.tag for one in now]:
        yield "P9, P14: the elements are not those of the template"
        return
    styled = set(re.findall(r"\.([\w-]+)\{", next(iter(_STYLE_BLOCK.findall(without_comments(before))), "")))
    for old, new in zip(was, now, strict=True):
        for name in _WRITTEN:
            if old.get(name) != new.get(name):
                yield f"P5, P11: {name}={old.get(name)!r} of <{old.tag}> became {new.get(name)!r}"
        if set(old.get("class", "").split()) & styled and not new.get("style"):
            yield f"P9, P15: <{old.tag} class={old.get('class')!r}> got no style"


def _shown(html: str) -> Iterator[Any]:
    return (one for one in lxml_html.document_fromstring(html).find("body").iter() if isinstance(one.tag, str))
