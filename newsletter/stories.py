"""Decisions about stories, as pure functions: one address for one story, and which regions it is about."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, quote, unquote_plus, urljoin, urlsplit

from newsletter.errors import NewsletterError

#: Parameters that say how a reader came to the page, never which page it is. Compared in lower case.
TRACKING_PARAMETERS: frozenset[str] = frozenset().union(
    {"gclid", "gclsrc", "dclid", "gbraid", "wbraid", "_ga", "_gl"},  # Google
    {"fbclid", "igshid", "igsh"},  # Facebook, Instagram
    {"msclkid", "ocid"},  # Microsoft
    {"yclid", "ysclid"},  # Yandex
    {"twclid", "ref_src", "ref_url", "__twitter_impression"},  # Twitter
    {"ttclid", "li_fat_id", "epik", "spm"},  # TikTok, LinkedIn, Pinterest, Alibaba
    {"mc_cid", "mc_eid"},  # Mailchimp
    {"_hsenc", "_hsmi", "hsctatracking"},  # HubSpot
    {"mkt_tok", "vero_id", "vero_conv", "oly_anon_id", "oly_enc_id", "sc_src", "sc_uid", "sc_eh"},  # other mailers
    {"ns_mchannel", "ns_source", "ns_campaign", "ns_linkname", "ns_fee"},  # comScore
    {"xtor", "wt_mc", "wt.mc_id", "s_cid", "ncid", "cmpid", "icid", "ftag"},  # web analytics of publishers
    {"smid", "smtyp", "emc", "sr_share", "guccounter", "guce_referrer", "guce_referrer_sig"},  # publishers' own
    {"jsessionid", "phpsessid"},  # sessions
)
TRACKING_PREFIXES = ("utm_", "mtm_", "pk_", "piwik_", "hsa_", "at_")
#: Parameters that ask for another form of the same page.
TWIN_PARAMETERS = frozenset({"amp", "outputtype=amp", "m=1"})
#: First labels of a host that name another door to the same pages. "www." is one of them: sites that show different
#: stories with and without it are next to unknown, while feeds that mix both are common, and readers are sent to
#: the link as it came, so a fold can only ever join two rows.
TWIN_HOSTS = ("www", "m", "mobile", "amp")

_PORTS = {"http": 80, "https": 443}
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})?")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
_SESSION = re.compile(r";jsessionid=[^/]*", re.IGNORECASE)
_AMP_PATH = re.compile(r"(?<=[^/])/amp$|(?<=[^/])\.amp(?=\.html?$|$)", re.IGNORECASE)
#: Scripts that are written without spaces between words, by Unicode names: any place in them may be a word's end.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
_SENTENCE_END = re.compile(r"[.!?…][\"'»”’)\]]*(?=\s)|[。！？]")


class NotAWebAddress(NewsletterError, ValueError):
    """A text that should be a web address is none. `url` is the text."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        super().__init__(f"{shorten(url, 200)!r} is not a web address that readers can be sent to: {reason}.")


