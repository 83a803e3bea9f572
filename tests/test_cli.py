"""Every command as people use it, the mistakes they make included: a sentence, a stable exit code, nothing lost."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from newsletter.cli import main
from newsletter.cli.base import BUG, DONE, FAILED, IN_PART, USAGE, progress
from tests.servers.http import FeedServer

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Said:
    """What a command printed."""

    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return standard output as JSON."""
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in an empty folder, inside this process."""
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


@pytest.fixture
def feeds() -> Iterator[FeedServer]:
    with FeedServer() as server:
        server.serve("/feed.xml", (DATA / "week.xml").read_bytes(), "application/rss+xml")
        yield server


@pytest.fixture
def newsroom(run: Run, feeds: FeedServer) -> Run:
    """Return `run` for an installation with the test newsroom."""
    run("init", "--base-url", "https://news.example.org")
    text = (DATA / "newsroom.toml").read_text(encoding="utf-8")
    Path("newsroom.toml").write_text(text.replace("http://127.0.0.1:1/feed.xml", feeds.url("/feed.xml")))
    run("apply", "newsroom.toml")
    return run


def readers(run: Run, text: str, **options: Any) -> Said:
    Path("readers.csv").write_text(text, encoding="utf-8")
    return run("subscriber", "import", "readers.csv", "--list", "fens", "--consent", "Paper forms", **options)


def test_init_makes_a_private_file_and_a_database_and_keeps_what_is_there(run: Run) -> None:
    assert "Wrote newsletter.toml" in run("init").out
    file = Path("newsletter.toml")
    assert file.stat().st_mode & 0o077 == 0  # threat 21: it holds the secret
    before = file.read_text()
    assert "left as it is" in run("init").err
    assert file.read_text() == before
    assert run("db", "status").out.startswith("sqlite:///")


def test_without_settings_every_command_says_what_to_do(run: Run) -> None:
    for words in (["gather"], ["issue", "show", "x"], ["list", "show"], ["run", "--once"], ["check"], ["export"]):
        assert "Run `newsletter init`" in run(*words, code=FAILED).err


def test_an_old_database_names_the_command(run: Run) -> None:
    run("init")
    Path("newsletter.db").unlink()
    assert "Run `newsletter db upgrade`" in run("gather", code=FAILED).err
    assert "schema none, this version wants" in run("db", "status", code=FAILED).out
    run("db", "upgrade")
    assert "nothing to do" in run("db", "upgrade").out
    assert "There are no sources yet" in run("gather").out


def test_a_newsroom_by_commands(run: Run, feeds: FeedServer) -> None:
    """What the file does can be done command by command."""
    run("init")
    run("region", "add", "UA", "Ukraine", "--word", "Kyiv")
    run("list", "add", "ukraine", "Ukraine Weekly")
    added = run("source", "add", feeds.url("/feed.xml"), "--region", "UA")
    assert "The Fen Post: 5 stories now, such as:" in added.out
    assert "+ source the-fen-post" in added.out
    run(
        "edition", "add", "ukraine-weekly", "--name", "Ukraine Weekly", "--region", "UA", "--list", "ukraine",
        "--sender", "weekly@post.example", "--publisher", "Post", "--postal-address", "1 Main St",
        "--send", "Saturday 07:00", "--time-zone", "Europe/Kyiv",
    )  # fmt: skip
    assert (
        "~ edition ukraine-weekly: max_stories: 9 -> 5" in run("edition", "set", "ukraine-weekly", "max_stories=5").out
    )
    assert run("edition", "list", "--json").json[0]["next_week"]
    assert run("region", "list", "--json").json == [
        {"code": "UA", "name": "Ukraine", "words": ["Kyiv"], "parent": "", "area": None}
    ]
    assert run("source", "list", "--json").json[0]["slug"] == "the-fen-post"
    exported = run("export").out
    Path("again.toml").write_text(exported)
    assert run("apply", "again.toml").out == "Nothing to change.\n"


def test_an_edition_says_which_weekday_it_could_not_read(run: Run) -> None:
    run("init")
    words = ["edition", "add", "x", "--name", "X", "--region", "UA", "--list", "l", "--sender", "a@post.example"]
    words += ["--publisher", "P", "--postal-address", "1 Main St", "--time-zone", "Europe/Kyiv", "--send"]
    said = " ".join(run(*words, "samstag 07:00", code=USAGE).err.replace("│", " ").split())
    assert '--send begins with a weekday in English, such as "monday 07:00"' in said
    assert "edition: send_time: write a time of day such as 07:00" in run(*words, "Monday 7", code=FAILED).err


def test_two_feeds_of_one_title_are_two_sources(run: Run, feeds: FeedServer) -> None:
    run("init")
    run("region", "add", "UA", "Ukraine")
    first, second, third = (feeds.url(path) for path in ("/feed.xml", "/again.xml", "/ukrainian.xml"))
    week = (DATA / "week.xml").read_bytes()
    feeds.serve("/again.xml", week)
    feeds.serve("/ukrainian.xml", week.replace(b"<title>The Fen Post", "<title>Українська правда".encode(), 1))
    assert "+ source the-fen-post" in run("source", "add", first).out
    assert "+ source the-fen-post-2" in run("source", "add", second).out
    assert "+ source ukrainska-pravda" in run("source", "add", third).out
    changed = run("source", "add", first, "--weight", "2", "--name", "Fen Post, sports")
    assert "~ source the-fen-post: " in changed.out
    refused = run("source", "add", second, "--slug", "the-fen-post", code=FAILED).err
    assert f"Source the-fen-post is {first} already; name this one with another --slug" in refused
    assert {one["slug"]: one["url"] for one in run("source", "list", "--json").json} == {
        "the-fen-post": first,
        "the-fen-post-2": second,
        "ukrainska-pravda": third,
    }


def test_apply_shows_a_diff_and_a_dry_run_changes_nothing(newsroom: Run) -> None:
    text = Path("newsroom.toml").read_text().replace('send_time = "07:00"', 'send_time = "08:15"')
    Path("changed.toml").write_text(text)
    said = newsroom("apply", "changed.toml", "--dry-run").out
    assert "~ edition fen-weekly: send_hour_minute: '07:00' -> '08:15'" in said
    assert "dry run" in said
    assert newsroom("apply", "newsroom.toml").out == "Nothing to change.\n"
    assert newsroom("apply", "changed.toml", "--json").json[0]["fields"] == {"send_hour_minute": ["07:00", "08:15"]}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["apply", "missing.toml"], "missing.toml: No such file or directory"),
        (["gather", "nobody"], "no source called 'nobody'. Sources: fen-post."),
        (["gather", "fen-pots"], "no source called 'fen-pots'. Did you mean fen-post?"),
        (["edition", "set", "fen-weekly", "min-stories=3"], "'min-stories=3' is no change. Did you mean min_stories?"),
        (["edition", "set", "fens-weekly", "min_stories=3"], "Did you mean fen-weekly?"),
        (["issue", "draft", "nowhere"], "no edition called 'nowhere'. Editions: fen-weekly."),
        (["issue", "draft", "fen-weekly", "--week", "week 47"], "Weeks are written like 2026-W47"),
        (["issue", "show", "fen-weekly"], "Draft it with `newsletter issue draft fen-weekly`"),
        (["issue", "send", "fen-weekly"], "Draft it with `newsletter issue draft fen-weekly`"),
        (["subscriber", "export", "--list", "nope"], "no list called 'nope'"),
        (["subscriber", "import", "newsroom.toml", "--list", "nope", "--consent", "x"], "no list called 'nope'"),
        (["subscriber", "show", "nobody@example.org"], "is not known"),
        (["subscriber", "show", "not an address"], "cannot be used as an e-mail address"),
        (["subscriber", "remove"], "Name the reader's address, or give --token"),
        (["subscriber", "remove", "--token", "damaged"], "incomplete or damaged"),
        (["region", "add", "U A", "Ukraine"], "region: code"),
        (["list", "add", "Big List", "x"], "list: slug"),
        (["source", "disable", "nope"], "no source called 'nope'"),
        (["edition", "set", "fen-weekly", "max_stories=lots"], "edition: max_stories"),
        (["edition", "set", "fen-weekly", "send_weekday=caturday"], "edition: send_weekday"),
    ],
)
def test_mistakes_get_a_sentence(newsroom: Run, words: list[str], sentence: str) -> None:
    assert sentence in newsroom(*words, code=FAILED).err


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["issue", "draft"],
        ["subscriber", "import", "x.csv"],
        ["issue", "edit", "fen-weekly", "--headline", "no number"],
        ["issue", "edit", "fen-weekly", "--order", "1,two"],
        ["run", "--port", "99999"],
    ],
)
def test_wrong_usage_has_its_own_code(newsroom: Run, words: list[str]) -> None:
    newsroom(*words, code=USAGE)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("not_xml", "This is a web page, not an RSS or Atom feed"),
        ("missing", "There is nothing at this address"),
        ("redirect_loop", "redirect"),
        ("fifty_megabytes", "larger than 5,242,880 bytes"),
        ("empty", "The answer is empty"),
    ],
)
def test_a_bad_source_gets_a_sentence_and_the_others_go_on(
    newsroom: Run, feeds: FeedServer, word: str, sentence: str
) -> None:
    feeds.misbehave("/bad", word)
    bad = feeds.url("/bad")
    Path("more.toml").write_text(
        f'[[sources]]\nslug = "bad"\nname = "Bad"\nkind = "feed"\nurl = "{bad}"\nregions = ["fens"]\n'
    )
    newsroom("apply", "more.toml")
    reports = {one["slug"]: one for one in newsroom("gather", "--json", code=IN_PART).json}
    assert sentence in reports["bad"]["error"]
    assert reports["fen-post"]["new"] == 5
    assert "failed, 1 in a row" in newsroom("source", "list").out
    newsroom("source", "disable", "bad")
    newsroom("gather")
    newsroom("source", "remove", "bad", "--yes")


def test_an_address_that_is_no_feed_is_not_added(newsroom: Run, feeds: FeedServer) -> None:
    feeds.serve("/two.xml", (DATA / "week.xml").read_bytes(), "application/rss+xml")
    with FeedServer() as other:
        other.serve("/page", b"<!DOCTYPE html><html><title>Hi</title><body>Hello</body></html>", "text/html")
        said = newsroom("source", "add", other.url("/page"), "--region", "fens", code=FAILED).err
    assert "No feed was found on it or in the usual places" in said
    assert (
        "no region called 'XX'" in newsroom("source", "add", feeds.url("/two.xml"), "--region", "XX", code=FAILED).err
    )
    assert len(newsroom("source", "list", "--json").json) == 1


def test_editing_by_commands(newsroom: Run) -> None:
    newsroom("gather")
    stories = newsroom("issue", "draft", "fen-weekly", "--json").json["stories"]
    a, b, c, *_ = (str(one["id"]) for one in stories)
    said = newsroom(
        "issue", "edit", "fen-weekly", "--lead", c, "--drop", a, "--summary", f"{b}=Short.", "--subject", "Hi"
    )
    lines = said.out.splitlines()
    assert "Subject: Hi" in lines
    assert next(line for line in lines if "lead" in line).split()[1] == c
    assert next(line for line in lines if "dropped" in line).split()[1] == a
    why = newsroom("issue", "show", "fen-weekly", "--why", "--json").json["left_out"]
    assert why[a]["reason"] == "dropped by the editor"
    assert "There is no story called '999'" in newsroom("issue", "edit", "fen-weekly", "--pin", "999", code=FAILED).err
    newsroom("issue", "approve", "fen-weekly", "--no-network", "--by", "Ed", "--accept", "copy=test")
    assert newsroom("issue", "show", "fen-weekly", "--json").json["approved_by"] == "Ed"
    newsroom("issue", "edit", "fen-weekly", "--restore", a)
    assert newsroom("issue", "show", "fen-weekly", "--json").json["state"] == "draft"
    assert "is not approved" in newsroom("issue", "send", "fen-weekly", code=FAILED).err


def test_skipping_and_drafting_again(newsroom: Run) -> None:
    newsroom("gather")
    newsroom("issue", "draft", "fen-weekly")
    assert "is skipped: Public holiday" in newsroom("issue", "skip", "fen-weekly", "--reason", "Public holiday").out
    assert "skipped (Public holiday)" in newsroom("issue", "approve", "fen-weekly", code=FAILED).err
    assert newsroom("issue", "draft", "fen-weekly", "--json").json["state"] == "draft"


def test_a_thin_week_says_so(newsroom: Run) -> None:
    assert ": skipped: 0 new stories, 3 needed" in newsroom("issue", "draft", "fen-weekly").out
    assert "has no stories: 0 new stories, 3 needed" in newsroom("issue", "preview", "fen-weekly", code=FAILED).err


def test_importing_names_every_rejected_row(newsroom: Run) -> None:
    said = readers(
        newsroom, "email,name\nann@example.org,Ann\nbroken,B\n,Nobody\nann@example.org,Twice\n", code=IN_PART
    )
    assert said.out.startswith("1 added")
    assert [line.partition(":")[0] for line in said.err.splitlines() if line.startswith("line ")] == [
        "line 3",
        "line 4",
        "line 5",
    ]
    newsroom("subscriber", "remove", "ann@example.org")
    again = readers(newsroom, "email\nann@example.org\n")
    assert "1 had left and stay out" in again.out
    shown = newsroom("subscriber", "show", "ann@example.org", "--json").json
    assert shown["lists"][0]["state"] == "left"
    assert [one["action"] for one in shown["consent"]] == ["imported", "left"]


def test_a_dry_import_changes_nothing(newsroom: Run) -> None:
    Path("readers.csv").write_text("email\nann@example.org\n")
    words = ["subscriber", "import", "readers.csv", "--list", "fens", "--consent", "Forms", "--dry-run", "--json"]
    assert newsroom(*words).json["added"] == 1
    assert newsroom("list", "show", "--json").json[0]["confirmed"] == 0


def test_a_long_import_says_how_far_it_is(newsroom: Run) -> None:
    rows = "".join(f"reader{number}@example.org\n" for number in range(10_500))
    said = readers(newsroom, f"email\n{rows}")
    assert said.err.splitlines()[-1].startswith("Storing: 10500 of 10500 (")
    assert said.out.startswith("10500 added")


def test_work_whose_end_is_known_says_so_ten_times(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Sending") as advance:
        for done in range(1, 31):
            advance(done, 30, "now")
    lines = capsys.readouterr().err.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (10, "Sending: 3 of 30 now", "Sending: 30 of 30 now")


def test_rejected_rows_go_to_a_file(newsroom: Run) -> None:
    Path("readers.csv").write_text("email\nbroken\n")
    words = ["subscriber", "import", "readers.csv", "--list", "fens", "--consent", "Forms", "--rejects", "bad.csv"]
    newsroom(*words, code=IN_PART)
    assert "broken" in Path("bad.csv").read_text()


def test_export_and_suppression(newsroom: Run) -> None:
    readers(newsroom, "email,name\nann@example.org,=cmd()\nbob@example.org,Bob\n")
    newsroom("subscriber", "block", "bob@example.org", "--note", "asked")
    assert "(manual, asked)" in newsroom("subscriber", "show", "bob@example.org").out
    assert newsroom("subscriber", "unblock", "bob@example.org").out == "bob@example.org may be written to again.\n"
    assert newsroom("subscriber", "unblock", "bob@example.org").out == "bob@example.org was not blocked.\n"
    assert "'=cmd()" in newsroom("subscriber", "export").out  # threat 13
    assert "Wrote 2 rows" in newsroom("subscriber", "export", "out.csv", "--list", "fens").out
    assert "=cmd()" in newsroom("subscriber", "export", "--raw").out


def test_preview_writes_files_and_test_needs_a_real_address(newsroom: Run) -> None:
    newsroom("gather")
    newsroom("issue", "draft", "fen-weekly")
    written = newsroom("issue", "preview", "fen-weekly", "--folder", "look", "--json").json["files"]
    assert all(Path(name).is_file() for name in written)
    assert {Path(name).suffix for name in written} >= {".html", ".txt"}
    assert "cannot be used" in newsroom("issue", "test", "fen-weekly", "--to", "nobody", code=FAILED).err
    newsroom("issue", "test", "fen-weekly", "--to", "me@example.org")
    assert len(list(Path("outbox/new").iterdir())) == 1


def test_a_mail_is_looked_at_as_each_reader_gets_it(newsroom: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being asked, as most do: with a name, and on the list for long. There is no Chromium here."""
    monkeypatch.setenv("PATH", "")
    newsroom("gather")
    newsroom("issue", "draft", "fen-weekly")
    words = ("issue", "preview", "fen-weekly", "--folder", "look")
    assert "Others get" not in newsroom(*words).out
    newsroom("issue", "edit", "fen-weekly", "--intro", "Good day, {name|reader}.\n\n{new} Welcome aboard.")
    said = newsroom(*words).out
    assert "look at it with --reader new or --reader nameless, too" in said
    [html] = Path("look").glob("fen-weekly-*.html")
    greetings = {}
    for reader in ("known", "new", "nameless"):
        shown = newsroom(*words, "--reader", reader, "--json").json
        assert (shown["reader"], sorted([reader, *shown["other_readers"]])) == (reader, ["known", "nameless", "new"])
        greetings[reader] = [what for what in ("Kim Example", "reader.", "Welcome aboard") if what in html.read_text()]
    assert greetings == {"known": ["Kim Example"], "new": ["Kim Example", "Welcome aboard"], "nameless": ["reader."]}
    newsroom("issue", "test", "fen-weekly", "--to", "me@example.org")
    newsroom("issue", "test", "fen-weekly", "--to", "me@example.org", "--reader", "new")
    tests = [message_from_bytes(file.read_bytes(), policy=default) for file in Path("outbox/new").iterdir()]
    texts = [part.get_content() for test in tests if (part := test.get_body(("plain",)))]
    assert sorted("Welcome aboard" in text for text in texts) == [False, True]
    newsroom("issue", "preview", "fen-weekly", "--reader", "old", code=USAGE)


