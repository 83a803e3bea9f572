"""The connections to SendGrid, against servers that break them at every point: who was surely not taken is told so."""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request

import pytest

from newsletter.errors import ProviderRefused
from newsletter.mail import Outcome, Status
from newsletter.providers.sendgrid import SendGridProvider, transport
from newsletter.testing.sendgrid import API_KEY
from tests.contracts.providers import make_mail, make_readers
from tests.servers.smtp import free_port, make_certificates

A, N, U = Status.ACCEPTED, Status.NOT_TRIED, Status.UNCERTAIN
TAKEN = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: m1\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Arrived:
    """A request as it arrived: its head in lower case, and its body."""

    head: str
    body: bytes


@dataclass
class Line:
    """One connection, from the server's side."""

    sock: socket.socket
    requests: list[Arrived]
    _buffer: bytes = b""

    def read(self) -> Arrived:
        """Read a whole request. Raises EOFError at the end of the connection."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
        while len(self._buffer) < length:
            self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        self.requests.append(Arrived("\r\n".join(lines), body))
        return self.requests[-1]

    def say(self, *parts: bytes, gap: float = 0.0) -> None:
        """Send parts, with a gap in seconds before each but the first."""
        for number, part in enumerate(parts):
            time.sleep(gap if number else 0)
            self.sock.sendall(part)

    def reset(self) -> None:
        """Close with RST instead of an orderly end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _more(self) -> None:
        got = self.sock.recv(65_536)
        if not got:
            raise EOFError
        self._buffer += got


@dataclass
class Server:
    """What a test looks at."""

    port: int = 0
    connections: int = 0
    requests: list[Arrived] = field(default_factory=list)


