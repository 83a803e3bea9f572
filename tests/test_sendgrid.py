"""The SendGrid provider, call by call, against the simulator."""

from __future__ import annotations

import json
import logging
import math
import random
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Outcome, Recipient, Status
from newsletter.providers import load_provider
from newsletter.providers.sendgrid import SendGridProvider
from newsletter.testing.sendgrid import API_KEY, Fault, SendGridSimulator, When
from tests.contracts.providers import (
    Arrived,
    RemoteProviderContract,
    make_mail,
    make_reader,
    make_readers,
)
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
            for one in self._simulator.left
        ]

    def reject(self, address: str) -> None:
        self._simulator.fail(Fault.named("400 naming the bad", bad=address))

    def be_busy(self) -> None:
        self._simulator.fail("429")

    def refuse(self) -> None:
        self._simulator.api.scopes.remove("mail.send")


class TestSendGridKeepsTheContract(RemoteProviderContract):
    @pytest.fixture
    def post_box(self, simulator: SendGridSimulator) -> _SendGridPostBox:
        return _SendGridPostBox(simulator)


@pytest.fixture
def simulator() -> Iterator[SendGridSimulator]:
    with SendGridSimulator() as running:
        yield running


def connected(simulator: SendGridSimulator, **options: object) -> SendGridProvider:
    """Return the provider for the simulator, made from text as the environment would give it."""
    provider = load_provider("sendgrid", {"api_key": API_KEY, "host": simulator.url, "timeout": "5", **options})
    assert isinstance(provider, SendGridProvider)
    return provider


def send(provider: SendGridProvider, readers: Sequence[Recipient]) -> list[Status]:
    return [outcome.status for outcome in outcomes(provider, readers)]


def outcomes(provider: SendGridProvider, readers: Sequence[Recipient]) -> list[Outcome]:
    found = provider.send(make_mail(), readers)
    assert [outcome.delivery_id for outcome in found] == [reader.delivery_id for reader in readers]
    return found


def arrived(simulator: SendGridSimulator) -> list[str]:
    """Return who would get a mail, in order."""
    return [mail.address for mail in simulator.left]


def readers_with_bad(count: int, bad: Collection[int]) -> list[Recipient]:
    """Return readers of whom some, by number, have an address that the simulator's faults take for bad."""
    return [make_reader(at, address=f"bad-{at}@example.org" if at in bad else "") for at in range(1, count + 1)]


def on_request(number: int, name: str) -> Fault:
    """Return a fault of the n-th request."""
    return Fault.named(name, When(requests=(number,)))


# --- whole calls


def test_a_thousand_readers_are_one_request(simulator: SendGridSimulator) -> None:
    readers = make_readers(1000)
    assert send(connected(simulator), readers) == [A] * 1000
    assert len(simulator.requests) == 1
    assert arrived(simulator) == [reader.address for reader in readers]


def test_the_answer_s_id_is_the_reference(simulator: SendGridSimulator) -> None:
    found = outcomes(connected(simulator), make_readers(2))
    assert {outcome.reference for outcome in found} == {simulator.left[0].message_id}


def test_events_will_name_the_delivery(simulator: SendGridSimulator) -> None:
    readers = make_readers(2)
    send(connected(simulator), readers)
    assert [mail.custom_args for mail in simulator.left] == [{"delivery_id": reader.delivery_id} for reader in readers]


def test_in_the_sandbox_it_is_checked_and_nothing_is_delivered(simulator: SendGridSimulator) -> None:
    provider = connected(simulator, sandbox="true")
    assert send(provider, make_readers(2)) == [A, A]
    assert simulator.mails == []
    assert "Sandbox: nothing is sent." in provider.check()


def test_a_sender_or_a_subject_that_sendgrid_refuses_is_raised(simulator: SendGridSimulator) -> None:
    with pytest.raises(ProviderRefused, match=r"The subject is required.*field subject"):
        connected(simulator).send(make_mail(subject=""), make_readers(2))
    assert len(simulator.requests) == 1


