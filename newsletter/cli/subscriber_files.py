"""`newsletter subscriber import` and `export`: readers by file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from newsletter.cli.base import FAILED, IN_PART, JsonOption, confirm, open_app, progress, say, say_json, stop, warn
from newsletter.cli.readers import known_hashes, refusing_domains

if TYPE_CHECKING:
    from newsletter.app import App
    from subscribers.csvfile import CsvFile
    from subscribers.transfer import Bookmark, ImportReport, Options, Position, Progress

#: Rows that are looked at before somebody on a terminal is asked.
_LOOK = 1_000
#: Rejected rows that are shown.
_SHOWN = 100
#: A file with fewer rows is done before anybody asks how far it is.
_LONG = 10_000
_DELIMITER_NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "\\t": "\t"}
#: Batches that PostgreSQL stores at once; SQLite has one writer.
_LANES = 2


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    commands.command("import")(import_)
    commands.command()(export)


def import_(
    file: Annotated[Path, typer.Argument(help="A CSV file with a header: your own, or another product's export.")],
    mailing_list: Annotated[str, typer.Option("--list", help="The list to bring them to.")],
    consent: Annotated[str, typer.Option(help="Where and when these readers agreed; kept as evidence for each.")],
    columns: Annotated[
        str,
        typer.Option("--map", help="Which column is what: email=Mail,name=Full name,field:town=City,tag=Groups."),
    ] = "",
    product: Annotated[
        str,
        typer.Option(
            "--from", help="Whose export it is: listmonk, mailchimp, ghost, buttondown, substack.", metavar="X"
        ),
    ] = "",
    update: Annotated[
        bool, typer.Option("--update", help="Let the file's names and fields replace what is known of a reader.")
    ] = False,
    suppress_: Annotated[
        bool,
        typer.Option(
            "--suppress", help="Take over who left there, and suppress who bounced, complained or was blocked."
        ),
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="Write the rejected rows with their reasons to this file, to mend and import.")
    ] = None,
    check_domains: Annotated[
        bool, typer.Option("--check-domains", help="Ask the DNS, and reject addresses at domains that take no mail.")
    ] = False,
    encoding: Annotated[str, typer.Option(help="Such as cp1252 or utf-16; found when left out.")] = "",
    delimiter: Annotated[str, typer.Option(help="comma, semicolon, tab, pipe or a sign; found when left out.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge every row, and change nothing.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the same import was interrupted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not show a look at the file and ask first.")] = False,
    json: JsonOption = False,
) -> None:
    """Bring readers in from a CSV file. Who left before, is suppressed or was erased stays out.

    A reader we know keeps name and fields unless you say --update; a field without a value gets one, and tags are
    added. Who had asked for the list and not confirmed is on it then; no other state or consent changes. On a terminal
    a look at the first 1,000 rows comes first. Exits with 3 when rows were rejected.
    Example: newsletter subscriber import readers.csv --list ukraine --consent "Paper forms, Lviv book fair, May 2026"
    """
    from subscribers.csvfile import open_csv
    from subscribers.lists import get_open_list
    from subscribers.transfer import Options

    app = open_app()
    with app.db.reading() as session:
        list_id = get_open_list(session, mailing_list).id
    asks = sys.stdin.isatty() and not (yes or dry_run or json or resume)
    opened = open_csv(file, encoding)
    with opened.text:
        named = _mapped(columns)
        sign = _sign(delimiter)
        if sys.stdin.isatty() and not json:
            named = _ask_for_columns(opened, file.name, named, product, sign)
        options = Options(
            sign, named, product, update, suppress_, dry_run=dry_run, lanes=1 if app.db.is_sqlite else _LANES
        )
        work = _Work(app, opened, file, list_id, consent, options, check_domains=check_domains)
        if asks:
            work.look(mailing_list)
        report = work.run(resume=resume, rejects=rejects)
    if json:
        facts = {"encoding": opened.encoding, "delimiter": work.delimiter, "dry_run": dry_run}
        say_json(asdict(report) | facts)
    else:
        _print_report(report, work, rejects)
    if report.rejected_rows:
        stop(IN_PART)


@dataclass
class _Work:
    """One import, looked at and done."""

    app: App
    opened: CsvFile
    file: Path
    list_id: int
    consent: str
    options: Options
    delimiter: str = ""
    check_domains: bool = False

    def __post_init__(self) -> None:
        from subscribers.csvfile import DELIMITERS, CsvReader
        from subscribers.transfer import ADDRESS_COLUMNS

        found = CsvReader(self.opened.text, self.file.name, ADDRESS_COLUMNS, self.options.delimiter).delimiter
        self.delimiter = DELIMITERS.get(found, found)
        self.opened.text.seek(0)

    @property
    def told(self) -> str:
        """How the file was read, for a person."""
        return f"The file was read as {self.opened.spoken}, separated by {self.delimiter}s."

    def look(self, mailing_list: str) -> None:
        """Show what would become of the first rows, and ask."""
        report = self._import(replace(self.options, dry_run=True, limit=_LOOK))
        say(self.told)
        if report.product and not self.options.product:
            say(f"This looks like a {report.product} export.")
        say(f"Of the first {_LOOK} rows: {_counted(report)}.")
        for row in report.rejected[:5]:
            say(f"  line {row.line}: {row.reason}")
        self.opened.text.seek(0)
        confirm(f"Import {self.file.name} to the list {mailing_list}?", yes=False)

    def run(self, *, resume: bool, rejects: Path | None) -> ImportReport:
        """Import the whole file, and keep where it is for `--resume`."""
        bookmark = self._bookmark()
        start = bookmark.read()
        if resume and start is None:
            warn("There is nothing to resume: no import of exactly this file in exactly this way was interrupted.")
            stop(FAILED)
        if start is not None and not resume and not self.options.dry_run:
            warn(f"An import of this file was interrupted behind {start.done} readers; --resume would go on there.")
        keep = _Keeper(bookmark)
        try:
            report = self._import(
                self.options,
                # What the DNS says may differ from before, and then others are the first so many readers.
                start=start if resume and not self.check_domains else None,
                committed=None if self.options.dry_run else keep,
                rejects=_opener(rejects) if rejects else None,
                progress=_Shown(self.opened),
            )
        except KeyboardInterrupt:
            if keep.done:
                warn(f"{keep.done} readers are dealt with. The same command with --resume goes on behind them.")
            raise
        if not self.options.dry_run:
            bookmark.remove()
        return report

    def _import(self, options: Options, **more: Any) -> ImportReport:
        from subscribers.transfer import import_csv

        given = {name: value for name, value in more.items() if value is not None}
        return import_csv(
            self.app.db.transaction,
            self.opened.text,
            list_id=self.list_id,
            consent=self.consent,
            source=self.file.name,
            now=self.app.clock(),
            options=options,
            hashes=known_hashes(self.app),
            check_domains=refusing_domains if self.check_domains else None,
            **given,
        )

    def _bookmark(self) -> Bookmark:
        from subscribers.transfer import Bookmark

        of = asdict(replace(self.options, dry_run=False, lanes=1)) | {
            "size": self.opened.size,
            "sha256": self.opened.digest,
            "encoding": self.opened.encoding,
            "list": self.list_id,
            "consent": self.consent,
        }
        return Bookmark(self.file.with_name(f"{self.file.name}.import"), of)


class _Keeper:
    """Keeps the bookmark, or says once that it cannot: the import goes on without."""

    def __init__(self, bookmark: Bookmark) -> None:
        self._bookmark: Bookmark | None = bookmark
        self.done = 0

    def __call__(self, position: Position) -> None:
        self.done = position.done
        try:
            if self._bookmark:
                self._bookmark.keep(position)
        except OSError as error:
            warn(f"{self._bookmark.path if self._bookmark else ''}: {error.strerror}. --resume will not be possible.")
            self._bookmark = None


class _Shown:
    """Shows how far an import is: the share of the file while it is read, then the readers that are stored."""

    def __init__(self, opened: CsvFile) -> None:
        self._opened = opened
        self._bar: Any = None
        self._advance: Callable[..., None] = _nothing
        self._storing = False
        self._began = time.monotonic()

    def __call__(self, step: Progress) -> None:
        total = step.total if step.storing else self._expected(step.done)
        if total < _LONG:
            return
        if self._bar is None or step.storing != self._storing:
            self.close()
            self._storing = step.storing
            self._bar = progress("Storing" if step.storing else "Reading")
            self._advance = self._bar.__enter__()
            self._began = time.monotonic() if step.storing else self._began
        rate = step.done / max(time.monotonic() - self._began, 0.001)
        self._advance(step.done, total, f"({rate:,.0f} a second)")
        if step.storing and step.done >= total:
            self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None

    def _expected(self, rows: int) -> int:
        """Return how many rows the file has, as far as its part that is read tells."""
        with suppress(OSError, ValueError, AttributeError):
            return max(rows, round(rows * self._opened.size / max(1, self._opened.text.buffer.tell())))
        return rows


def _nothing(*_: object) -> None:
    """Show nothing."""


def _opener(path: Path) -> Callable[[], Any]:
    @contextmanager
    def opened() -> Iterator[TextIO]:
        with path.open("w", encoding="utf-8", newline="") as out:
            yield out

    return opened


def _mapped(text: str) -> dict[str, str]:
    """Return role -> title of its column from `email=Mail,name=Full name`; a title may have commas in it."""
    found: dict[str, str] = {}
    last = ""
    for part in text.split(",") if text else ():
        role, sign, title = part.partition("=")
        if sign:
            last = role.strip().lower()
            found[last] = title.strip()
        elif last:
            found[last] += f",{part}"
        else:
            warn(
                f"--map: {part!r} names no column. Example: --map email=Mail,name=Full name,field:town=City,tag=Groups"
            )
            stop(FAILED)
    return found


def _sign(delimiter: str) -> str:
    sign = _DELIMITER_NAMES.get(delimiter.lower(), delimiter)
    if len(sign) > 1:
        warn(f"--delimiter: {delimiter!r} is no sign. Say comma, semicolon, tab or pipe, or give one sign.")
        stop(FAILED)
    return sign


def _ask_for_columns(opened: CsvFile, name: str, named: dict[str, str], product: str, delimiter: str) -> dict[str, str]:
    """Return the mapping; where no column is known to hold addresses, show the first row and ask for it."""
    from subscribers.csvfile import CsvReader
    from subscribers.transfer import ADDRESS_COLUMNS, NoAddresses, find_layout

    reader = CsvReader(opened.text, name, ADDRESS_COLUMNS, delimiter)
    first = next(reader.records(()), None)
    opened.text.seek(0)
    try:
        find_layout(reader.header, reader.first_line, name, named=named, product=product)
    except NoAddresses:
        if len(reader.header) < 2 or any("@" in title for title in reader.header):
            raise
    else:
        return named
    say(f"No column of {name} is called email. Its columns, with the first row:")
    cells = first.cells if first else ()
    for place, title in enumerate(reader.titles):
        say(f"{place + 1:4}  {title}: {cells[place][:60] if place < len(cells) else ''}")
    address = _chosen("Which has the addresses?", reader.titles)
    person = _chosen("Which has the names? 0 for none", reader.titles, default=0)
    return named | {"email": address} | ({"name": person} if person else {})


def _chosen(question: str, titles: Sequence[str], default: int | None = None) -> str:
    """Ask for the number of a column until there is one, and return its title; "" for 0 where that is allowed."""
    while True:
        number: int = typer.prompt(question, type=int, default=default)
        if 1 <= number <= len(titles):
            return titles[number - 1]
        if number == default:
            return ""


def _counted(report: ImportReport) -> str:
    taken_over = f", {report.recorded} of them by what the file says" if report.recorded else ""
    erased = f"{report.kept_out_erased} were erased at their wish and stay out, " if report.kept_out_erased else ""
    return (
        f"{report.added} added, {report.already} were on the list, {report.kept_out_left} had left and stay out, "
        f"{report.kept_out_suppressed} suppressed and stay out{taken_over}, {erased}{report.rejected_rows} rejected"
    )


def _print_report(report: ImportReport, work: _Work, rejects: Path | None) -> None:
    for row in report.rejected[:_SHOWN]:
        warn(f"line {row.line}: {row.reason}")
    if report.rejected_rows > _SHOWN:
        more = report.rejected_rows - _SHOWN
        warn(f"and {more} more" + ("." if rejects else "; --rejects FILE writes all of them, to be mended."))
    say(f"{_counted(report)}.")
    recognised = f" It looks like a {report.product} export." if report.product and not work.options.product else ""
    say(work.told + recognised)
    if work.opened.encoding == "cp1252":
        say(
            "Look at a name with an accent to see whether Windows-1252 was right; --encoding sets another, such as "
            "cp1251 for Cyrillic."
        )
    if rejects and report.rejected_rows:
        say(f"The rejected rows are in {rejects}.")
    if work.options.dry_run:
        say("Nothing was changed: this was a dry run.")


def export(
    file: Annotated[Path | None, typer.Argument(help="Where to write; standard output when left out.")] = None,
    mailing_list: Annotated[str, typer.Option("--list", help="Only this list.")] = "",
    state: Annotated[str, typer.Option(help="Only pending, confirmed or left ones.")] = "",
    raw: Annotated[
        bool,
        typer.Option("--raw", help="For programs: do not defuse cells that a spreadsheet would compute."),
    ] = False,
    json_lines: Annotated[bool, typer.Option("--json-lines", help="One JSON object a line instead of CSV.")] = False,
) -> None:
    """Write readers with their lists, states, tags and fields as CSV.

    Example: newsletter subscriber export readers.csv --list ukraine --state confirmed
    """
    from subscribers.lists import get_list
    from subscribers.models import SubscriptionState
    from subscribers.transfer import export_csv, export_json_lines

    if state and state not in list(SubscriptionState):
        warn(f"There is no state {state!r}: say {', '.join(SubscriptionState)}.")
        stop(FAILED)
    only = SubscriptionState(state) if state else None
    with open_app().db.reading() as session:
        list_id = get_list(session, mailing_list).id if mailing_list else None

        def write(out: TextIO) -> int:
            if json_lines:
                return export_json_lines(session, list_id, out, state=only)
            return export_csv(session, list_id, out, state=only, raw=raw)

        if file is None or str(file) == "-":
            write(sys.stdout)
            return
        with file.open("w", encoding="utf-8", newline="") as out:
            count = write(out)
    say(f"Wrote {count} rows to {file}.")
