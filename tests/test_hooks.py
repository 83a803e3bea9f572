"""Where providers report, over HTTP: only what is surely theirs is believed, once, and answered when it is stored."""

from __future__ import annotations

import base64
import json
import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fastapi.testclient import TestClient

from newsletter.db import Database
from newsletter.mail import Kind
from newsletter.providers.events import Event, NotGenuine
from newsletter.providers.sendgrid import SendGridProvider
from newsletter.render import Renderer
from newsletter.testing import MemoryProvider
from newsletter.testing.sendgrid.signing import SigningKey
from newsletter.web import make_web
from newsletter.web.hooks import MAX_REPORT
from subscribers.hashes import KeyedHash
from subscribers.models import Suppression, SuppressionReason
from subscribers.tokens import Signer
from tests.builders import NOW
from tests.databases import created_database
from tests.reported import ACCEPTED, UNCERTAIN, Out, out
from tests.sites import BASE_URL, SECRET, Clock

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
PATH = "/hooks/sendgrid"
#: The order of P-256's group (SEC 2, section 2.4.2): with s, its difference to s signs the same.
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass
class Hooked:
    """The pages of an installation that sends through SendGrid, with an issue that is out."""

    issue: Out
    clock: Clock = field(default_factory=Clock)
    old: SigningKey = field(default_factory=SigningKey)
    new: SigningKey = field(default_factory=SigningKey)

    def __post_init__(self) -> None:
        sendgrid = SendGridProvider(api_key="SG.key", webhook_keys=(self.old.public_key, self.new.public_key))
        providers = {
            "sendgrid": sendgrid,
            "keyless": SendGridProvider(api_key="SG.key"),
            "memory": MemoryProvider(),
            "odd": Odd(),
        }
        app = make_web(
            db=self.issue.db,
            provider=sendgrid,
            renderer=Renderer(),
            signer=Signer([SECRET]),
            hashes=KeyedHash([SECRET]),
            base_url=BASE_URL,
            clock=self.clock,
            hooks=providers,
        )
        self.client = TestClient(app, base_url=BASE_URL, follow_redirects=False, raise_server_exceptions=False)

    def events(self, *numbers: int, event: str = "delivered") -> bytes:
        """Return a body with an event about each of the deliveries."""
        return json.dumps([self.told(number, event) for number in numbers]).encode()

    def told(self, number: int, event: str) -> dict[str, Any]:
        """Return an event in SendGrid's words."""
        return {
            "email": f"r{number}@example.org",
            "timestamp": int(NOW.timestamp()),
            "event": event,
            "sg_event_id": f"{event}-{number}",
            "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
            "delivery_id": self.issue.name(number),
            "type": "bounce",
        }

    def headers(self, body: bytes, *, key: SigningKey | None = None, at: datetime = NOW) -> dict[str, str]:
        """Return the headers that prove a body."""
        return (key or self.new).headers(int(at.timestamp()), body)

    def post(self, body: bytes, headers: Mapping[str, str] | None = None, path: str = PATH) -> httpx2.Response:
        """Post a body, signed unless it is given headers."""
        return self.client.post(path, content=body, headers=self.headers(body) if headers is None else dict(headers))


