"""What preflight is told of the world outside the mail, since it looks at nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from newsletter.reach.domain import DomainState
from newsletter.reach.links import LinkState


@dataclass(frozen=True)
class Known:
    """What is known beside the mail; what was not looked at is empty, and gives no findings."""

    #: Name and subject of issues that the same readers got.
    earlier_subjects: tuple[tuple[str, str], ...] = ()
    #: Address -> what became of it.
    links: Mapping[str, LinkState] = field(default_factory=dict)
    #: Of the sender's address; None where nobody looked.
    domain: DomainState | None = None
    #: Phrases that the mail has in English because its language has no words for them.
    missing_words: tuple[str, ...] = ()
