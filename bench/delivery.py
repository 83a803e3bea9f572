"""How fast an issue goes out, with the ledger on: `python -m bench.delivery`, or with `--json` for scripts.

    python -m bench.delivery [--readers 20000] [--million] [--runs 3] [--only plan,smtp,sendgrid,memory,events] [--json]

SMTP goes to postfix's `smtp-sink`, beside postfix's own `smtp-source` to the same sink with as many connections and
mails of the same size, in turn (A B A B); SendGrid to its simulator in a process of its own. What is measured runs in a
process of its own, so that CPU and memory are its alone. Every tenth mail of a run is parsed by the standard library
and compared with what its reader should have got. Times are for comparing on one machine, never for a test.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path

from bench.audience import installation, sqlite_url
from bench.sending import BASE, LANES, SIGNER
from newsletter import delivery
from newsletter.delivery import Post
from newsletter.delivery.journal import Journal
from newsletter.delivery.planning import plan
from newsletter.mail import Mail, Outcome, Recipient
from newsletter.models import Chunk, Delivery, Issue, IssueState
from newsletter.providers import Provider
from newsletter.providers.smtp import SmtpProvider
from newsletter.testing.sendgrid import simulator_process
from tests.builders import NOW

CONNECTIONS = 10
#: About what a message of the benchmark has; smtp-source sends as many.
MESSAGE_BYTES = 31_000
_CHUNK = 500
_MILLION = 1_000_000
Figures = dict[str, float]


@dataclass(frozen=True)
class Target:
    """What a figure is to reach: at most, or at least when `floor` says so; and what it counts, in words."""

    value: float
    words: str
    floor: bool = False


#: Issue 5, point 9.
TARGETS = {
    "plan_1m_s": Target(3, "seconds to plan a million deliveries on SQLite"),
    "smtp_ratio": Target(1, "mails a second, as a part of what smtp-source reaches against the same sink", floor=True),
    "smtp_cpu_us": Target(120, "microseconds of our CPU for a mail by SMTP"),
    "sendgrid_per_s": Target(40_000, "readers a second to SendGrid's simulator", floor=True),
    "events_per_s_sqlite": Target(2_000, "reported events a second on SQLite", floor=True),
    "events_per_s_postgresql": Target(5_000, "reported events a second on PostgreSQL", floor=True),
    "peak_mb": Target(100, "megabytes that the sending process took at most"),
}


def measure_plan(readers: int, runs: int) -> Figures:
    """Return the seconds to plan, beside a bare INSERT ... SELECT of as many rows in the same file."""
    with tempfile.TemporaryDirectory() as folder, installation(sqlite_url(Path(folder)), readers) as (db, issue_id):
        ours, bare = [], []
        for _ in range(runs):
            started = time.perf_counter()
            with db.transaction() as session:
                plan(session, session.get_one(Issue, issue_id), _CHUNK, NOW)
            ours.append(time.perf_counter() - started)
            with db.transaction() as session:
                issue = session.get_one(Issue, issue_id)
                issue.state, issue.expected = IssueState.APPROVED, 0
                for table in (Delivery, Chunk):
                    session.connection().exec_driver_sql(f"DELETE FROM {table.__tablename__}")
                session.connection().exec_driver_sql(
                    "CREATE TABLE bare (id INTEGER PRIMARY KEY, reader INTEGER, chunk INTEGER)"
                )
            started = time.perf_counter()
            with db.transaction() as session:
                session.connection().exec_driver_sql(
                    "INSERT INTO bare (reader, chunk) SELECT subscriber_id, id / 500 FROM subscription"
                )
            bare.append(time.perf_counter() - started)
            with db.transaction() as session:
                session.connection().exec_driver_sql("DROP TABLE bare")
        scale = _MILLION / readers
        return {"plan_1m_s": statistics.median(ours) * scale, "bare_insert_1m_s": statistics.median(bare) * scale}


def measure_smtp(readers: int, runs: int) -> Figures:
    """Return mails a second of ours and of smtp-source in turn, and our CPU for each."""
    ours, theirs, cpu = [], [], []
    with _sink() as port:
        _source(port, readers // 4)  # the sink warms up
        for _ in range(runs):
            sent = _send_apart(readers, "smtp", {"host": "127.0.0.1", "port": port, "security": "none"})
            ours.append(sent["per_s"])
            cpu.append(sent["cpu_us"])
            theirs.append(_source(port, readers))
    return {
        "smtp_per_s": statistics.median(ours),
        "smtp_source_per_s": statistics.median(theirs),
        "smtp_ratio": statistics.median(one / other for one, other in zip(ours, theirs, strict=True)),
        "smtp_cpu_us": statistics.median(cpu),
    }


def measure_memory(audiences: Sequence[int]) -> Figures:
    """Return the megabytes at most for audiences of these sizes, by SMTP: they must not grow with the audience."""
    found: Figures = {}
    with _sink() as port:
        for readers in audiences:
            sent = _send_apart(readers, "smtp", {"host": "127.0.0.1", "port": port, "security": "none"})
            found |= {f"peak_mb_{readers}": sent["peak_mb"], f"smtp_per_s_{readers}": sent["per_s"]}
    found["peak_mb"] = max(value for name, value in found.items() if name.startswith("peak_mb"))
    found["memory_growth"] = found[f"peak_mb_{audiences[-1]}"] / found[f"peak_mb_{audiences[0]}"]
    return found


def measure_sendgrid(readers: int, runs: int) -> Figures:
    """Return readers a second to the simulator, and our CPU for each."""
    rates, cpu = [], []
    for _ in range(runs):
        with simulator_process("--fast", "--key", "SG.bench") as simulator:
            options = {"api_key": "SG.bench", "host": simulator.url, "first_chunk": 0, "chunk_size": 1_000}
            sent = _send_apart(readers, "sendgrid", options)
            rates.append(sent["per_s"])
            cpu.append(sent["cpu_us"])
    return {"sendgrid_per_s": statistics.median(rates), "sendgrid_cpu_us": statistics.median(cpu)}


class _Remembering:
    """The SMTP provider, and what its readers were to get, by Message-ID."""

    def __init__(self, port: int) -> None:
        self._smtp = SmtpProvider(host="127.0.0.1", port=port, security="none")
        self.chunk_size = self._smtp.chunk_size
        self.wanted: dict[str, tuple[str, str]] = {}

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Send, and remember both parts of every reader's copy."""
        for one in recipients:
            message_id = dict(mail.headers_for(one.values))["Message-ID"]
            self.wanted[message_id] = mail.html_for(one.values), mail.text_for(one.values)
        return self._smtp.send(mail, recipients)


