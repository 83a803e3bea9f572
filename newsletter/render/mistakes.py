"""What is wrong with a template, said of the file and the line where it went wrong (docs/templates.md)."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable
from pathlib import Path
from traceback import walk_tb
from types import FrameType

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
    ext,
)

from newsletter.errors import ConfigurationError
from newsletter.resources import templates_folder

#: Before the names of our templates, for those that extend them.
OURS = "newsletter"
#: How many of the last steps of a template without end tell what it is caught in.
_STEPS = 50
#: A statement that takes in another template, and which.
_READS = re.compile(r"""\{%[-+]?\s*(extends|include|import|from)\s+["']([^"']+)["']""")


def template_loader(own: list[Path]) -> BaseLoader:
    """Return what finds templates: in the folders `own`, the closest first, then ours; `newsletter/...` is always ours.

    Reading one that is not UTF-8, or that may not be read, raises ConfigurationError.
    """
    ours = _Files(templates_folder() / "email")
    return ChoiceLoader([*map(_Files, own), ours, PrefixLoader({OURS: ours})])


def mistake(error: Exception, name: str, own: Path | None) -> str:
    """Return as a sentence what went wrong when the template called `name` was rendered, and where.

    `own` is the folder of a newsroom's templates. Files are named from there, and ours as `newsletter/...`.
    """
    if isinstance(error, TemplateSyntaxError):
        file = _named(error.filename, own) if error.filename else error.name or name
        return f"Template {file}, line {error.lineno}: {error.message}"
    steps = [(frame, line) for frame, line in walk_tb(error.__traceback__) if _is_template(frame)]
    if not steps:
        return f"Template {name}: {_reason(error)}."
    if isinstance(error, RecursionError):
        return _endless([(frame.f_code.co_filename, line) for frame, line in steps[-_STEPS:]], own)
    frame, line = steps[-1]
    hint = " docs/templates.md lists what this mail has." if isinstance(error, UndefinedError) else ""
    return f"Template {_named(frame.f_code.co_filename, own)}, line {line}: {_reason(error).rstrip('.')}.{hint}"


class _Files(FileSystemLoader):
    """The templates of one folder. Some editors begin a file with a mark of its encoding, which is not shown."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, encoding="utf-8-sig")

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        try:
            return super().get_source(environment, template)
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise ConfigurationError(f"Template {template}, line {line}, is not in UTF-8. Save it as UTF-8.") from error
        except TemplateNotFound:  # an OSError, too; the next folder may have it
            raise
        except OSError as error:
            raise ConfigurationError(f"Template {template} cannot be read: {error.strerror or error}.") from error


def _is_template(frame: FrameType) -> bool:
    """Tell whether a step was made in a template: Jinja puts its name and line there in place of what it compiled."""
    return "__jinja_exception__" in frame.f_globals


def _named(file: str, own: Path | None) -> str:
    """Return a template's name from its file."""
    path = Path(file)
    if own and path.is_relative_to(own):
        return path.relative_to(own).as_posix()
    ours = templates_folder() / "email"
    return f"{OURS}/{path.relative_to(ours).as_posix()}" if path.is_relative_to(ours) else file


def _reason(error: Exception) -> str:
    """Return what an error says, without a full stop."""
    if any(frame.f_code.co_filename == ext.__file__ for frame, _ in walk_tb(error.__traceback__)):  # fills the phrases
        said = f"it is not given %({error.args[0]})s" if isinstance(error, KeyError) else str(error)
        return f"a phrase cannot be filled: {said}"
    if isinstance(error, TemplateNotFound):
        return f"there is no template {error.name!r}"
    if isinstance(error, KeyError):
        return f"there is no {error.args[0]!r}"
    return str(error) or type(error).__name__


def _endless(steps: list[tuple[str, int]], own: Path | None) -> str:
    """Return what a template is caught in that never ends: in itself, which is a slip, or in others."""
    files = list(dict.fromkeys(file for file, _ in steps))
    file, line = steps[-1]
    name = _named(file, own)
    linecache.checkcache(file)
    reads = _READS.search(linecache.getline(file, line))
    if len(files) > 1:
        listed = " and ".join(_named(one, own) for one in files)
        return f"The templates {listed} read one another without end."
    if reads and Path(file).as_posix().endswith(f"/{reads[2]}"):
        return (
            f'Template {name}, line {line}: {{% {reads[1]} "{reads[2]}" %}} names this file itself. '
            f'To build on ours, write "{OURS}/{reads[2]}".'
        )
    return f"Template {name}, line {line}: a macro or block calls itself without end."
