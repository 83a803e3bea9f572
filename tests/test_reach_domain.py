"""Preflight's look at the sender's domain: the demands of the big receivers (trust.md 1.2), asked of a real server."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import dns.resolver
import pytest

from newsletter.reach import domain
from newsletter.reach.domain import DomainState, look
from newsletter.reach.records import spf_faults
from tests.servers.dns import MISBEHAVIOURS, DnsServer

DOMAIN = "fen-post.net"
SPF = "v=spf1 include:spf.carrier.net ~all"
DMARC = "v=DMARC1; p=none; rua=mailto:dmarc@fen-post.net"


def rsa(size: int) -> str:
    """Return what looks like an RSA key of so many bytes."""
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(bytes(size)).decode()


def pieces(record: str) -> list[str]:
    """Return a record as the strings that a TXT holds."""
    return [record[start : start + 250] for start in range(0, len(record), 250)] or [""]


@pytest.fixture
def server() -> Iterator[DnsServer]:
    """Yield a server with a domain where all is well."""
    with DnsServer() as server:
        server.add(DOMAIN, "MX", f"10 mx1.{DOMAIN}.", f"20 MX2.{DOMAIN}.")
        server.text(DOMAIN, "google-site-verification=abc")
        server.text(DOMAIN, SPF)
        server.text("spf.carrier.net", "v=spf1 ip4:192.0.2.0/24 -all")
        server.text(f"_dmarc.{DOMAIN}", DMARC)
        server.add(f"s1._domainkey.{DOMAIN}", "CNAME", "s1.carrier.net.")
        server.text("s1.carrier.net", *pieces(rsa(294)))
        yield server


def told(state: DomainState) -> list[tuple[str, str]]:
    return [(one.rule, one.severity) for one in state.findings]


def replace_text(server: DnsServer, name: str, *records: str) -> None:
    server.remove(name)
    if name == DOMAIN:
        server.add(DOMAIN, "MX", f"10 mx1.{DOMAIN}.")
    for record in records:
        server.text(name, *pieces(record))


def test_a_domain_where_all_is_well(server: DnsServer) -> None:
    state = look(DOMAIN, selectors=("s1", "s2"), resolver=server.resolver())
    assert state == DomainState(
        DOMAIN,
        exists=True,
        mail_hosts=("mx1.fen-post.net", "mx2.fen-post.net"),
        spf=(SPF,),
        dmarc=DMARC,
        dmarc_at=DOMAIN,
        dkim=("s1",),
    )


def test_dkim_is_not_judged_without_selectors(server: DnsServer) -> None:
    state = look(DOMAIN, resolver=server.resolver())
    assert state.dkim is None
    assert (state.findings, state.unknown) == ((), ())
    assert not [name for name, _ in server.questions if "_domainkey" in name]


@pytest.mark.parametrize("written", ["FEN-Post.NET", " fen-post.net. "])
def test_how_a_domain_is_written(written: str, server: DnsServer) -> None:
    assert look(written, resolver=server.resolver()).findings == ()


def test_a_domain_in_its_own_script(server: DnsServer) -> None:
    server.add("xn--bcher-kva.net", "MX", "10 mx.carrier.net.")
    state = look("Bücher.net", resolver=server.resolver())
    assert (state.domain, state.mail_hosts) == ("xn--bcher-kva.net", ("mx.carrier.net",))


# The domain itself


@pytest.mark.parametrize(
    "name", ["", "nodomain", "a..b", "-a.net", "a b.net", "x" * 64 + ".net", "a.net/x", "ü" * 80 + ".net"]
)
def test_what_is_no_domain_is_an_error(name: str, server: DnsServer) -> None:
    state = look(name, resolver=server.resolver())
    assert told(state) == [("DNS", "error")]
    assert state.exists is False
    assert server.questions == []


def test_a_domain_that_does_not_exist_is_an_error(server: DnsServer) -> None:
    state = look("no-such-post.net", selectors=("s1",), resolver=server.resolver())
    assert told(state) == [("DNS", "error")]
    assert "no-such-post.net does not exist" in state.findings[0].message
    assert state.exists is False
    assert server.questions == [("no-such-post.net", "MX"), ("no-such-post.net", "A"), (".", "NS")]


def test_a_server_that_knows_of_no_domain_says_nothing(server: DnsServer) -> None:
    """Some networks without the Internet answer every question so: even the root does not exist there."""
    server.misbehave("*", "nxdomain")
    state = look(DOMAIN, selectors=("s1",), resolver=server.resolver())
    assert state.findings == ()
    assert state.exists is None
    assert state.unknown == (f"Nothing can be told about {DOMAIN}: the DNS here knows of no domain of the Internet.",)


@pytest.mark.parametrize(
    "name",
    [
        "example.org",
        "news.example.com",
        "EXAMPLE.NET",
        "fen-post.test",
        "fen-post.invalid",
        "fen-post.example",
        "localhost",
        "mail.localhost",
        "cms.local",
        "cms.internal",
        "cms.home.arpa",
    ],
)
def test_a_trial_domain_is_told_as_one(name: str, server: DnsServer) -> None:
    """RFC 2606 and 6761: nobody has these, so nobody is asked."""
    state = look(name, selectors=("s1",), resolver=server.resolver())
    assert state.trial
    assert told(state) == [("RFC 2606", "warning")]
    assert "for examples and trials" in state.findings[0].message
    assert server.questions == []


@pytest.mark.parametrize("name", ["example-post.org", "myexample.com", "test.net", "examples.org"])
def test_what_only_looks_like_a_trial_domain(name: str, server: DnsServer) -> None:
    assert not look(name, resolver=server.resolver()).trial


def test_addresses_of_mailbox_providers(server: DnsServer) -> None:
    server.add("gmail.com", "MX", "5 gmail-smtp-in.l.google.com.")
    state = look("gmail.com", resolver=server.resolver())
    assert state.findings[0].message.startswith("Only gmail.com itself may send")
    assert "your own" in state.findings[0].fix


# Answers arrive


def test_a_null_mx_is_an_error(server: DnsServer) -> None:
    """RFC 7505."""
    server.add("silent-post.net", "MX", "0 .")
    state = look("silent-post.net", resolver=server.resolver())
    assert told(state)[0] == ("MX", "error")
    assert state.mail_hosts == ()


@pytest.mark.parametrize(("kind", "address"), [("A", "192.0.2.7"), ("AAAA", "2001:db8::7")])
def test_an_address_stands_in_for_an_mx(kind: str, address: str, server: DnsServer) -> None:
    server.add("plain-post.net", kind, address)
    state = look("plain-post.net", resolver=server.resolver())
    assert state.mail_hosts == ("plain-post.net",)
    assert "MX" not in dict(told(state))


def test_neither_mx_nor_address(server: DnsServer) -> None:
    server.text("text-post.net", "v=spf1 -all")
    state = look("text-post.net", resolver=server.resolver())
    assert told(state)[0] == ("MX", "warning")
    assert (state.exists, state.mail_hosts) == (True, ())


def test_a_domain_that_is_an_alias(server: DnsServer) -> None:
    server.add("old-post.net", "CNAME", f"{DOMAIN}.")
    server.text("_dmarc.old-post.net", DMARC)
    state = look("old-post.net", resolver=server.resolver())
    assert (state.findings, state.spf) == ((), (SPF,))


# SPF


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ((), "has no SPF record"),
        (("v=spf10 -all", "spf1 -all", " v=spf1 -all"), "has no SPF record"),
        ((SPF, "v=spf1 mx -all"), "has 2 SPF records"),
        (("v=spf1 ipv4:192.0.2.1 -all",), "'ipv4:192.0.2.1' means nothing"),
        (("v=spf1 ip4:192.0.2.999 -all",), "'ip4:192.0.2.999' means nothing"),
        (("v=spf1 ip6:2001:db8::/200 -all",), "'ip6:2001:db8::/200' means nothing"),
        (("v=spf1 include: -all",), "'include:' means nothing"),
        (("v=spf1 spf.carrier.net -all",), "'spf.carrier.net' means nothing"),
        (("v=spf1 include:gone.carrier.net -all",), "includes gone.carrier.net, which has none"),
        (("v=spf1 redirect=gone.carrier.net",), "includes gone.carrier.net, which has none"),
        (("v=spf1 mx +all",), "lets everybody send"),
        (("v=spf1 ALL",), "lets everybody send"),
        (("v=spf1" + "".join(f" a:h{number}.carrier.net" for number in range(11)) + " -all",), "more than 10 lookups"),
    ],
)
def test_spf(records: tuple[str, ...], words: str, server: DnsServer) -> None:
    """RFC 7208: exactly one record, which can be read."""
    replace_text(server, DOMAIN, *records)
    state = look(DOMAIN, resolver=server.resolver())
    assert told(state) == [("SPF", "warning")]
    assert words in state.findings[0].message
    assert state.findings[0].fix.endswith(".")


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1",
        "V=SPF1 MX -ALL",
        "v=spf1  mx  a/24 a:mail.fen-post.net/24//64 mx//64 ?exists:%{i}._spf.fen-post.net ptr:fen-post.net ~all",
        "v=spf1 ip4:192.0.2.1 ip4:192.0.2.0/24 ip6:2001:db8::/32 IP6:::1 exp=why.fen-post.net some-new=thing -all",
        "v=spf1 include:%{d}.spf.carrier.net -all",
        "v=spf1 redirect=spf.carrier.net",
        "v=spf1 -all redirect=gone.carrier.net include:gone.carrier.net",
        "v=spf1" + "".join(f" a:h{number}.carrier.net" for number in range(10)) + " -all a:late.carrier.net",
    ],
)
def test_spf_records_without_fault(record: str, server: DnsServer) -> None:
    replace_text(server, DOMAIN, record)
    assert look(DOMAIN, resolver=server.resolver()).findings == ()


def test_lookups_of_included_records_count(server: DnsServer) -> None:
    """RFC 7208 section 4.6.4: ten in all; two carriers with five each are too many, with their own two."""
    for carrier in ("one", "two"):
        server.text(f"{carrier}.carrier.net", "v=spf1" + "".join(f" a:h{n}.carrier.net" for n in range(5)) + " -all")
    replace_text(server, DOMAIN, "v=spf1 include:one.carrier.net include:two.carrier.net -all")
    state = look(DOMAIN, resolver=server.resolver())
    assert "more than 10 lookups" in state.findings[0].message


def test_a_record_that_includes_itself_ends(server: DnsServer) -> None:
    replace_text(server, DOMAIN, f"v=spf1 include:{DOMAIN} -all")
    assert "more than 10 lookups" in look(DOMAIN, resolver=server.resolver()).findings[0].message


def test_a_long_record_in_several_strings(server: DnsServer) -> None:
    """It comes over TCP, and its strings are joined without spaces (RFC 7208 section 3.3)."""
    record = "v=spf1" + "".join(f" ip4:192.0.2.{number}" for number in range(200)) + " ~all"
    replace_text(server, DOMAIN)
    server.text(DOMAIN, *pieces(record))
    state = look(DOMAIN, resolver=server.resolver())
    assert (state.spf, state.findings) == ((record,), ())
    assert server.questions.count((DOMAIN, "TXT")) == 2


def test_one_fault_in_spf_does_not_hide_another() -> None:
    faults = list(spf_faults(DOMAIN, ["v=spf1 nonsense +all"], 11, ["gone.net"]))
    assert len(faults) == 4


# DMARC


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ((), "has no DMARC record"),
        (("some text",), "has no DMARC record"),
        (("v=dmarc1; p=none",), "'v=dmarc1; p=none' does not begin with v=DMARC1;"),
        (("p=none; v=DMARC1",), "does not begin with v=DMARC1;"),
        (("v=DMARC1 p=none",), "does not begin with v=DMARC1;"),
        ((DMARC, "v=DMARC1; p=reject"), "several DMARC records"),
        (("v=DMARC1; rua=mailto:a@fen-post.net",), "no valid policy"),
        (("v=DMARC1; p=monitor",), "no valid policy"),
        (("v=DMARC1; p=",), "no valid policy"),
        (("v=DMARC1",), "no valid policy"),
        (("v=DMARC1; p=none; psd=y",), "has no DMARC record"),
    ],
)
def test_dmarc(records: tuple[str, ...], words: str, server: DnsServer) -> None:
    """RFC 9989: one record that begins with its version, with a policy."""
    replace_text(server, f"_dmarc.{DOMAIN}", *records)
    state = look(DOMAIN, resolver=server.resolver())
    assert told(state) == [("DMARC", "warning")]
    assert words in state.findings[0].message


@pytest.mark.parametrize(
    "record",
    [
        "v=DMARC1; p=none",
        "v=DMARC1;p=reject;sp=quarantine;pct=50;unknown=x",
        "V = DMARC1 ; P = Quarantine ;",
        "v=DMARC1; sp=none; p=none; p=nonsense",
    ],
)
def test_dmarc_records_without_fault(record: str, server: DnsServer) -> None:
    replace_text(server, f"_dmarc.{DOMAIN}", record, "some other text")
    state = look(DOMAIN, resolver=server.resolver())
    assert (state.findings, state.dmarc) == ((), record)


def mail_from(server: DnsServer, name: str) -> DomainState:
    server.add(name, "MX", f"10 mx1.{DOMAIN}.")
    server.text(name, SPF)
    return look(name, resolver=server.resolver())


def test_dmarc_of_a_parent(server: DnsServer) -> None:
    state = mail_from(server, f"weekly.news.{DOMAIN}")
    assert (state.findings, state.dmarc, state.dmarc_at) == ((), DMARC, DOMAIN)


def test_the_organizations_record_is_the_uppermost(server: DnsServer) -> None:
    server.text(f"_dmarc.news.{DOMAIN}", "v=DMARC1; p=nonsense")
    state = mail_from(server, f"weekly.news.{DOMAIN}")
    assert (state.findings, state.dmarc_at) == ((), DOMAIN)


def test_a_domains_own_record_comes_first(server: DnsServer) -> None:
    server.text(f"_dmarc.news.{DOMAIN}", "v=DMARC1; p=nonsense")
    state = mail_from(server, f"news.{DOMAIN}")
    assert (told(state), state.dmarc_at) == ([("DMARC", "warning")], f"news.{DOMAIN}")
    assert f"_dmarc.news.{DOMAIN}" in state.findings[0].message
    assert (f"_dmarc.{DOMAIN}", "TXT") not in server.questions


def test_a_registrys_record_is_nobodys_own(server: DnsServer) -> None:
    server.text("_dmarc.press.net", "v=DMARC1; p=reject; psd=y")
    assert told(mail_from(server, "fen.press.net")) == [("DMARC", "warning")]


def test_the_walk_upward_is_short(server: DnsServer) -> None:
    """RFC 9989 section 4.10: after the domain itself it goes on with seven labels; top-level domains are not asked."""
    name = f"a.b.c.d.e.f.g.h.i.{DOMAIN}"
    assert mail_from(server, name).dmarc_at == DOMAIN
    asked = [asked for asked, _ in server.questions if asked.startswith("_dmarc.")]
    walked = [f"e.f.g.h.i.{DOMAIN}", f"f.g.h.i.{DOMAIN}", f"g.h.i.{DOMAIN}", f"h.i.{DOMAIN}", f"i.{DOMAIN}", DOMAIN]
    assert asked == [f"_dmarc.{one}" for one in (name, *walked)]


# DKIM


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ((), "has no DKIM key at the selector s1 and s2"),
        (("v=DKIM1; p=",), "it is revoked"),
        (("some text",), "not one of DKIM"),
        (("v=DKIM2; p=abcd",), "not one of DKIM"),
        (("v=DKIM1; p=a*b",), "it is damaged"),
        ((rsa(94),), "fewer than 1,024 bits"),
    ],
)
def test_dkim(records: tuple[str, ...], words: str, server: DnsServer) -> None:
    replace_text(server, "s1.carrier.net", *records)
    state = look(DOMAIN, selectors=("s1", "s2"), resolver=server.resolver())
    assert told(state) == [("DKIM", "warning")]
    assert words in state.findings[0].message


@pytest.mark.parametrize(
    "record", [rsa(294), rsa(162), rsa(140), "p=" + "A" * 400, "v=DKIM1; k=ed25519; p=" + "A" * 43 + "="]
)
def test_dkim_keys_without_fault(record: str, server: DnsServer) -> None:
    replace_text(server, "s1.carrier.net", record)
    state = look(DOMAIN, selectors=("s2", "s1"), resolver=server.resolver())
    assert (state.findings, state.dkim) == ((), ("s1",))


def test_a_key_of_the_organization_is_enough(server: DnsServer) -> None:
    server.add(f"news.{DOMAIN}", "MX", f"10 mx1.{DOMAIN}.")
    server.text(f"news.{DOMAIN}", SPF)
    state = look(f"news.{DOMAIN}", selectors=("s1",), resolver=server.resolver())
    assert (state.findings, state.dkim) == ((), ("s1",))


# Where nobody answers


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the wait for answers that never come; how long it is is no part of what is tested here."""
    monkeypatch.setattr(domain, "QUESTION_SECONDS", 0.7)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("how", sorted(MISBEHAVIOURS.keys() - {"nxdomain"}))
