"""What boto3's errors mean for the reader of a request (trust 3.3)."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from newsletter.mail import Status, header_text
from newsletter.providers.answers import Manners, Then, Verdict, blame_one_or_halve, for_all, judge_status
from newsletter.providers.http import LONGEST_WAIT, Answer, wait_of

_MANNERS = Manners(
    wait_headers=("retry-after",),
    advice={
        403: "Check provider.access_key_id, provider.secret_access_key and provider.region, and that the key may "
        "ses:SendEmail.",
        404: "Check provider.region and provider.configuration_set.",
    },
    otherwise="Check provider.host and provider.region.",
)
#: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors
_BUSY = {"TooManyRequestsException", "Throttling", "ThrottlingException", "LimitExceededException"}
_REFUSED = {"AccountSuspendedException", "SendingPausedException", "MailFromDomainNotVerifiedException"}
#: What every service of Amazon answers to a key, with 403 or with 400
#: (https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html).
_KEYS = {
    *("ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidClientTokenId", "NotAuthorized"),
    *("InvalidSignatureException", "MissingAuthenticationToken", "OptInRequired", "UnrecognizedClientException"),
}
_CLOCK = {"RequestExpired", "RequestTimeTooSkewed"}
#: The request broke off on its way to an answer, whatever the status.
_LOST = {"RequestAbortedException", "RequestTimeout", "RequestTimeoutException"}
#: The quota of 24 hours moves on slowly; the rate of a second at once.
_DAY = re.compile(r"daily|24[- ]hour", re.IGNORECASE)
_LONG, _SHORT = LONGEST_WAIT, 1.0
#: No request was made, since something for it is missing here: keys, mostly.
_UNPREPARED = "unprepared"


@dataclass(frozen=True)
class Failure:
    """An answer that is an error (`status` above 0), or none. `connected` is False when surely nothing was sent."""

    status: int
    code: str
    words: str
    connected: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


def failure_of(error: Exception, secrets: Sequence[str]) -> Failure:
    """Return what an error of boto3 says, without the secrets.

    What it raises beside its own errors comes from reading an answer that is none: of that nobody knows, either.
    """
    from botocore import exceptions  # noqa: PLC0415 - heavy, and an extra

    if isinstance(error, exceptions.ClientError):
        return _answered(error.response, secrets)
    words = _clean(f"{type(error).__name__}: {error}", secrets)
    unprepared = (
        *(exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.CredentialRetrievalError),
        *(exceptions.MetadataRetrievalError, exceptions.TokenRetrievalError, exceptions.SSOError),
        *(exceptions.ProfileNotFound, exceptions.ConfigNotFound, exceptions.ConfigParseError),
        exceptions.ParamValidationError,
    )
    if isinstance(error, unprepared):
        return Failure(0, _UNPREPARED, words, connected=False)
    not_sent = exceptions.EndpointConnectionError | exceptions.ConnectTimeoutError | exceptions.ProxyConnectionError
    return Failure(0, type(error).__name__, words, connected=not (isinstance(error, not_sent) or _is_handshake(error)))


def judge(failure: Failure, sender: str, host: str, now: datetime) -> Verdict:
    """Return what a failure means for the one reader of a request from `sender`."""
    if failure.status == 0:
        return _unanswered(failure, host)
    said = f"{failure.words} ({failure.code})" if failure.code else failure.words
    sentence = f"{failure.status} {said}"
    if failure.code in _BUSY and failure.status < 500:
        wait = wait_of(failure.headers, _MANNERS.wait_headers, now)
        usual = _LONG if _DAY.search(failure.words) else _SHORT
        return for_all(Then.STOP, 1, Status.NOT_TRIED, sentence, wait or usual)
    if failure.code in _LOST:
        return for_all(Then.STOP, 1, Status.UNCERTAIN, f"{sentence}: it may have been taken")
    if failure.status < 500 and (advice := _advice(failure.code)):
        return Verdict(Then.REFUSE, f"{sentence}. {advice}")
    if verdict := judge_status(Answer(failure.status, headers=failure.headers), 1, said, now, _MANNERS):
        return verdict
    about_sender = sender and sender.casefold() in failure.words.casefold()
    return Verdict(Then.REFUSE, sentence) if about_sender else blame_one_or_halve(1, sentence)


def _advice(code: str) -> str:
    """Return what to check after a code that refuses every request; nothing for any other code."""
    if code in _KEYS:
        return _MANNERS.advice[403]
    if code in _CLOCK:
        return "Check this machine's clock."
    return "The SES console says why." if code in _REFUSED else ""


def _unanswered(failure: Failure, host: str) -> Verdict:
    """Return what it means that there is no answer."""
    if failure.code == _UNPREPARED:
        return Verdict(Then.REFUSE, f"{failure.words}. {_MANNERS.advice[403]}")
    if not failure.connected:
        return for_all(Then.STOP, 1, Status.NOT_TRIED, f"{host} could not be reached: {failure.words}.")
    why = f"{host} did not answer properly ({failure.words}): it may have been taken"
    return for_all(Then.STOP, 1, Status.UNCERTAIN, why)


def _answered(response: Mapping[str, Any], secrets: Sequence[str]) -> Failure:
    about, found = response.get("ResponseMetadata", {}), response.get("Error", {})
    status = int(about.get("HTTPStatusCode") or 0)
    words = _clean(str(found.get("Message") or ""), secrets)
    code = _clean(str(found.get("Code") or ""), secrets)
    headers = {str(name).lower(): str(value) for name, value in about.get("HTTPHeaders", {}).items()}
    return Failure(status, "" if code == str(status) else code, words, headers=headers)


def _is_handshake(error: BaseException) -> bool:
    """Tell whether a certificate was refused, before any byte of a request."""
    cause: BaseException | None = error
    for _ in range(10):
        if cause is None:
            return False
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        inner = cause.__cause__ or cause.__context__ or getattr(cause, "reason", None)
        cause = inner if isinstance(inner, BaseException) else None
    return False


def _clean(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "[key]")
    return header_text(text)