def canonical_url(url: str) -> str:
    """Return the address that stands for a story, so that every way of writing it gives the same text.

    The result is for comparing: https, no "www.", mobile or AMP twin, no fragment, tracking or session parameter, no
    trailing slash, escapes in one form (RFC 3986 section 6.2.2), the host in ASCII. Other parameters keep their order.
    Raises NotAWebAddress.
    """
    parts, port = _split(url)
    host = _host(url, parts.hostname or "")
    if port is not None and port != _PORTS[parts.scheme]:
        host = f"{host}:{port}"
    query = _query(parts.query)
    return f"https://{host}{_path(parts.path)}{'?' + query if query else ''}"


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise NotAWebAddress(url, str(error)) from error
    if parts.scheme not in _PORTS:
        raise NotAWebAddress(url, "it must start with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise NotAWebAddress(url, "it carries a user name or a password")
    return parts, port


def _host(url: str, host: str) -> str:
    """Return the host in lower-case ASCII without the label of a twin."""
    host = host.rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    elif not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise NotAWebAddress(url, "its host name cannot exist") from error
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise NotAWebAddress(url, "it has no valid host name")
    first, _, rest = host.partition(".")
    while first in TWIN_HOSTS and "." in rest:
        host = rest
        first, _, rest = host.partition(".")
    return host


def _path(path: str) -> str:
    path = _escapes(_SESSION.sub("", path), safe="/:@!$&'()*+,;=")
    if "/." in path:
        path = urlsplit(urljoin("https://host/", f".{path}")).path
    path = path.rstrip("/")
    return _AMP_PATH.sub("", path).rstrip("/") or "/"


def _query(query: str) -> str:
    kept = [_escapes(pair, safe="/:@!$'()*+,;=?") for pair in query.split("&") if pair and not _is_noise(pair)]
    return "&".join(kept)


def _is_noise(pair: str) -> bool:
    pair = unquote_plus(pair).lower()
    name = pair.partition("=")[0]
    return (
        name in TRACKING_PARAMETERS
        or name.startswith(TRACKING_PREFIXES)
        or name in TWIN_PARAMETERS
        or pair in TWIN_PARAMETERS
    )


def _escapes(text: str, *, safe: str) -> str:
    """Return `text` with every percent escape in its one normal form, and escapes where they are needed."""

    def one(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%25"
        character = chr(int(match[1], 16))
        return character if character in _UNRESERVED else match[0].upper()

    return quote(_ESCAPE.sub(one, text), safe=safe + "%", errors="replace")


@dataclass(frozen=True)
class RegionWords:
    """A region and what names it. Words in capitals only (US, EU) match exactly, others in any case."""

    code: str
    name: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegionMatch:
    """A region that a story is about, and why we think so, such as: "Kharkiv" in the headline."""

    code: str
    evidence: str


def match_regions(headline: str, summary: str, regions: Sequence[RegionWords]) -> list[RegionMatch]:
    """Return a match for each region that is named in the headline or, failing that, in the summary, in order.

    Only whole words count, by Unicode's letters and marks.
    """
    places = [("headline", _Text.of(headline)), ("summary", _Text.of(summary))]
    matches = []
    for region in regions:
        found = _first_word(region, places)
        if found:
            word, place = found
            matches.append(RegionMatch(region.code, f'"{shorten(word, 150)}" in the {place}'))
    return matches


def _first_word(region: RegionWords, places: list[tuple[str, _Text]]) -> tuple[str, str] | None:
    for place, text in places:
        for word in (region.name, *region.words):
            if text.has(word):
                return word, place
    return None


@dataclass(frozen=True)
class _Text:
    """A text in the two forms that words are looked up in."""

    exact: str
    folded: str
    #: Where everything is in capitals, capitals do not tell the country US from the word.
    shouted: bool

    @classmethod
    def of(cls, text: str) -> _Text:
        exact = _one_form(text)
        return cls(exact, _fold(exact), exact.isupper())

    def has(self, word: str) -> bool:
        needle, is_exact = _needle(word)
        if not needle or (is_exact and self.shouted):
            return False
        text = self.exact if is_exact else self.folded
        start = text.find(needle)
        while start >= 0:
            if _stands_alone(text, start, start + len(needle)):
                return True
            start = text.find(needle, start + 1)
        return False


@lru_cache(maxsize=65_536)
def _needle(word: str) -> tuple[str, bool]:
    """Return what to look for, and whether its capitals matter."""
    word = _one_form(word)
    return (word, True) if word.isupper() else (_fold(word), False)


def _one_form(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).replace("’", "'").split())


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Say whether text[start:end] is not a part of a longer word."""
    before = start > 0 and _joins(text[start - 1]) and _joins(text[start])
    after = end < len(text) and _joins(text[end]) and (_joins(text[end - 1]) or _is_mark(text[end]))
    return not before and not after


@lru_cache(maxsize=4096)
def _joins(character: str) -> bool:
    """Say whether the character makes one word with its neighbour: a letter, digit or mark of a script with spaces."""
    if unicodedata.category(character)[0] not in "LMN":
        return False
    return not unicodedata.name(character, "").startswith(_UNSPACED)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def shorten(text: str, limit: int) -> str:
    """Return `text` in at most `limit` characters: cut after a sentence that ends in the second half, or at a word."""
    if len(text) <= limit:
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(text[: limit + 1])]
    sentences = max((end for end in ends if end <= limit), default=0)
    if sentences >= limit // 2:
        return text[:sentences]
    space = text[:limit].rfind(" ")
    return text[: space if space >= limit // 2 else limit - 1].rstrip() + "…"