@contextmanager
def serving(*scripts: Callable[[Line], None], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve connections one after the other, each by its script; the last script serves all that follow."""
    server = Server()
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.port = listening.getsockname()[1]
        open_now: list[socket.socket] = []

        def run() -> None:
            while True:
                try:
                    sock, _ = listening.accept()
                except OSError:
                    return
                open_now.append(sock)
                script = scripts[min(server.connections, len(scripts) - 1)]
                server.connections += 1
                with suppress(OSError, EOFError):
                    sock = tls.wrap_socket(sock, server_side=True) if tls else sock
                    open_now.append(sock)
                    script(Line(sock, server.requests))
                sock.close()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for sock in open_now:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            thread.join()


def provider(server: Server, **options: float) -> SendGridProvider:
    return SendGridProvider(
        api_key=API_KEY, host=f"http://127.0.0.1:{server.port}", timeout=options.get("timeout", 5.0)
    )


def send(to: SendGridProvider, count: int = 2) -> list[Outcome]:
    return to.send(make_mail(), make_readers(count))


def statuses(outcomes: Sequence[Outcome]) -> list[Status]:
    return [outcome.status for outcome in outcomes]


def answering(*parts: bytes, gap: float = 0.0) -> Callable[[Line], None]:
    """Return a script that reads each request, answers with these bytes, and keeps the connection."""

    def script(line: Line) -> None:
        while True:
            line.read()
            line.say(*parts, gap=gap)

    return script


def once(*parts: bytes, gap: float = 0.0) -> Callable[[Line], None]:
    """Return a script that reads one request, answers with these bytes, and closes."""

    def script(line: Line) -> None:
        line.read()
        line.say(*parts, gap=gap)

    return script


def silent(line: Line) -> None:
    """Read a request and say nothing until the other side goes."""
    line.read()
    line.read()


class TestKept:
    def test_one_connection_carries_all_requests(self) -> None:
        with serving(answering(TAKEN)) as server:
            to = provider(server)
            assert [statuses(send(to)) for _ in range(5)] == [[A, A]] * 5
            to.close()
        assert (server.connections, len(server.requests)) == (1, 5)

    def test_requests_are_what_http_asks_for(self) -> None:
        with serving(answering(TAKEN)) as server:
            send(provider(server))
        head = server.requests[0].head.split("\r\n")
        assert head[0] == "post /v3/mail/send http/1.1"
        assert f"host: 127.0.0.1:{server.port}" in head
        assert f"authorization: bearer {API_KEY.lower()}" in head
        assert "content-type: application/json" in head
        assert not [line for line in head if line.startswith(("connection:", "transfer-encoding:", "expect:"))]
        names = [line.partition(":")[0] for line in head[1:]]
        assert len(names) == len(set(names))
        assert len(json.loads(server.requests[0].body)["personalizations"]) == 2

    def test_another_is_opened_when_the_server_closed_it_while_it_rested(self) -> None:
        """It is seen before anything is sent, so nobody is uncertain."""
        closed = threading.Event()

        def closes(line: Line) -> None:
            line.read()
            line.say(TAKEN)
            line.sock.shutdown(socket.SHUT_WR)
            closed.set()

        with serving(closes, answering(TAKEN)) as server:
            to = provider(server)
            assert statuses(send(to)) == [A, A]
            assert closed.wait(5)
            assert statuses(send(to)) == [A, A]
        assert (server.connections, len(server.requests)) == (2, 2)

    def test_another_is_opened_when_it_was_reset_while_it_rested(self) -> None:
        gone = threading.Event()

        def resets(line: Line) -> None:
            line.read()
            line.say(TAKEN)
            time.sleep(0.05)
            line.reset()
            gone.set()

        with serving(resets, answering(TAKEN)) as server:
            to = provider(server)
            assert statuses(send(to)) == [A, A]
            assert gone.wait(5)
            time.sleep(0.05)
            assert statuses(send(to)) == [A, A]
        assert (server.connections, len(server.requests)) == (2, 2)

    def test_one_that_says_something_unasked_is_not_used_again(self) -> None:
        """What it said would be read as the answer to the next request."""
        said = threading.Event()

        def talks(line: Line) -> None:
            line.read()
            line.say(TAKEN, b"HTTP/1.1 500 Later\r\nContent-Length: 0\r\n\r\n", gap=0.05)
            said.set()
            line.read()

        with serving(talks, answering(TAKEN)) as server:
            to = provider(server)
            assert statuses(send(to)) == [A, A]
            assert said.wait(5)
            assert statuses(send(to)) == [A, A]
        assert server.connections == 2

    @pytest.mark.parametrize("status", [101, 301, 400, 401, 413, 429, 500, 503])
    def test_one_with_an_error_is_not_used_again(self, status: int) -> None:
        """Many servers close it then without a word, while the next request is on its way."""
        with serving(answering(b"HTTP/1.1 %d Oh\r\nContent-Length: 0\r\n\r\n" % status), answering(TAKEN)) as server:
            to = provider(server)
            with suppress(ProviderRefused):
                send(to, 1)
            assert statuses(send(to)) == [A, A]
        assert server.connections == 2

    def test_one_that_rested_long_is_not_used_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A network may have forgotten it without a word, and then the request would be uncertain."""
        monkeypatch.setattr(transport, "_KEPT_SECONDS", 0.0)
        with serving(once(TAKEN)) as server:
            to = provider(server)
            assert statuses(send(to) + send(to)) == [A] * 4
        assert server.connections == 2

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.0 202 Accepted\r\n\r\n",
            b"HTTP/1.1 202 Accepted\r\n\r\nto the end",
        ],
        ids=["connection: close", "HTTP/1.0", "no length"],
    )
    def test_another_is_opened_after_an_answer_that_ends_it(self, answer: bytes) -> None:
        with serving(once(answer)) as server:
            to = provider(server)
            assert statuses(send(to) + send(to)) == [A] * 4
        assert server.connections == 2

    def test_a_forked_process_does_not_speak_into_its_parents(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serving(answering(TAKEN)) as server:
            to = provider(server)
            assert statuses(send(to)) == [A, A]
            monkeypatch.setattr(os, "getpid", lambda: -1)
            assert [statuses(send(to)) for _ in range(2)] == [[A, A]] * 2
        assert server.connections == 2

    def test_threads_have_one_each(self) -> None:
        together = threading.Barrier(2, timeout=10)

        def waits(line: Line) -> None:
            while True:
                line.read()
                line.say(TAKEN)

        found: list[Status] = []
        with serving(waits) as first:
            to = provider(first)

            def run() -> None:
                together.wait()
                for _ in range(3):
                    found.extend(statuses(send(to)))

            # The server serves one connection at a time: a second thread is served when the first is closed.
            threads = [threading.Thread(target=run) for _ in range(2)]
            for thread in threads:
                thread.start()
            while len(found) < 6:
                time.sleep(0.01)
            to.close()
            for thread in threads:
                thread.join()
        assert found == [A] * 12

    def test_closing_ends_it_and_the_next_request_opens_another(self) -> None:
        ended = threading.Event()

        def reads_to_the_end(line: Line) -> None:
            line.read()
            line.say(TAKEN)
            with suppress(EOFError):
                line.read()
            ended.set()

        with serving(reads_to_the_end, answering(TAKEN)) as server:
            to = provider(server)
            send(to)
            to.close()
            assert ended.wait(5)
            to.close()
            assert statuses(send(to)) == [A, A]
        assert server.connections == 2


CUT = b'HTTP/1.1 202 Accepted\r\nX-Message-Id: m1\r\nContent-Length: 20\r\n\r\n{"some": "body"}....'
CHUNKED = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n"


class TestWithoutAWholeAnswer:
    """trust 3.3: timeout or reset after the first byte, and a malformed reply, are ambiguous and never sent again."""

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            *(CUT[:size] for size in (1, 7, 12, 21, 23, 40, 63, 67, 70, 82)),
            b"\r\n\r\n",
            b"\x00\x01 this is not HTTP\r\n\r\n",
            b"HTTP/2.0 202 Accepted\r\n\r\n",
            b"HTTP/1.1 2x2 Accepted\r\n\r\n",
            b"HTTP/1.1 42 Accepted\r\n\r\n",
            b"HTTP/1.1 202 Accepted\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
            b"HTTP/1.1 202 Accepted\r\n" + b"X: y\r\n" * 200 + b"\r\n",
            b"HTTP/1.1 202 Accepted\r\nContent-Length: 99999999999999\r\n\r\nshort",
            CHUNKED + b"zz\r\n",
            CHUNKED + b"5\r\nhel",
            CHUNKED + b"5\r\nhello\r\n",
            CHUNKED + b"5\r\nhello\r\n0\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 429 Slow\r\nContent-Length: 10\r\n\r\n{",
        ],
        ids=lambda answer: f"{len(answer)}:{answer[:24]!r}",
    )
    @pytest.mark.parametrize("kept", [False, True], ids=["new connection", "kept connection"])
    def test_it_is_uncertain_and_asked_once(self, answer: bytes, kept: bool) -> None:
        def script(line: Line) -> None:
            if kept:
                line.read()
                line.say(TAKEN)
            line.read()
            line.say(answer)

        with serving(script, answering(TAKEN)) as server:
            to = provider(server)
            if kept:
                assert statuses(send(to)) == [A, A]
            found = send(to)
            assert statuses(found) == [U, U]
            assert "it may have been taken" in found[0].detail
            assert len(server.requests) == 1 + kept
            assert statuses(send(to)) == [A, A]

    @pytest.mark.parametrize("size", [1, 100, 1_000], ids=["a byte", "in the head", "in the body"])
    def test_a_reset_before_the_request_is_read_is_uncertain(self, size: int) -> None:
        def resets(line: Line) -> None:
            line.sock.recv(size)
            line.reset()

        with serving(resets) as server:
            found = send(provider(server), 300)
        assert statuses(found) == [U] * 300
        assert server.connections == 1

    def test_a_reset_at_once_is_uncertain_unless_no_byte_went_out(self) -> None:
        with serving(lambda line: line.reset()) as server:
            found = send(provider(server), 300)
        assert set(statuses(found)) in ({U}, {N})
        assert server.connections == 1

    @pytest.mark.parametrize(
        "parts",
        [[], [CUT[:5]], [CUT[:30]], [CUT[:70]], [b"HTTP/1.1 202 Accepted\r\nContent-Length: many\r\n\r\n"]],
        ids=["nothing", "in the status line", "in the headers", "in the body", "no end"],
    )
    def test_silence_is_uncertain(self, parts: list[bytes]) -> None:
        def stalls(line: Line) -> None:
            line.read()
            line.say(*parts)
            line.read()

        with serving(stalls) as server:
            found = send(provider(server, timeout=0.3))
        assert statuses(found) == [U, U]

    def test_an_answer_that_drips_has_to_be_whole_in_time(self) -> None:
        """A byte now and then would otherwise hold a worker for ever."""
        with serving(once(*(bytes([byte]) for byte in TAKEN), gap=0.05)) as server:
            found = send(provider(server, timeout=0.5))
        assert statuses(found) == [U, U]
        assert "TimeoutError" in found[0].detail

    def test_an_answer_without_end_is_not_read_to_its_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transport, "_LONGEST_ANSWER", 1_000)
        with serving(once(b"HTTP/1.1 202 Accepted\r\n\r\n" + b"x" * 10_000)) as server:
            assert statuses(send(provider(server))) == [U, U]

    def test_a_request_has_to_be_sent_in_time_as_a_whole(self) -> None:
        """Not only each piece of it: a server that reads a little now and then would hold a worker for ever."""
        near, far = socket.socketpair()

        def drinks() -> None:
            with suppress(OSError):
                while b"end" not in (got := far.recv(10_000)) and got:
                    time.sleep(0.005)
                far.sendall(TAKEN)

        thread = threading.Thread(target=drinks)
        thread.start()
        connection = transport._Connection("127.0.0.1", timeout=0.4)
        connection.sock = near
        body = transport.Body([*["x" * 100_000] * 30, "end"])
        request = Request("http://127.0.0.1/", data=body, headers={"Content-type": "x"})  # type: ignore[arg-type]
        with far, near, pytest.raises(TimeoutError):
            connection.ask(request)
        thread.join()

    def test_a_server_that_reads_nothing_is_uncertain(self) -> None:
        gone = threading.Event()
        with serving(lambda _: [gone.wait(20)].clear()) as server:
            found = send(provider(server, timeout=0.3), 1_000)
            gone.set()
        assert set(statuses(found)) == {U}


