"""What every command shares: the settings in force, printing for people or for scripts, and errors as sentences."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from newsletter.app import App

#: Exit codes, the same for every command (docs/cli.md).
DONE, FAILED, USAGE, IN_PART, BUG, INTERRUPTED = 0, 1, 2, 3, 70, 130

#: How much is done between two lines about work whose end is not known.
_LINE_EVERY = 10_000

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


@dataclass
class Options:
    """The options before the command's name."""

    config: Path | None = None
    debug: bool = False


options = Options()


def open_app(*, check_schema: bool = True) -> App:
    """Return the installation that the settings in force describe."""
    from newsletter.app import make_app
    from newsletter.settings import load

    return make_app(load(options.config), check_schema=check_schema)


def group(name: str, help_text: str) -> typer.Typer:
    """Return a command group that shows its help when called without a command."""
    return typer.Typer(name=name, help=help_text, no_args_is_help=True, rich_markup_mode=None)


def say(text: str = "") -> None:
    """Print a line for people, as it is: no markup, no colour."""
    typer.echo(text)


def warn(text: str) -> None:
    """Print a line about something that did not go well, to standard error."""
    typer.echo(text, err=True)


def say_json(value: Any) -> None:
    """Print a JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns: drawn by rich on a terminal, separated by tabs elsewhere."""
    if sys.stdout.isatty():
        from rich import box
        from rich.table import Table

        drawn = Table(*headings, box=box.SIMPLE_HEAD, pad_edge=False)
        for row in rows:
            drawn.add_row(*(_plain(cell) for cell in row))
        console().print(drawn)
        return
    for row in rows:
        typer.echo("\t".join(str(cell) for cell in row))


def console(*, err: bool = False) -> Console:
    """Return rich's console."""
    from rich.console import Console

    return Console(stderr=err, highlight=False, markup=False)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Any]:
    """Show how far long work is; yields `advance(done, note)`. A bar on a terminal, now and then a line elsewhere."""
    if not sys.stderr.isatty():
        yield _lines(what, total)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(err=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, total=total, note="": bar.update(
            task, completed=done, total=total, description=f"{what} {note}".rstrip()
        )


def _lines(what: str, total: int | None) -> Any:
    """Return an `advance` that writes a line at every tenth of the work, or every 10,000 when its end is not known."""
    shown = 0

    def advance(done: int, total: int | None = total, note: str = "") -> None:
        nonlocal shown
        step = done * 10 // total if total else done // _LINE_EVERY
        if step > shown:
            shown = step
            warn(f"{what}: {f'{done} of {total}' if total else done} {note}".rstrip())

    return advance


def stop(code: int) -> NoReturn:
    """End the command with an exit code that is not success."""
    raise typer.Exit(code)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; `--yes` answers, and so a script can."""
    if yes:
        return
    if not sys.stdin.isatty():
        warn(f"{question} Nothing was done: add --yes to do it without being asked.")
        stop(FAILED)
    if not typer.confirm(question):
        warn("Nothing was done.")
        stop(FAILED)


def who() -> str:
    """Return who runs the command, for the record of an approval."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or "command line"


def _plain(cell: object) -> Any:
    from rich.text import Text

    return Text(str(cell))
