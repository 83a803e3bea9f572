"""What an HTTP API's answer to a request with mails means for its readers (trust 3.3). Pure.

What all APIs have in common is decided here; each provider adds what its own words say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from newsletter.mail import Status, header_text
from newsletter.providers.http import Answer, NoAnswer, NotConnected, wait_of


class Then(Enum):
    """What follows an answer."""

    #: On to the next request.
    GO_ON = 1
    #: Nobody else is sent to in this call.
    STOP = 2
    #: Each half is sent again by itself; of one reader, nothing.
    HALVES = 3
    #: Whoever was not taken will not be until somebody changes something.
    REFUSE = 4


@dataclass(frozen=True)
class Fate:
    """What became of one reader of a request."""

    status: Status
    detail: str = ""
    reference: str = ""
    #: False for a refusal that does not say it is about this reader: it may be about the mail.
    named: bool = True


@dataclass(frozen=True)
class Verdict:
    """What an answer means. `fates` has one entry a reader; empty with HALVES, or when `then` is REFUSE for all."""

    then: Then
    sentence: str = ""
    fates: Sequence[Fate] = ()
    retry_after: float | None = None


def for_all(then: Then, count: int, status: Status, sentence: str, retry_after: float | None = None) -> Verdict:
    """Return the verdict that gives all readers of a request the same status."""
    return Verdict(then, sentence, [Fate(status, sentence)] * count, retry_after)


def ask(host: str, count: int, request: Callable[[], Answer]) -> Answer | Verdict:
    """Return the answer to a request with `count` readers, or what having none means."""
    try:
        return request()
    except NotConnected as error:
        return for_all(Then.STOP, count, Status.NOT_TRIED, f"{host} could not be reached: {error}.")
    except NoAnswer as error:
        why = f"{host} did not answer properly ({error}): it may have been taken"
        return for_all(Then.STOP, count, Status.UNCERTAIN, why)


@dataclass(frozen=True)
class Manners:
    """What an API has of its own: where it says how long to wait, and what its refusals ask for."""

    wait_headers: Sequence[str]
    #: What to check after 401, 402, 403, 404; other refusals get `otherwise`.
    advice: Mapping[int, str]
    otherwise: str = "Check provider.host."


def judge_status(answer: Answer, count: int, said: str, now: datetime, manners: Manners) -> Verdict | None:
    """Return what the status of `answer` means by itself; None for 2xx, 400, 409 and 422, where its body decides.

    `said` are the API's own words. A redirect is a refusal: nobody reads a mail after it.
    """
    status = answer.status
    sentence = f"{status} {said}".strip()
    if 200 <= status <= 299 or status in {400, 409, 422}:
        return None
    if status == 429:
        wait = wait_of(answer.headers, manners.wait_headers, now)
        return for_all(Then.STOP, count, Status.NOT_TRIED, sentence, wait)
    if status >= 500 or status == 408 or status < 200:
        return for_all(Then.STOP, count, Status.UNCERTAIN, f"{sentence}: it may have been taken")
    if status == 413:
        return (
            Verdict(Then.HALVES, sentence) if count > 1 else Verdict(Then.REFUSE, f"{sentence}. The mail is too large.")
        )
    return Verdict(Then.REFUSE, f"{sentence}. {manners.advice.get(status, manners.otherwise)}")


def unreadable(count: int, answer: Answer) -> Verdict:
    """Return the verdict on a success that does not say what became of whom."""
    words = header_text(answer.body[:200].decode(errors="replace"))
    why = f"{answer.status} with an answer that makes no sense ({words!r}): it may have been taken"
    return for_all(Then.STOP, count, Status.UNCERTAIN, why)


def blame_one_or_halve(count: int, sentence: str) -> Verdict:
    """Return what a refusal means that names nobody: halves, until one reader is left."""
    if count > 1:
        return Verdict(Then.HALVES, sentence)
    return Verdict(Then.GO_ON, sentence, [Fate(Status.REJECTED, sentence, named=False)])


def content_of(answer: Answer) -> Any:
    """Return the JSON of an answer; None when it is none."""
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def words_of(content: Any, *names: str) -> str:
    """Return the first of the members `names` of an answer that is text, as one line."""
    if not isinstance(content, dict):
        return ""
    return next((header_text(content[name]) for name in names if isinstance(content.get(name), str)), "")
