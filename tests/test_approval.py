"""Approving: errors refuse, warnings wait for a reason that is kept, and what the network says counts."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dns.resolver
import pytest
from sqlmodel import Session, select

from newsletter import issues, schedule
from newsletter.app import App, make_app
from newsletter.cli import main
from newsletter.cli.base import FAILED, IN_PART, USAGE
from newsletter.db import Database
from newsletter.errors import Refused
from newsletter.issues import Changes
from newsletter.issues.approval import ALL, accepted_of, judge, look_around, other_places
from newsletter.models import Edition, Issue, IssueState, Source, Story
from newsletter.preflight import Finding, Known
from newsletter.reach.links import LinkState
from newsletter.render import Renderer
from newsletter.settings import Settings
from newsletter.sources.http import Client
from tests.builders import NOW, WEEK, Newsroom, newsroom, populated, story
from tests.servers.dns import DnsServer
from tests.servers.http import FeedServer

BASE = "https://news.example.org"
TRIAL = "http://127.0.0.1:8000"
RENDERER = Renderer()


def drafted(session: Session, made: Newsroom) -> Issue:
    edition = session.get_one(Edition, made.edition_id)
    return issues.draft(session, edition, issues.next_slot(edition, NOW), NOW).issue


def approve(
    session: Session,
    issue: Issue,
    accept: Mapping[str, str] | None = None,
    *,
    base_url: str = TRIAL,
    known: Known | None = None,
) -> None:
    issues.approve(session, issue, RENDERER, base_url, by="ed", now=NOW, accept=accept or {}, known=known or Known())


def test_a_warning_refuses_with_the_command_that_accepts_it(database: Database) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        with pytest.raises(Refused) as refused:
            approve(session, issue)
        assert (issue.state, issue.content_hash) == (IssueState.DRAFT, "")
    lines = str(refused.value).splitlines()
    assert lines[1].startswith(f"  R37: The installation is a trial: its address, {TRIAL}, is not https. Set base_url")
    assert lines[-1] == f'  newsletter issue approve fen-weekly/{WEEK} --accept R37="your reason"'


@pytest.mark.parametrize(
    "accept", [{"R37": "trial"}, {" r37 ": " trial "}, {ALL: "trial"}, {"R37": "trial", ALL: "no"}]
)
def test_an_accepted_warning_is_kept_with_its_reason(database: Database, accept: dict[str, str]) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        approve(session, drafted(session, made), accept)
    with database.reading() as session:
        issue = issues.find_issue(session, "fen-weekly")
        [kept] = accepted_of(issue)
        judged = judge(session, issue, RENDERER, TRIAL)
    assert issue.state is IssueState.APPROVED
    assert (kept["rule"], kept["reason"], kept["by"]) == ("R37", "trial", "ed")
    assert kept["message"].startswith("The installation is a trial")
    assert not judged.open_warnings
    assert list(judged.accepted.values()) == ["trial (ed)"]


def test_what_is_not_accepted_is_named_with_what_is(database: Database) -> None:
    """The command line in the refusal has the reasons that were given, quoted for a shell."""
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        issues.edit(session, issue, Changes(subject="x" * 101))
        with pytest.raises(Refused) as refused:
            approve(session, issue, {"R37": 'the "real" $site'})
    assert "R14: The subject has 101" in str(refused.value)
    assert "R37: " not in str(refused.value)
    assert str(refused.value).endswith('--accept R37="the \\"real\\" \\$site" --accept R14="your reason"')


def test_no_reason_accepts_an_error(database: Database) -> None:
    made = populated(database, readers=0, postal_address="")
    with database.transaction() as session:
        issue = drafted(session, made)
        with pytest.raises(Refused, match=r"cannot be approved:\n  R42: The mail has no postal address"):
            approve(session, issue, {ALL: "in a hurry", "R42": "in a hurry"})


def test_a_reason_must_be_said(database: Database) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        with pytest.raises(Refused, match="Say why R37 is accepted"):
            approve(session, issue, {"R37": " "})


@pytest.mark.parametrize(
    ("base_url", "accept", "said"),
    [
        (TRIAL, {"R99": "x"}, "R99 is not among the warnings: R37."),
        (TRIAL, {ALL: "trial", "R99": "x"}, "R99 is not among the warnings: R37."),
        (TRIAL, {"R37": "trial", " r98 ": "x", "R99": "y"}, "r98, R99 are not among the warnings: R37."),
        (BASE, {"R37": "trial"}, "R37 is not among the warnings, since there are none."),
    ],
)
def test_what_is_no_warning_cannot_be_accepted(
    database: Database, base_url: str, accept: dict[str, str], said: str
) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        with pytest.raises(Refused) as refused:
            approve(session, issue, accept, base_url=base_url)
        assert (str(refused.value), issue.state) == (said, IssueState.DRAFT)


def test_all_warnings_may_be_none(database: Database) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        approve(session, issue, {ALL: "nothing was there"}, base_url=BASE)
        assert (issue.state, issue.accepted) == (IssueState.APPROVED, [])


def test_what_is_kept_of_a_warning_names_all_its_places(database: Database) -> None:
    """T13: whoever accepts four dead links saw four, and a fifth that dies later was not accepted."""
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        links = [one.link for one in session.exec(select(Story)).all()]
        gone = LinkState("gone", "It was taken away.")
        known = Known(links=dict.fromkeys(links, gone))
        with pytest.raises(Refused) as refused:
            approve(session, issue, base_url=BASE, known=known)
        approve(session, issue, {"T13": "they come back"}, base_url=BASE, known=known)
    assert all(f"{link}”" in str(refused.value) for link in links)
    with database.reading() as session:
        issue = issues.find_issue(session, "fen-weekly")
        [kept] = accepted_of(issue)
        same = judge(session, issue, RENDERER, BASE, known)
        silent = judge(session, issue, RENDERER, BASE)
        moved = Known(links=dict.fromkeys([*links[:3], f"{links[3]}/moved"], gone))
        fewer = judge(session, issue, RENDERER, BASE, moved)
    lines = kept["places"].splitlines()
    assert len(lines) == 4
    assert all(any(f"“{link}”" in line for line in lines) for link in links)
    assert [len(one.findings) for one in (same, silent)] == [1, 1]
    assert [one.open_warnings for one in (same, silent)] == [[], []]
    assert [one.rule for one in fewer.open_warnings] == ["T13"]


@pytest.mark.parametrize(
    ("places", "most", "lines"),
    [
        ("", 5, []),
        ("a", 5, []),
        ("abcde", 5, ["also b", "also c", "also d", "also e"]),
        ("abcdefg", 5, ["also b", "also c", "also d", "also e", "and 2 more; `newsletter issue check` shows them with --all"]),
        ("abcdefg", None, [f"also {one}" for one in "bcdefg"]),
    ],
    ids=["none", "one", "five", "seven", "all"],
)  # fmt: skip
def test_the_places_of_a_finding(places: str, most: int | None, lines: list[str]) -> None:
    """Its message names the first, so five are shown altogether."""
    assert other_places(Finding("T13", "warning", "A link is dead: a.", "", tuple(places)), most=most) == lines


def test_an_edit_takes_back_what_was_accepted(database: Database) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        approve(session, issue, {"R37": "trial"})
        issues.edit(session, issue, Changes(subject="Another subject"))
        assert accepted_of(issue) == []
        with pytest.raises(Refused, match="R37"):
            approve(session, issue)


def test_a_subject_that_these_readers_had_is_told(database: Database) -> None:
    """R14: Gmail folds two mails of one subject."""
    made = populated(database, readers=0)
    with database.transaction() as session:
        first = drafted(session, made)
        issues.edit(session, first, Changes(subject="The week in the fens"))
        approve(session, first, base_url=BASE)
        for number in (10, 11):
            story(session, made, number, hours_old=-100)
        edition = session.get_one(Edition, made.edition_id)
        later = NOW + timedelta(days=7)
        second = issues.draft(session, edition, issues.next_slot(edition, later), later).issue
        issues.edit(session, second, Changes(subject="the week  in the Fens"))
        with pytest.raises(Refused, match=f"R14: The subject is that of an earlier issue: {WEEK}"):
            approve(session, second, base_url=BASE)


def test_a_frozen_mail_is_judged_as_it_is(database: Database) -> None:
    """What a source writes after the approval changes nothing; a link that died since is told."""
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        approve(session, issue, base_url=BASE)
        row = session.exec(select(Story)).first()
        assert row
        row.title, row.summary = "Quite another headline", ""
        session.add(row)
        gone = Known(links={row.link: LinkState("gone", "post.example answered 410.")})
        assert judge(session, issue, RENDERER, BASE).findings == ()
        [warning] = judge(session, issue, RENDERER, BASE, gone).open_warnings
    assert warning.rule == "T13"


def test_links_are_looked_at_where_they_lead(database: Database) -> None:
    """T13: over a real connection; the issue's own page, which is not there yet, is not asked for."""
    with FeedServer() as server:
        server.serve("/story/1", b"<!DOCTYPE html><title>One</title><p>Here it is.", "text/html")
        with database.transaction() as session:
            made = populated_by(session, server.url(""))
            issue_id = drafted(session, made).id
        client = Client(timeout=5, max_bytes=1_000_000, user_agent="Newsletter/test", private_networks=["127.0.0.0/8"])
        seen: list[tuple[int, int]] = []
        known = look_around(
            database, issue_id, RENDERER, TRIAL, client, progress=lambda done, total: seen.append((done, total))
        )
    assert {url.rpartition("/")[2]: one.verdict for url, one in known.links.items()} == {"1": "works", "2": "gone"}
    assert seen[-1] == (2, 2)
    assert known.domain
    assert known.domain.trial
    with database.transaction() as session:
        issue = session.get_one(Issue, issue_id)
        with pytest.raises(Refused, match=r"(?s)R37: .*T13: A link is dead: .*/story/2.*RFC 2606: fen\.example"):
            approve(session, issue, known=known)


