"""What happens to a mail's html after the template: styles are written into it, and its public page is cut from it."""

from __future__ import annotations

import logging
import re
from hashlib import sha256
from html import escape

import premailer

from newsletter.errors import ConfigurationError

DOCTYPE = "<!DOCTYPE html>"

#: premailer would otherwise delete every !important, overwrite attributes written by hand, and use the network (T15).
_OPTIONS = {
    "strip_important": False,
    "disable_validation": True,
    "allow_network": False,
    "keep_style_tags": False,
    "remove_classes": False,
    "include_star_selectors": False,
    "disable_basic_attributes": ["width", "height", "align", "valign", "bgcolor"],
    "align_floating_images": False,
    "remove_unset_properties": True,
    "disable_link_rewrites": True,
    "cssutils_logging_level": logging.CRITICAL,
}


def inline(html: str) -> str:
    """Return the html with its first style block written into style attributes; blocks marked "ignore" stay.

    Raises ConfigurationError when it does not start with the doctype, which premailer would drop silently (R1).
    """
    lines = (line.strip() for line in html.splitlines())
    premailer.premailer.cssutils.ser.prefs.minimizeColorHash = False  # colours keep their six digits (R28)
    inlined: str = premailer.transform("\n".join(line for line in lines if line), **_OPTIONS)
    if not inlined.startswith(DOCTYPE):
        raise ConfigurationError(f"The mail's body.html must start with exactly {DOCTYPE}, with nothing before it.")
    return inlined


def block_mark(nonce: str) -> str:
    """Return the word that marks the blocks below. It comes from the nonce, so no text can guess it (threat 3)."""
    return sha256(nonce.encode()).hexdigest()[:12]


def hide_public_blocks(html: str, nonce: str) -> str:
    """Return the html with what only the public page shows made a comment.

    Raises ConfigurationError when a comment stands in there, since comments do not nest.
    """
    mark = block_mark(nonce)

    def hidden(block: re.Match[str]) -> str:
        if "-->" in block[1]:
            raise ConfigurationError("What stands in the macro `for_public` may not hold a comment.")
        return f"<!--{mark} public {block[1]} {mark}-->"

    return re.sub(f"<!--{mark} public-->(.*?)<!--/{mark} public-->", hidden, html, flags=re.DOTALL)


def public_page(mail_html: str, nonce: str, signup_url: str) -> str:
    """Return an issue's stored html as everybody may see it (U12): nothing of a reader's, and a link to sign up.

    Raises ConfigurationError when a hole is left over.
    """
    mark = block_mark(nonce)

    def shown(block: re.Match[str]) -> str:
        return re.sub('href="[^"]*"', lambda _: f'href="{escape(signup_url)}"', block[1])

    page = re.sub(f"<!--{mark} reader-->.*?<!--/{mark} reader-->", "", mail_html, flags=re.DOTALL)
    page = re.sub(f"<!--{mark} public (.*?) {mark}-->", shown, page, flags=re.DOTALL)
    if f"-{nonce}h." in page:
        raise ConfigurationError(
            "The mail's body.html has a hole outside the macro `for_reader`. "
            "What stands in it is left out of the page that everybody can open; put the hole there."
        )
    return page
