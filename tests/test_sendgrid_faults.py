"""Every fault that the simulator knows by name: what the outcomes say is what SendGrid has done (F3, F4)."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime

import pytest

from newsletter.errors import ProviderRefused
from newsletter.mail import Outcome, Recipient, Status
from newsletter.providers.sendgrid import SendGridProvider
from newsletter.testing.sendgrid import NAMED, Fault, Rate, SendGridSimulator, When
from tests.contracts.providers import make_mail, make_reader, make_readers

NOW = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)


def connected(sendgrid: SendGridSimulator, timeout: float = 5.0) -> SendGridProvider:
    return SendGridProvider(api_key=sendgrid.key, host=sendgrid.url, timeout=timeout)


def chunks(count: int, size: int) -> list[list[Recipient]]:
    return [[make_reader(number * size + at) for at in range(1, size + 1)] for number in range(count)]


def assert_true(sendgrid: SendGridSimulator, outcomes: list[Outcome]) -> None:
    """Assert that each outcome is what happened: accepted is taken once, not tried and rejected not at all."""
    taken = Counter(mail.custom_args["delivery_id"] for mail in sendgrid.mails)
    assert max(taken.values(), default=0) <= 1
    for outcome in outcomes:
        if outcome.status is not Status.UNCERTAIN:
            assert taken[outcome.delivery_id] == (outcome.status is Status.ACCEPTED), outcome


@pytest.mark.parametrize("name", sorted(set(NAMED) - {"partial accept"}))  # a 202 that is not so for all tells nobody
@pytest.mark.parametrize("nth", [1, 2], ids=["new connection", "kept connection"])
def test_no_outcome_says_what_is_not_so(name: str, nth: int) -> None:
    with SendGridSimulator() as sendgrid:
        sendgrid.fail(Fault.named(name, When(requests=(nth,))))
        provider = connected(sendgrid, timeout=0.4)
        found: list[Outcome] = []
        for chunk in chunks(3, 4):
            try:
                found += provider.send(make_mail(), chunk)
            except ProviderRefused:
                found += [Outcome(reader.delivery_id, Status.NOT_TRIED) for reader in chunk]
        provider.close()
        assert len(found) == 12
        assert_true(sendgrid, found)
        assert {outcome.status for outcome in found[8:]} == {Status.ACCEPTED}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_request_that_is_taken_in_part_is_uncertain_for_all(share: float) -> None:
    """trust 3.3: whether SendGrid takes a request as a whole is not known."""
    with SendGridSimulator() as sendgrid:
        sendgrid.fail(Fault.named("202 then reset", take=share))
        found = connected(sendgrid).send(make_mail(), make_readers(20))
        assert {outcome.status for outcome in found} == {Status.UNCERTAIN}


def test_a_storm_of_429_costs_one_request_each() -> None:
    """F4: nothing is tried again by itself; who waits, and for how long, is the ledger's to say."""
    with SendGridSimulator(start=NOW, rate=Rate(requests=3, seconds=60)) as sendgrid:
        provider = connected(sendgrid)
        found = [outcome for chunk in chunks(10, 5) for outcome in provider.send(make_mail(), chunk)]
        provider.close()
        assert len(sendgrid.requests) == 10
        assert Counter(outcome.status for outcome in found) == {Status.ACCEPTED: 15, Status.NOT_TRIED: 35}
        assert_true(sendgrid, found)


def test_threads_send_at_once_and_nobody_is_lost_or_written_to_twice() -> None:
    with SendGridSimulator(seed=5) as sendgrid:
        sendgrid.fail(
            Fault.named("202 then reset", When(probability=0.2)),
            Fault.named("accept then 503", When(probability=0.2)),
            Fault.named("reset before reading", When(probability=0.2)),
        )
        provider = connected(sendgrid)
        waiting = chunks(80, 5)
        found: list[Outcome] = []

        def work() -> None:
            while waiting:
                try:
                    chunk = waiting.pop()
                except IndexError:
                    return
                found.extend(provider.send(make_mail(), chunk))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        provider.close()
        assert len(found) == 400
        assert {Status.ACCEPTED, Status.UNCERTAIN} == {outcome.status for outcome in found}
        assert_true(sendgrid, found)
        assert len(sendgrid.requests) == 80
