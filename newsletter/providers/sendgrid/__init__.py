"""The provider SendGrid, by its v3 API. The `sendgrid` package carries the requests; what is in them is made here.

SendGrid has no idempotency key, so a request whose answer is missing or 5xx is never repeated: it may have been taken.
Everything that surely was not taken is left for later, halved or refused, as the answer says.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from newsletter.errors import ConfigurationError
from newsletter.mail import Mail, Outcome, Recipient, Status
from newsletter.providers import is_this_machine
from newsletter.providers.events import Event, Suppressed
from newsletter.providers.message import refuse_unsendable
from newsletter.providers.sendgrid.account import Account
from newsletter.providers.sendgrid.answer import Then, Verdict, judge
from newsletter.providers.sendgrid.api import Api
from newsletter.providers.sendgrid.call import NAME, Call
from newsletter.providers.sendgrid.hook import Hook, listed
from newsletter.providers.sendgrid.request import MAX_PERSONALIZATIONS, Compiled
from newsletter.providers.sendgrid.transport import NotConnected

__all__ = ["SendGridProvider"]


class SendGridProvider:
    """Hands mails to SendGrid, up to 1,000 readers a request, and asks it what became of them.

    `host` is https://api.eu.sendgrid.com for an account in the EU. `timeout` is in seconds, for connecting, for sending
    and for the whole answer. In `sandbox` SendGrid checks the requests and sends nothing. `webhook_keys` are the public
    keys of the account's signed Event Webhook, as SendGrid shows them; without one no event is believed.
    """

    #: SendGrid promises nothing for a cancellation later than this, and takes no mail for a time further off.
    cancel_before = timedelta(minutes=10)
    schedule_ahead = timedelta(hours=72)
    max_cancelled = 100

    def __init__(
        self,
        *,
        api_key: Annotated[str, Field(min_length=1)],
        host: str = "https://api.sendgrid.com",
        timeout: Annotated[float, Field(gt=0)] = 30.0,
        sandbox: bool = False,
        chunk_size: Annotated[int, Field(ge=1, le=MAX_PERSONALIZATIONS)] = 500,
        first_chunk: Annotated[int, Field(ge=0, le=MAX_PERSONALIZATIONS)] = 1,
        webhook_keys: Annotated[tuple[str, ...], BeforeValidator(listed)] = (),
    ) -> None:
        self.chunk_size = chunk_size
        #: A new account refuses large requests, and refused them for ever where their size was fixed (trust 2.1).
        self.first_chunk = first_chunk
        key = api_key.strip()
        if not re.fullmatch(r"[!-~]+", key):
            raise ConfigurationError("provider.api_key is wrong: it holds a character that no key has.")
        direct = is_this_machine(_checked_host(host))
        self._sandbox = sandbox
        self._hook = Hook(webhook_keys)
        self._api = Api(key, host.rstrip("/"), timeout=timeout, direct=direct)
        self._account = Account(self._api)
        self._compiled: Compiled | None = None

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Send as few requests as it takes. Raises ProviderRefused when SendGrid takes none of it."""
        return self._send(mail, recipients, "", None)

    def schedule(self, mail: Mail, recipients: Sequence[Recipient], batch: str, at: datetime) -> list[Outcome]:
        """Send as `send` does, all in one batch that SendGrid sends at `at`, unless it is cancelled."""
        return self._send(mail, recipients, batch, at)

    def new_batch(self) -> str:
        """Return the id of a new batch. Raises ProviderRefused or OSError; then nothing was sent."""
        return self._account.new_batch()

    def cancel(self, batch: str) -> bool:
        """Cancel the batch and ask whether it is; True when SendGrid says so, and only then."""
        return self._account.cancel(batch)

    def events(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:
        """Return the events of one request of the signed Event Webhook. Raises NotGenuine or ValueError."""
        return self._hook.events(headers, body, now)

    def suppressed(self, since: datetime | None) -> Iterator[Suppressed]:
        """Yield the addresses on SendGrid's lists, suppressed at or after `since`. Raises ProviderRefused."""
        return self._account.suppressed(since)

    def lift(self, address: str) -> bool:
        """Take the address off all of SendGrid's lists; False when it was on none. Raises ProviderRefused."""
        return self._account.lift(address)

    def taken(self, attempt: int, since: datetime) -> set[str] | None:
        """Return the delivery ids of a try that SendGrid's Email Activity knows; None when it cannot tell."""
        return self._account.taken(attempt, since)

    def check(self) -> str:
        """Ask what the key may do. Raises ProviderRefused with what to change."""
        return f"{self._account.check()}{' Sandbox: nothing is sent.' * self._sandbox}"

    def close(self) -> None:
        """Close the kept connections; the next request opens another."""
        self._api.close()

    def _send(self, mail: Mail, recipients: Sequence[Recipient], batch: str, at: datetime | None) -> list[Outcome]:
        compiled = self._compiled
        if compiled is None or compiled.mail != mail:
            refuse_unsendable(NAME, mail)
            compiled = self._compiled = Compiled(mail, sandbox=self._sandbox)

        def post(personalizations: list[str]) -> Verdict:
            return self._post(compiled, personalizations, batch, at)

        return Call(post, compiled, recipients).outcomes()

    def _post(self, compiled: Compiled, personalizations: list[str], batch: str, at: datetime | None) -> Verdict:
        """Send one request and return what its answer means, or what having none means."""
        try:
            answer = self._api.ask("post", "mail", "send", content=compiled.body(personalizations, batch, at))
        except NotConnected as error:
            return Verdict(Then.STOP, Status.NOT_TRIED, f"{self._api.host} could not be reached: {error}.")
        except (OSError, http.client.HTTPException) as error:
            why = f"{self._api.host} did not answer properly ({type(error).__name__}: {error}): it may have been taken"
            return Verdict(Then.STOP, Status.UNCERTAIN, why)
        return judge(answer, len(personalizations), datetime.now(UTC))


def _checked_host(host: str) -> str:
    """Return the name in the URL `host`. Raises ConfigurationError when the key should not be sent there."""
    try:
        parts = urlsplit(host)
        name, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, name = urlsplit(""), ""
    if not name or parts.path.strip("/") or parts.query or parts.username or parts.scheme not in {"https", "http"}:
        raise ConfigurationError(f"provider.host is wrong: {host!r}. Give an address such as https://api.sendgrid.com.")
    if parts.scheme == "http" and not is_this_machine(name):
        raise ConfigurationError(
            f"provider.host is wrong: the key would cross the network readable to {host}. Use https."
        )
    return name
