"""Every mail that is no issue, once, with plain example content: for `newsletter check`, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial

from newsletter.identity import identity_of
from newsletter.mail import Mail
from newsletter.models import Edition
from newsletter.render import (
    AddressContent,
    ConfirmContent,
    DataContent,
    GoodbyeContent,
    MovedContent,
    Renderer,
    ReviewContent,
    SourcesContent,
    TroubledSource,
    WelcomeContent,
)

_HEADLINES = ("Bridge over the river opens in spring", "Library stays open on Sundays")
_DAY = date(2026, 11, 28)


def example_mails(renderer: Renderer, edition: Edition, base_url: str) -> Mapping[str, Callable[[], Mail]]:
    """Return what makes each mail of an edition, by its name, with its look, language and templates.

    Making one raises ConfigurationError as the renderer does.
    """
    identity = identity_of(edition)
    trouble = TroubledSource("Example Post", "It could not be read three times in a row.")
    back = f"{base_url}/editions/{edition.slug}"
    return {
        "confirm": partial(renderer.confirm, _confirm(edition, base_url)),
        "welcome": partial(renderer.welcome, _welcome(edition, base_url)),
        "goodbye": partial(
            renderer.goodbye, GoodbyeContent(identity=identity, list_name=edition.name, return_url=back)
        ),
        "address": partial(
            renderer.address, AddressContent(identity=identity, address_url=f"{base_url}/a/example", valid_days=7)
        ),
        "moved": partial(renderer.moved, MovedContent(identity=identity, back_url=f"{base_url}/a/example")),
        "data": partial(
            renderer.data, DataContent(identity=identity, data_url=f"{base_url}/d/example", valid_hours=24)
        ),
        "review": partial(renderer.review, _review(edition)),
        "sources": partial(renderer.sources, SourcesContent(identity=identity, sources=(trouble,))),
    }


def _confirm(edition: Edition, base_url: str) -> ConfirmContent:
    return ConfirmContent(
        identity=identity_of(edition),
        confirm_url=f"{base_url}/c/example",
        weekday=edition.send_weekday,
        valid_days=7,
    )


def _welcome(edition: Edition, base_url: str) -> WelcomeContent:
    return WelcomeContent(
        identity=identity_of(edition),
        list_name=edition.name,
        tagline=edition.tagline,
        weekday=edition.send_weekday,
        first_day=_DAY,
        hour=edition.send_hour_minute,
        latest_url=f"{base_url}/issues/{edition.slug}/1",
        latest_subject=_HEADLINES[0],
        preferences_url=f"{base_url}/p/example",
        unsubscribe_url=f"{base_url}/u/example",
    )


def _review(edition: Edition) -> ReviewContent:
    return ReviewContent(
        identity=identity_of(edition),
        issue_name=f"{edition.slug}/2026-W48",
        subject=f"{edition.name}: {_HEADLINES[0]}",
        headlines=_HEADLINES,
        findings=("The lead picture has no description.",),
        send_at=f"{_DAY.isoformat()}, {edition.send_hour_minute}",
        sends_unapproved=False,
    )
