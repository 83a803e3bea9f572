"""T14: what SpamAssassin thinks of the message as it goes out (R61), by its local rules."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from newsletter.delivery.message import with_list_headers
from newsletter.mail import Mail, Recipient
from newsletter.models import Edition
from newsletter.providers.message import build
from subscribers.models import MailingList
from tests import mail_fixtures as fixtures
from tests.builders import edition_fields
from tests.mail.programs import found

#: The most points with and without the headers of a list, and rules that must never match.
WITH_LIST, WITHOUT_LIST = -1.0, 1.0
NEVER = re.compile(
    "MPART_ALT_DIFF|HTML_FONT_LOW_CONTRAST|HTML_IMAGE_ONLY|MIME_HTML_ONLY|MIME_HTML_MOSTLY|HTML_OBFUSCATE"
)
_DATE = datetime(2026, 11, 22, 7, tzinfo=UTC)
_SITE = "https://news.example.org"
#: What stands before each message of an mbox.
_ENVELOPE = b"From bounces@news.example.org Sun Nov 22 07:00:00 2026"


@dataclass(frozen=True)
class Verdict:
    """Points, of which 5 are spam, and the names of the rules that matched."""

    score: float
    rules: tuple[str, ...]


def message(mail: Mail, *, listed: bool) -> bytes:
    """Return the bytes of the mail to one reader, made by the product; `listed` with the headers of a list."""
    if listed:
        edition = Edition(**edition_fields("carpathian", 1))
        mailing_list = MailingList(slug="carpathian-weekly", name="Carpathian Weekly", created_at=_DATE)
        mail = with_list_headers(mail, edition, mailing_list, "2026-W47", _SITE)
    else:
        mail = replace(mail, headers=(("Message-ID", "<0123456789abcdef@news.example.org>"),))
    values = fixtures.VALUES
    reader = Recipient(values["delivery_id"], values["address"], "Ilka Novák", values)
    return build(mail, reader, date=_DATE)


def judge(messages: Mapping[str, bytes]) -> dict[str, Verdict]:
    """Return name -> what SpamAssassin says of the message. One run, local rules only, nothing learnt or asked."""
    numbered = enumerate(messages.values())
    mailbox = b"".join(b"%s\nX-Sample: %d\n%s\n" % (_ENVELOPE, at, _lines(one)) for at, one in numbered)
    with tempfile.TemporaryDirectory(prefix="newsletter-spamassassin-") as home:
        command = [found("spamassassin"), "--test-mode", "--local", "--nocreate-prefs", "--mbox"]
        environment = {"HOME": home, "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
        done = subprocess.run(command, input=mailbox, capture_output=True, check=True, env=environment, timeout=120)
    # The messages come back in an order of its own.
    verdicts = {int(at): Verdict(float(score), tuple(rules.split())) for score, rules, at in _verdicts(done.stdout)}
    return {name: verdicts[at] for at, name in enumerate(messages)}


def _verdicts(marked: bytes) -> list[tuple[str, str, str]]:
    """Return the score, the rules and the number of each message."""
    plain = re.sub(r"\n[\t ]+", " ", marked.decode("utf-8", errors="replace")).replace(", tests=", " tests=")
    status = r"^X-Spam-Status: \w+, score=(-?[\d.]+) .*?tests=(.*?) autolearn.*?^X-Sample: (\d+)$"
    found_ones = re.findall(status, plain, re.MULTILINE | re.DOTALL)
    return [(score, rules.replace(",", " "), at) for score, rules, at in found_ones]


def _lines(one: bytes) -> bytes:
    """Return the message as an mbox holds it."""
    return re.sub(rb"^(>*From )", rb">\1", one.replace(b"\r\n", b"\n"), flags=re.MULTILINE)
