"""Summaries: where sentences end, what is boilerplate in which language, and what a card's paragraph is made of."""

from __future__ import annotations

import random

import pytest

from newsletter.sources.prose.sentences import sentences, words_in
from newsletter.sources.prose.summaries import MOST_SENTENCES, MOST_WORDS, summary_of

# Sentences


@pytest.mark.parametrize(
    ("language", "marked"),
    [
        # "|" stands where a sentence ends and another begins.
        ("en", "Dr. Smith met Gen. Lee at 5 p.m. in the U.S. Senate.|It was 3.5 degrees.|The end."),
        ("en", "He lives in the U.S.|The mayor agreed.|Mr. J. R. Smith left at 9 a.m.|He came back."),
        ("en", "“It is over. We won,” he said.|“Really?” she asked.|Yes!|Yahoo! said so."),
        ("en", "No. 10 is shut.|The answer is no.|They left.|Apple Inc. said it.|St. Louis won."),
        ("en", "Wait...|What?|He paid (see p. 5. It is there) £3.50.|And … then more."),
        ("en", "Read example.com.|It costs $1.2bn, i.e. a lot, vs. nothing.|1. First things come first.|2019 ended in 2020.|So it was."),
        ("en", "'That is all.'|\"It is not. Wait,\" she said.|Sen. Jane Roe, R-Tex., agreed."),
        ("de", "Am 3. Oktober kam Dr. Müller, z. B. mit Nr. 5.|Es waren 2019 Fälle.|Das war 2019.|Danach nichts."),
        ("de", "„Das ist gut. Sehr gut“, sagte er.|Er ging.|Der 2. Weltkrieg, u. a. im 19. Jh., bzw. am 1. Mai.|Hr. Meier kam."),
        ("de", "»So nicht. Nein«, rief sie.|Das Gericht (Az. 5 K 3/26. Urteil) entschied so.|Am 9.11. war es."),
        ("fr", "M. Macron et Mme Le Pen parlent.|« C'est fini. Vraiment », dit-il.|Il part à 3 h.|C'est tout."),
        ("es", "El Sr. Pérez vive en EE. UU. y trabaja.|¿Qué pasa?|¡Nada!|La Dra. Gómez llegó a las 5 p. m. de hoy."),
        ("uk", "На вул. Хрещатик у м. Києві, ім. Т. Шевченка, у 2024 р. сталася пожежа.|У 2025 р. Україна виграла."),
        ("uk", "Т. зв. експерти з обл. центрів мовчать.|Загинуло 5 тис. осіб.|Було це на ст. Дарниця о 5 год. ранку.|У місті тихо."),
        ("ru", "В 2024 г. на ул. Ленина, д. 5, был пожар.|Ущерб 5 млн руб.|По словам МЧС, всё.|Это А. С. Пушкин."),
        ("pl", "Prof. Jan Kowalski z ul. Długiej wyszedł.|W 2024 r. w Polsce tzw. eksperci milczą.|To 5 tys. osób itd.|Nie wiem."),
        ("it", "Il sig. Rossi e il dott. Bianchi sono qui.|L'on. Verdi no.|È tutto ecc.|Il resto tace."),
        ("pt", "O Sr. Silva mora na Av. Paulista.|Ele chegou.|A Dra. Ana, por ex. não."),
        ("nl", "Dhr. Jansen en mw. De Vries zijn o.a. hier.|De rest niet."),
        ("cs", "Dne 17. listopadu přišel prof. Novák z ul. Dlouhé.|Bylo to např. zde."),
        ("", "Mr. Smith und Hr. Meier kamen.|Ok."),
    ],
)  # fmt: skip
def test_sentences_end_where_the_language_ends_them(language: str, marked: str) -> None:
    assert sentences(marked.replace("|", " "), language) == marked.split("|")


