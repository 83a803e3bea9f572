"""Which regions a story is about: tables for each kind of ambiguity and inflection, evidence, own words, parents, areas."""

from __future__ import annotations

import json

import pycountry
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import regions
from newsletter.regions import ABOUT, About, Gazetteer, RegionWords, Tag, parent_of
from newsletter.regions.data import read_sections
from newsletter.regions.inflect import stems

COUNTRIES = [
    RegionWords(country.alpha_2, getattr(country, "common_name", country.name)) for country in pycountry.countries
]


@pytest.fixture(scope="module")
def world() -> Gazetteer:
    """Every country is registered, and nothing of our own."""
    return Gazetteer.of(COUNTRIES)


def about(gazetteer: Gazetteer, headline: str, summary: str = "", language: str = "", home: str = "") -> set[str]:
    """Return the codes of the regions that the story is about."""
    tags = gazetteer.tag(About(headline, summary, language, home=home))
    return {tag.code for tag in tags if tag.strength >= ABOUT}


def named(gazetteer: Gazetteer, headline: str, summary: str = "", language: str = "", home: str = "") -> set[str]:
    """Return the codes of all regions that the story mentions, however weakly."""
    return {tag.code for tag in gazetteer.tag(About(headline, summary, language, home=home))}


@pytest.mark.parametrize(
    ("language", "headline", "code"),
    [
        ("en", "Ukraine signs a treaty", "UA"),
        ("en", "Ukrainian forces hold the bridge", "UA"),
        ("en", "Metro reopens in Kharkiv", "UA"),
        ("en", "Kremlin rejects the plan", "RU"),
        ("en", "Downing Street denies the report", "GB"),
        ("en", "Knesset votes on the budget", "IL"),
        ("en", "Ivory Coast votes", "CI"),
        ("en", "Cote d'Ivoire votes", "CI"),
        ("en", "Floods in Bavaria", "DE"),
        ("en", "Hyderabad opens a new line", "IN"),
        ("en", "US sends aid", "US"),
        ("en", "UK to cut tariffs", "GB"),
        ("de", "Ukrainische Truppen halten die Brücke", "UA"),
        ("de", "Die Zahl der ukrainischen Betriebe sinkt", "UA"),
        ("de", "Streit um Deutschlands Haushalt", "DE"),
        ("de", "Münchner Polizei sucht Zeugen", "DE"),
        ("de", "Bundestag beschließt Gesetz", "DE"),
        ("de", "Explosion in Großbritannien", "GB"),
        ("fr", "L'armée ukrainienne avance", "UA"),
        ("fr", "Les agriculteurs français manifestent", "FR"),
        ("fr", "Séisme en Turquie", "TR"),
        ("fr", "L'Élysée dément", "FR"),
        ("es", "El ejército ucraniano avanza", "UA"),
        ("es", "Las autoridades españolas investigan", "ES"),
        ("es", "Terremoto en Turquía", "TR"),
        ("it", "Il governo tedesco approva la legge", "DE"),
        ("uk", "Україна отримає допомогу", "UA"),
        ("uk", "Уряд України ухвалив рішення", "UA"),
        ("uk", "Зустріч з Україною", "UA"),
        ("uk", "Допомога Україні зростає", "UA"),
        ("uk", "Вибухи у Львові", "UA"),
        ("uk", "Мер Львова пояснив", "UA"),
        ("uk", "У Харкові відкрили метро", "UA"),
        ("uk", "Делегація з Києва прибула", "UA"),
        ("uk", "На Житомирщині горить ліс", "UA"),
        ("uk", "У Сумах пролунав вибух", "UA"),
        ("uk", "Потяг до Рівного затримався", "UA"),
        ("uk", "Польський уряд підтримав", "PL"),
        ("uk", "Кордон з Польщею закрито", "PL"),
        ("uk", "Угода із Саудівською Аравією", "SA"),
        ("uk", "У Північній Македонії вибори", "MK"),
        ("ru", "Власти Германии объявили", "DE"),
        ("ru", "Украинские военные сообщили", "UA"),
        ("ru", "Взрыв в Новосибирске", "RU"),
        ("pl", "Rząd Polski zdecydował", "PL"),
        ("pl", "Wybory w Polsce", "PL"),
        ("pl", "Pociąg z Krakowa do Wiednia", "PL"),
        ("pl", "Spotkanie w Warszawie", "PL"),
        ("pl", "Ukraińskie władze potwierdzają", "UA"),
        ("pl", "Powódź w Niemczech", "DE"),
        ("cs", "Vláda v Německu jedná", "DE"),
        ("fi", "Ruotsissa äänestetään", "SE"),
        ("fi", "Hallitus kokoontuu Helsingissä", "FI"),
        ("et", "Valimised Saksamaal", "DE"),
        ("lt", "Vyriausybė Lietuvoje", "LT"),
        ("lt", "Sprogimas Ukrainoje", "UA"),
        ("lv", "Vēlēšanas Latvijā", "LV"),
        ("hu", "Választás Ukrajnában", "UA"),
        ("ro", "Alegeri în Polonia", "PL"),
        ("sv", "Explosion i Tyskland", "DE"),
        ("nl", "Verkiezingen in Duitsland", "DE"),
        ("tr", "Türkiye'de seçim", "TR"),
        ("el", "Εκλογές στην Ουκρανία", "UA"),
        ("ar", "زلزال في تركيا", "TR"),
        ("ar", "وزير الخارجية بمصر", "EG"),
        ("he", "בחירות בגרמניה", "DE"),
        ("hi", "भारत की जीत", "IN"),
        ("zh", "昨日乌克兰发生爆炸", "UA"),
        ("ja", "ウクライナで停電", "UA"),
        ("ja", "昨日日本で地震", "JP"),
        ("ko", "우크라이나에서 폭발", "UA"),
        ("th", "ข่าวประเทศไทยวันนี้", "TH"),
    ],
)
def test_names_are_found_in_the_language_and_the_case_they_stand_in(
    world: Gazetteer, language: str, headline: str, code: str
) -> None:
    assert code in about(world, headline, language=language)


