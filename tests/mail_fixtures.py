"""What the tests and the benchmark of mails show: newsrooms, stories and pictures that nobody but us made up."""

from __future__ import annotations

import io
import math
import random
from dataclasses import replace
from datetime import date
from functools import cache

from PIL import Image, ImageDraw, ImageFilter

from newsletter.mail import Sender
from newsletter.render import (
    AddressContent,
    Card,
    ConfirmContent,
    DataContent,
    GoodbyeContent,
    Identity,
    IssueContent,
    MovedContent,
    RegionTag,
    ReviewContent,
    SourcesContent,
    TroubledSource,
    WelcomeContent,
)

NONCE = "5f0c1e7a9b3d4826"
#: What fills the holes for one reader.
VALUES = {
    "address": "ilka.novak@example.org",
    "since": "3 May 2026",
    "unsubscribe_url": "https://news.example.org/u/k7Qm2xV9bTz4.1f0e9d8c7b6a5948372615",
    "preferences_url": "https://news.example.org/p/k7Qm2xV9bTz4.9a8b7c6d5e4f30211203f4",
    "token": "k7Qm2xV9bTz4.1f0e9d8c7b6a5948372615",
    "delivery_id": "0123456789abcdef0123456789abcdef",
    "name": "Ilka Novák",
    "new": "",
}
PICTURES = "https://pictures.example.org/"
#: 36 letters, and an address of 90 characters (R16).
COMPOUND = "Rindfleischetikettierungsüberwachung"
LONG_URL = "https://archive.example.org/documents/2026/11/" + "northern-valley-minutes-" + "0123456789" * 2

_PLACES = {
    "SK": RegionTag("SK", "Slovakia"),
    "PL": RegionTag("PL", "Poland"),
    "UA": RegionTag("UA", "Ukraine"),
    "RO": RegionTag("RO", "Romania"),
    "HU": RegionTag("HU", "Hungary"),
    "all": RegionTag("carpathia", "Across the mountains"),
}

_STORIES = [
    (
        "UA",
        "Night train over the Uzhok pass runs again after six years",
        "The first carriages left Uzhhorod at 21:40 on Friday, every berth taken. Engineers rebuilt two viaducts "
        "and eleven kilometres of track that the flood of 2020 had undercut. The railway plans one train each "
        "way, each night, and says a second will follow if the summer fills it. Villages along the line want the "
        "old halts back; the timetable has none.",
        "Uzh Courier",
        20,
        "A blue sleeping car on a stone viaduct between wooded hills at dusk",
    ),
    (
        "SK",
        "Shepherds and the park agree where wolves may be driven off",
        "Eleven farms will get guard dogs and electric nets paid for by the national park. In return they stop "
        "asking for shooting permits until the spring count. The agreement covers the high pastures only; farms "
        "in the valley call it half a solution.",
        "Tatra Post",
        19,
        "A white dog beside a flock on a hillside",
    ),
    (
        "PL",
        "Sanok opens the first district heating plant that runs on river water",
        "The plant takes heat from the San and warms about 6,000 flats. The town expects bills to fall by a fifth"
        " this winter. Anglers doubt that the survey of the spawning grounds was long enough.",
        "Bieszczady Week",
        18,
        "",
    ),
    (
        "RO",
        "Cluj council keeps night buses free until spring",
        "Councillors extended the trial by 31 votes to 14. It costs six million lei a year and carries some 9,000"
        " passengers on a weekend night. Drivers asked for more staff after midnight. A final decision is due in "
        "April.",
        "Someș News",
        19,
        "A lit bus stop in the rain",
    ),
    (
        "HU",
        "Wine growers in Tokaj pick three weeks early, and pick less",
        "A dry July brought the harvest forward for the third year in a row. Cellars report a fifth less juice "
        "but higher sugar. The growers' union wants the borders of the protected slopes redrawn uphill.",
        "Zemplén Hírlap",
        17,
        "Hands cutting grapes",
    ),
    (
        "UA",
        "Rakhiv's last wooden raft builder takes on two apprentices",
        "Vasyl Petrash, 71, has built rafts for the spring flood since he was twelve. Two pupils of the local "
        "school will spend three days a week in his yard. The town pays their wages for a year.",
        "Hutsul Herald",
        20,
        "",
    ),
    (
        "PL",
        "Cross-border ambulance rule ends the wait at the Barwinek pass",
        "From Monday the nearest ambulance goes, whichever side it stands on. Until now a patient changed "
        "vehicles at the border, which took eleven minutes on average. Dispatchers share one map and have learnt "
        "forty phrases of each other's language.",
        "Bieszczady Week",
        16,
        "Two ambulances side by side on a mountain road",
    ),
    (
        "SK",
        "School in Svidník teaches in four languages, and fills its benches",
        "Ten years ago the school had 61 pupils and was to be closed. Lessons in Rusyn, Slovak, Ukrainian and "
        "Romani brought it to 240. The ministry now pays for a second building.",
        "Tatra Post",
        17,
        "",
    ),
    (
        "RO",
        "Brown bear count falls for the first time since records began",
        "Rangers found 6,900 animals, 400 fewer than last year. Half of the decline lies in two counties with new"
        " roads. Biologists warn against reading a trend into one winter.",
        "Someș News",
        18,
        "Tracks of a bear in snow",
    ),
    (
        "HU",
        "Small theatre in Miskolc saved by its own audience",
        "Within nine days 1,840 people bought a seat for a season that has no programme yet. The money covers "
        "rent and heat until June. The first play will be chosen by lot among those who paid.",
        "Zemplén Hírlap",
        20,
        "",
    ),
    (
        "all",
        "Five countries publish one map of walking routes",
        "The map joins 4,200 kilometres of marked paths that so far ended at borders. Huts and springs are "
        "checked twice a year by volunteers. It is free to print.",
        "Uzh Courier",
        16,
        "A wooden signpost with seven arms",
    ),
]

