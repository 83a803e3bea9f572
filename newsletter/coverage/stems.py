"""One form for the forms of a word, by cheap suffix rules for the families of languages that news is written in.

These are not the stemmers of linguistics. Two words that share a stem only make two headlines a little more alike, so a
rule may be rough; it must be quick, the same for every form of a name, and leave enough of a word to tell it by, which
is four letters of a longer one as a rule.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_Endings = tuple[tuple[int, frozenset[str]], ...]


def _longest_first(words: str) -> _Endings:
    """Return the endings by their length."""
    lengths = sorted({len(word) for word in words.split()}, reverse=True)
    return tuple((length, frozenset(word for word in words.split() if len(word) == length)) for length in lengths)


_OF_ENGLISH_STEMS = _longest_first("e i")


#: Endings by family; the letters are without accents, as `fold` leaves them.
_SUFFIXES = {
    "english": _longest_first(
        "'s s es ed er ers ing ings ly ion ions ia ian ians a an ans ish ese ment ments al als y ies ied n e"
    ),
    "germanic": _longest_first(
        "en er e s es em n ern ets et t te ten ung ungen isch ische ischen ischer isches st in innen a ar ene"
    ),
    "romance": _longest_first(
        "s es e a o as os i ment er ee ees ent aient ant ants ait era eront ions ion ais aise aises ien ienne "
        "iens iennes "
        "ado ada ados adas ando iendo aron ieron aba an en ar ir ido ida idos idas ano ana anos anas ato ati "
        "ata ate are ere "
        "ois oise ain aine ains aines al ale aux ique iques eur eurs cao coes ense enses eno ena"
    ),
    "slavic": _longest_first(
        # Polish, Czech and their kin, without their accents
        "a e i o u y ow owi owie ami ach om em ie iem iego emu ego ej ich im ym ymi ymi imi ych ia ii io ieni "
        "ka ki ke ku ko "
        "ski ska skie skiego skiej skich skim sku ny na ne nego nej nych nym ni l la lo li ly il ila ili al ala ali "
        "ac ic ec yc t c "
        # Ukrainian, Russian, Bulgarian and their kin
        "а я о е є и і ы у ю ь ї й ой ий ый ей ов ев ів ам ям ами ями ах ях ом ем єм ою ею ого его ому ему им "
        "ым их ых ими ыми ая яя ое ее "
        "ые ие ії ію ия ию ии ів ові еві ськ ська ське ські ського ській ською ських ським ськими ськими ськой "
        "ский ская ское ские ского ской ских ским "
        "ити ати яти ть ти тися ться тся лися лся лась лось ли ла ло ив ав ила или ало али ала но то ено ано ки "
        "ка ку ко ці ня ння нню нні ны на но ни ні ну ною ний "
        "ія ії ію ією нний ість ости остей ость ова ову овом ови ева еву єва єву єві еві їв"
    ),
    "other": _longest_first("s en lar ler nin nun da de dan den in un a e i o u"),
    "arabic": _longest_first("ات ون ين ها ية ان ه ي ة وا هم نا ا"),
}
_FAMILIES = {
    **dict.fromkeys(("en", "sco"), "english"),
    **dict.fromkeys(("de", "nl", "sv", "da", "nb", "no", "nn", "is", "lb", "fy", "af", "yi"), "germanic"),
    **dict.fromkeys(("fr", "es", "it", "pt", "ro", "ca", "gl", "oc", "la", "eo"), "romance"),
    **dict.fromkeys(("pl", "cs", "sk", "sl", "hr", "sr", "bs", "uk", "ru", "be", "bg", "mk", "hsb", "sh"), "slavic"),
    **dict.fromkeys(("ar", "fa", "ur"), "arabic"),
}
#: Languages that write several words in one, so that a part of a word can be what two headlines share.
COMPOUNDING = frozenset({"de", "nl", "sv", "da", "nb", "no", "nn", "is", "lb", "fy", "af"})
_ARABIC_PREFIX = re.compile("^(?:و?(?:ال|بال|كال|فال|لل)|[وبلف](?=...ا))")
_ARABIC_LETTERS = str.maketrans("أإآٱىیکگ", "اااايككك")
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i", "ё": "е", "ґ": "г", "ѓ": "г"}
)
_ADJECTIVE = re.compile("(?<=...)(?:ськ|ск|цьк|цк)(?:ий|ой|ого|ому|им|ім|ом|а|ая|ої|ій|у|ую|ою|е|ое|і|ие|их|ими)$")
#: Provinces and the people of places: Львівщина, харків'яни, киянин, львів'ян.
_PEOPLE = re.compile(
    "(?<=...)(?:щин(?:а|і|и|у|ою)?|ччин(?:а|і|и|у|ою)|ян(?:и|ин|ина|ам|ами|ах|ка|ки)?|чан(?:и|ин|ина|ам|ами|ах)?|ців|ці)$"
)
_VOWEL_SHIFT = re.compile("[іоеєї](?=[^аеиоуюяіїєыэ]{1,3}$)")


def family(language: str) -> str:
    """Return the name of the rules for a language's primary tag."""
    return _FAMILIES.get(language, "other")


