"""Dates as feeds write them. What is not certain is None."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from newsletter.sources.feeds.dates import parse_date

EVENING = datetime(2026, 11, 17, 18, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        # RFC 822 and what became of it
        "Tue, 17 Nov 2026 18:00:00 GMT",
        "Tue, 17 Nov 2026 18:00:00 +0000",
        "Tue, 17 Nov 2026 18:00 UT",
        "17 Nov 26 18:00:00 Z",
        "Tue,17Nov2026 18:00:00 GMT",
        "Tuesday, 17-Nov-26 18:00:00 UTC",
        "Tue Nov 17 18:00:00 2026",
        "Tue Nov 17 18:00:00 UTC 2026",
        "Tue, Nov 17 2026 18:00:00 GMT",
        "Mon, 17 Nov 2026 18:00:00 GMT",
        "Tues., 17th November, 2026 at 6:00 p.m.",
        "November 17, 2026 - 6:00pm",
        "Tue, 17 Nov 2026 18:00:00 GMT+0000 (Coordinated Universal Time)",
        "Tue, 17 Nov 2026 18:00:00 GMT -- by the desk",
        "\n Tue,  17 Nov\t2026 18:00:00 GMT ",
        # zones
        "Tue, 17 Nov 2026 13:00:00 EST",
        "Tue, 17 Nov 2026 10:00:00 PT",
        "Tue, 17 Nov 2026 19:00:00 CET",
        "Tue, 17 Nov 2026 20:00:00 CEST",
        "Tue, 17 Nov 2026 21:00:00 MSK",
        "Tue, 17 Nov 2026 20:00:00 EET",
        "Wed, 18 Nov 2026 03:00:00 JST",
        "Tue, 17 Nov 2026 23:30:00 IST",
        "Tue, 17 Nov 2026 19:00:00 MEZ",
        "Tue, 17 Nov 2026 13:00:00 -0500",
        "Tue, 17 Nov 2026 13:00:00 -05:00",
        "Tue, 17 Nov 2026 13:00:00 -500",
        "Tue, 17 Nov 2026 13:00:00 -05",
        "Tue, 17 Nov 2026 13:00:00 --0500",
        "Tue, 17 Nov 2026 13:00:00 GMT-5",
        "Tue, 17 Nov 2026 13:00:00 EST -0500",
        "Tue, 17 Nov 2026 13:00:00 Etc/GMT+5",
        "Tue, 17 Nov 2026 20:00:00 Europe/Kyiv",
        "Tue, 17 Nov 2026 15:00:00 America/Argentina/Buenos_Aires",
        # ISO 8601 and its relatives
        "2026-11-17T18:00:00Z",
        "2026-11-17T18:00:00.123456Z",
        "2026-11-17T20:00:00+02:00",
        "2026-11-17T20:00:00+0200",
        "2026-11-17t18:00z",
        "2026-11-17 18:00",
        "2026-11-17 18:00:00 UTC",
        "2026-11-17T13:00:00-05:00Z",
        "2026-11-17T18:00:00,000Z",
        "2026-011-17T18:00:00Z",
        "20261117T180000Z",
        "20261117180000",
        "2026/11/17 18:00:00",
        "2026.11.17 18:00",
        "1794938400",
        "1794938400000",
        # days first, in numbers
        "17.11.2026 18:00",
        "17.11.2026, 18:00 Uhr",
        "17.11.2026 18.00",
        "17.11.2026 klo 18.00",
        "17/11/2026 - 18:00",
        "11/17/2026 6:00 PM",
        "18:00 17.11.2026",
    ],
)
def test_one_evening_in_many_forms(text: str) -> None:
    assert parse_date(text) == EVENING


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Di, 17 Nov 2026 18:00:00 +0000"),
        ("de", "Dienstag, 17. November 2026, 18:00 Uhr"),
        ("fr", "mar., 17 nov. 2026 18:00:00 +0000"),
        ("fr", "mardi 17 novembre 2026 à 18h00"),
        ("es", "Martes, 17 de noviembre de 2026 - 18:00"),
        ("it", "martedì 17 novembre 2026 18:00"),
        ("pt", "17 de novembro de 2026 18:00"),
        ("nl", "di 17 nov. 2026 18:00"),
        ("sv", "tis, 17 nov 2026 18:00"),
        ("fi", "17. marraskuuta 2026 klo 18.00"),
        ("et", "17. november 2026 18:00"),
        ("lt", "2026 lapkričio 17 18:00"),
        ("pl", "wto, 17 lis 2026 18:00:00 +0000"),
        ("pl", "17 listopada 2026 18:00"),
        ("cs", "17. listopadu 2026 18:00"),
        ("hr", "17. studenoga 2026. 18:00"),
        ("hu", "2026-november-17T18:00+00:00"),
        ("hu", "2026. november 17. 18:00"),
        ("ro", "17 noiembrie 2026 18:00"),
        ("tr", "17 Kasım 2026 18:00"),
        ("el", "Τρί, 17 Νοέ 2026 18:00:00 GMT"),
        ("el", "17 Νοεμβρίου 2026 6:00 μ.μ."),
        ("uk", "17 листопада 2026, 18:00"),
        ("uk", "Вт, 17 лис 2026 18:00:00 +0000"),
        ("ru", "17 ноября 2026 г. 18:00"),
        ("ru", "Вт, 17 ноя 2026 18:00:00 +0000"),
        ("bg", "17 ноември 2026 18:00"),
        ("ar", "١٧ نوفمبر ٢٠٢٦ 18:00"),
        ("ja", "2026年11月17日 18:00"),
        ("zh", "2026年11月17日 下午6:00"),
        ("zh", "2026年11月17日 18时00分"),
        ("", "17 нояб. 2026 18:00"),
        ("xx", "17 Novembre 2026 18:00"),
    ],
)
def test_months_have_names_in_many_languages(language: str, text: str) -> None:
    assert parse_date(text, language) == EVENING


@pytest.mark.parametrize("text", ["2026년 11월 18일 03:00", "2026. 11. 18. 오전 3:00:00", "2026-11-18 오전 03:00:00"])
def test_korean_times_are_koreas(text: str) -> None:
    assert parse_date(text) == EVENING


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-11", datetime(2026, 11, 1, tzinfo=UTC)),
        ("Nov. 2026", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-17", MIDNIGHT),
        ("20261117", MIDNIGHT),
        ("2026-W47-2", MIDNIGHT),
        ("Tue, 17 November 2026", MIDNIGHT),
        ("17 Nov 26", MIDNIGHT),
        ("17.11.26", MIDNIGHT),
        ("Mon, 16 Nov 2026 24:00:00 GMT", MIDNIGHT),
        ("Tue, 17 Nov 2026 12:00 am", MIDNIGHT),
        ("Tue, 17 Nov 2026 00:00:60 GMT", datetime(2026, 11, 17, 0, 0, 59, tzinfo=UTC)),
        ("17 Nov 99 00:00:00 GMT", datetime(1999, 11, 17, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("Sun, 1 Nov 2026 00:30:00 +0100", datetime(2026, 10, 31, 23, 30, tzinfo=UTC)),
    ],
)
def test_parts_and_edges(text: str, time: datetime) -> None:
    assert parse_date(text) == time


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "yesterday at 18:00",
        "3 days ago",
        "18:00",
        "now",
        "Tuesday",
        "17 Nov",
        "November 17th",
        "Tue, 31 Feb 2026 18:00:00 GMT",
        "2026-02-29",
        "2026-13-01",
        "2026-11-17T25:00:00Z",
        "2026-11-17T10:61:00Z",
        "Tue, 17 zzz 2026 18:00:00 GMT",
        "0000-00-00 00:00:00",
        "0001-01-01T00:00:00Z",
        "Tue, 17 Nov 9026 18:00:00 GMT",
        "9999-12-31T23:59:59-23:59",
        "1",
        "261117",
        "99999999999999999999",
        "17 lis 2026",  # November in Polish, October in Croatian
        "3-11-26",
        "null",
        "Invalid Date",
        "{{ date }}",
        "٣",
        "1" * 5_000,
        "Nov " * 5_000,
    ],
)
def test_what_is_not_certain_is_no_date(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize(
    ("text", "language", "month"),
    [
        ("11/5/2026", "", None),
        ("11/5/2026", "en", None),
        ("11/5/2026", "en-US", 11),
        ("11/5/2026", "en-us", 11),
        ("11/5/2026", "en-GB", 5),
        ("11/5/2026", "fr", 5),
        ("11/5/2026 6:00 PM", "", 11),
        ("11/5/2026 6:00 PM", "en", 11),
        ("11/5/2026 6:00 PM", "en-AU", 5),
        ("Thu, 11/5/2026", "", 11),
        ("Mon, 11/5/2026", "", 5),
        ("11/13/2026", "fr", 11),
        ("13-11-2026", "", 11),
        ("5/5/2026", "", 5),
        ("11.5.2026", "en-US", 5),
    ],
)
def test_day_or_month_first(text: str, language: str, month: int | None) -> None:
    found = parse_date(text, language)
    assert (found and found.month) == month
