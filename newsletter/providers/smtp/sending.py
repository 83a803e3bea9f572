"""One call of `send`: a loop that keeps several connections busy and every reader accounted for."""

from __future__ import annotations

import logging
import math
import selectors
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from newsletter.errors import NewsletterError, ProviderRefused
from newsletter.mail import Outcome, Recipient, Status, outcome_for_all
from newsletter.providers import Watch, refuse_or_stop
from newsletter.providers.smtp.answers import Step, Then, Verdict, lost
from newsletter.providers.smtp.connection import Connection, Ended, Letter
from newsletter.providers.smtp.opening import NAME, Server
from newsletter.providers.smtp.pool import Openings, Pool

log = logging.getLogger(__name__)

#: Connections lost one after the other, without a message between, after which the rest waits.
_MAX_LOST = 2
#: Readers who wait for each connection that is opened; for fewer it is not worth it.
_READERS_A_CONNECTION = 10
#: Seconds after which the loop looks at the time and at `stopping`, though nothing happens.
_TURN = 0.1
#: Seconds that outstanding answers are awaited once the process is to end (F11).
_GRACE = 5.0
_READ, _BOTH = selectors.EVENT_READ, selectors.EVENT_READ | selectors.EVENT_WRITE


class Sending:
    """The readers of one call, and the connections that carry their letters."""

    def __init__(
        self,
        recipients: Sequence[Recipient],
        write: Callable[[int, Recipient, Connection], Letter],
        server: Server,
        pool: Pool,
        watch: Watch,
        *,
        sender: str,
        connections: int,
        mails_per_connection: int,
        final_answer_seconds: float,
    ) -> None:
        self._recipients = recipients
        self._write = write
        self._server = server
        self._pool = pool
        self._watch = watch
        self._sender = sender
        self._most = pool.at_most(connections)
        self._mails_per_connection = mails_per_connection or math.inf
        self._final = final_answer_seconds
        self._waiting = deque(range(len(recipients)))
        self._outcomes: list[Outcome | None] = [None] * len(recipients)
        self._live: set[Connection] = set()
        #: Readers who were on a connection that broke before the server had said anything about them.
        self._again: set[int] = set()
        self._lost = 0
        self._accepted = 0
        #: Why nothing new begins; until when answers are awaited then.
        self._over: str | None = None
        self._refusal: ProviderRefused | None = None
        self._grace = math.inf
        self._next_look = 0.0
        self._openings = Openings(server, pool)
        self._next_opening = 0.0
        #: Whether it has let another call, which was just opening a connection, go first.
        self._gave_way = False
        self._selector = selectors.DefaultSelector()

    def run(self) -> list[Outcome]:
        """Return one outcome for each recipient, in order. Raises ProviderRefused when none was accepted."""
        try:
            self._selector.register(self._openings.bell, _READ, None)
            while self._live or (self._waiting and self._over is None):
                if self._watch.stopping():
                    self._stop()
                if self._waiting and self._over is None:
                    self._staff()
                self._turn()
        finally:
            for connection in tuple(self._live):
                self._drop(connection)
            self._selector.close()
            self._openings.close()
        return self._all_outcomes()

    def next_letter(self, connection: Connection, *, behind: bool) -> Letter | None:
        """Return the next letter to begin on a connection (Desk)."""
        while self._waiting and self._over is None and connection.begun < self._mails_per_connection:
            at = self._waiting[0]
            alone = at in self._again
            if behind and (alone or connection.begun in self._pool.silent_ends):
                return None
            self._waiting.popleft()
            recipient = self._recipients[at]
            try:
                letter = self._write(at, recipient, connection)
            except NewsletterError as error:
                self._keep(at, Outcome(recipient.delivery_id, Status.REJECTED, str(error)))
                continue
            letter.alone = alone
            return letter
        return None

    def handing_over(self, letter: Letter) -> None:
        """Tell the watch, unless the call is over (Desk)."""
        if self._over is not None:
            raise Ended(Verdict(Then.STOP))
        self._watch.handing_over(letter.recipient.delivery_id)

    def settle(self, connection: Connection, letter: Letter, verdict: Verdict) -> None:
        """Keep what became of a letter (Desk)."""
        if verdict.then is not Then.RECONNECT:
            self._lost = 0
        if verdict.then is Then.WITHOUT_DSN:
            self._send_without_dsn(letter, verdict)
            return
        accepted = verdict.status is Status.ACCEPTED
        if accepted:
            self._accepted += 1
            connection.accepted += 1
        reference = verdict.detail[:200] if accepted else ""
        self._keep(letter.at, Outcome(letter.recipient.delivery_id, verdict.status, verdict.detail, reference))

    def _send_without_dsn(self, letter: Letter, verdict: Verdict) -> None:
        """Let the reader wait again, and ask the server for no reports any more."""
        if self._pool.dsn:
            log.info("%s offers DSN and does not take it: %s", self._server, verdict.detail)
        self._pool.dsn = False
        for connection in self._live:
            connection.dsn = False
        self._waiting.appendleft(letter.at)

    def _keep(self, at: int, outcome: Outcome) -> None:
        self._outcomes[at] = outcome
        self._watch.settled(outcome)

    # Connections

    def _staff(self) -> None:
        """Take up as many connections as the waiting readers are worth, kept ones first."""
        wanted = min(self._most, math.ceil(len(self._waiting) / _READERS_A_CONNECTION))
        while self._waiting and len(self._live) < wanted:
            connection = self._pool.take()
            if connection is None:
                break
            self._take_up(connection)
        coming = len(self._live) + self._openings.under_way
        if not self._waiting or coming >= wanted or time.monotonic() < self._next_opening:
            return
        # The first connection has to prove itself, and each that works brings another: what a server that fails can
        # do harm to stays small, and one that limits connections is not stormed.
        proven = len(self._live) if self._accepted else 0
        if self._openings.under_way < (proven if self._live else 1):
            self._openings.begin()

    def _opened(self) -> None:
        """Take up the connections that were opened meanwhile."""
        for result in self._openings.results():
            if isinstance(result, Connection):
                self._take_up(result)
            elif self._live or self._pool.has_any() or (self._pool.opens_any and not self._gave_way):
                # Once only: calls that wait for each other's attempts would never end where the server is gone.
                self._gave_way = True
                log.info("%s takes no more connections: %s", self._server, result)
                self._fewer()
            elif isinstance(result, ProviderRefused):
                self._end(str(result), result)
            else:
                self._end(str(result))

    def _fewer(self) -> None:
        """Go on with the connections there are; when they are all other calls', wait for one of them."""
        if self._live:
            self._most = len(self._live)
            self._pool.limit(self._most)
        self._next_opening = time.monotonic() + 1.0

    def _take_up(self, connection: Connection) -> None:
        self._live.add(connection)
        connection.writing = False
        connection.dsn = connection.dsn and self._pool.dsn
        self._selector.register(connection.wire.sock, _READ, connection)
        letter = self.next_letter(connection, behind=False)
        if letter is not None:
            connection.begin(letter)
        self._attend(connection, heard=True)

    def _leave(self, connection: Connection) -> None:
        """Take the connection out of the loop."""
        self._live.discard(connection)
        self._selector.unregister(connection.wire.sock)

    def _drop(self, connection: Connection) -> None:
        """Close the connection without a word, if that was not done."""
        if connection in self._live:
            self._leave(connection)
            self._pool.forget()
            connection.wire.close()

    # The loop

    def _turn(self) -> None:
        """Wait for something to happen and act on it."""
        for key, _ in self._selector.select(_TURN):
            if key.data is None:
                self._opened()
                continue
            connection: Connection = key.data
            if connection not in self._live:
                continue
            try:
                heard = connection.hear(self)
            except Ended as ended:
                self._ended(connection, ended)
                continue
            self._attend(connection, heard=heard)
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _TURN
            self._look_at_the_time(now)

    def _attend(self, connection: Connection, *, heard: bool) -> None:
        """Send what waits, see whether the connection still stands, and leave it when it has nothing to do."""
        wire = connection.wire
        if wire.wants_to_write:
            heard = wire.flush() or heard
        if wire.broken:
            self._lose(connection, wire.broken)
        elif connection.idle:
            self._leave(connection)
            if connection.begun >= self._mails_per_connection:
                self._pool.forget()
                wire.quit()
            else:
                self._pool.give(connection)
        elif self._over is not None and connection.handed_over is None:
            self._drop(connection)
        else:
            if heard:
                connection.due(time.monotonic(), self._server.timeout, self._final)
            if wire.wants_to_write is not connection.writing:
                connection.writing = wire.wants_to_write
                self._selector.modify(wire.sock, _BOTH if connection.writing else _READ, connection)

    def _look_at_the_time(self, now: float) -> None:
        for connection in tuple(self._live):
            if now >= connection.deadline:
                self._lose(connection, "timed out")
            elif now >= self._grace:
                self._lose(connection, "the process was to end")

    # What goes wrong

    def _ended(self, connection: Connection, ended: Ended) -> None:
        """Act on an answer after which the connection is of no use."""
        verdict, letter = ended.verdict, ended.letter
        connection.release(self, doubt=connection.in_doubt)
        others = len(self._live) > 1
        if verdict.then is Then.RECONNECT:
            if letter is not None and (letter.dot_at or letter.at in self._again):
                self.settle(connection, letter, verdict)
            elif letter is not None:
                # Answers may have slipped by one: whose they are is sure only for a letter that is sent alone.
                self._again.add(letter.at)
                self._waiting.appendleft(letter.at)
            self._lose(connection, verdict.detail, but=letter, slipped=True)
            return
        # 421 may be about this connection alone: it carried enough, or it is one too many.
        enough = "421" in verdict.detail[:3] and connection.accepted > 0 and ended.step is Step.MAIL
        if verdict.then is Then.STOP and letter is not None and (enough or (others and not connection.accepted)):
            if ended.step is not Step.MAIL:
                self.settle(connection, letter, verdict)
            self._return(connection, but=letter if ended.step is not Step.MAIL else None)
            self._drop(connection)
            if not enough:
                self._fewer()
            return
        if letter is not None and verdict.then is Then.STOP:
            self.settle(connection, letter, verdict)
        refused = f"{self._server} takes nothing from {self._sender}: {verdict.detail}"
        self._end(verdict.detail, ProviderRefused(NAME, refused) if verdict.then is Then.REFUSE else None)
        self._drop(connection)

    def _return(self, connection: Connection, *, but: Letter | None) -> None:
        """Let the letters that were not handed over wait again."""
        for _, letter in reversed([*connection.outstanding()]):
            if letter is not but and self._outcomes[letter.at] is None:
                self._waiting.appendleft(letter.at)

    def _lose(self, connection: Connection, why: str, *, but: Letter | None = None, slipped: bool = False) -> None:
        """Settle or return the letters of a connection that broke, and see whether it is worth going on."""
        stale = connection.kept and not connection.answers
        if connection.in_doubt:
            self._pool.silent_ends.add(connection.begun - 1)
        connection.release(self, doubt=connection.in_doubt)
        back: list[int] = []
        detail, hurt = why, False
        for place, (step, letter) in enumerate([*connection.outstanding()]):
            verdict = letter.verdict
            if letter is but:
                continue
            if verdict is None and letter.dot_at:
                verdict = lost(Step.DOT if connection.wire.given >= letter.dot_at else Step.DATA, why)
                if verdict.status is not Status.UNCERTAIN and self._over is not None:
                    verdict = replace(verdict, status=Status.NOT_TRIED)
            elif verdict is None and not (
                place or stale or self._may_return(connection, step, letter, slipped=slipped)
            ):
                verdict = lost(step, why)
            if verdict is None:
                back.append(letter.at)
            else:
                detail, hurt = verdict.detail, True
                self.settle(connection, letter, verdict)
        self._waiting.extendleft(reversed(back))
        self._drop(connection)
        # One that had carried mail and broke between two, as when a server wants no more on it, is no outage.
        self._lost += not (stale or (connection.accepted and not hurt and but is None))
        if self._lost >= _MAX_LOST or self._over is not None:
            self._end(detail)

    def _may_return(self, connection: Connection, step: Step, letter: Letter, *, slipped: bool) -> bool:
        """Tell whether the letter that a connection broke with waits for another one.

        It does when the connection had carried mail and broke between two; otherwise once, while nobody can say that it
        was this reader who broke it, and is then sent alone.
        """
        if connection.accepted and step in {Step.RSET, Step.MAIL} and not slipped:
            return True
        if (slipped or step in {Step.RSET, Step.MAIL}) and letter.at not in self._again:
            self._again.add(letter.at)
            return True
        return False

    def _stop(self) -> None:
        if self._over is None:
            self._end("the process was to end")
        if self._grace == math.inf:
            self._grace = time.monotonic() + _GRACE

    def _end(self, why: str, refusal: ProviderRefused | None = None) -> None:
        """Begin nothing any more; what was handed over is still waited for."""
        if self._over is None:
            self._over, self._refusal = why, refusal
        for connection in tuple(self._live):
            if connection.handed_over is None:
                self._drop(connection)

    def _all_outcomes(self) -> list[Outcome]:
        """Return all outcomes; who has none waits. Raises the refusal that ended the call, if nobody was accepted."""
        done = [outcome for outcome in self._outcomes if outcome is not None]
        missing = [at for at, outcome in enumerate(self._outcomes) if outcome is None]
        rest = [self._recipients[at] for at in missing]
        if self._refusal is not None:
            waiting = refuse_or_stop(self._refusal, done, rest)
        else:
            waiting = outcome_for_all(rest, Status.NOT_TRIED, self._over or "")
        for at, outcome in zip(missing, waiting, strict=True):
            self._keep(at, outcome)
        return [outcome for outcome in self._outcomes if outcome is not None]
