"""SendGrid's signed Event Webhook: only what is surely SendGrid's is believed, and all of that is understood."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import ConfigurationError
from newsletter.providers import load_provider
from newsletter.providers.events import Event, Kind, NotGenuine
from newsletter.providers.sendgrid import SendGridProvider
from newsletter.providers.sendgrid.hook import SIGNATURE, TIMESTAMP, Hook
from newsletter.testing.sendgrid import Disorder, SendGridSimulator, SigningKey
from tests.contracts.providers import make_mail, make_reader

KEY, OTHER = SigningKey(), SigningKey()
NOW = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
#: The order of P-256: with (r, s) also (r, order - s) verifies.
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

DELIVERED = {
    "email": "ada@example.org",
    "timestamp": 1795588100,
    "event": "delivered",
    "sg_event_id": "ZGVsaXZlcmVk",
    "sg_message_id": "m1.recvd-1.0",
    "smtp-id": "<m1@geopod>",
    "response": "250 2.0.0 OK",
    "delivery_id": "0" * 31 + "1",
    "try": "7",
    "attempt": "2",
}


def signed(body: bytes, at: datetime = NOW, key: SigningKey = KEY) -> dict[str, str]:
    """Return the headers of a post, with names in lower case."""
    return {name.lower(): value for name, value in key.headers(int(at.timestamp()), body).items()}


def told(*events: object, now: datetime = NOW) -> list[Event]:
    """Return what is made of these events, signed."""
    body = json.dumps(list(events)).encode()
    return Hook([KEY.public_key]).events(signed(body), body, now)


BODY = json.dumps([DELIVERED]).encode()
HEADERS = signed(BODY)


class TestGenuine:
    """Threat 15."""

    def test_a_post_of_sendgrid_s_is_believed(self) -> None:
        assert Hook([KEY.public_key]).events(HEADERS, BODY, NOW) == [
            Event(
                id="ZGVsaXZlcmVk",
                kind=Kind.DELIVERED,
                at=datetime.fromtimestamp(1795588100, UTC),
                delivery_id="0" * 31 + "1",
                attempt=7,
                reference="m1.recvd-1.0",
                address="ada@example.org",
                detail="250 2.0.0 OK",
                raw=DELIVERED,
            )
        ]

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {SIGNATURE: HEADERS[SIGNATURE]},
            {TIMESTAMP: HEADERS[TIMESTAMP]},
            {**HEADERS, SIGNATURE: ""},
            {**HEADERS, SIGNATURE: "not base64!"},
            {**HEADERS, SIGNATURE: "ä"},
            {**HEADERS, SIGNATURE: HEADERS[SIGNATURE][:-4]},
            {**HEADERS, SIGNATURE: HEADERS[SIGNATURE] + "AAAA"},
            {**HEADERS, SIGNATURE: base64.b64encode(b"\x30\x06\x02\x01\x00\x02\x01\x00").decode()},
            {**HEADERS, SIGNATURE: base64.b64encode(encode_dss_signature(1, 1)).decode()},
            {**HEADERS, SIGNATURE: base64.b64encode(encode_dss_signature(ORDER, ORDER)).decode()},
            {**HEADERS, SIGNATURE: "A" * 100_000},
            {**HEADERS, TIMESTAMP: str(int(NOW.timestamp()) + 1)},
            {**HEADERS, TIMESTAMP: f" {HEADERS[TIMESTAMP]}"},
            {**HEADERS, TIMESTAMP: f"0{HEADERS[TIMESTAMP]}"},
            {**HEADERS, TIMESTAMP: ""},
            {**HEADERS, TIMESTAMP: "now"},
            {**HEADERS, TIMESTAMP: "9" * 400},
            {**HEADERS, TIMESTAMP: "٤٢"},
            signed(BODY, key=OTHER),
            signed(BODY + b" "),
            signed(b""),
        ],
        ids=range(22),
    )
    def test_a_forged_one_is_not(self, headers: Mapping[str, str]) -> None:
        with pytest.raises(NotGenuine):
            Hook([KEY.public_key]).events(headers, BODY, NOW)

    @pytest.mark.parametrize("body", [BODY + b" ", b" " + BODY, BODY.replace(b"ada", b"bob"), BODY[:-1], b"", b"[]"])
    def test_a_changed_body_is_not(self, body: bytes) -> None:
        with pytest.raises(NotGenuine):
            Hook([KEY.public_key]).events(HEADERS, body, NOW)

    def test_digits_moved_from_the_body_to_the_time_are_not(self) -> None:
        """What is signed is time and body without anything between: the time has to be one, and the body JSON."""
        body = b"1" + BODY
        headers = signed(body)
        with pytest.raises(NotGenuine):
            Hook([KEY.public_key]).events({**headers, TIMESTAMP: headers[TIMESTAMP] + "1"}, BODY, NOW)

    def test_without_a_key_nothing_is_believed(self) -> None:
        with pytest.raises(NotGenuine, match=r"provider\.webhook_keys is empty"):
            Hook([]).events(HEADERS, BODY, NOW)
        with pytest.raises(NotGenuine):
            SendGridProvider(api_key="SG.x").events(HEADERS, BODY, NOW)

    def test_any_of_several_keys_will_do(self) -> None:
        """While a key is changed, posts come that are signed with either."""
        hook = Hook([OTHER.public_key, KEY.public_key])
        assert len(hook.events(HEADERS, BODY, NOW)) == len(hook.events(signed(BODY, key=OTHER), BODY, NOW)) == 1

    @pytest.mark.parametrize(
        ("age", "believed"),
        [
            (timedelta(0), True),
            (timedelta(hours=24), True),
            (timedelta(hours=26), True),
            (timedelta(hours=26, seconds=1), False),
            (timedelta(days=9_000), False),
            (-timedelta(minutes=10), True),
            (-timedelta(minutes=10, seconds=1), False),
            (-timedelta(days=9_000), False),
        ],
    )
    def test_it_has_to_be_fresh(self, age: timedelta, believed: bool) -> None:
        """SendGrid tries a day long; Twilio's own helper takes a signature of 2001."""
        headers = signed(BODY, at=NOW - age)
        if believed:
            assert Hook([KEY.public_key]).events(headers, BODY, NOW)
        else:
            with pytest.raises(NotGenuine, match="too old, or our clock is wrong"):
                Hook([KEY.public_key]).events(headers, BODY, NOW)

    def test_a_malleated_signature_tells_the_same_events(self) -> None:
        """Whoever keeps events by their ids, as the ledger does, keeps nothing twice."""
        r, s = decode_dss_signature(base64.b64decode(HEADERS[SIGNATURE]))
        other = base64.b64encode(encode_dss_signature(r, ORDER - s)).decode()
        assert other != HEADERS[SIGNATURE]
        hook = Hook([KEY.public_key])
        assert hook.events({**HEADERS, SIGNATURE: other}, BODY, NOW) == hook.events(HEADERS, BODY, NOW)

    def test_a_body_that_is_too_long_is_not_read(self) -> None:
        body = b"[" + b" " * (2 * 1024 * 1024) + b"]"
        with pytest.raises(NotGenuine, match="more than 2097152 bytes"):
            Hook([KEY.public_key]).events(signed(body), body, NOW)

    @pytest.mark.parametrize(
        "body", [b"", b"{}", b"7", b"null", b"[", b'["\xff"]', b"[" * 100_000, b"\xff\xfe[\x00]\x00"]
    )
    def test_a_genuine_one_that_cannot_be_read_is_told_apart(self, body: bytes) -> None:
        with pytest.raises(ValueError, match="JSON|nested|decode|Expecting") as caught:
            Hook([KEY.public_key]).events(signed(body), body, NOW)
        assert not isinstance(caught.value, NotGenuine)