class TestBadReaders:
    def test_named_ones_are_rejected_and_the_rest_goes_again(self, simulator: SendGridSimulator) -> None:
        readers = readers_with_bad(5, {2, 5})
        simulator.fail("400 naming the bad")
        found = outcomes(connected(simulator), readers)
        assert [outcome.status for outcome in found] == [A, R, A, A, R]
        assert found[1].detail == "400 Does not contain a valid address."
        assert len(simulator.requests) == 2
        assert arrived(simulator) == [readers[number].address for number in (0, 2, 3)]

    @pytest.mark.parametrize("bad", [{1}, {16}, {7, 8}, {1, 2}, {3, 9, 10, 16}])
    def test_unnamed_ones_are_found_by_halving(self, simulator: SendGridSimulator, bad: set[int]) -> None:
        simulator.fail("400 naming nobody")
        found = outcomes(connected(simulator), readers_with_bad(16, bad))
        assert [outcome.status for outcome in found] == [R if number in bad else A for number in range(1, 17)]
        assert sorted(arrived(simulator)) == sorted(
            reader.address for number, reader in enumerate(make_readers(16), 1) if number not in bad
        )

    @pytest.mark.parametrize("named", ["the bad", "the first", "nobody"])
    @pytest.mark.parametrize("count", [0, 1, 2, 5, 20])
    def test_of_a_thousand_exactly_the_bad_ones_are_rejected_in_few_requests(
        self, simulator: SendGridSimulator, count: int, named: str
    ) -> None:
        """F5: at most 2k*log2(1000) extra requests."""
        bad = set(random.Random(f"{count} {named}").sample(range(1, 1001), count))
        readers = readers_with_bad(1000, bad)
        simulator.fail(f"400 naming {named}")
        found = connected(simulator).send(make_mail(html="<p>", text="x"), readers)
        assert {number for number, outcome in enumerate(found, 1) if outcome.status is R} == bad
        assert Counter(outcome.status for outcome in found) == Counter({A: 1000 - count, R: count})
        assert sorted(arrived(simulator)) == sorted(one.address for at, one in enumerate(readers, 1) if at not in bad)
        assert len(simulator.requests) - 1 <= 2 * count * math.log2(1000)

    @pytest.mark.parametrize("together", [[0, 1], [3, 999], [250, 500]])
    def test_two_who_do_not_go_together_go_apart(self, simulator: SendGridSimulator, together: list[int]) -> None:
        """SendGrid may find two addresses the same that we do not: nobody is rejected but by an answer of their own."""
        readers = make_readers(1000)
        one, other = (readers[position].address for position in together)
        simulator.fail(Fault.named("400 naming nobody", When(address=one), bad=other))
        found = connected(simulator).send(make_mail(html="<p>", text="x"), readers)
        assert {outcome.status for outcome in found} == {A}
        assert sorted(arrived(simulator)) == sorted(reader.address for reader in readers)
        assert simulator.requests[0].status == 400

    def test_many_bad_ones_named_one_by_one_are_still_the_readers(self, simulator: SendGridSimulator) -> None:
        simulator.fail("400 naming the first")
        assert send(connected(simulator), readers_with_bad(100, range(1, 61))) == [R] * 60 + [A] * 40

    def test_a_server_that_blames_the_first_whoever_it_is_costs_few_requests(
        self, simulator: SendGridSimulator
    ) -> None:
        body = json.dumps({"errors": [{"message": "no", "field": "personalizations.0.to.0.email"}]})
        simulator.fail(Fault(status=400, body=body))
        with pytest.raises(ProviderRefused, match="several readers were refused"):
            send(connected(simulator), make_readers(1000))
        assert len(simulator.requests) < 20

    @pytest.mark.parametrize("name", ["429", "401", "500 before accepting", "202 then reset", "413"])
    @pytest.mark.parametrize("nth", range(2, 13))
    def test_whatever_comes_in_the_search_every_reader_is_accounted_for_once(
        self, simulator: SendGridSimulator, name: str, nth: int
    ) -> None:
        readers = readers_with_bad(40, {12, 31})
        simulator.fail(on_request(nth, name), Fault.named("400 naming nobody"))
        provider = connected(simulator)
        try:
            found = outcomes(provider, readers)
        except ProviderRefused:
            assert arrived(simulator) == []
            return
        times = Counter(arrived(simulator))
        assert max(times.values(), default=0) <= 1
        for reader, outcome in zip(readers, found, strict=True):
            assert outcome.status is not R or reader.address.startswith("bad-")
            assert outcome.status is not A or times[reader.address] == 1
            assert outcome.status not in {N, R} or times[reader.address] == 0

    def test_a_fault_of_the_mail_that_names_no_field_costs_few_requests_and_no_reader(
        self, simulator: SendGridSimulator
    ) -> None:
        """Otherwise every reader would be rejected, one by one, for what is wrong with the mail."""
        simulator.fail(Fault(status=400, body="Bad Request"))
        with pytest.raises(ProviderRefused, match="400"):
            send(connected(simulator), make_readers(1000))
        assert len(simulator.requests) < 20

    def test_all_rejected_by_address_is_no_refusal(self, simulator: SendGridSimulator) -> None:
        simulator.fail("400 naming the bad")
        assert send(connected(simulator), readers_with_bad(2, {1, 2})) == [R, R]

    def test_values_that_are_too_long_concern_one_reader(self, simulator: SendGridSimulator) -> None:
        first, second = make_readers(2)
        long = Recipient(first.delivery_id, first.address, "", {**first.values, "since": "x" * 11_000})
        assert send(connected(simulator), [long, second]) == [R, A]
        assert [mail.address for mail in simulator.mails] == [second.address]
        assert [one.readers for one in simulator.requests] == [1]


