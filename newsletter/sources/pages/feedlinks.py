"""Where feeds may be: what a page links to, what is known of a site's publishing system, and the usual places. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from newsletter.sources.http import Answer
from newsletter.sources.pages.facts import shown
from newsletter.sources.pages.links import article_links, looks_like_article
from newsletter.sources.pages.webpage import Webpage, read_page, site_of, words_of
from newsletter.sources.text import plain_text

#: Places in which publishing systems keep a site's feed, the most common first.
USUAL_PLACES = (
    "/feed/",
    "/rss",
    "/rss.xml",
    "/feed.xml",
    "/atom.xml",
    "/index.xml",
    "/feed.json",
    "/feeds/posts/default",
    "/?feed=rss2",
)
#: Below a section, two are worth asking.
_SECTION_PLACES = ("/feed/", "/rss")
#: Places of Google News sitemaps, where robots.txt names none.
SITEMAP_PLACES = ("/sitemap-news.xml", "/news-sitemap.xml", "/sitemap_news.xml")

_TYPES = re.compile(r"(?:rss|atom|rdf)\+xml|feed\+json", re.IGNORECASE)
_VAGUE_TYPES = re.compile(r"(?:text|application)/(?:xml|json)$", re.IGNORECASE)
_FEED_WORD = re.compile(r"(?:^|[^a-z])(?:rss|atom|feeds?|xml)(?:[^a-z]|$)|rss", re.IGNORECASE)
_FEED_ADDRESS = re.compile(
    r"/(?:rss|feeds?|atom|rdf)(?:[/.?_-]|$)|[/._-](?:rss|atom|rdf|feed)(?:\.(?:xml|php|aspx?|json))?$|[?&](?:feed|format|type)="
    r"(?:rss2?|atom|feed)|\.(?:rss|atom|rdf)$|^https?://(?:feeds?|rss)\.|feeds\.feedburner\.com/",
    re.IGNORECASE,
)
#: Pages about feeds, buttons of feed readers, and addresses of forms.
_NO_FEED = re.compile(
    r"feedly\.com|inoreader|netvibes|add\.my\.yahoo|/feedback|newsfeed-?policy|/(?:about|help)[-/]|\.(?:html?|pdf)$|"
    r"wp-json|oembed",
    re.IGNORECASE,
)
_COMMENTS = re.compile(r"comment|kommentar|comentari|commenti|reacties|коммент|комент|コメント|评论", re.IGNORECASE)


@dataclass(frozen=True)
class FeedLink:
    """An address that may be a feed's, and what the page calls it."""

    url: str
    title: str = ""


@dataclass(frozen=True)
class PageLinks:
    """What a page leads to: feeds that it declares, the fittest first, feeds that it only mentions, and articles."""

    title: str = ""
    declared: tuple[FeedLink, ...] = ()
    mentioned: tuple[FeedLink, ...] = ()
    articles: tuple[str, ...] = ()


def read_page_links(answer: Answer) -> PageLinks:
    """Return what the page in `answer` leads to. Raises FetchError when it is no web page."""
    page = read_page(answer)
    declared = sorted(dict.fromkeys(_declared(page)), key=lambda link: _unfitness(link, page.url))
    mentioned = [link for link in dict.fromkeys(_mentioned(page)) if link.url not in {one.url for one in declared}]
    return PageLinks(
        title=shown(page.meta("og:site_name")) or page.title,
        declared=tuple(declared[:20]),
        mentioned=tuple(sorted(mentioned, key=lambda link: _unfitness(link, page.url))[:20]),
        articles=tuple(article_links(page)),
    )


def _declared(page: Webpage) -> Iterator[FeedLink]:
    """Return the feeds of the page's <link> elements, and that of a YouTube channel."""
    for element in page.links("alternate", "feed"):
        kind, address = (element.get("type") or "").partition(";")[0].strip(), element.get("href")
        title = plain_text(element.get("title") or "")
        is_vague = bool(_VAGUE_TYPES.search(kind)) and bool(_FEED_WORD.search(f"{address} {title}"))
        named = "feed" in (element.get("rel") or "").lower().split()
        if (_TYPES.search(kind) or is_vague or named) and not _NO_FEED.search(address.partition("?")[0]):
            yield from _link(page, address, title)
    channel = page.meta("channelid", "identifier")
    if site_of(page.url) == "youtube.com" and channel.startswith("UC"):
        yield FeedLink(f"https://www.youtube.com/feeds/videos.xml?channel_id={channel}")


def _mentioned(page: Webpage) -> Iterator[FeedLink]:
    """Return the links of the page that look like feeds: by their address, or by what they are called."""
    for anchor in page.root.iter("a"):
        address = anchor.get("href") or ""
        if not address or _NO_FEED.search(address):
            continue
        kind = anchor.get("type") or ""
        if _TYPES.search(kind) or _FEED_ADDRESS.search(address) or _is_called_feed(anchor):
            yield from _link(page, address, words_of(anchor) or plain_text(anchor.get("title") or ""))


def _is_called_feed(anchor: Any) -> bool:
    text = " ".join(filter(None, (anchor.text_content()[:60], anchor.get("title"), anchor.get("aria-label"))))
    return bool(re.search(r"\bRSS\b|\bAtom[- ]?Feed\b|\bXML[- ]?Feed\b", text))


