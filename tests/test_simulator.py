"""The SendGrid simulator over HTTP: its pages, faults (F3 to F5), scheduled mail on its clock."""

from __future__ import annotations

import ast
import gzip
import http.client
import json
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types

import newsletter.testing.sendgrid as simulator_package
from newsletter.testing.sendgrid import (
    API_KEY,
    NAMED,
    SCOPES,
    End,
    Fault,
    LateCancel,
    Naming,
    Rate,
    SendGridSimulator,
    State,
    When,
)
from newsletter.testing.sendgrid.faults import Faults, Seen, as_json, chance, from_json
from newsletter.testing.sendgrid.scanning import addresses_in, readers_in
from tests.simulated import Client, Got, make_request, readers

START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
NOW = int(START.timestamp())
HOUR = 3600
SPECIFICATIONS = Path(__file__).parents[2] / "shared" / "specs" / "sendgrid"


@pytest.fixture
def sendgrid() -> Iterator[SendGridSimulator]:
    with SendGridSimulator(start=START, activity=True) as running:
        yield running


@pytest.fixture
def client(sendgrid: SendGridSimulator) -> Iterator[Client]:
    with Client(sendgrid.url) as connected:
        yield connected


def states(sendgrid: SendGridSimulator) -> list[State]:
    return [mail.state for mail in sendgrid.mails]


# --- mail


def test_a_mail_is_taken_with_202_no_body_and_an_id_that_its_own_begins_with(
    sendgrid: SendGridSimulator, client: Client
) -> None:
    got = client.send(make_request(*readers(2)))
    assert (got.status, got.body) == (202, b"")
    assert [mail.message_id for mail in sendgrid.mails] == [got.headers["x-message-id"]] * 2
    assert all(mail.id.startswith(f"{mail.message_id}.") for mail in sendgrid.mails)
    assert len({mail.id for mail in sendgrid.mails}) == 2


def test_it_is_remembered_as_its_reader_gets_it(sendgrid: SendGridSimulator, client: Client) -> None:
    body = make_request(*readers(2), headers={"List-Id": "<fen>", "X-A": "1"}, categories=["weekly"])
    body["personalizations"][1] |= {
        "substitutions": {"-name-": "Zoë"},
        "headers": {"X-A": "2"},
        "subject": "For -name-",
    }
    body["personalizations"][1]["to"][0]["name"] = "Zoë"
    client.send(body)
    first, second = sendgrid.mails
    assert (first.subject, first.text, first.headers) == ("The week", "Hello -name-", {"List-Id": "<fen>", "X-A": "1"})
    assert (second.subject, second.text, second.html) == ("For Zoë", "Hello Zoë", "<p>Zoë")
    assert (second.name, second.headers["X-A"], second.custom_args) == ("Zoë", "2", {"d": "reader-1"})
    assert second.taken_at == NOW


def test_everybody_in_to_cc_and_bcc_gets_a_mail(sendgrid: SendGridSimulator, client: Client) -> None:
    body = make_request("a@example.org")
    body["personalizations"][0] |= {"cc": [{"email": "b@example.org"}], "bcc": [{"email": "c@example.org"}]}
    client.send(body)
    assert [mail.address for mail in sendgrid.left] == ["a@example.org", "b@example.org", "c@example.org"]


def test_there_is_no_idempotency(sendgrid: SendGridSimulator, client: Client) -> None:
    for _ in range(2):
        client.send(make_request("ada@example.org"), **{"Idempotency-Key": "1"})
    assert sendgrid.left_by("d") == {"ada": 2}


def test_the_sandbox_checks_and_sends_nothing(sendgrid: SendGridSimulator, client: Client) -> None:
    sandbox = {"sandbox_mode": {"enable": True}}
    assert client.send(make_request("ada@example.org", mail_settings=sandbox)).status == 200
    assert client.send(make_request("ada", mail_settings=sandbox)).status == 400
    sendgrid.advance(HOUR)
    assert (sendgrid.mails, sendgrid.events()) == ([], [])


def test_a_broken_rule_is_answered_in_sendgrid_s_form(sendgrid: SendGridSimulator, client: Client) -> None:
    got = client.send(make_request("ada", "bob@example.org"))
    assert (got.status, got.headers["content-type"]) == (400, "application/json")
    assert list(got.json) == ["errors"]
    assert got.json["errors"] == [
        {"message": "Does not contain a valid address.", "field": "personalizations.0.to.0.email", "help": None}
    ]
    assert sendgrid.mails == []


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"", {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b'"' + b"x" * 30_000_000 + b'"', {}, 413),
        (b"{}", {"Authorization": "Bearer SG.other"}, 401),
        (b"{}", {"Authorization": ""}, 401),
    ],
    ids=["cut", "deep", "empty", "form", "large", "key", "no-key"],
)
def test_what_is_refused_before_its_rules_are_looked_at(
    client: Client, content: bytes, headers: dict[str, str], status: int
) -> None:
    got = client.send(content, **headers)
    assert got.status == status
    assert got.json["errors"][0]["message"]


