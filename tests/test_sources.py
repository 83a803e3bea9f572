"""Sources: the careful GET, what feeds say, and the contract that every kind of source keeps."""

from __future__ import annotations

import gzip
import importlib
import re
import ssl
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme

from newsletter.errors import ConfigurationError, FetchError
from newsletter.sources import KINDS, Previous, Source, load_source
from newsletter.sources.feed import FeedSource
from newsletter.sources.http import Answer, Client
from newsletter.sources.jsonfeed import JsonFeedSource
from newsletter.sources.text import absolute_url, from_html, language_tag, utc_time
from tests.contracts.sources import Entry, SourceContract, atom, json_feed, rss
from tests.servers.http import LOOPBACK, MISBEHAVIOURS, FeedServer, gzip_bomb
from tests.servers.smtp import raw_server

DOCUMENT = Path(__file__).parents[1] / "docs" / "adding-a-source.md"


# The contract


class TestFeedSource(SourceContract):
    content_type = "application/rss+xml"

    def make(self, url: str, client: Client) -> Source:
        return FeedSource(url, client)

    def written(self, entries: Sequence[Entry]) -> bytes:
        return rss(entries)


class TestAtomSource(TestFeedSource):
    content_type = "application/atom+xml"

    def written(self, entries: Sequence[Entry]) -> bytes:
        return atom(entries)


class TestJsonFeedSource(SourceContract):
    content_type = "application/feed+json"

    def make(self, url: str, client: Client) -> Source:
        return JsonFeedSource(url, client)

    def written(self, entries: Sequence[Entry]) -> bytes:
        return json_feed(entries)


class TestDocumentedSource(SourceContract):
    """The example of docs/adding-a-source.md, imported by its path as an installation would."""

    content_type = "text/csv"

    @pytest.fixture(autouse=True)
    def newsroom(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "newsroom").mkdir()
        (tmp_path / "newsroom" / "notices.py").write_text(example(), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()

    def make(self, url: str, client: Client) -> Source:
        (kind,) = re.findall(r"--kind (\S+)", DOCUMENT.read_text(encoding="utf-8"))
        return load_source(kind, url, client)

    def written(self, entries: Sequence[Entry]) -> bytes:
        rows = [(entry.published.isoformat() if entry.published else "", entry) for entry in entries]
        lines = [f'{date},"{entry.title}",{entry.address},"{entry.summary}"' for date, entry in rows]
        return "\n".join(["date,headline,address,text", *lines]).encode()


def example() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return str(code)


# Text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("plain", "plain"),
        ("a &amp; b &lt;c&gt; &eacute; &nosuch;", "a & b <c> é &nosuch;"),
        ("<p>One.</p><p>Two<b>fold</b>.</p>", "One. Twofold."),
        ("a<br>b<br/>c", "a b c"),
        ("<td>1</td><td>2</td>", "1 2"),
        ("<script>alert(1)</script>seen<style>p{}</style>", "seen"),
        ("<figure><img src=a.jpg><figcaption>Photo: A</figcaption></figure>Text", "Text"),
        ("&#55296;&#0;<b>\ud800\x00x", "\ufffd\ufffd x"),
        ("<a href='x", ""),
        ("", ""),
        ("5 < 6 and 7 > 6", "5 < 6 and 7 > 6"),
        ("<div>" * 5_000 + "deep", "deep"),
    ],
)
def test_html_becomes_text(markup: str, text: str) -> None:
    assert from_html(markup).text == text


