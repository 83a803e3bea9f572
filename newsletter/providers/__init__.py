"""What carries mail. A provider has one duty: `send` one mail to some recipients and tell what became of each.

To add one, write a class with `send` and either name it in KINDS or give its import path in newsletter.toml
(docs/adding-a-provider.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from newsletter.mail import Mail, Outcome, Recipient


class Provider(Protocol):
    """Something that takes mail."""

    #: How many recipients one call of `send` may have. A crash leaves at most this many uncertain.
    chunk_size: int

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Send `mail` to each recipient and return one outcome for each, in order.

        Raises ProviderRefused only when no recipient was accepted and none will be until somebody acts (a wrong
        key, a refused sender). Whatever else happens is an outcome, so that an accepted mail is never forgotten.
        """
        ...


@runtime_checkable
class Checkable(Protocol):
    """A provider that can tell whether it would take mail, without sending any."""

    def check(self) -> str:
        """Return a sentence on what was found to work. Raises ProviderRefused with what to change."""
        ...
