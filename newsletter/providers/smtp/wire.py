"""A socket that is read and written without waiting: bytes out, replies in."""

from __future__ import annotations

import select
import smtplib
import socket
import ssl
from collections.abc import Sequence

from newsletter.providers.smtp.answers import Replies

_READ = 65_536
#: Pieces that one call of the operating system takes (IOV_MAX is 1,024 or more).
_MOST_PIECES = 1_000
#: What one record of TLS carries (RFC 8446 section 5.1): it is sent as a whole or not at all.
_RECORD = 16_384
#: What a socket says when it would have to wait.
_LATER = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Wire:
    """An open connection, taken over from `smtplib` once that has done EHLO, STARTTLS and the login."""

    def __init__(self, session: smtplib.SMTP) -> None:
        if session.sock is None:
            raise OSError("the connection is closed")
        self._session = session
        self.sock: socket.socket = session.sock
        self.sock.setblocking(False)  # noqa: FBT003 - its only parameter
        self._tls = isinstance(self.sock, ssl.SSLSocket)
        self._replies = Replies()
        #: What is to be sent: pieces that were not tried yet, or the rest of what was.
        self._pieces: list[bytes] = []
        self._rest = memoryview(b"")
        #: Bytes queued since the connection is ours; those that the network surely took.
        self.queued = 0
        self.sent = 0
        self._offered = 0
        #: Why nothing more can come or go; "" while all is well.
        self.broken = ""

    @property
    def given(self) -> int:
        """How many bytes the other side may have. TLS may have sent what it has not reported yet."""
        return self._offered if self._tls else self.sent

    @property
    def wants_to_write(self) -> bool:
        """Whether something is queued that the network did not take yet."""
        return bool(self._pieces or self._rest)

    def put(self, pieces: Sequence[bytes]) -> None:
        """Queue bytes; `flush` sends them. Pieces that many messages share are not copied to be sent."""
        self._pieces += pieces
        self.queued += sum(map(len, pieces))

    def flush(self) -> bool:
        """Send as much as the network takes now, and tell whether that was anything."""
        before = self.sent
        while self.wants_to_write and not self.broken:
            try:
                self.sent += self._send()
            except _LATER:
                break
            except OSError as error:
                self.broken = str(error)
        return self.sent > before

    def _send(self) -> int:
        """Give the network as much as it takes in one go and return how much that was."""
        if self._tls or self._rest or len(self._pieces) > _MOST_PIECES:
            if self._pieces:
                self._rest = memoryview(b"".join([self._rest, *self._pieces]))
                self._pieces = []
            now = self._rest[:_RECORD] if self._tls else self._rest
            self._offered = self.sent + len(now)
            sent = self.sock.send(now)
            self._rest = self._rest[sent:]
            return sent
        pieces, size = self._pieces, self.queued - self.sent
        sent = self.sock.sendmsg(pieces)
        self._pieces = []
        if sent < size:
            self._rest = memoryview(b"".join(pieces))[sent:]
        return sent

    def read(self) -> list[tuple[int, bytes]]:
        """Return the replies that have come: codes and words. Afterwards `broken` tells whether more can come."""
        replies: list[tuple[int, bytes]] = []
        while not self.broken:
            try:
                data = self.sock.recv(_READ)
            except _LATER:
                break
            except OSError as error:
                self.broken = str(error)
                break
            if not data:
                self.broken = "the server closed it"
                break
            replies += self._replies.feed(data)
            self.broken = self._replies.nonsense
            if not self._tls:
                break
        return replies

    def speaks(self) -> bool:
        """Tell whether anything has come, which on an idle connection can only be its end."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def quit(self) -> None:
        """Say goodbye without waiting for an answer, and close."""
        if not self.broken and not self.wants_to_write:
            self.put([b"QUIT\r\n"])
            self.flush()
        self.close()

    def close(self) -> None:
        """Close at once, without a word, which could become a line of a half-sent message."""
        self.broken = self.broken or "it was closed"
        self._session.close()
