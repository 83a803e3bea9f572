"""The Resend provider, against a double that answers by Resend's rules."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Sender, Status
from newsletter.providers.answers import Then
from newsletter.providers.events import Event, Kind, NotGenuine, Reporting
from newsletter.providers.http import Answer
from newsletter.providers.resend import TRIES, ResendProvider, idempotency_key, judge, message
from tests.contracts.apis import ApiPostBox, BatchProviderContract, connected_to, statuses
from tests.contracts.providers import make_mail, make_reader
from tests.servers.api import Fault, Reply, as_json
from tests.servers.resend import KEY, Resend

A, R, N, U = Status.ACCEPTED, Status.REJECTED, Status.NOT_TRIED, Status.UNCERTAIN
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
SECRETS = [base64.b64encode(text).decode() for text in (b"the newest secret", b"the one before")]


class TestResendKeepsTheContract(BatchProviderContract):
    tries = TRIES

    @pytest.fixture
    def post_box(self, double: Resend) -> ApiPostBox:
        return ApiPostBox(double, connected, KEY)

    def sizes(self, post_box: ApiPostBox) -> list[int]:
        return [len(request.json()) for request in post_box.double.requests]


@pytest.fixture
def double() -> Iterator[Resend]:
    with Resend() as running:
        yield running


def connected(double: Resend, **options: object) -> ResendProvider:
    return connected_to(double, ResendProvider, {"api_key": KEY, "retry_pause": "0", **options})


class TestRequest:
    def test_a_message_is_whole(self) -> None:
        mail, reader = make_mail(), replace(make_reader(1), attempt=12)
        made = message(mail, reader)
        assert made["from"] == '"Fen Weekly, the" <weekly@news.example.org>'
        assert made["to"] == ['"Ada Ångström, PhD" <reader-1@example.org>']
        assert made["reply_to"] == "editors@news.example.org"
        assert (made["html"], made["text"]) == (mail.html_for(reader.values), mail.text_for(reader.values))
        assert made["tags"] == [{"name": "delivery_id", "value": f"{1:032x}"}, {"name": "attempt", "value": "12"}]
        assert made["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    def test_has_no_reply_to_without_an_address_for_it(self) -> None:
        assert "reply_to" not in message(make_mail(sender=Sender("", "a@b.example")), make_reader(1))


class TestIdempotency:
    @pytest.mark.parametrize(
        "fault",
        [fault for fault in Fault if fault not in {Fault.SILENT_AFTER}],
        ids=lambda fault: fault.name,
    )
    def test_an_answer_that_was_lost_once_is_asked_for_again(self, double: Resend, fault: Fault) -> None:
        """Trust 3.1: with a key the same request is safe to repeat; nobody gets two."""
        double.faults = [fault]
        assert statuses(connected(double), 3) == [A, A, A]
        assert len(double.arrived()) == 3
        assert len({request.headers["idempotency-key"] for request in double.requests}) == 1
        assert len(double.requests) == 2

    @pytest.mark.parametrize("second", [Reply(429), Reply(401), Reply(400), Reply(413), Reply(409), Reply(503)])
    def test_once_in_doubt_only_a_success_tells(self, double: Resend, second: Reply) -> None:
        """A refusal of the repetition says nothing of what became of the first."""
        double.faults = [Fault.RESET_AFTER, second, second]
        assert statuses(connected(double), 2) == [U, U]

    def test_a_reader_who_was_refused_is_known_after_a_repetition(self, double: Resend) -> None:
        double.bad.add("reader-2@example.org")
        double.faults = [Fault.RESET_AFTER, Fault.ERROR_AFTER]
        assert statuses(connected(double), 3) == [A, R, A]
        assert double.arrived() == ["reader-1@example.org", "reader-3@example.org"]

    def test_a_call_that_is_repeated_sends_nothing_again(self, double: Resend) -> None:
        """A crash between Resend's answer and our commit: the same try of the same readers has the same key."""
        provider = connected(double)
        assert statuses(provider, 2) + statuses(provider, 2) == [A] * 4
        assert len(double.arrived()) == 2

    def test_a_new_try_has_a_new_key(self, double: Resend) -> None:
        provider = connected(double)
        for attempt in (1, 2):
            provider.send(make_mail(), [replace(make_reader(1), attempt=attempt)])
        assert len(double.arrived()) == 2

    def test_a_key_is_short_enough(self) -> None:
        assert len(idempotency_key(b"x" * 10_000)) <= 256