@pytest.mark.parametrize(
    "marked",
    [
        "这是第一句。|“这是第二句。”|这是第三句！|好吗？",
        "「これは。いい」と言った。|終わり。",
        "यह पहला है। |यह दूसरा है।",
        "Սա առաջինն է։ |Սա երկրորդն է։",
        "هل هذا صحيح؟ |نعم. |هذا صحيح.",
        "یہ پہلا ہے۔ |یہ دوسرا ہے۔",
        "זה ראשון. |זה שני!",
        "Αυτό είναι. |Τι;",
    ],
)
def test_sentences_end_in_every_script(marked: str) -> None:
    assert sentences(marked.replace("|", "")) == [part.strip() for part in marked.split("|")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("One two – three.", 3),
        ("", 0),
        ("...", 0),
        ("2026 ist da", 3),
        ("北京今天下雪了", 4),
        ("ข่าววัน", 4),
        ("AI 北京", 2),
    ],
)
def test_words_are_counted_two_characters_each_where_there_are_no_spaces(text: str, words: int) -> None:
    assert words_in(text) == words


# Boilerplate

BODY = "The mayor spoke of peace in the old town hall."


@pytest.mark.parametrize(
    "tail",
    [
        "The post Mayor speaks appeared first on Odesa Post.",
        "This article was originally published on Odesa Post. Read the original article.",
        "Der Beitrag Bürgermeister spricht erschien zuerst auf Elbkurier.",
        "L’article Le maire parle est apparu en premier sur Le Ponant.",
        "La entrada El alcalde habla se publicó primero en El Faro.",
        "O post O prefeito fala apareceu primeiro em Jornal do Sul.",
        "L'articolo Il sindaco parla proviene da La Voce.",
        "Het bericht De burgemeester spreekt verscheen eerst op De Kust.",
        "Artykuł Burmistrz mówi pochodzi z serwisu Echo.",
        "Запис Мер говорить спершу з’явився на Одеса Пост.",
        "Сообщение Мэр говорит появились сначала на Одесса Пост.",
        "Read more", "Read more »", "[Read more…]", "Continue reading Mayor speaks →", "Read the full story here.", "View Entire Post ›",
        "Weiterlesen", "Mehr lesen", "Zum Artikel", "Lire la suite", "En savoir plus sur lemonde.example", "Leer más", "Seguir leyendo »",
        "Leia mais", "Leggi tutto", "Lees meer", "Czytaj więcej", "Více", "Читати далі", "Детальніше", "Читать далее", "Подробнее →",
        "Läs mer", "Les mer", "Devamını oku", "Διαβάστε περισσότερα", "続きを読む", "阅读全文", "더보기", "اقرأ المزيد", "Xem thêm",
        "Share on Facebook", "Share this:", "Teilen auf Facebook", "Partager sur Facebook", "Compartir en WhatsApp", "Поділитися",
        "Facebook Twitter WhatsApp", "Advertisement", "Anzeige", "Реклама", "Publicité", "Story continues below advertisement",
        "Sign up for our newsletter.", "Subscribe to our daily newsletter and never miss a story.", "Follow us on Telegram.",
        "Підписуйтесь на наш Telegram-канал!", "Подписывайтесь на наш канал в Telegram.", "Suscríbete a nuestro boletín.",
        "Abonnieren Sie unseren Newsletter.", "Abonnez-vous à notre newsletter.", "Iscriviti alla newsletter.",
        "We use cookies to improve your experience.", "Wir verwenden Cookies, um Ihnen zu helfen.", "All rights reserved.", "© 2026 Odesa Post",
        "Listen to this article", "3 min read", "5 minutes de lecture", "Lesezeit: 3 Minuten", "12 comments", "Comments", "Leave a comment",
        "3 Kommentare", "Коментарі", "By Jane Doe", "By Jane Doe and John Roe", "Von Max Muster", "Photo: Jane Doe/AFP", "Foto: dpa", "Фото: Укрінформ",
        "Tags: Odesa, port", "Related: Ships wait at sea", "Read also: Ships wait at sea", "Lire aussi : Des navires attendent",
        "Lesen Sie auch: Schiffe warten", "Читайте також: Кораблі чекають", "Leia também: Navios esperam", "Czytaj także: Statki czekają",
        "Thanks for reading Odesa Post! Subscribe for free to receive new posts and support my work.",
        "Mayor speaks was originally published in Odesa Post on Medium, where people are continuing the conversation by highlighting and "
        "responding to this story.",
        "submitted by /u/someone [link] [comments]", "Reporting by Jane Doe; Editing by John Roe", "Check back for updates.",
        "Scroll to continue with content", "Click to share on Facebook (Opens in new window)", "Like this: Like Loading...",
    ],
)  # fmt: skip
def test_what_software_adds_is_dropped(tail: str) -> None:
    assert summary_of("Mayor speaks", f"{BODY} {tail}", "", "en") == BODY
    assert summary_of("Mayor speaks", "", f"{tail}\n{BODY}\n{tail}", "en") == BODY
    assert summary_of("Mayor speaks", tail, "", "") in {"", tail[: tail.find(".") + 1]}


