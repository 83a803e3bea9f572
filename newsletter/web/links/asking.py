"""What follows on the preferences page when an inbox has to be proved: a mail with a link, after the answer is out.

Whether an address may be written to is looked up after the answer: its time, as its words, are the same for every
address (threat 12).
"""

from __future__ import annotations

import logging

from fastapi import BackgroundTasks
from sqlmodel import Session
from starlette.background import BackgroundTask

from newsletter import letters
from newsletter.errors import NewsletterError
from newsletter.providers.events import Suppressing
from newsletter.signup import may_mail
from newsletter.signup.door import count_mail_wish
from newsletter.web.shown import ReaderShown
from newsletter.web.site import Site
from newsletter.wording import phrase
from subscribers import requests
from subscribers.addresses import Address, parse_address
from subscribers.errors import InvalidAddress
from subscribers.models import RequestKind, Subscriber
from subscribers.suppression import is_barred

log = logging.getLogger(__name__)

#: The words of the sign-up form.
_BUSY = phrase(
    "Many sign-ups have come from your network within the hour, so we take no more from there for now. Nothing is "
    "wrong with your address. Please try again in an hour."
)


class NotAsked(Exception):
    """The form cannot be taken, for a reason that the page tells as a sentence."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status


def ask_for_address(
    site: Site, session: Session, reader: ReaderShown, text: str, background: BackgroundTasks, *, ip: str
) -> None:
    """Ask, after the answer, at the address that a reader typed whether it is theirs. Raises NotAsked.

    It is a mail to whom somebody in the network of `ip` likes, as a sign-up is, so it is counted with those.
    """
    say = reader.wording.say
    try:
        address = parse_address(text)
    except InvalidAddress as error:
        # Whole sentences, those of the sign-up form: what is wrong cannot be put into another language piece by piece.
        raise NotAsked(say(f"Please check the address: {error.reason}"), 422) from error
    if not requests.may_ask(session, RequestKind.ADDRESS, reader.subscriber_id, site.clock()):
        raise NotAsked(say(phrase("You have asked several times today. Please try again tomorrow.")), 429)
    if not count_mail_wish(session, site.door.rules, ip, site.clock()):
        raise NotAsked(say(_BUSY), 429)
    background.add_task(_take_in, site, RequestKind.ADDRESS, reader.subscription_id, address)


def ask_for_data(site: Site, session: Session, reader: ReaderShown, background: BackgroundTasks) -> None:
    """Send, after the answer, the link to what is known of a reader; a second time in a day nothing follows.

    Nor does it for as long as a change of their address can be undone, which the page says.
    """
    now = site.clock()
    too_early = requests.data_from(session, reader.subscriber_id, now) > now
    if not too_early and requests.may_ask(session, RequestKind.DATA, reader.subscriber_id, now):
        background.add_task(_take_in, site, RequestKind.DATA, reader.subscription_id, None)


def sending(site: Site, request_id: int) -> BackgroundTask:
    """Return what sends the mail of one request after an answer."""
    return BackgroundTask(send_now, site, request_id)


def send_now(site: Site, request_id: int) -> None:
    """Send the mail of one request. What cannot be sent now waits for the scheduler."""
    try:
        letters.send_requests(
            site.db,
            site.provider,
            site.renderer,
            site.signer,
            base_url=site.base_url,
            now=site.clock(),
            only=request_id,
        )
    except NewsletterError as error:
        log.warning("the mail of a reader's request waits: %s", error)


def lift_at_provider(site: Site, subscriber_id: int) -> None:
    """Let the provider write again, too, where it keeps a list of its own of addresses to which mail came back."""
    if not isinstance(site.provider, Suppressing):
        return
    with site.db.reading() as session:
        address = session.get_one(Subscriber, subscriber_id).address
    try:
        site.provider.lift(address)
    except NewsletterError as error:
        log.warning("the provider still keeps subscriber %s from being written to: %s", subscriber_id, error)


def _take_in(site: Site, kind: RequestKind, subscription_id: int, address: Address | None) -> None:
    """Store a request and send its mail. A failure is logged: an exception here would only cut the connection."""
    try:
        if request_id := _store(site, kind, subscription_id, address):
            send_now(site, request_id)
    except Exception:
        log.exception("a reader's request could not be dealt with")


def _store(site: Site, kind: RequestKind, subscription_id: int, address: Address | None) -> int | None:
    """Store a request. One for an address that may not be written to counts as any other, and has no mail."""
    now = site.clock()
    with site.db.transaction() as session:
        request_id = requests.ask(session, kind, subscription_id, now, address)
        if request_id is not None and address is not None and not _may_write(site, session, address):
            requests.drop(session, request_id, now)
            return None
    return request_id


def _may_write(site: Site, session: Session, address: Address) -> bool:
    barred = is_barred(session, address.key, site.hashes)
    return not barred and may_mail(session, address.key, site.hashes, site.clock())
