"""The journal of a sending: what a killed worker leaves behind, and what may be concluded from it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from newsletter.delivery import journal as journal_module
from newsletter.delivery.journal import EVERYBODY, Journal
from newsletter.errors import Refused
from newsletter.mail import Outcome, Status

LEDGER = "0123456789abcdef"
NAMES = [f"{number:x}-{number:020x}" for number in range(1, 9)]


def never() -> bool:
    return False


def statuses(outcomes: list[Outcome] | None) -> list[Status]:
    assert outcomes is not None
    return [outcome.status for outcome in outcomes]


def test_who_was_not_handed_over_surely_got_nothing(tmp_path: Path) -> None:
    """Trust 3.3, SMTP: ambiguous only between the final dot and its answer."""
    journal = Journal(tmp_path / "sending")
    watcher = journal.begin(LEDGER, 7, NAMES, never)
    for name in NAMES[:5]:
        watcher.handing_over(name)
    watcher.settled(Outcome(NAMES[0], Status.ACCEPTED, "250 queued as 4711"))
    watcher.settled(Outcome(NAMES[1], Status.REJECTED, "550 5.1.1 unknown – " + "ü" * 300))
    watcher.settled(Outcome(NAMES[7], Status.DEFERRED, ""))
    told = journal.testimony(LEDGER, 7, NAMES)
    assert statuses(told) == [
        *(Status.ACCEPTED, Status.REJECTED, Status.UNCERTAIN, Status.UNCERTAIN, Status.UNCERTAIN),
        *(Status.NOT_TRIED, Status.NOT_TRIED, Status.DEFERRED),
    ]
    assert told is not None
    assert (told[0].delivery_id, told[0].detail) == (NAMES[0], "250 queued as 4711")
    assert told[1].detail.startswith("550 5.1.1 unknown – üü")


def test_the_order_of_the_readers_makes_no_difference(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(LEDGER, 1, NAMES, never).handing_over(NAMES[2])
    told = journal.testimony(LEDGER, 1, [NAMES[2], "no-such-name", NAMES[0]])
    assert statuses(told) == [Status.UNCERTAIN, Status.UNCERTAIN, Status.NOT_TRIED]


def test_readers_who_are_handed_over_in_one_call(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    watcher = journal.begin(LEDGER, 1, [EVERYBODY], never)
    assert set(statuses(journal.testimony(LEDGER, 1, NAMES))) == {Status.NOT_TRIED}
    watcher.handing_over(EVERYBODY)
    assert set(statuses(journal.testimony(LEDGER, 1, NAMES))) == {Status.UNCERTAIN}
    watcher.settled(Outcome(EVERYBODY, Status.ACCEPTED, "202"))
    told = journal.testimony(LEDGER, 1, NAMES)
    assert told == [Outcome(name, Status.ACCEPTED, "202", "202") for name in NAMES]


def test_after_a_restart_of_the_machine_a_missing_mark_means_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store into memory may not have reached the disk: only what was written down counts."""
    journal = Journal(tmp_path)
    watcher = journal.begin(LEDGER, 1, NAMES, never)
    watcher.settled(Outcome(NAMES[0], Status.ACCEPTED, "250"))
    (tmp_path / "boot").write_text("another boot")
    monkeypatch.setattr(journal_module, "_BOOT_ID", tmp_path / "boot")
    assert statuses(journal.testimony(LEDGER, 1, NAMES[:2])) == [Status.ACCEPTED, Status.UNCERTAIN]


def test_without_a_boot_id_a_missing_mark_means_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_BOOT_ID", tmp_path / "no such file")
    journal = Journal(tmp_path)
    journal.begin(LEDGER, 1, NAMES, never)
    assert statuses(journal.testimony(LEDGER, 1, NAMES[:1])) == [Status.UNCERTAIN]


@pytest.mark.parametrize("content", [b"", b"\0" * 300, b"{}", b'{"attempt": 2, "boot": ""}', b"[1]", b"\xff" * 600])
def test_a_journal_that_is_not_this_attempts_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"attempt-{LEDGER[:8]}-1").write_bytes(content)
    assert Journal(tmp_path).testimony(LEDGER, 1, NAMES) is None


def test_journals_of_two_ledgers_in_one_folder_are_two(tmp_path: Path) -> None:
    """The same attempt number of another database must neither overwrite a live journal nor answer for it."""
    journal = Journal(tmp_path)
    journal.begin(LEDGER, 1, [EVERYBODY], never).handing_over(EVERYBODY)
    journal.begin("another ledger", 1, [EVERYBODY], never)
    assert set(statuses(journal.testimony(LEDGER, 1, NAMES))) == {Status.UNCERTAIN}
    assert set(statuses(journal.testimony("another ledger", 1, NAMES))) == {Status.NOT_TRIED}
    assert journal.testimony("a third", 1, NAMES) is None


def test_no_journal_says_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.testimony(LEDGER, 1, NAMES) is None
    journal.begin(LEDGER, 1, NAMES, never).close()
    journal.end(LEDGER, 1)
    journal.end(LEDGER, 1)
    assert journal.testimony(LEDGER, 1, NAMES) is None


def test_nothing_is_sent_that_cannot_be_written_down(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="Nothing was sent; free space or make the folder writable"):
        Journal(tmp_path / "file").begin(LEDGER, 1, NAMES, never)


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "sending"
    Journal(folder).begin(LEDGER, 1, NAMES, never)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / f"attempt-{LEDGER[:8]}-1").stat().st_mode) == 0o600


_WORKER = """
import os, signal, sys
from pathlib import Path
from newsletter.delivery.journal import Journal
from newsletter.mail import Outcome, Status
names = sys.argv[2:]
watcher = Journal(Path(sys.argv[1])).begin("0123456789abcdef", 3, names, lambda: False)
for name in names[:-2]:
    watcher.handing_over(name)
    watcher.settled(Outcome(name, Status.ACCEPTED, "250 " + name))
watcher.handing_over(names[-2])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_all_it_wrote(tmp_path: Path) -> None:
    """F1: SIGKILL between the final dot of one reader and its answer leaves that reader uncertain, and no other."""
    killed = subprocess.run([sys.executable, "-c", _WORKER, str(tmp_path), *NAMES], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    told = Journal(tmp_path).testimony(LEDGER, 3, NAMES)
    assert statuses(told) == [Status.ACCEPTED] * 6 + [Status.UNCERTAIN, Status.NOT_TRIED]
