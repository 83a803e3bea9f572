"""What an address stands for, as far as it can be told from how it is written: a story, a front page, none. Pure."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from newsletter.stories import NotAWebAddress, canonical_url

Standing: TypeAlias = Literal["front page", "missing", "sign-in", ""]

#: A language, or a language and a country, as the first part of a path: /en, /pt-br, /zh_Hant.
_LANGUAGE = re.compile(r"[a-z]{2}(?:[-_][a-z]{2,4})?", re.IGNORECASE)
_INDEX = re.compile(r"(?:index|default)\.\w{2,5}", re.IGNORECASE)
_HOME = frozenset({"home", "homepage", "startseite", "main", "start", "welcome"})
_MISSING = re.compile(
    r"(?:error[-_/]?)?404|(?:page[-_]?)?not[-_]?found|notfound|page[-_]missing|missing[-_]page|pagina-no-encontrada",
    re.IGNORECASE,
)
_SIGN_IN = re.compile(r"log-?in|sign-?in|signin|auth|sso|anmelden|connexion|consent|collectconsent", re.IGNORECASE)
#: Parameters that say how a page is shown, not which.
_MANNERS = frozenset({"lang", "language", "hl", "locale", "edition", "redirect", "redirected", "from", "ref"})


def stands_for(address: str, final: str) -> Standing:
    """Return what a story's address has come to where redirects led to something that is no story; or nothing.

    A site that sends the readers of a removed story to its front page says 200 or 302 there (a "soft 404").
    """
    if not _is_story(address):
        return ""
    if _is_front_page(final):
        return "front page"
    if _last(final, _MISSING) and not _last(address, _MISSING):
        return "missing"
    if _any(final, _SIGN_IN) and not _any(address, _SIGN_IN):
        return "sign-in"
    return ""


def _is_story(url: str) -> bool:
    """Say whether the address looks like one of a single page rather than of a section or a whole site."""
    if _is_front_page(url):
        return False
    segments = _segments(url)
    return len(segments) > 1 or bool(_names_a_page(url)) or any(re.search(r"[\d_-]", one) for one in segments)


def _is_front_page(url: str) -> bool:
    segments = _segments(url)
    if segments and _LANGUAGE.fullmatch(segments[0]):
        segments = segments[1:]
    return not _names_a_page(url) and (not segments or (len(segments) == 1 and segments[0].casefold() in _HOME))


def _segments(url: str) -> list[str]:
    """Return the parts of the path, without a file such as index.php."""
    segments = [part for part in urlsplit(_canonical(url)).path.split("/") if part]
    return segments[:-1] if segments and _INDEX.fullmatch(segments[-1]) else segments


def _names_a_page(url: str) -> list[str]:
    """Return the parameters that say which page is meant, such as the p of /?p=123."""
    pairs = parse_qsl(urlsplit(_canonical(url)).query)
    return [name for name, value in pairs if name.casefold() not in _MANNERS and value]


def _canonical(url: str) -> str:
    """Return the address without tracking parameters."""
    try:
        return canonical_url(url)
    except NotAWebAddress:
        return url


def _last(url: str, words: re.Pattern[str]) -> bool:
    segments = urlsplit(url).path.rstrip("/").split("/")
    return bool(words.fullmatch(segments[-1].rpartition(".")[0] or segments[-1]))


def _any(url: str, words: re.Pattern[str]) -> bool:
    """Say whether one of the words is a part of the path or of the host's name."""
    parts = urlsplit(url)
    return any(words.fullmatch(one) for one in (*parts.path.split("/"), *(parts.hostname or "").split(".")))
