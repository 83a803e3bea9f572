"""A provider in whose call something else happens: a worker that dies, a reader who leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from newsletter.mail import Mail, Outcome, Recipient
from newsletter.testing import MemoryProvider


class HookedProvider(MemoryProvider):
    """Does something in the middle of its first call."""

    def __init__(self, hook: Callable[[], object]) -> None:
        super().__init__()
        self.hook = hook

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        if not self.calls:
            self.hook()
        return super().send(mail, recipients)
