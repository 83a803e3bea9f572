"""The Amazon SES provider: boto3 against a double of SES, and reports as SNS signs them."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from botocore import exceptions
from botocore.parsers import ResponseParserError

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Status
from newsletter.providers import Watched
from newsletter.providers.answers import Then
from newsletter.providers.events import Event, Kind, NotGenuine, Reporting
from newsletter.providers.message import build
from newsletter.providers.ses import SesProvider
from newsletter.providers.ses.answer import Failure, failure_of, judge
from newsletter.providers.ses.sns import Sns
from tests.contracts.apis import ApiPostBox, ApiProviderContract, connected_to, statuses
from tests.contracts.providers import make_mail, make_reader, make_readers
from tests.servers.api import Reply
from tests.servers.ses import (
    ACCESS_KEY_ID,
    CERTIFICATE_URL,
    REGION,
    SECRET_ACCESS_KEY,
    TOPIC,
    Ses,
    Topic,
    error,
)
from tests.servers.smtp import free_port

A, R, N, U = Status.ACCEPTED, Status.REJECTED, Status.NOT_TRIED, Status.UNCERTAIN
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
SENDER = "weekly@news.example.org"


class TestSesKeepsTheContract(ApiProviderContract):
    """The headers that arrive are those handed over: of them SES replaces Message-ID and Date (TestRequest)."""

    key_option = "access_key_id"

    @pytest.fixture
    def post_box(self, double: Ses) -> ApiPostBox:
        return ApiPostBox(double, connected, ACCESS_KEY_ID)


@pytest.fixture
def double() -> Iterator[Ses]:
    with Ses() as running:
        yield running


def connected(double: Ses, **options: object) -> SesProvider:
    keys = {"access_key_id": ACCESS_KEY_ID, "secret_access_key": SECRET_ACCESS_KEY}
    return connected_to(double, SesProvider, {"region": REGION, "connections": "1", **keys, **options})


class TestRequest:
    def test_the_message_goes_out_byte_for_byte_with_its_ids(self, double: Ses) -> None:
        mail, reader = make_mail(), replace(make_reader(1), attempt=12)
        connected(double, configuration_set="reports").send(mail, [reader])
        assert (
            double.messages[0].partition(b"\r\nFrom: ")[2] == build(mail, reader, date=NOW).partition(b"\r\nFrom: ")[2]
        )
        (request,) = double.requests
        assert request.json()["ConfigurationSetName"] == "reports"
        assert double.delivered[0].ids == {"delivery_id": reader.delivery_id, "attempt": "12"}

    def test_the_message_id_is_amazon_s_and_told(self, double: Ses) -> None:
        """There is no second line of defence against a repeated mail (RFC 7352)."""
        (outcome,) = connected(double).send(make_mail(), make_readers(1))
        assert double.received[0]["Message-ID"] == f"<{outcome.reference}@{REGION}.amazonses.com>"
        assert "ConfigurationSetName" not in double.requests[0].json()

    def test_many_connections_send_each_theirs_once(self, double: Ses) -> None:
        provider = connected(double, connections="3")
        assert isinstance(provider, Watched)
        assert statuses(provider, 12) == [A] * 12
        assert sorted(double.arrived()) == sorted(one.address for one in make_readers(12))
        assert 1 <= double.connections <= 3


def failure(status: int, code: str = "", words: str = "x", **more: Any) -> Failure:
    return Failure(status, code, words, **more)


class TestAnswers:
    @pytest.mark.parametrize(
        ("found", "then", "expected", "wait"),
        [
            (failure(0, "EndpointConnectionError", connected=False), Then.STOP, [N], None),
            (failure(0, "ReadTimeoutError"), Then.STOP, [U], None),
            (failure(429, "TooManyRequestsException", "Maximum sending rate exceeded."), Then.STOP, [N], 1),
            (failure(400, "Throttling", "Daily message quota exceeded."), Then.STOP, [N], 900),
            (failure(400, "LimitExceededException"), Then.STOP, [N], 1),
            (failure(429, "Throttling", headers={"retry-after": "7"}), Then.STOP, [N], 7),
            (failure(400, "AccountSuspendedException"), Then.REFUSE, [], None),
            (failure(400, "SendingPausedException"), Then.REFUSE, [], None),
            (failure(400, "MailFromDomainNotVerifiedException"), Then.REFUSE, [], None),
            (failure(400, "ExpiredTokenException"), Then.REFUSE, [], None),
            (failure(400, "IncompleteSignature"), Then.REFUSE, [], None),
            (failure(401, "NotAuthorized"), Then.REFUSE, [], None),
            (failure(400, "RequestExpired"), Then.REFUSE, [], None),
            (failure(400, "RequestAbortedException"), Then.STOP, [U], None),
            (failure(408, "RequestTimeoutException"), Then.STOP, [U], None),
            (failure(500, "SendingPausedException"), Then.STOP, [U], None),
            (failure(404, "NotFoundException"), Then.REFUSE, [], None),
            (failure(403, "SignatureDoesNotMatch"), Then.REFUSE, [], None),
            (failure(400, "MessageRejected", f"Email address is not verified: {SENDER}"), Then.REFUSE, [], None),
            (failure(400, "MessageRejected", "Email address is not verified: b@example.org"), Then.GO_ON, [R], None),
            (failure(400, "BadRequestException", "Illegal address"), Then.GO_ON, [R], None),
            (failure(500, "InternalFailure"), Then.STOP, [U], None),
            (failure(503, "Throttling"), Then.STOP, [U], None),
            (failure(413), Then.REFUSE, [], None),
        ],
        ids=lambda value: f"{value.status} {value.code}" if isinstance(value, Failure) else None,
    )
    def test_answers(self, found: Failure, then: Then, expected: list[Status], wait: float | None) -> None:
        verdict = judge(found, SENDER, "SES", NOW)
        assert verdict.then is then
        assert [fate.status for fate in verdict.fates] == expected
        assert verdict.retry_after == wait

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("ExpiredToken", "provider.access_key_id"),
            ("RequestExpired", "clock"),
            ("AccountSuspendedException", "SES console"),
        ],
    )
    def test_a_refusal_says_what_to_check(self, code: str, words: str) -> None:
        assert words in judge(failure(400, code), SENDER, "SES", NOW).sentence

    def test_an_account_in_the_sandbox_rejects_not_the_whole_list(self, double: Ses) -> None:
        """Three readers refused without a reason of theirs, and nobody taken: it is the account."""
        double.bad = {reader.address for reader in make_readers(5)}
        with pytest.raises(ProviderRefused, match="not verified"):
            statuses(connected(double), 5)
        assert [one.json()["Destination"]["ToAddresses"] for one in double.requests] == [
            [f"reader-{number}@example.org"] for number in (1, 2, 3, 5)
        ]

    @pytest.mark.parametrize("body", [b"{}", b'{"MessageId": 7}', b'{"MessageId": ""}', b""])
    def test_a_success_without_an_id_is_none(self, double: Ses, body: bytes) -> None:
        double.faults = [Reply(200, body)]
        assert statuses(connected(double), 2) == [U, N]

    def test_a_failed_handshake_is_surely_not_sent(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("localhost").configure_cert(context)
        with Ses(context) as double:
            provider = connected(double, host=double.url.replace("http://127.0.0.1", "https://localhost"))
            assert statuses(provider, 2) == [N, N]
            assert double.requests == []

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (exceptions.NoCredentialsError(), Then.REFUSE),
            (exceptions.CredentialRetrievalError(provider="x", error_msg="y"), Then.REFUSE),
            (exceptions.ParamValidationError(report="x"), Then.REFUSE),
            (exceptions.EndpointConnectionError(endpoint_url="https://x"), N),
            (exceptions.ConnectTimeoutError(endpoint_url="https://x"), N),
            (exceptions.ProxyConnectionError(proxy_url="https://x"), N),
            (exceptions.SSLError(endpoint_url="https://x", error=ssl.SSLCertVerificationError("bad")), U),
            (exceptions.ReadTimeoutError(endpoint_url="https://x"), U),
            (exceptions.ConnectionClosedError(endpoint_url="https://x"), U),
            (exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), U),
            (ResponseParserError("x"), U),
            (exceptions.BotoCoreError(), U),
            (AttributeError("'int' object has no attribute 'get'"), U),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
    )
    def test_errors_without_an_answer(self, error: Exception, expected: Then | Status) -> None:
        """Trust 3.3: what is not known to have come before the first byte is in doubt."""
        verdict = judge(failure_of(error, []), SENDER, "SES", NOW)
        assert expected in {verdict.then, *(fate.status for fate in verdict.fates)}

    def test_boto3_repeats_nothing(self, double: Ses) -> None:
        """A throttled or failed request would be repeated four times by its defaults."""
        double.faults = [error(500, "InternalFailure", "x")] * 4
        assert statuses(connected(double), 1) == [U]
        assert len(double.requests) == 1


class TestCheck:
    def test_the_sandbox_is_told(self, double: Ses) -> None:
        double.production = False
        assert "sandbox" in connected(double).check()

    def test_a_key_that_may_only_send_is_good(self, double: Ses) -> None:
        double.only_sends = True
        assert "does not tell" in connected(double, configuration_set="reports").check()

    @pytest.mark.parametrize(("kinds", "words"), [(["CLICK"], "CLICK"), (["OPEN", "CLICK", "SEND"], "CLICK and OPEN")])
    def test_a_configuration_set_that_changes_links_is_refused(self, double: Ses, kinds: list[str], words: str) -> None:
        double.published = kinds
        with pytest.raises(ProviderRefused, match=f"{words}, for which"):
            connected(double, configuration_set="reports").check()

    def test_an_unknown_configuration_set_is_named(self, double: Ses) -> None:
        with pytest.raises(ProviderRefused, match=r"provider\.configuration_set"):
            connected(double, configuration_set="other").check()

    def test_out_of_reach_is_told(self, double: Ses) -> None:
        provider = connected(double, host=f"http://127.0.0.1:{free_port()}")
        with pytest.raises(ProviderRefused, match="could not be reached"):
            provider.check()


class TestOptions:
    @pytest.mark.parametrize(
        ("option", "value"),
        [("region", "Ireland"), ("configuration_set", "a b"), ("connections", "0"), ("secret_access_key", "")],
    )
    def test_a_wrong_option_is_named(self, double: Ses, option: str, value: str) -> None:
        with pytest.raises(ConfigurationError, match=rf"provider\.{option}"):
            connected(double, **{option: value})

    def test_without_boto3_a_sentence_says_what_to_install(self) -> None:
        code = (
            "import sys; sys.modules['boto3'] = None\n"
            "from newsletter.errors import ConfigurationError\n"
            "from newsletter.providers import load_provider\n"
            "try:\n    load_provider('newsletter.providers.ses:SesProvider', {'region': 'eu-west-1'})\n"
            "except ConfigurationError as error:\n    print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert 'pip install "newsletter[ses]"' in done.stdout

    def test_without_keys_anywhere_nothing_is_sent(self, double: Ses, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        provider = connected(double, access_key_id="", secret_access_key="")
        with pytest.raises(ProviderRefused, match=r"provider\.access_key_id"):
            statuses(provider, 2)
        assert double.requests == []


# --- what comes back


@pytest.fixture(scope="module")
def topic() -> Topic:
    return Topic(now=NOW)


def report(word: Any = "Delivery", **more: Any) -> dict[str, Any]:
    """Return a report as SES publishes it."""
    return {
        "eventType": word,
        "mail": {
            "timestamp": "2026-11-22T06:59:50.000Z",
            "messageId": "0102018-0000",
            "destination": ["reader-1@example.org"],
            "tags": {"delivery_id": ["d1"], "attempt": ["7"], "ses:configuration-set": ["reports"]},
        },
        **more,
    }


DELIVERY = {"delivery": {"timestamp": "2026-11-22T06:59:58.126Z", "smtpResponse": "250 2.0.0 OK"}}


def events_of(topic: Topic, envelope: object, now: datetime = NOW) -> list[Event]:
    return Sns([TOPIC], topic.get).events(json.dumps(envelope).encode(), now)


def bounce(kind: str, subtype: str = "General") -> dict[str, Any]:
    readers = [{"emailAddress": "Reader-1@example.org", "diagnosticCode": "smtp; 550 5.1.1 No such user"}]
    about = {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": readers}
    return {"bounce": {**about, "timestamp": "2026-11-22T06:59:58Z"}}


class TestReports:
    def test_a_delivery_finds_its_try(self, topic: Topic) -> None:
        (event,) = events_of(topic, topic.notification(report(**DELIVERY), at=NOW))
        assert (event.kind, event.delivery_id, event.attempt) == (Kind.DELIVERED, "d1", 7)
        assert event.at == datetime(2026, 11, 22, 6, 59, 58, 126000, UTC)
        assert (event.id, event.reference, event.address) == ("sns-1", "0102018-0000", "reader-1@example.org")
        assert event.detail == "250 2.0.0 OK"

    @pytest.mark.parametrize(
        ("word", "more", "kind", "detail"),
        [
            ("Send", {"send": {}}, Kind.PROCESSED, ""),
            ("Bounce", bounce("Permanent"), Kind.BOUNCED, "smtp; 550 5.1.1 No such user"),
            ("Bounce", bounce("Permanent", "OnAccountSuppressionList"), Kind.DROPPED, "smtp; 550 5.1.1 No such user"),
            ("Bounce", bounce("Transient", "MailboxFull"), Kind.BLOCKED, "smtp; 550 5.1.1 No such user"),
            ("Bounce", bounce("Undetermined"), Kind.BLOCKED, "smtp; 550 5.1.1 No such user"),
            ("Bounce", {}, Kind.BLOCKED, ""),
            ("Complaint", {"complaint": {"complaintFeedbackType": "abuse"}}, Kind.COMPLAINED, "abuse"),
            ("DeliveryDelay", {"deliveryDelay": {"delayType": "MailboxFull"}}, Kind.DEFERRED, "MailboxFull"),
            ("Reject", {"reject": {"reason": "Bad content"}}, Kind.DROPPED, "Bad content"),
            ("Open", {"open": {}}, Kind.OPENED, ""),
            ("Click", {"click": {}}, Kind.CLICKED, ""),
            ("SomethingNew", {}, Kind.OTHER, ""),
        ],
    )
    def test_its_words_are_ours(self, topic: Topic, word: str, more: dict[str, Any], kind: Kind, detail: str) -> None:
        (event,) = events_of(topic, topic.notification(report(word, **more), at=NOW))
        assert (event.kind, event.detail) == (kind, detail)

    @pytest.mark.parametrize("version", ["1", "2"])
    @pytest.mark.parametrize("more", [{}, {"Subject": "Amazon SES Email Event Notification"}], ids=["", "subject"])
    def test_both_signatures_of_amazon_prove_it(self, topic: Topic, version: str, more: dict[str, str]) -> None:
        assert len(events_of(topic, topic.notification(report(**DELIVERY), at=NOW, version=version, **more))) == 1

    def test_a_certificate_is_fetched_once(self, topic: Topic) -> None:
        sns, before = Sns([TOPIC], topic.get), len(topic.fetched)
        for _ in range(3):
            sns.events(json.dumps(topic.notification(report(**DELIVERY), at=NOW)).encode(), NOW)
        assert topic.fetched[before:] == [CERTIFICATE_URL]

    def test_ses_that_found_the_topic_is_no_event(self, topic: Topic) -> None:
        text = "Successfully validated SNS topic for Amazon SES event publishing."
        assert events_of(topic, topic.notification(text, at=NOW)) == []

    def test_a_subscription_is_confirmed_when_amazon_signed_it_for_our_topic(self, topic: Topic) -> None:
        url = f"https://sns.{REGION}.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=x"
        assert events_of(topic, topic.confirmation(at=NOW, url=url)) == []
        assert topic.fetched[-1] == url

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/?Action=ConfirmSubscription",
            "https://sns.eu-west-1.amazonaws.com.evil.example/?Action=x",
            "https://sns.eu-west-1.amazonaws.com@evil.example/?Action=x",
            "http://sns.eu-west-1.amazonaws.com/?Action=x",
            "https://127.0.0.1/?Action=x",
            "",
        ],
    )
    def test_a_link_that_leads_elsewhere_is_not_visited(self, topic: Topic, url: str) -> None:
        """Threat 5."""
        with pytest.raises(NotGenuine):
            events_of(topic, topic.confirmation(at=NOW, url=url))
        assert url not in topic.fetched

    @pytest.mark.parametrize(
        "change",
        [
            {"Signature": ""},
            {"Signature": "AAAA"},
            {"Signature": "é"},
            {"SignatureVersion": "3"},
            {"SignatureVersion": "1"},
            {"Message": "{}"},
            {"MessageId": "sns-9"},
            {"Subject": "x"},
            {"Timestamp": "2026-11-22T07:00:01.000Z"},
            {"Timestamp": "soon"},
            {"TopicArn": "arn:aws:sns:eu-west-1:999999999999:other"},
            {"Type": "Other"},
            {"Type": "SubscriptionConfirmation"},
            {"SigningCertURL": CERTIFICATE_URL.replace("0a0a", "0b0b")},
        ],
        ids=lambda change: str(change).encode("ascii", "replace").decode()[:60],
    )
    def test_a_forgery_is_not_believed(self, topic: Topic, change: dict[str, str]) -> None:
        """Threat 15."""
        with pytest.raises(NotGenuine):
            events_of(topic, topic.notification(report(**DELIVERY), at=NOW) | change)

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/SimpleNotificationService-" + "0a" * 16 + ".pem",
            "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-" + "0a" * 16 + ".pem",
            "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-" + "0a" * 16 + ".pem",
            "https://sns.eu-west-1.amazonaws.com/x/../SimpleNotificationService-" + "0a" * 16 + ".pem",
            "https://x@sns.eu-west-1.amazonaws.com/SimpleNotificationService-" + "0a" * 16 + ".pem",
            "https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-" + "0a" * 16 + ".pem",
            "",
        ],
    )
    def test_a_certificate_from_elsewhere_is_not_fetched(self, topic: Topic, url: str) -> None:
        """Threats 5 and 15: whoever names the certificate could sign anything."""
        before = list(topic.fetched)
        with pytest.raises(NotGenuine):
            events_of(topic, topic.notification(report(**DELIVERY), at=NOW) | {"SigningCertURL": url})
        assert topic.fetched == before

    def test_a_certificate_of_somebody_else_at_amazon_is_none(self) -> None:
        other = Topic(name="other.amazonaws.com", now=NOW)
        with pytest.raises(NotGenuine, match="certificate"):
            events_of(other, other.notification(report(**DELIVERY), at=NOW))

    def test_a_certificate_that_is_over_is_none(self) -> None:
        old = Topic(now=NOW - timedelta(days=30))
        with pytest.raises(NotGenuine, match="certificate"):
            events_of(old, old.notification(report(**DELIVERY), at=NOW))

    def test_another_key_s_signature_is_none(self, topic: Topic) -> None:
        with pytest.raises(NotGenuine, match="signature"):
            events_of(topic, Topic(now=NOW).notification(report(**DELIVERY), at=NOW))

    @pytest.mark.parametrize(("hours", "fresh"), [(-25, True), (-27, False), (1, False)])
    def test_a_genuine_request_is_of_these_days(self, topic: Topic, hours: int, fresh: bool) -> None:
        """Threat 15: replays; SNS repeats for up to a day."""
        envelope = topic.notification(report(**DELIVERY), at=NOW + timedelta(hours=hours))
        # The topic's certificate is valid for a day before and after.
        if fresh:
            assert events_of(topic, envelope)
        else:
            with pytest.raises(NotGenuine):
                events_of(topic, envelope)

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"\xff", b"{}", b"[" * 100_000], ids=lambda body: str(body)[:20]
    )
    def test_what_cannot_be_read_proves_nothing(self, topic: Topic, body: bytes) -> None:
        with pytest.raises(NotGenuine):
            Sns([TOPIC], topic.get).events(body, NOW)

    @pytest.mark.parametrize("message", ["", "x", "[]", {"mail": {"timestamp": "soon"}}], ids=str)
    def test_what_is_genuine_and_cannot_be_read_is_told(self, topic: Topic, message: object) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - the contract of Reporting
            events_of(topic, topic.notification(message, at=NOW))

    def test_amazon_out_of_reach_is_told_and_nothing_believed(self, topic: Topic) -> None:
        def fails(_: str) -> bytes:
            raise OSError("no route")

        with pytest.raises(ValueError, match="could not be fetched"):
            Sns([TOPIC], fails).events(json.dumps(topic.notification(report(), at=NOW)).encode(), NOW)

    def test_without_a_topic_reports_are_off(self, double: Ses, topic: Topic) -> None:
        provider = connected(double)
        assert isinstance(provider, Reporting)
        body = json.dumps(topic.notification(report(**DELIVERY), at=NOW)).encode()
        with pytest.raises(NotGenuine, match=r"provider\.topic"):
            provider.events({}, body, NOW)
        with pytest.raises(NotGenuine, match="does not name"):
            connected(double, topic="arn:aws:sns:eu-west-1:1:a arn:aws:sns:eu-west-1:1:b").events({}, body, NOW)
