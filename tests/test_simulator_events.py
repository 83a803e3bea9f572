"""Events of the SendGrid simulator (F6): what happens to a mail, the signature, the disorder of the way, the webhook."""

from __future__ import annotations

import base64
import json
import stat
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from newsletter.testing.sendgrid import (
    BY_ADDRESS,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Disorder,
    SendGridSimulator,
    SigningKey,
    State,
    Step,
)
from tests.simulated import Client, make_request, readers

START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
NOW = int(START.timestamp())
HOUR, DAY = 3600, 86_400

Posts = Sequence[tuple[Mapping[str, str], bytes]]


def send(sendgrid: SendGridSimulator, *addresses: str, **changes: Any) -> None:
    with Client(sendgrid.url) as client:
        assert client.send(make_request(*addresses, **changes)).status == 202


def events(posts: Posts) -> list[dict[str, Any]]:
    return [one for _, body in posts for one in json.loads(body)]


def verify(public_key: str, headers: Mapping[str, str], body: bytes) -> None:
    """As Twilio describes it. Raises InvalidSignature."""
    key = load_der_public_key(base64.b64decode(public_key))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signed = headers[TIMESTAMP_HEADER].encode() + body
    key.verify(base64.b64decode(headers[SIGNATURE_HEADER]), signed, ec.ECDSA(SHA256()))


# --- what happens to a mail


@pytest.mark.parametrize(
    ("address", "names", "state", "listed"),
    [
        ("ada@example.org", ["processed", "delivered"], State.DELIVERED, None),
        ("bounce-1@example.org", ["processed", "bounce"], State.BOUNCED, "bounces"),
        ("late-bounce-1@example.org", ["processed", "delivered", "bounce"], State.BOUNCED, "bounces"),
        ("block-1@example.org", ["processed", "bounce"], State.BLOCKED, "blocks"),
        ("nodomain-1@example.org", ["processed", "bounce"], State.BLOCKED, "blocks"),
        ("defer-1@example.org", ["processed", *["deferred"] * 3, "delivered"], State.DELIVERED, None),
        ("expire-1@example.org", ["processed", *["deferred"] * 9, "bounce"], State.BLOCKED, "blocks"),
        ("drop-1@example.org", ["dropped"], State.DROPPED, None),
        ("spam-1@example.org", ["processed", "delivered", "spamreport"], State.DELIVERED, "spam_reports"),
        ("open-1@example.org", ["processed", "delivered", "open"], State.DELIVERED, None),
        ("click-1@example.org", ["processed", "delivered", "open", "click"], State.DELIVERED, None),
        ("unsubscribe-1@example.org", ["processed", "delivered", "unsubscribe"], State.DELIVERED, "unsubscribes"),
        ("silent-1@example.org", [], State.SENT, None),
        ("BOUNCE-2@example.org", ["processed", "bounce"], State.BOUNCED, "bounces"),
    ],
)
def test_an_address_says_what_happens(address: str, names: list[str], state: State, listed: str | None) -> None:
    with SendGridSimulator(start=START) as sendgrid:
        send(sendgrid, address)
        sendgrid.advance(4 * DAY)
        assert [one["event"] for one in events(sendgrid.events())] == names
        assert sendgrid.mails[0].state is state
        account = sendgrid.account
        assert [name for name in account.lists if account.suppressions(name)] == ([listed] if listed else [])
        assert sendgrid.events() == []


def test_every_behaviour_is_in_order_of_time() -> None:
    for _, steps in BY_ADDRESS:
        assert [step.after for step in steps] == sorted(step.after for step in steps)


def test_events_have_sendgrid_s_fields_and_the_sender_s_own() -> None:
    with SendGridSimulator(start=START) as sendgrid:
        send(sendgrid, "click-1@example.org", categories=["weekly"], custom_args={"issue": "7"})
        sendgrid.advance(2 * HOUR)
        found = events(sendgrid.events())
        mail = sendgrid.mails[0]
        for one in found:
            assert (one["email"], one["sg_message_id"], one["d"]) == (mail.address, mail.id, "click-1")
            assert (one["category"], one["issue"]) == ("weekly", "7")
        assert [one["timestamp"] - NOW for one in found] == [0, 2, HOUR, HOUR + 5]
        assert len({one["sg_event_id"] for one in found}) == 4
        assert all(len(one["sg_event_id"]) <= 100 for one in found)
        assert (mail.opens, mail.clicks) == (1, 1)
        assert found[1]["response"].startswith("250 ")
        assert found[3]["url"].startswith("https://")


def test_several_categories_are_a_list() -> None:
    with SendGridSimulator(start=START) as sendgrid:
        send(sendgrid, "ada@example.org", categories=["a", "b"])
        assert events(sendgrid.events())[0]["category"] == ["a", "b"]


