"""What is asked of SendGrid, against a plain function that reads as SendGrid's description does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types

from newsletter.errors import ConfigurationError
from newsletter.mail import (
    HOLES,
    VALUES,
    Mail,
    Recipient,
    Sender,
    block_tags,
    header_text,
    hole_tag,
    hole_tags,
    substitution_bytes,
)
from newsletter.providers.message import ascii_address, header_value
from newsletter.providers.sendgrid.request import TRACKING_SETTINGS, Compiled, batches
from newsletter.providers.sendgrid.transport import Body
from newsletter.testing.sendgrid.rules import violations
from tests.contracts.providers import NONCE, make_mail, make_reader, make_readers

SPECIFICATION = Path(__file__).parents[2] / "shared" / "specs" / "sendgrid" / "tsg_mail_v3.json"
SOME_DAY = datetime(2026, 11, 25, 6, 30, tzinfo=UTC)


def request_body(
    mail: Mail, readers: Sequence[Recipient], *, sandbox: bool = False, batch: str = "", at: datetime | None = None
) -> dict[str, Any]:
    """Return the request for these readers, parsed."""
    compiled = Compiled(mail, sandbox=sandbox)
    people = [compiled.personalization(reader, ascii_address(reader.address)) for reader in readers]
    parsed: dict[str, Any] = json.loads(b"".join(compiled.body(people, batch, at).blocks))
    return parsed


# --- the plain function


def plain_body(mail: Mail, readers: Sequence[Recipient], *, sandbox: bool = False) -> dict[str, Any]:
    """Return the request as it is described, one reader after the other, nothing made before."""
    mail = replace(mail, html=_whole(mail.html), text=_whole(mail.text))
    same_for_all = {name: header_value(value) for name, value in mail.headers if not _has_hole(mail, value)}
    off = {"enable": False}
    body = {
        "personalizations": [plain_personalization(mail, reader) for reader in readers],
        "from": _plain_mailbox(mail.sender.address, header_text(mail.sender.name)),
        "reply_to": _plain_mailbox(mail.sender.reply_to, "") if mail.sender.reply_to else None,
        "subject": header_text(mail.subject),
        "content": [
            {"type": "text/plain", "value": mail.tagged_text},
            *([{"type": "text/html", "value": mail.tagged_html}] if mail.html else []),  # none: text alone (U7)
        ],
        "headers": same_for_all,
        "tracking_settings": TRACKING_SETTINGS,
        "mail_settings": {
            **dict.fromkeys(("bypass_list_management", "bypass_spam_management", "bypass_bounce_management"), off),
            **dict.fromkeys(("bypass_unsubscribe_management", "footer"), off),
            "sandbox_mode": {"enable": sandbox},
        },
    }
    return {key: value for key, value in body.items() if value}


def plain_personalization(mail: Mail, reader: Recipient) -> dict[str, Any]:
    """Return a reader's part of a request. Raises ConfigurationError for values that SendGrid does not take."""
    mail = replace(mail, html=_whole(mail.html), text=_whole(mail.text))
    values = {name: _whole(value) for name, value in reader.values.items()}
    if (size := substitution_bytes(mail, values)) > 10_000:
        raise ConfigurationError(f"{size} bytes")
    name = header_text(reader.name, 100)
    if "," in name or ";" in name:
        name = '"{}"'.format(name.replace('"', "'"))
    own = [name for name, value in mail.headers if _has_hole(mail, value)]
    made = {
        "to": [_plain_mailbox(ascii_address(reader.address), name)],
        "substitutions": mail.substitutions(values),
        "custom_args": {"delivery_id": reader.delivery_id, **_plain_attempt(reader)},
        "headers": {name: header_value(value) for name, value in mail.headers_for(values) if name in own},
    }
    return {key: value for key, value in made.items() if value}


def _plain_attempt(reader: Recipient) -> dict[str, str]:
    return {"try": str(reader.attempt)} if reader.attempt else {}


def _plain_mailbox(address: str, name: str) -> dict[str, str]:
    return {"email": address, "name": name} if name else {"email": address}


