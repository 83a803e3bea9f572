"""The pages over a real database, without a server (`client`) and with one on loopback (`served`)."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from lxml import html as lxml_html
from sqlmodel import SQLModel, col, select

from newsletter.db import Database
from newsletter.mail import Mail
from newsletter.models import Issue, IssueState
from newsletter.render import Renderer
from newsletter.signup.door import Door, Rules
from newsletter.testing import MemoryProvider, Sent
from newsletter.web import make_server, make_web
from newsletter.web.signups import SignUps
from newsletter.web.site import Site
from subscribers import requests
from subscribers.addresses import parse_address
from subscribers.hashes import KeyedHash
from subscribers.models import Consent, RequestKind, Subscription, SubscriptionState
from subscribers.tokens import Purpose, Signer
from tests import builders, mail_fixtures

BASE_URL = "https://news.example.org"
SECRET = "a secret of more than thirty-two characters"


@dataclass
class Clock:
    """A clock that stands until a test moves it."""

    now: datetime = builders.NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class TestSite:
    """A newsroom with the edition `fen-weekly`, its pages, and the mail they send."""

    __test__ = False

    db: Database
    room: builders.Newsroom
    base_url: str = BASE_URL
    templates: Path | None = None
    clock: Clock = field(default_factory=Clock)
    provider: MemoryProvider = field(default_factory=MemoryProvider)
    signer: Signer = field(default_factory=lambda: Signer([SECRET]))
    hashes: KeyedHash = field(default_factory=lambda: KeyedHash([SECRET]))
    rules: Rules = field(default_factory=Rules)
    editors: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.app: FastAPI = make_web(
            db=self.db,
            provider=self.provider,
            renderer=Renderer(),
            signer=self.signer,
            hashes=self.hashes,
            base_url=self.base_url,
            clock=self.clock,
            templates=self.templates,
            rules=self.rules,
            editors=self.editors,
        )
        self.app.state.sign_ups = SignUps(most_waiting=0)
        self.client = TestClient(
            self.app,
            base_url=self.base_url,
            follow_redirects=False,
            raise_server_exceptions=False,
            client=("203.0.113.77", 50000),
        )

    @property
    def door(self) -> Door:
        """What the pages' forms pass."""
        site: Site = self.app.state.site
        return site.door

    def sign_up(self, address: str, *, path: str = "/editions/fen-weekly", ip: str = "", **more: str) -> Response:
        """Fill the form in as a person does, who takes five seconds, and send it; `ip` is where from."""
        client = TestClient(self.app, base_url=self.base_url, client=(ip, 50000)) if ip else self.client
        [token] = lxml_html.fromstring(client.get(path).text).xpath("//input[@name='token']/@value")
        self.clock.now += timedelta(seconds=5)
        return client.post(path, data={"address": address, "token": str(token)} | more)

    def reader(self, address: str, state: SubscriptionState = SubscriptionState.CONFIRMED) -> int:
        """Add a reader of the edition's list and return the subscription's id."""
        with self.db.transaction() as session:
            return builders.reader(session, self.room, address, state=state).id

    def token(self, purpose: Purpose, subscription_id: int) -> str:
        """Return the token of a link in a mail to this reader."""
        return self.signer.sign(purpose, subscription_id)

    def confirm_token(self, subscription_id: int) -> str:
        """Return the token of the confirmation link for the reader's latest request."""
        return self.signer.sign_confirm(subscription_id, self.subscription(subscription_id).requested_at)

    def subscription(self, subscription_id: int) -> Subscription:
        """Return the subscription as it is stored now."""
        with self.db.reading() as session:
            return session.get_one(Subscription, subscription_id)

    def unsubscribe_path(self, subscription_id: int) -> str:
        """Return the path of the unsubscribe link in a mail to this reader."""
        return f"/u/{self.token(Purpose.UNSUBSCRIBE, subscription_id)}"

    def preferences_path(self, subscription_id: int) -> str:
        """Return the path of the preferences link in a mail to this reader."""
        return f"/p/{self.token(Purpose.PREFERENCES, subscription_id)}"

    def request_token(self, kind: RequestKind, subscription_id: int, address: str = "new@example.net") -> str:
        """Let the reader ask for a new address or for their data; return the token of the link in the mail."""
        new = parse_address(address) if kind is RequestKind.ADDRESS else None
        with self.db.transaction() as session:
            request_id = requests.ask(session, kind, subscription_id, self.clock(), new)
        assert request_id is not None
        return self.signer.sign_request(Purpose(kind.value), request_id, self.clock())

    def undo_token(self, subscription_id: int) -> str:
        """Return the token of the button that undoes the reader's latest leaving."""
        return self.signer.sign_undo(subscription_id, self.subscription(subscription_id).changed_at)

    def state(self, subscription_id: int) -> SubscriptionState:
        """Return where the reader stands with the list."""
        return self.subscription(subscription_id).state

    def consents(self) -> list[Consent]:
        """Return all evidence, oldest first."""
        with self.db.reading() as session:
            return list(session.exec(select(Consent).order_by(col(Consent.id))))

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """Return every row of every table."""
        with self.db.connect() as connection:
            return {
                table.name: sorted((tuple(row) for row in connection.execute(table.select())), key=repr)
                for table in SQLModel.metadata.sorted_tables
            }

    def wait_for_mail(self, number: int) -> None:
        """Wait until the provider has been given so many mails; they follow the answer."""
        deadline = time.monotonic() + 10
        while len(self.provider.sent) < number:
            assert time.monotonic() < deadline, "no mail came"
            time.sleep(0.01)

    def issue(self, number: int, state: IssueState = IssueState.SENT) -> None:
        """Add an issue of the edition with a rendered mail."""
        mail = _rendered()
        with self.db.transaction() as session:
            session.add(
                Issue(
                    edition_id=self.room.edition_id,
                    week=f"2026-W{number:02}",
                    number=number,
                    state=state,
                    send_at=builders.NOW,
                    drafted_at=builders.NOW,
                    approved_at=builders.NOW,
                    subject=mail.subject,
                    html=mail.html,
                    text=mail.text,
                    nonce=mail.nonce,
                    name_key=mail.nonce,
                    content_hash=mail.content_hash,
                )
            )


