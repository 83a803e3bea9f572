"""How large a mail is on its way, and whether its holes can be filled: R9."""

from __future__ import annotations

import quopri
from collections.abc import Iterator

from newsletter.errors import ConfigurationError
from newsletter.mail import CONDITIONS, HOLES, MAX_SUBSTITUTION_BYTES, Mail, check_blocks, substitution_bytes
from newsletter.preflight.finding import Finding

#: Bytes of the html part after the holes are filled (R9), and of the encoded part.
HTML_WARNING, HTML_LIMIT, ENCODED_LIMIT = 70_000, 90_000, 102_400

#: As long as a reader's values usually are.
_TYPICAL = {name: "x" * (160 if name.endswith("_url") else 40) for name in (*HOLES, *CONDITIONS)}


def broken_holes(mail: Mail) -> list[Finding]:
    """Return what is wrong with the mail's holes and blocks; nothing else can be judged then."""
    try:
        check_blocks(mail)
    except ConfigurationError as error:
        return [Finding("holes", "error", str(error), "docs/templates.md says how holes and blocks are written.")]
    return []


def bytes_on_the_way(mail: Mail) -> Iterator[Finding]:
    """R9: Gmail cuts at about 102 KB, and the unsubscribe link is at the end."""
    html = mail.html_for(_TYPICAL).encode()
    size, encoded = len(html), len(quopri.encodestring(html))
    fix = "Take stories out, or shorten summaries: Gmail cuts the mail off, and the unsubscribe link with it."
    if size >= HTML_LIMIT:
        yield Finding("R9", "error", f"The html part has {size:,} bytes; {HTML_LIMIT:,} are too many.", fix)
    elif encoded >= ENCODED_LIMIT:
        message = f"The html part has {encoded:,} bytes on its way; {ENCODED_LIMIT:,} are too many."
        yield Finding("R9", "error", message, fix)
    elif size >= HTML_WARNING:
        yield Finding("R9", "warning", f"The html part has {size:,} bytes; from {HTML_LIMIT:,} on it is refused.", fix)
    if (filling := substitution_bytes(mail, _TYPICAL)) > MAX_SUBSTITUTION_BYTES:
        message = (
            f"What differs from reader to reader has {filling:,} bytes; SendGrid takes {MAX_SUBSTITUTION_BYTES:,}."
        )
        yield Finding("holes", "error", message, "Shorten the blocks that only some readers see.")
