"""What can go wrong in ways that a person can put right. The text of each error says how."""

from __future__ import annotations

import difflib
from collections.abc import Collection

#: Names that are listed where one was mistyped; a newsroom may have a hundred.
_LISTED = 8
#: How much of two names must be the same for one to be meant by the other (difflib's ratio, 0 to 1).
_ALIKE = 0.7


class NewsletterError(Exception):
    """The base of every error whose text is meant for people; edges print it without a traceback."""


class ConfigurationError(NewsletterError, ValueError):
    """A setting, an address or a provider option is missing or wrong."""


class SchemaError(NewsletterError):
    """The database is missing, older or newer than this program."""


class NotFound(NewsletterError, LookupError):
    """Something was named that does not exist. `kind` and `name` say what.

    The text offers the `known` names, the nearest first, and asks whether the nearest was meant, or `likely`.
    """

    def __init__(self, kind: str, name: str, hint: str = "", *, known: Collection[str] = (), likely: str = "") -> None:
        self.kind = kind
        self.name = name
        likely = likely or meant(name, known)
        sentences = (f"Did you mean {likely}?" if likely else "", _listed(kind, name, known), hint)
        advice = " ".join(filter(None, sentences))
        super().__init__(f"There is no {kind} called {name!r}.{' ' + advice if advice else ''}")


def nearest(name: str, known: Collection[str]) -> list[str]:
    """Return all the known names, those most like `name` first; capitals count for nothing."""
    return sorted(known, key=lambda one: (-_likeness(name, one), one))


def meant(name: str, known: Collection[str]) -> str:
    """Return the known name that a mistyped one most likely means, or nothing."""
    first = next(iter(nearest(name, known)), "")
    return first if first and _likeness(name, first) >= _ALIKE else ""


def _likeness(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, name.casefold(), other.casefold()).ratio()


def _listed(kind: str, name: str, known: Collection[str]) -> str:
    """Return the first of the names that exist, or nothing where there are none."""
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"{kind.capitalize()}s: {', '.join(nearest(name, known)[:_LISTED])}{more}." if known else ""


class Refused(NewsletterError):
    """The request is understood, but the state of things does not allow it."""


class FetchError(NewsletterError, OSError):
    """A source could not be read. `url` is the address that was asked for.

    `status` is the server's (RFC 9110 section 15), None when it gave none; `retry_after` is in seconds, where the
    server said when to come back (section 10.2.3). Not `asked`: its host rests or is busy, so no request was made.
    """

    def __init__(
        self,
        url: str,
        sentence: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        asked: bool = True,
    ) -> None:
        self.url = url
        self.sentence = sentence
        self.status = status
        self.retry_after = retry_after
        self.asked = asked
        super().__init__(f"{url}: {sentence}")


class ProviderRefused(NewsletterError):
    """The provider takes nothing from us until somebody changes something; no recipient was accepted."""

    def __init__(self, provider: str, sentence: str) -> None:
        self.provider = provider
        super().__init__(f"{provider}: {sentence}")
