"""What is said to whoever signs up: how often an edition comes, and what they agree to, in the page's language."""

from __future__ import annotations

import re
from datetime import date

from babel.dates import format_date

from newsletter.models import Edition
from newsletter.render.language import Language
from newsletter.wording import Wording, phrase

# Whole phrases, since many languages inflect the day.
_WEEKLY = (
    phrase("weekly, on Mondays at %(hour)s (%(zone)s)"),
    phrase("weekly, on Tuesdays at %(hour)s (%(zone)s)"),
    phrase("weekly, on Wednesdays at %(hour)s (%(zone)s)"),
    phrase("weekly, on Thursdays at %(hour)s (%(zone)s)"),
    phrase("weekly, on Fridays at %(hour)s (%(zone)s)"),
    phrase("weekly, on Saturdays at %(hour)s (%(zone)s)"),
    phrase("weekly, on Sundays at %(hour)s (%(zone)s)"),
)


#: What says the year in a pattern such as "EEEE, d 'de' MMMM 'de' y" or "y 'm'. MMMM d 'd'., EEEE".
_SAYS_YEAR = r"y+[^\w\s',]*[年년]?(?:\s?'[^']*'\.?)?"
_LAST_YEAR, _YEAR = re.compile(rf",?\s(?:'de' )?{_SAYS_YEAR}$"), re.compile(rf"{_SAYS_YEAR}\s?")
#: The name that a zone had before, which CLDR keeps.
_NAMED_BEFORE = {"Europe/Kyiv": "Europe/Kiev"}


def frequency(edition: Edition, wording: Wording) -> str:
    """Return how often the edition comes, such as "weekly, on Saturdays at 07:00 (Kyiv time)" (U2)."""
    zone = zone_in_words(edition.time_zone, wording)
    return wording.say(_WEEKLY[edition.send_weekday], hour=edition.send_hour_minute, zone=zone)


def zone_in_words(time_zone: str, wording: Wording) -> str:
    """Return a time zone as people say it: Europe/Kyiv is "Kyiv time"."""
    place = time_zone.rpartition("/")[2].replace("_", " ")
    if place in {"UTC", "GMT"}:
        return place
    known = wording.language.locale.time_zones.get(_NAMED_BEFORE.get(time_zone, time_zone), {})
    place = known.get("city", place)
    return wording.say(phrase("%(place)s time"), place=place)


def consent_wording(edition: Edition, wording: Wording) -> str:
    """Return the words beside the button of an edition's own page: the page shows these and the evidence keeps them."""
    return wording.say(
        phrase(
            "Press “Sign up” to get %(edition)s by e-mail: %(frequency)s. "
            "You can leave at any time with the link in every mail."
        ),
        edition=edition.name,
        frequency=frequency(edition, wording),
    )


def chosen_wording(wording: Wording) -> str:
    """Return the words beside the button of a page on which editions are ticked."""
    return wording.say(
        phrase(
            "Press “Sign up” to get the newsletters that you have ticked by e-mail, each as often as it says above. "
            "You can leave at any time with the link in every mail."
        )
    )


def day_in_words(day: date, language: Language) -> str:
    """Return a day that is near, with its weekday and without its year, such as "Saturday, 21 November".

    CLDR has that order for short names alone, so it is made of the whole date's, without what says the year.
    """
    whole = str(language.locale.date_formats["full"].pattern)
    return str(format_date(day, _YEAR.sub("", _LAST_YEAR.sub("", whole)), locale=language.locale))
