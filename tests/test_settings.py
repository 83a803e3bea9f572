"""Settings: one reader of file and environment, and a sentence for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.delivery.rates import WarmUp, Windows
from newsletter.errors import ConfigurationError
from newsletter.issues import Weights
from newsletter.settings import load

SECRET = "a secret that is long enough for the tests"


def settings_file(folder: Path, text: str) -> Path:
    file = folder / "newsletter.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_need_no_keys(tmp_path: Path) -> None:
    settings = load(settings_file(tmp_path, ""))
    assert settings.provider.use == "maildir"
    assert settings.database_url == f"sqlite:///{tmp_path}/newsletter.db"


def test_the_environment_wins_and_reaches_into_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings_file(tmp_path, '[provider]\nuse = "smtp"\nhost = "mail.example.org"\npassword = "old"\n')
    monkeypatch.setenv("NEWSLETTER_PROVIDER__PASSWORD", "new")
    monkeypatch.setenv("NEWSLETTER_BASE_URL", "https://news.example.org/")
    settings = load(file)
    assert settings.provider.options == {"host": "mail.example.org", "password": "new"}
    assert settings.base_url == "https://news.example.org"


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings_file(tmp_path, 'base_url = "https://x.example"\n')
    monkeypatch.setenv("NEWSLETTER_CONFIG", str(file))
    assert load().base_url == "https://x.example"


def test_one_secret_may_be_a_plain_text(tmp_path: Path) -> None:
    assert load(settings_file(tmp_path, f'secrets = "{SECRET}"\n')).secrets == [SECRET]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("datbase = 'x'", "newsletter.toml: datbase: there is no such setting"),
        ("[fetch]\ntimout = 3", "newsletter.toml: fetch.timout: there is no such setting"),
        ("[fetch]\ntimeout = 'soon'", "newsletter.toml: fetch.timeout: .*number"),
        ("base_url = 'news.example.org'", "base_url: give the address readers open"),
        ("secrets = ['short']", "at least 32 characters"),
        ("base_url = ", "is not valid TOML"),
        ("[rates]\nper_second = 0", "rates.per_second: .*greater than or equal to 1"),
        ("[rates]\nper_week = 9", "rates.per_week: there is no such setting"),
        ("[rates.other_domains]\nper_hour = 2.5", "rates.other_domains.per_hour: .*integer"),
        ('[rates.domains."gmail.com"]\nperhour = 9', "rates.domains.gmail.com.perhour: there is no such setting"),
        # Without quotes TOML makes two tables of it.
        ("[rates.domains.gmail.com]\nper_hour = 9", "rates.domains.gmail.com: there is no such setting"),
        (
            '[rates.domains."a@gmail.com"]\nper_hour = 9',
            r"'a@gmail.com' is no domain; .* \[rates.domains.\"example.org\"\]",
        ),
        ('[rates.domains]\n"a.org" = {}\n"A.org" = {}', "a.org is there twice"),
        ("[warm_up]\nfirst = 50\ngrowth = 1", "warm_up.growth: .*greater than 1"),
        ("[warm_up]\nfirst = 0", "warm_up.first: .*greater than or equal to 1"),
    ],
)
def test_mistakes_in_the_file_get_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        load(settings_file(tmp_path, text))


def test_a_missing_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Run `newsletter init`"):
        load(tmp_path / "newsletter.toml")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("NEWSLETTER_DATABSE", "x", "sets NEWSLETTER_DATABSE, which is no setting. Known: NEWSLETTER_BASE_URL"),
        ("NEWSLETTER_SECRETS", "[broken", "Lists in the environment are written as JSON"),
    ],
)
def test_mistakes_in_the_environment_get_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    """pydantic-settings passes over a misspelt variable in silence (libraries.md); we do not."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=sentence):
        load(settings_file(tmp_path, ""))


def test_the_weights_of_the_settings_are_those_of_the_choice(tmp_path: Path) -> None:
    """Two lists of the same names, since nothing below the edge reads settings."""
    assert Weights(**load(settings_file(tmp_path, "")).score.model_dump()) == Weights()
    changed = load(settings_file(tmp_path, "[score]\npicture = 50\nper_topic = 1\n")).score
    assert Weights(**changed.model_dump()) == Weights(picture=50, per_topic=1)


def test_the_limits_of_the_settings_are_those_of_the_sending(tmp_path: Path) -> None:
    """The names of both are the same, since nothing below the edge reads settings."""
    text = """
        [rates]
        per_second = 20
        per_day = 50_000
        [rates.domains."Gmail.com"]
        per_minute = 200
        [rates.other_domains]
        per_hour = 2_000
        [warm_up]
        first = 50
    """
    rates = load(settings_file(tmp_path, text)).rates
    assert Windows(**rates.model_dump(exclude={"domains", "other_domains"})) == Windows(per_second=20, per_day=50_000)
    named = {domain: Windows(**windows.model_dump()) for domain, windows in rates.domains.items()}
    assert named == {"gmail.com": Windows(per_minute=200)}
    assert Windows(**rates.other_domains.model_dump()) == Windows(per_hour=2_000)
    warm_up = load(settings_file(tmp_path, text)).warm_up
    assert WarmUp(**warm_up.model_dump()) == WarmUp(50, 2, 100_000)


def test_nothing_is_limited_unless_it_is_said(tmp_path: Path) -> None:
    settings = load(settings_file(tmp_path, ""))
    assert settings.rates.model_dump(exclude={"domains", "other_domains"}) == dict.fromkeys(
        ["per_second", "per_minute", "per_hour", "per_day"]
    )
    assert settings.rates.domains == {}
    assert not any(settings.rates.other_domains.model_dump().values())
    assert settings.warm_up.first is None


def test_limits_may_stand_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_RATES__PER_HOUR", "500")
    monkeypatch.setenv("NEWSLETTER_RATES__OTHER_DOMAINS__PER_MINUTE", "30")
    monkeypatch.setenv("NEWSLETTER_RATES__DOMAINS", '{"gmail.com": {"per_day": 7}}')
    rates = load(settings_file(tmp_path, "[rates]\nper_second = 9\n")).rates
    assert (rates.per_second, rates.per_hour, rates.other_domains.per_minute) == (9, 500, 30)
    assert rates.domains["gmail.com"].per_day == 7
