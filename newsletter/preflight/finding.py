"""What preflight says about a mail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

#: Around the name of a hole while a mail is judged; people are shown braces.
OPEN, CLOSE = "\ue000", "\ue001"
_BRACES = str.maketrans({OPEN: "{", CLOSE: "}"})

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something to put right. `rule` says where the demand comes from, `fix` what to do.

    An error keeps the mail from going out; a warning goes out when somebody accepts it with a reason. `places` are all
    that it holds for, where it was found in several; the message names the first of them.
    """

    rule: str
    severity: Severity
    message: str
    fix: str
    places: tuple[str, ...] = ()


def errors(rule: str, what: str, places: Iterable[str], fix: str) -> Iterator[Finding]:
    """Yield one error for all places, or nothing where there are none. `what` is a sentence without its full stop."""
    return _folded(rule, "error", what, places, fix)


def warnings(rule: str, what: str, places: Iterable[str], fix: str) -> Iterator[Finding]:
    """Yield one warning for all places, or nothing where there are none. `what` is a sentence without its full stop."""
    return _folded(rule, "warning", what, places, fix)


def _folded(rule: str, severity: Severity, what: str, places: Iterable[str], fix: str) -> Iterator[Finding]:
    listed = [place.translate(_BRACES) for place in places]
    different = list(dict.fromkeys(listed))
    if not listed:
        return
    more = f", and {len(listed) - 1} more" if len(listed) > 1 else ""
    yield Finding(rule, severity, f"{what}: {different[0]}{more}.", fix, tuple(different))
