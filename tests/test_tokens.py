"""Signed links: they say what we signed and nothing else (RFC 8058 section 3.1, threat 16)."""

from __future__ import annotations

import string
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.errors import InvalidToken
from subscribers.tokens import CONFIRM_WITHIN, UNDO_WITHIN, Purpose, Signer

NOW = datetime(2026, 11, 22, 7, 0, 0, 987654, tzinfo=UTC)
RANGE = datetime.fromisoformat("1971-01-01"), datetime.fromisoformat("2500-01-01")
SIGNER = Signer(["the newest secret of this newsroom"])
STANDING = [Purpose.UNSUBSCRIBE, Purpose.PREFERENCES]
OF_REQUESTS = [Purpose.ADDRESS, Purpose.BACK, Purpose.DATA]
ALPHABET = string.ascii_letters + string.digits + "-_"


@given(st.integers(1, 2**63 - 1), st.sampled_from(STANDING))
def test_a_token_names_the_subscription_it_was_made_for(subscription_id: int, purpose: Purpose) -> None:
    assert SIGNER.read(purpose, SIGNER.sign(purpose, subscription_id)) == subscription_id


@given(st.integers(1, 2**63 - 1), st.datetimes(*RANGE, timezones=st.just(UTC)))
def test_a_token_with_a_time_carries_it_in_whole_seconds(subscription_id: int, at: datetime) -> None:
    token = SIGNER.sign_confirm(subscription_id, at)
    assert SIGNER.read_confirm(token, at) == (subscription_id, at.replace(microsecond=0))
    undo = SIGNER.sign_undo(subscription_id, at)
    assert SIGNER.read_undo(undo, at) == (subscription_id, at.replace(microsecond=0))
    for purpose in OF_REQUESTS:
        token = SIGNER.sign_request(purpose, subscription_id, at)
        assert SIGNER.read_request(purpose, token) == (subscription_id, at.replace(microsecond=0))


@given(st.datetimes(*RANGE, timezones=st.just(UTC)), st.integers(0, 255), st.binary(min_size=8, max_size=8))
def test_a_form_s_token_says_when_it_was_made_and_what_it_is_worth(at: datetime, worth: int, random: bytes) -> None:
    assert SIGNER.read_form(SIGNER.sign_form(at, worth, random)) == (at.replace(microsecond=0), worth, random)


@pytest.mark.parametrize(
    ("subscription_id", "length"), [(1, 23), (255, 23), (256, 24), (65_535, 24), (65_536, 26), (2**31 - 1, 27)]
)
def test_a_token_is_short_enough_for_one_header_line(subscription_id: int, length: int) -> None:
    """Trust 1.1, fold rule: <https://host/u/token> keeps to 77 characters with a host of 35 up to four-byte ids."""
    token = SIGNER.sign(Purpose.UNSUBSCRIBE, subscription_id)
    assert len(token) == length
    assert len(f"<https://{'h' * 35}/u/{token}>") <= 77
    assert set(token) <= set(ALPHABET)


def _valid_tokens() -> list[tuple[str, str]]:
    return [
        *((purpose.value, SIGNER.sign(purpose, 70_000)) for purpose in STANDING),
        (Purpose.CONFIRM.value, SIGNER.sign_confirm(70_000, NOW)),
        (Purpose.UNDO.value, SIGNER.sign_undo(70_000, NOW)),
        *((purpose.value, SIGNER.sign_request(purpose, 70_000, NOW)) for purpose in OF_REQUESTS),
        (Purpose.FORM.value, SIGNER.sign_form(NOW, 2, b"8 bytes.")),
    ]


def _read(purpose: str, token: str, signer: Signer = SIGNER) -> object:
    if purpose == Purpose.CONFIRM:
        return signer.read_confirm(token, NOW)
    if purpose == Purpose.UNDO:
        return signer.read_undo(token, NOW)
    if purpose == Purpose.FORM:
        return signer.read_form(token)
    if purpose in OF_REQUESTS:
        return signer.read_request(Purpose(purpose), token)
    return signer.read(Purpose(purpose), token)


@pytest.mark.parametrize(("purpose", "token"), _valid_tokens())
def test_no_character_can_be_changed_taken_away_or_added(purpose: str, token: str) -> None:
    assert _read(purpose, token)
    changed = {
        token[:place] + letter + token[place + 1 :] for place in range(len(token)) for letter in ALPHABET + "=+/. \n\0é"
    }
    shorter = {token[:place] + token[place + 1 :] for place in range(len(token))}
    longer = {token[:place] + letter + token[place:] for place in range(len(token) + 1) for letter in "A_=\n "}
    for forged in (changed | shorter | longer) - {token}:
        with pytest.raises(InvalidToken, match="incomplete or damaged"):
            _read(purpose, forged)


@pytest.mark.parametrize(("purpose", "token"), _valid_tokens())
def test_a_token_is_worth_nothing_for_another_purpose(purpose: str, token: str) -> None:
    for other in set(Purpose) - {Purpose(purpose)}:
        with pytest.raises(InvalidToken):
            _read(other, token)


