"""The newsroom file: applied, applied again, changed, exported and read back."""

from __future__ import annotations

import pytest
from sqlmodel import select

from newsletter import newsroom, slugs
from newsletter.db import Database
from newsletter.errors import ConfigurationError, NotFound, Refused
from newsletter.models import Source
from tests.builders import NOW, populated

FILE = """
[[regions]]
code = "UA"
name = "Ukraine"
words = ["Kyiv", "Львів"]

[[lists]]
slug = "ukraine"
name = "Ukraine Weekly"

[[sources]]
slug = "post"
name = "The Post"
url = "https://post.example/feed.xml"
regions = ["UA"]

[[editions]]
slug = "ukraine-weekly"
name = "Ukraine Weekly"
regions = ["UA"]
list = "ukraine"
sender_name = "Ukraine Weekly"
sender_address = "weekly@post.example"
publisher = "Post Press"
postal_address = "1 Main St, Lviv"
contact = "desk@post.example"
send_weekday = "saturday"
send_time = "07:00"
time_zone = "Europe/Kyiv"
"""


def apply(database: Database, text: str) -> list[newsroom.Change]:
    with database.transaction() as session:
        return newsroom.apply(session, newsroom.parse(text, "newsroom.toml"), NOW)


def test_applying_twice_changes_nothing(database: Database) -> None:
    first = apply(database, FILE)
    assert [(one.kind, one.name, one.added) for one in first] == [
        ("region", "UA", True),
        ("list", "ukraine", True),
        ("source", "post", True),
        ("edition", "ukraine-weekly", True),
    ]
    assert apply(database, FILE) == []


def test_an_export_reads_back_to_the_same(database: Database) -> None:
    apply(database, FILE)
    with database.reading() as session:
        text = newsroom.to_toml(newsroom.read(session))
    assert apply(database, text) == []
    assert newsroom.parse(text, "x").editions == newsroom.parse(FILE, "x").editions


LOOK = """accent = "#8b1a1a"
accent_dark = "#E8A0A0"
logo_url = "https://post.example/logo.png"
logo_width = 200
welcome = false
goodbye = true
"""


def test_a_look_goes_through_the_file(database: Database) -> None:
    apply(database, FILE)
    (change,) = apply(database, FILE + LOOK)
    assert {name: new for name, (_, new) in change.fields.items()} == {
        "accent": "#8B1A1A",
        "accent_dark": "#E8A0A0",
        "logo_url": "https://post.example/logo.png",
        "logo_width": 200,
        "welcome": False,
        "goodbye": True,
    }
    with database.reading() as session:
        text = newsroom.to_toml(newsroom.read(session))
    assert apply(database, text) == []
    (change,) = apply(database, text.replace('logo_url = "https://post.example/logo.png"', 'logo_url = ""'))
    assert change.fields.keys() == {"logo_url", "logo_width"}  # a width of nothing is none


def test_a_change_shows_old_and_new(database: Database) -> None:
    apply(database, FILE)
    changed = FILE.replace('"07:00"', '"08:30"').replace('words = ["Kyiv", "Львів"]', 'words = ["Kyiv"]')
    assert [(one.name, one.fields) for one in apply(database, changed)] == [
        ("UA", {"words": (["Kyiv", "Львів"], ["Kyiv"])}),
        ("ukraine-weekly", {"send_hour_minute": ("07:00", "08:30")}),
    ]


def test_regions_of_a_source_follow_the_file(database: Database) -> None:
    apply(database, FILE)
    more = FILE.replace("[[lists]]", '[[regions]]\ncode = "MD"\nname = "Moldova"\n\n[[lists]]', 1)
    more = more.replace('feed.xml"\nregions = ["UA"]', 'feed.xml"\nregions = ["MD", "UA"]')
    assert [one.fields for one in apply(database, more)][1:] == [{"regions": (["UA"], ["MD", "UA"])}]


