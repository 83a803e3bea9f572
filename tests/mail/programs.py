"""The programs from the system's package manager that look at mails: found, or missed with a sentence."""

from __future__ import annotations

import shutil


class MissingProgramError(Exception):
    """A program that tests and benchmark need is not installed; the message says how to install it."""


def found(name: str) -> str:
    """Return the path of a program. Raises MissingProgramError, which fails a test, with what to install."""
    path = shutil.which(name)
    if path is None:
        raise MissingProgramError(f"{name} is missing. On Debian: apt-get install {name}")
    return path