@pytest.mark.parametrize(
    ("headline", "summary", "code"),
    [
        ("У Харкові відкрили метро", "", "UA"),
        ("Krakowie grozi smog", "Władze mówią, że nie ma zagrożenia, ale proszą o ostrożność.", "PL"),
        ("Die Münchner Polizei sucht nach einem Zeugen", "", "DE"),
    ],
)
def test_the_language_is_guessed_when_nobody_knows_it(world: Gazetteer, headline: str, summary: str, code: str) -> None:
    assert about(world, headline, summary) == {code}


@pytest.mark.parametrize(
    "headline",
    [
        "Guinea pig wins the show",
        "Brazil nuts recalled",
        "A recipe for Swiss cheese fondue",
        "French fries and German shepherds",
        "Turkish delight and Danish pastry in one shop",
        "Bermuda shorts and a Panama hat are back",
        "Roast turkey for twelve",
        "Turkey dinner served at the shelter",
        "China cabinet sold for a record price",
        "How to polish old shoes",
        "Bone china, made by hand",
        "Nice weather for the weekend",
        "Reading skills improve in primary schools",
        "Orange juice prices rise",
        "Kharkivska street reopens",
        "Panamerican games open",
        "Join us today",
        "THEY TOLD US NOTHING",
        "BUS STRIKE",
        "Michael Jordan sells his team",
        "Jordan Peterson talks to students",
        "Chad Smith said he would leave the band",
        "Paris Hilton opens a club",
        "Georgia Meloni-Smith, 34, opens a bakery",
        "Israel Adesanya wins the title fight",
        "Coach Jordan praises the young team",
        "Fire in a house on Berlin Street",
        "Ferry service on River Niger resumes",
    ],
)
def test_what_is_only_called_like_a_place_names_none(world: Gazetteer, headline: str) -> None:
    assert named(world, headline, language="en") == set()


@pytest.mark.parametrize(
    ("language", "headline"),
    [
        ("fr", "Incendie rue de Berlin"),
        ("fr", "Promenade au jardin du Luxembourg"),
        ("de", "Zum Essen gibt es Fisch"),
        ("de", "Hamburger selber machen: so geht es"),
        ("uk", "Морква по-корейськи подорожчала"),
        ("uk", "Які суми отримають вкладники"),
        ("ja", "ブラジルナッツの食べ方"),
        ("ar", "مصرف جديد"),
        ("hi", "भारती एयरटेल"),
    ],
)
def test_phrases_and_parts_of_words_name_no_place(world: Gazetteer, language: str, headline: str) -> None:
    assert named(world, headline, language=language) == set()


