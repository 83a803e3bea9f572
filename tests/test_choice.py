"""choose() is pure: which stories, in which order, and the reason for each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from newsletter.issues import Candidate, Limits, choose
from tests.builders import NOW

LIMITS = Limits(min_stories=2, max_stories=4, max_age=timedelta(days=8))


def candidate(story_id: int, *, hours: float = 10, **fields: Any) -> Candidate:
    values: dict[str, Any] = {
        "title": f"Story {story_id}",
        "summary": "word " * 40,
        "published_at": NOW - timedelta(hours=hours),
        "source": "Post",
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
        ({"evidence": ('"Ely" in the headline',)}, {"evidence": ('"Ely" in the summary',)}),
        ({"evidence": ('"Ely" in the summary',)}, {"evidence": ("from Post",)}),
        ({}, {"source_weight": 0.5}),
    ],
)
def test_each_part_of_the_score_counts(better: dict[str, Any], worse: dict[str, Any]) -> None:
    assert ids(candidate(1, **worse), candidate(2, **better)) == [2, 1]


def test_the_lead_explains_itself() -> None:
    best = candidate(7, hours=14, has_picture=True, evidence=('"Ely" in the headline',), source_weight=1.5)
    lead = choose([candidate(1, hours=50), best], LIMITS, NOW).chosen[0]
    assert lead.story_id == 7
    assert lead.reasons == (
        "14 h old",
        '"Ely" in the headline',
        "picture",
        "summary of 40 words",
        "source weight 1.5",
    )


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
        8: "no room: place 5 of 5, and 4 fit",
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