@pytest.mark.parametrize(
    "sentence",
    [
        "Share prices fell by three per cent.",
        "Continue to fight, the president told the army.",
        "Follow the money, the judge told prosecutors.",
        "Join us or leave, the party told its members.",
        "Comments by the minister angered farmers.",
        "Advertising of tobacco is banned from Monday.",
        "Read by millions, the paper closes after a century.",
        "Photographs of the dead were shown in court.",
        "The article of the constitution was first written on paper.",
        "More than 300 people were at the port.",
        "You can bake cookies in space, a crew has shown.",
        "Three minutes of silence were held.",
        "Facebook and Twitter were fined on Friday.",
        "By Monday, the river had reached the bridge.",
        "Werbung für Tabak ist ab Montag verboten.",
        "Mehr Menschen als je zuvor kamen zur Wahl.",
        "Lire les journaux coûte plus cher.",
        "Más de 300 personas esperan en el puerto.",
        "Підписання угоди відклали до понеділка.",
        "Далі на схід війська не просунулися.",
        "Читати книги стали більше.",
        "Реклама на вулицях зникне до травня.",
        "Подробности аварии выясняет полиция.",
        "Więcej osób głosowało wieczorem.",
    ],
)
def test_news_that_sounds_like_boilerplate_stays(sentence: str) -> None:
    for text in (f"{BODY} {sentence}", f"{sentence} {BODY}", sentence):
        assert summary_of("Mayor speaks", text, "", "") == text


@pytest.mark.parametrize(
    "head",
    [
        "KYIV, Nov 20 (Reuters) -", "KYIV (Reuters) –", "(AP) —", "BERLIN (dpa) -", "Hamburg (dpa) -", "NIAMEY (AFP) -", "JOLIET, Ill. (AP) —",
        "PORT ARTHUR, Texas -", "LONDON —", "N'DJAMENA -", "Reuters -", "КИЇВ —", "By Jane Doe |", "By Jane Doe and John Roe -", "Von Max Muster •",
        "Mayor speaks at last in town –", "Mayor speaks at last in town.", "Mayor speaks at last in town", "MAYOR SPEAKS AT LAST IN TOWN:",
        "Mayor speaks at last in town. KYIV, Nov 20 (Reuters) -", "By Jane Doe | LONDON —",
    ],
)  # fmt: skip
def test_headline_dateline_and_byline_are_not_said_again(head: str) -> None:
    """The stated rule: a dateline goes with its place, since the card names the source and the regions itself."""
    assert summary_of("Mayor speaks at last in town", f"{head} {BODY}", "", "en") == BODY


@pytest.mark.parametrize(
    "text",
    [
        "Mayor speaks at last in town, officials said on Monday.",
        "NATO ships left on Monday – all of them.",
        "UNESCO: the town hall is saved.",
        "The mayor (AP) was there.",
    ],
)
def test_what_only_looks_like_a_dateline_or_headline_stays(text: str) -> None:
    assert summary_of("Mayor speaks at last in town", text, "", "en") == text


# The paragraph

LONG = (
    "The mayor of Odesa said on Monday that repairs to the port would take three months. Engineers found damage to four of the "
    "six cranes. Grain exports are expected to fall by a fifth. Insurance costs have doubled since October. The city council "
    "meets on Thursday to decide. Nobody was hurt in the attack. More ships are waiting at sea."
)
TEASER = "The mayor of Odesa said on Monday that rep"


