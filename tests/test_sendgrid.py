"""The SendGrid provider, against a simulator that answers by SendGrid's rules."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import VALUES, Mail, Outcome, Recipient, Sender, Status, block_tags, hole_tag, substitution_bytes
from newsletter.providers import load_provider
from newsletter.providers.sendgrid import SendGridProvider, request_body
from newsletter.providers.sendgrid.answer import Answer, Then, judge, retry_after
from newsletter.providers.sendgrid.request import batches
from tests.contracts.providers import (
    NONCE,
    Arrived,
    RemoteProviderContract,
    make_mail,
    make_reader,
    make_readers,
)
from tests.servers.sendgrid import KEY, Canned, Fault, SendGridSimulator, sendgrid_simulator, violations
from tests.servers.smtp import free_port, make_certificates, raw_server

A, R, N, U = Status.ACCEPTED, Status.REJECTED, Status.NOT_TRIED, Status.UNCERTAIN
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
SPECIFICATION = Path(__file__).parents[2] / "shared" / "specs" / "sendgrid" / "tsg_mail_v3.json"


class _SendGridPostBox:
    def __init__(self, simulator: SendGridSimulator) -> None:
        self._simulator = simulator
        self.provider = connected(simulator)

    def arrived(self) -> list[Arrived]:
        return [
            Arrived(one.address, one.name, one.subject, one.html, one.text, list(one.headers.items()))
            for one in self._simulator.delivered
        ]

    def reject(self, address: str) -> None:
        self._simulator.bad.add(address)

    def be_busy(self) -> None:
        self._simulator.faults = [Canned(429)]

    def refuse(self) -> None:
        self._simulator.scopes.remove("mail.send")


class TestSendGridKeepsTheContract(RemoteProviderContract):
    @pytest.fixture
    def post_box(self, simulator: SendGridSimulator) -> _SendGridPostBox:
        return _SendGridPostBox(simulator)


@pytest.fixture
def simulator() -> Iterator[SendGridSimulator]:
    with sendgrid_simulator() as running:
        yield running


def connected(simulator: SendGridSimulator, **options: object) -> SendGridProvider:
    """Return the provider for the simulator, made from text as the environment would give it."""
    provider = load_provider("sendgrid", {"api_key": KEY, "host": simulator.url, "timeout": "5", **options})
    assert isinstance(provider, SendGridProvider)
    return provider


def send(provider: SendGridProvider, readers: Sequence[Recipient]) -> list[Status]:
    return [outcome.status for outcome in outcomes(provider, readers)]


def outcomes(provider: SendGridProvider, readers: Sequence[Recipient]) -> list[Outcome]:
    found = provider.send(make_mail(), readers)
    assert [outcome.delivery_id for outcome in found] == [reader.delivery_id for reader in readers]
    return found


def people_asked_for(simulator: SendGridSimulator) -> list[list[str]]:
    """Return the addresses of each request."""
    return [[one["to"][0]["email"] for one in body["personalizations"]] for body in simulator.requests]


# --- what is asked for


class TestRequest:
    def test_holds_one_personalization_a_reader(self) -> None:
        body = request_body(make_mail(), make_readers(3))
        assert [one["to"] for one in body["personalizations"]] == [
            [{"email": f"reader-{number}@example.org", "name": '"Ada Ångström, PhD"'}] for number in (1, 2, 3)
        ]

    def test_holds_text_before_html_and_who_it_is_from(self) -> None:
        mail = make_mail()
        body = request_body(mail, make_readers(1))
        assert [part["type"] for part in body["content"]] == ["text/plain", "text/html"]
        assert [part["value"] for part in body["content"]] == [mail.tagged_text, mail.tagged_html]
        assert body["from"] == {"email": "weekly@news.example.org", "name": "Fen Weekly, the"}
        assert body["reply_to"] == {"email": "editors@news.example.org"}
        assert body["subject"] == mail.subject

    def test_holds_no_reply_to_without_an_address_for_it(self) -> None:
        assert "reply_to" not in request_body(make_mail(sender=Sender("", "a@b.example")), make_readers(1))

    def test_turns_off_everything_that_an_account_could_have_turned_on(self) -> None:
        """Subscription tracking would add a List-Unsubscribe beside ours (RFC 2369)."""
        body = request_body(make_mail(), make_readers(1))
        assert body["tracking_settings"] == {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
            "ganalytics": {"enable": False},
        }
        assert body["mail_settings"] == {
            name: {"enable": False}
            for name in (
                *("bypass_list_management", "bypass_spam_management", "bypass_bounce_management"),
                *("bypass_unsubscribe_management", "footer", "sandbox_mode"),
            )
        }

    def test_tells_sendgrid_of_the_sandbox(self) -> None:
        body = request_body(make_mail(), make_readers(1), sandbox=True)
        assert body["mail_settings"]["sandbox_mode"] == {"enable": True}

    def test_headers_that_differ_stand_with_the_reader_filled(self) -> None:
        body = request_body(make_mail(), make_readers(2))
        assert sorted(body["headers"]) == ["Feedback-ID", "List-Id", "List-Unsubscribe-Post"]
        assert body["personalizations"][1]["headers"] == {
            "Message-ID": f"<{2:032x}@news.example.org>",
            "List-Unsubscribe": "<https://news.example.org/u/token-2>, "
            "<mailto:editors@news.example.org?subject=unsubscribe>",
        }

    def test_custom_args_hold_the_delivery_s_id_and_nothing_about_the_reader(self) -> None:
        """They are stored for long and cannot be removed."""
        body = request_body(make_mail(), make_readers(1))
        assert body["personalizations"][0]["custom_args"] == {"delivery_id": f"{1:032x}"}
        assert "custom_args" not in body
        assert "categories" not in body

    def test_only_tags_that_the_mail_has_are_filled(self) -> None:
        """What a reader's mail does not say is not SendGrid's to know."""
        token = hole_tag(NONCE, "token", html=True)
        body = request_body(make_mail(html=f"<p>{token}</p>", text="x"), make_readers(1))
        assert body["personalizations"][0]["substitutions"] == {token: "token-1"}

    def test_a_mail_without_holes_needs_no_substitutions(self) -> None:
        body = request_body(make_mail(html="<p>", text="x"), make_readers(1))
        assert "substitutions" not in body["personalizations"][0]

    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("Ada Ångström", "Ada Ångström"),
            ("Doe, Jane", '"Doe, Jane"'),
            ('J. "Jay" Doe; PhD', "\"J. 'Jay' Doe; PhD\""),
            ("x\r\nBcc: a@b.c", "x Bcc: a@b.c"),
            ("", None),
        ],
    )
    def test_a_reader_s_name(self, name: str, written: str | None) -> None:
        """A bare comma splits it, and the message is dropped after the 202 (sendgrid-python #291)."""
        body = request_body(make_mail(), [make_reader(1, name=name)])
        assert body["personalizations"][0]["to"][0].get("name") == written

    def test_a_block_is_one_substitution_filled_or_empty(self) -> None:
        """Of a reader's values it holds what the block shows them, and of other readers' blocks nothing."""
        tags, name = block_tags(NONCE, html=True), hole_tag(NONCE, "name", html=True)
        mail = make_mail(html=f"<p>{tags['name']}Dear <b>{name}</b>{tags['end']}</p>", text="x")
        body = request_body(mail, make_readers(2))
        assert body["content"][1]["value"] == f"<p>-{NONCE}h.block1-</p>"
        assert [one["substitutions"] for one in body["personalizations"]] == [
            {f"-{NONCE}h.block1-": "Dear <b>Ada &amp; &lt;Zoë&gt; 🦉</b>"},
            {f"-{NONCE}h.block1-": ""},
        ]

    @pytest.mark.parametrize(("over", "refused"), [(0, False), (1, True)])
    def test_blocks_count_among_the_bytes_that_sendgrid_takes(self, over: int, refused: bool) -> None:
        """10,000 a personalization, by SendGrid's description of its API."""
        tags, tag = block_tags(NONCE, html=True), f"-{NONCE}h.block1-"
        inside = "é" * ((10_000 - len(tag)) // 2) + "x" * ((10_000 - len(tag)) % 2 + over)
        mail = make_mail(html=f"{tags['new']}{inside}{tags['end']}", text="x")
        assert substitution_bytes(mail, make_reader(1).values) == 10_000 + over
        if refused:
            with pytest.raises(ConfigurationError, match="SendGrid takes 10000"):
                request_body(mail, make_readers(1))
        else:
            assert list(violations(request_body(mail, make_readers(1)))) == []

    def test_values_that_are_too_long_are_refused(self) -> None:
        reader = make_reader(1)
        long = Recipient("d1", reader.address, "", {**reader.values, "unsubscribe_url": "https://n/" + "x" * 10_000})
        with pytest.raises(ConfigurationError, match="SendGrid takes 10000"):
            request_body(make_mail(), [long])

    @settings(max_examples=200, deadline=None)
    @given(data=st.data())
    def test_any_text_gives_a_request_that_breaks_no_rule(self, data: st.DataObject) -> None:
        """Threat 1 on the JSON path: 0 extra headers, 0 exceptions."""
        text = st.text(max_size=30) | st.just("=?UTF-8?Q?x=0D=0ABcc:_a@b.c?=") | st.just("x\r\nBcc: a@b.c")
        values = data.draw(st.fixed_dictionaries(dict.fromkeys(VALUES, text)))
        subject = data.draw(text.map(lambda drawn: f"s{drawn}"))
        mail = make_mail(subject=subject, sender=Sender(data.draw(text), "weekly@news.example.org"))
        body = request_body(mail, [Recipient("d1", "ada@example.org", data.draw(text), values)])
        assert list(violations(body)) == []
        names = [*body["headers"], *body["personalizations"][0]["headers"]]
        assert sorted(names) == sorted(name for name, _ in mail.headers)
        for visible in (
            body["subject"],
            body["from"].get("name", ""),
            body["personalizations"][0]["to"][0].get("name", ""),
        ):
            assert "\n" not in visible
            assert "=?" not in visible


@pytest.mark.skipif(not SPECIFICATION.is_file(), reason="SendGrid's specification is not beside the project")
class TestAgainstTheSpecification:
    @pytest.fixture
    def specification(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(SPECIFICATION.read_text(encoding="utf-8"))
        return content

    @pytest.mark.parametrize("count", [1, 1000])
    @pytest.mark.parametrize("mail", [make_mail(), make_mail(sender=Sender("", "a@b.example"), html="<p>", text="x")])
    def test_a_request_has_the_shape_it_describes(self, specification: dict[str, Any], mail: Mail, count: int) -> None:
        body = request_body(mail, make_readers(count), sandbox=True)
        assert [error.message for error in validator(specification).iter_errors(body)] == []

    def test_the_validator_finds_what_is_wrong(self, specification: dict[str, Any]) -> None:
        body = request_body(make_mail(), make_readers(1001))
        assert any("too long" in error.message for error in validator(specification).iter_errors(body))

    def test_a_request_has_only_fields_it_names(self, specification: dict[str, Any]) -> None:
        """The schema allows any further field, so a misspelt one would pass it."""
        schema = specification["components"]["requestBodies"]["PostMailSend"]["content"]["application/json"]["schema"]
        body = request_body(make_mail(), make_readers(2), sandbox=True)
        assert unknown_fields(specification, schema, body) == []
        assert unknown_fields(specification, schema, {**body, "tracking": {}}) == ["tracking"]


def validator(specification: dict[str, Any]) -> Draft202012Validator:
    where = "#/components/requestBodies/PostMailSend/content/application~1json/schema"
    return Draft202012Validator({**specification, "$ref": where}, format_checker=Draft202012Validator.FORMAT_CHECKER)


def unknown_fields(specification: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """Return the names in `value` that the schema's objects do not list; objects that list none may hold any."""
    if "$ref" in schema:
        schema = specification["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        return [name for one in value for name in unknown_fields(specification, schema["items"], one)]
    known = schema.get("properties")
    if not isinstance(value, Mapping) or known is None:
        return []
    below = [name for key in value if key in known for name in unknown_fields(specification, known[key], value[key])]
    return [key for key in value if key not in known] + below


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([], []),
        (["a", "b", "c"], [[0, 1, 2]]),
        (["a", "b", "A", "c", "a"], [[0, 1, 3], [2], [4]]),
        ([str(number) for number in range(2500)], [[*range(1000)], [*range(1000, 2000)], [*range(2000, 2500)]]),
    ],
)
def test_no_request_has_an_address_twice_or_more_than_1000(addresses: list[str], expected: list[list[int]]) -> None:
    readers = [Recipient(str(number), address, "", {}) for number, address in enumerate(addresses)]
    assert batches(readers, range(len(readers))) == expected


# --- what answers mean


def answer(status: int, errors: object = None, **headers: str) -> Answer:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    body = b"" if errors is None else json.dumps({"errors": errors}).encode()
    return Answer(status, body, message)


def error(message: str, field: str | None) -> dict[str, Any]:
    return {"message": message, "field": field, "help": None}


@pytest.mark.parametrize(
    ("given_answer", "count", "then", "status"),
    [
        (answer(202), 3, Then.GO_ON, A),
        (answer(200), 3, Then.GO_ON, A),
        (answer(204), 3, Then.GO_ON, A),
        (answer(429), 3, Then.STOP, N),
        (answer(500), 3, Then.STOP, U),
        (answer(503), 3, Then.STOP, U),
        (answer(504), 3, Then.STOP, U),
        (answer(408), 3, Then.STOP, U),
        (answer(413), 3, Then.HALVES, N),
        (answer(413), 1, Then.REFUSE, N),
        (answer(401), 3, Then.REFUSE, N),
        (answer(403), 3, Then.REFUSE, N),
        (answer(404), 3, Then.REFUSE, N),
        (answer(405), 3, Then.REFUSE, N),
        (answer(301), 3, Then.REFUSE, N),
        (answer(400), 3, Then.HALVES, N),
        (answer(400, [error("bad", "null")]), 3, Then.HALVES, N),
        (answer(400, [error("bad", "")]), 3, Then.HALVES, N),
        (answer(400, [error("appears twice", "personalizations")]), 3, Then.HALVES, N),
        (answer(400, [error("bad", "personalizations.7.to")]), 3, Then.HALVES, N),
        (answer(400, "not a list"), 3, Then.HALVES, N),
        (answer(400, [error("no subject", "subject")]), 3, Then.REFUSE, N),
        (answer(400, [error("no", "from.email"), error("no", "personalizations.0.to")]), 3, Then.REFUSE, N),
        (answer(400), 1, Then.WITHOUT_BAD, N),
    ],
)
def test_what_an_answer_means(given_answer: Answer, count: int, then: Then, status: Status) -> None:
    verdict = judge(given_answer, count, NOW)
    assert (verdict.then, verdict.status) == (then, status)


@pytest.mark.parametrize(
    ("fields", "count", "then", "bad"),
    [
        (["personalizations.1.to.0.email"], 3, Then.WITHOUT_BAD, [1]),
        (["personalizations[1].to"], 3, Then.WITHOUT_BAD, [1]),
        (["personalizations.0.to", "personalizations.2.to.0.email"], 3, Then.WITHOUT_BAD, [0, 2]),
        (["personalizations.2.substitutions"], 3, Then.WITHOUT_BAD, [2]),
        (["personalizations.0.to", "personalizations.1.to"], 2, Then.WITHOUT_BAD, [0, 1]),
        (["personalizations.0.headers", "personalizations.1.headers"], 2, Then.REFUSE, []),
        (["personalizations.0.headers"], 1, Then.WITHOUT_BAD, [0]),
    ],
)
def test_a_400_that_names_readers_rejects_those(fields: list[str], count: int, then: Then, bad: list[int]) -> None:
    verdict = judge(answer(400, [error("does not do", field) for field in fields]), count, NOW)
    assert (verdict.then, sorted(verdict.bad)) == (then, bad)
    assert all("does not do" in words for words in verdict.bad.values())


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "provider.api_key"),
        (403, "scope mail.send"),
        (404, "provider.host"),
        (302, "provider.host"),
        (413, "30 MB"),
    ],
)
def test_a_refusal_says_what_to_check(status: int, words: str) -> None:
    assert words in judge(answer(status), 1, NOW).sentence


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        (str(int(NOW.timestamp()) + 42), 42.0),
        (str(int(NOW.timestamp()) + 86_400), 900.0),
        (str(int(NOW.timestamp())), None),
        (str(int(NOW.timestamp()) - 5), None),
        (None, None),
        *((garbage, None) for garbage in ("", "soon", "-1", "1e12", "9" * 40, "Sun, 22 Nov 2026 07:00:42 GMT", "12.5")),
    ],
)
def test_how_long_a_429_asks_to_wait(reset: str | None, seconds: float | None) -> None:
    """X-RateLimit-Reset holds epoch seconds; nothing there, the past or garbage tells nothing."""
    assert retry_after(reset, NOW) == seconds