_ARABIC = [
    (
        "انقطاع الكهرباء عن ثلاث قرى جبلية يدخل أسبوعه الثاني",
        "وصلت فرق الصيانة إلى موقع العطل يوم الخميس لكن الثلوج منعتها من إكمال العمل. ولا يزال نحو 11,400 شخص "
        "يعتمدون على مولدات الديزل، وقررت الشركة قطع التيار ساعتين كل ليلة بالتناوب. ويقول الأهالي إن المدارس "
        "ستبقى مغلقة حتى يوم الأحد.",
    ),
    (
        "عمال الميناء يقبلون اتفاق الأجور بعد إضراب تسعة أيام",
        "يعود العمال إلى العمل يوم الاثنين بعد موافقة أصحاب العمل على زيادة قدرها 6.5% على مدى عامين. وأيد أعضاء "
        "النقابة الاتفاق بأغلبية 412 صوتا مقابل 188.",
    ),
    (
        "مدينة صغيرة تفتتح أول محطة تدفئة تعمل بمياه النهر",
        "تغذي المحطة نحو ستة آلاف شقة، وتتوقع البلدية أن تنخفض الفواتير بمقدار الخمس هذا الشتاء.",
    ),
    (
        "المجلس البلدي يبقي حافلات الليل مجانية حتى الربيع",
        "مدد المجلس التجربة بأغلبية 31 صوتا مقابل 14. ومن المنتظر صدور القرار النهائي في أبريل.",
    ),
]


_SITES = {
    "Uzh Courier": "uzh-courier",
    "Tatra Post": "tatra-post",
    "Bieszczady Week": "bieszczady-week",
    "Someș News": "somes-news",
    "Zemplén Hírlap": "zemplen-hirlap",
    "Hutsul Herald": "hutsul-herald",
}


def card(number: int, *, pictures: bool = True) -> Card:
    """Return one of eleven stories; number 0 is made to be the lead."""
    place, headline, summary, source, day, alt = _STORIES[number]
    return Card(
        headline=headline,
        summary=summary,
        link=f"https://{_SITES[source]}.example.org/2026/11/{day}/story-{number}?id={number}&from=weekly",
        source=source,
        day=date(2026, 11, day),
        regions=(_PLACES[place],),
        image_url=f"{PICTURES}{number}.jpg" if pictures else "",
        image_alt=alt if pictures else "",
    )


def issue(stories: int = 10, *, pictures: bool = True) -> IssueContent:
    """Return an issue with a lead and as many stories below it."""
    return IssueContent(
        edition_name="Carpathian Weekly",
        tagline="The week on both sides of the mountains, read and checked by our editors.",
        language="en",
        region_name="the Carpathians",
        publisher="Carpathian Press Association",
        postal_address="Námestie slobody 7, 089 01 Svidník, Slovakia",
        contact="editors@news.example.org",
        list_name="Carpathian Weekly",
        number=47,
        day=date(2026, 11, 22),
        lead=card(0, pictures=pictures),
        more=tuple(card(number, pictures=pictures) for number in range(1, stories + 1)),
        view_url="https://news.example.org/issues/carpathian/47",
        signup_url="https://news.example.org/editions/carpathian",
        sender=Sender("Carpathian Weekly", "weekly@news.example.org", "editors@news.example.org"),
    )


