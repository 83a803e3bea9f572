"""Mail that comes back (F18, U8; RFC 3464, 3834, 5965): only what we signed changes anything, and nothing is deleted."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from newsletter import delivery
from newsletter.db import Database
from newsletter.delivery import Post
from newsletter.delivery.names import name_of
from newsletter.inbound import Did, Done, act, deal_with, deal_with_one
from newsletter.inbound.reading import MAX_BYTES, Automatic, NotUnderstood, read
from newsletter.inbound.reports import Bounce, Complaint, date_of, kind_of
from newsletter.mail import Kind
from newsletter.models import Delivery, Issue, ReportedEvent
from newsletter.providers import load_provider
from newsletter.testing import MemoryProvider
from subscribers import consent
from subscribers.models import Consent, MailingList, Subscription, SubscriptionState, Suppression
from subscribers.suppression import find
from subscribers.tokens import Purpose, Signer
from tests.builders import NOW
from tests.commands import CommandLine
from tests.reported import Out, out
from tests.waiting import AT, BASE, SIGNER, approved

DATA = Path(__file__).parent / "data" / "inbound"
NAMES = sorted(file.stem for file in DATA.glob("*.eml"))
LATER = NOW + timedelta(days=5)

#: File -> what it leads to; all are about the reader r1 of the issue, or about nobody.
LEADS_TO = {
    **dict.fromkeys(
        ["postfix-unknown", "postfix-utf8", "exim-report", "exim-old", "exchange-unknown", "gmail-unknown"], Did.BOUNCED
    ),
    **dict.fromkeys(["sendmail-unknown", "qmail-unknown"], Did.BOUNCED),
    **dict.fromkeys(
        ["postfix-expired", "postfix-full", "exchange-policy", "qmail-full", "sendmail-wrong-sender"], Did.BLOCKED
    ),
    "postfix-delayed": Did.DEFERRED,
    **dict.fromkeys(["arf-yahoo", "arf-fraud"], Did.COMPLAINED),
    "arf-redacted": Did.LEFT,  # the link alone proves nothing more than that its holder may leave
    **dict.fromkeys(["arf-not-spam", "relayed"], Did.NOTED),
    "arf-opt-out": Did.LEFT,
    **{name: Did.LEFT for name in NAMES if name.startswith("leave-")},
    **{name: Did.IGNORED for name in NAMES if name.startswith("vacation-")},
    **dict.fromkeys(["receipt", "a-list"], Did.IGNORED),
    **dict.fromkeys(["human", "nobody-of-ours", "arf-address-alone"], Did.KEPT),
    **{name: Did.KEPT for name in NAMES if name.startswith(("token-", "broken-"))},
}
#: They stand with everything as before.
CHANGES_NOTHING = {Did.KEPT, Did.IGNORED, Did.NOTED}


def subscription_of(issue: Out, number: int) -> int:
    with issue.db.reading() as session:
        mine = Subscription.subscriber_id == issue.subscribers[number]
        return session.exec(select(Subscription.id).where(mine)).one()


def filled(issue: Out, name: str, number: int = 1) -> bytes:
    """Return a message of the corpus about a reader of the issue."""
    subscription = subscription_of(issue, number)
    token = SIGNER.sign(Purpose.UNSUBSCRIBE, subscription)
    changed = ("A" if token[-5] != "A" else "B").join((token[:-5], token[-4:]))
    marks = {
        "@NAME@": issue.name(number),
        "@ADDRESS@": f"r{number}@example.org",
        "@TOKEN@": token,
        "@TOKEN-Q@": token.replace("_", "=5F"),
        "@TOKEN-CHANGED@": changed,
        "@PREFERENCES@": SIGNER.sign(Purpose.PREFERENCES, subscription),
    }
    data = (DATA / f"{name}.eml").read_bytes()
    for mark, value in marks.items():
        data = data.replace(mark.encode(), value.encode())
    return data


def come_in(issue: Out, data: bytes, *recipients: str, signer: Signer = SIGNER, now: datetime = LATER) -> Done:
    return act(issue.db, signer, data, recipients, now)


def stands(issue: Out) -> tuple[list[bool], list[bool]]:
    """Return of each reader whether they are on the list, and whether they are suppressed."""
    with issue.db.reading() as session:
        rows = session.exec(select(Subscription).order_by(col(Subscription.subscriber_id))).all()
        on = [row.state is SubscriptionState.CONFIRMED for row in rows]
        return on, [find(session, f"r{number}@example.org") is not None for number in range(len(rows))]


def test_the_whole_corpus_is_judged() -> None:
    assert sorted(LEADS_TO) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_f18_what_each_server_writes(sqlite_database: Database, name: str) -> None:
    issue = out(sqlite_database, 3)
    before = issue.dump()
    expected = LEADS_TO[name]
    data = filled(issue, name)
    done = come_in(issue, data)
    assert done.did is expected
    on, suppressed = stands(issue)
    assert on == [True, expected not in {Did.LEFT, Did.COMPLAINED}, True]
    assert suppressed == [False, expected in {Did.BOUNCED, Did.COMPLAINED}, False]
    if expected in CHANGES_NOTHING:
        assert issue.dump() == before
    assert bool(done.why) is (expected in CHANGES_NOTHING)
    after = issue.dump()
    again = come_in(issue, data)
    assert again.did is (Did.ALREADY if expected is Did.LEFT and not name.startswith("arf") else expected) or (
        name in {"arf-opt-out", "arf-redacted"} and again.did is Did.ALREADY
    )
    assert issue.dump() == after  # dealt with twice is dealt with once


def test_f18_every_message_finds_its_own_reader(database: Database) -> None:
    """All of them in one box, each about another reader."""
    issue = out(database, len(NAMES))
    did = [come_in(issue, filled(issue, name, number)).did for number, name in enumerate(NAMES)]
    assert did == [LEADS_TO[name] for name in NAMES]
    assert stands(issue) == (
        [one not in {Did.LEFT, Did.COMPLAINED} for one in did],
        [one in {Did.BOUNCED, Did.COMPLAINED} for one in did],
    )


def test_u8_who_leaves_by_mail_has_evidence_of_it(database: Database) -> None:
    issue = out(database, 2)
    assert come_in(issue, filled(issue, "leave-gmail", 0)).did is Did.LEFT
    with database.reading() as session:
        [line] = session.exec(select(Consent).where(Consent.action == "left")).all()
    assert (line.subscriber_id, line.source, line.at) == (issue.subscribers[0], "mail", LATER)


def test_threat_16_a_complaint_with_a_link_alone_leaves_the_list_and_suppresses_nobody(database: Database) -> None:
    """Whoever a mail was forwarded to has its link and could write the rest; they must not shut its reader out."""
    issue = out(database, 2)
    assert come_in(issue, filled(issue, "arf-redacted", 0)).did is Did.LEFT
    assert come_in(issue, filled(issue, "arf-yahoo", 1)).did is Did.COMPLAINED  # proves itself by the mail's own name
    assert stands(issue) == ([False, False], [False, True])
    with database.reading() as session:
        left = session.exec(
            select(Consent).where(Consent.action == "left", Consent.subscriber_id == issue.subscribers[0])
        )
        assert [(line.source, line.at) for line in left] == [("reported by mail", LATER)]


def test_a_complaint_with_a_link_alone_from_before_the_reader_joined_again_is_noted(database: Database) -> None:
    issue = out(database, 1)
    with database.transaction() as session:
        [row] = session.exec(select(Subscription)).all()
        row.changed_at = LATER
    assert come_in(issue, filled(issue, "arf-redacted", 0)).did is Did.NOTED
    assert stands(issue) == ([True], [False])


def test_u8_the_list_that_a_list_was_merged_into_is_left(database: Database) -> None:
    issue = out(database, 1)
    data = filled(issue, "leave-gmail", 0)
    with database.transaction() as session:
        new = MailingList(slug="new", name="New", created_at=NOW)
        session.add(new)
        session.flush()
        old = session.get_one(MailingList, issue.room.list_id)
        old.merged_into, old.archived_at = new.id, NOW
        [row] = session.exec(select(Subscription)).all()
        row.state = SubscriptionState.LEFT
        moved = Subscription(**row.model_dump(exclude={"id"}) | {"list_id": new.id})
        moved.state = SubscriptionState.CONFIRMED
        session.add(moved)
    assert come_in(issue, data).did is Did.LEFT
    with database.reading() as session:
        assert {row.state for row in session.exec(select(Subscription))} == {SubscriptionState.LEFT}


def test_a_token_of_another_secret_does_nothing(database: Database) -> None:
    issue = out(database, 2)
    data = filled(issue, "leave-gmail")
    assert come_in(issue, data, signer=Signer(["another secret that is long enough, too"])).did is Did.KEPT
    rotated = Signer(["another secret that is long enough, too", "a secret that is long enough for the tests"])
    assert come_in(issue, data, signer=rotated).did is Did.LEFT


def test_the_return_path_alone_finds_the_reader(database: Database) -> None:
    """F18: 100 %, whatever the report returns, in either case of letters, and when only the server tells."""
    issue = out(database, 3)
    data = filled(issue, "nobody-of-ours")
    told = f"BOUNCE+{issue.name(2).upper()}@NEWS.EXAMPLE.ORG"
    assert come_in(issue, data, told).did is Did.BOUNCED
    assert stands(issue)[1] == [False, False, True]


def test_the_return_path_beats_what_the_report_returns(database: Database) -> None:
    """A report that quotes another reader's mail is about the one whose return path it came to."""
    issue = out(database, 3)
    data = filled(issue, "sendmail-unknown", 1)  # the envelope's id and the Message-ID are r1's
    assert come_in(issue, data, f"bounce+{issue.name(2)}@news.example.org").did is Did.BOUNCED
    assert stands(issue)[1] == [False, False, True]


