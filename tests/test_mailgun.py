"""The Mailgun provider, against a double that answers by Mailgun's rules."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Outcome, Recipient, Status
from newsletter.providers import Watched
from newsletter.providers.answers import Fate, Then, Verdict
from newsletter.providers.batches import MAX_UNNAMED_LATER
from newsletter.providers.events import Event, Kind, NotGenuine, Reporting
from newsletter.providers.http import Answer
from newsletter.providers.mailgun import MailgunProvider, judge
from newsletter.providers.message import build
from newsletter.providers.single import Singles
from tests.contracts.apis import ApiPostBox, ApiProviderContract, connected_to, statuses
from tests.contracts.providers import make_mail, make_reader, make_readers
from tests.servers.api import Fault, Reply, as_json
from tests.servers.mailgun import DOMAIN, KEY, Mailgun

A, R, N, U = Status.ACCEPTED, Status.REJECTED, Status.NOT_TRIED, Status.UNCERTAIN
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
WEBHOOK_KEYS = ("the-newest-signing-key", "the-one-before")


class TestMailgunKeepsTheContract(ApiProviderContract):
    @pytest.fixture
    def post_box(self, double: Mailgun) -> ApiPostBox:
        return ApiPostBox(double, connected, KEY)


@pytest.fixture
def double() -> Iterator[Mailgun]:
    with Mailgun() as running:
        yield running


def connected(double: Mailgun, **options: object) -> MailgunProvider:
    return connected_to(double, MailgunProvider, {"api_key": KEY, "domain": DOMAIN, "connections": "1", **options})


class Notes:
    """A Watch that writes down what it is told."""

    def __init__(self, stop_after: int = 1000) -> None:
        self.handed: list[str] = []
        self.told: list[Outcome] = []
        self._stop_after = stop_after
        self._lock = threading.Lock()

    def handing_over(self, delivery_id: str) -> None:
        with self._lock:
            self.handed.append(delivery_id)

    def settled(self, outcome: Outcome) -> None:
        with self._lock:
            self.told.append(outcome)

    def stopping(self) -> bool:
        return len(self.handed) >= self._stop_after


class TestRequest:
    def test_the_message_goes_out_byte_for_byte_and_tracks_nothing(self, double: Mailgun) -> None:
        mail, reader = make_mail(), replace(make_reader(1), attempt=12)
        connected(double).send(mail, [reader])
        (fields,), (message,) = double.fields, double.messages
        assert fields == {
            "to": reader.address,
            "o:tracking": "no",
            "o:tracking-clicks": "no",
            "o:tracking-opens": "no",
            "v:delivery_id": reader.delivery_id,
            "v:attempt": "12",
        }
        head, _, body = message.partition(b"\r\nFrom: ")
        assert head.startswith(b"Date: ")
        assert body == build(mail, reader, date=NOW).partition(b"\r\nFrom: ")[2]

    @pytest.mark.parametrize("tag", ["%recipient.token%", "%unsubscribe_url%", "%recipient%", "{{ token }}"])
    def test_what_a_story_writes_arrives_as_it_is(self, double: Mailgun, tag: str) -> None:
        """Threat 3."""
        connected(double).send(make_mail(html=f"<p>{tag}</p>", text=tag), make_readers(1))
        assert tag in double.delivered[0].html
        assert tag in double.delivered[0].text

    def test_the_message_id_is_ours_and_told(self, double: Mailgun) -> None:
        (outcome,) = connected(double).send(make_mail(), make_readers(1))
        assert outcome.reference == f"<{1:032x}@news.example.org>"

    def test_a_sandbox_sends_nothing(self, double: Mailgun) -> None:
        provider = connected(double, sandbox="true")
        assert statuses(provider, 2) == [A, A]
        assert double.delivered == []
        assert "Sandbox" in provider.check()


class TestManyConnections:
    def test_all_get_theirs_once_and_outcomes_are_in_order(self, double: Mailgun) -> None:
        double.bad = {"reader-7@example.org"}
        found = statuses(connected(double, connections="6"), 60)
        assert found == [R if number == 7 else A for number in range(1, 61)]
        assert sorted(double.arrived()) == sorted(
            one.address for one in make_readers(60) if one.address != "reader-7@example.org"
        )
        assert 1 <= double.connections <= 6

    def test_a_lost_answer_leaves_at_most_one_a_connection_in_doubt(self, double: Mailgun) -> None:
        double.faults = [*[None] * 10, Fault.RESET_AFTER]
        found = statuses(connected(double, connections="4"), 60)
        assert found.count(U) == 1
        assert 10 <= found.count(A) <= 13
        assert found.count(N) == 60 - found.count(A) - 1
        assert len(double.arrived()) == found.count(A) + 1


class TestWatched:
    def test_each_is_handed_over_then_settled_once(self, double: Mailgun) -> None:
        provider, notes = connected(double, connections="3"), Notes()
        assert isinstance(provider, Watched)
        readers = [*make_readers(9), make_reader(10, address="jörg@example.org")]
        outcomes = provider.send_watched(make_mail(), readers, notes)
        assert sorted(notes.handed) == [one.delivery_id for one in readers[:9]]
        assert sorted(notes.told, key=lambda one: one.delivery_id) == outcomes

    def test_nobody_else_is_tried_when_the_process_is_to_end(self, double: Mailgun) -> None:
        notes = Notes(stop_after=2)
        outcomes = connected(double).send_watched(make_mail(), make_readers(5), notes)
        assert [one.status for one in outcomes] == [A, A, N, N, N]
        assert len(notes.handed) == 2
        assert notes.told == outcomes

    def test_a_refusal_of_the_mail_settles_nobody(self, double: Mailgun) -> None:
        """Three readers refused without a reason of theirs: it is the mail, and they are not rejected."""
        double.faults = [as_json({"message": "x"}, 400)] * 4
        notes = Notes()
        with pytest.raises(ProviderRefused, match="several readers"):
            connected(double).send_watched(make_mail(), make_readers(9), notes)
        assert notes.told == []
        assert notes.handed == [f"{number:032x}" for number in (1, 2, 3, 9)]

    @pytest.mark.parametrize("connections", ["1", "5"])
    def test_a_list_that_is_bad_throughout_is_the_mail_s_fault(self, double: Mailgun, connections: str) -> None:
        double.faults = [as_json({"message": "x"}, 400)] * 100
        with pytest.raises(ProviderRefused, match="several readers"):
            connected(double, connections=connections).send(make_mail(), make_readers(30))
        assert len(double.requests) <= 3 + int(connections)

    def test_a_worker_that_breaks_stops_the_others(self, double: Mailgun) -> None:
        class Broken(Notes):
            def settled(self, outcome: Outcome) -> None:
                raise RuntimeError("the disk is full")

        notes = Broken()
        with pytest.raises(RuntimeError, match="disk"):
            connected(double, connections="3").send_watched(make_mail(), make_readers(60), notes)
        assert len(notes.handed) <= 6

    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_fewer_are_rejected_once_somebody_was_taken(self, double: Mailgun, number: int) -> None:
        double.faults = [as_json({"message": "x"}, 400)] * number
        notes = Notes()
        outcomes = connected(double).send_watched(make_mail(), make_readers(4), notes)
        assert [one.status for one in outcomes] == [R] * number + [A] * (4 - number)
        assert {one.delivery_id for one in notes.told} == {one.delivery_id for one in outcomes}
        assert len(notes.told) == 4

    @pytest.mark.parametrize("connections", ["1", "4"])
    def test_an_account_that_breaks_half_way_is_not_the_readers_fault(self, double: Mailgun, connections: str) -> None:
        """A 400 in words that nobody knows, for everybody from now on; but for answers that overtake each other."""
        double.faults = [*[None] * 10, *[as_json({"message": "x"}, 400)] * 100]
        notes = Notes()
        outcomes = connected(double, connections=connections).send_watched(make_mail(), make_readers(60), notes)
        found = Counter(one.status for one in outcomes)
        assert (found[A], found[N] + found[R]) == (10, 50)
        assert found[R] < int(connections)
        assert len(double.requests) <= 10 + MAX_UNNAMED_LATER + 2 * int(connections)
        assert sorted(notes.told, key=lambda one: one.delivery_id) == outcomes

    def test_a_late_answer_from_before_it_broke_proves_nothing_of_those_refused_since(self) -> None:
        """Answers overtake each other; whose request was begun first decides."""
        refused, readers = threading.Semaphore(0), make_readers(8)

        def post(made: bytes, recipient: Recipient) -> Verdict:
            if recipient == readers[0]:
                refused.acquire(timeout=60)
                refused.acquire(timeout=60)
                return Verdict(Then.GO_ON, fates=[Fate(A)])
            refused.release()
            return Verdict(Then.GO_ON, "no", [Fate(R, "no", named=False)])

        outcomes = Singles("x", readers, lambda one: b"", post, watch=Notes(), connections=2).outcomes()
        assert [one.status for one in outcomes] == [A, *[N] * 7]

    def test_bad_readers_in_a_row_are_rejected_when_the_last_is_taken(self, double: Mailgun) -> None:
        double.faults = [None, *[as_json({"message": "x"}, 400)] * 20]
        outcomes = connected(double).send_watched(make_mail(), make_readers(60), Notes())
        assert [one.status for one in outcomes] == [A] + [R] * 20 + [A] * 39

    def test_who_was_taken_before_a_refusal_is_not_forgotten(self, double: Mailgun) -> None:
        double.faults = [None, Reply(401, b"Forbidden")]
        notes = Notes()
        outcomes = connected(double).send_watched(make_mail(), make_readers(3), notes)
        assert [one.status for one in outcomes] == [A, N, N]
        assert notes.told == outcomes


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "body", "then", "expected"),
        [
            (200, b'{"id": "<a@b>", "message": "Queued. Thank you."}', Then.GO_ON, [A]),
            (200, b'{"message": "Queued."}', Then.STOP, [U]),
            (200, b"", Then.STOP, [U]),
            (400, b'{"message": "to parameter is not a valid address."}', Then.GO_ON, [R]),
            (400, b'{"message": "\'to\' parameter is not a valid address."}', Then.GO_ON, [R]),
            (400, b'{"message": "\'from\' parameter is not a valid address."}', Then.REFUSE, []),
            (400, b'{"message": "Domain is disabled"}', Then.REFUSE, []),
            (400, b"?", Then.GO_ON, [R]),
            (401, b"Forbidden", Then.REFUSE, []),
            (413, b"", Then.REFUSE, []),
            (420, b"", Then.STOP, [N]),
            (429, b'{"message": "Too many requests"}', Then.STOP, [N]),
            (
                400,
                b'{"message": "Sandbox subdomains are for tests. Add your own domain, or the address to the authorized '
                b'recipients."}',
                Then.REFUSE,
                [],
            ),
            (400, b'{"message": "Free accounts are for test purposes only."}', Then.REFUSE, []),
            (400, b'{"message": "Recipient is not known"}', Then.GO_ON, [R]),
            (403, b'{"message": "Domain mg.example.org is not allowed to send"}', Then.REFUSE, []),
            (404, b'{"message": "Domain not found: mg.example.org"}', Then.REFUSE, []),
            (500, b"", Then.STOP, [U]),
        ],
    )
    def test_answers(self, status: int, body: bytes, then: Then, expected: list[Status]) -> None:
        verdict = judge(Answer(status, body), NOW)
        assert verdict.then is then
        assert [fate.status for fate in verdict.fates] == expected

    @pytest.mark.parametrize(
        ("until", "wait"),
        [("Sun, 22 Nov 2026 07:00:31 UTC", 31), ("Sun, 22 Nov 2026 06:00:00 UTC", None), ("a while", None), ("", None)],
    )
    def test_f4_a_domain_that_sent_enough_for_now_waits(self, until: str, wait: float | None) -> None:
        """F4: no refusal, for which somebody would have to act: a new domain may send to 100 readers an hour."""
        words = f"Domain {DOMAIN} is not allowed to send: recipient limit exceeded, try again after {until}"
        verdict = judge(Answer(420, json.dumps({"message": words}).encode()), NOW)
        assert (verdict.then, verdict.fates[0].status, verdict.retry_after) == (Then.STOP, N, wait)

    @pytest.mark.parametrize("words", ["to parameter is not a valid address", "x"])
    def test_only_what_is_said_of_a_reader_is_held_against_them(self, words: str) -> None:
        (fate,) = judge(Answer(400, json.dumps({"message": words}).encode()), NOW).fates
        assert fate.named is (words != "x")


class TestCheck:
    @pytest.mark.parametrize("active", [True, "yes"])
    def test_unsubscribe_tracking_is_refused(self, double: Mailgun, active: object) -> None:
        """RFC 2369: there would be a second List-Unsubscribe."""
        double.unsubscribe_tracking = active
        with pytest.raises(ProviderRefused, match="unsubscribe tracking"):
            connected(double).check()

    def test_a_key_that_may_only_send_is_good(self, double: Mailgun) -> None:
        double.sending_key = True
        assert "may only send" in connected(double).check()
        assert double.messages == []

    def test_an_unknown_domain_is_told(self, double: Mailgun) -> None:
        with pytest.raises(ProviderRefused, match=r"provider\.domain"):
            connected(double, domain="other.example.org").check()

    @pytest.mark.parametrize(
        ("option", "value"), [("domain", "a/b.example"), ("connections", "0"), ("chunk_size", "0"), ("timeout", "x")]
    )
    def test_a_wrong_option_is_named(self, double: Mailgun, option: str, value: str) -> None:
        with pytest.raises(ConfigurationError, match=rf"provider\.{option}"):
            connected(double, **{option: value})


# --- what comes back


def proof(*, at: datetime = NOW, key: str = WEBHOOK_KEYS[0], token: str = "a" * 50) -> dict[str, str]:
    """Return the signature of a request."""
    timestamp = str(int(at.timestamp()))
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": timestamp, "token": token, "signature": signature}


def report(word: str = "delivered", **more: Any) -> dict[str, Any]:
    """Return a report as Mailgun sends it, without its signature."""
    return {
        "event": word,
        "id": "CPgfbmQMTCKtHW6uIWtuVe",
        "timestamp": 1795330798.31,
        "recipient": "reader-1@example.org",
        "message": {"headers": {"message-id": "d1@news.example.org", "to": "reader-1@example.org"}},
        "user-variables": {"delivery_id": "d1", "attempt": "7"},
        **more,
    }


def events_of(about: object, signature: object = None) -> list[Event]:
    provider = MailgunProvider(api_key=KEY, domain=DOMAIN, webhook_key=WEBHOOK_KEYS)
    assert isinstance(provider, Reporting)
    body = json.dumps({"signature": proof() if signature is None else signature, "event-data": about}).encode()
    return provider.events({}, body, NOW)


class TestReports:
    def test_a_delivery_finds_its_try(self) -> None:
        (event,) = events_of(report())
        assert (event.kind, event.delivery_id, event.attempt) == (Kind.DELIVERED, "d1", 7)
        assert event.at == datetime.fromtimestamp(1795330798.31, UTC)
        assert (event.address, event.reference) == ("reader-1@example.org", "d1@news.example.org")

    @pytest.mark.parametrize(
        ("word", "more", "kind"),
        [
            ("accepted", {}, Kind.PROCESSED),
            ("failed", {"severity": "temporary", "reason": "generic"}, Kind.DEFERRED),
            ("failed", {"severity": "permanent", "reason": "bounce"}, Kind.BOUNCED),
            ("failed", {"severity": "permanent", "reason": "suppress-bounce"}, Kind.DROPPED),
            ("failed", {"severity": "permanent", "reason": "suppress-complaint"}, Kind.DROPPED),
            ("failed", {"severity": "permanent", "reason": "old"}, Kind.BLOCKED),
            (
                "failed",
                {"severity": "permanent", "reason": "bounce", "delivery-status": {"message": "550 5.1.1 No such user"}},
                Kind.BOUNCED,
            ),
            (
                "failed",
                {"severity": "permanent", "reason": "bounce", "delivery-status": {"message": "552 5.2.2 full"}},
                Kind.BLOCKED,
            ),
            (
                "failed",
                {"severity": "permanent", "reason": "generic", "delivery-status": {"enhanced-code": "5.7.1"}},
                Kind.BLOCKED,
            ),
            ("rejected", {"reject": {"reason": "Suppressed"}}, Kind.DROPPED),
            ("complained", {}, Kind.COMPLAINED),
            ("unsubscribed", {}, Kind.UNSUBSCRIBED),
            ("opened", {}, Kind.OPENED),
            ("clicked", {}, Kind.CLICKED),
            ("stored", {}, Kind.OTHER),
        ],
    )
    def test_its_words_are_ours(self, word: str, more: dict[str, Any], kind: Kind) -> None:
        (event,) = events_of(report(word, **more))
        assert event.kind is kind

    def test_the_reader_s_server_s_words_are_kept(self) -> None:
        status = {"message": "550 5.1.1\r\nNo such user", "code": 550}
        (event,) = events_of(report("failed", severity="permanent", reason="bounce", **{"delivery-status": status}))
        assert event.detail == "550 5.1.1 No such user"

    def test_a_token_that_was_used_brings_no_second_event(self) -> None:
        """Threat 15: the signature does not cover the event, so another body with it is the event it came with."""
        (genuine,) = events_of(report())
        (forged,) = events_of(report("complained", recipient="victim@example.org"))
        assert forged.id == genuine.id

    def test_the_key_before_and_a_main_account_s_signature_prove_it(self) -> None:
        assert len(events_of(report(), proof(key=WEBHOOK_KEYS[1]))) == 1
        parent = proof()["signature"]
        assert len(events_of(report(), proof(key="a subaccount's") | {"parent-signature": parent})) == 1

    @pytest.mark.parametrize(
        "signature",
        [
            {},
            [],
            "x",
            proof(key="another"),
            proof() | {"signature": ""},
            proof() | {"signature": proof()["signature"][:-1]},
            proof() | {"signature": None},
            proof() | {"signature": "é"},
            proof() | {"token": "b" * 50},
            proof() | {"token": ["a"]},
            proof() | {"timestamp": "0"},
            proof() | {"timestamp": ""},
            proof() | {"timestamp": "1e9"},
            proof() | {"timestamp": int(NOW.timestamp()) + 1},
        ],
        ids=range(14),
    )
    def test_a_forgery_is_not_believed(self, signature: object) -> None:
        """Threat 15."""
        with pytest.raises(NotGenuine):
            events_of(report(), signature)

    @pytest.mark.parametrize(("hours", "fresh"), [(-25, True), (-27, False), (-24 * 365, False), (1, False)])
    def test_a_genuine_request_is_of_these_days(self, hours: int, fresh: bool) -> None:
        """Threat 15: replays."""
        signature = proof(at=NOW + timedelta(hours=hours))
        if fresh:
            assert len(events_of(report(), signature)) == 1
        else:
            with pytest.raises(NotGenuine):
                events_of(report(), signature)

    def test_a_number_as_its_time_is_one_too(self) -> None:
        signature = proof() | {"timestamp": int(NOW.timestamp())}
        assert len(events_of(report(), signature)) == 1

    def test_without_a_key_reports_are_off(self) -> None:
        with pytest.raises(NotGenuine, match=r"provider\.webhook_key"):
            MailgunProvider(api_key=KEY, domain=DOMAIN).events({}, b"{}", NOW)

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000], ids=lambda body: str(body)[:20])
    def test_what_cannot_be_read_proves_nothing(self, body: bytes) -> None:
        with pytest.raises(NotGenuine):
            MailgunProvider(api_key=KEY, domain=DOMAIN, webhook_key=WEBHOOK_KEYS).events({}, body, NOW)

    @pytest.mark.parametrize("about", [None, [], {}, report(timestamp="soon"), report(timestamp=1e15)], ids=range(5))
    def test_what_is_genuine_and_cannot_be_read_is_told(self, about: object) -> None:
        with pytest.raises(ValueError, match="no time"):
            events_of(about)
