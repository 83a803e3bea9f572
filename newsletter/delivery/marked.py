"""Sending one marked test of an issue's mail. The ledger is not touched, and the links in it can change nothing."""

from __future__ import annotations

import uuid
from datetime import datetime

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
) -> Outcome:
    """Send the mail to `to` with a mark in its subject and return the provider's answer.

    Raises InvalidAddress for what is no address, and ProviderRefused as the provider does.
    """
    address = parse_address(to).typed
    test_id = uuid.uuid4().hex
    marked = with_list_headers(
        renderer.test_marked(mail, identity_of(edition)), edition, mailing_list, issue.week, base_url
    )
    values = example_values(address, test_id, edition, base_url, now)
    return provider.send(marked, [Recipient(test_id, address, "", values)])[0]


def example_values(
    address: str,
    test_id: str,
    edition: Edition,
    base_url: str,
    now: datetime,
    *,
    name: str = EXAMPLE_NAME,
    new: bool = True,
) -> dict[str, str]:
    """Return what fills the holes of a test or a preview: for a reader of this name, who is new to the list or not."""
    return {
        "address": address,
        "name": name,
        "new": "yes" if new else "",
        "since": day_in_words(now, edition),
        "token": TEST_TOKEN,
        "unsubscribe_url": f"{base_url}/u/{TEST_TOKEN}",
        "preferences_url": f"{base_url}/p/{TEST_TOKEN}",
        "delivery_id": test_id,
    }
