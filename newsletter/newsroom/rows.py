"""The newsroom in the database: what an entry changes there, and the entries that it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from sqlmodel import Session, SQLModel, col, delete, select

from newsletter import pictures, slugs
from newsletter.errors import ConfigurationError, NotFound, Refused, meant
from newsletter.models import (
    Edition,
    EditionRegion,
    Issue,
    IssueState,
    Region,
    Source,
    SourceRegion,
    Story,
    StorySource,
)
from newsletter.newsroom.audiences import refuse_unclear
from newsletter.newsroom.codes import no_region
from newsletter.newsroom.entries import (
    WEEKDAYS,
    EditionEntry,
    Entry,
    ListEntry,
    Newsroom,
    RegionEntry,
    SourceEntry,
    checked,
)
from newsletter.sources.prose.resized import Logo
from subscribers.models import MailingList

_E = TypeVar("_E", bound=Entry)
_Named = tuple[str, str]
_Make = Callable[[], SQLModel]
_LinkTable = type[SourceRegion] | type[EditionRegion]


@dataclass(frozen=True)
class Change:
    """What applying an entry does: `added`, or the fields that change with their old and new values."""

    kind: str
    name: str
    added: bool
    fields: dict[str, tuple[Any, Any]]


def apply(session: Session, newsroom: Newsroom, now: datetime) -> list[Change]:
    """Bring the database to what the file says and return what changed; applying twice changes nothing.

    What the database has and the file does not is left alone. Raises NotFound for a region or list that neither has.
    """
    changes: list[Change | None] = []
    changes += [put_region(session, entry) for entry in newsroom.regions]
    changes += [put_list(session, entry, now) for entry in newsroom.lists]
    changes += [put_source(session, entry) for entry in newsroom.sources]
    changes += [put_edition(session, entry, now) for entry in newsroom.editions]
    return [change for change in changes if change]


def put_region(session: Session, entry: RegionEntry) -> Change | None:
    """Add or change a region; return what changed, or None."""
    row = session.exec(select(Region).where(Region.code == entry.code)).first()
    return _put(session, ("region", entry.code), row, entry.model_dump(), lambda: Region(**entry.model_dump()))


def put_list(session: Session, entry: ListEntry, now: datetime) -> Change | None:
    """Add or rename a list; return what changed, or None."""
    row = session.exec(select(MailingList).where(MailingList.slug == entry.slug)).first()
    new = entry.model_dump()
    return _put(session, ("list", entry.slug), row, new, lambda: MailingList(**new, created_at=now))


def put_source(session: Session, entry: SourceEntry) -> Change | None:
    """Add or change a source with its regions; return what changed, or None. Raises NotFound for an unknown region."""
    ids = _region_ids(session, entry.regions)
    same_url = session.exec(select(Source).where(Source.url == entry.url, Source.slug != entry.slug)).first()
    if same_url:
        raise ConfigurationError(f"Source {entry.slug}: {entry.url} is the address of source {same_url.slug} already.")
    row = session.exec(select(Source).where(Source.slug == entry.slug)).first()
    new = entry.model_dump(exclude={"regions"})
    change = _put(session, ("source", entry.slug), row, new, lambda: Source(**new))
    source = session.exec(select(Source).where(Source.slug == entry.slug)).one()
    change = _link(session, change, ("source", entry.slug), table=SourceRegion, owner_id=source.id, after=ids)
    if change and change.fields.keys() & {"url", "kind"}:
        # These belong to what it was before.
        source.etag = source.last_modified = source.notice = ""
        source.next_fetch_at = None
    return change


def put_edition(session: Session, entry: EditionEntry, now: datetime) -> Change | None:
    """Add or change an edition; return what changed, or None. Raises NotFound for an unknown region or list.

    Raises ConfigurationError for an audience that cannot be understood.
    """
    ids = _region_ids(session, entry.regions)
    mailing_list = session.exec(select(MailingList).where(MailingList.slug == entry.list)).first()
    if mailing_list is None:
        hint = f"Edition {entry.slug} names it; add it with `newsletter list add`."
        raise NotFound("list", entry.list, hint, known=session.exec(select(MailingList.slug)).all())
    refuse_unclear(session, entry.slug, entry.audience, now)
    new = entry.model_dump(exclude={"regions", "list", "send_weekday", "send_time"})
    new |= {
        "list_id": mailing_list.id,
        "send_weekday": WEEKDAYS.index(entry.send_weekday),
        "send_hour_minute": entry.send_time,
    }
    row = session.exec(select(Edition).where(Edition.slug == entry.slug)).first()
    if row and row.list_id != mailing_list.id:
        _refuse_while_sending(session, row)
    change = _put(session, ("edition", entry.slug), row, new, lambda: Edition(**new, created_at=now))
    edition = session.exec(select(Edition).where(Edition.slug == entry.slug)).one()
    return _link(session, change, ("edition", entry.slug), table=EditionRegion, owner_id=edition.id, after=ids)


def change_edition(session: Session, slug: str, changes: list[str], now: datetime) -> Change | None:
    """Change an edition by `key=value` texts; return what changed, or None. Raises NotFound or ConfigurationError."""
    entries = {entry.slug: entry for entry in read(session).editions}
    if slug not in entries:
        raise NotFound("edition", slug, "" if entries else "Add one with `newsletter edition add`.", known=entries)
    fields: dict[str, Any] = entries[slug].model_dump()
    for text in changes:
        key, equals, value = text.partition("=")
        if not equals or key not in fields or key == "slug":
            raise _no_change(text, [name for name in fields if name != "slug"])
        fields[key] = [part.strip() for part in value.split(",")] if key == "regions" else value
    return put_edition(session, checked(EditionEntry, **fields), now)


def put_logo(session: Session, slug: str, logo: Logo | None, base_url: str, now: datetime) -> Change | None:
    """Keep a logo and show it on top of the edition's mails, or none; return what changed, or None. Raises NotFound."""
    if logo is None:
        return change_edition(session, slug, ["logo_url="], now)
    address = pictures.address_of(base_url, pictures.store(session, logo.picture, now))
    return change_edition(session, slug, [f"logo_url={address}", f"logo_width={logo.shown_width}"], now)


