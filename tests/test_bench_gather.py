"""The benchmark runs and counts right; how long it takes is nobody's test."""

from __future__ import annotations

import json

import pytest

from bench import gather


def test_the_gathering_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    gather.main(["--feeds", "2", "--stories", "3", "--json"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["stories"] == 6
    assert set(figures) == {"cold_s", "unchanged_s", "stories", "peak_mb"}


def test_the_figures_are_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    gather.main(["--feeds", "1", "--stories", "1"])
    assert "1 feeds of 1 stories" in capsys.readouterr().out
