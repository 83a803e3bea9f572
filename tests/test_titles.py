"""Headlines: the outlet named in them goes, and columns are told from stories."""

from __future__ import annotations

import pytest

from newsletter.sources.prose.titles import is_routine, without_outlet

HEADLINE = "Ferry to the islands reopens on Monday"


@pytest.mark.parametrize(
    ("ending", "name", "host"),
    [
        (" - Odesa Post", "Odesa Post", "post.example"),
        (" | The Odesa Post", "Odesa Post", ""),
        (" – Odesa Post", "The Odesa Post", ""),
        (" — ODESA POST", "Odesa Post - World", ""),
        (" · Odesa Post", "Odesa Post via Reader", ""),
        (" :: Odesa Post", "Odesa Post", ""),
        ("| Odesa Post", "Odesa Post", ""),
        (" - World - Odesa Post", "Odesa Post", ""),
        (" - DER SPIEGEL", "", "www.spiegel.de"),
        (" - AP News", "", "apnews.com"),
        (" | tagesschau.de", "", "www.tagesschau.de"),
        (" - BBC News", "", "www.bbc.co.uk"),
        (" - Ouest-France", "", "www.ouest-france.fr"),
        (" | ZEIT ONLINE", "", "zeit.de"),
        # Aggregators: a well known outlet or a domain.
        (" - Ouest-France", "Google Actualités", "news.google.com"),
        (" - n-tv.de", "Google", "news.google.com"),
    ],
)
def test_the_outlet_after_a_headline_goes(ending: str, name: str, host: str) -> None:
    (bare,) = without_outlet([HEADLINE + ending], [name], [host])
    assert bare in {HEADLINE, f"{HEADLINE} - World"}


@pytest.mark.parametrize(
    ("title", "name", "host"),
    [
        ("Bundesliga heute: Bayern - Dortmund", "Sport", "news.google.com"),
        ("Peace talks: Ukraine - Russia talks", "", "news.google.com"),
        ("Most want the mayor to go - Reuters poll", "Reuters", "reuters.com"),
        ("Mayor to visit Kyiv next week - Bloomberg", "УНІАН", "unian.ua"),
        ("Odesa Post - Odesa Post", "Odesa Post", "post.example"),
        ("Ferry reopens - Odesa Post", "Odesa Post", "post.example"),
        ("Bloomberg: I will not run for mayor again", "Bloomberg", "bloomberg.com"),
        ("Trump threatens to bomb Oman – as it happened", "The Guardian", "theguardian.com"),
        ("The ferry is late again - time to walk", "TIME", "post.example"),
        ("", "", ""),
        ("-", "-", ""),
    ],
)
def test_what_is_part_of_a_headline_stays(title: str, name: str, host: str) -> None:
    assert without_outlet([title], [name], [host]) == [title]


def test_an_ending_that_many_headlines_share_goes() -> None:
    shared = [f"{HEADLINE} number {number} - Elbkurier" for number in range(4)]
    others = [f"{HEADLINE} number {number} - with cars" for number in range(4, 12)]
    hosts = ["kurier.example"] * 12
    assert without_outlet(shared + others, [""], hosts) == [
        *(title.removesuffix(" - Elbkurier") for title in shared),
        *others,
    ]
    assert without_outlet(shared[:3] + others, [""], hosts[:11]) == shared[:3] + others
    assert without_outlet([*shared, *others, HEADLINE], [""], [*hosts, ""]) == [*shared, *others, HEADLINE]


def test_at_an_aggregator_each_headline_ends_with_its_outlet() -> None:
    titles = [f"{HEADLINE} number {number} - Paper of Town {number}" for number in range(8)]
    hosts = ["news.google.com"] * 8
    assert without_outlet(titles, [], hosts) == [title.rpartition(" - ")[0] for title in titles]
    assert without_outlet(titles[:7], [], hosts[:7]) == titles[:7]
    assert without_outlet(titles, [], ["post.example"] * 8) == titles


def test_the_outlet_before_a_headline_goes() -> None:
    assert without_outlet([f"Odesa Post | {HEADLINE}"], ["Odesa Post"], [""]) == [HEADLINE]
    assert without_outlet([f"Odesa Post: {HEADLINE}"] * 4, ["Odesa Post"], [""] * 4) == [HEADLINE] * 4
    assert without_outlet([f"The mayor: {HEADLINE}"] * 4, ["Odesa Post"], [""] * 4) == [f"The mayor: {HEADLINE}"] * 4


def test_no_headline_takes_long_threat_8() -> None:
    for piece in (" - x", "| ", ": ", "a", " - "):
        title = piece * (4_000 // len(piece))
        (bare,) = without_outlet([title], ["x"], ["x.example"])
        assert title.startswith(bare)
        assert is_routine(title) in {True, False}


@pytest.mark.parametrize(
    ("title", "language"),
    [
        ("Morning news brief", "en"),
        ("Open Thread", "en"),
        ("8/18: CBS Evening News", "en"),
        ("News Wrap: Defense rests in murder trial", "en"),
        ("The week around the world in 20 pictures", "en-GB"),
        ("Today in pictures", "en"),
        ("Corrections and clarifications", "en"),
        ("What channel is the final on tonight?", "en"),
        ("Iran war live: Rubio discusses Hormuz", "en"),
        ("Trump talks up ballroom – as it happened", "en"),
        ("Canada Nears Trade Deal | Balance of Power 8/21/2026", ""),
        ("U17-WM: Wo das Finale zwischen Deutschland und Frankreich im TV und Stream läuft", "de"),
        ("Ukraine-Ticker: Mehr als 40.000 Frauen in Armee", "de"),
        ("EN DIRECT - Guerre en Ukraine : le point", "fr"),
        ("Динамо - Гент: де дивитися матч", "uk"),
        ("Головні новини України 28 вересня", "uk"),
        ("Oroscopo di oggi", "it"),
        ("Onde assistir ao jogo do Brasil", "pt"),
        ("Real Madrid – Barça, en directo: última hora", "es"),
    ],
)
def test_columns_are_routine(title: str, language: str) -> None:
    assert is_routine(title, language)


@pytest.mark.parametrize(
    ("title", "language"),
    [
        ("Student livestreams school shooting", "en"),
        ("Man who lived in a tree dies at 90", "en"),
        ("Live music returns to the old port", "en"),
        ("Court corrects itself over tax on pictures", "en"),
        ("The week that changed the Middle East", "en"),
        ("ABC sues over demand for TV license renewals", "en"),
        ("Thousands watch the eclipse in Spain", "en"),
        ("Podcast host wins seat in parliament", "en"),
        ("Morning fire kills two in Odesa", "en"),
        ("Wetter in Deutschland: Schnee legt Flughafen lahm", "de"),
        ("Direktor der Oper tritt zurück", "de"),
        ("La directrice de l'école démissionne", "fr"),
        ("Живий ланцюг на вулицях Одеси", "uk"),
    ],
)
def test_stories_are_not_routine(title: str, language: str) -> None:
    assert not is_routine(title, language)
