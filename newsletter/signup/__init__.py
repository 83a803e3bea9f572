"""The side stage: somebody asks for editions' lists, and one mail asks them to confirm (U3).

    door -> ask -> rows wait -> [ claim -> provider.send -> keep, put off or give back ]*

`door` decides whether a form is taken, has to be sent once more, or comes too often; every way in passes it. `limits`
counts for all workers. `sending` brings the mails out.
"""

from __future__ import annotations

from newsletter.signup.limits import forget_mails, may_mail
from newsletter.signup.sending import edition_of, send_confirmations
from newsletter.signup.words import consent_wording, frequency, zone_in_words

__all__ = [
    "consent_wording",
    "edition_of",
    "forget_mails",
    "frequency",
    "may_mail",
    "send_confirmations",
    "zone_in_words",
]
