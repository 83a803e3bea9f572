"""An editor's own words, pictures and look, by commands: what they print, what reaches the mail, and every slip."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from newsletter import issues
from newsletter.cli.base import FAILED, USAGE, open_app
from newsletter.models import Picture
from newsletter.render import IssueContent
from newsletter.render.values import issue_values
from tests.servers.http import FeedServer
from tests.test_cli import Run, feeds, newsroom, run

__all__ = ["feeds", "newsroom", "run"]

BASE = "https://news.example.org"


def picture(width: int = 1600, height: int = 900, kind: str = "JPEG") -> bytes:
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    written = io.BytesIO()
    image.save(written, kind)
    return written.getvalue()


@pytest.fixture
def room(newsroom: Run, feeds: FeedServer) -> Run:
    """Return `run` with a draft, and pictures in the folder."""
    settings = Path("newsletter.toml")
    settings.write_text(settings.read_text() + '\n[fetch]\nprivate_networks = ["127.0.0.0/8"]\n')
    newsroom("gather")
    newsroom("issue", "draft", "fen-weekly")
    Path("ferry.jpg").write_bytes(picture())
    Path("tiny.png").write_bytes(picture(30, 20, "PNG"))
    logo = Image.new("RGBA", (800, 160), (0, 0, 0, 0))
    ImageDraw.Draw(logo).rectangle((0, 40, 700, 120), fill=(15, 30, 60, 255))
    logo.save("logo.png")
    return newsroom


def content() -> IssueContent:
    app = open_app()
    with app.db.reading() as session:
        return issues.content_of(session, issues.find_issue(session, "fen-weekly"), BASE)


def test_own_words_are_written_shown_and_taken_away(room: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("intro.md").write_text("Good morning.\n\nThe *tide* is out.\n", encoding="utf-8")
    edited = room("issue", "edit", "fen-weekly", "--intro", "@intro.md", "--closing", "Bye.", "--corrections", "Nine.")
    shown = room("issue", "show", "fen-weekly").out
    for said in (edited.out, shown):
        assert "\nIntro:       Good morning. The *tide* is out.\nCorrections: Nine.\nClosing:     Bye.\n" in said
    facts = room("issue", "draft", "fen-weekly", "--json").json
    assert facts["intro"] == "Good morning.\n\nThe *tide* is out."
    assert (facts["corrections"], facts["closing"]) == ("Nine.", "Bye.")
    said = room("issue", "edit", "fen-weekly", "--intro", "tide and time " * 40).out
    assert re.search(r"^Intro:       tide .*… \(120 words\)$", said, re.MULTILINE)
    said = room("issue", "edit", "fen-weekly", "--intro", "", "--corrections", "").out
    assert "Intro:" not in said
    assert "Corrections:" not in said
    assert "Closing:" in said
    monkeypatch.setattr("sys.stdin", io.StringIO("From a pipe.\n"))
    assert "Intro:       From a pipe.\n" in room("issue", "edit", "fen-weekly", "--intro", "@-").out


def test_an_own_picture_goes_through_the_same_parser(room: Run, feeds: FeedServer) -> None:
    """Threat 26: nothing but pixels reaches readers, in two sizes, from a file or an address."""
    feeds.serve("/quay.jpg", picture(900, 700), "image/jpeg")
    first, second, *_ = (str(one["id"]) for one in room("issue", "show", "fen-weekly", "--json").json["stories"])
    words = ["--picture", f"{first}=ferry.jpg", "--picture", f"{second}={feeds.url('/quay.jpg')}"]
    words += ["--alt", f"{first}=The ferry at its quay", "--credit", f"{first}=Photo: Ada Reed"]
    said = room("issue", "edit", "fen-weekly", *words).out
    assert 'the editor\'s picture: "The ferry at its quay"; Ada Reed\n' in said
    assert "the editor's picture: without a description; without a credit\n" in said
    mail = content()
    lead = mail.lead
    assert (lead.image_alt, lead.image_credit) == ("The ferry at its quay", "Ada Reed")
    with open_app().db.reading() as session:
        large = session.get_one(Picture, lead.image_url.removeprefix(f"{BASE}/pictures/"))
        small = session.get_one(Picture, lead.small_url.removeprefix(f"{BASE}/pictures/"))
    assert ((large.width, large.height), (small.width, small.height)) == ((1200, 675), (272, 272))
    assert len(large.body) <= 120_000
    assert mail.more[0].image_url
    facts = room("issue", "show", "fen-weekly", "--json").json["stories"][0]
    assert (facts["picture"], facts["picture_by"], facts["picture_edited"]) == (large.sha256, "editor", True)
    said = room("issue", "edit", "fen-weekly", "--picture", f"{first}=None").out
    assert "no picture, as the editor wants it" in said
    assert "as the editor wants it" not in room("issue", "edit", "fen-weekly", "--picture", f"{first}=").out


def test_slips_are_sentences_and_change_nothing(room: Run, feeds: FeedServer) -> None:
    before = room("issue", "show", "fen-weekly", "--json").json
    first = before["stories"][0]["id"]
    for place, sentence in (
        ("tiny.png", "The picture has only 30 x 20 pixels; a mail needs 200 x 100. Choose a larger one."),
        ("missing.jpg", "No such file or directory."),
        (".", "Is a directory."),
        ("newsroom.toml", "The file is of no kind that is known, not a JPEG, PNG, WebP or GIF picture."),
        (feeds.url("/missing.jpg"), "There is nothing at this address (HTTP status 404)."),
        (feeds.url("/feed.xml"), "The file is a web page or XML, not a JPEG, PNG, WebP or GIF picture."),
    ):
        said = room("issue", "edit", "fen-weekly", "--intro", "Hi", "--picture", f"{first}={place}", code=FAILED).err
        assert said.startswith(f"Error: The picture for story {first}, {place}: {sentence}")
        assert said.endswith("Nothing was changed.\n")
    for words, code, sentence in (
        (["--intro", "@missing.md"], FAILED, "missing.md: No such file or directory."),
        (["--intro", "@ferry.jpg"], FAILED, "ferry.jpg is not UTF-8 text."),
        (["--picture", "999=ferry.jpg"], FAILED, "There is no story called '999'."),
        (["--alt", f"{first}={'x' * 501}"], FAILED, "has 501 characters; there is room for 500"),
        (["--picture", "ferry.jpg"], USAGE, "write STORY=words"),
        (["--credit", "lead=Ada"], USAGE, "'lead' is no story number"),
    ):
        assert sentence in unframed(room("issue", "edit", "fen-weekly", *words, code=code).err)
    assert room("issue", "show", "fen-weekly", "--json").json == before


def unframed(text: str) -> str:
    """Return what a usage error says, without the frame that rich may draw."""
    return " ".join(text.replace("│", " ").split())


def test_a_mistyped_issue_is_told_before_a_picture_is_fetched(room: Run, feeds: FeedServer) -> None:
    feeds.serve("/quay.jpg", picture(), "image/jpeg")
    asked = len(feeds.requests)
    said = room("issue", "edit", "fens-weekly", "--picture", f"1={feeds.url('/quay.jpg')}", code=FAILED).err
    assert "Did you mean fen-weekly?" in said
    assert len(feeds.requests) == asked


# The look of an edition


def test_a_logo_is_kept_shown_and_taken_away(room: Run, feeds: FeedServer) -> None:
    said = room("edition", "logo", "fen-weekly", "logo.png")
    assert f"~ edition fen-weekly: logo_url: '' -> '{BASE}/pictures/" in said.out
    assert "logo_width: 0 -> 280" in said.out
    assert "dark mode swallows it" in said.err  # R57
    look = content().look
    assert look.logo_width == 280
    with open_app().db.reading() as session:
        kept = session.get_one(Picture, look.logo_url.removeprefix(f"{BASE}/pictures/"))
    assert (kept.media_type, kept.width, kept.small) == ("image/png", 800, "")
    assert room("edition", "logo", "fen-weekly", "logo.png").out == "Nothing to change.\n"
    exported = room("export").out
    Path("again.toml").write_text(exported)
    assert room("apply", "again.toml").out == "Nothing to change.\n"
    said = room("edition", "logo", "fen-weekly", "--remove")
    assert "logo_width: 280 -> 0" in said.out
    assert (content().look.logo_url, said.err) == ("", "")
    feeds.serve("/logo.jpg", picture(600, 120), "image/jpeg")
    said = room("edition", "logo", "fen-weekly", feeds.url("/logo.jpg"))
    assert ("logo_width: 0 -> 280" in said.out, said.err) == (True, "")


def test_a_look_that_would_not_do_is_a_sentence(room: Run) -> None:
    for words, code, sentence in (
        (["edition", "logo", "fen-weekly", "tiny.png"], FAILED, "The logo has only 30 x 20 pixels"),
        (["edition", "logo", "fen-weekly", "missing.png"], FAILED, "missing.png: No such file or directory."),
        (["edition", "logo", "fens-weekly", "logo.png"], FAILED, "Did you mean fen-weekly?"),
        (["edition", "logo", "fens-weekly", "--remove"], FAILED, "Did you mean fen-weekly?"),
        (["edition", "logo", "fen-weekly"], USAGE, "name a file, or say --remove"),
        (["edition", "logo", "fen-weekly", "logo.png", "--remove"], USAGE, "name a file, or say --remove"),
        (["edition", "set", "fen-weekly", "accent=#FF9900"], FAILED, "accent #FF9900 has a contrast of 1.8"),
        (["edition", "set", "fen-weekly", "accent=teal"], FAILED, "write # and six hexadecimal digits"),
        (["edition", "set", "fen-weekly", "accent_dark=#111111"], FAILED, "accent_dark #111111 has a contrast of 1.0"),
        (["edition", "set", "fen-weekly", "logo_url=https://e.org/a.png"], FAILED, "write 1 to 280"),
        (["edition", "set", "fen-weekly", "logo_width=600"], FAILED, "logo_width: Input should be less than or equal"),
        (["edition", "set", "fen-weekly", "acent=#0F4C5C"], FAILED, "Did you mean accent?"),
        (["edition", "set", "fen-weekly", "welcome=perhaps"], FAILED, "edition: welcome"),
    ):
        assert sentence in unframed(room(*words, code=code).err)
    assert content().look.accent == content().look.logo_url == ""


def test_an_accent_brings_its_own_dark_one(room: Run) -> None:
    assert "accent: '' -> '#8B1A1A'" in room("edition", "set", "fen-weekly", "accent=#8b1a1a").out
    assert issue_values(content(), "0" * 16)["dark"]["accent"] == "#DE9D9D"  # type: ignore[index]
    room("edition", "set", "fen-weekly", "accent_dark=#FFAAAA")
    assert content().look.accent_dark == "#FFAAAA"
    room("edition", "set", "fen-weekly", "accent=", "accent_dark=")
    assert (content().look.accent, content().look.accent_dark) == ("", "")


def test_an_edition_is_added_with_its_look(newsroom: Run) -> None:
    newsroom(
        "edition", "add", "march-weekly", "--name", "March Weekly", "--region", "fens", "--list", "fens",
        "--sender", "weekly@post.example", "--publisher", "Post", "--postal-address", "1 Main St",
        "--send", "Saturday 07:00", "--time-zone", "Europe/London", "--accent", "#1b5e20", "--accent-dark", "#99DD99",
        "--logo-url", "https://e.org/logo.png", "--logo-width", "200", "--no-welcome", "--goodbye",
    )  # fmt: skip
    (facts,) = (one for one in newsroom("edition", "list", "--json").json if one["slug"] == "march-weekly")
    assert (facts["accent"], facts["accent_dark"]) == ("#1B5E20", "#99DD99")
    assert (facts["logo_url"], facts["logo_width"]) == ("https://e.org/logo.png", 200)
    assert (facts["welcome"], facts["goodbye"]) == (False, True)
