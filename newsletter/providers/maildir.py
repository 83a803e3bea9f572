"""The provider that needs no keys: every mail becomes a file in a maildir, to be read by any mail program.

Written by hand because `mailbox.Maildir` neither lets us name the delivery in the file's name nor makes the new
directory entry durable: it syncs the file but not the folder, so a power cut can take back what was accepted.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field

from newsletter.errors import NewsletterError, ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status, outcome_for_all
from newsletter.providers import Unwatched, Watch, refuse_or_stop
from newsletter.providers.message import build, refuse_unsendable

_NAME = "maildir"


class MaildirProvider:
    """Writes mails into the maildir `path`, which it makes. Only its owner may look: readers' addresses are in there.

    It never checks whether a delivery is already there: the ledger keeps mails from being sent twice, and here a
    second copy must show (the file names share the delivery's id).
    """

    def __init__(self, *, path: Path, chunk_size: Annotated[int, Field(ge=1)] = 100) -> None:
        self.path = path
        self.chunk_size = chunk_size

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Write one file a recipient into new/; accepted means that it survives a power cut.

        Raises ProviderRefused when the mail cannot be sent at all, or nothing can be written from the start.
        """
        return self.send_watched(mail, recipients, Unwatched())

    def send_watched(self, mail: Mail, recipients: Sequence[Recipient], watch: Watch) -> list[Outcome]:
        """Do as `send`, and tell `watch` about each reader."""
        refuse_unsendable(_NAME, mail)
        self._make_folders()
        now = datetime.now(UTC)
        outcomes: list[Outcome] = []
        for position, recipient in enumerate(recipients):
            if watch.stopping():
                return outcomes + outcome_for_all(recipients[position:], Status.NOT_TRIED, "the process is to end")
            try:
                data = build(mail, recipient, date=now)
            except NewsletterError as error:
                outcomes.append(Outcome(recipient.delivery_id, Status.REJECTED, str(error)))
                continue
            watch.handing_over(recipient.delivery_id)
            try:
                outcomes.append(self._deliver(recipient, data, now))
            except OSError as error:
                return outcomes + refuse_or_stop(self._unwritable(error), outcomes, recipients[position:])
            watch.settled(outcomes[-1])
        return outcomes

    def check(self) -> str:
        """Write a file and remove it again. Raises ProviderRefused when that fails."""
        self._make_folders()
        probe = self.path / "tmp" / f"check.{secrets.token_hex(8)}"
        try:
            _write(probe, b"")
            probe.unlink()
        except OSError as error:
            raise self._unwritable(error) from error
        return f"Mail is written into the maildir {self.path}."

    def _deliver(self, recipient: Recipient, data: bytes, now: datetime) -> Outcome:
        """Put the message into new/. Raises OSError when it did not get there."""
        name = _file_name(recipient.delivery_id, now)
        temporary = self.path / "tmp" / name
        try:
            _write(temporary, data)
            temporary.rename(self.path / "new" / name)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        try:
            _sync_folder(self.path / "new")
        except OSError as error:
            detail = f"{name} was written, but may not survive a power cut: {error.strerror}"
            return Outcome(recipient.delivery_id, Status.UNCERTAIN, detail, name)
        return Outcome(recipient.delivery_id, Status.ACCEPTED, "written", name)

    def _make_folders(self) -> None:
        try:
            for name in ("cur", "new", "tmp"):
                (self.path / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ProviderRefused:
        reason = error.strerror or error
        return ProviderRefused(
            _NAME, f"cannot write into {self.path}: {reason}. Free space there or change provider.path."
        )


def _file_name(delivery_id: str, now: datetime) -> str:
    """Return a name that no other message has. It begins with the time, as maildirs' names do, and ends like a mail."""
    safe_id = re.sub(r"[^A-Za-z0-9_-]", "_", delivery_id)
    return f"{int(now.timestamp())}.R{secrets.token_hex(8)}.{safe_id}.eml"


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