def test_a_new_address_forgets_the_old_ones_etag(database: Database) -> None:
    apply(database, FILE)
    with database.transaction() as session:
        source = session.exec(select(Source)).one()
        source.etag, source.last_modified = '"abc"', "yesterday"
        session.add(source)
    apply(database, FILE.replace("feed.xml", "rss.xml"))
    with database.reading() as session:
        source = session.exec(select(Source)).one()
        assert (source.url, source.etag, source.last_modified) == ("https://post.example/rss.xml", "", "")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"saturday"', '"samstag"', "editions 1 send_weekday"),
        ('"07:00"', '"25:00"', "editions 1 send_time"),
        ('"07:00"', '"02:30"', "clock changes"),
        ("Europe/Kyiv", "Europe/Nowhere", "is no time zone"),
        ('"weekly@post.example"', '"weekly at post"', "cannot be used as an e-mail address"),
        ('postal_address = "1 Main St, Lviv"', "", "editions 1 postal_address: is missing"),
        ("[[lists]]", "[[list]]", "list: there is no such key"),
        ('list = "ukraine"', 'list = "nobody"', "no list called 'nobody'"),
        ('regions = ["UA"]\nlist', 'regions = ["XX"]\nlist', "no region called 'XX'"),
        ('regions = ["UA"]\nlist', "regions = []\nlist", "editions 1 regions"),
        ("https://post.example/feed.xml", "file:///etc/passwd", "sources 1 url"),
        ("[[regions]]", "[[regions", "is not valid TOML"),
        ('time_zone = "Europe/Kyiv"', 'time_zone = "Europe/Kyiv"\nmin_stories = 9\nmax_stories = 3', "smaller than"),
        ("contact = ", 'language = "xx-nope-1"\ncontact = ', "is no language"),
        (
            "contact = ",
            'accent = "#FFD700"\ncontact = ',
            "editions 1: accent #FFD700 has a contrast of 1.2 on the paper",
        ),
        ("contact = ", 'accent = "0F4C5C"\ncontact = ', "accent '0F4C5C' is no colour: write # and six"),
        ("contact = ", 'accent_dark = "#0F4C5C"\ncontact = ', "accent_dark #0F4C5C has a contrast of 1.7"),
        ("contact = ", 'logo_url = "logo.png"\ncontact = ', "logo_url: write an address that begins with https://"),
        ("contact = ", 'logo_url = "https://e.org/a.png"\ncontact = ', "write 1 to 280"),
        ("contact = ", "logo_width = 281\ncontact = ", "editions 1 logo_width"),
    ],
)
def test_mistakes_get_a_sentence_and_change_nothing(database: Database, old: str, new: str, sentence: str) -> None:
    assert old in FILE
    with pytest.raises((ConfigurationError, NotFound), match=sentence):
        apply(database, FILE.replace(old, new, 1))
    with database.reading() as session:
        assert newsroom.read(session) == newsroom.Newsroom()


def test_a_source_with_another_address_is_read_from_the_start(database: Database) -> None:
    apply(database, FILE)
    with database.transaction() as session:
        source = session.exec(select(Source)).one()
        source.etag, source.notice, source.next_fetch_at = '"abc"', "It has moved.", NOW
        session.add(source)
    apply(database, FILE)
    with database.reading() as session:
        assert session.exec(select(Source)).one().etag == '"abc"'
    apply(database, FILE.replace(".xml", ".rss"))
    with database.reading() as session:
        source = session.exec(select(Source)).one()
        assert (source.etag, source.notice, source.next_fetch_at) == ("", "", None)


def test_where_a_region_lies_goes_through_the_file(database: Database) -> None:
    apply(database, FILE.replace('code = "UA"', 'code = "UA"\nparent = "EUR"\narea = [44.4, 22.1, 52.4, 40.2]'))
    with database.reading() as session:
        (region,) = newsroom.read(session).regions
        assert (region.parent, region.area) == ("EUR", [44.4, 22.1, 52.4, 40.2])
        again = newsroom.parse(newsroom.to_toml(newsroom.read(session)), "newsroom.toml")
        assert again == newsroom.read(session)


@pytest.mark.parametrize("area", ["[1, 2, 3]", "[52, 0, 51, 1]", "[0, 0, 91, 1]", "[0, 181, 1, 2]", "[1, 1, 2, 1]"])
def test_an_area_is_on_earth(area: str) -> None:
    with pytest.raises(ConfigurationError, match="four degrees: south, west, north, east"):
        newsroom.parse(FILE.replace('code = "UA"', f'code = "UA"\narea = {area}'), "newsroom.toml")


def test_two_sources_cannot_share_an_address(database: Database) -> None:
    apply(database, FILE)
    with pytest.raises(ConfigurationError, match="is the address of source post already"):
        apply(database, FILE.replace('slug = "post"', 'slug = "post-two"'))