def populated_by(session: Session, url: str) -> Newsroom:
    """Make a newsroom whose two stories are on a server."""
    made = newsroom(session)
    for number in (1, 2):
        story(session, made, number, link=f"{url}/story/{number}", url=f"{url}/story/{number}")
    return made


SEND_AT = datetime(2026, 11, 21, 6, tzinfo=UTC)


def deadline_app(folder: Path, base_url: str, **edition: Any) -> App:
    """Return an installation a minute after the send time of an issue that nobody drafted, and with nothing to read."""
    settings = Settings(
        database=f"sqlite:///{folder / 'newsletter.db'}", base_url=base_url, secrets=["s" * 40], folder=folder
    )
    app = make_app(settings, clock=lambda: SEND_AT + timedelta(minutes=1), check_schema=False)
    app.db.upgrade()
    populated(app.db, readers=2, deadline_rule="send", **edition)
    with app.db.transaction() as session:
        for source in session.exec(select(Source)):
            source.fetched_at = app.clock()
            session.add(source)
    return app


@pytest.mark.parametrize("sound", [True, False])
def test_the_deadline_rule_accepts_warnings_and_no_errors(tmp_path: Path, sound: bool) -> None:
    """An issue that nobody approved goes out with warnings; with errors it stays a draft, and that is told once."""
    app = deadline_app(tmp_path, TRIAL, postal_address="1 Bridge Street" if sound else "")
    done = [schedule.tick(app), schedule.tick(app)]
    with app.db.reading() as session:
        issue = issues.find_issue(session, "fen-weekly")
    outbox = list((tmp_path / "outbox" / "new").glob("*"))
    if sound:
        assert [(one["rule"], one["reason"]) for one in issue.accepted] == [
            ("R37", "sent by the edition's deadline rule")
        ]
        assert (issue.state, len(outbox)) == (IssueState.SENT, 2)
        return
    assert [one.failed for one in done[0]] == [False, True]
    assert done[1] == []
    assert "not sent: fen-weekly/2026-W47 cannot be approved: R42: The mail has no postal address" in done[0][1].what
    assert issue.reason.startswith("not sent: ")
    assert (issue.state, outbox) == (IssueState.DRAFT, [])