class TestKeys:
    def test_pem_and_base64_are_the_same_key(self) -> None:
        lines = "\n".join(KEY.public_key[at : at + 64] for at in range(0, len(KEY.public_key), 64))
        pem = f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"
        for keys in ([KEY.public_key], [f" {KEY.public_key}\n"], [pem], [pem.strip()]):
            assert len(Hook(keys).events(HEADERS, BODY, NOW)) == 1

    @pytest.mark.parametrize("between", [" ", ",", ", ", "\n"])
    def test_the_environment_has_them_in_one_text(self, between: str) -> None:
        """NEWSLETTER_PROVIDER__WEBHOOK_KEYS"""
        text = between.join((OTHER.public_key, KEY.public_key))
        provider = load_provider("sendgrid", {"api_key": "SG.x", "webhook_keys": text})
        assert isinstance(provider, SendGridProvider)
        assert len(provider.events(HEADERS, BODY, NOW)) == 1

    def test_or_as_pem_one_after_the_other(self) -> None:
        pem = [f"-----BEGIN PUBLIC KEY-----\n{key.public_key}\n-----END PUBLIC KEY-----\n" for key in (OTHER, KEY)]
        provider = load_provider("sendgrid", {"api_key": "SG.x", "webhook_keys": "".join(pem)})
        assert isinstance(provider, SendGridProvider)
        assert len(provider.events(HEADERS, BODY, NOW)) == 1

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "no key",
            "ä",
            "AAAA",
            KEY.public_key[:-8],
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            base64.b64encode(
                ec.generate_private_key(ec.SECP384R1())
                .public_key()
                .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            ).decode(),
        ],
        ids=["empty", "words", "not ASCII", "short", "cut", "cut PEM", "another curve"],
    )
    def test_what_is_none_is_refused(self, key: str) -> None:
        with pytest.raises(ConfigurationError, match=r"provider\.webhook_keys is wrong"):
            load_provider("sendgrid", {"api_key": "SG.x", "webhook_keys": [key]})