def test_a_request_may_be_compressed_or_in_chunks(sendgrid: SendGridSimulator, client: Client) -> None:
    """SendGrid's description names gzip as the one Content-Encoding."""
    body = json.dumps(make_request("ada@example.org")).encode()
    assert client.send(gzip.compress(body), **{"Content-Encoding": "gzip"}).status == 202
    connection = http.client.HTTPConnection(sendgrid.url.removeprefix("http://"), timeout=5)
    headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json", "Expect": "100-continue"}
    connection.request("POST", "/v3/mail/send", iter([body[:50], body[50:]]), headers, encode_chunked=True)
    assert connection.getresponse().status == 202
    connection.close()
    assert sendgrid.left_by("d") == {"ada": 2}


@pytest.mark.parametrize("sent", [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET / SMTP/5\r\n\r\n"])
def test_what_is_not_http_gets_a_400(sendgrid: SendGridSimulator, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(sendgrid.url.rpartition(":")[2])), timeout=5) as sock:
        sock.sendall(sent)
        assert sock.makefile("rb").read().startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v3/scopes", 200),
        ("GET", "/v3/mail/send", 405),
        ("POST", "/v3/mail/nothing", 404),
        ("GET", "/", 404),
        ("GET", "/v3/suppression/nothing", 404),
        ("GET", "/v3/suppression/unsubscribes/a@b.example", 404),
        ("GET", "/v3/mail/batch/nothing", 400),
        ("PATCH", "/v3/user/scheduled_sends/nothing", 404),
        ("DELETE", "/v3/user/scheduled_sends/nothing", 404),
        ("DELETE", "/v3/suppression/bounces/a@b.example", 404),
        ("GET", "/v3/messages?query=nonsense", 400),
        ("GET", "/v3/messages?limit=1001", 400),
        ("GET", "/v3/suppression/bounces?limit=all", 400),
    ],
)
def test_pages(client: Client, method: str, target: str, status: int) -> None:
    assert client.ask(method, target).status == status


def test_a_key_may_lack_a_scope() -> None:
    scopes = tuple(scope for scope in SCOPES if scope != "mail.send")
    with SendGridSimulator(scopes=scopes) as sendgrid, Client(sendgrid.url) as client:
        assert client.send(make_request("ada@example.org")).status == 403
        assert "mail.send" not in client.ask("GET", "/v3/scopes").json["scopes"]


def test_more_requests_than_the_rate_get_429_until_the_window_ends() -> None:
    with SendGridSimulator(start=START, rate=Rate(2, 60)) as sendgrid, Client(sendgrid.url) as client:
        got = [client.send(make_request("ada@example.org")) for _ in range(4)]
        assert [one.status for one in got] == [202, 202, 429, 429]
        assert [one.headers["x-ratelimit-remaining"] for one in got] == ["1", "0", "0", "0"]
        assert {one.headers["x-ratelimit-reset"] for one in got} == {str(NOW + 60)}
        sendgrid.advance(60)
        assert client.send(make_request("ada@example.org")).status == 202
        assert len(sendgrid.mails) == 3


def test_fast_it_only_counts_and_keeps_what_identifies_a_mail() -> None:
    with SendGridSimulator(fast=True) as sendgrid, Client(sendgrid.url) as client:
        body = make_request(*readers(3), subject='a "custom_args": {"d": "x"} in a text')
        body["personalizations"][2]["custom_args"] = {"d": 'a"}{\\', "é": "ü"}
        assert client.send(body).status == 202
        assert sendgrid.taken == 3
        assert sendgrid.taken_args() == [{"d": "reader-0"}, {"d": "reader-1"}, {"d": 'a"}{\\', "é": "ü"}]
        body = make_request(*readers(2))
        for one in body["personalizations"]:
            del one["custom_args"]
        client.send(body)
        assert sendgrid.taken == 5
        assert client.send(body, Authorization="Bearer SG.other").status == 401


# --- lists of addresses


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bounces", "Bounced Address"),
        ("spam_reports", "Spam Reporting Address"),
        ("invalid_emails", "Invalid"),
        ("unsubscribes", "Unsubscribed Address"),
        ("blocks", None),
    ],
)
def test_a_listed_address_gets_202_and_then_a_drop(
    sendgrid: SendGridSimulator, client: Client, name: str, reason: str | None
) -> None:
    """A block stops nothing: the next mail is tried again."""
    sendgrid.account.suppress(name, "Ada@example.org")
    assert client.send(make_request("ada@example.org", "bob@example.org")).status == 202
    sendgrid.advance(60)
    assert states(sendgrid) == [State.DROPPED if reason else State.DELIVERED, State.DELIVERED]
    events = [one for _, body in sendgrid.events() for one in json.loads(body)]
    assert [one["reason"] for one in events if one["event"] == "dropped"] == ([reason] if reason else [])


