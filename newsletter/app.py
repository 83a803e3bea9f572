"""The one place that wires: from settings to the parts that stages and edges use. Nothing is global."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from newsletter import __version__
from newsletter.db import Database
from newsletter.delivery import Carrier, Post
from newsletter.delivery.journal import Journal
from newsletter.delivery.rates import Limits, WarmUp, Windows
from newsletter.errors import ConfigurationError
from newsletter.gather import Patience
from newsletter.issues import Weights
from newsletter.providers import Provider, load_provider
from newsletter.render import Renderer
from newsletter.settings import ProviderSettings, Settings, WindowSettings
from newsletter.signup.disposable import read_domains
from newsletter.signup.door import Rules
from newsletter.sources import Fetched, Previous, Source, load_source
from newsletter.sources.http import Client
from subscribers.hashes import KeyedHash
from subscribers.tokens import Signer


def utc_now() -> datetime:
    """Return the time. Edges hand it down; nothing below them looks at a clock."""
    return datetime.now(UTC)


#: Seconds for one fetch of a source, whatever it asks for: its page, its robots.txt, its articles (F14).
SOURCE_SECONDS = 45.0


@dataclass(frozen=True)
class _Timed:
    """A source whose fetches end in time, so that one that is slow on purpose does not hold up the week."""

    source: Source
    client: Client

    def fetch(self, previous: Previous) -> Fetched:
        """Return what the source has now. Raises FetchError as it does, and when its time is over."""
        with self.client.within(SOURCE_SECONDS):
            return self.source.fetch(previous)


@dataclass(frozen=True)
class App:
    """An installation, put together. Parts are made when first used, so that a missing key stops only what needs it."""

    settings: Settings
    db: Database
    clock: Callable[[], datetime] = utc_now

    @cached_property
    def renderer(self) -> Renderer:
        """What turns issues into mails."""
        templates = self.settings.templates
        return Renderer(self.settings.path(templates) / "email" if templates else None)

    @cached_property
    def web_templates(self) -> Path | None:
        """The folder whose page templates replace ours."""
        return self.settings.path(self.settings.templates) / "web" if self.settings.templates else None

    @cached_property
    def signer(self) -> Signer:
        """What signs readers' links. Raises ConfigurationError without a secret."""
        return Signer(self._secrets)

    @cached_property
    def hashes(self) -> KeyedHash:
        """What stands for addresses that must not be kept. Raises ConfigurationError without a secret."""
        return KeyedHash(self._secrets)

    @property
    def _secrets(self) -> Sequence[str]:
        if not self.settings.secrets:
            raise ConfigurationError(
                "No secret is set, so readers' links cannot be signed. `newsletter init` writes one into the settings; "
                "or set NEWSLETTER_SECRETS to a JSON list with a random text of at least 32 characters."
            )
        return self.settings.secrets

    @cached_property
    def provider(self) -> Provider:
        """What carries mail. Raises ConfigurationError with the option that is missing or wrong."""
        return self._load(self.settings.provider)

    @cached_property
    def fallback(self) -> Provider | None:
        """What carries mail that the provider does not take, if there is any. Raises as `provider` does."""
        if self.settings.fallback is None:
            return None
        if self.settings.fallback.use == self.settings.provider.use:
            raise ConfigurationError(
                "fallback.use is the same as provider.use, so reports could not be told apart. Name another kind there."
            )
        try:
            return self._load(self.settings.fallback)
        except ConfigurationError as error:
            raise ConfigurationError(f"The table [fallback]: {error}") from error

    def _load(self, settings: ProviderSettings, **more: object) -> Provider:
        options = settings.options | more
        for name in ("path", "ca_file", "dkim_key", "dkim_ed25519_key"):
            if isinstance(options.get(name), str):
                options[name] = str(self.settings.path(options[name]))
        if settings.use == "maildir":
            options.setdefault("path", str(self.settings.path("outbox")))
        return load_provider(settings.use, options)

    def sandbox(self) -> Provider:
        """Return the provider in its sandbox: it checks mails and sends none. Raises ConfigurationError without one."""
        return self._load(self.settings.provider, sandbox=True)

    @property
    def providers(self) -> dict[str, Provider]:
        """The provider and its fallback by the names under which the ledger and their reports know them."""
        settings, others = self.settings, {}
        if self.fallback is not None and settings.fallback is not None:
            others = {settings.fallback.use: self.fallback}
        return others | {settings.provider.use: self.provider}

    @cached_property
    def client(self) -> Client:
        """What reads sources over HTTP."""
        fetch = self.settings.fetch
        contact = f"; {fetch.contact}" if fetch.contact else ""
        return Client(
            timeout=fetch.timeout,
            max_bytes=fetch.max_bytes,
            user_agent=f"Newsletter/{__version__} (+{self.settings.base_url}{contact})",
            max_raw_bytes=fetch.max_raw_bytes,
            private_networks=fetch.private_networks,
            ports=fetch.ports,
            per_host=fetch.per_host,
            parsers=fetch.parsers,
        )

    @property
    def sign_up_rules(self) -> Rules:
        """What sign-ups are taken. Raises ConfigurationError for a file of domains that cannot be read."""
        signup = self.settings.signup
        more = self.settings.path(signup.disposable_domains) if signup.disposable_domains else None
        return Rules(
            per_network=signup.per_network,
            per_minute=signup.per_minute,
            per_hour=signup.per_hour,
            proof_of_work=signup.proof_of_work,
            disposable=read_domains(more),
        )

    @property
    def weights(self) -> Weights:
        """How stories are weighed against each other."""
        return Weights(**self.settings.score.model_dump())

    @property
    def patience(self) -> Patience:
        """How long a source may fail or be silent before people are told."""
        schedule = self.settings.schedule
        return Patience(timedelta(days=schedule.failing_days), timedelta(weeks=schedule.silent_weeks))

    @property
    def open_source(self) -> Callable[[str, str], Source]:
        """What makes a source from its kind and address; a fetch of it ends after SOURCE_SECONDS."""
        return lambda kind, url: _Timed(load_source(kind, url, self.client), self.client)

    @property
    def post(self) -> Post:
        """What sending an issue needs."""
        fallback = None
        if self.fallback is not None and self.settings.fallback is not None:
            fallback = Carrier(self.fallback, self.settings.fallback.use, self.limits)
        return Post(
            self.provider,
            self.signer,
            self.settings.base_url,
            self.clock,
            name=self.settings.provider.use,
            limits=self.limits,
            fallback=fallback,
            journal=Journal(self.settings.path(self.settings.delivery.journal)),
            lanes=self.settings.delivery.lanes,
        )

    @property
    def limits(self) -> Limits:
        """How many mails may go out, in all and to single domains."""
        rates, warm_up = self.settings.rates, self.settings.warm_up
        return Limits(
            overall=_windows(rates),
            of_domains={domain: _windows(one) for domain, one in rates.domains.items()},
            other_domains=_windows(rates.other_domains),
            warm_up=None if warm_up.first is None else WarmUp(warm_up.first, warm_up.growth, warm_up.until),
        )


def _windows(settings: WindowSettings) -> Windows:
    return Windows(settings.per_second, settings.per_minute, settings.per_hour, settings.per_day)


def make_app(settings: Settings, *, clock: Callable[[], datetime] = utc_now, check_schema: bool = True) -> App:
    """Return the installation that `settings` describe. Raises SchemaError when its database is not up to date."""
    db = Database(settings.database_url)
    if check_schema:
        db.check_schema()
    return App(settings, db, clock)
