"""The preferences page: what a reader can choose there, what is saved, and what is told of it (U6, U7, U9, U22)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copyfile

import pytest
from lxml import html as lxml_html
from sqlmodel import select

from newsletter.db import Database
from newsletter.models import Chunk, ChunkState, Delivery, DeliveryState, Edition, Issue, IssueState
from newsletter.resources import templates_folder
from newsletter.testing import MemoryProvider
from subscribers import consent, preferences
from subscribers.consent import Evidence
from subscribers.models import (
    Consent,
    ConsentAction,
    Subscriber,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
)
from subscribers.suppression import find, suppress
from tests import builders
from tests.builders import NOW
from tests.databases import sqlite_database
from tests.sites import BASE_URL, TestSite, buttons, make_site, press, words

__all__ = ["sqlite_database"]

PENDING, CONFIRMED, LEFT = SubscriptionState.PENDING, SubscriptionState.CONFIRMED, SubscriptionState.LEFT
DAY = timedelta(days=1)
SAID = Evidence(NOW, "test", "", "203.0.113.77")


@pytest.fixture
def site(sqlite_database: Database) -> TestSite:
    return make_site(sqlite_database)


@pytest.fixture
def either_site(database: Database) -> TestSite:
    """The pages over SQLite and over PostgreSQL, for what the database may answer differently."""
    return make_site(database)


def opened(site: TestSite, subscription_id: int) -> str:
    """Return the preferences page of a reader."""
    return site.client.get(site.preferences_path(subscription_id)).text


def person(site: TestSite, subscription_id: int) -> Subscriber:
    with site.db.reading() as session:
        return session.get_one(Subscriber, session.get_one(Subscription, subscription_id).subscriber_id)


def section(page: str, name: str) -> str:
    """Return what a section says."""
    [found] = lxml_html.fromstring(page).xpath(f"//section[@id='{name}']")
    return " ".join(found.text_content().split())


def status(page: str) -> str:
    """Return what a page says was saved."""
    [found] = lxml_html.fromstring(page).xpath("//*[@role='status']")
    return " ".join(found.text_content().split())


def send(site: TestSite, subscription_id: int, **fields: str | list[str]) -> str:
    """Send a form of the page, twice, and return the page that follows: the second time nothing more happens (U9)."""
    path = site.preferences_path(subscription_id)
    first = site.client.post(path, data=fields)
    assert first.status_code == 303
    assert first.headers["location"].startswith(f"{path}?saved=")
    once = site.dump()
    second = site.client.post(path, data=fields, follow_redirects=True)
    assert site.dump() == once
    return second.text


def offer_monthly(site: TestSite) -> None:
    with site.db.transaction() as session:
        session.get_one(Edition, site.room.edition_id).monthly = True


# --- lists


def test_lists_are_joined_and_left_on_one_page(either_site: TestSite) -> None:
    """U6, U7, U9: with evidence for each; saved is announced, with the date of the last change."""
    site = either_site
    with site.db.transaction() as session:
        ely = builders.newsroom(session, "ely", name="Ely Weekly", send_weekday=0)
    subscription_id = site.reader("ann@example.org")
    page = opened(site, subscription_id)
    assert "For a•••@example.org" in words(page)
    assert "ann@" not in page
    assert "Last changed on 10 November 2026." in words(page)
    boxes = lxml_html.fromstring(page).xpath("//label/input[@name='list']")
    assert [(box.get("value"), "checked" in box.attrib) for box in boxes] == [
        (str(ely.list_id), False),
        (str(site.room.list_id), True),
    ]
    shown = [str(ely.list_id), str(site.room.list_id)]
    page = send(site, subscription_id, what="lists", shown=shown, list=[str(ely.list_id)])
    assert status(page) == "Saved. It takes effect at once."
    assert "Last changed on 19 November 2026." in words(page)
    left, joined = sorted(site.consents(), key=lambda evidence: str(evidence.list_id))
    assert (left.action, left.list_id) == (ConsentAction.LEFT, site.room.list_id)
    assert (joined.action, joined.list_id) == (ConsentAction.JOINED, ely.list_id)
    assert joined.wording == "Ely Weekly: weekly, on Mondays at 07:00 (Berlin time)"
    assert (joined.source, joined.network) == (f"{BASE_URL}/p", "203.0.113.0/24")


def test_editions_that_share_a_list_share_a_box(site: TestSite) -> None:
    with site.db.transaction() as session:
        builders.newsroom(session, "ely", name="Ely Weekly", list_id=site.room.list_id)
    page = opened(site, site.reader("ann@example.org"))
    [label] = [one for one in lxml_html.fromstring(page).xpath("//label") if "Ely Weekly" in one.text_content()]
    assert "Fen Weekly" in label.text_content()


def test_leaving_everything_and_coming_back(site: TestSite) -> None:
    """Also lists that were asked for and never confirmed: nothing is left that a mail could follow."""
    with site.db.transaction() as session:
        ely = builders.newsroom(session, "ely", name="Ely Weekly")
        builders.reader(session, site.room, "ann@example.org")
        asked = Subscription(
            subscriber_id=1,
            list_id=ely.list_id,
            state=PENDING,
            requested_at=NOW,
            changed_at=NOW,
        )
        session.add(asked)
    page = press(site, opened(site, 1), "Unsubscribe from everything")
    assert status(page) == "Saved. You are on no list now: nothing more is sent to you."
    assert [site.state(1), site.state(2)] == [LEFT, LEFT]
    assert "Unsubscribe from everything" not in buttons(page)
    fields = {"what": "lists", "shown": str(site.room.list_id), "list": str(site.room.list_id)}
    site.client.post(site.preferences_path(1), data=fields)
    assert site.state(1) is CONFIRMED


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"what": "lists"},
        {"what": "lists", "list": "1"},
        {"what": "lists", "shown": "99", "list": "99"},
        {"what": "lists", "shown": "x'; --"},
        {"what": "lists", "shown": "99999999999999999999"},
        {"what": "often", "shown": "1", "monthly": "1"},
        {"what": "pause"},
        {"what": "pause", "weeks": "52"},
        {"what": "pause", "weeks": "-2"},
        {"what": "resume"},
        {"what": "format"},
        {"what": "format", "format": "pdf"},
        {"what": "language", "language": "tlh"},
        {"what": "language", "language": "../en"},
        {"what": "lift"},
        {"what": "delete", "sure": "yes"},
        {"what": "everything else"},
        {"shown": "1"},
    ],
)
def test_only_what_the_page_offers_is_changed(site: TestSite, fields: dict[str, str]) -> None:
    """A form that was opened before a list was added does not leave it; what is not offered cannot be had."""
    path = site.preferences_path(site.reader("ann@example.org"))
    before = site.dump()
    assert site.client.post(path, data=fields).status_code in {200, 303}
    assert site.dump() == before


def test_what_was_saved_is_never_only_what_an_address_says(site: TestSite) -> None:
    """A link to ?saved=pause, made up or bookmarked, says how things stand; other words say nothing."""
    path = site.preferences_path(site.reader("ann@example.org"))
    assert status(site.client.get(f"{path}?saved=pause").text) == "Saved. There is no pause: issues come as usual."
    for made_up in ("<b>", "nonsense", "lists&saved=nonsense"):
        assert 'role="status"' not in site.client.get(f"{path}?saved={made_up}").text


def test_preferences_with_nothing_to_choose(site: TestSite) -> None:
    with site.db.transaction() as session:
        session.get_one(Edition, site.room.edition_id).enabled = False
    page = opened(site, site.reader("ann@example.org", LEFT))
    assert "There is no newsletter to choose at the moment" in page
    assert {"Save newsletters", "Unsubscribe from everything", "2 weeks"}.isdisjoint(buttons(page))


# --- how often, pause, form, language


def test_how_often_is_offered_where_the_edition_has_it(either_site: TestSite) -> None:
    """U7: offer only what is honoured."""
    site = either_site
    subscription_id = site.reader("ann@example.org")
    assert "Save how often" not in buttons(opened(site, subscription_id))
    offer_monthly(site)
    assert "the first issue of each month" in section(opened(site, subscription_id), "often")
    shown = str(site.room.list_id)
    page = send(site, subscription_id, what="often", shown=shown, monthly=shown)
    assert status(page) == "Saved. It counts from the next issue on."
    assert lxml_html.fromstring(page).xpath("//input[@name='monthly']/@checked")
    assert site.subscription(subscription_id).monthly
    send(site, subscription_id, what="often", shown=shown)
    assert not site.subscription(subscription_id).monthly
    assert [(row.action, row.list_id, row.wording) for row in site.consents()] == [
        (ConsentAction.CHANGED, site.room.list_id, "wants one issue a month, the first"),
        (ConsentAction.CHANGED, site.room.list_id, "wants every issue"),
    ]


@pytest.mark.parametrize(("weeks", "day"), [(2, "4 December 2026"), (4, "18 December 2026"), (8, "15 January 2027")])
def test_a_pause_lasts_for_whole_days_and_ends_by_itself(either_site: TestSite, weeks: int, day: str) -> None:
    site = either_site
    subscription_id = site.reader("ann@example.org")
    page = press(site, opened(site, subscription_id), f"{weeks} weeks")
    assert status(page) == f"Saved. No issue is sent to you before {day}."
    until = person(site, subscription_id).paused_until
    assert until is not None
    assert until == preferences.pause_end(NOW, weeks)
    assert site.consents()[-1].wording == f"paused until {until:%Y-%m-%d}"
    site.clock.now = until
    assert "End the pause" not in buttons(opened(site, subscription_id))


def test_a_pause_is_ended_or_replaced(site: TestSite) -> None:
    subscription_id = site.reader("ann@example.org")
    send(site, subscription_id, what="pause", weeks="8")
    site.clock.now += DAY
    send(site, subscription_id, what="pause", weeks="2")
    page = press(site, opened(site, subscription_id), "End the pause")
    assert status(page) == "Saved. There is no pause: issues come as usual."
    assert person(site, subscription_id).paused_until is None
    assert [row.wording for row in site.consents()] == [
        "paused until 2027-01-15",
        "paused until 2026-12-05",
        "ended the pause",
    ]


@pytest.mark.parametrize(
    ("at", "weeks", "until"),
    [
        ("2026-11-21T06:30+00:00", 2, "2026-12-06T00:00+00:00"),
        ("2026-11-21T23:59+00:00", 2, "2026-12-06T00:00+00:00"),
        ("2026-11-22T00:30+02:00", 2, "2026-12-06T00:00+00:00"),
        ("2026-12-30T12:00+00:00", 8, "2027-02-25T00:00+00:00"),
    ],
)
def test_when_a_pause_ends(at: str, weeks: int, until: str) -> None:
    """Who pauses for two weeks on a Saturday, after that day's issue, misses two of them."""
    assert preferences.pause_end(datetime.fromisoformat(at), weeks) == datetime.fromisoformat(until)


