"""The machine's side of the configuration. This module is the only reader of the environment and of newsletter.toml.

Regions, sources, editions and lists are not here: they live in the database (`newsletter apply`, `newsletter export`).
"""

from __future__ import annotations

import os
import re
import tomllib
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from newsletter.errors import ConfigurationError

DEFAULT_FILE = "newsletter.toml"
ENVIRONMENT_PREFIX = "NEWSLETTER_"
#: The environment variable that names the settings file.
FILE_VARIABLE = "NEWSLETTER_CONFIG"
_LEAST_AHEAD = 30
#: The largest limit; counts stay within what both databases hold in an integer.
_MAX_RATE = 1_000_000_000


class ProviderSettings(BaseModel, extra="allow"):
    """`use` names the provider; every other key is an option of that provider."""

    use: str = "maildir"

    @property
    def options(self) -> dict[str, Any]:
        """The options for the provider's constructor."""
        return dict(self.model_extra or {})


class DeliverySettings(BaseModel, extra="forbid"):
    """How issues are handed to the provider."""

    #: Chunks that are under way at the same time in one process.
    lanes: int = Field(default=2, ge=1, le=16)
    #: Minutes before its time at which an issue goes to a provider that can send it later and take it back; 0: none.
    ahead: int = Field(default=60, ge=0, le=4_200)
    #: A folder for what is just being sent, readable after a crash.
    journal: Path = Path("sending")

    @field_validator("ahead")
    @classmethod
    def _long_enough_to_undo(cls, value: int) -> int:
        if 0 < value <= _LEAST_AHEAD:
            raise ValueError(
                f"give 0 or more than {_LEAST_AHEAD}: an issue can be undone until 10 minutes before its time"
            )
        return value


class FetchSettings(BaseModel, extra="forbid"):
    """How sources are read."""

    #: Seconds for one source, all redirects included.
    timeout: float = Field(default=20.0, gt=0, le=300)
    #: Bytes of one answer as it arrives, and after decompression.
    max_raw_bytes: int = Field(default=5 * 1024 * 1024, ge=1_000)
    max_bytes: int = Field(default=10 * 1024 * 1024, ge=1_000)
    #: How many sources are read at the same time, and how many of one host.
    threads: int = Field(default=8, ge=1, le=64)
    per_host: int = Field(default=2, ge=1, le=64)
    #: How many processes read what came; none: one for each core, two at most.
    parsers: int | None = Field(default=None, ge=1, le=64)
    #: Networks inside that sources may be in, at any port; otherwise they are on the public Internet.
    private_networks: list[IPv4Network | IPv6Network] = Field(default_factory=list)
    #: Ports beside those of web servers: 80, 443, 8080 and 8443.
    ports: list[Annotated[int, Field(ge=1, le=65_535)]] = Field(default_factory=list)
    #: Whom a publisher can write to about our requests: a mail address or a web address, told beside `base_url`.
    contact: str = Field(default="", max_length=200, pattern=r"^[!-'*-~]*$")


