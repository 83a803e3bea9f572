"""choose() is pure: which stories, in which order, and the reason for each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from newsletter.issues import Candidate, Limits, Weights, choose
from tests.builders import NOW

LIMITS = Limits(min_stories=2, max_stories=4, max_age=timedelta(days=8))


def candidate(story_id: int, *, hours: float = 10, **fields: Any) -> Candidate:
    values: dict[str, Any] = {
        "title": f"Story {story_id}",
        "summary": "word " * 40,
        "published_at": NOW - timedelta(hours=hours),
        "source": f"Post {story_id}",
    }
    return Candidate(story_id, **(values | fields))


def ids(*candidates: Candidate, limits: Limits = LIMITS) -> list[int]:
    return [one.story_id for one in choose(candidates, limits, NOW).chosen]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"hours": 2}, {"hours": 90}),
        ({"has_picture": True}, {}),
        ({"summary": "word " * 40}, {"summary": "word"}),
        ({"source_weight": 1.5}, {}),
        ({"evidence": ('"Ely" in the headline',), "strength": 0.9}, {"evidence": ('"Ely"',), "strength": 0.6}),
        ({"evidence": ("from Post",), "strength": 0.5}, {}),
        ({"outlets": ("Post", "Herald")}, {"outlets": ("Post",)}),
        ({"outlets": ("A", "B", "C")}, {"outlets": ("A", "B")}),
        ({"outlets": ("A", "B"), "hours": 50}, {"has_picture": True}),
        ({}, {"source_weight": 0.5}),
        ({}, {"routine": True}),
        ({"outlets": tuple("ABCDEFGHIJKLMNOPQRST")}, {"outlets": tuple("ABCDEF"), "has_picture": True}),
    ],
)
def test_each_part_of_the_score_counts(better: dict[str, Any], worse: dict[str, Any]) -> None:
    assert ids(candidate(1, **worse), candidate(2, **better)) == [2, 1]


def test_the_lead_explains_itself() -> None:
    best = candidate(
        7,
        hours=14,
        has_picture=True,
        evidence=('"Ely" in the headline', "from Post"),
        strength=1.0,
        source_weight=1.5,
        outlets=("Post", "Herald", "Echo", "Times", "Mail", "Star"),
    )
    lead = choose([candidate(1, hours=50), best], LIMITS, NOW).chosen[0]
    assert lead.story_id == 7
    assert lead.reasons == (
        "6 outlets",
        "14 h old",
        '"Ely" in the headline',
        "picture",
        "summary of 40 words",
        "source weight 1.5",
    )
    assert lead.score == pytest.approx(35 + 25 * (1 - 14 / 192) + 20 + 8 + 7 + 5, abs=0.01)


def test_an_undated_story_says_so() -> None:
    lead = choose([candidate(1, hours=3, is_dated=False), candidate(2, hours=9)], LIMITS, NOW).chosen[0]
    assert lead.reasons[0] == "no date; first seen 3 h ago"


def test_equal_scores_have_a_stable_order() -> None:
    assert ids(*(candidate(number) for number in (3, 1, 2))) == [1, 2, 3]


def test_what_was_sent_dropped_or_is_old_is_left_out_with_its_reason() -> None:
    choice = choose(
        [
            candidate(1),
            candidate(2),
            candidate(3, sent_in="2026-W45"),
            candidate(4, dropped=True),
            candidate(5, hours=24 * 8 + 1),
            candidate(6, hours=20),
            candidate(7, hours=21),
            candidate(8, hours=22),
        ],
        LIMITS,
        NOW,
    )
    assert [one.story_id for one in choice.chosen] == [1, 2, 6, 7]
    assert {story_id: one.reason for story_id, one in choice.left_out.items()} == {
        3: "sent in 2026-W45",
        4: "dropped by the editor",
        5: "older than 8 days",
        8: "no room: place 5 of 5; the issue takes 4",
    }


@pytest.mark.parametrize(
    ("count", "reason"),
    [(0, "0 new stories, 2 needed"), (1, "1 new story, 2 needed")],
)
def test_a_thin_week_is_skipped_with_its_reason(count: int, reason: str) -> None:
    choice = choose([candidate(number) for number in range(count)], LIMITS, NOW)
    assert choice.skip == reason
    assert choice.chosen == ()


def test_pinned_stories_keep_their_places() -> None:
    assert ids(candidate(1), candidate(2), candidate(3, hours=150, pinned_at=0), candidate(4, pinned_at=2)) == [
        3,
        1,
        4,
        2,
    ]


def test_an_old_story_may_be_pinned_but_not_one_already_sent() -> None:
    choice = choose(
        [candidate(1), candidate(2, hours=24 * 30, pinned_at=0), candidate(3, pinned_at=1, sent_in="2026-W46")],
        LIMITS,
        NOW,
    )
    assert [one.story_id for one in choice.chosen] == [2, 1]
    assert choice.chosen[0].reasons[0] == "pinned by the editor"
    assert choice.left_out[3].reason == "sent in 2026-W46"


def test_pins_take_room_from_the_others() -> None:
    pins = [candidate(number, pinned_at=number) for number in range(4)]
    assert ids(*pins, candidate(9, hours=0)) == [0, 1, 2, 3]
    assert ids(*pins, candidate(8, pinned_at=9), candidate(9, hours=0)) == [0, 1, 2, 3, 8]


def test_a_date_in_the_future_counts_as_new_not_as_newer() -> None:
    assert ids(candidate(2, hours=-50), candidate(1, hours=0, has_picture=True)) == [1, 2]


# One story of each event


def test_one_story_stands_for_an_event_and_the_others_say_which() -> None:
    same = [
        candidate(1, coverage=5),
        candidate(2, coverage=5, has_picture=True),
        candidate(3, coverage=5),
        candidate(4),
    ]
    choice = choose(same, LIMITS, NOW)
    assert [one.story_id for one in choice.chosen] == [2, 4]
    assert {number: one.reason for number, one in choice.left_out.items()} == {
        1: "the same event as story 2, which stands for it",
        3: "the same event as story 2, which stands for it",
    }


def test_the_editors_pin_decides_which_story_stands_for_an_event() -> None:
    same = [candidate(1, coverage=5, pinned_at=0), candidate(2, coverage=5, has_picture=True), candidate(3)]
    assert ids(*same) == [1, 3]


def test_two_pinned_stories_of_one_event_both_stay() -> None:
    assert ids(candidate(1, coverage=5, pinned_at=0), candidate(2, coverage=5, pinned_at=1)) == [1, 2]


def test_an_event_that_readers_know_is_not_told_again_by_another_outlet() -> None:
    choice = choose([candidate(1, covered_in="2026-W46", coverage=5), candidate(2), candidate(3)], LIMITS, NOW)
    assert choice.left_out[1].reason == "the same event was in 2026-W46"
    assert ids(candidate(1, covered_in="2026-W46", pinned_at=0), candidate(2)) == [1, 2]


def test_a_story_that_was_sent_and_tells_something_new_may_come_again() -> None:
    choice = choose([candidate(1, sent_in="2026-W46", updated=True), candidate(2, hours=90)], LIMITS, NOW)
    assert choice.chosen[0].story_id == 1
    assert choice.chosen[0].reasons[0] == "updated since 2026-W46"


def test_another_report_stands_for_an_event_when_its_outlet_has_enough_stories_in() -> None:
    """A limit on one outlet must not lose the week's largest event."""
    mine = [candidate(number, source="Post", has_picture=True) for number in range(1, 4)]
    big = [
        candidate(10, source="Post", coverage=5, outlets=("Post", "Herald"), hours=100, summary=""),
        candidate(11, source="Herald", coverage=5, outlets=("Post", "Herald"), hours=120, summary=""),
    ]
    weights = Weights(outlets=5)
    choice = choose([*mine, *big], Limits(2, 4, timedelta(days=8)), NOW, weights)
    assert [one.story_id for one in choice.chosen] == [1, 2, 3, 11]
    assert choice.left_out[10].reason == "the same event as story 11, which stands for it"


