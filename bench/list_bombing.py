"""How a flood of sign-ups is held up: `python -m bench.list_bombing`, `--json` (threat 11).

100,000 sign-ups at 10,000 victims within ten minutes of a clock of its own, through the real door and a real SQLite
database, by an attacker who has true tokens, patience and many networks; readers sign up from elsewhere at the same
time. Told are the mails to the victim who got most, all their mails, the seconds until the attack was held up, and the
part of the readers who got through.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlmodel import Session

from newsletter.db import Database
from newsletter.signup.asking import Asked, ask
from newsletter.signup.door import Answer, Door, Knock, Verdict
from subscribers.addresses import parse_address
from subscribers.hashes import KeyedHash
from subscribers.tokens import Signer
from tests.builders import NOW, newsroom

SLUG = "fen-weekly"
SECRET = "a secret of more than thirty-two characters"
SECOND = timedelta(seconds=1)
_READERS = 500


@dataclass
class Visitor:
    """Knocks at the door from one network, as the pages do."""

    session: Session
    door: Door = field(default_factory=lambda: Door(Signer([SECRET]), KeyedHash([SECRET])))
    ip: str = "203.0.113.7"

    def knock(
        self, now: datetime, token: str = "", address: str = "ann@example.org", work: str = "", slugs: str = SLUG
    ) -> Answer:
        knock = Knock(parse_address(address), slugs.split(), token, work, self.ip)
        return self.door.knock(self.session, knock, now)

    def fill_in(self, now: datetime, address: str = "ann@example.org") -> Answer:
        """Send a form that was opened ten seconds before; press once more when asked to."""
        answer = self.knock(now, self.door.token(now - 10 * SECOND), address)
        while answer.verdict is Verdict.AGAIN:
            now += 2 * SECOND
            answer = self.knock(now, answer.token, address)
        return answer


@dataclass
class Attack:
    """What an attacker does who knows everything: true tokens, patience, every press, many networks."""

    victims: int
    networks: int
    sign_ups: int
    seconds: int = 600


@dataclass
class Outcome:
    """What came of an attack: mails to whom it hit most, seconds until it was held up, part of the readers let in."""

    most_mails: int
    mails: int
    tripped_after: float
    passed: float


def bomb(db: Database, attack: Attack, readers: int, at_once: int = 200) -> Outcome:
    """Attack the door, and let readers sign up meanwhile. A transaction takes several sign-ups, to save time."""
    chance = random.Random(11)
    hashes = KeyedHash([SECRET])
    door = Door(Signer([SECRET]), hashes)
    mails: Counter[str] = Counter()
    tripped_after, passed = float("inf"), 0
    with db.transaction() as session:
        newsroom(session)
    every = attack.sign_ups // readers

    def sign_up(session: Session, visitor: Visitor, address: str, now: datetime) -> Answer:
        answer = visitor.fill_in(now, address)
        if answer.verdict is Verdict.TAKEN:
            asked = Asked(parse_address(address), {SLUG: "words"}, "page", visitor.ip)
            if any(one.mail_due for one in ask(session, asked, hashes=hashes, now=now).values()):
                mails[address] += 1
        return answer

    for start in range(0, attack.sign_ups, at_once):
        with db.transaction() as session:
            for number in range(start, min(start + at_once, attack.sign_ups)):
                now = NOW + number * attack.seconds * SECOND / attack.sign_ups
                network = chance.randrange(attack.networks)
                bad = Visitor(
                    session, door, f"{100 + network // 60_000}.{network // 250 % 250}.{network % 250}.{number % 250}"
                )
                answer = sign_up(session, bad, f"victim{chance.randrange(attack.victims)}@example.org", now)
                if answer.flooded or answer.verdict is Verdict.TOO_MANY:
                    tripped_after = min(tripped_after, (now - NOW).total_seconds())
                if number % every == every - 1:
                    clean = Visitor(session, door, f"20.{number // every % 250}.{number // every // 250}.9")
                    passed += sign_up(session, clean, f"reader{number}@example.net", now).verdict is Verdict.TAKEN
    victims = {address: count for address, count in mails.items() if address.startswith("victim")}
    return Outcome(max(victims.values(), default=0), sum(victims.values()), tripped_after, passed / readers)


def main() -> None:
    """Run the attacks and say what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sign-ups", type=int, default=100_000)
    parser.add_argument("--networks", type=int, nargs="+", default=[500], help="such as 1 500 50000")
    options = parser.parse_args()
    found = {}
    for networks in options.networks:
        with tempfile.TemporaryDirectory() as folder:
            db = Database(f"sqlite:///{Path(folder) / 'bombed.db'}")
            db.upgrade()
            begun = time.perf_counter()
            attack = Attack(victims=options.sign_ups // 10, networks=networks, sign_ups=options.sign_ups)
            outcome = bomb(db, attack, _READERS)
            db.close()
        found[f"{networks} networks"] = asdict(outcome) | {"took_s": round(time.perf_counter() - begun, 1)}
    if options.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
