"""Which column of a file is what: named by the person, known from a product's files, or found by its name. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from subscribers.errors import TransferError
from subscribers.importers import PLAIN_WORDS, PRODUCTS, Product, Rule, Standing, product_called, recognise

#: What the column with the addresses may be called, the best name first.
ADDRESS_COLUMNS = (
    *("email", "e-mail", "email address", "e-mail address", "email_address", "mail", "address"),
    *("e-mail-adresse", "e-mailadresse", "emailadresse", "mailadresse", "mail-adresse", "adresse"),
    *("adresse e-mail", "adresse email", "adresse de courriel", "courriel", "adresse mail"),
    *("correo electrónico", "correo electronico", "correo", "dirección de correo", "e-posta", "e-mailcím"),
    *("indirizzo e-mail", "indirizzo email", "endereço de e-mail", "e-mailadres", "e-postadress", "e-postadresse"),
    *("adres e-mail", "adres email", "el. paštas", "e-pasts", "sähköposti", "sähköpostiosoite", "e-post"),
    *("электронная почта", "эл. почта", "почта", "електронна пошта", "пошта", "имейл", "البريد الإلكتروني"),
    *("דוא״ל", 'דוא"ל', "电子邮件", "电子邮箱", "邮箱", "メールアドレス", "メール", "이메일"),
)
#: What the columns with a whole name, and with its parts, may be called.
_NAME_COLUMNS = (
    *(
        "name",
        "full name",
        "fullname",
        "full_name",
        "nom complet",
        "nombre completo",
        "vollständiger name",
        "имя",
        "ім'я",
    ),
    *("nome", "imię i nazwisko", "naam", "namn", "navn", "nimi", "姓名", "氏名", "이름", "الاسم", "שם"),
)
_NAME_PARTS = (
    ("first name", "last name"),
    ("first_name", "last_name"),
    ("firstname", "lastname"),
    ("vorname", "nachname"),
    ("prénom", "nom"),
    ("nombre", "apellidos"),
    ("nombre", "apellido"),
    ("imię", "nazwisko"),
)
_STANDING_COLUMNS = ("state", "status")
#: Columns with how readers want to be written to, in this order; our own export has all of them.
CHOICES = ("language", "text_only", "paused_until", "monthly")
#: What `--map` can name, beside field:NAME.
ROLES = ("email", "name", "tag", "agreed", "network", "state", *CHOICES)
_FIELD = "field:"
#: What a rejects file adds in front of a row's own columns.
REJECT_COLUMNS = ("line", "reason")


@dataclass(frozen=True)
class Layout:
    """The places of a file's columns, from 0, and what the words about a reader's standing mean."""

    count: int
    address: int
    #: Joined by a space.
    names: tuple[int, ...]
    #: The slug of a reader field, and where its values are.
    fields: tuple[tuple[str, int], ...]
    tags: tuple[int, ...]
    #: When and from where the reader agreed; the first that is not empty counts.
    agreed: tuple[int, ...]
    network: tuple[int, ...]
    #: Where each of CHOICES is, or None; () when none of them is there.
    choices: tuple[int | None, ...]
    rules: tuple[tuple[int, Rule], ...]
    #: What holds for everybody of whom no rule says anything.
    standing: Standing
    #: The column of an export that names the list.
    mailing_list: int | None
    #: Whose file it is; "" for any other.
    product: str

    @property
    def one_line(self) -> tuple[int, ...]:
        """The columns whose cells may not span lines."""
        return (self.address, *self.names)

    @cached_property
    def plain(self) -> bool:
        """True when there is nothing to read but addresses, names and standings."""
        return not (self.fields or self.tags or self.agreed or self.network or self.choices)


def find_layout(
    header: Sequence[str], first_line: str, source: str, *, named: Mapping[str, str], product: str = ""
) -> Layout:
    """Return the layout of a file with these columns (in lower case).

    `named` has a role (one of ROLES, or field:NAME) and the title of its column; it goes before what is known of the
    `product`, or of the one that the columns are recognised by. Raises TransferError when no column holds addresses,
    when one that is used is there twice, and when a name fits nothing.
    """
    columns = _Columns(header, first_line, source)
    known = _product_meant(product, header, source)
    given = {role: columns.named(title) for role, title in named.items() if _checked(role)}
    found = _of_product(known, columns) if known else _by_name(columns)
    found |= given
    if "email" not in found:
        raise columns.without_addresses()
    standing = next((one for name, one in known.whole_file.items() if name in header), None) if known else None
    rules = _rules(known, columns) if "state" not in given else [(given["state"], Rule("state", PLAIN_WORDS))]
    return Layout(
        count=len(header),
        address=found["email"],
        names=(found["name"],) if "name" in given else _names(known, columns),
        fields=tuple((role.removeprefix(_FIELD), at) for role, at in found.items() if role.startswith(_FIELD)),
        tags=tuple(at for role, at in found.items() if role == "tag"),
        agreed=(given["agreed"],) if "agreed" in given else columns.those(known.agreed if known else ()),
        network=(given["network"],) if "network" in given else columns.those(known.network if known else ()),
        choices=tuple(found.get(role) for role in CHOICES) if any(role in found for role in CHOICES) else (),
        rules=tuple(rules),
        standing=standing or Standing.SUBSCRIBED,
        mailing_list=header.index("list") if "list" in header and not known else None,
        product=known.title if known else "",
    )


class NoAddresses(TransferError):
    """No column of a file is known to hold addresses; somebody may say which."""


class _Columns:
    """The columns of one file, to be asked for by name."""

    def __init__(self, header: Sequence[str], first_line: str, source: str) -> None:
        self.header, self.first_line, self.source = header, first_line.strip(), source

    def place(self, names: Sequence[str]) -> int | None:
        """Return where the first of these columns is, or None. Raises TransferError when it is there twice."""
        for name in names:
            if self.header.count(name) > 1:
                raise TransferError(f"{self.source} has two columns called `{name}`. Rename one of them.")
            if name in self.header:
                return self.header.index(name)
        return None

    def those(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the places of those that are there."""
        places = (self.place([name]) for name in names)
        return tuple(place for place in places if place is not None)

    def named(self, title: str) -> int:
        """Return where the column with this title is. Raises TransferError when there is none."""
        place = self.place([title.strip().lower()])
        if place is None:
            raise TransferError(f"{self.source} has no column called `{title}`. Its columns: {self.listed}.")
        return place

    def without_addresses(self) -> NoAddresses:
        """Return the error for a file in which no column is known to hold addresses."""
        if any("@" in cell for cell in self.header) or len(self.header) == 1:
            return NoAddresses(
                f"{self.source} has no column called `email`; its first line is {self.first_line[:80]!r}. "
                "Make the first line name the columns, such as: email,name"
            )
        return NoAddresses(
            f"{self.source} has no column called `email`. Its columns: {self.listed}. "
            "Say which one has the addresses, such as: --map email=COLUMN"
        )

    @property
    def listed(self) -> str:
        shown = ", ".join(name or "(no name)" for name in self.header[:30])
        return shown[:500] + (", …" if len(self.header) > 30 or len(shown) > 500 else "")


