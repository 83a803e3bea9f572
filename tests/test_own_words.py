"""What an editor adds to an issue: intro, closing note, corrections, pictures of their own and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import Session

from newsletter import issues
from newsletter.db import Database
from newsletter.errors import Refused
from newsletter.identity import look_of
from newsletter.issues import Changes
from newsletter.models import Edition, IssueState, Picture, Region
from newsletter.pictures import NONE
from newsletter.render import Look
from tests.builders import NOW, Newsroom, edition_fields, newsroom, story
from tests.test_issues import BASE, drafted, order

OURS, OTHER, SMALL, SOURCES = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


def room(session: Session, **edition: Any) -> Newsroom:
    """Make a newsroom whose stories have a stored picture each, and three pictures of an editor's."""
    made = newsroom(session, **edition)
    for sha256 in (SMALL, OURS, OTHER, SOURCES):
        small = SMALL if sha256 == OURS else ""
        session.add(
            Picture(sha256=sha256, media_type="image/png", width=9, height=9, body=b"", small=small, created_at=NOW)
        )
    for number in range(3):
        values = {"image_url": f"https://post.example/{number}.jpg", "image_alt": "A boat", "image_credit": "Ada Reed"}
        story(session, made, number, hours_old=number + 1, picture=SOURCES, **values)
    session.flush()
    return made


def address(sha256: str) -> str:
    return f"{BASE}/pictures/{sha256}"


def test_words_of_the_editor_reach_the_mail_and_outlive_a_new_draft(database: Database) -> None:
    with database.transaction() as session:
        made = room(session)
        issue = drafted(session, made)
        words = Changes(intro="Good morning.\r\n\r\n*Read* this. \n", closing="Bye\x07.", corrections="It was nine.")
        issues.edit(session, issue, words)
        for shown in (issue, drafted(session, made)):
            content = issues.content_of(session, shown, BASE)
            assert content.intro == "Good morning.\n\n*Read* this."
            assert (content.closing, content.corrections) == ("Bye .", "It was nine.")  # R6: no controls
        issues.edit(session, issue, Changes(headlines={order(session, issue)[0]: "Another"}))
        assert issue.intro.startswith("Good morning.")  # None leaves a thing as it is
        issues.edit(session, issue, Changes(intro="", closing=" \n", corrections=""))
        content = issues.content_of(session, issue, BASE)
        assert (content.intro, content.closing, content.corrections) == ("", "", "")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], (SOURCES, "A boat", "Ada Reed")),
        ([{"alts": "Two barges"}], (SOURCES, "Two barges", "Ada Reed")),
        ([{"credits": "Photo: Jo"}], (SOURCES, "A boat", "Jo")),
        ([{"alts": "Two barges"}, {"alts": ""}], (SOURCES, "A boat", "Ada Reed")),
        # The source's credit never stays on the editor's picture.
        ([{"pictures": OURS}], (OURS, "", "")),
        ([{"pictures": OURS, "alts": "A quay", "credits": "Jo"}], (OURS, "A quay", "Jo")),
        ([{"pictures": OURS}, {"credits": " Jo\nDoe "}], (OURS, "", "Jo Doe")),
        # Nor does the credit of one picture of theirs stay on the next, or on the source's.
        ([{"pictures": OURS, "alts": "A quay", "credits": "Jo"}, {"pictures": OTHER}], (OTHER, "", "")),
        ([{"pictures": OURS, "credits": "Jo"}, {"pictures": OURS}], (OURS, "", "Jo")),
        ([{"pictures": OURS, "alts": "A quay", "credits": "Jo"}, {"pictures": ""}], (SOURCES, "A boat", "Ada Reed")),
        ([{"pictures": NONE}], ("", "", "")),
        ([{"pictures": NONE, "alts": "A quay"}], ("", "", "")),
        ([{"pictures": NONE}, {"pictures": ""}], (SOURCES, "A boat", "Ada Reed")),
    ],
)
def test_a_picture_and_what_is_said_of_it_belong_together(
    sqlite_database: Database, steps: list[dict[str, str]], expected: tuple[str, str, str]
) -> None:
    with sqlite_database.transaction() as session:
        made = room(session)
        issue = drafted(session, made)
        first = order(session, issue)[0]
        for step in steps:
            issues.edit(session, issue, Changes(**{name: {first: value} for name, value in step.items()}))  # type: ignore[arg-type]
        for shown in (issue, drafted(session, made)):  # a new draft keeps it
            content = issues.content_of(session, shown, BASE)
            (card,) = (one for one in (content.lead, *content.more) if one.headline == "Headline number 0")
            picture, alt, credit = expected
            assert (card.image_url, card.image_alt, card.image_credit) == (picture and address(picture), alt, credit)
            assert card.small_url == (address(SMALL) if picture == OURS else "")