@pytest.mark.parametrize("name", ["postfix-unknown", "arf-yahoo", "qmail-unknown", "exim-report"])
def test_a_name_that_nobody_gave_does_nothing(database: Database, name: str) -> None:
    """Threat 15: an address and a number are easy to guess, the name's 80 bits are not."""
    issue = out(database, 3)
    other = name_of("0" * 32, issue.deliveries[1], issue.subscribers[1])
    data = filled(issue, name).replace(issue.name(1).encode(), other.encode())
    data = re.sub(rb"(?m)^List-Unsubscribe:.*\r\n .*\r\n", b"", data)
    before = issue.dump()
    assert come_in(issue, data).did is Did.KEPT
    assert issue.dump() == before


def test_a_bounce_from_before_the_reader_confirmed_again_changes_nothing_for_them(database: Database) -> None:
    """The report's own date counts: it lay in the box for weeks."""
    issue = out(database, 2)
    with database.transaction() as session:
        row = session.exec(select(Subscription).where(Subscription.subscriber_id == issue.subscribers[1])).one()
        consent.leave(session, subscription_id=row.id, now=LATER, source="page")
        evidence = {"now": LATER + timedelta(days=20), "source": "page"}
        consent.join(session, subscriber_id=row.subscriber_id, list_id=row.list_id, wording="", **evidence)  # type: ignore[arg-type]
    assert come_in(issue, filled(issue, "postfix-unknown"), now=LATER + timedelta(days=30)).did is Did.BOUNCED
    assert stands(issue) == ([True, True], [False, False])