class TestWholeAnswers:
    @pytest.mark.parametrize(
        "parts",
        [
            [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
            [b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"],
            [b"HTTP/1.1 204 No Content\r\n\r\n"],
            [b"HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n"],
            [b"HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\n{garbage\xff"],
            [b"HTTP/1.0 202 Accepted\r\nContent-Length: 0\r\n\r\n"],
            [b"HTTP/1.1 100 Continue\r\n\r\n", TAKEN],
            [b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", TAKEN],
            [CHUNKED + b"5\r\nhel", b"lo\r\n0\r\n\r\n"],
            [CHUNKED + b"5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"],
            [b"HTTP/1.1 202 Accepted\nContent-Length: 0\n\n"],
            [TAKEN[:10], TAKEN[10:30], TAKEN[30:]],
        ],
        ids=lambda parts: repr(b"|".join(parts)[:60]),
    )
    def test_any_2xx_is_taken(self, parts: list[bytes]) -> None:
        """ory/kratos #3399: whoever waits for one of them sends six times."""
        with serving(once(*parts, gap=0.02)) as server:
            assert statuses(send(provider(server))) == [A, A]
        assert len(server.requests) == 1

    def test_an_answer_before_the_whole_request_was_read_counts(self) -> None:
        """A server may refuse by the head alone; what it said is read as long as the connection lives."""

        def early(line: Line) -> None:
            line.sock.recv(200)
            line.say(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            with suppress(EOFError):
                line.read()

        with serving(early) as server, pytest.raises(ProviderRefused, match="401"):
            send(provider(server))

    def test_the_key_comes_back_in_no_answer(self) -> None:
        body = json.dumps({"errors": [{"message": f"who is {API_KEY}?", "field": None}]}).encode()
        answer = b"HTTP/1.1 500 Oh\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        with serving(once(answer)) as server:
            assert "who is [key]?" in send(provider(server))[0].detail


class TestNotConnected:
    @pytest.mark.parametrize(
        "host", ["http://127.0.0.1:1", "https://no-such-host.invalid", f"https://{'x' * 70}.invalid"]
    )
    def test_nobody_is_tried(self, host: str) -> None:
        found = send(SendGridProvider(api_key=API_KEY, host=host, timeout=5))
        assert statuses(found) == [N, N]
        assert found[0].detail.startswith(f"{host} could not be reached: ")

    def test_nor_when_tls_does_not_come_about(self, tmp_path: Path) -> None:
        with serving(lambda line: line.say(b"220 this is no TLS\r\n")) as server:
            found = send(SendGridProvider(api_key=API_KEY, host=f"https://127.0.0.1:{server.port}", timeout=5))
        assert statuses(found) == [N, N]
        assert not server.requests

    def test_nor_when_the_connection_ends_in_the_handshake(self) -> None:
        with serving(lambda line: line.reset()) as server:
            found = send(SendGridProvider(api_key=API_KEY, host=f"https://127.0.0.1:{server.port}", timeout=5))
        assert statuses(found) == [N, N]


class TestTls:
    def test_a_connection_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        certificates = make_certificates(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))
        with serving(answering(TAKEN), tls=certificates.localhost) as server:
            to = SendGridProvider(api_key=API_KEY, host=f"https://localhost:{server.port}", timeout=5)
            assert [statuses(send(to)) for _ in range(3)] == [[A, A]] * 3
            to.close()
        assert (server.connections, len(server.requests)) == (1, 3)


class TestProxy:
    """As urllib reads the environment: https_proxy and no_proxy."""

    def test_asks_it_for_the_host_and_sends_nothing_when_it_refuses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serving(once(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as server:
            monkeypatch.setenv("https_proxy", f"http://ada:s%40fe@127.0.0.1:{server.port}")
            monkeypatch.setenv("no_proxy", "")
            found = send(SendGridProvider(api_key=API_KEY, host="https://api.sendgrid.invalid", timeout=5))
        assert statuses(found) == [N, N]
        head = server.requests[0].head.split("\r\n")
        assert head[0].startswith("connect api.sendgrid.invalid:443 ")
        assert "proxy-authorization: basic ywrhonnazmu=" in [line.lower() for line in head]
        assert API_KEY.lower() not in server.requests[0].head

    @pytest.mark.parametrize("variable", ["https_proxy", "http_proxy", "all_proxy"])
    def test_is_not_asked_for_this_machine(self, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{free_port()}")
        with serving(answering(TAKEN)) as server:
            assert statuses(send(provider(server))) == [A, A]

    def test_is_passed_by_where_the_environment_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serving(once(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as server:
            monkeypatch.setenv("https_proxy", f"127.0.0.1:{server.port}")
            monkeypatch.setenv("no_proxy", "sendgrid.invalid")
            found = send(SendGridProvider(api_key=API_KEY, host="https://api.sendgrid.invalid", timeout=5))
        assert statuses(found) == [N, N]
        assert not server.requests