def answer(content: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(content).encode())


TO, FROM = {"message": "Invalid `to` field."}, {"message": "Invalid `from` field."}


class TestAnswers:
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ({"data": [{"id": "a"}, {"id": "b"}]}, [A, A]),
            ({"data": [{"id": "a"}], "errors": [{"index": 0, **TO}]}, [R, A]),
            ({"data": [], "errors": [{"index": 1, **TO}, {"index": 0, **TO}]}, [R, R]),
            ({"data": [{"id": "a"}]}, [U, U]),
            ({"data": [{"id": "a"}, {"id": "b"}], "errors": [{"index": 0, **TO}]}, [U, U]),
            ({"data": [{"id": "a"}], "errors": [{"index": 2, **TO}]}, [U, U]),
            ({"data": [{"id": "a"}], "errors": [{"index": -1, **TO}]}, [U, U]),
            ({"data": [{"id": "a"}], "errors": ["x"]}, [U, U]),
            ({"data": None}, [U, U]),
            ([], [U, U]),
        ],
    )
    def test_a_permissive_batch_names_the_bad(self, content: Any, expected: list[Status]) -> None:
        assert [fate.status for fate in judge(answer(content), 2, NOW).fates] == expected

    def test_ids_go_to_those_who_were_taken(self) -> None:
        verdict = judge(answer({"data": [{"id": "a"}, {"id": "c"}], "errors": [{"index": 1, **TO}]}), 3, NOW)
        assert [fate.reference for fate in verdict.fates] == ["a", "", "c"]

    def test_a_fault_of_all_messages_is_the_mail_s(self, double: Resend) -> None:
        double.faults = [as_json({"data": [], "errors": [{"index": at, **FROM} for at in range(4)]})]
        with pytest.raises(ProviderRefused, match="Invalid `from`"):
            statuses(connected(double), 4)

    def test_a_batch_that_is_refused_without_a_name_is_halved(self, double: Resend) -> None:
        double.faults = [as_json({"name": "validation_error", "message": "Something."}, 422)]
        assert statuses(connected(double), 2) == [A, A]
        assert [len(request.json()) for request in double.requests] == [2, 1, 1]

    @pytest.mark.parametrize(
        ("status", "name", "words", "then", "expected", "wait"),
        [
            (400, "invalid_idempotency_key", "x", Then.REFUSE, [], None),
            (400, "validation_error", "x", Then.HALVES, [], None),
            (401, "missing_api_key", "x", Then.REFUSE, [], None),
            (403, "invalid_api_key", "x", Then.REFUSE, [], None),
            (403, "validation_error", "The domain is not verified.", Then.REFUSE, [], None),
            (404, "not_found", "x", Then.REFUSE, [], None),
            (405, "method_not_allowed", "x", Then.REFUSE, [], None),
            (409, "invalid_idempotent_request", "x", Then.STOP, [U, U], None),
            (409, "concurrent_idempotent_requests", "x", Then.STOP, [U, U], None),
            (413, "", "", Then.HALVES, [], None),
            (422, "invalid_from_address", "x", Then.REFUSE, [], None),
            (422, "validation_error", "Invalid `from` field.", Then.REFUSE, [], None),
            (422, "validation_error", "Invalid `to` field.", Then.HALVES, [], None),
            (422, "missing_required_field", "Missing `html` or `text` field.", Then.REFUSE, [], None),
            (429, "rate_limit_exceeded", "x", Then.STOP, [N, N], None),
            (429, "daily_quota_exceeded", "x", Then.STOP, [N, N], 900),
            (429, "monthly_quota_exceeded", "x", Then.REFUSE, [], None),
            (451, "security_error", "x", Then.REFUSE, [], None),
            (500, "application_error", "x", Then.STOP, [U, U], None),
        ],
    )
    def test_what_a_refused_batch_means(
        self, status: int, name: str, words: str, then: Then, expected: list[Status], wait: float | None
    ) -> None:
        """Trust 3.3, by https://resend.com/docs/api-reference/errors."""
        verdict = judge(answer({"name": name, "message": words}, status), 2, NOW)
        assert (verdict.then, verdict.retry_after) == (then, wait)
        assert [fate.status for fate in verdict.fates] == expected

    @pytest.mark.parametrize(("words", "named"), [("Invalid `to` field.", True), ("Something.", False)])
    def test_what_is_said_of_one_reader_alone_is_held_against_them(self, words: str, named: bool) -> None:
        (fate,) = judge(answer({"name": "validation_error", "message": words}, 422), 1, NOW).fates
        assert (fate.status, fate.named) == (R, named)

    def test_a_fault_of_the_mail_rejects_no_reader(self, double: Resend) -> None:
        """Too few to tell by their number that it is the mail: the words tell."""
        double.faults = [as_json({"data": [{"id": "a"}], "errors": [{"index": 0, **FROM}]})]
        assert statuses(connected(double), 2) == [N, A]


