"""How far an import came that was interrupted: a small file beside the one that is imported.

It is beside the file and not in the database because it is of no use without the file, and goes where the file goes. It
holds no addresses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from subscribers.transfer.importing import Position
from subscribers.transfer.storing import Fates


@dataclass(frozen=True)
class Bookmark:
    """The bookmark of one import. `of` says what is imported, where to and how: the file's size and hash among it."""

    path: Path
    of: Mapping[str, object]

    def read(self) -> Position | None:
        """Return how far exactly this import came, or None when it was not begun, or finished."""
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            if kept["of"] != json.loads(json.dumps(self.of)):
                return None
            return Position(int(kept["done"]), Fates(**kept["fates"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def keep(self, position: Position) -> None:
        """Note how far it is. What is written after the commit can be behind by one batch, which does no harm."""
        written = self.path.with_name(self.path.name + ".new")
        text = json.dumps({"of": self.of, "done": position.done, "fates": asdict(position.fates)})
        written.write_text(text, encoding="utf-8")
        written.replace(self.path)

    def remove(self) -> None:
        """Forget it: the import is done."""
        self.path.unlink(missing_ok=True)