def _whole(text: str) -> str:
    """Return text with a question mark for each half of a character, as every provider writes it."""
    return text.encode("utf-8", "replace").decode()


def _has_hole(mail: Mail, value: str) -> bool:
    return any(tag in value for tag in hole_tags(mail.nonce, html=False).values())


#: Texts that are trouble somewhere: in JSON, in html, in a header, in a template, in the lines of values put together.
_TROUBLE = st.sampled_from(
    [
        *(
            "",
            " ",
            "\n",
            "\\n",
            "\\",
            '"',
            "%",
            "%s",
            "%(x)s",
            "&",
            "<b>",
            "'",
            "=?",
            "?=",
            "=",
            "?",
            "é",
            "🦉",
            "\ud83e",
        ),
        *(NONCE, f"-{NONCE}t.token-", f"-{NONCE}h.name-", "\x00", "\x7f", "\u2028", "\r\nBcc: a@b.c", "x" * 4_000),
    ]
)
_TEXTS = st.lists(_TROUBLE | st.text(max_size=8), max_size=4).map("".join)


@st.composite
def _mails(draw: st.DrawFn) -> Mail:
    """Draw a mail whose parts and headers have any holes and blocks, with trouble around them."""
    plain = _TROUBLE.filter(lambda text: NONCE not in text)

    def part(*, html: bool) -> str:
        tags, holes = block_tags(NONCE, html=html), [hole_tag(NONCE, name, html=html) for name in HOLES]
        inside = st.lists(plain | st.sampled_from(holes), max_size=3).map("".join)
        block = st.builds(
            lambda opening, text: f"{tags[opening]}{text}{tags['end']}",
            st.sampled_from([name for name in tags if name != "end"]),
            inside,
        )
        return draw(st.lists(inside | block, max_size=4).map("".join))

    own = st.lists(plain | st.sampled_from([hole_tag(NONCE, name) for name in HOLES]), max_size=4).map("".join)
    return make_mail(
        html=part(html=True),
        text=part(html=False),
        headers=(("Message-ID", "<x@y.example>"), ("X-One", draw(own)), ("X-Two", draw(own))),
        sender=Sender(draw(_TEXTS), "weekly@news.example.org", draw(st.sampled_from(["", "a@b.example"]))),
    )


class TestAgainstThePlainFunction:
    @settings(max_examples=100, deadline=None)
    @given(data=st.data())
    def test_the_bytes_say_exactly_what_it_says(self, data: st.DataObject) -> None:
        mail = data.draw(_mails())
        readers = [
            Recipient(
                f"d{number}",
                f"reader-{number}@example.org",
                data.draw(_TEXTS),
                data.draw(st.fixed_dictionaries(dict.fromkeys(VALUES, _TEXTS))),
                data.draw(st.sampled_from([0, 1, 2**40])),
            )
            for number in range(3)
        ]
        taken = [reader for reader in readers if _is_taken(mail, reader)]
        sandbox = data.draw(st.booleans())
        if taken:
            assert request_body(mail, taken, sandbox=sandbox) == plain_body(mail, taken, sandbox=sandbox)
        for reader in readers:
            if reader not in taken:
                with pytest.raises(ConfigurationError, match=r"have \d+ bytes; SendGrid takes 10000"):
                    request_body(mail, [reader])

    def test_holds_for_the_mail_of_the_contract(self) -> None:
        mail, readers = make_mail(), make_readers(12)
        assert request_body(mail, readers) == plain_body(mail, readers)

    def test_a_value_that_is_missing_is_named(self) -> None:
        reader = make_reader(1)
        values = {name: value for name, value in reader.values.items() if name != "token"}
        with pytest.raises(KeyError, match="token"):
            request_body(make_mail(), [Recipient("d", reader.address, "", values)])

    def test_the_bytes_are_ascii_and_tell_nothing_when_printed(self) -> None:
        """Threat 22: the package writes what it sends into log records."""
        compiled = Compiled(make_mail(), sandbox=False)
        body = compiled.body([compiled.personalization(make_reader(1), "ada@example.org")])
        assert b"".join(body.blocks).isascii()
        assert f"{body} {body!r} {body!s}" == " ".join([f"<{body.size} bytes>"] * 3)

    def test_a_text_outside_ascii_is_refused_before_anything_is_sent(self) -> None:
        """The size of a body is that of its texts, which only holds for ASCII."""
        with pytest.raises(ValueError, match="ASCII"):
            Body(["{", "é", "}"])

    @pytest.mark.parametrize("readers", [1, 49, 50, 51, 120])
    def test_a_body_has_the_size_it_tells_and_can_be_read_twice(self, readers: int) -> None:
        compiled = Compiled(make_mail(), sandbox=False)
        body = compiled.body([compiled.personalization(one, one.address) for one in make_readers(readers)])
        assert len(b"".join(body.blocks)) == len(b"".join(body.blocks)) == body.size
        assert len(json.loads(b"".join(body.blocks))["personalizations"]) == readers


