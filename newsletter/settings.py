"""The machine's side of the configuration. This module is the only reader of the environment and of newsletter.toml.

Regions, sources, editions and lists are not here: they live in the database (`newsletter apply`, `newsletter export`).
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any
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


class ProviderSettings(BaseModel, extra="allow"):
    """`use` names the provider; every other key is an option of that provider."""

    use: str = "maildir"

    @property
    def options(self) -> dict[str, Any]:
        """The options for the provider's constructor."""
        return dict(self.model_extra or {})


class FetchSettings(BaseModel, extra="forbid"):
    """How sources are read."""

    #: Seconds for one source, all redirects included.
    timeout: float = Field(default=20.0, gt=0, le=300)
    #: Bytes of one answer, after decompression.
    max_bytes: int = Field(default=10_000_000, ge=1_000)
    #: How many sources are read at the same time.
    threads: int = Field(default=8, ge=1, le=64)


class ScheduleSettings(BaseModel, extra="forbid"):
    """When `newsletter run` does things by itself."""

    #: Minutes between two gatherings.
    gather_every: int = Field(default=60, ge=1)
    #: Hours after its time during which an approved issue still goes out by itself.
    late_limit: float = Field(default=12.0, ge=0)


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
    fetch: FetchSettings = Field(default_factory=FetchSettings)
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
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
