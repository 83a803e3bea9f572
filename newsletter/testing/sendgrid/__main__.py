"""`python -m newsletter.testing.sendgrid`: the simulator as a process of its own."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path

from newsletter.testing.sendgrid.account import LateCancel
from newsletter.testing.sendgrid.api import API_KEY, Rate
from newsletter.testing.sendgrid.events import Disorder
from newsletter.testing.sendgrid.faults import Fault, from_json
from newsletter.testing.sendgrid.signing import SigningKey
from newsletter.testing.sendgrid.simulator import SendGridSimulator


def main(arguments: list[str] | None = None) -> None:
    """Run the simulator until it gets SIGTERM or SIGINT; its first two lines are its URL and the webhook's key."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        simulator = _simulator(options)
    except (OSError, ValueError, OverflowError) as error:
        parser.error(str(error))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if options.with_parent:
        threading.Thread(target=_wait_for_parent, args=(ended,), daemon=True).start()
    with simulator:
        sys.stdout.write(f"url: {simulator.url}\npublic key: {simulator.public_key}\n")
        sys.stdout.flush()
        ended.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m newsletter.testing.sendgrid",
        description="A simulator of SendGrid's v3 API on this machine, for tests. It sends no mail.",
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="where to listen on 127.0.0.1; 0 chooses one (default)")
    add("--key", default=API_KEY, help=f"the API key that is taken (default {API_KEY})")
    add("--webhook", default="", metavar="URL", help="where events are posted; without it they wait to be pulled")
    add("--key-file", type=Path, metavar="PEM", help="the key that signs events; made when it is not there")
    add("--seed", type=int, default=0, help="decides all that is by chance")
    add("--start", type=datetime.fromisoformat, help="the clock begins here and stands still between advances")
    add("--fast", action="store_true", help="take every request to send, unchecked, and count only")
    add("--faults", type=Path, metavar="JSON", help="a file with a list of faults")
    add("--late-cancel", type=LateCancel, choices=list(LateCancel), default=LateCancel.IGNORED)
    add("--activity", action="store_true", help="answer searches of the Email Activity")
    add("--rate", type=int, default=60_000, help="requests a minute; more are answered with 429")
    add("--reordered", action="store_true", help="events in any order")
    for name, words in (("duplicated", "come twice"), ("lost", "never come"), ("late", "come up to a day late")):
        add(f"--{name}", type=float, default=0.0, metavar="SHARE", help=f"share of events that {words}, 0 to 1")
    add("--with-parent", action="store_true", help="end when standard input ends")
    return parser


def _simulator(options: argparse.Namespace) -> SendGridSimulator:
    """Return the simulator that the options describe. Raises OSError and ValueError."""
    disorder = Disorder(options.duplicated, options.lost, options.late, reordered=options.reordered)
    return SendGridSimulator(
        port=options.port,
        key=options.key,
        webhook=options.webhook,
        signing_key=SigningKey.kept_in(options.key_file) if options.key_file else None,
        seed=options.seed,
        start=options.start,
        fast=options.fast,
        faults=_faults(options.faults) if options.faults else [],
        late_cancel=options.late_cancel,
        activity=options.activity,
        rate=Rate(options.rate),
        disorder=disorder,
    )


def _wait_for_parent(ended: threading.Event) -> None:
    """Standard input ends with the process that holds its other side, however that one ends."""
    sys.stdin.read()
    ended.set()


def _faults(path: Path) -> list[Fault]:
    content = json.loads(path.read_bytes())
    if not isinstance(content, list):
        raise ValueError(f"{path} is no JSON array of faults.")  # noqa: TRY004 - a user's mistake, not a caller's
    return [from_json(one) for one in content]


if __name__ == "__main__":
    main()
