"""The blocks of a mail's html that only its reader or only its public page shows, and that page itself."""

from __future__ import annotations

import re
from hashlib import sha256
from html import escape

from newsletter.errors import ConfigurationError
from newsletter.mail import as_for_nobody, block_tags


def block_mark(nonce: str) -> str:
    """Return the word that marks the blocks below. It comes from the nonce, so no text can guess it (threat 3)."""
    return sha256(nonce.encode()).hexdigest()[:12]


#: Two hyphens end a comment for some readers of html, and are an error for all (HTML, section 13.1.6).
_HYPHENS, _HIDDEN_HYPHENS = "--", "-&#45;"


def hide_public_blocks(html: str, nonce: str) -> str:
    """Return the html with what only the public page shows made a comment.

    Raises ConfigurationError when a comment or another macro's block stands in there, since comments do not nest, and
    when the blocks of two macros cross.
    """
    mark = block_mark(nonce)
    _refuse_crossing(html, nonce)

    def hidden(block: re.Match[str]) -> str:
        if "-->" in block[1]:
            raise ConfigurationError(
                "The mail's body.html: what stands in the macro `for_public` may hold no comment, `for_reader` or "
                "`for_readers`."
            )
        return f"<!--{mark} public {block[1].replace(_HYPHENS, _HIDDEN_HYPHENS)} {mark}-->"

    return re.sub(f"<!--{mark} public-->(.*?)<!--/{mark} public-->", hidden, html, flags=re.DOTALL)


def _refuse_crossing(html: str, nonce: str) -> None:
    """Raise ConfigurationError when a block begins inside another and ends outside of it: what is cut would not fit."""
    mark, tags = block_mark(nonce), block_tags(nonce, html=True)
    macros = {f"<!--{mark} {name}-->": f"for_{name}" for name in ("reader", "public")}
    macros |= {tag: "for_readers" for name, tag in tags.items() if name != "end"}
    ends = {f"<!--/{mark} {name}-->": f"for_{name}" for name in ("reader", "public")} | {tags["end"]: "for_readers"}
    within: list[str] = []
    for tag in re.findall("|".join(map(re.escape, [*macros, *ends])), html):
        if tag in macros:
            within.append(macros[tag])
        elif within and (opened := within.pop()) != ends[tag]:
            raise ConfigurationError(
                f"The mail's body.html closes the macro `{ends[tag]}` before `{opened}`, which was opened in it. "
                "Close first what was opened last."
            )


def public_page(mail_html: str, nonce: str, signup_url: str) -> str:
    """Return an issue's stored html as everybody may see it (U12): nothing of a reader's, and a link to sign up.

    Of what only some readers see, it shows what a reader sees of whom nothing is known. Raises ConfigurationError when
    a hole is left over.
    """
    mark = block_mark(nonce)

    def shown(block: re.Match[str]) -> str:
        inside = block[1].replace(_HIDDEN_HYPHENS, _HYPHENS)
        return re.sub('href="[^"]*"', lambda _: f'href="{escape(signup_url)}"', inside)

    page = re.sub(f"<!--{mark} reader-->.*?<!--/{mark} reader-->", "", mail_html, flags=re.DOTALL)
    page = as_for_nobody(page, nonce)
    page = re.sub(f"<!--{mark} public (.*?) {mark}-->", shown, page, flags=re.DOTALL)
    if f"-{nonce}h." in page:
        raise ConfigurationError(
            "The mail's body.html has a hole outside the macro `for_reader`. "
            "What stands in it is left out of the page that everybody can open; put the hole there."
        )
    return page