def test_a_wait_is_at_least_a_second() -> None:
    assert retry_after(str(int(NOW.timestamp()) + 1), NOW.replace(microsecond=900_000)) == 1.0


# --- whole calls


def test_a_thousand_readers_are_one_request(simulator: SendGridSimulator) -> None:
    readers = make_readers(1000)
    assert send(connected(simulator), readers) == [A] * 1000
    assert len(simulator.requests) == 1
    assert simulator.arrived() == [reader.address for reader in readers]


def test_the_answer_s_id_is_the_reference(simulator: SendGridSimulator) -> None:
    found = outcomes(connected(simulator), make_readers(2))
    assert {outcome.reference for outcome in found} == {simulator.delivered[0].message_id}


def test_events_will_name_the_delivery(simulator: SendGridSimulator) -> None:
    readers = make_readers(2)
    send(connected(simulator), readers)
    assert [one.custom_args for one in simulator.delivered] == [
        {"delivery_id": reader.delivery_id} for reader in readers
    ]


def test_in_the_sandbox_it_is_checked_and_nothing_is_delivered(simulator: SendGridSimulator) -> None:
    provider = connected(simulator, sandbox="true")
    assert send(provider, make_readers(2)) == [A, A]
    assert simulator.delivered == []
    assert "Sandbox: nothing is sent." in provider.check()


