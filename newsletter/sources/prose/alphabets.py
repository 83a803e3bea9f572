"""Scripts, alphabets and the languages that are written in them; data of language.py."""

from __future__ import annotations

#: Script -> its languages, the likeliest first, and its ranges in Unicode.
SCRIPTS: dict[str, tuple[tuple[str, ...], tuple[tuple[int, int], ...]]] = {
    "greek": (("el",), ((0x370, 0x3FF), (0x1F00, 0x1FFF))),
    "cyrillic": (("ru",), ((0x400, 0x52F), (0x1C80, 0x1C8F), (0x2DE0, 0x2DFF), (0xA640, 0xA69F))),
    "armenian": (("hy",), ((0x530, 0x58F), (0xFB13, 0xFB17))),
    "hebrew": (("he", "yi"), ((0x590, 0x5FF), (0xFB1D, 0xFB4F))),
    "arabic": (
        ("ar", "fa", "ur", "ps", "ckb", "ug", "sd", "ku"),
        ((0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC)),
    ),
    "syriac": (("syr",), ((0x700, 0x74F),)),
    "thaana": (("dv",), ((0x780, 0x7BF),)),
    "devanagari": (("hi", "mr", "ne"), ((0x900, 0x97F), (0xA8E0, 0xA8FF))),
    "bengali": (("bn", "as"), ((0x980, 0x9FF),)),
    "gurmukhi": (("pa",), ((0xA00, 0xA7F),)),
    "gujarati": (("gu",), ((0xA80, 0xAFF),)),
    "oriya": (("or",), ((0xB00, 0xB7F),)),
    "tamil": (("ta",), ((0xB80, 0xBFF),)),
    "telugu": (("te",), ((0xC00, 0xC7F),)),
    "kannada": (("kn",), ((0xC80, 0xCFF),)),
    "malayalam": (("ml",), ((0xD00, 0xD7F),)),
    "sinhala": (("si",), ((0xD80, 0xDFF),)),
    "thai": (("th",), ((0xE00, 0xE7F),)),
    "lao": (("lo",), ((0xE80, 0xEFF),)),
    "tibetan": (("bo", "dz"), ((0xF00, 0xFFF),)),
    "burmese": (("my",), ((0x1000, 0x109F),)),
    "georgian": (("ka",), ((0x10A0, 0x10FF), (0x1C90, 0x1CBF), (0x2D00, 0x2D2F))),
    "hangul": (("ko",), ((0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7AF))),
    "ethiopic": (("am", "ti"), ((0x1200, 0x139F),)),
    "khmer": (("km",), ((0x1780, 0x17FF),)),
    "kana": (("ja",), ((0x3040, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F))),
    "han": (("zh", "ja", "yue"), ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))),
}

_RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
#: Language -> the small letters of its Cyrillic alphabet.
CYRILLIC_ALPHABETS = {
    language: frozenset(letters)
    for language, letters in {
        "ru": _RUSSIAN,
        "uk": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
        "be": "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
        "bg": "абвгдежзийклмнопрстуфхцчшщъьюяѝ",
        "sr": "абвгдђежзијклљмнњопрстћуфхцчџш",
        "mk": "абвгдѓежзѕијклљмнњопрстќуфхцчџшѐѝ",
        "kk": f"{_RUSSIAN}әғқңөұүһі",
        "ky": f"{_RUSSIAN}ңөү",
        "mn": f"{_RUSSIAN}өү",
        "tg": "абвгғдеёжзийӣкқлмнопрстуӯфхҳчҷшъэюя",
        "tt": f"{_RUSSIAN}әөүҗңһ",
        "ba": f"{_RUSSIAN}ғҙҡңөҫүһә",
        "uz": f"{_RUSSIAN}ўқғҳ",
    }.items()
}

#: Letters of the Arabic script that say which languages it can be, the most telling first.
ARABIC_LETTERS: tuple[tuple[tuple[str, ...], frozenset[str]], ...] = (
    (("ps",), frozenset("ټډړږښېۍځڅګڼ")),
    (("sd",), frozenset("ٻڀٺٽڃڇڍڙڦڱڻ")),
    (("ug",), frozenset("ۇۈۋېئە") & frozenset("ۇۈۋ")),
    (("ckb",), frozenset("ۆێڵڕۊ")),
    (("ur",), frozenset("ٹڈڑںےہھ")),
    (("fa",), frozenset("پچژگ")),
    (("ar",), frozenset("ةىيك")),
    (("fa", "ur"), frozenset("یک")),
)

#: Languages in Latin letters that news is published in.
LATIN = (
    "en", "de", "fr", "es", "it", "pt", "nl", "pl", "cs", "sk", "hu", "ro", "sv", "da", "nb", "nn", "fi", "et", "lv",
    "lt", "sq", "hr", "bs", "sr", "sl", "tr", "az", "ca", "gl", "eu", "cy", "ga", "gd", "br", "is", "fo", "mt", "lb",
    "af", "sw", "ha", "yo", "ig", "zu", "xh", "so", "rw", "sn", "om", "id", "ms", "jv", "tl", "vi", "uz", "tk", "ku",
    "eo", "la", "ht", "mg", "fy", "oc", "wa", "se",
)  # fmt: skip
#: What py3langid calls some of them.
MODEL_NAMES = {"nb": "no", "ckb": "sdh"}
#: Codes that are in feeds and are none, or are names of countries: Ukraine, Czechia, Denmark, Greece, Japan, China.
ALIASES = {
    "iw": "he", "in": "id", "ji": "yi", "no": "nb", "mo": "ro", "sh": "sr", "ua": "uk", "cz": "cs", "dk": "da",
    "gr": "el", "jp": "ja", "cn": "zh", "tw": "zh", "kr": "ko", "fil": "tl", "cmn": "zh", "eng": "en", "deu": "de",
    "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "ita": "it", "por": "pt", "rus": "ru", "ukr": "uk", "pol": "pl",
    "nld": "nl", "dut": "nl", "english": "en", "deutsch": "de", "german": "de", "french": "fr", "spanish": "es",
    "italian": "it", "russian": "ru", "ukrainian": "uk", "polish": "pl",
}  # fmt: skip
#: Languages that a headline or two hardly tell apart.
FAMILIES = (
    ("nb", "da", "nn"),
    ("hr", "bs", "sr"),
    ("id", "ms"),
    ("cs", "sk"),
    ("gl", "pt"),
    ("zu", "xh"),
    ("zh", "yue"),
    ("af", "nl", "fy"),
    ("tr", "az"),
    ("ca", "oc"),
    ("hi", "mr", "ne"),
)
