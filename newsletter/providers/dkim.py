"""Signing messages with DKIM (RFC 6376): rsa-sha256 (RFC 8301), relaxed/relaxed, never with `l=`.

An Ed25519 key (RFC 8463) may sign besides: not all verifiers know it, and those that do not leave its signature aside.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from newsletter.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

#: Returns the signature of a message's canonical header fields.
Sign: TypeAlias = Callable[[bytes], bytes]

#: RFC 8301 section 3.2: verifiers need not take shorter keys, and signers should not use ones below 2,048.
_LEAST_BITS = 1024
#: Signed once more than they are there, so that nobody can add another one (RFC 6376 section 8.15).
_OVERSIGNED = ("from", "to", "subject", "date", "reply-to")
#: Signed when they are there. RFC 8058 section 4 asks for both List-Unsubscribe headers.
_SIGNED = (
    *("message-id", "mime-version", "content-type", "list-id", "list-post", "list-unsubscribe"),
    *("list-unsubscribe-post", "feedback-id"),
)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
_BLANKS = re.compile(rb"[ \t]+")
_RUNS = re.compile(rb"[ \t]{2,}|\t")
_LINE = 72
#: Pieces of bodies kept in canonical form: the fixed ones of a few mails, and the latest readers' own.
_KEPT = 256


class Signer:
    """Signs the messages of one domain."""

    def __init__(
        self, key_file: Path, domain: str, selector: str, *, ed25519_key: Path | None = None, ed25519_selector: str = ""
    ) -> None:
        """Raise ConfigurationError when a key cannot be read or must not be used, or a name is none."""
        names = {"dkim_domain": domain, "dkim_selector": selector}
        if ed25519_key is not None:
            names["dkim_ed25519_selector"] = ed25519_selector
        for option, name in names.items():
            if not _NAME.fullmatch(name):
                raise ConfigurationError(f"provider.{option} is wrong: {name!r} is no name in DNS.")
        start = f"DKIM-Signature: v=1; a={{}}-sha256; c=relaxed/relaxed; d={domain};\r\n s={{}};"
        #: What a signature begins with, and what makes it.
        self._keys = [(start.format("rsa", selector), _rsa(key_file))]
        if ed25519_key is not None:
            self._keys.append((start.format("ed25519", ed25519_selector), _ed25519(ed25519_key)))

    def fields(self, fields: bytes, body: Sequence[bytes], date: datetime) -> bytes:
        """Return the header fields that sign a message, one for each key: `fields` are its others, each at most once.

        `body` is in pieces that are broken where no blank stands; `date` becomes the signatures' time.
        """
        known = dict(_canonical_fields(fields))
        names = [name for name in (*_OVERSIGNED, *_SIGNED) if name in known]
        signed = b"".join([known[name] + b"\r\n" for name in names])
        rest = [f" t={int(date.timestamp())};", *_folded_names([*names, *_OVERSIGNED])]
        rest += [f" bh={base64.b64encode(_body_hash(body)).decode('ascii')};", " b="]
        after = "\r\n".join(rest)
        return b"".join([_signature(f"{start}{after}".encode("ascii"), signed, sign) for start, sign in self._keys])


def _signature(unsigned: bytes, signed: bytes, sign: Sign) -> bytes:
    """Return a signature's field: `unsigned` with the signature of that and of the fields before it."""
    ((_, own),) = _canonical_fields(unsigned + b"\r\n")
    signature = base64.b64encode(sign(signed + own))
    rows = [signature[at : at + _LINE] for at in range(0, len(signature), _LINE)]
    return unsigned + b"\r\n ".join(rows) + b"\r\n"


def _rsa(key_file: Path) -> Sign:
    """Return what signs with an RSA key."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - see _read_key
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    key = _read_key("dkim_key", key_file, "openssl genrsa 2048")
    if not isinstance(key, RSAPrivateKey) or key.key_size < _LEAST_BITS:
        raise ConfigurationError(
            f"provider.dkim_key: {key_file} is no RSA key of at least {_LEAST_BITS} bits (RFC 8301). Make one of 2048."
        )
    padding, digest = PKCS1v15(), SHA256()
    return lambda data: key.sign(data, padding, digest)


def _ed25519(key_file: Path) -> Sign:
    """Return what signs with an Ed25519 key: the hash of the data, not the data (RFC 8463 section 3)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - see _read_key

    make = "openssl genpkey -algorithm ed25519"
    key = _read_key("dkim_ed25519_key", key_file, make)
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"provider.dkim_ed25519_key: {key_file} is no Ed25519 key. Make one: {make}.")
    return lambda data: key.sign(hashlib.sha256(data).digest())


def _read_key(option: str, key_file: Path, make: str) -> PrivateKeyTypes:
    """Return a private key. Raises ConfigurationError, which says how to `make` one, when there is none."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - slow to import, and not always wanted
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        return load_pem_private_key(key_file.read_bytes(), password=None)
    except OSError as error:
        raise ConfigurationError(f"provider.{option}: {key_file} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            f"provider.{option}: {key_file} is no private key in PEM without a password. Make one: {make}."
        ) from error


def _canonical_fields(fields: bytes) -> list[tuple[str, bytes]]:
    """Return name -> field in relaxed form, without its line end (RFC 6376 section 3.4.2)."""
    found = []
    for field in fields.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n")[:-1]:
        name, _, value = field.partition(b":")
        lower = name.strip().lower()
        found.append((lower.decode("ascii"), lower + b":" + _BLANKS.sub(b" ", value).strip()))
    return found


def _folded_names(names: Sequence[str]) -> list[str]:
    """Return the list of signed names as lines."""
    lines = [" h="]
    for at, name in enumerate(names):
        if len(lines[-1]) + len(name) > _LINE:
            lines.append(" ")
        lines[-1] += name + (":" if at < len(names) - 1 else ";")
    return lines


def _body_hash(body: Sequence[bytes]) -> bytes:
    hashed = hashlib.sha256()
    for piece in body:
        hashed.update(_canonical_body(piece))
    return hashed.digest()


@lru_cache(maxsize=_KEPT)
def _canonical_body(piece: bytes) -> bytes:
    """Return a piece of a body in relaxed form (RFC 6376 section 3.4.4); the message does not end with empty lines."""
    return _RUNS.sub(b" ", piece).replace(b" \r\n", b"\r\n")
