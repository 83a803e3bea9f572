"""One connection's conversation: commands in groups where the server takes them so (RFC 2920), answers in their order.

With PIPELINING each write carries a message and the next reader's envelope. DATA ends a group, since a message may only
follow its 354. Without PIPELINING a group is one command; all else is the same.

A server that leaves out its answer to a message and goes on would have its answer to the MAIL behind it taken for that.
So an envelope stands behind a message only where the server's words tell the two apart, and the answer to the message
counts once those to the envelope have come in their places, in the words they had before: all of them for a refusal;
for a yes, the one to RCPT, or a 421. Until then nobody can say whose answer it was (trust 3.3).
"""

from __future__ import annotations

import smtplib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from newsletter.mail import Recipient, Status
from newsletter.providers.smtp.answers import (
    Step,
    Then,
    Verdict,
    alike,
    clean,
    goes_on,
    judge,
    lost,
    one_too_early,
    too_early,
)
from newsletter.providers.smtp.wire import Wire

_RSET = b"RSET\r\n"
_DATA = b"DATA\r\n"
_FINAL_DOT = b".\r\n"
#: Verdicts after which the connection carries the next letter.
_GOES_ON = frozenset({Then.NEXT, Then.WITHOUT_DSN})


@dataclass(slots=True)
class Letter:
    """One reader's message on its way."""

    #: Where the reader stands in the call's recipients.
    at: int
    recipient: Recipient
    mail_from: bytes
    rcpt_to: bytes
    #: The message in pieces. It ends with CRLF, and no line begins with a dot.
    message: list[bytes]
    size: int
    #: Whether its envelope has the parameters of RFC 3461.
    dsn: bool = False
    #: Sent one command at a time, so that what breaks the connection is known.
    alone: bool = False
    #: After how many bytes of its connection its final dot was given away; 0 until it is handed over.
    dot_at: int = 0
    #: What became of it, while answers to its envelope are still to come.
    verdict: Verdict | None = None


class Ended(Exception):
    """The connection is of no more use; `letter` is the one whose `step` was answered so, if it was any."""

    def __init__(self, verdict: Verdict, letter: Letter | None = None, step: Step = Step.MAIL) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict
        self.letter = letter
        self.step = step


class Desk(Protocol):
    """Who gives a connection its letters and takes what became of them."""

    def next_letter(self, connection: Connection, *, behind: bool) -> Letter | None:
        """Return the next letter to begin, `behind` one that is on its way; None when there is none for now."""
        ...

    def handing_over(self, letter: Letter) -> None:
        """Keep that the server may take the letter from now on. Raises Ended when no letter is to begin any more."""
        ...

    def settle(self, connection: Connection, letter: Letter, verdict: Verdict) -> None:
        """Take what became of a letter."""
        ...