@pytest.mark.parametrize("setting", ["bypass_list_management", "bypass_bounce_management"])
def test_a_bypass_sends_to_a_listed_address(sendgrid: SendGridSimulator, client: Client, setting: str) -> None:
    sendgrid.account.suppress("bounces", "ada@example.org")
    client.send(make_request("ada@example.org", mail_settings={setting: {"enable": True}}))
    assert [mail.left for mail in sendgrid.mails] == [True]


def test_a_name_with_a_bare_comma_is_dropped_after_its_202(sendgrid: SendGridSimulator, client: Client) -> None:
    body = make_request("ada@example.org")
    body["personalizations"][0]["to"][0]["name"] = "Doe, Jane"
    assert client.send(body).status == 202
    assert states(sendgrid) == [State.DROPPED]


@pytest.mark.parametrize("name", ["bounces", "blocks", "spam_reports", "invalid_emails"])
def test_a_list_is_read_in_pages_and_left_one_by_one(sendgrid: SendGridSimulator, client: Client, name: str) -> None:
    for number, address in enumerate(readers(5)):
        sendgrid.account.suppress(name, address)
        sendgrid.advance(10 if number < 4 else 0)
    page = f"/v3/suppression/{name}"
    assert [one["email"] for one in client.ask("GET", page).json] == readers(5)[::-1]
    assert [one["email"] for one in client.ask("GET", f"{page}?limit=2&offset=1").json] == readers(4)[:1:-1]
    since = client.ask("GET", f"{page}?start_time={NOW + 20}&end_time={NOW + 30}").json
    assert [one["created"] for one in since] == [NOW + 30, NOW + 20]
    one = f"{page}/{quote(readers(1)[0])}"
    assert [one["email"] for one in client.ask("GET", one).json] == readers(1)
    assert (client.ask("DELETE", one).status, client.ask("GET", one).json) == (204, [])
    assert client.ask("DELETE", page, {"emails": readers(2)}).status == 204
    assert len(client.ask("GET", page).json) == 3
    assert client.ask("DELETE", page, {"emails": readers(2), "delete_all": True}).status == 400
    assert client.ask("DELETE", page, {"delete_all": True}).status == 204
    assert client.ask("GET", page).json == []


@pytest.mark.skipif(not SPECIFICATIONS.is_dir(), reason="SendGrid's specification is not beside the project")
@pytest.mark.parametrize("name", ["bounces", "blocks", "spam_reports", "invalid_emails", "unsubscribes"])
def test_lists_have_the_shape_of_the_specification(sendgrid: SendGridSimulator, client: Client, name: str) -> None:
    sendgrid.account.suppress(name, "ada@example.org", "550 gone", "5.1.1")
    content = json.loads((SPECIFICATIONS / "tsg_suppressions_v3.json").read_text(encoding="utf-8"))
    answer = f"#/paths/~1v3~1suppression~1{name}/get/responses/200/content/application~1json/schema"
    got = client.ask("GET", f"/v3/suppression/{name}").json
    assert len(got) == 1
    assert list(Draft202012Validator({**content, "$ref": answer}).iter_errors(got)) == []
    shown = content["paths"][f"/v3/suppression/{name}"]["get"]["responses"]["200"]["content"]["application/json"]
    assert got[0].keys() == next(iter(shown["examples"].values()))["value"][0].keys()


def test_the_global_list_of_the_unsubscribed(client: Client) -> None:
    page = "/v3/asm/suppressions/global"
    assert client.ask("GET", f"{page}/ada@example.org").json == {}
    assert client.ask("POST", page, {"recipient_emails": ["ada@example.org"]}).status == 201
    assert client.ask("GET", f"{page}/ada@example.org").json == {"recipient_email": "ada@example.org"}
    assert [one["email"] for one in client.ask("GET", "/v3/suppression/unsubscribes").json] == ["ada@example.org"]
    assert client.ask("DELETE", f"{page}/ada@example.org").status == 204
    assert client.ask("DELETE", f"{page}/ada@example.org").status == 404
    assert client.ask("POST", page, {"recipient_emails": "ada@example.org"}).status == 400


# --- the Email Activity


