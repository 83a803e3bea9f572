"""The language of a story: script first, then telling letters, then the model, against what is declared."""

from __future__ import annotations

import subprocess
import sys

import pytest

from newsletter.sources.prose.language import language_of

#: Headlines with a first sentence, as feeds give them.
TEXTS = {
    "en": [
        "County council backs second bridge over the river. Work is to start in March after a decade of debate.",
        "Three drones shot down over eastern province. Fighter jets brought down the aircraft before dawn, the army said.",
        "Storm leaves 85,000 homes without power. Gusts of 92 mph were measured on the coast overnight.",
    ],
    "de": [
        "Großbrand im Hafen: Lagerhalle in Flammen. Anwohner sollen Fenster und Türen geschlossen halten.",
        "Kreistag stimmt für zweite Brücke. Die Arbeiten sollen im März beginnen.",
        "Sturm legt Bahnverkehr im Norden lahm. Reisende müssen mit Verspätungen rechnen.",
    ],
    "fr": [
        "Tempête : 85 000 foyers privés d'électricité. Des rafales à 148 km/h ont été mesurées dans la nuit.",
        "Le conseil vote la construction d'un second pont. Les travaux commenceront en mars.",
        "Un incendie ravage un entrepôt du port. Personne n'a été blessé, selon les pompiers.",
    ],
    "es": [
        "El Ayuntamiento aprueba un segundo puente sobre el río. Las obras empezarán en marzo.",
        "Una tormenta deja sin luz a miles de hogares. El viento alcanzó los 148 kilómetros por hora.",
        "Detenidas dos personas por el incendio del puerto, según la policía.",
    ],
    "pt": [
        "Chuva deixa 300 pessoas desalojadas. O prefeito decretou situação de emergência na cidade.",
        "Câmara aprova segunda ponte sobre o rio. As obras começam em março.",
        "Incêndio destrói armazém no porto, mas ninguém ficou ferido.",
    ],
    "it": [
        "Il consiglio approva il secondo ponte sul fiume. I lavori cominceranno a marzo.",
        "Maltempo, migliaia di famiglie senza corrente. Raffiche di vento fino a 148 chilometri orari.",
        "Incendio in un magazzino del porto, nessun ferito secondo i vigili del fuoco.",
    ],
    "nl": [
        "Gemeenteraad stemt voor tweede brug over de rivier. De werkzaamheden beginnen in maart.",
        "Storm zet duizenden huishoudens zonder stroom. Er werden windstoten van 148 kilometer per uur gemeten.",
        "Grote brand in loods in de haven, niemand gewond geraakt.",
    ],
    "pl": [
        "Radni poparli budowę drugiego mostu na rzece. Prace mają się rozpocząć w marcu.",
        "Wichura pozbawiła prądu tysiące domów. Wiatr osiągał 148 kilometrów na godzinę.",
        "Pożar magazynu w porcie. Nikt nie został ranny, podała straż pożarna.",
    ],
    "cs": [
        "Zastupitelé schválili druhý most přes řeku. Práce mají začít v březnu.",
        "Vichřice připravila o proud tisíce domácností. Vítr dosahoval rychlosti 148 kilometrů za hodinu.",
        "V přístavu hořel sklad, nikdo nebyl zraněn.",
    ],
    "sv": [
        "Kommunen säger ja till en andra bro över älven. Arbetet ska börja i mars.",
        "Stormen gjorde tusentals hushåll strömlösa. Vindbyar på 40 meter per sekund uppmättes.",
        "Storbrand i ett lager i hamnen, ingen människa skadades.",
    ],
    "ro": [
        "Consiliul aprobă al doilea pod peste râu. Lucrările vor începe în martie.",
        "Furtuna a lăsat fără curent mii de locuințe. Vântul a atins 148 de kilometri pe oră.",
        "Incendiu într-un depozit din port, nimeni nu a fost rănit.",
    ],
    "tr": [
        "Belediye meclisi nehre ikinci köprüyü onayladı. Çalışmalar mart ayında başlayacak.",
        "Fırtına binlerce evi elektriksiz bıraktı. Rüzgârın hızı saatte 148 kilometreye ulaştı.",
        "Limandaki depoda yangın çıktı, yaralanan olmadı.",
    ],
    "vi": ["Hội đồng thành phố thông qua cây cầu thứ hai. Công trình sẽ bắt đầu vào tháng ba."],
    "uk": [
        "Міська рада підтримала другий міст через річку. Роботи почнуться в березні.",
        "Пожежа на складі в порту, постраждалих немає, повідомили рятувальники.",
        "Негода залишила без світла тисячі домівок на заході країни.",
    ],
    "ru": [
        "Городской совет поддержал строительство второго моста. Работы начнутся в марте.",
        "Пожар на складе в порту: пострадавших нет, сообщили спасатели.",
        "Ураган оставил без света тысячи домов, были повреждены крыши.",
    ],
    "be": ["Гарадскі савет падтрымаў другі мост праз раку. Працы пачнуцца ў сакавіку."],
    "bg": ["Общинският съвет подкрепи втори мост над реката. Работата ще започне през март, съобщиха от кметството."],
    "sr": ["Градско веће подржало други мост преко реке. Радови ће почети у марту, кажу људи из града."],
    "mk": ["Советот го поддржа вториот мост преку реката. Работите ќе почнат во март, рече ѓаволот."],
    "kk": ["Қалалық мәслихат өзен арқылы екінші көпірді қолдады. Жұмыс наурызда басталады."],
    "el": ["Το δημοτικό συμβούλιο ενέκρινε τη δεύτερη γέφυρα."],
    "he": ["מועצת העיר אישרה גשר שני מעל הנהר."],
    "ar": ["وافق مجلس المدينة على جسر ثان فوق النهر. تبدأ الأعمال في مارس."],
    "fa": ["شورای شهر با ساخت پل دوم روی رودخانه موافقت کرد. کار در فروردین آغاز می‌شود و پنج ماه طول می‌کشد."],
    "ur": ["سٹی کونسل نے دریا پر دوسرے پل کی منظوری دے دی۔ کام مارچ میں شروع ہوگا۔"],
    "hi": ["नगर परिषद ने नदी पर दूसरे पुल को मंजूरी दी। काम मार्च में शुरू होगा।"],
    "th": ["สภาเมืองอนุมัติสะพานแห่งที่สอง"],
    "ko": ["시의회가 두 번째 다리를 승인했다"],
    "ja": ["市議会は二番目の橋を承認した。工事は三月に始まる。"],
    "zh": ["市议会批准了第二座桥梁。工程将于三月开始。"],
    "hy": ["Քաղաքային խորհուրդը հաստատեց երկրորդ կամուրջը։"],
    "ka": ["საკრებულომ მეორე ხიდი დაამტკიცა."],
    "am": ["የከተማው ምክር ቤት ሁለተኛውን ድልድይ አጸደቀ።"],
}
CASES = [(language, text) for language, texts in TEXTS.items() for text in texts]


