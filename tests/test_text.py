"""Text as sources give it: what is decoded, repaired, scrubbed and left out, and what must never change."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from babel import Locale

from newsletter.sources.pictures import Picture
from newsletter.sources.prose.repair import repaired
from newsletter.sources.text import HTML_LIMIT, Extract, absolute_url, described, from_html, plain_text

# References and markup


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("AT&T", "AT&T"),
        ("AT&amp;T", "AT&T"),
        ("AT&amp;amp;T", "AT&T"),
        ("R&D and AT&notes, &copy", "R&D and AT&notes, &copy"),
        ("Fish &amp;quot;chips&amp;quot;", 'Fish "chips"'),
        ("It&#8217;s &amp;#8217; &#x2019;", "It’s ’ ’"),
        ("a&nbsp;&amp;nbsp;b", "a b"),
        ("&nosuch; &;", "&nosuch; &;"),
        ("1 &lt; 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("Why <br> is bad", "Why <br> is bad"),
        ("Why &lt;br&gt; and <p> are bad", "Why <br> and <p> are bad"),
        ("&lt;p&gt;Hi&lt;/p&gt;", "Hi"),
        ("&lt;p&gt;One.&lt;/p&gt; &lt;p&gt;Two.&lt;/p&gt;", "One. Two."),
        ("Literally <b>bold</b>.", "Literally <b>bold</b>."),
        ("&amp;lt;p&amp;gt;Deep&amp;lt;/p&amp;gt;", "Deep"),
        ("x&lt;br/&gt;y", "x y"),
        ("&#55296;&#0;", "\ufffd\ufffd"),
    ],
)
def test_references_are_decoded_and_whole_markup_goes(text: str, plain: str) -> None:
    assert plain_text(text) == plain
    assert plain_text(plain) == plain


@pytest.mark.parametrize(
    ("markup", "blocks"),
    [
        ("<ul><li>One<li>Two</ul>", ("One", "Two")),
        ("<h2>Head</h2><p>One.<p>Two.", ("Head", "One.", "Two.")),
        ("one<br>line<br><br>two<br/> <br />three", ("one line", "two", "three")),
        ("<table><tr><td>1<td>2<tr><td>3</table>", ("1 2", "3")),
        ("un<b>break</b>able<wbr>word", ("unbreakableword",)),
        ("a<!-- no -->b", ("ab",)),
        ("<style>p{}</style><script>1<2</script>seen<noscript>no</noscript>", ("seen",)),
        ("<figure><img src=a.jpg><figcaption>Photo: A</figcaption></figure>Text", ("Text",)),
        ("<div class='wp-caption'><img src=a.jpg><p class='wp-caption-text'>On the river</p></div>Text", ("Text",)),
        ("Text<div class='sharedaddy sd-sharing'><h3>Share this:</h3><ul><li>Facebook</ul></div>end", ("Text", "end")),
        ("Text<div class='feedflare'><a href=x>Digg</a></div>", ("Text",)),
        ("<p class='by-line'>By Jane</p><p>Text", ("Text",)),
        ("<span class='screen-reader-text'>(opens in a new window)</span>Text", ("Text",)),
        ("<p hidden>no</p><p style='color:red; display: none'>no</p>Text", ("Text",)),
        ("<div class='newsletter-post post'>Text</div>", ("Text",)),
        ("<div class='related-posts'>All that there is</div>", ("All that there is",)),
        (
            "&lt;p&gt;Escaped once too often.&lt;/p&gt;&lt;p&gt;AT&amp;amp;T&lt;/p&gt;",
            ("Escaped once too often.", "AT&T"),
        ),
        ("A headline about &lt;br&gt;", ("A headline about <br>",)),
        ("<b></b>", ()),
        ("<p>a</div></div></div></p>b", ("a", "b")),
    ],
)
def test_html_is_read_by_its_blocks(markup: str, blocks: tuple[str, ...]) -> None:
    extract = from_html(markup)
    assert extract.blocks == blocks
    assert extract.text == " ".join(blocks)
    assert extract.content == "\n".join(blocks)


def test_what_says_nothing_does_not_use_up_the_limit() -> None:
    picture = "<img src='data:image/png;base64," + "A" * 200_000 + "'>"
    style = "<STYLE>" + "p{}" * 50_000 + "</style >"
    comment = "<!--" + "x" * 100_000 + "-->"
    assert from_html(f"{style}{comment}{picture}<p>Text").text == "Text"
    assert len(from_html("<p>" + "word " * 50_000).text) < HTML_LIMIT


# Characters


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a\x00b\x1fc\x7fd", "a b c d"),
        ("a\u2028b\u2029c", "a b c"),
        ("inv\u200bis\u2060ib\xadle\ufeff", "invisible"),
        ("pay\u202ecod\u202c\u2066x\u2069", "paycodx"),
        ("pad\u034f\u3164\u115f\uffa0", "pad"),
        ("icon \ue800 \U000f1234 end", "icon end"),
        ("lone \ud800 half", "lone half"),
        ("bad \ufffe\uffff\ufdd0", "bad"),
        ("e\u0301te\u0301", "été"),
        ("Bre\u200cad and wa\u200dter", "Bread and water"),
        ("abc\u200f\u061c", "abc"),
        ("tag\U000e0041\U000e0042", "tag"),
        # What must stay: joiners of Persian, Hindi and emoji, marks of Hebrew, the flag of Scotland.
        ("می‌خواهم", "می‌خواهم"),
        ("क्‍ष र्‌क", "क्‍ष र्‌क"),
        ("👨‍👩‍👧 🏳️‍🌈 👩🏽‍🚒", "👨‍👩‍👧 🏳️‍🌈 👩🏽‍🚒"),
        ("שלום.\u200f עולם", "שלום.\u200f עולם"),
        (
            "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
            "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        ),
        ("Tiếng Việt ừ ắ ộ", "Tiếng Việt ừ ắ ộ"),
        ("שָׁלוֹם", "שָׁלוֹם"),
    ],
)
def test_characters_that_nobody_sees_go_threat_4(text: str, plain: str) -> None:
    assert plain_text(text) == plain
    assert plain_text(plain) == plain


def test_a_stack_of_marks_is_cut_threat_8() -> None:
    """64 KB of marks take seconds to put in order; no language stacks more than a few."""
    assert len(plain_text("a" + "\u0315\u0300" * 30_000)) < 12


# Misread encodings

RIGHT = {
    "en": "“It’s over,” said O’Brien — café, naïve, £5, 20 °C, ½ price, © 2026 Äpfel™",
    "de": "Größere Straßen in Österreich: „Ärger“ über Übergänge – fünf Prozent weniger",
    "fr": "L’été à Évian : « ça suffit », dit-il. Œuvre, naïveté, où, forêt, À PARIS, ÉTÉ",
    "es": "¿Qué pasó en Ñuñoa? ¡Año nuevo, corazón! José Núñez",
    "pt": "São João não é só ação: à noite, três irmãs e avó",
    "it": "Perché l’università è così? Città, più, già, È vero",
    "nl": "Coördinatie in België: één café, ’s ochtends, Curaçao",
    "pl": "Zażółć gęślą jaźń w Łodzi: „Źródło” i ślub",
    "cs": "Příliš žluťoučký kůň úpěl ďábelské ódy",
    "hu": "Árvíztűrő tükörfúrógép, őszi és téli",
    "ro": "Știri din România: însă țările, ăla, âți",
    "sv": "Å, ä och ö: på Åland är det så – öööö, ååå",
    "is": "Ísland á að sjá það: ÁÐÍ ÞÆÖ, ég á bát",
    "tr": "İstanbul’da ığdır şöyle çağrı güneş ĞÜŞİÖÇ",
    "vi": "Đặng Thị Ngọc Ánh đã ở đó; những ngày ấy",
    "uk": "Україна: п’ять ґрунтів, «їжак» і є. Т. зв. № 5",
    "ru": "Что происходит в Киеве? Ёлка, объём, «Ъ»",
    "sr": "Љубав, њива, ћирилица, џеп и ђак",
    "el": "Ελλάδα και Κύπρος: τι θα γίνει αύριο; Ώρα",
    "he": "חדשות ישראל היום: ״שלום״ עולם",
    "ar": "أخبار اليوم من القاهرة: «مرحبا»، هل هذا صحيح؟",
    "fa": "می‌خواهم به ایران بروم؛ گپ و چای",
    "hi": "क्षेत्र में हिन्दी समाचार। यह दूसरा है।",
    "th": "ข่าววันนี้ที่กรุงเทพฯ",
    "ja": "「東京」で大雪、交通に影響。ＡＢＣ　全角",
    "zh": "北京今天下雪，交通受到影响。",
    "ko": "서울에 눈이 내렸다",
    "hy": "Հայաստանում ձյուն է։",
    "ka": "საქართველოში თოვს",
}


@pytest.mark.parametrize("language", list(RIGHT))
def test_right_text_never_changes(language: str) -> None:
    for text in (RIGHT[language], RIGHT[language].upper(), RIGHT[language][:9]):
        assert repaired(text) == text


@pytest.mark.parametrize(
    "language", ["de", "fr", "is", "vi", "tr", "cs", "uk", "ru", "el", "he", "ar", "hi", "ja", "ko"]
)
def test_names_in_their_own_language_never_change(language: str) -> None:
    locale = Locale(language)
    names = [*locale.territories.values(), *locale.languages.values(), *locale.months["format"]["wide"].values()]
    assert [name for name in names if repaired(name) != name or repaired(name.upper()) != name.upper()] == []


@pytest.mark.parametrize("language", ["de", "fr", "es", "pl", "cs", "uk", "ru", "el", "he", "hi", "ja", "ko"])
@pytest.mark.parametrize("times", [1, 2])
def test_utf8_that_was_read_as_latin_is_repaired(language: str, times: int) -> None:
    text = RIGHT[language].replace("ö", "ü").replace("А", "а")
    misread = text
    for _ in range(times):
        misread = misread.encode().decode("latin-1")
    assert repaired(misread) == text
    # The parser and the scrubbing must leave the controls in it alone until then.
    assert from_html(f"<p>{misread}</p>").text == plain_text(text)


@pytest.mark.parametrize(
    ("misread", "text"),
    [
        ("donâ€™t", "don’t"),
        ("Ã¼ber", "über"),
        ("schÃ¶n â€“ und gut", "schön – und gut"),
        ("don&acirc;&euro;&trade;t", "don’t"),
        ("Київ — it’s donâ€™t", "Київ — it’s don’t"),
        ("Ð£ÐºÑ€Ð°Ñ—Ð½Ð°", "Україна"),
        ("It\x92s, wait\x85", "It’s, wait…"),
    ],
)
def test_the_usual_accidents_are_repaired(misread: str, text: str) -> None:
    assert plain_text(misread) == text


@pytest.mark.parametrize(
    ("text", "encodings"),
    [
        ("Росія атакувала Харків: є поранені", ("cp1251", "koi8-u", "iso8859-5")),
        ("Привет, мир", ("cp1251", "koi8-u", "iso8859-5")),
        ("ПРЕЗИДЕНТ УКРАЇНИ", ("cp1251", "koi8-u", "iso8859-5")),
        ("България и Сърбия", ("cp1251", "koi8-u")),
        ("Ελλάδα και Κύπρος", ("cp1253",)),
        ("ישראל היום חדשות", ("cp1255",)),
    ],
)
def test_old_encodings_that_were_read_as_latin_are_repaired(text: str, encodings: tuple[str, ...]) -> None:
    for encoding in encodings:
        assert repaired(text.encode(encoding).decode("latin-1")) == text


# Pictures in html


def test_every_size_of_a_picture_is_found_with_its_words() -> None:
    markup = (
        "<figure><img src='/a-300x200.jpg' srcset='/a-300x200.jpg 300w, /a-1024x683.jpg 1024w'>"
        "<figcaption>A bridge. Photo: Jane Doe/AP</figcaption></figure>"
    )
    assert from_html(markup, "https://e.org/d/").pictures == (
        Picture("https://e.org/a-300x200.jpg", "A bridge.", "Jane Doe/AP"),
        Picture("https://e.org/a-1024x683.jpg", "A bridge.", "Jane Doe/AP", 1024),
    )


@pytest.mark.parametrize(
    ("markup", "urls"),
    [
        ("<img src='data:image/gif;base64,R0' data-src='/lazy.jpg'>", ["lazy.jpg"]),
        ("<img data-lazy-src='/lazy.jpg' src='/thumb.jpg'>", ["thumb.jpg", "lazy.jpg"]),
        ("<img data-srcset='/a.jpg 1x, /b.jpg 2x'>", ["a.jpg", "b.jpg"]),
        ("<picture><source type=image/avif srcset=/x.avif><source srcset='/l.webp 1200w'><img src=/s.jpg></picture>", ["s.jpg", "l.webp"]),
        ("<picture><source srcset=/l.webp></picture><img src=/s.jpg>", ["s.jpg"]),
        ("<img src=/p.gif width=1 height=1><img src=/q.gif style='' height=1px>", []),
        ("<div class='sharedaddy'><img src=/facebook.png></div>", []),
        ("<img src='javascript:alert(1)'><img src='ftp://e.org/a.jpg'><img>", []),
    ],
)  # fmt: skip
def test_pictures_are_found_wherever_html_hides_them(markup: str, urls: list[str]) -> None:
    pictures = from_html(markup, "https://e.org/").pictures
    assert [picture.url.removeprefix("https://e.org/") for picture in pictures] == urls


def test_words_for_a_picture_are_found_at_its_other_sizes() -> None:
    texts = [Extract(pictures=(Picture("https://e.org/a-300x200.jpg", "A bridge", "AFP"),))]
    assert described(Picture("https://e.org/a.jpg?w=900"), texts) == Picture(
        "https://e.org/a.jpg?w=900", "A bridge", "AFP"
    )
    assert described(Picture("https://e.org/b.jpg"), texts) == Picture("https://e.org/b.jpg")


def test_an_address_escaped_twice_is_decoded() -> None:
    assert absolute_url("/a?b=1&amp;c=2", "https://e.org/") == "https://e.org/a?b=1&c=2"
    assert absolute_url("https://e.org/a\u200b\x00b\u202e") == "https://e.org/ab"


# What is made to be slow

KILLERS = {
    "brackets": "<" * 65_536,
    "depth": "<div>" * 40_000,
    "unknown depth": "<x-y>" * 200_000,
    "attributes": "<p " + " ".join(f"a{n}=1" for n in range(50_000)) + ">",
    "short attributes": "<p " + " ".join(f"{n:x}" for n in range(65_000)) + ">",
    "comments": "<!--" * 500_000,
    "scripts": "<script>" * 300_000,
    "styles": "<style></style" * 300_000,
    "data": "data:a/" * 300_000,
    "references": "&amp;" * 100_000,
    "amp": "&" + "amp;" * 100_000,
    "open tags": "<p>" * 20_000 + "</b>" * 20_000,
    "escaped tags": "&lt;p&gt;" * 10_000 + "&lt;/p&gt;",
    "classes": "<p class='" + "a " * 30_000 + "'>",
    "class names": "<p class='" + "share-" * 10_000 + "'>",
    "srcset": "<img srcset='" + "a b, " * 12_000 + "'>",
    "commas": "<img srcset='" + "," * 60_000 + "'>",
    "images": "<img src=a>" * 6_000,
    "figures": "<figure><img src=a><figcaption>" * 2_000,
    "captions": "<figcaption>" + "Photo: " * 9_000,
    "marks": "a" + "\u0315\u0300" * 32_000,
    "joiners between letters": "م" + "\u200d\u200c" * 30_000 + "م",
    "alt": f"<img src=/a alt='{'a_' * 30_000}!'>",
    "names": f"<img src=/{'a_' * 4_000}! alt='{'a-b.' * 10_000}!'>",
    "spaced srcset": f"<img srcset='a {' ' * 60_000} b'>",
    "joiners": "\u200d\u200c" * 32_000,
    "mojibake": "Ã Â" * 20_000,
    "odd letters": "Ã" * 65_536,
    "words": "Óêðà¿íà " * 8_000,
    "spaces": " " * 65_000 + "x",
    "breaks": "<br> " * 13_000,
}


def test_nothing_takes_long_threat_8() -> None:
    """In a process of its own with ten seconds for all of them: none of it has anything that grows with the square."""
    code = (
        "import json, resource, sys; resource.setrlimit(resource.RLIMIT_CPU, (20, 20));"
        "from newsletter.sources.text import from_html, plain_text;"
        "[(from_html(text, 'https://e.org/'), plain_text(text)) for text in json.load(sys.stdin)]; print('done')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(list(KILLERS.values())),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "done", done.stderr
