"""What every provider does whose other side is an HTTP API: trust 3.3 and F3, answer by answer, over real sockets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar, TypeVar

import pytest

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Status
from newsletter.providers import Closing, Provider, load_provider
from tests.contracts.providers import (
    Arrived,
    RemotePostBox,
    RemoteProviderContract,
    make_mail,
    make_reader,
    make_readers,
)
from tests.servers.api import ApiServer, Fault, Reply
from tests.servers.smtp import free_port

A, R, N, U = Status.ACCEPTED, Status.REJECTED, Status.NOT_TRIED, Status.UNCERTAIN


P = TypeVar("P", bound=Closing)


def connected_to(double: ApiServer, kind: type[P], options: Mapping[str, object]) -> P:
    """Return the provider for the double, made from text as the environment would give it, and closed with it."""
    given = {"host": double.url, "timeout": "10", **options}
    provider: object = load_provider(f"{kind.__module__}:{kind.__name__}", given)
    assert isinstance(provider, kind)
    double.cleanup.callback(provider.close)
    return provider


class ApiPostBox(RemotePostBox):
    """A provider and the double of its API. `connect` makes it with options; `key` is what must never be shown."""

    def __init__(self, double: ApiServer, connect: Callable[..., Provider], key: str) -> None:
        self.double = double
        self.connect = partial(connect, double)
        self.key = key
        self.provider = connect(double)

    def reject(self, address: str) -> None:
        """Never take mail for this address."""
        self.double.bad.add(address)

    def be_busy(self) -> None:
        """From now on take nothing, and say that later will do."""
        self.double.busy = True

    def refuse(self) -> None:
        """From now on nothing is taken until somebody changes something."""
        self.double.refuses = True

    def arrived(self) -> list[Arrived]:
        """Return what the double's readers would get."""
        return [
            Arrived(one.address, one.name, one.subject, one.html, one.text, list(one.headers.items()))
            for one in self.double.delivered
        ]


def statuses(provider: Provider, count: int, *, first: int = 1) -> list[Status]:
    """Return the statuses of `count` readers, numbered from `first`, in whose order the outcomes have to come."""
    readers = [make_reader(number) for number in range(first, first + count)]
    outcomes = provider.send(make_mail(), readers)
    assert [outcome.delivery_id for outcome in outcomes] == [reader.delivery_id for reader in readers]
    return [outcome.status for outcome in outcomes]


