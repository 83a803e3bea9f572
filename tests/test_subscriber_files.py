"""`newsletter subscriber import` and `export`: what a person at the command line sees of a file."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.cli import main
from newsletter.cli.base import DONE, FAILED, IN_PART, INTERRUPTED
from newsletter.db import Database
from subscribers.fields import add_field
from subscribers.models import FieldKind
from subscribers.transfer import Bookmark, Position, importing
from tests.builders import NOW, add_list

FILES = Path(__file__).parent / "data" / "imports"
#: What a command printed: standard output and standard error.
Run = Callable[..., tuple[str, str]]


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command for an installation with the list weekly; `types` makes it a terminal."""
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str, code: int = DONE, types: str | None = None) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["newsletter", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO() if types is None else Terminal(types))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert (end.value.code or 0) == code, (words, end.value.code, said.out, said.err)
        assert "Traceback" not in said.err
        return said.out, said.err

    invoke("init", "--base-url", "https://news.example.org")
    db = Database("sqlite:///newsletter.db")
    with db.transaction() as session:
        add_list(session, "weekly", "Weekly", NOW)
        add_field(session, "town", label="Town", kind=FieldKind.TEXT)
    db.close()
    return invoke


def _words(name: str, *more: str) -> list[str]:
    return ["subscriber", "import", name, "--list", "weekly", "--consent", "Paper forms", *more]


def _exported(run: Run) -> list[str]:
    return run("subscriber", "export", "--raw")[0].splitlines()[1:]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("email,name\na@example.org,Jörg\n".encode(), "The file was read as UTF-8, separated by commas."),
        (
            "email;name\r\na@example.org;Jörg\r\n".encode("cp1252"),
            "The file was read as Windows-1252, separated by semicolons.",
        ),
        ("email\tname\na@example.org\tJörg\n".encode("utf-16"), "The file was read as UTF-16, separated by tabs."),
        (
            b"\xef\xbb\xbf" + "email|name\na@example.org|Jörg\n".encode(),
            "The file was read as UTF-8 with a byte order mark, separated by pipes.",
        ),
    ],
)
def test_how_a_file_was_read_is_told(run: Run, content: bytes, told: str) -> None:
    Path("readers.csv").write_bytes(content)
    out, _ = run(*_words("readers.csv"))
    assert out.splitlines()[1] == told
    assert _exported(run)[0].startswith("a@example.org,Jörg,weekly,confirmed,")


def test_how_it_is_to_be_read_can_be_said(run: Run) -> None:
    Path("readers.csv").write_bytes("email:name\na@example.org:Дарина\n".encode("cp1251"))
    run(*_words("readers.csv", "--encoding", "cp1251", "--delimiter", ":"))
    assert _exported(run)[0].startswith("a@example.org,Дарина,")
    _, err = run(*_words("readers.csv", "--delimiter", "colon"), code=FAILED)
    assert err == "--delimiter: 'colon' is no sign. Say comma, semicolon, tab or pipe, or give one sign.\n"
    assert run(*_words("readers.csv", "--encoding", "martian"), code=FAILED)[1].startswith(
        "Error: There is no encoding"
    )


def test_columns_are_mapped(run: Run) -> None:
    Path("readers.csv").write_text('Mail;"Name, full";City;Groups\na@example.org;Ann;Lviv;Donor\n')
    run(*_words("readers.csv", "--map", "email=Mail,name=Name, full,field:town=City,tag=Groups"))
    (row,) = _exported(run)
    assert row.startswith("a@example.org,Ann,weekly,confirmed,")
    assert row.endswith(",donor,Lviv")


def test_a_script_is_told_the_columns_when_none_is_called_email(run: Run) -> None:
    Path("readers.csv").write_text("Person,Post\nAnn,a@example.org\n")
    _, err = run(*_words("readers.csv"), code=FAILED)
    assert err == (
        "Error: readers.csv has no column called `email`. Its columns: person, post. "
        "Say which one has the addresses, such as: --map email=COLUMN\n"
    )
    assert run(*_words("readers.csv", "--map", "nonsense"), code=FAILED)[1].startswith("--map: 'nonsense' names no")


def test_on_a_terminal_the_columns_are_asked_for(run: Run) -> None:
    Path("readers.csv").write_text("Person,Post\nAnn,a@example.org\n")
    out, _ = run(*_words("readers.csv"), types="7\n2\n1\ny\n")
    assert "   1  Person: Ann\n   2  Post: a@example.org\n" in out
    assert _exported(run)[0].startswith("a@example.org,Ann,")


def test_on_a_terminal_a_look_comes_first(run: Run) -> None:
    Path("readers.csv").write_text("email\na@example.org\nbroken\n")
    out, err = run(*_words("readers.csv"), types="n\n", code=FAILED)
    assert "Of the first 1000 rows: 1 added," in out
    assert "  line 3: it has no @-sign.\n" in out
    assert "Import readers.csv to the list weekly?" in out
    assert err == "Nothing was done.\n"
    assert _exported(run) == []
    out, _ = run(*_words("readers.csv", "--yes"), types="", code=IN_PART)
    assert out.startswith("1 added")


