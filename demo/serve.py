"""`make serve`: the readers' pages of the demo, and the outlets its stories come from, until Ctrl-C."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from demo.feeds import FeedServer
from demo.newsroom import load
from demo.run import FOLDER, PAGES_PORT


def main() -> None:
    """Serve both; the outlets show the moment of the demo, so that dates agree with the mails."""
    state_file = FOLDER / "feeds.json"
    if not state_file.exists():
        sys.exit("There is no demo to serve yet. Run `make demo` first.")
    state = json.loads(state_file.read_text(encoding="utf-8"))
    command = [str(Path(sys.executable).with_name("newsletter")), "serve", "--port", str(PAGES_PORT)]
    try:
        with FeedServer(load(), now=datetime.fromisoformat(state["now"]), port=state["port"]):
            code = subprocess.run(command, cwd=FOLDER, check=False).returncode
        sys.exit(code)
    except OSError as error:
        sys.exit(f"Port {state['port']} cannot be used: {error.strerror}. Stop what listens there and try again.")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
