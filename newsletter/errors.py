"""What can go wrong in ways that a person can put right. The text of each error says how."""

from __future__ import annotations


class NewsletterError(Exception):
    """The base of every error whose text is meant for people; edges print it without a traceback."""


class ConfigurationError(NewsletterError, ValueError):
    """A setting, an address or a provider option is missing or wrong."""


class SchemaError(NewsletterError):
    """The database is missing, older or newer than this program."""


class NotFound(NewsletterError, LookupError):
    """Something was named that does not exist. `kind` and `name` say what."""

    def __init__(self, kind: str, name: str, hint: str = "") -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"There is no {kind} called {name!r}.{' ' + hint if hint else ''}")


class Refused(NewsletterError):
    """The request is understood, but the state of things does not allow it."""


class FetchError(NewsletterError, OSError):
    """A source could not be read. `url` is the address that was asked for.

    `status` is the server's (RFC 9110 section 15), None when it gave none; `retry_after` is in seconds, where the
    server said when to come back (section 10.2.3).
    """

    def __init__(self, url: str, sentence: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        self.url = url
        self.sentence = sentence
        self.status = status
        self.retry_after = retry_after
        super().__init__(f"{url}: {sentence}")


class ProviderRefused(NewsletterError):
    """The provider takes nothing from us until somebody changes something; no recipient was accepted."""

    def __init__(self, provider: str, sentence: str) -> None:
        self.provider = provider
        super().__init__(f"{provider}: {sentence}")
