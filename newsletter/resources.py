"""Where the files that travel with the code lie: in a wheel beside it, in a checkout at its top level."""

from __future__ import annotations

from pathlib import Path


def templates_folder() -> Path:
    """Return the folder that holds `email/` and `web/`."""
    here = Path(__file__).parent
    installed = here / "templates"
    return installed if installed.is_dir() else here.parent / "templates"
