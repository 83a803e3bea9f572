"""Preflight's look at links: what a server's answers say of a link, and how gently it is asked."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
import trustme

from newsletter.errors import FetchError
from newsletter.reach import links
from newsletter.reach.links import LinkState, look
from newsletter.reach.pages import stands_for
from newsletter.sources.http import Client
from tests.servers.http import LOOPBACK, FeedServer

UNTOLD = "Whether it opens cannot be told from here: "


@dataclass
class Site:
    """Web servers for any host, all on one port of loopback. `answers` by method and path; others are 404."""

    port: int = 0
    answers: dict[tuple[str, str], tuple[int, dict[str, str]]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    busy: Counter[str] = field(default_factory=Counter)
    most_at_a_time: Counter[str] = field(default_factory=Counter)
    slow: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str, host: str = "post.example") -> str:
        return f"http://{host}:{self.port}{path}"

    def serve(self, path: str, status: int = 200, *, head: int | None = None, **headers: str) -> str:
        """Answer for `path`; `head` is the status for HEAD where that is another."""
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        self.answers["GET", path] = (status, named)
        self.answers["HEAD", path] = (status if head is None else head, named)
        return self.url(path)

    def methods(self, path: str) -> list[str]:
        return [method for method, _, asked in self.asked if asked == path]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        host = handler.headers["Host"].partition(":")[0]
        with self.lock:
            self.asked.append((handler.command, host, handler.path))
            self.busy[host] += 1
            self.most_at_a_time[host] = max(self.most_at_a_time[host], self.busy[host])
        time.sleep(self.slow)
        status, headers = self.answers.get((handler.command, handler.path), (404, {}))
        with self.lock:
            self.busy[host] -= 1
        handler.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()


@contextmanager
def served(site: Site, tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.answer(self)

        def do_HEAD(self) -> None:
            site.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep the tests' output clean."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Stay silent about clients that hang up."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


#: Host -> how looking it up fails.
LOOKUPS: dict[str, OSError | UnicodeError] = {
    "nowhere.example": socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    "no-address.example": socket.gaierror(socket.EAI_NODATA, "No address associated with hostname"),
    "asleep.example": socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    "impossible.example": UnicodeError("label too long"),
}


def addresses(host: str, port: int) -> Sequence[str]:
    if host in LOOKUPS:
        raise LOOKUPS[host]
    return ["10.1.2.3"] if host == "inside.example" else ["127.0.0.1"]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses; how long they are is no part of what is tested here."""
    monkeypatch.setattr(links, "PAUSE_SECONDS", 0.02)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the wait for answers that never come."""
    monkeypatch.setattr(links, "HEAD_SECONDS", 0.7)
    monkeypatch.setattr(links, "GET_SECONDS", 0.7)


@pytest.fixture
def site() -> Iterator[Site]:
    with served(Site()) as site:
        yield site


def make_client(resolve: Callable[[str, int], Sequence[str]] = addresses, *, per_host: int = 2) -> Client:
    return Client(
        timeout=20,
        max_bytes=1_000_000,
        user_agent="Newsletter/test",
        private_networks=LOOPBACK,
        per_host=per_host,
        resolve=resolve,
    )


@pytest.fixture
def client() -> Iterator[Client]:
    client = make_client()
    yield client
    client.close()


# What an answer says


@pytest.mark.parametrize(
    ("status", "verdict", "words"),
    [
        (200, "works", ""),
        (204, "works", ""),
        (206, "works", ""),
        (404, "gone", "nothing at this address"),
        (410, "gone", "taken this page away"),
        (400, "unknown", "does not show it to programs"),
        (401, "unknown", "password"),
        (402, "unknown", "money"),
        (403, "unknown", "does not let programs look"),
        (405, "unknown", "HTTP status 405"),
        (406, "unknown", "HTTP status 406"),
        (418, "unknown", "HTTP status 418"),
        (429, "unknown", "too often"),
        (451, "unknown", "legal"),
        (500, "unknown", "trouble of its own"),
        (503, "unknown", "trouble of its own"),
        (530, "unknown", "trouble of its own"),
        (999, "unknown", "does not show it to programs (HTTP status 999)"),
        (304, "unknown", "HTTP status 304"),
    ],
)
def test_statuses(status: int, verdict: str, words: str, site: Site, client: Client) -> None:
    url = site.serve("/2026/11/a-story", status)
    state = look([url], client)[url]
    assert state.verdict == verdict
    assert words in state.sentence
    assert state.sentence.startswith(UNTOLD) == (verdict == "unknown")
    assert state.final_url == (url if verdict == "works" else "")


@pytest.mark.parametrize("head", [400, 403, 404, 405, 410, 500, 501])
def test_what_a_head_is_refused_a_get_is_asked(head: int, site: Site, client: Client) -> None:
    url = site.serve("/a-story", 200, head=head)
    assert look([url], client)[url] == LinkState("works", "", url)
    assert site.methods("/a-story") == ["HEAD", "GET"]


@pytest.mark.parametrize("status", [200, 429, 503])
def test_a_get_is_not_asked_where_a_head_says_enough_or_the_host_wants_rest(
    status: int, site: Site, client: Client
) -> None:
    url = site.serve("/a-story", status)
    look([url], client)
    assert site.methods("/a-story") == ["HEAD"]


def test_a_page_is_not_downloaded(client: Client) -> None:
    """Neither by the HEAD, which this server refuses, nor by the GET: its fifty megabytes are none of our business."""
    with FeedServer() as server:
        server.misbehave("/a-story", "fifty_megabytes")
        assert look([server.url("/a-story")], client, trial=True)[server.url("/a-story")].verdict == "works"
        assert server.requests[0].headers["Accept"].startswith("text/html")


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("hangs_up", "unknown"),
        ("not_http", "unknown"),
        ("endless_header", "unknown"),
        ("redirect_loop", "unknown"),
        ("redirect_chain", "unknown"),
        ("redirect_to_ftp", "unknown"),
        ("redirect_to_nonsense", "unknown"),
        ("redirect_to_credentials", "unknown"),
        ("damaged_gzip", "works"),
        ("announced_fifty_megabytes", "works"),
        ("slow_drip", "works"),
        ("empty", "works"),
    ],
)
def test_misbehaviours_are_no_errors(name: str, verdict: str, client: Client) -> None:
    with FeedServer() as server:
        server.misbehave("/a-story", name)
        state = look([server.url("/a-story")], client, trial=True)[server.url("/a-story")]
        assert state.verdict == verdict
        assert verdict == "works" or state.sentence.startswith(UNTOLD)
        assert "secret" not in state.sentence


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ["never_answers", "slow_headers"])
def test_what_never_ends_is_not_waited_for(name: str, client: Client) -> None:
    with FeedServer() as server:
        server.misbehave("/a-story", name)
        state = look([server.url("/a-story")], client, trial=True)[server.url("/a-story")]
        assert state == LinkState("unknown", f"{UNTOLD}its server did not answer in time.")


def test_a_server_that_never_answers_a_head(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some load balancers drop HEAD; the page is there all the same."""
    monkeypatch.setattr(links, "HEAD_SECONDS", 0.7)

    def answer(connection: socket.socket) -> None:
        request = connection.recv(10_000)
        if request.startswith(b"GET"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = []

        def run() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                kept.append(connection)
                answer(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        url = f"http://post.example:{server.getsockname()[1]}/a-story"
        assert look([url], client)[url].verdict == "works"
        thread.join()
        for connection in kept:
            connection.close()


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_the_story_works(status: int, site: Site, client: Client) -> None:
    site.serve("/new/a-story")
    url = site.serve("/old/a-story", status, location="/new/a-story")
    assert look([url], client)[url] == LinkState("works", "", site.url("/new/a-story"))


@pytest.mark.parametrize("path", ["/", "/index.html", "/en/", "/?utm_source=feed", "/de/home"])
def test_a_story_that_leads_to_the_front_page_is_gone(path: str, site: Site, client: Client) -> None:
    """A soft 404: the server says 200."""
    site.serve(path)
    url = site.serve("/2026/11/a-story", 302, location=path)
    state = look([url], client)[url]
    assert (state.verdict, state.final_url) == ("gone", site.url(path))
    assert state.sentence == f"It leads to the front page {site.url(path)} instead of the story."


def test_redirects_into_what_is_gone(site: Site, client: Client) -> None:
    url = site.serve("/a-story", 301, location="/nothing-here")
    assert look([url], client)[url].verdict == "gone"


@pytest.mark.parametrize(
    ("address", "final", "standing"),
    [
        ("https://a.example/2026/story", "https://a.example/2026/story", ""),
        ("https://a.example/2026/story", "https://www.a.example/2026/story/", ""),
        ("https://a.example/2026/story", "https://a.example/", "front page"),
        ("https://a.example/2026/story", "https://a.example", "front page"),
        ("https://a.example/2026/story", "https://b.example/", "front page"),
        ("https://a.example/2026/story", "https://a.example/index.php?lang=en", "front page"),
        ("https://a.example/2026/story", "https://a.example/pt-BR/", "front page"),
        ("https://a.example/2026/story", "https://a.example/?story=17", ""),
        ("https://a.example/?p=17", "https://a.example/", "front page"),
        ("https://a.example/?p=17", "https://a.example/2026/story", ""),
        ("https://a.example/a-story.html", "https://a.example/", "front page"),
        ("https://a.example/17", "https://a.example/", "front page"),
        # Not a story's address, so the front page may be what was meant.
        ("https://a.example/", "https://a.example/en/", ""),
        ("https://a.example/en", "https://a.example/", ""),
        ("https://a.example/podcast", "https://podcast.a.example/", ""),
        # A section is not the front page; some sites show stories there.
        ("https://a.example/2026/story", "https://a.example/sport", ""),
        ("https://a.example/2026/story", "https://a.example/404", "missing"),
        ("https://a.example/2026/story", "https://a.example/en/404.html", "missing"),
        ("https://a.example/2026/story", "https://a.example/page-not-found/", "missing"),
        ("https://a.example/2026/story", "https://a.example/2026/not-found-in-the-fens", ""),
        ("https://a.example/2026/story", "https://a.example/login?next=/2026/story", "sign-in"),
        ("https://a.example/2026/story", "https://consent.a.example/v2/collect", "sign-in"),
        ("https://a.example/2026/story", "https://a.example/2026/story/sign-in-at-the-border", ""),
    ],
)
def test_what_redirects_lead_to(address: str, final: str, standing: str) -> None:
    assert stands_for(address, final) == standing


def test_a_redirect_to_a_sign_in_page_says_nothing(site: Site, client: Client) -> None:
    site.serve("/login")
    url = site.serve("/a-story", 302, location="/login")
    state = look([url], client)[url]
    assert state.verdict == "unknown"
    assert "sign in" in state.sentence


# Hosts and addresses


@pytest.mark.parametrize(
    ("host", "verdict", "words"),
    [
        ("nowhere.example", "gone", "does not exist"),
        ("no-address.example", "gone", "does not exist"),
        ("impossible.example", "gone", "no host can have such a name"),
        ("asleep.example", "unknown", "could not be looked up"),
        ("inside.example", "unknown", "no web server on the public Internet"),
    ],
)
def test_hosts_that_are_not_found(host: str, verdict: str, words: str, site: Site, client: Client) -> None:
    works, lost = site.serve("/works"), site.url("/a-story", host)
    states = look([works, lost], client)
    assert states[works].verdict == "works"
    assert states[lost].verdict == verdict
    assert words in states[lost].sentence


def test_a_host_is_looked_up_twice_before_it_does_not_exist(site: Site) -> None:
    """Resolvers have bad moments."""
    failures = iter([LOOKUPS["nowhere.example"]])

    def resolve(host: str, port: int) -> Sequence[str]:
        if host == "moody.example" and (failure := next(failures, None)):
            raise failure
        return addresses(host, port)

    client = make_client(resolve)
    site.serve("/a-story")
    moody = site.url("/a-story", "moody.example")
    assert look([site.url("/a-story"), moody], client)[moody].verdict == "works"
    client.close()


def test_without_a_network_everything_is_unknown(client: Client) -> None:
    """Some resolvers without the Internet say that no name exists; so nothing is said of any."""
    urls = [f"https://nowhere.example/{number}" for number in range(20)] + ["https://asleep.example/a-story"]
    states = look(urls, client)
    assert list(states) == urls
    assert {state.verdict for state in states.values()} == {"unknown"}
    assert "this machine may have no Internet" in states[urls[0]].sentence


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1/a-story", "127.0.0.1 is inside"),
        ("http://10.0.0.5:8080/a-story", "10.0.0.5 is inside"),
        ("http://[::1]/a-story", "::1 is inside"),
        ("http://[::ffff:192.168.1.1]/a-story", "is inside"),
        ("http://169.254.169.254/a-story", "is inside"),
        ("http://localhost/a-story", "localhost is inside"),
        ("http://cms.local/a-story", "cms.local is inside"),
        ("https://cms.internal./a-story", "cms.internal is inside"),
        ("mailto:news@example.org", "must start with https:// or http://."),
        ("", "must start with"),
        ("https://", "no host name"),
        ("https://[::1/", "not a web address"),
        ("https://[::1/#part", "not a web address"),
        ("https://editor:secret@example.org/", "it carries a user name or password."),
    ],
)
def test_what_readers_cannot_open_threat_5(url: str, words: str, client: Client) -> None:
    """Nobody is asked: the client of these tests may read from loopback, and nothing listens there."""
    state = look([url], client)[url]
    assert state.verdict == "gone"
    assert state.sentence.startswith("Readers cannot open it: ")
    assert words in state.sentence
    assert "secret" not in state.sentence


