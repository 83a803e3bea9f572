"""What SendGrid's answers mean for the recipients of a request (trust 3.3)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.message import Message
from typing import Any

import pytest

from newsletter.mail import Status
from newsletter.providers.sendgrid.answer import Answer, Then, judge, retry_after

A, N, U = Status.ACCEPTED, Status.NOT_TRIED, Status.UNCERTAIN
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


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
        (answer(402), 3, Then.REFUSE, N),
        (answer(415), 3, Then.REFUSE, N),
        (answer(200, "not a list"), 3, Then.GO_ON, A),
        *((answer(status), 3, Then.STOP, U) for status in (101, 199, 300, 301, 302, 303, 307, 308, 399, 600, 999)),
        (answer(400), 3, Then.SEARCH, N),
        (answer(400, [error("bad", "null")]), 3, Then.SEARCH, N),
        (answer(400, [error("bad", "")]), 3, Then.SEARCH, N),
        (answer(400, [error("appears twice", "personalizations")]), 3, Then.SEARCH, N),
        (answer(400, [error("bad", "personalizations.7.to")]), 3, Then.SEARCH, N),
        (answer(400, "not a list"), 3, Then.SEARCH, N),
        (Answer(400, b'{"errors": ' + b"[" * 100_000, Message()), 3, Then.SEARCH, N),
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
        (500, "it may have been taken"),
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
        (f" {int(NOW.timestamp()) + 42} ", 42.0),
        (f"{int(NOW.timestamp()) + 42}.5", 42.5),
        (str(int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())), 900.0),
        (None, None),
        *(
            (garbage, None)
            for garbage in (
                "٤٢",
                "0x7fffffff",
                "nan",
                "inf",
                "",
                "soon",
                "-1",
                "1e12",
                "9" * 40,
                "Sun, 22 Nov 2026 07:00:42 GMT",
                "12.5",
            )
        ),
    ],
)
def test_how_long_a_429_asks_to_wait(reset: str | None, seconds: float | None) -> None:
    """X-RateLimit-Reset holds epoch seconds; nothing there, the past or garbage tells nothing."""
    assert retry_after(reset, None, NOW) == seconds


def test_a_wait_is_at_least_a_second() -> None:
    assert retry_after(str(int(NOW.timestamp()) + 1), None, NOW.replace(microsecond=900_000)) == 1.0


@pytest.mark.parametrize(
    ("reset", "delay", "seconds"),
    [
        (None, "30", 30.0),
        (None, "0", None),
        (None, "86400", 900.0),
        (None, "0.5", 1.0),
        (None, "Sun, 22 Nov 2026 07:00:42 GMT", 42.0),
        (None, "Sun, 22 Nov 2026 06:00:00 GMT", None),
        (None, "soon", None),
        ("soon", "30", 30.0),
        ("1000000000", "30", 30.0),
        (str(int(NOW.timestamp()) + 42), "30", 42.0),
    ],
)
def test_retry_after_counts_where_the_reset_tells_nothing(
    reset: str | None, delay: str | None, seconds: float | None
) -> None:
    """SendGrid documents only the reset; a proxy may answer by RFC 9110 section 10.2.3."""
    assert retry_after(reset, delay, NOW) == seconds
