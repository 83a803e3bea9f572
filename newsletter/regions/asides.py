"""Names that stand beside the story: in a picture's credit, in the name of a war, as an expert's university, as the
other team of a match."""

from __future__ import annotations

import re

from newsletter.regions.text import Text
from newsletter.regions.vocabulary import words

_AGENCY = (
    "(?:AFP|Getty|Reuters|REUTERS|AP|dpa|EPA|PA|ANSA|SIPA|Sipa|MAXPPP|Shutterstock|Alamy|IMAGO|imago"
    "|picture[- ]alliance|NurPhoto|Bloomberg|WireImage|POOL|Pool)"
)
_NAME = r"[^\W\d_a-z][\w.'-]{0,30}"
_SIDE = rf"(?:{_NAME} ){{0,4}}{_NAME}"
#: Names and agencies divided by strokes that end in an agency: Ana Paris/AFP, KENT NISHIMURA / AFP via Getty Images.
_SLASHED = re.compile(rf"(?:{_SIDE} ?[/|] ?){{1,4}}(?:{_AGENCY})\b(?: via {_SIDE})?")
#: What a picture's credit begins with, and the name after it.
_CREDITED = re.compile(
    r"\b(?:[Pp]hoto(?:graph)?s?|PHOTO|[Pp]ictures?|[Ii]mages?|[Ii]llustrations?|[Ff]otos?|Bild(?:er)?|[Cc]redits?"
    r"|[Cc]rédits?(?: photo)?|[Фф]ото)(?: (?:by|von|de|par)|: (?:by |von |par )?|:) ?"
    rf"({_NAME}(?: [A-ZÀ-Þ][\w.'-]+)?)"
)
_CREDIT_WORDS = ("hoto", "HOTO", "icture", "mage", "llustrat", "Bild", "redit", "rédit", "Foto", "foto", "фото", "Фото")
#: An expert or a study, then the university: "an economist at the University of Salford in the UK".
_EXPERT = re.compile(
    r"\b(?:expert|economist|historian|analyst|scientist|psychologist|lecturer|sociologist|epidemiologist|virologist"
    r"|[Rr]esearchers?|[Ss]cholar|Experte|Expertin|Ökonom|Forscher|Forscherin|chercheur|chercheuse|économiste|experte)\b"
    r"[^.!?]{0,40}\b(?:University|Universität|[Uu]niversité|Institute|Institut|College|School)\b[^.!?;:]{0,40}$"
)
_ARTICLES = frozenset({"the", "der", "dem", "den", "die", "la", "le", "russia's", "russia"})
_OF_A_WAR = re.compile(
    r"\b([^\W\d_]+(?:'s)?) (?:(?:in|on|of|against|with|en|à|contre|gegen|auf|в|на|у|проти|против|w|na|przeciw)"
    r" (?:the |der |die |l'|d')?|der |d'|de l')$"
)
#: What _OF_A_WAR ends with; a look at it saves the search.
_BEFORE_NAMES = (
    *("in ", "on ", "of ", "against ", "with ", "en ", "contre ", "gegen ", "auf ", "the ", "der ", "die ", "à "),
    *("в ", "на ", "у ", "проти ", "против ", "w ", "na ", "przeciw ", "l'", "d'"),
)
_OTHER_TEAM = re.compile(
    r"(?:\b(?:vs?\.?|versus|against|gegen|contre|face à|beats?|(?:win|victory|loss|defeat|lead|Sieg|victoire|draw)"
    r" (?:over|to|against|at|with|über|gegen|contre|face à))|(?-i:[A-ZÄÖÜ])\w+ [-–—])"
    r" (?:the |der |den |dem |l'|le )?$",
    re.IGNORECASE,
)
_SCHOOLS = ("niversit", "nstitut", "ollege", "chool")
_FROM = ("from ", "aus ", "de ", "from the ")
_ROLE_FROM = re.compile(r"(\w+)(?:,)? (?:from|aus|originaire de|venu de|venue de) (?:the )?$")


def credit_spans(text: Text) -> list[tuple[int, int]]:
    """Return where the names of people and agencies stand in credits of pictures: Photo by Victoria Sunday, X/AFP."""
    if not any(word in text.exact for word in (*_CREDIT_WORDS, "/", "|")):
        return []
    found = [match.span(1) for match in _CREDITED.finditer(text.exact)]
    if "/" in text.exact or "|" in text.exact:
        found += [match.span() for match in _SLASHED.finditer(text.exact)]
    return found


def is_war_of_another(text: Text, start: int, end: int) -> bool:
    """Say whether the name of a country is part of the name of a war that a story of something else mentions.

    In the summary any such name is; in the headline one that stands after "amid", "over" and such: "Oil falls amid
    Ukraine war", but not "Ukraine war: Kharkiv hit".
    """
    begin = _war_begin(text, start, end)
    if begin < 0:
        return False
    if start > text.headline_end:
        return True
    previous = text.folded[max(0, begin - 40) : begin].split()
    rest = [word for word in previous[-2:] if word not in _ARTICLES]
    return bool(rest) and rest[-1] in words().beside


def _war_begin(text: Text, start: int, end: int) -> int:
    """Return where the name of the war begins that the name of a country is in, -1 when it is in none."""
    following = text.folded[end + 1 : end + 16].replace("-", " ").split()
    if text.folded[end : end + 1] in {" ", "-"} and following and following[0].rstrip(".,:;!?") in words().war:
        return start
    offset = max(0, start - 44)
    if not text.folded.endswith(_BEFORE_NAMES, offset, start):
        return -1
    found = _OF_A_WAR.search(text.folded, offset, start)
    return found.start() if found is not None and found[1] in words().war_of else -1


def is_where_from(text: Text, start: int, roles: frozenset[str]) -> bool:
    """Say whether the summary names a place only as an expert's university or as where a person is from."""
    if start <= text.headline_end:
        return False
    near = text.exact[max(text.headline_end + 1, start - 100) : start]
    if any(word in near for word in _SCHOOLS) and _EXPERT.search(near) is not None:
        return True
    found = _ROLE_FROM.search(near) if near.endswith(_FROM) else None
    return found is not None and found[1] in roles


def is_other_team(text: Text, start: int) -> bool:
    """Say whether the club that begins there is the second of a match: X gegen Y, X vs Y, X beat Y."""
    return _OTHER_TEAM.search(text.exact, max(0, start - 30), start) is not None
