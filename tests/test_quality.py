"""The labelled set, the figures made from it, and the floors that grouping and regions must keep (issue "Gathering the week", point 8)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bench import quality
from bench.quality import Labelled, Result, Score

MONDAY = datetime(2026, 11, 16, 8, tzinfo=UTC)
BOTH = ("en", "de", "fr", "uk")  # the languages with a hundred stories or more


@pytest.fixture(scope="module")
def stories() -> list[Labelled]:
    return quality.load_stories()


def _story(number: int, event: str = "", regions: str = "", either: str = "", language: str = "en") -> Labelled:
    return Labelled(
        number=number,
        id=f"{language}-{number}",
        language=language,
        half="dev",
        outlet="Meridian Post",
        published=MONDAY,
        title=f"Story {number}",
        summary="",
        regions=frozenset(regions.split()),
        either=frozenset(either.split()),
        event=event,
    )


# Figures: a tiny example, counted by hand.


@pytest.mark.parametrize(
    ("score", "precision", "recall"),
    [
        (Score(right=3, wrong=1, missed=2), 0.75, 0.6),
        (Score(right=0, wrong=4, missed=4), 0.0, 0.0),
        (Score(right=0, wrong=0, missed=5), 1.0, 0.0),
        (Score(right=0, wrong=0, missed=0), 1.0, 1.0),
    ],
    ids=["some", "all wrong", "nothing found", "nothing there"],
)
def test_precision_and_recall(score: Score, precision: float, recall: float) -> None:
    assert (score.precision, score.recall) == pytest.approx((precision, recall))


def test_pairs_of_groups_count_each_two_once() -> None:
    assert quality.pairs([(3, 1, 2), (9, 8)]) == {(1, 2), (1, 3), (2, 3), (8, 9)}


def test_grouping_is_scored_by_pairs() -> None:
    stories = [_story(1, "fire"), _story(2, "fire"), _story(3, "fire"), _story(4, "vote"), _story(5, "vote"), _story(6)]
    score = quality.grouping_result(stories, [(1, 2), (4, 5, 6)]).score()
    assert score == Score(right=2, wrong=2, missed=2)  # right 1-2 and 4-5, wrong 4-6 and 5-6, missed 1-3 and 2-3


def test_stories_without_an_event_make_no_true_pair() -> None:
    assert quality.grouping_result([_story(1), _story(2)], []).true == frozenset()


def test_pairs_across_languages_are_not_scored() -> None:
    stories = [_story(1, "fire"), _story(2, "fire"), _story(3, "feu", language="fr"), _story(4, language="fr")]
    score = quality.grouping_result(stories, [(1, 2, 3, 4)]).score()
    assert score == Score(right=1, wrong=1, missed=0)  # right 1-2, wrong 3-4


def test_regions_are_scored_by_labels_and_a_code_that_may_be_either_counts_in_neither() -> None:
    stories = [_story(1, regions="UA UA-63", either="RU"), _story(2, regions="GE"), _story(3, either="US")]
    found = {1: {"UA", "RU"}, 2: {"GE", "US-GA"}, 3: {"US"}}
    score = quality.regions_result(stories, found).score()
    assert score == Score(right=2, wrong=1, missed=1)


def test_each_region_has_its_own_figures() -> None:
    stories = [_story(1, regions="UA"), _story(2, regions="UA"), _story(3)]
    result = quality.regions_result(stories, {1: {"UA"}, 3: {"GE"}})
    scores = {code: part.score() for code, part in quality.by_region(result).items()}
    assert scores == {"GE": Score(right=0, wrong=1, missed=0), "UA": Score(right=1, wrong=0, missed=1)}


def test_figures_name_the_four_of_the_issue_and_each_language() -> None:
    stories = [
        _story(1, "e", "UA"),
        _story(2, "e", "UA"),
        _story(3, "f", "DE", language="de"),
        _story(4, "f", language="de"),
    ]
    results = {
        "grouping": quality.grouping_result(stories, [(1, 2)]),
        "region": quality.regions_result(stories, {1: {"UA"}, 4: {"DE"}}),
    }
    figures = quality.figures(stories, results)
    assert figures["grouping_precision"] == 1.0
    assert figures["grouping_recall"] == 0.5
    assert figures["region_precision"] == 0.5
    assert figures["region_recall"] == pytest.approx(0.3333)
    assert figures["languages"] == {
        "de": {"grouping_precision": 1.0, "grouping_recall": 0.0, "region_precision": 0.0, "region_recall": 0.0},
        "en": {"grouping_precision": 1.0, "grouping_recall": 1.0, "region_precision": 1.0, "region_recall": 0.5},
    }


def test_the_table_shows_the_halves_side_by_side() -> None:
    stories = [
        _story(1, "e"),
        _story(2, "e"),
        replace(_story(3, "f"), half="held"),
        replace(_story(4, "f"), half="held"),
    ]
    lines = quality.report("grouping", stories, quality.grouping_result(stories, [(1, 2)]), halves=True)
    assert lines[1].split() == ["all", "1.000", "0.500", "1/0/1", "1.000", "1.000", "1/0/0", "1.000", "0.000", "0/0/1"]


def test_errors_show_both_texts_and_the_evidence() -> None:
    stories = [replace(_story(1, regions="UA"), note="only a trap"), _story(2)]
    results = {
        "grouping": Result(found=frozenset({(1, 2)}), true=frozenset()),
        "region": Result(found=frozenset({(2, "GE")}), true=frozenset({(1, "UA")})),
    }
    text = "\n".join(quality.errors(stories, results, {1: {}, 2: {"GE": '"Georgia" in the headline'}}))
    assert "wrong grouping\n  en-1 16 Nov 08:00 Meridian Post: Story 1  [only a trap]\n" in text
    assert 'GE: "Georgia" in the headline' in text
    assert "missed region" in text
    assert "UA: not found" in text


# The set.


def test_the_set_is_large_and_in_four_languages(stories: list[Labelled]) -> None:
    sizes = Counter(story.language for story in stories)
    assert len(stories) >= 420
    assert all(sizes[language] >= 100 for language in BOTH), sizes


def test_ids_are_unique_and_say_language_and_half(stories: list[Labelled]) -> None:
    assert len({story.id for story in stories}) == len(stories)
    assert [story.id for story in stories if not story.id.startswith(f"{story.language}-{story.half}-")] == []


def test_times_are_aware_and_inside_one_month(stories: list[Labelled]) -> None:
    assert [story.id for story in stories if story.published.utcoffset() is None] == []
    times = [story.published for story in stories]
    assert max(times) - min(times) < timedelta(days=30)


def test_labels_are_registered_and_a_subdivision_brings_its_parent(stories: list[Labelled]) -> None:
    parents = {region.code: region.parent for region in quality.load_regions()}
    assert 25 <= len(parents) <= 40
    for story in stories:
        for codes in (story.regions, story.either):
            assert codes <= parents.keys(), story.id
        known = story.regions | story.either
        assert {parents[code] for code in known if parents[code]} <= known, story.id
        assert not story.regions & story.either, story.id


def test_every_region_is_named_by_a_label(stories: list[Labelled]) -> None:
    used = frozenset().union(*(story.regions for story in stories))
    assert {region.code for region in quality.load_regions()} == used


def test_few_labels_may_be_either(stories: list[Labelled]) -> None:
    assert sum(bool(story.either) for story in stories) <= len(stories) * 0.1


def test_titles_are_there_and_are_not_the_summary(stories: list[Labelled]) -> None:
    assert [story.id for story in stories if not story.title.strip() or story.title == story.summary] == []


def test_events_are_of_two_outlets_within_three_days_in_one_language_and_half(stories: list[Labelled]) -> None:
    known = {story.number: story for story in stories}
    for numbers in quality.true_groups(stories):
        members = [known[number] for number in numbers]
        assert len({story.outlet for story in members}) >= 2, members[0].event
        assert len({(story.language, story.half) for story in members}) == 1, members[0].event
        times = [story.published for story in members]
        assert max(times) - min(times) < timedelta(days=3), members[0].event


@pytest.mark.parametrize("half", quality.HALVES)
def test_both_halves_hold_events_and_lookalikes_and_traps(stories: list[Labelled], half: str) -> None:
    part = [story for story in stories if story.half == half]
    assert 0.4 <= sum(bool(story.event) for story in part) / len(part) <= 0.6
    families: dict[str, set[str]] = {}
    for story in part:
        if story.lookalike:
            families.setdefault(f"{story.language} {story.lookalike}", set()).add(story.event or story.id)
    assert sum(len(members) >= 2 for members in families.values()) >= 30
    assert len({story.trap for story in part if story.trap}) >= 15
    assert sum(not story.regions for story in part) >= len(part) * 0.1  # about none of the regions, many name one


# The floors.


@pytest.fixture(scope="module")
def measured() -> dict[str, float]:
    stories = quality.load_stories()
    tagged = quality.tag_stories(stories, quality.load_regions())
    grouping = quality.grouping_result(stories, quality.group_stories(stories)).score()
    regions = quality.regions_result(stories, {number: set(codes) for number, codes in tagged.items()}).score()
    return {
        "grouping_precision": grouping.precision,
        "grouping_recall": grouping.recall,
        "region_precision": regions.precision,
        "region_recall": regions.recall,
    }


@pytest.mark.parametrize(
    ("figure", "floor"),
    [("grouping_precision", 0.98), ("grouping_recall", 0.85), ("region_precision", 0.95), ("region_recall", 0.90)],
)
def test_the_product_keeps_the_floors(measured: dict[str, float], figure: str, floor: float) -> None:
    assert measured[figure] >= floor, f"{figure} fell; `python bench/quality.py --errors` prints every error"


def test_the_script_prints_figures_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    quality.main(["--json", "--language", "uk"])
    printed = json.loads(capsys.readouterr().out)
    assert {"grouping_precision", "grouping_recall", "region_precision", "region_recall"} <= printed.keys()
    assert set(printed["languages"]) == {"uk"}


def test_the_script_prints_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    quality.main(["--errors", "--halves", "--language", "fr"])
    text = capsys.readouterr().out
    assert "grouping" in text
    assert "by region" in text
    assert "FR-BRE" in text


def test_a_language_without_stories_is_refused_in_words() -> None:
    with pytest.raises(SystemExit, match="no stories in 'xx'"):
        quality.main(["--language", "xx"])
