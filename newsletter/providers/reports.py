"""What every report over HTTP is checked for before anything of it is believed (threat 15). Pure."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

from newsletter.providers.events import NotGenuine, ReportsOff

#: Providers repeat a report for up to a day when nobody answered.
LONGEST_AGE = timedelta(hours=26)
#: How far a provider's clock may be before ours.
_AHEAD = timedelta(minutes=5)


def _split(value: object) -> object:
    return tuple(value.split()) if isinstance(value, str) else value


#: Keys or tokens of an option: one text with spaces between them, or a list.
Keys = Annotated[tuple[str, ...], BeforeValidator(_split)]


def prove_token(headers: Mapping[str, str], tokens: Keys, option: str) -> None:
    """Raise NotGenuine unless the request carries one of `tokens`, which took the same time to find out.

    It may stand in X-Webhook-Token, in Authorization as a bearer token, or there as the password of whatever user.
    """
    if not tokens:
        raise ReportsOff(f"Reports are off: {option} is not set.")
    given = _tokens_given(headers)
    matches = [hmac.compare_digest(one, token.encode()) for one in given for token in tokens]
    if not any(matches):
        raise NotGenuine(f"The request does not carry {option}.")


def prove_signature(given: Iterable[bytes], wanted: Collection[bytes]) -> None:
    """Raise NotGenuine unless one of the signatures `given` is one of those `wanted`, one for each key."""
    matches = [hmac.compare_digest(one, right) for one in given for right in wanted]
    if not any(matches):
        raise NotGenuine("The request's signature is wrong.")


def prove_fresh(at: datetime, now: datetime, longest: timedelta = LONGEST_AGE) -> None:
    """Raise NotGenuine when a signed time is too old, or too far ahead."""
    if not -_AHEAD <= now - at <= longest:
        raise NotGenuine(f"The request is of {at.isoformat(timespec='seconds')}, which is not now.")


def epoch_of(text: str) -> datetime:
    """Return the time of a number of seconds since 1970. Raises NotGenuine for anything else."""
    if not re.fullmatch(r"[0-9]{1,11}", text):
        raise NotGenuine("The request has no time.")
    return datetime.fromtimestamp(int(text), UTC)


def json_object(body: bytes | str) -> dict[str, Any]:
    """Return the JSON object `body`, without what no database takes (trust 6). Raises ValueError when it is none."""
    try:
        found = _storable(json.loads(body))
    except RecursionError as error:
        raise ValueError("The report is nested too deeply.") from error
    if not isinstance(found, dict):
        raise ValueError("The report is no JSON object.")  # noqa: TRY004 - the contract of Reporting
    return found


def text_of(found: Any, name: str) -> str:
    """Return a member that is text; "" when it is missing or something else."""
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""


def object_of(found: Any, name: str) -> dict[str, Any]:
    """Return a member that is an object; an empty one when it is missing or something else."""
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, dict) else {}


def attempt_of(value: object) -> int:
    """Return the number of a try as it came back; 0 when none did."""
    return int(value) if isinstance(value, int | str) and re.fullmatch(r"[0-9]{1,15}", str(value)) else 0


def time_of(text: str) -> datetime:
    """Return a time as ISO 8601 writes it, in UTC where it names no zone. Raises ValueError for anything else."""
    # Some providers write seven digits after the point, which Python 3.11 takes, and some a space for the T.
    at = datetime.fromisoformat(text)
    try:
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("The report's time is before all times, or after.") from error


def _storable(value: Any) -> Any:
    """Return a value without NUL and lone surrogates in any text, and without numbers that JSON does not have."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, list):
        return [_storable(one) for one in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tokens_given(headers: Mapping[str, str]) -> list[bytes]:
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    given = [headers.get("x-webhook-token", "").encode(errors="replace")]
    if scheme.lower() == "bearer":
        given.append(rest.strip().encode(errors="replace"))
    elif scheme.lower() == "basic":
        try:
            given.append(base64.b64decode(rest.strip(), validate=True).partition(b":")[2])
        except (binascii.Error, ValueError):
            return given
    return given
