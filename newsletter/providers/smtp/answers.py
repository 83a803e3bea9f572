"""What a mail server's answers mean, and what it means that none came: decided without a connection (RFC 5321).

Only between the final dot and its answer is it unknown whether a server took a message (RFC 1047, RFC 5321 section
4.5.3.2.6); everywhere else a failure means that it did not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, StrEnum

from newsletter.mail import Status, header_text

#: An enhanced status code (RFC 3463), which servers write first, later in the text or not at all; no IP address.
_ENHANCED = re.compile(r"(?<![\w.])[45]\.(\d{1,3})\.\d{1,3}(?!\w|\.\d)")
#: Its subject for security and policy.
_POLICY = "7"
#: The same at the start of any answer (RFC 2034 section 4).
_STATUS_CODE = re.compile(r"\d{3} (\d\.\d{1,3}\.\d{1,3})(?= |$)")
#: An address in an answer, as servers repeat the one they were told.
_ADDRESS = re.compile(r"\S*@\S*")
#: Answers to an envelope behind a message that show that one was left out: the 354 to DATA came for RCPT, or RCPT
#: without a sender was answered for MAIL.
_ONE_TOO_EARLY = frozenset({("RCPT TO", 354), ("MAIL FROM", 503)})
#: Answers to the parameters of a command (RFC 5321 section 4.2.2) that do not speak of an address (X.1.X).
_PARAMETERS_REFUSED = re.compile(r"(?:501|504|555) (?!5\.1\.)")
#: Answers that speak of the sender, whichever command they follow.
_SENDER_REFUSED = re.compile(r"530 |5\d\d 5\.1\.[78]\b")
#: A reply's line (RFC 5321 section 4.2): three digits, then a blank or a hyphen and text, or the line's end.
_CODES = {b"%d" % code: code for code in range(200, 600)}
_MARKS = frozenset({b" ", b"-", b"\r", b""})
#: More than any server says in one reply; a limit is needed, since what comes is kept until the reply is whole.
_MAX_REPLY = 65_536


class Step(StrEnum):
    """How far a message's transaction had come."""

    #: Not yet in it: what the one before had left is dropped.
    RSET = "RSET"
    #: The envelope's sender.
    MAIL = "MAIL FROM"
    #: The reader.
    RCPT = "RCPT TO"
    #: The request to hand over the message, and the message without its final dot.
    DATA = "DATA"
    #: The final dot was sent; from here on nobody but the server knows.
    DOT = "the final dot"
    #: A final dot for no message: the server asked for one after it had refused the reader (RFC 2920 section 3.1).
    NOTHING = "a final dot for no message"


class Then(Enum):
    """What may follow on the connection."""

    #: The next command of this transaction.
    GO_ON = 1
    #: The next reader.
    NEXT = 2
    #: The same reader once more, without the parameters of RFC 3461, as all others from now on.
    WITHOUT_DSN = 6
    #: The next reader, on a new connection: this one is broken or out of step.
    RECONNECT = 3
    #: Nothing now: the rest waits.
    STOP = 4
    #: Nothing until somebody changes something.
    REFUSE = 5


@dataclass(frozen=True)
class Verdict:
    """What an answer means for the reader and for the connection."""

    then: Then
    status: Status = Status.NOT_TRIED
    detail: str = ""


_GO_ON = Verdict(Then.GO_ON)


def goes_on(step: Step, code: int) -> bool:
    """Tell whether the next command of the transaction may follow."""
    return code == 354 if step is Step.DATA else 200 <= code <= 299 and step is not Step.DOT


def judge(step: Step, code: int, text: str, *, dsn: bool = False) -> Verdict:
    """Return what the server's answer `code` `text` to `step` means (RFC 5321 section 4.2).

    With `dsn` the envelope had the parameters of RFC 3461. Some servers offer it, or what stands before them did, and
    refuse it; neither the sender nor the reader is refused then.
    """
    if goes_on(step, code):
        return _GO_ON
    detail = f"{code} {text}"
    if dsn and step in {Step.MAIL, Step.RCPT} and _PARAMETERS_REFUSED.match(detail):
        return Verdict(Then.WITHOUT_DSN, detail=detail)
    if 200 <= code <= 299 and step is Step.DOT:
        return Verdict(Then.NEXT, Status.ACCEPTED, detail)
    if 400 <= code <= 499:
        # After 421 the server goes away. It may be this reader who drives it away: only the others cost no try.
        then = Then.STOP if code == 421 or step is Step.MAIL else Then.NEXT
        return Verdict(then, Status.NOT_TRIED if step is Step.MAIL else Status.DEFERRED, detail)
    if 500 <= code <= 599:
        return _judge_refusal(step, detail)
    return lost(step, f"{step} was answered with {detail!r}, which is not SMTP")


