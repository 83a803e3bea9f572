"""Why a story is in an issue or is not: `issue explain`, candidates with coverage, updates and the wider region."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from newsletter import issues
from newsletter.db import Database
from newsletter.errors import NotFound, Refused
from newsletter.issues import Changes, Weights
from newsletter.models import Edition, Issue, IssueState, Region, Source, Story, StoryRegion
from newsletter.render import Renderer
from tests.builders import NOW, Newsroom, newsroom, story

BASE = "https://news.example.org"
WEEK_LATER = timedelta(days=7)


def drafted(session: Session, made: Newsroom, now: Any = NOW, weights: Weights | None = None) -> Issue:
    edition = session.get_one(Edition, made.edition_id)
    return issues.draft(session, edition, issues.next_slot(edition, now), now, weights=weights).issue


def approved(session: Session, made: Newsroom) -> Issue:
    issue = drafted(session, made)
    issues.approve(session, issue, Renderer(), BASE, by="ed", now=NOW, accept={"all": "test"})
    return issue


def outlet(session: Session, name: str) -> int:
    row = Source(slug=name.lower(), name=name, kind="feed", url=f"https://{name.lower()}.example/")
    session.add(row)
    session.flush()
    return row.id


def order(session: Session, issue: Issue) -> list[int]:
    return [place.story.id for place in issues.places(session, issue.id)]


def test_a_story_is_found_by_number_and_by_address(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session)
        one = story(session, made, 1, url="https://post.example/ferry", link="https://www.post.example/ferry")
        assert issues.find_story(session, str(one.id)).id == one.id
        assert issues.find_story(session, "https://www.post.example/ferry?utm_source=x").id == one.id
        for name in ("999", "ferry", "https://post.example/other", "ftp://post.example/", "9" * 40):
            with pytest.raises(NotFound, match="no story called"):
                issues.find_story(session, name)


def test_the_facts_of_a_story(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session)
        one = story(session, made, 1, coverage=1)
        two = story(session, made, 2, coverage=1, source_id=outlet(session, "Herald"))
        session.add(StoryRegion(story_id=one.id, region_id=_region(session, "UA"), evidence='"Kyiv"', strength=0.2))
        facts = issues.facts_of(session, one)
    assert [(tag.code, tag.evidence, tag.about) for tag in facts.tags] == [
        ("fen-weekly-region", "from The Fen Post", True),
        ("UA", '"Kyiv"', False),
    ]
    assert [(told.story_id, told.source) for told in facts.also] == [(two.id, "Herald")]


def _region(session: Session, code: str) -> int:
    row = Region(code=code, name=code)
    session.add(row)
    session.flush()
    return row.id


def test_each_decision_is_explained(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session, max_stories=2)
        lead, second, third = (story(session, made, n, hours_old=n + 1) for n in range(3))
        old = story(session, made, 9, hours_old=24 * 9)
        ancient = story(session, made, 10, hours_old=24 * 40)
        elsewhere = Story(**(third.model_dump(exclude={"id", "url"}) | {"url": "https://post.example/else"}))
        passing = Story(**(third.model_dump(exclude={"id", "url"}) | {"url": "https://post.example/passing"}))
        session.add_all([elsewhere, passing])
        session.flush()
        session.add(StoryRegion(story_id=passing.id, region_id=made.region_id, evidence='"Ely"', strength=0.1))
        session.flush()
        issue = drafted(session, made)
        found = {
            one.id: issues.explain(session, issue, one, NOW)
            for one in (lead, second, third, old, ancient, elsewhere, passing)
        }
        said = {one.id: found[one.id].left_out for one in (third, old, ancient, elsewhere, passing)}
        assert (found[lead.id].place, found[second.id].place) == (0, 1)
        assert found[lead.id].score == pytest.approx(sum(part.points for part in found[lead.id].parts), abs=0.01)
        assert said == {
            third.id: "no room: place 3 of 3; the issue takes 2",
            old.id: "older than 8 days",
            ancient.id: "older than 16 days",
            elsewhere.id: "it is not about The Fens",
            passing.id: 'it only mentions The Fens in passing ("Ely")',
        }


def test_several_outlets_make_one_card_that_names_them(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session)
        first = story(session, made, 1, coverage=1, hours_old=30)
        herald, echo = outlet(session, "Herald"), outlet(session, "Echo")
        story(session, made, 2, coverage=1, hours_old=20, source_id=herald, url="https://herald.example/2")
        third = story(session, made, 3, coverage=1, hours_old=10, source_id=echo, url="https://echo.example/3")
        other = story(session, made, 4, hours_old=1)
        issue = drafted(session, made)
        assert order(session, issue) == [third.id, other.id]
        lead = issues.content_of(session, issue, BASE).lead
        assert (lead.source, lead.also) == ("Echo", ("The Fen Post", "Herald"))
        assert "3 outlets" in issues.places(session, issue.id)[0].row.reasons
        assert issues.explain(session, issue, first, NOW).left_out == (
            f"the same event as story {third.id}, which stands for it"
        )


def test_an_outlet_outside_the_region_still_counts_as_one(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session)
        one = story(session, made, 1, coverage=1)
        story(session, made, 2)
        far = Story(
            **(
                one.model_dump(exclude={"id", "url"})
                | {"url": "https://far.example/1", "source_id": outlet(session, "Far")}
            )
        )
        session.add(far)
        session.flush()
        issue = drafted(session, made)
        assert issues.content_of(session, issue, BASE).lead.also == ("Far",)


def test_an_event_that_was_sent_is_not_sent_from_another_outlet(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session)
        for number in range(2):
            story(session, made, number, coverage=number + 1)
        approved(session, made)
        again = story(session, made, 7, coverage=1, hours_old=-100, source_id=outlet(session, "Herald"))
        fresh = [story(session, made, number, hours_old=-100).id for number in (8, 9)]
        later = drafted(session, made, NOW + WEEK_LATER)
        assert order(session, later) == fresh
        assert issues.explain(session, later, again, NOW + WEEK_LATER).left_out == "the same event was in 2026-W47"


def test_a_story_with_new_facts_may_come_again_and_one_with_a_mended_typo_may_not(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session, min_stories=1)
        burnt = "Fire at the grain store in Ely: four people were taken to hospital on Thursday."
        news = story(session, made, 1, title="Fire at grain store", summary=burnt)
        typo = story(session, made, 2, title="Council meets on the budget", summary="The counci sat for nine hours.")
        approved(session, made)
        news.title = "Two dead after fire at grain store"
        news.summary = (
            "Two men have died of their burns, police said; a worker aged 34 was arrested over the fire in Ely."
        )
        typo.summary = "The council sat for nine hours."
        news.updated_at = typo.updated_at = NOW + timedelta(days=5)
        session.flush()
        issue = drafted(session, made, NOW + WEEK_LATER - timedelta(days=1))
        assert order(session, issue) == [news.id]
        assert issues.places(session, issue.id)[0].row.reasons[0] == "updated since 2026-W47"
        issues.approve(session, issue, Renderer(), BASE, by="ed", now=NOW, accept={"all": "test"})
        with pytest.raises(Refused, match="do not get it twice"):
            issues.edit(session, issue, Changes(pin=[typo.id]))


@pytest.mark.parametrize("days_old", [1.5, 3, 6])
def test_an_update_counts_as_news_from_the_day_of_the_update(database: Database, days_old: float) -> None:
    with database.transaction() as session:
        made = newsroom(session, min_stories=1)
        one = story(session, made, 1, title="Ferry sinks off Ely", summary="It went down.", hours_old=24 * days_old)
        approved(session, made)
        one.title = "Captain charged as toll of Ely ferry rises to 43"
        one.summary = "Prosecutors charged the captain on Thursday; 43 people have died, the coast guard said."
        one.updated_at = NOW + timedelta(days=5)
        session.flush()
        assert order(session, drafted(session, made, NOW + WEEK_LATER - timedelta(days=1))) == [one.id]


def test_explaining_tells_what_the_issue_has_and_not_what_a_new_draft_would(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session, min_stories=4, max_stories=4)
        thin = [story(session, made, number, hours_old=20 + number) for number in range(2)]
        edition = session.get_one(Edition, made.edition_id)
        issue = issues.draft(session, edition, issues.next_slot(edition, NOW), NOW, min_stories=1).issue
        assert [issues.explain(session, issue, one, NOW).place for one in thin] == [0, 1]
        later = story(session, made, 8, hours_old=0)
        assert issues.explain(session, issue, later, NOW).left_out == (
            "it came after the draft; a new draft would take it"
        )
        assert issues.explain(session, issue, thin[0], NOW).place == 0


def test_a_pin_survives_a_draft_that_could_not_take_it(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session, min_stories=3)
        rows = [story(session, made, number) for number in range(3)]
        issue = drafted(session, made)
        issues.edit(session, issue, Changes(pin=[rows[2].id]))
        edition = session.get_one(Edition, made.edition_id)
        edition.min_stories = 9
        assert drafted(session, made).state is IssueState.SKIPPED
        edition.min_stories = 3
        again = drafted(session, made)
        assert rows[2].id in {place.story.id for place in issues.places(session, again.id) if place.row.pinned}


def test_a_story_that_readers_got_cannot_be_pinned(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session, min_stories=1)
        old = story(session, made, 1)
        approved(session, made)
        story(session, made, 2, hours_old=-100)
        later = drafted(session, made, NOW + WEEK_LATER)
        with pytest.raises(Refused, match="is sent in 2026-W47; these readers do not get it twice"):
            issues.edit(session, later, Changes(pin=[old.id]))


def test_a_thin_week_falls_back_to_the_parent_region_where_the_edition_allows_it(database: Database) -> None:
    for fall_back in (False, True):
        with database.transaction() as session:
            made = newsroom(session, f"fen-{fall_back}".lower(), min_stories=3, fall_back=fall_back)
            session.get_one(Region, made.region_id).parent = "GB" if fall_back else "XX"
            own = story(session, made, 1)
            if fall_back:
                parent = Region(code="GB", name="the United Kingdom")
                session.add(parent)
                session.flush()
                wide = [story(session, made, number, hours_old=number) for number in (5, 6, 7)]
                for row in wide:
                    tag = session.exec(select(StoryRegion).where(StoryRegion.story_id == row.id)).one()
                    session.delete(tag)
                    session.flush()
                    session.add(StoryRegion(story_id=row.id, region_id=parent.id, evidence='"Britain"', strength=0.9))
                session.flush()
            issue = drafted(session, made)
            if not fall_back:
                assert (issue.state, issue.reason) == (IssueState.SKIPPED, "1 new story, 3 needed")
                continue
            assert sorted(order(session, issue)) == sorted([own.id, wide[0].id, wide[1].id])
            cards = issues.content_of(session, issue, BASE)
            assert {str(tag) for card in (cards.lead, *cards.more) for tag in card.regions} == {
                "The Fens",
                "GB · the United Kingdom",
            }
            left = issues.explain(session, issue, wide[2], NOW)
            assert left.left_out == "of the United Kingdom; not needed"


def test_an_undated_story_shows_no_date(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session)
        story(session, made, 1, is_dated=False)
        story(session, made, 2, hours_old=40)
        issue = drafted(session, made)
        content = issues.content_of(session, issue, BASE)
        assert [card.day is None for card in (content.lead, *content.more)] == [True, False]
        assert Renderer().issue(content, "0" * 32).text


def test_the_newsrooms_weights_decide(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session)
        fresh = story(session, made, 1, hours_old=1)
        pictured = story(session, made, 2, hours_old=150, image_url="https://post.example/a.jpg")
        assert order(session, drafted(session, made)) == [fresh.id, pictured.id]
        assert order(session, drafted(session, made, weights=Weights(picture=60))) == [pictured.id, fresh.id]