class Odd:
    """A provider of one's own, which finds every request genuine and reads none."""

    chunk_size = 1

    def events(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:
        if body == b"forged":
            raise NotGenuine("This is forged.")
        if body == b"broken":
            raise KeyError("a bug of its author")
        raise ValueError(f"cannot read {body!r}")


@pytest.fixture
def hooked(sqlite_database: Database) -> Hooked:
    return Hooked(out(sqlite_database, 5, UNCERTAIN))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    """One installation for all that must leave it as it is."""
    with created_database("sqlite", tmp_path_factory.mktemp("hooks")) as db:
        yield Hooked(out(db, 5, UNCERTAIN))


@pytest.fixture
def unchanged(shared: Hooked) -> Iterator[Hooked]:
    """The shared installation, in which not a row may be different after the test."""
    before = shared.issue.dump()
    yield shared
    assert shared.issue.dump() == before


def test_events_reach_the_ledger(database: Database) -> None:
    hooked = Hooked(out(database, 5, UNCERTAIN))
    answer = hooked.post(hooked.events(0, 2))
    assert (answer.status_code, answer.content) == (200, b"")
    assert "set-cookie" not in answer.headers
    assert [row.state is ACCEPTED for row in hooked.issue.rows()] == [True, False, True, False, False]
    assert [row.provider for row in hooked.issue.stored()] == ["sendgrid"] * 2


def test_threat_23_what_is_posted_of_who_was_erased_is_stored_without_them(database: Database) -> None:
    """Of a mail that is none of the ledger's, such as a confirmation: the address alone says whose it is."""
    hooked = Hooked(out(database, 1, UNCERTAIN))
    hashed = KeyedHash([SECRET]).of("gone@example.org")
    with database.transaction() as session:
        session.add(Suppression(address_key=hashed, reason=SuppressionReason.ERASED, at=NOW))
    event = hooked.told(0, "bounce") | {
        "email": "Gone@example.org",
        "delivery_id": "",
        "reason": "550 gone@example.org",
    }
    assert hooked.post(json.dumps([event]).encode()).status_code == 200
    [stored] = hooked.issue.stored()
    assert (stored.delivery_id, stored.address, stored.detail, stored.raw) == (None, "", "", {})


def test_a_bare_post_is_enough(hooked: Hooked) -> None:
    """No cookie, no token, no Origin: the signature alone counts; a foreign Origin does no harm to it."""
    body = hooked.events(1)
    headers = hooked.headers(body) | {"Origin": "https://elsewhere.example", "Content-Type": "text/plain"}
    assert hooked.post(body, headers, f"{PATH}/").status_code == 200
    assert hooked.issue.row(1).reported == "delivered"


def _flipped(hooked: Hooked, body: bytes) -> dict[str, str]:
    headers = hooked.headers(body)
    signature = bytearray(base64.b64decode(headers[SIGNATURE]))
    signature[-1] ^= 1
    return headers | {SIGNATURE: base64.b64encode(signature).decode()}


def _zero(hooked: Hooked, body: bytes) -> dict[str, str]:
    """Sign with r and s of 0, which some checkers took for right (CVE-2022-21449)."""
    return hooked.headers(body) | {SIGNATURE: base64.b64encode(encode_dss_signature(0, 0)).decode()}


def _with(**changes: str | None) -> Callable[[Hooked, bytes], dict[str, str]]:
    def change(hooked: Hooked, body: bytes) -> dict[str, str]:
        headers = hooked.headers(body) | {
            {"signature": SIGNATURE, "timestamp": TIMESTAMP}[name]: value
            for name, value in changes.items()
            if value is not None
        }
        for name in [name for name, value in changes.items() if value is None]:
            del headers[{"signature": SIGNATURE, "timestamp": TIMESTAMP}[name]]
        return headers

    return change


def _later(**shift: int) -> Callable[[Hooked, bytes], dict[str, str]]:
    """Sign rightly, at another time."""
    return lambda hooked, body: hooked.headers(body, at=NOW + timedelta(**shift))


def _of_another_body(hooked: Hooked, body: bytes) -> dict[str, str]:
    return hooked.headers(hooked.events(3))


def _of_another_time(hooked: Hooked, body: bytes) -> dict[str, str]:
    return hooked.headers(body) | {TIMESTAMP: str(int(NOW.timestamp()) + 1)}


def _of_another_key(hooked: Hooked, body: bytes) -> dict[str, str]:
    return hooked.headers(body, key=SigningKey())


def _of_another_curve(hooked: Hooked, body: bytes) -> dict[str, str]:
    return hooked.headers(body, key=SigningKey(ec.generate_private_key(ec.SECP384R1())))


def _split_elsewhere(hooked: Hooked, body: bytes) -> dict[str, str]:
    """Move the border between time and body: what is signed together is the same."""
    stamp = str(int(NOW.timestamp()))
    return hooked.new.headers(int(stamp[:-1]), stamp[-1].encode() + body)


FORGERIES: dict[str, Callable[[Hooked, bytes], dict[str, str]]] = {
    "no headers": lambda hooked, body: {},
    "no signature": _with(signature=None),
    "no time": _with(timestamp=None),
    "an empty signature": _with(signature=""),
    "no base64": _with(signature="*** not base64 ***"),
    "no DER": _with(signature=base64.b64encode(b"signature").decode()),
    "one bit changed": _flipped,
    "r and s of 0": _zero,
    "the signature of another body": _of_another_body,
    "the signature of another time": _of_another_time,
    "a key that is not ours": _of_another_key,
    "a key on another curve": _of_another_curve,
    "the border moved": _split_elsewhere,
    "27 hours old": _later(hours=-27),
    "of 2001": lambda hooked, body: hooked.headers(body, at=datetime(2001, 9, 9, tzinfo=NOW.tzinfo)),
    "an hour ahead": _later(hours=1),
    "a time that is no number": _with(timestamp="yesterday"),
    "a negative time": _with(timestamp="-1"),
    "a time with a sign": _with(timestamp=f"+{int(NOW.timestamp())}"),
    "a time with white space": _with(timestamp=f"{int(NOW.timestamp())} 0"),
    "a time without end": _with(timestamp="9" * 400),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forgery_stores_nothing(unchanged: Hooked, forge: Callable[[Hooked, bytes], dict[str, str]]) -> None:
    """Threat 15: 20 forgeries and more; not a row is different afterwards."""
    body = unchanged.events(0, 1, event="spamreport")
    answer = unchanged.post(body, forge(unchanged, body))
    assert (answer.status_code, answer.content) == (403, b"")


def test_a_changed_byte_is_found_out_wherever_it_is(unchanged: Hooked) -> None:
    body = unchanged.events(0)
    headers = unchanged.headers(body)
    for place in random.Random(15).sample(range(len(body)), 40):
        forged = body[:place] + bytes([body[place] ^ 4]) + body[place + 1 :]
        assert unchanged.post(forged, headers).status_code == 403


def test_either_key_is_believed_while_they_change(hooked: Hooked) -> None:
    """Threat 15: several keys, for rotation."""
    for number, key in enumerate((hooked.old, hooked.new)):
        body = hooked.events(number)
        assert hooked.post(body, hooked.headers(body, key=key)).status_code == 200
    assert [row.reported for row in hooked.issue.rows()][:2] == ["delivered"] * 2


def test_a_second_signature_of_the_same_post_has_no_effect(hooked: Hooked) -> None:
    """Threat 15: (r, n-s) verifies, too, so no signature may be what a post is known by."""
    body = hooked.events(0, 1)
    headers = hooked.headers(body)
    assert hooked.post(body, headers).status_code == 200
    before = hooked.issue.dump()
    r, s = decode_dss_signature(base64.b64decode(headers[SIGNATURE]))
    twin = base64.b64encode(encode_dss_signature(r, ORDER - s)).decode()
    assert hooked.post(body, headers | {SIGNATURE: twin}).status_code == 200
    assert hooked.issue.dump() == before


def test_a_thousand_replayed_events_in_any_order_change_nothing(hooked: Hooked) -> None:
    """Threat 15: whole posts again, mixed, a day late."""
    names = ("processed", "deferred", "delivered", "open", "bounce", "spamreport")
    posts = [hooked.events(number, (number + 1) % 5, event=name) for number in range(5) for name in names]
    signed = [(body, hooked.headers(body)) for body in posts]
    rng = random.Random(1)
    rng.shuffle(signed)
    for body, headers in signed:
        assert hooked.post(body, headers).status_code == 200
    before = hooked.issue.dump()
    assert {row.reported for row in hooked.issue.rows()} == {"complained"}
    hooked.clock.now = NOW + timedelta(hours=25)
    for body, headers in rng.choices(signed, k=500):
        assert hooked.post(body, headers).status_code == 200
    assert hooked.issue.dump() == before


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'"delivered"', b"\xff\xfe", b"[" * 60_000], ids=repr)
def test_what_is_signed_and_cannot_be_read_is_refused(unchanged: Hooked, body: bytes) -> None:
    assert unchanged.post(body).status_code == 400


