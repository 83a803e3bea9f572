"""The one list of the mails that every tool looks at. A new mail, language or stress is one entry in `MAILS`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from newsletter.mail import Mail
from newsletter.render import (
    AddressContent,
    Card,
    ConfirmContent,
    DataContent,
    GoodbyeContent,
    Identity,
    IssueContent,
    Language,
    Look,
    MovedContent,
    RegionTag,
    Renderer,
    ReviewContent,
    SourcesContent,
    WelcomeContent,
    public_page,
)
from newsletter.render.text import display_text, web_address
from tests import mail_fixtures as fixtures
from tests.mail.languages import LANGUAGES, issue_in
from tests.mail.view import MailView

Content = (
    IssueContent
    | ConfirmContent
    | WelcomeContent
    | GoodbyeContent
    | AddressContent
    | MovedContent
    | DataContent
    | ReviewContent
    | SourcesContent
)


@dataclass(frozen=True)
class Sample:
    """A mail to look at. `public` means the page that everybody may open, `trial` the copy an editor tests.

    `stranger` is for a reader who is new and whose name nobody knows. What is not `drawn` is not opened in Chromium: it
    differs from others by its words only.
    """

    content: Content
    public: bool = False
    trial: bool = False
    stranger: bool = False
    drawn: bool = True

    def mail(self, renderer: Renderer) -> Mail:
        """Return the mail with its holes."""
        match self.content:
            case IssueContent():
                mail = renderer.issue(self.content, fixtures.NONCE)
            case ConfirmContent():
                mail = renderer.confirm(self.content)
            case WelcomeContent():
                mail = renderer.welcome(self.content)
            case GoodbyeContent():
                mail = renderer.goodbye(self.content)
            case AddressContent():
                mail = renderer.address(self.content)
            case MovedContent():
                mail = renderer.moved(self.content)
            case DataContent():
                mail = renderer.data(self.content)
            case ReviewContent():
                mail = renderer.review(self.content)
            case SourcesContent():
                mail = renderer.sources(self.content)
        return renderer.test_marked(mail, fixtures.identity()) if self.trial else mail

    def view(self, renderer: Renderer) -> MailView:
        """Return the mail as a reader gets it, with what it must show."""
        mail = self.mail(renderer)
        title = replace(self, trial=False).mail(renderer).subject if self.trial else mail.subject
        values = fixtures.VALUES | ({"name": "", "new": "yes"} if self.stranger else {})
        html, text = mail.html_for(values), mail.text_for(values)
        shown = MailView(mail.subject, html, text, title=title)
        if not isinstance(self.content, IssueContent):
            return shown
        cards = (self.content.lead, *self.content.more)
        shown = replace(
            shown,
            headlines=tuple(display_text(card.headline) for card in cards),
            summaries=tuple(display_text(card.summary) for card in cards),
            links=tuple(web_address(card.link) for card in cards),
        )
        if self.public:
            page = public_page(mail.html, mail.nonce, self.content.signup_url)
            return replace(shown, html=page, text="", said=_said(self.content), wanted=(self.content.signup_url,))
        said = (fixtures.VALUES["since"], *_said(self.content))
        return replace(shown, footer=_footer(self.content), said=said, wanted=_wanted(self.content))


def _footer(content: IssueContent) -> tuple[str, ...]:
    """Return what the footer says, in order: to whom, and by whom (R42)."""
    imprint = (content.publisher, content.postal_address, content.contact)
    return (fixtures.VALUES["address"], *map(display_text, imprint))


def _said(content: IssueContent) -> tuple[str, ...]:
    """Return what each story says of itself: source, day and places (R59)."""
    language = Language.of(content.language)
    pieces: list[str] = []
    for card in (content.lead, *content.more):
        days = [language.short_date(card.day)] if card.day else []
        pieces += [card.source, *days, *(region.name for region in card.regions)]
    return tuple(display_text(piece) for piece in pieces if piece)


def _wanted(content: IssueContent) -> tuple[str, ...]:
    return (fixtures.VALUES["preferences_url"], fixtures.VALUES["unsubscribe_url"], content.view_url)


def _full() -> IssueContent:
    """An issue that uses every slot: flags, credits, other outlets, another language, the editor's own words."""
    content = fixtures.issue(3)
    flag = f"{fixtures.PICTURES}flag.png"
    lead = replace(
        content.lead,
        also=("Tatra Post", "النهار", "Hutsul Herald"),
        image_credit="Ilka Novák/CPA",
        regions=(RegionTag("UA", "Ukraine", flag), RegionTag("SK", "Slovakia", flag)),
    )
    arabic = replace(fixtures.arabic_issue().more[0], language="ar", link="https://an-nahar.example.org/1")
    flagged = replace(content.more[1], regions=(RegionTag("PL", "Poland", flag),), also=("Uzh Courier",))
    credited = replace(content.more[2], image_credit="Ada Reed", small_url=f"{fixtures.PICTURES}3.jpg")
    return replace(
        content,
        lead=lead,
        more=(arabic, flagged, credited),
        preheader="Wolves and guard dogs, a river that heats six thousand flats, and free night buses until spring.",
        intro="Dear {name|reader},\n\n{new}good to have you with us.\n\nsnow came early. *Four* of our stories are about it; read [the forecast]"
        "(https://weather.example.org/carpathia) too.",
        corrections="Issue 46 said that the bridge at Sanok opens in May. It opens in **June**.",
        closing="Until Sunday. Write to us when we miss something.",
    )


