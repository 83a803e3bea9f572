"""A double of the Amazon SES API v2 for boto3, and of the SNS topic through which SES reports."""

from __future__ import annotations

import base64
import json
import ssl
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from tests.contracts.providers import arrived
from tests.servers.api import ApiServer, Delivered, Received, Reply, as_json

ACCESS_KEY_ID = "AKIASIMULATED0123456"
SECRET_ACCESS_KEY = "simulated/secret+0123456789"
REGION = "eu-west-1"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:newsletter"
CERTIFICATE_URL = f"https://sns.{REGION}.amazonaws.com/SimpleNotificationService-{'0a' * 16}.pem"


class Ses(ApiServer):
    """Takes each message as it is, and replaces its Message-ID and Date."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.production = True
        #: The key may send and ask nothing.
        self.only_sends = False
        #: What the configuration set "reports" publishes.
        self.published = ["SEND", "DELIVERY", "BOUNCE", "COMPLAINT"]
        #: What came in, byte for byte, and as a reader gets it.
        self.messages: list[bytes] = []
        self.received: list[EmailMessage] = []

    def reply(self, request: Received) -> Reply:
        """Answer as SES does."""
        if f"Credential={ACCESS_KEY_ID}/" not in request.headers.get("authorization", ""):
            return error(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
        if request.method == "GET":
            return self._asked(request)
        if self.refuses:
            return error(400, "SendingPausedException", "Email sending is disabled for this account.")
        if self.busy:
            return error(429, "TooManyRequestsException", "Maximum sending rate exceeded.")
        return self._take(request.json())

    def _asked(self, request: Received) -> Reply:
        if self.only_sends:
            return error(403, "AccessDeniedException", "User is not authorized to perform: ses:GetAccount")
        if request.path == "/v2/email/account":
            return as_json({"SendingEnabled": not self.refuses, "ProductionAccessEnabled": self.production})
        if request.path == "/v2/email/configuration-sets/reports/event-destinations":
            destination = {"Name": "sns", "Enabled": True, "MatchingEventTypes": self.published}
            return as_json({"EventDestinations": [destination]})
        return error(404, "NotFoundException", "Configuration set does not exist.")

    def _take(self, body: dict[str, Any]) -> Reply:
        (address,) = body["Destination"]["ToAddresses"]
        tags = {one["Name"]: one["Value"] for one in body["EmailTags"]}
        if body.get("ConfigurationSetName", "reports") != "reports":
            return error(404, "NotFoundException", "Configuration set does not exist.")
        if address in self.bad:
            return error(400, "MessageRejected", f"Email address is not verified: {address}")
        if not all(part.isascii() and part.replace("-", "").replace("_", "").isalnum() for part in tags.values()):
            return error(400, "BadRequestException", "Invalid tag value.")
        raw = base64.b64decode(body["Content"]["Raw"]["Data"])
        message = BytesParser(EmailMessage, policy=SMTP).parsebytes(raw)
        found = arrived(message)
        self.messages.append(raw)
        self.delivered.append(
            Delivered(address, found.name, found.subject, found.html, found.text, dict(found.headers), tags)
        )
        message_id = f"0102018-{len(self.received):04}"
        message.replace_header("Message-ID", f"<{message_id}@{REGION}.amazonses.com>")
        self.received.append(message)
        return as_json({"MessageId": message_id})


def error(status: int, code: str, message: str) -> Reply:
    """Return an error as the REST-JSON protocol of AWS has it."""
    return as_json({"message": message}, status, **{"x-amzn-ErrorType": code})


class Topic:
    """Signs notifications as SNS does, with a key of its own. `get` is how its certificate is fetched."""

    def __init__(self, *, name: str = "sns.amazonaws.com", now: datetime) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = self._certificate(name, now)
        #: What was asked for.
        self.fetched: list[str] = []

    def get(self, url: str) -> bytes:
        """Return the certificate, or nothing for another address."""
        self.fetched.append(url)
        return self.certificate if url == CERTIFICATE_URL else b""

    def notification(self, message: object, *, at: datetime, version: str = "2", **more: str) -> dict[str, str]:
        """Return a signed notification of `message`."""
        text = message if isinstance(message, str) else json.dumps(message)
        envelope = {"Type": "Notification", "MessageId": "sns-1", "TopicArn": TOPIC, "Message": text}
        return self.signed({**envelope, "Timestamp": _iso(at), **more}, version)

    def confirmation(self, *, at: datetime, url: str) -> dict[str, str]:
        """Return the signed question whether the topic is wanted."""
        envelope = {"Type": "SubscriptionConfirmation", "MessageId": "sns-2", "TopicArn": TOPIC, "Message": "You have"}
        return self.signed({**envelope, "Token": "t" * 64, "SubscribeURL": url, "Timestamp": _iso(at)}, "2")

    def signed(self, envelope: dict[str, str], version: str) -> dict[str, str]:
        """Return the envelope with its signature: names and values in the order of the names, a line each."""
        wanted = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
        text = "".join(f"{name}\n{envelope[name]}\n" for name in wanted if name in envelope)
        algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), algorithm)
        proof = {"SignatureVersion": version, "Signature": base64.b64encode(signature).decode()}
        return {**envelope, **proof, "SigningCertURL": CERTIFICATE_URL}

    def _certificate(self, common_name: str, now: datetime) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
        builder = builder.public_key(self._key.public_key())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