def test_one_odd_event_spoils_no_other(hooked: Hooked) -> None:
    """A post that is refused comes again for a day, and with it the events that are right."""
    odd: list[Any] = [None, 7, "x", [], {}, {"event": 5, "email": None, "timestamp": "soon", "delivery_id": ["a"]}]
    odd += [{"sg_event_id": "nul", "event": "open", "reason": "\0\ud800", "timestamp": 1e300, "attempt": "9" * 30}]
    body = json.dumps([*odd, hooked.told(0, "delivered")]).encode()
    assert hooked.post(body).status_code == 200
    assert hooked.issue.row(0).reported == "delivered"


def test_a_post_may_have_two_megabytes_and_no_more(hooked: Hooked) -> None:
    filling = {"sg_event_id": "filling", "event": "processed", "text": ""}
    room = MAX_REPORT - len(json.dumps([filling]).encode())
    largest = json.dumps([filling | {"text": "x" * room}]).encode()
    assert len(largest) == MAX_REPORT
    assert hooked.post(largest).status_code == 200
    before = hooked.issue.dump()
    larger = largest[:-1] + b" ]"
    assert hooked.post(larger).status_code == 413
    in_pieces = (larger[start : start + 65_536] for start in range(0, len(larger), 65_536))
    assert hooked.client.post(PATH, content=in_pieces, headers=hooked.headers(larger)).status_code == 413
    assert hooked.issue.dump() == before


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_a_post_reports(unchanged: Hooked, method: str) -> None:
    assert unchanged.client.request(method, PATH).status_code == 405


