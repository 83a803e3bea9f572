"""The simulator's own pages under /_simulator/: how a test in another process sees and changes what happens."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from newsletter.testing.sendgrid.faults import as_json, from_json
from newsletter.testing.sendgrid.messages import Answer, Request, errors, json_answer

if TYPE_CHECKING:
    from newsletter.testing.sendgrid.simulator import SendGridSimulator

PREFIX = "_simulator"


def answer(simulator: SendGridSimulator, request: Request) -> Answer:
    """Return what /_simulator/… answers; 400 with a sentence for what cannot be done."""
    page = _PAGES.get((request.method, request.path[1] if len(request.path) > 1 else ""))
    if page is None:
        return errors(404, "The simulator has no such page.")
    try:
        return json_answer(200, page(simulator, request))
    except KeyError as error:
        return errors(400, f"The field {error} is missing.")
    except (ValueError, TypeError) as error:
        return errors(400, str(error))


def _state(simulator: SendGridSimulator, request: Request) -> dict[str, Any]:
    """Everything but the mails' parts; `?after=n` leaves out the first n mails."""
    account = simulator.account
    return {
        **_counts(simulator, request),
        "public_key": account.key.public_key,
        "mails": [mail.as_json() for mail in account.mails(int(request.query.get("after", 0)))],
        "requests": [one.as_json() for one in simulator.requests],
        "batches": sorted(account.batches()),
        "stopped": account.stopped(),
        "suppressions": {name: [one.email for one in account.suppressions(name)] for name in account.lists},
    }


def _counts(simulator: SendGridSimulator, _request: Request) -> dict[str, Any]:
    account = simulator.account
    return {
        "now": account.clock.now(),
        "counts": account.counts(),
        "taken": simulator.taken,
        "asked": len(simulator.requests),
        "waiting_events": len(account.outbox),
    }


def _ids(simulator: SendGridSimulator, _request: Request) -> list[dict[str, str]]:
    """The custom_args of everyone taken, in order."""
    return simulator.taken_args()


def _left(simulator: SendGridSimulator, request: Request) -> dict[str, int]:
    """How many mails left for each value of the custom_arg `?by=…`."""
    return simulator.left_by(request.query["by"])


def _faults(simulator: SendGridSimulator, _request: Request) -> list[dict[str, Any]]:
    return [as_json(fault) for fault in simulator.faults.all()]


def _set_faults(simulator: SendGridSimulator, request: Request) -> list[dict[str, Any]]:
    content = request.json()
    if not isinstance(content, list):
        raise ValueError("Faults are a JSON array.")  # noqa: TRY004 - answered as every other mistake
    simulator.faults.set([from_json(one) for one in content])
    return _faults(simulator, request)


def _advance(simulator: SendGridSimulator, request: Request) -> dict[str, Any]:
    return {"now": simulator.advance(float(request.json()["advance"]))}


def _events(simulator: SendGridSimulator, _request: Request) -> list[dict[str, Any]]:
    """The posts that are due, for a test that has no webhook: headers, and the body in base64."""
    posts = simulator.events()
    return [{"headers": dict(headers), "body": base64.b64encode(body).decode()} for headers, body in posts]


def _suppress(simulator: SendGridSimulator, request: Request) -> dict[str, Any]:
    content = request.json()
    simulator.account.suppress(content["list"], content["email"], content.get("reason", ""), content.get("status", ""))
    return {"suppressed": content["email"]}


def _rotate(simulator: SendGridSimulator, _request: Request) -> dict[str, Any]:
    return {"public_key": simulator.account.rotate_key()}


_PAGES: dict[tuple[str, str], Callable[[SendGridSimulator, Request], Any]] = {
    ("GET", "state"): _state,
    ("GET", "counts"): _counts,
    ("GET", "ids"): _ids,
    ("GET", "left"): _left,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _set_faults,
    ("POST", "clock"): _advance,
    ("GET", "events"): _events,
    ("POST", "suppressions"): _suppress,
    ("POST", "key"): _rotate,
}