def test_an_edition_is_changed_by_key_and_value(database: Database) -> None:
    apply(database, FILE)
    with database.transaction() as session:
        change = newsroom.change_edition(session, "ukraine-weekly", ["max_stories=7", "send_weekday=friday"], NOW)
        assert change is not None
        assert change.fields == {"max_stories": (9, 7), "send_weekday": (5, 4)}
        with pytest.raises(ConfigurationError, match="write key=value with one of"):
            newsroom.change_edition(session, "ukraine-weekly", ["colour=red"], NOW)
        with pytest.raises(ConfigurationError, match=r"'min-stories=3' is no change. Did you mean min_stories\?"):
            newsroom.change_edition(session, "ukraine-weekly", ["min-stories=3"], NOW)
        with pytest.raises(NotFound, match="called 'nope'. Editions: ukraine-weekly"):
            newsroom.change_edition(session, "nope", ["max_stories=7"], NOW)


def test_a_source_with_stories_is_disabled_not_removed(database: Database) -> None:
    populated(database, readers=0)
    with database.transaction() as session, pytest.raises(Refused, match="source disable fen-weekly-post"):
        newsroom.remove_source(session, "fen-weekly-post")
    with database.transaction() as session:
        change = newsroom.enable_source(session, "fen-weekly-post", enabled=False)
        assert change is not None
        assert change.fields == {"enabled": (True, False)}


@pytest.mark.parametrize("slug", ["", "-weekly", "Weekly", "we ekly", "we\nekly", "wöchentlich", "a_b", "x" * 65])
def test_a_list_needs_a_short_name_that_fits_a_header(slug: str) -> None:
    """RFC 2919 section 3: it becomes a part of the List-Id."""
    with pytest.raises(ConfigurationError, match="list: slug"):
        newsroom.checked(newsroom.ListEntry, slug=slug, name="Weekly")
    with pytest.raises(ConfigurationError, match="list: name"):
        newsroom.checked(newsroom.ListEntry, slug="weekly", name=" \t")


@pytest.mark.parametrize(
    ("name", "url", "slug"),
    [
        ("The Harbour  Post & Co.", "https://harbour.example/feed", "the-harbour-post-co"),
        ("Google Actualités", "https://news.example/feed", "google-actualites"),
        ("Neue Zürcher Zeitung", "https://nzz.example/feed", "neue-zuercher-zeitung"),
        ("Großer Fußball", "https://ball.example/feed", "grosser-fussball"),
        ("Żółta Łódź, Søndag", "https://lodz.example/feed", "zolta-lodz-sondag"),
        ("Fen's L’Équipe", "https://fen.example/feed", "fens-lequipe"),
        ("Новини BBC", "https://bbc.example/feed", "novini-bbc"),
        ("Українська правда", "https://post.example.ua/rss", "ukrainska-pravda"),
        ("Газета Ёж", "https://post.example.ru/rss", "gazeta-yozh"),
        ("Київські гроші", "https://post.example.ua/rss", "kyivski-hroshi"),
        ("Η Καθημερινή", "https://post.example.gr/rss", "i-kathimerini"),
        ("ニュース 24", "https://www.post.example.jp:8080/rss", "post-example-jp"),
        ("", "http://127.0.0.1:8000/feed.xml", "source"),
        ("", "http://[::1]:8000/feed.xml", "source"),
        ("新华网", "https://правда.com/rss", "source"),
        ("24", "https:///rss", "source"),
        ("long " * 20, "https://long.example/", "long" + "-long" * 12),
        ("x" * 63 + " yz", "https://long.example/", "x" * 63),
    ],
)
def test_a_slug_is_made_from_the_name_or_the_host(name: str, url: str, slug: str) -> None:
    assert slugs.from_name_or_host(name, url) == slug


def test_a_taken_slug_gets_a_number_and_keeps_within_its_length() -> None:
    assert slugs.free("news", ["post"]) == "news"
    assert slugs.free("news", ["news", "news-2", "news-4"]) == "news-3"
    assert slugs.free("x" * 61 + "-yz", ["x" * 61 + "-yz"]) == "x" * 61 + "-2"


def test_a_slug_is_the_same_however_the_accents_are_stored() -> None:
    assert slugs.from_name("Zu\u0308rcher E\u0301cho") == slugs.from_name("Z\u00fcrcher \u00c9cho") == "zuercher-echo"