def test_what_a_bounce_keeps(database: Database) -> None:
    issue = out(database, 2)
    come_in(issue, filled(issue, "gmail-unknown"))
    with database.reading() as session:
        [event] = session.exec(select(ReportedEvent)).all()
        [row] = session.exec(select(Suppression)).all()
    assert (event.provider, event.kind, event.delivery_id) == ("mail", Kind.BOUNCED, issue.deliveries[1])
    assert event.address == "r1@example.org"
    assert event.detail.startswith("550-5.1.1 The email account that you tried to reach does not exist.")
    assert event.raw == {"status": "5.1.1", "detail": event.detail}
    assert row.note.startswith("bounced, reported by mail: 550-5.1.1")


@pytest.mark.parametrize(
    ("action", "status", "kind"),
    [
        *(("failed", f"5.1.{detail}", Kind.BOUNCED) for detail in (0, 1, 2, 3, 4, 6, 10)),
        *(("failed", f"5.1.{detail}", Kind.BLOCKED) for detail in (5, 7, 8, 9)),
        *(("failed", status, Kind.BLOCKED) for status in ("5.2.2", "5.7.1", "5.0.0", "4.4.7", "4.1.1", "", "550", "x")),
        *(("delayed", status, Kind.DEFERRED) for status in ("4.4.1", "5.1.1", "")),
        ("delivered", "2.1.5", Kind.DELIVERED),
        *((action, "5.1.1", Kind.OTHER) for action in ("relayed", "expanded", "", "Failure")),
    ],
)
def test_hard_is_only_what_says_that_the_address_is_wrong(action: str, status: str, kind: Kind) -> None:
    """Trust 2.2."""
    assert kind_of(action, status) is kind