def test_a_sender_or_a_subject_that_sendgrid_refuses_is_raised(simulator: SendGridSimulator) -> None:
    with pytest.raises(ProviderRefused, match=r"The subject is required.*field subject"):
        connected(simulator).send(make_mail(subject=""), make_readers(2))
    assert len(simulator.requests) == 1


class TestBadReaders:
    def test_named_ones_are_rejected_and_the_rest_goes_again(self, simulator: SendGridSimulator) -> None:
        readers = make_readers(5)
        simulator.bad = {readers[1].address, readers[4].address}
        found = outcomes(connected(simulator), readers)
        assert [outcome.status for outcome in found] == [A, R, A, A, R]
        assert found[1].detail == "400 Does not contain a valid address."
        assert len(simulator.requests) == 2
        assert simulator.arrived() == [readers[number].address for number in (0, 2, 3)]

    @pytest.mark.parametrize("bad", [{1}, {16}, {7, 8}, {1, 2}, {3, 9, 10, 16}])
    def test_unnamed_ones_are_found_by_halving(self, simulator: SendGridSimulator, bad: set[int]) -> None:
        readers = make_readers(16)
        simulator.bad_without_name = {readers[number - 1].address for number in bad}
        found = outcomes(connected(simulator), readers)
        assert [outcome.status for outcome in found] == [R if number in bad else A for number in range(1, 17)]
        assert simulator.arrived() == [
            reader.address for reader in readers if reader.address not in simulator.bad_without_name
        ]

    def test_a_fault_of_the_mail_that_names_no_field_costs_few_requests_and_no_reader(
        self, simulator: SendGridSimulator
    ) -> None:
        """Otherwise every reader would be rejected, one by one, for what is wrong with the mail."""
        simulator.faults = [Canned(400, b"Bad Request") for _ in range(50)]
        with pytest.raises(ProviderRefused, match="400"):
            send(connected(simulator), make_readers(1000))
        assert len(simulator.requests) < 20

    def test_all_rejected_by_address_is_no_refusal(self, simulator: SendGridSimulator) -> None:
        readers = make_readers(2)
        simulator.bad = {reader.address for reader in readers}
        assert send(connected(simulator), readers) == [R, R]

    def test_values_that_are_too_long_concern_one_reader(self, simulator: SendGridSimulator) -> None:
        first, second = make_readers(2)
        long = Recipient(first.delivery_id, first.address, "", {**first.values, "since": "x" * 11_000})
        assert send(connected(simulator), [long, second]) == [R, A]
        assert people_asked_for(simulator) == [[second.address]]


