"""The benchmark of delivery runs and counts rightly; its times are nobody's test."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import delivery as bench
from bench.audience import installation, sqlite_url
from newsletter.models import Issue
from newsletter.providers.message import build
from tests.contracts.providers import make_reader

SINK = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin:/usr/libexec/postfix")


def test_planning_is_measured() -> None:
    found = bench.measure_plan(2_000, 1)
    assert found.keys() == {"plan_1m_s", "bare_insert_1m_s"}
    assert min(found.values()) > 0


def test_sendgrid_is_measured_with_the_ledger_on() -> None:
    found = bench.measure_sendgrid(1_500, 1)
    assert found["sendgrid_per_s"] > 0
    assert found["sendgrid_cpu_us"] > 0


@pytest.mark.skipif(SINK is None, reason="smtp-sink is not there; `make bench` installs postfix and runs this")
def test_every_tenth_mail_is_read_and_compared() -> None:
    assert bench.check_bytes(40) == 4


def test_the_mail_has_the_size_that_smtp_source_sends(tmp_path: Path) -> None:
    with installation(sqlite_url(tmp_path), 1) as (db, issue_id), db.reading() as session:
        mail = session.get_one(Issue, issue_id).frozen_mail()
    headed = replace(mail, headers=(("Message-ID", "<1@news.example.org>"),))
    message = build(headed, make_reader(1), date=datetime.now(UTC))
    assert abs(len(message) - bench.MESSAGE_BYTES) < 2_000