def test_activity_finds_mail_by_what_was_given_along(client: Client) -> None:
    message_id = client.send(make_request(*readers(3))).headers["x-message-id"]
    client.send(make_request("other@example.org"))

    def found(query: str) -> list[str]:
        got = client.ask("GET", f"/v3/messages?limit=1000&query={quote(query)}")
        return [one["to_email"] for one in got.json["messages"]]

    assert found("(unique_args['d']=\"reader-1\")") == ["reader-1@example.org"]
    assert found(f'msg_id LIKE "{message_id}%"') == readers(3)
    assert found(f'msg_id LIKE "{message_id}%" AND to_email!="reader-0@example.org"') == readers(3)[1:]
    assert found('status="processing"') == [*readers(3), "other@example.org"]
    query = quote('to_email="other@example.org"')
    (one,) = client.ask("GET", f"/v3/messages?query={query}").json["messages"]
    assert json.loads(client.ask("GET", f"/v3/messages/{one['msg_id']}").json["unique_args"]) == {"d": "other"}


def test_activity_is_not_everybody_s_and_comes_late() -> None:
    with SendGridSimulator(activity=False) as sendgrid, Client(sendgrid.url) as client:
        assert client.ask("GET", "/v3/messages").status == 403
    late = SendGridSimulator(start=START, activity=True, activity_lag=60)
    with late as sendgrid, Client(sendgrid.url) as client:
        client.send(make_request("ada@example.org"))
        assert client.ask("GET", "/v3/messages").json == {"messages": []}
        sendgrid.advance(60)
        assert len(client.ask("GET", "/v3/messages").json["messages"]) == 1


# --- scheduled mail


def schedule(client: Client, *addresses: str, ahead: int = HOUR) -> str:
    """Send to a new batch for a time to come, and return the batch."""
    batch: str = client.ask("POST", "/v3/mail/batch").json["batch_id"]
    assert client.send(make_request(*addresses, batch_id=batch, send_at=NOW + ahead)).status == 202
    return batch


def stop(client: Client, batch: str, status: str = "cancel") -> Got:
    return client.ask("POST", "/v3/user/scheduled_sends", {"batch_id": batch, "status": status})


