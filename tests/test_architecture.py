"""The house: arrows that bite, modules and functions of a readable size, commands that start fast."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = [
    path
    for package in ("newsletter", "subscribers")
    for path in (ROOT / package).rglob("*.py")
    if "migrations/versions" not in path.as_posix()
]


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("subscribers/consent/joining.py", "import newsletter.settings", "People know nothing of newsletters"),
        ("newsletter/providers/smtp/__init__.py", "import newsletter.models", "never touch the database"),
        ("newsletter/render/renderer.py", "import sqlmodel", "never touch the database"),
        ("newsletter/gather/__init__.py", "import newsletter.delivery", "Arrows point down"),
        ("newsletter/providers/smtp/__init__.py", "import newsletter.settings", "Only the edge reads settings"),
        ("newsletter/providers/smtp/__init__.py", "import newsletter.sources", "Arrows point down"),
        ("newsletter/app.py", "import newsletter.schedule", "Arrows point down"),
        ("newsletter/preview/__init__.py", "import newsletter.cli", "Arrows point down"),
        ("newsletter/newsroom/__init__.py", "import newsletter.settings", "Only the edge reads settings"),
        ("newsletter/testing/__init__.py", "import newsletter.db", "never touch the database"),
    ],
)
def test_a_forbidden_import_is_caught(tmp_path: Path, module: str, line: str, contract: str) -> None:
    """The contracts of docs/design.md bite: one wrong import in a copy of the code makes `lint-imports` fail."""
    for name in ("newsletter", "subscribers", "pyproject.toml"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    path = tmp_path / module
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    found = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1, found.stdout + found.stderr
    broken = [text for text in found.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(contract in text for text in broken), found.stdout


def test_every_module_has_a_floor() -> None:
    """A module that no layer names could import whatever it likes."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    floors = {name.strip() for layer in contracts[0]["layers"] for name in layer.split("|")}
    there = {
        f"newsletter.{path.stem}"
        for path in (ROOT / "newsletter").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert there - {"newsletter.__init__"} <= floors


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_and_functions_stay_readable(path: Path) -> None:
    """docs/design.md: about 400 lines a module, about 30 a function (the body, without its docstring)."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 420
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= 35, f"{node.name} has {length} lines"


def test_help_loads_nothing_heavy() -> None:
    """libraries.md: --help stays under 0.3 s because these are imported only by the commands that need them."""
    code = (
        "import sys\n"
        "sys.argv = ['newsletter', '--help']\n"
        "from newsletter.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'sqlalchemy', 'fastapi', 'premailer', 'feedparser', 'sendgrid', 'apscheduler', 'httpx2', 'babel'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