@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        (DOMAIN, "TXT", "has an SPF record"),
        (f"_dmarc.{DOMAIN}", "TXT", "has a DMARC record"),
        (f"s1._domainkey.{DOMAIN}", "TXT", "has a DKIM key at the selector s1"),
    ],
)
def test_no_answer_is_no_finding(how: str, name: str, kind: str, words: str, server: DnsServer) -> None:
    server.misbehave(name, how, kind)
    state = look(DOMAIN, selectors=("s1",), resolver=server.resolver())
    assert state.findings == ()
    assert state.unknown == (f"Whether {DOMAIN} {words} cannot be told: the DNS did not answer.",)
    assert [state.spf, state.dmarc, state.dkim].count(None) == 1


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("how", sorted(MISBEHAVIOURS.keys() - {"nxdomain"}))
def test_where_nothing_is_answered_everything_is_unknown(how: str, server: DnsServer) -> None:
    server.misbehave("*", how)
    state = look(DOMAIN, selectors=("s1", "s2"), resolver=server.resolver())
    assert state.findings == ()
    assert state.unknown
    assert [state.exists, state.mail_hosts, state.spf, state.dmarc, state.dkim] == [None] * 5


@pytest.mark.usefixtures("hurry")
def test_a_silent_network_is_asked_once(server: DnsServer) -> None:
    server.misbehave("*", "silent")
    state = look(DOMAIN, selectors=("s1", "s2"), resolver=server.resolver())
    assert state == DomainState(DOMAIN, unknown=(f"Nothing can be told about {DOMAIN}: the DNS does not answer here.",))
    assert set(server.questions) == {(DOMAIN, "MX")}