class TestTooLarge:
    def test_halves_are_sent(self, simulator: SendGridSimulator) -> None:
        simulator.max_bytes = len(json.dumps(request_body(make_mail(), make_readers(5))))
        readers = make_readers(16)
        assert send(connected(simulator), readers) == [A] * 16
        assert simulator.arrived() == [reader.address for reader in readers]
        assert max(len(people) for people in people_asked_for(simulator)) <= 5

    def test_a_mail_too_large_for_one_reader_is_refused(self, simulator: SendGridSimulator) -> None:
        simulator.max_bytes = 100
        with pytest.raises(ProviderRefused, match="413 content too large"):
            send(connected(simulator), make_readers(4))


class TestRateLimit:
    def test_nobody_is_tried_until_the_reset(self, simulator: SendGridSimulator) -> None:
        reset = str(int(datetime.now(UTC).timestamp()) + 300)
        simulator.faults = [Canned(429, b"{}", {"X-RateLimit-Reset": reset})]
        found = outcomes(connected(simulator), make_readers(3))
        assert [outcome.status for outcome in found] == [N, N, N]
        assert all(outcome.retry_after and 200 < outcome.retry_after <= 300 for outcome in found)
        assert len(simulator.requests) == 1

    def test_half_way_leaves_the_rest_untried_and_keeps_what_was_accepted(self, simulator: SendGridSimulator) -> None:
        readers = [make_reader(1), make_reader(2), make_reader(3, address="reader-1@example.org")]
        simulator.faults = [None, Canned(429)]
        found = outcomes(connected(simulator), readers)
        assert [outcome.status for outcome in found] == [A, A, N]
        assert found[2].retry_after is None