@pytest.mark.parametrize("declared", ["", "en-US", "xx"])
def test_the_language_is_found_whatever_is_declared(declared: str) -> None:
    """WordPress says en-US in half of the world."""
    found = [(language, language_of(text, declared=declared).partition("-")[0]) for language, text in CASES]
    assert [pair for pair in found if pair[0] != pair[1]] == []


def test_a_right_declaration_is_kept() -> None:
    found = [(language, language_of(text, declared=language)) for language, text in CASES]
    assert [pair for pair in found if pair[0] != pair[1]] == []


def test_a_wrong_declaration_of_another_language_is_given_up() -> None:
    languages = list(TEXTS)
    found = []
    for language, text in CASES:
        wrong = languages[languages.index(language) - 5]
        found.append((language, language_of(text, declared=wrong)))
    assert [pair for pair in found if pair[0] != pair[1]] == []


@pytest.mark.parametrize(
    ("text", "declared", "usual", "language"),
    [
        # A declared tag comes back whole where the text agrees, in its usual form.
        ("Chuva deixa 300 pessoas desalojadas na cidade", "pt-br", "", "pt-BR"),
        ("市議會批准了第二座橋樑", "zh-Hant-TW", "", "zh-Hant-TW"),
        ("Chuva deixa 300 pessoas desalojadas na cidade", "en-US", "pt-BR", "pt-BR"),
        # Too short to say: what is declared, else what the source mostly writes, else nothing.
        ("Live: Kiel", "de", "", "de"),
        ("Live: Kiel", "", "de", "de"),
        ("Live: Kiel", "", "", ""),
        ("", "en", "", "en"),
        ("2026: 4-2", "uk", "", "uk"),
        # But a script says it in few letters.
        ("Київ", "en-US", "", "uk"),
        ("Ўсё", "ru", "", "be"),
        ("Ты", "uk", "", "ru"),
        ("서울", "en", "", "ko"),
        ("שלום", "en", "", "he"),
        ("Απεργία", "", "", "el"),
        ("BBC: กรุงเทพฯ", "en", "", "th"),
        ("東京で雪", "zh", "", "ja"),
        ("東京都", "ja", "", "ja"),
        ("北京", "", "", "zh"),
        # Letters that several languages share leave the declared one.
        ("Новини спорту", "bg", "", "bg"),
        ("Москва", "uk", "", "uk"),
        ("Москва", "", "", "ru"),
        # Codes that are none.
        ("Новини", "ua", "", "uk"),
        ("Zprávy dne", "cz", "", "cs"),
        ("Live: Kiel", "english", "", "en"),
        ("Live: Kiel", "x", "", ""),
        ("Live: Kiel", "und", "", ""),
        # Close relatives: the declared one, unless it hardly fits.
        ("Kommunen sier ja til en ny bro over elven. Arbeidet skal begynne i mars.", "nb-NO", "", "nb-NO"),
        ("Kommunen sier ja til en ny bro over elven. Arbeidet skal begynne i mars.", "no", "", "nb"),
        ("Gradsko vijeće podržalo je drugi most preko rijeke.", "bs", "", "bs"),
        # Addresses and names of accounts are no prose.
        ("Київ https://example.org/a-very-long-address-in-english-words @account", "", "", "uk"),
    ],
)
def test_what_decides(text: str, declared: str, usual: str, language: str) -> None:
    assert language_of(text, declared=declared, usual=usual) == language


def test_a_foreign_name_does_not_change_the_language() -> None:
    assert language_of("Президент України зустрівся з Volodymyr Zelenskyy Foundation у Києві", declared="en") == "uk"
    assert language_of("Режисер Сергій Лозниця, «Мы», отримав приз у Києві", declared="") == "uk"


def test_the_model_is_loaded_only_when_it_is_needed() -> None:
    code = (
        "import sys; from newsletter.sources.prose.language import language_of;"
        "language_of('Київ'); language_of('Live', declared='en'); assert 'py3langid' not in sys.modules, 'loaded';"
        "language_of('A sentence of ordinary English words'); assert 'py3langid' in sys.modules, 'not loaded'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
