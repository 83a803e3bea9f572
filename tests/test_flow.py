"""The main job as a newsroom does it: commands, a feed over HTTP, a real SMTP server, a SendGrid simulator, real mails."""

from __future__ import annotations

import email
import random
import re
import signal
import subprocess
import time
from collections import Counter
from email import policy
from pathlib import Path
from typing import Any

import pytest

from newsletter.testing.sendgrid import API_KEY, SendGridSimulator
from tests.commands import NEWSLETTER, CommandLine
from tests.servers.http import FeedServer
from tests.servers.smtp import smtp_server

WEEK_XML = (Path(__file__).parent / "data/week.xml").read_bytes()


@pytest.fixture
def newsletter(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def approve(newsletter: CommandLine) -> None:
    """Gather, draft and approve."""
    newsletter("gather")
    newsletter("issue", "draft", "fen-weekly")
    newsletter("issue", "approve", "fen-weekly", "--no-network", "--by", "Ed Itor")


def test_from_feed_to_inbox(newsletter: CommandLine) -> None:
    with FeedServer() as feeds:
        feeds.serve("/feed.xml", WEEK_XML, "application/rss+xml", etag='"1"')
        newsletter.set_up(feeds.url("/feed.xml"))
        newsletter.readers(3)
        assert newsletter("gather", "--json").json[0]["new"] == 5
        assert newsletter("gather", "--json").json[0]["not_modified"] is True
    drafted = newsletter("issue", "draft", "fen-weekly", "--json").json
    assert drafted["state"] == "draft"
    assert drafted["stories"][0]["place"] == "lead"
    assert drafted["stories"][0]["reasons"]
    second = drafted["stories"][1]["id"]
    newsletter("issue", "edit", "fen-weekly", "--lead", str(second), "--headline", f"{second}=Our own headline")
    approved = newsletter("issue", "approve", "fen-weekly", "--no-network", "--json").json
    sent = newsletter("issue", "send", "fen-weekly", "--json").json
    assert (sent["state"], sent["accepted"], sent["planned_now"]) == ("sent", 3, 3)
    again = newsletter("issue", "send", "fen-weekly", "--json").json
    assert (again["accepted"], again["planned_now"]) == (3, 0)
    assert len(newsletter.outbox()) == 3
    shown = newsletter("issue", "show", "fen-weekly", "--json").json
    assert shown["subject"] == "Our own headline"
    status = newsletter("issue", "status", "fen-weekly", "--json").json
    assert (status["adds_up"], status["expected"]) == (True, 3)
    assert len(approved["content_hash"]) == 64
    for path in newsletter.outbox():
        check_message(path.read_bytes())


def check_message(content: bytes) -> None:
    """Check one message as a receiving server and a mail program would."""
    message = email.message_from_bytes(content, policy=policy.default)
    names = Counter(name.lower() for name in message.keys())  # noqa: SIM118 - headers may repeat
    for name in (
        "date", "from", "to", "subject", "message-id", "mime-version", "list-id", "list-unsubscribe",
        "list-unsubscribe-post", "feedback-id",
    ):  # fmt: skip
        assert names[name] == 1, name
    head = content.partition(b"\r\n\r\n")[0].decode("ascii")
    one_click = re.search(r"List-Unsubscribe: <(https://news\.example\.org/u/[\w-]+)>,\s+<mailto:", head)
    assert one_click, head
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in head
    assert "=?" not in "".join(line for line in head.splitlines() if line.lower().startswith(("list-", "message-id")))
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"")
    text, html = message.iter_parts()
    assert [part.get_content_type() for part in (text, html)] == ["text/plain", "text/html"]
    assert {part.get_content_charset() for part in (text, html)} == {"utf-8"}  # R6
    for part in (text, html):
        body = part.get_content()
        assert one_click[1] in body  # R42, R43: the visible link is the header's
        assert "Our own headline" in body
        assert "1 Bridge Street, Ely CB7 4AA" in body
        assert str(message["To"]).split("<")[-1].rstrip(">") in body


def test_through_smtp(newsletter: CommandLine) -> None:
    """From feed to bounce-free delivery: each reader one transaction, one refused, nobody twice."""
    with FeedServer() as feeds, smtp_server() as server:
        feeds.serve("/feed.xml", WEEK_XML, "application/rss+xml")
        settings = f'[provider]\nuse = "smtp"\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\n'
        newsletter.set_up(feeds.url("/feed.xml"), settings=settings)
        newsletter.readers(60)
        server.rcpt["reader7@example.org"] = "550 5.1.1 no such user"
        approve(newsletter)
        assert (
            newsletter("issue", "test", "fen-weekly", "--to", "me@example.org").out
            == "A test went to me@example.org.\n"
        )
        report = newsletter("issue", "send", "fen-weekly", "--json", code=3).json
        assert (report["state"], report["accepted"], report["rejected"]) == ("sent", 59, 1)
        assert newsletter("issue", "send", "fen-weekly", "--json", code=3).json["planned_now"] == 0
        counts = Counter(server.arrived())
    assert counts.pop("me@example.org") == 1
    assert counts == {f"reader{number}@example.org": 1 for number in range(60) if number != 7}
    troubles = newsletter("issue", "status", "fen-weekly", "--json").json["troubles"]
    assert [(one["address"], one["state"]) for one in troubles] == [("reader7@example.org", "rejected")]
    assert "no such user" in troubles[0]["detail"]