@pytest.mark.parametrize(
    ("summary", "content", "paragraph"),
    [
        # Empty, or the title again: from the content.
        ("", "", ""),
        ("Port repairs take months", "", ""),
        ("Port repairs take months - Odesa Post", "", ""),
        ("Port repairs take months", "It is so. Nobody was hurt.", "It is so. Nobody was hurt."),
        ("PORT REPAIRS TAKE MONTHS!", "It is so.", "It is so."),
        # Cut by the publisher: the broken sentence goes when enough remains ...
        (
            "The mayor of Odesa said on Monday that repairs to the port would take three months. Engineers found damage to four of the "
            "six cranes, which were bui […]",
            "",
            "The mayor of Odesa said on Monday that repairs to the port would take three months. Engineers found damage to four of the "
            "six cranes, which were…",
        ),
        (
            "The mayor of Odesa said on Monday that repairs to the port would take three months. Engineers found damage to four of the "
            "six cranes. Grain exports are exp...",
            "",
            "The mayor of Odesa said on Monday that repairs to the port would take three months. Engineers found damage to four of the "
            "six cranes.",
        ),
        # ... otherwise the content is taken, where it begins alike or is fuller, and otherwise the words stay, with "…".
        (f"{TEASER}…", LONG, LONG[: LONG.index(" Nobody")]),
        (f"{TEASER} [...]", "The mayor of Odesa said on Monday that repairs are needed.", "The mayor of Odesa said on Monday that repairs are needed."),
        (f"{TEASER}…", "", "The mayor of Odesa said on Monday that…"),
        (f"{TEASER} Read more", "", f"{TEASER}…"),
        # Thin: the fuller content; short: as it is.
        ("It is bad.", LONG, LONG[: LONG.index(" Nobody")]),
        ("It is bad.", "", "It is bad."),
        ("Mayor says port closed as storm nears", "", "Mayor says port closed as storm nears."),
        ("It is bad.", "It.", "It is bad."),
        # Blocks: headings, points of lists, captions and offers of other stories are no sentences.
        ("", "Photo: Jane Doe/AFP\nBackground\nThe mayor spoke.\nAdvertisement\nHe left.\nRelated: Dogs", "The mayor spoke. He left."),
        ("", "One\nTwo", "One Two."),
    ],
)  # fmt: skip
def test_a_paragraph_is_made_of_what_there_is(summary: str, content: str, paragraph: str) -> None:
    assert summary_of("Port repairs take months", summary, content, "en") == paragraph


def test_lists_of_other_outlets_headlines_are_none() -> None:
    """Google News puts the headlines of others into its descriptions."""
    title = "Fire in Odesa harbour kills two - Odesa Post"
    listed = "Fire in Odesa harbour kills two  Odesa Post Port on fire in Ukraine  Kanal 5 Odesa burns  The Guard"
    assert summary_of(title, listed, "", "en") == ""
    assert summary_of(title, "Fire in Odesa harbour kills two  Odesa Post", "", "en") == ""


def test_a_long_text_gives_a_paragraph_of_whole_sentences() -> None:
    paragraph = summary_of("T", LONG * 5, "", "en")
    assert paragraph == LONG[: LONG.index(" Nobody")]
    assert summary_of("T", LONG[: LONG.index(" The city")], "", "en") == LONG[: LONG.index(" The city")]


def test_a_sentence_that_is_too_long_is_cut_at_a_clause_or_word() -> None:
    clauses = ", ".join(["and the mayor spoke again of peace"] * 40) + "."
    paragraph = summary_of("T", f"It is so. {clauses}", "", "en")
    assert paragraph.endswith("spoke again of peace…")
    assert 45 < words_in(paragraph) <= MOST_WORDS
    assert summary_of("T", "word " * 200, "", "en") == "word " * 89 + "word…"
    assert summary_of("T", "北京" * 300, "", "zh") == "北京" * 90 + "…"
    assert len(summary_of("T", "x" * 5_000, "", "en")) <= 5_001


