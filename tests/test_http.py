"""The careful GET as a good citizen: what it says of itself, when it waits, when it stays away, where a source moved."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from newsletter import __version__
from newsletter.app import make_app
from newsletter.errors import ConfigurationError, FetchError
from newsletter.settings import load
from newsletter.sources import Previous
from newsletter.sources.http import FEEDS, Client
from newsletter.sources.net import bodies, hosts
from newsletter.sources.net.hosts import MAX_REST_SECONDS, Hosts, host_of, retry_after
from tests.servers.http import LOOPBACK, FeedServer

NOW = datetime(2026, 11, 19, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as server:
        yield server


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client(timeout=20, max_bytes=1_000_000, user_agent="test", private_networks=LOOPBACK)
    yield client
    client.close()


# Retry-After (RFC 9110 section 10.2.3)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("120", "", 120),
        (" 120 ", "", 120),
        ("0", "", 0),
        ("Thu, 19 Nov 2026 12:02:00 GMT", "", 120),
        ("Thursday, 19-Nov-26 12:02:00 GMT", "", 120),
        ("Thu Nov 19 12:02:00 2026", "", 120),
        # a server whose clock is an hour slow means what it says by its own clock
        ("Thu, 19 Nov 2026 11:02:00 GMT", "Thu, 19 Nov 2026 11:00:00 GMT", 120),
        ("Thu, 19 Nov 2026 12:02:00 GMT", "yesterday", 120),
        ("Thu, 19 Nov 2020 12:02:00 GMT", "", 0),
        ("Thu, 19 Nov 2099 12:02:00 GMT", "", MAX_REST_SECONDS),
        ("9" * 400, "", MAX_REST_SECONDS),
        ("-5", "", None),
        ("1.5", "", None),
        ("١٢٠", "", None),
        ("soon", "", None),
        ("Thu, 99 Nov 2026 12:02:00 GMT", "", None),
        ("Thu, 19 Nov 99999 12:02:00 GMT", "", None),
        ("", "", None),
    ],
)
def test_what_retry_after_asks_for(value: str, date: str, seconds: float | None) -> None:
    assert retry_after(value, date, NOW) == seconds


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_asks_for_a_rest_is_left_alone(status: int, server: FeedServer, client: Client) -> None:
    server.serve("/busy", "no", status=status, retry_after="120")
    server.serve("/other", "<rss/>")
    with pytest.raises(FetchError, match="after 120 seconds") as caught:
        client.get(server.url("/busy"))
    assert caught.value.retry_after == 120
    with pytest.raises(FetchError, match="asked us a moment ago to come back after 120 seconds") as caught:
        client.get(server.url("/other"))
    assert caught.value.url == server.url("/other")
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 120
    assert [request.path for request in server.requests] == ["/busy"]


def test_a_rest_is_the_hosts_own_and_ends(server: FeedServer, client: Client) -> None:
    server.serve("/busy", "no", status=503, retry_after="1")
    server.serve("/other", "<rss/>")
    with FeedServer() as neighbour:
        neighbour.serve("/feed", "<rss/>")
        with pytest.raises(FetchError):
            client.get(server.url("/busy"))
        assert client.get(neighbour.url("/feed")).body == b"<rss/>"
    time.sleep(1.1)
    assert client.get(server.url("/other")).body == b"<rss/>"


def test_a_redirect_into_a_host_that_rests_is_not_followed(server: FeedServer, client: Client) -> None:
    server.serve("/busy", "no", status=429, retry_after="60")
    with pytest.raises(FetchError):
        client.get(server.url("/busy"))
    with FeedServer() as neighbour:
        neighbour.redirect("/feed", server.url("/feed"))
        with pytest.raises(FetchError, match="asked us a moment ago") as caught:
            client.get(neighbour.url("/feed"))
        assert caught.value.url == neighbour.url("/feed")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {}),
        (503, {"retry_after": "soon"}),
        (503, {"retry_after": "0"}),
        (403, {"retry_after": "60"}),
        (500, {"retry_after": "60"}),
        (503, {"retry_after": "Sun, 01 Nov 2020 10:00:00 GMT"}),
    ],
)
def test_who_asks_for_no_rest_gets_none(
    status: int, headers: dict[str, str], server: FeedServer, client: Client
) -> None:
    server.serve("/busy", "no", status=status, **headers)
    server.serve("/other", "<rss/>")
    with pytest.raises(FetchError) as caught:
        client.get(server.url("/busy"))
    assert not caught.value.retry_after
    assert client.get(server.url("/other")).body == b"<rss/>"


def test_a_date_is_a_rest_too(server: FeedServer, client: Client) -> None:
    later = datetime.fromtimestamp(time.time() + 3_600, UTC)
    server.serve("/busy", "no", status=503, retry_after=format_datetime(later, usegmt=True))
    with pytest.raises(FetchError) as caught:
        client.get(server.url("/busy"))
    assert caught.value.retry_after == pytest.approx(3_600, abs=60)


# Politeness


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://News.example/feed", "news.example"),
        ("http://news.example:80/", "news.example"),
        ("https://news.example:443/", "news.example"),
        ("https://news.example./", "news.example"),
        ("https://news.example:8443/", "news.example:8443"),
        ("https://www.news.example/", "www.news.example"),
    ],
)
def test_what_counts_as_one_host(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize("at_a_time", [1, 2, 3])
def test_only_so_many_ask_one_host_at_a_time(at_a_time: int) -> None:
    turns = Hosts(at_a_time)
    inside, most, lock = 0, 0, threading.Lock()

    def visit(number: int) -> None:
        nonlocal inside, most
        with turns.turn(f"https://news.example/{number}", asked="x"):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(visit, range(24)))
    assert most == at_a_time


def test_a_busy_host_keeps_no_other_waiting(server: FeedServer, client: Client) -> None:
    server.serve("/feed", "<rss/>")
    with ThreadPoolExecutor(4) as pool, FeedServer() as slow:
        slow.misbehave("/slow", "never_answers")
        waiting = [pool.submit(client.get, slow.url("/slow")) for _ in range(3)]
        while len(slow.requests) < 2:
            time.sleep(0.01)
        assert client.get(server.url("/feed")).body == b"<rss/>"
        assert len(slow.requests) == 2
        assert not any(one.done() for one in waiting)
    assert all(isinstance(one.exception(), FetchError) for one in waiting)


def test_waiting_for_a_turn_costs_none_of_the_seconds_of_an_exchange(server: FeedServer) -> None:
    client = Client(timeout=0.5, max_bytes=1_000, user_agent="test", private_networks=LOOPBACK, per_host=1)
    server.misbehave("/slow", "never_answers")
    server.serve("/feed", "<rss/>")
    with ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(client.get, server.url("/slow")) for _ in range(2)]
        time.sleep(0.05)
        last = pool.submit(client.get, server.url("/feed"))
        assert last.result().body == b"<rss/>"
        assert all("within 0.5 seconds" in str(one.exception()) for one in slow)
    client.close()


def test_the_wait_for_a_turn_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "QUEUE_SECONDS", 0.05)
    turns = Hosts(1)
    with (
        turns.turn("https://news.example/a", asked="a"),
        pytest.raises(FetchError, match="Other sources at news.example took longer than 0.05 seconds"),
        turns.turn("https://news.example/b", asked="b"),
    ):
        pass


def test_a_turn_is_given_back_whatever_happens(server: FeedServer, client: Client) -> None:
    server.misbehave("/broken", "cut_off")
    for _ in range(5):
        with pytest.raises(FetchError, match="broke off"):
            client.get(server.url("/broken"))


# Where a source moved


@pytest.mark.parametrize(
    ("statuses", "moved"),
    [
        ((301,), True),
        ((308,), True),
        ((301, 308, 301), True),
        ((302,), False),
        ((301, 302), False),
        ((307, 308), False),
        ((303,), False),
    ],
)
def test_a_move_for_good_is_told(statuses: tuple[int, ...], moved: bool, server: FeedServer, client: Client) -> None:
    for number, status in enumerate(statuses):
        server.redirect(f"/{number}", f"/{number + 1}", status=status)
    end = server.url(f"/{len(statuses)}")
    server.serve(f"/{len(statuses)}", "<rss/>", etag='"1"')
    assert client.get(server.url("/0")).moved_to == (end if moved else "")
    again = client.get(server.url("/0"), Previous(etag='"1"'))
    assert (again.not_modified, again.moved_to) == (True, end if moved else "")
    assert client.get(end).moved_to == ""


# What is asked for, and how much of it is read


def test_what_is_asked_for_can_be_named(server: FeedServer, client: Client) -> None:
    server.serve("/", "<html/>", "text/html")
    client.get(server.url("/"))
    client.get(server.url("/"), accept="image/*")
    assert [request.headers["Accept"] for request in server.requests] == [FEEDS, "image/*"]


@pytest.mark.parametrize(
    ("size", "packed", "limit", "sentence"),
    [
        (900_000, False, None, ""),
        (
            900_001,
            False,
            None,
            "larger than 900,000 bytes, so it was not read. Check the address; if it is right, raise `max_raw_bytes`",
        ),
        (1_900_000, True, None, ""),
        (
            2_000_001,
            True,
            None,
            "larger than 2,000,000 bytes, so it was not read. Check the address; if it is right, raise `max_bytes`",
        ),
        (50_000, False, 50_000, ""),
        (50_001, False, 50_000, "larger than 50,000 bytes, so it was not read. Check the address."),
        (50_001, True, 50_000, "larger than 50,000 bytes, so it was not read. Check the address."),
        (3_000_000, True, 3_000_000, ""),
        (900_001, False, 3_000_000, ""),  # a photograph may be larger than any feed
        (3_000_001, False, 3_000_000, "larger than 3,000,000 bytes, so it was not read. Check the address."),
    ],
)
def test_how_much_is_read(size: int, packed: bool, limit: int | None, sentence: str, server: FeedServer) -> None:
    """Threat 7: one cap for what arrives, one for what it inflates to, and both for one reader."""
    client = Client(
        timeout=20, max_bytes=2_000_000, user_agent="test", max_raw_bytes=900_000, private_networks=LOOPBACK
    )
    body = b"x" * size
    server.serve("/", gzip.compress(body) if packed else body, content_encoding="gzip" if packed else "")
    if sentence:
        with pytest.raises(FetchError, match=sentence):
            client.get(server.url("/"), max_bytes=limit)
    else:
        assert client.get(server.url("/"), max_bytes=limit).body == body
    client.close()


def test_an_answer_that_trickles_is_not_waited_for(
    server: FeedServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threat 7: with a long timeout a byte now and then would hold a thread for minutes."""
    monkeypatch.setattr(bodies, "PATIENCE_SECONDS", 0.2)
    server.misbehave("/", "slow_drip")
    with pytest.raises(FetchError, match="less than 1,000 bytes a second"):
        client.get(server.url("/"))


