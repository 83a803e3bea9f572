"""Pages that stand in front of an article: a consent form, a login, a check for robots, a page that needs scripts."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from newsletter.errors import FetchError
from newsletter.sources.pages.webpage import Webpage, words_of

CONSENT_WALL = "The site asks for consent before it shows anything. Take the story from a feed, or write it by hand."
NO_SUCH_PAGE = "The site says that there is no such page. Check the address."
ROBOT_WALL = "The site keeps programs out with a check for robots. Ask the publisher for a feed."
LOGIN_WALL = "The site asks for a login before it shows anything. Ask the publisher for a public address."
SCRIPT_WALL = "The page shows nothing without JavaScript. Look for a feed of the site, or write the story by hand."

#: A page with less text than this, in characters, may be a wall; one without scripts has next to nothing.
_LITTLE, _NEXT_TO_NOTHING = 700, 150

_ROBOTS = re.compile(
    r"just a moment|attention required|are you (?:a )?(?:robot|human)|not a robot|verify(?:ing)? (?:that )?you|"
    r"access denied|captcha|checking your browser|pardon our interruption|security check|"
    r"request unsuccessful|bot detection",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"\b404\b|(?:page|seite|página|pagina|article) (?:was )?(?:not|nicht|no|non) (?:found|gefunden|encontrada|trovata)|"
    r"page introuvable",
    re.IGNORECASE,
)
_CONSENT = re.compile(
    r"before you continue|bevor sie (?:zu|weiter)|avant de (?:continuer|poursuivre)|antes de (?:continuar|ir)|"
    r"prima di continuare|cookie (?:consent|wall|settings)|we value your privacy|"
    r"your privacy (?:choices|is important)|privacy[- ]gate|datenschutz-?(?:einstellungen|zustimmung)|"
    r"(?:ihre|deine) zustimmung|(?:votre|ton) consentement|(?:uw|je) toestemming",
    re.IGNORECASE,
)
_CONSENT_PLACE = re.compile(
    r"^(?:consent|privacy|cmp|myprivacy|guce)\.|/(?:consent|privacy-?gate|privacy-?wall|cookiewall)\b", re.IGNORECASE
)
_SCRIPTS = re.compile(
    r"(?:enable|turn on|activate|requires?|without|needs?) (?:\w+ )?java ?script|"
    r"java ?script (?:is|must be|ist|muss) \w+|javascript (?:aktivieren|einschalten)|"
    r"activ(?:er|ez|ar|a) (?:le |el )?javascript|включите javascript",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"\b(?:log|sign) ?-?in\b|\banmeld(?:en|ung)\b|\beinloggen\b|se connecter|\bconnexion\b|iniciar sesi[oó]n|"
    r"\baccedi\b|\binloggen\b|\blogin\b|\bвойти\b|\bвход\b|\bувійти\b|\bзалогуйтесь\b",
    re.IGNORECASE,
)


def refuse_wall(page: Webpage, text: str) -> None:
    """Raise FetchError when `page` stands in front of an article. `text` is what can be read of it."""
    sentence = _wall(page, text)
    if sentence:
        raise FetchError(page.url, sentence)


def _wall(page: Webpage, text: str) -> str:
    """Return the sentence for a wall, or nothing. What has the text of an article is none."""
    parts = urlsplit(page.url)
    heading = f"{page.title} {' '.join(words_of(one) for one in list(page.root.iter('h1'))[:3])}"
    said = f"{heading} {text} {_silent_text(page)}"
    asks_password = any((one.get("type") or "").lower() == "password" for one in page.root.iter("input"))
    signs = (
        (_CONSENT.search(heading) or _CONSENT_PLACE.search(f"{parts.hostname}{parts.path}"), CONSENT_WALL),
        (_MISSING.search(heading), NO_SUCH_PAGE),
        (_ROBOTS.search(heading), ROBOT_WALL),
        (asks_password and _LOGIN.search(said), LOGIN_WALL),
        (len(text) < _NEXT_TO_NOTHING and _SCRIPTS.search(said), SCRIPT_WALL),
    )
    return next((sentence for sign, sentence in signs if sign), "") if len(text) < _LITTLE else ""


def _silent_text(page: Webpage) -> str:
    """Return what the page shows to programs without scripts."""
    return " ".join((one.text_content() or "")[:500] for one in list(page.root.iter("noscript"))[:5])