def test_a_list_without_readers_and_a_missing_key(newsroom: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    newsroom("gather")
    newsroom("issue", "draft", "fen-weekly")
    newsroom("issue", "approve", "fen-weekly", "--no-network")
    assert "Nobody on the list of Fen Weekly" in newsroom("issue", "send", "fen-weekly", code=FAILED).err
    readers(newsroom, "email\nann@example.org\n")
    monkeypatch.setenv("NEWSLETTER_PROVIDER__USE", "sendgrid")
    assert "provider.api_key" in newsroom("issue", "send", "fen-weekly", code=FAILED).err
    monkeypatch.setenv("NEWSLETTER_PROVIDER__USE", "pigeon")
    assert "pigeon" in newsroom("run", "--once", code=FAILED).err
    assert newsroom("issue", "status", "fen-weekly", "--json", code=DONE).json["state"] == "approved"


def test_run_once_does_what_is_due_and_says_so(newsroom: Run) -> None:
    done = newsroom("run", "--once", "--json").json
    assert done[0] == {"what": "sources read: 1; new stories: 5, updated: 0", "failed": False}
    newsroom("run", "--once")


def test_check_names_what_needs_attention(newsroom: Run) -> None:
    parts = {one["part"]: one for one in newsroom("check", "--json", code=IN_PART).json}
    assert parts["database"]["ok"]
    assert parts["base_url"]["ok"]
    assert not parts["edition fen-weekly"]["ok"]
    readers(newsroom, "email\nann@example.org\n")
    assert all(one["ok"] for one in newsroom("check", "--json").json)


def test_check_says_last_what_to_mend(newsroom: Run, feeds: FeedServer) -> None:
    """Eighty lines of "ok" are no place to look for the one that matters."""
    for number in range(3):
        feeds.serve(f"/{number}.xml", (DATA / "week.xml").read_bytes(), "application/rss+xml")
        newsroom("source", "add", feeds.url(f"/{number}.xml"), "--slug", f"paper-{number}")
    feeds.misbehave("/1.xml", "missing")
    newsroom("gather", "fen-post", "paper-0", "paper-1", code=IN_PART)
    lines = newsroom("check", code=IN_PART).out.splitlines()
    assert "ok    sources: 3 of 4 are well; 1 not read yet, `newsletter gather` does" in lines
    assert [line[:4] for line in lines] == ["ok  "] * 5 + ["MEND"] * 2
    assert [line.partition(":")[0] for line in lines[-2:]] == ["MEND  edition fen-weekly", "MEND  source paper-1"]


def test_a_fault_of_ours_is_admitted_without_a_traceback(newsroom: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("newsletter.newsroom.read", broken)
    assert "this is a fault of ours (ZeroDivisionError: boom)" in newsroom("export", code=BUG).err


def test_every_command_has_help_with_an_example(run: Run) -> None:
    import typer.main

    from newsletter.cli import commands

    def walk(command: Any, path: list[str]) -> Iterator[tuple[list[str], Any]]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, [*path, name])
        else:
            yield path, command

    found = {" ".join(path): command for path, command in walk(typer.main.get_command(commands), [])}
    assert len(found) > 30
    for path, command in found.items():
        assert f"newsletter {path}" in (command.help or ""), path
    assert "Usage: newsletter" in run("issue", "send", "--help").out


def test_a_thin_week_can_be_wanted(newsroom: Run) -> None:
    newsroom("gather")
    stories = [str(one["id"]) for one in newsroom("issue", "draft", "fen-weekly", "--json").json["stories"]]
    drops = [word for story in stories[1:4] for word in ("--drop", story)]
    newsroom("issue", "edit", "fen-weekly", *drops)
    assert "2 new stories, 3 needed" in newsroom("issue", "draft", "fen-weekly").out
    thin = newsroom("issue", "draft", "fen-weekly", "--min-stories", "1", "--json").json
    assert (thin["state"], len([one for one in thin["stories"] if one["place"] != "dropped"])) == ("draft", 2)


def test_a_slip_in_the_week_makes_no_issue(newsroom: Run) -> None:
    assert "weeks away from now" in newsroom("issue", "draft", "fen-weekly", "--week", "2020-W01", code=FAILED).err
    assert newsroom("issue", "list").out.startswith("There are no issues yet")


def test_taking_an_approval_back_is_said(newsroom: Run) -> None:
    newsroom("gather")
    newsroom("issue", "draft", "fen-weekly")
    newsroom("issue", "approve", "fen-weekly", "--no-network")
    assert "approval was taken back" in newsroom("issue", "edit", "fen-weekly", "--subject", "Hello").err
    assert "approval" not in newsroom("issue", "edit", "fen-weekly", "--subject", "Hello again").err
    newsroom("issue", "approve", "fen-weekly", "--no-network")
    assert "approval was taken back" in newsroom("issue", "draft", "fen-weekly").err


def test_issues_are_listed_newest_first(newsroom: Run) -> None:
    newsroom("gather")
    newsroom("issue", "draft", "fen-weekly")
    newsroom("issue", "skip", "fen-weekly", "--reason", "Holiday")
    assert "Say why" in newsroom("issue", "skip", "fen-weekly", "--reason", " ", code=FAILED).err
    [listed] = newsroom("issue", "list", "fen-weekly", "--json").json
    assert (listed["state"], listed["about"]) == ("skipped", "Holiday")
    assert "no edition called 'nope'" in newsroom("issue", "list", "nope", code=FAILED).err


def test_a_damaged_database_is_a_sentence(newsroom: Run) -> None:
    for name in ("newsletter.db", "newsletter.db-wal", "newsletter.db-shm"):
        if Path(name).exists():
            Path(name).write_bytes(b"this is no database " * 400)
    assert "file is not a database" in newsroom("list", "show", code=FAILED).err


def test_export_takes_a_dash_for_standard_output(newsroom: Run) -> None:
    assert newsroom("export", "-").out == newsroom("export").out
    assert not Path("-").exists()


def test_no_test_goes_out_when_one_address_is_wrong(newsroom: Run) -> None:
    newsroom("gather")
    newsroom("issue", "draft", "fen-weekly")
    newsroom("issue", "test", "fen-weekly", "--to", "me@example.org", "--to", "nobody", code=FAILED)
    assert not list(Path().glob("outbox/new/*"))