# From the settings


def settings(folder: Path, text: str) -> Path:
    file = folder / "newsletter.toml"
    file.write_text(f'base_url = "https://news.example.org"\n[fetch]\n{text}\n', encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("contact", "agent"),
    [
        ("", f"Newsletter/{__version__} (+https://news.example.org)"),
        ("desk@example.org", f"Newsletter/{__version__} (+https://news.example.org; desk@example.org)"),
        ("https://example.org/bot", f"Newsletter/{__version__} (+https://news.example.org; https://example.org/bot)"),
    ],
)
def test_the_settings_reach_the_client(contact: str, agent: str, tmp_path: Path, server: FeedServer) -> None:
    server.serve("/", "<rss/>")
    text = f'contact = "{contact}"\nprivate_networks = ["127.0.0.0/8"]\nmax_raw_bytes = 5000\nparsers = 1'
    app = make_app(load(settings(tmp_path, text)), check_schema=False)
    app.client.get(server.url("/"))
    assert server.requests[-1].headers["User-Agent"] == agent
    server.serve("/", b"x" * 5_001)
    with pytest.raises(FetchError, match="larger than 5,000 bytes"):
        app.client.get(server.url("/"))
    app.client.close()


def test_nothing_inside_is_read_without_a_setting(
    tmp_path: Path, server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEWSLETTER_FETCH__PRIVATE_NETWORKS")
    app = make_app(load(settings(tmp_path, "")), check_schema=False)
    with pytest.raises(FetchError, match="not on the public Internet"):
        app.client.get(server.url("/"))
    app.client.close()
    assert server.requests == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('private_networks = ["inside"]', "fetch.private_networks"),
        ('private_networks = ["10.1.2.3/8"]', "fetch.private_networks"),
        ("ports = [0]", "fetch.ports"),
        ("ports = [70000]", "fetch.ports"),
        ("parsers = 0", "fetch.parsers"),
        ("per_host = 0", "fetch.per_host"),
        ('contact = "a\\nb"', "fetch.contact"),
        ('contact = "Grüße"', "fetch.contact"),
        ('contact = "a) (b"', "fetch.contact"),
    ],
)
def test_a_wrong_setting_is_a_sentence(text: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEWSLETTER_FETCH__PRIVATE_NETWORKS")
    with pytest.raises(ConfigurationError, match=name):
        load(settings(tmp_path, text))


def test_all_that_one_fetch_asks_for_has_one_deadline() -> None:
    """F14: a section page, its robots.txt and thirty articles must not each take the whole time."""
    client = Client(timeout=20, max_bytes=1_000_000, user_agent="test", private_networks=LOOPBACK)
    with FeedServer() as server:
        server.serve("/a", b"<rss/>")
        server.misbehave("/slow", "never_answers")
        with client.within(0.4):
            client.get(server.url("/a"))
            with pytest.raises(FetchError, match="within 0.|takes too long"):
                client.get(server.url("/slow"))
            with pytest.raises(FetchError, match="takes too long in all"):
                client.get(server.url("/a"))
        assert client.get(server.url("/a")).body == b"<rss/>"  # the next source has its own time
    client.close()