@lru_cache(maxsize=16_384)
def fold(word: str) -> str:
    """Return the word in small letters without accents; letters of scripts where marks matter keep them."""
    word = word.casefold().translate(_PLAIN)
    if word.isascii():
        return word
    if word[0] < "Ͱ":  # Latin: é and e are one
        return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c)).translate(_PLAIN)
    if "؀" <= word[0] <= "ۿ":
        return "".join(c for c in word if not unicodedata.combining(c) and c != "ـ").translate(_ARABIC_LETTERS)
    return unicodedata.normalize("NFC", word)


#: Names that the rules would make one with another.
_APART = re.compile("nigeria|nig[eé]ria|нігері[йїю]|нигери|george$")
_NO_PLURAL = re.compile("[a-z]+is")  # Harris is not Harry


@lru_cache(maxsize=16_384)
def stem(folded: str, rules: str) -> str:
    """Return what a folded word shares with its other forms under a family's rules."""
    if len(folded) < 5 and folded.isascii():
        return folded
    apart = _APART.match(folded) or (_NO_PLURAL.fullmatch(folded) if rules == "english" else None)
    if apart:
        return apart[0]
    script = folded[0]
    if "؀" <= script <= "ۿ":
        return _arabic(folded)
    if "Ѐ" <= script <= "ӿ":
        return _cyrillic(folded)
    if script > "ɏ" and not ("Ͱ" <= script <= "Ͽ"):
        return folded
    return _strip(
        _strip(folded, _SUFFIXES[rules], 3 if rules == "germanic" and len(folded) == 5 else 4),
        _SUFFIXES[rules] if rules != "english" else _OF_ENGLISH_STEMS,
        4,
    )


def _strip(word: str, suffixes: _Endings, keep: int) -> str:
    for length, endings in suffixes:
        if len(word) - length >= keep and word[-length:] in endings:
            return word[:-length]
    return word


def _cyrillic(word: str) -> str:
    """Return a stem in which the vowels that shift between the forms of one name are alike: Харків, Харкова."""
    word = word.replace("'", "").replace("’", "")
    bare = _ADJECTIVE.sub("", word)
    word = bare.removesuffix("ин") if bare != word and len(bare) > 5 else bare
    word = _PEOPLE.sub("", word)
    bare = _strip(word, _SUFFIXES["slavic"], 3 if len(word) < 7 else 4)
    word = bare[:-1] if bare == word and len(word) > 5 and word.endswith("к") else bare  # Зонгулдак, Зонгулдаку
    return _VOWEL_SHIFT.sub("о", word.rstrip("ьй"))


def _arabic(word: str) -> str:
    bare = _ARABIC_PREFIX.sub("", word) if len(word) > 4 else word
    return _strip(bare, _SUFFIXES["arabic"], 3)
