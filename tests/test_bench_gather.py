"""The benchmark runs and counts right; how long it takes is nobody's test."""

from __future__ import annotations

import json

import pytest

from bench import gather


def test_the_gathering_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    gather.main(["--feeds", "2", "--stories", "3", "--index", "40", "--runs", "1", "--json"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["stories"] == 6
    assert {"cold_s", "unchanged_s", "group_tag_40_s", "peak_mb"} <= set(figures)
    assert figures["cold_s"] > 0


def test_the_figures_are_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    gather.main(["--feeds", "1", "--stories", "1", "--index", "10", "--runs", "1"])
    assert "1 feeds of 1 stories" in capsys.readouterr().out
