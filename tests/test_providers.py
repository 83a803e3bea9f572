"""Finding a provider by its name or import path, and what all of them share."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status, outcome_for_all
from newsletter.providers import KINDS, Checkable, Provider, is_this_machine, load_provider, refuse_or_stop
from tests.contracts.providers import Arrived, ProviderContract, make_readers

GUIDE = Path(__file__).parents[1] / "docs" / "adding-a-provider.md"
#: The least each kind needs.
OPTIONS: dict[str, dict[str, object]] = {
    "maildir": {"path": "outbox"},
    "smtp": {"host": "smtp.example.org"},
    "sendgrid": {"api_key": "SG.x"},
    "ses": {"region": "eu-west-1"},
    "mailgun": {"api_key": "key-x", "domain": "mg.example.org"},
    "postmark": {"token": "x"},
    "resend": {"api_key": "re_x"},
    "brevo": {"api_key": "xkeysib-x"},
}


class Strict:
    """A provider with options of several types, as a newsroom might write one."""

    def __init__(self, *, token: str, tries: int = 3, folder: Path | None = None, chunk_size: int = 10) -> None:
        if tries > 5:
            raise ConfigurationError("provider.tries is wrong: at most 5.")
        self.token, self.tries, self.folder, self.chunk_size = token, tries, folder, chunk_size

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Accept everything."""
        return outcome_for_all(recipients, Status.ACCEPTED, "")


class NoOptions:
    """A provider without a constructor."""

    chunk_size = 1

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Accept everything."""
        return outcome_for_all(recipients, Status.ACCEPTED, "")


class NotAProvider:
    """Lacks `send`."""

    chunk_size = 1


def a_function() -> None:
    """No class."""


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_a_provider_that_can_be_checked(kind: str) -> None:
    provider = load_provider(kind, OPTIONS[kind])
    assert isinstance(provider, Checkable)
    assert provider.chunk_size >= 1


def test_a_class_is_found_by_its_import_path_and_its_options_are_converted() -> None:
    provider = load_provider("tests.test_providers:Strict", {"token": "x", "tries": "4", "folder": "/srv/x"})
    assert isinstance(provider, Strict)
    assert (provider.token, provider.tries, provider.folder, provider.chunk_size) == ("x", 4, Path("/srv/x"), 10)


def test_a_class_may_have_no_options() -> None:
    assert isinstance(load_provider("tests.test_providers:NoOptions", {}), NoOptions)
    with pytest.raises(ConfigurationError, match=r"provider\.key: .* has no such option\. It has none\."):
        load_provider("tests.test_providers:NoOptions", {"key": 1})


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (
            "sengrid",
            "there is no provider 'sengrid'. Known: maildir, smtp, sendgrid, ses, mailgun, postmark, resend, brevo, or module:Class.",
        ),
        ("", "there is no provider ''"),
        ("tests.test_providers:", "there is no provider"),
        (":Strict", "there is no provider"),
        ("../x:y", "there is no provider"),
        ("no.such.module:Thing", "no.such.module:Thing cannot be imported: No module named 'no'"),
        ("tests.test_providers:Missing", "cannot be imported"),
        ("tests.test_providers:a_function", "is not a class"),
        ("tests.test_providers:NotAProvider", "is no provider; it needs `send` and `chunk_size`"),
    ],
)
def test_what_is_no_provider_is_named(use: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
        load_provider(use, {})
    assert str(caught.value).startswith("provider.use: ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["provider.token is missing: tests.test_providers:Strict needs it.", "NEWSLETTER_PROVIDER__TOKEN"]),
        ({"tokne": "x"}, ["provider.token is missing", "provider.tokne: ", "Known: token, tries, folder, chunk_size."]),
        ({"token": "x", "tries": "many"}, ["provider.tries is wrong: Input should be a valid integer"]),
        ({"token": ["secret-canary"]}, ["provider.token is wrong: Input should be a valid string"]),
        ({"token": "x", "tries": 6}, ["provider.tries is wrong: at most 5."]),
    ],
)
def test_every_wrong_option_has_its_sentence(options: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_provider("tests.test_providers:Strict", options)
    for expected in words:
        assert expected in str(caught.value)
    assert "canary" not in str(caught.value)


REFUSAL = ProviderRefused("smtp", "no")


@pytest.mark.parametrize("before", [[], [Status.REJECTED], [Status.DEFERRED, Status.REFUSED, Status.NOT_TRIED]])
def test_a_refusal_is_raised_while_nobody_was_accepted(before: list[Status]) -> None:
    with pytest.raises(ProviderRefused):
        refuse_or_stop(REFUSAL, [Outcome("d", status) for status in before], make_readers(2))


@pytest.mark.parametrize("taken", [Status.ACCEPTED, Status.UNCERTAIN])
def test_a_refusal_leaves_the_rest_untried_once_somebody_may_have_been_accepted(taken: Status) -> None:
    rest = make_readers(2)
    assert refuse_or_stop(REFUSAL, [Outcome("d", Status.REJECTED), Outcome("e", taken)], rest) == [
        Outcome(reader.delivery_id, Status.NOT_TRIED, "smtp: no") for reader in rest
    ]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("localhost", "127.0.0.1", "127.8.9.10", "::1")),
        *((host, False) for host in ("", "localhost.example.org", "127.0.0.1.example.org", "10.0.0.1", "example.org")),
    ],
)
def test_what_surely_is_this_machine(host: str, expected: bool) -> None:
    assert is_this_machine(host) is expected


class _GuidePostBox:
    def __init__(self, folder: Path) -> None:
        self._file = folder / "mails.jsonl"
        self.provider: Provider = load_provider("jsonlines:JsonLinesProvider", {"file": str(self._file)})

    def arrived(self) -> list[Arrived]:
        lines = self._file.read_text(encoding="utf-8").splitlines() if self._file.is_file() else []
        return [
            Arrived(
                address=one["to"],
                name=one["name"],
                subject=one["subject"],
                html=one["html"],
                text=one["text"],
                headers=[(name, value) for name, value in one["headers"]],
            )
            for one in map(json.loads, lines)
        ]

    def refuse(self) -> None:
        self._file.unlink(missing_ok=True)
        self._file.mkdir()


class TestTheGuidesExampleKeepsTheContract(ProviderContract):
    """docs/adding-a-provider.md: what it shows is what works."""

    @pytest.fixture
    def post_box(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_GuidePostBox]:
        example = re.search(r"```python\n(# jsonlines\.py\n.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
        assert example is not None
        (tmp_path / "jsonlines.py").write_text(example[1], encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        yield _GuidePostBox(tmp_path)
        sys.modules.pop("jsonlines", None)


def test_the_guide_s_configuration_is_one_that_settings_read() -> None:
    example = re.search(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    assert 'use = "jsonlines:JsonLinesProvider"' in example[1]
    assert re.search(r"^file = ", example[1], re.MULTILINE)


def test_the_guide_names_every_status_and_only_files_that_exist() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert {status.name for status in Status} <= set(re.findall(r"`([A-Z_]+)`", text))
    root = GUIDE.parents[1]
    for path in re.findall(r"`((?:newsletter|tests)/[\w/.]+)`", text):
        assert (root / path).exists(), path
