"""Whether the new text of a story tells something that the old one did not."""

from __future__ import annotations

import re

from newsletter.coverage.profiles import prior_share
from newsletter.coverage.tables import STOP_WORDS, common_words
from newsletter.coverage.words import plain, read

#: So many new words of substance are news, if they are also this share of all of them.
NEW_WORDS = 4
NEW_SHARE = 0.2
_SENTENCES = re.compile(r"(?<=[.!?…。！？])[\"'»”’)\]]*\s*|\n+")
#: Sentences that outlets put around their text; they name no event.
_AROUND = re.compile(
    r"\b(?:"
    r"read more|continue reading|click here|subscribe|sign up|newsletter|follow us|"
    r"appeared first on|first published|developing story|more to follow|will be updated|"
    r"last (?:updated|modified)|updated (?:at|on)|all rights reserved|©|mehr lesen|weiterlesen|"
    r"jetzt lesen|abonnieren|aktualisiert|lesen sie auch|lire (?:la suite|aussi)|abonnez|mis à jour|"
    r"en savoir plus|leer más|seguir leyendo|suscr[ií]b|actualizado|читайте також|читайте также|"
    r"читати далі|читать далее|підписуйтесь|подписывайтесь|оновлено|обновлено|"
    r"czytaj (?:więcej|także|dalej)|zaktualizowano|leggi (?:anche|tutto)|continua a leggere|"
    r"aggiornato|続きを読む|関連記事|اقرأ (?:المزيد|أيضا)"
    r")",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\b\d{1,2}[:.h]\d{2}\b(?:\s?(?:am|pm|uhr|gmt|bst|cet|est|utc))?", re.IGNORECASE)


def materially_new(before: str, after: str) -> bool:
    """Say whether `after` tells something that `before` did not: a new number, or several new words of substance.

    Both are a story's title and summary. Corrected letters, another order, a shorter cut, a longer cut of a text that
    was broken off, times of the clock and sentences such as "Read more" are no news.
    """
    old, new = _substance(before), _substance(after)
    if new.startswith(old.rstrip("… .")) and before.rstrip().endswith(("…", "...")):
        return False
    language = _language(old + " " + new)
    was, now = read(old, language), read(new, language)
    if now.figures.numbers - was.figures.numbers - _years(now.figures.numbers):
        return True
    known = {*was.terms}
    told = {term for term in now.terms if prior_share(term, language) < 0.02 and term[0] != "#"}
    fresh = {term for term in told - known if not _is_misspelling(term, known)}
    return len(fresh) >= NEW_WORDS and len(fresh) >= NEW_SHARE * len(told)


def _substance(text: str) -> str:
    """Return the text without what outlets put around it and without times of the clock."""
    sentences = (part for part in _SENTENCES.split(plain(text)) if part and not _AROUND.search(part))
    return _CLOCK.sub("", " ".join(" ".join(sentences).split()))


def _years(numbers: frozenset[str]) -> set[str]:
    return {number for number in numbers if len(number) == 4 and number.isdigit() and "1900" <= number <= "2100"}


def _language(text: str) -> str:
    """Return which language's common words the text has most of; ties go to the first in the alphabet."""
    words = set(text.casefold().split())
    hits = {
        tag: len(words.intersection(common_words(tag)[:STOP_WORDS]))
        for tag in ("de", "en", "es", "fr", "pl", "ru", "uk")
    }
    best = max(hits.values())
    return min(tag for tag, count in hits.items() if count == best) if best else ""


def _is_misspelling(term: str, known: set[str]) -> bool:
    """Say whether a word of five letters or more is one letter away from a word that was there."""
    if len(term) < 5:
        return False
    return any(abs(len(term) - len(word)) <= 1 and _one_apart(term, word) for word in known if len(word) >= 4)


def _one_apart(a: str, b: str) -> bool:
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    middle, other = a[start : len(a) - end], b[start : len(b) - end]
    swapped = len(middle) == 2 and middle == other[::-1]
    return max(len(middle), len(other)) <= 1 or swapped