def _long() -> IssueContent:
    """The longest words and addresses, no headline twice."""
    content = fixtures.long_issue()
    more = (replace(card, headline=f"{at} {card.headline}"[:140]) for at, card in enumerate(content.more, 2))
    return replace(content, more=tuple(more))


def _wordy() -> IssueContent:
    """Headlines of 140 characters and summaries of five sentences with 45 words each (T17)."""
    sentence = " ".join(f"word{number}" for number in range(1, 45)) + " ends."
    cards = [
        replace(
            fixtures.card(number, pictures=number != 2),
            headline=(f"Story {number} has a headline that goes on " + "and on for as long as it is let, " * 4)[
                :140
            ].strip(),
            summary=" ".join([sentence] * 5),
        )
        for number in range(5)
    ]
    return replace(fixtures.issue(), lead=cards[0], more=tuple(cards[1:]))


def _bare() -> IssueContent:
    """Stories of which only the headline and the link are known (T17)."""
    content = fixtures.issue(3, pictures=False)

    def bare(card: Card) -> Card:
        return replace(card, summary="", source="", day=None, regions=())

    dated = replace(bare(content.more[2]), source="Tatra Post")
    lead, *more = (bare(one) for one in (content.lead, *content.more[:2]))
    return replace(content, lead=lead, more=(*more, dated), tagline="", number=None)


def _odd() -> IssueContent:
    """Emoji, html, entities, quotes and turned text in every field; one picture that does not load (T17)."""
    content = fixtures.issue(4)
    texts = (
        "🚒🇺🇦 Fire brigade 👩‍🚒 gets “new” engine – at last…",
        '<b>Bold</b> & Sons <script>alert(1)</script> &lt;open&gt; "late"',
        "Turned \u202eesrever\u202c and \u2067isolated\u2069 and back",
        "It's Tom's & Jerry's ½-price — naïve café Ångström ﬁnd",
        "حادث in the valley: 3 cars, 2 lorries",
    )
    cards = [
        replace(
            card, headline=text, summary=f"{text} And so it went on. Nobody was hurt.", image_alt="A <picture> & more"
        )
        for card, text in zip((content.lead, *content.more), texts, strict=True)
    ]
    broken = replace(cards[1], image_url="https://elsewhere.example.org/broken.jpg")
    return replace(content, lead=cards[0], more=(broken, *cards[2:]), edition_name="R&D “Weekly” <1>")