@pytest.mark.parametrize(
    ("markup", "url", "alt"),
    [
        ("<img src='/a b.jpg' alt='A &amp; B'>", "https://example.org/a%20b.jpg", "A & B"),
        ("<img src='p.gif' width=1 height=1><img src='b.jpg'>", "https://example.org/d/b.jpg", ""),
        ("<img src='data:image/png;base64,AA'><img src='javascript:x'><img>", None, ""),
        ("<noscript><img src='b.jpg'></noscript>", None, ""),
    ],
)
def test_the_first_real_picture_is_found(markup: str, url: str | None, alt: str) -> None:
    picture = next(iter(from_html(markup, "https://example.org/d/f").pictures), None)
    assert (picture and picture.url, picture.alt if picture else "") == (url, alt)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("x y", "https://example.org/d/x%20y"),
        ("//other.example/p", "https://other.example/p"),
        (" https://a.example/\n path", "https://a.example/%20path"),
        ("HTTPS://A.example/", "https://A.example/"),
        ("", ""),
        ("javascript:alert(1)", ""),
        ("https://user@a.example/", ""),
        ("https://a.example:99999/", ""),
        ("https://a.example\\@evil.example/", ""),
        ("http://[::1", ""),
        ("ftp://a.example/", ""),
    ],
)
def test_only_web_addresses_pass(address: str, url: str) -> None:
    assert absolute_url(address, "https://example.org/d/f") == url


@pytest.mark.parametrize(
    ("text", "tag"),
    [("en_GB", "en-GB"), (" uk ", "uk"), ("zh-Hant-TW", "zh-Hant-TW"), ("english, mostly", ""), ("", "")],
)
def test_language_tags(text: str, tag: str) -> None:
    assert language_tag(text) == tag


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-17T18:00:00+01:00", "2026-11-17T17:00:00+00:00"),
        ("2026-11-17T18:00:00Z", "2026-11-17T18:00:00+00:00"),
        ("2026-11-17", "2026-11-17T00:00:00+00:00"),
        ("0001-01-01T00:00:00+23:59", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times(text: str, time: str | None) -> None:
    found = utc_time(text)
    assert (found and found.isoformat()) == time


# The careful GET


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as server:
        yield server


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    client = Client(
        timeout=20, max_bytes=1_000_000, user_agent="Newsletter/test (+https://example.org)", private_networks=LOOPBACK
    )
    yield client
    client.close()


@pytest.fixture(scope="module")
def hasty_client() -> Iterator[Client]:
    """Yield a client for answers that never end; a busy machine may be too slow for it with any other."""
    client = Client(
        timeout=0.7, max_bytes=1_000_000, user_agent="Newsletter/test (+https://example.org)", private_networks=LOOPBACK
    )
    yield client
    client.close()


SENTENCES = {
    "missing": "nothing at this address. Look on the site for the feed's new address. (HTTP status 404)",
    "gone": "removed this feed for good",
    "forbidden": "does not let us read this",
    "password": "asks for a password",
    "teapot": "(HTTP status 418)",
    "too_many_requests": "It asks to come back after 120 seconds. (HTTP status 429)",
    "broken": "trouble of its own",
    "overloaded": "It asks to come back after Fri, 20 Nov 2026 12:00:00 GMT. (HTTP status 503)",
    "unasked_304": "nothing was fetched before",
    "empty": "The answer is empty.",
    "redirect_loop": "redirects in a circle",
    "redirect_chain": "redirects more than 5 times",
    "redirect_to_ftp": "It redirects to ftp://files.example.org/feed, which cannot be used",
    "redirect_to_credentials": "It redirects to http://example.org/feed, which cannot be used: it carries a user name",
    "redirect_to_nonsense": "redirects without saying where to",
    "fifty_megabytes": "larger than 1,000,000 bytes",
    "announced_fifty_megabytes": "larger than 1,000,000 bytes",
    "gzip_bomb": "larger than 1,000,000 bytes",
    "gzip_bomb_in_gzip": "encoded as 'gzip, gzip'",
    "damaged_gzip": "compressed answer is damaged",
    "cut_gzip": "broke off before its end",
    "gibibyte": "larger than 1,000,000 bytes",
    "gibibyte_twice": "encoded as 'gzip, gzip'",
    "deflated": "encoded as 'deflate'",
    "brotli": "encoded as 'br'",
    "zstandard": "encoded as 'zstd'",
    "endless_chunks": "in more than 100,000 pieces",
    "reset": "broke off before the answer was complete",
    "hangs_up": "broke off or is not HTTP",
    "cut_off": "broke off or is not HTTP",
    "not_http": "broke off or is not HTTP",
    "endless_header": "broke off or is not HTTP",
    "endless_headers": "broke off or is not HTTP",
}
#: Misbehaviours of what is in the answer; the GET has nothing against them.
READABLE = {"not_xml", "plain_text", "wrong_charset"}
#: Misbehaviours that only a deadline ends.
ENDLESS = {"slow_drip", "slow_headers", "never_answers"}


def test_every_misbehaviour_is_expected() -> None:
    assert set(MISBEHAVIOURS) == set(SENTENCES) | READABLE | ENDLESS


@pytest.mark.parametrize("name", sorted(SENTENCES))
def test_every_failure_is_a_sentence(name: str, server: FeedServer, client: Client) -> None:
    server.misbehave("/source", name)
    with pytest.raises(FetchError) as caught:
        client.get(server.url("/source"))
    assert SENTENCES[name] in caught.value.sentence
    assert caught.value.url == server.url("/source")


@pytest.mark.parametrize("name", sorted(ENDLESS))
def test_the_deadline_is_for_the_whole_answer_threat_7(name: str, server: FeedServer, hasty_client: Client) -> None:
    server.misbehave("/source", name)
    with pytest.raises(FetchError, match=re.escape("No complete answer came within 0.7 seconds")):
        hasty_client.get(server.url("/source"))


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("", "must start with https:// or http://"),
        ("example.org/feed", "must start with https:// or http://"),
        ("ftp://example.org/feed", "must start with https:// or http://"),
        ("file:///etc/passwd", "must start with https:// or http://"),
        ("http://", "no host name"),
        ("http://[::1/feed", "is not a web address"),
        ("http://example.org:99999/", "is not a web address"),
        ("https://example.org/a feed", "contains a space"),
        ("https://example.org/\u202efeed", "invisible character"),
        ("https://ä..example/", "cannot be used"),
        ("https://a..example/", "The host name cannot exist"),
        ("https://no-such-host.invalid/feed", "The host name is unknown"),
    ],
)
def test_a_wrong_address_is_a_sentence(address: str, sentence: str, client: Client) -> None:
    with pytest.raises(FetchError, match=re.escape(sentence)):
        client.get(address)