@pytest.mark.parametrize("own", [{"pictures": OURS}, {"pictures": NONE}, {"alts": "Two barges"}, {"credits": "Jo"}])
def test_what_was_said_of_a_story_that_falls_out_is_kept(sqlite_database: Database, own: dict[str, str]) -> None:
    """It may come back into a later draft of the week."""
    with sqlite_database.transaction() as session:
        made = room(session, max_stories=2)
        issue = drafted(session, made)
        last = order(session, issue)[-1]
        issues.edit(session, issue, Changes(**{name: {last: value} for name, value in own.items()}))  # type: ignore[arg-type]
        before = issues.content_of(session, issue, BASE).more[-1]
        fresh = story(session, made, 9, hours_old=0, image_url="https://post.example/9.jpg").id
        assert last not in order(session, drafted(session, made))
        issues.edit(session, issue, Changes(drop=[fresh], pin=[last]))
        assert last in order(session, drafted(session, made))
        content = issues.content_of(session, issue, BASE)
        assert before in (content.lead, *content.more)


def test_an_own_picture_takes_an_approval_back(database: Database) -> None:
    with database.transaction() as session:
        made = room(session)
        issue = drafted(session, made)
        first = order(session, issue)[0]
        for changes in (
            Changes(intro="Hello"),
            Changes(closing="Bye"),
            Changes(corrections="Nine"),
            Changes(pictures={first: OURS}),
            Changes(alts={first: "A quay"}),
            Changes(credits={first: "Jo"}),
        ):
            issue.state, issue.content_hash, issue.approved_at = IssueState.APPROVED, "0" * 64, NOW
            assert issues.edit(session, issue, changes) is True
            assert (issue.state, issue.content_hash) == (IssueState.DRAFT, "")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"alts": "x" * 501}, "The description of story {}'s picture has 501 characters; there is room for 500"),
        ({"credits": "x" * 201}, "The credit of story {}'s picture has 201 characters; there is room for 200"),
    ],
)
def test_what_is_too_long_is_a_sentence(sqlite_database: Database, changes: dict[str, str], sentence: str) -> None:
    with sqlite_database.transaction() as session:
        issue = drafted(session, room(session))
        first = order(session, issue)[0]
        with pytest.raises(Refused, match=sentence.format(first)):
            issues.edit(session, issue, Changes(**{name: {first: value} for name, value in changes.items()}))  # type: ignore[arg-type]


@pytest.mark.parametrize(("picture", "reasons"), [(OURS, 1), (NONE, 0), ("", 1)])
def test_a_picture_counts_for_a_story_as_the_editor_wants_it(
    sqlite_database: Database, picture: str, reasons: int
) -> None:
    with sqlite_database.transaction() as session:
        made = room(session)
        issue = drafted(session, made)
        first = order(session, issue)[0]
        issues.edit(session, issue, Changes(pictures={first: picture}))
        drafted(session, made)
        (place,) = (place for place in issues.places(session, issue.id) if place.story.id == first)
        assert place.row.reasons.count("picture") == reasons


def test_a_region_has_its_flag_and_an_edition_its_look(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session:
        made = newsroom(session, accent="#8B1A1A", logo_url=f"{BASE}/logo.png", logo_width=200)
        story(session, made, 1)
        region = session.get_one(Region, made.region_id)
        story(session, made, 2)
        issue = drafted(session, made)
        assert [tag.flag_url for tag in issues.content_of(session, issue, BASE).lead.regions] == [""]
        region.code = "GB-WLS"
        content = issues.content_of(session, issue, BASE)
    assert [tag.flag_url for tag in content.lead.regions] == [f"{BASE}/flags/gb-wls.png"]
    assert content.look == Look(
        accent="#8B1A1A",
        accent_dark="",  # one is made when the mail is rendered
        logo_url=f"{BASE}/logo.png",
        logo_width=200,
        templates="fen-weekly",
    )


@pytest.mark.parametrize(
    ("accent", "accent_dark", "expected"),
    [("", "", ("", "")), ("#8B1A1A", "#FFAAAA", ("#8B1A1A", "#FFAAAA")), ("", "#FFAAAA", ("", "#FFAAAA"))],
)
def test_a_look_leaves_to_ours_what_an_edition_has_not(
    accent: str, accent_dark: str, expected: tuple[str, str]
) -> None:
    look = look_of(Edition(**edition_fields("fen-weekly", 1), accent=accent, accent_dark=accent_dark))
    assert (look.accent, look.accent_dark) == expected
    assert (look.logo_url, look.logo_width) == ("", 0)