def _no_change(text: str, known: list[str]) -> ConfigurationError:
    """Return the error for a text that is no `key=value` of an edition."""
    key, equals, _ = text.partition("=")
    likely = meant(key.strip().replace("-", "_"), known) if equals else ""
    if likely:
        return ConfigurationError(f"{text!r} is no change. Did you mean {likely}?")
    return ConfigurationError(f"{text!r} is no change: write key=value with one of {', '.join(known)}.")


def enable_source(session: Session, slug: str, *, enabled: bool) -> Change | None:
    """Switch a source on or off; return what changed, or None. Raises NotFound."""
    source = find_source(session, slug)
    source.next_fetch_at = None  # whoever switches it on wants to see it read
    return _put(session, ("source", slug), source, {"enabled": enabled}, lambda: source)


def remove_source(session: Session, slug: str) -> None:
    """Delete a source that brought no stories. Raises NotFound, or Refused for one that did."""
    source = find_source(session, slug)
    if session.exec(select(Story.id).where(Story.source_id == source.id).limit(1)).first() is not None:
        raise Refused(f"Source {slug} has brought stories, which keep it. `newsletter source disable {slug}` stops it.")
    session.exec(delete(SourceRegion).where(col(SourceRegion.source_id) == source.id))
    session.exec(delete(StorySource).where(col(StorySource.source_id) == source.id))
    session.delete(source)
    session.flush()


def read(session: Session) -> Newsroom:
    """Return the newsroom as the database has it."""
    codes = {region.id: region.code for region in session.exec(select(Region))}
    slugs = {one.id: one.slug for one in session.exec(select(MailingList))}
    return Newsroom(
        regions=[_entry(RegionEntry, row) for row in session.exec(select(Region).order_by(Region.code))],
        lists=[_entry(ListEntry, row) for row in session.exec(select(MailingList).order_by(MailingList.slug))],
        sources=[
            _entry(SourceEntry, row, regions=_codes(session, SourceRegion, "source_id", row.id, codes))
            for row in session.exec(select(Source).order_by(Source.slug))
        ],
        editions=[
            _entry(
                EditionEntry,
                row,
                regions=_codes(session, EditionRegion, "edition_id", row.id, codes),
                list=slugs[row.list_id],
                send_weekday=WEEKDAYS[row.send_weekday],
                send_time=row.send_hour_minute,
            )
            for row in session.exec(select(Edition).order_by(Edition.slug))
        ],
    )


