"""What newsletter.reach saw outside: links that do not open (T13), and a sender's domain that mail cannot come from."""

from __future__ import annotations

from collections.abc import Iterator

from newsletter.preflight.finding import Finding, warnings
from newsletter.preflight.known import Known
from newsletter.preflight.reading import Reading
from newsletter.render.text import shortened


def dead_links(reading: Reading, known: Known) -> Iterator[Finding]:
    """T13: addresses whose servers said that there is nothing."""
    shown = dict.fromkeys(one.attributes.get("href", "") for one in reading.links)
    states = {one: known.links[one] for one in shown if one in known.links}
    gone = (
        f"“{shortened(address, 80)}” ({state.sentence.rstrip('.')})"
        for address, state in states.items()
        if state.verdict == "gone"
    )
    yield from warnings("T13", "A link is dead", gone, "Drop the story, or correct its link.")


def domain(reading: Reading, known: Known) -> Iterator[Finding]:
    """What the DNS says of the sender's domain, in the words of newsletter.reach."""
    del reading
    for one in known.domain.findings if known.domain else ():
        yield Finding(one.rule, one.severity, one.message, one.fix)


RULES = (dead_links, domain)