def test_a_password_is_never_repeated(client: Client) -> None:
    with pytest.raises(FetchError, match="user name or password") as caught:
        client.get("https://editor:s3cret@example.org/feed")
    assert "s3cret" not in str(caught.value) + caught.value.url


def test_nothing_answers(client: Client) -> None:
    with FeedServer() as gone:
        url = gone.url("/feed")
    with pytest.raises(FetchError, match="connection refused"):
        client.get(url)


def test_a_certificate_nobody_signed_is_a_sentence(client: Client) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with FeedServer(context) as server:
        server.serve("/feed", rss([]))
        with pytest.raises(FetchError, match="certificate is not valid"):
            client.get(server.url("/feed"))


def test_https_where_there_is_only_http_is_a_sentence(client: Client) -> None:
    with (
        raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port,
        pytest.raises(FetchError, match="No secure connection"),
    ):
        client.get(f"https://127.0.0.1:{port}/feed")


def test_an_answer_has_what_the_next_get_needs(server: FeedServer, client: Client) -> None:
    server.serve("/feed", b"<rss/>", "text/xml", etag='W/"7"', last_modified="Tue, 17 Nov 2026 08:00:00 GMT")
    first = client.get(server.url("/feed"))
    assert first == Answer(
        server.url("/feed"), b"<rss/>", "text/xml", 'W/"7"', "Tue, 17 Nov 2026 08:00:00 GMT", not_modified=False
    )
    second = client.get(server.url("/feed"), Previous(first.etag, first.last_modified))
    assert (second.not_modified, second.body, second.etag) == (True, b"", 'W/"7"')
    assert server.requests[-1].headers["If-Modified-Since"] == first.last_modified


