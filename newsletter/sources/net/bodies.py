"""Reading a body within its limits (threat 7): bytes as they arrive, bytes after inflating, and how fast they come."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import httpx2

from newsletter.errors import FetchError

#: From when on, and below how many bytes a second, an answer is too slow to wait for.
PATIENCE_SECONDS = 10.0
MIN_RATE = 1_000
#: In how many pieces an answer may come: one of single bytes costs more time than a large one.
MAX_PIECES = 100_000

_INFLATE_STEP = 65_536


@dataclass(frozen=True)
class Limits:
    """Bytes of a body: as they arrive, and after inflating. Settings raise them, unless they are the `reader`'s own."""

    raw: int
    inflated: int
    reader: bool = False

    def for_one(self, inflated: int) -> Limits:
        """Return the limits for an answer whose reader has a size of its own in mind."""
        return Limits(inflated, inflated, reader=True)

    def too_large(self, url: str, limit: int) -> FetchError:
        """Return the error for an answer beyond `limit`, which is one of the two."""
        setting = "max_raw_bytes" if limit < self.inflated else "" if self.reader else "max_bytes"
        advice = (
            f"Check the address; if it is right, raise `{setting}` under [fetch]." if setting else "Check the address."
        )
        return FetchError(url, f"The answer is larger than {limit:,} bytes, so it was not read. {advice}")


def read_body(url: str, response: httpx2.Response, limits: Limits) -> bytes:
    """Return the whole body, inflated. Raises FetchError for one that is too large, too slow or damaged."""
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limits.raw:
        raise limits.too_large(url, limits.raw)
    inflate = _inflater(url, response.headers.get("content-encoding", ""))
    body = bytearray()
    for piece in inflate(_arriving(url, response.iter_raw(), limits)):
        body += piece
        if len(body) > limits.inflated:
            raise limits.too_large(url, limits.inflated)
    return bytes(body)


def _arriving(url: str, pieces: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    """Pass the pieces on while they are within the limits."""
    start = time.monotonic()
    total = 0
    for number, piece in enumerate(pieces, start=1):
        total += len(piece)
        if total > limits.raw:
            raise limits.too_large(url, limits.raw)
        if number > MAX_PIECES:
            raise FetchError(url, f"The answer comes in more than {MAX_PIECES:,} pieces. Tell the publisher.")
        seconds = time.monotonic() - start
        if seconds > PATIENCE_SECONDS and total < seconds * MIN_RATE:
            raise FetchError(
                url, f"The answer comes at less than {MIN_RATE:,} bytes a second, so it was not waited for. Try later."
            )
        yield piece


def _inflater(url: str, encoding: str) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    """Return the function that turns the pieces that arrive into pieces of the body."""
    match encoding.strip().lower():
        case "" | "identity":
            return iter
        case "gzip" | "x-gzip":
            return lambda pieces: _gunzip(url, pieces)
    raise FetchError(url, f"The answer is encoded as {encoding[:40]!r}, which was not asked for. Tell the publisher.")


def _gunzip(url: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Inflate gzip in small steps, so that a bomb is noticed before it fills the memory (threat 7).

    Several members in a row are one body (RFC 1952 section 2.2); what follows the last is padding.
    """
    inflator = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if inflator.eof:
                    if not rest.startswith(b"\x1f"):
                        break
                    inflator = zlib.decompressobj(wbits=31)
                yield inflator.decompress(rest, _INFLATE_STEP)
                rest = inflator.unconsumed_tail or inflator.unused_data
        yield inflator.flush()
    except zlib.error as error:
        raise FetchError(
            url, "The compressed answer is damaged. Try later; if it stays so, tell the publisher."
        ) from error
    if not inflator.eof:
        raise FetchError(url, "The compressed answer broke off before its end. Try later.")