class TestScheduled:
    def test_mail_waits_for_its_time(self, sendgrid: SendGridSimulator, client: Client) -> None:
        batch = schedule(client, "ada@example.org")
        assert client.ask("GET", f"/v3/mail/batch/{batch}").json == {"batch_id": batch}
        sendgrid.advance(HOUR - 1)
        assert (states(sendgrid), sendgrid.events()) == ([State.SCHEDULED], [])
        sendgrid.advance(1)
        assert states(sendgrid) == [State.SENT]
        assert sendgrid.mails[0].state_at == NOW + HOUR

    def test_a_reader_may_have_a_time_of_their_own(self, sendgrid: SendGridSimulator, client: Client) -> None:
        body = make_request(*readers(2), send_at=NOW + HOUR)
        body["personalizations"][1]["send_at"] = NOW + 2 * HOUR
        client.send(body)
        sendgrid.advance(HOUR + 5)
        assert states(sendgrid) == [State.DELIVERED, State.SCHEDULED]

    @pytest.mark.parametrize("early", [600, 601, 3000])
    def test_a_cancelled_batch_is_discarded_at_its_time(
        self, sendgrid: SendGridSimulator, client: Client, early: int
    ) -> None:
        batch = schedule(client, *readers(2))
        sendgrid.advance(HOUR - early)
        assert (stop(client, batch).status, stop(client, batch).status) == (201, 400)
        assert client.ask("GET", f"/v3/user/scheduled_sends/{batch}").json == [{"batch_id": batch, "status": "cancel"}]
        assert states(sendgrid) == [State.SCHEDULED] * 2
        sendgrid.advance(HOUR)
        assert states(sendgrid) == [State.CANCELLED] * 2
        assert sendgrid.events() == []

    @pytest.mark.parametrize(
        ("late_cancel", "state"),
        [(LateCancel.IGNORED, State.DELIVERED), (LateCancel.HONOURED, State.CANCELLED)],
    )
    def test_later_than_ten_minutes_before_the_answer_is_the_same_and_the_mail_may_go(
        self, late_cancel: LateCancel, state: State
    ) -> None:
        with SendGridSimulator(start=START, late_cancel=late_cancel) as sendgrid, Client(sendgrid.url) as client:
            batch = schedule(client, "ada@example.org")
            sendgrid.advance(HOUR - 599)
            assert stop(client, batch).status == 201
            status = client.ask("GET", f"/v3/user/scheduled_sends/{batch}").json
            assert status == [{"batch_id": batch, "status": "cancel"}]
            sendgrid.advance(HOUR)
            assert states(sendgrid) == [state]

    def test_either_is_decided_for_a_whole_batch_by_the_seed(self) -> None:
        with SendGridSimulator(start=START, late_cancel=LateCancel.EITHER) as sendgrid, Client(sendgrid.url) as client:
            batches = [schedule(client, *readers(3)) for _ in range(20)]
            sendgrid.advance(HOUR - 60)
            for batch in batches:
                stop(client, batch)
            sendgrid.advance(HOUR)
            outcomes = [{mail.state for mail in sendgrid.mails if mail.batch_id == batch} for batch in batches]
            assert {State.DELIVERED} in outcomes
            assert {State.CANCELLED} in outcomes
            assert all(len(one) == 1 for one in outcomes)

    def test_mail_that_comes_into_a_cancelled_batch_is_discarded_too(
        self, sendgrid: SendGridSimulator, client: Client
    ) -> None:
        batch = schedule(client, "ada@example.org")
        stop(client, batch)
        client.send(make_request("late@example.org", batch_id=batch, send_at=NOW + HOUR))
        sendgrid.advance(HOUR)
        assert states(sendgrid) == [State.CANCELLED] * 2

    def test_a_cancellation_can_be_taken_back(self, sendgrid: SendGridSimulator, client: Client) -> None:
        batch = schedule(client, "ada@example.org")
        stop(client, batch)
        assert client.ask("DELETE", f"/v3/user/scheduled_sends/{batch}").status == 204
        assert client.ask("GET", f"/v3/user/scheduled_sends/{batch}").json == []
        sendgrid.advance(HOUR)
        assert states(sendgrid) == [State.SENT]

    def test_a_paused_batch_waits_past_its_time_until_it_is_let_go(
        self, sendgrid: SendGridSimulator, client: Client
    ) -> None:
        batch = schedule(client, "ada@example.org")
        stop(client, batch, "pause")
        sendgrid.advance(5 * HOUR)
        assert states(sendgrid) == [State.SCHEDULED]
        client.ask("DELETE", f"/v3/user/scheduled_sends/{batch}")
        assert (states(sendgrid), sendgrid.mails[0].state_at) == ([State.SENT], NOW + 5 * HOUR)

    def test_a_pause_can_become_a_cancellation(self, sendgrid: SendGridSimulator, client: Client) -> None:
        batch = schedule(client, "ada@example.org")
        stop(client, batch, "pause")
        sendgrid.advance(5 * HOUR)
        page = f"/v3/user/scheduled_sends/{batch}"
        assert client.ask("PATCH", page, {"status": "other"}).status == 400
        assert client.ask("PATCH", page, {"status": "cancel"}).status == 204
        assert states(sendgrid) == [State.CANCELLED]

    def test_what_is_paused_for_72_hours_expires(self, sendgrid: SendGridSimulator, client: Client) -> None:
        stop(client, schedule(client, "ada@example.org"), "pause")
        sendgrid.advance(74 * HOUR)
        assert states(sendgrid) == [State.EXPIRED]

    def test_a_hundred_may_be_stopped_at_once(self, sendgrid: SendGridSimulator, client: Client) -> None:
        batches = [schedule(client, f"{number}@example.org") for number in range(101)]
        assert [stop(client, batch).status for batch in batches] == [201] * 100 + [400]
        assert len(client.ask("GET", "/v3/user/scheduled_sends").json) == 100
        sendgrid.advance(HOUR)
        assert stop(client, schedule(client, "ada@example.org", ahead=2 * HOUR)).status == 201

    @pytest.mark.parametrize("content", [{"batch_id": "x", "status": "cancel"}, {"status": "cancel"}, [], "text"])
    def test_what_is_no_batch_cannot_be_stopped(self, client: Client, content: object) -> None:
        assert client.ask("POST", "/v3/user/scheduled_sends", content).status == 400

    def test_a_list_counts_when_the_mail_goes_out(self, sendgrid: SendGridSimulator, client: Client) -> None:
        """Somebody may bounce between the request and its hour."""
        schedule(client, "ada@example.org")
        sendgrid.account.suppress("bounces", "ada@example.org")
        sendgrid.advance(HOUR)
        assert states(sendgrid) == [State.DROPPED]

    @pytest.mark.skipif(not SPECIFICATIONS.is_dir(), reason="SendGrid's specification is not beside the project")
    def test_answers_have_the_shape_of_the_specification(self, client: Client) -> None:
        batch = schedule(client, "ada@example.org")
        content = json.loads((SPECIFICATIONS / "tsg_scheduled_sends_v3.json").read_text(encoding="utf-8"))
        for got in (stop(client, batch), client.ask("GET", "/v3/user/scheduled_sends")):
            for one in got.json if isinstance(got.json, list) else [got.json]:
                where = {**content, "$ref": "#/components/schemas/ScheduledSendStatus"}
                assert Draft202012Validator(where).is_valid(one)


# --- faults


