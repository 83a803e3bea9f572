"""What `newsletter check` looks at: every part once, each with a sentence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import func
from sqlmodel import Session, col, select

from newsletter.app import App
from newsletter.errors import NewsletterError
from newsletter.letters.examples import example_mails
from newsletter.models import Edition, Source
from newsletter.preflight import check_mail
from newsletter.providers import Checkable, Provider
from subscribers.models import MailingList, Subscription, SubscriptionState

#: Templates of earlier versions that a newsroom may still have, and what replaced them.
_REPLACED = {
    "_look.txt": "colours are settings, `newsletter edition set EDITION accent=#1B5E20`, and fonts are in "
    "_fonts.txt (docs/templates.md)",
    "_words.txt": "phrases are in words/, English ones in words/en.po (docs/templates.md)",
}


@dataclass(frozen=True)
class Inspected:
    """One part and what was found."""

    part: str
    ok: bool
    message: str


def inspect(app: App) -> list[Inspected]:
    """Return a finding for each part, in the order in which they depend on one another; those to mend come last.

    Sources that are well are one part.
    """
    found = [_guarded("database", lambda: _database(app))]
    found.append(_guarded("secret", lambda: _secret(app)))
    found.append(_address(app))
    found.append(_guarded("provider", lambda: _provider(app.settings.provider.use, app.provider)))
    if app.settings.fallback is not None:
        use = app.settings.fallback.use
        found.append(_guarded("fallback", lambda: _provider(use, app.fallback)))
    found += _templates(app)
    if found[0].ok:
        with app.db.reading() as session:
            found += [*_editions(session), *_sources(session)]
            editions = session.exec(select(Edition).order_by(Edition.slug)).all()
        found += _shown(app, editions)
    return sorted(found, key=lambda one: not one.ok)


def _guarded(part: str, look: Callable[[], str]) -> Inspected:
    try:
        return Inspected(part, ok=True, message=look())
    except NewsletterError as error:
        return Inspected(part, ok=False, message=str(error))


def _database(app: App) -> str:
    app.db.check_schema()
    return f"{app.db}, schema {app.db.revision()}"


def _secret(app: App) -> str:
    count = len(app.settings.secrets)
    return f"links can be signed; {count} secret{'s' if count > 1 else ''}" if app.signer else ""


def _address(app: App) -> Inspected:
    base_url = app.settings.base_url
    if urlsplit(base_url).scheme == "https":
        return Inspected("base_url", ok=True, message=base_url)
    return Inspected(
        "base_url",
        ok=False,
        message=f"{base_url} is fine for a trial; readers need an https address (RFC 8058, R37)",
    )


def _provider(name: str, provider: Provider | None) -> str:
    return (
        f"{name}: {provider.check()}"
        if isinstance(provider, Checkable)
        else f"{name}: nothing to look at before sending"
    )


def _editions(session: Session) -> Iterator[Inspected]:
    editions = session.exec(select(Edition).order_by(Edition.slug)).all()
    if not editions:
        yield Inspected(
            "editions",
            ok=False,
            message="there are none; add one with `newsletter edition add` or `newsletter apply`",
        )
    for edition in editions:
        mailing_list = session.get_one(MailingList, edition.list_id)
        query = select(func.count()).where(
            Subscription.list_id == edition.list_id, Subscription.state == SubscriptionState.CONFIRMED
        )
        readers = session.exec(query).one()
        yield Inspected(
            f"edition {edition.slug}",
            ok=bool(readers),
            message=f"{readers} confirmed readers on list {mailing_list.slug}"
            + ("" if readers else "; import some with `newsletter subscriber import`, or wait for sign-ups"),
        )


def _templates(app: App) -> Iterator[Inspected]:
    """Tell which files of a newsroom's own templates nobody reads any more, and what is there instead."""
    if not app.settings.templates:
        return
    folder = app.settings.path(app.settings.templates)
    if not folder.is_dir():
        message = f"{folder} is no folder, so all templates are ours; make it, or take `templates` out of the settings"
        yield Inspected("templates", ok=False, message=message)
    email = folder / "email"
    for place in (email, *sorted(email.glob("editions/*"))):
        for name, instead in _REPLACED.items():
            if (file := place / name).is_file():
                yield Inspected("templates", ok=False, message=f"{file} is no longer read: {instead}")


def _shown(app: App, editions: Sequence[Edition]) -> Iterator[Inspected]:
    """Tell what is wrong with the fixed words and the mails of all editions, each thing once."""
    wrong = [
        sentence for slug in ("", *(one.slug for one in editions)) for sentence in app.renderer.catalogue_problems(slug)
    ]
    told = list(dict.fromkeys(wrong))
    yield from (Inspected("words", ok=False, message=sentence) for sentence in told)
    for edition in editions:
        if (one := _words(app, edition.slug, edition.language)) and one.message not in told:
            yield one
        if edition.enabled:
            yield from _mails(app, edition, told)


def _mails(app: App, edition: Edition, told: Collection[str]) -> Iterator[Inspected]:
    """Tell what is wrong with each mail of an edition but the issue, which `issue check` looks at.

    Mails with the same fault share a line. `told` has been said of the catalogues.
    """
    names: dict[str, list[str]] = {}
    for name, make in example_mails(app.renderer, edition, app.settings.base_url).items():
        try:
            found = check_mail(make(), language=edition.language, site=app.settings.base_url)
        except NewsletterError as error:
            sentence = str(error)
        else:
            more = f" And {len(found) - 1} more." if len(found) > 1 else ""
            sentence = f"{found[0].rule}: {found[0].message} {found[0].fix}{more}" if found else ""
        if sentence and sentence not in told:
            names.setdefault(sentence, []).append(name)
    for sentence, mails in names.items():
        yield Inspected(f"mails of {edition.slug}", ok=False, message=f"{', '.join(mails)}: {sentence}")


def _words(app: App, slug: str, language: str) -> Inspected | None:
    """Tell which fixed words of an edition's mails are shown in English, since its language lacks them."""
    part = f"words of {slug}"
    try:
        missing = app.renderer.missing_words(language, slug)
    except NewsletterError as error:
        return Inspected(part, ok=False, message=str(error))
    if not missing:
        return None
    phrases = ", ".join(f"“{phrase}”" for phrase in missing[:3])
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return Inspected(
        part,
        ok=False,
        message=f"not translated into {language}, so shown in English: {phrases}{more}; "
        f"put them into {language}.po in your own templates (docs/templates.md)",
    )


def _sources(session: Session) -> Iterator[Inspected]:
    sources = session.exec(select(Source).where(col(Source.enabled)).order_by(Source.slug)).all()
    if not sources:
        yield Inspected(
            "sources",
            ok=False,
            message="there are none; add one with `newsletter source add` or `newsletter apply`",
        )
    well = [source for source in sources if not source.failures]
    if well:
        unread = sum(source.fetched_at is None for source in well)
        later = f"; {unread} not read yet, `newsletter gather` does" if unread else ""
        yield Inspected("sources", ok=True, message=f"{len(well)} of {len(sources)} are well{later}")
    for source in sources:
        if source.failures:
            message = f"failed, {source.failures} in a row: {source.last_error}"
            yield Inspected(f"source {source.slug}", ok=False, message=message)