class Connection:
    """A connection that is ready for a message, with the letters that are on it."""

    def __init__(self, session: smtplib.SMTP) -> None:
        self.wire = Wire(session)
        self.pipelining = session.has_extn("pipelining")
        self.dsn = session.has_extn("dsn")
        self.size = session.has_extn("size")
        #: Letters begun and accepted since it was opened; answers since it was taken up.
        self.begun = 0
        self.accepted = 0
        self.answers = 0
        #: Whether it was kept from an earlier call, and since when it is kept.
        self.kept = False
        self.kept_since = 0.0
        self.deadline = 0.0
        #: Whether its loop waits until it can write.
        self.writing = False
        #: Commands that wait for the answer before them; and the answers to come, with the bytes sent before they can.
        self._commands: deque[tuple[Step, Letter | None, bytes]] = deque()
        self._expected: deque[tuple[Step, Letter | None, int]] = deque()
        #: Whether the server is left in the middle of a transaction.
        self._unclean = False
        #: What MAIL was answered with when nothing was before it, whether it was the time before as well, and whether a
        #: message is answered in other words.
        self._to_mail = ""
        self._to_mail_raw = b""
        self._steady = False
        self._tells_apart = False
        #: A letter that was answered, until the answers to the envelope behind it show that none has slipped.
        self._held: tuple[Letter, Verdict] | None = None

    @property
    def idle(self) -> bool:
        """Whether no letter is on it."""
        return not self._expected

    @property
    def handed_over(self) -> Letter | None:
        """The letter that the server may have taken, if it is not settled."""
        if self._held is not None:
            return self._held[0]
        return next((letter for step, letter, _ in self._expected if step is Step.DOT), None)

    def begin(self, letter: Letter) -> None:
        """Begin a letter on the idle connection."""
        commands = [(Step.RSET, None, _RSET)] if self._unclean else []
        self._unclean = False
        self._commands.extend([*commands, *_envelope(letter)])
        self.begun += 1
        self._say(together=self.pipelining and not letter.alone)

    def hear(self, desk: Desk) -> bool:
        """Act on what the server said and tell whether it said anything; `wire.broken` tells whether more can follow.

        Raises Ended when an answer ends the connection.
        """
        replies = self.wire.read()
        self.answers += len(replies)
        sent = self.wire.sent
        for code, words in replies:
            if not self._expected or (sent < self._expected[0][2] and self._expected[0][0] is not Step.DOT):
                raise Ended(Verdict(Then.RECONNECT, detail=f"{code} {clean(words)} came before it was asked for"))
            self._answered(code, words, desk)
        return bool(replies)

    def due(self, now: float, timeout: float, final: float) -> None:
        """Set the time by which the next answer has to come (RFC 5321 section 4.5.3.2)."""
        step, letter, _ = self._expected[0] if self._expected else (Step.MAIL, None, 0)
        sent = letter is not None and self.wire.given >= letter.dot_at
        self.deadline = now + (final if step is Step.DOT and sent else timeout)

    def outstanding(self) -> Iterator[tuple[Step, Letter]]:
        """Yield each letter that is not settled, in order, with the first of its steps that is not answered."""
        seen = set()
        for step, letter, _ in (*self._expected, *self._commands):
            if letter is not None and letter.at not in seen:
                seen.add(letter.at)
                yield step, letter

    @property
    def in_doubt(self) -> bool:
        """Whether a letter is held whose answer may have been one to the envelope behind it, if no more come."""
        if self._held is None or not self._expected:
            return False
        accepted = self._held[1].status is Status.ACCEPTED
        return not accepted or self._expected[0][0] in {Step.MAIL, Step.RCPT}

    def release(self, desk: Desk, *, doubt: bool) -> None:
        """Settle the letter that was held: as it was answered, unless there is `doubt` whose answer that was."""
        if self._held is not None:
            (letter, verdict), self._held = self._held, None
            if doubt:
                verdict = lost(Step.DOT, f"{verdict.detail!r} may have been the answer to what stood behind it")
            desk.settle(self, letter, verdict)

    def _say(self, *, together: bool) -> None:
        """Send the commands that wait: all `together`, or the first when no answer is to come before it."""
        while self._commands and (together or not self._expected):
            step, letter, command = self._commands.popleft()
            self.wire.put([command])
            self._expected.append((step, letter, self.wire.queued))

    def _answered(self, code: int, words: bytes, desk: Desk) -> None:
        step, letter, _ = self._expected.popleft()
        if letter is None:
            if not goes_on(step, code):
                raise Ended(Verdict(Then.RECONNECT, detail=f"{step} was answered with {code} {clean(words)}"))
            self._say(together=False)
        elif self._held is not None and self._slipped(step, letter, code, words):
            self.release(desk, doubt=True)
            raise Ended(Verdict(Then.RECONNECT, detail=f"{step} was answered with {code} {clean(words)}"), letter)
        elif letter.verdict is not None:
            self._answered_in_vain(step, letter, letter.verdict, code, desk)
        elif not goes_on(step, code):
            self._settled(step, letter, self._judged(step, letter, code, words), desk)
        elif step is Step.DATA:
            self.release(desk, doubt=False)
            self._hand_over(letter, desk)
        else:
            if step is Step.MAIL and self._held is None and self.pipelining:
                said, before = f"{code} {clean(words)}", self._to_mail
                self._to_mail, self._to_mail_raw, self._steady = said, words, alike(said, before)
            if self._commands:
                self._say(together=False)

    def _slipped(self, step: Step, letter: Letter, code: int, words: bytes) -> bool:
        """Tell whether an answer to an envelope behind a message is not one to `step`, as when one was left out."""
        if letter.verdict is not None:  # RCPT is answered in vain where MAIL was refused, and cannot be taken then
            return step is Step.RCPT and code < 400
        if step is Step.MAIL and goes_on(step, code):
            return words != self._to_mail_raw and not alike(f"{code} {clean(words)}", self._to_mail)
        return one_too_early(step, code)

    def _hand_over(self, letter: Letter, desk: Desk) -> None:
        """Send the message, and behind it what may follow at once."""
        follows = self.pipelining and self._tells_apart and self._steady and not letter.alone
        following = desk.next_letter(self, behind=True) if follows else None
        desk.handing_over(letter)
        pieces = [*letter.message, _FINAL_DOT]
        letter.dot_at = queued = self.wire.queued + letter.size + len(_FINAL_DOT)
        self._expected.append((Step.DOT, letter, queued))
        if following is not None:
            self.begun += 1
            for step, one, command in _envelope(following):
                queued += len(command)
                self._expected.append((step, one, queued))
                pieces.append(command)
        self.wire.put(pieces)

    def _judged(self, step: Step, letter: Letter, code: int, words: bytes) -> Verdict:
        # What surely went is enough for a yes; what may have gone is too much for "it cannot have it".
        if step is Step.DOT and (self.wire.sent if code < 400 else self.wire.given) < letter.dot_at:
            return too_early(code, clean(words))
        return judge(step, code, clean(words), dsn=letter.dsn)

    def _settled(self, step: Step, letter: Letter, verdict: Verdict, desk: Desk) -> None:
        """Take a final answer: the letter is settled as soon as all answers to its envelope are there."""
        if step is Step.DOT and self._expected and self.wire.given >= letter.dot_at:
            self._hold(letter, verdict, desk)
            return
        if verdict.then not in _GOES_ON and not self._tells_more(verdict):
            if self._held is not None and self._held[1].status is Status.ACCEPTED and verdict.then is Then.STOP:
                self.release(desk, doubt=False)  # 421 answers whatever comes (RFC 5321 section 3.8), and nothing before
            raise Ended(verdict, letter, step)
        self._commands.clear()
        self._unclean = verdict.status is not Status.ACCEPTED
        letter.verdict = verdict
        if step in {Step.MAIL, Step.RCPT} and self._expected:
            return
        if step is Step.DOT and verdict.status is Status.ACCEPTED:
            self._tells_apart = not alike(verdict.detail, self._to_mail)
        self._finish(letter, verdict, desk)

    def _hold(self, letter: Letter, verdict: Verdict, desk: Desk) -> None:
        """Keep what a message was answered with, until the answers to what stands behind it show that it is its own."""
        self._held = (letter, verdict)
        accepted = verdict.status is Status.ACCEPTED
        if verdict.then is not Then.NEXT or (accepted and alike(verdict.detail, self._to_mail)):
            self.release(desk, doubt=True)
            raise Ended(Verdict(Then.RECONNECT if accepted else verdict.then, detail=verdict.detail))

    def _tells_more(self, verdict: Verdict) -> bool:
        """Tell whether answers are to come that show whose the ones before were; after 421 none comes."""
        ends = verdict.then is Then.RECONNECT or verdict.detail.startswith("421")
        return self._held is not None and bool(self._expected) and not ends

    def _answered_in_vain(self, step: Step, letter: Letter, verdict: Verdict, code: int, desk: Desk) -> None:
        """Go on after an answer to the rest of an envelope that was refused before."""
        if step is Step.DATA and code == 354:
            self.release(desk, doubt=False)
            self.wire.put([_FINAL_DOT])
            self._expected.append((Step.NOTHING, letter, self.wire.queued))
        elif step in {Step.DATA, Step.NOTHING}:
            self._finish(letter, verdict, desk)

    def _finish(self, letter: Letter, verdict: Verdict, desk: Desk) -> None:
        self.release(desk, doubt=False)  # all answers to the envelope behind it came
        if verdict.then not in _GOES_ON:
            raise Ended(verdict, letter)
        desk.settle(self, letter, verdict)
        if not self._expected and (following := desk.next_letter(self, behind=False)) is not None:
            self.begin(following)


def _envelope(letter: Letter) -> tuple[tuple[Step, Letter, bytes], ...]:
    return (Step.MAIL, letter, letter.mail_from), (Step.RCPT, letter, letter.rcpt_to), (Step.DATA, letter, _DATA)
