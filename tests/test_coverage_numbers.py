"""Which number a group of stories keeps: what an issue was sent with must still be known when the group grows."""

from __future__ import annotations

import pytest

from newsletter.gather.indexing import coverage_numbers


@pytest.mark.parametrize(
    ("groups", "before", "after"),
    [
        ([], {1: None}, {}),
        ([(7, 3, 5)], {3: None, 5: None, 7: None}, {3: 3, 5: 3, 7: 3}),  # named by its first story
        ([(3, 5, 9)], {3: 1, 5: 1, 9: None}, {3: 1, 5: 1, 9: 1}),  # its first story may be too old to be seen
        ([(3, 5, 9)], {3: 5, 5: 5, 9: 9}, {3: 5, 5: 5, 9: 5}),  # what most of its stories had
        (
            [(1, 2), (3, 4, 5)],
            {1: 1, 2: 1, 3: 1, 4: 1, 5: 1},
            {3: 1, 4: 1, 5: 1, 1: 2, 2: 2},
        ),  # split: the larger keeps it
        (  # its own number and its stories' ids all name larger groups
            [(1, 2), (3, 4, 5), (6, 7, 8)],
            {1: 1, 2: None, 3: 1, 4: 1, 5: 1, 6: 2, 7: 2, 8: 2},
            {3: 1, 4: 1, 5: 1, 6: 2, 7: 2, 8: 2, 1: -1, 2: -1},
        ),
        ([(1, 2)], {1: -1, 2: -1}, {1: -1, 2: -1}),  # which it keeps,
        ([(1, 2, 9)], {1: -1, 2: -1, 9: None}, {1: -1, 2: -1, 9: -1}),  # also when it grows
        (  # the number below zero is taken, too
            [(1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11)],
            {1: 1, 2: None, 3: 1, 4: 1, 5: 1, 6: 2, 7: 2, 8: 2, 9: -1, 10: -1, 11: -1},
            {3: 1, 4: 1, 5: 1, 6: 2, 7: 2, 8: 2, 9: -1, 10: -1, 11: -1, 1: -2, 2: -2},
        ),
        ([(1, 2, 3, 4)], {1: 1, 2: 1, 3: 3, 4: 3}, {1: 1, 2: 1, 3: 1, 4: 1}),  # joined
    ],
)
def test_numbers(groups: list[tuple[int, ...]], before: dict[int, int | None], after: dict[int, int]) -> None:
    assert coverage_numbers(groups, before) == after