class TestNoClearAnswer:
    """Nothing of a request is sent again when it may have been taken: SendGrid has no idempotency key."""

    @pytest.mark.parametrize(
        ("fault", "delivered"),
        [
            (Fault.ERROR_BEFORE, 0),
            (Fault.ERROR_AFTER, 3),
            (Fault.RESET_BEFORE, 0),
            (Fault.RESET_AFTER, 3),
            (Fault.SILENT_AFTER, 3),
            (Fault.GARBAGE_AFTER, 3),
        ],
    )
    def test_is_uncertain_and_asked_once(self, simulator: SendGridSimulator, fault: Fault, delivered: int) -> None:
        simulator.faults = [fault]
        found = outcomes(connected(simulator, timeout=0.5), make_readers(3))
        assert [outcome.status for outcome in found] == [U, U, U]
        assert "it may have been taken" in found[0].detail
        assert len(simulator.requests) == 1
        assert len(simulator.delivered) == delivered

    @pytest.mark.parametrize("fault", [Fault.ERROR_AFTER, Fault.RESET_AFTER])
    def test_leaves_the_later_requests_of_the_call_for_another_time(
        self, simulator: SendGridSimulator, fault: Fault
    ) -> None:
        """They were surely not taken, and a service in trouble is not pressed."""
        readers = [make_reader(1), make_reader(2), make_reader(3, address="reader-1@example.org")]
        simulator.faults = [fault]
        found = outcomes(connected(simulator), readers)
        assert [outcome.status for outcome in found] == [U, U, N]
        assert found[2].detail.startswith("waits, because of the request before")
        assert len(simulator.requests) == 1

    def test_after_an_accepted_request_keeps_both(self, simulator: SendGridSimulator) -> None:
        readers = [make_reader(1), make_reader(2, address="reader-1@example.org")]
        simulator.faults = [None, Fault.RESET_AFTER]
        assert send(connected(simulator), readers) == [A, U]