def _link(page: Webpage, address: str, title: str) -> Iterator[FeedLink]:
    url = page.absolute(web_address(address)).partition("#")[0]
    if url and url != page.url:
        yield FeedLink(url, title[:200])


def web_address(address: str) -> str:
    """Return an address of the old feed: scheme as one of the Web."""
    for scheme in ("feed:https://", "feed:http://"):
        if address.lower().startswith(scheme):
            return address[5:]
    return f"https://{address[7:]}" if address.lower().startswith("feed://") else address


def is_about_comments(link: FeedLink, page_url: str) -> bool:
    """Say whether a feed is of readers' comments. Below an article there is no other."""
    if _COMMENTS.search(f"{link.url} {link.title}"):
        return True
    path = urlsplit(page_url).path.rstrip("/")
    return looks_like_article(page_url) and urlsplit(link.url).path.startswith(f"{path}/")


def _unfitness(link: FeedLink, page_url: str) -> tuple[bool, bool, bool]:
    """Return what to sort by: stories before comments, the page's own section before the site, others last."""
    path = urlsplit(page_url).path.rstrip("/").lower()
    section, feed_path = path.rpartition("/")[2], urlsplit(link.url).path.lower()
    named = re.split(r"[\W_]+", f"{feed_path} {link.title.lower()}")
    is_own = bool(section) and (feed_path.startswith(f"{path}/") or section in named)
    return is_about_comments(link, page_url), not is_own, site_of(link.url) != site_of(page_url)


def known_feeds(url: str) -> list[str]:
    """Return where the feed of an address is by the rules of its site, such as those of YouTube and Mastodon."""
    parts = urlsplit(url)
    host, path = (parts.hostname or "").removeprefix("www.").removeprefix("m."), parts.path.rstrip("/")
    origin, query = f"{parts.scheme}://{parts.netloc}", parts.query
    for pattern, feed in _RULES:
        match = re.fullmatch(pattern, f"{host}{path}{'?' + query if query else ''}", re.IGNORECASE)
        if match:
            return [feed.format(*match.groups(), origin=origin, path=path, host=host)]
    return []


#: What an address looks like, without scheme and www., and where its feed is. The first that fits counts.
_RULES = (
    (r"youtube\.com/channel/(UC[\w-]+)(?:/.*|\?.*)?", "https://www.youtube.com/feeds/videos.xml?channel_id={0}"),
    (r"youtube\.com/user/([\w.-]+)(?:/.*|\?.*)?", "https://www.youtube.com/feeds/videos.xml?user={0}"),
    (r"youtube\.com/(?:playlist|watch)\?(?:.*&)?list=([\w-]+)(?:&.*)?", "https://www.youtube.com/feeds/videos.xml?playlist_id={0}"),
    (r"(?:old\.|new\.)?reddit\.com/(r|user)/([\w-]+)(?:/.*|\?.*)?", "https://www.reddit.com/{0}/{1}/.rss"),
    (r"medium\.com/((?:@[\w.-]+)|(?!tag/|m/|me/)[\w-]+)(?:/.*|\?.*)?", "https://medium.com/feed/{0}"),
    (r"medium\.com/tag/([\w-]+)(?:/.*|\?.*)?", "https://medium.com/feed/tag/{0}"),
    (r"[\w-]+\.medium\.com(?:[/?].*)?", "{origin}/feed"),
    (r"[\w-]+\.substack\.com(?:[/?].*)?", "{origin}/feed"),
    (r"[\w-]+\.tumblr\.com(?:[/?].*)?", "{origin}/rss"),
    (r"[\w-]+\.blogspot\.[\w.]+(?:[/?].*)?", "{origin}/feeds/posts/default"),
    (r"[\w-]+\.wordpress\.com(?:\?.*)?", "{origin}/feed/"),
    (r"[\w-]+\.(?:ghost\.io)(?:[/?].*)?", "{origin}/rss/"),
    (r"(?:[\w-]+\.)?(?:livejournal|dreamwidth)\.(?:com|org)", "{origin}/data/rss"),
    (r"bsky\.app/profile/([\w.:-]+)(?:/.*)?", "https://bsky.app/profile/{0}/rss"),
    (r"github\.com/([\w.-]+/[\w.-]+)/(releases|tags|commits)(?:/.*)?", "https://github.com/{0}/{1}.atom"),
    (r"vimeo\.com/([\w-]+)(?:/videos)?", "https://vimeo.com/{0}/videos/rss"),
    (r"(?:dailymotion|rumble|tiktok|threads|instagram|youtube|medium)\.(?:com|net)/@[^/]+(?:/.*)?", "{origin}{path}"),
    (r"([^/]+)/(@[\w.-]+)(?:/with_replies|/media)?", "{origin}/{1}.rss"),
    (r"([^/]+)/users/([\w.-]+)", "{origin}/users/{1}.rss"),
    (r"(?:[^/]+)/c/([\w-]+)(?:@[\w.-]+)?", "{origin}/feeds/c/{0}.xml?sort=New"),
)  # fmt: skip


def usual_places(url: str) -> list[str]:
    """Return the places in which the feed of a page may be: first below its section, then at the site's root."""
    parts = urlsplit(url)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    below = [f"{origin}{path}{place}" for place in _SECTION_PLACES] if path and not looks_like_article(url) else []
    return [*below, *(f"{origin}{place}" for place in USUAL_PLACES)]
