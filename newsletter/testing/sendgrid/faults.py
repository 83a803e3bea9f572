"""What goes wrong, as data: faults that a test lists, and the choice of the one that a request meets.

A fault says apart from each other what the real service and the network between can do each by itself: how
much of a request is read, how much of it is taken, what is answered, how much of the answer arrives, and how it ends.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any

from newsletter.testing.sendgrid.named import NAMED, End, Naming


@dataclass(frozen=True)
class When:
    """Which requests a fault is for. What is left out holds for each; what is given has to hold all at once.

    `requests` counts from 1 those for which everything else here holds, `probability` aside.
    """

    method: str = "POST"
    #: A pattern as of a shell: "*" for anything.
    path: str = "/v3/mail/send"
    requests: tuple[int, ...] = ()
    #: Each n-th request.
    every: int = 0
    #: Only requests with more personalizations than this.
    more_than: int = 0
    #: Only requests with a reader whose address has this pattern.
    address: str = ""
    #: Only the n-th request on its connection, and those after it.
    on_connection: int = 0
    #: How likely it is then, decided by the simulator's seed.
    probability: float = 1.0
    #: It happens at most so many times.
    times: int | None = None


@dataclass(frozen=True)
class Fault:
    """What happens to the requests that `when` describes. `Fault.named` has those that are known by a name."""

    when: When = field(default_factory=When)
    name: str = ""
    #: How many bytes of the body are read. Then comes `status`, if there is one, and the connection is reset unless
    #: `end` says otherwise; of the readers nothing is known. None reads all.
    read: int | None = None
    #: The share of the readers whose mail is really taken, 0 to 1; None takes all for an answer of 2xx, none else.
    take: float | None = None
    #: Answer 400 for readers of this pattern, who are not there otherwise.
    bad: str = ""
    naming: Naming = Naming.ALL
    #: Seconds of real time before anything is taken, and between that and the answer.
    late: float = 0.0
    delay: float = 0.0
    #: Statuses that are sent ahead of the answer: 100, 102, 103.
    interim: tuple[int, ...] = ()
    #: What is answered in place of the usual; None and nothing leave it as it is.
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    #: The X-RateLimit-Reset of the answer in seconds from now; `headers` can say anything else.
    reset_in: float | None = None
    #: This in place of the whole answer, status line and all, as Latin-1.
    raw: str | None = None
    #: How many bytes of the answer arrive, counted from the end when negative; None is all.
    cut: int | None = None
    #: Seconds between two bytes of the answer, so that no single wait of the client is long.
    drip: float = 0.0
    end: End = End.KEEP

    @classmethod
    def named(cls, name: str, when: When | None = None, **changes: Any) -> Fault:
        """Return a fault of NAMED, for the requests of `when`, with `changes` to its fields.

        Raises ValueError when there is none of that name.
        """
        if name not in NAMED:
            raise ValueError(f"There is no fault {name!r}. Known: {', '.join(NAMED)}.")
        return cls(when=when or When(), name=name, **{**NAMED[name], **changes})

    @property
    def share(self) -> float:
        """The share of the readers whose mail is taken, 0 to 1."""
        if self.take is not None:
            return self.take
        return 1.0 if self.read is None and self.status in {None, *range(200, 300)} else 0.0


@dataclass(frozen=True)
class Seen:
    """What faults are chosen by: one request, its body read or not yet."""

    method: str
    path: str
    on_connection: int
    #: The addresses of the readers; None before the body is read.
    addresses: Sequence[str] | None = None


class Faults:
    """The faults that wait for their requests. Several threads may ask at once."""

    def __init__(self, faults: Sequence[Fault] = (), *, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._seed = seed
        self._faults: list[Fault] = []
        self._counts: list[tuple[int, int]] = []
        self.set(faults)

    def set(self, faults: Sequence[Fault]) -> None:
        """Put `faults` in place of those there; counting starts anew."""
        with self._lock:
            self._faults = list(faults)
            self._counts = [(0, 0)] * len(self._faults)

    def all(self) -> list[Fault]:
        """Return the faults in the order in which they are tried."""
        with self._lock:
            return list(self._faults)

    def choose(self, seen: Seen) -> Fault | None:
        """Return the first fault that is for this request, or None.

        Faults that stop the reading are chosen before the body is there, all others after it.
        """
        with self._lock:
            chosen = None
            for number, fault in enumerate(self._faults):
                if (fault.read is not None) != (seen.addresses is None) or not _is_for(fault, seen):
                    continue
                met, happened = self._counts[number]
                met += 1
                if chosen is None and self._happens(number, fault.when, met, happened):
                    chosen = fault
                    happened += 1
                self._counts[number] = (met, happened)
            return chosen

    def _happens(self, number: int, when: When, met: int, happened: int) -> bool:
        if when.times is not None and happened >= when.times:
            return False
        if when.requests and met not in when.requests:
            return False
        if when.every and met % when.every:
            return False
        return when.probability >= 1 or chance(self._seed, "fault", number, met) < when.probability


def chance(seed: int, *words: object) -> float:
    """Return a number from 0 to below 1 that depends on its arguments alone, not on which thread asks first."""
    digest = hashlib.blake2b(repr((seed, *words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def is_like(address: str, pattern: str) -> bool:
    """Tell whether an address has the pattern, without regard to case."""
    return fnmatchcase(address.lower(), pattern.lower())


def _is_for(fault: Fault, seen: Seen) -> bool:
    when = fault.when
    addresses = seen.addresses or ()
    return (
        fnmatchcase(seen.method, when.method)
        and fnmatchcase(seen.path, when.path)
        and seen.on_connection >= when.on_connection
        and (not when.more_than or len(addresses) > when.more_than)
        and all(any(is_like(one, pattern) for one in addresses) for pattern in (when.address, fault.bad) if pattern)
    )


def as_json(fault: Fault) -> dict[str, Any]:
    """Return the fault as JSON has it: what differs from nothing going wrong."""
    plain = {one.name: one.default for one in fields(Fault)}
    found = asdict(replace(fault, when=When(), headers=dict(fault.headers)))
    content = {name: value for name, value in found.items() if name != "when" and value != plain[name] and value != {}}
    when = {name: value for name, value in asdict(fault.when).items() if value != getattr(When(), name)}
    return {**content, "when": when} if when else content


def from_json(content: object) -> Fault:
    """Return the fault that JSON describes: fields of Fault, `when` an object; a `name` brings what it stands for.

    Raises ValueError with what is wrong with it.
    """
    if not isinstance(content, dict):
        raise ValueError("A fault is a JSON object.")  # noqa: TRY004 - one kind of error for whoever writes JSON
    given = dict(content)
    when = given.pop("when", {})
    name = given.pop("name", "")
    try:
        made = When(**{**when, "requests": tuple(when.get("requests", ()))})
        given = {key: _converted(key, value) for key, value in given.items()}
        return Fault.named(name, made, **given) if name in NAMED else Fault(when=made, name=name, **given)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"That is no fault: {error}.") from error


def _converted(key: str, value: Any) -> Any:
    if key == "interim":
        return tuple(value)
    return {"end": End, "naming": Naming}.get(key, lambda same: same)(value)
