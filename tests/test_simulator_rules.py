"""The rules of the SendGrid simulator, by the table of what SendGrid's documents say and its schema does not (trust 1.5)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types

from newsletter.testing.sendgrid import API_KEY
from newsletter.testing.sendgrid.account import Account
from newsletter.testing.sendgrid.api import Api
from newsletter.testing.sendgrid.clock import Clock
from newsletter.testing.sendgrid.messages import Request
from newsletter.testing.sendgrid.rules import is_address, splits, violations

NOW = 1_795_000_000.0
HOUR = 3_600
SPECIFICATION = Path(__file__).parents[2] / "shared" / "specs" / "sendgrid" / "tsg_mail_v3.json"


def make_body(count: int = 2, /, **changes: Any) -> dict[str, Any]:
    """Return a request to send that breaks no rule, with `changes` at its top; None removes a field."""
    body = {
        "personalizations": [{"to": [{"email": f"reader-{number}@example.org"}]} for number in range(count)],
        "from": {"email": "weekly@news.example.org", "name": "Fen Weekly"},
        "subject": "The week",
        "content": [{"type": "text/plain", "value": "Hello"}, {"type": "text/html", "value": "<p>Hello"}],
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def with_reader(**changes: Any) -> dict[str, Any]:
    """Return a request whose second reader has these fields, too."""
    body = make_body()
    body["personalizations"][1] |= changes
    return body


def fields(body: object) -> list[str | None]:
    return [one.field for one in violations(body, NOW, {"batch-1"})]


ENABLED = {"enable": True}


@pytest.mark.parametrize(
    "body",
    [
        make_body(),
        make_body(1),
        make_body(1000),
        make_body(content=None, subject=None, template_id="d-1"),
        make_body(content=[{"type": "text/html", "value": "<p>"}]),
        make_body(content=[{"type": "text/plain", "value": "x"}, {"type": "text/calendar", "value": "x"}]),
        make_body(reply_to={"email": "editors@example.org"}),
        make_body(reply_to_list=[{"email": "editors@example.org"}]),
        make_body(custom_args={"issue": "7"}),
        make_body(categories=[str(number) for number in range(10)]),
        make_body(categories=["x" * 255]),
        make_body(send_at=int(NOW) + 72 * 3600),
        make_body(send_at=int(NOW) - 5),
        make_body(batch_id="batch-1"),
        make_body(headers={"List-Id": "<fen.lists.example.org>"}),
        make_body(mail_settings={"bypass_list_management": ENABLED}),
        make_body(mail_settings={"bypass_spam_management": ENABLED, "bypass_bounce_management": ENABLED}),
        with_reader(cc=[{"email": "cc@example.org"}], bcc=[{"email": "bcc@example.org"}]),
        with_reader(substitutions={"-t-": "x" * 9_997}),
        with_reader(substitutions={"-é-": "é" * 4_998}),
        with_reader(custom_args={"d": "x" * 9_999}),
        with_reader(subject="Their own"),
        with_reader(headers={"Message-ID": "<1@example.org>"}),
    ],
)
def test_what_is_taken(body: dict[str, Any]) -> None:
    assert fields(body) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        # The schema lets these through.
        (with_reader(to=[]), "personalizations.1.to"),
        (with_reader(to=[{"email": "READER-0@example.org"}]), "personalizations"),
        (with_reader(cc=[{"email": "reader-1@example.org"}]), "personalizations"),
        (make_body(content=None), "content"),
        (make_body(content=[]), "content"),
        (make_body(content=[{"type": "text/html", "value": "<p>"}, {"type": "text/plain", "value": "x"}]), "content"),
        (make_body(content=[{"type": "text/calendar", "value": "x"}, {"type": "text/html", "value": "x"}]), "content"),
        (make_body(content=[{"type": "text/html", "value": "a"}, {"type": "text/html", "value": "b"}]), "content"),
        (with_reader(custom_args={"d": 1}), "personalizations.1.custom_args.d"),
        (with_reader(custom_args={"d": {"e": "f"}}), "personalizations.1.custom_args.d"),
        (with_reader(custom_args={"d": "x" * 10_000}), "personalizations.1.custom_args"),
        (
            {**with_reader(custom_args={"d": "x" * 5_000}), "custom_args": {"e": "x" * 5_000}},
            "personalizations.1.custom_args",
        ),
        (make_body(custom_args={"a": "x" * 10_000}), "custom_args"),
        (make_body(custom_args="issue"), "custom_args"),
        (with_reader(substitutions={"-t-": "x" * 9_998}), "personalizations.1.substitutions"),
        (with_reader(substitutions={"-é-": "é" * 4_999}), "personalizations.1.substitutions"),
        (with_reader(substitutions={"-t-": 5}), "personalizations.1.substitutions.-t-"),
        (make_body(headers={"Reply-To": "a@b.example"}), "headers.Reply-To"),
        (make_body(headers={"DKIM-Signature": "v=1"}), "headers.DKIM-Signature"),
        (with_reader(headers={"subject": "x"}), "personalizations.1.headers.subject"),
        (make_body(headers={"X-A": "a\r\nBcc: b@c.example"}), "headers.X-A"),
        (make_body(headers={"X-A": "ä"}), "headers.X-A"),
        (make_body(headers={"X A": "a"}), "headers.X A"),
        (make_body(categories=[str(number) for number in range(11)]), "categories"),
        (make_body(categories=["a", "a"]), "categories"),
        (make_body(categories=["x" * 256]), "categories"),
        (make_body(send_at=int(NOW) + 72 * 3600 + 1), "send_at"),
        (make_body(send_at=NOW), "send_at"),
        (make_body(send_at=True), "send_at"),
        (with_reader(send_at=int(NOW) + 72 * 3600 + 1), "personalizations.1.send_at"),
        (make_body(batch_id="batch-2"), "batch_id"),
        (make_body(reply_to={"email": "a@b.example"}, reply_to_list=[{"email": "a@b.example"}]), "reply_to_list"),
        (make_body(reply_to={"email": ""}), "reply_to.email"),
        (
            make_body(mail_settings={"bypass_list_management": ENABLED, "bypass_spam_management": ENABLED}),
            "mail_settings.bypass_list_management",
        ),
        # And these it finds, too.
        (make_body(personalizations=None), "personalizations"),
        (make_body(0), "personalizations"),
        (make_body(1001), "personalizations"),
        (make_body(**{"from": None}), "from"),
        (make_body(**{"from": {"name": "nobody"}}), "from.email"),
        (make_body(subject=None), "subject"),
        (make_body(subject=""), "subject"),
        (with_reader(to=[{"email": "nobody"}]), "personalizations.1.to.0.email"),
        (with_reader(to=[{"name": "nobody"}]), "personalizations.1.to.0.email"),
        (with_reader(subject=""), "personalizations.1.subject"),
        (make_body(content=[{"type": "text/html", "value": ""}]), "content.0.value"),
        (make_body(content=[{"type": "html", "value": "x"}]), "content.0.type"),
        ([], None),
        ("text", None),
        (None, None),
    ],
)
def test_what_is_refused(body: object, field: str | None) -> None:
    assert field in fields(body)


def test_a_thousand_recipients_count_to_cc_and_bcc_together() -> None:
    body = make_body(600)
    for number, one in enumerate(body["personalizations"]):
        one["cc"] = [{"email": f"copy-{number}@example.org"}]
    assert fields(body) == ["personalizations"]


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("ada@example.org", True),
        ("a.d+a_1'x@sub.example.co.uk", True),
        ("ada@xn--mller-kva.example", True),
        ("ada", False),
        ("ada@localhost", False),
        ("ada@example..org", False),
        ("a..da@example.org", False),
        (".ada@example.org", False),
        ("jörg@example.org", False),
        ("ada@exämple.org", False),
        ("ada @example.org", False),
        ("Ada <ada@example.org>", False),
        ("ada@example.org\n", False),
        ("a" * 65 + "@example.org", False),
        (None, False),
        (5, False),
    ],
)
def test_addresses(address: object, taken: bool) -> None:
    assert is_address(address) is taken


@pytest.mark.parametrize(
    ("name", "broken"), [("Ada", False), ("Doe, Jane", True), ('"Doe, Jane"', False), ("a; b", True), ('"', False)]
)
def test_a_name_that_breaks_apart(name: str, broken: bool) -> None:
    assert splits(name) is broken


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, "", [], {}, "a@b.example", {"email": "a@b.example", "name": None}])
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_NAMES = ("personalizations", "from", "subject", "content", "custom_args", "headers", "categories", "send_at")
_MORE = ("batch_id", "reply_to", "reply_to_list", "mail_settings", "template_id", "to", "cc", "bcc", "substitutions")


@settings(max_examples=200, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(_NAMES + _MORE), _JSON, max_size=4), reader=_JSON)
def test_any_json_gets_an_answer(changes: dict[str, Any], reader: Any) -> None:
    """What a client sends by mistake is its test's news, not a traceback of ours; what breaks no rule is taken."""
    account = Account(Clock(datetime.fromtimestamp(NOW, UTC)))
    headers = {"authorization": f"Bearer {API_KEY}", "content-type": "application/json"}
    body = {**make_body(), **changes}
    for content in (body, {**body, "personalizations": [reader]}, with_reader(**changes), reader):
        wrong = violations(content, NOW, set())
        assert all(one.message for one in wrong)
        got = Api(account).answer(Request("POST", "/v3/mail/send", headers, json.dumps(content).encode()))
        assert (got.status == 400) is bool(wrong)
    account.advance(HOUR)
    assert all(json.loads(post.body) for post in account.posts())


@pytest.mark.skipif(not SPECIFICATION.is_file(), reason="SendGrid's specification is not beside the project")
@pytest.mark.parametrize(
    "body",
    [
        make_body(),
        make_body(1000),
        make_body(categories=["a"], batch_id="batch-1", send_at=int(NOW)),
        make_body(1001),
        make_body(personalizations=None),
        make_body(**{"from": None}),
        make_body(**{"from": {"name": "nobody"}}),
        make_body(subject=""),
        make_body(categories=["a"] * 11),
        make_body(categories=["a", "a"]),
        make_body(content=[{"type": "text/html", "value": ""}]),
        make_body(send_at="soon"),
        make_body(headers=["List-Id"]),
    ],
)
def test_where_the_specification_tells_the_simulator_agrees(body: dict[str, Any]) -> None:
    specification = json.loads(SPECIFICATION.read_text(encoding="utf-8"))
    where = "#/components/requestBodies/PostMailSend/content/application~1json/schema"
    validator = Draft202012Validator({**specification, "$ref": where})
    assert validator.is_valid(body) is (fields(body) == [])
