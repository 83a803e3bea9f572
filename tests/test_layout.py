"""Which column of a file is what: by its name, by a product's custom, or as somebody says."""

from __future__ import annotations

import pytest

from subscribers.errors import TransferError
from subscribers.importers import Standing
from subscribers.transfer import Layout, NoAddresses, find_layout
from subscribers.transfer.rows import split_tags


def _layout(header: str, product: str = "", **named: str) -> Layout:
    columns = tuple(title.lower() for title in header.split(","))
    return find_layout(columns, header, "readers.csv", named=named, product=product)


@pytest.mark.parametrize(
    ("header", "address", "names"),
    [
        ("email,name", 0, (1,)),
        ("Name,E-Mail", 1, (0,)),
        ("First Name,Last Name,Email Address", 2, (0, 1)),
        ("Nachname,E-Mail-Adresse,Vorname", 1, (2, 0)),
        ("Correo electrónico,Nombre,Apellidos", 0, (1, 2)),
        ("Prénom,Nom,Courriel", 2, (0, 1)),
        ("Ім'я,Електронна пошта", 1, (0,)),
        # The address of a house, where there is an e-mail address beside it.
        ("Address,Email", 1, ()),
        ("Adresse,E-Mail", 1, ()),
        ("Last name,email", 1, (0,)),
    ],
)
def test_columns_are_known_by_their_names(header: str, address: int, names: tuple[int, ...]) -> None:
    found = _layout(header)
    assert (found.address, found.names) == (address, names)
    assert found.plain


def test_what_somebody_says_goes_before_what_is_known() -> None:
    found = _layout(
        "Email,Mail,Full name,City,Groups,Since,From,Stand",
        email="Mail",
        name="full NAME",
        tag="Groups",
        agreed="Since",
        network="From",
        state="Stand",
        **{"field:town": "City"},
    )
    assert (found.address, found.names, found.fields) == (1, (2,), (("town", 3),))
    assert (found.tags, found.agreed, found.network) == ((4,), (5,), (6,))
    assert [(place, rule.words["unsubscribed"]) for place, rule in found.rules] == [(7, Standing.LEFT)]
    assert not found.plain


def test_a_products_columns_can_be_mapped_beside_what_is_known_of_them() -> None:
    found = _layout("id,email,name,note,subscribed_to_emails,labels", **{"field:remark": "note"})
    assert (found.product, found.fields, found.tags) == ("Ghost", (("remark", 3),), (5,))


def test_a_product_is_taken_at_its_word() -> None:
    assert _layout("email,created_at").product == ""
    assert _layout("email,created_at", "substack").product == "Substack"
    assert _layout("email,created_at", "substack").agreed == (1,)


def test_a_file_of_one_product_is_not_read_as_another_s() -> None:
    """Mailchimp's rules know nothing of `subscribed_to_emails`: everybody who left would be taken in."""
    with pytest.raises(
        TransferError, match=r"has the columns of a Ghost export, not of Mailchimp's\. Say --from ghost"
    ):
        _layout("id,email,name,subscribed_to_emails", "mailchimp")


@pytest.mark.parametrize(
    ("header", "named", "sentence"),
    [
        (
            "Mail,Town",
            {},
            "readers.csv has no column called `email`. Its columns: mail2, town. "
            "Say which one has the addresses, such as: --map email=COLUMN",
        ),
        (
            "ann@example.org,Ann",
            {},
            "readers.csv has no column called `email`; its first line is 'ann@example.org,Ann'. "
            "Make the first line name the columns, such as: email,name",
        ),
        (
            '"email',
            {},
            "readers.csv has no column called `email`; its first line is '\"email'. "
            "Make the first line name the columns, such as: email,name",
        ),
        ("email,Email", {}, "readers.csv has two columns called `email`. Rename one of them."),
        ("email,state,STATE", {}, "readers.csv has two columns called `state`. Rename one of them."),
        ("email,name", {"name": "Nom"}, "readers.csv has no column called `Nom`. Its columns: email, name."),
        (
            "email,name",
            {"colour": "name"},
            "`colour` is nothing that a column can be mapped to. "
            "There are: email, name, tag, agreed, network, state, language, text_only, paused_until, monthly, field:NAME.",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(header: str, named: dict[str, str], sentence: str) -> None:
    with pytest.raises(TransferError) as caught:
        _layout(header.replace("Mail", "Mail2"), **named)
    assert str(caught.value) == sentence


def test_a_huge_header_is_not_shown_whole() -> None:
    with pytest.raises(NoAddresses) as caught:
        _layout(",".join(["x" * 60] * 1_000))
    assert len(str(caught.value)) < 700


def test_an_unknown_product_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(TransferError, match="There are: mailchimp, ghost, substack, buttondown, listmonk"):
        _layout("email", "mailman")


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", ()),
        ("VIP", ("vip",)),
        ("Book club, VIP", ("book club", "vip")),
        ('"Book club","VIP"', ("book club", "vip")),
        ("book club;vip;", ("book club", "vip")),
        ("['a', \"b\"]", ("a", "b")),
        ("a|b|A", ("a", "b")),
        (" , ;", ()),
        ('5" tall', ("5 tall",)),
        ("x" * 100, ("x" * 64,)),
    ],
)
def test_tags_in_a_cell(text: str, tags: tuple[str, ...]) -> None:
    assert split_tags(text) == tags
