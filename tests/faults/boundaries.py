"""F2: the moments at which a process may die: before and after each commit, each talk with the network, each mark.

They are counted from outside, so that nothing in the product knows of them: events of SQLAlchemy, and the methods of
sockets and of the journal, each wrapped in this process only.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
from collections.abc import Callable
from functools import wraps
from typing import Any

from sqlalchemy import Engine, Pool, event

from newsletter.delivery.journal import Journal, Watcher

_WRAPPED: tuple[tuple[type, tuple[str, ...]], ...] = (
    (socket.socket, ("connect", "send", "sendall", "sendmsg", "recv", "recv_into")),
    (Journal, ("begin", "reach", "end")),
    (Watcher, ("handing_over", "settled")),
)


def die_at(number: int) -> None:
    """Have this process kill itself at the boundary of that number, counted from 1 from now on."""
    numbers = itertools.count(1)

    def boundary(*_: object) -> None:
        if next(numbers) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "commit", boundary)
    event.listen(Pool, "checkin", boundary)  # right after a commit, or a reading
    for kind, names in _WRAPPED:
        for name in names:
            setattr(kind, name, _between(getattr(kind, name), boundary))


def _between(method: Callable[..., Any], boundary: Callable[[], None]) -> Callable[..., Any]:
    @wraps(method)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        boundary()
        result = method(*arguments, **named)
        boundary()
        return result

    return wrapper