def check_bytes(readers: int) -> int:
    """Send to a sink that keeps every mail, and compare every tenth with what was to be sent; return how many."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kept"
        kept.mkdir()
        with _sink("-d", f"{kept}/m.%M.") as port, installation(sqlite_url(Path(folder)), readers) as (db, issue_id):
            provider = _Remembering(port)
            delivery.send(db, issue_id, _post(provider, Path(folder)), by_hand=True)
        files = sorted(kept.iterdir())
        if len(files) != readers:
            raise SystemExit(f"{readers} mails were sent, {len(files)} arrived")
        for file in files[::10]:
            message = message_from_bytes(file.read_bytes(), policy=policy.SMTP)
            parts = [message.get_body([subtype]) for subtype in ("html", "plain")]
            got = tuple(part.get_content().replace("\r\n", "\n") if part else "" for part in parts)
            if got != provider.wanted[message["Message-ID"]]:
                raise SystemExit(f"{file.name}: the standard library reads something else than was to be sent")
        return len(files[::10])


def _send_apart(readers: int, use: str, options: dict[str, object]) -> Figures:
    """Make an installation, send its issue in a process of its own, and return what that took."""
    with tempfile.TemporaryDirectory() as folder:
        with installation(sqlite_url(Path(folder)), readers) as (db, issue_id), db.transaction() as session:
            plan(session, session.get_one(Issue, issue_id), int(str(options.get("chunk_size", _CHUNK))), NOW)
        command = [sys.executable, "-m", "bench.sending", folder, str(issue_id), use, json.dumps(options)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        figures: Figures = json.loads(done.stdout)
        if figures["accepted"] != readers:
            raise SystemExit(f"{readers} readers, {figures['accepted']} accepted")
        return figures


def _post(provider: Provider, folder: Path) -> Post:
    return Post(provider, SIGNER, BASE, lambda: NOW, name="bench", journal=Journal(folder / "sending"), lanes=LANES)


@contextmanager
def _sink(*options: str) -> Iterator[int]:
    """Run postfix's smtp-sink and yield its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    user = ["-u", "root"] if os.getuid() == 0 else []
    process = subprocess.Popen([_postfix("smtp-sink"), *user, *options, f"127.0.0.1:{port}", "1000"])
    try:
        for _ in range(100):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def _source(port: int, mails: int) -> float:
    """Return the mails a second of postfix's smtp-source with as many connections, and mails of the same size."""
    command = [_postfix("smtp-source"), "-s", str(2 * CONNECTIONS), "-l", str(MESSAGE_BYTES), "-m", str(mails)]
    started = time.perf_counter()
    subprocess.run([*command, "-f", "a@example.org", "-t", "b@example.org", f"127.0.0.1:{port}"], check=True)
    return mails / (time.perf_counter() - started)