@pytest.mark.parametrize(
    ("headline", "summary", "home", "codes"),
    [
        # Georgia, the country and the state
        ("Georgia votes on foreign agents law", "Protesters filled the streets of Tbilisi.", "", {"GE"}),
        ("Georgia governor signs the budget", "", "", {"US"}),
        ("Georgia school board meets", "The sheriff and the county were there.", "", {"US"}),
        ("Georgia schools reopen", "", "US", {"US"}),
        ("Russia and Georgia restore flights", "", "", {"RU", "GE"}),
        # towns of one name
        ("Paris, Texas, repairs its tower", "", "", {"US"}),
        ("Moscow, Idaho, mourns four students", "", "", {"US"}),
        ("Lebanon, Pennsylvania, gets a library", "", "", {"US"}),
        ("Festival opens in London, Ontario", "", "", {"CA"}),
        ("Birmingham Alabama council meets", "", "", {"US"}),
        ("Birmingham council declares bankruptcy", "", "", {"GB"}),
        ("Birmingham mayor speaks", "The Alabama city voted.", "", {"US"}),
        ("Paris police search a flat", "", "", {"FR"}),
        ("Fire in Paris, TX", "", "", {"US"}),
        # names inside longer ones
        ("New Mexico fire spreads", "", "", {"US"}),
        ("New England braces for snow", "", "", {"US"}),
        ("New South Wales floods", "", "", {"AU"}),
        ("North Korea fires a missile", "", "", {"KP"}),
        ("South Korea elects a president", "", "", {"KR"}),
        ("Niger State bus crash kills nine", "", "", {"NG"}),
        ("Niger junta expels envoy", "", "", {"NE"}),
        ("Nigeria votes", "", "", {"NG"}),
        ("Equatorial Guinea votes", "", "", {"GQ"}),
        ("Papua New Guinea landslide", "", "", {"PG"}),
        ("Guinea-Bissau coup fails", "", "", {"GW"}),
        ("Northern Ireland assembly sits", "", "", {"GB"}),
        ("Dominican Republic closes border", "", "", {"DO"}),
        ("Democratic Republic of Congo reports Ebola", "", "", {"CD"}),
        ("Congo-Brazzaville votes", "", "", {"CG"}),
        ("American Samoa votes", "", "", {"AS"}),
        ("New York subway fares rise", "", "", {"US"}),
        # ordinary words
        ("Tax protest in Nice", "", "", {"FR"}),
        ("Floods near Reading", "", "", {"GB"}),
        ("Attack in Nice kills three", "Nice is in mourning.", "", {"FR"}),
        ("Georgia and Turkey agree on a pipeline", "", "", {"GE", "TR"}),
        ("Washington state ferry sinks", "", "", {"US"}),
    ],
)
def test_the_story_decides_between_places_of_one_name(
    world: Gazetteer, headline: str, summary: str, home: str, codes: set[str]
) -> None:
    assert about(world, headline, summary, "en", home) == codes


def test_a_better_reading_takes_a_match_away_though_its_region_is_not_registered() -> None:
    only_georgia = Gazetteer.of([RegionWords("GE", "Georgia")])
    assert named(only_georgia, "Georgia governor signs the budget", "Atlanta schools get more.", "en") == set()


def test_a_person_stays_a_person_through_the_story(world: Gazetteer) -> None:
    assert named(world, "Record price for shoes of Michael Jordan", "The pair worn by Jordan was sold.", "en") == set()
    assert about(world, "Jordan king opens parliament", "", "en") == {"JO"}


@pytest.mark.parametrize(
    ("headline", "summary", "weak"),
    [
        ("Ukraine signs a grain deal", "Talks took years. The minister once studied in France.", "FR"),
        ("French tourist drowns off Thailand", "", "FR"),
        ("Deutsche Bank names new head of trading in London", "", "DE"),
        ("Scottish whisky sells less", "KYIV (Reuters) - Distillers in Scotland cut jobs.", "UA"),
        ("Spain cuts taxes", "Ministers met in Madrid. They spoke for hours. Critics point to Norway.", "NO"),
        ("Sweden hosts the final", "Manchester United play Real Madrid on Sunday.", "ES"),
    ],
)
def test_what_is_named_in_passing_is_weaker_than_what_the_story_is_about(
    world: Gazetteer, headline: str, summary: str, weak: str
) -> None:
    strengths = {tag.code: tag.strength for tag in world.tag(About(headline, summary, "en"))}
    assert 0 < strengths[weak] < ABOUT <= max(strengths.values())


