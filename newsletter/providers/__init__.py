"""What carries mail. A provider has one duty: `send` one mail to some recipients and tell what became of each.

To add one, write a class with `send` and either name it in KINDS or give its import path in newsletter.toml
(docs/adding-a-provider.md).
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, get_type_hints, runtime_checkable

from pydantic import ConfigDict, ValidationError, create_model

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status, outcome_for_all

#: What `use` may say, besides the import path of a class.
KINDS = {
    "maildir": "newsletter.providers.maildir:MaildirProvider",
    "smtp": "newsletter.providers.smtp:SmtpProvider",
    "sendgrid": "newsletter.providers.sendgrid:SendGridProvider",
    "ses": "newsletter.providers.ses:SesProvider",
    "mailgun": "newsletter.providers.mailgun:MailgunProvider",
    "postmark": "newsletter.providers.postmark:PostmarkProvider",
    "resend": "newsletter.providers.resend:ResendProvider",
    "brevo": "newsletter.providers.brevo:BrevoProvider",
}


class Provider(Protocol):
    """Something that takes mail. `send` may be called by several threads at once.

    What it keeps open between two calls, such as connections, it closes in `close`, if it has one (Closing).
    """

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


class Watch(Protocol):
    """Who is told how far each reader's message is, while a call of `send_watched` is under way. Cheap to call."""

    def handing_over(self, delivery_id: str) -> None:
        """Keep that from now on the other side may take the message; called before its last byte is sent."""
        ...

    def settled(self, outcome: Outcome) -> None:
        """Keep what became of a reader; called as soon as it is known."""
        ...

    def stopping(self) -> bool:
        """Tell whether the process is to end: who was not handed over is not tried any more."""
        ...


class Unwatched:
    """A watch that keeps nothing and never stops: for a call that nobody watches."""

    def handing_over(self, delivery_id: str) -> None:
        """Keep nothing."""

    def settled(self, outcome: Outcome) -> None:
        """Keep nothing."""

    def stopping(self) -> bool:
        """Tell that nothing is to stop."""
        return False


@runtime_checkable
class Ramping(Protocol):
    """A provider whose new accounts begin with small calls: their size grows with success, up to `chunk_size`."""

    #: How many recipients the first call may have; 0 for an account that is known.
    first_chunk: int


@runtime_checkable
class Watched(Protocol):
    """A provider that hands over one reader after the other, so that a crash need not leave a whole chunk uncertain."""

    def send_watched(self, mail: Mail, recipients: Sequence[Recipient], watch: Watch) -> list[Outcome]:
        """Do as `send`, and tell `watch` about each reader, in any order: handed over at most once, then settled."""
        ...


@runtime_checkable
class Scheduling(Protocol):
    """A provider that takes mail for a time to come, and gives it back until shortly before."""

    #: A batch is surely given back until this long before its time, and is taken at most that long ahead.
    cancel_before: timedelta
    schedule_ahead: timedelta
    #: How many batches may be cancelled and still wait for their time.
    max_cancelled: int

    def new_batch(self) -> str:
        """Return the id of a new batch. Raises ProviderRefused or OSError; then nothing was sent."""
        ...

    def schedule(self, mail: Mail, recipients: Sequence[Recipient], batch: str, at: datetime) -> list[Outcome]:
        """Do as `send`, for a time to come: accepted means that the provider sends it at `at`, unless cancelled."""
        ...

    def cancel(self, batch: str) -> bool:
        """Cancel the batch and ask whether it is; True when the provider says so, and only then."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A provider that keeps something open between two calls."""

    def close(self) -> None:
        """Close it. The provider can be used again, and opens what it needs."""
        ...


def load_provider(use: str, options: Mapping[str, object]) -> Provider:
    """Return the provider that `use` names, a key of KINDS or "module:Class", made with `options`.

    The constructor's parameters and their types say what the options are; text is converted, since values
    from the environment are text. Raises ConfigurationError with a sentence for each option that is unknown,
    missing or wrong.
    """
    kind = _import(use)
    values = _validated(use, kind, options)
    provider = kind(**values)
    if not callable(getattr(provider, "send", None)) or not isinstance(getattr(provider, "chunk_size", None), int):
        raise ConfigurationError(f"provider.use: {use} is no provider; it needs `send` and `chunk_size`.")
    return provider  # type: ignore[no-any-return] # checked above, as far as can be without calling it


def refuse_or_stop(refusal: ProviderRefused, outcomes: Sequence[Outcome], rest: Sequence[Recipient]) -> list[Outcome]:
    """Return `rest` as not tried when somebody before was accepted, or may have been; raise `refusal` otherwise.

    The one way to end a call of `send` that met a refusal half-way: nothing accepted is forgotten.
    """
    if all(outcome.status not in {Status.ACCEPTED, Status.UNCERTAIN} for outcome in outcomes):
        raise refusal
    return outcome_for_all(rest, Status.NOT_TRIED, str(refusal))


def is_this_machine(host: str) -> bool:
    """Tell whether `host` surely names this machine, so that what is sent there crosses no network."""
    return re.fullmatch(r"localhost|127(\.\d{1,3}){3}|::1", host) is not None


def _import(use: str) -> type[Any]:
    path = KINDS.get(use, use)
    if not re.fullmatch(r"\w+(\.\w+)*:\w+", path):
        known = ", ".join(KINDS)
        raise ConfigurationError(f"provider.use: there is no provider {use!r}. Known: {known}, or module:Class.")
    module_name, _, class_name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"provider.use: {use} cannot be imported: {error}.") from error
    if not isinstance(found, type):
        raise ConfigurationError(f"provider.use: {use} is not a class.")
    return found


def _validated(use: str, kind: type[Any], options: Mapping[str, object]) -> dict[str, Any]:
    """Return the options converted to the types of the constructor's parameters."""
    hints = get_type_hints(kind.__init__, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(kind).parameters.items()
    }
    model = create_model("Options", __config__=ConfigDict(extra="forbid"), **fields)
    try:
        given = model(**options)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_sentences(use, list(fields), error))) from None
    return {name: getattr(given, name) for name in given.model_fields_set}


def _sentences(use: str, known: list[str], error: ValidationError) -> list[str]:
    """Return a sentence for each wrong option. None shows the value: it may be a password."""
    sentences = []
    for detail in error.errors(include_input=False, include_url=False, include_context=False):
        name = str(detail["loc"][0])
        if detail["type"] == "missing":
            sentences.append(
                f"provider.{name} is missing: {use} needs it. Write it under [provider] in newsletter.toml, "
                f"or set NEWSLETTER_PROVIDER__{name.upper()}."
            )
        elif detail["type"] == "extra_forbidden":
            others = f"Known: {', '.join(known)}." if known else "It has none."
            sentences.append(f"provider.{name}: {use} has no such option. {others}")
        else:
            sentences.append(f"provider.{name} is wrong: {detail['msg'].removeprefix('Value error, ')}.")
    return sentences
