"""How heavy a mail is and how long it takes to render: `python -m bench.mail`, or with `--json` for scripts.

Sizes are what readers get, with their values filled in. Times are the fastest and the median of several runs after one
that warms up; they are for comparing on one machine, never for a test.
"""

from __future__ import annotations

import argparse
import json
import quopri
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from newsletter.preflight import kept_style_bytes
from newsletter.render import IssueContent, Renderer
from tests import mail_fixtures as fixtures


@dataclass(frozen=True)
class Measured:
    """One issue: bytes of its parts, of its html as quoted-printable, of its kept style blocks; milliseconds."""

    name: str
    html_bytes: int
    encoded_bytes: int
    css_bytes: int
    text_bytes: int
    render_ms: float
    render_ms_median: float
    fill_ms: float


def measure(name: str, content: IssueContent, runs: int) -> Measured:
    """Return what one issue weighs and how long it takes."""
    renderer = Renderer()
    mail = renderer.issue(content, fixtures.NONCE)
    html = mail.html_for(fixtures.VALUES).encode()
    renders = [_milliseconds(lambda: renderer.issue(content, fixtures.NONCE)) for _ in range(runs)]
    fills = [_milliseconds(lambda: mail.html_for(fixtures.VALUES)) for _ in range(runs)]
    return Measured(
        name=name,
        html_bytes=len(html),
        encoded_bytes=len(quopri.encodestring(html)),
        css_bytes=kept_style_bytes(mail.html),
        text_bytes=len(mail.text_for(fixtures.VALUES).encode()),
        render_ms=round(min(renders), 1),
        render_ms_median=round(statistics.median(renders), 1),
        fill_ms=round(min(fills), 3),
    )


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description="Weigh a mail and time its rendering.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--runs", type=int, default=20, help="how often to render each issue (default: 20)")
    options = parser.parse_args()
    issues = {
        "lead and 10 stories": fixtures.issue(10),
        "lead and 3 stories": fixtures.issue(3),
        "10 without pictures": fixtures.issue(10, pictures=False),
        "arabic, lead and 3": fixtures.arabic_issue(),
    }
    measured = [measure(name, content, options.runs) for name, content in issues.items()]
    if options.json:
        print(json.dumps([asdict(one) for one in measured], indent=2))
        return
    columns = ("html_bytes", "encoded_bytes", "css_bytes", "text_bytes", "render_ms", "render_ms_median", "fill_ms")
    print(" " * 20, *(f"{column:>16}" for column in columns))
    for one in measured:
        print(f"{one.name:<20}", *(f"{getattr(one, column):>16,}" for column in columns))


if __name__ == "__main__":
    main()
