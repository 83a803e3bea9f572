"""The simulator as a process of its own, which a test asks over HTTP and which outlives the sender that it kills."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any
from urllib.parse import quote

from newsletter.testing.sendgrid.faults import Fault, as_json

_TIMEOUT = 60.0


class SimulatorProcess:
    """A simulator that runs elsewhere. Every method raises OSError when it is gone."""

    def __init__(self, url: str, public_key: str) -> None:
        self.url = url
        self.public_key = public_key

    def state(self, after: int = 0) -> dict[str, Any]:
        """Return everything it knows: mails (without the first `after`), requests, batches, lists, counts."""
        found: dict[str, Any] = self._ask("GET", f"state?after={after}")
        return found

    def counts(self) -> dict[str, Any]:
        """Return the time, how many mails are in each state, and how many were taken: cheap at any size."""
        found: dict[str, Any] = self._ask("GET", "counts")
        return found

    def taken_args(self) -> list[dict[str, str]]:
        """Return the custom_args of every mail that was taken, in order."""
        found: list[dict[str, str]] = self._ask("GET", "ids")
        return found

    def left_by(self, name: str) -> Counter[str]:
        """Return how many mails left for each value of a custom_arg: a 2 is a reader who was written to twice."""
        return Counter(self._ask("GET", f"left?by={quote(name)}"))

    def fail(self, *faults: Fault | str) -> None:
        """Put these faults in place of those there; a text is the name of one, for each request to send."""
        self._ask("POST", "faults", [{"name": one} if isinstance(one, str) else as_json(one) for one in faults])

    def advance(self, seconds: float) -> float:
        """Let time pass; return the new time in seconds since the epoch."""
        return float(self._ask("POST", "clock", {"advance": seconds})["now"])

    def events(self) -> list[tuple[Mapping[str, str], bytes]]:
        """Return the posts of events that are due, as (headers, body); each is returned once."""
        return [(one["headers"], base64.b64decode(one["body"])) for one in self._ask("GET", "events")]

    def suppress(self, name: str, address: str) -> None:
        """Put an address on one of the account's lists, such as "bounces"."""
        self._ask("POST", "suppressions", {"list": name, "email": address})

    def rotate_key(self) -> str:
        """Have events signed with a new key; return its public half."""
        self.public_key = str(self._ask("POST", "key", {})["public_key"])
        return self.public_key

    def _ask(self, method: str, page: str, content: object = None) -> Any:
        """Return the JSON of a page. Raises ValueError with the sentence of an error."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=_TIMEOUT)
        try:
            connection.request(method, f"/_simulator/{page}", None if content is None else json.dumps(content))
            answer = connection.getresponse()
            found = json.loads(answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"The simulator at {self.url} does not answer: {error!r}.") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(found["errors"][0]["message"])
        return found


@contextlib.contextmanager
def simulator_process(*arguments: str) -> Iterator[SimulatorProcess]:
    """Run `python -m newsletter.testing.sendgrid` with these arguments until the end of the block.

    It also ends when this process does, however that ends. Raises ChildProcessError when it does not start.
    """
    command = [sys.executable, "-m", "newsletter.testing.sendgrid", "--with-parent", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            yield SimulatorProcess(*_announced(process.stdout))
        finally:
            process.terminate()


def _announced(output: IO[str] | None) -> Sequence[str]:
    """Return what the process prints once it listens: its URL and the public key."""
    lines = [] if output is None else [output.readline().strip() for _ in range(2)]
    found = [line.partition(": ")[2] for line in lines]
    if not all(found) or len(found) < 2:
        raise ChildProcessError("The simulator did not start; what it printed says why.")
    return found
