"""Threats 6 and 8: documents are read in children that may be killed. What they bring is what a plain call brings."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from newsletter.errors import FetchError, NotFound
from newsletter.sources.http import Client
from newsletter.sources.net.answers import Answer
from newsletter.sources.net.child import CALLS
from newsletter.sources.net.parsers import Parsers
from tests import readers

ROOT = Path(__file__).parent.parent
ANSWER = Answer("https://news.example/feed", b"one two")


@pytest.fixture(scope="module")
def parsers() -> Iterator[Parsers]:
    parsers = Parsers(2)
    yield parsers
    parsers.close()


@pytest.fixture
def hasty() -> Iterator[Parsers]:
    """Yield parsers that stop a call after a second of computing."""
    parsers = Parsers(1, cpu_seconds=1)
    yield parsers
    parsers.close()


def is_there(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does; a minute is far more than it takes."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# What comes back


def test_a_function_runs_elsewhere_and_returns_what_it_returns(parsers: Parsers) -> None:
    assert parsers.run(readers.read, ANSWER) == readers.Reading(ANSWER.url, ("one", "two"))
    assert parsers.run(readers.read, ANSWER, upper=True).words == ("ONE", "TWO")
    assert parsers.run(readers.process, ANSWER) != os.getpid()


def test_a_client_reads_so(parsers: Parsers) -> None:
    client = Client(timeout=20, max_bytes=1_000, user_agent="test", parsers=1)
    assert client.parse(readers.process, ANSWER) not in {os.getpid(), parsers.run(readers.process, ANSWER)}
    client.close()


def test_our_own_errors_come_back_whole(parsers: Parsers) -> None:
    with pytest.raises(FetchError, match="This is no table") as caught:
        parsers.run(readers.refuse, ANSWER)
    assert (caught.value.url, caught.value.sentence, caught.value.retry_after) == (ANSWER.url, "This is no table.", 7.5)
    with pytest.raises(NotFound, match="no source called 'post'. Look again.") as missed:
        parsers.run(readers.miss, ANSWER)
    assert (missed.value.kind, missed.value.name) == ("source", "post")


@pytest.mark.parametrize(
    ("function", "kind", "text"),
    [
        (readers.fail, ZeroDivisionError, "division by zero"),
        (readers.fail_to_decode, UnicodeDecodeError, "can't decode byte 0xff"),
        (readers.fail_in_its_own_way, RuntimeError, "Particular: this and that"),
        (readers.fail_with_luggage, RuntimeError, "Exception: it broke"),
    ],
)
def test_a_bug_comes_back_with_its_traceback(
    function: Callable[[Answer], Any],
    kind: type[Exception],
    text: str,
    parsers: Parsers,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(kind, match=text) as caught:
        parsers.run(function, ANSWER)
    logging.getLogger("test").error("It broke.", exc_info=caught.value)
    assert "In the parser child:" in caplog.text
    assert f"in {function.__name__}" in caplog.text


def test_what_cannot_travel_is_a_bug_here(parsers: Parsers) -> None:
    with pytest.raises(Exception, match="pickle"):
        parsers.run(lambda: 1)


def test_a_newsrooms_own_module_is_found(parsers: Parsers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that came to the search path after the children started."""
    parsers.run(readers.process, ANSWER)
    (tmp_path / "noticeboard.py").write_text("def words(answer):\n    return answer.body.split()\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import noticeboard  # type: ignore[import-not-found]

    assert parsers.run(noticeboard.words, ANSWER) == [b"one", b"two"]


def test_a_parser_disturbs_nobody(parsers: Parsers, capfd: pytest.CaptureFixture[str]) -> None:
    assert parsers.run(readers.talk, ANSWER) == ""
    assert parsers.run(readers.read, ANSWER).words == ("one", "two")
    assert capfd.readouterr() == ("", "")


def test_a_parser_sees_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_PROVIDER__PASSWORD", "canary")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    parsers = Parsers(1)
    assert "canary" not in str(parsers.run(readers.environment, ANSWER))
    parsers.close()


# What is stopped


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (readers.compute_for_ever, "Reading it took more than 1 s of computing time, so it was stopped. Look at it"),
        (readers.take_memory, "Reading it took more than 1,024 MB of memory, so it was stopped."),
        (readers.return_too_much, "Reading it came to more than 16 MB, so it was stopped."),
        (readers.send_a_raw_size, "Reading it came to more than it may, so it was stopped."),
        (readers.crash, "Reading it broke the parser (SIGSEGV), so it was stopped."),
        (readers.be_killed, "Reading it broke the parser (SIGKILL), so it was stopped."),
        (readers.leave, "Reading it broke the parser (exit status 3), so it was stopped."),
    ],
)
def test_what_goes_too_far_is_stopped_and_the_next_goes_on(
    function: Callable[[Answer], Any], sentence: str, hasty: Parsers
) -> None:
    with pytest.raises(FetchError) as caught:
        hasty.run(function, ANSWER)
    assert caught.value.sentence.startswith(sentence)
    assert caught.value.url == ANSWER.url
    assert hasty.run(readers.read, ANSWER).words == ("one", "two")


def test_what_does_nothing_is_stopped_too() -> None:
    parsers = Parsers(1, wall_seconds=1.5)
    with pytest.raises(FetchError, match=r"Reading it took more than 1\.5 s, so it was stopped\."):
        parsers.run(readers.sleep_for_ever, ANSWER)
    parsers.close()


