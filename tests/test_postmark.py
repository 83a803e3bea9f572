"""The Postmark provider, against a double that answers by Postmark's rules."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Sender, Status
from newsletter.providers.answers import Then
from newsletter.providers.events import Kind, NotGenuine, Reporting
from newsletter.providers.http import Answer
from newsletter.providers.postmark import PostmarkProvider, judge, message
from tests.contracts.apis import ApiPostBox, BatchProviderContract, connected_to, statuses
from tests.contracts.providers import make_mail, make_reader, make_readers
from tests.servers.api import Reply
from tests.servers.postmark import STREAM, TOKEN, Postmark

A, R, N, U = Status.ACCEPTED, Status.REJECTED, Status.NOT_TRIED, Status.UNCERTAIN
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
WEBHOOK_TOKEN = "new-webhook-token-1234567890"


class TestPostmarkKeepsTheContract(BatchProviderContract):
    key_option = "token"
    most = 500

    @pytest.fixture
    def post_box(self, double: Postmark) -> ApiPostBox:
        return ApiPostBox(double, connected, TOKEN)

    def sizes(self, post_box: ApiPostBox) -> list[int]:
        return [len(request.json()) for request in post_box.double.requests]


@pytest.fixture
def double() -> Iterator[Postmark]:
    with Postmark() as running:
        yield running


def connected(double: Postmark, **options: object) -> PostmarkProvider:
    return connected_to(double, PostmarkProvider, {"token": TOKEN, "webhook_token": f"{WEBHOOK_TOKEN} old", **options})


class TestRequest:
    def test_a_message_is_whole_and_tracks_nothing(self) -> None:
        """Trust 1.3: what Postmark learns beside the mail are opaque ids."""
        mail, reader = make_mail(), make_reader(1)
        made = message(mail, reader, STREAM)
        assert made["From"] == '"Fen Weekly, the" <weekly@news.example.org>'
        assert made["To"] == '"Ada Ångström, PhD" <reader-1@example.org>'
        assert made["ReplyTo"] == "editors@news.example.org"
        assert made["HtmlBody"] == mail.html_for(reader.values)
        assert made["TextBody"] == mail.text_for(reader.values)
        assert (made["TrackOpens"], made["TrackLinks"], made["MessageStream"]) == (False, "None", STREAM)
        assert made["Metadata"] == {"delivery_id": f"{1:032x}", "attempt": "0"}
        headers = {one["Name"]: one["Value"] for one in made["Headers"]}
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert headers["X-PM-KeepID"] == "true"

    def test_has_no_reply_to_without_an_address_for_it(self) -> None:
        assert "ReplyTo" not in message(make_mail(sender=Sender("", "a@b.example")), make_reader(1), STREAM)

    def test_quotes_in_a_name_stay_in_it(self, double: Postmark) -> None:
        connected(double).send(make_mail(), [make_reader(1, name='J. "Jay" Doe \\; PhD')])
        assert [one.name for one in double.delivered] == ['J. "Jay" Doe \\; PhD']


def answer(*codes: int, words: str = "") -> Answer:
    return Answer(200, json.dumps([{"ErrorCode": code, "Message": words, "MessageID": "m"} for code in codes]).encode())


class TestAnswers:
    @pytest.mark.parametrize(
        ("codes", "words", "then", "expected"),
        [
            ([0, 0], "OK", Then.GO_ON, [A, A]),
            ([0, 0], "Message accepted, but delivery may be delayed.", Then.GO_ON, [A, A]),
            ([0, 406], "", Then.GO_ON, [A, R]),
            ([300, 0], "Invalid 'To' address: 'x'.", Then.GO_ON, [R, A]),
            ([300, 0], "Error parsing 'To': Illegal email domain 'x'.", Then.GO_ON, [R, A]),
            ([300, 300], "Invalid 'From' address: 'x'.", Then.REFUSE, [N, N]),
            ([0, 429], "", Then.STOP, [A, N]),
            ([412, 0, 429], "", Then.REFUSE, [N, A, N]),
            ([405], "", Then.REFUSE, [N]),
            ([0, 100], "Maintenance", Then.STOP, [A, N]),
            ([0, 300], "Invalid something of one reader.", Then.GO_ON, [A, R]),
            ([0, 402], "Invalid JSON", Then.GO_ON, [A, R]),
            ([300], "Provide either email TextBody or HtmlBody or both.", Then.REFUSE, [N]),
            ([400], "Sender Signature not found", Then.REFUSE, [N]),
            ([1235], "The stream provided does not exist.", Then.REFUSE, [N]),
        ],
    )
    def test_each_message_has_its_own(self, codes: list[int], words: str, then: Then, expected: list[Status]) -> None:
        verdict = judge(answer(*codes, words=words), len(codes), NOW)
        assert verdict.then is then
        assert [fate.status for fate in verdict.fates] == expected

    @pytest.mark.parametrize(
        ("status", "code", "words", "then", "expected"),
        [
            (422, 300, "Zero recipients specified", Then.HALVES, []),
            (422, 402, "Invalid JSON", Then.HALVES, []),
            (422, None, "", Then.HALVES, []),
            (400, None, "", Then.HALVES, []),
            (422, 300, "Invalid 'From' address", Then.REFUSE, []),
            (422, 405, "Not allowed to send", Then.REFUSE, []),
            (422, 410, "Too many batch messages", Then.REFUSE, []),
            (422, 412, "Account is pending", Then.REFUSE, []),
            (401, 10, "Bad or missing API token", Then.REFUSE, []),
            (422, 100, "Maintenance", Then.STOP, [N, N]),
            (422, 429, "Rate limit exceeded", Then.STOP, [N, N]),
            (429, None, "", Then.STOP, [N, N]),
            (413, None, "", Then.HALVES, []),
            (500, None, "", Then.STOP, [U, U]),
            (503, 100, "Maintenance", Then.STOP, [U, U]),
        ],
    )
    def test_a_batch_that_is_refused_as_a_whole(
        self, status: int, code: int | None, words: str, then: Then, expected: list[Status]
    ) -> None:
        """Trust 3.3: what does not say of whom is searched for, and nobody is in doubt after a refusal."""
        verdict = judge(Answer(status, json.dumps({"ErrorCode": code, "Message": words}).encode()), 2, NOW)
        assert verdict.then is then
        assert [fate.status for fate in verdict.fates] == expected

    def test_f5_of_a_batch_that_is_refused_as_a_whole_exactly_the_bad_one_is_rejected(self, double: Postmark) -> None:
        double.unreadable = {"reader-5@example.org"}
        assert statuses(connected(double), 8) == [A] * 4 + [R] + [A] * 3
        assert len(double.requests) <= 1 + 2 * 3

    def test_who_was_taken_before_an_account_was_stopped_is_not_forgotten(self, double: Postmark) -> None:
        double.faults = [Reply(200, answer(0, 412, 406).body)]
        assert statuses(connected(double), 3) == [A, N, R]

    def test_the_message_s_id_is_kept(self, double: Postmark) -> None:
        (outcome,) = connected(double).send(make_mail(), make_readers(1))
        assert outcome.reference == "0000-0000"

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b"[]", [U, U]),
            (b'[{"ErrorCode": 0}, {}]', [A, U]),
            (b'[{"ErrorCode": 0}, {"ErrorCode": false}]', [A, U]),
            (b"null", [U, U]),
        ],
    )
    def test_a_success_that_does_not_say_of_whom_is_none(
        self, double: Postmark, body: bytes, expected: list[Status]
    ) -> None:
        double.faults = [Reply(200, body)]
        assert statuses(connected(double), 2) == expected


class TestCheck:
    def test_a_stream_that_adds_its_own_unsubscribe_link_is_refused(self, double: Postmark) -> None:
        """RFC 2369: there would be a second List-Unsubscribe."""
        double.handling = "Postmark"
        with pytest.raises(ProviderRefused, match="Manage unsubscribes on your own"):
            connected(double).check()

    def test_an_unknown_stream_is_named(self, double: Postmark) -> None:
        with pytest.raises(ProviderRefused, match=r"provider\.stream"):
            connected(double, stream="other").check()

    def test_a_wrong_token_is_told(self, double: Postmark) -> None:
        with pytest.raises(ProviderRefused, match=r"provider\.token"):
            connected(double, token="wrong").check()

    @pytest.mark.parametrize(("option", "value"), [("stream", "a/b"), ("timeout", "0"), ("chunk_size", "501")])
    def test_a_wrong_option_is_named(self, double: Postmark, option: str, value: str) -> None:
        with pytest.raises(ConfigurationError, match=rf"provider\.{option}"):
            connected(double, **{option: value})


# --- what comes back


def report(record: str = "Delivery", **more: Any) -> dict[str, Any]:
    """Return a report as Postmark sends it."""
    return {
        "RecordType": record,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Recipient": "reader-1@example.org",
        "DeliveredAt": "2026-11-22T06:59:58.1234567-05:00",
        "Details": "Test delivery webhook details",
        "Metadata": {"delivery_id": "d1", "attempt": "7"},
        "MessageStream": STREAM,
        **more,
    }


def events_of(content: object, headers: dict[str, str] | None = None) -> Any:
    provider = PostmarkProvider(token=TOKEN, webhook_token=(WEBHOOK_TOKEN, "old"))
    assert isinstance(provider, Reporting)
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return provider.events({"x-webhook-token": WEBHOOK_TOKEN} if headers is None else headers, body, NOW)


def basic(text: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


class TestReports:
    def test_a_delivery_finds_its_try(self) -> None:
        (event,) = events_of(report())
        assert (event.kind, event.delivery_id, event.attempt) == (Kind.DELIVERED, "d1", 7)
        assert event.at == datetime(2026, 11, 22, 11, 59, 58, 123456, UTC)
        assert (event.address, event.reference) == ("reader-1@example.org", "883953f4-6105-42a2-a16a-77a8eac79483")
        assert event.detail == "Test delivery webhook details"
        assert event.raw["RecordType"] == "Delivery"

    @pytest.mark.parametrize(
        ("record", "more", "kind"),
        [
            ("Bounce", {"Type": "HardBounce"}, Kind.BOUNCED),
            ("Bounce", {"Type": "BadEmailAddress"}, Kind.BOUNCED),
            ("Bounce", {"Type": "Transient"}, Kind.DEFERRED),
            ("Bounce", {"Type": "SoftBounce"}, Kind.BLOCKED),
            ("Bounce", {"Type": "SpamNotification"}, Kind.BLOCKED),
            ("Bounce", {"Type": "ManuallyDeactivated"}, Kind.DROPPED),
            ("Bounce", {"Type": "AutoResponder"}, Kind.OTHER),
            ("SpamComplaint", {"Type": "SpamComplaint"}, Kind.COMPLAINED),
            (
                "SubscriptionChange",
                {"SuppressSending": True, "SuppressionReason": "ManualSuppression"},
                Kind.UNSUBSCRIBED,
            ),
            ("SubscriptionChange", {"SuppressSending": True, "SuppressionReason": "HardBounce"}, Kind.BOUNCED),
            ("SubscriptionChange", {"SuppressSending": False, "SuppressionReason": None}, Kind.OTHER),
            ("Open", {}, Kind.OPENED),
            ("Click", {}, Kind.CLICKED),
            ("SomethingNew", {}, Kind.OTHER),
        ],
    )
    def test_its_words_are_ours(self, record: str, more: dict[str, Any], kind: Kind) -> None:
        (event,) = events_of(report(record, **more))
        assert event.kind is kind

    def test_the_same_report_has_the_same_id_and_another_another(self) -> None:
        """Threat 15: a replay is the same event."""
        ids = [events_of(one)[0].id for one in (report(), report(), report("Open"), report(Recipient="b@example.org"))]
        assert ids[0] == ids[1]
        assert len(set(ids)) == 3

    @pytest.mark.parametrize("metadata", [None, [], {}, {"delivery_id": 3, "attempt": "x"}, {"attempt": -1}])
    def test_ids_that_did_not_come_back_are_empty(self, metadata: object) -> None:
        (event,) = events_of(report(Metadata=metadata))
        assert (event.delivery_id, event.attempt) == ("", 0)

    @pytest.mark.parametrize(
        "headers",
        [
            {"x-webhook-token": WEBHOOK_TOKEN},
            {"x-webhook-token": "old"},
            {"authorization": f"Bearer {WEBHOOK_TOKEN}"},
            basic(f"postmark:{WEBHOOK_TOKEN}"),
        ],
        ids=["header", "the key before", "bearer", "password"],
    )
    def test_a_token_proves_it(self, headers: dict[str, str]) -> None:
        assert len(events_of(report(), headers)) == 1

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"x-webhook-token": ""},
            {"x-webhook-token": WEBHOOK_TOKEN[:-1]},
            {"x-webhook-token": f"{WEBHOOK_TOKEN} old"},
            {"x-webhook-token": "\udcffö"},
            {"authorization": WEBHOOK_TOKEN},
            {"authorization": "Bearer"},
            {"authorization": "Basic !!!"},
            basic(WEBHOOK_TOKEN),
            basic(f"{WEBHOOK_TOKEN}:x"),
        ],
        ids=lambda headers: str(headers)[:60].encode("ascii", "replace").decode(),
    )
    def test_a_forgery_is_not_believed(self, headers: dict[str, str]) -> None:
        """Threat 15."""
        with pytest.raises(NotGenuine):
            events_of(report(), headers)

    def test_without_a_token_reports_are_off(self) -> None:
        provider = PostmarkProvider(token=TOKEN)
        with pytest.raises(NotGenuine, match=r"provider\.webhook_token"):
            provider.events({"x-webhook-token": ""}, b"{}", NOW)

    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[]", b"\xff", b'"x"', b"[" * 100_000, {}, report(DeliveredAt="soon"), report(DeliveredAt=7)],
        ids=lambda content: str(content)[:20],
    )
    def test_what_cannot_be_read_is_told(self, content: object) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - the contract of Reporting
            events_of(content)
