"""The pictures of an issue's stories, from a real server into the database and out on the pages."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime, timedelta

from PIL import Image, ImageDraw
from sqlmodel import select

from newsletter import issues
from newsletter.db import Database
from newsletter.models import Edition, Picture, Region, Story
from newsletter.pictures import NONE, PictureReport, address_of, data_urls, fetch_pictures, store
from newsletter.sources.http import Client
from newsletter.sources.prose.resized import made, made_logo
from tests.builders import NOW, newsroom, story
from tests.fetching import client, server
from tests.servers.http import FeedServer
from tests.sites import make_site

__all__ = ["client", "server"]

BASE = "https://news.example.org"


def jpeg(width: int = 1600, height: int = 900) -> bytes:
    image = Image.new("RGB", (width, height), "#2a5d8f")
    draw = ImageDraw.Draw(image)
    for step in range(0, width, 20):
        draw.ellipse((step, step // 3, step + 90, step // 3 + 140), fill=(step % 255, 90, 160))
    body = io.BytesIO()
    image.save(body, "JPEG")
    return body.getvalue()


def drafted(db: Database, *image_urls: str) -> int:
    """Make an issue with a story for each address, and return its id."""
    with db.transaction() as session:
        made = newsroom(session, min_stories=1)
        for number, url in enumerate(image_urls):
            story(session, made, number, hours_old=number, image_url=url, image_alt="A boat", image_credit="Ada Reed")
        edition = session.get_one(Edition, made.edition_id)
        return issues.draft(session, edition, issues.next_slot(edition, NOW), NOW).issue.id


def fetched(db: Database, client: Client, issue_id: int) -> list[PictureReport]:
    return fetch_pictures(db, client, issue_id, clock=lambda: NOW)


def test_a_picture_is_fetched_once_made_small_and_shown_from_our_address(
    database: Database, server: FeedServer, client: Client
) -> None:
    server.serve("/boat.jpg", jpeg(), "image/jpeg")
    issue_id = drafted(database, server.url("/boat.jpg"))
    assert [report.problem for report in fetched(database, client, issue_id)] == [""]
    assert fetched(database, client, issue_id) == []
    with database.reading() as session:
        picture = session.exec(select(Picture).where(Picture.small != "")).one()
        assert (picture.media_type, picture.width, picture.height) == ("image/jpeg", 1200, 675)
        small = session.get_one(Picture, picture.small)
        assert (small.media_type, small.width, small.height, small.small) == ("image/jpeg", 272, 272, "")
        content = issues.content_of(session, issues.find_issue(session, "fen-weekly"), BASE)
    lead = content.lead
    assert lead.image_url == f"{BASE}/pictures/{picture.sha256}"
    assert lead.small_url == f"{BASE}/pictures/{small.sha256}"
    assert (lead.image_alt, lead.image_credit) == ("A boat", "Ada Reed")
    assert "image/jpeg" in server.requests[0].headers["Accept"]


def test_one_bad_picture_is_a_sentence_and_is_not_tried_again(
    database: Database, server: FeedServer, client: Client
) -> None:
    server.serve("/boat.jpg", jpeg(), "image/jpeg")
    server.serve("/page", b"<html><body>Sorry</body></html>", "image/jpeg")
    urls = (server.url("/missing.jpg"), server.url("/page"), server.url("/boat.jpg"))
    issue_id = drafted(database, *urls)
    missing, page, boat = fetched(database, client, issue_id)
    assert "There is nothing at this address" in missing.problem
    assert "a web page" in page.problem
    assert boat.problem == ""
    assert fetched(database, client, issue_id) == []
    with database.reading() as session:
        content = issues.content_of(session, issues.find_issue(session, "fen-weekly"), BASE)
        assert [bool(card.image_url) for card in (content.lead, *content.more)] == [False, False, True]


def test_a_picture_whose_server_had_a_bad_hour_is_tried_again(
    database: Database, server: FeedServer, client: Client
) -> None:
    server.serve("/boat.jpg", b"busy", "text/plain", status=503)
    issue_id = drafted(database, server.url("/boat.jpg"))
    (report,) = fetched(database, client, issue_id)
    assert "trouble of its own" in report.problem
    with database.reading() as session:
        (place,) = issues.places(session, issue_id)
        assert "picture" not in place.row.reasons  # what cannot be shown is no reason
        assert place.story.picture_problem == ""
    server.serve("/boat.jpg", jpeg(), "image/jpeg")
    hour = timedelta(hours=1)
    assert fetch_pictures(database, client, issue_id, clock=lambda: NOW, again_after=hour) == []
    (report,) = fetch_pictures(database, client, issue_id, clock=lambda: NOW + hour, again_after=hour)
    assert report.problem == ""


def test_what_an_editor_replaced_is_not_fetched(sqlite_database: Database, server: FeedServer, client: Client) -> None:
    server.serve("/boat.jpg", jpeg(), "image/jpeg")
    issue_id = drafted(sqlite_database, server.url("/boat.jpg"))
    for picture, fetches in ((NONE, 0), ("", 1)):
        with sqlite_database.transaction() as session:
            issue = issues.find_issue(session, "fen-weekly")
            (place,) = issues.places(session, issue_id)
            issues.edit(session, issue, issues.Changes(pictures={place.story.id: picture}))
        assert len(fetched(sqlite_database, client, issue_id)) == len(server.requests) == fetches


def test_a_large_photograph_is_not_refused_for_its_bytes(
    database: Database, server: FeedServer, client: Client
) -> None:
    server.serve("/boat.jpg", jpeg() + b"\0" * 6_000_000, "image/jpeg")
    issue_id = drafted(database, server.url("/boat.jpg"))
    assert [report.problem for report in fetched(database, client, issue_id)] == [""]


def test_the_same_picture_twice_is_stored_once(database: Database, server: FeedServer, client: Client) -> None:
    server.serve("/a.jpg", jpeg(), "image/jpeg")
    server.serve("/b.jpg", jpeg(), "image/jpeg")
    issue_id = drafted(database, server.url("/a.jpg"), server.url("/b.jpg"))
    fetched(database, client, issue_id)
    with database.reading() as session:
        assert len(session.exec(select(Picture)).all()) == 2  # with its small copy
        assert len({one.picture for one in session.exec(select(Story))}) == 1


def test_a_picture_that_changed_meanwhile_is_left_for_the_next_time(
    database: Database, server: FeedServer, client: Client
) -> None:
    server.serve("/old.jpg", jpeg(), "image/jpeg")
    server.serve("/new.jpg", jpeg(800, 600), "image/jpeg")
    issue_id = drafted(database, server.url("/old.jpg"))

    asked: list[int] = []

    def clock() -> datetime:
        asked.append(1)
        if len(asked) > 1:  # the first time it is asked before the fetch, then before the storing
            with database.transaction() as session:
                session.exec(select(Story)).one().image_url = server.url("/new.jpg")
        return NOW

    fetch_pictures(database, client, issue_id, clock=clock)
    with database.reading() as session:
        assert session.exec(select(Story)).one().picture == ""
    fetched(database, client, issue_id)
    with database.reading() as session:
        assert {one.width for one in session.exec(select(Picture))} == {800, 272}


def test_a_stored_picture_is_shown_to_everybody_and_nothing_else_is(database: Database) -> None:
    """Threat 26: no cookie, no sniffing, nothing but pictures of ours."""
    client = make_site(database).client
    body = jpeg(300, 200)
    sha256 = hashlib.sha256(body).hexdigest()
    with database.transaction() as session:
        session.add(Picture(sha256=sha256, media_type="image/jpeg", width=300, height=200, body=body, created_at=NOW))
    answer = client.get(f"/pictures/{sha256}")
    assert (answer.status_code, answer.content) == (200, body)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert "immutable" in answer.headers["cache-control"]
    assert "set-cookie" not in answer.headers
    for name in ("0" * 64, sha256[:-1], sha256.upper(), "..%2f", "%00", "x" * 3_000):
        assert client.get(f"/pictures/{name}").status_code == 404


def test_a_picture_from_before_small_copies_is_shown_large_until_it_is_made_again(
    sqlite_database: Database, server: FeedServer, client: Client
) -> None:
    server.serve("/boat.jpg", jpeg(), "image/jpeg")
    issue_id = drafted(sqlite_database, server.url("/boat.jpg"))
    fetched(sqlite_database, client, issue_id)
    with sqlite_database.transaction() as session:
        picture = session.exec(select(Picture).where(Picture.small != "")).one()
        picture.small = ""
    with sqlite_database.transaction() as session:
        lead = issues.content_of(session, issues.find_issue(session, "fen-weekly"), BASE).lead
        assert (lead.image_url, lead.small_url) == (f"{BASE}/pictures/{picture.sha256}", "")
        assert store(session, client.parse(made, jpeg()), NOW) == picture.sha256
    with sqlite_database.reading() as session:
        assert session.get_one(Picture, picture.sha256).small


def test_a_small_picture_has_no_copy(sqlite_database: Database, server: FeedServer, client: Client) -> None:
    server.serve("/boat.jpg", jpeg(200, 120), "image/jpeg")
    issue_id = drafted(sqlite_database, server.url("/boat.jpg"))
    fetched(sqlite_database, client, issue_id)
    with sqlite_database.reading() as session:
        assert session.exec(select(Picture)).one().small == ""
        assert issues.content_of(session, issues.find_issue(session, "fen-weekly"), BASE).lead.small_url == ""


def test_a_preview_shows_everything_without_a_server(
    sqlite_database: Database, server: FeedServer, client: Client
) -> None:
    """Pictures large and small, the editor's own, the logo, and flags."""
    for name, width in (("boat", 1600), ("barge", 1400)):
        server.serve(f"/{name}.jpg", jpeg(width), "image/jpeg")
    issue_id = drafted(sqlite_database, server.url("/boat.jpg"), server.url("/barge.jpg"))
    fetched(sqlite_database, client, issue_id)
    with sqlite_database.transaction() as session:
        session.exec(select(Region)).one().code = "LT"
        edition = session.exec(select(Edition)).one()
        edition.logo_url = address_of(BASE, store(session, client.parse(made_logo, jpeg(560, 120)).picture, NOW))
        edition.logo_width = 280
    with sqlite_database.transaction() as session:
        issue = issues.find_issue(session, "fen-weekly")
        own = store(session, client.parse(made, jpeg(1000, 600)), NOW)
        second = issues.places(session, issue_id)[1].story.id
        issues.edit(session, issue, issues.Changes(pictures={second: own}))
        content = issues.content_of(session, issue, BASE)
        urls = data_urls(session, issue_id, BASE)
    cards = [content.lead, *content.more]
    wanted = [address for card in cards for address in (card.image_url, card.small_url, card.regions[0].flag_url)]
    assert len(set(wanted)) == 5
    assert "" not in wanted
    assert {*wanted, content.look.logo_url} <= urls.keys()
    assert urls[content.lead.image_url].startswith("data:image/jpeg;base64,/9j/")
    assert urls[f"{BASE}/flags/lt.png"].startswith("data:image/png;base64,iVBOR")