def arabic_issue() -> IssueContent:
    """Return an issue that is read from right to left."""
    places = (
        RegionTag("LB", "لبنان"),
        RegionTag("JO", "الأردن"),
        RegionTag("SY", "سوريا"),
        RegionTag("levant", "المشرق"),
    )
    cards = [
        replace(card(number), headline=headline, summary=summary, source="النهار", regions=(place,), image_alt="")
        for number, ((headline, summary), place) in enumerate(zip(_ARABIC, places, strict=True))
    ]
    return replace(
        issue(),
        edition_name="أسبوع المشرق",
        tagline="أخبار الأسبوع من لبنان والأردن وسوريا، يختارها محررونا.",
        language="ar",
        region_name="المشرق",
        list_name="أسبوع المشرق",
        lead=replace(cards[0], image_alt="أعمدة كهرباء في الثلج"),
        more=tuple(cards[1:]),
    )


def long_issue() -> IssueContent:
    """Return an issue with the longest words, headlines and addresses that must fit (R16, T17)."""
    headline = f"The {COMPOUND} moves: " + "a headline of one hundred and forty characters goes on and on, " * 2
    summary = f"{COMPOUND} {LONG_URL} " + "A sentence of ordinary words that says a little more each time. " * 10
    wordy = [replace(card(n), headline=headline[:140], summary=summary, source=COMPOUND) for n in range(4)]
    bare = replace(card(4, pictures=False), headline=LONG_URL, summary="", source="", regions=())
    return replace(issue(), lead=wordy[0], more=(*wordy[1:], bare), edition_name=COMPOUND, list_name=COMPOUND)


#: Texts that must come out as they are, and do nothing.
HOSTILE = [
    "{{ 7 * 7 }} {% include '/etc/passwd' %} {# gone #} ${7*7} <% 7*7 %>",
    '<script>alert(1)</script><img src=x onerror="alert(1)">',
    "</title></style><!--[if mso]><b>--> ]]> <!--/reader--> <!--public-->",
    "-unsubscribe_url- %unsub% [unsubscribe] {{unsubscribe_url}} <%asm_group_unsubscribe_raw_url%>",
    "R&D at Q&amp;A: \"quotes\" 'and' `ticks` 👩‍🚒🇺🇦 — é",
]


def hostile_issue() -> IssueContent:
    """Return an issue whose sources are against us (threats 1, 3 and 4; R6)."""
    cards = [replace(card(n), headline=text, summary=f"Summary. {text}", source=text) for n, text in enumerate(HOSTILE)]
    bad_links = replace(
        card(5),
        headline="Evil \u202eesrever\u2066 \x00\x1b\x85text",
        link="javascript:alert(1)",
        image_url="data:image/png;base64,AAAA",
        image_alt='" onload="alert(1)',
    )
    spaced = replace(card(6), link='https://example.org/a b"c<d>|é?q=[1]&amp=2#$x', image_alt=HOSTILE[2])
    return replace(issue(), lead=cards[0], more=(*cards[1:], bad_links, spaced), tagline=HOSTILE[1])


def identity() -> Identity:
    """Return who the mails come from that are no issue."""
    content = issue()
    return Identity(
        edition_name=content.edition_name,
        language="en",
        publisher=content.publisher,
        postal_address=content.postal_address,
        contact=content.contact,
        sender=content.sender,
    )


def confirm() -> ConfirmContent:
    """Return what asks a reader whether a sign-up is meant."""
    return ConfirmContent(
        identity=identity(),
        confirm_url="https://news.example.org/c/k7Qm2xV9bTz4.3c2b1a0f9e8d7c6b5a4938271605",
        weekday=5,
        valid_days=7,
    )


