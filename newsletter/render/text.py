"""Text and addresses from outside, made fit to be shown. Nothing here changes what they say."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from ipaddress import IPv6Address
from urllib.parse import quote, urlsplit

import idna

#: What libxml2 leaves alone in a link, so that the html part and the text part name the same address.
_LINK_SAFE = "%/:=?;#&,+@!~*'()-_."
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: Embeddings, overrides and isolates of reading direction, zero-width spaces, and halves of characters.
_INVISIBLE = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\ufeff\ud800-\udfff]+")
#: A host in plain ASCII: labels of the URL standard, which allows more than names have in the DNS (RFC 1035, 2.3.4).
_HOST = re.compile(r"(?=.{1,253}\Z)([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?")
_ANGLES = str.maketrans("<>", "‹›")
_WIDTH = 78
#: Where there are no blanks, lines end between letters, but not within plain ASCII nor before what closes a sentence.
_UNBROKEN = re.compile("[!-~]+|.[、。」』）]*")


def display_text(text: str) -> str:
    """Return `text` as one line without control characters and without what turns the reading direction (R6, T17)."""
    shown = _INVISIBLE.sub("", _CONTROLS.sub(" ", unicodedata.normalize("NFC", text)))
    return " ".join(shown.split())


def reads_from_right(text: str) -> bool:
    """Return True when the first letter that has a direction is read from right to left (Unicode's rule P2)."""
    strong = (unicodedata.bidirectional(letter) for letter in text)
    return next((kind for kind in strong if kind in {"L", "R", "AL"}), "L") != "L"


def attribute_text(text: str) -> str:
    """Return `text` for an attribute. libxml2 writes < and > raw there, where patterns for tags and comments match."""
    return text.translate(_ANGLES)


def web_address(url: str) -> str:
    """Return an http or https address in plain ASCII without a password, or nothing when it is none (R37)."""
    try:
        parts = urlsplit(_CONTROLS.sub("", url).strip())
        host = _host(parts.hostname or "", bracketed=parts.netloc.rpartition("@")[2].startswith("["))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # UnicodeError is one
        return ""
    if parts.scheme not in {"http", "https"}:
        return ""
    site = f"{parts.scheme}://{host}{port}"
    rest = parts._replace(netloc=host + port).geturl().removeprefix(site)
    return site + quote(rest, safe=_LINK_SAFE)


def _host(name: str, *, bracketed: bool) -> str:
    """Return a host as it stands in an address. Raises ValueError when it is none.

    Other letters than ASCII's are written as browsers do: by IDNA 2008 after the mapping of UTS 46, not transitional,
    so that `straße` is not `strasse`.
    """
    if bracketed and "%" not in name:
        return f"[{IPv6Address(name)}]"
    if not name.isascii():
        labels = idna.uts46_remap(name, std3_rules=False).split(".")
        name = ".".join(label if label.isascii() else idna.alabel(label).decode() for label in labels)
    if not _HOST.fullmatch(name):
        raise ValueError(f"{name!r} is no host")
    return name


def shortened(text: str, limit: int) -> str:
    """Return the text with at most `limit` characters, cut after a word where there is one."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    words = cut.rpartition(" ")[0]
    return (words if len(words) > limit // 2 else cut).rstrip(" .,;:·–-") + "…"


def wrapped(text: str, width: int = _WIDTH) -> str:
    """Return the text in lines of at most `width` columns; only a web address may be longer (R59)."""
    lines: list[str] = []
    for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False):
        lines += [line] if "://" in line or _columns(line) <= width else _broken(line, width)
    return "\n".join(lines)


def _columns(text: str) -> int:
    """Return how many columns a text takes where every letter has the same width; East Asian ones take two (UAX 11)."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _broken(word: str, width: int) -> list[str]:
    """Return what has no blanks, such as a Japanese sentence, in lines. Names and tags of holes in it stay whole."""
    lines = [""]
    for piece in _UNBROKEN.findall(word):
        for part in textwrap.wrap(piece, width):
            if _columns(lines[-1]) + _columns(part) > width:
                lines.append("")
            lines[-1] += part
    return [line for line in lines if line]


def tidied(text: str) -> str:
    """Return a text part without blanks at line ends and with at most one empty line at a time."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip() + "\n"
