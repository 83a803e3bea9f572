"""What the newsroom file and the command line bring, checked, and the file's two directions: parse and to_toml."""

from __future__ import annotations

import tomllib
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

import tomlkit
from babel import Locale, UnknownLocaleError
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from newsletter.errors import ConfigurationError
from newsletter.mail import header_text
from newsletter.render.colours import accent_problems, is_colour
from newsletter.sources.prose.resized import LOGO_SHOWN
from subscribers.addresses import parse_address
from subscribers.errors import SubscriberError

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SLUG = r"^[a-z0-9][a-z0-9-]*$"


_PATTERNS_IN_WORDS = {
    "slug": "write lower-case letters, digits and hyphens, such as ukraine-weekly",
    "code": "write letters, digits and hyphens, such as UA, GB-SCT or fen-north",
    "url": "write an address that begins with http:// or https://",
    "send_time": "write a time of day such as 07:00",
    "logo_url": "write an address that begins with https://, or nothing",
}


class Entry(BaseModel, extra="forbid", str_strip_whitespace=True):
    """One table of the newsroom file. Names are one clean line: what comes from a file may hold anything (threat 1)."""

    @field_validator("name", mode="before", check_fields=False)
    @classmethod
    def _one_line(cls, value: object) -> object:
        return header_text(value) if isinstance(value, str) else value


_E = TypeVar("_E", bound=Entry)


class RegionEntry(Entry):
    """A place. `words` are names and places that mark a story as being about it."""

    code: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$", max_length=32)
    name: str = Field(min_length=1, max_length=100)
    words: list[str] = []
    #: The code of the region that it lies in; GB-SCT lies in GB without being told.
    parent: str = Field(default="", max_length=32)
    #: Degrees south, west, north, east.
    area: list[float] | None = None

    @field_validator("area")
    @classmethod
    def _on_earth(cls, value: list[float] | None) -> list[float] | None:
        if value is None:
            return None
        south, west, north, east = value if len(value) == 4 else (91, 0, 0, 0)
        if not (-90 <= south < north <= 90 and -180 <= west <= 180 and -180 <= east <= 180 and west != east):
            raise ValueError("write four degrees: south, west, north, east, such as 52.3, -0.2, 52.8, 0.4")
        return value


class ListEntry(Entry):
    """A mailing list."""

    slug: str = Field(pattern=_SLUG, max_length=64)
    name: str = Field(min_length=1, max_length=200)


class SourceEntry(Entry):
    """Where stories come from. `regions` are codes; every story of the source belongs to them."""

    slug: str = Field(pattern=_SLUG, max_length=64)
    name: str = Field(min_length=1, max_length=200)
    kind: str = "feed"
    url: str = Field(pattern=r"^https?://\S+$", max_length=2000)
    regions: list[str] = []
    language: str = ""
    weight: float = Field(default=1.0, ge=0, le=5)
    enabled: bool = True


