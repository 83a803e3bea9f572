"""What a worker is doing right now, readable after it was killed: one file an attempt, mapped into memory.

A ledger that commits for each mail would be too slow, and one that commits for each chunk leaves the whole chunk
uncertain after a crash. So a provider that hands over one reader after the other (`Watched`) marks each in a file: a
store into memory, which the operating system keeps when the process is killed. Who was not marked as handed over surely
got nothing; who was settled is settled; only those between the final dot and its answer are uncertain (RFC 1047).

The folder also keeps how far the ledger had come: a database that knows less was restored from a backup, and would send
again what was sent since (F22).

A mark is not on the disk at once, so after a power cut nothing may be concluded from a missing one: the file names the
boot that it was written in.
"""

from __future__ import annotations

import fcntl
import json
import logging
import mmap
import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from newsletter.errors import Refused
from newsletter.mail import Outcome, Status

log = logging.getLogger(__name__)

#: Bytes for each reader: the hash of the delivery's name, a mark and, once it is known, what was said.
_SLOT = 256
_NAME = 16
_WORDS = _NAME + 1
_HEADER = 256
_NOTHING, _HANDED_OVER = 0, 1
#: Stands for all readers of an attempt: for a provider that gets them in one call.
EVERYBODY = "*"
_MARKS = {status: mark for mark, status in enumerate(Status, start=2)}
_STATUSES = {mark: status for status, mark in _MARKS.items()}
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


#: Tells whether the process is to end.
Stopping = Callable[[], bool]


class Journal:
    """The journals of one installation, in a folder that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, ledger: str, attempt: int, names: Sequence[str], stopping: Stopping) -> Watcher:
        """Return what watches the readers of an attempt, or EVERYBODY.

        Called before the attempt is committed, so that none is without a journal.
        Raises Refused when the file cannot be written in full: then nothing may be sent.
        """
        header = json.dumps({"ledger": ledger, "attempt": attempt, "boot": _boot()}).encode()
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(
                os.open(self._path(ledger, attempt), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "r+b"
            ) as file:
                size = _HEADER + _SLOT * len(names)
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk shows now and not at a store
                memory = mmap.mmap(file.fileno(), size)
        except OSError as error:
            raise Refused(
                f"What is being sent cannot be written down in {self.folder}: {error.strerror}. "
                "Nothing was sent; free space or make the folder writable, and send again."
            ) from error
        memory[: len(header)] = header
        slots = {name: _HEADER + _SLOT * position for position, name in enumerate(names)}
        for name, at in slots.items():
            memory[at : at + _NAME] = _hash(name)
        return Watcher(memory, slots, stopping)

    def testimony(self, ledger: str, attempt: int, names: Sequence[str]) -> list[Outcome] | None:
        """Return what a dead worker's journal says of the readers of its attempt; None when there is none, or it
        is another's."""
        try:
            content = self._path(ledger, attempt).read_bytes()
            header = json.loads(content[:_HEADER].rstrip(b"\0"))
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            log.warning("the journal of attempt %s cannot be read: %s", attempt, error.strerror)
            return None
        if not isinstance(header, dict) or (header.get("ledger"), header.get("attempt")) != (ledger, attempt):
            return None
        same_boot = header["boot"] == _boot() != ""
        slots = {content[at : at + _NAME]: content[at : at + _SLOT] for at in range(_HEADER, len(content), _SLOT)}
        for_all = slots.get(_hash(EVERYBODY), b"")
        return [_outcome(name, slots.get(_hash(name), for_all), same_boot=same_boot) for name in names]

    def end(self, ledger: str, attempt: int) -> None:
        """Remove an attempt's journal, once what it says is in the ledger."""
        self._path(ledger, attempt).unlink(missing_ok=True)

    def reached(self, ledger: str) -> int:
        """Return the highest attempt that this installation ever made in that ledger; 0 for none."""
        try:
            return int(self._mark(ledger).read_text() or 0)
        except FileNotFoundError:
            return 0

    def reach(self, ledger: str, attempt: int) -> None:
        """Keep that an attempt is made. It stays true when the database is replaced by an older copy (F22)."""
        descriptor = os.open(self._mark(ledger), os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            if attempt > int(file.read() or 0):
                file.seek(0)
                file.write(str(attempt))

    def _mark(self, ledger: str) -> Path:
        return self.folder / f"reached-{ledger}"

    def _path(self, ledger: str, attempt: int) -> Path:
        return self.folder / f"attempt-{ledger[:8]}-{attempt}"


class Watcher:
    """Marks the readers of one attempt (`providers.Watch`)."""

    def __init__(self, memory: mmap.mmap, slots: Mapping[str, int], stopping: Stopping) -> None:
        self._memory = memory
        self._slots = slots
        self.stopping = stopping

    def handing_over(self, delivery_id: str) -> None:
        """Keep that from now on the other side may take the message."""
        self._memory[self._slots[delivery_id] + _NAME] = _HANDED_OVER

    def settled(self, outcome: Outcome) -> None:
        """Keep what became of a reader. The mark is stored last: without it the words do not count."""
        at = self._slots[outcome.delivery_id]
        words = outcome.detail.encode()[: _SLOT - _WORDS]
        self._memory[at + _WORDS : at + _WORDS + len(words)] = words
        self._memory[at + _NAME] = _MARKS[outcome.status]

    def close(self) -> None:
        """Let go of the file."""
        self._memory.close()


def _outcome(name: str, slot: bytes, *, same_boot: bool) -> Outcome:
    mark = slot[_NAME] if slot else _HANDED_OVER
    if status := _STATUSES.get(mark):
        said = slot[_WORDS:].rstrip(b"\0").decode(errors="replace")
        return Outcome(name, status, said, said[:200])
    if mark == _NOTHING and same_boot:
        return Outcome(name, Status.NOT_TRIED, "the worker stopped before this reader's turn")
    return Outcome(name, Status.UNCERTAIN, "the worker stopped before the answer came")


def _hash(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=_NAME).digest()


def _boot() -> str:
    """Return what tells this boot of the machine from others; "" where nothing does, so that no mark is relied on."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
