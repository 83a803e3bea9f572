"""What authors of sources and providers test with: a provider that keeps mail, a source that has what it is given.

`newsletter.testing.sendgrid` is a simulator of SendGrid's API, for tests of anything that sends through it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from newsletter.errors import FetchError, NewsletterError, ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status, header_text
from newsletter.providers import refuse_or_stop
from newsletter.providers.message import ascii_address, refuse_unsendable
from newsletter.sources import Fetched, Item, Previous


@dataclass(frozen=True)
class Sent:
    """A mail as one reader gets it: subject and name fit for a header, the address as an envelope has it."""

    delivery_id: str
    address: str
    name: str
    subject: str
    html: str
    text: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Scripted:
    """What a provider does with one mail. `arrives` None means: exactly when it is accepted.

    Set it for Status.UNCERTAIN, where only the provider knows.
    """

    status: Status
    detail: str = "scripted"
    retry_after: float | None = None
    arrives: bool | None = None


class MemoryProvider:
    """Keeps what it is given in `sent`, and answers as scripted; unscripted mail is accepted.

    `calls` has the delivery ids of each call of `send`, `refusal` makes every call raise ProviderRefused.
    """

    def __init__(self, *, chunk_size: int = 100) -> None:
        self.chunk_size = chunk_size
        self.sent: list[Sent] = []
        self.calls: list[list[str]] = []
        self.refusal = ""
        self._scripts: dict[str, list[Scripted | ProviderRefused]] = {}

    def script(self, address: str, *steps: Scripted | Status | ProviderRefused) -> None:
        """Say what happens to the next mails to `address`, one step a mail; after the last step they are accepted.

        ProviderRefused stands for a refusal that starts with this mail.
        """
        made = (Scripted(step) if isinstance(step, Status) else step for step in steps)
        self._scripts.setdefault(address, []).extend(made)

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Return the scripted outcome for each recipient. Raises ProviderRefused as the protocol says."""
        refuse_unsendable("memory", mail)
        self.calls.append([recipient.delivery_id for recipient in recipients])
        if self.refusal:
            raise ProviderRefused("memory", self.refusal)
        outcomes: list[Outcome] = []
        for position, recipient in enumerate(recipients):
            step = self._next_step(recipient)
            if isinstance(step, ProviderRefused):
                return outcomes + refuse_or_stop(step, outcomes, recipients[position:])
            if step.arrives if step.arrives is not None else step.status is Status.ACCEPTED:
                self.sent.append(_as_sent(mail, recipient))
            outcomes.append(Outcome(recipient.delivery_id, step.status, step.detail, retry_after=step.retry_after))
        return outcomes

    def check(self) -> str:
        """Raise ProviderRefused when a refusal is set."""
        if self.refusal:
            raise ProviderRefused("memory", self.refusal)
        return "Mail is kept in memory."

    def _next_step(self, recipient: Recipient) -> Scripted | ProviderRefused:
        try:
            ascii_address(recipient.address)
        except NewsletterError as error:
            return Scripted(Status.REJECTED, str(error))
        steps = self._scripts.get(recipient.address)
        return steps.pop(0) if steps else Scripted(Status.ACCEPTED, "kept")


class StaticSource:
    """A source that has the items it was given last. It answers a repeated fetch with `not_modified`, as servers do."""

    def __init__(
        self, items: Iterable[Item] = (), *, url: str = "https://source.example.org/", title: str = ""
    ) -> None:
        self.url = url
        self.title = title
        self.items = tuple(items)
        #: A sentence: every fetch raises FetchError with it.
        self.failure = ""
        #: What each fetch was told about the one before.
        self.fetches: list[Previous] = []

    def fetch(self, previous: Previous) -> Fetched:
        """Return the items. Raises FetchError when a failure is set."""
        self.fetches.append(previous)
        if self.failure:
            raise FetchError(self.url, self.failure)
        etag = f'"{hashlib.sha256(repr(self.items).encode()).hexdigest()[:16]}"'
        if previous.etag == etag:
            return Fetched(etag=etag, not_modified=True, title=self.title)
        return Fetched(items=self.items, etag=etag, title=self.title)


def _as_sent(mail: Mail, recipient: Recipient) -> Sent:
    values = recipient.values
    return Sent(
        delivery_id=recipient.delivery_id,
        address=ascii_address(recipient.address),
        name=header_text(recipient.name),
        subject=header_text(mail.subject),
        html=mail.html_for(values),
        text=mail.text_for(values),
        headers=mail.headers_for(values),
    )