class TestTooLarge:
    def test_halves_are_sent(self, simulator: SendGridSimulator) -> None:
        simulator.fail(Fault.named("413", When(more_than=5)))
        readers = make_readers(16)
        assert send(connected(simulator), readers) == [A] * 16
        assert arrived(simulator) == [reader.address for reader in readers]
        assert [(one.status, one.readers) for one in simulator.requests] == [
            *[(413, 16), (413, 8), (202, 4), (202, 4)],
            *[(413, 8), (202, 4), (202, 4)],
        ]

    def test_a_mail_too_large_for_one_reader_is_refused(self, simulator: SendGridSimulator) -> None:
        simulator.fail("413")
        with pytest.raises(ProviderRefused, match="413 The request is too large"):
            send(connected(simulator), make_readers(4))


class TestRateLimit:
    def test_nobody_is_tried_until_the_reset(self, simulator: SendGridSimulator) -> None:
        simulator.fail(Fault.named("429", reset_in=300.0))
        found = outcomes(connected(simulator), make_readers(3))
        assert [outcome.status for outcome in found] == [N, N, N]
        assert all(outcome.retry_after and 200 < outcome.retry_after <= 300 for outcome in found)
        assert len(simulator.requests) == 1

    def test_half_way_leaves_the_rest_untried_and_keeps_what_was_accepted(self, simulator: SendGridSimulator) -> None:
        readers = [make_reader(1), make_reader(2), make_reader(3, address="reader-1@example.org")]
        simulator.fail(on_request(2, "429 without a reset"))
        found = outcomes(connected(simulator), readers)
        assert [outcome.status for outcome in found] == [A, A, N]
        assert found[2].retry_after is None


class TestNoClearAnswer:
    """Nothing of a request is sent again when it may have been taken: SendGrid has no idempotency key."""

    @pytest.mark.parametrize(
        ("name", "delivered"),
        [
            ("500 before accepting", 0),
            ("accept then 503", 3),
            ("not taken then reset", 0),
            ("202 then reset", 3),
            ("accept then stall", 3),
            ("not http", 3),
        ],
    )
    def test_is_uncertain_and_asked_once(self, simulator: SendGridSimulator, name: str, delivered: int) -> None:
        simulator.fail(name)
        found = outcomes(connected(simulator, timeout=0.5), make_readers(3))
        assert [outcome.status for outcome in found] == [U, U, U]
        assert "it may have been taken" in found[0].detail
        assert len(simulator.requests) == 1
        assert len(simulator.left) == delivered

    @pytest.mark.parametrize("name", ["accept then 503", "202 then reset"])
    def test_leaves_the_later_requests_of_the_call_for_another_time(
        self, simulator: SendGridSimulator, name: str
    ) -> None:
        """They were surely not taken, and a service in trouble is not pressed."""
        readers = [make_reader(1), make_reader(2), make_reader(3, address="reader-1@example.org")]
        simulator.fail(name)
        found = outcomes(connected(simulator), readers)
        assert [outcome.status for outcome in found] == [U, U, N]
        assert found[2].detail.startswith("waits, because of the request before")
        assert len(simulator.requests) == 1

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_an_answer_that_nobody_follows(self, simulator: SendGridSimulator, status: int) -> None:
        """Followed with a GET, as urllib does, the 200 at its end would read as accepted; with a POST, all go twice."""
        simulator.fail(Fault(status=status, headers={"Location": f"{simulator.url}/v3/mail/send"}))
        found = outcomes(connected(simulator), make_readers(2))
        assert [outcome.status for outcome in found] == [U, U]
        assert "provider.host" in found[0].detail
        assert len(simulator.requests) == 1

    def test_after_an_accepted_request_keeps_both(self, simulator: SendGridSimulator) -> None:
        readers = [make_reader(1), make_reader(2, address="reader-1@example.org")]
        simulator.fail(on_request(2, "202 then reset"))
        assert send(connected(simulator), readers) == [A, U]


