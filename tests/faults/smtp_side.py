"""`python -m tests.faults.smtp_side FILE`: a mail server that writes down whose message it has before it says so.

It is told apart from the servers of the other tests by that alone: its record is a file, one delivery a line, written
without a buffer, so it is true whoever is killed. It answers as RFC 5321 says, with PIPELINING, and knows no faults but
one: `--slow` waits so many seconds before the answer to each message.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys

_ID = re.compile(rb"^Message-ID:\s*<([^@>]+)@", re.IGNORECASE | re.MULTILINE)


class Conversation:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: int, slow: float) -> None:
        self._reader = reader
        self._writer = writer
        self._record = record
        self._slow = slow

    async def run(self) -> None:
        """Talk until the client goes."""
        self._writer.write(b"220 side.example ESMTP\r\n")
        try:
            while line := await self._reader.readline():
                if not await self._answer(line.split(None, 1)[0].upper() if line.strip() else b""):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client was killed
        finally:
            self._writer.close()

    async def _answer(self, verb: bytes) -> bool:
        if verb == b"EHLO":
            self._writer.write(b"250-side.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
        elif verb == b"DATA":
            self._writer.write(b"354 go on\r\n")
            await self._take()
        elif verb == b"QUIT":
            self._writer.write(b"221 bye\r\n")
            return False
        else:
            self._writer.write(b"250 ok\r\n")
        await self._writer.drain()
        return True

    async def _take(self) -> None:
        message = await self._reader.readuntil(b"\r\n.\r\n")
        found = _ID.search(message)
        os.write(self._record, (found[1] if found else b"without-an-id") + b"\n")
        if self._slow:
            await asyncio.sleep(self._slow)
        self._writer.write(b"250 taken\r\n")


async def serve(path: str, slow: float) -> None:
    """Listen on a port of loopback, print it, and serve until standard input ends."""
    record = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Conversation(reader, writer, record, slow).run()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Run the server."""
    parser = argparse.ArgumentParser(description="A mail server that keeps the truth.")
    parser.add_argument("file")
    parser.add_argument("--slow", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(serve(options.file, options.slow))


if __name__ == "__main__":
    main()
