"""How calls and what they came to travel between the process and its parser children: a length and a pickle.

A child reads hostile documents, so what it says is not trusted: of its pickle only plain values, dataclasses,
enumerations, times and exceptions are made, and no function is called (threat 8).
"""

from __future__ import annotations

import io
import pickle
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from enum import Enum
from typing import Any

from newsletter.errors import NewsletterError

#: Bytes of a frame's length.
HEAD = 8

_PLAIN = {"datetime", "zoneinfo"}
_CONTAINERS = {("builtins", name) for name in ("set", "frozenset", "bytearray", "complex")}


@dataclass(frozen=True)
class Outcome:
    """What a call came to: a value, the exception that it raised, or the limit that it broke, as part of a sentence.

    `last` says that the child ends after it.
    """

    value: Any = None
    error: BaseException | None = None
    limit: str = ""
    last: bool = False


def head(content: bytes) -> bytes:
    """Return what travels before the content: its length."""
    return len(content).to_bytes(HEAD, "big")


def framed(content: bytes) -> bytes:
    """Return the content as it travels."""
    return head(content) + content


def packed_call(function: Callable[..., Any], arguments: tuple[Any, ...], options: Mapping[str, Any]) -> bytes:
    """Return a call as bytes. Raises what pickle raises for a function or argument that cannot travel."""
    return pickle.dumps((function, arguments, dict(options)), protocol=5)


def packed(outcome: Outcome) -> bytes:
    """Return an outcome as bytes; an exception that cannot travel goes as a RuntimeError with its words."""
    try:
        return _pickled(outcome)
    except Exception as error:  # noqa: BLE001 - pickling runs the objects' own code, which may raise anything
        stand_in = RuntimeError(f"{type(outcome.error).__qualname__}: {outcome.error}") if outcome.error else error
        stand_in.add_note("".join(traceback.format_exception(outcome.error or error)))
        return _pickled(Outcome(error=stand_in, last=outcome.last))


def unpacked(content: bytes) -> Outcome:
    """Return the outcome in `content`. Raises UnpicklingError for anything that may not come from a child."""
    outcome = _Unpickler(io.BytesIO(content)).load()
    if not isinstance(outcome, Outcome):
        raise pickle.UnpicklingError("a parser child answered with something else than an outcome")
    return outcome


def rebuilt(kind: type[BaseException], arguments: tuple[Any, ...], attributes: dict[str, Any]) -> BaseException:
    """Return an exception as it was; a foreign one that cannot be made of its own arguments as a RuntimeError."""
    try:
        # Ours are made without their constructors, which take other arguments than what they pass on.
        error = kind.__new__(kind, *arguments) if issubclass(kind, NewsletterError) else kind(*arguments)
        error.args = arguments
    except Exception:  # noqa: BLE001 - the constructors of others may raise anything
        error = RuntimeError(f"{kind.__qualname__}: {', '.join(map(str, arguments))}")
    error.__dict__.update(attributes)
    return error


def _pickled(outcome: Outcome) -> bytes:
    content = io.BytesIO()
    _Pickler(content, protocol=5).dump(outcome)
    return content.getvalue()


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: object) -> Any:
        """Take exceptions apart into what `rebuilt` needs."""
        if isinstance(value, BaseException):
            return rebuilt, (type(value), value.args, value.__dict__)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return a class that is nothing but a value."""
        found = super().find_class(module, name)
        if found is rebuilt or module in _PLAIN or (module, name) in _CONTAINERS:
            return found
        if isinstance(found, type) and (is_dataclass(found) or issubclass(found, (BaseException, Enum))):
            return found
        raise pickle.UnpicklingError(
            f"{module}.{name} may not come out of a parser child: return plain values and dataclasses"
        )