def test_a_trial_may_have_links_to_its_own_machine(site: Site, client: Client) -> None:
    site.serve("/a-story")
    url = f"http://127.0.0.1:{site.port}/a-story"
    assert look([url], client)[url].verdict == "gone"
    assert look([url], client, trial=True)[url].verdict == "works"


def test_a_redirect_into_the_network_is_not_followed_threat_5(site: Site) -> None:
    url = site.serve("/a-story", 302, location="http://10.9.8.7/inside")
    client = make_client()
    assert look([url], client)[url].verdict == "unknown"
    client.close()


# Certificates


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Return an authority that clients made from now on trust."""
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr(httpx2, "create_ssl_context", lambda **_: context)
    return authority


def context_with(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("kind", "verdict", "words"),
    [
        ("good", "works", ""),
        ("expired", "gone", "certificate has expired"),
        ("other name", "gone", "is for another name"),
        ("own", "gone", "signed by nobody but itself"),
        # We may lack an intermediate or an authority that browsers have.
        ("unknown issuer", "unknown", "no secure connection"),
    ],
)
def test_certificates(kind: str, verdict: str, words: str, trusted: trustme.CA) -> None:
    name = "other.example" if kind == "other name" else "post.example"
    after = datetime(2021, 1, 1, tzinfo=UTC) if kind == "expired" else None
    issuer = trustme.CA() if kind == "unknown issuer" else trusted
    context = context_with(issuer.issue_cert(name, not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=after))
    if kind == "own":
        own = trustme.CA()
        with own.private_key_pem.tempfile() as key, own.cert_pem.tempfile() as certificate:
            context.load_cert_chain(certificate, key)
    client = make_client()
    with served(Site(), context) as site:
        site.serve("/a-story")
        url = site.url("/a-story").replace("http:", "https:")
        state = look([url], client)[url]
    client.close()
    assert state.verdict == verdict
    assert words in state.sentence


def test_no_secure_connection_is_unknown(site: Site, client: Client) -> None:
    url = site.serve("/a-story").replace("http:", "https:")
    assert look([url], client)[url].verdict == "unknown"


def test_nothing_listens(client: Client) -> None:
    with served(Site()) as site:
        url = site.url("/a-story")
    assert look([url], client)[url].sentence == f"{UNTOLD}its server takes no connections now."


# Care


def test_an_address_is_asked_for_once(site: Site, client: Client) -> None:
    url = site.serve("/a-story")
    states = look([url, url, f"{url}#part-2", f"{url}#part-3"], client)
    assert list(states) == [url, f"{url}#part-2", f"{url}#part-3"]
    assert {state.verdict for state in states.values()} == {"works"}
    assert len(site.asked) == 1


def test_hosts_are_asked_at_the_same_time_and_each_for_one_link_at_a_time(site: Site) -> None:
    site.slow = 0.05
    client = make_client(per_host=8)
    hosts = [f"outlet-{number}.example" for number in range(4)]
    for number in range(5):
        site.serve(f"/story-{number}")
    urls = [site.url(f"/story-{number}", host) for host in hosts for number in range(5)]
    states = look(urls, client)
    client.close()
    assert {state.verdict for state in states.values()} == {"works"}
    assert site.most_at_a_time == dict.fromkeys(hosts, 1)
    first = [host for _, host, _ in site.asked[:4]]
    assert sorted(first) == hosts


def test_a_host_that_asks_for_rest_is_left_alone(site: Site, client: Client) -> None:
    busy = site.serve("/story-1", 429, retry_after="60")
    others = [site.serve(f"/story-{number}") for number in (2, 3)]
    states = look([busy, *others], client)
    assert len(site.asked) == 1
    assert {state.verdict for state in states.values()} == {"unknown"}
    assert states[others[0]].sentence == f"{UNTOLD}its host asked to be left alone for a while."


def test_robots_are_not_asked_and_nothing_is_told(site: Site, client: Client) -> None:
    url = site.serve("/a-story")
    site.serve("/robots.txt")
    look([url], client)
    assert site.asked == [("HEAD", "post.example", "/a-story")]


def test_what_there_was_no_time_for_is_unknown(site: Site, client: Client) -> None:
    urls = [site.serve(f"/story-{number}") for number in range(50)]
    site.slow = 0.4
    states = look(urls, client, seconds=2.0)
    verdicts = [state.verdict for state in states.values()]
    assert verdicts[0] == "works"
    assert verdicts[-1] == "unknown"
    assert states[urls[-1]].sentence == f"{UNTOLD}there was no time left to ask."
    asked = len(site.asked)
    time.sleep(1.0)
    assert len(site.asked) <= asked + 1  # the one that was under way at the end


def test_a_silent_network_ends_the_look(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver without a way out may keep us waiting for minutes; nobody waits with it."""
    leaving = threading.Event()
    looked_up: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        looked_up.append(host)
        leaving.wait(30)
        return []

    monkeypatch.setattr(links, "SILENT_SECONDS", 0.2)
    silent = make_client(resolve)
    states = look([f"https://post-{number}.example/a-story" for number in range(20)], silent, seconds=25)
    workers = [thread for thread in threading.enumerate() if thread.name.startswith("links-")]
    leaving.set()
    for worker in workers:
        worker.join()
    assert {state.verdict for state in states.values()} == {"unknown"}
    assert len(looked_up) == links.THREADS  # nobody goes on once the look is over