class ScheduleSettings(BaseModel, extra="forbid"):
    """When `newsletter run` does things by itself."""

    #: Minutes between two gatherings.
    gather_every: int = Field(default=60, ge=1)
    #: Hours after its time during which an approved issue still goes out by itself.
    late_limit: float = Field(default=12.0, ge=0)
    #: Who is told when something needs a person, such as a source that fails for days. Mail addresses.
    editors: list[str] = Field(default_factory=list)
    #: A source that has failed for so many days, or brought nothing new for so many weeks, is reported to them.
    failing_days: float = Field(default=3.0, gt=0)
    silent_weeks: float = Field(default=4.0, gt=0)

    @field_validator("editors")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        wrong = [address for address in value if not re.fullmatch(r"[^@\s]+@[^@\s]+", address)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no mail address; write them as editor@example.org")
        return value


class ScoreSettings(BaseModel, extra="forbid"):
    """How stories are weighed against each other. Points; only their relations matter."""

    #: Just published; nothing is left of it at the edition's `max_age_days`.
    freshness: float = Field(default=25.0, ge=0)
    #: Six outlets tell the same event; more outlets get more.
    outlets: float = Field(default=35.0, ge=0)
    #: How surely the story is about the edition's regions.
    region: float = Field(default=20.0, ge=0)
    #: It has a picture.
    picture: float = Field(default=8.0, ge=0)
    #: It has a summary of 40 words or more.
    length: float = Field(default=7.0, ge=0)
    #: For each step of its source's weight above 1, and off for each below.
    source: float = Field(default=10.0, ge=0)
    #: Off for what comes each day or week under one name: a press review, a programme, a gallery.
    routine: float = Field(default=25.0, ge=0)
    #: Off for each story of the same outlet that is in already.
    same_source: float = Field(default=4.0, ge=0)
    #: Off for each story on the same topic that is in already.
    same_topic: float = Field(default=10.0, ge=0)
    #: More stories of one outlet come in only when no others are left.
    per_source: int = Field(default=3, ge=1)
    #: More stories on one topic come in only when no others are left.
    per_topic: int = Field(default=2, ge=1)


class WindowSettings(BaseModel, extra="forbid"):
    """How many mails may go out in any second, minute, hour and day; none: as many as wanted."""

    per_second: int | None = Field(default=None, ge=1, le=_MAX_RATE)
    per_minute: int | None = Field(default=None, ge=1, le=_MAX_RATE)
    per_hour: int | None = Field(default=None, ge=1, le=_MAX_RATE)
    per_day: int | None = Field(default=None, ge=1, le=_MAX_RATE)


class RateSettings(WindowSettings, extra="forbid"):
    """What goes out in all, and what goes to one domain of readers."""

    #: A domain after the @-sign -> what may go there.
    domains: dict[str, WindowSettings] = Field(default_factory=dict)
    #: What may go to each domain that is not named, each for itself.
    other_domains: WindowSettings = Field(default_factory=WindowSettings)

    @field_validator("domains")
    @classmethod
    def _names(cls, value: dict[str, WindowSettings]) -> dict[str, WindowSettings]:
        found: dict[str, WindowSettings] = {}
        for name, windows in value.items():
            domain = name.lower()
            if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain):
                raise ValueError(f'{name!r} is no domain; write it in quotes, as [rates.domains."example.org"]')
            if domain in found:
                raise ValueError(f"{domain} is there twice")
            found[domain] = windows
        return found


class WarmUpSettings(BaseModel, extra="forbid"):
    """How a sender's domain that is new to the provider begins: a ceiling for each day, by UTC."""

    #: Mails on the first day; none: there is no ceiling.
    first: int | None = Field(default=None, ge=1, le=_MAX_RATE)
    #: A day may have so many times the most that went out on any day before.
    growth: float = Field(default=2.0, gt=1, le=10)
    #: Once a day might have so many, there is no ceiling any more.
    until: int = Field(default=100_000, ge=1, le=_MAX_RATE)


class SignUpSettings(BaseModel, extra="forbid"):
    """How much of signing up is usual; what is above that takes one more press, or has to come back later."""

    #: Sign-ups in an hour from one network: 256 addresses of IPv4, a /48 of IPv6.
    per_network: int = Field(default=20, ge=1, le=_MAX_RATE)
    #: Sign-ups for one edition in a minute and in an hour above which it counts as flooded.
    per_minute: int = Field(default=60, ge=1, le=_MAX_RATE)
    per_hour: int = Field(default=600, ge=1, le=_MAX_RATE)
    #: Browsers do a second of work for a sign-up; without JavaScript it is one more press.
    proof_of_work: bool = False
    #: A file with domains of mailboxes that are thrown away, one to a line, beside those that are known.
    disposable_domains: Path | None = None