class TestMeaning:
    @pytest.mark.parametrize(
        ("fields", "kind"),
        [
            ({"event": "processed"}, Kind.PROCESSED),
            ({"event": "deferred", "response": "451 later"}, Kind.DEFERRED),
            ({"event": "delivered"}, Kind.DELIVERED),
            ({"event": "bounce", "type": "bounce"}, Kind.BOUNCED),
            ({"event": "bounce", "type": "blocked"}, Kind.BLOCKED),
            ({"event": "bounce"}, Kind.BLOCKED),
            ({"event": "bounce", "type": "expired"}, Kind.BLOCKED),
            ({"event": "bounce", "type": None, "status": "5.1.1"}, Kind.BOUNCED),
            ({"event": "bounce", "status": "5.7.1"}, Kind.BLOCKED),
            ({"event": "bounce", "bounce_classification": "Invalid Address"}, Kind.BOUNCED),
            ({"event": "bounce", "type": "blocked", "status": "5.1.1"}, Kind.BLOCKED),
            ({"event": "dropped", "reason": "Bounced Address"}, Kind.DROPPED),
            ({"event": "dropped", "reason": "Spam Reporting Address"}, Kind.DROPPED),
            ({"event": "dropped", "reason": "Unsubscribed Address"}, Kind.DROPPED),
            ({"event": "dropped", "reason": "Invalid"}, Kind.DROPPED),
            ({"event": "spamreport"}, Kind.COMPLAINED),
            ({"event": "unsubscribe"}, Kind.UNSUBSCRIBED),
            ({"event": "group_unsubscribe"}, Kind.UNSUBSCRIBED),
            ({"event": "group_resubscribe"}, Kind.OTHER),
            ({"event": "open"}, Kind.OPENED),
            ({"event": "click"}, Kind.CLICKED),
            ({"event": "account_status_change"}, Kind.OTHER),
            ({"event": "Delivered"}, Kind.OTHER),
            ({"event": ["delivered"]}, Kind.OTHER),
            ({}, Kind.OTHER),
        ],
        ids=json.dumps,
    )
    def test_its_words_in_ours(self, fields: dict[str, Any], kind: Kind) -> None:
        (event,) = told({**fields, "sg_event_id": "x"})
        assert event.kind is kind

    @pytest.mark.parametrize(
        ("fields", "detail"),
        [
            ({"event": "bounce", "status": "5.1.1", "reason": "550 no such user"}, "5.1.1 550 no such user"),
            ({"event": "dropped", "reason": "Bounced Address"}, "Bounced Address"),
            ({"event": "deferred", "response": "451 4.7.1 later"}, "451 4.7.1 later"),
            ({"event": "bounce", "reason": "550\r\nno\x00\ud800 =?utf-8?q?x?="}, "550 no\ufffd\ufffd = ?utf-8?q?x? ="),
            ({"event": "bounce", "reason": "x" * 9_000}, "x" * 399 + "…"),
            ({"event": "bounce", "reason": 550, "status": None}, ""),
            ({"event": "delivered"}, ""),
        ],
    )
    def test_what_the_server_said(self, fields: dict[str, Any], detail: str) -> None:
        (event,) = told(fields)
        assert event.detail == detail

    @pytest.mark.parametrize(
        ("given", "attempt"),
        [
            ("7", 7),
            (7, 7),
            ("0", 0),
            (None, 0),
            ("", 0),
            ("-1", 0),
            (-1, 0),
            ("seven", 0),
            ("٧", 0),
            (True, 0),
            (7.0, 0),
            ("9" * 18, 10**18 - 1),
            ("9" * 19, 0),
            (10**40, 0),
            (["7"], 0),
        ],
    )
    def test_whose_try_it_was(self, given: object, attempt: int) -> None:
        (event,) = told({**DELIVERED, "try": given})
        assert event.attempt == attempt

    _NO_TIMES: tuple[object, ...] = (None, "", "soon", -1, 1e300, 10**30, True, [], {}, "9" * 12)

    @pytest.mark.parametrize(
        ("given", "at"),
        [
            (1795588100, datetime.fromtimestamp(1795588100, UTC)),
            ("1795588100", datetime.fromtimestamp(1795588100, UTC)),
            (1795588100.5, datetime.fromtimestamp(1795588100.5, UTC)),
            *((wrong, NOW) for wrong in _NO_TIMES),
        ],
        ids=repr,
    )
    def test_when_it_was_or_else_when_it_was_posted(self, given: object, at: datetime) -> None:
        (event,) = told({**DELIVERED, "timestamp": given})
        assert event.at == at