def test_a_pause_that_is_past_is_none(site: TestSite) -> None:
    site.reader("ann@example.org")
    with site.db.transaction() as session:
        assert not preferences.pause(session, 1, NOW, SAID)
        assert not preferences.pause(session, 1, NOW - DAY, SAID)
        assert not preferences.resume(session, 1, SAID)
        session.get_one(Subscriber, 1).paused_until = NOW - DAY
        session.flush()
        assert not preferences.resume(session, 1, SAID)
        assert not preferences.is_paused(NOW - DAY, NOW)
    assert site.consents() == []


def test_nobody_who_was_erased_chooses_anything(site: TestSite) -> None:
    subscription_id = site.reader("ann@example.org")
    with site.db.transaction() as session:
        session.get_one(Subscriber, 1).erased_at = NOW
        session.flush()
        assert not preferences.set_text_only(session, 1, text_only=True, evidence=SAID)
        assert not preferences.pause(session, 1, NOW + DAY, SAID)
    for path in (site.preferences_path(subscription_id), site.unsubscribe_path(subscription_id)):
        assert "Nothing is sent to you" in site.client.get(path).text


def test_text_only(either_site: TestSite) -> None:
    site = either_site
    subscription_id = site.reader("ann@example.org")
    page = send(site, subscription_id, what="format", format="text")
    assert status(page) == "Saved. Mails come as text only."
    assert lxml_html.fromstring(page).xpath("//input[@value='text']/@checked")
    assert person(site, subscription_id).text_only
    page = send(site, subscription_id, what="format", format="html")
    assert status(page) == "Saved. Mails come with pictures and colours."
    assert [row.wording for row in site.consents()] == [
        "wants mails as text only",
        "wants mails with pictures and colours, not as text only",
    ]


