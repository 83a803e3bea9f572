"""Functions for a parser child to run, good ones and bad ones. A child imports this module, so it stays light."""

from __future__ import annotations

import ctypes
import os
import pickle
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from newsletter.errors import FetchError, NotFound
from newsletter.sources.net.answers import Answer
from newsletter.sources.net.wire import framed


@dataclass(frozen=True)
class Reading:
    """What a newsroom's own parser may return."""

    url: str
    words: tuple[str, ...]


def read(answer: Answer, *, upper: bool = False) -> Reading:
    text = answer.body.decode()
    return Reading(answer.url, tuple((text.upper() if upper else text).split()))


def process(answer: Answer) -> int:
    return os.getpid()


def environment(answer: Answer) -> dict[str, str]:
    return dict(os.environ)


def talk(answer: Answer) -> str:
    print("from a parser")
    print("from a parser", file=sys.stderr)
    os.write(1, b"from a parser")
    os.write(2, b"from a parser")
    return sys.stdin.read()


def refuse(answer: Answer) -> None:
    raise FetchError(answer.url, "This is no table.", retry_after=7.5)


def miss(answer: Answer) -> None:
    raise NotFound("source", "post", "Look again.")


def fail(answer: Answer) -> float:
    return len(answer.body) / 0


def fail_to_decode(answer: Answer) -> str:
    return b"\xff".decode("utf-8")


class Particular(Exception):
    """An exception that cannot be made of its own arguments."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def fail_in_its_own_way(answer: Answer) -> None:
    raise Particular("this", "that")


def fail_with_luggage(answer: Answer) -> None:
    error = Exception("it broke")
    error.luggage = (part for part in "abc")  # type: ignore[attr-defined]
    raise error


def compute_for_ever(answer: Answer) -> object:
    """Threat 8: a regular expression that backtracks; nothing in Python can interrupt it."""
    return re.match(r"(a+)+$", "a" * 64 + "b")


def compute_half_a_second(answer: Answer) -> int:
    end = time.process_time() + 0.5
    while time.process_time() < end:
        sum(range(1_000))
    return os.getpid()


def sleep_for_ever(answer: Answer) -> None:
    time.sleep(600)


def take_memory(answer: Answer) -> int:
    return len(bytearray(4 << 30))


kept: list[bytearray] = []


def grow(answer: Answer) -> int:
    kept.append(bytearray(b"x") * (400 << 20))
    return os.getpid()


def return_too_much(answer: Answer) -> bytes:
    return bytes(20 << 20)


def crash(answer: Answer) -> None:
    ctypes.string_at(0)


def leave(answer: Answer) -> None:
    os._exit(3)


def be_killed(answer: Answer) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Command:
    """What a child that was taken over would send: a call of its own choice, to be made in the parent."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.file,)


def send_a_command(answer: Answer) -> Command:
    return Command(answer.body.decode())


def send_a_raw_command(answer: Answer) -> None:
    """Write past our own code into the pipe to the parent."""
    _send_raw(framed(pickle.dumps(Command(answer.body.decode()))))


def send_a_raw_size(answer: Answer) -> None:
    _send_raw((1 << 62).to_bytes(8, "big"))


def _send_raw(content: bytes) -> None:
    for entry in Path("/proc/self/fd").iterdir():
        descriptor = int(entry.name)
        if descriptor > 2 and "pipe:" in str(entry.readlink() if entry.is_symlink() else ""):
            try:
                os.write(descriptor, content)
            except OSError:
                continue  # the pipe that calls come through is only read from