def test_through_sendgrid(newsletter: CommandLine) -> None:
    with FeedServer() as feeds, SendGridSimulator() as simulator:
        feeds.serve("/feed.xml", WEEK_XML, "application/rss+xml")
        settings = f'[provider]\nuse = "sendgrid"\napi_key = "{API_KEY}"\nhost = "{simulator.url}"\n'
        newsletter.set_up(feeds.url("/feed.xml"), settings=settings)
        newsletter.readers(1200)
        approve(newsletter)
        report = newsletter("issue", "send", "fen-weekly", "--json").json
        assert (report["state"], report["accepted"]) == ("sent", 1200)
        sizes = sorted(one.readers for one in simulator.requests)
        assert (sum(sizes), sizes[0], sizes[-1]) == (1200, 1, 500)  # a new account begins with one
        assert Counter(mail.address for mail in simulator.left) == {
            f"reader{number}@example.org": 1 for number in range(1200)
        }
        one = simulator.left[0]
        assert one.address in one.html
        assert one.address in one.text
        assert "<https://news.example.org/u/" in one.headers["List-Unsubscribe"]


def test_a_refusal_keeps_everybody_and_resume_goes_on(newsletter: CommandLine) -> None:
    with FeedServer() as feeds, SendGridSimulator() as simulator:
        feeds.serve("/feed.xml", WEEK_XML, "application/rss+xml")
        settings = f'[provider]\nuse = "sendgrid"\napi_key = "wrong"\nhost = "{simulator.url}"\n'
        newsletter.set_up(feeds.url("/feed.xml"), settings=settings)
        newsletter.readers(5)
        approve(newsletter)
        refused = newsletter("issue", "send", "fen-weekly", code=1)
        assert "sendgrid" in refused.err
        status = newsletter("issue", "status", "fen-weekly", "--json").json
        assert (status["planned"], status["state"]) == (5, "sending")
        resumed = newsletter("issue", "resume", "fen-weekly", "--json", NEWSLETTER_PROVIDER__API_KEY=API_KEY)
        assert resumed.json["accepted"] == 5
        assert len(simulator.left) == 5


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_killed_again_and_again(newsletter: CommandLine, database: str, postgresql_url: str) -> None:
    """F1 in small: kill -9 at random moments; nobody lost, nobody twice, the rest is uncertain and said to be."""
    chance, readers = random.Random(47), 400
    settings = '[provider]\nuse = "maildir"\nchunk_size = 20\n'
    with FeedServer() as feeds:
        feeds.serve("/feed.xml", WEEK_XML, "application/rss+xml")
        newsletter("init", "--base-url", "https://news.example.org")
        if database == "postgresql":
            file = newsletter.folder / "newsletter.toml"
            text = file.read_text().replace("sqlite:///newsletter.db", postgresql_url)
            file.write_text(text)
            newsletter("db", "upgrade")
        newsletter.set_up(feeds.url("/feed.xml"), settings=settings)
        newsletter.readers(readers)
        approve(newsletter)
    kills = 0
    for _ in range(7):
        process = subprocess.Popen(
            [NEWSLETTER, "issue", "send", "fen-weekly"],
            cwd=newsletter.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        before = len(newsletter.outbox())
        deadline = time.monotonic() + 30
        while len(newsletter.outbox()) == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.06))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        if process.returncode != -signal.SIGKILL:
            break
    assert kills >= 3
    final: dict[str, Any] = newsletter("issue", "resume", "fen-weekly", "--json", code={0, 3}).json
    status = newsletter("issue", "status", "fen-weekly", "--json").json
    mailed = Counter(receiver(path.read_bytes()) for path in newsletter.outbox())
    assert max(mailed.values()) == 1  # nobody twice
    uncertain = {one["address"] for one in status["troubles"] if one["state"] == "uncertain"}
    assert len(uncertain) == final["uncertain"] <= kills * 2  # one for each lane
    everybody = {f"reader{number}@example.org" for number in range(readers)}
    assert set(mailed) | uncertain == everybody  # nobody lost
    assert final["accepted"] + final["uncertain"] == final["expected"] == readers
    assert final["accepted"] == len(set(mailed) - uncertain)
    if uncertain:
        newsletter("issue", "resolve", "fen-weekly", "--as", "accepted", "--yes")
    settled = newsletter("issue", "status", "fen-weekly", "--json").json
    assert (settled["accepted"], settled["uncertain"]) == (readers, 0)


def receiver(content: bytes) -> str:
    """Return the address a message is for."""
    return str(email.message_from_bytes(content, policy=policy.default)["To"].addresses[0].addr_spec)


def test_a_hostile_headline_cannot_add_a_header(newsletter: CommandLine) -> None:
    """Threat 1: Python 3.11.7 would write a real Bcc line from this headline."""
    hostile = b"=?UTF-8?Q?x=0D=0ABcc:_a@b.c?= {{ 7*7 }} %unsubscribe_url%"
    feed = WEEK_XML.replace(b"Ely bridge closes for nine weeks of repairs", hostile + b" in Ely")
    with FeedServer() as feeds, smtp_server() as server:
        feeds.serve("/feed.xml", feed, "application/rss+xml")
        settings = f'[provider]\nuse = "smtp"\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\n'
        newsletter.set_up(feeds.url("/feed.xml"), settings=settings)
        newsletter.readers(1)
        newsletter("gather")
        stories = newsletter("issue", "draft", "fen-weekly", "--json").json["stories"]
        lead = next(one["id"] for one in stories if "Bcc" in one["headline"])
        newsletter("issue", "edit", "fen-weekly", "--lead", str(lead))
        newsletter("issue", "approve", "fen-weekly", "--no-network")
        newsletter("issue", "send", "fen-weekly")
        message = server.received[0].message
    assert message["Bcc"] is None
    assert "Bcc:_a@b.c" in str(message["Subject"])
    html = message.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "{{ 7*7 }}" in html
    assert "%unsubscribe_url%" in html