class TestCheck:
    def test_a_key_that_may_only_send_is_good(self, double: Resend) -> None:
        double.domains = as_json({"name": "restricted_api_key", "message": "only send"}, 401)
        assert "only send" in connected(double).check()

    def test_tracking_is_named(self, double: Resend) -> None:
        double.domains = as_json({"data": [{"name": "a.example", "click_tracking": True}, {"name": "b.example"}]})
        assert "links: a.example." in connected(double).check()

    @pytest.mark.parametrize(
        ("option", "value"), [("webhook_secret", "whsec_!"), ("chunk_size", "101"), ("retry_pause", "-1")]
    )
    def test_a_wrong_option_is_named(self, double: Resend, option: str, value: str) -> None:
        with pytest.raises(ConfigurationError, match=rf"provider\.{option}"):
            connected(double, **{option: value})


# --- what comes back


def report(word: str = "email.delivered", **data: Any) -> bytes:
    """Return a report as Resend sends it."""
    about = {
        "created_at": "2026-11-22T06:50:00.000Z",
        "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
        "from": "Fen Weekly <weekly@news.example.org>",
        "to": ["reader-1@example.org"],
        "subject": "Flood warning lifted",
        "tags": {"delivery_id": "d1", "attempt": "7"},
    }
    return json.dumps({"type": word, "created_at": "2026-11-22T06:59:58.126Z", "data": about | data}).encode()


