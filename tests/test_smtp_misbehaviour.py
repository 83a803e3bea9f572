"""Mail servers that misbehave: every reader's outcome is true, whatever is said, cut, delayed or left out (F3)."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status, hole_tag
from newsletter.providers import load_provider
from newsletter.providers.smtp import SmtpProvider, read_return_path
from newsletter.providers.smtp.answers import Replies
from newsletter.providers.smtp.letters import xtext
from tests.contracts.providers import NONCE, make_mail, make_readers
from tests.servers.smtp import Certificates, make_certificates
from tests.servers.smtp_script import Act, How, Script, ScriptedServer, scripted_server

A, R, D, U = Status.ACCEPTED, Status.REJECTED, Status.DEFERRED, Status.UNCERTAIN
N, P = Status.NOT_TRIED, Status.REFUSED
SAY, DRIBBLE, CLOSE, STALL = How.SAY, How.DRIBBLE, How.SAY_AND_CLOSE, How.SAY_AND_STALL
PLAIN, PIPELINED = (b"SIZE 10000000",), (b"PIPELINING", b"SIZE 10000000")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class Impatient(SmtpProvider):
    """One that does not wait ten minutes."""

    final_answer_seconds = 0.3


def provider(server: ScriptedServer, connections: int = 1, **options: object) -> SmtpProvider:
    given = {"host": "localhost", "port": server.port, "security": "none", "timeout": 0.4, **options}
    return Impatient(local_hostname="client.test", connections=connections, **given)  # type: ignore[arg-type]


def check_truth(server: ScriptedServer, readers: Sequence[Recipient], outcomes: Sequence[Outcome]) -> None:
    """Nobody got it twice; who was accepted has it; who has it was accepted or is uncertain."""
    assert [outcome.delivery_id for outcome in outcomes] == [reader.delivery_id for reader in readers]
    arrived = server.arrived()
    for reader, outcome in zip(readers, outcomes, strict=True):
        there = arrived[reader.address]
        assert there <= 1, (reader.address, outcome)
        assert there or outcome.status is not A, outcome
        assert not there or outcome.status in {A, U}, outcome


def sent(
    server: ScriptedServer, count: int = 4, connections: int = 1, mail: Mail | None = None, **options: object
) -> list[Status]:
    """Send, check that the outcomes are true, and return their statuses."""
    readers = make_readers(count)
    with scripted_server(server):
        sending = provider(server, connections, **options)
        try:
            outcomes = sending.send(mail or make_mail(), readers)
        finally:
            sending.close()
        check_truth(server, readers, outcomes)
    return [outcome.status for outcome in outcomes]


#: Name -> what happens to the second reader (or the second time), and what the outcomes are.
MISBEHAVIOURS: dict[str, tuple[Script, list[Status]]] = {
    "closes at MAIL": ({("MAIL", 2): Act(CLOSE, b"")}, [A, A, A, A]),
    "closes at RCPT": ({("RCPT", 2): Act(CLOSE, b"")}, [A, D, A, A]),
    "closes at DATA": ({("DATA", 2): Act(CLOSE, b"")}, [A, D, A, A]),
    "closes in the message": ({("BODY", 2): Act(How.CUT)}, [A, U, A, A]),
    "closes after the dot and keeps it": ({("DOT", 2): Act(CLOSE, b"", keeps=True)}, [A, U, A, A]),
    "closes after the dot and drops it": ({("DOT", 2): Act(CLOSE, b"", keeps=False)}, [A, U, A, A]),
    "answers the dot and closes": ({("DOT", 2): Act(CLOSE)}, [A, A, A, A]),
    "refuses the dot and closes": ({("DOT", 2): Act(CLOSE, b"554 5.6.0 spam\r\n")}, [A, R, A, A]),
    "stalls at MAIL": ({("MAIL", 2): Act(STALL, b"")}, [A, A, A, A]),
    "stalls at RCPT": ({("RCPT", 2): Act(STALL, b"")}, [A, D, A, A]),
    "stalls at DATA": ({("DATA", 2): Act(STALL, b"")}, [A, D, A, A]),
    "stalls after the dot": ({("DOT", 2): Act(STALL, b"", keeps=True)}, [A, U, A, A]),
    "stalls at RSET": ({("RCPT", 2): Act(SAY, b"550 5.1.1 no\r\n"), ("RSET", 1): Act(STALL, b"")}, [A, R, A, A]),
    "talks nonsense at MAIL": ({("MAIL", 2): Act(SAY, b"HTTP/1.1 200 OK\r\n\r\n")}, [A, A, A, A]),
    "talks nonsense at RCPT": ({("RCPT", 2): Act(SAY, b"\x00\xff\r\n")}, [A, D, A, A]),
    "talks nonsense at DATA": ({("DATA", 2): Act(SAY, b"999 what\r\n")}, [A, D, A, A]),
    "talks nonsense after the dot": ({("DOT", 2): Act(SAY, b"25O OK\r\n", keeps=True)}, [A, U, A, A]),
    "says nothing but line ends after the dot": ({("DOT", 2): Act(SAY, b"\r\n\r\n", keeps=True)}, [A, U, A, A]),
    "speaks without end after the dot": ({("DOT", 2): Act(SAY, b"250-x\r\n" * 30_000, keeps=True)}, [A, U, A, A]),
    "changes its code in a reply": ({("DOT", 2): Act(SAY, b"250-a\r\n550 b\r\n", keeps=True)}, [A, U, A, A]),
    "goes away at MAIL with 421": ({("MAIL", 2): Act(CLOSE, b"421 4.3.2 later\r\n")}, [A, A, A, A]),
    "goes away at RCPT with 421": ({("RCPT", 2): Act(CLOSE, b"421 4.3.2 later\r\n")}, [A, D, N, N]),
    "goes away at DATA with 421": ({("DATA", 2): Act(CLOSE, b"421 4.3.2 later\r\n")}, [A, D, N, N]),
    "goes away after the dot with 421": ({("DOT", 2): Act(CLOSE, b"421 4.3.2 later\r\n")}, [A, D, N, N]),
    "is busy at MAIL": ({("MAIL", 2): Act(SAY, b"451 4.3.0 busy\r\n")}, [A, N, N, N]),
    "refuses MAIL": ({("MAIL", 2): Act(SAY, b"550 5.7.1 not your address\r\n")}, [A, N, N, N]),
    "has an error of its own at RCPT": ({("RCPT", 2): Act(SAY, b"500 5.5.1 what?\r\n")}, [A, R, A, A]),
    "puts a reader off": ({("RCPT", 2): Act(SAY, b"450 4.2.0 greylisted\r\n")}, [A, D, A, A]),
    "refuses a reader for policy": ({("RCPT", 2): Act(SAY, b"550 5.7.1 no\r\n")}, [A, P, A, A]),
    "refuses DATA": ({("DATA", 2): Act(SAY, b"554 5.5.1 no\r\n")}, [A, R, A, A]),
    "puts the message off": ({("DOT", 2): Act(SAY, b"451 4.3.0 later\r\n")}, [A, D, A, A]),
    "refuses the message": ({("DOT", 2): Act(SAY, b"554-5.6.0 it\r\n554 5.6.0 is spam\r\n")}, [A, R, A, A]),
    "asks for the message of a refused reader": (
        {("RCPT", 2): Act(SAY, b"550 5.1.1 no\r\n"), ("DATA", 2): Act(SAY, b"354 go ahead\r\n")},
        [A, R, A, A],
    ),
    "cuts a reply at MAIL": ({("MAIL", 2): Act(CLOSE, b"250 2.1")}, [A, A, A, A]),
    "cuts a reply at RCPT": ({("RCPT", 2): Act(CLOSE, b"250 2.1")}, [A, D, A, A]),
    "cuts a reply after the dot": ({("DOT", 2): Act(CLOSE, b"250 2.0.0 queued", keeps=True)}, [A, U, A, A]),
    "leaves a reply unended after the dot": ({("DOT", 2): Act(STALL, b"250-2.0.0\r\n", keeps=True)}, [A, U, A, A]),
    "answers byte by byte": (
        {(step, at): Act(DRIBBLE) for step in ("MAIL", "RCPT", "DATA", "DOT") for at in range(1, 5)},
        [A, A, A, A],
    ),
    "answers in many lines": (
        {
            ("MAIL", 2): Act(SAY, b"250-a\r\n250-b\r\n250 c\r\n"),
            ("RCPT", 2): Act(DRIBBLE, b"250-a\r\n250\r\n"),
            ("DATA", 2): Act(SAY, b"354-a\r\n354 b\r\n"),
            ("DOT", 2): Act(SAY, b"250-a\n250 b\n"),
        },
        [A, A, A, A],
    ),
    "says 354 at MAIL": ({("MAIL", 2): Act(SAY, b"354 what?\r\n")}, [A, A, A, A]),
    "says 250 at DATA": ({("DATA", 2): Act(SAY, b"250 what?\r\n")}, [A, A, A, A]),
    "says 354 after the dot": ({("DOT", 2): Act(SAY, b"354 more?\r\n", keeps=True)}, [A, U, A, A]),
    "says 299 after the dot": ({("DOT", 2): Act(SAY, b"299 why not\r\n")}, [A, A, A, A]),
    "answers the dot twice": ({("DOT", 2): Act(SAY, b"250 ok\r\n250 ok\r\n")}, [A, A, A, A]),
    "answers RCPT twice": ({("RCPT", 2): Act(SAY, b"250 ok\r\n250 ok\r\n")}, [A, A, A, A]),
    "takes the message before it has it": ({("DATA", 2): Act(SAY, b"354 go\r\n250 ok\r\n")}, [A, U, A, A]),
    "refuses the message before it has it": (
        {("DATA", 2): Act(CLOSE, b"354 go\r\n552 5.3.4 too large\r\n")},
        [A, R, A, A],
    ),
    "never answers the dot and drops it": ({("DOT", 2): Act(SAY, b"", keeps=False)}, [A, U, A, A]),
    "never answers the dot and keeps it": ({("DOT", 2): Act(SAY, b"", keeps=True)}, [A, U, A, A]),
    "refuses RSET": ({("RCPT", 2): Act(SAY, b"550 5.1.1 no\r\n"), ("RSET", 1): Act(SAY, b"502 no\r\n")}, [A, R, A, A]),
}
#: What the outcomes are where an envelope stands behind the second message, so that its answer may be one to that.
PIPELINED_OUTCOMES: dict[str, list[Status]] = {
    "answers the dot and closes": [A, U, A, A],
    "refuses the dot and closes": [A, U, A, A],
    "goes away after the dot with 421": [A, U, N, N],
    "answers the dot twice": [A, U, A, A],
}


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["plain", "pipelined"])
@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_one_reader_is_concerned_and_every_outcome_is_true(name: str, extensions: tuple[bytes, ...]) -> None:
    script, expected = MISBEHAVIOURS[name]
    if extensions is PIPELINED:
        expected = PIPELINED_OUTCOMES.get(name, expected)
    assert sent(ScriptedServer(script=script, extensions=extensions)) == expected


#: A server that leaves out its answer to the second message and goes on, so that each answer may be another's, and then
#: shows itself no further. Name -> what happens to the third reader besides, whether the second message was kept, and
#: what its reader is then.
SLIPS: dict[str, tuple[Script, bool, Status]] = {
    "closes at RCPT": ({("RCPT", 3): Act(CLOSE, b"")}, False, U),
    "closes at DATA": ({("DATA", 3): Act(CLOSE, b"")}, False, U),
    "closes at DATA, with the message": ({("DATA", 3): Act(CLOSE, b"")}, True, U),
    "stalls at DATA": ({("DATA", 3): Act(STALL, b"")}, False, U),
    "refuses the reader": ({("RCPT", 3): Act(SAY, b"550 5.1.1 no\r\n")}, False, U),
    "puts the reader off": ({("RCPT", 3): Act(SAY, b"450 4.2.0 no\r\n")}, False, U),
    "goes away at RCPT": ({("RCPT", 3): Act(CLOSE, b"421 4.3.2 later\r\n")}, False, U),
    "refuses DATA": ({("DATA", 3): Act(SAY, b"554 5.5.1 no\r\n")}, False, U),
    "talks nonsense at RCPT": ({("RCPT", 3): Act(SAY, b"nonsense\r\n")}, False, U),
    "says the same to all": (
        {(step, at): Act(SAY, b"250 OK\r\n") for step in ("MAIL", "RCPT") for at in range(1, 5)}
        | {("DOT", 1): Act(SAY, b"250 OK\r\n"), ("DATA", 3): Act(CLOSE, b"")},
        False,
        U,
    ),
    "says whom it heard of": (
        {("MAIL", at): Act(SAY, b"250 <from-%d@example.org> is well\r\n" % at) for at in range(1, 5)}
        | {("DATA", 3): Act(CLOSE, b"")},
        False,
        U,
    ),
    "puts the next MAIL off": ({("MAIL", 3): Act(SAY, b"451 4.3.0 busy\r\n")}, True, U),
    "refuses the next MAIL": ({("MAIL", 3): Act(SAY, b"550 5.7.1 no\r\n")}, True, U),
    "puts the next MAIL off, and RCPT": (
        {(step, 3): Act(SAY, b"451 4.3.0 busy\r\n") for step in ("MAIL", "RCPT")},
        True,
        U,
    ),
    "puts the next MAIL off and takes RCPT": (
        {("MAIL", 3): Act(SAY, b"451 4.3.0 busy\r\n"), ("RCPT", 3): Act(SAY, b"250 ok\r\n")},
        True,
        U,
    ),
    "says at MAIL what it says to messages": ({("MAIL", 3): Act(SAY, b"250 2.0.0 queued\r\n")}, False, U),
    "says at MAIL what it says to messages, twice": (
        {("MAIL", 3): Act(SAY, b"250 2.0.0 queued\r\n250 2.0.0 queued\r\n")},
        False,
        U,
    ),
    "answers MAIL twice": ({("MAIL", 3): Act(SAY, b"250 2.1.0 ok\r\n250 2.1.0 ok\r\n")}, False, U),
    "answers MAIL twice, oddly": ({("MAIL", 3): Act(SAY, b"250 a\r\n250 b\r\n")}, False, U),
    "answers MAIL twice, once yes": ({("MAIL", 3): Act(SAY, b"250 a\r\n550 b\r\n")}, False, U),
    "answers RCPT twice": ({("RCPT", 3): Act(SAY, b"250 2.1.5 ok\r\n250 2.1.5 ok\r\n")}, False, U),
    "says each time how often MAIL came": (
        {("MAIL", at): Act(SAY, b"250 sender %d ok\r\n" % at) for at in range(1, 9)} | {("RCPT", 3): Act(CLOSE, b"")},
        False,
        U,
    ),
}


@pytest.mark.parametrize("name", SLIPS)
def test_an_answer_that_is_left_out_accepts_and_refuses_nobody(name: str) -> None:
    """Trust 3.3: with the next envelope behind the message, what came may be what was said to that."""
    besides, kept, second = SLIPS[name]
    statuses = sent(ScriptedServer(script={("DOT", 2): Act(SAY, b"", keeps=kept), **besides}), 4)
    assert statuses[:2] == [A, second]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("kept", [False, True], ids=["dropped", "kept"])
@pytest.mark.parametrize(
    "answer",
    [
        *("", "250 2.0.0 queued", "250 2.1.0 ok", "250 what?", "354 go ahead", "421 4.3.2 later", "450 4.2.0 no"),
        *("451 4.3.0 busy", "452 4.3.1 full", "500 what?", "501 5.5.4 no", "503 5.5.1 no", "530 5.7.0 log in"),
        *("550 5.1.1 no", "550 5.1.8 no", "550 5.7.1 no", "552 5.3.4 too large", "nonsense"),
    ],
)
def test_an_answer_is_left_out_and_the_next_mail_closes_the_connection(
    answer: str, certificates: Certificates, *, kept: bool, tls: bool
) -> None:
    """Trust 3.3: all that ever comes stands where the answer to the second message would, and is not that."""
    said = f"{answer}\r\n".encode() if answer else b""
    script = {("DOT", 2): Act(SAY, b"", keeps=kept), ("MAIL", 3): Act(CLOSE, said)}
    server = ScriptedServer(script=script, tls=certificates.localhost if tls else None)
    options: dict[str, Any] = {"security": "tls", "ca_file": certificates.ca_file} if tls else {}
    assert sent(server, **options)[:2] == [A, U]


#: A server that answers everything in order, until the envelope behind the second message ends the connection, or is
#: refused. Name -> what happens, and what the outcomes are.
ENDS: dict[str, tuple[Script, list[Status]]] = {
    "says nothing to MAIL": ({("MAIL", 3): Act(CLOSE, b"")}, [A, U, A, A]),
    "says nothing to RCPT": ({("RCPT", 3): Act(CLOSE, b"")}, [A, U, D, A]),
    "says nothing to DATA": ({("DATA", 3): Act(CLOSE, b"")}, [A, A, D, A]),
    "goes away at MAIL": ({("MAIL", 3): Act(CLOSE, b"421 4.3.2 enough\r\n")}, [A, A, A, A]),
    "goes away at RCPT": ({("RCPT", 3): Act(CLOSE, b"421 4.3.2 later\r\n")}, [A, A, D, N]),
    "goes away at DATA": ({("DATA", 3): Act(CLOSE, b"421 4.3.2 later\r\n")}, [A, A, D, N]),
    "puts MAIL off": ({("MAIL", 3): Act(SAY, b"451 4.3.0 busy\r\n")}, [A, A, N, N]),
    "refuses MAIL": ({("MAIL", 3): Act(SAY, b"550 5.7.1 no\r\n")}, [A, A, N, N]),
    "refuses RCPT": ({("RCPT", 3): Act(SAY, b"550 5.1.1 no\r\n")}, [A, A, R, A]),
    "refuses the sender at RCPT": ({("RCPT", 3): Act(SAY, b"550 5.1.8 no\r\n")}, [A, A, N, N]),
    "refuses DATA": ({("DATA", 3): Act(SAY, b"554 5.5.1 no\r\n")}, [A, A, R, A]),
}
#: The same where the second message is refused: who is refused is sure once all answers to the envelope came.
ENDS_AFTER_A_REFUSAL = {
    "says nothing to MAIL": [A, U, A, A],
    "says nothing to RCPT": [A, U, D, A],
    "says nothing to DATA": [A, U, D, A],
    "goes away at MAIL": [A, U, A, A],
    "goes away at RCPT": [A, U, D, N],
    "goes away at DATA": [A, R, D, N],
    "puts MAIL off": [A, R, N, N],
    "refuses MAIL": [A, R, N, N],
    "refuses RCPT": [A, R, R, A],
    "refuses the sender at RCPT": [A, R, N, N],
    "refuses DATA": [A, R, R, A],
}


@pytest.mark.parametrize("name", ENDS)
def test_an_answer_counts_once_those_to_the_envelope_behind_it_came(name: str) -> None:
    """Trust 3.3: a yes with the answer to RCPT, or with 421 (RFC 5321 section 3.8); a refusal with all of them."""
    script, expected = ENDS[name]
    assert sent(ScriptedServer(script=script)) == expected
    refused = Act(SAY, b"554 5.6.0 spam\r\n")
    assert sent(ScriptedServer(script=script | {("DOT", 2): refused})) == ENDS_AFTER_A_REFUSAL[name]


@pytest.mark.parametrize(
    ("to_mail", "to_dot", "second"),
    [
        (b"250 OK", b"250 OK", A),
        (b"250 OK", b"250 OK id=1qXyZ", U),
        (b"250 2.1.0 OK", b"250 2.0.0 OK", U),
        (b"250 2.1.0 OK 1a - x", b"250 2.1.0 OK 2b - x", A),
        (b"250 <weekly@news.example.org> OK", b"250 <bounce@news.example.org> OK", A),
    ],
)
def test_nothing_stands_behind_a_message_that_is_answered_as_mail_is(
    to_mail: bytes, to_dot: bytes, second: Status
) -> None:
    """What was said to the message is its own then, also where the server closes the connection behind it."""
    script = {("MAIL", at): Act(SAY, to_mail + b"\r\n") for at in range(1, 9)}
    script |= {("DOT", at): Act(SAY, to_dot + b"\r\n") for at in range(1, 9)}
    script["DOT", 2] = Act(CLOSE, to_dot + b"\r\n")
    assert sent(ScriptedServer(script=script)) == [A, second, A, A]


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["plain", "pipelined"])
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "BODY", "DOT"])
def test_a_server_that_always_hangs_up_harms_few(step: str, extensions: tuple[bytes, ...]) -> None:
    """Two connections lost in a row, and the rest waits."""
    act = Act(How.CUT) if step == "BODY" else Act(CLOSE, b"")
    statuses = sent(
        ScriptedServer(script={(step, at): act for at in range(1, 100)}, extensions=extensions), 40, connections=10
    )
    assert statuses[3:] == [N] * 37
    assert A not in statuses


@pytest.mark.parametrize(
    ("where", "answer"),
    [
        ("CONNECT", b"421 4.7.0 too many connections\r\n"),
        ("CONNECT", b"554 5.7.0 too many connections\r\n"),
        ("CONNECT", b""),
        ("MAIL", b"421 4.7.0 too many connections\r\n"),
        ("MAIL", b"452 4.7.0 too many connections\r\n"),
    ],
)
def test_a_server_that_limits_connections_gets_fewer(where: str, answer: bytes) -> None:
    server = ScriptedServer(max_connections=3, too_many=answer, too_many_at=where)
    assert sent(server, 120, connections=10) == [A] * 120
    assert server.most_at_once >= 3


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["plain", "pipelined"])
@pytest.mark.parametrize("enough", [b"421 4.7.0 enough\r\n", b""], ids=["said", "unsaid"])
def test_a_server_that_limits_mails_on_a_connection_gets_more_connections(
    enough: bytes, extensions: tuple[bytes, ...]
) -> None:
    server = ScriptedServer(max_mails=3, enough=enough, extensions=extensions)
    statuses = sent(server, 40, connections=3)
    # One that closes without a word behind its third mail is found out by the connections that are open by then.
    in_flight = 0 if enough or extensions is PLAIN else 3
    assert statuses.count(U) <= in_flight
    assert statuses.count(A) == 40 - statuses.count(U)


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["plain", "pipelined"])
def test_our_own_limit_of_mails_on_a_connection(extensions: tuple[bytes, ...]) -> None:
    server = ScriptedServer(extensions=extensions)
    assert sent(server, 20, mails_per_connection=4) == [A] * 20
    assert server.connections == 5
    assert server.lines.count(b"QUIT") == 5


def test_readers_are_carried_over_several_connections_at_once() -> None:
    server = ScriptedServer()
    assert sent(server, 200, connections=4) == [A] * 200
    assert server.most_at_once == 4


def test_a_message_follows_the_one_before_without_a_round_trip() -> None:
    """RFC 2920: the envelope stands behind the final dot."""
    server = ScriptedServer()
    sent(server, 3)
    verbs = [line[:4] for line in server.lines]
    assert verbs == [b"ehlo", *[b"MAIL", b"RCPT", b"DATA"] * 3, b"QUIT"]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    ("how", "first"),
    [
        (Act(How.EARLY_AND_STALL, b"250 2.0.0 queued\r\n"), U),
        (Act(How.EARLY_AND_STALL, b"552 5.3.4 too large\r\n"), R),
        (Act(How.CUT), D),
    ],
    ids=["accepts", "refuses", "closes"],
)
def test_what_happens_to_a_long_message_before_it_is_sent_is_known(
    how: Act, first: Status, certificates: Certificates, *, tls: bool
) -> None:
    """A server cannot have taken what was not sent, whatever it says; also where TLS sends it."""
    server = ScriptedServer(
        script={("BODY", 1): how}, tls=certificates.localhost if tls else None, receive_buffer=65_536
    )
    options: dict[str, Any] = {"security": "tls", "ca_file": certificates.ca_file} if tls else {}
    mail = make_mail(html=f"<p>{'word ' * 2_000_000}</p>")
    assert sent(server, 2, mail=mail, timeout=2.0, **options) == [first, A]


def test_tls_that_is_cut_after_the_final_dot(certificates: Certificates) -> None:
    server = ScriptedServer(script={("DOT", 2): Act(CLOSE, b"", keeps=True)}, tls=certificates.localhost)
    assert sent(server, security="tls", ca_file=certificates.ca_file) == [A, U, A, A]


def test_many_connections_speak_tls(certificates: Certificates) -> None:
    server = ScriptedServer(tls=certificates.localhost)
    assert sent(server, 60, connections=3, security="tls", ca_file=certificates.ca_file) == [A] * 60


class TestKeptConnections:
    """Between two calls of `send`."""

    def test_carry_the_next_call(self) -> None:
        server, readers = ScriptedServer(), make_readers(4)
        with scripted_server(server):
            sending = provider(server)
            for reader in readers:
                assert [one.status for one in sending.send(make_mail(), [reader])] == [A]
            sending.close()
        assert server.connections == 1

    def test_that_were_closed_meanwhile_are_replaced_and_nobody_notices(self) -> None:
        server, readers = ScriptedServer(), make_readers(2)
        with scripted_server(server):
            sending = provider(server)
            sending.send(make_mail(), readers[:1])
            for sock in [*server.open.values()]:
                sock.shutdown(2)
            assert [one.status for one in sending.send(make_mail(), readers[1:])] == [A]
            sending.close()
        assert server.connections == 2

    @pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["plain", "pipelined"])
    def test_that_break_at_once_are_replaced_and_nobody_notices(self, extensions: tuple[bytes, ...]) -> None:
        """As when the server had closed it, and its word was still on the way. Five of them are no outage."""
        count = 5
        server = ScriptedServer(extensions=extensions)
        with scripted_server(server):
            sending = provider(server, count)
            readers = make_readers(100)
            sending.send(make_mail(), readers[:50])
            kept = len(server.open)
            server.script = {("MAIL", server.counts["MAIL"] + at): Act(CLOSE, b"") for at in range(1, kept + 1)}
            outcomes = sending.send(make_mail(), readers[50:])
            check_truth(server, readers[50:], outcomes)
            assert {one.status for one in outcomes} == {A}
            sending.close()

    def test_are_closed_by_close_and_the_provider_can_be_used_again(self) -> None:
        server = ScriptedServer()
        with scripted_server(server):
            sending = provider(server)
            sending.send(make_mail(), make_readers(1))
            sending.close()
            assert server.lines[-1] == b"QUIT" or server.connections == 1
            assert [one.status for one in sending.send(make_mail(), make_readers(1))] == [A]
            sending.close()
        assert server.connections == 2
        assert server.lines.count(b"QUIT") == 2


SAID = [
    *(b"250 ok\r\n", b"354 go\r\n", b"421 4.3.2 later\r\n", b"450 4.2.0 no\r\n", b"550 5.1.1 no\r\n"),
    *(b"550 5.7.1 no\r\n", b"530 5.7.0 log in\r\n", b"500 what\r\n", b"nonsense\r\n", b"250 o", b"", b"\n", None),
    *(b"250-a\r\n250 b\r\n", b"250 a\r\n250 b\r\n", b"250 a\r\n550 b\r\n", b"503 5.5.1 no\r\n"),
    *(b"250 2.0.0 queued\r\n", b"250 2.1.0 ok\r\n250 2.1.0 ok\r\n", b"451 4.3.0 busy\r\n"),
]
STEPS = ["CONNECT", "RSET", "MAIL", "RCPT", "DATA", "BODY", *["DOT"] * 5]


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Return what a server does wrong at some steps. It keeps no message that it refuses, and all that it takes.

    Some answers to messages are left out, with something odd at the envelope behind: only there may they be mistaken.
    """
    found: Script = {}
    for _ in range(draw(st.integers(0, 6))):
        step, at = draw(st.sampled_from(STEPS)), draw(st.integers(1, 10))
        say = draw(st.sampled_from(SAID))
        how = draw(st.sampled_from([SAY, DRIBBLE, CLOSE])) if step != "BODY" else How.CUT
        says_so = (say is None or say.startswith(b"2"), say is not None and say[:1] in {b"4", b"5"})
        keeps = says_so[0] if any(says_so) else draw(st.booleans())
        found[step, at] = Act(how, say, keeps=keeps if step == "DOT" else None)
    for at in draw(st.sets(st.integers(1, 10), max_size=2)):
        found["DOT", at] = Act(SAY, b"", keeps=draw(st.booleans()))
        for step in draw(st.sets(st.sampled_from(["MAIL", "RCPT", "DATA"]), max_size=2)):
            found[step, at + 1] = Act(draw(st.sampled_from([SAY, CLOSE])), draw(st.sampled_from(SAID)))
    return found


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script=scripts(), pipelining=st.booleans(), connections=st.integers(1, 3), count=st.integers(4, 24))
def test_whatever_a_server_does_the_outcomes_are_true(
    script: Script, pipelining: bool, connections: int, count: int
) -> None:
    server = ScriptedServer(script=script, extensions=PIPELINED if pipelining else PLAIN)
    readers = make_readers(count)
    with scripted_server(server):
        sending = provider(server, connections, timeout=0.15)
        try:
            outcomes = sending.send(make_mail(), readers)
        except ProviderRefused:
            assert not server.received
            return
        finally:
            sending.close()
        check_truth(server, readers, outcomes)