@pytest.mark.parametrize(
    "token",
    ["", "A", "AAAA", "====", "=", "not a token", "ключ", "\ud800", "A" * 22, "A" * 40, "A" * 1_000_000, "..", "\0"],
)
@pytest.mark.parametrize("purpose", list(Purpose))
def test_junk_is_refused_in_one_sentence(purpose: Purpose, token: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        _read(purpose, token)
    assert token not in str(caught.value) or len(token) < 2


@given(st.text(max_size=60), st.sampled_from(list(Purpose)))
def test_any_text_is_refused_and_nothing_else_happens(token: str, purpose: Purpose) -> None:
    with pytest.raises(InvalidToken):
        _read(purpose, token)


def test_other_spellings_of_the_same_bytes_are_refused() -> None:
    """Base64 leaves bits of the last character unused; a token that can be respelled is a token that can be altered."""
    token = SIGNER.sign(Purpose.UNSUBSCRIBE, 1)
    content = urlsafe_b64decode(token + "=")
    respelled = [token[:-1] + letter for letter in ALPHABET if urlsafe_b64decode(token[:-1] + letter + "=") == content]
    assert len(respelled) == 4
    for other in [*respelled, token + "=", token + "==", token.replace("-", "+").replace("_", "/") + " "]:
        if other != token:
            with pytest.raises(InvalidToken):
                SIGNER.read(Purpose.UNSUBSCRIBE, other)


def test_secrets_rotate_the_first_signs_and_all_verify() -> None:
    before = Signer(["old secret"])
    during = Signer(["new secret", "old secret"])
    after = Signer(["new secret"])
    old, new = (signer.sign(Purpose.UNSUBSCRIBE, 7) for signer in (before, during))
    assert during.read(Purpose.UNSUBSCRIBE, old) == during.read(Purpose.UNSUBSCRIBE, new) == 7
    assert after.read(Purpose.UNSUBSCRIBE, new) == 7
    with pytest.raises(InvalidToken):
        after.read(Purpose.UNSUBSCRIBE, old)
    with pytest.raises(InvalidToken):
        before.read(Purpose.UNSUBSCRIBE, new)


@pytest.mark.parametrize(
    ("age", "works"),
    [
        (timedelta(0), True),
        (timedelta(seconds=-30), True),
        (CONFIRM_WITHIN, True),
        (CONFIRM_WITHIN + timedelta(seconds=1), False),
        (timedelta(days=400), False),
    ],
)
def test_a_confirmation_link_works_for_seven_days_u3(age: timedelta, works: bool) -> None:
    requested_at = NOW.replace(microsecond=0)
    token = SIGNER.sign_confirm(3, requested_at)
    if works:
        assert SIGNER.read_confirm(token, requested_at + age) == (3, requested_at)
    else:
        with pytest.raises(InvalidToken, match=r"older than 7 days. Sign up again"):
            SIGNER.read_confirm(token, requested_at + age)


@pytest.mark.parametrize(
    ("age", "works"), [(timedelta(0), True), (UNDO_WITHIN, True), (UNDO_WITHIN + timedelta(seconds=1), False)]
)
def test_leaving_can_be_undone_for_an_hour_u8(age: timedelta, works: bool) -> None:
    left_at = NOW.replace(microsecond=0)
    token = SIGNER.sign_undo(3, left_at)
    if works:
        assert SIGNER.read_undo(token, left_at + age) == (3, left_at)
    else:
        with pytest.raises(InvalidToken, match=r"undone for 60 minutes\. Sign up again"):
            SIGNER.read_undo(token, left_at + age)


def test_a_forged_old_token_is_called_damaged_not_old() -> None:
    token = Signer(["a stranger's secret"]).sign_confirm(3, NOW - timedelta(days=30))
    with pytest.raises(InvalidToken, match="damaged"):
        SIGNER.read_confirm(token, NOW)


def test_mistakes_of_the_caller_surface() -> None:
    for secrets in ([], [""], ["good", ""], "one string"):
        with pytest.raises(ValueError, match="list of secrets"):
            Signer(secrets)
    with pytest.raises(ValueError, match="sign_confirm"):
        SIGNER.sign(Purpose.CONFIRM, 1)
    with pytest.raises(ValueError, match="sign_undo"):
        SIGNER.sign(Purpose.UNDO, 1)
    with pytest.raises(ValueError, match="sign_request"):
        SIGNER.sign(Purpose.DATA, 1)
    with pytest.raises(ValueError, match="use sign_form and read_form"):
        SIGNER.sign(Purpose.FORM, 1)
    with pytest.raises(ValueError, match="about no request"):
        SIGNER.sign_request(Purpose.PREFERENCES, 1, NOW)
    with pytest.raises(ValueError, match="sign_confirm"):
        SIGNER.read(Purpose.CONFIRM, SIGNER.sign_confirm(1, NOW))
    for subscription_id in (0, -1):
        with pytest.raises(ValueError, match="positive id"):
            SIGNER.sign(Purpose.UNSUBSCRIBE, subscription_id)