def test_sentences_of_east_asia_stand_without_spaces() -> None:
    text = "北京今天下了很大的雪，交通受到很大影响。" * 9
    paragraph = summary_of("新闻", text, "", "zh")
    assert paragraph == "北京今天下了很大的雪，交通受到很大影响。" * 5


def test_every_paragraph_keeps_to_the_rules() -> None:
    """Whatever comes in: one line, no more than the limits, and nothing that the source did not say."""
    chance = random.Random(5)
    pieces = [
        LONG,
        "Read more",
        "…",
        "[…]",
        ". ",
        "\n",
        "“",
        "„Ja. Nein“, ",
        "3. ",
        "(AP) - ",
        "Dr. ",
        "word " * 100,
        "。",
        "By A B | ",
        "x" * 900,
        "? ",
    ]
    for _ in range(300):
        summary, content = ("".join(chance.choices(pieces, k=chance.randint(0, 8))) for _ in range(2))
        paragraph = summary_of("Port repairs", summary, content, chance.choice(["en", "de", "uk", ""]))
        assert words_in(paragraph) <= MOST_WORDS
        assert "\n" not in paragraph
        assert len(sentences(paragraph, "en")) <= MOST_SENTENCES + 3
        assert all(word.rstrip("….") in f"{summary} {content}" for word in paragraph.split())


