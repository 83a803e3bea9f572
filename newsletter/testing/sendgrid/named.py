"""Faults that have a name, as arguments of Fault, and the words that faults are told in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class End(StrEnum):
    """How an answer ends."""

    #: As HTTP says; the connection stays open.
    KEEP = "keep"
    #: The connection is closed in order, without having said so.
    CLOSE = "close"
    #: The connection is reset.
    RESET = "reset"
    #: Nothing more comes, and the connection stays open until the simulator ends or the client goes.
    STALL = "stall"


class Naming(StrEnum):
    """Whom an answer of 400 names among the bad readers."""

    ALL = "all"
    FIRST = "first"
    NONE = "none"


_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


def _errors(message: str, field: str | None) -> str:
    return json.dumps({"errors": [{"message": message, "field": field, "help": None}]})


_RATE = {"status": 429, "body": _errors("too many requests", None)}


def _rate(reset: str) -> dict[str, Any]:
    return {**_RATE, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}}


#: Faults by name, as arguments of Fault.
NAMED: Mapping[str, Mapping[str, Any]] = {
    # The request never quite arrives.
    "reset before reading": {"read": 0},
    "reset mid-request": {"read": 1_000},
    "close before reading": {"read": 0, "end": End.CLOSE},
    "stall before reading": {"read": 0, "end": End.STALL},
    "413 before reading": {"read": 0, "status": 413, "body": _HTML.format(413)},
    "503 before reading": {"read": 0, "status": 503, "body": _HTML.format(503)},
    # It is taken, and the answer is lost or odd (F3).
    "202 then reset": {"cut": 0, "end": End.RESET},
    "accept then stall": {"cut": 0, "end": End.STALL},
    "accept then close": {"cut": 0, "end": End.CLOSE},
    **{f"accept then {status}": {"status": status, "take": 1.0, "body": ""} for status in (500, 502, 503, 504, 408)},
    "truncated status line": {"cut": 9, "end": End.CLOSE},
    "truncated headers": {"cut": -6, "end": End.CLOSE},
    "truncated json": {
        "status": 500,
        "take": 1.0,
        "body": '{"errors":[{"message":"it was ta',
        "cut": -4,
        "end": End.CLOSE,
    },
    "stall mid-answer": {"cut": 14, "end": End.STALL},
    "not http": {"raw": "\x00\x01 this is not HTTP\r\n\r\n", "end": End.CLOSE},
    **{f"{status} in place of 202": {"status": status} for status in (200, 201, 204, 299)},
    "2xx without an id": {"headers": {"X-Message-Id": ""}},
    "wrong content-type": {"headers": {"Content-Type": "text/html; charset=x-none"}, "body": "accepted"},
    "html body": {"headers": {"Content-Type": "text/html"}, "body": _HTML.format("Accepted")},
    "accept then redirect": {"status": 307, "take": 1.0, "headers": {"Location": "/v3/mail/send"}},
    "odd id": {"headers": {"X-Message-Id": "\x80 \"'<b>, \xff"}},
    "long header": {"headers": {"X-Pad": "x" * 100_000}},
    "many headers": {"headers": {f"X-Pad-{number}": "x" for number in range(200)}},
    "huge body": {"status": 500, "take": 1.0, "body": "x" * 2_000_000},
    "drip": {"drip": 0.2},
    "100 continue": {"interim": (100,)},
    "early hints": {"interim": (102, 103)},
    "slow": {"delay": 1.0},
    "taken late": {"late": 1.0},
    "partial accept": {"take": 0.5},
    "partial accept then reset": {"take": 0.5, "cut": 0, "end": End.RESET},
    "partial accept then 500": {"take": 0.5, "status": 500, "body": ""},
    "close after the answer": {"end": End.CLOSE},
    # It is not taken.
    **{
        f"{status} before accepting": {
            "status": status,
            "body": _HTML.format(status),
            "headers": {"Content-Type": "text/html"},
        }
        for status in (408, 500, 502, 503, 504)
    },
    **{str(status): {"status": status, "body": _errors("no", None)} for status in (401, 403, 404, 405, 415, 422)},
    "redirect": {"status": 302, "body": "", "headers": {"Location": "/v3/scopes"}},
    "not taken then reset": {"take": 0.0, "cut": 0, "end": End.RESET},
    "not taken then stall": {"take": 0.0, "cut": 0, "end": End.STALL},
    "413": {"status": 413, "body": _errors("The request is too large.", None)},
    "400 naming the bad": {"bad": "bad-*@*"},
    "400 naming the first": {"bad": "bad-*@*", "naming": Naming.FIRST},
    "400 naming nobody": {"bad": "bad-*@*", "naming": Naming.NONE},
    "400 for the mail": {"status": 400, "body": _errors("The subject is wrong.", "subject")},
    "400 naming one who is not there": {"status": 400, "body": _errors("Bad.", "personalizations.5000.to.0.email")},
    "400 naming all at once": {"status": 400, "body": _errors("Bad.", "personalizations")},
    "400 with html": {"status": 400, "body": _HTML.format(400), "headers": {"Content-Type": "text/html"}},
    "400 with nothing": {"status": 400, "body": ""},
    "400 with other json": {"status": 400, "body": '{"errors":{"field":7}}'},
    "400 with odd errors": {"status": 400, "body": '{"errors":[null,7,"x",{"field":["to"],"message":null},{}]}'},
    # Asked to wait (F4).
    "429": {**_RATE, "reset_in": 2.0},
    "429 without a reset": {**_RATE, "headers": {"X-RateLimit-Reset": ""}},
    "429 with a past reset": {**_RATE, "reset_in": -3600.0},
    "429 until 2100": _rate("4102444800"),
    "429 with garbage": _rate("soon"),
    "429 with a float": {**_RATE, "headers": {"X-RateLimit-Reset": "1.5"}},
    "429 with a negative": _rate("-1"),
    "429 with a date": _rate("Fri, 01 Jan 2100 00:00:00 GMT"),
    "429 with a huge number": _rate("9" * 40),
}
