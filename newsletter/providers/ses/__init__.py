"""The provider Amazon SES, by its API v2: each reader's message byte for byte, over several kept connections.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html. SES replaces Message-ID and Date with its own
(https://docs.aws.amazon.com/ses/latest/dg/header-fields.html); everything else stays as it was built. It has no
idempotency key, so boto3's own retries are off: a request whose answer is missing or 5xx is never repeated. Reports
come through an SNS topic (sns.py).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

from pydantic import Field

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status
from newsletter.providers import Unwatched, Watch, is_this_machine
from newsletter.providers.answers import Fate, Then, Verdict
from newsletter.providers.events import Event
from newsletter.providers.http import checked_host, checked_key
from newsletter.providers.mailboxes import ids_of
from newsletter.providers.message import ascii_address
from newsletter.providers.reports import Keys
from newsletter.providers.ses.answer import Failure, failure_of, judge
from newsletter.providers.ses.sns import Sns, fetch
from newsletter.providers.single import send_singly

__all__ = ["SesProvider"]

_NAME = "ses"
#: A session makes one client at a time; the clients themselves may be shared by threads.
_making = threading.Lock()
_REGION = r"^[a-z]{2}(-[a-z]+)+-\d$"


class SesProvider:
    """Hands each reader's message to Amazon SES in `region`.

    Without `access_key_id` and `secret_access_key` boto3 looks where it always does: environment, files, the machine's
    role. `configuration_set` says where SES publishes its reports; they are taken from the SNS topics `topic`, one ARN
    or several. `host` is for an endpoint of one's own. `connections` requests are made at a time; a new account may
    make one a second. `timeout` is in seconds, for connecting and for each wait.
    """

    def __init__(
        self,
        *,
        region: Annotated[str, Field(pattern=_REGION)],
        access_key_id: str = "",
        secret_access_key: str = "",
        configuration_set: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$")] = "",
        topic: Keys = (),
        host: str = "",
        timeout: Annotated[float, Field(gt=0)] = 30.0,
        connections: Annotated[int, Field(ge=1, le=50)] = 4,
        chunk_size: Annotated[int, Field(ge=1, le=1000)] = 100,
    ) -> None:
        if bool(access_key_id) != bool(secret_access_key):
            raise ConfigurationError("provider.access_key_id and provider.secret_access_key go together. Set both.")
        self.chunk_size = chunk_size
        self._region = region
        self._keys = [
            checked_key(option, key)
            for option, key in (("access_key_id", access_key_id), ("secret_access_key", secret_access_key))
            if key
        ]
        self._set = configuration_set
        self._sns = Sns(topic, fetch)
        self._direct = bool(host) and is_this_machine(checked_host(host))
        self._host = host.rstrip("/") or f"Amazon SES in {region}"
        self._endpoint = host.rstrip("/") or None
        self._timeout = timeout
        self._connections = connections
        self._lock = threading.Lock()
        self._made: Any = None
        _boto3()

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Send one request a reader. Raises ProviderRefused when SES takes none of it."""
        return self.send_watched(mail, recipients, Unwatched())

    def send_watched(self, mail: Mail, recipients: Sequence[Recipient], watch: Watch) -> list[Outcome]:
        """Do as `send`, and tell `watch` about each reader (Watched)."""
        return send_singly(
            _NAME,
            mail,
            recipients,
            lambda message, recipient: self._post(mail.sender.address, message, recipient),
            watch=watch,
            connections=self._connections,
        )

    def check(self) -> str:
        """Ask whether the account may send, and what it tracks. Raises ProviderRefused with what to change."""
        account = self._asked(lambda client: client.get_account())
        if account is None:
            return f"{self._host} takes the key, but does not tell what it may do. Send a test to find out."
        if not account.get("SendingEnabled"):
            raise ProviderRefused(_NAME, "Amazon has paused sending for the account. The SES console says why.")
        if self._set:
            self._check_tracking()
        production = account.get("ProductionAccessEnabled")
        only = "" if production else " The account is in the sandbox: only verified addresses get mail."
        return f"{self._host} takes the key, and the account may send.{only}"

    def events(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:  # noqa: ARG002 - in the body
        """Return the event of one SNS notification (Reporting); none for a confirmation, which is given."""
        return self._sns.events(body, now)

    def close(self) -> None:
        """Close the connections; the next request opens one again."""
        with self._lock:
            client, self._made = self._made, None
        if client is not None:
            client.close()

    def _post(self, sender: str, message: bytes, recipient: Recipient) -> Verdict:
        tags = [{"Name": name, "Value": value} for name, value in ids_of(recipient).items()]
        content = {
            "Destination": {"ToAddresses": [ascii_address(recipient.address)]},
            "Content": {"Raw": {"Data": message}},
            "EmailTags": tags,
            **({"ConfigurationSetName": self._set} if self._set else {}),
        }
        found = self._call(lambda client: client.send_email(**content))
        if isinstance(found, Failure):
            return judge(found, sender, self._host, datetime.now(UTC))
        reference = found.get("MessageId")
        if not isinstance(reference, str) or not reference:
            why = f"{self._host} answered without a message's id: it may have been taken"
            return Verdict(Then.STOP, why, [Fate(Status.UNCERTAIN, why)])
        return Verdict(Then.GO_ON, "taken", [Fate(Status.ACCEPTED, "taken", reference)])

    def _check_tracking(self) -> None:
        """Raise ProviderRefused when the configuration set is unknown, or makes SES change the links."""
        found = self._asked(
            lambda client: client.get_configuration_set_event_destinations(ConfigurationSetName=self._set)
        )
        destinations = (found or {}).get("EventDestinations", [])
        kinds = {kind for one in destinations if one.get("Enabled") for kind in one.get("MatchingEventTypes", [])}
        if tracked := sorted(kinds & {"OPEN", "CLICK"}):
            raise ProviderRefused(
                _NAME,
                f"The configuration set {self._set!r} publishes {' and '.join(tracked)}, for which SES changes the "
                "mail and its links. Take them out of its event destinations.",
            )

    def _asked(self, ask: Callable[[Any], dict[str, Any]]) -> dict[str, Any] | None:
        """Return the answer, or None when the key may not ask. Raises ProviderRefused."""
        found = self._call(ask)
        if not isinstance(found, Failure):
            return found
        if found.code == "AccessDeniedException":
            return None
        raise ProviderRefused(_NAME, judge(found, "", self._host, datetime.now(UTC)).sentence)

    def _call(self, ask: Callable[[Any], dict[str, Any]]) -> dict[str, Any] | Failure:
        try:
            return ask(self._client())
        except Exception as error:  # noqa: BLE001 - told as a failure; what was handed over is not forgotten
            return failure_of(error, self._keys)

    def _client(self) -> Any:
        """Return the one client, which threads may share; it is made late, since reading its model takes a while."""
        with self._lock:
            if self._made is None:
                self._made = self._new_client()
            return self._made

    def _new_client(self) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - heavy, and an extra

        settings = Config(
            connect_timeout=self._timeout,
            read_timeout=self._timeout,
            retries={"total_max_attempts": 1},
            max_pool_connections=self._connections,
            **({"proxies": {}} if self._direct else {}),
        )
        key, secret = self._keys or (None, None)
        with _making:
            return _session().client(
                "sesv2",
                region_name=self._region,
                endpoint_url=self._endpoint,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                config=settings,
            )


@cache
def _session() -> Any:
    """Return the one session, which keeps what it has read of SES's model."""
    # At DEBUG botocore logs every request with its headers and the whole message (threat 22).
    logging.getLogger("botocore").setLevel(logging.WARNING)
    return _boto3().session.Session()


def _boto3() -> Any:
    try:
        import boto3  # noqa: PLC0415 - heavy, and an extra
    except ImportError as error:
        raise ConfigurationError(
            'provider.use: Amazon SES needs the package boto3. Install it with pip install "newsletter[ses]".'
        ) from error
    return boto3
