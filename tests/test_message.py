"""One mail for one reader: the values that fill it, and the bytes of an internet message."""

from __future__ import annotations

import email.header
import email.policy
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.delivery import example_values
from newsletter.delivery.ledger.values import Claim, Reader
from newsletter.delivery.message import Recipients, name_to_show
from newsletter.errors import ConfigurationError, ProviderRefused, Refused
from newsletter.mail import VALUES, Mail, Recipient, Sender, block_tags, header_text
from newsletter.models import Edition
from newsletter.providers.message import ascii_address, build, check_mail, header_value, refuse_unsendable
from subscribers.tokens import Signer
from tests.builders import edition_fields
from tests.contracts.providers import NONCE, make_mail, make_reader
from tests.servers.smtp import parsed

DATE = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
BCC = "=?UTF-8?Q?x=0D=0ABcc:_a@b.c?="
#: The header fields of make_mail(), in order.
NAMES = [
    *("Date", "From", "To", "Reply-To", "Subject", "Message-ID", "List-Id", "List-Unsubscribe"),
    *("List-Unsubscribe-Post", "Feedback-ID", "MIME-Version", "Content-Type"),
]


def made(mail: Mail | None = None, reader: Recipient | None = None) -> bytes:
    return build(mail or make_mail(), reader or make_reader(1), date=DATE)


def head_lines(data: bytes) -> list[str]:
    return data.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")


def raw_fields(data: bytes) -> dict[str, str]:
    """Return the header fields unfolded and otherwise as they stand, each of which must be there once."""
    lines = re.sub(r"\r\n(?=[ \t])", "", "\r\n".join(head_lines(data))).split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return dict(pairs)


class TestWholeMessage:
    def test_has_text_first_and_html_second_in_utf_8(self) -> None:
        """R6, and the order of RFC 2046 section 5.1.4."""
        message = parsed(made())
        assert message.get_content_type() == "multipart/alternative"
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
        assert [part.get_content_charset() for part in message.iter_parts()] == ["utf-8", "utf-8"]

    def test_has_each_header_once_in_order(self) -> None:
        assert list(raw_fields(made())) == NAMES

    def test_has_its_date_and_its_mime_version(self) -> None:
        fields = raw_fields(made())
        assert fields["Date"] == "Sun, 22 Nov 2026 07:30:00 +0000"
        assert fields["MIME-Version"] == "1.0"

    def test_has_no_reply_to_without_an_address_for_it(self) -> None:
        fields = raw_fields(made(make_mail(sender=Sender("Fens", "weekly@news.example.org"))))
        assert "Reply-To" not in fields

    def test_is_the_same_bytes_each_time(self) -> None:
        assert made() == made()

    @pytest.mark.parametrize("text", ["", "x", "x\n", "\n\n", "a\r\nb\rc\nd", ".\n..\n.x\n", "trailing  \n\t\n"])
    def test_parts_come_back_with_their_line_ends_as_crlf(self, text: str) -> None:
        message = message_from_bytes(made(make_mail(text=text, html="<p>")))
        first = next(part for part in message.walk() if not part.is_multipart())
        assert first.get_payload(decode=True) == re.sub(r"\r\n|\r|\n", "\r\n", text).encode()

    @pytest.mark.parametrize(
        ("text", "encoding"),
        [
            ("plain ascii " * 500, "quoted-printable"),
            ("Die Straße führt über den Fluss. " * 100, "quoted-printable"),
            ("Міст знову відкрито. " * 100, "base64"),
            ("橋が再び開通した。" * 100, "base64"),
        ],
    )
    def test_the_shorter_encoding_is_taken(self, text: str, encoding: str) -> None:
        message = parsed(made(make_mail(text=text)))
        part = message.get_body(["plain"])
        assert part is not None
        assert part["Content-Transfer-Encoding"] == encoding
        assert part.get_content() == text

    @pytest.mark.parametrize("text", ["x" * 5_000, "é" * 5_000, "橋" * 5_000, "word " * 2_000, "=" * 300, "." * 300])
    def test_no_line_is_longer_than_78(self, text: str) -> None:
        """RFC 5322 section 2.1.1."""
        data = made(make_mail(text=text, html=f"<p>{text}</p>", subject=text))
        assert max(len(line) for line in data.split(b"\r\n")) <= (78 if " " in text or not text.isascii() else 998)
        body = data.partition(b"\r\n\r\n")[2]
        assert max(len(line) for line in body.split(b"\r\n")) <= 76

    def test_is_ascii_with_cr_and_lf_only_together(self) -> None:
        """Threat 25: nothing in a body can end the message early for a server that takes bare line ends."""
        data = made(make_mail(text="a\n.\nb\r.\rc\n.\r\nd\r\n.\r\ne", html="\n.\n"))
        assert data.isascii()
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", data)
        assert b"\r\n.\r\n" not in data

    def test_no_part_can_hold_the_boundary(self) -> None:
        message = parsed(made(make_mail(text="--=_alternative--\n--=_alternative\n", html="--=_alternative")))
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


