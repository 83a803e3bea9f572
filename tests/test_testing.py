"""The parts shipped for authors of sources and providers."""

from __future__ import annotations

import pytest

from newsletter.errors import FetchError, ProviderRefused
from newsletter.mail import Status
from newsletter.sources import Item, Previous, Source
from newsletter.testing import MemoryProvider, Scripted, StaticSource
from tests.contracts.providers import Arrived, RejectingProviderContract, make_mail, make_reader, make_readers

ITEM = Item("https://fens.example.org/1", "Sluice opened")


class _MemoryPostBox:
    def __init__(self) -> None:
        self.provider = MemoryProvider()

    def arrived(self) -> list[Arrived]:
        return [
            Arrived(sent.address, sent.name, sent.subject, sent.html, sent.text, list(sent.headers))
            for sent in self.provider.sent
        ]

    def refuse(self) -> None:
        self.provider.refusal = "told to"

    def reject(self, address: str) -> None:
        self.provider.script(address, Scripted(Status.REJECTED, "no such reader"))


class TestMemoryProviderKeepsTheContract(RejectingProviderContract):
    @pytest.fixture
    def post_box(self) -> _MemoryPostBox:
        return _MemoryPostBox()


def test_a_script_is_followed_step_by_step_and_then_mail_is_accepted() -> None:
    provider, reader = MemoryProvider(), make_reader(1)
    provider.script(reader.address, Scripted(Status.DEFERRED, "busy", retry_after=30.0), Status.REJECTED)
    seen = [provider.send(make_mail(), [reader])[0] for _ in range(3)]
    assert [outcome.status for outcome in seen] == [Status.DEFERRED, Status.REJECTED, Status.ACCEPTED]
    assert (seen[0].detail, seen[0].retry_after) == ("busy", 30.0)
    assert [sent.delivery_id for sent in provider.sent] == [reader.delivery_id]
    assert provider.calls == [[reader.delivery_id]] * 3


@pytest.mark.parametrize("arrives", [True, False])
def test_only_the_provider_knows_whether_an_uncertain_mail_arrived(arrives: bool) -> None:
    provider, reader = MemoryProvider(), make_reader(1)
    provider.script(reader.address, Scripted(Status.UNCERTAIN, arrives=arrives))
    (outcome,) = provider.send(make_mail(), [reader])
    assert outcome.status is Status.UNCERTAIN
    assert len(provider.sent) == arrives


def test_a_refusal_half_way_leaves_the_rest_untried_so_that_nothing_accepted_is_forgotten() -> None:
    provider, readers = MemoryProvider(), make_readers(3)
    provider.script(readers[1].address, ProviderRefused("memory", "the key was taken back"))
    outcomes = provider.send(make_mail(), readers)
    assert [outcome.status for outcome in outcomes] == [Status.ACCEPTED, Status.NOT_TRIED, Status.NOT_TRIED]
    assert "the key was taken back" in outcomes[2].detail


def test_a_refusal_before_anybody_was_accepted_is_raised() -> None:
    provider, readers = MemoryProvider(), make_readers(2)
    provider.script(readers[0].address, Status.REJECTED)
    provider.script(readers[1].address, ProviderRefused("memory", "no"))
    with pytest.raises(ProviderRefused):
        provider.send(make_mail(), readers)


def test_a_static_source_answers_as_a_server_does() -> None:
    source: Source = StaticSource([ITEM], title="Fen Courier")
    first = source.fetch(Previous())
    assert (first.items, first.title, first.not_modified) == ((ITEM,), "Fen Courier", False)
    again = source.fetch(Previous(etag=first.etag))
    assert (again.items, again.not_modified, again.etag) == ((), True, first.etag)


def test_a_static_source_with_new_items_is_modified() -> None:
    source = StaticSource([ITEM])
    etag = source.fetch(Previous()).etag
    source.items = (ITEM, Item("https://fens.example.org/2", "Sluice closed"))
    assert len(source.fetch(Previous(etag=etag)).items) == 2
    assert [previous.etag for previous in source.fetches] == ["", etag]


def test_a_static_source_can_fail() -> None:
    source = StaticSource([ITEM])
    source.failure = "it answered 404"
    with pytest.raises(FetchError, match="it answered 404"):
        source.fetch(Previous())
