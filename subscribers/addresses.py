"""E-mail addresses and the names beside them: what is accepted, how two are compared, how one is shown."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from subscribers.errors import InvalidAddress

#: The longest name kept for a reader, in characters.
NAME_LIMIT = 200

# RFC 5321 section 4.5.3.1: 64 octets before the @-sign, 254 in all (RFC 3696, erratum 1690).
_LOCAL_LIMIT = 64
_ADDRESS_LIMIT = 254
#: RFC 5322 section 3.2.3: what may stand before the @-sign without quotes.
_DOT_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
#: Small letters, digits, dots and the signs that people use, in an order that needs no second look. No label has two
#: hyphens in a row, so none is in ASCII form of another script (RFC 5890 section 2.3.1).
_ORDINARY = re.compile(
    r"[a-z0-9_+-]++(?:\.[a-z0-9_+-]++)*+@(?:[a-z0-9]++(?:-[a-z0-9]++)*+\.)+"
    r"(?!(?:alt|arpa|internal|invalid|local|localhost|onion)\Z)[a-z]{2,}",
    re.ASCII,
)
#: The longest one that is looked at as ordinary: no part of it can then be too long.
_ORDINARY_LIMIT = 64
#: Names that RFC 6761, 6762, 7686 and 9476 keep out of the public DNS. `test` and `example` stay usable, so
#: that a newsroom can try everything out with invented readers.
_NO_MAIL_DOMAINS = ("alt", "arpa", "internal", "invalid", "local", "localhost", "onion")
#: Controls, surrogates, unassigned and private characters, line and paragraph separators.
_UNSHOWABLE = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})
#: These change the direction of the text around them, so that a name could disguise what follows it.
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Address:
    """An address that can be written to: as it was `typed`, and the `key` by which two are the same.

    Both are ASCII. A domain with other letters is kept in its ASCII form in `typed`, too, since that is
    what goes into SMTP and headers (RFC 2047 section 5).
    """

    typed: str
    key: str


def parse_address(text: str) -> Address:
    """Return the address in `text`.

    The key is NFC, with the domain in its ASCII form and everything in lower case; a plus-tag stays, since
    to many mail servers it is another mailbox. No DNS is asked. Raises InvalidAddress, whose `reason` names
    the fault.
    """
    key = ordinary_key(text)
    return Address(text, key) if key else _look_closely(text)


def ordinary_key(text: str) -> str:
    """Return the key of an address that is like almost all are, and "" for one that `parse_address` must judge.

    It takes a hundredth of the time: of a million addresses in a file 998,000 are like that.
    """
    # Some letters that are not ASCII have a small form that is.
    key = text.lower() if text.isascii() and len(text) <= _ORDINARY_LIMIT else ""
    return key if _ORDINARY.fullmatch(key) else ""


def _look_closely(text: str) -> Address:
    reason = _fault(text)
    if reason:
        raise InvalidAddress(text, reason)
    local, _, domain = unicodedata.normalize("NFC", text).rpartition("@")
    try:
        found = validate_email(f"{local}@{domain}", strict=True, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        # The part before the @-sign and the lengths were checked above; what is left is the domain.
        raise InvalidAddress(text, "the part after the @-sign is not a domain name.") from error
    typed_domain = domain if domain.isascii() else found.ascii_domain
    return Address(typed=f"{local}@{typed_domain}", key=f"{local}@{found.ascii_domain}".casefold())


def mask(address: str) -> str:
    """Return an address such that its owner knows it and a stranger cannot use it: r•••@example.org (U6)."""
    local, _, domain = address.rpartition("@")
    shown = local[0] if len(local) > 1 else ""
    return f"{shown}•••@{domain}"


def one_line(text: str, limit: int = NAME_LIMIT) -> str:
    """Return text from outside as one line of at most `limit` characters, without what cannot be shown."""
    # Most text can be shown as it is; then no letter needs a look of its own.
    plain = text if text.isprintable() and unicodedata.is_normalized("NFC", text) else _showable(text)
    return " ".join(plain.split())[:limit].rstrip()


def _showable(text: str) -> str:
    return "".join(
        " " if unicodedata.category(letter) in _UNSHOWABLE or letter in _DIRECTION else letter
        for letter in unicodedata.normalize("NFC", text)
    )


def _fault(text: str) -> str:
    """Return what is wrong with the whole or with the part before the @-sign; empty when nothing is."""
    local, _, domain = text.rpartition("@")
    faults = (
        (not text, "it is empty."),
        (len(text) > _ADDRESS_LIMIT, f"it is longer than {_ADDRESS_LIMIT} characters."),
        (
            any(unicodedata.category(letter)[0] == "C" for letter in text),
            "it has a control or invisible character in it.",
        ),
        (text != text.strip(), "it has a space before or after it."),
        ("<" in text or ">" in text, "it has angle brackets; give the address alone, without a name."),
        ('"' in text, "it has quotation marks, which few mail servers take."),
        (any(letter.isspace() for letter in text), "it has a space in it."),
        ("@" not in text, "it has no @-sign."),
        ("@" in local, "it has more than one @-sign."),
        (not local, "nothing stands before the @-sign."),
        (not domain, "nothing stands after the @-sign."),
        # RFC 6532: such an address needs SMTPUTF8 on every server on its way.
        (
            not local.isascii(),
            "it has letters other than a to z before the @-sign, which few mail servers take.",
        ),
        (len(local) > _LOCAL_LIMIT, f"more than {_LOCAL_LIMIT} characters stand before the @-sign."),
        (
            not _DOT_ATOM.fullmatch(local),
            "a dot or another sign stands where none may be, before the @-sign.",
        ),
        (domain.startswith("["), "an IP address stands after the @-sign; a domain name is needed."),
        ("." not in domain and domain.isascii(), "the part after the @-sign has no dot."),
        (_takes_no_mail(domain), "its domain is reserved and never takes mail."),
    )
    return next((reason for found, reason in faults if found), "")


def _takes_no_mail(domain: str) -> bool:
    return domain.rpartition(".")[2].lower() in _NO_MAIL_DOMAINS
