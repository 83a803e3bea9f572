"""Whether a domain takes mail, asked of a real name server on loopback (point 8): import, add, clean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dns.resolver
import pytest

from newsletter.cli.base import FAILED, IN_PART
from subscribers.mailservers import Verdict, check, check_all
from tests.servers.dns import DnsServer
from tests.test_cli import Run
from tests.test_privacy_commands import installation, run

__all__ = ["installation", "run"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DnsServer]:
    """Run a name server that knows some domains, and let it be the system's."""
    with DnsServer() as server:
        server.add("mail.example", "MX", "10 mx.mail.example.")
        server.add("null.example", "MX", "0 .")
        server.add("old.example", "A", "192.0.2.1")
        server.add("new.example", "AAAA", "2001:db8::1")
        server.add("empty.example", "TXT", '"nothing here"')
        server.add("alias.example", "CNAME", "mail.example.")
        server.add("example.org", "MX", "10 mx.mail.example.")
        for how in ("servfail", "silent"):
            server.misbehave(f"{how}.example", how)
        monkeypatch.setattr(dns.resolver, "default_resolver", server.resolver())
        monkeypatch.setattr("subscribers.mailservers.QUESTION_SECONDS", 0.7)
        yield server


@pytest.mark.parametrize(
    ("domain", "verdict"),
    [
        ("mail.example", Verdict.TAKES_MAIL),
        ("alias.example", Verdict.TAKES_MAIL),
        # RFC 7505: a domain that says so.
        ("null.example", Verdict.NULL_MX),
        # RFC 5321 section 5.1: without MX records the address counts.
        ("old.example", Verdict.TAKES_MAIL),
        ("new.example", Verdict.TAKES_MAIL),
        ("empty.example", Verdict.NO_SERVER),
        ("missing.example", Verdict.NO_SUCH_DOMAIN),
        # Nobody's fault but the name server's: kept.
        ("servfail.example", Verdict.UNKNOWN),
        ("silent.example", Verdict.UNKNOWN),
    ],
)
def test_what_the_dns_says_of_a_domain(server: DnsServer, domain: str, verdict: Verdict) -> None:
    assert check(domain) is verdict
    refused = {Verdict.NULL_MX, Verdict.NO_SERVER, Verdict.NO_SUCH_DOMAIN}
    assert verdict.refuses is (verdict in refused)


def test_each_domain_is_asked_about_once_and_progress_is_told(server: DnsServer) -> None:
    told: list[int] = []
    found = check_all(["mail.example", "null.example", "missing.example"], progress=told.append)
    assert list(found.values()) == [Verdict.TAKES_MAIL, Verdict.NULL_MX, Verdict.NO_SUCH_DOMAIN]
    assert told == [1, 2, 3]
    assert server.questions.count(("mail.example", "MX")) == 1


@pytest.mark.parametrize("how", ["nxdomain", "servfail"])
def test_a_network_without_the_internet_says_nothing_of_a_domain(server: DnsServer, how: str) -> None:
    server.misbehave("*", how)
    assert check_all(["mail.example", "null.example"]) == {
        "mail.example": Verdict.UNKNOWN,
        "null.example": Verdict.UNKNOWN,
    }


def test_an_import_rejects_domains_that_take_no_mail(server: DnsServer, run: Run, tmp_path: Path) -> None:
    addresses = ["a@mail.example", "b@null.example", "c@missing.example", "d@servfail.example", "e@null.example"]
    (tmp_path / "more.csv").write_text("email\n" + "\n".join(addresses) + "\n")
    words = ("subscriber", "import", "more.csv", "--list", "fens", "--consent", "Forms", "--check-domains")
    said = run(*words, "--rejects", "bad.csv", "--json", code=IN_PART)
    report = json.loads(said.out)
    assert (report["added"], report["rejected_rows"]) == (2, 3)
    assert [(one["line"], one["reason"]) for one in report["rejected"]] == [
        (3, "null.example says that it takes no mail."),
        (4, "missing.example does not exist."),
        (6, "null.example says that it takes no mail."),
    ]
    assert "so they are kept: servfail.example" in said.err
    assert (tmp_path / "bad.csv").read_text().count("null.example") == 4
    assert server.questions.count(("null.example", "MX")) == 1


def test_one_reader_is_added_only_where_mail_can_go(server: DnsServer, run: Run) -> None:
    words = ("--list", "fens", "--consent", "Market day", "--check-domain")
    said = run("subscriber", "add", "zoe@null.example", *words, code=FAILED)
    assert "null.example says that it takes no mail. zoe@null.example was not added." in said.err
    assert "is on fens" in run("subscriber", "add", "zoe@mail.example", *words).out
    assert "is on fens" in run("subscriber", "add", "zoe@servfail.example", *words).out


def test_readers_at_dead_domains_are_found_and_blocked(server: DnsServer, run: Run) -> None:
    for address in ("a@null.example", "b@null.example", "c@missing.example", "d@servfail.example"):
        run("subscriber", "add", address, "--list", "fens", "--consent", "Market day")
    dry = json.loads(run("subscriber", "clean", "--check-domains", "--dry-run", "--json").out)
    assert (dry["domains"], dry["blocked"]) == (4, 0)
    assert {one["domain"]: one["readers"] for one in dry["refusing"]} == {"missing.example": 1, "null.example": 2}
    said = run("subscriber", "clean", "--check-domains", "--yes").out
    assert "2 domains of 4 take no mail: 3 readers." in said
    assert "Blocked 3 readers." in said
    rows = json.loads(run("suppression", "list", "--json").out)
    assert {one["note"] for one in rows} == {
        "by the DNS: null.example says that it takes no mail.",
        "by the DNS: missing.example does not exist.",
    }
    assert "3 readers" in run("subscriber", "clean", "bounced", "--yes").out
    assert "0 domains of 2" in run("subscriber", "clean", "--check-domains").out
