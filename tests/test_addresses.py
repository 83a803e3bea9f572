"""Which addresses are accepted, when two are the same, and how one is shown."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subscribers import addresses
from subscribers.addresses import Address, mask, one_line, parse_address
from subscribers.errors import InvalidAddress


@pytest.mark.parametrize(
    ("text", "typed", "key"),
    [
        ("reader@example.org", "reader@example.org", "reader@example.org"),
        ("Reader@Example.ORG", "Reader@Example.ORG", "reader@example.org"),
        ("reader+weekly@example.org", "reader+weekly@example.org", "reader+weekly@example.org"),
        ("first.last@mail.example.org", "first.last@mail.example.org", "first.last@mail.example.org"),
        ("o'hara=x/y|z@example.org", "o'hara=x/y|z@example.org", "o'hara=x/y|z@example.org"),
        ("reader@example.test", "reader@example.test", "reader@example.test"),
        # The domain in its ASCII form, composed (NFC) before that; RFC 6532 section 3, RFC 2047 section 5.
        ("Reader@Bücher.example", "Reader@xn--bcher-kva.example", "reader@xn--bcher-kva.example"),
        ("reader@Bu\u0308cher.example", "reader@xn--bcher-kva.example", "reader@xn--bcher-kva.example"),
        ("reader@xn--bcher-kva.example", "reader@xn--bcher-kva.example", "reader@xn--bcher-kva.example"),
        ("reader@новини.укр", "reader@xn--b1amarcd.xn--j1amh", "reader@xn--b1amarcd.xn--j1amh"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_an_address_and_its_key(text: str, typed: str, key: str) -> None:
    """Point 8: an NFC and IDNA key beside what was typed; a plus-tag is kept, in both."""
    assert parse_address(text) == Address(typed, key)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty."),
        ("a" * 250 + "@example.org", "it is longer than 254 characters."),
        (" reader@example.org", "it has a space before or after it."),
        ("reader@example.org ", "it has a space before or after it."),
        ("reader@example.org\u00a0", "it has a space before or after it."),
        ("rea der@example.org", "it has a space in it."),
        ("reader@exa mple.org", "it has a space in it."),
        ("reader@example.org\r\nBcc: x@example.org", "it has a control or invisible character in it."),
        ("reader\0@example.org", "it has a control or invisible character in it."),
        ("reader\u200b@example.org", "it has a control or invisible character in it."),
        ("reader\u202e@example.org", "it has a control or invisible character in it."),
        ("\ud800@example.org", "it has a control or invisible character in it."),
        ("Ann Reader <ann@example.org>", "it has angle brackets; give the address alone, without a name."),
        ("<ann@example.org>", "it has angle brackets; give the address alone, without a name."),
        ('"ann reader"@example.org', "it has quotation marks, which few mail servers take."),
        ("ann.example.org", "it has no @-sign."),
        ("ann@home@example.org", "it has more than one @-sign."),
        ("@example.org", "nothing stands before the @-sign."),
        ("ann@", "nothing stands after the @-sign."),
        ("jörg@example.org", "it has letters other than a to z before the @-sign, which few mail servers take."),
        ("a" * 65 + "@example.org", "more than 64 characters stand before the @-sign."),
        ("ann..reader@example.org", "a dot or another sign stands where none may be, before the @-sign."),
        (".ann@example.org", "a dot or another sign stands where none may be, before the @-sign."),
        ("ann,bob@example.org", "a dot or another sign stands where none may be, before the @-sign."),
        ("ann@[192.0.2.1]", "an IP address stands after the @-sign; a domain name is needed."),
        ("ann@example", "the part after the @-sign has no dot."),
        ("ann@test", "the part after the @-sign has no dot."),
        ("ann@example..org", "the part after the @-sign is not a domain name."),
        ("ann@example.org.", "the part after the @-sign is not a domain name."),
        ("ann@-example.org", "the part after the @-sign is not a domain name."),
        ("ann@exam_ple.org", "the part after the @-sign is not a domain name."),
        ("ann@192.0.2.1", "the part after the @-sign is not a domain name."),
        ("ann@" + "a" * 64 + ".org", "the part after the @-sign is not a domain name."),
        ("ann@xn--\u00fc.org", "the part after the @-sign is not a domain name."),
        ("ann@server.localhost", "its domain is reserved and never takes mail."),
        ("ann@printer.local", "its domain is reserved and never takes mail."),
        ("ann@nowhere.INVALID", "its domain is reserved and never takes mail."),
    ],
)
def test_a_refused_address_says_why(text: str, reason: str) -> None:
    """Point 8: letters other than a to z before the @-sign are refused, with the reason, as is all else."""
    with pytest.raises(InvalidAddress) as caught:
        parse_address(text)
    assert caught.value.reason == reason
    assert caught.value.address == text


def test_the_error_shows_no_more_than_the_start_of_a_huge_address() -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_address("x" * 1_000_000)
    assert len(str(caught.value)) < 250


_LOCALS = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[A-Za-z0-9]{1,10}){0,2}", fullmatch=True)
_DOMAINS = st.from_regex(r"[a-z]{1,10}([äöüéñ][a-z]{1,5})?\.(example|org|test)", fullmatch=True)


@given(_LOCALS, _DOMAINS)
def test_what_is_stored_is_ascii_and_parses_to_itself(local: str, domain: str) -> None:
    address = parse_address(f"{local}@{domain}")
    assert address.typed.isascii()
    assert address.typed.startswith(f"{local}@")
    assert parse_address(address.typed) == address
    assert parse_address(address.key).key == address.key


#: What is ordinary and what is nearly so: reserved names, hyphens at the edges and in pairs, dots and case.
_NEARLY = st.from_regex(
    r"[A-Za-z0-9_+.'-]{0,12}@([A-Za-z0-9-]{1,8}\.){0,3}"
    r"(org|ORG|example|test|local|Localhost|onion|arpa|alt|internal|invalid|o|xn--p1ai|c0m|com1|ukr|[a-z-]{1,12})\n?",
    fullmatch=True,
)
_LONG = st.builds(lambda local, label: f"{'a' * local}@{'b' * label}.org", st.integers(0, 70), st.integers(0, 70))


@given(st.one_of(_NEARLY, _LONG, st.from_regex(addresses._ORDINARY, fullmatch=True)))
@settings(max_examples=250)
def test_an_ordinary_address_is_what_a_closer_look_finds(text: str) -> None:
    """Whatever the pattern takes, email-validator takes, with the same key; what it takes is the same as before."""
    key = addresses.ordinary_key(text)
    if key:
        assert addresses._look_closely(text) == Address(text, key) == parse_address(text)
    else:
        with suppress(InvalidAddress):
            assert parse_address(text) == addresses._look_closely(text)


@pytest.mark.parametrize("text", ["reader@example.org", "Ann.Reader+weekly@mail.example.co", "a_b-c@x-y.example"])
def test_ordinary_addresses_need_no_closer_look(text: str) -> None:
    assert addresses.ordinary_key(text) == text.lower()


@pytest.mark.parametrize("text", ["\u212aim@example.org", "ann@\u212aiev.example", "ann@example.o\u017f"])
def test_letters_whose_small_form_is_ascii_are_not_ordinary(text: str) -> None:
    """The Kelvin sign and the long s are other letters than k and s, although they fold to them."""
    assert addresses.ordinary_key(text) == ""


@given(st.text(max_size=30))
@settings(max_examples=500)
def test_text_that_can_be_shown_is_the_same_either_way(text: str) -> None:
    assert one_line(text) == " ".join(addresses._showable(text).split())


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused_with_a_reason(text: str) -> None:
    try:
        outcome = parse_address(text).key
    except InvalidAddress as error:
        outcome = error.reason
    assert outcome.isascii()
    assert outcome.endswith(".") or outcome.count("@") == 1


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("reader@example.org", "r•••@example.org"),
        ("Ann.Reader+weekly@example.org", "A•••@example.org"),
        # The one letter is the whole secret.
        ("r@example.org", "•••@example.org"),
    ],
)
def test_a_masked_address_u6(address: str, shown: str) -> None:
    assert mask(address) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ann Reader", "Ann Reader"),
        ("  Ann \t Reader\r\nBcc: x@example.org ", "Ann Reader Bcc: x@example.org"),
        ("Ann\0Reader", "Ann Reader"),
        ("Ann\u202egro.elpmaxe", "Ann gro.elpmaxe"),
        ("Ann\u2028Reader", "Ann Reader"),
        ("Jo\u0308rg", "Jörg"),
        ("\ud800Ann", "Ann"),
        # Joiners are part of how names are written in Persian and in Indic scripts.
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("x" * 300, "x" * 200),
        ("x" * 199 + " y", "x" * 199),
    ],
)
def test_text_from_outside_becomes_one_line_threat_1(text: str, shown: str) -> None:
    assert one_line(text) == shown
