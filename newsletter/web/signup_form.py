"""The sign-up form: what it offers, what came back in it, and what is wrong with that. Reads rows, changes none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from markupsafe import Markup
from sqlmodel import Session

from newsletter.render.language import Language
from newsletter.signup.asking import open_editions
from newsletter.signup.words import chosen_wording
from newsletter.web.forms import Fields
from newsletter.web.shown import EditionShown, shown_editions
from newsletter.web.site import LanguageShown, Site
from newsletter.wording import Wording, phrase
from subscribers.addresses import Address, parse_address
from subscribers.consent import FIELD_ANSWER, LANGUAGE_ANSWER
from subscribers.errors import InvalidAddress
from subscribers.fields import VALUE_LIMIT, InvalidValue, fields, value_of
from subscribers.models import FieldKind, ReaderField

#: The field that only programs fill in (U4).
TRAP = "website"
_FIELD = "field-"
#: Why an address cannot be used, as whole sentences; `parse_address` has the ends of them.
_WRONG_ADDRESS = (
    phrase("Please check the address: it is empty."),
    phrase("Please check the address: it is longer than 254 characters."),
    phrase("Please check the address: it has a control or invisible character in it."),
    phrase("Please check the address: it has a space before or after it."),
    phrase("Please check the address: it has angle brackets; give the address alone, without a name."),
    phrase("Please check the address: it has quotation marks, which few mail servers take."),
    phrase("Please check the address: it has a space in it."),
    phrase("Please check the address: it has no @-sign."),
    phrase("Please check the address: it has more than one @-sign."),
    phrase("Please check the address: nothing stands before the @-sign."),
    phrase("Please check the address: nothing stands after the @-sign."),
    phrase(
        "Please check the address: it has letters other than a to z before the @-sign, which few mail servers take."
    ),
    phrase("Please check the address: more than 64 characters stand before the @-sign."),
    phrase("Please check the address: a dot or another sign stands where none may be, before the @-sign."),
    phrase("Please check the address: an IP address stands after the @-sign; a domain name is needed."),
    phrase("Please check the address: the part after the @-sign has no dot."),
    phrase("Please check the address: its domain is reserved and never takes mail."),
    phrase("Please check the address: the part after the @-sign is not a domain name."),
)
_WRONG_VALUE = {
    FieldKind.TEXT: phrase("Please write less: %(most)s characters are the most."),
    FieldKind.CHOICE: phrase("Please choose one of the answers."),
    FieldKind.DATE: phrase("Please write the date as year, month and day, such as 2026-11-30."),
}


@dataclass(frozen=True)
class Offer:
    """What a page offers: editions, which are ticked where there are several to choose from, and own fields.

    `languages` are those that the reader may choose from; none where there is no choice. `wording` are the words beside
    the button.
    """

    editions: tuple[EditionShown, ...]
    fields: tuple[ReaderField, ...]
    languages: tuple[Language, ...]
    boxes: bool
    wording: str

    def shown_to(self, slug: str) -> str:
        """Return the words that somebody saw who asked for an edition, as they are kept."""
        edition = next(one for one in self.editions if one.slug == slug)
        return f"{edition.name}: {edition.frequency}\n{self.wording}" if self.boxes else self.wording


@dataclass(frozen=True)
class Said:
    """What a form said, as it was typed. `fields` are the answers in own fields, by the fields' names."""

    address: str = ""
    editions: frozenset[str] = frozenset()
    fields: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    token: str = ""
    work: str = ""
    trapped: bool = False

    @classmethod
    def of(cls, came: Fields, offer: Offer) -> Said:
        """Return what came in, as far as it is about what was offered."""
        slugs = {one.slug for one in offer.editions}
        return cls(
            address=came.text("address"),
            editions=frozenset(slugs & came.all("edition") if offer.boxes else slugs),
            fields={one.slug: came.text(f"{_FIELD}{one.slug}") for one in offer.fields},
            language=next((one.tag for one in offer.languages if one.tag == came.text("language")), ""),
            token=came.text("token"),
            work=came.text("work"),
            trapped=bool(came.text(TRAP)),
        )