def test_slow_servers_are_waited_for_once_one_has_answered(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "SILENT_SECONDS", 1.0)

    def resolve(host: str, port: int) -> Sequence[str]:
        time.sleep(1.5 if host == "slow.example" else 0)
        return addresses(host, port)

    site.serve("/a-story")
    slow = site.url("/a-story", "slow.example")
    assert look([site.url("/a-story"), slow], make_client(resolve))[slow].verdict == "works"


def test_a_host_gets_a_pause_between_two_requests(site: Site, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """One so long that there is no time for the second; the other host is not kept waiting by it."""
    monkeypatch.setattr(links, "PAUSE_SECONDS", 20.0)
    urls = [site.serve("/story-1"), site.serve("/story-2"), site.url("/story-1", "courier.example")]
    states = look(urls, client, seconds=2.0)
    assert [state.verdict for state in states.values()] == ["works", "unknown", "works"]
    assert site.methods("/story-2") == []


def test_progress(site: Site, client: Client) -> None:
    told: list[tuple[int, int]] = []
    caller = threading.get_ident()

    def progress(done: int, total: int) -> None:
        assert threading.get_ident() == caller
        told.append((done, total))

    url = site.serve("/a-story")
    look([url, f"{url}#2", site.url("/other"), site.url("/a-story", "nowhere.example")], client, progress=progress)
    assert told == [(2, 4), (3, 4), (4, 4)]


def test_nothing_to_look_at(client: Client) -> None:
    assert look([], client) == {}


def test_a_bug_is_raised_where_it_is_looked_at(client: Client) -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        look(["https://post.example/a-story"], make_client(resolve))


# The client's part


def test_a_probe_reads_nothing_and_follows_redirects(site: Site, client: Client) -> None:
    site.serve("/there")
    assert client.probe(site.serve("/here", 301, location="/there")) == site.url("/there")
    assert site.methods("/here") == site.methods("/there") == ["HEAD"]
    client.probe(site.url("/there"), method="GET")
    assert site.methods("/there") == ["HEAD", "GET"]


def test_a_probe_fails_as_a_get_does(site: Site, client: Client) -> None:
    with pytest.raises(FetchError) as caught:
        client.probe(site.url("/nothing"))
    assert caught.value.status == 404
    with pytest.raises(FetchError, match="not on the public Internet"):
        client.probe("http://inside.example/")