class TestListHeaders:
    """Written as given, never as an encoded-word: receivers would not see them (RFC 2369, RFC 8058; trap 2)."""

    @pytest.mark.parametrize("token", ["t" * 22, "t" * 78, "t" * 200, "t" * 900])
    @pytest.mark.parametrize("host", ["n.example", f"{'h' * 32}.example"])
    def test_a_long_unsubscribe_url_stays_whole(self, token: str, host: str) -> None:
        url, by_mail = f"<https://{host}/u/{token}>", f"<mailto:editors@{host}?subject=unsubscribe%20{'t' * 60}>"
        mail = make_mail(headers=(("Message-ID", "<1@n.example>"), ("List-Unsubscribe", f"{url}, {by_mail}")))
        data = made(mail)
        assert raw_fields(data)["List-Unsubscribe"] == f"{url}, {by_mail}"
        assert f" {by_mail}" in head_lines(data)
        assert b"=?" not in data.partition(b"\r\n\r\n")[0].partition(b"List-Unsubscribe")[2]

    def test_a_line_that_no_server_has_to_take_is_refused(self) -> None:
        """RFC 5322 section 2.1.1: 998 octets."""
        mail = make_mail(headers=(("Message-ID", "<1@n.example>"), ("List-Unsubscribe", f"<https://n/{'t' * 990}>")))
        with pytest.raises(Refused, match="998"):
            made(mail)

    def test_values_are_the_reader_s_own(self) -> None:
        fields = raw_fields(made(reader=make_reader(5)))
        assert fields["Message-ID"] == f"<{5:032x}@news.example.org>"
        assert fields["List-Unsubscribe"].startswith("<https://news.example.org/u/token-5>, <mailto:")
        assert fields["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("<https://n.example/u/abc>", "<https://n.example/u/abc>"),
            ("<https://n.example/ü\r\nBcc:a@b.c>", "<https://n.example/%C3%BC%0D%0ABcc:a@b.c>"),
            ("<https://n.example/?a==?x>", "<https://n.example/?a==%3Fx>"),
            ("  spaced  ", "spaced"),
            ("\ud800", "%3F"),
        ],
    )
    def test_what_a_header_cannot_hold_is_percent_encoded(self, value: str, expected: str) -> None:
        assert header_value(value) == expected


class TestNamesAndSubject:
    @pytest.mark.parametrize(
        ("name", "field"),
        [
            ("Fen Weekly", "Fen Weekly <weekly@news.example.org>"),
            ("", "weekly@news.example.org"),
            ("Dr. Fen", '"Dr. Fen" <weekly@news.example.org>'),
            ('The "Fen", weekly', '"The \\"Fen\\", weekly" <weekly@news.example.org>'),
            ("back\\slash <x@y.z>", '"back\\\\slash <x@y.z>" <weekly@news.example.org>'),
            ("Żółw", "=?utf-8?b?xbvDs8WCdw==?= <weekly@news.example.org>"),
            ("Die Woche, Köln", "=?utf-8?q?Die_Woche=2C_K=C3=B6ln?= <weekly@news.example.org>"),
        ],
    )
    def test_a_display_name(self, name: str, field: str) -> None:
        """RFC 5322 section 3.2.5, RFC 2047 section 5: specials quoted, encoded-words never inside quotes."""
        data = made(make_mail(sender=Sender(name, "weekly@news.example.org")))
        assert raw_fields(data)["From"] == field
        (address,) = parsed(data)["From"].addresses
        assert (address.display_name, address.addr_spec) == (name, "weekly@news.example.org")

    @pytest.mark.parametrize(
        "subject",
        [
            "Short",
            "A long headline about the river, the sluice, the council and what each of them wants to happen next week",
            "Відключення світла: що змінюється для мешканців Харкова і області цього тижня та наступного",
            "Die Straße führt über den Fluss, und was das für die Gemeinden an beiden Ufern im Winter bedeutet",
            "🏴󠁧󠁢󠁳󠁣󠁴󠁿 " * 30,
        ],
    )
    def test_a_subject_comes_back(self, subject: str) -> None:
        data = made(make_mail(subject=subject))
        assert str(parsed(data)["Subject"]) == header_text(subject)

    def test_a_headline_with_an_encoded_word_adds_no_header(self) -> None:
        """Threat 1 (CVE-2024-6923): on the bytes, because the Python that runs this may itself be vulnerable."""
        data = made(make_mail(subject=BCC))
        assert list(raw_fields(data)) == NAMES
        assert b"Subject: = ?UTF-8?Q?x=0D=0ABcc:_a@b.c? =\r\n" in data
        assert not re.search(rb"(?im)^bcc", data)