def test_the_headline_is_stronger_than_the_summary_and_tags_come_strongest_first(world: Gazetteer) -> None:
    tags = world.tag(About("Spain cuts taxes", "Portugal may follow.", "en"))
    assert [tag.code for tag in tags] == ["ES", "PT"]
    assert tags[0].strength > tags[1].strength
    assert all(0 <= tag.strength <= 1 for tag in tags)


@pytest.mark.parametrize(
    ("looked_at", "code", "evidence"),
    [
        (About("Metro reopens in Kharkiv"), "UA", '"Kharkiv" in the headline'),
        (About("Metro reopens", "Trains run in Kharkiv again."), "UA", '"Kharkiv" in the summary'),
        (About("У Харкові відкрили метро"), "UA", '"Харкові" in the headline'),
        (About("Metro reopens", categories=("World", "Ukraine")), "UA", '"Ukraine" in the categories'),
        (About("Ukrainian troops advance"), "UA", '"Ukrainian" in the headline'),
    ],
)
def test_the_evidence_says_which_words_and_where(world: Gazetteer, looked_at: About, code: str, evidence: str) -> None:
    assert {tag.code: tag.evidence for tag in world.tag(looked_at)}[code] == evidence


def test_a_category_counts_like_a_strong_mention(world: Gazetteer) -> None:
    (tag,) = world.tag(About("Metro reopens", "Trains run again.", "en", ("Ukraine",)))
    assert tag.strength >= ABOUT


@pytest.mark.parametrize(
    ("headline", "summary"),
    [
        (
            "Opinion: what the letters say",
            "Photo Illustration by Victoria Sunday/The Daily Planet/Getty Images They met.",
        ),
        ("Star returns to film", "Photo by Paris Whitney He is in talks."),
        ("Star returns to film", "Harold Houston / AFP via Getty Images He is in talks."),
        ("Death row inmate's conviction stands", "The court ruled on Brittany Holberg. Holberg was sentenced in 1998."),
        ("Founding member of the band dies aged 55", "Derry Brownson spoke of his illness last year."),
        ("Minister Austin leaves the cabinet", ""),
        ("Former Verteidigungsminister Austin speaks", ""),
        ("New boots of Luke Bryan are sold out", ""),
        ("Lloyd Austin resigns", "Critics say Austin waited too long."),
        ("Berkshire Hathaway raises its stake", ""),
    ],
)
def test_people_firms_and_credits_are_no_places(world: Gazetteer, headline: str, summary: str) -> None:
    assert named(world, headline, summary, "en") == set()


@pytest.mark.parametrize(
    ("language", "headline", "summary", "weak"),
    [
        ("fr", "Le point sur la nuit - Ouest-France", "", "FR"),
        ("fr", "Le festival dévoile son affiche - Le Parisien", "", "FR"),
        ("en", "Minister quits", "She told the Kyiv Independent on Sunday.", "UA"),
        ("en", "Minister quits", "She told the Bristol Echo on Sunday.", "GB"),
        ("de", "Champions League: Manchester City gegen RB Leipzig", "", "DE"),
        ("en", "Army to drop battalion set up to learn from Ukraine war", "", "UA"),
        ("de", "G20: Putin spricht über Ukraine-Krieg", "", "UA"),
        ("en", "The technology that goes underground", "The war in Ukraine has spurred people to dig.", "UA"),
        ("en", "Coral dies faster", "It is heat, said an expert at the University of Salford in the UK.", "GB"),
        ("en", "Striker scores three", "The 20-year-old is a player from Kharkiv.", "UA"),
    ],
)
def test_papers_wars_experts_and_the_other_team_are_mentions_in_passing(
    world: Gazetteer, language: str, headline: str, summary: str, weak: str
) -> None:
    strengths = {tag.code: tag.strength for tag in world.tag(About(headline, summary, language))}
    assert 0 < strengths[weak] < ABOUT


