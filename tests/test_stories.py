"""One address for one story, and which regions a story is about: tables of pure decisions."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import NewsletterError
from newsletter.stories import (
    TRACKING_PARAMETERS,
    NotAWebAddress,
    canonical_url,
    shorten,
)


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://example.org/a", "https://example.org/a"),
        ("HTTP://Example.ORG/a", "https://example.org/a"),
        ("  https://example.org/a\n", "https://example.org/a"),
        ("https://example.org", "https://example.org/"),
        ("https://example.org/?", "https://example.org/"),
        ("https://example.org./a", "https://example.org/a"),
        # ports
        ("http://example.org:80/a", "https://example.org/a"),
        ("https://example.org:443/a", "https://example.org/a"),
        ("https://example.org:8443/a", "https://example.org:8443/a"),
        ("http://example.org:443/a", "https://example.org:443/a"),
        ("http://[2001:DB8::1]:80/a", "https://[2001:db8::1]/a"),
        # what does not name a page
        ("https://example.org/a#comments", "https://example.org/a"),
        ("https://example.org/a?utm_source=x&utm_medium=rss", "https://example.org/a"),
        ("https://example.org/a?UTM_Source=x&FBCLID=1", "https://example.org/a"),
        ("https://example.org/a?b=2&fbclid=1&a=1", "https://example.org/a?b=2&a=1"),
        ("https://example.org/a?id=7&&mc_cid=x", "https://example.org/a?id=7"),
        ("https://example.org/a?utm%5Fsource=x&id=7", "https://example.org/a?id=7"),
        ("https://example.org/a;jsessionid=1F2E?x=1", "https://example.org/a?x=1"),
        ("https://example.org/a/;jsessionid=1F2E/b", "https://example.org/a//b"),
        # what does
        ("https://example.org/?p=123", "https://example.org/?p=123"),
        ("https://example.org/a?q=", "https://example.org/a?q="),
        ("https://example.org/a?flag", "https://example.org/a?flag"),
        ("https://example.org/A", "https://example.org/A"),
        ("https://example.org/a.html", "https://example.org/a.html"),
        ("https://example.org/a?gclidx=1", "https://example.org/a?gclidx=1"),
        # paths
        ("https://example.org/a/", "https://example.org/a"),
        ("https://example.org/a//", "https://example.org/a"),
        ("https://example.org/a/./b/../c", "https://example.org/a/c"),
        ("https://example.org/../a", "https://example.org/a"),
        ("https://example.org/a/../../b/..;x", "https://example.org/b/..;x"),
        ("https://example.org/.;/", "https://example.org/.;"),
        ("https://example.org//a", "https://example.org//a"),
        # escapes, RFC 3986 section 6.2.2
        ("https://example.org/%7euser/%41", "https://example.org/~user/A"),
        ("https://example.org/a%2fb", "https://example.org/a%2Fb"),
        ("https://example.org/j%c3%b5gi", "https://example.org/j%C3%B5gi"),
        ("https://example.org/jõgi?q=jõgi", "https://example.org/j%C3%B5gi?q=j%C3%B5gi"),
        ("https://example.org/a b", "https://example.org/a%20b"),
        ("https://example.org/100%", "https://example.org/100%25"),
        ("https://example.org/\ud800", "https://example.org/%3F"),
        # hosts
        ("https://www.example.org/a", "https://example.org/a"),
        ("https://münchen.example/a", "https://xn--mnchen-3ya.example/a"),
        ("https://MÜNCHEN.example/a", "https://xn--mnchen-3ya.example/a"),
        ("https://my_site.example/a", "https://my_site.example/a"),
        # mobile and AMP twins
        ("https://m.example.org/a", "https://example.org/a"),
        ("https://mobile.example.org/a", "https://example.org/a"),
        ("https://amp.example.org/a", "https://example.org/a"),
        ("https://www.m.example.org/a", "https://example.org/a"),
        ("https://example.org/a/amp", "https://example.org/a"),
        ("https://example.org/a/amp/", "https://example.org/a"),
        ("https://example.org/a.amp.html", "https://example.org/a.html"),
        ("https://example.org/a.amp", "https://example.org/a"),
        ("https://example.org/a?amp=1", "https://example.org/a"),
        ("https://example.org/a?amp&id=7", "https://example.org/a?id=7"),
        ("https://example.org/a?outputType=amp", "https://example.org/a"),
        ("https://example.org/a?outputType=json", "https://example.org/a?outputType=json"),
        ("https://example.org/a/amp.html", "https://example.org/a"),
        ("https://example.org/a/amp/index.html", "https://example.org/a"),
        ("https://example.org/a?output=amp", "https://example.org/a"),
        ("https://example.org/a?print=1", "https://example.org/a"),
        ("https://example.org/a?view=print&id=7", "https://example.org/a?id=7"),
        # copies in AMP caches
        ("https://www-example-org.cdn.ampproject.org/c/s/www.example.org/a/amp/", "https://example.org/a"),
        ("https://cdn.ampproject.org/v/s/example.org/a?amp_js_v=1&id=7", "https://example.org/a?amp_js_v=1&id=7"),
        ("https://example-org.cdn.ampproject.org/c/example.org/a", "https://example.org/a"),
        ("https://www.google.com/amp/s/amp.example.org/a", "https://example.org/a"),
        ("https://www.bing.com/amp/s/example.org/a?id=7", "https://example.org/a?id=7"),
        # pages that only send readers on
        ("https://www.google.com/url?rct=j&url=https://example.org/a%3Fid%3D7&ct=ga", "https://example.org/a?id=7"),
        ("https://www.google.com/url?q=https%3A%2F%2Fwww.example.org%2Fa&sa=D", "https://example.org/a"),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fexample.org%2Fa%3Ffbclid%3D1&h=AT0", "https://example.org/a"),
        (
            "https://www.bing.com/news/apiclick.aspx?ref=FexRss&url=https%3a%2f%2fexample.org%2fa",
            "https://example.org/a",
        ),
        ("https://duckduckgo.com/l/?uddg=https%3A%2F%2Fexample.org%2Fa", "https://example.org/a"),
        ("https://out.reddit.com/?url=https%3A%2F%2Fexample.org%2Fa", "https://example.org/a"),
        (
            "https://www.google.com/url?q=https%3A%2F%2Fl.facebook.com%2Fl.php%3Fu%3Dhttps%253A%252F%252Fexample.org%252Fa",
            "https://example.org/a",
        ),
        # which lead nowhere we can send readers
        ("https://www.google.com/url?q=javascript:alert(1)", "https://google.com/url?q=javascript:alert(1)"),
        ("https://www.google.com/url?q=/a", "https://google.com/url?q=/a"),
        (
            "https://www.google.com/url?q=https://user@example.org/",
            "https://google.com/url?q=https://user@example.org/",
        ),
        ("https://www.google.com/url", "https://google.com/url"),
        ("https://www.google.com/amp/s/", "https://google.com/amp/s"),
        ("https://news.google.com/rss/articles/CBMiabc?oc=5", "https://news.google.com/rss/articles/CBMiabc?oc=5"),
        ("https://example.org/url?q=https://example.com/", "https://example.org/url?q=https://example.com/"),
        ("https://example.org/amp/s/example.com/a", "https://example.org/amp/s/example.com/a"),
        # index files
        ("https://example.org/a/index.html", "https://example.org/a"),
        ("https://example.org/index.php", "https://example.org/"),
        ("https://example.org/a/default.aspx?id=7", "https://example.org/a?id=7"),
        ("https://example.org/index.php?id=7", "https://example.org/index.php?id=7"),
        ("https://example.org/index.php/a", "https://example.org/index.php/a"),
        ("https://example.org/a-index.html", "https://example.org/a-index.html"),
        # parameters with a form of their own
        ("https://example.org/a?id=7&amp;utm_source=x", "https://example.org/a?id=7"),
        ("https://example.org/a?ref=rss", "https://example.org/a"),
        ("https://example.org/a?ref=7", "https://example.org/a?ref=7"),
        ("https://example.org/a?page=2", "https://example.org/a?page=2"),
        ("https://example.org/a?print=7", "https://example.org/a?print=7"),
        # what only looks like one
        ("https://m.me/a", "https://m.me/a"),
        ("https://amp.dev/a", "https://amp.dev/a"),
        ("https://media.example.org/a", "https://media.example.org/a"),
        ("https://example.org/amp", "https://example.org/amp"),
        ("https://example.org/champ", "https://example.org/champ"),
        ("https://example.org/amp/a", "https://example.org/amp/a"),
    ],
)
def test_every_way_to_write_an_address_is_one(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@pytest.mark.parametrize("parameter", sorted(TRACKING_PARAMETERS))
def test_every_tracking_parameter_is_dropped(parameter: str) -> None:
    assert canonical_url(f"https://example.org/a?{parameter}=1&id=7") == "https://example.org/a?id=7"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a story",
        "/a",
        "//example.org/a",
        "example.org/a",
        "ftp://example.org/a",
        "mailto:desk@example.org",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://",
        "https:///a",
        "https://user@example.org/",
        "https://user:secret@example.org/",
        "https://:secret@example.org/",
        "https://exa mple.org/",
        "https://example.org\\@evil.example/",
        "https://a..example/",
        "https://ä..example/",
        "https://" + "ä" * 100 + ".example/",
        "https://" + "a." * 130 + "example/",
        "https://.../",
        "http://[::1/",
        "https://example.org:99999/",
        "https://example.org:port/",
    ],
)
def test_what_is_no_web_address_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(NotAWebAddress) as caught:
        canonical_url(url)
    assert isinstance(caught.value, (NewsletterError, ValueError))
    assert "is not a web address" in str(caught.value)
    assert len(str(caught.value)) < 400


@given(st.text(alphabet="aA0/.%?&=#;:~ é~_-+2fFm", max_size=40))
def test_the_canonical_address_is_its_own(rest: str) -> None:
    once = canonical_url(f"https://example.org/{rest}")
    assert once.isascii()
    assert canonical_url(once) == once


@given(st.text())
def test_any_text_has_an_address_or_a_sentence(url: str) -> None:
    with suppress(NotAWebAddress):
        assert canonical_url(url).startswith("https://")


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("Short.", 10, "Short."),
        ("One sentence. Another one follows here.", 20, "One sentence."),
        ("One. Two sentences. Three.", 20, "One. Two sentences."),
        ("Only. a very long second half", 20, "Only. a very long…"),
        ("no sentence at all here", 12, "no sentence…"),
        ("no sentence at all here", 15, "no sentence at…"),
        ("Unbrokenletters", 8, "Unbroke…"),
        ("Er sagte „Nein!“ und ging dann", 20, "Er sagte „Nein!“…"),
        ("Version 2.5 of it is out now", 20, "Version 2.5 of it…"),
        ("彼は来た。そして帰った。また来た", 12, "彼は来た。そして帰った。"),
    ],
)
def test_text_is_cut_after_a_sentence_or_a_word(text: str, limit: int, short: str) -> None:
    assert shorten(text, limit) == short


@given(st.text(), st.integers(min_value=2, max_value=40))
def test_cut_text_fits(text: str, limit: int) -> None:
    assert len(shorten(text, limit)) <= limit
