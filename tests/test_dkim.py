"""DKIM signatures, checked by another implementation (F16; RFC 6376, 8058, 8301)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from newsletter.errors import ConfigurationError
from newsletter.mail import Mail, Recipient
from newsletter.providers import load_provider
from newsletter.providers.dkim import Signer
from newsletter.providers.message import compiled
from newsletter.providers.smtp import SmtpProvider
from tests.contracts.providers import make_mail, make_reader, make_readers
from tests.servers.smtp_script import ScriptedServer, scripted_server

DATE = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
ED25519 = ed25519.Ed25519PrivateKey.generate()
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SIGNED = [
    *("From", "To", "Subject", "Date", "Reply-To", "Message-ID", "MIME-Version", "Content-Type", "List-Id"),
    *("List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"),
]
MAILS = {
    "every hole": make_mail(),
    "no reply-to": make_mail(sender=make_mail().sender.__class__("Fens", "weekly@news.example.org")),
    "blanks": make_mail(text="a  b\t\tc   \n  x \n\n\n", html="<p>  a\t b  </p>  \n\n\n"),
    "base64": make_mail(text="橋が再び開通した。" * 100, html="<p>Міст знову відкрито.</p>" * 50),
    "text alone": make_mail(text="Ely\n\nThe bridge  is open. \n\n\n").text_alone,
    "text alone in base64": make_mail(text="橋が再び開通した。" * 100 + "\n\n\n").text_alone,
    "text alone with holes": make_mail().text_alone,
    "long headers": make_mail(subject="Відключення світла: що змінюється для мешканців " * 5),
}


def pem(
    folder: Path,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey = KEY,
    name: str = "dkim.pem",
) -> Path:
    path = folder / name
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return path


def in_dns(name: bytes, timeout: int = 5) -> bytes:
    """Return the record that verifiers would find."""
    assert name == b"weekly._domainkey.news.example.org."
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(KEY.public_key().public_bytes(encoding, form))


def verifies(message: bytes) -> bool:
    return bool(dkim.verify(message, dnsfunc=in_dns))


def signed(folder: Path, mail: Mail, reader: Recipient | None = None) -> bytes:
    signer = Signer(pem(folder), "news.example.org", "weekly")
    fields, *rest = compiled(mail).pieces(reader or make_reader(1), DATE)
    return b"".join([signer.fields(fields, rest[1:], DATE), fields, *rest])


@pytest.mark.parametrize("name", MAILS)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_signed_mail_verifies(tmp_path: Path, name: str, number: int) -> None:
    message = signed(tmp_path, MAILS[name], make_reader(number))
    assert verifies(message)
    assert max(len(line) for line in message.partition(b"\r\n\r\n")[0].split(b"\r\n")) <= 78


@pytest.mark.parametrize("name", SIGNED)
def test_a_changed_header_fails(tmp_path: Path, name: str) -> None:
    """RFC 8058 section 4: both headers of one-click unsubscribing are among them."""
    message = signed(tmp_path, make_mail())
    changed, count = re.subn(rf"(?m)^({name}: .)".encode(), rb"\1x", message, count=1)
    assert count == 1
    assert not verifies(changed)


@pytest.mark.parametrize("name", ["From", "To", "Subject", "Date", "Reply-To"])
@pytest.mark.parametrize("mail", ["every hole", "no reply-to"])
def test_an_added_header_fails(tmp_path: Path, name: str, mail: str) -> None:
    """RFC 6376 section 8.15."""
    assert not verifies(f"{name}: somebody@evil.example\r\n".encode() + signed(tmp_path, MAILS[mail]))


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a letter": lambda message: message.replace(b"From here", b"From hers"),
    "something at the end": lambda message: message + b"more\r\n",
    "something cut off": lambda message: message[:-40],
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_body_fails(tmp_path: Path, name: str) -> None:
    message = signed(tmp_path, make_mail())
    changed = CHANGES[name](message)
    assert changed != message
    assert not verifies(changed)


def test_there_is_no_length_and_blanks_may_change_on_the_way(tmp_path: Path) -> None:
    message = signed(tmp_path, MAILS["blanks"])
    head, _, body = message.partition(b"\r\n\r\n")
    assert b" l=" not in head
    assert b"c=relaxed/relaxed" in head
    assert verifies(head.replace(b"Subject: ", b"subject:   ") + b"\r\n\r\n" + body.replace(b" a", b"  a") + b"\r\n")


def test_what_goes_out_is_signed(tmp_path: Path) -> None:
    with scripted_server(ScriptedServer()) as server:
        options = {"dkim_key": str(pem(tmp_path)), "dkim_domain": "news.example.org", "dkim_selector": "weekly"}
        given = {"host": "127.0.0.1", "port": server.port, "security": "none", "local_hostname": "client.test"}
        provider = load_provider("smtp", {**given, **options})
        assert isinstance(provider, SmtpProvider)
        provider.send(make_mail(), make_readers(3))
        provider.close()
    assert [verifies(message) for _, message in server.received] == [True] * 3


def test_keys_that_must_not_be_used_are_named(tmp_path: Path) -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    Signer(pem(tmp_path, short), "news.example.org", "weekly")
    with pytest.raises(ConfigurationError, match=r"provider\.dkim_key: .*RSA key of at least 1024 bits"):
        Signer(pem(tmp_path, ec.generate_private_key(ec.SECP256R1())), "news.example.org", "weekly")
    (tmp_path / "dkim.pem").write_text("planted-canary")
    with pytest.raises(ConfigurationError, match="no private key") as caught:
        Signer(tmp_path / "dkim.pem", "news.example.org", "weekly")
    assert "planted-canary" not in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"provider\.dkim_key: .*none\.pem cannot be read"):
        Signer(tmp_path / "none.pem", "news.example.org", "weekly")


def relaxed(field: bytes) -> bytes:
    """Return a header field in relaxed form (RFC 6376 section 3.4.2)."""
    name, _, value = field.replace(b"\r\n", b"").partition(b":")
    return name.strip().lower() + b":" + re.sub(rb"[ \t]+", b" ", value).strip()


def ed25519_verifies(message: bytes) -> bool:
    """Verify the second signature as RFC 8463 section 3 and RFC 6376 section 3.7 say, with nothing of ours.

    Each signature stands for itself: the other one is not among the signed fields.
    """
    head, _, body = message.partition(b"\r\n\r\n")
    fields = [part + b"\r\n" for part in re.split(rb"\r\n(?![ \t])", head)]
    own = next(one for one in fields if b"a=ed25519-sha256" in one)
    tags = dict(re.findall(r"(\w+)=([^;]*)", re.sub(r"\s", "", own.decode().partition(":")[2])))
    canonical = re.sub(rb"[ \t]+", b" ", body).replace(b" \r\n", b"\r\n").rstrip(b"\r\n") + b"\r\n"
    by_name = {one.partition(b":")[0].strip().lower().decode(): one for one in fields if one is not own}
    signed = [relaxed(by_name.pop(name)) for name in tags["h"].split(":") if name in by_name]
    unsigned = relaxed(re.sub(rb"(\bb=)[^;]*\Z", rb"\1", own.rstrip()))
    data = hashlib.sha256(b"\r\n".join([*signed, unsigned])).digest()
    try:
        ED25519.public_key().verify(base64.b64decode(tags["b"]), data)
    except InvalidSignature:
        return False
    body_hash = base64.b64encode(hashlib.sha256(canonical).digest()).decode()
    return (tags["bh"], tags["s"]) == (body_hash, "second")


@pytest.mark.parametrize("name", MAILS)
def test_an_ed25519_key_signs_besides(tmp_path: Path, name: str) -> None:
    """RFC 8463."""
    second = pem(tmp_path, ED25519, "second.pem")
    signer = Signer(pem(tmp_path), "news.example.org", "weekly", ed25519_key=second, ed25519_selector="second")
    fields, *rest = compiled(MAILS[name]).pieces(make_reader(1), DATE)
    message = b"".join([signer.fields(fields, rest[1:], DATE), fields, *rest])
    assert message.count(b"DKIM-Signature:") == 2
    assert verifies(message)
    assert ed25519_verifies(message)
    assert not ed25519_verifies(message.replace(b"Subject: ", b"Subject: x"))
    assert not ed25519_verifies(message[:-40])


def test_an_ed25519_key_never_signs_alone(tmp_path: Path) -> None:
    """Trust 1.1: not all verifiers know it."""
    second = {"dkim_ed25519_key": str(pem(tmp_path, ED25519)), "dkim_ed25519_selector": "second"}
    with pytest.raises(ConfigurationError, match=r"provider\.dkim_key and provider\.dkim_domain .* is missing"):
        load_provider("smtp", {"host": "smtp.example.org", **second})
    with pytest.raises(ConfigurationError, match=r"provider\.dkim_key: .* is no RSA key"):
        Signer(pem(tmp_path, ED25519), "news.example.org", "weekly")
    with pytest.raises(ConfigurationError, match=r"provider\.dkim_ed25519_key: .* is no Ed25519 key"):
        Signer(pem(tmp_path), "news.example.org", "weekly", ed25519_key=pem(tmp_path), ed25519_selector="second")


@pytest.mark.parametrize(("domain", "selector"), [("", "x"), ("a b", "x"), ("a.example", "x;"), ("a\r\n.example", "x")])
def test_names_that_are_none_are_named(tmp_path: Path, domain: str, selector: str) -> None:
    with pytest.raises(ConfigurationError, match=r"provider\.dkim_(domain|selector) is wrong"):
        Signer(pem(tmp_path), domain, selector)


@pytest.mark.parametrize("given", [("dkim_key",), ("dkim_domain",), ("dkim_selector", "dkim_domain")])
def test_half_of_the_options_is_not_enough(tmp_path: Path, given: tuple[str, ...]) -> None:
    values = {"dkim_key": str(pem(tmp_path)), "dkim_domain": "a.example", "dkim_selector": "x"}
    with pytest.raises(ConfigurationError, match="is missing: signing needs dkim_key, dkim_domain, dkim_selector"):
        load_provider("smtp", {"host": "smtp.example.org", **{name: values[name] for name in given}})