def test_the_seconds_are_those_of_one_call(hasty: Parsers) -> None:
    """RLIMIT_CPU counts a process's whole life; a child that has worked for long is not stopped for it."""
    first = hasty.run(readers.process, ANSWER)
    for _ in range(4):
        assert hasty.run(readers.compute_half_a_second, ANSWER) == first


@pytest.mark.parametrize("function", [readers.send_a_command, readers.send_a_raw_command])
def test_a_child_that_was_taken_over_commands_nothing_here(
    function: Callable[[Answer], Any], hasty: Parsers, tmp_path: Path
) -> None:
    with pytest.raises(TypeError, match="posix.mkdir may not come out of a parser child"):
        hasty.run(function, Answer(ANSWER.url, str(tmp_path / "made").encode()))
    assert list(tmp_path.iterdir()) == []
    assert hasty.run(readers.read, ANSWER).words == ("one", "two")


# Lives


def test_children_start_when_needed_and_serve_many_calls() -> None:
    before = children()
    parsers = Parsers(2)
    assert children() == before
    assert len({parsers.run(readers.process, ANSWER) for _ in range(20)}) == 1
    assert len(children() - before) == 1
    parsers.close()


def test_warming_up_starts_the_first(parsers: Parsers) -> None:
    before = children()
    warm = Parsers(2)
    for _ in range(3):
        warm.warm_up()
    wait_until(lambda: len(children() - before) == 1)
    (started,) = children() - before
    assert warm.run(readers.process, ANSWER) == started
    warm.close()


def test_many_threads_share_few_children(parsers: Parsers) -> None:
    with ThreadPoolExecutor(16) as pool:
        numbers = [str(number).encode() for number in range(300)]
        readings = list(pool.map(lambda body: parsers.run(readers.read, Answer("x", body)), numbers))
        processes = set(pool.map(lambda _: parsers.run(readers.process, ANSWER), range(100)))
    assert [reading.words for reading in readings] == [(number.decode(),) for number in numbers]
    assert 1 <= len(processes) <= 2


def test_a_stuck_child_keeps_no_other_waiting() -> None:
    before = children()
    parsers = Parsers(2, cpu_seconds=600, wall_seconds=600)
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(parsers.run, readers.compute_for_ever, ANSWER)
        for _ in range(20):
            assert parsers.run(readers.read, ANSWER).words == ("one", "two")
        assert not stuck.done()
        (busy,) = children() - before - {parsers.run(readers.process, ANSWER)}
        os.kill(busy, signal.SIGXCPU)
        assert isinstance(stuck.exception(), FetchError)
    parsers.close()


def test_a_child_that_died_between_two_calls_is_replaced(hasty: Parsers) -> None:
    first = hasty.run(readers.process, ANSWER)
    os.kill(first, signal.SIGKILL)
    assert hasty.run(readers.process, ANSWER) != first


def test_a_child_makes_room_after_so_many_calls(hasty: Parsers) -> None:
    processes = [hasty.run(readers.process, ANSWER) for _ in range(CALLS + 1)]
    assert len(set(processes[:CALLS])) == 1
    assert processes[CALLS] != processes[0]
    assert not is_there(processes[0])


def test_a_child_is_not_larger_for_a_large_parent(hasty: Parsers) -> None:
    """The system counts the parent's size into a child's largest size, where it is started by vfork."""
    large = bytearray(b"x") * (400 << 20)
    assert len({hasty.run(readers.process, ANSWER) for _ in range(3)}) == 1
    assert len(large) == 400 << 20


def test_a_child_that_has_grown_makes_room(hasty: Parsers) -> None:
    grown = hasty.run(readers.grow, ANSWER)
    assert hasty.run(readers.process, ANSWER) != grown
    assert not is_there(grown)


def test_closing_ends_the_children() -> None:
    parsers = Parsers(2)
    process = parsers.run(readers.process, ANSWER)
    parsers.close()
    assert not is_there(process)


def test_parsers_that_nobody_closes_end_their_children() -> None:
    """And no ResourceWarning, which is an error in these tests."""
    parsers = Parsers(1)
    process = parsers.run(readers.process, ANSWER)
    del parsers
    gc.collect()
    assert not is_there(process)


@pytest.mark.parametrize(
    ("function", "end"),
    [
        ("compute_for_ever", signal.SIGKILL),
        ("compute_for_ever", signal.SIGINT),
        ("sleep_for_ever", signal.SIGKILL),
        ("process", signal.SIGKILL),
    ],
)
def test_no_child_outlives_its_parent(function: str, end: signal.Signals) -> None:
    """Whatever the child is doing: the limit of computing time alone would leave it there for seconds."""
    script = f"""
import signal, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
from newsletter.sources.net.parsers import Parsers
from tests import readers
from tests.test_child import ANSWER
parsers = Parsers(1, cpu_seconds=600, wall_seconds=600)
print(parsers.run(readers.process, ANSWER), flush=True)
threading.Thread(target=parsers.run, args=(readers.{function}, ANSWER), daemon=True).start()
time.sleep(0.3)
print("busy", flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert parent.stdout.readline() == "busy\n"
        assert is_there(child)
        parent.send_signal(end)
        parent.wait()
        wait_until(lambda: not is_there(child))


def children() -> set[int]:
    """Return the parser children of this process."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"newsletter.sources.net.child" in (place / "cmdline").read_bytes():
                found.add(int(place.name))
        except OSError:
            continue  # it ended meanwhile
    return found