def _is_taken(mail: Mail, reader: Recipient) -> bool:
    try:
        plain_personalization(mail, reader)
    except ConfigurationError:
        return False
    return True


class TestForATimeToCome:
    def test_names_the_batch_and_the_second(self) -> None:
        body = request_body(make_mail(), make_readers(2), batch='B"1', at=SOME_DAY)
        assert (body["batch_id"], body["send_at"]) == ('B"1', 1795588200)
        assert {**body, "batch_id": None, "send_at": None} == {
            **request_body(make_mail(), make_readers(2)),
            "batch_id": None,
            "send_at": None,
        }

    def test_says_nothing_of_either_for_now(self) -> None:
        assert not {"batch_id", "send_at"} & set(request_body(make_mail(), make_readers(1)))


# --- what is in it


class TestRequest:
    def test_holds_one_personalization_a_reader(self) -> None:
        body = request_body(make_mail(), make_readers(3))
        assert [one["to"] for one in body["personalizations"]] == [
            [{"email": f"reader-{number}@example.org", "name": '"Ada Ångström, PhD"'}] for number in (1, 2, 3)
        ]

    def test_holds_text_before_html_and_who_it_is_from(self) -> None:
        mail = make_mail()
        body = request_body(mail, make_readers(1))
        assert [part["type"] for part in body["content"]] == ["text/plain", "text/html"]
        assert [part["value"] for part in body["content"]] == [mail.tagged_text, mail.tagged_html]
        assert body["from"] == {"email": "weekly@news.example.org", "name": "Fen Weekly, the"}
        assert body["reply_to"] == {"email": "editors@news.example.org"}
        assert body["subject"] == mail.subject

    def test_holds_no_reply_to_without_an_address_for_it(self) -> None:
        assert "reply_to" not in request_body(make_mail(sender=Sender("", "a@b.example")), make_readers(1))

    def test_turns_off_everything_that_an_account_could_have_turned_on(self) -> None:
        """Subscription tracking would add a List-Unsubscribe beside ours (RFC 2369)."""
        body = request_body(make_mail(), make_readers(1))
        assert body["tracking_settings"] == {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
            "ganalytics": {"enable": False},
        }
        assert body["mail_settings"] == {
            name: {"enable": False}
            for name in (
                *("bypass_list_management", "bypass_spam_management", "bypass_bounce_management"),
                *("bypass_unsubscribe_management", "footer", "sandbox_mode"),
            )
        }

    def test_tells_sendgrid_of_the_sandbox(self) -> None:
        body = request_body(make_mail(), make_readers(1), sandbox=True)
        assert body["mail_settings"]["sandbox_mode"] == {"enable": True}

    def test_headers_that_differ_stand_with_the_reader_filled(self) -> None:
        body = request_body(make_mail(), make_readers(2))
        assert sorted(body["headers"]) == ["Feedback-ID", "List-Id", "List-Unsubscribe-Post"]
        assert body["personalizations"][1]["headers"] == {
            "Message-ID": f"<{2:032x}@news.example.org>",
            "List-Unsubscribe": "<https://news.example.org/u/token-2>, "
            "<mailto:editors@news.example.org?subject=unsubscribe>",
        }

    def test_custom_args_hold_the_try_where_there_is_one(self) -> None:
        """3.3: events tell by it which try of ours they are about."""
        body = request_body(make_mail(), [replace(make_reader(1), attempt=7)])
        assert body["personalizations"][0]["custom_args"] == {"delivery_id": f"{1:032x}", "try": "7"}

    def test_custom_args_hold_the_delivery_s_id_and_nothing_about_the_reader(self) -> None:
        """They are stored for long and cannot be removed."""
        body = request_body(make_mail(), make_readers(1))
        assert body["personalizations"][0]["custom_args"] == {"delivery_id": f"{1:032x}"}
        assert "custom_args" not in body
        assert "categories" not in body

    def test_only_tags_that_the_mail_has_are_filled(self) -> None:
        """What a reader's mail does not say is not SendGrid's to know."""
        token = hole_tag(NONCE, "token", html=True)
        body = request_body(make_mail(html=f"<p>{token}</p>", text="x"), make_readers(1))
        assert body["personalizations"][0]["substitutions"] == {token: "token-1"}

    def test_a_mail_without_holes_needs_no_substitutions(self) -> None:
        body = request_body(make_mail(html="<p>", text="x"), make_readers(1))
        assert "substitutions" not in body["personalizations"][0]

    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("Ada Ångström", "Ada Ångström"),
            ("Doe, Jane", '"Doe, Jane"'),
            ('J. "Jay" Doe; PhD', "\"J. 'Jay' Doe; PhD\""),
            ("x\r\nBcc: a@b.c", "x Bcc: a@b.c"),
            ("", None),
        ],
    )
    def test_a_reader_s_name(self, name: str, written: str | None) -> None:
        """A bare comma splits it, and the message is dropped after the 202 (sendgrid-python #291)."""
        body = request_body(make_mail(), [make_reader(1, name=name)])
        assert body["personalizations"][0]["to"][0].get("name") == written

    def test_a_block_is_one_substitution_filled_or_empty(self) -> None:
        """Of a reader's values it holds what the block shows them, and of other readers' blocks nothing."""
        tags, name = block_tags(NONCE, html=True), hole_tag(NONCE, "name", html=True)
        mail = make_mail(html=f"<p>{tags['name']}Dear <b>{name}</b>{tags['end']}</p>", text="x")
        body = request_body(mail, make_readers(2))
        assert body["content"][1]["value"] == f"<p>-{NONCE}h.block1-</p>"
        assert [one["substitutions"] for one in body["personalizations"]] == [
            {f"-{NONCE}h.block1-": "Dear <b>Ada &amp; &lt;Zoë&gt; 🦉</b>"},
            {f"-{NONCE}h.block1-": ""},
        ]

    @pytest.mark.parametrize(("over", "refused"), [(0, False), (1, True)])
    def test_blocks_count_among_the_bytes_that_sendgrid_takes(self, over: int, refused: bool) -> None:
        """10,000 a personalization, by SendGrid's description of its API."""
        tags, tag = block_tags(NONCE, html=True), f"-{NONCE}h.block1-"
        inside = "é" * ((10_000 - len(tag)) // 2) + "x" * ((10_000 - len(tag)) % 2 + over)
        mail = make_mail(html=f"{tags['new']}{inside}{tags['end']}", text="x")
        assert substitution_bytes(mail, make_reader(1).values) == 10_000 + over
        if refused:
            with pytest.raises(ConfigurationError, match="SendGrid takes 10000"):
                request_body(mail, make_readers(1))
        else:
            assert violations(request_body(mail, make_readers(1)), 0.0, ()) == []

    def test_values_that_are_too_long_are_refused(self) -> None:
        reader = make_reader(1)
        long = Recipient("d1", reader.address, "", {**reader.values, "unsubscribe_url": "https://n/" + "x" * 10_000})
        with pytest.raises(ConfigurationError, match="SendGrid takes 10000"):
            request_body(make_mail(), [long])

    @settings(max_examples=100, deadline=None)
    @given(data=st.data())
    def test_any_text_gives_a_request_that_breaks_no_rule(self, data: st.DataObject) -> None:
        """Threat 1 on the JSON path: 0 extra headers, 0 exceptions."""
        text = st.text(max_size=30) | st.just("=?UTF-8?Q?x=0D=0ABcc:_a@b.c?=") | st.just("x\r\nBcc: a@b.c")
        values = data.draw(st.fixed_dictionaries(dict.fromkeys(VALUES, text)))
        subject = data.draw(text.map(lambda drawn: f"s{drawn}"))
        mail = make_mail(subject=subject, sender=Sender(data.draw(text), "weekly@news.example.org"))
        body = request_body(mail, [Recipient("d1", "ada@example.org", data.draw(text), values)])
        assert violations(body, 0.0, ()) == []
        names = [*body["headers"], *body["personalizations"][0]["headers"]]
        assert sorted(names) == sorted(name for name, _ in mail.headers)
        for visible in (
            body["subject"],
            body["from"].get("name", ""),
            body["personalizations"][0]["to"][0].get("name", ""),
        ):
            assert "\n" not in visible
            assert "=?" not in visible


@pytest.mark.skipif(not SPECIFICATION.is_file(), reason="SendGrid's specification is not beside the project")
class TestAgainstTheSpecification:
    @pytest.fixture
    def specification(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(SPECIFICATION.read_text(encoding="utf-8"))
        return content

    @pytest.mark.parametrize("count", [1, 1000])
    @pytest.mark.parametrize("mail", [make_mail(), make_mail(sender=Sender("", "a@b.example"), html="<p>", text="x")])
    def test_a_request_has_the_shape_it_describes(self, specification: dict[str, Any], mail: Mail, count: int) -> None:
        body = request_body(mail, make_readers(count), sandbox=True, batch="YzRl_-", at=SOME_DAY)
        assert [error.message for error in validator(specification).iter_errors(body)] == []

    def test_the_validator_finds_what_is_wrong(self, specification: dict[str, Any]) -> None:
        body = request_body(make_mail(), make_readers(1001))
        assert any("too long" in error.message for error in validator(specification).iter_errors(body))

    def test_a_request_has_only_fields_it_names(self, specification: dict[str, Any]) -> None:
        """The schema allows any further field, so a misspelt one would pass it."""
        schema = specification["components"]["requestBodies"]["PostMailSend"]["content"]["application/json"]["schema"]
        readers = [replace(reader, attempt=7) for reader in make_readers(2)]
        body = request_body(make_mail(), readers, sandbox=True, batch="YzRl_-", at=SOME_DAY)
        assert unknown_fields(specification, schema, body) == []
        assert unknown_fields(specification, schema, {**body, "tracking": {}}) == ["tracking"]


def validator(specification: dict[str, Any]) -> Draft202012Validator:
    where = "#/components/requestBodies/PostMailSend/content/application~1json/schema"
    return Draft202012Validator({**specification, "$ref": where}, format_checker=Draft202012Validator.FORMAT_CHECKER)


def unknown_fields(specification: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """Return the names in `value` that the schema's objects do not list; objects that list none may hold any."""
    if "$ref" in schema:
        schema = specification["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        return [name for one in value for name in unknown_fields(specification, schema["items"], one)]
    known = schema.get("properties")
    if not isinstance(value, Mapping) or known is None:
        return []
    below = [name for key in value if key in known for name in unknown_fields(specification, known[key], value[key])]
    return [key for key in value if key not in known] + below


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([], []),
        (["a", "b", "c"], [[0, 1, 2]]),
        (["a", "b", "A", "c", "a"], [[0, 1, 3], [2], [4]]),
        (["a", "a", "b", "b", "B"], [[0, 2], [1, 3], [4]]),
        ([str(number) for number in range(2500)], [[*range(1000)], [*range(1000, 2000)], [*range(2000, 2500)]]),
    ],
    ids=["none", "all different", "one twice more", "two of them", "2,500"],
)
def test_no_request_has_an_address_twice_or_more_than_1000(addresses: list[str], expected: list[list[int]]) -> None:
    assert batches(dict(enumerate(addresses))) == expected


def test_requests_hold_the_positions_they_were_given() -> None:
    assert batches({3: "a", 7: "b", 9: "A"}) == [[3, 7], [9]]
