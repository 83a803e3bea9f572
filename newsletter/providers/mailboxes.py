"""Names, addresses and headers as the APIs take them that put the message together themselves. Pure."""

from __future__ import annotations

import json
from typing import Any

from newsletter.mail import Mail, Recipient, header_text
from newsletter.providers.message import ascii_address, header_value

_NAME_LIMIT = 100


def shown_name(name: str) -> str:
    """Return a display name fit for a header: one line of at most 100 characters (threat 1)."""
    return header_text(name, _NAME_LIMIT)


def mailbox(address: str, name: str = "") -> str:
    """Return a mailbox as RFC 5322 section 3.4 writes it, the name always quoted; an API encodes it for the mail.

    Raises ConfigurationError for an address that cannot be written in ASCII.
    """
    plain = shown_name(name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}" <{ascii_address(address)}>' if plain else ascii_address(address)


def headers_of(mail: Mail, recipient: Recipient) -> dict[str, str]:
    """Return the headers that are ours to set, for one reader: printable ASCII, each once."""
    return {name: header_value(value) for name, value in mail.headers_for(recipient.values)}


def ids_of(recipient: Recipient) -> dict[str, str]:
    """Return what comes back with a report and is all that a provider learns of us: opaque ids (trust 1.3)."""
    return {"delivery_id": recipient.delivery_id, "attempt": str(recipient.attempt)}


def as_json(content: Any) -> bytes:
    """Return `content` as a request's JSON; a lone surrogate, which UTF-8 cannot write, becomes a question mark."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