class Settings(BaseSettings):
    """All settings of one installation. Paths are relative to the folder of the settings file."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", extra="forbid")

    database: str = "sqlite:///newsletter.db"
    base_url: str = "http://127.0.0.1:8000"
    #: Keys that sign the links in mails, newest first. Old ones keep old links working.
    secrets: list[str] = Field(default_factory=list)
    #: A folder with templates that replace ours, file by file.
    templates: Path | None = None
    provider: ProviderSettings = Field(default_factory=ProviderSettings)
    #: Who carries what the provider surely did not take, while it is out of reach or refuses us.
    fallback: ProviderSettings | None = None
    delivery: DeliverySettings = Field(default_factory=DeliverySettings)
    fetch: FetchSettings = Field(default_factory=FetchSettings)
    rates: RateSettings = Field(default_factory=RateSettings)
    warm_up: WarmUpSettings = Field(default_factory=WarmUpSettings)
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    score: ScoreSettings = Field(default_factory=ScoreSettings)
    signup: SignUpSettings = Field(default_factory=SignUpSettings)
    #: The folder that relative paths start from; set by `load`.
    folder: Path = Field(default=Path(), exclude=True)

    @field_validator("base_url")
    @classmethod
    def _absolute(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("give the address readers open, such as https://news.example.org")
        return value.rstrip("/")

    @field_validator("secrets")
    @classmethod
    def _long_enough(cls, value: list[str]) -> list[str]:
        if any(len(secret) < 32 for secret in value):
            raise ValueError("each secret needs at least 32 characters; `newsletter init` makes one")
        return value

    @field_validator("secrets", mode="before")
    @classmethod
    def _one_secret(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose content `load` passes to the constructor."""
        return env_settings, init_settings

    @property
    def database_url(self) -> str:
        """The database's URL; a relative SQLite file lies beside the settings file."""
        prefix = "sqlite:///"
        path = self.database.removeprefix(prefix)
        if not self.database.startswith(prefix) or path.startswith(("/", ":memory:")):
            return self.database
        return f"{prefix}{(self.folder / path).resolve()}"

    def path(self, value: str | Path) -> Path:
        """Return `value` as a path that starts from the settings file's folder."""
        return (self.folder / value).resolve()


def settings_file(given: Path | None = None) -> Path:
    """Return the settings file in force: the one given, the one the environment names, or ./newsletter.toml."""
    return given or Path(os.environ.get(FILE_VARIABLE, DEFAULT_FILE))


def load(given: Path | None = None) -> Settings:
    """Return the settings from the file in force and the environment.

    Raises ConfigurationError with one sentence for each thing that is wrong.
    """
    file = settings_file(given)
    if not file.is_file():
        raise ConfigurationError(
            f"There is no settings file {file}. Run `newsletter init` here, or name it with --config."
        )
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}.") from error
    _refuse_unknown_variables()
    try:
        return Settings(**(content | {"folder": file.parent.resolve()}))
    except (ValidationError, SettingsError) as error:
        raise ConfigurationError(_sentences(file, error)) from error


def _refuse_unknown_variables() -> None:
    """Raise ConfigurationError for a misspelt variable; pydantic-settings would pass over it in silence."""
    known = {name.upper() for name in Settings.model_fields} - {"FOLDER"}
    for variable in os.environ:
        name = variable.upper()
        if not name.startswith(ENVIRONMENT_PREFIX) or name == FILE_VARIABLE:
            continue
        if name.removeprefix(ENVIRONMENT_PREFIX).split("__")[0] not in known:
            listed = ", ".join(sorted(ENVIRONMENT_PREFIX + field for field in known))
            raise ConfigurationError(f"The environment sets {variable}, which is no setting. Known: {listed}.")


def _sentences(file: Path, error: ValidationError | SettingsError) -> str:
    if isinstance(error, SettingsError):
        return f"{file} or the environment: {error}. Lists in the environment are written as JSON, such as '[\"a\"]'."
    lines = []
    for detail in error.errors():
        name = ".".join(str(part) for part in detail["loc"])
        reason = "there is no such setting" if detail["type"] == "extra_forbidden" else detail["msg"]
        lines.append(f"{file}: {name}: {reason.removeprefix('Value error, ')}.")
    return "\n".join(lines)
