"""The commands of `newsletter issue` that judge an issue's mail, and approve it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.base import FAILED, IN_PART, JsonOption, open_app, progress, say, say_json, stop, who
from newsletter.cli.issue_shown import finding_rows, print_accepted

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.issues.approval import Judged
    from newsletter.preflight import Finding, Known

_IssueArgument = Annotated[
    str, typer.Argument(metavar="ISSUE", help="An edition's name for its latest issue, or edition/2026-W47.")
]
_NetworkOption = Annotated[
    bool | None,
    typer.Option(
        "--network/--no-network",
        help="Look whether the links open, and what the DNS says of the sender's domain. In a trial only when asked.",
        show_default=False,
    ),
]

#: How many links that nothing is known of are shown to those who do not ask for all.
_LINKS_SHOWN = 3


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    commands.command()(check)
    commands.command()(approve)


def check(
    issue: _IssueArgument,
    network: _NetworkOption = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every place of a finding, and every link, not the first.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Say what is wrong with an issue's mail, by the number of the rule, and what to do about it.

    Exits with 1 when there are errors, which block the approval, and with 3 when there are warnings nobody accepted.
    Example: newsletter issue check ukraine-weekly
    """
    from newsletter import issues
    from newsletter.issues.approval import judge

    app = open_app()
    known = _known(app, issue, network=network)
    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        name = issues.issue_name(session, found)
        judged = judge(session, found, app.renderer, app.settings.base_url, known)
        state = found.state
    if json:
        say_json({"issue": name, "state": state, "subject": judged.mail.subject} | _facts(judged, known))
    else:
        _print(name, judged, every=every)
        _print_untold(known, every=every)
    if judged.errors or judged.open_warnings:
        stop(FAILED if judged.errors else IN_PART)


def approve(
    issue: _IssueArgument,
    by: Annotated[str, typer.Option(help="Who approves; the login name when left out.")] = "",
    accept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE=REASON", help="A warning of `issue check` that may stay, and why; all=REASON for all."
        ),
    ] = None,
    network: _NetworkOption = None,
    json: JsonOption = False,
) -> None:
    """Freeze the subject, html and text: exactly this is sent, at the edition's time or by `issue send`.

    Errors of `issue check` refuse it. Warnings refuse it, too, unless each is accepted; the reasons are kept.
    Example: newsletter issue approve ukraine-weekly --accept R14="The long subject is meant"
    """
    from newsletter import issues

    reasons = dict(_reasoned(text) for text in accept or ())
    app = open_app()
    known = _known(app, issue, network=network, drafts_only=True)
    with app.db.transaction() as session:
        found = issues.lock_issue(session, issues.find_issue(session, issue).id)
        issues.approve(
            session, found, app.renderer, app.settings.base_url,
            by=by or who(), now=app.clock(), accept=reasons, known=known,
        )  # fmt: skip
        name, at = issues.issue_name(session, found), issues.local_time(session, found)
    if json:
        facts = {"issue": name, "content_hash": found.content_hash, "accepted": found.accepted}
        say_json(facts | _untold(known))
        return
    say(f"{name} is approved: {found.subject}")
    say(f"Content hash {found.content_hash}.")
    print_accepted(found.accepted)
    _print_untold(known)
    say(f"It goes out on {at} by `newsletter run`, or now by `newsletter issue send`.")


def _known(app: App, issue: str, *, network: bool | None, drafts_only: bool = False) -> Known:
    """Return what the network says of an issue, or nothing where it is not asked."""
    from newsletter import issues
    from newsletter.issues.approval import DKIM_SELECTORS, look_around
    from newsletter.preflight import Known

    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        name = issues.issue_name(session, found)
    if drafts_only and found.state != "draft":
        return Known()
    if not (app.settings.base_url.startswith("https:") if network is None else network):
        return Known()
    with progress(f"Looking at the links of {name}") as advance:
        return look_around(
            app.db, found.id, app.renderer, app.settings.base_url, app.client,
            selectors=DKIM_SELECTORS.get(app.settings.provider.use, ()), progress=advance,
        )  # fmt: skip


def _facts(judged: Judged, known: Known) -> dict[str, Any]:
    rows = [
        row | {"accepted": judged.accepted.get(finding, ""), "places": finding.places}
        for row, finding in zip(finding_rows(judged.findings), judged.findings, strict=True)
    ]
    counts = {
        "errors": len(judged.errors),
        "warnings": len(judged.open_warnings),
        "accepted": len(judged.accepted),
    }
    return counts | _untold(known) | {"findings": rows}


def _untold(known: Known) -> dict[str, Any]:
    """Return whether the network was asked, and what it did not tell: address -> sentence, and sentences."""
    return {
        "looked": known.domain is not None,
        "links_unknown": {address: one.sentence for address, one in known.links.items() if one.verdict == "unknown"},
        "domain_unknown": known.domain.unknown if known.domain else (),
    }


def _print(name: str, judged: Judged, *, every: bool) -> None:
    counts = [(len(judged.errors), "error"), (len(judged.open_warnings), "warning"), (len(judged.accepted), "accepted")]
    listed = [f"{n} {what}{'s' if n > 1 and what != 'accepted' else ''}" for n, what in counts if n]
    say(f"{name}: {', '.join(listed) or 'nothing to put right'}.")
    say(f"Subject: {judged.mail.subject}")
    _print_group("Errors, which block the approval:", judged.errors, every=every)
    title = 'Warnings, to be put right or accepted by `issue approve --accept RULE="reason"`:'
    _print_group(title, judged.open_warnings, every=every)
    accepted = [one for one in judged.findings if one in judged.accepted]
    _print_group("Accepted with the approval:", accepted, judged, every=every)


def _print_group(title: str, findings: Sequence[Finding], judged: Judged | None = None, *, every: bool) -> None:
    from newsletter.issues.approval import PLACES_SHOWN, other_places

    if not findings:
        return
    say()
    say(title)
    for one in findings:
        say(f"  {one.rule:>4}  {one.message}")
        for place in other_places(one, most=None if every else PLACES_SHOWN):
            say(f"        {place}")
        say(f"        {f'Because: {judged.accepted[one]}' if judged else one.fix}")


def _print_untold(known: Known, *, every: bool = False) -> None:
    """Print what the network did not tell, or that it was not asked: no finding is not yet a good sign."""
    if known.domain is None:
        say("Links and the sender's domain were not looked at; `issue check --network` does it.")
        return
    links: dict[str, str] = _untold(known)["links_unknown"]
    if not links and not known.domain.unknown:
        return
    say()
    say("Could not be told:")
    if links:
        say(f"  {len(links)} of {len(known.links)} links:")
    shown = list(links.items())[: None if every else _LINKS_SHOWN]
    for address, sentence in shown:
        say(f"        {address}")
        say(f"        {sentence}")
    if left := len(links) - len(shown):
        say(f"        and {left} more; `newsletter issue check` shows them with --all")
    for sentence in known.domain.unknown:
        say(f"  {sentence}")


def _reasoned(text: str) -> tuple[str, str]:
    rule, equals, reason = text.partition("=")
    if not equals or not rule.strip() or not reason.strip():
        raise typer.BadParameter(f'{text!r}: write RULE="reason", such as R14="The long subject is meant"')
    return rule.strip(), reason.strip()
