"""Decisions about stories, as pure functions: one address for one story, and a text cut to a length."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, quote, unquote_plus, urlsplit

from newsletter.errors import NewsletterError

#: Parameters that say how a reader came to the page, never which page it is. Compared in lower case.
TRACKING_PARAMETERS: frozenset[str] = frozenset().union(
    {"gclid", "gclsrc", "dclid", "gbraid", "wbraid", "_ga", "_gl", "gad_source", "gad_campaignid", "srsltid"},  # Google
    {"fbclid", "igshid", "igsh", "fb_source", "fb_ref", "__tn__", "mibextid"},  # Facebook, Instagram
    {"msclkid", "ocid", "cvid"},  # Microsoft
    {"yclid", "ysclid", "_openstat"},  # Yandex
    {"twclid", "ref_src", "ref_url", "__twitter_impression"},  # Twitter
    {"ttclid", "li_fat_id", "trk", "epik", "spm", "rdt_cid"},  # TikTok, LinkedIn, Pinterest, Alibaba, Reddit
    {"mc_cid", "mc_eid"},  # Mailchimp
    {"_hsenc", "_hsmi", "hsctatracking", "__hstc", "__hssc", "__hsfp", "hss_channel"},  # HubSpot
    {"mkt_tok", "vero_id", "vero_conv", "oly_anon_id", "oly_enc_id", "sc_src", "sc_uid", "sc_eh", "bxid", "cndid"},
    {"ns_mchannel", "ns_source", "ns_campaign", "ns_linkname", "ns_fee"},  # comScore
    {"xtor", "xtref", "wt_mc", "wt.mc_id", "wt_zmc", "wt.z_", "s_cid", "s_kwcid", "ncid", "cmpid", "icid", "ftag"},
    {"intcmp", "int_cmp", "intcid", "cmp", "itid", "mbid", "ftcamp", "srnd", "tsrc", "wtrid", "wprov", "reflink"},
    {"smid", "smtyp", "emc", "sr_share", "guccounter", "guce_referrer", "guce_referrer_sig"},  # publishers' own
    {"soc_src", "soc_trk", "sharetype", "sharetoken", "unlocked_article_code", "giftcopy", "traffic_source"},
    {
        "dicbo",
        "obclickid",
        "oborigurl",
        "tblci",
        "taboolaclickid",
        "irclickid",
        "irgwc",
        "cjevent",
        "ef_id",
    },  # networks
    {"_branch_match_id", "_branch_referrer", "_x_tr_sl", "_x_tr_tl", "_x_tr_hl", "_x_tr_pto"},  # Branch, translators
    {"jsessionid", "phpsessid"},  # sessions
)
TRACKING_PREFIXES = ("utm_", "mtm_", "matomo_", "pk_", "piwik_", "hsa_", "at_", "pf_rd_", "gaa_", "fb_action_")
#: Parameters that ask for another form of the same page, or say that a feed or a button led to it.
TWIN_PARAMETERS: frozenset[str] = frozenset().union(
    {"amp", "outputtype=amp", "output=amp", "view=amp", "format=amp", "noamp=mobile", "nonamp=1", "usqp"},
    {"m=1", "mobile=1", "mobile=true", "view=mobile"},
    {"print=1", "print=true", "print=yes", "view=print", "printable=1", "printable=true", "format=print"},
    {"source=rss", "ref=rss", "partner=rss", "from=rss", "rss=1", "mod=rss"},
)
#: Pages that only send readers on, by host without its twin labels and path, with the parameter that names the target.
REDIRECTS: dict[tuple[str, str], tuple[str, ...]] = {
    ("google.com", "/url"): ("q", "url"),
    ("l.facebook.com", "/l.php"): ("u",),
    ("lm.facebook.com", "/l.php"): ("u",),
    ("l.instagram.com", "/"): ("u",),
    ("l.threads.com", "/"): ("u",),
    ("youtube.com", "/redirect"): ("q",),
    ("out.reddit.com", "/"): ("url",),
    ("vk.com", "/away.php"): ("to",),
    ("duckduckgo.com", "/l"): ("uddg",),
    ("bing.com", "/news/apiclick.aspx"): ("url",),
    ("slack-redir.net", "/link"): ("url",),
    ("linkedin.com", "/redir/redirect"): ("url",),
    ("t.umblr.com", "/redirect"): ("z",),
    ("getpocket.com", "/redirect"): ("url",),
    ("disq.us", "/url"): ("url",),
    ("steamcommunity.com", "/linkfilter"): ("u", "url"),
}
#: First labels of a host that name another door to the same pages. "www." is one of them: sites that show different
#: stories with and without it are next to unknown, while feeds that mix both are common, and readers are sent to
#: the link as it came, so a fold can only ever join two rows.
TWIN_HOSTS = ("www", "m", "mobile", "amp")

_PORTS = {"http": 80, "https": 443}
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})?")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
#: Sites on which many outlets publish under one host.
SHARED_SITES = frozenset({"medium.com", "substack.com", "telegra.ph", "facebook.com", "youtube.com", "blogspot.com"})
#: Second-level domains under which anybody registers, such as co.uk: the name is one label further left.
_SHARED = frozenset({"ac", "co", "com", "edu", "gob", "gouv", "gov", "in", "ne", "net", "nom", "or", "org"})
_SESSION = re.compile(r";jsessionid=[^/]*", re.IGNORECASE)
_AMP_PATH = re.compile(r"(?<=[^/])/amp(?:/index)?(?:\.html?)?$|(?<=[^/])\.amp(?=\.html?$|$)", re.IGNORECASE)
#: The file that a folder's address stands for. With a query, index.php may be any page of a site.
_INDEX_PATH = re.compile(r"(?<=/)(?:index\.(?:s?html?|php)|default\.aspx?)$", re.IGNORECASE)
#: Copies of AMP pages: the cache's hosts carry "c/s/<host>/<path>", Google and Bing "amp/s/<host>/<path>".
_AMP_CACHE = re.compile(r"/(?:c|v|wp)/(s/)?([^/]+\..+)", re.DOTALL)
_AMP_VIEWER = re.compile(r"/amp/(s/)?([^/]+\..+)", re.DOTALL)
#: So often one wrapper is taken out of another.
_MAX_WRAPPERS = 3
_SENTENCE_END = re.compile(r"[.!?…][\"'»”’)\]]*(?=\s)|[。！？]")


class NotAWebAddress(NewsletterError, ValueError):
    """A text that should be a web address is none. `url` is the text."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        super().__init__(f"{shorten(url, 200)!r} is not a web address that readers can be sent to: {reason}.")