def _checked(role: str) -> bool:
    if role in ROLES or role.startswith(_FIELD):
        return True
    roles = ", ".join((*ROLES, "field:NAME"))
    raise TransferError(f"`{role}` is nothing that a column can be mapped to. There are: {roles}.")


def _product_meant(named: str, header: Sequence[str], source: str) -> Product | None:
    """Return whose file it is. Raises TransferError where it is another's than was said.

    What one product's columns say of who left means nothing to another: everybody would be taken in.
    """
    found = recognise(header)
    if not named:
        return found
    said = _known_product(named)
    if found and found is not said:
        raise TransferError(
            f"{source} has the columns of a {found.title} export, not of {said.title}'s. Say --from {found.key}, or "
            "leave --from out."
        )
    return said


def _known_product(key: str) -> Product:
    found = product_called(key)
    if found is None:
        raise TransferError(f"Files of {key!r} are not known. There are: {', '.join(one.key for one in PRODUCTS)}.")
    return found


def _of_product(product: Product, columns: _Columns) -> dict[str, int]:
    found = {"email": columns.place(product.address), "tag": columns.place(product.tags)}
    return {role: place for role, place in found.items() if place is not None}


def _by_name(columns: _Columns) -> dict[str, int]:
    """Return what can be told from the names of the columns, our own export's among them."""
    found = {"email": columns.place(ADDRESS_COLUMNS), "tag": columns.place(("tags",))}
    found |= {role: columns.place([role]) for role in CHOICES}
    fields = {name: columns.place([name]) for name in columns.header if name.startswith(_FIELD)}
    return {role: place for role, place in (found | fields).items() if place is not None}


def _names(product: Product | None, columns: _Columns) -> tuple[int, ...]:
    if product:
        return columns.those(product.names)
    whole = columns.place(_NAME_COLUMNS)
    if whole is not None:
        return (whole,)
    return next((columns.those(parts) for parts in _NAME_PARTS if columns.place(parts) is not None), ())


def _rules(product: Product | None, columns: _Columns) -> list[tuple[int, Rule]]:
    rules = product.rules if product else tuple(Rule(column, PLAIN_WORDS) for column in _STANDING_COLUMNS)
    found = ((columns.place([rule.column]), rule) for rule in rules)
    return [(place, rule) for place, rule in found if place is not None]
