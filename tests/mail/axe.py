"""T9: axe-core on a mail in Chromium (R44). Vendored in tests/vendor/axe-core."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parent.parent / "vendor" / "axe-core" / "axe.min.js"
#: All rules of WCAG 2.2 AA and the best practices; the two left out are about pages, and a mail is a part of one.
OPTIONS = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
    },
    "rules": {
        "target-size": {"enabled": True},
        "region": {"enabled": False},
        "landmark-one-main": {"enabled": False},
    },
    "resultTypes": ["violations", "incomplete"],
    "elementRef": False,
}
_RUN = """async options => {
  const found = await axe.run(document, options);
  const told = (kind, rules) => rules.flatMap(rule => rule.nodes.map(
    node => [kind, rule.id, rule.impact || "", node.target.join(" "), node.html.slice(0, 120)]));
  return JSON.stringify([...told("violation", found.violations),
                         ...told("incomplete", found.incomplete.filter(rule => rule.id === "color-contrast"))]);
}"""


def findings(page: Page) -> list[str]:
    """Return each violation, and each contrast that axe could not judge, with the element it is about."""
    if not page.evaluate("typeof axe === 'object'"):
        page.add_script_tag(path=AXE)
    found = json.loads(page.evaluate(_RUN, OPTIONS))
    return [f"R44: {kind} of {rule} ({impact}) at {target}: {html}" for kind, rule, impact, target, html in found]
