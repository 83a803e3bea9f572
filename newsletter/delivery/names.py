"""The name of a delivery outside the database: in Message-IDs, at providers, in return paths.

A name is the row's number and 80 bits of a hash keyed with the issue's name key, over number and reader: "1f4-9c0d...".
Nobody can make one up, so a bounce to a name is about that delivery; and a ledger that is planned again from the same
rows gives the same reader the same name, so that a receiver can tell a repeated message (RFC 7352).
"""

from __future__ import annotations

import re
from hashlib import blake2b

_MAC_BYTES = 10
_NAME = re.compile(rf"([0-9a-f]{{1,16}})-[0-9a-f]{{{2 * _MAC_BYTES}}}")


def name_of(key: str, delivery_id: int, subscriber_id: int) -> str:
    """Return the name of a delivery, of the issue with this name key, to this subscriber."""
    return Names(key).of(delivery_id, subscriber_id)


class Names:
    """Makes the names of one issue's deliveries: the key is worked into the hash once."""

    def __init__(self, key: str) -> None:
        self._keyed = blake2b(key=key.encode(), digest_size=_MAC_BYTES)

    def of(self, delivery_id: int, subscriber_id: int) -> str:
        """Return what `name_of` returns."""
        number = f"{delivery_id:x}"
        hashed = self._keyed.copy()
        hashed.update(f"{number}-{subscriber_id:x}".encode())
        return f"{number}-{hashed.hexdigest()}"


def number_in(name: str) -> int | None:
    """Return the number that a name claims to be of, or None for what is no name. Only `name_of` proves it."""
    found = _NAME.fullmatch(name)
    return int(found[1], 16) if found else None
