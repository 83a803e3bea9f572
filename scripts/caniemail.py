"""Write tests/data/caniemail.json: which mail program draws what, from the data of caniemail.

    npm pack caniemail && tar xf caniemail-*.tgz
    python scripts/caniemail.py package/data/caniemail.json > tests/data/caniemail.json

One letter for each feature and client: y (yes), a (almost), n (no), u (unknown), as last tested. caniemail is by
Rémi Parmentier and others, MIT; the npm package that carries its data as JSON is by Andrew Powell, MIT.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

#: The clients that the policy of tests/mail/policy.py judges by, in the order of the letters.
CLIENTS = (
    *("gmail.desktop-webmail", "gmail.mobile-webmail", "gmail.ios", "gmail.android"),
    *("apple-mail.macos", "apple-mail.ios"),
    "outlook.outlook-com",
    *("yahoo.desktop-webmail", "yahoo.ios", "yahoo.android"),
    "samsung-email.android",
    *("outlook.windows", "outlook.windows-mail"),
)
SOURCE = "caniemail (github.com/hteumeuleu/caniemail), by Rémi Parmentier and others; npm package caniemail {version}"
LICENCE = "MIT; see tests/data/caniemail.LICENSE"


def trimmed(data: dict[str, Any], version: str) -> dict[str, Any]:
    """Return who made the data and when, the clients, and feature -> one letter a client."""
    features = {
        feature["slug"]: "".join(_letter(feature["stats"], client) for client in CLIENTS)
        for feature in sorted(data["data"], key=lambda feature: str(feature["slug"]))
    }
    return {
        "source": SOURCE.format(version=version),
        "licence": LICENCE,
        "date": data["last_update_date"][:10],
        "clients": CLIENTS,
        "features": features,
    }


def _letter(stats: dict[str, dict[str, dict[str, str]]], client: str) -> str:
    """Return the result of the latest version, which comes last."""
    family, _, platform = client.partition(".")
    results = list(stats.get(family, {}).get(platform, {}).values())
    return results[-1][0] if results else "u"


def main() -> None:
    """Print the trimmed data of the file that is named."""
    if len(sys.argv) != 2:
        sys.exit("Usage: python scripts/caniemail.py package/data/caniemail.json")
    path = Path(sys.argv[1])
    package = json.loads((path.parent.parent / "package.json").read_text(encoding="utf-8"))
    made = trimmed(json.loads(path.read_text(encoding="utf-8")), package["version"])
    print(json.dumps(made, indent=0, ensure_ascii=False))


if __name__ == "__main__":
    main()