CATALOGUE = """
msgid ""
msgstr ""
"Language: de\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"Content-Type: text/plain; charset=utf-8\\n"

msgid "What you get"
msgstr "Was Sie bekommen"

msgid "This link does not work"
msgstr "Dieser Link geht nicht"
"""


@pytest.fixture
def spoken_site(sqlite_database: Database, tmp_path: Path) -> TestSite:
    """Pages that are known to speak German, too, whatever our own catalogues have."""
    words_folder = tmp_path / "words"
    words_folder.mkdir()
    copyfile(templates_folder() / "web" / "words" / "messages.pot", words_folder / "messages.pot")
    (words_folder / "de.po").write_text(CATALOGUE, encoding="utf-8")
    return make_site(sqlite_database, templates=tmp_path)


def test_the_language_of_pages_is_the_readers_or_else_the_editions(spoken_site: TestSite) -> None:
    """U7: names stand in their own language."""
    site = spoken_site
    subscription_id = site.reader("ann@example.org")
    page = opened(site, subscription_id)
    assert '<html lang="en"' in page
    offered = {one.get("value"): one.text for one in lxml_html.fromstring(page).xpath("//option")}
    assert (offered[""], offered["de"], offered["en"]) == ("That of each newsletter", "Deutsch", "English")
    page = send(site, subscription_id, what="language", language="de")
    assert '<html lang="de"' in page
    assert "Was Sie bekommen" in page
    assert lxml_html.fromstring(page).xpath("//option[@value='de']/@selected")
    send(site, subscription_id, what="language", language="")
    with site.db.transaction() as session:
        session.get_one(Edition, site.room.edition_id).language = "de"
    assert "Was Sie bekommen" in opened(site, subscription_id)
    assert [row.wording for row in site.consents()] == [
        "wants pages and mails about the subscription in the language de",
        "wants pages and mails about the subscription in the language of the newsletter",
    ]


