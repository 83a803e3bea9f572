"""How fast stories are grouped: a made-up week of stories, and what a week four times as large costs.

    python bench/grouping.py [--stories 20000] [--poor] [--json]

With --poor a second week is measured too, whose stories are made of a few hundred words: each shares many with
thousands of others. Quality is measured by bench/quality.py; here only time, its growth and memory count.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from newsletter.coverage import Piece, group

WEEK_BEGINS = datetime(2026, 11, 16, tzinfo=UTC)
WORDS = 40_000
#: The vocabulary of the poor week.
FEW_WORDS = 300
OUTLETS = 200
#: How many outlets report an event: mostly one, now and then forty.
SIZES = (1, 2, 3, 5, 8, 15, 40)
SIZE_WEIGHTS = (600, 150, 80, 40, 20, 8, 2)


def week(stories: int, seed: int = 1) -> list[Piece]:
    """Return that many stories of one week. Words are as skewed as in a language; events have words of their own."""
    chance = random.Random(seed)
    vocabulary = [_word(chance) for _ in range(WORDS)]
    skew = list(accumulate(1 / (rank + 10) for rank in range(WORDS)))
    pieces: list[Piece] = []
    while len(pieces) < stories:
        event = chance.sample(vocabulary[2000:], 4) + chance.choices(vocabulary, cum_weights=skew, k=8)
        begins = WEEK_BEGINS + timedelta(minutes=chance.randrange(7 * 24 * 60))
        for _ in range(chance.choices(SIZES, SIZE_WEIGHTS)[0]):
            title = chance.sample(event, 5) + chance.choices(vocabulary, cum_weights=skew, k=4)
            summary = chance.sample(event, 8) + chance.choices(vocabulary, cum_weights=skew, k=32)
            pieces.append(
                Piece(
                    id=len(pieces) + 1,
                    title=_sentence(chance, title),
                    summary=_sentence(chance, summary) + ".",
                    source=f"Outlet {chance.randrange(OUTLETS)}",
                    published_at=begins + timedelta(minutes=chance.randrange(24 * 60)),
                    language="en",
                )
            )
    return pieces[:stories]


def poor_week(stories: int, seed: int = 2) -> list[Piece]:
    """Return that many stories of one week that are all made of a few hundred words, each as common as the next."""
    chance = random.Random(seed)
    vocabulary = [_word(chance) for _ in range(FEW_WORDS)]
    return [
        Piece(
            id=number + 1,
            title=_sentence(chance, chance.sample(vocabulary, 8)),
            summary=_sentence(chance, chance.sample(vocabulary, 40)) + ".",
            source=f"Outlet {number % OUTLETS}",
            published_at=WEEK_BEGINS + timedelta(minutes=chance.randrange(7 * 24 * 60)),
            language="en",
        )
        for number in range(stories)
    ]


def _word(chance: random.Random) -> str:
    word = "".join(chance.choice("bcdfghklmnprstvz") + chance.choice("aeiou") for _ in range(chance.randint(2, 4)))
    return word.capitalize() if chance.random() < 0.3 else word


def _sentence(chance: random.Random, words: list[str]) -> str:
    chance.shuffle(words)
    text = " ".join(words)
    return text[0].upper() + text[1:]


def measure(stories: int, *, poor: bool = False) -> dict[str, float]:
    """Return seconds of processor time for a quarter of the stories and for all, their ratio, the groups made, and the
    peak memory in megabytes on top of the stories themselves; with `poor` the seconds of the poor week too.
    """
    pieces = week(stories)
    group(pieces[:50])  # tables are loaded once a process
    quarter, _ = _timed(pieces[: stories // 4])
    before = _peak_mb()
    whole, groups = _timed(pieces)
    figures = {
        "stories": stories,
        "group_s": round(whole, 3),
        "group_quarter_s": round(quarter, 3),
        "growth_ratio": round(whole / quarter, 2) if quarter else 0.0,
        "groups": groups,
        "group_mb": round(_peak_mb() - before, 1),
    }
    if poor:
        figures["group_poor_s"] = round(_timed(poor_week(stories))[0], 3)
    return figures


def _timed(pieces: Sequence[Piece]) -> tuple[float, int]:
    begun = time.process_time()
    groups = len(group(pieces))
    return time.process_time() - begun, groups


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what `measure` returns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=20_000)
    parser.add_argument("--poor", action="store_true", help="measure a week with few distinct words too")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    figures = measure(options.stories, poor=options.poor)
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{figures['stories']} stories: {figures['group_s']} s, {figures['groups']} groups, {figures['group_mb']} MB")
    print(f"{options.stories // 4} stories: {figures['group_quarter_s']} s, {figures['growth_ratio']} times less")
    if options.poor:
        print(f"{figures['stories']} stories of few words: {figures['group_poor_s']} s")


if __name__ == "__main__":
    main()
