"""The pages behind the links in mails that readers keep: leave, come back, preferences, a new address, one's own data.

A link opened changes nothing, since mail scanners open links; only its page's button does (threat 10). There are no
cookies and no logins here: the signed token says who it is and what it may do.
"""

from __future__ import annotations

from fastapi import APIRouter

from newsletter.web.links import addresses, leaving, own_data, preferences

__all__ = ["PARTS", "router"]

PARTS = (leaving, preferences, addresses, own_data)
router = APIRouter()
for _part in PARTS:
    router.include_router(_part.router)
