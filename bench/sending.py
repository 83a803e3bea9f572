"""Sends an issue that is planned, in a process of its own, and prints what that took as JSON: for bench/delivery.py.

    python -m bench.sending FOLDER ISSUE_ID PROVIDER OPTIONS

Nothing else is imported here than what a sending needs, so that memory is its alone.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from newsletter.db import Database
from newsletter.delivery import Post, send
from newsletter.delivery.journal import Journal
from newsletter.providers import load_provider
from subscribers.tokens import Signer

BASE = "https://news.example.org"
SIGNER = Signer(["a secret of at least thirty-two letters"])
#: When the issue of bench/audience.py was approved.
NOW = datetime(2026, 11, 19, 12, tzinfo=UTC)
LANES = 2


def main() -> None:
    """Send, and print mails a second, microseconds of CPU a mail, and megabytes at most."""
    folder, issue_id, use, options = sys.argv[1:]
    db = Database(f"sqlite:///{Path(folder) / 'newsletter.db'}")
    provider = load_provider(use, json.loads(options))
    journal = Journal(Path(folder) / "sending")
    post = Post(provider, SIGNER, BASE, lambda: NOW, name="bench", journal=journal, lanes=LANES)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    report = send(db, int(issue_id), post, by_hand=False)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sent = report.tally.accepted
    figures = {"accepted": sent, "per_s": sent / seconds, "cpu_us": cpu / sent * 1e6, "peak_mb": _peak_mb()}
    print(json.dumps(figures))


def _peak_mb() -> float:
    """Return the megabytes that this process had at most (Linux). `ru_maxrss` would begin with what its parent had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


if __name__ == "__main__":
    main()
