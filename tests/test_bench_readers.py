"""The benchmark of readers runs and counts rightly; its times are nobody's test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import readers as bench


@pytest.mark.parametrize("part", ["import", "segment", "export"])
def test_each_part_is_measured_on_the_same_file(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_OUT", 0.01)
    source, url = tmp_path / "readers.csv", f"sqlite:///{tmp_path / 'newsletter.db'}"
    bench.make_file(source, 2_000)
    lines = source.read_text(encoding="utf-8").splitlines()
    left, suppressed, erased, broken = (
        sum(line.startswith(start) for line in lines) for start in ("left", "suppressed", "erased", "no reader")
    )
    assert min(left, suppressed, erased, broken) > 0
    bench.prepare(url, source)
    if part != "import":
        bench.measure("import", url, source)
    found = bench.measure(part, url, source)
    on_list = 2_000 - left - suppressed - erased - broken
    assert found["rows"] == {"import": 2_000, "segment": on_list, "export": on_list + left}[part]
    assert found["seconds"] > 0
    assert found["peak_mb"] > 1


def test_the_figures_have_the_names_that_the_aims_have(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TEST_POSTGRESQL_URL", raising=False)
    monkeypatch.setattr("sys.argv", ["bench.readers", "--rows", "500", "--json"])
    bench.main()
    assert json.loads(capsys.readouterr().out).keys() == bench.TARGETS.keys() - {"import_1m_s_postgresql"}


def test_the_file_is_the_same_each_time(tmp_path: Path) -> None:
    for name in "ab":
        bench.make_file(tmp_path / name, 500)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