#: What a client sees of each, and how many of four readers' mails are taken in the end.
SEEN: dict[str, tuple[int | type[Exception], int]] = {
    "reset before reading": (ConnectionResetError, 0),
    "reset mid-request": (ConnectionResetError, 0),
    "close before reading": (ConnectionError, 0),
    "stall before reading": (TimeoutError, 0),
    "413 before reading": (413, 0),
    "503 before reading": (503, 0),
    "202 then reset": (ConnectionResetError, 4),
    "accept then stall": (TimeoutError, 4),
    "accept then close": (http.client.RemoteDisconnected, 4),
    "accept then 408": (408, 4),
    "accept then 500": (500, 4),
    "accept then 502": (502, 4),
    "accept then 503": (503, 4),
    "accept then 504": (504, 4),
    "truncated status line": (http.client.BadStatusLine, 4),
    "truncated headers": (202, 4),
    "truncated json": (http.client.IncompleteRead, 4),
    "stall mid-answer": (TimeoutError, 4),
    "not http": (http.client.BadStatusLine, 4),
    "200 in place of 202": (200, 4),
    "201 in place of 202": (201, 4),
    "204 in place of 202": (204, 4),
    "299 in place of 202": (299, 4),
    "2xx without an id": (202, 4),
    "accept then redirect": (307, 4),
    "odd id": (202, 4),
    "long header": (http.client.LineTooLong, 4),
    "many headers": (http.client.HTTPException, 4),
    "huge body": (500, 4),
    "wrong content-type": (202, 4),
    "html body": (202, 4),
    "100 continue": (202, 4),
    "early hints": (102, 4),
    "partial accept": (202, 2),
    "partial accept then reset": (ConnectionResetError, 2),
    "partial accept then 500": (500, 2),
    "close after the answer": (202, 4),
    "408 before accepting": (408, 0),
    "500 before accepting": (500, 0),
    "502 before accepting": (502, 0),
    "503 before accepting": (503, 0),
    "504 before accepting": (504, 0),
    **{str(status): (status, 0) for status in (401, 403, 404, 405, 415, 422)},
    "redirect": (302, 0),
    "not taken then reset": (ConnectionResetError, 0),
    "not taken then stall": (TimeoutError, 0),
    "413": (413, 0),
    "400 naming the bad": (400, 0),
    "400 naming the first": (400, 0),
    "400 naming nobody": (400, 0),
    "400 for the mail": (400, 0),
    "400 naming one who is not there": (400, 0),
    "400 naming all at once": (400, 0),
    "400 with html": (400, 0),
    "400 with nothing": (400, 0),
    "400 with other json": (400, 0),
    "400 with odd errors": (400, 0),
    "429": (429, 0),
    "429 without a reset": (429, 0),
    "429 with a past reset": (429, 0),
    "429 until 2100": (429, 0),
    "429 with garbage": (429, 0),
    "429 with a float": (429, 0),
    "429 with a negative": (429, 0),
    "429 with a date": (429, 0),
    "429 with a huge number": (429, 0),
}
#: Their point is the time they take; see below.
SLOW = {"slow", "taken late", "drip"}


def test_the_table_has_every_fault() -> None:
    assert SEEN.keys() | SLOW == NAMED.keys()


@pytest.mark.parametrize("name", SEEN)
def test_a_fault_as_a_client_sees_it(name: str) -> None:
    """F3, F4, F5. The request after it is answered as ever, on a new connection where the old one broke."""
    seen, taken = SEEN[name]
    body = make_request("bad-1@example.org", *readers(3), subject="x" * 50_000)
    with SendGridSimulator(seed=1) as sendgrid:
        sendgrid.fail(Fault.named(name, When(times=1)))
        with Client(sendgrid.url, timeout=0.2 if seen is TimeoutError else 5) as client:
            if isinstance(seen, int):
                assert client.send(body).status == seen
            else:
                with pytest.raises(seen):
                    client.send(body)
        assert len(sendgrid.mails) == taken
        assert sendgrid.requests[-1].fault == name
        with Client(sendgrid.url) as client:
            assert client.send(make_request("after@example.org")).status == 202


@pytest.mark.parametrize("name", ["slow", "taken late"])
def test_a_slow_answer_outlasts_a_client_s_patience_and_the_mail_is_taken(name: str) -> None:
    field = {"slow": "delay", "taken late": "late"}[name]
    with SendGridSimulator() as sendgrid:
        sendgrid.fail(from_json({"name": name, "when": {"times": 1}, field: 0.4}))
        with Client(sendgrid.url, timeout=0.1) as client, pytest.raises(TimeoutError):
            client.send(make_request("ada@example.org"))
        assert len(sendgrid.mails) == (name == "slow")
        with Client(sendgrid.url) as client:
            sendgrid.fail(from_json({"name": name, field: 0.6}))
            assert client.send(make_request("bob@example.org")).status == 202
        assert [mail.address for mail in sendgrid.mails] == ["ada@example.org", "bob@example.org"]


