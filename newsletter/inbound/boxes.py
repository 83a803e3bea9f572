"""Where messages come from, and where they go: a maildir or one at a time, and a folder for what nobody understood.

A message is dealt with first and moved afterwards. When that breaks off in between it is dealt with again, which
changes nothing.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from newsletter.errors import NewsletterError
from newsletter.inbound.acting import Did, Done
from newsletter.inbound.reading import MAX_BYTES

_FOLDERS = ("tmp", "new", "cur")
#: In a file's name in `cur`: seen (https://cr.yp.to/proto/maildir.html).
_SEEN = ":2,S"

#: What deals with a message's bytes.
Deal = Callable[[bytes], Done]


class Unwritable(NewsletterError, OSError):
    """A folder for mail cannot be used; the message stays where it was."""


@dataclass(frozen=True)
class Message:
    """One message that was dealt with: its file's name, and what it led to."""

    file: str
    done: Done


def deal_with(maildir: Path, quarantine: Path, deal: Deal) -> Iterator[Message]:
    """Deal with each message in a maildir's `new`, the oldest first, and yield what it led to.

    It is moved to `cur` as seen, or into the maildir `quarantine`. Raises Unwritable.
    """
    if not (maildir / "new").is_dir():
        raise Unwritable(f"{maildir} is no maildir: it has no folder `new`.")
    _make(maildir)
    _make(quarantine)
    for file in sorted(one for one in (maildir / "new").iterdir() if one.is_file() and not one.name.startswith(".")):
        try:
            data = _bytes_of(file)
        except FileNotFoundError:  # another process deals with it
            continue
        done = deal(data)
        if done.did is Did.KEPT:
            _move(file, quarantine / "new" / file.name)
        else:
            _move(file, maildir / "cur" / f"{file.name.partition(':')[0]}{_SEEN}")
        yield Message(file.name, done)


def deal_with_one(stream: BinaryIO, quarantine: Path, deal: Deal) -> Message:
    """Deal with the message in a stream. It is on disk before anything is done, and stays there when it is kept.

    Raises Unwritable; then nothing was done.
    """
    _make(quarantine)
    file = quarantine / "tmp" / f"{secrets.token_hex(16)}.eml"
    try:
        _write(stream, file)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise Unwritable(f"{quarantine} cannot be written to: {error.strerror}.") from error
    try:
        done = deal(_bytes_of(file))
    except BaseException:
        file.unlink(missing_ok=True)  # the server has it still, and brings it again
        raise
    if done.did is Did.KEPT:
        _move(file, quarantine / "new" / file.name)
    else:
        file.unlink()
    return Message(file.name, done)


def _bytes_of(file: Path) -> bytes:
    """Return a message's bytes, of a large one only as many as it takes to see that it is too large."""
    with file.open("rb") as message:
        return message.read(MAX_BYTES + 1)


def _make(maildir: Path) -> None:
    try:
        for name in _FOLDERS:
            (maildir / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritable(f"{maildir} cannot be written to: {error.strerror}.") from error


def _move(file: Path, to: Path) -> None:
    """Move a message, to another disk too; it is never gone in between. Raises Unwritable."""
    try:
        try:
            file.rename(to)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            partly = to.parent.parent / "tmp" / f"{secrets.token_hex(16)}.eml"
            with file.open("rb") as message:
                _write(message, partly)
            partly.rename(to)
            _sync(to.parent)
            file.unlink()
        _sync(to.parent)
    except OSError as error:
        raise Unwritable(f"{file.name} cannot be moved to {to.parent}: {error.strerror}.") from error


def _write(stream: BinaryIO, to: Path) -> None:
    """Write a new file that survives a power cut, once its folder is synced; only its owner may look."""
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
        shutil.copyfileobj(stream, copy)
        copy.flush()
        os.fsync(copy.fileno())


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