def canonical_url(url: str) -> str:
    """Return the address that stands for a story, so that every way of writing it gives the same text.

    The result is for comparing: https, no "www.", mobile or AMP twin, no fragment, tracking or session parameter, no
    index file, no trailing slash, escapes in one form (RFC 3986 section 6.2.2), the host in ASCII. Other parameters
    keep their order. Copies in AMP caches and pages that only send readers on give the address of what they lead to.
    Raises NotAWebAddress.
    """
    for _ in range(_MAX_WRAPPERS):
        parts, port = _split(url)
        host = _host(url, parts.hostname or "")
        target = _target(host, parts)
        if target is None:
            break
        url = target
    parts, port = _split(url)
    host = _host(url, parts.hostname or "")
    if port is not None and port != _PORTS[parts.scheme]:
        host = f"{host}:{port}"
    query = _query(parts.query)
    return f"https://{host}{_path(parts.path, query)}{'?' + query if query else ''}"


def _target(host: str, parts: SplitResult) -> str | None:
    """Return the address that a page only leads to, or None where the page is one itself or leads to none."""
    target = _amp_target(host, parts)
    if target is None:
        names = REDIRECTS.get((host, parts.path.rstrip("/") or "/"), ())
        values = dict(pair.partition("=")[::2] for pair in reversed(parts.query.split("&")))
        target = next((unquote_plus(values[name]) for name in names if name in values), None)
    if target is None:
        return None
    try:
        inner, _ = _split(target)
        _host(target, inner.hostname or "")
    except NotAWebAddress:
        return None
    return target


def _amp_target(host: str, parts: SplitResult) -> str | None:
    if host == "cdn.ampproject.org" or host.endswith(".cdn.ampproject.org"):
        found = _AMP_CACHE.fullmatch(parts.path)
    elif host in ("google.com", "bing.com"):
        found = _AMP_VIEWER.fullmatch(parts.path)
    else:
        return None
    if found is None:
        return None
    return f"http{'s' if found[1] else ''}://{found[2]}{'?' + parts.query if parts.query else ''}"


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


def _path(path: str, query: str) -> str:
    path = _escapes(_SESSION.sub("", path), safe="/:@!$&'()*+,;=")
    if "/." in path:
        path = _without_dots(path)
    before = ""
    while path != before:  # an AMP page may be an index file, and the reverse
        before = path
        path = _AMP_PATH.sub("", path.rstrip("/"))
        if not query or not path.casefold().endswith(".php"):
            path = _INDEX_PATH.sub("", path)
    return path.rstrip("/") or "/"


def _without_dots(path: str) -> str:
    """Return an absolute path without its segments "." and ".." (RFC 3986 section 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept)


def _query(query: str) -> str:
    pairs = query.replace("&amp;", "&").split("&")
    kept = [_escapes(pair, safe="/:@!$'()*+,;=?") for pair in pairs if pair and not _is_noise(pair)]
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


def site(url: str) -> str:
    """Return the registered part of an address's host, such as bbc.co.uk of feeds.bbc.co.uk."""
    labels = (urlsplit(url).hostname or "").split(".")
    length = 3 if len(labels) > 2 and labels[-2] in _SHARED and len(labels[-1]) == 2 else 2
    return ".".join(labels[-length:])


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