def test_an_answer_may_drip_so_that_no_single_wait_is_too_long() -> None:
    """A limit on each read lets it go on for minutes; only a limit on the whole ends it."""
    with SendGridSimulator(faults=[Fault.named("drip", drip=0.005)]) as sendgrid:
        with Client(sendgrid.url, timeout=0.5) as client:
            assert client.send(make_request("ada@example.org")).status == 202
        sendgrid.fail("drip")
        with socket.create_connection(("127.0.0.1", int(sendgrid.url.rpartition(":")[2])), timeout=5) as sock:
            head = f"POST /v3/mail/send HTTP/1.1\r\nAuthorization: Bearer {API_KEY}\r\nContent-Length: 2\r\n\r\n{{}}"
            sock.sendall(head.encode())
            assert sock.recv(100) == b"H"


@pytest.mark.parametrize(
    ("naming", "named"),
    [(Naming.ALL, [1, 3]), (Naming.FIRST, [1]), (Naming.NONE, None)],
)
def test_a_400_names_bad_readers_all_first_or_none(naming: Naming, named: list[int] | None) -> None:
    """F5."""
    with SendGridSimulator(faults=[Fault(bad="bad-*@*", naming=naming)]) as sendgrid, Client(sendgrid.url) as client:
        got = client.send(make_request("a@example.org", "bad-1@example.org", "b@example.org", "BAD-2@example.org"))
        where = [None] if named is None else [f"personalizations.{number}.to.0.email" for number in named]
        assert (got.status, got.fields) == (400, where)
        assert client.send(make_request("a@example.org", "b@example.org")).status == 202
        assert len(sendgrid.mails) == 2


@pytest.mark.parametrize(
    ("when", "hit"),
    [
        (When(), [1, 2, 3, 4, 5, 6]),
        (When(requests=(2, 5)), [2, 5]),
        (When(every=3), [3, 6]),
        (When(times=2), [1, 2]),
        (When(more_than=2), [3, 4, 5, 6]),
        (When(more_than=2, requests=(1,)), [3]),
        (When(address="reader-4@*"), [5, 6]),
        (When(on_connection=4), [4, 5, 6]),
        (When(path="/v3/user/*"), []),
        (When(method="GET"), []),
        (When(path="/v3/*", method="*", every=2), [2, 4, 6]),
        (When(probability=0), []),
    ],
)
def test_which_requests_a_fault_is_for(when: When, hit: list[int]) -> None:
    """The n-th request has n readers."""
    with SendGridSimulator(faults=[Fault(when, status=418)]) as sendgrid, Client(sendgrid.url) as client:
        statuses = [client.send(make_request(*readers(number))).status for number in range(1, 7)]
        assert [number for number, status in enumerate(statuses, 1) if status == 418] == hit
        assert len(sendgrid.mails) == sum(range(1, 7)) - sum(hit)


def test_readers_are_found_in_any_request_without_reading_it_as_json() -> None:
    body = make_request("a@example.org", "b@example.org", "ü@example.org", subject='"to":[{"email":"no@example.org"}]')
    body["personalizations"][1]["to"] = [
        {"name": 'Q}"]{ \\', "email": "b@example.org"},
        {"email": "second@example.org"},
    ]
    for content in (json.dumps(body), json.dumps(body, indent=2), json.dumps(body, separators=(",", ":"))):
        assert addresses_in(content.encode()) == ["a@example.org", "b@example.org", "ü@example.org"]
        assert readers_in(content.encode()) == 3
    assert addresses_in(b'{"personalizations":[{"to":[]},{"to":"x"},{}]}') == []


def test_what_is_by_chance_is_the_seed_s() -> None:
    def hit(seed: int) -> list[bool]:
        faults = Faults([Fault(When(probability=0.3))], seed=seed)
        return [faults.choose(Seen("POST", "/v3/mail/send", 1, ())) is not None for _ in range(1000)]

    assert hit(1) == hit(1) != hit(2)
    assert 240 < sum(hit(1)) < 360


def test_chance_is_even() -> None:
    drawn = [chance(7, "a", number) for number in range(2_000)]
    assert 0 <= min(drawn) < 0.01
    assert 0.99 < max(drawn) < 1
    assert 0.45 < sum(drawn) / 2_000 < 0.55


def test_the_first_fault_that_fits_is_the_one() -> None:
    faults = [Fault(When(requests=(1,)), status=503), Fault(status=429)]
    with SendGridSimulator(faults=faults) as sendgrid, Client(sendgrid.url) as client:
        assert [client.send(make_request("a@example.org")).status for _ in range(3)] == [503, 429, 429]


