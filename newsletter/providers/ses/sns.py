"""Reports of Amazon SES as they come through an SNS topic, each a signed HTTPS notification.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. Anybody with an AWS account can make a
topic and have Amazon sign what it publishes, so the topic has to be one of ours, too.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from newsletter.providers.events import Event, NotGenuine, ReportsOff
from newsletter.providers.http import Api
from newsletter.providers.reports import json_object, prove_fresh, text_of, time_of
from newsletter.providers.ses.words import event

_HOST = r"https://sns\.[a-z]{2}(?:-[a-z]+)+-\d\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(rf"{_HOST}/SimpleNotificationService-[0-9a-f]{{32,64}}\.pem")
_CONFIRMATION = re.compile(rf"{_HOST}/\?[!-~]+")
#: What is signed, in this order; Subject only when it is there.
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES = {"1": hashes.SHA1, "2": hashes.SHA256}
_TIMEOUT = 10.0
#: Amazon changes its certificate about once a year and a region.
_MOST_KEPT = 20


def fetch(url: str) -> bytes:
    """Return what Amazon has at `url`. Raises OSError when it does not say."""
    parts = urlsplit(url)
    api = Api(f"https://{parts.netloc}", headers={}, secrets=[], timeout=_TIMEOUT)
    try:
        answer = api.get(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    finally:
        api.close()
    if answer.status != 200:
        raise OSError(f"{parts.netloc} answered {answer.status}")
    return answer.body


class Sns:
    """Reads notifications of some topics. `get` fetches certificates, which are kept, and confirms subscriptions."""

    def __init__(self, topics: Sequence[str], get: Callable[[str], bytes]) -> None:
        self._topics = frozenset(topics)
        self._get = get
        self._lock = threading.Lock()
        self._certificates: dict[str, x509.Certificate] = {}

    def events(self, body: bytes, now: datetime) -> list[Event]:
        """Return the event of a notification; none when it is a confirmation, which is given, or about no mail.

        Raises NotGenuine, and ValueError for what is genuine and cannot be read, confirmed or checked now.
        """
        if not self._topics:
            raise ReportsOff("Reports are off: provider.topic is not set.")
        try:
            envelope = json_object(body)
        except ValueError as error:
            raise NotGenuine("The request is no notification.") from error
        self._prove(envelope, now)
        kind = text_of(envelope, "Type")
        if kind == "SubscriptionConfirmation":
            self._confirm(text_of(envelope, "SubscribeURL"))
        return event(envelope) if kind == "Notification" else []

    def _prove(self, envelope: Mapping[str, object], now: datetime) -> None:
        """Raise NotGenuine unless Amazon signed the envelope for one of our topics, and not long ago."""
        names, algorithm = _SIGNED.get(text_of(envelope, "Type")), _HASHES.get(text_of(envelope, "SignatureVersion"))
        url = text_of(envelope, "SigningCertURL")
        if not names or not algorithm or not _CERTIFICATE.fullmatch(url):
            raise NotGenuine("The request is no notification that Amazon could have signed.")
        if text_of(envelope, "TopicArn") not in self._topics:
            raise NotGenuine("The notification is of a topic that provider.topic does not name.")
        try:
            at, signature = time_of(text_of(envelope, "Timestamp")), base64.b64decode(text_of(envelope, "Signature"))
        except (ValueError, binascii.Error) as error:
            raise NotGenuine("The notification has no time or no signature.") from error
        prove_fresh(at, now)
        signed = "".join(f"{name}\n{text_of(envelope, name)}\n" for name in names if name in envelope)
        try:
            key = self._key(url, now)
            key.verify(signature, signed.encode(errors="replace"), padding.PKCS1v15(), algorithm())
        except InvalidSignature as error:
            raise NotGenuine("The notification's signature is wrong.") from error

    def _key(self, url: str, now: datetime) -> rsa.RSAPublicKey:
        """Return the key of Amazon's certificate at `url`. Raises NotGenuine when it is not Amazon's or not valid."""
        with self._lock:
            certificate = self._certificates.get(url)
        if certificate is None:
            certificate = self._fetched(url)
            with self._lock:
                if len(self._certificates) >= _MOST_KEPT:
                    self._certificates.clear()
                self._certificates[url] = certificate
        names = [one.value for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        key = certificate.public_key()
        if names not in (["sns.amazonaws.com"], ["sns.amazonaws.com.cn"]) or not valid:
            raise NotGenuine("The notification's certificate is not one of Amazon SNS, or not valid now.")
        if not isinstance(key, rsa.RSAPublicKey):
            raise NotGenuine("The notification's certificate has no RSA key.")
        return key

    def _fetched(self, url: str) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificate(self._get(url))
        except OSError as error:
            raise ValueError(f"Amazon's certificate could not be fetched: {error}.") from error
        except ValueError as error:
            raise NotGenuine("The notification's certificate cannot be read.") from error

    def _confirm(self, url: str) -> None:
        """Visit the link with which Amazon asks whether we want the topic. Its signature was checked before."""
        if not _CONFIRMATION.fullmatch(url):
            raise NotGenuine("The subscription's link does not lead to Amazon SNS.")
        try:
            self._get(url)
        except OSError as error:
            raise ValueError(f"The subscription could not be confirmed: {error}.") from error
