"""Sending one marked test of an issue's mail. The ledger is not touched, and the links in it can change nothing."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter.delivery.message import day_in_words, with_list_headers
from newsletter.identity import identity_of
from newsletter.mail import Mail, Outcome, Recipient
from newsletter.models import Edition, Issue
from newsletter.providers import Provider
from newsletter.render import Renderer
from subscribers.addresses import parse_address
from subscribers.models import MailingList

#: Stands where a reader's token would. No signature matches it, so the pages behind the links explain themselves.
TEST_TOKEN = "test"  # noqa: S105 - public by design
#: The reader of a test or a preview, for whom every part of a mail that greets somebody is shown.
EXAMPLE_NAME = "Kim Example"
#: How long a reader of a test or a preview has been on the list who is not new.
_LONG = timedelta(days=365)


@dataclass(frozen=True)
class ExampleReader:
    """Whom a test or a preview is made for: what a mail shows to some readers only depends on these."""

    name: str = EXAMPLE_NAME
    new: bool = False


#: What an editor calls them -> the readers that a mail can be looked at for. Most readers are like the first.
EXAMPLES: Mapping[str, ExampleReader] = {
    "known": ExampleReader(),
    "new": ExampleReader(new=True),
    "nameless": ExampleReader(name=""),
}


def send_test(
    mail: Mail,
    issue: Issue,
    edition: Edition,
    mailing_list: MailingList,
    *,
    to: str,
    renderer: Renderer,
    provider: Provider,
    base_url: str,
    now: datetime,
    reader: ExampleReader = EXAMPLES["known"],
) -> Outcome:
    """Send the mail to `to` with a mark in its subject, as the `reader` gets it, and return the provider's answer.

    Raises InvalidAddress for what is no address, and ProviderRefused as the provider does.
    """
    address = parse_address(to).typed
    test_id = uuid.uuid4().hex
    marked = with_list_headers(
        renderer.test_marked(mail, identity_of(edition)), edition, mailing_list, issue.week, base_url
    )
    values = example_values(address, test_id, edition, base_url, now, name=reader.name, new=reader.new)
    return provider.send(marked, [Recipient(test_id, address, "", values)])[0]


def example_values(
    address: str,
    test_id: str,
    edition: Edition,
    base_url: str,
    now: datetime,
    *,
    name: str = EXAMPLE_NAME,
    new: bool = False,
) -> dict[str, str]:
    """Return what fills the holes of a test or a preview: for a reader of this name, who is new to the list or not.

    One who is not new has been on it for a year.
    """
    return {
        "address": address,
        "name": name,
        "new": "yes" if new else "",
        "since": day_in_words(now if new else now - _LONG, edition),
        "token": TEST_TOKEN,
        "unsubscribe_url": f"{base_url}/u/{TEST_TOKEN}",
        "preferences_url": f"{base_url}/p/{TEST_TOKEN}",
        "delivery_id": test_id,
    }


def who_else(mail: Mail, reader: ExampleReader, values: Mapping[str, str]) -> list[str]:
    """Return by their names in EXAMPLES the readers who get parts that this one does not, or lack some that it gets.

    `values` fill the holes; those that `reader` decides make no difference here.
    """
    copies = {one: _copy(mail, EXAMPLES[one], values) for one in EXAMPLES}
    own = _copy(mail, reader, values)
    return [one for one, copy in copies.items() if copy != own]


def _copy(mail: Mail, reader: ExampleReader, values: Mapping[str, str]) -> tuple[str, str]:
    """Return html and text as a reader gets them, but for what is only said of each in other words, such as the day."""
    own = {**values, "name": reader.name, "new": "yes" if reader.new else ""}
    return mail.html_for(own), mail.text_for(own)
