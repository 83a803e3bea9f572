"""F12: damaged documents raise nothing but FetchError, hang nowhere, and nothing improper comes out of them."""

from __future__ import annotations

import pytest

from tests.fuzz.check import READERS, failures
from tests.fuzz.mutate import DAMAGES, mutant, seeds

#: `python -m tests.fuzz` goes further.
CASES = 5_000
SHARE = 250


@pytest.mark.parametrize("first", range(0, CASES, SHARE))
def test_damaged_documents(first: int) -> None:
    assert list(failures(range(first, first + SHARE))) == []


def test_the_same_number_is_the_same_document() -> None:
    documents = seeds()
    assert [mutant(number, documents) for number in range(50)] == [mutant(number, seeds()) for number in range(50)]


def test_documents_are_damaged_in_every_way() -> None:
    documents = seeds()
    mutants = {mutant(number, documents) for number in range(300)}
    assert len(documents) >= 50
    assert len(set(DAMAGES)) == 13
    assert len(mutants - set(documents)) > 270


def test_what_is_wrong_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that lets everything pass would look the same as readers without faults."""

    def raising(answer: object) -> object:
        raise ValueError("a fault")

    monkeypatch.setitem(READERS, "feed", raising)
    monkeypatch.setitem(READERS, "html", lambda answer: ["a\x00b"])
    found = {failure.reader: failure.what for failure in failures(range(1))}
    assert "ValueError: a fault" in found["feed"]
    assert found["html"] == "text 'a\\x00b'"