def _identity(tag: str) -> Identity:
    content = issue_in(tag)
    return replace(
        fixtures.identity(),
        edition_name=content.edition_name,
        language=tag,
        publisher=content.publisher,
        postal_address=content.postal_address,
    )


def _looking() -> IssueContent:
    """An edition with an accent and a picture of its name of its own."""
    logo = f"{fixtures.PICTURES}logo.png"
    look = Look(accent="#7A1F3D", accent_dark="#F0A8BF", logo_url=logo, logo_width=240)
    return replace(fixtures.issue(1), look=look)


def _spoken(tag: str) -> dict[str, Sample]:
    """Mails whose fixed words are in a language, and whose stories are not."""
    content = replace(fixtures.issue(2, pictures=False), language=tag)
    asked = replace(fixtures.confirm(), identity=replace(fixtures.identity(), language=tag))
    return {f"words {tag}": Sample(content, drawn=False), f"confirm {tag}": Sample(asked, drawn=False)}


MAILS: Mapping[str, Sample] = {
    "ten": Sample(fixtures.issue()),
    "three": Sample(fixtures.issue(3)),
    "lead only": Sample(fixtures.issue(0)),
    "no pictures": Sample(fixtures.issue(pictures=False)),
    "full": Sample(_full()),
    "stranger": Sample(_full(), stranger=True, drawn=False),
    "look": Sample(_looking()),
    "arabic": Sample(fixtures.arabic_issue()),
    **{tag: Sample(issue_in(tag)) for tag in LANGUAGES},
    "long": Sample(_long()),
    "hostile": Sample(fixtures.hostile_issue()),
    "wordy": Sample(_wordy()),
    "bare": Sample(_bare()),
    "odd": Sample(_odd()),
    "trial": Sample(fixtures.issue(1), trial=True),
    "public": Sample(fixtures.issue(), public=True),
    "confirm": Sample(fixtures.confirm()),
    "confirm several": Sample(replace(fixtures.confirm(), further=("Tatra Weekly", "أسبوع المشرق"))),
    "confirm de": Sample(replace(fixtures.confirm(), identity=_identity("de"))),
    "welcome": Sample(fixtures.welcome()),
    "welcome he": Sample(replace(fixtures.welcome(), identity=_identity("he"))),
    "goodbye": Sample(fixtures.goodbye()),
    "goodbye ja": Sample(replace(fixtures.goodbye(), identity=_identity("ja"))),
    "address": Sample(fixtures.address()),
    "address fr": Sample(replace(fixtures.address(), identity=_identity("fr"))),
    "moved": Sample(fixtures.moved()),
    "moved ar": Sample(replace(fixtures.moved(), identity=_identity("ar"))),
    "data": Sample(fixtures.data()),
    "data uk": Sample(replace(fixtures.data(), identity=_identity("uk"))),
    "review": Sample(fixtures.review()),
    "sources": Sample(fixtures.sources()),
    **{name: sample for tag in ("fr", "es", "uk", "pl", "et", "lv", "lt") for name, sample in _spoken(tag).items()},
}
_RENDERER = Renderer()
#: Those with a text part, which are sent.
SENT = tuple(name for name, sample in MAILS.items() if not sample.public)
#: Those that are opened in Chromium.
DRAWN = tuple(name for name, sample in MAILS.items() if sample.drawn)
#: Those that list stories.
ISSUES = tuple(name for name, sample in MAILS.items() if isinstance(sample.content, IssueContent))
#: Those whose texts do not repeat themselves: one headline, one story.
LANGUAGE_ISSUES = ("ten", "arabic", *LANGUAGES)


@cache
def view(name: str) -> MailView:
    """Return one of `MAILS` as a reader gets it, by the templates of the project."""
    return MAILS[name].view(_RENDERER)