def test_a_products_file_is_known_and_said_to_be(run: Run) -> None:
    out, _ = run(*_words(str(FILES / "ghost.csv"), "--suppress"))
    assert out.startswith(
        "2 added, 0 were on the list, 2 had left and stay out, 0 suppressed and stay out, 2 of them by"
    )
    assert "It looks like a Ghost export." in out
    found = json.loads(run(*_words(str(FILES / "ghost.csv"), "--json", "--from", "ghost"))[0])
    assert (found["product"], found["already"], found["encoding"], found["delimiter"]) == ("Ghost", 2, "utf-8", "comma")
    assert "There are: mailchimp" in run(*_words(str(FILES / "ghost.csv"), "--from", "x"), code=FAILED)[1]


def test_rejected_rows_can_be_mended_and_imported(run: Run) -> None:
    Path("readers.csv").write_text("email,name\na@example.org,Ann\nb example.org,Bob\n")
    out, _ = run(*_words("readers.csv", "--rejects", "bad.csv"), code=IN_PART)
    assert "The rejected rows are in bad.csv." in out
    Path("bad.csv").write_text(Path("bad.csv").read_text().replace("b example", "b@example"))
    assert run(*_words("bad.csv"))[0].startswith("1 added")


def test_many_rejected_rows_are_not_all_shown(run: Run) -> None:
    Path("readers.csv").write_text("email\n" + "bad\n" * 150)
    _, err = run(*_words("readers.csv"), code=IN_PART)
    assert err.splitlines()[-1] == "and 50 more; --rejects FILE writes all of them, to be mended."
    assert len(err.splitlines()) == 101


def test_an_interrupted_import_is_resumed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 10)
    Path("readers.csv").write_text("email\n" + "".join(f"r{number}@example.org\n" for number in range(35)))
    keep = Bookmark.keep

    def interrupted(bookmark: Bookmark, position: Position) -> None:
        keep(bookmark, position)
        if position.done == 20:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Bookmark, "keep", interrupted)
        _, err = run(*_words("readers.csv"), code=INTERRUPTED)
    assert "20 readers are dealt with. The same command with --resume goes on behind them." in err
    assert len(_exported(run)) == 20
    # Another list, or another file, is another import.
    assert "nothing to resume" in run(*_words("readers.csv", "--update", "--resume"), code=FAILED)[1]
    out, err = run(*_words("readers.csv", "--resume"))
    assert out.startswith("35 added, 0 were on the list")
    assert len(_exported(run)) == 35
    assert not Path("readers.csv.import").exists()
    assert "nothing to resume" in run(*_words("readers.csv", "--resume"), code=FAILED)[1]


def test_an_import_goes_on_where_no_bookmark_can_be_kept(run: Run) -> None:
    Path("readers.csv").write_text("email\na@example.org\n")
    Path("readers.csv.import.new").mkdir()
    out, err = run(*_words("readers.csv"))
    assert out.startswith("1 added")
    assert "--resume will not be possible" in err


def test_the_whole_import_again_does_no_harm_either(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 10)
    Path("readers.csv").write_text("email\n" + "".join(f"r{number}@example.org\n" for number in range(35)))
    keep = Bookmark.keep

    def interrupted(bookmark: Bookmark, position: Position) -> None:
        keep(bookmark, position)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Bookmark, "keep", interrupted)
        run(*_words("readers.csv"), code=INTERRUPTED)
    out, err = run(*_words("readers.csv"))
    assert err == "An import of this file was interrupted behind 10 readers; --resume would go on there.\n"
    assert out.startswith("25 added, 10 were on the list")


def test_how_far_it_is_is_told_of_a_large_file(run: Run) -> None:
    Path("readers.csv").write_text("email\n" + "".join(f"r{number}@example.org\n" for number in range(20_500)))
    _, err = run(*_words("readers.csv"))
    assert [line.partition(":")[0] for line in err.splitlines()][-1] == "Storing"
    assert err.startswith("Reading: ")
    assert "20500 of 20500 (" in err


def test_an_archived_list_takes_nobody(run: Run) -> None:
    db = Database("sqlite:///newsletter.db")
    with db.transaction() as session:
        session.connection().exec_driver_sql("UPDATE mailing_list SET archived_at = '2026-01-01 00:00:00.000000'")
    db.close()
    Path("readers.csv").write_text("email\na@example.org\n")
    assert "The list weekly is archived" in run(*_words("readers.csv"), code=FAILED)[1]


def test_an_export_by_state_and_as_json_lines(run: Run) -> None:
    Path("readers.csv").write_text("email,name\na@example.org,=1+1\n")
    run(*_words("readers.csv"))
    assert run("subscriber", "export", "--state", "left")[0].count("\n") == 1
    out, _ = run("subscriber", "export", "--json-lines", "--state", "confirmed")
    assert json.loads(out)["name"] == "=1+1"
    assert run("subscriber", "export", "out.jsonl", "--json-lines")[0] == "Wrote 1 rows to out.jsonl.\n"
    assert "There is no state 'gone'" in run("subscriber", "export", "--state", "gone", code=FAILED)[1]
