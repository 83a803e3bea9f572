"""What every provider does, whatever carries its mail. A test class inherits the contract and gives it a `post_box`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Protocol

import pytest

from newsletter.errors import ProviderRefused
from newsletter.mail import HOLES, Mail, Recipient, Sender, Status, block_tags, hole_tag
from newsletter.providers import Checkable, Provider

NONCE = "0a1b2c3d4e5f6071"


def make_mail(**changes: object) -> Mail:
    """Return a mail in several languages with every hole and blocks in both parts, and the headers of a list."""
    link = hole_tag(NONCE, "unsubscribe_url", html=True)
    holes_in_html = " ".join(hole_tag(NONCE, name, html=True) for name in HOLES)
    holes_in_text = "\n".join(hole_tag(NONCE, name) for name in HOLES)
    only_in_html, only = block_tags(NONCE, html=True), block_tags(NONCE, html=False)
    greeting = f"{only['name']}Dear {hole_tag(NONCE, 'name')}{only['end']}{only['not_name']}Hello{only['end']}"
    welcome = f"{only['new']}\nWelcome, joined on {hole_tag(NONCE, 'since')}!\n\n{only['end']}\n"
    row = f"{only_in_html['new']}<b>Welcome, {hole_tag(NONCE, 'name', html=True)}</b>{only_in_html['end']}"
    unsubscribe = f"<https://news.example.org/u/{hole_tag(NONCE, 'token')}>"
    mail = Mail(
        subject="Flood warning lifted in the Fens – and what it cost",
        html=f"<p>Żółw, Київ, <a href='{link}'>leave</a> {holes_in_html}</p>{row}\n",
        text=f"{greeting}\n\n{welcome}Żółw, Київ\n{holes_in_text}\n.\n..\nFrom here\n",
        sender=Sender("Fen Weekly, the", "weekly@news.example.org", "editors@news.example.org"),
        nonce=NONCE,
        headers=(
            ("Message-ID", f"<{hole_tag(NONCE, 'delivery_id')}@news.example.org>"),
            ("List-Id", "<fens.lists.news.example.org>"),
            ("List-Unsubscribe", f"{unsubscribe}, <mailto:editors@news.example.org?subject=unsubscribe>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ("Feedback-ID", "2026-W47:fens:issue:0123456789"),
        ),
    )
    return replace(mail, **changes)  # type: ignore[arg-type] # fields by name


def make_reader(number: int, *, address: str = "", name: str = "Ada Ångström, PhD") -> Recipient:
    """Return a reader whose values tell them apart, with characters that html has to escape."""
    delivery_id = f"{number:032x}"
    address = address or f"reader-{number}@example.org"
    values = {
        "address": address,
        "name": "Ada & <Zoë> 🦉" if number % 2 else "",
        "new": "yes" if number % 3 else "",
        "since": "3 May 2026 & <later>",
        "unsubscribe_url": f"https://news.example.org/u/token-{number}?a=1&b=2",
        "preferences_url": f"https://news.example.org/p/token-{number}",
        "token": f"token-{number}",
        "delivery_id": delivery_id,
    }
    return Recipient(delivery_id, address, name, values)


def make_readers(count: int) -> list[Recipient]:
    """Return readers numbered from 1."""
    return [make_reader(number) for number in range(1, count + 1)]


@dataclass(frozen=True)
class Arrived:
    """A mail where it was carried to. `headers` has every header that is not about the transport."""

    address: str
    name: str
    subject: str
    html: str
    text: str
    headers: list[tuple[str, str]]


def arrived(message: EmailMessage) -> Arrived:
    """Return a parsed internet message as Arrived."""
    html, text = message.get_body(["html"]), message.get_body(["plain"])
    assert text is not None
    (to,) = message["To"].addresses
    assert isinstance(to, Address)
    return Arrived(
        address=to.addr_spec,
        name=to.display_name,
        subject=str(message["Subject"]),
        html=html.get_content().replace("\r\n", "\n") if html else "",
        text=text.get_content().replace("\r\n", "\n"),
        headers=[(name, str(value)) for name, value in message.items()],
    )


class PostBox(Protocol):
    """A provider and what is behind it."""

    provider: Provider

    def arrived(self) -> list[Arrived]:
        """Return the mails that were carried, in order."""
        ...

    def refuse(self) -> None:
        """From now on nothing is taken until somebody changes something."""
        ...


class RejectingPostBox(PostBox, Protocol):
    """One whose other side can reject a single reader."""

    def reject(self, address: str) -> None:
        """Never take mail for this address."""
        ...


class RemotePostBox(RejectingPostBox, Protocol):
    """One whose other side can have no time for us."""

    def be_busy(self) -> None:
        """From now on take nothing, whoever it is for, and say that later will do."""
        ...


class ProviderContract:
    """What every provider does."""

    @pytest.fixture
    def post_box(self) -> PostBox:
        """The provider under test."""
        raise NotImplementedError

    def test_returns_one_outcome_for_each_reader_in_order(self, post_box: PostBox) -> None:
        readers = make_readers(5)
        outcomes = post_box.provider.send(make_mail(), readers)
        assert [outcome.delivery_id for outcome in outcomes] == [reader.delivery_id for reader in readers]
        assert {outcome.status for outcome in outcomes} == {Status.ACCEPTED}

    def test_sends_nothing_for_nobody(self, post_box: PostBox) -> None:
        assert post_box.provider.send(make_mail(), []) == []
        assert post_box.arrived() == []

    def test_carries_each_reader_their_own_mail_once(self, post_box: PostBox) -> None:
        mail, readers = make_mail(), make_readers(3)
        post_box.provider.send(mail, readers)
        found = {one.address: one for one in post_box.arrived()}
        assert sorted(one.address for one in post_box.arrived()) == [reader.address for reader in readers]
        for reader in readers:
            one = found[reader.address]
            assert one.subject == mail.subject
            assert one.html == mail.html_for(reader.values)
            assert one.text == mail.text_for(reader.values)
            assert one.name.strip('"') == reader.name
            for name, value in mail.headers_for(reader.values):
                assert [text for key, text in one.headers if key.lower() == name.lower()] == [value]

    def test_carries_text_alone_to_who_wants_no_html(self, post_box: PostBox) -> None:
        """U7: the same text, and no html part; a mail with html goes through the same provider before and after."""
        mail, readers = make_mail(), make_readers(3)
        for form, reader in zip((mail, mail.text_alone, mail), readers, strict=True):
            (outcome,) = post_box.provider.send(form, [reader])
            assert outcome.status is Status.ACCEPTED
        found = post_box.arrived()
        assert [one.text for one in found] == [mail.text_for(reader.values) for reader in readers]
        assert [one.html for one in found] == ["" if at == 1 else mail.html_for(readers[at].values) for at in range(3)]
        for name, value in mail.headers_for(readers[1].values):
            assert [text for key, text in found[1].headers if key.lower() == name.lower()] == [value]

    def test_rejects_an_address_that_cannot_be_written_in_ascii_and_carries_the_others(self, post_box: PostBox) -> None:
        readers = [make_reader(1), make_reader(2, address="jörg@example.org"), make_reader(3)]
        outcomes = post_box.provider.send(make_mail(), readers)
        assert [outcome.status for outcome in outcomes] == [Status.ACCEPTED, Status.REJECTED, Status.ACCEPTED]
        assert "jörg@example.org" in outcomes[1].detail
        assert [one.address for one in post_box.arrived()] == [readers[0].address, readers[2].address]

    def test_writes_a_domain_as_a_labels(self, post_box: PostBox) -> None:
        (outcome,) = post_box.provider.send(make_mail(), [make_reader(1, address="ada@bücher.example")])
        assert outcome.status is Status.ACCEPTED
        assert [one.address for one in post_box.arrived()] == ["ada@xn--bcher-kva.example"]

    def test_carries_two_deliveries_to_one_address(self, post_box: PostBox) -> None:
        readers = [make_reader(1), make_reader(2, address="READER-1@example.org"), make_reader(3)]
        outcomes = post_box.provider.send(make_mail(), readers)
        assert [outcome.delivery_id for outcome in outcomes] == [reader.delivery_id for reader in readers]
        assert {outcome.status for outcome in outcomes} == {Status.ACCEPTED}
        assert sorted(one.address for one in post_box.arrived()) == sorted(reader.address for reader in readers)

    @pytest.mark.parametrize("payload", ["=?UTF-8?Q?x=0D=0ABcc:_a@b.c?=", "x\r\nBcc: a@b.c", "x\u2028Bcc: a@b.c"])
    def test_lets_no_text_add_a_header(self, post_box: PostBox, payload: str) -> None:
        """Threat 1: a headline as subject, a reader's and a sender's name."""
        mail = make_mail(subject=payload, sender=Sender(payload, "weekly@news.example.org"))
        (outcome,) = post_box.provider.send(mail, [make_reader(1, name=payload)])
        assert outcome.status is Status.ACCEPTED
        (one,) = post_box.arrived()
        assert "bcc" not in [name.lower() for name, _ in one.headers]
        assert "\n" not in one.subject + one.name
        assert "=?" not in one.subject + one.name

    def test_refuses_a_mail_without_a_message_id(self, post_box: PostBox) -> None:
        with pytest.raises(ProviderRefused, match="Message-ID"):
            post_box.provider.send(make_mail(headers=()), make_readers(2))
        assert post_box.arrived() == []

    def test_raises_when_it_is_refused_before_anybody_was_accepted(self, post_box: PostBox) -> None:
        post_box.refuse()
        with pytest.raises(ProviderRefused):
            post_box.provider.send(make_mail(), make_readers(2))
        assert post_box.arrived() == []

    def test_tells_whether_it_would_take_mail(self, post_box: PostBox) -> None:
        assert isinstance(post_box.provider, Checkable)
        assert post_box.provider.check().endswith(".")
        assert post_box.arrived() == []
        post_box.refuse()
        with pytest.raises(ProviderRefused):
            post_box.provider.check()


class RejectingProviderContract(ProviderContract):
    """What a provider does whose other side can reject a reader."""

    @pytest.fixture
    def post_box(self) -> RejectingPostBox:
        """The provider under test."""
        raise NotImplementedError

    def test_a_rejected_reader_stops_nobody_else(self, post_box: RejectingPostBox) -> None:
        readers = make_readers(4)
        post_box.reject(readers[1].address)
        outcomes = post_box.provider.send(make_mail(), readers)
        expected = [Status.ACCEPTED, Status.REJECTED, Status.ACCEPTED, Status.ACCEPTED]
        assert [outcome.status for outcome in outcomes] == expected
        assert outcomes[1].detail
        assert [one.address for one in post_box.arrived()] == [
            reader.address for reader in readers if reader is not readers[1]
        ]


class RemoteProviderContract(RejectingProviderContract):
    """What a provider does whose other side can have no time for us."""

    @pytest.fixture
    def post_box(self) -> RemotePostBox:
        """The provider under test."""
        raise NotImplementedError

    def test_nobody_is_tried_while_the_other_side_is_busy(self, post_box: RemotePostBox) -> None:
        """It is nobody's fault: a reader's tries are not used up by it."""
        post_box.be_busy()
        outcomes = post_box.provider.send(make_mail(), make_readers(3))
        assert [outcome.status for outcome in outcomes] == [Status.NOT_TRIED] * 3
        assert all(outcome.detail for outcome in outcomes)
        assert post_box.arrived() == []