@pytest.mark.parametrize("where", ["provider", "return path"])
def test_rfc_3834_our_own_mails_fed_back_lead_to_nothing(sqlite_database: Database, tmp_path: Path, where: str) -> None:
    """A hundred times: nobody leaves, nobody bounces, and nothing is sent."""
    issue_id = approved(sqlite_database, readers=2)
    provider = load_provider("maildir", {"path": str(tmp_path / "out")})
    delivery.send(sqlite_database, issue_id, Post(provider, SIGNER, BASE, lambda: AT), by_hand=True)
    with sqlite_database.reading() as session:
        row = session.exec(select(Delivery).order_by(col(Delivery.id))).first()
        assert row is not None
        name = name_of(session.get_one(Issue, issue_id).name_key, row.id, row.subscriber_id)
    recipients = [f"bounce+{name}@news.example.org"] if where == "return path" else []
    mails = sorted((tmp_path / "out" / "new").iterdir())
    assert len(mails) == 2
    for mail in mails * 50:
        assert act(sqlite_database, SIGNER, mail.read_bytes(), recipients, AT) == Done(Did.IGNORED, "List-Id")
    with sqlite_database.reading() as session:
        assert {row.state for row in session.exec(select(Subscription))} == {SubscriptionState.CONFIRMED}
        assert session.exec(select(ReportedEvent)).all() == []
    assert len(list((tmp_path / "out" / "new").iterdir())) == 2


# What cannot be read.


def test_a_message_that_is_too_large_is_kept() -> None:
    [meaning] = read(b"Subject: x\r\n\r\n" + b"x" * MAX_BYTES)
    assert isinstance(meaning, NotUnderstood)


def nested(depth: int) -> bytes:
    heads = [f'Content-Type: multipart/mixed; boundary="b{at}"\r\n\r\n--b{at}\r\n' for at in range(depth)]
    return "".join(heads).encode() + b"Content-Type: text/plain\r\n\r\nx\r\n"


BOMBS: Mapping[str, bytes] = {
    "nothing": b"",
    "only zeros": b"\0" * 1000,
    "deep": nested(3_000),
    "messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 3_000,
    "many parts": b"Content-Type: multipart/report; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 20_000,
    "many fields": b"X: y\r\n" * 50_000,
    "a long field": b"Subject: " + b"unsubscribe " * 50_000 + b"\r\n\r\n",
    "plus signs": b"To: " + b"a+" * 100_000 + b"@b\r\n\r\n",
    "many names": b"To: " + b"1-00000000000000000000@b, " * 20_000 + b"\r\n\r\n",
    "no boundary": b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\nx",
    "delivery-status as text": b"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
    "a wrong charset": b"Content-Type: text/plain; charset=nonsense\r\nSubject: =?nonsense?B?!?=\r\n\r\nx",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_threat_25_nothing_brings_the_reader_down(bomb: str) -> None:
    *meant, last = read(BOMBS[bomb])
    assert isinstance(last, Automatic | NotUnderstood)
    assert all(len(one.names) <= 20 for one in meant if isinstance(one, Bounce | Complaint))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.integers(0, 4_000), st.binary(max_size=6) | st.just(b"\r\n\r\n")), max_size=6),
)
def test_any_damage_to_a_message_is_no_traceback(name: str, damages: list[tuple[int, bytes]]) -> None:
    data = (DATA / f"{name}.eml").read_bytes()
    for at, what in damages:
        data = data[:at] + what + data[at + len(what) :]
    assert isinstance(read(data)[-1], Automatic | NotUnderstood)
    assert date_of(BytesHeaderParser(policy=compat32).parsebytes(data), NOW) <= NOW


