"""The provider that writes mails into a maildir."""

from __future__ import annotations

import errno
import mailbox
import os
import stat
from pathlib import Path

import pytest

from newsletter.errors import ProviderRefused
from newsletter.mail import Status
from newsletter.providers import load_provider
from newsletter.providers.maildir import MaildirProvider
from tests.contracts.providers import Arrived, ProviderContract, arrived, make_mail, make_reader, make_readers
from tests.servers.smtp import parsed


class _MaildirPostBox:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "made" / "outbox"
        self.provider = load_provider("maildir", {"path": str(self._path)})

    def arrived(self) -> list[Arrived]:
        found = (arrived(parsed(file.read_bytes())) for file in self._path.glob("new/*"))
        return sorted(found, key=lambda one: one.address)

    def refuse(self) -> None:
        """Put a file where the maildir's folder should be; permissions would not stop a test that runs as root."""
        for name in ("cur", "new", "tmp"):
            if (self._path / name).is_dir():
                (self._path / name).rmdir()
        self._path.mkdir(parents=True, exist_ok=True)
        (self._path / "cur").write_text("in the way")


class TestMaildirKeepsTheContract(ProviderContract):
    @pytest.fixture
    def post_box(self, tmp_path: Path) -> _MaildirPostBox:
        return _MaildirPostBox(tmp_path)


@pytest.fixture
def provider(tmp_path: Path) -> MaildirProvider:
    return MaildirProvider(path=tmp_path / "outbox")


def files(provider: MaildirProvider) -> list[Path]:
    return sorted((provider.path / "new").iterdir())


def test_other_programs_read_it_as_a_maildir(provider: MaildirProvider) -> None:
    provider.send(make_mail(), make_readers(2))
    box = mailbox.Maildir(provider.path, create=False)
    assert sorted(str(message["Message-ID"]) for message in box) == [
        f"<{reader.delivery_id}@news.example.org>" for reader in make_readers(2)
    ]


def test_a_file_is_named_for_its_delivery_and_the_outcome_refers_to_it(provider: MaildirProvider) -> None:
    reader = make_reader(7)
    (outcome,) = provider.send(make_mail(), [reader])
    (file,) = files(provider)
    assert reader.delivery_id in file.name
    assert outcome.reference == file.name


def test_a_delivery_that_is_sent_twice_shows_as_two_files(provider: MaildirProvider) -> None:
    """The ledger keeps that from happening; hiding it here would hide a broken ledger."""
    for _ in range(2):
        provider.send(make_mail(), [make_reader(1)])
    assert len(files(provider)) == 2


def test_an_id_cannot_lead_out_of_the_folder(provider: MaildirProvider) -> None:
    reader = make_reader(1)
    odd = type(reader)("../../escape", reader.address, reader.name, reader.values)
    provider.send(make_mail(), [odd])
    assert len(files(provider)) == 1


def test_only_the_owner_may_read_readers_addresses(provider: MaildirProvider) -> None:
    provider.send(make_mail(), [make_reader(1)])
    (file,) = files(provider)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) & 0o077 == 0


def test_nothing_half_written_stays_behind(provider: MaildirProvider) -> None:
    provider.send(make_mail(), make_readers(3))
    provider.check()
    assert list((provider.path / "tmp").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("in the way")
    with pytest.raises(ProviderRefused, match=r"cannot write into .*outbox.*change provider\.path"):
        MaildirProvider(path=tmp_path / "outbox").send(make_mail(), make_readers(1))


class TestFullDisk:
    def test_from_the_start_it_is_refused(self, provider: MaildirProvider, monkeypatch: pytest.MonkeyPatch) -> None:
        fill_disk_after(0, monkeypatch)
        with pytest.raises(ProviderRefused, match="No space left on device"):
            provider.send(make_mail(), make_readers(2))
        assert files(provider) == []

    def test_half_way_the_rest_is_not_tried(self, provider: MaildirProvider, monkeypatch: pytest.MonkeyPatch) -> None:
        fill_disk_after(2, monkeypatch)
        outcomes = provider.send(make_mail(), make_readers(4))
        expected = [Status.ACCEPTED, Status.ACCEPTED, Status.NOT_TRIED, Status.NOT_TRIED]
        assert [outcome.status for outcome in outcomes] == expected
        assert "No space left on device" in outcomes[2].detail
        assert len(files(provider)) == 2
        assert list((provider.path / "tmp").iterdir()) == []


def test_a_mail_that_may_not_survive_a_power_cut_is_uncertain(
    provider: MaildirProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_fsync = os.fsync

    def fsync_of_files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync_of_files_only)
    (outcome,) = provider.send(make_mail(), [make_reader(1)])
    assert outcome.status is Status.UNCERTAIN
    assert "Input/output error" in outcome.detail
    assert len(files(provider)) == 1


def fill_disk_after(messages: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the operating system find the disk full when it is to write the content of the next message."""
    real_fsync = os.fsync
    written = 0

    def fsync_on_full_disk(descriptor: int) -> None:
        nonlocal written
        written += stat.S_ISREG(os.fstat(descriptor).st_mode)
        if written > messages:
            raise OSError(errno.ENOSPC, "No space left on device")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync_on_full_disk)
