"""The paragraph that a card shows of a story: whole sentences of its source's own text, and no others. Pure.

The rules, in order:

1. What publishers' software adds goes (boilerplate.py), and so do credits of pictures (captions.py), a headline said
   again at the beginning, a byline, and a dateline ("KYIV, Nov 20 (Reuters) -"): the card names its source and the
   story's regions itself.
2. The summary is taken when it says something that the title does not. One that its publisher cut loses the broken
   sentence; where too little remains, or where it is thin to begin with, the fuller content is taken in its place.
3. Up to MOST_WORDS and MOST_SENTENCES all of it is kept. Of a longer text the sentences are taken until they make a
   paragraph; a sentence that is too long for one is cut at a clause or at a word, with "…".
4. Nothing is invented: a text that is short stays short. One without an end gets its full stop, and "…" where it
   was cut: it breaks off after 200 characters, at a word that leads on ("and"), or before a link to the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from newsletter.sources.prose.boilerplate import boilerplate
from newsletter.sources.prose.captions import credited, uncredited
from newsletter.sources.prose.sentences import sentences, words_in

FEWEST_WORDS, MOST_WORDS = 25, 90
FEWEST_SENTENCES, MOST_SENTENCES = 2, 5
#: Words at which a paragraph that is taken out of a longer text is long enough.
_ENOUGH_WORDS = 45
#: Characters that are looked at: five long sentences fit many times over.
_READ_LIMIT = 4_000
#: Words of a credit ("Photo: ...") at most.
_CREDIT_WORDS = 12
#: Publishers who cut without a mark leave at least this many characters.
_CUT_LENGTH = 200

#: Things that software appends to one text, at most, and characters that they have.
_APPENDED, _TAIL = 5, 700

_CUT = re.compile(r"\s*[\[(]?\s*(?:…|\.{3,}|\. \. \.)\s*[\])]?\s*[\])]?\s*$")
_MARKED_CUT = re.compile(r"\s*[\[(]\s*(?:…|\.{2,}|more)\s*[\])]\s*$")
_ENDED = re.compile(r"[.!?…。！？｡।॥؟۔։።][\"'»«”“’‘)\]」』）]*$")
_EAST_ASIAN = re.compile(r"[。！？｡][」』”）]*$")
#: Scripts without a full stop.
_STOPLESS = re.compile("[\u0e00-\u0eff]")
_CLAUSE = re.compile(r"[,;:—–،、，；：](?=\s|$)|[、，；：،]| [-–—] ")
#: The space that a link leaves before a comma or a full stop.
_SPACED = re.compile(r"(?<=[\w”\"’)]) (?=[.,](?:\s|$))")
#: Full stops of scripts that have their own; all others have ".".
_STOPS = {
    "。": re.compile("[\u3040-\u30ff\u3400-\u9fff]"),
    "।": re.compile("[\u0900-\u09ff]"),
    "։": re.compile("[\u0531-\u0587]"),
    "።": re.compile("[\u1200-\u137f]"),
}
#: What a text that has an end may end in, without its stop.
_ENDING = re.compile(r"[\w\u0900-\u0dff%°€$£₴\"'»«”“’‘)\]」』）]$")
#: A text that ends in one of these goes on elsewhere.
_DANGLING = re.compile(
    r"(?:[,:;(–—-]|\b(?:the|a|an|and|or|der|das|dem|und|oder|le|les|du|des|et|ou|el|los|las|y|il|gli|het|een|en|і|й|та|и))$"
)
_LEADING = " \t-–—:|•·.,;»>…"


@dataclass(frozen=True)
class _Text:
    """A text without boilerplate: its sentences, and whether the last one is broken off."""

    sentences: tuple[str, ...]
    is_cut: bool

    @property
    def words(self) -> int:
        return sum(map(words_in, self.sentences))

    @property
    def whole(self) -> _Text:
        """The text without its broken sentence."""
        return _Text(self.sentences[:-1], is_cut=False) if self.is_cut else self


def summary_of(title: str, summary: str, content: str, language: str) -> str:
    """Return the paragraph of a card: two to five sentences of 25 to 90 words where the source has that much.

    `summary` and `content` are plain text; lines in `content` are its blocks. `language` is a BCP 47 tag or empty.
    Empty comes back when neither says anything beyond the title.
    """
    short, full = _cleaned(summary, title, language), _cleaned(content, title, language)
    return _paragraph(_chosen(short, full))


def dateline_of(text: str) -> str:
    """Return the dateline that a text begins with, such as "KYIV, Nov 20 (Reuters)", which readers are not shown."""
    match = boilerplate().dateline.match(text[:_TAIL].lstrip())
    return " ".join(match[0].split()).strip(_LEADING) if match else ""


def _chosen(short: _Text, full: _Text) -> _Text:
    """Return the text to take sentences from (rule 2)."""
    if short.whole.words >= FEWEST_WORDS or not full.sentences:
        return short.whole if short.whole.words >= FEWEST_WORDS else short
    if full.whole.words > short.words or (short.is_cut and _begins_alike(short, full)):
        return full.whole if full.whole.words >= FEWEST_WORDS else full
    return short if short.words else full


def _begins_alike(one: _Text, other: _Text) -> bool:
    beginnings = [_letters(" ".join(text.sentences))[:40] for text in (one, other)]
    return len(min(beginnings, key=len)) >= 15 and beginnings[0].startswith(beginnings[1][: len(beginnings[0])])


def _letters(text: str) -> str:
    """Return the letters and digits of a text, in which two writings of it agree."""
    return "".join(filter(str.isalnum, text.casefold()))


# What is no part of the text (rule 1)


def _cleaned(text: str, title: str, language: str) -> _Text:
    blocks = [_unglued(" ".join(block.split())) for block in text[:_READ_LIMIT].split("\n")]
    known = boilerplate()
    noise = [known.noise, known.more, known.byline]
    if known.is_hinted(text[-2 * _TAIL :]):
        noise.append(known.first_on_whole)
    blocks = [_joined(one for one in sentences(block, language) if not _is_noise(one, noise)) for block in blocks]
    whole = " ".join(_without_headings([block for block in blocks if block]))
    line, is_led_on = _tailless(whole)
    if _repeats(line, title) or _repeats(line := _headless(line, title), title):
        return _Text((), is_cut=False)
    # A block that ends without a mark, such as a point of a list, has to be told from what follows by its line.
    is_cut = is_led_on or _is_cut(line) or len(text) > _READ_LIMIT
    line = _MARKED_CUT.sub("…", line)
    kept = tuple(sentences(line, language))
    kept = tuple(one for one in kept if not known.is_aside(one)) or kept
    return _Text(kept, is_cut=bool(kept) and is_cut)


def _unglued(block: str) -> str:
    """Return a block without credits, notes in brackets and pleas between its sentences, which get their stops."""
    known = boilerplate()
    block = uncredited(known.bracketed.sub("", block) if "(" in block or "{" in block else block)
    place = 0
    while any(hint in block for hint in known.glued_hints) and (match := known.glued.search(block, place)):
        before, rest = _stopped(block[: match.start()].rstrip()), block[match.end() :].lstrip(" .")
        block, place = f"{before} {rest}".strip(), len(before)
    return _SPACED.sub("", block)


def _joined(parts: Iterable[str]) -> str:
    """Return sentences as one text; those of East Asia follow one another without a space."""
    text = ""
    for part in parts:
        is_close = not text or (_EAST_ASIAN.search(text) and not part[:1].isascii())
        text = f"{text}{part}" if is_close else f"{text} {part}"
    return text


def _is_noise(sentence: str, noise: Sequence[re.Pattern[str]]) -> bool:
    """Say whether a sentence, or a block that is one, is no part of the story."""
    if len(sentence) > 600:
        return False
    if any(pattern.fullmatch(sentence) for pattern in noise):
        return True
    if words_in(sentence) > _CREDIT_WORDS:
        return False
    words, credit = credited(sentence)
    return bool(credit) and not words


def _without_headings(blocks: list[str]) -> list[str]:
    """Return the blocks without headings and points of lists, where there are paragraphs beside them."""
    paragraphs = [block for block in blocks if _ENDED.search(block) or _CUT.search(block) or words_in(block) > 25]
    return paragraphs if len(blocks) > 1 and paragraphs else blocks


def _tailless(line: str) -> tuple[str, bool]:
    """Return the text without what software appends to it, and whether that led from a broken sentence to the rest."""
    known, is_led_on = boilerplate(), False
    for _ in range(_APPENDED):
        head, tail = line[:-_TAIL], line[-_TAIL:]
        if known.is_hinted(tail):
            tail = known.first_on.sub("", tail)
        shorter = known.more_plain.sub("", known.more_end.sub("", tail)).rstrip(" |•·>→")
        is_led_on = is_led_on or (len(shorter) < len(tail.rstrip(" |•·>→")) and not _ENDED.search(shorter))
        if head + shorter == line:
            break
        line = head + shorter
    return line, is_led_on


def _headless(line: str, title: str) -> str:
    """Return the text without the headline, dateline and byline before it."""
    for _ in range(4):
        shorter = _without_title(line, title)
        for pattern in (boilerplate().byline, boilerplate().dateline):
            match = pattern.match(shorter)
            if match and match.end() < len(shorter):
                shorter = shorter[match.end() :].lstrip(_LEADING)
        if shorter == line:
            break
        line = shorter
    return line


def _without_title(line: str, title: str) -> str:
    """Return the text without the headline, where it stands there once more and a new sentence follows it."""
    letters = _letters(title)
    if len(letters) < 12 or not _letters(line[: 3 * len(title) + 20]).startswith(letters):
        return line
    place = _place_after(line, len(letters))
    rest = line[place:].lstrip("\"'»«”“’‘)]")
    if not rest.strip(_LEADING):
        return ""
    new_line = rest[:1] in ".!?:|–—-…" or rest.startswith((" -", " –", " —", " |", " •"))
    begins = rest.lstrip(_LEADING)[:1]
    is_sentence = rest[:1] == " " and not begins.islower() and words_in(title) >= 4
    return rest.lstrip(_LEADING + "!?") if (new_line or is_sentence) and not begins.islower() else line


def _place_after(line: str, count: int) -> int:
    """Return the place in `line` after so many letters and digits."""
    for place, character in enumerate(line):
        count -= len(_letters(character))
        if count <= 0:
            return place + 1
    return len(line)


def _repeats(line: str, title: str) -> bool:
    """Say whether a text is the title again, or a list of headlines that begins with it (Google News)."""
    text, own = _letters(line), _letters(title)
    if not text or (own and (own.startswith(text) or (text.startswith(own) and len(text) - len(own) < 4))):
        return True
    # "Headline - Outlet", and the text is "Headline Outlet Other headline Other outlet ..."
    headline, _, outlet = re.sub(r"\s+[|–—]\s+", " - ", title).rpartition(" - ")
    if headline and outlet and text.startswith(_letters(headline) + _letters(outlet)):
        return True
    own = _letters(headline) or own
    rest = line[_place_after(line, len(own)) :] if len(own) >= 12 and text.startswith(own) else ""
    return bool(rest) and words_in(rest) <= 4 and not _ENDED.search(rest) and rest[:1] not in ",;"


def _is_cut(line: str) -> bool:
    """Say whether a text breaks off: in dots, in a word that leads on, or after many letters without a stop."""
    if _CUT.search(line) or _DANGLING.search(line):
        return True
    return len(line) >= _CUT_LENGTH and not _ENDED.search(line) and not _STOPLESS.search(line)


# The paragraph (rules 3 and 4)


def _paragraph(text: _Text) -> str:
    count, words = 0, 0
    is_long = text.words > MOST_WORDS or len(text.sentences) > MOST_SENTENCES
    for sentence in text.sentences[:MOST_SENTENCES]:
        length = words_in(sentence)
        if words + length > MOST_WORDS or (is_long and count >= FEWEST_SENTENCES and words >= _ENOUGH_WORDS):
            break
        count, words = count + 1, words + length
    kept = list(text.sentences[:count])
    rest = text.sentences[count:]
    if rest and words < FEWEST_WORDS and count < MOST_SENTENCES:
        kept.append(_shortened(rest[0], MOST_WORDS - words))
    paragraph = _joined(kept)
    return _dotted(paragraph) if text.is_cut and not rest else _stopped(paragraph)


def _stopped(text: str) -> str:
    """Return a text with the stop that its publisher left out; a standfirst often has none."""
    if _ENDED.search(text) or not _ENDING.search(text) or _STOPLESS.search(text[-2:]):
        return text
    stop = next((stop for stop, script in _STOPS.items() if script.search(text[-2:])), ".")
    return f"{text}{stop}"


def _dotted(text: str) -> str:
    """Return a text that was cut with "…" at its end, behind a whole word."""
    bare = _CUT.sub("", text)
    if _ENDED.search(bare):
        return bare
    was_broken_word = len(text) - len(bare) > 0 and text[len(bare) : len(bare) + 1] not in " [("
    if was_broken_word and " " in bare and len(bare.rpartition(" ")[2]) <= 3:
        bare = bare.rpartition(" ")[0]
    return f"{bare.rstrip(_LEADING)}…"


def _shortened(sentence: str, limit: int) -> str:
    """Return as much of a sentence as has at most `limit` words, up to a clause in its second half or else a word."""
    length = _longest(sentence, limit)
    clauses = [match.start() for match in _CLAUSE.finditer(sentence, length // 2, length)]
    if clauses:
        return f"{sentence[: clauses[-1]].rstrip(_LEADING)}…"
    space = sentence.rfind(" ", length // 2, length + 1)
    return f"{sentence[: space if space > 0 else length].rstrip(_LEADING)}…"


def _longest(sentence: str, limit: int) -> int:
    """Return how many characters of a sentence have at most `limit` words, by halving."""
    low, high = 0, len(sentence)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if words_in(sentence[:middle]) <= limit else (low, middle - 1)
    return low
