"""What the mail goes to, each with its record of what it took: the truth that the ledger is compared with."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from newsletter.app import App
from newsletter.feedback import take_in
from newsletter.providers.events import Reporting
from newsletter.testing.sendgrid import API_KEY, Fault, SimulatorProcess, simulator_process


class Side(Protocol):
    """What took the mail. Nothing that happens to the sender changes what it knows."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The settings of the provider that sends to it."""
        ...

    def taken(self) -> Counter[str]:
        """Return how many mails went towards each reader, by the delivery's name."""
        ...

    def advance(self, seconds: float) -> None:
        """Let time pass for what knows of time."""
        ...


class SmtpSide:
    """A mail server in a process of its own."""

    def __init__(self, port: int, record: Path) -> None:
        self._port = port
        self._record = record

    @property
    def options(self) -> Mapping[str, Any]:
        return {"use": "smtp", "host": "127.0.0.1", "port": self._port, "security": "none", "connections": 2}

    def taken(self) -> Counter[str]:
        return Counter(self._record.read_text().split())

    def forget(self) -> None:
        """Forget what was taken."""
        os.truncate(self._record, 0)

    def advance(self, seconds: float) -> None:
        """What is taken is sent."""


class MaildirSide:
    """A folder. A file in new/ is a mail that was taken."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def options(self) -> Mapping[str, Any]:
        return {"use": "maildir", "path": str(self._path)}

    def taken(self) -> Counter[str]:
        return Counter(path.name.split(".")[-2] for path in (self._path / "new").glob("*"))

    def advance(self, seconds: float) -> None:
        """What is taken is there."""


class SendGridSide:
    """The simulator in a process of its own."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        self.simulator = simulator

    @property
    def options(self) -> Mapping[str, Any]:
        return {
            "use": "sendgrid",
            "host": self.simulator.url,
            "api_key": API_KEY,
            "webhook_keys": [self.simulator.public_key],
        }

    def taken(self) -> Counter[str]:
        return self.simulator.left_by("delivery_id")

    def advance(self, seconds: float) -> None:
        self.simulator.advance(seconds)

    def report(self, app: App) -> int:
        """Bring every event that is due into the ledger, as the webhook's page does; return how many there were."""
        provider = app.provider
        assert isinstance(provider, Reporting)
        count = 0
        now = datetime.fromtimestamp(self.simulator.counts()["now"], UTC)
        for headers, body in self.simulator.events():
            events = provider.events({name.lower(): value for name, value in headers.items()}, body, now)
            take_in(app.db, app.settings.provider.use, events, now)
            count += len(events)
        return count


@contextmanager
def smtp_side(*, slow: float = 0.0) -> Iterator[SmtpSide]:
    """Run the mail server until the end of the block; it also ends when this process does."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "taken"
        record.touch()
        command = [sys.executable, "-m", "tests.faults.smtp_side", str(record), "--slow", str(slow)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield SmtpSide(int(process.stdout.readline()), record)
            finally:
                process.kill()


@contextmanager
def maildir_side() -> Iterator[MaildirSide]:
    """Make a folder until the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        yield MaildirSide(Path(folder) / "mail")


@contextmanager
def sendgrid_side(*faults: Fault) -> Iterator[SendGridSide]:
    """Run the simulator until the end of the block, with these faults from the beginning."""
    with simulator_process() as simulator:
        simulator.fail(*faults)
        yield SendGridSide(simulator)