def signed(body: bytes, *, at: datetime = NOW, secret: str = SECRETS[0], number: str = "msg_1") -> dict[str, str]:
    """Return the headers with which Svix sends a request."""
    timestamp = str(int(at.timestamp()))
    key = base64.b64decode(secret)
    digest = hmac.new(key, f"{number}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"svix-id": number, "svix-timestamp": timestamp, "svix-signature": signature}


def events_of(body: bytes, headers: dict[str, str] | None = None) -> list[Event]:
    provider = ResendProvider(api_key=KEY, webhook_secret=(f"whsec_{SECRETS[0]}", SECRETS[1]))
    assert isinstance(provider, Reporting)
    return provider.events(signed(body) if headers is None else headers, body, NOW)


class TestReports:
    def test_a_delivery_finds_its_try(self) -> None:
        (event,) = events_of(report())
        assert (event.kind, event.delivery_id, event.attempt) == (Kind.DELIVERED, "d1", 7)
        assert event.at == datetime(2026, 11, 22, 6, 59, 58, 126000, UTC)
        assert (event.id, event.reference) == ("msg_1", "56761188-7520-42d8-8898-ff6fc54ce618")
        assert event.address == "reader-1@example.org"

    @pytest.mark.parametrize(
        ("word", "data", "kind"),
        [
            ("email.sent", {}, Kind.PROCESSED),
            ("email.delivery_delayed", {}, Kind.DEFERRED),
            ("email.bounced", {"bounce": {"type": "Permanent", "subType": "General"}}, Kind.BOUNCED),
            ("email.bounced", {"bounce": {"type": "Permanent", "subType": "Suppressed"}}, Kind.DROPPED),
            ("email.bounced", {"bounce": {"type": "Transient", "subType": "MailboxFull"}}, Kind.BLOCKED),
            ("email.bounced", {}, Kind.BOUNCED),
            ("email.complained", {}, Kind.COMPLAINED),
            ("email.failed", {"failed": {"reason": "reached_daily_quota"}}, Kind.DROPPED),
            ("email.suppressed", {}, Kind.DROPPED),
            ("email.opened", {}, Kind.OPENED),
            ("email.clicked", {}, Kind.CLICKED),
            ("email.scheduled", {}, Kind.OTHER),
        ],
    )
    def test_its_words_are_ours(self, word: str, data: dict[str, Any], kind: Kind) -> None:
        (event,) = events_of(report(word, **data))
        assert event.kind is kind

    def test_a_bounce_has_its_words(self) -> None:
        (event,) = events_of(report("email.bounced", bounce={"type": "Permanent", "message": "No such\nuser"}))
        assert event.detail == "No such user"

    def test_what_is_about_no_mail_is_no_event(self) -> None:
        assert events_of(report("contact.created")) == []

    def test_the_secret_before_still_proves_and_any_of_several_signatures(self) -> None:
        body = report()
        old = signed(body, secret=SECRETS[1])
        assert len(events_of(body, old)) == 1
        old["svix-signature"] = f"v1a,x v1,AAAA {old['svix-signature']}"
        assert len(events_of(body, old)) == 1

    @pytest.mark.parametrize(
        "change",
        [
            {"svix-signature": ""},
            {"svix-signature": "v1,"},
            {"svix-signature": "v1,AAAA"},
            {"svix-signature": "v1,é\udcff"},
            {"svix-id": "msg_2"},
            {"svix-id": ""},
            {"svix-timestamp": ""},
            {"svix-timestamp": "0"},
            {"svix-timestamp": "x"},
            {"svix-timestamp": "٣"},
            {"svix-timestamp": "9" * 20},
        ],
        ids=lambda change: str(change).encode("ascii", "replace").decode(),
    )
    def test_a_forgery_is_not_believed(self, change: dict[str, str]) -> None:
        """Threat 15."""
        body = report()
        with pytest.raises(NotGenuine):
            events_of(body, signed(body) | change)

    def test_another_version_of_the_signature_is_none(self) -> None:
        body = report()
        headers = signed(body)
        with pytest.raises(NotGenuine):
            events_of(body, headers | {"svix-signature": headers["svix-signature"].replace("v1,", "v2,")})

    def test_a_changed_body_is_not_believed(self) -> None:
        body = report()
        with pytest.raises(NotGenuine):
            events_of(body + b" ", signed(body))

    def test_a_signature_of_another_secret_is_not_believed(self) -> None:
        body = report()
        with pytest.raises(NotGenuine):
            events_of(body, signed(body, secret=base64.b64encode(b"another").decode()))

    @pytest.mark.parametrize(
        ("seconds", "fresh"), [(-299, True), (-301, False), (-86_400, False), (299, True), (301, False)]
    )
    def test_a_genuine_request_is_of_now(self, seconds: int, fresh: bool) -> None:
        """Threat 15: replays; Svix signs each repetition anew."""
        body = report()
        headers = signed(body, at=NOW + timedelta(seconds=seconds))
        if fresh:
            assert len(events_of(body, headers)) == 1
        else:
            with pytest.raises(NotGenuine):
                events_of(body, headers)

    def test_a_replay_is_the_same_event(self) -> None:
        body = report()
        assert events_of(body)[0].id == events_of(body, signed(body, at=NOW - timedelta(seconds=60)))[0].id

    def test_without_a_secret_reports_are_off(self) -> None:
        with pytest.raises(NotGenuine, match=r"provider\.webhook_secret"):
            ResendProvider(api_key=KEY).events(signed(b"{}"), b"{}", NOW)

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"type": "email.sent"}'], ids=lambda body: str(body)[:20]
    )
    def test_what_is_genuine_and_cannot_be_read_is_told(self, body: bytes) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - the contract of Reporting
            events_of(body)