@pytest.mark.parametrize(
    ("language", "headline", "summary", "code"),
    [
        ("en", "Ukraine war: Kharkiv hit", "", "UA"),
        ("en", "Ukraine war: what we know", "", "UA"),
        ("fr", "Guerre en Ukraine : le point", "", "UA"),
        ("de", "Bundesgesundheitsministerin legt Gesetz vor", "", "DE"),
        ("de", "Schwarz-Grün verliert die Mehrheit im Bundeshaushalt-Streit", "", "DE"),
        ("de", "Ampel-Koalition streitet", "", "DE"),
        ("fr", "Un ministre jugé par la Cour de justice de la République", "", "FR"),
        ("fr", "Miss France : les candidates", "", "FR"),
        ("fr", "Grève à la SNCF", "", "FR"),
        ("en", "Miss Ukraine is crowned", "", "UA"),
        ("en", "Met Police apologises", "", "GB"),
        ("en", "FBI searches a house", "", "US"),
        ("en", "Ossoff answers the White House", "", "US"),
        ("en", "Gov. Greg Abbott signs the bill", "", "US"),
        ("en", "Macron calls an election", "", "FR"),
        ("de", "Merz kontert Söder", "", "DE"),
        ("uk", "Зеленського зустріли в парламенті", "", "UA"),
        ("uk", "ДСНС: двоє загиблих", "", "UA"),
        ("pl", "Tuska czeka trudny tydzień", "", "PL"),
        ("en", "Police ask for witnesses in Carlisle", "", "GB"),
        ("en", "Carlisle mourns", "The Cumbria town held a vigil.", "GB"),
        ("en", "UK Foreign Office names ambassador", "", "GB"),
    ],
)
def test_institutions_and_leaders_speak_for_their_country(
    world: Gazetteer, language: str, headline: str, summary: str, code: str
) -> None:
    assert about(world, headline, summary, language) == {code}


@pytest.mark.parametrize(
    ("headline", "summary"),
    [
        ("Pennsylvania police helicopter and plane collide near Carlisle Airport", ""),
        ("Pilot killed near the Carlisle airport", "The helicopter belonged to Pennsylvania State Police."),
    ],
)
def test_a_british_town_is_american_in_a_story_of_an_american_state(
    world: Gazetteer, headline: str, summary: str
) -> None:
    assert about(world, headline, summary, "en") == {"US"}


def test_a_title_and_its_holder_are_one_mention(world: Gazetteer) -> None:
    (alone,) = world.tag(About("Talks go on", "The French side agreed.", "en"))
    (titled,) = world.tag(About("Talks go on", "The French President Emmanuel Macron agreed.", "en"))
    assert titled.strength == alone.strength


def test_words_of_a_region_name_no_people_or_papers(world: Gazetteer) -> None:
    assert not {"Emmanuel Macron", "Ouest-France"} & set(world.words("FR"))


# The newsroom's own words.

OWN = Gazetteer.of(
    [
        RegionWords("UA", "Ukraine", ("Kharkiv", "Kyiv", "Харків", "Nova Kakhovka", "UA")),
        RegionWords("US", "United States", ("US", "U.S.", "America")),
        RegionWords("CI", "Côte d’Ivoire", ("Abidjan",)),
        RegionWords("FR-75C", "Paris", ("!Paris Hilton", "!Plaza Paris")),
        RegionWords("fen-north", "Northern Fens", ("Lower Wick", "Ferrymoor"), "GB-ENG"),
        RegionWords("GB-ENG", "England"),
        RegionWords("GB", "United Kingdom"),
        RegionWords("X", " ", ("", "\n")),
    ]
)


@pytest.mark.parametrize(
    ("headline", "codes"),
    [
        ("Kharkiv-based firm", {"UA"}),
        ("Kharkiv's mayor", {"UA"}),
        ("«Харків» грає вдома", {"UA"}),
        ("Nova  Kakhovka\u00a0dam", {"UA"}),
        ("Kyiv2030 plan", set()),
        ("US sends aid", {"US"}),
        ("Join us today", set()),
        ("The U.S. budget", {"US"}),
        ("america votes", {"US"}),
        ("Latin America votes", set()),
        ("Co\u0302te d’Ivoire votes", {"CI"}),
        ("ferrymoor bridge closed", {"fen-north", "GB-ENG", "GB"}),
        ("Ferrymoors bridge", set()),
        ("A night with Paris Hilton", set()),
        ("The Plaza Paris reopens", set()),
        ("Paris reopens its river", {"FR-75C"}),
    ],
)
def test_own_words_are_whole_words_in_any_case_but_for_abbreviations(headline: str, codes: set[str]) -> None:
    assert about(OWN, headline, language="en") == codes


def test_in_scripts_without_spaces_a_word_matches_anywhere_but_in_a_longer_name() -> None:
    japan = Gazetteer.of([RegionWords("JP-26", "Kyoto", ("京都",)), RegionWords("JP", "Japan", ("日本",))])
    assert about(japan, "昨日京都で地震", language="ja") == {"JP-26", "JP"}
    assert about(japan, "東京都で地震", language="ja") == {"JP"}


