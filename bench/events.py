"""How fast reports of a provider are taken in while an issue is being sent: `python -m bench.events`, `--json`.

Signed posts of SendGrid's Event Webhook go over loopback into the real server, which checks, stores and applies them,
durably, before it answers. Another process sends an issue from the same database to a provider that answers after
0.2 s a request. Each run has a database of its own. Figures are medians over the runs; `p99_ms` is the worse of the
databases'. PostgreSQL is measured where TEST_POSTGRESQL_URL or --postgresql names a server.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import multiprocessing
import os
import random
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy import insert, literal, select, text
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from bench.fill import example_mail
from newsletter.db import Database
from newsletter.delivery import Post, send
from newsletter.delivery.names import name_of
from newsletter.mail import Mail, Outcome, Recipient, Status, outcome_for_all
from newsletter.models import Delivery, DeliveryState, Issue, IssueState
from newsletter.providers.sendgrid import SendGridProvider
from newsletter.render import Renderer
from newsletter.testing import MemoryProvider
from newsletter.testing.sendgrid.signing import SigningKey
from newsletter.web import make_server, make_web
from subscribers.hashes import KeyedHash
from subscribers.models import Subscriber, Subscription, SubscriptionState
from subscribers.tokens import Signer
from tests import builders
from tests.databases import SERVER_VARIABLE, created_database

_SECRET = "a secret of more than thirty-two characters"
_BASE = "https://news.example.org"
_ANSWER_SECONDS = 0.2
#: What is reported, as often as a list of good repute has it.
_KINDS = {"processed": 400, "delivered": 390, "open": 140, "deferred": 30, "click": 30, "bounce": 9, "spamreport": 1}


@dataclass(frozen=True)
class Run:
    """What one run came to: seconds for each post, and of all; the server's CPU seconds; readers sent to meanwhile."""

    posts: list[float]
    seconds: float
    cpu: float
    events: int
    sent: int


class Distant:
    """A provider that takes everything, and as long about it as one across a network."""

    chunk_size = 1_000

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:  # noqa: ARG002 - as Provider has it
        """Accept everybody."""
        time.sleep(_ANSWER_SECONDS)
        return outcome_for_all(recipients, Status.ACCEPTED, "", reference="request")