class TestWhatIsMissing:
    def test_an_event_of_nothing_is_an_event(self) -> None:
        (event,) = told({})
        assert (event.kind, event.at, event.delivery_id, event.attempt) == (Kind.OTHER, NOW, "", 0)
        assert event.id.startswith("sha256:")

    def test_a_bounce_that_came_back_by_mail_lacks_our_ids(self) -> None:
        """Its address and time are all there is (sendgrid docs #5177)."""
        (event,) = told({"event": "bounce", "type": "bounce", "email": "ada@example.org", "sg_event_id": "b1"})
        assert (event.id, event.kind, event.address) == ("b1", Kind.BOUNCED, "ada@example.org")
        assert (event.delivery_id, event.attempt, event.reference) == ("", 0, "")

    @pytest.mark.parametrize("given", [None, "", 7, [], "x" * 101], ids=repr)
    def test_an_event_without_an_id_has_one_by_what_it_says(self, given: object) -> None:
        """The same event has the same, whatever stands beside it and in whatever order."""
        event = {**DELIVERED, "sg_event_id": given}
        (first,) = told(event)
        _, again, other = told({}, dict(reversed(event.items())), {**event, "event": "open"})
        assert first.id == again.id
        assert len({first.id, other.id}) == 2
        assert len(first.id) <= 100

    def test_a_broken_one_spoils_no_other(self) -> None:
        broken: list[object] = [None, 7, "text", [], [DELIVERED], {"event": {"a": 1}, "timestamp": [], "email": 7}]
        found = told(*broken, DELIVERED)
        assert [event.kind for event in found] == [Kind.OTHER] * len(broken) + [Kind.DELIVERED]
        assert found[0].raw == {"value": None}
        assert len({event.id for event in found}) == len(found)

    def test_nor_does_one_that_is_nested_deeply(self) -> None:
        deep = "[" * 700 + r'"\u0000"' + "]" * 700
        body = f'[{{"event": "open", "x": {deep}}}, {json.dumps(DELIVERED)}]'.encode()
        first, second = Hook([KEY.public_key]).events(signed(body), body, NOW)
        assert (first.kind, first.raw, second.kind) == (Kind.OTHER, {}, Kind.DELIVERED)

    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            (r'"a\u0000b"', "a\ufffdb"),
            (r'"a\ud83eb"', "a\ufffdb"),
            (r'"a\uDC00b"', "a\ufffdb"),
            (r'"\ud83e\udd89"', "🦉"),
            (r'["\u0000", {"\u0000": "\u0000"}]', ["\ufffd", {"\ufffd": "\ufffd"}]),
            ("1e999", None),
            ("-1E+999", None),
            ("NaN", None),
            ("-Infinity", None),
            ("1e10", 1e10),
        ],
    )
    def test_what_no_database_holds_is_left_out_of_it(self, text: str, kept: object) -> None:
        body = f'[{{"event": "open", "x": {text}}}]'.encode()
        (event,) = Hook([KEY.public_key]).events(signed(body), body, NOW)
        assert event.raw["x"] == kept
        json.dumps(event.raw, allow_nan=False).encode()

    _JSON = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    )
    _NAMES = st.sampled_from([*DELIVERED, "type", "status", "reason", "bounce_classification"])

    @settings(max_examples=150, deadline=None)
    @given(events=st.lists(_JSON | st.dictionaries(_NAMES, _JSON | st.sampled_from(["bounce", "7", "1795588100"]))))
    def test_whatever_is_signed_is_understood_one_by_one(self, events: list[object]) -> None:
        found = told(*events)
        assert len(found) == len(events)
        for event in found:
            assert event.id
            assert event.at.tzinfo is UTC
            f"{event.delivery_id}{event.reference}{event.address}{event.detail}".encode()
            json.dumps(event.raw, allow_nan=False)