@pytest.mark.parametrize(
    "piece",
    [
        "the post ",
        "Read more ",
        "(",
        "“a. ",
        "A. ",
        "… ",
        "ABC - ",
        "cookies we use ",
        "photo: a ",
        "By A B, ",
        "x\n",
        "A/",
        "Aa Bb. ",
        "A. Aa/",
        ". —a",
        "(Photo: ",
    ],
)
def test_no_text_takes_long_threat_8(piece: str) -> None:
    """64 KB of each; a pattern that goes back and forth over it would not end within the time of the tests."""
    text = piece * (65_536 // len(piece))
    assert words_in(summary_of(piece * 3, text, text, "en")) <= MOST_WORDS


# Credits, asides, ends


NEWS = "The mayor of Odesa said on Monday that repairs to the port would take three months after the storm."


@pytest.mark.parametrize(
    "credit",
    [
        "Photo Illustration by Jane Doe/The Daily Post/Getty", "Photo Illustration by Jane Doe/The Daily Post/Getty Images", "REUTERS/Jane Doe",
        "Jane Doe / REUTERS", "Jane Doe/AFP via Getty Images", "JANE DOE / AFP via Getty Images", "Jane Doe / Jane Doe, Getty Images", "Getty Images",
        "Jane Doe/Anadolu via Getty Images; John Roe/Getty Images", "Jane Doe/AP", "(AP Photo/Jane Doe)", "[Photo: Jane Doe/AFP]", "(Getty Images)",
        "Foto: Jane Doe/dpa", "—Jane Doe—AFP/Getty Images", "Cranes stand still in the port. Jane Doe/Getty Images", "Jane Doe/PA Wire",
        "Cranes in Odesa, Ukraine, on Aug. 16, 2026. —Jane Doe—Bloomberg/Getty Images", "Jane Doe/Shutterstock", "Jane Doe/Alamy", "© Jane Doe/AFP",
    ],
)  # fmt: skip
def test_credits_of_pictures_are_no_text(credit: str) -> None:
    assert summary_of("Mayor speaks", f"{credit} {NEWS}", "", "en") == NEWS


@pytest.mark.parametrize(
    "credit",
    ["(AP Photo/Jane Doe)", "(Photo by Jane Doe/Getty Images)", "(Image credit: Jane Doe/AP)", "Jane Doe/Getty Images", "Foto: Jane Doe / dpa",
     "Photo: Jane Doe", "(Foto: dpa)", "[REUTERS/Jane Doe]", "Jane Doe/AFP"],
)  # fmt: skip
def test_credits_at_the_end_are_no_text(credit: str) -> None:
    assert summary_of("Mayor speaks", f"{NEWS} {credit}", "", "en") == NEWS
    assert summary_of("Mayor speaks", f"{NEWS} {credit} {BODY}", "", "en").endswith(BODY)


@pytest.mark.parametrize(
    "text",
    [
        "Getty Images sued the company over its photos on Monday in London.",
        "Getty Oil once owned most of the network and sold it in a year.",
        "The Reuters/Ipsos poll found that four in ten agree. Reuters/Ipsos asked 1,000 people.",
        "In London, Reuters Editor Jane Doe spoke of trust. Bloomberg reported the deal.",
        "AP Photographers won a prize (AP) in New York. AFP said so too.",
        "The photo by Jane Doe shows the mayor in tears (see his post).",
        "Prices rose and/or fell. And/or they stayed, said Ms Doe.",
        "She moved from AC/DC to Reuters. Then to AFP.",
    ],
)
def test_agencies_in_the_news_stay(text: str) -> None:
    assert summary_of("Mayor speaks", text, "", "en") == text


@pytest.mark.parametrize(
    "aside",
    [
        "CBS News' Jason Allen reports.", "NBC News’ Gabe Gutierrez reports.", "Nick Schifrin reports.", "Ed O'Keefe has more.",
        "Special Correspondent Leila Molana-Allen and videographer Eric O'Connor report.", "CBS News' Meg Oliver has more details.",
        "NPR's Rob Schmitz speaks with Mayor Jane Doe about the port.", "FRANCE 24's Emerald Maxwell brings us more with this report.",
        'He speaks with Kailey Leinz on "Balance of Power."', "Ben Horney, deals reporter, joins CBS News to discuss.", "This blog is now closed.",
        "Follow our liveblog for the latest updates.", "Watch: The mayor speaks", "Listen · 4:10", "This is a developing story.", "Updated at 11:05",
        "Sign up here.", "Read this story in Spanish.", "A version of this story originally appeared in the Port Memo newsletter.",
        "You can sign up for our daily newsletter here .", "This story first appeared on Odesa Post.",
    ],
)  # fmt: skip
def test_who_reports_it_goes_where_the_news_itself_stands(aside: str) -> None:
    assert summary_of("Mayor speaks", f"{BODY} {aside}", "", "en") == BODY


def test_an_aside_stays_where_it_is_all_there_is() -> None:
    aside = "NPR's Rob Schmitz speaks with Mayor Jane Doe about the port."
    assert summary_of("Mayor speaks", aside, "", "en") == aside


@pytest.mark.parametrize(
    "sentence",
    ["President Jane Doe spoke with the king on Monday.", "Amnesty International reports a rise in arrests.", "The company reports on Thursday.",
     "Follow the rules, the mayor said.", "The New York Times reports that ships wait.", "Two more ships have more grain."],
)  # fmt: skip
def test_reports_that_are_the_news_stay(sentence: str) -> None:
    assert summary_of("Mayor speaks", f"{BODY} {sentence}", "", "en") == f"{BODY} {sentence}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The mayor spoke of peace (see post at 11:05 ), officials said.", "The mayor spoke of peace, officials said."),
        (
            "Socialist wins primary Sign up for the Breaking News email The mayor spoke.",
            "Socialist wins primary. The mayor spoke.",
        ),
        ("Allies of Mike Rogers , the nominee, met him .", "Allies of Mike Rogers, the nominee, met him."),
        # A standfirst gets its stop, a broken text its dots.
        ("The mayor spoke of peace", "The mayor spoke of peace."),
        ("The service is “back up”", "The service is “back up”."),
        ("Growth is at 5%", "Growth is at 5%."),
        ("北京今天下雪了", "北京今天下雪了。"),
        ("यह पहला है", "यह पहला है।"),
        ("วันนี้ฝนตก", "วันนี้ฝนตก"),
        ("The mayor spoke of peace and", "The mayor spoke of peace and…"),
        ("Read the latest from the Money team:", "Read the latest from the Money team…"),
        ("Did the mayor speak?", "Did the mayor speak?"),
    ],
)
def test_every_text_has_its_end(text: str, shown: str) -> None:
    assert summary_of("Title of another kind", text, "", "") == shown
