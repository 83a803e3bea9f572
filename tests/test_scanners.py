"""Programs that open links without a reader: scanners of mail and previews, at scale (threat 10), and one-click requests
as mail programs send them, among junk (RFC 8058, F17).

Every run makes SCANNER_FETCHES of each, 2,000 unless the environment says more; 10,000 take a minute or two.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from newsletter.db import Database
from subscribers import consent
from subscribers.models import RequestKind, SubscriptionState
from subscribers.tokens import Purpose
from tests.builders import NOW
from tests.databases import sqlite_database
from tests.sites import TestSite, make_site

__all__ = ["sqlite_database"]

FETCHES = int(os.environ.get("SCANNER_FETCHES", "2000"))
PENDING, CONFIRMED, LEFT = SubscriptionState.PENDING, SubscriptionState.CONFIRMED, SubscriptionState.LEFT
AGENTS = (
    "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0; BingPreview/1.0b)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) SafeLinks",
    "GoogleImageProxy",
    "Barracuda Sentinel (EE)",
    "Mozilla/5.0 (compatible; Proofpoint-URL-Defense)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "WhatsApp/2.23.20.0",
    "curl/7.88.1",
)
#: What scanners and previewers append, prepend and try.
ENDINGS = ("", "/", "?List-Unsubscribe=One-Click", "?what=everything", "?saved=lists", "?utm_source=mail", "#top")
URLENCODED = "application/x-www-form-urlencoded"


@pytest.fixture
def site(sqlite_database: Database) -> TestSite:
    return make_site(sqlite_database)


class Caller:
    """Calls the application itself: a hundredth of the work that a client does beside it."""

    def __init__(self, site: TestSite) -> None:
        self.app = site.app

    async def call(self, method: str, target: str, body: bytes = b"", **headers: str) -> int:
        """Return the status of the answer."""
        path, _, query = target.partition("#")[0].partition("?")
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "https", "path": path,
            "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            "client": ("203.0.113.77", 50000), "server": ("news.example.org", 443),
        }  # fmt: skip
        statuses: list[int] = []
        incoming = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> dict[str, object]:
            return next(incoming, {"type": "http.disconnect"})

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(int(str(message["status"])))

        await self.app(scope, receive, send)  # type: ignore[arg-type] # plain dictionaries are what a server sends
        return statuses[0]


def apart(statuses: Coroutine[Any, Any, set[int]]) -> set[int]:
    """Run a coroutine in a thread of its own: in this one the browser of other tests may have an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, statuses).result()


def every_link(site: TestSite) -> list[str]:
    """Return a working link of every kind, for readers in each state that has one."""
    paths = []
    for state in SubscriptionState:
        one = site.reader(f"{state}@example.org", state)
        paths += [site.unsubscribe_path(one), site.preferences_path(one), f"/c/{site.confirm_token(one)}"]
        paths.append(f"{site.unsubscribe_path(one)}/why")
    reader = site.reader("ann@example.org")
    paths.append(f"/a/{site.request_token(RequestKind.ADDRESS, reader)}")
    paths.append(f"/d/{site.request_token(RequestKind.DATA, reader)}")
    left = site.reader("ben@example.org")
    with site.db.transaction() as session:
        consent.leave(session, subscription_id=left, now=NOW, source="test")
    return [*paths, f"/r/{site.undo_token(left)}"]


def test_thousands_of_fetches_change_nothing(site: TestSite) -> None:
    """Threat 10: every kind of link, by every method that only looks, as scanners do it."""
    paths = every_link(site)
    calls = [
        (method, path + ending, agent)
        for path in paths
        for ending in ENDINGS
        for agent in AGENTS
        for method in ("GET", "HEAD")
    ]
    chosen = Random(20261123).choices(calls, k=FETCHES)
    before = site.dump()

    async def scan() -> set[int]:
        caller = Caller(site)
        return {
            await caller.call(method, target, user_agent=agent, accept="*/*", x_purpose="preview")
            for method, target, agent in chosen
        }

    assert apart(scan()) <= {200, 404, 410}
    assert site.dump() == before
    assert site.provider.calls == []


def real_requests(site: TestSite, number: int) -> Iterable[tuple[int, bytes, str]]:
    """Yield a reader, and the body and type of a one-click request as mail programs send it."""
    multipart = (
        b'--%(line)s\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--%(line)s--\r\n'
    )
    for place in range(number):
        one = site.reader(f"reader{place}@example.org")
        if place % 2:
            line = f"----FormBoundary{place:016}".encode()
            yield one, multipart % {b"line": line}, f"multipart/form-data; boundary={line.decode()}"
        else:
            yield one, b"List-Unsubscribe=One-Click", URLENCODED


def test_two_hundred_one_click_requests_leave(site: TestSite) -> None:
    """F17, first half: both encodings, without cookie, Referer or token of a form, answered with 200 and done."""
    requests = list(real_requests(site, 200))

    async def click() -> set[int]:
        caller = Caller(site)
        return {
            await caller.call("POST", site.unsubscribe_path(one), body, content_type=kind)
            for one, body, kind in requests
        }

    assert apart(click()) == {200}
    assert {site.state(one) for one, _, _ in requests} == {LEFT}


def junk(random: Random, token: str) -> tuple[str, bytes, str]:
    """Return the path, body and type of a request that is none."""
    fields = random.choice([
        {"List-Unsubscribe": random.choice(["one-click", "One-Click ; ", "", "1", "One-Clickx", "Оne-Click"])},
        {"list-unsubscribe": "One-Click"},
        {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
        {},
        {"what": "everything", "shown": "1"},
        {"page": "1", "why": "often"},
    ])  # fmt: skip
    body = urlencode(fields).encode()
    kind = random.choice([URLENCODED, "application/json", "text/plain", "multipart/form-data", ""])
    path = f"/u/{token}"
    if random.random() < 0.5:  # the right words to a token that is none of ours
        at = random.randrange(len(token))
        path = f"/u/{token[:at]}{random.choice('AQgw')}{token[at + random.choice([0, 1, 2]) :]}"
        body, kind = b"List-Unsubscribe=One-Click", URLENCODED
        if path == f"/u/{token}":
            path = f"/u/{token}x"
    return path, body, kind


def test_thousands_of_junk_requests_change_nothing(site: TestSite) -> None:
    """F17, second half."""
    token = site.token(Purpose.UNSUBSCRIBE, site.reader("ann@example.org"))
    before = site.dump()

    async def click() -> set[int]:
        random, caller = Random(8058), Caller(site)
        return {
            await caller.call("POST", path, body, content_type=kind)
            for path, body, kind in (junk(random, token) for _ in range(FETCHES))
        }

    assert apart(click()) <= {200, 400, 404}
    assert site.dump() == before