# --- no mail from us? (U22)


def stop(site: TestSite, reason: SuppressionReason) -> int:
    subscription_id = site.reader("ann@example.org")
    with site.db.transaction() as session:
        suppress(session, "ann@example.org", reason, "550 ann@example.org: no such user", NOW - DAY)
    return subscription_id


def stopped(site: TestSite) -> Suppression | None:
    with site.db.reading() as session:
        return find(session, "ann@example.org")


class Keeping(MemoryProvider):
    """A provider with a list of its own of addresses that it does not write to."""

    def __init__(self) -> None:
        super().__init__()
        self.lifted: list[str] = []

    def suppressed(self, since: datetime | None) -> object:
        return iter(())

    def lift(self, address: str) -> bool:
        self.lifted.append(address)
        return True


def test_mail_that_came_back_is_asked_for_again_once_a_month(database: Database) -> None:
    """U22: the page says why nothing comes, in plain words, and lets the reader lift it, at the provider, too."""
    provider = Keeping()
    site = make_site(database, provider=provider)
    subscription_id = stop(site, SuppressionReason.BOUNCE)
    page = opened(site, subscription_id)
    assert "Nothing is sent to this address at the moment." in words(page)
    assert "Mail to your address came back on 18 November 2026" in section(page, "help")
    assert "no such user" not in page
    page = press(site, page, "Write to me again")
    assert status(page) == "Saved. We write to your address again, from the next issue on."
    assert stopped(site) is None
    assert provider.lifted == ["ann@example.org"]
    evidence = site.consents()[-1]
    assert (evidence.action, evidence.list_id, evidence.wording) == (ConsentAction.CHANGED, None, preferences.LIFTED)
    with site.db.transaction() as session:
        suppress(session, "ann@example.org", SuppressionReason.BOUNCE, "", NOW)
    site.clock.now += DAY
    page = send(site, subscription_id, what="lift")
    assert status(page) == "Nothing was changed."
    assert stopped(site) is not None
    assert "From 19 December 2026 on you can ask once more" in section(page, "help")
    site.clock.now += timedelta(days=29)
    press(site, opened(site, subscription_id), "Write to me again")
    assert stopped(site) is None


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (SuppressionReason.COMPLAINT, "reported as spam from your mailbox on 18 November 2026"),
        (SuppressionReason.MANUAL, "Since 18 November 2026 your address is among those that we never write to."),
    ],
)
def test_what_a_person_has_to_hear_of_is_not_lifted(site: TestSite, reason: SuppressionReason, said: str) -> None:
    subscription_id = stop(site, reason)
    page = opened(site, subscription_id)
    assert said in section(page, "help")
    assert "please write to us" in section(page, "data")
    assert {"Write to me again", "Send me the link"}.isdisjoint(buttons(page))
    send(site, subscription_id, what="lift")
    assert stopped(site) is not None