@dataclass(frozen=True)
class Outside:
    """The network of a test: a name server on loopback, and which hosts were looked up, none of which can be told."""

    names: DnsServer
    hosts: list[str]


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """Let this machine ask one name server, ours, and let its resolver know of no host."""
    known, hosts = socket.getaddrinfo, []

    def getaddrinfo(host: str, *words: Any, **options: Any) -> Any:
        if host == "127.0.0.1":
            return known(host, *words, **options)
        hosts.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with DnsServer() as server:

        def configure(resolver: dns.resolver.Resolver, *_: object) -> None:
            resolver.nameservers, resolver.port = ["127.0.0.1"], server.port

        monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", configure)
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield Outside(server, hosts)


@pytest.mark.parametrize(
    ("mail_host", "said"),
    [("0 .", "MX: fen-post.net says that it takes no mail"), ("", "DNS: The sender's domain fen-post.net does not exist")],
    ids=["null MX", "no such domain"],
)  # fmt: skip
def test_the_deadline_rule_sends_nothing_from_a_domain_without_mail(
    tmp_path: Path, outside: Outside, mail_host: str, said: str
) -> None:
    """As by hand. It is told once, links are left alone meanwhile, and it goes out once the domain is mended."""
    if mail_host:
        outside.names.add("fen-post.net", "MX", mail_host)
    app = deadline_app(tmp_path, BASE, sender_address="weekly@fen-post.net")
    done = [schedule.tick(app), schedule.tick(app)]
    assert f"not sent: fen-weekly/{WEEK} cannot be approved: {said}" in done[0][-1].what
    assert (done[0][-1].failed, done[1], outside.hosts) == (True, [], [])
    with app.db.reading() as session:
        issue = issues.find_issue(session, "fen-weekly")
        assert (issue.state, said in issue.reason) == (IssueState.DRAFT, True)
    outside.names.remove("fen-post.net")
    outside.names.add("fen-post.net", "MX", "10 mx.fen-post.net.")
    assert [one.what.split(": ")[1] for one in schedule.tick(app)] == [
        "approved by the edition's deadline rule",
        "sent",
    ]
    assert "post.example" in outside.hosts


