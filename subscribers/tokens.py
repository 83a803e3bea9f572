"""Signed tokens for the links in mails. Nothing is stored: the signature is the proof (RFC 8058; threat 16).

A token is the subscription's id in as few bytes as it takes, then 128 bits of HMAC-SHA256, in base64url
without padding: 24 characters for the first 65,535 subscriptions. Short matters, since a long link in
List-Unsubscribe has to be folded. Nobody can make one without a secret, and one made for one purpose is
worth nothing for another.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from subscribers.errors import InvalidToken

#: How long the link in a confirmation mail works (U3).
CONFIRM_WITHIN = timedelta(days=7)
#: How long leaving can be undone without asking again (U8).
UNDO_WITHIN = timedelta(hours=1)
#: How long the link works that a new address is confirmed with.
ADDRESS_WITHIN = timedelta(days=7)
#: How long an address of before has a link that undoes the change. So long after it nobody gets a reader's data.
BACK_WITHIN = timedelta(days=7)
#: How long the link works that leads to what is known of a reader: it opens more than any other.
DATA_WITHIN = timedelta(hours=24)

_MAC_BYTES = 16
#: Whole seconds since 1970 in a token that has a time.
_TIME_BYTES = 5
_CONTEXT = b"subscribers.tokens\0"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_DAMAGED = "This link is incomplete or damaged. Open it from the mail itself, or copy all of it."


class Purpose(StrEnum):
    """What a token lets its holder do, and nothing else."""

    #: Leave one list. Never expires: a reader may act on any old mail (CASL: 60 days; CAN-SPAM: 30 days).
    UNSUBSCRIBE = "unsubscribe"
    #: See and change one's own subscriptions. Never expires.
    PREFERENCES = "preferences"
    #: Confirm one request to join a list; made and read with its time.
    CONFIRM = "confirm"
    #: Come back to the one list just left; made and read with the time of leaving (U8).
    UNDO = "undo"
    #: Be written to at the address that one request names; made and read with the time of asking.
    ADDRESS = "address"
    #: Be written to again at the address of before one request; made and read with the time of the change.
    BACK = "back"
    #: See, take along or delete what is known of the reader of one request; made and read with the time of asking.
    DATA = "data"
    #: Send one sign-up form; made and read with its time, what it is worth and what tells it from all others.
    FORM = "form"


class Signer:
    """Makes and reads tokens. The first secret signs; all of them verify, so that one can be replaced."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Raise ValueError unless there is at least one secret and none is empty."""
        if isinstance(secrets, str) or not secrets or not all(secrets):
            raise ValueError("a Signer needs a list of secrets, none of them empty")
        # The key and what stands before each payload are hashed once: an issue signs millions.
        keys = [secret.encode() for secret in secrets]
        self._begun = [{one: hmac.new(key, before, "sha256") for one, before in _BEFORE.items()} for key in keys]

    def sign(self, purpose: Purpose, subscription_id: int) -> str:
        """Return the token for an unsubscribe or preferences link. Raises ValueError for another purpose."""
        return self._token(_without_time(purpose), _id_bytes(subscription_id))

    def read(self, purpose: Purpose, token: str) -> int:
        """Return the subscription's id. Raises InvalidToken unless we made the token for this purpose."""
        return int.from_bytes(self._payload(_without_time(purpose), token))

    def sign_confirm(self, subscription_id: int, requested_at: datetime) -> str:
        """Return the token for the confirmation link of the request made at `requested_at`, to the second."""
        return self._timed_token(Purpose.CONFIRM, subscription_id, requested_at)

    def read_confirm(self, token: str, now: datetime, max_age: timedelta = CONFIRM_WITHIN) -> tuple[int, datetime]:
        """Return the subscription's id and when the request was made, in UTC and whole seconds.

        Raises InvalidToken when we did not make the token, or the request is older than `max_age`.
        """
        subscription_id, requested_at = self._timed_payload(Purpose.CONFIRM, token)
        if now - requested_at > max_age:
            raise InvalidToken(f"This link is older than {max_age.days} days. Sign up again to get a new one.")
        return subscription_id, requested_at

    def sign_undo(self, subscription_id: int, left_at: datetime) -> str:
        """Return the token that undoes the leaving at `left_at`, to the second."""
        return self._timed_token(Purpose.UNDO, subscription_id, left_at)

    def read_undo(self, token: str, now: datetime, max_age: timedelta = UNDO_WITHIN) -> tuple[int, datetime]:
        """Return the subscription's id and when the reader left, in UTC and whole seconds.

        Raises InvalidToken when we did not make the token, or the reader left longer ago than `max_age`.
        """
        subscription_id, left_at = self._timed_payload(Purpose.UNDO, token)
        if now - left_at > max_age:
            minutes = max_age // timedelta(minutes=1)
            raise InvalidToken(f"Leaving can be undone for {minutes} minutes. Sign up again to get the newsletter.")
        return subscription_id, left_at

    def sign_request(self, purpose: Purpose, request_id: int, asked_at: datetime) -> str:
        """Return the token for the link in the mail of one request (ADDRESS or DATA), asked for at `asked_at`.

        That to undo a change of address (BACK) has the time of the change instead.
        """
        return self._timed_token(_of_request(purpose), request_id, asked_at)

    def read_request(self, purpose: Purpose, token: str) -> tuple[int, datetime]:
        """Return the request's id and its time, in UTC and whole seconds; its age is not judged here.

        Raises InvalidToken unless we made the token for this purpose, ADDRESS, BACK or DATA.
        """
        return self._timed_payload(_of_request(purpose), token)

    def sign_form(self, made_at: datetime, worth: int, random: bytes) -> str:
        """Return the token in a form that was made at `made_at`; `worth` is below 256, `random` 8 bytes."""
        seconds = int(made_at.timestamp()).to_bytes(_TIME_BYTES)
        return self._token(Purpose.FORM, seconds + bytes([worth]) + random)

    def read_form(self, token: str) -> tuple[datetime, int, bytes]:
        """Return when a form was made, what it is worth and its random bytes; whether that will do is the caller's.

        Raises InvalidToken unless we made the token.
        """
        payload = self._payload(Purpose.FORM, token)
        made_at = datetime.fromtimestamp(int.from_bytes(payload[:_TIME_BYTES]), UTC)
        return made_at, payload[_TIME_BYTES], payload[_TIME_BYTES + 1 :]

    def _timed_token(self, purpose: Purpose, row_id: int, at: datetime) -> str:
        seconds = int(at.timestamp()).to_bytes(_TIME_BYTES)
        return self._token(purpose, seconds + _id_bytes(row_id))

    def _timed_payload(self, purpose: Purpose, token: str) -> tuple[int, datetime]:
        payload = self._payload(purpose, token)
        at = datetime.fromtimestamp(int.from_bytes(payload[:_TIME_BYTES]), UTC)
        return int.from_bytes(payload[_TIME_BYTES:]), at

    def _token(self, purpose: Purpose, payload: bytes) -> str:
        return _encode(payload + _mac(self._begun[0][purpose], payload))

    def _payload(self, purpose: Purpose, token: str) -> bytes:
        content = _decode(token)
        payload, mac = content[:-_MAC_BYTES], content[-_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(begun[purpose], payload)) for begun in self._begun):
            raise InvalidToken(_DAMAGED)
        return payload