class TestNoConnection:
    def test_where_nobody_listens_nobody_is_tried(self) -> None:
        provider = SendGridProvider(api_key=KEY, host=f"http://127.0.0.1:{free_port()}")
        found = outcomes(provider, make_readers(2))
        assert [outcome.status for outcome in found] == [N, N]
        assert "could not be reached" in found[0].detail

    def test_a_certificate_that_is_not_valid_tries_nobody(self, tmp_path: Path) -> None:
        """No byte of the request, and nothing of the key, was sent."""
        with raw_server(tls=make_certificates(tmp_path).localhost) as port:
            found = outcomes(SendGridProvider(api_key=KEY, host=f"https://localhost:{port}"), make_readers(2))
        assert [outcome.status for outcome in found] == [N, N]
        assert "certificate verify failed" in found[0].detail

    def test_cannot_be_checked(self) -> None:
        with pytest.raises(ProviderRefused, match="could not be asked"):
            SendGridProvider(api_key=KEY, host=f"http://127.0.0.1:{free_port()}").check()


class TestRefusal:
    @pytest.mark.parametrize(
        ("status", "words"), [(301, "provider.host"), (302, "provider.host"), (307, "provider.host")]
    )
    def test_a_redirect_is_not_followed(self, simulator: SendGridSimulator, status: int, words: str) -> None:
        """Followed with a GET, as urllib does, the 200 at its end would read as accepted."""
        simulator.faults = [Canned(status, b"", {"Location": f"{simulator.url}/v3/scopes"})]
        with pytest.raises(ProviderRefused, match=words):
            send(connected(simulator), make_readers(2))

    def test_a_wrong_key_says_what_to_check(self, simulator: SendGridSimulator) -> None:
        with pytest.raises(ProviderRefused, match=r"401 authorization required\. .*provider\.api_key"):
            send(connected(simulator, api_key="SG.other"), make_readers(2))

    def test_a_key_without_the_scope_says_what_to_check(self, simulator: SendGridSimulator) -> None:
        simulator.scopes = ["alerts.read"]
        with pytest.raises(ProviderRefused, match=r"403 access forbidden\. .*mail\.send.*verified"):
            send(connected(simulator), make_readers(2))

    def test_half_way_leaves_the_rest_untried_and_keeps_what_was_accepted(self, simulator: SendGridSimulator) -> None:
        readers = [make_reader(1), make_reader(2), make_reader(3, address="reader-1@example.org")]
        simulator.faults = [None, Canned(401)]
        found = outcomes(connected(simulator), readers)
        assert [outcome.status for outcome in found] == [A, A, N]
        assert "provider.api_key" in found[2].detail


