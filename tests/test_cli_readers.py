"""Readers, lists, tags, fields and segments on the command line: each command as people use it, and its mistakes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from newsletter.cli import main
from newsletter.cli.base import DONE, FAILED, IN_PART
from tests.commands import CommandLine
from tests.test_cli import Run, Said

DATA = Path(__file__).parent / "data"
READERS = ("ann", "bob", "cara", "dan", "eve")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an installation with the test newsroom and six readers, to be copied."""
    folder = tmp_path_factory.mktemp("installation")
    command = CommandLine(folder)
    command("init", "--base-url", "https://news.example.org")
    command("apply", DATA / "newsroom.toml")
    command("list", "add", "europe", "Europe Weekly")
    (folder / "fens.csv").write_text(
        "email,name\n" + "".join(f"{name}@example.org,{name.title()}\n" for name in READERS)
    )
    command("subscriber", "import", "fens.csv", "--list", "fens", "--consent", "Paper forms")
    command("subscriber", "add", "zoe@example.com", "--list", "europe", "--consent", "Market day")
    return folder


@pytest.fixture
def run(installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command, inside this process, in a copy of the installation."""
    shutil.copytree(installation, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str, code: int = DONE) -> Said:
        monkeypatch.setattr(sys, "argv", ["newsletter", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert (end.value.code or 0) == code, (words, end.value.code, said.out, said.err)
        assert "Traceback" not in said.err
        return Said(said.out, said.err)

    return invoke


def add(run: Run, address: str, mailing_list: str, *more: str, code: int = DONE) -> Said:
    return run("subscriber", "add", address, "--list", mailing_list, "--consent", "Market day", *more, code=code)


def on(run: Run, mailing_list: str, state: str = "confirmed") -> int:
    return int(next(one[state] for one in run("list", "show", "--json").json if one["slug"] == mailing_list))


def count(run: Run, segment: str) -> int:
    return int(run("segment", "count", segment, "--json").json["readers"])


# Readers, one by one.


def test_one_reader_is_added_with_evidence_tags_and_fields(run: Run) -> None:
    run("field", "add", "town")
    said = add(run, "Fay@Example.org", "fens", "--name", "Fay", "--field", "town=Ely", "--tag", "Donor")
    assert said.out == "Fay@Example.org is on fens.\n"
    shown = run("subscriber", "show", "fay@example.org", "--json").json
    assert (shown["name"], shown["tags"], shown["fields"]) == ("Fay", ["donor"], {"town": "Ely"})
    [evidence] = shown["consent"]
    assert (evidence["action"], evidence["source"], evidence["wording"]) == ("imported", "command line", "Market day")
    assert add(run, "fay@example.org", "fens").out == "fay@example.org was on fens.\n"
    assert len(run("subscriber", "show", "fay@example.org", "--json").json["consent"]) == 1
    out = run("subscriber", "show", "fay@example.org").out
    assert "Tags: donor" in out
    assert "town: Ely" in out


def test_who_left_or_is_blocked_cannot_be_added(run: Run) -> None:
    run("subscriber", "remove", "ann@example.org")
    assert "only they can come back" in add(run, "ann@example.org", "fens", code=FAILED).err
    run("subscriber", "block", "bob@example.org", "--note", "asked")
    assert "`newsletter subscriber unblock` lifts that" in add(run, "bob@example.org", "europe", code=FAILED).err
    assert on(run, "europe") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("ann", "fens"), "cannot be used as an e-mail address"),
        (("fay@example.org", "nowhere"), "no list called 'nowhere'"),
        (("fay@example.org", "fens", "--field", "twon=Ely"), "no field called 'twon'"),
        (("fay@example.org", "fens", "--tag", 'a"b'), "cannot be a tag"),
    ],
    ids=["address", "list", "field", "tag"],
)
def test_a_reader_who_cannot_be_added_whole_is_not_added(run: Run, words: tuple[str, ...], sentence: str) -> None:
    assert sentence in add(run, *words, code=FAILED).err
    assert count(run, "list:fens,europe") == 6


def test_blocking_is_undone_by_unblocking_and_nothing_else(run: Run) -> None:
    assert run("subscriber", "block", "ann@example.org", "bob@example.org", "--note", "asked").out.splitlines() == [
        "ann@example.org is blocked.",
        "bob@example.org is blocked.",
    ]
    assert "was blocked" in run("subscriber", "block", "ann@example.org").out
    shown = run("subscriber", "show", "ann@example.org")
    assert "(manual, asked). Nothing is sent to this address." in shown.out
    assert count(run, "list:fens -blocked") == 3
    assert run("subscriber", "unblock", "ann@example.org").out == "ann@example.org may be written to again.\n"
    assert run("subscriber", "unblock", "ann@example.org").out == "ann@example.org was not blocked.\n"
    run("subscriber", "unsuppress", "ann@example.org", code=2)


def test_readers_are_found_by_parts_and_page_by_page(run: Run) -> None:
    add(run, "kyiv@example.org", "fens", "--name", "Олена Київ", "--tag", "donor")

    def addresses(*words: str) -> list[str]:
        return [one["address"].partition("@")[0] for one in run("subscriber", "find", *words, "--json").json["readers"]]

    assert addresses("ANN") == ["ann"]
    assert addresses("олена") == ["kyiv"]
    assert addresses("%") == addresses("_") == []
    assert addresses("example.org", "--list", "fens", "--tag", "donor") == ["kyiv"]
    assert addresses("--state", "left") == []
    assert addresses("--list", "europe", "--segment", "no-name or tag:donor") == ["zoe"]
    seen, after = [], ""
    while True:
        page = run("subscriber", "find", "--limit", "3", "--json", *(("--after", after) if after else ())).json
        seen += [one["address"] for one in page["readers"]]
        after = page["after"]
        if after is None:
            break
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen)) == 7
    said = run("subscriber", "find", "--limit", "1").out
    assert said.splitlines() == ["ann@example.org\tAnn\tfens\t", "There are more: add --after ann@example.org"]
    assert run("subscriber", "find", "nobody").out == "No reader is like that.\n"
    assert "Did you mean fens?" in run("subscriber", "find", "--list", "fenz", code=FAILED).err


# Tags and fields.


def test_tags_on_some_readers_and_on_a_segment(run: Run) -> None:
    said = run("subscriber", "tag", "ann@example.org", "nobody@example.org", "--add", "Donor", code=IN_PART)
    assert (said.out, said.err) == ("donor: put on 1 reader.\n", "nobody@example.org is not known.\n")
    segment = ("subscriber", "tag", "--segment", "list:fens -tag:donor", "--add", "donor", "--add", "new")
    assert "Change the tags of 4 readers? Nothing was done" in run(*segment, code=FAILED).err
    dry = run(*segment, "--dry-run", "--json").json
    assert (dry["added"], dry["dry_run"]) == ({"donor": 4, "new": 4}, True)
    assert run("subscriber", "tags", "show").out == "donor\t1\n"
    # Whom the segment means is settled before the first tag takes them out of it.
    assert run(*segment, "--yes", "--json").json["added"] == {"donor": 4, "new": 4}
    assert run(*segment, "--yes", "--json").json["added"] == {"donor": 0, "new": 0}
    taken = run("subscriber", "tag", "--segment", "tag:new", "--remove", "new", "--yes").out
    assert taken == "new: taken off 4 readers.\n"
    assert run("subscriber", "tags", "show", "--json").json == [
        {"tag": "donor", "readers": 5},
        {"tag": "new", "readers": 0},
    ]


def test_tags_are_renamed_and_deleted(run: Run) -> None:
    run("subscriber", "tag", "ann@example.org", "--add", "doner", "--add", "staff")
    assert run("subscriber", "tags", "rename", "doner", "Donor").out == "doner is donor now.\n"
    assert "There is a tag donor already" in run("subscriber", "tags", "rename", "staff", "donor", code=FAILED).err
    assert (
        "no tag called 'doner'. Did you mean donor?"
        in run("subscriber", "tags", "rename", "doner", "x", code=FAILED).err
    )
    assert "off 1 reader and delete it?" in run("subscriber", "tags", "delete", "donor", code=FAILED).err
    assert run("subscriber", "tags", "delete", "donor", "--yes").out == "donor is deleted; 1 reader had it.\n"
    assert run("subscriber", "show", "ann@example.org", "--json").json["tags"] == ["staff"]


def test_tagging_needs_readers_and_tags(run: Run) -> None:
    for words in (
        ("--add", "x"),
        ("ann@example.org",),
        ("ann@example.org", "--segment", "no-name", "--add", "x"),
    ):
        assert "Name the readers or a --segment" in run("subscriber", "tag", *words, code=FAILED).err


def test_fields_are_added_changed_and_removed_with_what_was_said(run: Run) -> None:
    added = run(
        "field", "add", "region", "--kind", "choice", "--choice", "Lviv", "--choice", "Kyiv", "--label", "Region"
    )
    assert added.out == "+ field region: “Region”, choice (Lviv, Kyiv)\n"
    run("field", "add", "born", "--kind", "date", "--required")
    add(run, "fay@example.org", "fens", "--field", "region=kyiv", "--field", "born=1980-02-29")
    assert run("field", "show").out.splitlines() == [
        "region\t“Region”, choice (Lviv, Kyiv)\t1",
        "born\t“Born”, date, required\t1",
    ]
    kept = run("field", "set", "region", "--choice", "Lviv", "--choice", "Odesa", code=FAILED).err
    assert "1 reader chose 'Kyiv' in region" in kept
    run("field", "set", "region", "--choice", "Kyiv", "--choice", "Lviv", "--choice", "Odesa", "--position", "2")
    assert [one["slug"] for one in run("field", "show", "--json").json] == ["born", "region"]
    assert run("field", "show", "region", "--json").json["values"] == {"Kyiv": 1}
    assert count(run, "field:region=kyiv field:born<1990-01-01") == 1
    assert "what 1 reader said in it? It cannot be undone." in run("field", "remove", "region", code=FAILED).err
    assert run("field", "remove", "region", "--yes").out == "region is removed, with what 1 reader said in it.\n"
    assert run("subscriber", "show", "fay@example.org", "--json").json["fields"] == {"born": "1980-02-29"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("add", "email"), "use that name already"),
        (("add", "Town!"), "write lower-case letters"),
        (("add", "town", "--kind", "number"), "There is no kind called 'number'"),
        (("add", "town", "--choice", "Ely"), "has no choices"),
        (("add", "town", "--kind", "choice", "--choice", "Ely"), "needs two choices"),
        (("add", "town", "--kind", "choice", "--choice", "Ely", "--choice", "ely"), "one choice twice"),
        (("set", "town"), "Say what to change"),
        (("set", "town", "--label", "Town"), "Add one with `newsletter field add`"),
        (("remove", "town"), "no field called 'town'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_mistakes_with_fields_are_told(run: Run, words: tuple[str, ...], sentence: str) -> None:
    assert sentence in run("field", *words, code=FAILED).err


@pytest.mark.parametrize(
    "said",
    ["born=1980", "born=1980-13-01", "region=Paris", f"town={'x' * 501}"],
    ids=["year", "month", "choice", "long"],
)
def test_what_a_field_does_not_take_is_refused(run: Run, said: str) -> None:
    run("field", "add", "born", "--kind", "date")
    run("field", "add", "town")
    run("field", "add", "region", "--kind", "choice", "--choice", "Lviv", "--choice", "Kyiv")
    assert f"Error: {said.partition('=')[0]}: " in add(run, "fay@example.org", "fens", "--field", said, code=FAILED).err
    assert run("subscriber", "show", "fay@example.org", code=FAILED).err == "fay@example.org is not known.\n"


# Segments.


def test_a_segment_is_counted_explained_and_shown(run: Run) -> None:
    add(run, "zoe@example.com", "fens")
    said = run("segment", "count", "list:fens -list:europe", "--explain").out.splitlines()
    assert said == [
        "Readers who are on the list fens and are not among those who are on the list europe.",
        "5 readers",
    ]
    assert count(run, "list:europe joined:1d domain:example.com -clicked:90d -opened") == 1
    assert count(run, "sent or bounced:30d") == 0
    shown = run("segment", "show", "list:fens no-name", "--json").json
    assert [(one["address"], one["lists"]) for one in shown["readers"]] == [
        ("zoe@example.com", {"europe": "confirmed", "fens": "confirmed"})
    ]


def test_a_mistake_in_a_segment_is_pointed_at(run: Run) -> None:
    said = run("segment", "count", "list:fens clicked:soon", code=FAILED).err
    assert said.splitlines() == [
        "Error: The segment cannot be understood at column 11: "
        "write a number of days such as clicked:90d, or clicked alone for ever.",
        "  list:fens clicked:soon",
        "            ^",
    ]


# Lists.


def test_lists_are_renamed(run: Run) -> None:
    assert "`newsletter list rename` changes that" in run("list", "add", "fens", "Another", code=FAILED).err
    assert run("list", "rename", "fens", "The Fens").out == "fens: The Fens\n"
    assert "Change it to wash?" in run("list", "rename", "fens", "--short", "wash", code=FAILED).err
    assert run("list", "rename", "fens", "--short", "wash", "--yes").out == "wash: The Fens\n"
    assert "makes them one" in run("list", "rename", "wash", "--short", "europe", "--yes", code=FAILED).err
    assert "cannot be a short name" in run("list", "rename", "wash", "--short", "A b", "--yes", code=FAILED).err
    assert "Give the new name" in run("list", "rename", "wash", code=FAILED).err
    assert on(run, "wash") == 5


def test_nobody_joins_an_archived_list_and_nothing_is_sent_to_it(run: Run) -> None:
    said = run("list", "archive", "fens").out
    assert said.startswith("fens is archived: nobody can join it, and nothing is sent to it.\nNothing more comes of ")
    assert run("list", "archive", "fens").out.startswith("fens was archived.")
    assert "The list fens is archived: nobody can join it." in add(run, "fay@example.org", "fens", code=FAILED).err
    listed = run("list", "show").out.splitlines()
    assert [line.split("\t")[0] for line in listed] == ["europe", "And 1 archived; --archived shows them."]
    assert "(archived)" in run("list", "show", "--archived").out
    assert run("list", "unarchive", "fens").out == "fens is open again.\n"
    assert run("list", "unarchive", "fens").out == "fens was not archived.\n"
    assert add(run, "fay@example.org", "fens").out == "fay@example.org is on fens.\n"


def test_a_list_is_merged_into_another(run: Run) -> None:
    add(run, "zoe@example.com", "fens")
    run("subscriber", "remove", "dan@example.org")
    words = ("list", "merge", "fens", "europe", "--consent", "Both were one newsletter")
    assert "would have nobody to go to. Add --move-editions" in run(*words, "--yes", code=FAILED).err
    dry = run(*words, "--move-editions", "--dry-run").out
    assert dry.splitlines()[0] == "4 of fens join europe; 1 are on it."
    assert dry.splitlines()[-1] == "Nothing was changed: this was a dry run."
    assert on(run, "europe") == 1
    assert "It cannot be undone. Nothing was done" in run(*words, "--move-editions", code=FAILED).err
    done = run(*words, "--move-editions", "--yes", "--json").json
    assert (done["joined"], done["already"], done["left_source"], done["moved"]) == (4, 1, 1, 4)
    assert (on(run, "europe"), on(run, "fens")) == (5, 1)
    assert all(one["list"] == "europe" for one in run("edition", "list", "--json").json)
    shown = run("subscriber", "show", "ann@example.org", "--json").json
    assert [one["list"] for one in shown["lists"]] == ["europe"]
    assert shown["consent"][-1]["source"] == "merged from the list fens"
    assert shown["consent"][-1]["wording"] == "Both were one newsletter"
    assert run("subscriber", "show", "dan@example.org", "--json").json["lists"][0]["state"] == "left"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("fens", "fens"), "cannot be merged into itself"),
        (("fens", "nowhere"), "no list called 'nowhere'"),
        (("fens", "europe", "--consent", " "), "Say with --consent"),
    ],
    ids=["same", "unknown", "no-consent"],
)
def test_mistakes_with_merging_are_told(run: Run, words: tuple[str, ...], sentence: str) -> None:
    assert sentence in run("list", "merge", "--consent", "One newsletter", *words, "--yes", code=FAILED).err


# Cleaning, and the suppression list as a file.


def test_cleaning_shows_counts_asks_and_keeps_the_evidence(run: Run) -> None:
    run("subscriber", "tag", "ann@example.org", "--add", "donor")
    run("subscriber", "remove", "ann@example.org")
    Path("dead.csv").write_text("email,reason\nbob@example.org,bounce\n")
    run("suppression", "import", "dead.csv")
    counts = [
        "pending: 0 readers never confirmed for 30 days; dropped",
        "bounced: 1 reader on a list whose address bounced; taken off",
        "listless: 1 reader on no list; name, tags and fields are forgotten",
    ]
    assert run("subscriber", "clean", "--dry-run").out.splitlines() == [
        *counts,
        "Nothing was changed: this was a dry run.",
    ]
    said = run("subscriber", "clean", code=FAILED)
    assert said.out.splitlines() == counts
    assert "Nothing was done" in said.err
    done = run("subscriber", "clean", "--yes", "--json").json["done"]
    assert done == {"pending": 0, "bounced": 1, "listless": 2}  # who was taken off is on no list then
    ann = run("subscriber", "show", "ann@example.org", "--json").json
    assert (ann["name"], ann["tags"], [one["action"] for one in ann["consent"]]) == ("", [], ["imported", "left"])
    assert run("subscriber", "clean").out.splitlines()[-1] == "There is nothing to clean."
    assert "There is no kind called 'all'" in run("subscriber", "clean", "all", code=FAILED).err


def test_the_suppression_list_goes_out_and_comes_in_again(run: Run) -> None:
    Path("in.csv").write_text(
        "E-mail;Reason;Note;Since\n"
        "ann@example.org;bounce;550 no such user;2026-01-31\n"
        "Stranger@Example.org;;=cmd();\n"
        "broken;bounce;;\n"
        "cara@example.org;boredom;;\n"
        "dan@example.org;manual;;last week\n"
    )
    words = ("suppression", "import", "in.csv")
    assert run(*words, "--dry-run", "--json", code=IN_PART).json["added"] == 2
    assert run("suppression", "list", "--json").json == []
    said = run(*words, "--rejects", "bad.csv", code=IN_PART)
    assert said.out == "2 added, 1 of them readers here; 0 were suppressed.\n"
    assert [line.partition(":")[0] for line in said.err.splitlines()] == ["line 4", "line 5", "line 6"]
    assert "'boredom' is no reason; write one of bounce, complaint, manual" in Path("bad.csv").read_text()
    out = run("suppression", "export").out
    assert out.splitlines()[:2] == [
        '"email","reason","note","since"',
        '"ann@example.org","bounce","550 no such user","2026-01-31T00:00:00+00:00"',
    ]
    assert '"\'=cmd()"' in out  # threat 13
    assert run("suppression", "export", "out.csv").out == "Wrote 2 rows to out.csv.\n"
    before = run("suppression", "list", "--json").json
    assert run("suppression", "import", "out.csv", "--json").json["already"] == 2
    for address in ("ann@example.org", "stranger@example.org"):
        run("subscriber", "unblock", address)
    run("suppression", "import", "out.csv")
    assert run("suppression", "list", "--json").json == before


def test_every_command_answers_scripts(run: Run) -> None:
    steps: list[tuple[str, Any]] = [
        ("list add new News", {"list": "new", "name": "News", "added": True}),
        ("list rename new --short old --yes", {"list": "old", "name": "News"}),
        ("list archive old", {"list": "old", "archived": True, "editions": []}),
        ("list unarchive old", {"list": "old", "opened": True}),
        ("subscriber block ann@example.org", [{"address": "ann@example.org", "blocked": True}]),
        ("subscriber unblock ann@example.org", [{"address": "ann@example.org", "unblocked": True}]),
        ("subscriber tag ann@example.org --add a", {"added": {"a": 1}, "removed": {}, "unknown": [], "dry_run": False}),
        ("subscriber tags rename a b", {"tag": "b", "was": "a"}),
        ("subscriber tags delete b --yes", {"deleted": "b", "readers": 1}),
        ("field remove town --yes", {"removed": "town", "answers": 0}),
    ]
    for command in ("field add town", "field set town --required"):
        assert run(*command.split(), "--json").json["slug"] == "town"
    for command, answer in steps:
        assert (command, run(*command.split(), "--json").json) == (command, answer)