def _postfix(program: str) -> str:
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec/postfix")
    if found is None:
        raise SystemExit(f"{program} is missing: it is in Debian's package postfix; scripts/postfix.sh installs it.")
    return found


def measure_events() -> Figures:
    """Return what bench/events.py measures, PostgreSQL included where TEST_POSTGRESQL_URL names one."""
    done = subprocess.run([sys.executable, "-m", "bench.events", "--json"], check=True, capture_output=True, text=True)
    found: Figures = json.loads(done.stdout)
    return found


def measured(only: Sequence[str], readers: int, runs: int, *, million: bool) -> Figures:
    """Return the figures of the parts in `only`."""
    figures: Figures = {}
    if "plan" in only:
        figures |= measure_plan(_MILLION, runs)
    if "smtp" in only:
        figures |= {"parsed_mails": check_bytes(1_000)} | measure_smtp(readers, runs)
    if "sendgrid" in only:
        figures |= measure_sendgrid(readers * 5, runs)
    if "memory" in only:
        figures |= measure_memory([10_000, 100_000, *([_MILLION] if million else [])])
    if "events" in only:
        figures |= measure_events()
    return {name: round(value, 3) for name, value in figures.items()}


def main() -> None:
    """Print a table, or JSON."""
    parts = ["plan", "smtp", "sendgrid", "memory", "events"]
    parser = argparse.ArgumentParser(description="Measure delivery: planning, SMTP, SendGrid, memory, events.")
    parser.add_argument("--readers", type=int, default=20_000, help="readers of an SMTP run (SendGrid: five times)")
    parser.add_argument("--runs", type=int, default=3, help="how often each is measured (default: 3)")
    parser.add_argument("--million", action="store_true", help="also send to a million readers (some minutes)")
    parser.add_argument("--only", default=",".join(parts), help="which parts, with commas between")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    figures = measured(chosen.only.split(","), chosen.readers, chosen.runs, million=chosen.million)
    if chosen.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        target = TARGETS.get(name)
        aim = f"   ({'at least' if target.floor else 'at most'} {target.value:g}: {target.words})" if target else ""
        print(f"{name:<26}{figure:>14,.3f}{aim}")


if __name__ == "__main__":
    main()