def _judge_refusal(step: Step, detail: str) -> Verdict:
    if step is Step.MAIL or _SENDER_REFUSED.match(detail):
        return Verdict(Then.REFUSE, detail=detail)
    return Verdict(Then.NEXT, Status.REFUSED if _is_policy(detail) else Status.REJECTED, detail)


def alike(one: str, other: str) -> bool:
    """Tell whether two answers may be to the same command.

    They are not when their enhanced status codes differ, or where one has none, their words; addresses do not count.
    """
    if one == other:
        return True
    codes = _STATUS_CODE.match(one), _STATUS_CODE.match(other)
    if codes[0] and codes[1]:
        return codes[0][1] == codes[1][1]
    return _ADDRESS.sub("", one) == _ADDRESS.sub("", other)


def one_too_early(step: Step, code: int) -> bool:
    """Tell whether an answer to an envelope that stands behind a message shows that the message got none."""
    return (step, code) in _ONE_TOO_EARLY


def lost(step: Step, why: str) -> Verdict:
    """Return what it means that the connection broke, or made no sense, while `step` waited for its answer."""
    # A reader or a mail that always breaks the connection must come to an end of tries, and not hold up the others.
    known = {Step.DOT: Status.UNCERTAIN, Step.MAIL: Status.NOT_TRIED, Step.RSET: Status.NOT_TRIED}
    return Verdict(Then.RECONNECT, known.get(step, Status.DEFERRED), f"the connection was lost at {step}: {why}")


def too_early(code: int, text: str) -> Verdict:
    """Return what it means that the message was answered before its final dot was sent.

    A refusal counts, since the dot is then never sent. A server that says it took a message which it cannot have yet
    may have taken what there was of it.
    """
    verdict = judge(Step.DOT, code, text)
    if verdict.then is Then.NEXT and verdict.status is not Status.ACCEPTED:
        return Verdict(Then.RECONNECT, verdict.status, verdict.detail)
    if verdict.then in {Then.STOP, Then.REFUSE}:
        return verdict
    return lost(Step.DOT, f"{code} {text} came before the message was sent")


def _is_policy(text: str) -> bool:
    """Tell whether a refusal is for policy (X.7.X): the first enhanced code counts.

    Servers answer so both for what a reader does not want and for what they hold against us ("554 5.7.1 Relay access
    denied"). One call of `send` cannot tell which.
    """
    code = _ENHANCED.search(text)
    return code is not None and code[1] == _POLICY


class Replies:
    """Puts a server's replies together from what arrives, wherever it was cut."""

    def __init__(self) -> None:
        self._rest = b""
        #: Of a reply that is not whole yet: its code, and the words of its lines.
        self._code = 0
        self._words: list[bytes] = []
        self._size = 0
        #: What came that is no reply; from there on nothing can be understood.
        self.nonsense = ""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the code and the words of each reply that is whole now, its lines joined by line feeds.

        Stops at what is no reply and keeps it in `nonsense`.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        whole: list[tuple[int, bytes]] = []
        for line in lines:
            code, mark = _CODES.get(line[:3], 0), line[3:4]
            if mark not in _MARKS or not code or self._code not in {0, code}:
                self.nonsense = f"{clean(line)!r} is not SMTP"
                return whole
            if mark == b"-":
                self._code = code
                self._words.append(line[4:])
                self._size += len(line)
                if self._size > _MAX_REPLY:
                    self.nonsense = "a reply without an end is not SMTP"
                    return whole
            elif self._words:
                whole.append((code, b"\n".join([*self._words, line[4:]])))
                self._code, self._words, self._size = 0, [], 0
            else:
                whole.append((code, line[4:]))
        if len(self._rest) > _MAX_REPLY:
            self.nonsense = "a line without an end is not SMTP"
        return whole


def clean(words: bytes) -> str:
    """Return what a server said as one clean line."""
    return header_text(words.strip().decode("utf-8", errors="replace"))
