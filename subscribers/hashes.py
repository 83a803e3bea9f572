"""What stands for an address where the address itself must not be kept: a hash that nobody can try out without the key.

Somebody who was erased leaves one among the suppressions, so that no import brings them back (threat 23); the limits on
sign-ups count by one (threat 11); a log may name a reader by one (threat 22).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

_CONTEXT = b"subscribers.hashes\0"
#: What a hash among the suppressions begins with; no address has a colon before its @-sign.
_PREFIX = "h:"


class KeyedHash:
    """Hashes keys of addresses with the installation's secrets. The first secret makes new ones; all are looked for."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Raise ValueError unless there is at least one secret and none is empty."""
        if isinstance(secrets, str) or not secrets or not all(secrets):
            raise ValueError("a KeyedHash needs a list of secrets, none of them empty")
        self._begun = [hmac.new(secret.encode(), _CONTEXT, "sha256") for secret in secrets]

    def of(self, key: str) -> str:
        """Return what stands for an address with this key: "h:" and 128 bits of HMAC-SHA256 in hexadecimal."""
        return _hashed(self._begun[0], key)

    def each(self, key: str) -> tuple[str, ...]:
        """Return what stands, or stood under an earlier secret, for an address with this key."""
        return tuple(_hashed(begun, key) for begun in self._begun)


def is_hash(key: str) -> bool:
    """Tell whether the key of a suppression is a hash, and no address."""
    return key.startswith(_PREFIX)


def _hashed(begun: hmac.HMAC, key: str) -> str:
    whole = begun.copy()
    whole.update(key.encode())
    return _PREFIX + whole.hexdigest()[:32]