def test_the_typical_report_stands_for_an_event() -> None:
    reports = [candidate(1, coverage=5, has_picture=True, typical=0.1), candidate(2, coverage=5, typical=0.6)]
    assert ids(*reports, candidate(3)) == [2, 3]


def test_an_event_without_room_is_left_out_as_a_whole() -> None:
    choice = choose(
        [*(candidate(number) for number in range(1, 5)), *(candidate(n, coverage=5, hours=99) for n in (8, 9))],
        LIMITS,
        NOW,
    )
    assert {number: one.reason for number, one in choice.left_out.items()} == {
        8: "no room: place 5 of 5; the issue takes 4",
        9: "the same event as story 8, which stands for it",
    }


@pytest.mark.parametrize(("about", "taken"), [(0, False), (1, False), (2, True), (8, True)])
def test_a_stray_mention_does_not_give_an_event_to_a_region(about: int, taken: bool) -> None:
    stray = candidate(1, coverage=5, reports=8, reports_about=about)
    choice = choose([stray, candidate(2), candidate(3)], LIMITS, NOW)
    assert (1 in {one.story_id for one in choice.chosen}) is taken
    if not taken:
        assert "reports of the event are about the edition's regions" in choice.left_out[1].reason
    assert ids(candidate(1, coverage=5, reports=8, reports_about=0, pinned_at=0), candidate(2)) == [1, 2]


