"""Stage 3: from an issue to its mail. Jinja2 once, premailer once; what differs from reader to reader stays a hole.

    content -> values of the templates -> subject, html, text -> styles written into the html -> Mail

Content is data only: no text of a story is ever read as a template (threat 3). Nothing here knows the database.
"""

from newsletter.render.content import (
    AddressContent,
    Card,
    ConfirmContent,
    DataContent,
    GoodbyeContent,
    Identity,
    IssueContent,
    Look,
    MovedContent,
    RegionTag,
    ReviewContent,
    SourcesContent,
    TroubledSource,
    WelcomeContent,
)
from newsletter.render.inlining import inline
from newsletter.render.language import Language
from newsletter.render.markup import public_page
from newsletter.render.renderer import Renderer
from newsletter.render.text import web_address
from newsletter.render.written import written

__all__ = [
    "AddressContent",
    "Card",
    "ConfirmContent",
    "DataContent",
    "GoodbyeContent",
    "Identity",
    "IssueContent",
    "Language",
    "Look",
    "MovedContent",
    "RegionTag",
    "Renderer",
    "ReviewContent",
    "SourcesContent",
    "TroubledSource",
    "WelcomeContent",
    "inline",
    "public_page",
    "web_address",
    "written",
]