class TestCheck:
    def test_says_that_the_key_may_send(self, simulator: SendGridSimulator) -> None:
        assert "the key may send mail" in connected(simulator).check()

    def test_says_that_the_scope_is_missing(self, simulator: SendGridSimulator) -> None:
        simulator.scopes = ["alerts.read"]
        with pytest.raises(ProviderRefused, match=r"lacks the scope mail\.send"):
            connected(simulator).check()

    def test_says_that_the_key_is_wrong(self, simulator: SendGridSimulator) -> None:
        with pytest.raises(ProviderRefused, match="key is not valid"):
            connected(simulator, api_key="SG.other").check()


class TestTheKey:
    """Threat 21 and 22: it is in no text that we make."""

    def test_is_not_logged_when_everything_is(
        self, simulator: SendGridSimulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            send(connected(simulator), make_readers(1))
            with pytest.raises(ProviderRefused):
                send(connected(simulator, api_key="SG.other-canary"), make_readers(1))
        assert KEY not in caplog.text
        assert "other-canary" not in caplog.text

    def test_is_not_shown(self, simulator: SendGridSimulator) -> None:
        assert KEY not in repr(connected(simulator)) + str(connected(simulator))

    @pytest.mark.parametrize("status", [400, 401, 500])
    def test_is_removed_when_an_answer_repeats_it(self, simulator: SendGridSimulator, status: int) -> None:
        body = json.dumps({"errors": [error(f"no such key: {KEY}", "from" if status == 400 else None)]}).encode()
        simulator.faults = [Canned(status, body)]
        try:
            said = outcomes(connected(simulator), make_readers(1))[0].detail
        except ProviderRefused as refused:
            said = str(refused)
        assert KEY not in said
        assert "no such key: [key]" in said

    @pytest.mark.parametrize("key", ["SG.a b", "SG.a\nX-Evil: 1", "SG.ä"])
    def test_of_a_wrong_form_is_refused_without_showing_it(self, key: str) -> None:
        with pytest.raises(ConfigurationError, match=r"provider\.api_key is wrong") as caught:
            load_provider("sendgrid", {"api_key": key})
        assert key not in str(caught.value)

    def test_may_have_been_copied_with_its_line_end(self, simulator: SendGridSimulator) -> None:
        assert send(connected(simulator, api_key=f" {KEY}\n"), make_readers(1)) == [A]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, r"provider\.api_key is missing: sendgrid needs it"),
        ({"api_key": ""}, r"provider\.api_key is wrong"),
        ({"api_key": "k", "host": "api.sendgrid.com"}, r"provider\.host is wrong: 'api\.sendgrid\.com'"),
        ({"api_key": "k", "host": "http://api.sendgrid.com"}, "the key would cross the network readable"),
        ({"api_key": "k", "host": "https://api.sendgrid.com/v3/mail/send"}, r"provider\.host is wrong"),
        ({"api_key": "k", "chunk_size": 1001}, r"provider\.chunk_size is wrong"),
        ({"api_key": "k", "timeout": "soon"}, r"provider\.timeout is wrong"),
        ({"api_key": "k", "sandbox": "perhaps"}, r"provider\.sandbox is wrong"),
        ({"api_key": "k", "apikey": "k"}, r"provider\.apikey: sendgrid has no such option\. Known: api_key, host"),
    ],
)
def test_options_that_cannot_work_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_provider("sendgrid", options)


def test_several_threads_share_a_provider(simulator: SendGridSimulator) -> None:
    provider = connected(simulator)
    found: list[list[Status]] = []
    threads = [threading.Thread(target=lambda: found.append(send(provider, make_readers(20)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[A] * 20] * 8
    assert len(simulator.delivered) == 160