def test_stories_in_another_language_come_last_but_do_come() -> None:
    foreign = [candidate(n, foreign="uk", has_picture=True, outlets=("A", "B", "C")) for n in (1, 2, 3)]
    choice = choose([*foreign, candidate(8, hours=150, summary=""), candidate(9, hours=180, summary="")], LIMITS, NOW)
    assert [one.story_id for one in choice.chosen] == [8, 9, 1, 2]
    assert choice.chosen[2].reasons[-1] == "in another language (uk)"
    assert choice.left_out[3].reason == "no room: it is in another language (uk), and such stories come last"


def test_of_one_event_the_report_in_the_editions_language_stands_for_it() -> None:
    assert ids(candidate(1, coverage=5, foreign="uk", has_picture=True), candidate(2, coverage=5), candidate(3)) == [
        2,
        3,
    ]


# Variety


def test_not_five_of_one_outlet_while_there_are_others() -> None:
    limits = Limits(min_stories=2, max_stories=5, max_age=timedelta(days=8))
    mine = [candidate(number, source="Post", has_picture=True) for number in range(1, 6)]
    others = [candidate(number, source=f"Other {number}", hours=180, summary="") for number in (10, 11)]
    choice = choose([*mine, *others], limits, NOW)
    assert sorted(one.story_id for one in choice.chosen) == [1, 2, 3, 10, 11]
    assert choice.left_out[4].reason == "no room: 3 stories of Post are in"


def test_one_outlet_alone_still_fills_an_issue() -> None:
    mine = [candidate(number, source="Post") for number in range(1, 6)]
    choice = choose(mine, LIMITS, NOW)
    assert [one.story_id for one in choice.chosen] == [1, 2, 3, 4]
    assert choice.chosen[3].reasons[-1] == "number 4 of Post, for want of others"


def test_not_five_on_one_topic() -> None:
    strike = [candidate(number, topic=1, has_picture=True) for number in range(1, 6)]
    others = [candidate(number, hours=180, summary="") for number in (10, 11)]
    choice = choose([*strike, *others], LIMITS, NOW)
    assert sorted(one.story_id for one in choice.chosen) == [1, 2, 10, 11]
    assert "number 2 on its topic" in next(one for one in choice.chosen if one.story_id == 2).reasons


def test_weights_are_the_newsrooms() -> None:
    old, pictured = candidate(1, hours=0), candidate(2, hours=190, has_picture=True)
    assert ids(old, pictured) == [1, 2]
    weights = Weights(freshness=0, picture=50)
    assert [one.story_id for one in choose([old, pictured], LIMITS, NOW, weights).chosen] == [2, 1]


# Thin weeks


def test_a_thin_week_is_filled_from_the_wider_region_up_to_the_minimum() -> None:
    limits = Limits(min_stories=3, max_stories=9, max_age=timedelta(days=8))
    wider = [candidate(number, wider="England", hours=number) for number in (5, 6, 7, 8)]
    choice = choose([candidate(1), *wider], limits, NOW)
    assert sorted(one.story_id for one in choice.chosen) == [1, 5, 6]
    assert "of England, to fill a thin week" in next(one for one in choice.chosen if one.story_id == 5).reasons
    assert choice.left_out[7].reason == "of England; not needed"


def test_a_full_week_takes_nothing_from_the_wider_region() -> None:
    assert sorted(ids(candidate(1), candidate(2), candidate(3, wider="England", has_picture=True))) == [1, 2]


def test_what_is_too_thin_even_so_is_skipped() -> None:
    limits = Limits(min_stories=3, max_stories=9, max_age=timedelta(days=8))
    choice = choose([candidate(1), candidate(2, wider="England")], limits, NOW)
    assert choice.skip == "2 new stories, 3 needed"


def test_those_left_out_for_want_of_room_are_ranked() -> None:
    found = choose([candidate(number, hours=number) for number in range(1, 8)], LIMITS, NOW).left_out
    assert [(number, one.rank) for number, one in found.items()] == [(5, 1), (6, 2), (7, 3)]
    assert found[5].reason == "no room: place 5 of 7; the issue takes 4"