_HOSTILE = st.sampled_from(
    [
        *(BCC, "=?utf-8?b?eA0KQmNjOiBhQGIuYw==?=", "=?us-ascii?q?=0AX-Evil:_1?=", "x\r\nBcc: a@b.c", "x\nBcc: a@b.c"),
        *("x\rBcc: a@b.c", "x\u2028Bcc: a@b.c", "x\x85Bcc: a@b.c", "\r\n\r\nbody", "=?", "?=", "\x00", "\u202e", ","),
        *('"', "\\", "<a@b.c>", "é", "橋", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", " ", "\t", "x" * 90),
    ]
)
ANY_TEXT = st.lists(_HOSTILE | st.text(max_size=12), max_size=8).map("".join)


class TestAnyText:
    """Threat 1: whatever a feed, a sign-up form or an editor wrote, the headers are the intended ones."""

    @settings(max_examples=400, deadline=None)
    @given(
        subject=ANY_TEXT,
        sender=ANY_TEXT,
        reader=ANY_TEXT,
        values=st.fixed_dictionaries(dict.fromkeys(VALUES, ANY_TEXT)),
    )
    @example(subject=BCC, sender=BCC, reader=BCC, values=dict.fromkeys(VALUES, BCC))
    def test_adds_no_header_and_raises_nothing(
        self, subject: str, sender: str, reader: str, values: Mapping[str, str]
    ) -> None:
        mail = make_mail(subject=subject, sender=Sender(sender, "weekly@news.example.org", "editors@news.example.org"))
        data = made(mail, Recipient("d1", "ada@example.org", reader, values))
        assert list(raw_fields(data)) == NAMES
        assert message_from_bytes(data, policy=email.policy.compat32).keys() == NAMES
        assert data.isascii()
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", data)

    @settings(max_examples=300, deadline=None)
    @given(subject=ANY_TEXT, name=ANY_TEXT)
    def test_encoded_words_keep_the_rules(self, subject: str, name: str) -> None:
        """RFC 2047 section 2: at most 75 characters each, 76 a line; and what comes back is what went in."""
        data = made(make_mail(subject=subject), make_reader(1, name=name))
        for line in head_lines(data):
            assert all(len(word) <= 75 for word in re.findall(r"=\?\S*\?=", line))
            assert len(line) <= 76 or "=?" not in line
        assert decoded(raw_fields(data)["Subject"]) == header_text(subject)
        assert decoded(raw_fields(data)["To"].rpartition(" ")[0], quoted=True) == header_text(name, 100)

    @settings(max_examples=200, deadline=None)
    @given(text=ANY_TEXT, html=ANY_TEXT.filter(bool))
    def test_parts_come_back(self, text: str, html: str) -> None:
        message = message_from_bytes(made(make_mail(text=text, html=html)))
        payloads = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
        assert payloads == [re.sub(r"\r\n|\r|\n", "\r\n", one).encode() for one in (text, html)]


def decoded(value: str, *, quoted: bool = False) -> str:
    """Return what a mail program shows for an unfolded value."""
    if quoted and value.startswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return str(email.header.make_header(email.header.decode_header(value)))


class TestAddresses:
    @pytest.mark.parametrize(
        ("address", "written"),
        [
            ("ada@example.org", "ada@example.org"),
            ("ada+fens@sub.example.org", "ada+fens@sub.example.org"),
            ("o'neill.x-y_z@example.org", "o'neill.x-y_z@example.org"),
            ("ada@localhost", "ada@localhost"),
            ("ada@bücher.example", "ada@xn--bcher-kva.example"),
            ("ada@пошта.укр", "ada@xn--80a1acn3a.xn--j1amh"),
        ],
    )
    def test_that_can_be_written(self, address: str, written: str) -> None:
        assert ascii_address(address) == written

    @pytest.mark.parametrize(
        "address",
        [
            *(
                "",
                "ada",
                "@example.org",
                "ada@",
                "a@b@c.example",
                "ada@example..org",
                "ada@-example.org",
                ".a@b.example",
            ),
            *(
                "a..b@c.example",
                "ada@example.org\n",
                "ada@exam ple.org",
                "ada@example.org\r\nRCPT TO:<x@y.z>",
                "<a@b.c>",
            ),
            *(
                "jörg@example.org",
                "ada\x00@example.org",
                '"a b"@example.org',
                "ada@[127.0.0.1]",
                "a" * 65 + "@b.example",
            ),
            *(
                "=?utf-8?q?x=0D=0AX?=@example.org",
                "ada@" + "a" * 64 + ".example",
                "ada@ex_ample.org",
                "ада@пошта.укр",
            ),
        ],
    )
    def test_that_cannot_be_written(self, address: str) -> None:
        with pytest.raises(ConfigurationError, match="address"):
            ascii_address(address)


EDITION = Edition(**edition_fields("fens", 1))
SEND_AT = datetime(2026, 11, 29, 6, 0, tzinfo=UTC)


def claimed(name: str = "", since: datetime = DATE) -> Recipient:
    readers = (Reader(1, "d1", "ada@example.org", name, 7, since),)
    claim = Claim(1, 1, 1, attempt=3, tries=0, readers=readers, provider="smtp", at=SEND_AT)
    (made,) = Recipients(EDITION, SEND_AT, Signer(["k" * 32]), "https://n.example").of(claim)
    return made


class TestReadersValues:
    """Issue 4, point 3."""

    def test_are_all_that_a_mail_may_need(self) -> None:
        assert set(claimed().values) == set(VALUES)
        assert set(example_values("a@b.example", "t1", EDITION, "https://n.example", DATE)) == set(VALUES)

    @pytest.mark.parametrize(
        ("since", "new"),
        [
            (SEND_AT - timedelta(days=400), ""),
            (SEND_AT - timedelta(days=31, seconds=1), ""),
            (SEND_AT - timedelta(days=31), "yes"),
            (SEND_AT - timedelta(days=3), "yes"),
            (SEND_AT + timedelta(hours=2), "yes"),  # while an issue waits, readers may join
        ],
    )
    def test_tell_who_is_new_by_the_issue_s_time(self, since: datetime, new: str) -> None:
        """Not by the clock: a copy that is sent again later is the same copy."""
        assert claimed(since=since).values["new"] == new

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("", ""),
            (" \t\u2028", ""),
            ("Ada Lovelace", "Ada Lovelace"),
            ("Ada\r\nBcc: a@b.c", "Ada Bcc: a@b.c"),
            ("\u202eada\u202c\u2066x\u2069\u200f\u061c", "adax"),
            ("Żółw 🦉 <b>&", "Żółw 🦉 <b>&"),
            ("می\u200cخواهم", "می\u200cخواهم"),
            ("x" * 101, "x" * 99 + "…"),
            ("\ud800x", "x"),
        ],
    )
    def test_hold_a_name_that_can_stand_in_a_sentence(self, name: str, shown: str) -> None:
        assert claimed(name).values["name"] == shown

    @given(ANY_TEXT | st.text())
    def test_hold_one_short_line_for_any_name(self, name: str) -> None:
        shown = name_to_show(name)
        assert len(shown) <= 100
        assert len(shown.splitlines()) <= 1
        assert not re.search("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)

    def test_of_an_example_can_be_those_of_any_reader(self) -> None:
        example = example_values("a@b.example", "t1", EDITION, "https://n.example", DATE, name="", new=True)
        assert (example["name"], example["new"]) == ("", "yes")
        usual = example_values("a@b.example", "t1", EDITION, "https://n.example", DATE)
        assert [name for name, value in usual.items() if not value] == ["new"]  # most readers are not


class TestMailsThatCannotBeSent:
    @pytest.mark.parametrize(
        ("mail", "words"),
        [
            (make_mail(headers=(("List-Id", "<x.y>"),)), "no Message-ID"),
            (make_mail(headers=(*make_mail().headers, ("list-id", "<other>"))), "list-id more than once"),
            (make_mail(headers=(*make_mail().headers, ("Bcc", "a@b.c"))), "'Bcc', which is not its to set"),
            (make_mail(headers=(*make_mail().headers, ("Content-Type", "text/x"))), "'Content-Type'"),
            (make_mail(headers=(*make_mail().headers, ("X-Evil\r\nBcc", "a@b.c"))), "not its to set"),
            (make_mail(html=block_tags(NONCE, html=True)["new"]), 'does not close `for_readers("new")`'),
            (make_mail(sender=Sender("Fens", "no address")), "'no address' cannot be sent to"),
            (make_mail(sender=Sender("Fens", "a@b.example", "nöbody@b.example")), "nöbody@b.example"),
        ],
    )
    def test_are_refused_before_anybody_is_sent_to(self, mail: Mail, words: str) -> None:
        with pytest.raises((Refused, ConfigurationError), match=re.escape(words)):
            check_mail(mail)
        with pytest.raises((Refused, ConfigurationError), match=re.escape(words)):
            made(mail)
        with pytest.raises(ProviderRefused, match=re.escape(words)):
            refuse_unsendable("smtp", mail)

    def test_a_reader_s_wrong_address_is_that_reader_s_alone(self) -> None:
        check_mail(make_mail())
        with pytest.raises(ConfigurationError, match="jörg"):
            made(reader=make_reader(1, address="jörg@example.org"))

    def test_the_nonce_of_another_issue_fills_nothing(self) -> None:
        other = replace(make_mail(), nonce="f" * 16)
        assert NONCE in made(other).decode("ascii")