def welcome() -> WelcomeContent:
    """Return what greets a reader who has joined."""
    return WelcomeContent(
        identity=identity(),
        list_name="Carpathian Weekly",
        tagline="The week on both sides of the mountains, read and checked by our editors.",
        weekday=5,
        first_day=date(2026, 11, 28),
        hour="07:00",
        latest_url="https://news.example.org/issues/carpathian/47",
        latest_subject="Carpathian Weekly: Night train over the Uzhok pass runs again after six years",
        preferences_url=VALUES["preferences_url"],
        unsubscribe_url=VALUES["unsubscribe_url"],
    )


def goodbye() -> GoodbyeContent:
    """Return what a reader gets who has left on the page."""
    return GoodbyeContent(
        identity=identity(),
        list_name="Carpathian Weekly",
        return_url="https://news.example.org/r/k7Qm2xV9bTz4.5c4b3a291807f6e5d4c3b2a1908f7e6d",
    )


def address() -> AddressContent:
    """Return what asks at a new address whether it is the reader's."""
    url = "https://news.example.org/a/AGZ8tQk2Qm2xV9bTz4Kc2b1a0f9e8d7c6"
    return AddressContent(identity=identity(), address_url=url, valid_days=7)


def moved() -> MovedContent:
    """Return what tells an old address that it is not written to any more."""
    url = "https://news.example.org/a/AGZ8tQk2Qm2xV9bTz4Kc2b1a0f9e8d7c7"
    return MovedContent(identity=identity(), back_url=url)


def data() -> DataContent:
    """Return what leads a reader to what is known of them."""
    url = "https://news.example.org/d/AGZ8tQk2Qm2xV9bTz4Kc2b1a0f9e8d7c6"
    return DataContent(identity=identity(), data_url=url, valid_hours=24)


def review() -> ReviewContent:
    """Return what asks the editors to review a draft."""
    content = issue(4)
    return ReviewContent(
        identity=identity(),
        issue_name="carpathian/2026-W47",
        subject="Carpathian Weekly: Night train over the Uzhok pass runs again after six years",
        headlines=tuple(card.headline for card in (content.lead, *content.more)),
        findings=("The lead picture has no description for those who do not see it.",),
        send_at="22 November 2026, 07:00",
        sends_unapproved=False,
    )


def sources() -> SourcesContent:
    """Return what tells editors of sources in trouble."""
    return SourcesContent(
        identity=identity(),
        sources=(
            TroubledSource("The Harbour Post", "It has failed for 5 days: There is nothing at this address."),
            TroubledSource(
                "<b>Bold</b> & Sons {{ 7*7 }}", "It has brought no new story for 6 weeks, since 2026-10-11."
            ),
        ),
    )


@cache
def picture(seed: int) -> bytes:
    """Return a landscape as JPEG: sky, sun, and hills that grow darker towards us."""
    chance = random.Random(seed)
    width, height = (1200, 675) if seed == 0 else (272, chance.choice([153, 181, 204, 272]))
    hue = chance.choice(
        [((246, 214, 176), (96, 128, 160)), ((220, 232, 236), (88, 132, 150)), ((250, 196, 150), (92, 84, 128))]
    )
    near = chance.choice([(22, 46, 44), (30, 36, 58), (44, 38, 34)])
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for y in range(height):
        part = min(1.0, y / (height * 0.62))
        draw.line([(0, y), (width, y)], fill=_between(hue[1], hue[0], part))
    left, top, size = chance.uniform(0.2, 0.7) * width, chance.uniform(0.24, 0.42) * height, height * 0.14
    draw.ellipse([left, top, left + size, top + size], fill=_between(hue[0], (255, 250, 235), 0.8))
    image = image.filter(ImageFilter.GaussianBlur(3))
    draw = ImageDraw.Draw(image)
    for layer in range(5):
        waves = [
            (chance.uniform(0.6, 5) * (1 + layer / 2), chance.uniform(0, 7), chance.uniform(0.2, 1)) for _ in range(5)
        ]
        base, swing = height * (0.46 + 0.11 * layer), height * (0.085 - 0.008 * layer)
        line = [
            (x, base + swing * sum(a * math.sin(f * x / width * 6.28 + p) / f**0.5 for f, p, a in waves) / 1.4)
            for x in range(0, width + 8, 8)
        ]
        draw.polygon(
            [*line, (width, height), (0, height)],
            fill=_between(_between(hue[0], hue[1], 0.75), near, (layer + 0.6) / 4.6),
        )
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()


def _between(one: tuple[int, int, int], other: tuple[int, int, int], part: float) -> tuple[int, int, int]:
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return red, green, blue