def test_a_fault_of_any_page_leaves_undone_what_it_says(sendgrid: SendGridSimulator, client: Client) -> None:
    """A cancellation may be lost, or done and its answer lost."""
    batch = schedule(client, "ada@example.org")
    page = "/v3/user/scheduled_sends"
    sendgrid.fail(Fault(When(path=page), status=500))
    assert (stop(client, batch).status, sendgrid.account.stopped()) == (500, {})
    sendgrid.fail(Fault(When(path=page), status=500, take=1.0))
    assert (stop(client, batch).status, sendgrid.account.stopped()) == (500, {batch: "cancel"})


@pytest.mark.parametrize(("name", "reset"), [("429", NOW + 2), ("429 with a past reset", NOW - 3600)])
def test_a_reset_is_told_by_the_simulator_s_clock(
    sendgrid: SendGridSimulator, client: Client, name: str, reset: int
) -> None:
    sendgrid.fail(name)
    assert client.send(make_request("a@example.org")).headers["x-ratelimit-reset"] == str(reset)


def test_a_partial_accept_takes_its_share_and_the_same_for_the_same_seed() -> None:
    def taken(seed: int) -> list[str]:
        with SendGridSimulator(seed=seed, faults=[Fault(take=0.3)]) as sendgrid, Client(sendgrid.url) as client:
            assert client.send(make_request(*readers(1000))).status == 202
            return [mail.address for mail in sendgrid.mails]

    assert taken(1) == taken(1) != taken(2)
    assert len(taken(1)) == 300


def test_a_kept_connection_may_be_closed_after_some_requests() -> None:
    faults = [Fault(When(on_connection=2), end=End.CLOSE)]
    with SendGridSimulator(faults=faults) as sendgrid, Client(sendgrid.url) as client:
        assert [client.send(make_request("a@example.org")).status for _ in range(2)] == [202, 202]
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            client.send(make_request("a@example.org"))
        assert len(sendgrid.mails) == 2


@pytest.mark.parametrize("name", NAMED)
def test_a_fault_survives_json(name: str) -> None:
    fault = Fault.named(name, When(requests=(1, 2), probability=0.5, address="a*"), take=0.25)
    assert from_json(json.loads(json.dumps(as_json(fault)))) == fault


@pytest.mark.parametrize(
    "content",
    [[], "429", {"name": "429", "unknown": 1}, {"when": {"unknown": 1}}, {"when": 5}, {"end": "nowhere"}],
    ids=str,
)
def test_what_is_no_fault_is_said(content: object) -> None:
    with pytest.raises(ValueError, match=r"fault|nowhere"):
        from_json(content)


def test_a_name_that_is_none_lists_those_there() -> None:
    with pytest.raises(ValueError, match="Known: reset before reading, "):
        Fault.named("500")


def test_the_simulator_ends_with_clients_still_waiting() -> None:
    """No thread and no socket is left behind: pytest turns the warning into an error."""
    with SendGridSimulator(faults=[Fault.named("accept then stall")]) as sendgrid:
        waiting = [Client(sendgrid.url, timeout=0.05) for _ in range(5)]
        for client in waiting:
            with pytest.raises(TimeoutError):
                client.send(make_request("a@example.org"))
    for client in waiting:
        client.__exit__()


def test_several_clients_at_once(sendgrid: SendGridSimulator) -> None:
    def work(name: str) -> None:
        with Client(sendgrid.url) as client:
            for number in range(20):
                assert client.send(make_request(*readers(10, f"{name}-{number}"))).status == 202

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, "abcdefgh"))
    assert len(sendgrid.requests) == 160
    assert set(sendgrid.left_by("d").values()) == {1}
    assert len({mail.id for mail in sendgrid.mails}) == 1_600
    assert len({mail.message_id for mail in sendgrid.mails}) == 160


def test_it_shares_nothing_with_the_provider_that_it_checks() -> None:
    """It needs the standard library and `cryptography`, so that others can use it, too."""
    package = Path(simulator_package.__file__).parent
    imported = {
        name
        for path in package.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
    }
    foreign = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert all(name.startswith(("newsletter.testing.sendgrid", "cryptography.")) for name in foreign), foreign


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_time_goes_only_ahead(sendgrid: SendGridSimulator) -> None:
    with pytest.raises(ValueError, match="goes ahead"):
        sendgrid.advance(-1)


def test_without_a_start_the_clock_goes_with_the_machine_s() -> None:
    with SendGridSimulator() as sendgrid:
        before = datetime.now(UTC).timestamp()
        assert abs(sendgrid.account.clock.now() - before) < 60
        assert sendgrid.advance(HOUR) >= before + HOUR
