"""T1, T2, T4, T10, T12 in one function: all that can be said of a mail without a browser."""

from __future__ import annotations

from tests.mail import content, contrast, document, parsing, policy, styling, textpart
from tests.mail.view import MailView


def problems(view: MailView) -> list[str]:
    """Return what is wrong with the mail, as sentences that begin with the rule; empty when all is well."""
    tools = (document, styling, content, parsing, policy, contrast, textpart)
    found = (problem for tool in tools for problem in tool.problems(view))
    return list(dict.fromkeys(found))