def measure(kind: str, readers: int, posts: int, per_post: int, *, clients: int, sending: bool) -> Run:
    """Make a database, and post the events of an issue that is out while another is being sent."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, created_database(kind, Path(folder)) as db:
        out_id, next_id = _two_issues(db, readers)
        key = SigningKey()
        bodies = _bodies(db, out_id, posts, per_post)
        signed = [(body, key.headers(int(time.time()), body)) for body in bodies]
        url = db.url.render_as_string(hide_password=False)
        serving = _process(context, _serve, url, key.public_key)
        with serving as (port, pid), _sender(context, db, next_id, sending=sending):
            before, cpu, started = _accepted(db, next_id), _cpu_seconds(pid), time.perf_counter()
            times = _post_all(port, signed, clients)
            seconds, cpu = time.perf_counter() - started, _cpu_seconds(pid) - cpu
            sent = _accepted(db, next_id) - before
        return Run(times, seconds, cpu, posts * per_post, sent)


def _two_issues(db: Database, readers: int) -> tuple[int, int]:
    """Make one issue that is out to all readers and one that is approved."""
    now = datetime.now(UTC)
    mail = example_mail()
    with db.transaction() as session:
        room = builders.newsroom(session)
        _people(session, room.list_id, readers, now)
        out, following = (_issue(room.edition_id, number, mail, now) for number in (1, 2))
        out.state, out.expected = IssueState.SENT, readers
        session.add_all([out, following])
        session.flush()
        values = {
            "issue_id": out.id,
            "subscriber_id": col(Subscriber.id),
            "chunk": col(Subscriber.id).op("/")(1_000),
            "state": DeliveryState.ACCEPTED.value,
            "attempt": 1,
            "address": col(Subscriber.address),
            "detail": "",
            "reference": "request",
            "reported": "",
            "changed_at": now,
        }
        table: Any = Delivery.__table__  # type: ignore[attr-defined]
        columns: list[Any] = [
            value if isinstance(value, SQLCoreOperations) else literal(value, table.c[name].type)
            for name, value in values.items()
        ]
        session.execute(insert(table).from_select(list(values), select(*columns)))
    with db.transaction() as session:
        session.execute(text("ANALYZE"))  # as a database that is not a minute old has done by itself
    return out.id, following.id


def _people(session: Session, list_id: int, readers: int, now: datetime) -> None:
    for start in range(0, readers, 10_000):
        addresses = [f"reader{number}@example.org" for number in range(start, min(start + 10_000, readers))]
        session.execute(
            insert(Subscriber),
            [{"address": one, "address_key": one, "name": "Ann", "created_at": now} for one in addresses],
        )
    table: Any = Subscription.__table__  # type: ignore[attr-defined]
    values = {
        "list_id": list_id,
        "state": SubscriptionState.CONFIRMED.value,
        "requested_at": now,
        "changed_at": now,
        "confirmation_tries": 0,
    }
    columns = [literal(value, table.c[name].type) for name, value in values.items()]
    session.execute(insert(table).from_select(["subscriber_id", *values], select(col(Subscriber.id), *columns)))


def _issue(edition_id: int, number: int, mail: Mail, now: datetime) -> Issue:
    return Issue(
        edition_id=edition_id,
        week=f"2026-W{number:02}",
        number=number,
        state=IssueState.APPROVED,
        send_at=now,
        drafted_at=now,
        approved_at=now,
        subject=mail.subject,
        html=mail.html,
        text=mail.text,
        nonce=mail.nonce,
        name_key=mail.nonce,
        from_name=mail.sender.name,
        from_address=mail.sender.address,
        content_hash=mail.content_hash,
    )


def _bodies(db: Database, issue_id: int, posts: int, per_post: int) -> list[bytes]:
    """Return posts as SendGrid writes them, about readers all over the issue."""
    rng = random.Random(1)
    with db.reading() as session:
        key = session.exec(select_rows(Issue.name_key).where(Issue.id == issue_id)).one()
        query = select_rows(Delivery.id, Delivery.subscriber_id, Delivery.address).where(Delivery.issue_id == issue_id)
        rows = session.exec(query).all()
    kinds = rng.choices(list(_KINDS), list(_KINDS.values()), k=posts * per_post)
    events = [_event(number, kind, rng.choice(rows), key) for number, kind in enumerate(kinds)]
    return [json.dumps(events[start : start + per_post]).encode() for start in range(0, len(events), per_post)]


def _event(number: int, kind: str, row: Any, key: str) -> dict[str, Any]:
    delivery_id, subscriber_id, address = row
    return {
        "email": address,
        "timestamp": int(time.time()),
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": kind,
        "type": "bounce",
        "ip": "192.0.2.17",
        "response": "250 2.0.0 OK 1760000000 a1-20020a05 - gsmtp",
        "sg_event_id": f"c3BhbS1ldmVudC1pZC1vZi1tYW55LWNoYXJhY3RlcnM{number}",
        "sg_message_id": f"14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.{number}",
        "delivery_id": name_of(key, delivery_id, subscriber_id),
    }


def _accepted(db: Database, issue_id: int) -> int:
    query = select_rows(Delivery.id).where(Delivery.issue_id == issue_id, Delivery.state == DeliveryState.ACCEPTED)
    with db.reading() as session:
        return len(session.exec(query).all())


def _cpu_seconds(pid: int) -> float:
    """Return the user and system time that a process has used (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _post_all(port: int, signed: Sequence[tuple[bytes, dict[str, str]]], clients: int) -> list[float]:
    """Post everything over a few connections at once; return the seconds of each."""
    waiting, times, lock = iter(signed), [], threading.Lock()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                post = next(waiting, None)
            if post is None:
                return connection.close()
            started = time.perf_counter()
            connection.request("POST", "/hooks/sendgrid", *post)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            times.append(time.perf_counter() - started)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == len(signed)
    return times


@contextmanager
def _process(context: Any, target: Any, *arguments: Any) -> Iterator[Any]:
    """Run a function in another process; yields what it sends first."""
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


@contextmanager
def _sender(context: Any, db: Database, issue_id: int, *, sending: bool) -> Iterator[None]:
    if not sending:
        yield
        return
    with _process(context, _send, db.url.render_as_string(hide_password=False), issue_id):
        while not _accepted(db, issue_id):
            time.sleep(0.05)
        yield


def _serve(told: Connection, url: str, public_key: str) -> None:
    provider = SendGridProvider(api_key="SG.key", webhook_keys=(public_key,))
    app = make_web(
        db=Database(url),
        provider=MemoryProvider(),
        renderer=Renderer(),
        signer=Signer([_SECRET]),
        hashes=KeyedHash([_SECRET]),
        base_url=_BASE,
        clock=lambda: datetime.now(UTC),
        hooks={"sendgrid": provider},
    )
    logging.disable(logging.INFO)
    server = make_server(app, host="127.0.0.1", port=0)
    listener = socket.create_server(("127.0.0.1", 0))
    told.send((listener.getsockname()[1], os.getpid()))
    server.run(sockets=[listener])


def _send(told: Connection, url: str, issue_id: int) -> None:
    told.send("ready")
    send(Database(url), issue_id, Post(Distant(), Signer([_SECRET]), _BASE, lambda: datetime.now(UTC)), by_hand=True)


def figures(kind: str, options: argparse.Namespace) -> dict[str, float]:
    """Return the medians of several runs on one kind of database."""
    runs = [
        measure(
            kind,
            options.readers,
            options.posts,
            options.per_post,
            clients=options.clients,
            sending=not options.alone,
        )
        for _ in range(options.runs)
    ]
    p99 = [sorted(run.posts)[int(len(run.posts) * 0.99)] for run in runs]
    return {
        f"events_per_s_{kind}": round(statistics.median(run.events / run.seconds for run in runs)),
        f"p50_ms_{kind}": round(statistics.median(statistics.median(run.posts) for run in runs) * 1_000, 1),
        f"p99_ms_{kind}": round(statistics.median(p99) * 1_000, 1),
        f"cpu_us_an_event_{kind}": round(statistics.median(run.cpu / run.events for run in runs) * 1e6),
        f"sent_meanwhile_per_s_{kind}": round(statistics.median(run.sent / run.seconds for run in runs)),
    }


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description="Time how reports are taken in while an issue is being sent.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--runs", type=int, default=3, help="runs on each database (default: 3)")
    parser.add_argument("--readers", type=int, default=100_000, help="readers of the list (default: 100000)")
    parser.add_argument("--posts", type=int, default=150, help="posts in a run (default: 150)")
    parser.add_argument("--per-post", type=int, default=200, help="events in a post (default: 200)")
    parser.add_argument("--clients", type=int, default=2, help="posts under way at the same time (default: 2)")
    parser.add_argument("--alone", action="store_true", help="send nothing meanwhile")
    parser.add_argument("--postgresql", default="", help="URL of a server on which databases may be made and dropped")
    options = parser.parse_args()
    if options.postgresql:
        os.environ[SERVER_VARIABLE] = options.postgresql
    kinds = ["sqlite", *(["postgresql"] if os.environ.get(SERVER_VARIABLE) else [])]
    found: dict[str, float] = {}
    for kind in kinds:
        found |= figures(kind, options)
    found["p99_ms"] = max(found[f"p99_ms_{kind}"] for kind in kinds)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name, figure in found.items():
        print(f"{name:<32}{figure:>12,}")


if __name__ == "__main__":
    main()
