"""Slugs: the short names that commands and addresses of pages use."""

from __future__ import annotations

import re
from collections.abc import Container
from urllib.parse import urlsplit

from newsletter.errors import ConfigurationError

#: The longest slug that an entry of the newsroom file may have.
_LENGTH = 64


def from_name(name: str) -> str:
    """Return a slug made from a name: "The Harbour Post" -> "the-harbour-post"; empty when nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LENGTH].rstrip("-")


def from_name_or_host(name: str, url: str) -> str:
    """Return a slug made from a name, or from the host in `url` where the name has no Latin letters.

    Raises ConfigurationError when the host has none either.
    """
    made = from_name(name)
    if re.search("[a-z]", made):
        return made
    host = urlsplit(url).hostname or ""
    made = from_name(host.removeprefix("www.")) if host.isascii() else ""
    if not made:
        raise ConfigurationError(
            f"No short name of a to z and 0 to 9 can be made from {name!r} or {url}; "
            "give one with --slug, such as --slug city-news."
        )
    return made


def free(wanted: str, taken: Container[str]) -> str:
    """Return `wanted`, or the first of wanted-2, wanted-3 ... that is not taken."""
    slug, number = wanted, 1
    while slug in taken:
        number += 1
        ending = f"-{number}"
        slug = wanted[: _LENGTH - len(ending)].rstrip("-") + ending
    return slug