def test_a_request_says_who_asks_and_carries_nothing_else(
    server: FeedServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proxy or credentials from the environment, no cookies, no encodings that we do not inflate (threats 5, 7)."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.serve("/feed", b"<rss/>", set_cookie="id=1; Path=/")
    fresh = Client(
        timeout=20, max_bytes=1_000, user_agent="Newsletter/test (+https://example.org)", private_networks=LOOPBACK
    )
    for _ in range(2):
        fresh.get(server.url("/feed"))
    fresh.close()
    headers = server.requests[-1].headers
    assert headers["User-Agent"] == "Newsletter/test (+https://example.org)"
    assert headers["Accept-Encoding"] == "gzip, identity"
    assert {"Cookie", "Authorization", "If-None-Match"}.isdisjoint(headers)


def test_redirects_are_followed_to_the_end(server: FeedServer, client: Client) -> None:
    for number in range(5):
        server.redirect(f"/{number}", f"/{number + 1}", status=(301, 302, 303, 307, 308)[number])
    server.serve("/5", b"<rss/>")
    assert client.get(server.url("/0")).url == server.url("/5")


def test_gzip_is_inflated(server: FeedServer, client: Client) -> None:
    """RFC 1952 section 2.2: several members are one file; what follows the last is padding."""
    body = rss([Entry(f"/{number}") for number in range(500)])
    half = len(body) // 2
    server.serve(
        "/feed", gzip.compress(body[:half]) + gzip.compress(body[half:]) + b"\x00" * 9, content_encoding="gzip"
    )
    assert client.get(server.url("/feed")).body == body


def test_a_bomb_does_not_fill_the_memory(server: FeedServer) -> None:
    """Threat 7: 100 MB in 100 KB, under a cap of 10 MB."""
    server.serve("/bomb", gzip_bomb(100), content_encoding="gzip")
    client = Client(timeout=30, max_bytes=10_000_000, user_agent="test", private_networks=LOOPBACK)
    tracemalloc.start()
    try:
        with pytest.raises(FetchError, match="larger than"):
            client.get(server.url("/bomb"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        client.close()
    assert peak < 40_000_000


@pytest.mark.parametrize("etag", ["é", "x" * 501])
def test_a_validator_that_cannot_be_sent_back_is_dropped(etag: str, server: FeedServer, client: Client) -> None:
    server.serve("/feed", b"<rss/>", etag=etag)
    assert client.get(server.url("/feed")).etag == ""
    assert client.get(server.url("/feed"), Previous(etag=etag, last_modified="a\nb")).body == b"<rss/>"


def test_one_client_serves_many_threads(server: FeedServer, client: Client) -> None:
    for number in range(40):
        server.serve(f"/{number}", f"<rss>{number}</rss>")
    with ThreadPoolExecutor(8) as pool, FeedServer() as silent:
        silent.misbehave("/slow", "never_answers")
        slow = pool.submit(client.get, silent.url("/slow"))
        answers = list(pool.map(lambda number: client.get(server.url(f"/{number}")).body, range(40)))
        assert not slow.done()
    assert answers == [f"<rss>{number}</rss>".encode() for number in range(40)]
    assert isinstance(slow.exception(), FetchError)


# Kinds


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_there(kind: str, client: Client) -> None:
    assert callable(load_source(kind, "https://example.org/feed", client).fetch)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("sitemapp", "no kind of source called 'sitemapp'. Known are article, feed, jsonfeed"),
        ("", "no kind of source called ''"),
        ("newsroom.missing:Source", "cannot be imported: No module named"),
        ("newsletter.sources.feed:Missing", "cannot be imported"),
        (":Source", "no kind of source called ':Source'"),
    ],
)
def test_an_unknown_kind_is_a_sentence(kind: str, sentence: str, client: Client) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(sentence)):
        load_source(kind, "https://example.org/feed", client)