def source_slug(session: Session, url: str, *, slug: str = "", name: str = "") -> str:
    """Return the slug under which the feed at `url` is added: `slug` when given, or the one it has already.

    Otherwise one that is free, made from `name` or from the host. Raises ConfigurationError when `slug` is that of
    another feed.
    """
    urls = dict(session.exec(select(Source.slug, Source.url)).all())
    if slug:
        if urls.get(slug, url) != url:
            raise ConfigurationError(
                f"Source {slug} is {urls[slug]} already; name this one with another --slug, "
                "or change the address in the newsroom file."
            )
        return slug
    known = next((one for one, its_url in urls.items() if its_url == url), "")
    return known or slugs.free(slugs.from_name_or_host(name, url), urls.keys())


def find_source(session: Session, slug: str) -> Source:
    """Return the source. Raises NotFound with the names most like this one."""
    source = session.exec(select(Source).where(Source.slug == slug)).first()
    if source is None:
        known = session.exec(select(Source.slug)).all()
        raise NotFound("source", slug, "" if known else "Add one with `newsletter source add`.", known=known)
    return source


def _put(session: Session, named: _Named, row: SQLModel | None, new: dict[str, Any], make: _Make) -> Change | None:
    """Make the row, or change those of its fields that differ from `new`; return what was done, or None."""
    if row is None:
        session.add(make())
        session.flush()
        return Change(*named, added=True, fields={})
    fields = {key: (getattr(row, key), value) for key, value in new.items() if getattr(row, key) != value}
    for key, (_, value) in fields.items():
        setattr(row, key, value)
    session.add(row)
    session.flush()
    return Change(*named, added=False, fields=fields) if fields else None


def _link(
    session: Session, change: Change | None, named: _Named, *, table: _LinkTable, owner_id: int, after: set[int]
) -> Change | None:
    """Make the owner's region rows exactly `after`; return `change`, extended when the regions changed."""
    column = "source_id" if table is SourceRegion else "edition_id"
    mine = getattr(table, column) == owner_id
    before = set(session.exec(select(table.region_id).where(mine)))
    if before == after:
        return change
    session.exec(delete(table).where(mine, col(table.region_id).in_(before - after)))
    session.add_all(table(**{column: owner_id, "region_id": region_id}) for region_id in after - before)
    session.flush()
    if change and change.added:
        return change
    codes = {region.id: region.code for region in session.exec(select(Region))}
    fields = dict(change.fields) if change else {}
    fields["regions"] = (sorted(codes[one] for one in before), sorted(codes[one] for one in after))
    return Change(*named, added=False, fields=fields)


def _refuse_while_sending(session: Session, edition: Edition) -> None:
    sending = select(Issue.week).where(Issue.edition_id == edition.id, Issue.state == IssueState.SENDING)
    week = session.exec(sending).first()
    if week:
        raise Refused(f"{edition.slug}/{week} is being sent; change the edition's list when it is done.")


def _region_ids(session: Session, codes: list[str]) -> set[int]:
    known = {region.code: region.id for region in session.exec(select(Region))}
    for code in codes:
        if code not in known:
            raise no_region(code, known)
    return {known[code] for code in codes}


def _codes(session: Session, table: Any, column: str, owner_id: int, codes: dict[int, str]) -> list[str]:
    ids: Iterator[int] = session.exec(select(table.region_id).where(getattr(table, column) == owner_id))
    return sorted(codes[region_id] for region_id in ids)


def _entry(entry: type[_E], row: SQLModel, **more: Any) -> _E:
    fields = {name: getattr(row, name) for name in entry.model_fields if name not in more}
    return cast("_E", entry.model_construct(**(fields | more)))