class EditionEntry(Entry):
    """A regional weekly."""

    slug: str = Field(pattern=_SLUG, max_length=64)
    name: str = Field(min_length=1, max_length=100)
    tagline: str = Field(default="", max_length=200)
    region_name: str = Field(default="", max_length=100)
    regions: list[str] = Field(min_length=1)
    list: str
    language: str = "en"
    sender_name: str = Field(min_length=1, max_length=100)
    sender_address: str
    reply_to: str = ""
    publisher: str = Field(min_length=1, max_length=200)
    postal_address: str = Field(min_length=1, max_length=300)
    contact: str = Field(min_length=1)
    send_weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    send_time: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    time_zone: str
    draft_hours: int = Field(default=24, ge=1, le=120)
    deadline_rule: Literal["hold", "send"] = "hold"
    min_stories: int = Field(default=4, ge=1)
    max_stories: int = Field(default=9, le=30)
    max_age_days: int = Field(default=8, ge=1, le=60)
    fall_back: bool = False
    accent: str = ""
    accent_dark: str = ""
    logo_url: str = Field(default="", pattern=r"^(https?://\S+)?$", max_length=2000)
    #: In CSS pixels.
    logo_width: int = Field(default=0, ge=0, le=LOGO_SHOWN[0])
    welcome: bool = True
    goodbye: bool = False
    #: Readers may choose to get one issue a month.
    monthly: bool = False
    #: A segment, such as -tag:staff: of the list only these readers get it.
    audience: str = Field(default="", max_length=1000)
    enabled: bool = True

    @field_validator("accent", "accent_dark")
    @classmethod
    def _in_capitals(cls, value: str) -> str:
        return value.upper() if is_colour(value) else value

    @field_validator("sender_address", "reply_to", "contact")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            return parse_address(value).typed if value else value
        except SubscriberError as error:
            raise ValueError(str(error)) from error

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            return ZoneInfo(value).key
        except (LookupError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone; write one like Europe/Kyiv") from error

    @field_validator("language")
    @classmethod
    def _language(cls, value: str) -> str:
        try:
            Locale.parse(value, sep="-")
        except (UnknownLocaleError, ValueError) as error:
            raise ValueError(f"{value!r} is no language; write one like en, de or pt-BR") from error
        return value

    @model_validator(mode="after")
    def _ordered(self) -> EditionEntry:
        if self.max_stories < self.min_stories:
            raise ValueError("max_stories is smaller than min_stories")
        if "02:00" <= self.send_time < "03:00":
            raise ValueError("send times from 02:00 to 02:59 fall into clock changes; choose another hour")
        return self

    @model_validator(mode="after")
    def _readable(self) -> EditionEntry:
        """Refuse an accent that could not be read in light, in dark or inverted (R48)."""
        problems = accent_problems(self.accent, self.accent_dark)
        if problems:
            raise ValueError(" ".join(problems))
        return self

    @model_validator(mode="after")
    def _logo_as_wide(self) -> EditionEntry:
        if not self.logo_url:
            self.logo_width = 0
        elif not self.logo_width:
            raise ValueError(f"logo_width says how many pixels wide the logo is shown: write 1 to {LOGO_SHOWN[0]}")
        return self


class Newsroom(Entry):
    """The whole file."""

    regions: list[RegionEntry] = []
    lists: list[ListEntry] = []
    sources: list[SourceEntry] = []
    editions: list[EditionEntry] = []


def parse(text: str, file: str) -> Newsroom:
    """Return the newsroom in a TOML text. Raises ConfigurationError with a sentence for each thing that is wrong."""
    try:
        return Newsroom.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}.") from error
    except ValidationError as error:
        raise ConfigurationError(sentences(file, error)) from error


def checked(entry: type[_E], **fields: Any) -> _E:
    """Return an entry made from fields. Raises ConfigurationError with a sentence for each that is wrong."""
    try:
        return entry(**fields)
    except ValidationError as error:
        raise ConfigurationError(sentences(entry.__name__.removesuffix("Entry").lower(), error)) from error


def sentences(where: str, error: ValidationError) -> str:
    """Return one line for each thing a validation found, naming the entry and the field."""
    lines = []
    for detail in error.errors():
        name = " ".join(str(part + 1) if isinstance(part, int) else str(part) for part in detail["loc"])
        reason = detail["msg"].removeprefix("Value error, ")
        key = next((str(part) for part in reversed(detail["loc"]) if isinstance(part, str)), "")
        if detail["type"] == "string_pattern_mismatch":
            reason = _PATTERNS_IN_WORDS.get(key, reason)
        elif detail["type"] in {"int_parsing", "int_type"}:
            reason = "write a whole number"
        elif detail["type"] == "extra_forbidden":
            reason = "there is no such key"
        elif detail["type"] == "missing":
            reason = "is missing"
        lines.append(f"{where}: {name}: {reason}" if name else f"{where}: {reason}")
    return "\n".join(lines)


def to_toml(newsroom: Newsroom) -> str:
    """Return the newsroom as the text of a file that `parse` reads back to the same."""
    document = tomlkit.document()
    for name, entries in newsroom:
        tables = tomlkit.aot()
        for entry in entries:
            table = tomlkit.table()
            for key, value in entry.model_dump(exclude_none=True).items():  # TOML has no word for nothing
                table.add(key, value)
            tables.append(table)
        if len(tables):
            document.add(name, tables)
    return tomlkit.dumps(document)
