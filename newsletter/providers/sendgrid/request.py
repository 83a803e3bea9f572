"""What is asked of SendGrid: the body of `POST /v3/mail/send` as its specification describes it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from newsletter.errors import ConfigurationError
from newsletter.mail import MAX_SUBSTITUTION_BYTES, Mail, Recipient, header_text, hole_tags
from newsletter.providers.message import ascii_address, header_value

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


def request_body(mail: Mail, recipients: Sequence[Recipient], *, sandbox: bool = False) -> dict[str, Any]:
    """Return the body that sends `mail` to each of the recipients, of whom no two may share an address.

    In `sandbox` SendGrid checks the request and sends nothing. Raises ConfigurationError for a recipient who cannot be
    put into a request.
    """
    return body(mail, [personalization(mail, recipient) for recipient in recipients], sandbox=sandbox)


def body(mail: Mail, personalizations: Sequence[dict[str, Any]], *, sandbox: bool) -> dict[str, Any]:
    """Return the body around personalizations that were made before."""
    same_for_all = {name: header_value(value) for name, value in mail.headers if not _has_hole(mail, value)}
    content = {
        "personalizations": list(personalizations),
        "from": _mailbox(mail.sender.address, header_text(mail.sender.name)),
        "subject": header_text(mail.subject),
        "content": [
            {"type": "text/plain", "value": mail.tagged_text},
            {"type": "text/html", "value": mail.tagged_html},
        ],
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
    if same_for_all:
        content["headers"] = same_for_all
    return content


def personalization(mail: Mail, recipient: Recipient) -> dict[str, Any]:
    """Return what one reader has for themselves in a request: SendGrid is told nothing that their mail does not say.

    custom_args hold the delivery's id and nothing else: SendGrid keeps them for long and cannot remove them. Raises
    ConfigurationError for an address or for values that SendGrid does not take.
    """
    substitutions = mail.substitutions(recipient.values)
    size = sum(len(tag.encode()) + len(value.encode()) for tag, value in substitutions.items())
    if size > MAX_SUBSTITUTION_BYTES:
        raise ConfigurationError(
            f"This reader's own values and blocks have {size} bytes; SendGrid takes {MAX_SUBSTITUTION_BYTES}. "
            "Shorten the links, or what stands in the blocks."
        )
    own_headers = {
        name: header_value(filled)
        for (name, value), (_, filled) in zip(mail.headers, mail.headers_for(recipient.values), strict=True)
        if _has_hole(mail, value)
    }
    made = {
        "to": [_mailbox(recipient.address, _to_name(recipient.name))],
        "substitutions": substitutions,
        "custom_args": {"delivery_id": recipient.delivery_id},
        "headers": own_headers,
    }
    return {key: value for key, value in made.items() if value}


def batches(recipients: Sequence[Recipient], positions: Iterable[int]) -> list[list[int]]:
    """Return `positions` split into requests: 1,000 at most in each, and no address twice in one, which SendGrid would
    answer with 400 for all of them.
    """
    seen: Counter[str] = Counter()
    rounds: list[list[int]] = []
    for position in positions:
        key = recipients[position].address.casefold()
        if seen[key] == len(rounds):
            rounds.append([])
        rounds[seen[key]].append(position)
        seen[key] += 1
    return [one[at : at + MAX_PERSONALIZATIONS] for one in rounds for at in range(0, len(one), MAX_PERSONALIZATIONS)]


def _mailbox(address: str, name: str) -> dict[str, str]:
    return {"email": ascii_address(address), "name": name} if name else {"email": ascii_address(address)}


def _to_name(name: str) -> str:
    """Return a reader's name for SendGrid, which splits a bare "to" name at commas and then drops the message after
    its 202 (sendgrid-python #291).
    """
    plain = header_text(name, 100)
    return '"{}"'.format(plain.replace('"', "'")) if "," in plain or ";" in plain else plain


def _has_hole(mail: Mail, value: str) -> bool:
    return any(tag in value for tag in hole_tags(mail.nonce, html=False).values())
