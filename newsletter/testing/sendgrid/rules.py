"""What SendGrid's v3 API asks of a request to send. Pure; nothing here is shared with the provider that it judges.

The rules are those of SendGrid's API description and of its pages on errors, limits and personalizations: also those
that its published schema does not hold (trust 1.5). The fields are named as SendGrid names them, the sentences are
ours: nobody should read them by machine.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_PERSONALIZATIONS = 1_000
#: to, cc and bcc of a whole request.
MAX_RECIPIENTS = 1_000
MAX_SUBSTITUTION_BYTES = 10_000
MAX_CUSTOM_ARGS_BYTES = 10_000
MAX_CATEGORIES = 10
MAX_CATEGORY = 255
#: A whole request, attachments and all.
MAX_BYTES = 30_000_000
#: Seconds that a mail can be sent in ahead of its time.
MAX_AHEAD = 72 * 3600
FORBIDDEN_HEADERS = frozenset(
    {
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
        *("to", "from", "subject", "reply-to", "cc", "bcc"),
    }
)

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@.{{1,255}}\Z){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")
_HEADER_NAME = re.compile(r"[!-9;-~]+")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
#: What comes first among the parts; every other type comes after these.
_ORDER = {"text/plain": 0, "text/html": 1}
_BYPASSES = ("bypass_spam_management", "bypass_bounce_management", "bypass_unsubscribe_management")


@dataclass(frozen=True)
class Violation:
    """One entry of `errors` in an answer of 400. `field` is None where SendGrid names none."""

    field: str | None
    message: str


def violations(body: object, now: float, batches: Container[str]) -> list[Violation]:
    """Return each rule that the body of `POST /v3/mail/send` breaks; none for a body that is taken.

    `now` is in seconds since the epoch, `batches` has the ids that were given out. Any JSON value may come.
    """
    if not isinstance(body, dict):
        return [Violation(None, "Bad Request")]
    return [Violation(field, message) for field, message in _broken(body, now, batches)]


def is_sandboxed(body: Mapping[str, Any]) -> bool:
    """Tell whether a valid request asks for its check only."""
    return is_enabled(body, "sandbox_mode")


def is_enabled(body: Mapping[str, Any], setting: str) -> bool:
    """Tell whether one of `mail_settings` is on."""
    settings = body.get("mail_settings")
    found = settings.get(setting) if isinstance(settings, dict) else None
    return isinstance(found, dict) and found.get("enable") is True


def is_address(value: object) -> bool:
    """Tell whether SendGrid takes this as an address: ASCII only, since it does not offer SMTPUTF8."""
    return isinstance(value, str) and _ADDRESS.fullmatch(value) is not None


def splits(name: str) -> bool:
    """Tell whether a reader's name breaks apart: a bare comma or semicolon does that after the 202, and the mail is
    dropped for the address it then has (sendgrid-python #291).
    """
    return ("," in name or ";" in name) and not (len(name) > 1 and name.startswith('"') and name.endswith('"'))


def _broken(body: dict[str, Any], now: float, batches: Container[str]) -> Iterator[tuple[str | None, str]]:
    people = body.get("personalizations")
    yield from _people(people)
    yield from _mailbox("from", body.get("from"))
    yield from _reply_to(body)
    yield from _subject(body, people if isinstance(people, list) else [])
    yield from _content(body)
    yield from _texts("custom_args", body.get("custom_args"), MAX_CUSTOM_ARGS_BYTES)
    yield from _headers("headers", body.get("headers"))
    yield from _categories(body.get("categories"))
    yield from _send_at("send_at", body.get("send_at"), now)
    yield from _batch(body.get("batch_id"), batches)
    yield from _bypasses(body)
    for number, one in enumerate(people if isinstance(people, list) else []):
        yield from _personalization(f"personalizations.{number}", one, body, now)


def _people(people: object) -> Iterator[tuple[str | None, str]]:
    if not isinstance(people, list) or not people:
        yield "personalizations", "There must be at least one personalization."
        return
    if len(people) > MAX_PERSONALIZATIONS:
        yield (
            "personalizations",
            f"There may be {MAX_PERSONALIZATIONS} personalizations in a request, not {len(people)}.",
        )
    seen: set[str] = set()
    count = 0
    for address in _addresses(people):
        count += 1
        if address in seen:
            yield "personalizations", f"An address may be in a request only once. {address} is in it again."
        seen.add(address)
    if count > MAX_RECIPIENTS:
        yield "personalizations", f"There may be {MAX_RECIPIENTS} recipients (to, cc, bcc) in a request, not {count}."


def _addresses(people: Sequence[object]) -> Iterator[str]:
    """Yield each address of to, cc and bcc in lower case: SendGrid compares them without regard to case."""
    for one in people:
        for kind in ("to", "cc", "bcc") if isinstance(one, dict) else ():
            mailboxes = one.get(kind)  # type: ignore[attr-defined] # a dict, as asked above
            for mailbox in mailboxes if isinstance(mailboxes, list) else ():
                if isinstance(mailbox, dict) and isinstance(mailbox.get("email"), str):
                    yield mailbox["email"].lower()


def _mailbox(where: str, mailbox: object) -> Iterator[tuple[str | None, str]]:
    if not isinstance(mailbox, dict):
        yield where, "An object with an email address is required."
        return
    if not is_address(mailbox.get("email")):
        yield f"{where}.email", "Does not contain a valid address."
    if not isinstance(mailbox.get("name", ""), str | None):
        yield f"{where}.name", "The name must be a string."


def _reply_to(body: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    if "reply_to" in body and "reply_to_list" in body:
        yield "reply_to_list", "There may be a reply_to or a reply_to_list, not both."
    if "reply_to" in body:
        yield from _mailbox("reply_to", body["reply_to"])
    several = body.get("reply_to_list", [])
    if not isinstance(several, list) or len(several) > MAX_RECIPIENTS:
        yield "reply_to_list", f"The reply_to_list must be an array of at most {MAX_RECIPIENTS}."
        return
    for number, one in enumerate(several):
        yield from _mailbox(f"reply_to_list.{number}", one)


def _subject(body: Mapping[str, Any], people: Sequence[object]) -> Iterator[tuple[str | None, str]]:
    """A subject may stand at the top, in every personalization, or in a template."""
    everywhere = bool(people) and all(isinstance(one, dict) and one.get("subject") for one in people)
    subject = body.get("subject")
    if subject is not None and not isinstance(subject, str):
        yield "subject", "The subject must be a string."
    elif not subject and not everywhere and not body.get("template_id"):
        yield "subject", "The subject is required, with at least one character, unless a template has one."


def _content(body: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    parts = body.get("content")
    if parts is None and isinstance(body.get("template_id"), str) and body["template_id"]:
        return
    if not isinstance(parts, list) or not parts:
        yield "content", "Unless there is a template_id, content with at least one part is required."
        return
    types: list[str] = []
    for number, part in enumerate(parts):
        value = part.get("value") if isinstance(part, dict) else None
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(value, str) or not value:
            yield f"content.{number}.value", "The value must be a string of at least one character."
        if not isinstance(kind, str) or not _MEDIA_TYPE.fullmatch(kind):
            yield f"content.{number}.type", "The type must be a media type."
        types.append(kind.lower() if isinstance(kind, str) else "")
    if types != sorted(types, key=lambda kind: _ORDER.get(kind, len(_ORDER))):
        yield "content", "text/plain has to come first, then text/html, then any other type."
    if len(set(types)) < len(types):
        yield "content", "Each type may be there once."


def _texts(where: str, values: object, most: int) -> Iterator[tuple[str | None, str]]:
    """The rule of custom_args and substitutions: text to text, limited together."""
    if values is None:
        return
    if not isinstance(values, dict):
        yield where, "An object is expected."
        return
    for name, value in values.items():
        if not isinstance(value, str):
            yield f"{where}.{name}", "A string is expected."
            return
    if _size(values) > most:
        yield where, f"There may be {most} bytes, not {_size(values)}."


def _size(values: Mapping[str, str]) -> int:
    return sum(len(name.encode(errors="replace")) + len(text.encode(errors="replace")) for name, text in values.items())


def _headers(where: str, headers: object) -> Iterator[tuple[str | None, str]]:
    if headers is None:
        return
    if not isinstance(headers, dict):
        yield where, "Headers must be an object."
        return
    for name, value in headers.items():
        if name.lower() in FORBIDDEN_HEADERS:
            yield f"{where}.{name}", f"The header {name} is reserved."
        elif not _HEADER_NAME.fullmatch(name):
            yield f"{where}.{name}", "A header's name must be printable ASCII without a colon or a space."
        if not isinstance(value, str) or not value.isascii() or re.search("[\r\n\0]", value):
            yield f"{where}.{name}", "A header's value must be a string of one line, in ASCII."


def _categories(categories: object) -> Iterator[tuple[str | None, str]]:
    if categories is None:
        return
    if not isinstance(categories, list) or any(not isinstance(one, str) for one in categories):
        yield "categories", "Categories must be an array of strings."
    elif len(categories) > MAX_CATEGORIES or len(set(categories)) < len(categories):
        yield "categories", f"There may be {MAX_CATEGORIES} different categories."
    elif any(len(one) > MAX_CATEGORY for one in categories):
        yield "categories", f"A category may have {MAX_CATEGORY} characters."


def _send_at(where: str, send_at: object, now: float) -> Iterator[tuple[str | None, str]]:
    if send_at is None:
        return
    if not isinstance(send_at, int) or isinstance(send_at, bool):
        yield where, "The time must be an integer, in seconds since the epoch."
    elif send_at > now + MAX_AHEAD:
        yield where, "A mail cannot be scheduled more than 72 hours ahead."


def _batch(batch: object, batches: Container[str]) -> Iterator[tuple[str | None, str]]:
    if batch is not None and (not isinstance(batch, str) or batch not in batches):
        yield "batch_id", "The batch_id is not one that was given out."


def _bypasses(body: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    if is_enabled(body, "bypass_list_management") and any(is_enabled(body, one) for one in _BYPASSES):
        yield "mail_settings.bypass_list_management", "bypass_list_management goes with no other bypass."


def _personalization(where: str, one: object, body: Mapping[str, Any], now: float) -> Iterator[tuple[str | None, str]]:
    if not isinstance(one, dict):
        yield where, "A personalization must be an object."
        return
    to = one.get("to")
    if not isinstance(to, list) or not to:
        yield f"{where}.to", "The to array is required and must have an object with a valid address."
    for kind in ("to", "cc", "bcc"):
        mailboxes = one.get(kind, [])
        if not isinstance(mailboxes, list):
            yield f"{where}.{kind}", f"{kind} must be an array."
            continue
        for number, mailbox in enumerate(mailboxes):
            yield from _mailbox(f"{where}.{kind}.{number}", mailbox)
    yield from _texts(f"{where}.substitutions", one.get("substitutions"), MAX_SUBSTITUTION_BYTES)
    yield from _custom_args(where, one.get("custom_args"), body.get("custom_args"))
    yield from _headers(f"{where}.headers", one.get("headers"))
    yield from _send_at(f"{where}.send_at", one.get("send_at"), now)
    if not isinstance(one.get("subject", ""), str) or one.get("subject") == "":
        yield f"{where}.subject", "The subject must be a string of at least one character."


def _custom_args(where: str, own: object, shared: object) -> Iterator[tuple[str | None, str]]:
    """Those of the request and those of the reader count together."""
    found = list(_texts(f"{where}.custom_args", own, MAX_CUSTOM_ARGS_BYTES))
    yield from found
    if not found and isinstance(own, dict) and isinstance(shared, dict):
        both = {name: value for name, value in {**shared, **own}.items() if isinstance(value, str)}
        if _size(both) > MAX_CUSTOM_ARGS_BYTES:
            yield f"{where}.custom_args", f"There may be {MAX_CUSTOM_ARGS_BYTES} bytes, not {_size(both)}."
