"""What can go wrong with readers and lists in ways that a person can put right."""

from __future__ import annotations

_SHOWN = 100


class SubscriberError(Exception):
    """The base of every error of this package whose text is meant for people."""


class InvalidAddress(SubscriberError, ValueError):
    """An e-mail address cannot be used. `address` is what was given, `reason` says why."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        self.reason = reason
        shown = address if len(address) <= _SHOWN else address[:_SHOWN] + "…"
        super().__init__(f"{shown!r} cannot be used as an e-mail address: {reason}")


class InvalidToken(SubscriberError, ValueError):
    """A link's token is damaged, was made for something else, or has expired."""


class UnknownList(SubscriberError, LookupError):
    """No mailing list has this name."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        super().__init__(f"There is no list called {slug!r}. `newsletter list show` names those that exist.")


class TransferError(SubscriberError, ValueError):
    """A file of subscribers cannot be read at all (single bad rows are reported, not raised)."""
