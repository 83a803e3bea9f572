"""What else SendGrid is asked: batches for later, the addresses it writes to no more, what it has taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from newsletter.errors import ProviderRefused
from newsletter.mail import Recipient, Status
from newsletter.providers import Closing, Scheduling
from newsletter.providers.events import Answering, Kind, Reporting, Suppressed, Suppressing
from newsletter.providers.sendgrid import SendGridProvider
from newsletter.testing.sendgrid import Fault as SimulatedFault
from newsletter.testing.sendgrid import SendGridSimulator, State, When
from tests.contracts.providers import make_mail, make_reader, make_readers
from tests.servers.smtp import free_port
from tests.test_sendgrid_wire import Line, once, provider, serving

A = Status.ACCEPTED
NOW = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
AT = NOW + timedelta(hours=2)


@pytest.fixture
def sendgrid() -> Iterator[SendGridSimulator]:
    with SendGridSimulator(start=NOW, activity=True) as running:
        yield running


@pytest.fixture
def to(sendgrid: SendGridSimulator) -> Iterator[SendGridProvider]:
    made = connected(sendgrid)
    yield made
    made.close()


def connected(sendgrid: SendGridSimulator) -> SendGridProvider:
    return SendGridProvider(api_key=sendgrid.key, host=sendgrid.url, timeout=5)


def of_try(number: int, readers: list[Recipient]) -> list[Recipient]:
    return [replace(reader, attempt=number) for reader in readers]


def failing(method: str, path: str, status: int, body: str = "") -> SimulatedFault:
    return SimulatedFault(when=When(method=method, path=path), status=status, body=body, take=0.0)


@pytest.mark.parametrize("what", [Scheduling, Closing, Reporting, Suppressing, Answering])
def test_it_can_what_the_contracts_say(to: SendGridProvider, what: type) -> None:
    assert isinstance(to, what)


class TestForATimeToCome:
    def test_nothing_leaves_before_its_time_and_all_of_it_then(
        self, sendgrid: SendGridSimulator, to: SendGridProvider
    ) -> None:
        batch = to.new_batch()
        found = to.schedule(make_mail(), make_readers(3), batch, AT)
        assert [(outcome.status, bool(outcome.reference)) for outcome in found] == [(A, True)] * 3
        assert (len(sendgrid.mails), sendgrid.left) == (3, [])
        sendgrid.advance(2 * 3600)
        assert len(sendgrid.left) == 3

    def test_a_call_that_takes_several_requests_has_one_batch(
        self, sendgrid: SendGridSimulator, to: SendGridProvider
    ) -> None:
        sendgrid.fail(SimulatedFault(when=When(more_than=2), status=413))
        batch = to.new_batch()
        found = to.schedule(make_mail(), make_readers(7), batch, AT)
        assert {outcome.status for outcome in found} == {A}
        assert {(mail.batch_id, mail.send_at) for mail in sendgrid.mails} == {(batch, AT.timestamp())}
        assert to.cancel(batch)
        sendgrid.advance(3 * 3600)
        assert (sendgrid.left, {mail.state for mail in sendgrid.mails}) == ([], {State.CANCELLED})

    def test_each_batch_is_another(self, to: SendGridProvider) -> None:
        assert len({to.new_batch() for _ in range(3)}) == 3

    def test_only_the_cancelled_batch_stays(self, sendgrid: SendGridSimulator, to: SendGridProvider) -> None:
        gone, kept = to.new_batch(), to.new_batch()
        to.schedule(make_mail(), make_readers(2), gone, AT)
        to.schedule(make_mail(), [make_reader(3)], kept, AT)
        assert to.cancel(gone)
        sendgrid.advance(3 * 3600)
        assert [mail.address for mail in sendgrid.left] == ["reader-3@example.org"]

    def test_cancelling_twice_is_as_good(self, to: SendGridProvider) -> None:
        """The first answer may have been lost; SendGrid says 400 to the second."""
        batch = to.new_batch()
        assert (to.cancel(batch), to.cancel(batch)) == (True, True)

    def test_a_paused_batch_is_cancelled(self, sendgrid: SendGridSimulator, to: SendGridProvider) -> None:
        """A pause ends by itself, with its mail discarded or, after a click, sent."""
        batch = to.new_batch()
        sendgrid.account.stop(batch, "pause")
        assert to.cancel(batch)
        assert sendgrid.account.stopped() == {batch: "cancel"}

    def test_a_batch_that_is_not_sendgrid_s_is_not_cancelled(self, to: SendGridProvider) -> None:
        assert not to.cancel("no/such batch?")

    @pytest.mark.parametrize("fault", ["202 then reset", "accept then close", "accept then 500", "not http"])
    def test_a_cancellation_whose_answer_is_lost_counts_when_it_is_read_back(
        self, sendgrid: SendGridSimulator, to: SendGridProvider, fault: str
    ) -> None:
        batch = to.new_batch()
        sendgrid.fail(SimulatedFault.named(fault, When(path="/v3/user/scheduled_sends")))
        assert to.cancel(batch)
        assert sendgrid.requests[1].fault == fault

    @pytest.mark.parametrize(
        ("method", "path", "status", "body"),
        [
            *(("POST", "/v3/user/scheduled_sends", status, "") for status in (201, 400, 401, 403, 404, 429, 500)),
            *(("GET", "/v3/user/scheduled_sends/*", status, "") for status in (400, 401, 404, 429, 500)),
            *(
                ("GET", "/v3/user/scheduled_sends/*", 200, body)
                for body in ("", "[]", "{}", "null", '[{"batch_id": "other", "status": "cancel"}]', "[[]]", "7")
            ),
        ],
    )
    def test_it_is_not_cancelled_unless_sendgrid_says_so(
        self, sendgrid: SendGridSimulator, to: SendGridProvider, method: str, path: str, status: int, body: str
    ) -> None:
        batch = to.new_batch()
        sendgrid.fail(failing(method, path, status, body))
        assert to.cancel(batch) is False

    def test_nor_when_nobody_answers(self) -> None:
        host = f"http://127.0.0.1:{free_port()}"
        assert SendGridProvider(api_key="SG.x", host=host).cancel("b") is False

    def test_nor_when_the_connection_ends(self) -> None:
        with serving(Line.reset) as server:
            assert provider(server).cancel("b") is False

    @pytest.mark.parametrize(
        ("status", "error"),
        [(401, ProviderRefused), (403, ProviderRefused), (404, ProviderRefused), (429, OSError), (500, OSError)],
    )
    def test_no_batch_is_told(
        self, sendgrid: SendGridSimulator, to: SendGridProvider, status: int, error: type[Exception]
    ) -> None:
        sendgrid.fail(failing("POST", "/v3/mail/batch", status))
        with pytest.raises(error):
            to.new_batch()

    @pytest.mark.parametrize("body", ["", "{}", "[]", "null", '{"batch_id": ""}', '{"batch_id": 7}', "[" * 100_000])
    def test_an_answer_without_a_batch_is_none(
        self, sendgrid: SendGridSimulator, to: SendGridProvider, body: str
    ) -> None:
        sendgrid.fail(failing("POST", "/v3/mail/batch", 201, body))
        with pytest.raises(OSError, match="gave no batch"):
            to.new_batch()

    def test_nobody_answers_for_a_batch(self) -> None:
        with serving(once(b"garbage\r\n\r\n")) as server, pytest.raises(OSError, match="did not answer properly"):
            provider(server).new_batch()
        with pytest.raises(OSError, match="refused"):
            SendGridProvider(api_key="SG.x", host=f"http://127.0.0.1:{free_port()}").new_batch()

    def test_a_time_too_far_ahead_is_refused_and_says_so(self, to: SendGridProvider) -> None:
        with pytest.raises(ProviderRefused, match="send_at"):
            to.schedule(make_mail(), make_readers(2), to.new_batch(), NOW + timedelta(hours=73))


class TestSuppressed:
    def test_all_lists_are_read_and_translated(self, sendgrid: SendGridSimulator, to: SendGridProvider) -> None:
        for name, address in (
            ("bounces", "a@example.org"),
            ("blocks", "b@example.org"),
            ("invalid_emails", "c@example.org"),
            ("spam_reports", "d@example.org"),
            ("unsubscribes", "e@example.org"),
        ):
            sendgrid.account.suppress(name, address, reason="550 no\r\nsuch user", status="5.1.1")
        found = list(to.suppressed(None))
        assert [(one.address[0], one.kind) for one in found] == [
            ("a", Kind.BOUNCED),
            ("b", Kind.BLOCKED),
            ("c", Kind.BOUNCED),
            ("d", Kind.COMPLAINED),
            ("e", Kind.UNSUBSCRIBED),
        ]
        assert found[0] == Suppressed("a@example.org", Kind.BOUNCED, NOW, "5.1.1 550 no such user")

    def test_pages_are_put_together(self, sendgrid: SendGridSimulator, to: SendGridProvider) -> None:
        addresses = {f"reader-{number}@example.org" for number in range(1_203)}
        for address in addresses:
            sendgrid.account.suppress("bounces", address)
        for number in range(500):
            sendgrid.account.suppress("unsubscribes", f"other-{number}@example.org")
        found = list(to.suppressed(None))
        assert {one.address for one in found if one.kind is Kind.BOUNCED} == addresses
        assert len(found) == 1_703

    def test_only_those_since_a_time(self, sendgrid: SendGridSimulator, to: SendGridProvider) -> None:
        sendgrid.account.suppress("bounces", "old@example.org")
        sendgrid.advance(3600)
        sendgrid.account.suppress("bounces", "new@example.org")
        assert [one.address for one in to.suppressed(NOW + timedelta(minutes=1))] == ["new@example.org"]

    @pytest.mark.parametrize("status", [401, 403, 429, 500])
    def test_an_answer_that_is_no_list_raises(
        self, sendgrid: SendGridSimulator, to: SendGridProvider, status: int
    ) -> None:
        """A list that ended early would read as: nobody else is suppressed."""
        sendgrid.fail(failing("GET", "/v3/suppression/blocks", status))
        with pytest.raises(ProviderRefused, match=str(status)):
            list(to.suppressed(None))

    def test_what_is_wrong_in_a_list_spoils_nothing_else(
        self, sendgrid: SendGridSimulator, to: SendGridProvider
    ) -> None:
        entries: list[object] = [
            *(None, 7, [], {}, {"email": "x@y.example"}, {"email": 7, "created": 7}, {"created": 7}),
            *({"email": "x@y.example", "created": created} for created in (-1, "now", 2**80, None)),
            {"email": "good@example.org", "created": 1_443_651_125},
        ]
        sendgrid.fail(failing("GET", "/v3/suppression/bounces", 200, json.dumps(entries)))
        assert [one.address for one in to.suppressed(None)] == ["good@example.org"]

    def test_a_server_without_pages_is_read_once(self, sendgrid: SendGridSimulator, to: SendGridProvider) -> None:
        page = json.dumps([{"email": f"{number}@example.org", "created": 1} for number in range(500)])
        sendgrid.fail(failing("GET", "/v3/suppression/bounces", 200, page))
        assert len(list(to.suppressed(None))) == 500

    def test_lifting_takes_it_off_every_list(self, sendgrid: SendGridSimulator, to: SendGridProvider) -> None:
        """Otherwise a reader who comes back gets nothing, and nobody is told (trust 1.4)."""
        for name in ("bounces", "blocks", "invalid_emails", "spam_reports", "unsubscribes"):
            sendgrid.account.suppress(name, "o'neil+x/y@example.org")
            sendgrid.account.suppress(name, "other@example.org")
        assert to.lift("o'neil+x/y@example.org")
        assert {one.address for one in to.suppressed(None)} == {"other@example.org"}
        assert not to.lift("o'neil+x/y@example.org")

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    @pytest.mark.parametrize("status", [401, 403, 429, 500])
    def test_lifting_tells_when_it_may_not(
        self, sendgrid: SendGridSimulator, to: SendGridProvider, method: str, status: int
    ) -> None:
        sendgrid.account.suppress("bounces", "ada@example.org")
        sendgrid.fail(failing(method, "/v3/suppression/bounces/*", status))
        with pytest.raises(ProviderRefused, match=str(status)):
            to.lift("ada@example.org")

    def test_nobody_answers(self) -> None:
        nobody = SendGridProvider(api_key="SG.x", host=f"http://127.0.0.1:{free_port()}")
        with pytest.raises(ProviderRefused, match="could not be asked"):
            list(nobody.suppressed(None))
        with pytest.raises(ProviderRefused, match="could not be asked"):
            nobody.lift("ada@example.org")


class TestTaken:
    """trust 3.3, 4 (ii): what an answer did not tell, Email Activity may."""

    def test_tells_the_deliveries_of_the_try(self, sendgrid: SendGridSimulator, to: SendGridProvider) -> None:
        readers = make_readers(4)
        to.send(make_mail(), of_try(7, readers[:2]))
        to.send(make_mail(), of_try(8, readers[2:]))
        assert to.taken(7, NOW - timedelta(hours=1)) == {reader.delivery_id for reader in readers[:2]}
        assert to.taken(9, NOW - timedelta(hours=1)) == set()

    def test_tells_what_was_taken_of_a_request_without_an_answer(
        self, sendgrid: SendGridSimulator, to: SendGridProvider
    ) -> None:
        readers = of_try(3, make_readers(20))
        sendgrid.fail(SimulatedFault.named("202 then reset", take=0.5))
        assert {outcome.status for outcome in to.send(make_mail(), readers)} == {Status.UNCERTAIN}
        found = to.taken(3, NOW)
        assert found == {mail.custom_args["delivery_id"] for mail in sendgrid.mails}
        assert 0 < len(found) < 20

    def test_another_ledger_s_try_of_the_same_number_is_left_out(
        self, sendgrid: SendGridSimulator, to: SendGridProvider
    ) -> None:
        to.send(make_mail(), of_try(1, [make_reader(1)]))
        sendgrid.advance(30 * 24 * 3600)
        to.send(make_mail(), of_try(1, [make_reader(2)]))
        assert to.taken(1, NOW + timedelta(days=29)) == {make_reader(2).delivery_id}

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
    def test_an_account_without_it_cannot_tell(
        self, sendgrid: SendGridSimulator, to: SendGridProvider, status: int
    ) -> None:
        to.send(make_mail(), of_try(7, make_readers(2)))
        sendgrid.fail(failing("GET", "/v3/messages", status))
        assert to.taken(7, NOW) is None

    @pytest.mark.parametrize("body", ["", "[]", "{}", '{"messages": null}', "null"])
    def test_an_answer_that_is_none_cannot_tell(
        self, sendgrid: SendGridSimulator, to: SendGridProvider, body: str
    ) -> None:
        sendgrid.fail(failing("GET", "/v3/messages", 200, body))
        assert to.taken(7, NOW) is None

    def test_what_was_found_before_the_limit_is_told(self, sendgrid: SendGridSimulator, to: SendGridProvider) -> None:
        """Six requests a minute; whoever is not in the set may still have been taken."""
        to.send(make_mail(), of_try(7, make_readers(5)))
        fault = SimulatedFault(when=When(method="GET", path="/v3/messages/*", requests=(3, 4, 5)), status=429, take=0.0)
        sendgrid.fail(fault)
        assert to.taken(7, NOW) == {make_reader(1).delivery_id, make_reader(2).delivery_id}

    def test_nobody_answers(self) -> None:
        assert SendGridProvider(api_key="SG.x", host=f"http://127.0.0.1:{free_port()}").taken(7, NOW) is None