def test_silence_keeps_no_issue_back(tmp_path: Path, outside: Outside) -> None:
    """Neither a name server nor a host answers: the deadline rule sends, since nothing was told."""
    outside.names.misbehave("*", "silent")
    app = deadline_app(tmp_path, BASE, sender_address="weekly@fen-post.net")
    assert [one.failed for one in schedule.tick(app)] == [False, False, False]
    with app.db.reading() as session:
        issue = issues.find_issue(session, "fen-weekly")
    assert (issue.state, issue.accepted) == (IssueState.SENT, [])
    assert outside.names.questions
    assert outside.hosts


@dataclass(frozen=True)
class Said:
    """What a command printed."""

    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def own_links() -> bool:
    """Whether the stories are said to be on the feed's server, which has none of them."""
    return False


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_links: bool
) -> Iterator[Run]:
    """Return a function that runs a command in the folder of a trial with a drafted issue."""
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str, code: int = 0) -> Said:
        monkeypatch.setattr(sys, "argv", ["newsletter", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert (end.value.code or 0) == code, (words, end.value.code, said.out, said.err)
        assert "Traceback" not in said.err
        return Said(said.out, said.err)

    invoke("init", "--base-url", TRIAL)
    text = (Path(__file__).parent / "data/newsroom.toml").read_text(encoding="utf-8")
    with FeedServer() as server:
        week = (Path(__file__).parent / "data/week.xml").read_text(encoding="utf-8")
        if own_links:
            week = week.replace("https://post.example", server.url(""))
        server.serve("/feed.xml", week.encode(), "application/rss+xml")
        Path("newsroom.toml").write_text(text.replace("http://127.0.0.1:1/feed.xml", server.url("/feed.xml")))
        invoke("apply", "newsroom.toml")
        invoke("gather")
        invoke("issue", "draft", "fen-weekly")
        yield invoke


def test_check_and_approve_by_commands(run: Run) -> None:
    """A newcomer's way: what is wrong, what would accept it, and what is kept of that."""
    said = run("issue", "check", "fen-weekly", code=IN_PART).out
    assert "1 warning." in said
    assert "R37  The installation is a trial" in said
    assert "were not looked at" in said
    asked = json.loads(run("issue", "check", "fen-weekly", "--json", code=IN_PART).out)
    assert (asked["errors"], asked["warnings"], asked["looked"]) == (0, 1, False)
    assert [one["rule"] for one in asked["findings"]] == ["R37"]
    refused = run("issue", "approve", "fen-weekly", code=FAILED).err
    assert '--accept R37="your reason"' in refused
    assert "write RULE=" in run("issue", "approve", "fen-weekly", "--accept", "R37", code=USAGE).err
    approved = run("issue", "approve", "fen-weekly", "--by", "Ed", "--accept", "R37=trial").out
    assert "Because: trial (Ed)." in approved
    assert "were not looked at" in approved
    assert "Accepted R37" in run("issue", "show", "fen-weekly").out
    said = run("issue", "check", "fen-weekly").out
    assert "1 accepted." in said
    assert "Because: trial (Ed)" in said
    run("issue", "edit", "fen-weekly", "--subject", "The week")
    assert "Accepted" not in run("issue", "show", "fen-weekly").out


def test_what_the_network_did_not_tell_is_said(run: Run, outside: Outside) -> None:
    """Three links and how many, all of them with --all, and what the name servers left open."""
    outside.names.add("fen-post.net", "MX", "10 mx.fen-post.net.")
    outside.names.misbehave("fen-post.net", "servfail", "TXT")
    outside.names.misbehave("_dmarc.fen-post.net", "servfail")
    text = Path("newsroom.toml").read_text().replace("weekly@fen.example", "weekly@fen-post.net")
    Path("newsroom.toml").write_text(text)
    run("apply", "newsroom.toml")
    words = ("issue", "check", "fen-weekly", "--network")
    said = run(*words, code=IN_PART).out
    untold = said.partition("Could not be told:\n")[2]
    assert untold.startswith("  5 of 5 links:\n        https://post.example/stories/")
    assert untold.count("its host could not be looked up") == 3
    assert "and 2 more; `newsletter issue check` shows them with --all" in untold
    assert untold.endswith("  Whether fen-post.net has a DMARC record cannot be told: the DNS did not answer.\n")
    every = run(*words, "--all", code=IN_PART).out
    assert every.count("its host could not be looked up") == 5
    assert "shows them with --all" not in every
    asked = json.loads(run(*words, "--json", code=IN_PART).out)
    assert (asked["looked"], len(asked["links_unknown"]), len(asked["domain_unknown"])) == (True, 5, 2)
    approved = run("issue", "approve", "fen-weekly", "--network", "--accept", "R37=trial").out
    assert "5 of 5 links:" in approved
    assert "were not looked at" not in approved


def test_a_slip_in_a_rule_is_told(run: Run) -> None:
    refused = run("issue", "approve", "fen-weekly", "--accept", "R99=x", code=FAILED).err
    assert refused.endswith("R99 is not among the warnings: R37.\n")


@pytest.mark.parametrize("own_links", [True])
def test_check_and_approve_name_all_dead_links(run: Run) -> None:
    """T13: the stories lead to nothing on a server that answers. What was accepted is known without another look."""
    approved = run("issue", "approve", "fen-weekly", "--network", "--accept", "all=trial").out
    checked = run("issue", "check", "fen-weekly").out
    found = json.loads(run("issue", "check", "fen-weekly", "--json").out)["findings"]
    for out in (approved, checked):
        assert all(f"/stories/{number}”" in out for number in range(1, 6))
    [dead] = [one for one in found if one["rule"] == "T13"]
    assert len(dead["places"]) == 5