class ApiProviderContract(RemoteProviderContract):
    """What a provider does with the answers of an HTTP API, and without one."""

    #: The option with the key.
    key_option: ClassVar = "api_key"
    #: How often the same request may be made, where an idempotency key makes that safe.
    tries: ClassVar = 1

    @pytest.fixture
    def post_box(self) -> ApiPostBox:
        """The provider under test, which asks one reader after the other, or all in one request."""
        raise NotImplementedError

    def sent(self, post_box: ApiPostBox) -> int:
        """Return how many requests with mails were made."""
        return sum(post_box.double.is_send(request) for request in post_box.double.requests)

    @pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
    def test_f3_what_nobody_knows_is_uncertain(self, post_box: ApiPostBox, fault: Fault) -> None:
        """Trust 3.3 and F3: never repeated but with an idempotency key, and nobody else is tried meanwhile."""
        post_box.double.faults = [fault] * self.tries
        silent = fault is Fault.SILENT_AFTER
        found = statuses(post_box.connect(timeout="0.3") if silent else post_box.provider, 2)
        assert found[0] is U
        assert set(found[1:]) <= {N, U}
        assert self.sent(post_box) == self.tries
        if fault.value.startswith("taken"):
            assert len(post_box.arrived()) == found.count(U)
        else:
            assert post_box.arrived() == []

    def test_out_of_reach_is_nobody_tried(self, post_box: ApiPostBox) -> None:
        provider = post_box.connect(host=f"http://127.0.0.1:{free_port()}")
        outcomes = provider.send(make_mail(), make_readers(2))
        assert [one.status for one in outcomes] == [N, N]
        assert "could not be reached" in outcomes[0].detail

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_an_answer_that_nobody_follows(self, post_box: ApiPostBox, status: int) -> None:
        """Followed with a GET, the 200 at its end would read as accepted; with a POST, all would go twice."""
        location = f"{post_box.double.url}/elsewhere"
        post_box.double.faults = [Reply(status, b"{}", {"Location": location})] * self.tries
        outcomes = post_box.provider.send(make_mail(), make_readers(2))
        assert outcomes[0].status is U
        assert "provider.host" in outcomes[0].detail
        assert {one.status for one in outcomes[1:]} <= {N, U}
        assert self.sent(post_box) == self.tries
        assert not any(request.path == "/elsewhere" for request in post_box.double.requests)

    @pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 418])
    def test_a_refusal_is_told_and_nothing_repeated(self, post_box: ApiPostBox, status: int) -> None:
        words = json.dumps({"message": "No.", "Message": "No."}).encode()
        post_box.double.faults = [Reply(status, words)]
        with pytest.raises(ProviderRefused, match=f"{status} No"):
            statuses(post_box.provider, 2)
        assert self.sent(post_box) == 1

    @pytest.mark.parametrize(
        ("value", "least", "most"),
        [
            *(("20", 20, 20), ("0", None, None), ("", None, None), ("soon", None, None), ("-3", None, None)),
            *(("0.2", 1, 1), ("99999", 900, 900), ("9" * 40, None, None), ("Fri, 01 Jan 2100 00:00:00 GMT", 900, 900)),
        ],
    )
    def test_f4_busy_says_when_to_come_back(
        self, post_box: ApiPostBox, value: str, least: float | None, most: float | None
    ) -> None:
        """F4: 1 s to 15 min; absent, past and garbage tell nothing."""
        post_box.double.faults = [Reply(429, b"{}", {"Retry-After": value})]
        outcomes = post_box.provider.send(make_mail(), make_readers(2))
        assert [one.status for one in outcomes] == [N, N]
        assert {one.retry_after for one in outcomes} == {least} == {most}
        assert self.sent(post_box) == 1

    def test_the_key_is_in_no_text_even_when_it_comes_back(self, post_box: ApiPostBox) -> None:
        """Threat 21."""
        words = f"{post_box.key} is bad"
        post_box.double.faults = [Reply(401, json.dumps({"message": words, "Message": words}).encode())]
        with pytest.raises(ProviderRefused) as caught:
            statuses(post_box.provider, 1)
        assert post_box.key not in str(caught.value)
        assert "[key] is bad" in str(caught.value)

    def test_logs_tell_nothing_about_readers_and_no_key(
        self, post_box: ApiPostBox, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Threat 22, at the level at which libraries tell most."""
        caplog.set_level(logging.DEBUG)
        assert statuses(post_box.provider, 2) == [A, A]
        for secret in ("reader-1@example.org", "token-1", post_box.key):
            assert secret not in caplog.text

    def test_connections_are_kept_closed_and_opened_again(self, post_box: ApiPostBox) -> None:
        provider = post_box.provider
        assert isinstance(provider, Closing)
        assert statuses(provider, 1) + statuses(provider, 1, first=2) == [A, A]
        assert post_box.double.connections == 1
        provider.close()
        provider.close()
        assert statuses(provider, 1, first=3) == [A]
        assert post_box.double.connections == 2

    @pytest.mark.parametrize(
        "host",
        [
            "http://api.example.org",
            "api.example.org",
            "https://",
            "https://a/v3",
            "ftp://a",
            "https://x@a",
            "https://[::",
        ],
    )
    def test_a_host_that_would_show_the_key_is_refused(self, post_box: ApiPostBox, host: str) -> None:
        with pytest.raises(ConfigurationError, match=r"provider\.host"):
            post_box.connect(host=host)

    @pytest.mark.parametrize("key", ["kéy", "a\nb", "a b"])
    def test_a_key_that_is_none_is_refused_and_not_shown(self, post_box: ApiPostBox, key: str) -> None:
        with pytest.raises(ConfigurationError, match=rf"provider\.{self.key_option}") as caught:
            post_box.connect(**{self.key_option: key})
        assert key not in str(caught.value)

    @pytest.mark.parametrize(
        "body", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"7"], ids=lambda body: str(body)[:9]
    )
    def test_a_success_that_cannot_be_read_is_uncertain(self, post_box: ApiPostBox, body: bytes) -> None:
        """Trust 3.3: a malformed reply is no traceback either, after which nobody would know of the handing over."""
        post_box.double.faults = [Reply(200, body)] * self.tries
        found = statuses(post_box.provider, 2)
        assert found[0] is U
        assert set(found[1:]) <= {N, U}

    def test_a_wrong_key_is_told(self, post_box: ApiPostBox) -> None:
        provider = post_box.connect(**{self.key_option: "wrong"})
        with pytest.raises(ProviderRefused, match=rf"provider\.{self.key_option}"):
            provider.send(make_mail(), make_readers(1))


class BatchProviderContract(ApiProviderContract):
    """What a provider does that sends many messages in one request."""

    #: How many of them.
    most: ClassVar = 100

    def sizes(self, post_box: ApiPostBox) -> Sequence[int]:
        """Return how many messages each request had."""
        raise NotImplementedError

    def test_as_few_requests_as_it_takes(self, post_box: ApiPostBox) -> None:
        assert statuses(post_box.provider, self.most + 1) == [A] * (self.most + 1)
        assert self.sizes(post_box) == [self.most, 1]

    def test_413_halves_down_to_the_mail(self, post_box: ApiPostBox) -> None:
        post_box.double.faults = [Reply(413)]
        assert statuses(post_box.provider, 4) == [A] * 4
        assert self.sizes(post_box) == [4, 2, 2]
        post_box.double.faults = [Reply(413)]
        with pytest.raises(ProviderRefused, match="too large"):
            statuses(post_box.provider, 1)

    def test_the_rest_waits_after_a_lost_answer(self, post_box: ApiPostBox) -> None:
        post_box.double.faults = [Fault.RESET_AFTER] * self.tries
        assert statuses(post_box.provider, self.most + 1) == [U] * self.most + [N]

    def test_who_was_taken_before_a_refusal_is_not_forgotten(self, post_box: ApiPostBox) -> None:
        post_box.double.faults = [None, Reply(401, b"{}")]
        assert statuses(post_box.provider, self.most + 2) == [A] * self.most + [N] * 2