class TestNoConnection:
    def test_where_nobody_listens_nobody_is_tried(self) -> None:
        provider = SendGridProvider(api_key=API_KEY, host=f"http://127.0.0.1:{free_port()}")
        found = outcomes(provider, make_readers(2))
        assert [outcome.status for outcome in found] == [N, N]
        assert "could not be reached" in found[0].detail

    def test_a_certificate_that_is_not_valid_tries_nobody(self, tmp_path: Path) -> None:
        """No byte of the request, and nothing of the key, was sent."""
        with raw_server(tls=make_certificates(tmp_path).localhost) as port:
            found = outcomes(SendGridProvider(api_key=API_KEY, host=f"https://localhost:{port}"), make_readers(2))
        assert [outcome.status for outcome in found] == [N, N]
        assert "certificate verify failed" in found[0].detail

    def test_cannot_be_checked(self) -> None:
        with pytest.raises(ProviderRefused, match="could not be asked"):
            SendGridProvider(api_key=API_KEY, host=f"http://127.0.0.1:{free_port()}").check()


class TestRefusal:
    def test_a_wrong_key_says_what_to_check(self, simulator: SendGridSimulator) -> None:
        with pytest.raises(ProviderRefused, match=r"401 The key is not valid.*provider\.api_key"):
            send(connected(simulator, api_key="SG.other"), make_readers(2))

    def test_a_key_without_the_scope_says_what_to_check(self, simulator: SendGridSimulator) -> None:
        simulator.api.scopes.remove("mail.send")
        with pytest.raises(ProviderRefused, match=r"403 access forbidden\. .*mail\.send.*verified"):
            send(connected(simulator), make_readers(2))

    def test_half_way_leaves_the_rest_untried_and_keeps_what_was_accepted(self, simulator: SendGridSimulator) -> None:
        readers = [make_reader(1), make_reader(2), make_reader(3, address="reader-1@example.org")]
        simulator.fail(on_request(2, "401"))
        found = outcomes(connected(simulator), readers)
        assert [outcome.status for outcome in found] == [A, A, N]
        assert "provider.api_key" in found[2].detail


class TestCheck:
    def test_says_that_the_key_may_send(self, simulator: SendGridSimulator) -> None:
        assert "the key may send mail" in connected(simulator).check()

    def test_says_that_the_scope_is_missing(self, simulator: SendGridSimulator) -> None:
        simulator.api.scopes.remove("mail.send")
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
        assert API_KEY not in caplog.text
        assert "other-canary" not in caplog.text

    def test_is_not_shown(self, simulator: SendGridSimulator) -> None:
        assert API_KEY not in repr(connected(simulator)) + str(connected(simulator))

    @pytest.mark.parametrize("status", [400, 401, 500])
    def test_is_removed_when_an_answer_repeats_it(self, simulator: SendGridSimulator, status: int) -> None:
        field = "from" if status == 400 else None
        body = json.dumps({"errors": [{"message": f"no such key: {API_KEY}", "field": field}]})
        simulator.fail(Fault(status=status, body=body))
        try:
            said = outcomes(connected(simulator), make_readers(1))[0].detail
        except ProviderRefused as refused:
            said = str(refused)
        assert API_KEY not in said
        assert "no such key: [key]" in said

    @pytest.mark.parametrize("key", ["SG.a b", "SG.a\nX-Evil: 1", "SG.ä"])
    def test_of_a_wrong_form_is_refused_without_showing_it(self, key: str) -> None:
        with pytest.raises(ConfigurationError, match=r"provider\.api_key is wrong") as caught:
            load_provider("sendgrid", {"api_key": key})
        assert key not in str(caught.value)

    def test_may_have_been_copied_with_its_line_end(self, simulator: SendGridSimulator) -> None:
        assert send(connected(simulator, api_key=f" {API_KEY}\n"), make_readers(1)) == [A]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, r"provider\.api_key is missing: sendgrid needs it"),
        ({"api_key": ""}, r"provider\.api_key is wrong"),
        ({"api_key": "k", "host": "api.sendgrid.com"}, r"provider\.host is wrong: 'api\.sendgrid\.com'"),
        ({"api_key": "k", "host": "http://api.sendgrid.com"}, "the key would cross the network readable"),
        ({"api_key": "k", "host": "https://api.sendgrid.com/v3/mail/send"}, r"provider\.host is wrong"),
        ({"api_key": "k", "host": "https://api.sendgrid.com:port"}, r"provider\.host is wrong"),
        ({"api_key": "k", "host": "https://[::1"}, r"provider\.host is wrong"),
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
    assert len(simulator.left) == 160