@pytest.mark.parametrize("name", ["memory", "smtp", "nobody", "sendgrid/more", ""])
def test_a_provider_that_does_not_report_has_no_hook(unchanged: Hooked, name: str) -> None:
    body = unchanged.events(0)
    assert unchanged.post(body, path=f"/hooks/{name}").status_code == 404


def test_without_a_key_nothing_is_believed(unchanged: Hooked) -> None:
    """Threat 15: off when there is no key."""
    assert unchanged.post(unchanged.events(0), path="/hooks/keyless").status_code == 404


def test_nothing_of_a_report_gets_into_the_log(unchanged: Hooked, caplog: pytest.LogCaptureFixture) -> None:
    """Threat 22: neither bodies nor addresses nor signatures, also when something is wrong."""
    caplog.set_level(logging.DEBUG)
    secret = b'[{"email": "canary@example.org"}'
    for path, status in ((PATH, 400), ("/hooks/odd", 400), ("/hooks/keyless", 404)):
        assert unchanged.post(secret, path=path).status_code == status
    assert unchanged.post(secret, {}).status_code == 403
    assert "canary" not in caplog.text
    assert "refused" in caplog.text


@pytest.mark.parametrize(("body", "status"), [(b"forged", 403), (b"strange", 400), (b"broken", 500)])
def test_a_provider_of_one_s_own_is_answered_for(unchanged: Hooked, body: bytes, status: int) -> None:
    """A bug in it is no 200: the provider posts again, and nothing is lost."""
    assert unchanged.post(body, path="/hooks/odd").status_code == status


def test_many_posts_at_once_are_all_answered(database: Database) -> None:
    """SendGrid posts from each of its servers; the same events may be in several posts."""
    hooked = Hooked(out(database, 200, UNCERTAIN))
    bodies = [hooked.events(*range(start, start + 40)) for start in range(0, 161, 20)]
    answers: list[int] = []

    def post() -> None:
        answers.extend(hooked.post(body).status_code for body in bodies)

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 36
    assert {row.reported for row in hooked.issue.rows()} == {str(Kind.DELIVERED)}
    assert len(hooked.issue.stored()) == len(hooked.issue.outcomes()) == 200
