"""Documents that cannot rot: every command, setting and file they name is there, and everything there is named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from newsletter import __version__
from newsletter.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    page = subprocess.run(
        [sys.executable, "scripts/cli_docs.py"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert (ROOT / "docs/cli.md").read_text(encoding="utf-8") == page, "run `make cli-docs`"


def setting_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    names = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += setting_names(kind, f"{prefix}{name}.")
        elif name != "folder":
            names.append(prefix + name)
    return names


@pytest.mark.parametrize("name", setting_names(Settings))
def test_every_setting_is_documented(name: str) -> None:
    assert f"| `{name}` |" in (ROOT / "docs/operate.md").read_text(encoding="utf-8")


def test_every_documented_setting_exists() -> None:
    table = (ROOT / "docs/operate.md").read_text(encoding="utf-8").partition("| setting |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([\w.]+)` \|", table, re.M)) == set(setting_names(Settings))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_documents_exist(page: Path) -> None:
    known = set(re.findall(r"^### newsletter (.+)$", (ROOT / "docs/cli.md").read_text(encoding="utf-8"), re.M))
    groups = {name.split()[0] for name in known if " " in name}
    for words in re.findall(r"(?:^|`|&& )newsletter ((?:[a-z]+ ?){1,2})", page.read_text(encoding="utf-8"), re.M):
        first, *rest = words.split()
        name = f"{first} {rest[0]}" if first in groups and rest else first
        assert name in known or name in groups, f"newsletter {words}"


def test_the_version_is_said_once() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{__version__}"' in pyproject
