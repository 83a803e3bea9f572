"""The pages behind the real server: logs without tokens, addresses nobody can invent, a mail server that hangs."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest

from newsletter.db import Database
from newsletter.errors import ConfigurationError
from newsletter.mail import Mail, Outcome, Recipient
from newsletter.signup.door import Rules
from newsletter.testing import MemoryProvider
from newsletter.web import make_server, serve
from newsletter.web.server import RedactTokens
from subscribers.tokens import Purpose
from tests.databases import sqlite_database
from tests.sites import TestSite, make_site, served

__all__ = ["sqlite_database"]


def ask(
    site: TestSite, method: str, path: str, fields: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, str]:
    """Make one request over a connection of its own; return status, headers and body."""
    connection = http.client.HTTPConnection(urlsplit(site.base_url).netloc, timeout=10)
    form = {"Content-Type": "application/x-www-form-urlencoded"} if fields else {}
    try:
        connection.request(method, path, urlencode(fields) if fields else None, form | (headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def filled_in(site: TestSite, address: str) -> dict[str, str]:
    """Return what a sign-up form sends that was opened a minute ago."""
    return {"address": address, "token": site.door.token(site.clock.now - timedelta(minutes=1))}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/u/AQRV8SXieGJcyxsv_VrODa8", "/u/(token)"),
        ("/u/AQRV8SXieGJcyxsv_VrODa8/", "/u/(token)"),
        ("/c/AQRV8SXieGJcyxsv_VrODa8?utm=1", "/c/(token)"),
        ("/p/AQRV8SXieGJcyxsv_VrODa8", "/p/(token)"),
        ("/news/p/AQRV8SXieGJcyxsv_VrODa8", "/news/p/(token)"),
        ("//U/AQRV8SXieGJcyxsv_VrODa8", "//U/(token)"),
        ("/editions/ukraine?from=mail", "/editions/ukraine?from=mail"),
        ("/", "/"),
    ],
)
def test_what_the_access_log_keeps_of_a_path(path: str, logged: str) -> None:
    """Threat 16."""
    arguments = ("203.0.113.7:5000", "GET", path, "1.1", 200)
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', arguments, None)
    assert RedactTokens().filter(record)
    assert record.getMessage() == f'203.0.113.7:5000 - "GET {logged} HTTP/1.1" 200'


def test_no_log_of_the_server_holds_a_token(sqlite_database: Database, capfd: pytest.CaptureFixture[str]) -> None:
    """Threat 16: requests as they come, well-made or not; and a bug on such a page, whose traceback is logged."""
    with served(sqlite_database) as site:
        subscription_id = site.reader("ann@example.org")
        tokens = {
            "u": site.token(Purpose.UNSUBSCRIBE, subscription_id),
            "p": site.token(Purpose.PREFERENCES, subscription_id),
            "c": site.confirm_token(subscription_id),
            "r": site.undo_token(subscription_id),
        }
        for letter, token in tokens.items():
            for path in (
                f"/{letter}/{token}",
                f"/{letter}/{token}/",
                f"/%{ord(letter):x}/{token}?x={token}",
                f"//{letter}/{token}",
            ):
                for method in ("GET", "POST", "HEAD"):
                    ask(site, method, path)
        site.signer.read = lambda *_: 1 / 0  # type: ignore[method-assign, assignment]
        status, _, page = ask(site, "GET", f"/u/{tokens['u']}")
        assert status == 500
        assert "ZeroDivisionError" not in page
    logged = "".join(capfd.readouterr())
    assert logged.count("/(token)") >= 48
    assert "ZeroDivisionError" in logged
    for token in tokens.values():
        assert token not in logged


def test_the_server_does_not_say_what_it_is(sqlite_database: Database) -> None:
    with served(sqlite_database) as site:
        status, headers, _ = ask(site, "GET", "/")
    assert status == 200
    assert "server" not in headers
    assert "x-powered-by" not in headers


@pytest.mark.parametrize(
    ("trusted", "network"),
    [((), "127.0.0.0/24"), (("192.0.2.1",), "127.0.0.0/24"), (("127.0.0.1",), "198.51.100.0/24")],
    ids=["nobody", "somebody else", "the proxy"],
)
def test_nobody_invents_their_address(sqlite_database: Database, trusted: tuple[str, ...], network: str) -> None:
    """Threat 19: X-Forwarded-For counts only when it comes from a proxy that was named, and then from the right."""
    with served(sqlite_database, trusted_proxies=trusted) as site:
        headers = {"X-Forwarded-For": "203.0.113.7, 198.51.100.9"}
        status, _, _ = ask(site, "POST", "/editions/fen-weekly", filled_in(site, "ann@example.org"), headers)
        assert status == 200
        wait_for(lambda: len(site.provider.sent) == 1)
        assert [evidence.network for evidence in site.consents()] == [network]


def test_believing_everybody_is_refused(sqlite_database: Database) -> None:
    with pytest.raises(ConfigurationError, match="Name the addresses"):
        make_server(make_site(sqlite_database).app, host="127.0.0.1", port=0, trusted_proxies=["*"])


def test_a_port_that_is_taken_gets_a_sentence(sqlite_database: Database) -> None:
    app = make_site(sqlite_database).app
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot be served on 127.0.0.1, port {port}: Address already in"):
            serve(app, host="127.0.0.1", port=port)
    with pytest.raises(ConfigurationError, match="Choose another address"):
        serve(app, host="192.0.2.1", port=0)


class HangingProvider(MemoryProvider):
    """Takes no mail until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.busy = threading.Event()

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        self.busy.set()
        assert self.let_go.wait(30)
        return super().send(mail, recipients)


def test_a_mail_server_that_hangs_stops_no_page(sqlite_database: Database) -> None:
    """More sign-ups than the server has threads are answered at once; when mail moves again, each gets one."""
    provider = HangingProvider()
    with served(sqlite_database, provider=provider, rules=Rules(per_network=100)) as site:
        try:
            for number in range(60):
                status, _, _ = ask(site, "POST", "/editions/fen-weekly", filled_in(site, f"r{number}@example.org"))
                assert status == 200
            assert provider.busy.wait(10)
            assert ask(site, "GET", "/")[0] == 200
            wait_for(lambda: len(site.consents()) == 60)
            assert provider.sent == []
        finally:
            provider.let_go.set()
        wait_for(lambda: len(provider.sent) == 60)
        assert len({mail.address for mail in provider.sent}) == 60


def test_it_ends_when_it_is_told_to(sqlite_database: Database) -> None:
    """What was signed up for just before is still stored and mailed."""
    with served(sqlite_database) as site:
        ask(site, "POST", "/editions/fen-weekly", filled_in(site, "ann@example.org"))
    assert len(site.provider.sent) == 1
