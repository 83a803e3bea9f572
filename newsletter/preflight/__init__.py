"""Stage 3b: what is wrong with a mail before it goes out. Errors block approval, warnings wait to be accepted.

Pure: it reads the content and the finished mail, and returns findings in words an editor can act on. What the network
and the database know comes in as `Known`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias
from urllib.parse import urlsplit

from newsletter.mail import Mail
from newsletter.preflight import (
    accessibility,
    contrast,
    document,
    issue,
    kept,
    layout,
    links,
    network,
    pictures,
    preheader,
    printed,
    stories,
    styles,
    text_part,
)
from newsletter.preflight.finding import Finding
from newsletter.preflight.known import Known
from newsletter.preflight.reading import MARKS, MARKS_OF_NOBODY, Reading, kept_style_bytes, parts_of
from newsletter.preflight.size import HTML_WARNING, broken_holes, bytes_on_the_way
from newsletter.render import IssueContent

__all__ = ["HTML_WARNING", "Finding", "Known", "check", "check_mail", "kept_style_bytes", "links_of"]

_MailRule: TypeAlias = Callable[[Reading], Iterator[Finding]]
_IssueRule: TypeAlias = Callable[[Reading, IssueContent, Known], Iterator[Finding]]

#: The rules that hold for every mail, and those for issues, each in the order in which an editor would look.
_MAIL_RULES: tuple[_MailRule, ...] = (
    *document.RULES,
    *kept.RULES,
    *layout.RULES,
    *pictures.MAIL_RULES,
    *styles.RULES,
    *links.RULES,
    *accessibility.RULES,
    *contrast.RULES,
    *preheader.RULES,
    *text_part.RULES,
)
_ISSUE_RULES: tuple[_IssueRule, ...] = (*issue.RULES, *printed.RULES, *stories.RULES, *pictures.ISSUE_RULES)


def check(content: IssueContent, mail: Mail, known: Known = Known()) -> list[Finding]:  # noqa: B008 - frozen
    """Return what is wrong with an issue's mail: first what is the editor's, then what is the template's."""
    if broken := broken_holes(mail):
        return broken
    site = "{0.scheme}://{0.netloc}".format(urlsplit(content.view_url))
    readings = _readings(mail, content.language, site)
    own = [found for reading in readings for rule in _ISSUE_RULES for found in rule(reading, content, known)]
    outside = [found for reading in readings for rule in network.RULES for found in rule(reading, known)]
    return _different([*own, *outside, *_of_mail(readings)])


def check_mail(mail: Mail, *, language: str, site: str = "", known: Known = Known()) -> list[Finding]:  # noqa: B008
    """Return what is wrong with any mail of ours, by the rules that hold for all.

    `language` is a BCP 47 tag; `site` our own address, whose pages are not https in a trial.
    """
    if broken := broken_holes(mail):
        return broken
    readings = _readings(mail, language, site)
    outside = (found for reading in readings for rule in network.RULES for found in rule(reading, known))
    return _different([*outside, *_of_mail(readings)])


def links_of(content: IssueContent, mail: Mail) -> list[str]:
    """Return the public links of an issue's mail that are not to its own pages, for looking whether they open."""
    if broken_holes(mail):
        return []
    own = {content.view_url, content.signup_url}
    found = (one.attributes.get("href", "") for one in Reading.of(mail, content.language).links)
    return [one for one in dict.fromkeys(found) if parts_of(one).scheme in {"http", "https"} and one not in own]


def _readings(mail: Mail, language: str, site: str) -> list[Reading]:
    """Return the mail as a reader gets it of whom all is known, and as one of whom nothing is, where they differ."""
    full = Reading.of(mail, language, site)
    if all(fill(MARKS) == fill(MARKS_OF_NOBODY) for fill in (mail.html_for, mail.text_for)):
        return [full]
    return [full, Reading.of(mail, language, site, MARKS_OF_NOBODY)]


def _of_mail(readings: Iterable[Reading]) -> Iterator[Finding]:
    for reading in readings:
        for rule in _MAIL_RULES:
            yield from rule(reading)
    yield from bytes_on_the_way(next(iter(readings)).mail)


def _different(findings: Iterable[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))
