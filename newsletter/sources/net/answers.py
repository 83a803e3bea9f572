"""What a GET brings back. Parsers in the child process see this and nothing of the network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """What came back. `url` is the address after redirects; `not_modified` answers have no body."""

    url: str
    body: bytes = b""
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""
    not_modified: bool = False
    #: The new address, when the one that was asked for has moved for good: every redirect was a 301 or 308.
    moved_to: str = ""