@pytest.mark.parametrize(
    ("date", "at"),
    [
        ("Sat, 14 Nov 2026 06:00:00 +0100", datetime(2026, 11, 14, 5, tzinfo=UTC)),
        ("14 Nov 2026 06:00:00 -0000", datetime(2026, 11, 14, 6, tzinfo=UTC)),
        *(
            (date, NOW)
            for date in ("", "yesterday", "Sat, 14 Nov 2099 06:00:00 +0000", "1 Jan 1 0:0:0 +9999", "0", ",")
        ),
    ],
)
def test_a_message_is_no_younger_than_now(date: str, at: datetime) -> None:
    message = Message(policy=compat32)
    message["Date"] = date
    assert date_of(message, NOW) == at


# Where messages come from and go.


def maildir(folder: Path, **messages: bytes) -> Path:
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    for name, data in messages.items():
        (folder / "new" / name).write_bytes(data)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_a_maildir_is_emptied_and_nothing_is_lost(sqlite_database: Database, tmp_path: Path) -> None:
    """Trust 2.2: what is not understood is kept, and so is the rest."""
    issue = out(sqlite_database, 4)
    messages = {
        "1.bounce": filled(issue, "postfix-unknown", 1),
        "2.leave:2,": filled(issue, "leave-gmail", 2),
        "3.human": filled(issue, "human", 3),
        "4.vacation": filled(issue, "vacation-sieve", 3),
    }
    box = maildir(tmp_path / "box", **messages)
    found = list(deal_with(box, box / ".Quarantine", lambda data: come_in(issue, data)))
    assert [(one.file, one.done.did) for one in found] == [
        ("1.bounce", Did.BOUNCED),
        ("2.leave:2,", Did.LEFT),
        ("3.human", Did.KEPT),
        ("4.vacation", Did.IGNORED),
    ]
    assert files(box) == {
        "cur/1.bounce:2,S": messages["1.bounce"],
        "cur/2.leave:2,S": messages["2.leave:2,"],
        ".Quarantine/new/3.human": messages["3.human"],
        "cur/4.vacation:2,S": messages["4.vacation"],
    }
    assert list(deal_with(box, box / ".Quarantine", lambda data: come_in(issue, data))) == []


