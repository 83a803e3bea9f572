"""Signing messages with DKIM (RFC 6376): rsa-sha256 (RFC 8301), relaxed/relaxed, never with `l=`."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

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

    def __init__(self, key_file: Path, domain: str, selector: str) -> None:
        """Raise ConfigurationError when the key cannot be read or must not be used, or a name is none."""
        for option, name in (("dkim_domain", domain), ("dkim_selector", selector)):
            if not _NAME.fullmatch(name):
                raise ConfigurationError(f"provider.{option} is wrong: {name!r} is no name in DNS.")
        self._key = _read_key(key_file)
        self._start = f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain};\r\n s={selector};"

    def field(self, fields: bytes, body: Sequence[bytes], date: datetime) -> bytes:
        """Return the header field that signs a message: `fields` are its others, each there at most once.

        `body` is in pieces that are broken where no blank stands; `date` becomes the signature's time.
        """
        known = dict(_canonical_fields(fields))
        names = [name for name in (*_OVERSIGNED, *_SIGNED) if name in known]
        lines = [f"{self._start} t={int(date.timestamp())};", *_folded_names([*names, *_OVERSIGNED])]
        lines += [f" bh={base64.b64encode(_body_hash(body)).decode('ascii')};", " b="]
        unsigned = "\r\n".join(lines).encode("ascii")
        ((_, own),) = _canonical_fields(unsigned + b"\r\n")
        signature = base64.b64encode(self._sign(b"\r\n".join([*(known[name] for name in names), own]))).decode("ascii")
        rows = [signature[at : at + _LINE] for at in range(0, len(signature), _LINE)]
        return unsigned + "\r\n ".join(rows).encode("ascii") + b"\r\n"

    def _sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - slow to import
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

        return self._key.sign(data, PKCS1v15(), SHA256())


def _read_key(key_file: Path) -> RSAPrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - slow to import, and not always wanted
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except OSError as error:
        raise ConfigurationError(f"provider.dkim_key: {key_file} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            f"provider.dkim_key: {key_file} is no private key in PEM without a password. Make one: openssl genrsa 2048."
        ) from error
    if not isinstance(key, RSAPrivateKey) or key.key_size < _LEAST_BITS:
        raise ConfigurationError(
            f"provider.dkim_key: {key_file} is no RSA key of at least {_LEAST_BITS} bits (RFC 8301). Make one of 2048."
        )
    return key


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