@pytest.mark.parametrize("how", ["servfail", "refused"])
def test_one_broken_answer_is_not_the_end(how: str, server: DnsServer) -> None:
    server.misbehave(DOMAIN, how, "MX")
    state = look(DOMAIN, selectors=("s1",), resolver=server.resolver())
    assert state.findings == ()
    assert state.unknown == (f"Whether answers to {DOMAIN} arrive cannot be told: the DNS did not answer.",)
    assert (state.exists, state.mail_hosts, state.dmarc, state.dkim) == (True, None, DMARC, ("s1",))


def test_a_key_that_nobody_answered_for_may_be_the_one_that_is_used(server: DnsServer) -> None:
    server.misbehave(f"s1._domainkey.{DOMAIN}", "servfail")
    assert look(DOMAIN, selectors=("s1", "s2"), resolver=server.resolver()).findings == ()


def test_an_included_record_that_nobody_answered_for_is_no_finding(server: DnsServer) -> None:
    server.misbehave("spf.carrier.net", "servfail")
    assert look(DOMAIN, resolver=server.resolver()).findings == ()


@pytest.mark.usefixtures("hurry")
def test_the_time_is_for_all_questions_together(server: DnsServer) -> None:
    server.misbehave(DOMAIN, "silent", "TXT")
    state = look(DOMAIN, selectors=("s1",), resolver=server.resolver(), seconds=0.7)
    assert state.mail_hosts is not None
    assert len(state.unknown) == 3
    assert (f"_dmarc.{DOMAIN}", "TXT") not in server.questions


@pytest.mark.usefixtures("hurry")
def test_without_a_network_nothing_is_told() -> None:
    with DnsServer() as gone:
        resolver = gone.resolver()
    state = look(DOMAIN, selectors=("s1",), resolver=resolver)
    assert (state.findings, len(state.unknown)) == ((), 1)


def test_without_a_resolver_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container without an /etc/resolv.conf."""

    def nothing(*_: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", nothing)
    state = look(DOMAIN)
    assert (state.findings, len(state.unknown)) == ((), 1)
