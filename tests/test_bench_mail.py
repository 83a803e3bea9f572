"""The benchmark of mails runs and says what it should. No time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*options: str) -> str:
    command = [sys.executable, "-m", "bench.mail", "--runs", "1", *options]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_the_benchmark_of_mails_runs() -> None:
    ten, three, *_ = json.loads(run("--json"))
    assert ten["name"] == "lead and 10 stories"
    assert three["html_bytes"] < ten["html_bytes"] < ten["encoded_bytes"] < 102_400
    assert 0 < ten["css_bytes"] == three["css_bytes"] < 4_096
    assert ten["render_ms"] > ten["fill_ms"] > 0


def test_the_benchmark_prints_a_table() -> None:
    head, *rows = run().splitlines()
    assert head.split()[0] == "html_bytes"
    assert [row[:20].strip() for row in rows][:2] == ["lead and 10 stories", "lead and 3 stories"]