class TestOfTheSimulator:
    """What is sent comes back, by the ids that were given along."""

    def test_every_kind_of_reader_is_told_of(self) -> None:
        names = ("ada", "bounce-1", "block-1", "defer-1", "spam-1", "unsubscribe-1", "open-1", "click-1")
        with SendGridSimulator(start=NOW) as sendgrid:
            provider = SendGridProvider(api_key=sendgrid.key, host=sendgrid.url, webhook_keys=(sendgrid.public_key,))
            readers = [make_reader(number, address=f"{name}@example.org") for number, name in enumerate(names, 1)]
            provider.send(make_mail(), readers)
            sendgrid.advance(20 * 24 * 3600)
            found = [
                event
                for headers, body in sendgrid.events()
                for event in provider.events(
                    {name.lower(): value for name, value in headers.items()}, body, NOW + timedelta(days=20)
                )
            ]
            provider.close()
        kinds = {name: {event.kind for event in found if event.address.startswith(name)} for name in names}
        assert Kind.DELIVERED in kinds["ada"]
        assert Kind.BOUNCED in kinds["bounce-1"]
        assert Kind.BLOCKED in kinds["block-1"]
        assert Kind.DEFERRED in kinds["defer-1"]
        assert Kind.COMPLAINED in kinds["spam-1"]
        assert Kind.UNSUBSCRIBED in kinds["unsubscribe-1"]
        assert Kind.OPENED in kinds["open-1"]
        assert Kind.CLICKED in kinds["click-1"]
        assert {event.delivery_id for event in found} == {reader.delivery_id for reader in readers}
        assert all(event.reference for event in found)

    def test_an_event_that_comes_twice_has_one_id(self) -> None:
        """F6."""
        with SendGridSimulator(start=NOW, disorder=Disorder(duplicated=1.0, late=0.5, reordered=True)) as sendgrid:
            provider = SendGridProvider(api_key=sendgrid.key, host=sendgrid.url, webhook_keys=(sendgrid.public_key,))
            provider.send(make_mail(), [make_reader(1)])
            sendgrid.advance(3 * 24 * 3600)
            ids = [
                event.id
                for headers, body in sendgrid.events()
                for event in provider.events(
                    {name.lower(): value for name, value in headers.items()}, body, NOW + timedelta(days=3)
                )
            ]
            provider.close()
        assert len(ids) == 2 * len(set(ids)) > 0
