"""How single fields of a header are written: addresses, names, subjects, and values that hold URLs.

They are written here and not by `email.message`: Python turns a List-Unsubscribe URL of 78 characters into an
encoded-word (cpython #85725), and up to 3.11.9 it decodes encoded-words in a value and writes the line breaks hidden in
them (CVE-2024-6923).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from urllib.parse import quote

from email_validator import EmailNotValidError, validate_email

from newsletter.errors import ConfigurationError
from newsletter.mail import header_text

#: RFC 2047 section 2: a line with an encoded-word has at most 76 characters. RFC 5322 section 2.1.1 would allow 78.
_LINE = 76
#: What an encoded-word has for text, so that one stands on a line with the longest name it is used for, "Reply-To: ".
_WORD = _LINE - len("Reply-To: ") - len("=?utf-8?q??=")
_NAME_LIMIT = 100

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ASCII_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@.{{1,253}}\Z){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_PLAIN_PHRASE = re.compile(rf"{_ATOM}(?: {_ATOM})*")
#: Octet -> how it stands in a "Q" encoded-word of a phrase (RFC 2047 section 5, rule 3).
_Q = [chr(octet) if re.fullmatch(r"[A-Za-z0-9!*+/-]", chr(octet)) else f"={octet:02X}" for octet in range(256)]
_Q[ord(" ")] = "_"


def ascii_address(address: str) -> str:
    """Return `address` as an envelope and a header take it: the domain as A-labels, nothing outside ASCII.

    Raises ConfigurationError for anything else; a local part outside ASCII would need SMTPUTF8 (RFC 6532).
    """
    if not address.isascii():
        address = _with_a_labels(address)
    if not _ASCII_ADDRESS.fullmatch(address) or "=?" in address:
        raise ConfigurationError(f"The address {address!r} cannot be sent to. Correct it.")
    return address


def _with_a_labels(address: str) -> str:
    try:
        valid = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ConfigurationError(f"The address {address!r} cannot be sent to: {error}") from error
    if valid.ascii_email is None:
        raise ConfigurationError(f"The address {address!r} cannot be sent to: only ASCII may stand before the @.")
    return valid.ascii_email


def header_value(value: str) -> str:
    """Return `value` for a header that holds URLs and ids: printable ASCII, nothing that looks like an encoded-word.

    Everything else is percent-encoded, as it would be in a URL.
    """
    return printable(value.strip()).replace("=?", "=%3F")


def printable(value: str) -> str:
    """Return `value` with what is not printable ASCII percent-encoded."""
    if value.isascii() and value.isprintable():
        return value
    return "".join(one if " " <= one <= "~" else quote(one, safe="", errors="replace") for one in value)


def mailbox(name: str, address: str) -> list[str]:
    """Return an address with its display name as the tokens between which a line may be broken."""
    plain = header_text(name, _NAME_LIMIT) if name else ""
    return [*_phrase(plain), f"<{ascii_address(address)}>"] if plain else [ascii_address(address)]


def unstructured(text: str) -> list[str]:
    """Return text for people, such as a subject, as tokens."""
    plain = header_text(text)
    return plain.split(" ") if plain.isascii() else _encoded_words(plain)


def at_commas(value: str) -> list[str]:
    """Return the tokens of a header that is folded only at commas, so that no URL is touched (RFC 2369 section 2)."""
    return re.split(r"(?<=,) +", value)


def folded(name: str, tokens: Iterable[str]) -> str:
    """Return the header field with its line end, folded before the token that would make a line too long."""
    lines = [f"{name}:"]
    for position, token in enumerate(tokens):
        if position and len(lines[-1]) + 1 + len(token) > _LINE:
            lines.append("")
        lines[-1] += f" {token}"
    return "\r\n".join([*lines, ""])


def _phrase(text: str) -> list[str]:
    """Return a display name's tokens: bare words, a quoted string or encoded-words (RFC 5322, RFC 2047 section 5)."""
    if not text.isascii():
        return _encoded_words(text)
    if _PLAIN_PHRASE.fullmatch(text):
        return text.split(" ")
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'.split(" ")


def _encoded_words(text: str) -> list[str]:
    """Return `text` as encoded-words in the shorter encoding; each holds whole characters (RFC 2047 section 5)."""
    data = text.encode()
    short_in_q = sum([len(_Q[octet]) for octet in data]) < (len(data) + 2) // 3 * 4
    words, word, used = [], "", 0
    for character in text:
        octets = character.encode()
        size = sum([len(_Q[octet]) for octet in octets]) if short_in_q else len(octets)
        if used + size > (_WORD if short_in_q else _WORD // 4 * 3):
            words.append(word)
            word, used = "", 0
        word, used = word + character, used + size
    return [_encoded_word(one.encode(), in_q=short_in_q) for one in (*words, word)]


def _encoded_word(data: bytes, *, in_q: bool) -> str:
    if in_q:
        return f"=?utf-8?q?{''.join([_Q[octet] for octet in data])}?="
    return f"=?utf-8?b?{binascii.b2a_base64(data, newline=False).decode('ascii')}?="
