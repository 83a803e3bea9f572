"""What is asked of SendGrid: the body of `POST /v3/mail/send` as its specification describes it. Pure.

A mail is compiled once, into JSON with holes; a reader's part is then one join of JSON texts.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from newsletter.errors import ConfigurationError
from newsletter.mail import (
    CONDITIONS,
    MAX_SUBSTITUTION_BYTES,
    Mail,
    Recipient,
    block_tags,
    header_text,
)
from newsletter.providers.message import ascii_address, header_value
from newsletter.providers.sendgrid.transport import Body
from newsletter.providers.sendgrid.variant import Variant, has_hole, without_halves

MAX_PERSONALIZATIONS = 1_000

#: All of them, so that no setting of the account changes what was approved. Subscription tracking would write a
#: List-Unsubscribe of its own beside ours (RFC 2369), click tracking would change every link.
TRACKING_SETTINGS: Mapping[str, Mapping[str, bool]] = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
    "ganalytics": {"enable": False},
}
_NO_MAIL_SETTING = {"enable": False}
_NAME_LIMIT = 100
#: Names that a header takes as they are.
_PLAIN_NAME = re.compile(rf"(?=.{{0,{_NAME_LIMIT}}}\Z)(?:[A-Za-z0-9.'-]+(?: [A-Za-z0-9.'-]+)*)?")


class Compiled:
    """A mail as JSON with holes; threads share it."""

    def __init__(self, mail: Mail, *, sandbox: bool) -> None:
        """Take the mail apart. In `sandbox` SendGrid checks the requests and sends nothing."""
        self.mail = mail
        self._whole = mail = replace(mail, html=without_halves(mail.html), text=without_halves(mail.text))
        self._same_for_all = json.dumps(_same_for_all(mail, sandbox=sandbox))[1:-1]
        self._asked = [name for name in CONDITIONS if _asks(mail, name)]
        self._variants: dict[tuple[bool, ...], Variant] = {}

    def body(self, personalizations: Sequence[str], batch: str = "", at: datetime | None = None) -> Body:
        """Return the request with these personalizations, for `batch` and to be sent `at`, where they are given."""
        when = f'"batch_id":{quoted(batch)},"send_at":{int(at.timestamp())},' if at else ""
        texts = [","] * (2 * len(personalizations))
        texts[1::2] = personalizations
        texts[:1] = ['{"personalizations":[']
        return Body([*texts, f"],{when}{self._same_for_all}}}"])

    def personalization(self, recipient: Recipient, address: str) -> str:
        """Return what one reader, whose address is `address` in ASCII, has for themselves in a request, as JSON.

        SendGrid is told nothing that their mail does not say. custom_args hold the delivery's id and the try, and
        nothing else: SendGrid keeps them for long and cannot remove them. Raises ConfigurationError for values that
        SendGrid does not take, and KeyError when one is missing.
        """
        values, name = recipient.values, _to_name(recipient.name)
        key = tuple([bool(values[condition]) for condition in self._asked])
        variant = self._variants.get(key)
        if variant is None:
            variant = self._variants[key] = Variant(self._whole, dict(zip(self._asked, key, strict=True)))
        own = variant.filled(values)
        if len(own) > MAX_SUBSTITUTION_BYTES:  # JSON is never shorter than what it says
            _check_size(self._whole, values)
        to = f'"email":"{address}","name":{quoted(name)}' if name else f'"email":"{address}"'
        attempt = f',"try":"{recipient.attempt}"' if recipient.attempt else ""
        return f'{{"to":[{{{to}}}],"custom_args":{{"delivery_id":{quoted(recipient.delivery_id)}{attempt}}}{own}}}'


def batches(addresses: Mapping[int, str]) -> list[list[int]]:
    """Return the positions of `addresses` split into requests: 1,000 at most in each, and no address twice in one,
    which SendGrid would answer with 400 for all of them.
    """
    keys = [address.casefold() for address in addresses.values()]
    rounds: list[list[int]] = [list(addresses)]
    if len(set(keys)) < len(keys):
        seen: Counter[str] = Counter()
        rounds = [[] for _ in range(max(Counter(keys).values()))]
        for position, key in zip(addresses, keys, strict=True):
            rounds[seen[key]].append(position)
            seen[key] += 1
    return [one[at : at + MAX_PERSONALIZATIONS] for one in rounds for at in range(0, len(one), MAX_PERSONALIZATIONS)]


def _same_for_all(mail: Mail, *, sandbox: bool) -> dict[str, Any]:
    """Return the request without what differs from reader to reader."""
    html = [{"type": "text/html", "value": mail.tagged_html}] if mail.html else []
    content: dict[str, Any] = {
        "from": _mailbox(mail.sender.address, header_text(mail.sender.name)),
        "subject": header_text(mail.subject),
        "content": [{"type": "text/plain", "value": mail.tagged_text}, *html],
        "tracking_settings": TRACKING_SETTINGS,
        "mail_settings": {
            "bypass_list_management": _NO_MAIL_SETTING,
            "bypass_spam_management": _NO_MAIL_SETTING,
            "bypass_bounce_management": _NO_MAIL_SETTING,
            "bypass_unsubscribe_management": _NO_MAIL_SETTING,
            "footer": _NO_MAIL_SETTING,
            "sandbox_mode": {"enable": sandbox},
        },
    }
    if mail.sender.reply_to:
        content["reply_to"] = _mailbox(mail.sender.reply_to, "")
    if same := {name: header_value(value) for name, value in mail.headers if not has_hole(mail, value)}:
        content["headers"] = same
    return content


def _check_size(mail: Mail, values: Mapping[str, str]) -> None:
    substitutions = mail.substitutions(values)
    size = sum(len(tag.encode()) + len(without_halves(value).encode()) for tag, value in substitutions.items())
    if size > MAX_SUBSTITUTION_BYTES:
        raise ConfigurationError(
            f"This reader's own values and blocks have {size} bytes; SendGrid takes {MAX_SUBSTITUTION_BYTES}. "
            "Shorten the links, or what stands in the blocks."
        )


def _mailbox(address: str, name: str) -> dict[str, str]:
    return {"email": ascii_address(address), "name": name} if name else {"email": ascii_address(address)}


def _to_name(name: str) -> str:
    """Return a reader's name for SendGrid, which splits a bare "to" name at commas and then drops the message after
    its 202 (sendgrid-python #291).
    """
    if _PLAIN_NAME.fullmatch(name):  # as most are
        return name
    plain = header_text(name, _NAME_LIMIT)
    return '"{}"'.format(plain.replace('"', "'")) if "," in plain or ";" in plain else plain


def _asks(mail: Mail, condition: str) -> bool:
    """Tell whether some block of the mail is shown to readers by `condition`."""
    tags = [block_tags(mail.nonce, html=html) for html in (True, False)]
    openings = [tag for one in tags for tag in (one[condition], one[f"not_{condition}"])]
    return any(
        tag in part for part in (mail.html, mail.text, *(value for _, value in mail.headers)) for tag in openings
    )
