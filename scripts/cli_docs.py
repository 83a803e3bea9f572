"""Write docs/cli.md to standard output, from the commands' own help."""

from __future__ import annotations

import os
from typing import Any

os.environ["COLUMNS"] = "100"
os.environ["TERMINAL_WIDTH"] = "100"

import typer.main

from newsletter.cli import commands

_HEAD = """\
# Commands

Written from the commands' own help by `make cli-docs`; a test fails when this page is behind.

Every command takes `--help`. Options before the command's name: `--config FILE` names the settings file (else
`$NEWSLETTER_CONFIG`, else `./newsletter.toml`), `--debug` shows what happens inside, `--version` prints the version.

An ISSUE is named by its edition (the latest issue) or by edition and week, such as `ukraine-weekly/2026-W47`.
Stories are named by the numbers that `issue show` prints. `--json` prints one JSON document for scripts.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | refused or failed; a sentence on standard error says why and what to do |
| 2 | wrong usage |
| 3 | done in part: a source failed, a row was rejected, a reader is uncertain or waits for another try |
| 70 | a fault of ours; `--debug` shows where |
| 130 | interrupted |
"""


def page() -> str:
    """Return the whole page."""
    root: Any = typer.main.get_command(commands)
    return _HEAD + "".join(_section("newsletter", root.commands[name], name) for name in root.commands)


def _section(path: str, command: Any, name: str) -> str:
    full = f"{path} {name}"
    if hasattr(command, "commands"):
        inner = "".join(_section(full, command.commands[one], one) for one in command.commands)
        return f"\n## {full}\n\n{command.help}\n{inner}"
    context = command.context_class(command, info_name=full, parent=None)
    text = "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
    return f"\n### {full}\n\n```text\n{text}\n```\n"


if __name__ == "__main__":
    print(page(), end="")