@cache
def _rendered() -> Mail:
    return Renderer().issue(mail_fixtures.issue(3, pictures=False), mail_fixtures.NONCE)


def make_site(
    db: Database,
    *,
    base_url: str = BASE_URL,
    templates: Path | None = None,
    provider: MemoryProvider | None = None,
    rules: Rules | None = None,
) -> TestSite:
    """Return the pages of a small newsroom, made in `db`."""
    with db.transaction() as session:
        room = builders.newsroom(session)
    return TestSite(
        db,
        room,
        base_url=base_url,
        templates=templates,
        provider=provider or MemoryProvider(),
        rules=rules or Rules(),
    )


def link_in(mail: Sent, kind: str) -> str:
    """Return the one link of a kind (c, u or p) in the text part of a mail."""
    [link] = set(re.findall(rf"https?://\S+/{kind}/[\w-]+", mail.text))
    return str(link)


def words(page: str) -> str:
    """Return what a page says, with single spaces."""
    return " ".join(lxml_html.fromstring(page).text_content().split())


def buttons(page: str) -> list[str]:
    """Return what the buttons of a page say."""
    return [button.text_content() for button in lxml_html.fromstring(page).xpath("//button")]


def press(site: TestSite, page: str, button: str) -> str:
    """Press a button of a page as a browser would, and return the page that follows, of a redirect the one behind."""
    for form in lxml_html.fromstring(page).forms:
        for one in form.xpath(".//button"):
            if one.text_content() == button:
                own = [(one.get("name"), one.get("value", ""))] if one.get("name") else []
                fields = urlencode([*form.form_values(), *own])
                kind = {"Content-Type": "application/x-www-form-urlencoded"}
                answer = site.client.post(form.action, content=fields, headers=kind, follow_redirects=True)
                assert answer.status_code == 200
                return answer.text
    raise AssertionError(f"no button {button!r}")


@contextmanager
def served(
    db: Database,
    *,
    trusted_proxies: Sequence[str] = (),
    provider: MemoryProvider | None = None,
    rules: Rules | None = None,
    templates: Path | None = None,
) -> Iterator[TestSite]:
    """Serve the pages on loopback by the real server; `base_url` is where."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        site = make_site(db, base_url=base_url, provider=provider, rules=rules, templates=templates)
        server = make_server(site.app, host="127.0.0.1", port=0, trusted_proxies=trusted_proxies)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline = time.monotonic() + 10
            while not server.started:
                assert thread.is_alive(), "the server has ended"
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.01)
            yield site
        finally:
            server.should_exit = True
            thread.join()
