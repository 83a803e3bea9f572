"""The Event Webhook's signature: ECDSA on P-256 with SHA-256, over the timestamp and the raw body."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"


class SigningKey:
    """A key that signs posts of events; a new one unless it is given one."""

    def __init__(self, key: ec.EllipticCurvePrivateKey | None = None) -> None:
        self._key = key or ec.generate_private_key(ec.SECP256R1())

    @classmethod
    def kept_in(cls, path: Path) -> SigningKey:
        """Return the key that a PEM file holds; it is made when there is none, for its owner's eyes only.

        Raises ValueError when the file holds something else.
        """
        if path.exists():
            key = load_pem_private_key(path.read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
                raise ValueError(f"{path} holds no private key on P-256.")
            return cls(key)
        made = cls()
        path.touch(mode=0o600)
        path.write_bytes(made._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made

    @property
    def public_key(self) -> str:
        """The key to verify with, as SendGrid shows it: DER in base64."""
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def headers(self, timestamp: int, body: bytes) -> dict[str, str]:
        """Return the two headers that prove a post; `timestamp` is in seconds since the epoch."""
        signature = self._key.sign(str(timestamp).encode() + body, ec.ECDSA(SHA256()))
        return {SIGNATURE_HEADER: base64.b64encode(signature).decode(), TIMESTAMP_HEADER: str(timestamp)}