class Watching:
    """A watch that remembers, and stops when it is told to."""

    def __init__(self, stop_after: int = 1_000_000) -> None:
        self.told: list[tuple[str, str]] = []
        self.stop_after = stop_after

    def handing_over(self, delivery_id: str) -> None:
        self.told.append(("handing over", delivery_id))

    def settled(self, outcome: Outcome) -> None:
        self.told.append((outcome.status.value, outcome.delivery_id))

    def stopping(self) -> bool:
        return sum(what == "handing over" for what, _ in self.told) >= self.stop_after


def check_told(watch: Watching, outcomes: Sequence[Outcome]) -> None:
    """Each reader was settled once, as told in the end, and handed over at most once and before."""
    for outcome in outcomes:
        said = [what for what, delivery_id in watch.told if delivery_id == outcome.delivery_id]
        assert said in ([outcome.status.value], ["handing over", outcome.status.value])
        assert outcome.status not in {A, U} or len(said) == 2


class TestWatch:
    """Watched: a crash leaves only those uncertain who were handed over and not settled."""

    @pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["plain", "pipelined"])
    @pytest.mark.parametrize("name", MISBEHAVIOURS)
    def test_is_told_the_truth_whatever_happens(self, name: str, extensions: tuple[bytes, ...]) -> None:
        server, readers = ScriptedServer(script=MISBEHAVIOURS[name][0], extensions=extensions), make_readers(4)
        watch = Watching()
        with scripted_server(server):
            sending = provider(server, timeout=0.2)
            outcomes = sending.send_watched(make_mail(), readers, watch)
            sending.close()
        check_told(watch, outcomes)

    @pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["plain", "pipelined"])
    @pytest.mark.parametrize("after", [1, 2, 9, 25])
    def test_stopping_begins_nothing_new_and_waits_for_what_was_handed_over(
        self, after: int, extensions: tuple[bytes, ...]
    ) -> None:
        """F11."""
        server, readers = ScriptedServer(extensions=extensions), make_readers(200)
        watch = Watching(stop_after=after)
        with scripted_server(server):
            sending = provider(server, 4)
            outcomes = sending.send_watched(make_mail(), readers, watch)
            sending.close()
            check_truth(server, readers, outcomes)
        check_told(watch, outcomes)
        accepted = sum(outcome.status is A for outcome in outcomes)
        assert after <= accepted <= after + 4 * 2  # each connection may be at one, and one turn of the loop at another
        assert {outcome.status for outcome in outcomes} == {A, N}

    def test_stopping_does_not_wait_long_for_an_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """F11: what is not answered then is uncertain, and nobody else was tried."""
        monkeypatch.setattr("newsletter.providers.smtp.sending._GRACE", 0.2)
        server = ScriptedServer(script={("DOT", 3): Act(STALL, b"", keeps=True)})
        watch = Watching(stop_after=3)
        with scripted_server(server):
            patient = SmtpProvider(host="localhost", port=server.port, security="none", connections=1)
            outcomes = patient.send_watched(make_mail(), make_readers(6), watch)
        assert [outcome.status for outcome in outcomes] == [A, A, U, N, N, N]
        check_told(watch, outcomes)

    @pytest.mark.parametrize("how", [Act(CLOSE, b"421 4.3.2 later\r\n"), Act(CLOSE, b""), Act(SAY, b"354 what?\r\n")])
    def test_stopping_begins_nothing_new_whatever_the_server_does_then(self, how: Act) -> None:
        server = ScriptedServer(script={("MAIL", at): how for at in range(2, 9)})
        watch = Watching(stop_after=1)
        with scripted_server(server):
            outcomes = provider(server).send_watched(make_mail(), make_readers(3), watch)
        assert [outcome.status for outcome in outcomes] == [A, N, N]
        assert server.connections == 1

    def test_stopping_while_a_connection_is_opened_tries_nobody(self) -> None:
        server = ScriptedServer(script={("CONNECT", 1): Act(STALL, b"")})
        with scripted_server(server):
            sending = SmtpProvider(host="localhost", port=server.port, security="none")
            outcomes = sending.send_watched(make_mail(), make_readers(2), Watching(stop_after=0))
        assert [outcome.status for outcome in outcomes] == [N, N]