def test_help_says_what_else_may_be_the_reason(site: TestSite) -> None:
    with site.db.transaction() as session:
        ely = builders.newsroom(session, "ely", name="Ely Weekly")
        builders.reader(session, ely, "ann@example.org", state=PENDING)
    said = section(opened(site, 1), "help")
    assert "You are on no list" in said
    assert "On 19 November 2026 somebody asked for Ely Weekly with your address, and that was never confirmed." in said
    assert "No issue has been sent to you lately." in said
    assert "add weekly@fen.example to your contacts" in said


def test_help_names_the_last_issue_by_the_ledger(site: TestSite) -> None:
    """The day on which it was sent to this reader, and not that of the issue."""
    subscription_id = site.reader("ann@example.org")
    site.issue(46)
    site.issue(47, IssueState.SENDING)
    with site.db.transaction() as session:
        for issue in session.exec(select(Issue)):
            state = DeliveryState.ACCEPTED if issue.number == 46 else DeliveryState.PLANNED
            session.add(Chunk(issue_id=issue.id, n=0, state=ChunkState.DONE))
            session.add(
                Delivery(issue_id=issue.id, subscriber_id=1, chunk=0, state=state, changed_at=NOW - 3 * DAY)
            )  # fmt: skip
    assert "The last issue was sent to you on 16 November 2026: Fen Weekly." in section(
        opened(site, subscription_id), "help"
    )


def test_evidence_names_no_address(site: TestSite) -> None:
    """What outlives an erased reader says nothing of who they were (threat 23)."""
    subscription_id = stop(site, SuppressionReason.BOUNCE)
    for fields in (
        {"what": "lift"},
        {"what": "pause", "weeks": "2"},
        {"what": "resume"},
        {"what": "format", "format": "text"},
        {"what": "everything"},
    ):
        site.client.post(site.preferences_path(subscription_id), data=fields)
    rows = site.consents()
    assert len(rows) == 5
    assert not any("ann" in row.wording for row in rows)


def test_a_reader_who_leaves_while_paused_stays_gone(site: TestSite) -> None:
    subscription_id = site.reader("ann@example.org")
    send(site, subscription_id, what="pause", weeks="2")
    with site.db.transaction() as session:
        consent.leave(session, subscription_id=subscription_id, now=NOW, source="test")
    page = press(site, opened(site, subscription_id), "End the pause")
    assert site.state(subscription_id) is LEFT
    assert "2 weeks" not in buttons(page)


def test_times_are_kept_in_utc(site: TestSite) -> None:
    subscription_id = site.reader("ann@example.org")
    send(site, subscription_id, what="pause", weeks="4")
    until = person(site, subscription_id).paused_until
    assert until is not None
    assert until.tzinfo is UTC
    with site.db.reading() as session:
        assert session.exec(select(Consent.at)).one() == NOW