@pytest.mark.parametrize(
    ("code", "registered", "meant"),
    [
        ("TX", ["UA", "US-TX"], "US-TX"),
        ("TX", ["UA"], "US-TX"),
        ("ua", ["UA"], "UA"),
        ("UK", [], "GB"),
        ("Scotland", [], "GB-SCT"),
        ("CA", ["US-CA"], "US-CA"),
        ("CA", [], "CA"),
        ("fen-nort", ["fen-north", "UA"], "fen-north"),
        ("US-GX", ["US-GA", "UA"], "US-GA"),
        ("01", ["UA"], ""),  # dozens of codes end so
        ("XX", ["UA"], ""),
    ],
)
def test_a_mistyped_region_is_answered_with_the_code_that_was_meant(
    code: str, registered: list[str], meant: str
) -> None:
    assert newsroom.code_meant(code, registered) == meant


@pytest.mark.parametrize(
    ("code", "registered", "sentence"),
    [
        ("TX", ["US-TX"], "There is no region called 'TX'. Did you mean US-TX? Regions: US-TX."),
        (
            "TX",
            ["UA"],
            "There is no region called 'TX'. Did you mean US-TX? "
            "Add it with `newsletter region add US-TX`, or to the file.",
        ),
        ("MD", ["UA"], "There is no region called 'MD'. Add it with `newsletter region add MD`, or to the file."),
        (
            "XX",
            ["UA"],
            "There is no region called 'XX'. Regions: UA. Add it with `newsletter region add XX`, or to the file.",
        ),
    ],
)
def test_an_unknown_region_says_what_to_do(code: str, registered: list[str], sentence: str) -> None:
    assert str(newsroom.no_region(code, registered)) == sentence


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("GB", "United Kingdom"), ("GB-SCT", "Scotland"), ("HK", "Hong Kong"), ("MM", "Myanmar"), ("XK", "Kosovo"),
        ("BA", "Bosnia and Herzegovina"), ("ES-CT", "Catalunya"), ("gb", ""), ("ZZ", ""), ("fens", ""),
    ],
)  # fmt: skip
def test_iso_3166_names_regions(code: str, name: str) -> None:
    assert newsroom.name_of(code) == name


def test_of_many_names_the_nearest_are_offered(database: Database) -> None:
    """Eighty short names after a mistyped one help nobody."""
    names = [*(f"paper-{number}" for number in range(79)), "the-guardian"]
    said = str(NotFound("source", "the-gardian", known=names))
    assert said.startswith(
        "There is no source called 'the-gardian'. Did you mean the-guardian? Sources: the-guardian, "
    )
    assert said.endswith(" and 72 more.")
    assert said.count("paper-") == 7
    assert str(NotFound("source", "xyz", "Add one.")) == "There is no source called 'xyz'. Add one."
    apply(database, FILE)
    with database.reading() as session, pytest.raises(NotFound, match=r"'pots'. Did you mean post\? Sources: post\."):
        newsroom.find_source(session, "pots")


def test_a_second_feed_of_the_same_name_is_another_source(database: Database) -> None:
    apply(database, FILE)
    with database.reading() as session:
        for url, slug, expected in (
            ("https://post.example/feed.xml", "", "post"),
            ("https://post.example/feed.xml", "post", "post"),
            ("https://post.example/feed.xml", "other", "other"),
            ("https://post.example/sport.xml", "", "post-2"),
            ("https://post.example/sport.xml", "sport", "sport"),
        ):
            assert newsroom.source_slug(session, url, slug=slug, name="Post") == expected
        with pytest.raises(ConfigurationError) as refused:
            newsroom.source_slug(session, "https://post.example/sport.xml", slug="post", name="Post")
    assert str(refused.value) == (
        "Source post is https://post.example/feed.xml already; name this one with another --slug, "
        "or change the address in the newsroom file."
    )


def test_names_from_a_file_are_one_clean_line() -> None:
    """Threat 1: an OPML or TOML file may hold marks that turn a terminal's or a mail's text round."""
    entry = newsroom.checked(
        newsroom.SourceEntry, slug="evil", name="Evil\x9b31m \u202e name", url="https://e.example/"
    )
    assert entry.name == "Evil 31m name"
