"""What the reports of one event say together: pure."""

from __future__ import annotations

import pytest

from newsletter.issues.events import Report, outlets, typical
from newsletter.stories import site


def report(number: int, title: str, *, outlet: str = "", url: str = "", summary: str = "") -> Report:
    return Report(number, outlet or f"Outlet {number}", url or f"https://o{number}.example/", title, summary, True)


@pytest.mark.parametrize(
    ("url", "registered"),
    [
        ("https://feeds.bbci.co.uk/news/1", "bbci.co.uk"),
        ("https://www.theguardian.com/uk", "theguardian.com"),
        ("https://news.com.au/1", "news.com.au"),
        ("https://abc.net.au/1", "abc.net.au"),
        ("https://co.uk.example.org/", "example.org"),
        ("https://example.co/1", "example.co"),
        ("https://com.de/1", "com.de"),
        ("https://localhost/1", "localhost"),
        ("", ""),
    ],
)
def test_the_registered_part_of_a_host(url: str, registered: str) -> None:
    assert site(url) == registered


def test_two_feeds_of_one_site_are_one_outlet() -> None:
    found = outlets(
        [
            report(1, "A", outlet="BBC News", url="https://bbc.co.uk/1"),
            report(2, "B", outlet="The Post", url="https://post.example/2"),
            report(3, "C", outlet="BBC World", url="https://www.bbc.co.uk/3"),
        ]
    )
    assert found == ("BBC News", "The Post")


@pytest.mark.parametrize("host", ["127.0.0.1:8470", "localhost", "medium.com"])
def test_outlets_on_one_host_are_told_by_their_names(host: str) -> None:
    found = outlets([report(n, "A", outlet=f"Outlet {n}", url=f"https://{host}/{n}/a") for n in (1, 2)])
    assert found == ("Outlet 1", "Outlet 2")


def test_the_typical_report_says_what_the_others_say() -> None:
    found = typical(
        [
            report(1, "Drones hit bus depot in Kharkiv", summary="Nine drivers died."),
            report(2, "Nine killed as drones hit Kharkiv depot"),
            report(3, "What we know so far", summary="Drones hit a depot in Kharkiv."),
        ]
    )
    assert found[2] > found[3]
    assert found[1] > found[3]
    assert all(0 <= share <= 1 for share in found.values())


def test_of_two_reports_none_is_more_typical() -> None:
    assert typical([report(1, "A long headline"), report(2, "Another")]) == {1: 0.0, 2: 0.0}
    assert typical([report(1, ""), report(2, "A headline"), report(3, "A headline")])[1] == 0.0
