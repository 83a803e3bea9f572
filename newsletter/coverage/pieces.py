"""A story as grouping sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Piece:
    """One story. `id` is the caller's and unique, `published_at` is aware, `language` a BCP 47 tag or empty."""

    id: int
    title: str
    summary: str
    source: str
    published_at: datetime
    language: str = ""
    url: str = ""