def test_evidence_fits_its_column() -> None:
    name = "Very " * 60 + "Long"
    (tag,) = Gazetteer.of([RegionWords("long", name)]).tag(About(name))
    assert len(tag.evidence) <= 200


def test_what_names_a_region_is_told_own_words_first() -> None:
    words = OWN.words("UA")
    assert words[:3] == ("Ukraine", "Kharkiv", "Kyiv")
    assert {"Україна", "Ukrainian", "Lviv"} <= set(words)
    assert OWN.words("nowhere") == ()


# Parents, areas.

PLACES = Gazetteer.of(
    [
        RegionWords("UA-63", "Kharkiv Oblast", area=(48.5, 34.8, 50.5, 38.1)),
        RegionWords("UA", "Ukraine"),
        RegionWords("FJ", "Fiji", area=(-21.0, 176.0, -12.0, -178.0)),
        RegionWords("US", "United States"),
    ]
)


def test_a_child_tags_its_parent_a_little_weaker_and_says_so() -> None:
    tags = {tag.code: tag for tag in PLACES.tag(About("Metro reopens in Kharkiv"))}
    assert tags["UA"].evidence == 'Kharkiv Oblast: "Kharkiv" in the headline'
    assert ABOUT <= tags["UA"].strength < tags["UA-63"].strength


def test_a_parent_never_tags_its_child() -> None:
    assert about(PLACES, "Ukraine signs a treaty") == {"UA"}
    assert about(PLACES, "Lviv reopens its opera") == {"UA"}


@pytest.mark.parametrize(
    ("point", "code", "evidence"),
    [
        ((49.99, 36.23), "UA-63", "its place, 49.99 N 36.23 E, lies in the area"),
        ((-17.8, 178.4), "FJ", "its place, 17.80 S 178.40 E, lies in the area"),
        ((-16.8, -179.9), "FJ", "its place, 16.80 S 179.90 W, lies in the area"),
    ],
)
def test_a_point_in_the_area_is_evidence(point: tuple[float, float], code: str, evidence: str) -> None:
    tags = {tag.code: tag for tag in PLACES.tag(About("Metro reopens", point=point))}
    assert tags[code].evidence == evidence
    assert tags[code].strength >= ABOUT


def test_a_point_elsewhere_is_none() -> None:
    assert PLACES.tag(About("Metro reopens", point=(10.0, 10.0))) == []


@pytest.mark.parametrize(
    ("code", "parent"),
    [("GB-SCT", "GB"), ("UA-63", "UA"), ("UA", ""), ("fen-north", ""), ("", ""), ("FR-75C", "FR-IDF"), ("XX-1", "")],
)
def test_the_parent_of_a_code_is_what_iso_says(code: str, parent: str) -> None:
    assert parent_of(code) == parent


# Robustness, data.


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80), st.text(max_size=120), st.sampled_from(["", "en", "de", "uk", "ja", "xx", "-"]))
def test_any_text_has_tags_within_bounds(world: Gazetteer, headline: str, summary: str, language: str) -> None:
    for tag in world.tag(About(headline, summary, language, (summary,), home=language)):
        assert isinstance(tag, Tag)
        assert 0 < tag.strength <= 1
        assert len(tag.evidence) <= 200


def test_every_code_of_the_tables_exists() -> None:
    known = {part.code for part in pycountry.subdivisions} | {country.alpha_2 for country in pycountry.countries}
    listed = {*read_sections("cities.txt"), *read_sections("seats.txt")}
    listed |= {*read_sections("leaders.txt"), *read_sections("outlets.txt")}
    for name in ("subdivisions.txt", "demonyms.txt", "countries.txt", "context.txt"):
        listed |= {line.partition(":")[0] for lines in read_sections(name).values() for line in lines}
    assert listed - known == {"XK", "EU"}


def test_the_benchmark_measures_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    regions.main(["--stories", "8", "--json"])
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {"build_s", "tag_8_s", "tags", "peak_mb"}
    assert figures["tags"] >= 16
    regions.main(["--stories", "4"])
    assert "4 stories" in capsys.readouterr().out


def test_short_names_are_the_same_in_every_case() -> None:
    assert stems("рим", "uk") == {}
    assert stems("київ", "uk")["ки"]["uk"] >= {"їв", "єва", "єві"}