@dataclass(frozen=True)
class Checked:
    """What a form said, once it was checked; `problems` are sentences by the names of their inputs."""

    address: Address | None
    answers: Mapping[str, str]
    problems: Mapping[str, str]


@dataclass(frozen=True)
class FieldShown:
    """An own field as the form shows it. `name` is its input's."""

    name: str
    label: str
    kind: str
    choices: tuple[str, ...]
    required: bool
    value: str


@dataclass(frozen=True)
class Form:
    """A form as the page shows it; paths start at the host's root."""

    action: str
    offer: Offer
    said: Said
    token: str
    work: bool
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[FieldShown, ...]:
        """The own fields, with what was said in them."""
        return tuple(
            FieldShown(
                f"{_FIELD}{one.slug}",
                one.label,
                one.kind.value,
                tuple(one.choices),
                one.required,
                self.said.fields.get(one.slug, ""),
            )
            for one in self.offer.fields
        )

    @property
    def languages(self) -> tuple[LanguageShown, ...]:
        """The languages to choose from, each by its own name."""
        return tuple(map(LanguageShown.of, self.offer.languages))


def read_offer(session: Session, site: Site, wording: Wording, slug: str | None = None) -> Offer | None:
    """Return what a page offers: one edition, or all with boxes; None when nobody can sign up for that edition."""
    rows = open_editions(session)
    shown = [row for row in rows if slug is None or row.slug == slug]
    if slug is not None and not shown:
        return None
    editions = shown_editions(session, shown, site.pages.root, site.clock(), wording)
    return Offer(
        editions,
        tuple(fields(session)),
        _languages(site, wording, (row.language for row in rows)),
        boxes=slug is None,
        wording=chosen_wording(wording) if slug is None else editions[0].wording,
    )


def checked(said: Said, offer: Offer, wording: Wording) -> Checked:
    """Check what a form said."""
    problems: dict[str, str] = {}
    address = None
    try:
        address = parse_address(said.address)
    except InvalidAddress as error:
        problems["address"] = wording.say(f"Please check the address: {error.reason}")
    if not said.editions:
        problems["edition"] = wording.say(phrase("Please choose at least one newsletter."))
    # Without an answer mails and pages are in the edition's language, which its own page has.
    own = said.language if offer.boxes or said.language != wording.language.tag else ""
    answers = {LANGUAGE_ANSWER: own} if own else {}
    for one in offer.fields:
        try:
            value = value_of(one, said.fields[one.slug])
        except InvalidValue:
            problems[f"{_FIELD}{one.slug}"] = wording.say(_WRONG_VALUE[one.kind], most=VALUE_LIMIT)
            continue
        if value:
            answers[f"{FIELD_ANSWER}{one.slug}"] = value
        elif one.required:
            problems[f"{_FIELD}{one.slug}"] = wording.say(phrase("Please fill this in."))
    return Checked(address, answers, problems)


def form_for(site: Site, action: str, offer: Offer, said: Said, problems: Mapping[str, str] | None = None) -> Form:
    """Return a form to show. One that comes back to be mended keeps its token, which was not used up."""
    rules = site.door.rules
    token = said.token or site.door.token(site.clock())
    return Form(action, offer, replace(said, token=""), token, rules.proof_of_work, problems or {})


def names_of(editions: Iterable[EditionShown], wording: Wording) -> Markup:
    """Return the names of editions in a list as the language writes it: "A, B and C", each in its own direction."""
    bdi = Markup('<bdi lang="{}">{}</bdi>')
    return Markup(wording.language.listed([bdi.format(one.language, one.name) for one in editions]))  # noqa: S704 - escaped


def plain_names_of(editions: Iterable[EditionShown], wording: Wording) -> str:
    """Return the same as plain text, each name between isolates (UAX 9)."""
    return wording.language.listed([f"\u2068{one.name}\u2069" for one in editions])


def _languages(site: Site, wording: Wording, tags: Iterable[str]) -> tuple[Language, ...]:
    """Return the editions' languages, where pages speak more than one of them."""
    spoken: Sequence[str] = sorted({*filter(None, map(site.pages.offered_tag, tags)), wording.language.tag})
    return tuple(map(Language.of, spoken)) if len(spoken) > 1 else ()