def _without_time(purpose: Purpose) -> Purpose:
    if purpose in {Purpose.CONFIRM, Purpose.UNDO}:
        raise ValueError(f"a token to {purpose} carries a time: use sign_{purpose} and read_{purpose}")
    if purpose is Purpose.FORM:
        raise ValueError("a token of a form is about no subscription: use sign_form and read_form")
    if purpose in _OF_REQUESTS:
        raise ValueError(f"a token of a request ({purpose}) carries a time: use sign_request and read_request")
    return purpose


def _of_request(purpose: Purpose) -> Purpose:
    if purpose not in _OF_REQUESTS:
        raise ValueError(f"a token to {purpose} is about no request")
    return purpose


_OF_REQUESTS = frozenset({Purpose.ADDRESS, Purpose.BACK, Purpose.DATA})


#: What is signed before the payload. No purpose has a NUL in it, so no two pairs of purpose and payload are signed as
#: the same bytes.
_BEFORE = {purpose: _CONTEXT + purpose.value.encode() + b"\0" for purpose in Purpose}


def _mac(begun: hmac.HMAC, payload: bytes) -> bytes:
    whole = begun.copy()
    whole.update(payload)
    return whole.digest()[:_MAC_BYTES]


def _id_bytes(subscription_id: int) -> bytes:
    if subscription_id < 1:
        raise ValueError(f"a stored subscription has a positive id, not {subscription_id}")
    return subscription_id.to_bytes((subscription_id.bit_length() + 7) // 8)


def _encode(content: bytes) -> str:
    return b2a_base64(content, newline=False).translate(_URL_SAFE).rstrip(b"=").decode()


def _decode(token: str) -> bytes:
    """Return the bytes of a token. Of the several spellings that base64 has for them, one is read."""
    try:
        content = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError as error:
        raise InvalidToken(_DAMAGED) from error
    if len(content) <= _MAC_BYTES or _encode(content) != token:
        raise InvalidToken(_DAMAGED)
    return content
