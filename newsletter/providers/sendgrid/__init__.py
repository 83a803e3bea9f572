"""The provider SendGrid, by its v3 API. The `sendgrid` package carries the requests; what is in them is made here.

SendGrid has no idempotency key, so a request whose answer is missing or 5xx is never repeated: it may have been taken.
Everything that surely was not taken is left for later, halved or refused, as the answer says.
"""

from __future__ import annotations

import http.client
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.error import URLError
from urllib.parse import urlsplit

from pydantic import Field
from python_http_client.exceptions import HTTPError

from newsletter.errors import ConfigurationError, NewsletterError, ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status
from newsletter.providers import is_this_machine, refuse_or_stop
from newsletter.providers.message import refuse_unsendable
from newsletter.providers.sendgrid.answer import Answer, Then, Verdict, judge
from newsletter.providers.sendgrid.request import (
    MAX_PERSONALIZATIONS,
    batches,
    body,
    personalization,
    request_body,
)
from newsletter.providers.sendgrid.transport import NotConnected, api_client

__all__ = ["SendGridProvider", "request_body"]

_NAME = "sendgrid"
#: After this many readers in a row that SendGrid refused without naming a field, and nobody taken, it is the mail.
_MAX_FOUND_BY_HALVING = 3


class SendGridProvider:
    """Hands mails to SendGrid, up to 1,000 readers a request.

    `host` is https://api.eu.sendgrid.com for an account in the EU. `timeout` is in seconds, for connecting and for the
    answer. In `sandbox` SendGrid checks the requests and sends nothing.
    """

    def __init__(
        self,
        *,
        api_key: Annotated[str, Field(min_length=1)],
        host: str = "https://api.sendgrid.com",
        timeout: Annotated[float, Field(gt=0)] = 30.0,
        sandbox: bool = False,
        chunk_size: Annotated[int, Field(ge=1, le=MAX_PERSONALIZATIONS)] = MAX_PERSONALIZATIONS,
    ) -> None:
        self.chunk_size = chunk_size
        self._key = api_key.strip()
        if not re.fullmatch(r"[!-~]+", self._key):
            raise ConfigurationError("provider.api_key is wrong: it holds a character that no key has.")
        host_name = _checked_host(host)
        self._host = host.rstrip("/")
        self._sandbox = sandbox
        self._api = api_client(self._key, self._host, timeout=timeout, direct=is_this_machine(host_name))

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Send as few requests as it takes. Raises ProviderRefused when SendGrid takes none of it."""
        refuse_unsendable(_NAME, mail)
        return _Call(self.post, mail, recipients, sandbox=self._sandbox).outcomes()

    def post(self, content: dict[str, Any], count: int) -> Verdict:
        """Send one request for `count` recipients and return what its answer means, or what having none means."""
        try:
            return judge(self._answer(lambda: self._api.send(content)), count, datetime.now(UTC))
        except NotConnected as error:
            return Verdict(Then.STOP, Status.NOT_TRIED, f"{self._host} could not be reached: {error}.")
        except (OSError, http.client.HTTPException) as error:
            why = f"{self._host} did not answer properly ({type(error).__name__}: {error}): it may have been taken"
            return Verdict(Then.STOP, Status.UNCERTAIN, why)

    def check(self) -> str:
        """Ask what the key may do. Raises ProviderRefused with what to change."""
        try:
            answer = self._answer(self._api.client.scopes.get)
        except (OSError, http.client.HTTPException) as error:
            raise ProviderRefused(_NAME, f"{self._host} could not be asked: {error}.") from error
        if answer.status in {404, 405}:
            return f"{self._host} answers, but does not tell what the key may do. Send a test to find out."
        if answer.status != 200:
            raise ProviderRefused(_NAME, judge(answer, 1, datetime.now(UTC)).sentence)
        if "mail.send" not in _scopes(answer.body):
            raise ProviderRefused(_NAME, "The key lacks the scope mail.send. Give it to the key, or make another key.")
        return f"{self._host} takes the key, and the key may send mail.{' Sandbox: nothing is sent.' * self._sandbox}"

    def _answer(self, ask: Callable[[], Any]) -> Answer:
        """Return the answer whatever its status. Raises NotConnected, OSError or HTTPException when there is none."""
        try:
            response = ask()
            return Answer(response.status_code, self._without_key(response.body), response.headers)
        except HTTPError as error:
            return Answer(error.status_code, self._without_key(error.body), error.headers)
        except URLError as error:
            if isinstance(error.reason, NotConnected):
                raise error.reason from error
            raise

    def _without_key(self, content: bytes) -> bytes:
        """Nobody has to send the key back to us, but what comes back is shown and stored (threat 21)."""
        return content.replace(self._key.encode(), b"[key]")


class _Call:
    """One call of `send`: the requests that are still to be made, and the outcomes so far by position."""

    def __init__(
        self,
        post: Callable[[dict[str, Any], int], Verdict],
        mail: Mail,
        recipients: Sequence[Recipient],
        *,
        sandbox: bool,
    ) -> None:
        self._post = post
        self._mail = mail
        self._recipients = recipients
        self._sandbox = sandbox
        self._settled: dict[int, Outcome] = {}
        self._found_by_halving = 0

    def outcomes(self) -> list[Outcome]:
        """Make the requests and return one outcome for each recipient, in order."""
        made = self._personalizations()
        waiting = deque(batches(self._recipients, made))
        while waiting:
            positions = waiting.popleft()
            content = body(self._mail, [made[position] for position in positions], sandbox=self._sandbox)
            verdict = self._post(content, len(positions))
            if verdict.then is Then.HALVES:
                middle = len(positions) // 2
                waiting.extendleft([positions[middle:], positions[:middle]])
            elif verdict.then is Then.WITHOUT_BAD:
                if others := self._reject(positions, verdict):
                    waiting.appendleft(others)
            elif verdict.then is Then.REFUSE:
                self._refuse(verdict.sentence)
                waiting.clear()
            else:
                self._settle(positions, verdict.status, verdict)
            if verdict.then is Then.STOP:
                waits = replace(verdict, sentence=f"waits, because of the request before: {verdict.sentence}")
                self._settle(self._open(), Status.NOT_TRIED, waits)
                waiting.clear()
        return [self._settled[position] for position in range(len(self._recipients))]

    def _personalizations(self) -> dict[int, dict[str, Any]]:
        """Return position -> personalization; who cannot have one is rejected at once."""
        made: dict[int, dict[str, Any]] = {}
        for position, recipient in enumerate(self._recipients):
            try:
                made[position] = personalization(self._mail, recipient)
            except NewsletterError as error:
                self._settled[position] = Outcome(recipient.delivery_id, Status.REJECTED, str(error))
        return made

    def _settle(self, positions: Iterable[int], status: Status, verdict: Verdict) -> None:
        for position in positions:
            delivery_id = self._recipients[position].delivery_id
            wait = verdict.retry_after if status is Status.NOT_TRIED else None
            self._settled[position] = Outcome(delivery_id, status, verdict.sentence, verdict.reference, wait)

    def _reject(self, positions: list[int], verdict: Verdict) -> list[int]:
        """Reject the bad ones and return the others."""
        for at, words in verdict.bad.items():
            delivery_id = self._recipients[positions[at]].delivery_id
            self._settled[positions[at]] = Outcome(delivery_id, Status.REJECTED, words)
        self._found_by_halving += verdict.found_by_halving
        taken = any(outcome.status is Status.ACCEPTED for outcome in self._settled.values())
        if self._found_by_halving >= _MAX_FOUND_BY_HALVING and not taken:
            raise ProviderRefused(_NAME, f"several readers were refused without a reason of theirs: {verdict.bad[0]}")
        return [position for at, position in enumerate(positions) if at not in verdict.bad]

    def _refuse(self, sentence: str) -> None:
        """Raise ProviderRefused, or leave everybody who is open untried when somebody was accepted before."""
        still_open = self._open()
        rest = [self._recipients[position] for position in still_open]
        untried = refuse_or_stop(ProviderRefused(_NAME, sentence), list(self._settled.values()), rest)
        self._settled.update(zip(still_open, untried, strict=True))

    def _open(self) -> list[int]:
        return [position for position in range(len(self._recipients)) if position not in self._settled]


def _checked_host(host: str) -> str:
    """Return the name in the URL `host`. Raises ConfigurationError when the key should not be sent there."""
    parts = urlsplit(host)
    name = parts.hostname or ""
    if not name or parts.path.strip("/") or parts.query or parts.username or parts.scheme not in {"https", "http"}:
        raise ConfigurationError(f"provider.host is wrong: {host!r}. Give an address such as https://api.sendgrid.com.")
    if parts.scheme == "http" and not is_this_machine(name):
        raise ConfigurationError(
            f"provider.host is wrong: the key would cross the network readable to {host}. Use https."
        )
    return name


def _scopes(content: bytes) -> list[str]:
    try:
        return list(json.loads(content)["scopes"])
    except (ValueError, KeyError, TypeError):
        return []
