"""Domains of mailboxes that are thrown away. An address there is asked for one more press, and never refused."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from newsletter.errors import ConfigurationError

#: A few that everybody knows; an installation adds its own in a file.
KNOWN = frozenset({
    "10minutemail.com", "20minutemail.com", "burnermail.io", "discard.email", "dispostable.com", "dropmail.me",
    "emailondeck.com", "fakeinbox.com", "getairmail.com", "getnada.com", "grr.la", "guerrillamail.biz",
    "guerrillamail.com", "guerrillamail.de", "guerrillamail.net", "guerrillamail.org",
    "guerrillamailblock.com", "inboxkitten.com", "jetable.org", "mailcatch.com", "maildrop.cc",
    "mailinator.com", "mailnesia.com", "mailnull.com", "mintemail.com", "moakt.com", "mohmal.com",
    "mytemp.email", "pokemail.net", "sharklasers.com", "spam4.me", "spambox.us", "spamgourmet.com",
    "temp-mail.io", "temp-mail.org", "tempail.com", "tempmail.com", "tempmailo.com", "tempr.email",
    "throwawaymail.com", "trash-mail.com", "trashmail.com", "trashmail.de", "wegwerfmail.de", "yopmail.com",
    "yopmail.fr",
})  # fmt: skip


def is_disposable(address_key: str, domains: Collection[str]) -> bool:
    """Tell whether an address is at one of the domains, or below one. Pure."""
    labels = address_key.rpartition("@")[2].split(".")
    return any(".".join(labels[place:]) in domains for place in range(len(labels)))


def read_domains(file: Path | None) -> frozenset[str]:
    """Return the domains that are known and those in a file, one to a line; a line may end in a comment after "#".

    Raises ConfigurationError for a file that cannot be read.
    """
    if file is None:
        return KNOWN
    try:
        lines = file.read_text(encoding="utf-8").lower().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"signup.disposable_domains: {file} cannot be read: {error}.") from error
    return KNOWN | {line.partition("#")[0].strip() for line in lines} - {""}
