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

from newsletter.errors import ProviderRefused
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


def verdict_on(host: str, count: int, request: Callable[[], Answer], judge: Callable[[Answer], Verdict]) -> Verdict:
    """Return what becomes of the `count` readers of a request: what its answer means, or having none."""
    try:
        answer = request()
    except NotConnected as error:
        return for_all(Then.STOP, count, Status.NOT_TRIED, f"{host} could not be reached: {error}.")
    except NoAnswer as error:
        why = f"{host} did not answer properly ({error}): it may have been taken"
        return for_all(Then.STOP, count, Status.UNCERTAIN, why)
    return judge(answer)


def asked(provider: str, host: str, question: Callable[[], Answer]) -> Answer:
    """Return the answer to a question that sends nothing. Raises ProviderRefused when there is none from the API."""
    try:
        answer = question()
    except NotConnected as error:
        raise ProviderRefused(provider, f"{host} could not be reached: {error}.") from error
    except NoAnswer as error:
        raise ProviderRefused(provider, f"{host} did not answer properly: {error}.") from error
    if not (200 <= answer.status <= 299 or 400 <= answer.status <= 499):
        raise ProviderRefused(provider, f"{host} answered {answer.status}. Try again later, or check provider.host.")
    return answer


@dataclass(frozen=True)
class Manners:
    """What an API has of its own: where it says how long to wait, and what its refusals ask for."""

    wait_headers: Sequence[str]
    #: What to check after each status that has something of its own to check; other refusals get `otherwise`.
    advice: Mapping[int, str]
    otherwise: str = "Check provider.host."


def judge_status(answer: Answer, count: int, said: str, now: datetime, manners: Manners) -> Verdict | None:
    """Return what the status of `answer` means by itself; None for 2xx, 400, 409 and 422, where its body decides.

    `said` are the API's own words. A redirect is no refusal: who answered it may have taken the mail before.
    """
    status = answer.status
    sentence = f"{status} {said}".strip()
    if 200 <= status <= 299 or status in {400, 409, 422}:
        return None
    if status == 429:
        wait = wait_of(answer.headers, manners.wait_headers, now)
        return for_all(Then.STOP, count, Status.NOT_TRIED, sentence, wait)
    if not 400 <= status <= 499 or status == 408:
        check = f". {manners.otherwise}" if status <= 399 else ""
        return for_all(Then.STOP, count, Status.UNCERTAIN, f"{sentence}: it may have been taken{check}")
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


def blame_one_or_halve(count: int, sentence: str, *, named: bool = False) -> Verdict:
    """Return what a refusal means that does not say of whom: halves, until one reader is left.

    `named` tells that its words are about a reader, whoever it is (Fate).
    """
    if count > 1:
        return Verdict(Then.HALVES, sentence)
    return Verdict(Then.GO_ON, sentence, [Fate(Status.REJECTED, sentence, named=named)])


def content_of(answer: Answer) -> Any:
    """Return the JSON of an answer; None when it is none, or nested too deeply to be one of an API."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def words_of(content: Any, *names: str) -> str:
    """Return the first of the members `names` of an answer that is text, as one line."""
    if not isinstance(content, dict):
        return ""
    return next((header_text(content[name]) for name in names if isinstance(content.get(name), str)), "")