def test_a_message_goes_to_another_disk_whole(sqlite_database: Database, tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system")
    issue = out(sqlite_database, 2)
    human = filled(issue, "human")
    box = maildir(tmp_path / "box", one=human)
    with TemporaryDirectory(dir=elsewhere) as folder:
        list(deal_with(box, Path(folder) / "kept", lambda data: come_in(issue, data)))
        assert files(Path(folder)) == {"kept/new/one": human}
    assert files(box) == {}


def test_what_breaks_off_is_dealt_with_again(sqlite_database: Database, tmp_path: Path) -> None:
    """F18: a power cut between the ledger and the folder."""
    issue = out(sqlite_database, 3)
    box = maildir(tmp_path / "box", one=filled(issue, "leave-gmail", 1), two=filled(issue, "postfix-unknown", 2))

    def breaks(data: bytes) -> Done:
        come_in(issue, data)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(deal_with(box, tmp_path / "kept", breaks))
    assert len(list((box / "new").iterdir())) == 2
    found = [one.done.did for one in deal_with(box, tmp_path / "kept", lambda data: come_in(issue, data))]
    assert found == [Did.ALREADY, Did.BOUNCED]


def test_a_stream_is_on_disk_before_anything_is_done(sqlite_database: Database, tmp_path: Path) -> None:
    issue = out(sqlite_database, 2)
    kept = tmp_path / "kept"

    def looks(data: bytes) -> Done:
        assert list(files(kept).values()) == [data]
        return come_in(issue, data)

    human, leaving = filled(issue, "human"), filled(issue, "leave-gmail")
    assert deal_with_one(io.BytesIO(leaving), kept, looks).done.did is Did.LEFT
    assert files(kept) == {}
    message = deal_with_one(io.BytesIO(human), kept, looks)
    assert files(kept) == {f"new/{message.file}": human}
    with pytest.raises(ZeroDivisionError):
        deal_with_one(io.BytesIO(leaving), kept, lambda data: Done(Did.LEFT, str(1 // 0)))
    assert len(files(kept)) == 1


def test_bounces_come_in_while_an_issue_is_sent(database: Database, tmp_path: Path) -> None:
    """F7: whoever left by mail before their chunk was claimed gets nothing; the ledger adds up."""
    issue_id = approved(database, readers=40)
    with database.reading() as session:
        ids = session.exec(select(Subscription.id).order_by(col(Subscription.id))).all()
    provider, before = MemoryProvider(chunk_size=2), {}
    mail = (DATA / "leave-gmail.eml").read_bytes()

    def come() -> None:
        for at, one in enumerate(ids[::2]):
            data = mail.replace(b"@TOKEN@", SIGNER.sign(Purpose.UNSUBSCRIBE, one).encode())
            assert act(database, SIGNER, data, [], AT).did is Did.LEFT
            before[f"r{2 * at}@example.org"] = len(provider.calls)

    coming = threading.Thread(target=come)
    coming.start()
    report = delivery.send(database, issue_id, Post(provider, SIGNER, BASE, lambda: AT, lanes=2), by_hand=True)
    coming.join()
    assert report.tally.adds_up
    assert len(before) == 20
    assert {f"r{number}@example.org" for number in range(1, 40, 2)} <= {one.address for one in provider.sent}
    calls = {one.address: at // 2 for at, one in enumerate(provider.sent)}
    assert [address for address, had in before.items() if calls.get(address, -1) > had + 2] == []


# The command.


@pytest.fixture
def newsletter(tmp_path: Path) -> CommandLine:
    made = CommandLine(tmp_path)
    made("init", "--base-url", "https://news.example.org")
    return made


def test_the_command_keeps_what_it_does_not_understand(newsletter: CommandLine) -> None:
    human = (DATA / "human.eml").read_text()
    ran = newsletter("inbound", "--json", stdin=human)
    assert ran.json["counts"] == {"kept": 1}
    assert ran.json["mails"][0]["why"] == "it is for people to read"
    [kept] = (newsletter.folder / "inbound" / "new").iterdir()
    assert kept.read_text() == human
    box = maildir(newsletter.folder / "box", one=(DATA / "vacation-sieve.eml").read_bytes())
    assert newsletter("inbound", "--maildir", box).out == "one\tignored\tAuto-Submitted\n1 ignored.\n"
    assert newsletter("inbound", "--maildir", box).out == "No mail has come back.\n"
    assert json.loads(newsletter("inbound", "--maildir", box, "--json").out)["messages"] == 0
    assert "is no maildir" in newsletter("inbound", "--maildir", newsletter.folder / "none", code=1).err


def test_a_mail_server_is_asked_to_come_back_when_nothing_can_be_done(newsletter: CommandLine) -> None:
    """A bounce of a bounce helps nobody: 75 is EX_TEMPFAIL."""
    (newsletter.folder / "newsletter.db").unlink()
    ran = newsletter("inbound", stdin="Subject: x\n\nx", code=75)
    assert "bring it again later" in ran.err
