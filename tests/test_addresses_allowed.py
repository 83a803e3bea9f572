"""Threat 5: which addresses are fetched. Every spelling, asked for, redirected to, or told by the resolver."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

import pytest

from newsletter.errors import FetchError
from newsletter.sources.http import Client
from newsletter.sources.net.addresses import Reach, is_inside_name, wrong_with
from newsletter.sources.net.network import system_addresses
from tests.servers.http import FeedServer

PUBLIC = "93.184.216.34"

TABLE = tomllib.loads((Path(__file__).parent / "data" / "addresses.toml").read_text(encoding="utf-8"))
REFUSED, SPELLINGS, PASSES = TABLE["refused"], TABLE["spellings"], TABLE["public"]


def test_the_table_is_as_long_as_threat_5_wants_it() -> None:
    assert len({*REFUSED, *SPELLINGS}) >= 120


@pytest.fixture(scope="module")
def front() -> Iterator[FeedServer]:
    """Yield a server that stands for one on the public Internet: its network is allowed, the rest of loopback is not."""
    with FeedServer(address="127.0.0.2") as server:
        yield server


@pytest.fixture(scope="module")
def inside() -> Iterator[FeedServer]:
    """Yield a server that nobody may reach."""
    with FeedServer() as server:
        server.serve("/", b"<rss>secret</rss>")
        yield server
        assert server.requests == []


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    client = Client(
        timeout=20, max_bytes=1_000_000, user_agent="test", private_networks=["127.0.0.2/32"], resolve=resolve
    )
    yield client
    client.close()


def host(address: str) -> str:
    return f"[{address}]" if ":" in address and not address.startswith("[") else address


#: What says that an address was refused, not just that nothing answered.
REASONS = ("not on the public Internet", "cannot be used", "cannot exist", "is unknown", "no address that sources")


def is_refusal(sentence: str) -> bool:
    return any(reason in sentence for reason in REASONS)


def resolve(name: str, port: int) -> Sequence[str]:
    """Resolve a name for the machine or its host to a public address, as a hostile resolver might; others for real."""
    return [PUBLIC] if is_inside_name(name) else system_addresses(name, port)


@pytest.mark.parametrize("written", [*REFUSED, *SPELLINGS])
def test_an_address_inside_is_not_fetched(written: str, inside: FeedServer, client: Client) -> None:
    with pytest.raises(FetchError) as caught:
        client.get(f"http://{host(written)}:{inside.port}/", accept="*/*")
    assert is_refusal(caught.value.sentence)


@pytest.mark.parametrize("written", [*REFUSED, *SPELLINGS])
def test_an_address_inside_is_not_followed_to(
    written: str, front: FeedServer, inside: FeedServer, client: Client
) -> None:
    front.redirect("/feed", f"http://{host(written)}:{inside.port}/")
    with pytest.raises(FetchError) as caught:
        client.get(front.url("/feed"), accept="*/*")
    assert caught.value.url == front.url("/feed")
    assert is_refusal(caught.value.sentence) or "without saying where to" in caught.value.sentence
    assert len(front.requests) >= 1


def test_a_name_that_resolves_inside_is_not_fetched(inside: FeedServer) -> None:
    """Every address counts: one that is inside makes the name refused, wherever it stands among good ones."""
    told: list[str] = []
    careful = Client(
        timeout=20, max_bytes=1_000, user_agent="test", ports=[inside.port], resolve=lambda name, port: told
    )
    for address in REFUSED:
        for answers in ([address], [PUBLIC, address], [address, PUBLIC]):
            told[:] = answers
            with pytest.raises(FetchError, match="not on the public Internet"):
                careful.get(f"http://news.example:{inside.port}/", accept="*/*")
    careful.close()


@pytest.mark.parametrize("address", PASSES)
def test_an_address_of_the_public_internet_passes(address: str) -> None:
    assert Reach().refusal("news.example", 443, address) == ""


@pytest.mark.parametrize(
    ("port", "sentence"),
    [
        (80, ""),
        (443, ""),
        (8080, ""),
        (8443, ""),
        (8000, ""),
        (25, "Port 25 is none of"),
        (6379, "add 6379 to `ports`"),
    ],
)
def test_only_the_ports_of_web_servers_pass(port: int, sentence: str) -> None:
    found = Reach.of([], [8000]).refusal("news.example", port, PUBLIC)
    assert (sentence in found) if sentence else found == ""


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("10.2.0.1", False),
        ("fd00::7", True),
        ("64:ff9b::10.1.2.3", False),
        ("169.254.169.254", False),
    ],
)
def test_a_network_of_the_newsroom_passes_at_any_port(address: str, allowed: bool) -> None:
    reach = Reach.of(["10.1.0.0/16", "fd00::/64"], [])
    assert (reach.refusal("cms.internal", 8069, address) == "") is allowed


def test_the_sentence_says_what_to_set(inside: FeedServer) -> None:
    careful = Client(timeout=20, max_bytes=1_000, user_agent="test")
    with pytest.raises(FetchError) as caught:
        careful.get(inside.url("/"), accept="*/*")
    careful.close()
    assert caught.value.sentence == (
        "127.0.0.1 is not on the public Internet, and sources are read from there only. "
        'If it is the newsroom\'s own, add "127.0.0.1/32" to `private_networks` under [fetch].'
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://user@93.184.216.34/",
        "http://@127.0.0.1/",
        "http://:@127.0.0.1/",
        "http://93.184.216.34@127.0.0.1/",
        "http://93.184.216.34:80@127.0.0.1/",
        "http://93.184.216.34%40127.0.0.1@127.0.0.1/",
        "http://good.example\\@127.0.0.1/",
        "http://good.example\\.evil.example/",
        "http://127.0.0.1\t/",
        "http://good.example /",
        "http://[127.0.0.1/",
        "http://",
        "http:///127.0.0.1/",
        "http:127.0.0.1",
        "//127.0.0.1/",
        "gopher://127.0.0.1/",
        "file:///etc/passwd",
        "dict://127.0.0.1:11211/",
        "ftp://127.0.0.1/",
        "data:text/xml,<rss/>",
        "jar:http://127.0.0.1!/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    assert wrong_with(url)


def test_a_name_that_changes_what_it_resolves_to_reaches_nothing_inside(inside: FeedServer) -> None:
    """Rebinding: an allowed address first, then one inside, with no time between; 10,000 fetches, no hit."""
    told = cycle([["127.0.0.2"], ["127.0.0.1"]])
    asked = 0

    def rebinding(name: str, port: int) -> Sequence[str]:
        nonlocal asked
        asked += 1
        return next(told)

    careful = Client(
        timeout=20, max_bytes=1_000, user_agent="test", private_networks=["127.0.0.2/32"], resolve=rebinding
    )
    for _ in range(10_000):
        with pytest.raises(FetchError, match="connection refused|not on the public Internet"):
            careful.get(f"http://rebinding.example:{inside.port}/", accept="*/*")
    careful.close()
    assert asked == 10_000
    assert inside.requests == []


def test_a_redirect_to_the_same_name_is_looked_up_and_checked_again(front: FeedServer, inside: FeedServer) -> None:
    told = cycle([["127.0.0.2"], ["127.0.0.1"]])
    front.redirect("/again", "/again2")
    careful = Client(
        timeout=20,
        max_bytes=1_000,
        user_agent="test",
        private_networks=["127.0.0.2/32"],
        resolve=lambda name, port: next(told),
    )
    with pytest.raises(FetchError, match=r"It redirects to http://rebinding.example.* \(127.0.0.1\) is not on the"):
        careful.get(f"http://rebinding.example:{front.port}/again", accept="*/*")
    careful.close()


def test_the_name_stays_in_the_request(front: FeedServer) -> None:
    """The connection goes to the number, and the server still hears which of its sites is meant."""
    front.serve("/named", b"<rss/>")
    careful = Client(
        timeout=20,
        max_bytes=1_000,
        user_agent="test",
        private_networks=["127.0.0.2/32"],
        resolve=lambda name, port: ["127.0.0.2"],
    )
    assert careful.get(f"http://news.example:{front.port}/named").body == b"<rss/>"
    careful.close()
    assert front.requests[-1].headers["Host"] == f"news.example:{front.port}"