def test_a_bounce_says_why_and_a_block_is_one_of_another_type() -> None:
    with SendGridSimulator(start=START) as sendgrid:
        send(sendgrid, "bounce-1@example.org", "block-1@example.org", "nodomain-1@example.org")
        sendgrid.advance(10)
        bounced, blocked, nowhere = (one for one in events(sendgrid.events()) if one["event"] == "bounce")
        assert (bounced["type"], bounced["status"], bounced["reason"][:3]) == ("bounce", "5.1.1", "550")
        assert (blocked["type"], blocked["status"]) == ("blocked", "4.2.2")
        assert (nowhere["type"], "status" in nowhere) == ("blocked", False)


def test_a_behaviour_of_one_s_own() -> None:
    def third(mail: Any) -> list[Step] | None:
        return [Step("delivered", 60), Step("processed")] if mail.custom_args["d"] == "reader-2" else None

    with SendGridSimulator(start=START, behaviour=third) as sendgrid:
        send(sendgrid, *readers(3))
        sendgrid.advance(50)
        assert [mail.state for mail in sendgrid.mails] == [State.DELIVERED, State.DELIVERED, State.SENT]
        sendgrid.advance(10)
        assert sendgrid.mails[2].state is State.DELIVERED


@pytest.mark.parametrize(("share", "bare"), [(1.0, True), (0.0, False)])
def test_a_bounce_that_came_back_as_a_message_lacks_every_id(share: float, bare: bool) -> None:
    with SendGridSimulator(start=START, disorder=Disorder(without_ids=share)) as sendgrid:
        send(sendgrid, "late-bounce-1@example.org")
        sendgrid.advance(DAY)
        late = events(sendgrid.events())[-1]
        assert (late["event"], late["email"]) == ("bounce", "late-bounce-1@example.org")
        assert [name not in late for name in ("sg_message_id", "smtp-id", "d")] == [bare] * 3


# --- posts


def test_every_post_is_signed_over_its_timestamp_and_its_bytes() -> None:
    with SendGridSimulator(start=START, per_post=4) as sendgrid:
        send(sendgrid, *readers(10))
        sendgrid.advance(60)
        posts = sendgrid.events()
        assert [len(json.loads(body)) for _, body in posts] == [4, 4, 4, 4, 4]
        for headers, body in posts:
            assert headers[TIMESTAMP_HEADER] == str(NOW + 60)
            verify(sendgrid.public_key, headers, body)
            for forged in ({**headers, TIMESTAMP_HEADER: str(NOW)}, headers):
                with pytest.raises(InvalidSignature):
                    verify(sendgrid.public_key, forged, body if forged != headers else body + b" ")


def test_a_post_has_at_most_768_kilobytes() -> None:
    with SendGridSimulator(start=START) as sendgrid:
        send(sendgrid, *readers(500), custom_args={"long": "x" * 9_000})
        posts = sendgrid.events()
        assert len(events(posts)) == 500
        assert all(750_000 < len(body) <= 768_000 for _, body in posts[:-1])


def test_after_a_rotation_another_key_signs() -> None:
    with SendGridSimulator(start=START) as sendgrid:
        send(sendgrid, "ada@example.org")
        before = sendgrid.public_key
        ((headers, body),) = sendgrid.events()
        verify(before, headers, body)
        after = sendgrid.account.rotate_key()
        sendgrid.advance(10)
        ((headers, body),) = sendgrid.events()
        verify(after, headers, body)
        with pytest.raises(InvalidSignature):
            verify(before, headers, body)


def test_a_key_is_kept_in_a_file_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = SigningKey.kept_in(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.kept_in(path).public_key == made.public_key
    path.write_text("something else")
    with pytest.raises(ValueError, match=r"."):
        SigningKey.kept_in(path)


# --- disorder


def disordered(disorder: Disorder, seed: int = 0, count: int = 1_000) -> list[dict[str, Any]]:
    """Return every event of as many mails, in the order of a day and a half."""
    with SendGridSimulator(start=START, seed=seed, disorder=disorder) as sendgrid:
        send(sendgrid, *readers(count))
        found = []
        for _ in range(36):
            sendgrid.advance(HOUR)
            found += events(sendgrid.events())
        return found


def told(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["d"], one["event"]) for one in found]


def test_undisturbed_they_come_once_and_in_order() -> None:
    found = disordered(Disorder())
    assert len(found) == 2_000
    assert [one["timestamp"] for one in found] == [NOW] * 1_000 + [NOW + 2] * 1_000


def test_a_share_comes_twice_with_the_same_id() -> None:
    found = disordered(Disorder(duplicated=0.3))
    times = Counter(one["sg_event_id"] for one in found)
    assert len(times) == 2_000
    assert set(times.values()) == {1, 2}
    assert 500 < len(found) - 2_000 < 700