@pytest.mark.parametrize("at_most", [1, 5, 100])
def test_two_threads_send_at_once(at_most: int) -> None:
    """One waits for the connections of the other where the server takes no more."""
    server, readers = ScriptedServer(max_connections=at_most), make_readers(200)
    halves = readers[:100], readers[100:]
    results: dict[int, list[Outcome]] = {}
    with scripted_server(server):
        sending = provider(server, 4, timeout=60.0)

        def lane(number: int) -> None:
            results[number] = sending.send(make_mail(), halves[number])

        lanes = [threading.Thread(target=lane, args=(number,)) for number in range(2)]
        for one in lanes:
            one.start()
        for one in lanes:
            one.join()
        sending.close()
        check_truth(server, readers, results[0] + results[1])
    assert {outcome.status for outcome in results[0] + results[1]} == {A}


class TestEnvelope:
    def test_says_whose_bounce_it_would_be_where_dsn_is_offered(self) -> None:
        """RFC 3461."""
        server = ScriptedServer(extensions=(b"PIPELINING", b"DSN"))
        sent(server, 1)
        mail_from, rcpt_to = server.lines[1:3]
        assert mail_from == f"MAIL FROM:<weekly@news.example.org> RET=HDRS ENVID={1:032x}".encode()
        assert rcpt_to == (b"RCPT TO:<reader-1@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;reader-1@example.org")

    @pytest.mark.parametrize("extensions", [(b"DSN",), (b"DSN", b"PIPELINING")], ids=["plain", "pipelined"])
    @pytest.mark.parametrize("step", ["MAIL", "RCPT"])
    @pytest.mark.parametrize(
        "answer", [b"501 bad parameters\r\n", b"501 5.5.4 NOTIFY\r\n", b"504 5.5.4 no\r\n", b"555 5.5.4 no\r\n"]
    )
    @pytest.mark.parametrize("at", [1, 3])
    def test_is_said_again_without_the_parameters_of_dsn_where_they_are_refused(
        self, at: int, answer: bytes, step: str, extensions: tuple[bytes, ...]
    ) -> None:
        """RFC 5321 section 4.1.1.11: the reader was not refused, and the server gets no such parameters any more."""
        server = ScriptedServer(script={(step, at): Act(SAY, answer)}, extensions=extensions)
        assert sent(server, 20, mails_per_connection=10) == [A] * 20
        assert server.connections in {2, 3}  # of ten messages at most; one reader was begun twice
        for verb in (b"MAIL", b"RCPT"):
            said = [line for line in server.lines if line.startswith(verb)]
            with_dsn = [b"ENVID=" in line or b"NOTIFY=" in line for line in said]
            assert with_dsn == sorted(with_dsn, reverse=True)
            # One by one, RCPT is not said after MAIL was refused.
            assert with_dsn.count(True) == at - (verb == b"RCPT" and step == "MAIL" and len(extensions) == 1)

    def test_that_is_refused_without_parameters_too_refuses_the_reader(self) -> None:
        refused = Act(SAY, b"501 5.5.2 what?\r\n")
        server = ScriptedServer(script={("RCPT", 1): refused, ("RCPT", 2): refused}, extensions=(b"DSN", b"PIPELINING"))
        assert sent(server, 3) == [R, A, A]

    def test_keeps_dsn_where_a_501_is_about_the_address(self) -> None:
        """RFC 3463 section 3.2: X.1.3 is a bad address."""
        server = ScriptedServer(script={("RCPT", 1): Act(SAY, b"501 5.1.3 no\r\n")}, extensions=(b"DSN",))
        assert sent(server, 3) == [R, A, A]
        assert all(b"NOTIFY=" in line for line in server.lines if line.startswith(b"RCPT"))

    @pytest.mark.parametrize(
        ("text", "written"),
        [("ada+fens=x@example.org", "ada+2Bfens+3Dx@example.org"), ("a b", "a+20b"), ("é", "+C3+A9"), ("ok.-", "ok.-")],
    )
    def test_writes_addresses_as_xtext(self, text: str, written: str) -> None:
        assert xtext(text) == written

    def test_has_a_return_path_for_each_delivery_that_leads_back_to_it(self) -> None:
        server = ScriptedServer()
        sent(server, 2, return_path="bounce@news.example.org")
        senders = [line.partition(b"<")[2].partition(b">")[0].decode() for line in server.lines if b"MAIL" in line]
        assert senders == [f"bounce+{number:032x}@news.example.org" for number in (1, 2)]
        for number, sender in enumerate(senders, 1):
            for form in (sender, sender.upper(), f"<{sender}>"):
                assert read_return_path(form, "Bounce@news.example.org") == f"{number:032x}"

    @pytest.mark.parametrize(
        "address",
        [
            *("", "<>", "bounce@news.example.org", "bounce+@news.example.org", "bounce+xyz@news.example.org"),
            *("bounce+0123456789abcdef@evil.example", "other+0123456789abcdef@news.example.org", "bounce+01234@x"),
            *("bounce+0123456789abcdef@news.example.org.evil.example", "bounce+" + "0" * 61 + "@news.example.org"),
        ],
    )
    def test_another_address_leads_to_nothing(self, address: str) -> None:
        assert read_return_path(address, "bounce@news.example.org") is None

    def test_a_return_path_without_room_for_an_id_is_named_and_nobody_is_tried(self) -> None:
        """RFC 5321 section 4.5.3.1.1: 64 octets before the @."""
        server = ScriptedServer()
        with scripted_server(server), pytest.raises(ProviderRefused, match=r"provider\.return_path.*Shorten"):
            provider(server, return_path="b" * 40 + "@news.example.org").send(make_mail(), make_readers(2))
        assert not server.received

    @pytest.mark.parametrize("address", ["bounce", "bounce@", "bö@news.example.org", "a b@news.example.org"])
    def test_a_return_path_that_is_no_address_is_named(self, address: str) -> None:
        with pytest.raises(ConfigurationError, match=r"provider\.return_path is wrong"):
            load_provider("smtp", {"host": "smtp.example.org", "return_path": address})

    @pytest.mark.parametrize("text", ["x\n.\ny", "x\r.\ry", "x\n.\r\ny", "x\r\n.\ny", "\r\n.\r\nMAIL FROM:<a@b.c>\r\n"])
    @pytest.mark.parametrize("name", ["", "\r\n.\r\n", "\n.\n", ".", "\r.\r"])
    def test_no_body_and_no_value_can_smuggle_a_second_message(self, text: str, name: str) -> None:
        """Threat 25, where the next envelope stands behind the final dot."""
        server, readers = ScriptedServer(), make_readers(2)
        mail = make_mail(text=f"{text}{hole_tag(NONCE, 'name')}\n", html=text)
        readers = [replace(reader, values={**reader.values, "name": name}) for reader in readers]
        with scripted_server(server):
            sending = provider(server)
            check_truth(server, readers, sending.send(mail, readers))
            sending.close()
        assert server.arrived().total() == 2
        for _, message in server.received:
            assert not re.search(rb"(?<!\r)\n|\r(?!\n)", message)


