"""The Brevo provider, against a double that answers by Brevo's rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from newsletter.errors import ConfigurationError, ProviderRefused, Refused
from newsletter.mail import Sender, Status
from newsletter.providers.answers import Then
from newsletter.providers.brevo import BrevoProvider, judge, request, version
from newsletter.providers.events import Event, Kind, NotGenuine, Reporting
from newsletter.providers.http import Answer
from newsletter.providers.mailboxes import as_json as request_json
from tests.contracts.apis import ApiPostBox, BatchProviderContract, connected_to, statuses
from tests.contracts.providers import make_mail, make_reader, make_readers
from tests.servers.api import Reply, as_json
from tests.servers.brevo import KEY, Brevo

A, R, N, U = Status.ACCEPTED, Status.REJECTED, Status.NOT_TRIED, Status.UNCERTAIN
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
WEBHOOK_TOKEN = "webhook-token-1234567890"


class TestBrevoKeepsTheContract(BatchProviderContract):
    """The headers that arrive are those handed over: of them Brevo replaces the Message-ID (TestMessageId)."""

    most = 1000

    @pytest.fixture
    def post_box(self, double: Brevo) -> ApiPostBox:
        return ApiPostBox(double, connected, KEY)

    def sizes(self, post_box: ApiPostBox) -> list[int]:
        return [len(request.json()["messageVersions"]) for request in post_box.double.requests]


@pytest.fixture
def double() -> Iterator[Brevo]:
    with Brevo() as running:
        yield running


def connected(double: Brevo, **options: object) -> BrevoProvider:
    return connected_to(double, BrevoProvider, {"api_key": KEY, **options})


class TestRequest:
    def test_a_version_has_all_that_is_a_reader_s_own(self) -> None:
        mail, reader = make_mail(), replace(make_reader(1), attempt=12)
        made = version(mail, reader)
        assert made["htmlContent"] == mail.html_for(reader.values)
        assert made["textContent"] == mail.text_for(reader.values)
        assert made["headers"]["List-Unsubscribe"].startswith("<https://news.example.org/u/token-1>")
        assert json.loads(made["headers"]["X-Mailin-custom"]) == {"delivery_id": f"{1:032x}", "attempt": "12"}

    def test_what_is_for_all_has_nothing_of_a_reader(self) -> None:
        """A version that Brevo did not understand would fall back to it."""
        mail, readers = make_mail(), make_readers(2)
        body = json.loads(request(mail, [request_json(version(mail, reader)) for reader in readers]))
        del body["messageVersions"]
        assert "token-" not in json.dumps(body)
        assert "reader-" not in json.dumps(body)
        assert body["sender"] == {"email": "weekly@news.example.org", "name": "Fen Weekly, the"}
        assert body["replyTo"] == {"email": "editors@news.example.org"}

    def test_has_no_reply_to_without_an_address_for_it(self) -> None:
        assert "replyTo" not in json.loads(request(make_mail(sender=Sender("", "a@b.example")), [b"{}"]))

    def test_the_same_request_has_the_same_key_which_is_a_uuid(self) -> None:
        keys = [json.loads(request(make_mail(), [one]))["headers"]["idempotencyKey"] for one in (b"1", b"1", b"2")]
        assert keys[0] == keys[1] != keys[2]
        assert UUID(keys[0]).version == 5

    @pytest.mark.parametrize("name", ["Ada Ångström, PhD", "Zoë", "J. Doe; x", "Żółw " * 19 + "(x)", ""])
    def test_a_name_arrives(self, double: Brevo, name: str) -> None:
        """Brevo drops a name that is not ASCII and has punctuation."""
        connected(double).send(make_mail(), [make_reader(1, name=name)])
        assert double.delivered[0].name == name

    def test_a_sandbox_sends_nothing(self, double: Brevo) -> None:
        provider = connected(double, sandbox="true")
        assert statuses(provider, 2) == [A, A]
        assert double.delivered == []
        assert "Sandbox" in provider.check()


class TestTemplateMarks:
    @pytest.mark.parametrize("mark", ["{{ contact.EMAIL }}", "{% if x %}", "{# x #}"])
    @pytest.mark.parametrize("part", ["html", "text", "subject"])
    def test_a_mail_that_brevo_would_change_is_refused(self, double: Brevo, part: str, mark: str) -> None:
        """Threat 3: what a feed wrote is shown as it is, or not sent."""
        with pytest.raises(ProviderRefused, match="template language"):
            connected(double).send(make_mail(**{part: f"<p>{mark}</p>"}), make_readers(2))
        assert double.requests == []

    def test_a_reader_s_own_words_refuse_only_them(self, double: Brevo) -> None:
        readers = [make_reader(1), make_reader(2), make_reader(3)]
        readers[1] = replace(readers[1], values={**readers[1].values, "name": "{{ 7*7 }}"})
        outcomes = connected(double).send(make_mail(), readers)
        assert [one.status for one in outcomes] == [A, R, A]
        with pytest.raises(Refused):
            version(make_mail(), readers[1])


class TestMessageId:
    def test_brevo_sets_its_own_and_it_is_kept(self, double: Brevo) -> None:
        """There is no second line of defence against a repeated mail (RFC 7352)."""
        (outcome,) = connected(double).send(make_mail(), make_readers(1))
        assert [outcome.reference] == double.message_ids


def answer(content: Any, status: int = 201) -> Answer:
    return Answer(status, json.dumps(content).encode())


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "content", "then", "expected"),
        [
            (201, {"messageIds": ["a", "b"]}, Then.GO_ON, [A, A]),
            (202, {"messageIds": ["a", "b"]}, Then.GO_ON, [A, A]),
            (201, {"messageIds": ["a"]}, Then.STOP, [U, U]),
            (201, {"messageIds": [1, 2]}, Then.STOP, [U, U]),
            (201, {"messageId": "a"}, Then.STOP, [U, U]),
            (201, [], Then.STOP, [U, U]),
            (400, {"code": "duplicate_parameter", "message": "x"}, Then.STOP, [U, U]),
            (400, {"code": "invalid_parameter", "message": "email is not valid in to"}, Then.HALVES, []),
            (400, {"code": "invalid_parameter", "message": "Sender is invalid / inactive"}, Then.REFUSE, []),
            (400, {"code": "not_enough_credits", "message": "x"}, Then.REFUSE, []),
            (400, {"code": "missing_parameter", "message": "x"}, Then.REFUSE, []),
            (400, {"code": "account_under_validation", "message": "x"}, Then.REFUSE, []),
            (400, {}, Then.HALVES, []),
            (401, {"code": "unauthorized", "message": "x"}, Then.REFUSE, []),
            (402, {"code": "not_enough_credits", "message": "x"}, Then.REFUSE, []),
            (403, {"code": "permission_denied", "message": "x"}, Then.REFUSE, []),
            (409, {}, Then.STOP, [U, U]),
            (413, {}, Then.HALVES, []),
            (429, {}, Then.STOP, [N, N]),
            (500, {}, Then.STOP, [U, U]),
        ],
    )
    def test_answers(self, status: int, content: Any, then: Then, expected: list[Status]) -> None:
        verdict = judge(answer(content, status), 2, NOW)
        assert verdict.then is then
        assert [fate.status for fate in verdict.fates] == expected

    def test_f5_the_bad_are_found_by_halving(self, double: Brevo) -> None:
        """F5: exactly the bad are rejected, in at most 2k·log2(n) requests more."""
        double.bad = {"reader-5@example.org", "reader-48@example.org"}
        found = statuses(connected(double), 64)
        assert [at + 1 for at, status in enumerate(found) if status is R] == [5, 48]
        assert set(found) == {A, R}
        assert len(double.requests) <= 1 + 2 * 2 * 6
        assert len(double.arrived()) == 62

    @pytest.mark.parametrize("bad", [[1, 2, 3], [1, 2, 3, 4, 5, 6, 7], [1, 5, 6, 7, 8]], ids=str)
    def test_f5_bad_readers_at_the_start_are_not_the_mail_s_fault(self, double: Brevo, bad: Sequence[int]) -> None:
        double.bad = {f"reader-{number}@example.org" for number in bad}
        found = statuses(connected(double), 8)
        assert [at + 1 for at, status in enumerate(found) if status is R] == list(bad)
        assert set(found) == {A, R}

    def test_a_mail_that_everybody_is_refused_for_is_the_mail(self, double: Brevo) -> None:
        double.bad = {f"reader-{number}@example.org" for number in range(1, 9)}
        with pytest.raises(ProviderRefused, match="several readers"):
            statuses(connected(double), 8)

    def test_the_wait_is_brevo_s(self, double: Brevo) -> None:
        double.busy = True
        outcomes = connected(double).send(make_mail(), make_readers(1))
        assert outcomes[0].retry_after == 37

    def test_the_same_request_again_is_not_taken_twice(self, double: Brevo) -> None:
        provider = connected(double)
        assert statuses(provider, 2) + statuses(provider, 2) == [A, A, U, U]
        assert len(double.arrived()) == 2


class TestCheck:
    def test_an_account_without_a_relay_is_told(self, double: Brevo) -> None:
        double.account = as_json({"relay": {"enabled": False}})
        with pytest.raises(ProviderRefused, match="not activated"):
            connected(double).check()

    @pytest.mark.parametrize(
        ("reply", "words"),
        [
            (Reply(200, b"<html>"), "makes no sense"),
            (Reply(500), "answered 500"),
            (Reply(404), r"404\..*provider\.host"),
        ],
        ids=["no JSON", "500", "404"],
    )
    def test_nonsense_is_no_account(self, double: Brevo, reply: Reply, words: str) -> None:
        double.account = reply
        with pytest.raises(ProviderRefused, match=words):
            connected(double).check()

    @pytest.mark.parametrize(("option", "value"), [("chunk_size", "1001"), ("timeout", "-1"), ("sandbox", "maybe")])
    def test_a_wrong_option_is_named(self, double: Brevo, option: str, value: str) -> None:
        with pytest.raises(ConfigurationError, match=rf"provider\.{option}"):
            connected(double, **{option: value})


# --- what comes back


def report(word: Any = "delivered", **more: Any) -> dict[str, Any]:
    """Return a report as Brevo sends it."""
    return {
        "event": word,
        "email": "reader-1@example.org",
        "id": 26224,
        "date": "2026-11-22 08:00:00",
        "ts": 1795330798,
        "message-id": "<2026@smtp-relay.mailin.fr>",
        "ts_event": 1795330798,
        "subject": "Flood warning lifted",
        "X-Mailin-custom": '{"delivery_id":"d1","attempt":"7"}',
        "ts_epoch": 1795330798123,
        **more,
    }


def events_of(content: object, headers: dict[str, str] | None = None) -> list[Event]:
    provider = BrevoProvider(api_key=KEY, webhook_token=(WEBHOOK_TOKEN,))
    assert isinstance(provider, Reporting)
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return provider.events({"authorization": f"Bearer {WEBHOOK_TOKEN}"} if headers is None else headers, body, NOW)


class TestReports:
    def test_a_delivery_finds_its_try(self) -> None:
        (event,) = events_of(report())
        assert (event.kind, event.delivery_id, event.attempt) == (Kind.DELIVERED, "d1", 7)
        assert event.at == datetime.fromtimestamp(1795330798.123, UTC)
        assert (event.address, event.reference) == ("reader-1@example.org", "<2026@smtp-relay.mailin.fr>")

    def test_a_time_in_seconds_is_one_too(self) -> None:
        """Brevo's own example has seconds in ts_epoch."""
        at = datetime.fromtimestamp(1795330798, UTC)
        assert events_of(report(ts_epoch=1795330798))[0].at == events_of(report(ts_epoch=None))[0].at == at

    def test_a_batch_is_several_events(self) -> None:
        first, second = events_of([report("delivered"), report("soft_bounce", reason="full")])
        assert (first.kind, second.kind, second.detail) == (Kind.DELIVERED, Kind.BLOCKED, "full")
        assert first.id != second.id

    @pytest.mark.parametrize(
        ("word", "kind"),
        [
            *(("request", Kind.PROCESSED), ("deferred", Kind.DEFERRED), ("hard_bounce", Kind.BOUNCED)),
            *(("invalid_email", Kind.BOUNCED), ("soft_bounce", Kind.BLOCKED), ("blocked", Kind.DROPPED)),
            *(("error", Kind.DROPPED), ("spam", Kind.COMPLAINED), ("unsubscribed", Kind.UNSUBSCRIBED)),
            *(("unique_opened", Kind.OPENED), ("click", Kind.CLICKED), ("list_addition", Kind.OTHER)),
        ],
    )
    def test_its_words_are_ours(self, word: str, kind: Kind) -> None:
        assert events_of(report(word))[0].kind is kind

    def test_a_replay_is_the_same_event(self) -> None:
        """Threat 15."""
        assert events_of(report())[0].id == events_of(report(id=1))[0].id
        assert events_of(report())[0].id != events_of(report(ts_epoch=1795330799123))[0].id

    @pytest.mark.parametrize("custom", ["", "x", "[]", "{}", 7, None])
    def test_ids_that_did_not_come_back_are_empty(self, custom: object) -> None:
        (event,) = events_of(report(**{"X-Mailin-custom": custom}))
        assert (event.delivery_id, event.attempt) == ("", 0)

    @pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer x"}, {"authorization": "Bearer "}])
    def test_a_forgery_is_not_believed(self, headers: dict[str, str]) -> None:
        """Threat 15."""
        with pytest.raises(NotGenuine):
            events_of(report(), headers)

    def test_without_a_token_reports_are_off(self) -> None:
        with pytest.raises(NotGenuine, match=r"provider\.webhook_token"):
            BrevoProvider(api_key=KEY).events({"authorization": "Bearer "}, b"{}", NOW)

    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[1]", b"[", b"\xff", b"[" * 100_000, {}, report(ts_epoch="soon"), report(ts_epoch=10**15), [[]]],
        ids=lambda content: str(content)[:20],
    )
    def test_what_cannot_be_read_is_told(self, content: object) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - the contract of Reporting
            events_of(content)
