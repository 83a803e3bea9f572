"""Whether the time of an answer tells who is on a list: `python -m bench.enumeration`, `--json` (threat 12).

Sign-ups go over loopback into the real server, in an order of chance: addresses that are new, pending, confirmed and
suppressed, 2,000 of each. Told are the median of each in milliseconds, how far they are apart at most, and the least p
of the Kolmogorov-Smirnov tests of two kinds each: below 0.01 a stranger could tell them apart.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import math
import multiprocessing
import random
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from urllib.parse import urlencode

from newsletter.db import Database
from newsletter.render import Renderer
from newsletter.signup.door import Door, Rules
from newsletter.testing import MemoryProvider
from newsletter.web import make_server, make_web
from subscribers.hashes import KeyedHash
from subscribers.models import SubscriptionState, SuppressionReason
from subscribers.suppression import suppress
from subscribers.tokens import Signer
from tests import builders

_SECRET = "a secret of more than thirty-two characters"
_KINDS = ("new", "pending", "confirmed", "suppressed")
_ALL = 1_000_000_000


def least_p(times: dict[str, list[float]]) -> float:
    """Return the least p of the two-sample Kolmogorov-Smirnov tests of all pairs, by its limiting distribution."""
    return min(_p(one, other) for one, other in combinations(times.values(), 2))


def _p(one: Sequence[float], other: Sequence[float]) -> float:
    ordered = sorted([(value, 1 / len(one)) for value in one] + [(value, -1 / len(other)) for value in other])
    far = total = 0.0
    for place, (value, step) in enumerate(ordered):
        total += step
        if place + 1 == len(ordered) or ordered[place + 1][0] != value:
            far = max(far, abs(total))
    scaled = far * math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    if scaled < 0.2:  # the sum below converges too slowly, and is 1 but for the last digits
        return 1.0
    return min(1.0, 2 * math.fsum((1 if k % 2 else -1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101)))


def measured(folder: Path, number: int) -> dict[str, list[float]]:
    """Return how many milliseconds each answer took, by kind."""
    db = Database(f"sqlite:///{folder / 'asked.db'}")
    db.upgrade()
    with db.transaction() as session:
        room = builders.newsroom(session)
        for one in range(number):
            for state in (SubscriptionState.PENDING, SubscriptionState.CONFIRMED):
                row = builders.reader(session, room, f"{state}{one}@example.org", state=state)
                row.confirmation_sent_at = datetime.now(UTC)
            suppress(session, f"suppressed{one}@example.org", SuppressionReason.BOUNCE, "", builders.NOW)
    app = make_web(
        db=db,
        provider=MemoryProvider(),
        renderer=Renderer(),
        signer=Signer([_SECRET]),
        hashes=KeyedHash([_SECRET]),
        base_url="https://news.example.org",
        clock=lambda: datetime.now(UTC),
        rules=Rules(per_network=_ALL, per_minute=_ALL, per_hour=_ALL),
    )
    logging.disable(logging.INFO)
    server = make_server(app, host="127.0.0.1", port=0)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        # From a process of its own, which does not wait for what the server's threads do after the answer.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(_times, (listener.getsockname()[1], number))
    finally:
        server.should_exit = True
        thread.join()
        db.close()


def _times(port: int, number: int) -> dict[str, list[float]]:
    door = Door(Signer([_SECRET]), KeyedHash([_SECRET]))
    order = [(kind, one) for kind in _KINDS for one in range(number)]
    random.Random(12).shuffle(order)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    kind_of_body = {"Content-Type": "application/x-www-form-urlencoded"}
    times: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    for kind, one in order:
        token = door.token(datetime.now(UTC) - timedelta(minutes=1))
        body = urlencode({"address": f"{kind}{one}@example.org", "token": token})
        begun = time.perf_counter()
        connection.request("POST", "/editions/fen-weekly", body, kind_of_body)
        answer = connection.getresponse()
        answer.read()
        times[kind].append((time.perf_counter() - begun) * 1_000)
        assert answer.status == 200
        time.sleep(0.005)
    connection.close()
    return times


def main() -> None:
    """Measure and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--each", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = measured(Path(folder), options.each)
    medians = {kind: round(statistics.median(found), 3) for kind, found in times.items()}
    apart = round(max(medians.values()) - min(medians.values()), 3)
    found = {"medians_ms": medians, "apart_ms": apart, "least_p": round(least_p(times), 4)}
    print(json.dumps(found) if options.json else "\n".join(f"{name}: {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