def test_a_share_is_lost() -> None:
    found = disordered(Disorder(lost=0.05))
    assert 50 < 2_000 - len(found) < 150


def test_a_share_is_late_by_up_to_a_day() -> None:
    with SendGridSimulator(start=START, disorder=Disorder(late=0.5)) as sendgrid:
        send(sendgrid, *readers(500))
        sendgrid.advance(2)
        at_once = len(events(sendgrid.events()))
        sendgrid.advance(12 * HOUR)
        by_noon = len(events(sendgrid.events()))
        sendgrid.advance(12 * HOUR)
        assert 400 < at_once < 600
        assert 150 < by_noon < 350
        assert at_once + by_noon + len(events(sendgrid.events())) == 1_000


def test_reordered_none_is_missing_and_a_delivery_may_come_before_its_processing() -> None:
    found = disordered(Disorder(reordered=True))
    assert sorted(told(found)) == sorted(told(disordered(Disorder())))
    place = {key: number for number, key in enumerate(told(found))}
    first = sum(
        place[f"reader-{number}", "delivered"] < place[f"reader-{number}", "processed"] for number in range(1_000)
    )
    assert 400 < first < 600


def test_the_seed_decides_whatever_else_was_asked_before() -> None:
    way = Disorder(duplicated=0.3, lost=0.05, late=0.1, reordered=True)
    assert told(disordered(way, seed=1)) == told(disordered(way, seed=1))
    assert told(disordered(way, seed=1)) != told(disordered(way, seed=2))


# --- the webhook


class _Receiver(ThreadingHTTPServer):
    """A webhook that answers with `statuses`, one a post, and then 200."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = list(statuses)
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.came = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((dict(self.headers), body))
        self.server.came.set()
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Stay silent."""


@pytest.fixture
def receiver() -> Iterator[_Receiver]:
    server = _Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def posted_to(receiver: _Receiver) -> SendGridSimulator:
    return SendGridSimulator(start=START, webhook=f"http://127.0.0.1:{receiver.server_port}/hook?list=fen")


def test_events_are_posted_to_a_webhook(receiver: _Receiver) -> None:
    with posted_to(receiver) as sendgrid:
        send(sendgrid, *readers(3))
        sendgrid.advance(60)
        assert sorted(one["event"] for one in events(receiver.posts)) == ["delivered"] * 3 + ["processed"] * 3
        for headers, body in receiver.posts:
            verify(sendgrid.public_key, headers, body)
            assert headers["Content-Type"] == "application/json"


def test_what_the_webhook_does_not_take_is_posted_again_with_growing_gaps(receiver: _Receiver) -> None:
    receiver.statuses = [500, 404, 302, 200]
    with posted_to(receiver) as sendgrid:
        send(sendgrid, "drop-1@example.org")
        sendgrid.advance(HOUR)
        assert sendgrid.webhook
        assert [one.status for one in sendgrid.webhook.tried] == [500, 404, 302, 200]
        times = [one.at for one in sendgrid.webhook.tried]
        assert [round(later - earlier) for earlier, later in pairwise(times)] == [30, 60, 120]
        assert len({body for _, body in receiver.posts}) == 1


def test_after_a_day_a_post_is_given_up(receiver: _Receiver) -> None:
    receiver.statuses = [503] * 100
    with posted_to(receiver) as sendgrid:
        send(sendgrid, "drop-1@example.org")
        sendgrid.advance(2 * DAY)
        assert sendgrid.webhook
        assert len(sendgrid.webhook.given_up) == 1
        assert 10 <= len(sendgrid.webhook.tried) <= 13
        assert max(one.at for one in sendgrid.webhook.tried) <= NOW + DAY


def test_while_the_clock_goes_events_are_posted_by_themselves(receiver: _Receiver) -> None:
    with SendGridSimulator(webhook=f"http://127.0.0.1:{receiver.server_port}/") as sendgrid:
        send(sendgrid, "drop-1@example.org")
        assert receiver.came.wait(10)
        assert events(receiver.posts)[0]["event"] == "dropped"


def test_a_webhook_out_of_reach_is_tried_again(receiver: _Receiver) -> None:
    with SendGridSimulator(start=START, webhook="http://127.0.0.1:1/hook") as sendgrid:
        send(sendgrid, "drop-1@example.org")
        sendgrid.advance(150)
        assert sendgrid.webhook
        assert [one.status for one in sendgrid.webhook.tried] == [0, 0, 0]


def test_a_webhook_needs_a_url() -> None:
    with pytest.raises(ValueError, match="no URL"):
        SendGridSimulator(webhook="example.org/hook")