def replies(*chunks: bytes) -> tuple[list[tuple[int, bytes]], str]:
    """Return the replies in what arrives, and what was none."""
    reader = Replies()
    return [reply for chunk in chunks for reply in reader.feed(chunk)], reader.nonsense


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"250 ok\r\n", [(250, b"ok\r")]),
        (b"250\r\n", [(250, b"")]),
        (b"250 \n", [(250, b"")]),
        (b"250-a\r\n250-b\r\n250 c\r\n", [(250, b"a\r\nb\r\nc\r")]),
        (b"250 a\r\n354 b\r\n421 c\r\n", [(250, b"a\r"), (354, b"b\r"), (421, b"c\r")]),
    ],
)
def test_replies_are_whole_wherever_they_were_cut(data: bytes, expected: list[tuple[int, bytes]]) -> None:
    for at in range(len(data)):
        assert replies(data[:at], data[at:]) == (expected, "")
    assert replies(*(data[at : at + 1] for at in range(len(data)))) == (expected, "")


@pytest.mark.parametrize(
    "line", [b"", b"25", b"25x ok", b"250ok", b"150 ok", b"650 ok", b"+OK", b"\xff\xfe", b" 250 ok"]
)
def test_what_is_no_reply_ends_the_conversation_after_those_before_it(line: bytes) -> None:
    found, nonsense = replies(b"250 a\r\n" + line + b"\r\n250 b\r\n")
    assert found == [(250, b"a\r")]
    assert "is not SMTP" in nonsense
