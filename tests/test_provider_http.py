"""The HTTP client of the providers: what was surely not sent, what was answered, and what nobody knows."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from email.headerregistry import HeaderRegistry
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import ConfigurationError
from newsletter.mail import VALUES, Recipient, Sender, Status
from newsletter.providers import brevo, mailgun, postmark, resend
from newsletter.providers.answers import Manners, Then, Verdict, for_all, judge_status
from newsletter.providers.batches import Batches
from newsletter.providers.events import Event
from newsletter.providers.http import Answer, Api, File, NoAnswer, NotConnected, checked_host, checked_key, wait_of
from newsletter.providers.mailboxes import as_json, mailbox, shown_name
from newsletter.providers.reports import attempt_of, json_object, time_of
from newsletter.providers.ses import words as ses_words
from tests.contracts.providers import make_mail, make_readers
from tests.servers.api import ApiServer, Received, Reply
from tests.servers.smtp import free_port

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
SECRET = "the-secret-key"


class Echo(ApiServer):
    """Says what it was asked."""

    def reply(self, request: Received) -> Reply:
        return Reply(200, request.body, {"X-Path": request.path, "X-Secret": request.headers.get("authorization", "")})

    def is_send(self, request: Received) -> bool:
        return True


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        yield running


@contextmanager
def connected(host: str, *, timeout: float = 10.0, connections: int = 4) -> Iterator[Api]:
    api = Api(host, headers={"Authorization": SECRET}, secrets=[SECRET], timeout=timeout, connections=connections)
    try:
        yield api
    finally:
        api.close()


class TestApi:
    def test_asks_and_sends_and_blots_out_its_secret(self, echo: Echo) -> None:
        """Threat 21."""
        with connected(echo.url) as api:
            answer = api.post_json("/v1/x", f'"{SECRET}"'.encode(), headers={"Idempotency-Key": "k"})
        assert (answer.status, answer.body) == (200, b'"[key]"')
        assert (answer.headers["x-path"], answer.headers["x-secret"]) == ("/v1/x", "[key]")
        (request,) = echo.requests
        assert request.headers["content-type"] == "application/json"
        assert request.headers["idempotency-key"] == "k"
        assert request.headers["authorization"] == SECRET
        assert request.headers["accept-encoding"] == "identity"

    def test_sends_a_form_with_a_file(self, echo: Echo) -> None:
        with connected(echo.url) as api:
            answer = api.post_form("/", {"to": "ą@b"}, {"message": File("m.eml", b"\r\n\x00x", "message/rfc822")})
        assert b'name="message"; filename="m.eml"' in answer.body
        assert b"\r\n\r\n\r\n\x00x\r\n--" in answer.body
        assert "ą@b".encode() in answer.body

    def test_follows_no_redirect(self, echo: Echo) -> None:
        """A GET after a POST would answer 200, as if the mail had been taken."""
        echo.faults = [Reply(status, b"", {"Location": f"{echo.url}/next"}) for status in (301, 303, 307)]
        with connected(echo.url) as api:
            assert [api.post_json("/", b"{}").status for _ in range(3)] == [301, 303, 307]
        assert len(echo.requests) == 3

    def test_goes_through_no_proxy_on_this_machine(self, echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        with connected(echo.url) as api:
            assert api.get("/").status == 200

    def test_many_threads_share_few_connections(self, echo: Echo) -> None:
        with connected(echo.url, connections=3) as api, ThreadPoolExecutor(12) as pool:
            bodies = [answer.body for answer in pool.map(lambda at: api.post_json("/", str(at).encode()), range(48))]
        assert bodies == [str(at).encode() for at in range(48)]
        assert 1 <= echo.connections <= 3

    def test_an_answer_that_is_too_long_is_none(self, echo: Echo) -> None:
        echo.faults = [Reply(200, b"x" * 4_000_001)]
        with connected(echo.url) as api, pytest.raises(NoAnswer, match="more than"):
            api.get("/")


@contextmanager
def scripted(*answers: tuple[bytes, float]) -> Iterator[int]:
    """Serve on loopback: each connection gets the bytes, with a pause before each piece, and is closed then."""
    closing = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(65_536)
            for piece, pause in answers:
                if closing.wait(pause):
                    return
                try:
                    connection.sendall(piece)
                except OSError:
                    return

    def serve(listener: socket.socket) -> None:
        workers = []
        while not closing.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            workers.append(threading.Thread(target=answer, args=(connection,)))
            workers[-1].start()
        for worker in workers:
            worker.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            closing.set()
            thread.join()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


class TestEnds:
    @pytest.mark.parametrize(
        "answers",
        [
            [],
            [(b"", 0.0)],
            [(b"HTTP/1.1 20", 0.0)],
            [(HEAD, 0.0), (b"half", 0.0)],
            [(b"220 mail.example.org ESMTP\r\n", 0.0)],
            [(b"HTTP/1.1 999999 X\r\n\r\n", 0.0)],
            [(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0.0)],
            [(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", 0.0)],
        ],
        ids=["closed", "nothing", "half a line", "half a body", "SMTP", "no status", "no chunk", "no gzip"],
    )
    def test_after_the_first_byte_nobody_knows(self, answers: list[tuple[bytes, float]]) -> None:
        """Trust 3.3."""
        with scripted(*answers) as port, connected(f"http://127.0.0.1:{port}") as api, pytest.raises(NoAnswer):
            api.post_json("/", b"{}")

    def test_an_answer_that_drips_is_not_waited_for(self) -> None:
        with (
            scripted((HEAD, 0.0), *[(b"x", 0.15)] * 40) as port,
            connected(f"http://127.0.0.1:{port}", timeout=0.3) as api,
            pytest.raises(NoAnswer, match="did not end in time"),
        ):
            api.post_json("/", b"{}")

    def test_no_answer_is_not_waited_for(self) -> None:
        with (
            scripted((HEAD, 5.0)) as port,
            connected(f"http://127.0.0.1:{port}", timeout=0.2) as api,
            pytest.raises(NoAnswer, match="ReadTimeout"),
        ):
            api.post_json("/", b"{}")

    def test_a_connection_that_the_server_closed_meanwhile_is_not_used(self) -> None:
        """Otherwise nobody could tell whether the second request was read."""
        answer = (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0.0)
        with scripted(answer) as port, connected(f"http://127.0.0.1:{port}") as api:
            assert api.post_json("/", b"{}").body == b"ok"
            time.sleep(0.1)
            assert api.post_json("/", b"{}").body == b"ok"

    @pytest.mark.parametrize("host", ["http://127.0.0.1:{port}", "http://localhost:{port}"])
    def test_a_closed_port_is_surely_not_sent(self, host: str) -> None:
        with connected(host.format(port=free_port())) as api, pytest.raises(NotConnected):
            api.post_json("/", b"{}")

    def test_a_name_that_does_not_exist_is_surely_not_sent(self) -> None:
        with connected("https://name.invalid") as api, pytest.raises(NotConnected):
            api.post_json("/", b"{}")

    def test_all_connections_busy_is_surely_not_sent(self) -> None:
        with (
            scripted((HEAD, 0.0), *[(b"x", 0.2)] * 20) as port,
            connected(f"http://127.0.0.1:{port}", timeout=0.5, connections=1) as api,
            ThreadPoolExecutor(1) as pool,
        ):
            first = pool.submit(api.post_json, "/", b"{}")
            time.sleep(0.1)
            with pytest.raises(NotConnected):
                api.post_json("/", b"{}")
            with pytest.raises(NoAnswer):
                first.result()


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> trustme.CA:
        made = trustme.CA()
        made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        return made

    @staticmethod
    def context(authority: trustme.CA, name: str) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(made)
        return made

    @pytest.mark.parametrize(
        ("name", "trusted", "works"),
        [("localhost", True, True), ("localhost", False, False), ("elsewhere.example", True, False)],
    )
    def test_a_failed_handshake_is_surely_not_sent(
        self,
        authority: trustme.CA,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        trusted: bool,
        works: bool,
    ) -> None:
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with Echo(self.context(authority, name)) as echo:
            with connected(echo.url.replace("http://127.0.0.1", "https://localhost")) as api:
                if works:
                    assert api.post_json("/", b"{}").status == 200
                else:
                    with pytest.raises(NotConnected):
                        api.post_json("/", b"{}")
            assert len(echo.requests) == int(works)


class TestOptions:
    @pytest.mark.parametrize(
        ("host", "name"),
        [
            ("https://api.example.org", "api.example.org"),
            ("https://api.example.org:8443/", "api.example.org"),
            ("http://127.0.0.1:80", "127.0.0.1"),
            ("http://[::1]", "::1"),
        ],
    )
    def test_a_host(self, host: str, name: str) -> None:
        assert checked_host(host) == name

    @pytest.mark.parametrize(
        "host",
        [
            "",
            "x",
            "http://a.example",
            "https://",
            "https://a/v1",
            "https://a?b",
            "https://u:p@a",
            "https://a:0",
            "https://a:x",
        ],
    )
    def test_no_host(self, host: str) -> None:
        with pytest.raises(ConfigurationError, match=r"provider\.host"):
            checked_host(host)

    def test_a_key(self) -> None:
        assert checked_key("api_key", " abc\n") == "abc"
        for wrong in ("a b", "é", "a\nb", " "):
            with pytest.raises(ConfigurationError, match=r"provider\.api_key"):
                checked_key("api_key", wrong)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"a": ""}, None),
        ({"a": "12"}, 12),
        ({"a": " 12 "}, 12),
        ({"a": "0.5"}, 1),
        ({"a": "0"}, None),
        ({"a": "-5"}, None),
        ({"a": "+5"}, None),
        ({"a": "nan"}, None),
        ({"a": "inf"}, None),
        ({"a": "1e9"}, None),
        ({"a": "901"}, 900),
        ({"a": "999999999"}, 900),
        ({"a": str(int(NOW.timestamp()) + 30)}, 30),
        ({"a": str(int(NOW.timestamp()) - 30)}, None),
        ({"a": str(int(NOW.timestamp()) * 1000 + 30_000)}, 30),
        ({"a": "4102444800"}, 900),
        ({"a": "Sun, 22 Nov 2026 07:00:45 GMT"}, 45),
        ({"a": "Sun, 22 Nov 2026 06:00:00 GMT"}, None),
        ({"a": "Fri, 01 Jan 2100 00:00:00 GMT"}, 900),
        ({"a": "9" * 400}, None),
        ({"a": "٣"}, None),
        ({"b": "7"}, 7),
        ({"a": "x", "b": "7"}, 7),
        ({"a": "0", "b": "7"}, 7),
    ],
    ids=lambda value: str(value).encode("ascii", "replace").decode()[:40],
)
def test_f4_how_long_to_wait(headers: dict[str, str], expected: float | None) -> None:
    """F4: absent, past and garbage tell nothing; nothing waits longer than 15 minutes."""
    assert wait_of(headers, ("a", "b"), NOW) == expected


A, R, N, U = Status.ACCEPTED, Status.REJECTED, Status.NOT_TRIED, Status.UNCERTAIN
MANNERS = Manners(("retry-after",), {401: "Check the key."}, "Check the host.")


@pytest.mark.parametrize(
    ("status", "then", "expected"),
    [
        *((status, None, None) for status in (200, 201, 202, 204, 299, 400, 409, 422)),
        *(
            (status, Then.STOP, U)
            for status in (100, 101, 199, 300, 301, 304, 308, 399, 408, 500, 502, 503, 504, 529, 599, 600, 999)
        ),
        *((status, Then.REFUSE, None) for status in (401, 402, 403, 404, 405, 410, 415, 418, 451)),
        (429, Then.STOP, N),
        (413, Then.HALVES, None),
    ],
)
def test_what_a_status_means_by_itself(status: int, then: Then | None, expected: Status | None) -> None:
    """Trust 3.3."""
    verdict = judge_status(Answer(status), 2, "words", NOW, MANNERS)
    assert (verdict.then if verdict else None) is then
    assert [fate.status for fate in (verdict.fates if verdict else [])] == ([expected] * 2 if expected else [])
    assert not verdict or f"{status} words" in verdict.sentence


class TestBatches:
    @staticmethod
    def sizes(lengths: list[int], *, most: int, most_bytes: int) -> list[int]:
        """Return how many messages of these lengths each request gets."""
        found: list[int] = []
        wanted = iter(lengths)

        def post(messages: object, readers: list[Recipient]) -> Verdict:
            found.append(len(readers))
            return for_all(Then.GO_ON, len(readers), A, "taken")

        readers = make_readers(len(lengths))
        batches = Batches("x", readers, lambda _: b"x" * next(wanted), post, most=most, most_bytes=most_bytes)  # type: ignore[arg-type]
        assert [one.status for one in batches.outcomes()] == [A] * len(lengths)
        return found

    @pytest.mark.parametrize(
        ("lengths", "most", "most_bytes", "expected"),
        [
            ([], 2, 100, []),
            ([1, 1, 1, 1, 1], 2, 100, [2, 2, 1]),
            ([60, 60, 20, 10, 90], 9, 100, [1, 3, 1]),
            ([200, 200], 9, 100, [1, 1]),
        ],
    )
    def test_a_request_has_as_many_as_fit(
        self, lengths: list[int], most: int, most_bytes: int, expected: list[int]
    ) -> None:
        assert self.sizes(lengths, most=most, most_bytes=most_bytes) == expected


class TestTexts:
    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("", "a@b.example"),
            ("Ada", '"Ada" <a@b.example>'),
            ('J. "Jay" Doe', '"J. \\"Jay\\" Doe" <a@b.example>'),
            ("x\r\nBcc: c@d.example", '"x Bcc: c@d.example" <a@b.example>'),
            ("=?UTF-8?Q?x?=", '"= ?UTF-8?Q?x? =" <a@b.example>'),
            ("<evil@c.example>", '"<evil@c.example>" <a@b.example>'),
        ],
    )
    def test_a_mailbox(self, name: str, written: str) -> None:
        """Threat 1."""
        assert mailbox("a@b.example", name) == written

    def test_a_name_is_short(self) -> None:
        assert len(shown_name("x" * 500)) == 100

    def test_a_lone_surrogate_is_sent_as_a_question_mark(self) -> None:
        assert as_json({"a": "\ud800ą"}) == '{"a":"?ą"}'.encode()


class TestReports:
    def test_what_no_database_takes_is_left_out(self) -> None:
        """Trust 6: NUL, lone surrogates, and numbers that are none."""
        found = json_object(r'{"a\u0000": ["x\ud800", {"b": NaN}], "c": "\ud83e\udd89", "d": 1e999}')
        assert found == {"a": ["x?", {"b": None}], "c": "🦉", "d": None}

    @pytest.mark.parametrize(
        ("text", "at"),
        [
            ("2026-11-22T07:00:00Z", NOW),
            ("2026-11-22T08:00:00+01:00", NOW),
            ("2026-11-22T07:00:00", NOW),
            ("2026-11-22 07:00:00.0000000+00", NOW),
        ],
    )
    def test_a_time(self, text: str, at: datetime) -> None:
        assert time_of(text) == at

    @pytest.mark.parametrize("text", ["", "soon", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "7"])
    def test_no_time(self, text: str) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - some are Python's own words
            time_of(text)

    @pytest.mark.parametrize(
        ("value", "number"),
        [("7", 7), (7, 7), ("", 0), (None, 0), ("-1", 0), (-1, 0), ("٣", 0), ("9" * 30, 0), ([7], 0)],
    )
    def test_a_try(self, value: object, number: int) -> None:
        assert attempt_of(value) == number


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["2026-11-22T07:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = [
    *("RecordType", "DeliveredAt", "Metadata", "Type", "Email", "ID", "SuppressSending", "event", "email", "ts_epoch"),
    *(
        "X-Mailin-custom",
        "reason",
        "timestamp",
        "user-variables",
        "delivery-status",
        "message",
        "severity",
        "recipient",
    ),
    *("type", "created_at", "data", "tags", "to", "bounce", "eventType", "mail", "delivery", "destination"),
]


@settings(max_examples=120, deadline=None)
@given(found=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=12))
def test_whatever_a_genuine_report_holds_it_is_an_event_or_cannot_be_read(found: dict[str, Any]) -> None:
    """Threat 15, F6: an event can be stored, or it is a ValueError; nothing else comes out."""
    body = json.dumps(found).encode()
    makers: list[Callable[[], list[Event]]] = [
        lambda: [postmark._event(json_object(body))],
        lambda: [brevo._event(json_object(body))],
        lambda: [mailgun._event("token", json_object(body))],
        lambda: [resend._event("msg", json_object(body))],
        lambda: ses_words.event({"MessageId": "m", "Message": body.decode()}),
    ]
    for make in makers:
        try:
            events = make()
        except ValueError:
            continue
        for event in events:
            assert event.at.tzinfo is UTC
            json.dumps([event.id, event.detail, event.address, event.delivery_id, event.raw], allow_nan=False).encode()
            f"{event.id}{event.detail}{event.address}{event.delivery_id}{event.reference}".encode()


#: Members that answers have, and words that mean something there.
SAID = ("data", "errors", "index", "id", "message", "name", "code", "ErrorCode", "Message", "messageIds", "messageId")
WORDS = st.sampled_from(
    ["", "`to`", "`from`", "to parameter", "duplicate_parameter", "monthly_quota_exceeded", "sender"]
)
CODES = st.sampled_from([None, True, 0, 100, 300, 406, 412, 429, -1, 0.0])
ANSWERED = st.dictionaries(st.sampled_from(SAID), JSON | WORDS | CODES, max_size=5)


@settings(max_examples=300, deadline=None)
@given(
    status=st.sampled_from([200, 201, 204, 307, 400, 401, 409, 413, 420, 422, 429, 500]),
    content=ANSWERED | st.lists(ANSWERED, max_size=3) | JSON,
    count=st.integers(1, 3),
)
def test_whatever_an_api_answers_each_reader_has_a_fate(status: int, content: object, count: int) -> None:
    """Trust 3.3: nobody is forgotten, one reader is not halved, and nobody is accepted but by a success."""
    answer = Answer(status, json.dumps(content).encode())
    verdicts = [(judge(answer, count, NOW), count) for judge in (brevo.judge, postmark.judge, resend.judge)]
    for verdict, readers in [*verdicts, (mailgun.judge(answer, NOW), 1)]:
        assert len(verdict.fates) == readers or (verdict.then in {Then.REFUSE, Then.HALVES} and not verdict.fates)
        assert verdict.then is not Then.HALVES or readers > 1
        assert status < 300 or all(fate.status is not A for fate in verdict.fates)
        assert status < 500 or {fate.status for fate in verdict.fates} == {U}


TEXT = st.text(max_size=30) | st.just("=?UTF-8?Q?x=0D=0ABcc:_a@b.c?=") | st.just("x\r\nBcc: a@b.c") | st.just('"\\,;<')


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_text_gives_messages_that_add_no_header(data: st.DataObject) -> None:
    """Threat 1 on the JSON path: exactly the headers that are ours, each one line of printable ASCII."""
    values = data.draw(st.fixed_dictionaries(dict.fromkeys(VALUES, TEXT)))
    mail = make_mail(subject=data.draw(TEXT), sender=Sender(data.draw(TEXT), "weekly@news.example.org"))
    reader = Recipient("d1", "ada@example.org", data.draw(TEXT), values)
    wanted = {name for name, _ in mail.headers}
    by_postmark = postmark.message(mail, reader, "broadcast")
    by_resend = resend.message(mail, reader)
    headers = {one["Name"]: one["Value"] for one in by_postmark["Headers"]}
    assert set(headers) - {"X-PM-KeepID"} == set(by_resend["headers"]) == wanted
    for value in [*headers.values(), *by_resend["headers"].values()]:
        assert re.fullmatch("[ -~]*", value)
    for text in (by_postmark["From"], by_postmark["To"], by_postmark["Subject"], by_resend["from"], *by_resend["to"]):
        assert not re.search("[\r\n\x00\u2028]|=\\?|\\?=", text)
        parsed = HeaderRegistry()("to", text) if text is not by_postmark["Subject"] else None
        assert parsed is None or len(getattr(parsed, "addresses", ())) == 1
    as_json([by_postmark, by_resend])
