"""`make demo` from nothing: what it promises to leave behind is there."""

from __future__ import annotations

import email
import subprocess
import sys
from collections import Counter
from email import policy
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_demo_leaves_what_it_promises(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo.run", str(tmp_path / "demo")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    mails = [
        email.message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in (tmp_path / "demo/outbox/new").iterdir()
    ]
    tests = [mail for mail in mails if str(mail["Subject"]).startswith("[Test]")]
    counts = Counter((str(mail["List-Id"]), str(mail["To"])) for mail in mails if mail not in tests)
    assert len(tests) == 2
    assert len(counts) == 27
    assert set(counts.values()) == {1}
    assert len({reader for _, reader in counts}) == 25
    assert {path.suffix for path in (tmp_path / "demo/preview").rglob("*") if path.is_file()} == {
        ".html",
        ".txt",
        ".png",
    }
    assert (tmp_path / "demo/newsletter.db").is_file()
    fenland = next(mail for mail in mails if "fenland" in str(mail["List-Id"]))
    part = fenland.get_body(("plain",))
    assert part is not None
    assert "Also reported by" in part.get_content()
    for sentence in (
        "45 stories came from 7 sources; 2 were rewritten",
        "fenland-weekly: 15 of 15 readers got it.",
        "The lead leads because: ",
        "27 mails for 25 people, 2 marked tests; nobody got one twice.",
        "var/demo/outbox/new/",
        "make serve",
    ):
        assert sentence in done.stdout
