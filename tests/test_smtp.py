"""The SMTP provider, against a real server on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Outcome, Status
from newsletter.providers import Closing, Watched, load_provider
from newsletter.providers.smtp import SmtpProvider, Step, Then, judge, lost
from tests.contracts.providers import Arrived, RemoteProviderContract, arrived, make_mail, make_readers
from tests.servers.smtp import (
    PASSWORD,
    USERNAME,
    Certificates,
    Fault,
    SmtpServer,
    free_port,
    make_certificates,
    raw_server,
    smtp_server,
)

A, R, D, U = Status.ACCEPTED, Status.REJECTED, Status.DEFERRED, Status.UNCERTAIN
N, P = Status.NOT_TRIED, Status.REFUSED


class _SmtpPostBox:
    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self.provider = plain(server)

    def arrived(self) -> list[Arrived]:
        return [arrived(one.message) for one in self._server.received]

    def reject(self, address: str) -> None:
        self._server.rcpt[address] = "550 5.1.1 no such mailbox"

    def be_busy(self) -> None:
        self._server.greeting = "421 4.3.2 restarting"

    def refuse(self) -> None:
        self._server.greeting = "554 5.7.1 no mail from your address"


class TestSmtpKeepsTheContract(RemoteProviderContract):
    @pytest.fixture
    def post_box(self, server: SmtpServer) -> _SmtpPostBox:
        return _SmtpPostBox(server)


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with smtp_server() as running:
        yield running


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def plain(server: SmtpServer, **options: object) -> SmtpProvider:
    """Return the provider for a server without TLS, made from text as the environment would give it."""
    given = {
        "host": "127.0.0.1",
        "port": str(server.port),
        "security": "none",
        "timeout": "5",
        "connections": "1",
        **options,
    }
    provider = load_provider("smtp", {"local_hostname": "client.test", **given})
    assert isinstance(provider, SmtpProvider)
    return provider


def send(provider: SmtpProvider, count: int = 4) -> list[Outcome]:
    outcomes = provider.send(make_mail(), make_readers(count))
    assert [outcome.delivery_id for outcome in outcomes] == [one.delivery_id for one in make_readers(count)]
    return outcomes


def statuses(outcomes: list[Outcome]) -> list[Status]:
    return [outcome.status for outcome in outcomes]


def addresses(*numbers: int) -> list[str]:
    return [f"reader-{number}@example.org" for number in numbers]


@pytest.mark.parametrize(
    ("step", "code", "text", "then", "status"),
    [
        (Step.MAIL, 250, "2.1.0 ok", Then.GO_ON, N),
        (Step.MAIL, 421, "4.3.2 shutting down", Then.STOP, N),
        (Step.MAIL, 451, "4.3.0 try later", Then.STOP, N),
        (Step.MAIL, 452, "4.3.1 no space", Then.STOP, N),
        (Step.MAIL, 530, "5.7.0 log in first", Then.REFUSE, N),
        (Step.MAIL, 550, "5.7.1 not your address", Then.REFUSE, N),
        (Step.MAIL, 552, "5.3.4 too large", Then.REFUSE, N),
        (Step.RCPT, 250, "ok", Then.GO_ON, N),
        (Step.RCPT, 251, "will forward", Then.GO_ON, N),
        (Step.RCPT, 550, "5.1.1 no such mailbox", Then.NEXT, R),
        (Step.RCPT, 554, "5.7.1 relay access denied", Then.NEXT, P),
        (Step.RCPT, 550, "Blocked by policy. 5.7.26 See our page.", Then.NEXT, P),
        (Step.RCPT, 550, "Service unavailable, 203.0.5.7.1 listed", Then.NEXT, R),
        (Step.RCPT, 550, "Service unavailable, 5.7.1.2 listed", Then.NEXT, R),
        (Step.RCPT, 550, "5.1.1 no such mailbox (5.7.1)", Then.NEXT, R),
        (Step.RCPT, 450, "4.7.1 greylisted", Then.NEXT, D),
        (Step.RCPT, 421, "4.7.0 too many", Then.STOP, D),
        (Step.DATA, 550, "5.7.1 not for you", Then.NEXT, P),
        (Step.DOT, 554, "5.7.1 looks like spam", Then.NEXT, P),
        (Step.DOT, 530, "5.7.0 log in first", Then.REFUSE, N),
        (Step.RCPT, 530, "5.7.0 log in first", Then.REFUSE, N),
        (Step.RCPT, 553, "5.1.8 sender's domain does not exist", Then.REFUSE, N),
        (Step.RCPT, 550, "5.1.7 bad sender", Then.REFUSE, N),
        (Step.RCPT, 450, "4.2.0 greylisted", Then.NEXT, D),
        (Step.RCPT, 452, "4.2.2 mailbox full", Then.NEXT, D),
        (Step.RCPT, 421, "closing", Then.STOP, D),
        (Step.DATA, 354, "go ahead", Then.GO_ON, N),
        (Step.DATA, 250, "what?", Then.RECONNECT, D),
        (Step.DATA, 554, "no valid recipients", Then.NEXT, R),
        (Step.DATA, 451, "later", Then.NEXT, D),
        (Step.DATA, 421, "closing", Then.STOP, D),
        (Step.DOT, 250, "queued as 1", Then.NEXT, A),
        (Step.DOT, 554, "5.6.0 looks like spam", Then.NEXT, R),
        (Step.DOT, 451, "4.3.0 later", Then.NEXT, D),
        (Step.DOT, 421, "closing", Then.STOP, D),
        (Step.DOT, 354, "what?", Then.RECONNECT, U),
        (Step.DOT, -1, "not a reply", Then.RECONNECT, U),
        (Step.RCPT, -1, "not a reply", Then.RECONNECT, D),
        (Step.MAIL, 25, "half a reply", Then.RECONNECT, N),
    ],
)
def test_what_an_answer_means(step: Step, code: int, text: str, then: Then, status: Status) -> None:
    """RFC 5321 section 4.2, RFC 3463."""
    verdict = judge(step, code, text)
    assert (verdict.then, verdict.status) == (then, status)
    assert then is Then.GO_ON or (str(code) in verdict.detail and text in verdict.detail)


@pytest.mark.parametrize(("step", "status"), [(Step.MAIL, N), (Step.RCPT, D), (Step.DATA, D), (Step.DOT, U)])
def test_only_after_the_final_dot_nobody_knows(step: Step, status: Status) -> None:
    """RFC 1047, RFC 5321 section 4.5.3.2.6."""
    assert lost(step, "gone").status is status


def test_tells_how_far_each_reader_is_and_can_be_closed(server: SmtpServer) -> None:
    provider = plain(server)
    assert isinstance(provider, Watched)
    assert isinstance(provider, Closing)


def test_a_chunk_goes_over_one_connection(server: SmtpServer) -> None:
    outcomes = send(plain(server))
    assert statuses(outcomes) == [A] * 4
    assert server.connections == 1
    assert server.rset == 0
    assert outcomes[0].reference == "250 2.0.0 OK queued as reader-1@example.org"


def test_the_envelope_has_one_reader_and_the_sender_s_address(server: SmtpServer) -> None:
    send(plain(server), 2)
    assert [(one.sender, one.recipient) for one in server.received] == [
        ("weekly@news.example.org", "reader-1@example.org"),
        ("weekly@news.example.org", "reader-2@example.org"),
    ]


def test_lines_that_begin_with_a_dot_arrive_as_written(server: SmtpServer) -> None:
    """Threat 25: dot-stuffing (RFC 5321 section 4.5.2)."""
    mail = make_mail(text=".\n..\n.x" + "y" * 200 + "\n" + "." * 300 + "\n", html=".\r\n.\r\n")
    plain(server).send(mail, make_readers(1))
    (one,) = server.received
    assert arrived(one.message).text == mail.text
    assert arrived(one.message).html == mail.html.replace("\r\n", "\n")


@pytest.mark.parametrize("text", ["x\n.\ny", "x\r.\ry", "x\n.\r\ny", "x\r\n.\ny", "\r\n.\r\nMAIL FROM:<a@b.c>\r\n"])
def test_no_body_can_smuggle_a_second_message(server: SmtpServer, text: str) -> None:
    """Threat 25."""
    assert statuses(send_text(server, text)) == [A]
    assert len(server.received) == 1


def send_text(server: SmtpServer, text: str) -> list[Outcome]:
    return plain(server).send(make_mail(text=text, html=text), make_readers(1))


class TestRefusedReaders:
    @pytest.mark.parametrize(
        ("answer", "status"),
        [
            ("550 5.1.1 no such mailbox", R),
            ("451 4.7.1 greylisted", D),
            ("552 5.2.2 mailbox full", R),
            ("550 5.7.1 policy", P),
        ],
    )
    @pytest.mark.parametrize("step", ["rcpt", "data", "dot"])
    def test_have_the_server_s_words_and_stop_nobody(
        self, server: SmtpServer, step: str, answer: str, status: Status
    ) -> None:
        getattr(server, step)["reader-2@example.org"] = answer
        outcomes = send(plain(server))
        assert statuses(outcomes) == [A, status, A, A]
        assert outcomes[1].detail == answer
        assert outcomes[1].reference == ""
        assert server.arrived() == addresses(1, 3, 4)
        assert (server.connections, server.rset) == (1, 1)

    def test_what_a_server_says_is_kept_as_one_clean_line(self, server: SmtpServer) -> None:
        server.rcpt["reader-1@example.org"] = "550-5.1.1 \x1b[31mno such\r\n550 5.1.1 mailbox"
        outcomes = send(plain(server), 2)
        assert outcomes[0].detail == "550 5.1.1 [31mno such 5.1.1 mailbox"

    @pytest.mark.parametrize("count", [1, 3])
    def test_relay_denied_is_told_for_each_reader_and_judged_by_others(self, server: SmtpServer, count: int) -> None:
        """It may be our setting or their wish; one call, with one reader or with many, cannot tell."""
        for address in addresses(*range(1, count + 1)):
            server.rcpt[address] = f"554 5.7.1 <{address}>: relay access denied"
        outcomes = send(plain(server), count)
        assert statuses(outcomes) == [P] * count
        assert outcomes[0].detail == "554 5.7.1 <reader-1@example.org>: relay access denied"

    def test_a_sender_refused_at_rcpt_is_our_fault(self, server: SmtpServer) -> None:
        server.rcpt["reader-1@example.org"] = "553 5.1.8 your domain does not exist"
        with pytest.raises(ProviderRefused, match=r"takes nothing from weekly@news\.example\.org: 553"):
            send(plain(server))
        assert server.received == []


class TestRefusedSender:
    def test_is_raised_before_anybody_was_accepted(self, server: SmtpServer) -> None:
        server.mail_answer = "550 5.7.1 not your address"
        with pytest.raises(ProviderRefused, match=r"550 5\.7\.1 not your address"):
            send(plain(server))

    def test_leaves_the_rest_untried_once_somebody_was_accepted(self, server: SmtpServer) -> None:
        server.rcpt["reader-2@example.org"] = "530 5.7.0 your login has expired"
        outcomes = send(plain(server))
        assert statuses(outcomes) == [A, N, N, N]
        assert "your login has expired" in outcomes[3].detail
        assert server.arrived() == addresses(1)

    def test_for_now_tries_nobody(self, server: SmtpServer) -> None:
        server.mail_answer = "451 4.3.0 busy"
        assert statuses(send(plain(server))) == [N] * 4


class TestBrokenConnections:
    @pytest.mark.parametrize(
        ("step", "fault", "status"),
        [
            ("rcpt", Fault.CLOSE_AT_RCPT, D),
            ("data", Fault.CLOSE_AT_DATA, D),
            ("dot", Fault.CLOSE_AFTER_DOT, U),
        ],
    )
    def test_concern_one_reader_and_the_next_gets_a_new_one(
        self, server: SmtpServer, step: str, fault: Fault, status: Status
    ) -> None:
        getattr(server, step)["reader-2@example.org"] = fault
        outcomes = send(plain(server))
        assert statuses(outcomes) == [A, status, A, A]
        assert "the connection was lost" in outcomes[1].detail
        assert server.connections == 2

    def test_after_two_in_a_row_the_rest_waits(self, server: SmtpServer) -> None:
        """A server that drops every answer must not make a whole chunk uncertain."""
        for address in addresses(1, 2, 3, 4):
            server.dot[address] = Fault.CLOSE_AFTER_DOT
        assert statuses(send(plain(server))) == [U, U, N, N]
        assert server.arrived() == addresses(1, 2)

    def test_a_server_that_takes_the_message_and_stays_silent_leaves_it_uncertain(self, server: SmtpServer) -> None:
        class Impatient(SmtpProvider):
            final_answer_seconds = 0.3

        server.dot["reader-2@example.org"] = Fault.SILENT_AFTER_DOT
        provider = Impatient(host="127.0.0.1", port=server.port, security="none", timeout=5)
        outcomes = send(provider)
        assert statuses(outcomes) == [A, U, A, A]
        assert "timed out" in outcomes[1].detail
        assert server.arrived() == addresses(1, 2, 3, 4)

    def test_the_wait_after_the_final_dot_is_ten_minutes(self) -> None:
        """RFC 5321 section 4.5.3.2.6."""
        assert SmtpProvider.final_answer_seconds == 600

    def test_the_wait_for_the_final_dot_does_not_shorten_or_lengthen_the_others(self, server: SmtpServer) -> None:
        """The second reader's RCPT is answered after the first reader's dot was: its wait is `timeout` again."""
        server.rcpt["reader-2@example.org"] = Fault.SILENT_AT_RCPT
        outcomes = send(plain(server, timeout="0.5"), 3)
        assert statuses(outcomes) == [A, D, A]
        assert "timed out" in outcomes[1].detail

    @pytest.mark.parametrize("step", ["rcpt", "data", "dot"])
    def test_a_server_that_closes_with_421_is_left_alone_with_the_rest(self, server: SmtpServer, step: str) -> None:
        getattr(server, step)["reader-2@example.org"] = "421 4.7.0 too many messages"
        outcomes = send(plain(server))
        assert statuses(outcomes) == [A, D, N, N]
        assert "421 4.7.0 too many messages" in outcomes[3].detail
        assert server.connections == 1


class TestNoConnection:
    def test_a_port_where_nobody_listens_tries_nobody(self) -> None:
        provider = SmtpProvider(host="127.0.0.1", port=free_port(), security="none")
        outcomes = send(provider)
        assert statuses(outcomes) == [N] * 4
        assert "could not be reached" in outcomes[0].detail

    def test_a_name_that_does_not_exist_tries_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_such_name(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
        outcomes = send(SmtpProvider(host="smtp.example.org", timeout=5))
        assert statuses(outcomes) == [N] * 4
        assert "smtp.example.org:587 could not be reached" in outcomes[0].detail

    @pytest.mark.parametrize(
        ("greeting", "words"),
        [
            (b"", "could not be reached: .*timed out"),
            (b"421 4.3.2 restarting\r\n", "takes no mail now: 421 4.3.2 restarting"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "takes no mail now"),
        ],
    )
    def test_a_server_that_is_not_ready_tries_nobody(self, greeting: bytes, words: str) -> None:
        with raw_server(greeting) as port:
            outcomes = send(SmtpProvider(host="127.0.0.1", port=port, security="none", timeout=0.3))
            assert statuses(outcomes) == [N] * 4
            with pytest.raises(ProviderRefused, match=words):
                SmtpProvider(host="127.0.0.1", port=port, security="none", timeout=0.3).check()

    def test_a_server_that_takes_no_mail_from_here_refuses(self) -> None:
        with raw_server(b"554 5.7.1 your network is listed\r\n") as port:
            provider = SmtpProvider(host="127.0.0.1", port=port, security="none", timeout=5)
            with pytest.raises(ProviderRefused, match="your network is listed"):
                send(provider)

    def test_a_connection_that_ends_between_two_readers_keeps_what_was_accepted(self, server: SmtpServer) -> None:
        server.dot["reader-2@example.org"] = Fault.CLOSE_AFTER_DOT
        server.greeting_after = (1, "554 5.7.1 enough")
        outcomes = send(plain(server))
        assert statuses(outcomes) == [A, U, N, N]
        assert "enough" in outcomes[3].detail


class TestTls:
    def provider(self, server: SmtpServer, certificates: Certificates, **options: object) -> SmtpProvider:
        given = {"host": "localhost", "port": server.port, "timeout": 5, "ca_file": str(certificates.ca_file)}
        provider = load_provider("smtp", {"local_hostname": "client.test", **given, **options})
        assert isinstance(provider, SmtpProvider)
        return provider

    def test_starttls_with_a_login(self, certificates: Certificates) -> None:
        with smtp_server(starttls=certificates.localhost, login=True) as server:
            provider = self.provider(server, certificates, username=USERNAME, password=PASSWORD)
            assert statuses(send(provider)) == [A] * 4
            assert server.logins == 1
            assert "as newsroom (security: starttls)" in provider.check()

    def test_tls_from_the_first_byte_with_a_login(self, certificates: Certificates) -> None:
        with smtp_server(tls=certificates.localhost, login=True) as server:
            provider = self.provider(server, certificates, security="tls", username=USERNAME, password=PASSWORD)
            assert statuses(send(provider)) == [A] * 4
            assert server.logins == 1

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    def test_a_certificate_for_another_name_is_refused(self, certificates: Certificates, security: str) -> None:
        context = certificates.other_host
        with smtp_server(starttls=context) if security == "starttls" else smtp_server(tls=context) as server:
            provider = self.provider(server, certificates, security=security)
            with pytest.raises(ProviderRefused, match=r"certificate is not valid.*Check provider\.host"):
                send(provider)
            assert server.received == []

    def test_a_certificate_of_an_unknown_authority_is_refused(self, certificates: Certificates) -> None:
        with smtp_server(starttls=certificates.localhost) as server:
            provider = SmtpProvider(host="localhost", port=server.port, timeout=5)
            with pytest.raises(ProviderRefused, match="certificate is not valid"):
                provider.check()

    def test_a_server_without_starttls_gets_nothing(self, server: SmtpServer, certificates: Certificates) -> None:
        """No falling back to plain text (an attacker could hide the offer)."""
        with pytest.raises(ProviderRefused, match=r"STARTTLS.*provider\.security"):
            send(self.provider(server, certificates))
        assert server.received == []

    def test_tls_with_a_server_that_speaks_plain_names_the_option(
        self, server: SmtpServer, certificates: Certificates
    ) -> None:
        provider = self.provider(server, certificates, security="tls")
        outcomes = send(provider)
        assert statuses(outcomes) == [N] * 4
        assert "Check provider.port and provider.security." in outcomes[0].detail

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            ("535 5.7.8 wrong password", None),
            ("454 4.7.0 temporary failure", N),
            ("534 5.7.9 use an app password", None),
        ],
    )
    def test_a_refused_login(self, certificates: Certificates, answer: str, expected: Status | None) -> None:
        with smtp_server(starttls=certificates.localhost, login=True) as server:
            server.login_answer = answer
            provider = self.provider(server, certificates, username=USERNAME, password="planted-canary")
            if expected:
                assert set(statuses(send(provider))) == {expected}
            else:
                with pytest.raises(ProviderRefused, match=r"Check provider\.username and provider\.password") as caught:
                    send(provider)
                assert answer in str(caught.value)
                assert "planted-canary" not in str(caught.value)
            assert server.received == []

    def test_a_server_that_offers_no_login_is_refused(self, server: SmtpServer) -> None:
        provider = plain(server, username=USERNAME, password=PASSWORD)
        with pytest.raises(ProviderRefused, match="AUTH"):
            send(provider)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, r"provider\.host is missing: smtp needs it\..*NEWSLETTER_PROVIDER__HOST"),
        ({"host": ""}, r"provider\.host is wrong"),
        ({"host": "a..b"}, r"provider\.host is wrong: 'a\.\.b' is no host name"),
        ({"host": "smtp.example.org", "port": "none"}, r"provider\.port is wrong"),
        ({"host": "smtp.example.org", "port": 70000}, r"provider\.port is wrong"),
        ({"host": "smtp.example.org", "security": "ssl"}, r"provider\.security is wrong: Input should be 'starttls'"),
        ({"host": "smtp.example.org", "timeout": 0}, r"provider\.timeout is wrong"),
        ({"host": "smtp.example.org", "chunk_size": 0}, r"provider\.chunk_size is wrong"),
        ({"host": "smtp.example.org", "user": "x"}, r"provider\.user: smtp has no such option\. Known: host, port"),
        ({"host": "smtp.example.org", "username": "x"}, r"provider\.password is missing"),
        ({"host": "smtp.example.org", "password": "x"}, r"provider\.username is missing"),
        ({"host": "smtp.example.org", "username": "x", "password": "ö"}, "ASCII characters only"),
        ({"host": "smtp.example.org", "ca_file": "/no/such/file"}, r"provider\.ca_file: /no/such/file cannot be read"),
        (
            {"host": "smtp.example.org", "security": "none", "username": "x", "password": "y"},
            r'provider\.security is "none", so the password would cross the network readable',
        ),
    ],
)
def test_options_that_cannot_work_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_provider("smtp", options)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_follows_the_security(security: str, port: int) -> None:
    provider = load_provider("smtp", {"host": "smtp.example.org", "security": security})
    assert isinstance(provider, SmtpProvider)
    assert (provider.port, provider.chunk_size) == (port, 500)


def test_a_ca_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigurationError, match=r"provider\.ca_file"):
        load_provider("smtp", {"host": "smtp.example.org", "ca_file": str(tmp_path / "ca.pem")})


def test_the_password_is_in_no_text(server: SmtpServer) -> None:
    """Threat 21."""
    provider = plain(server, username=USERNAME, password="planted-canary")
    assert "planted-canary" not in repr(provider) + str(provider)
    with pytest.raises(ProviderRefused) as caught:
        provider.check()
    assert "planted-canary" not in str(caught.value)


def test_the_connection_sends_small_pieces_at_once(server: SmtpServer) -> None:
    connection = plain(server).connect()
    assert connection.sock is not None
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    connection.quit()
