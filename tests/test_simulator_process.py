"""The SendGrid simulator as a process of its own: it knows the truth about a sender that was killed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.testing.sendgrid import Fault, SendGridSimulator, SigningKey, SimulatorProcess, When, simulator_process
from tests.simulated import Client, make_request, readers

START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "newsletter.testing.sendgrid", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, input="", timeout=30)


def test_everything_can_be_asked_and_changed_from_outside(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    with simulator_process("--start", START.isoformat(), "--key-file", str(key), "--seed", "3") as sendgrid:
        assert sendgrid.public_key == SigningKey.kept_in(key).public_key
        with Client(sendgrid.url) as client:
            sendgrid.fail(Fault.named("503 before accepting", When(requests=(1,))))
            assert [client.send(make_request(*readers(2))).status for _ in range(2)] == [503, 202]
            sendgrid.fail("429")
            assert client.send(make_request(*readers(2))).status == 429
            sendgrid.fail()
            sendgrid.suppress("bounces", "reader-0@example.org")
            assert client.send(make_request(*readers(2))).status == 202
        assert sendgrid.counts()["counts"] == {"dropped": 1, "sent": 3}
        assert sendgrid.advance(60) == START.timestamp() + 60
        state = sendgrid.state()
        assert [mail["state"] for mail in state["mails"]] == ["delivered", "delivered", "dropped", "delivered"]
        assert [one["status"] for one in state["requests"]] == [503, 202, 429, 202]
        assert state["suppressions"]["bounces"] == ["reader-0@example.org"]
        assert len(sendgrid.state(after=3)["mails"]) == 1
        assert sendgrid.taken_args() == [{"d": "reader-0"}, {"d": "reader-1"}] * 2
        assert sendgrid.left_by("d") == {"reader-0": 1, "reader-1": 2}
        assert sum(len(json.loads(body)) for _, body in sendgrid.events()) == 7
        before = sendgrid.public_key
        assert sendgrid.rotate_key() != before
        with pytest.raises(ValueError, match="no list 'others'"):
            sendgrid.suppress("others", "a@b.example")


def test_it_knows_what_a_killed_sender_sent() -> None:
    sender = (
        "import sys\n"
        "from tests.simulated import Client, make_request\n"
        "with Client(sys.argv[1]) as client:\n"
        "    for number in range(10_000):\n"
        "        client.send(make_request(f'{number}@example.org'))\n"
        "        print(number, flush=True)\n"
    )
    with simulator_process() as sendgrid:
        root = Path(__file__).parent.parent
        command = [sys.executable, "-c", sender, sendgrid.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
            assert process.stdout
            heard = [next(process.stdout) for _ in range(20)]
            process.send_signal(signal.SIGKILL)
            heard += process.stdout
        taken = sendgrid.counts()["taken"]
        assert taken - len(heard) in {0, 1}


def test_it_ends_with_its_parent() -> None:
    """A test that is killed leaves nothing behind."""
    child = (
        "import os\n"
        "from newsletter.testing.sendgrid import simulator_process\n"
        "with simulator_process() as running:\n"
        "    print(running.url, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    port = int(done.stdout.strip().rpartition(":")[2])
    for _ in range(500):
        with socket.socket() as sock:
            sock.settimeout(0.05)
            if sock.connect_ex(("127.0.0.1", port)):
                return
    pytest.fail(f"The simulator still listens on port {port}.")


def test_fast_it_takes_a_request_unchecked() -> None:
    with simulator_process("--fast") as sendgrid, Client(sendgrid.url) as client:
        assert client.send(make_request(*readers(1000))).status == 202
        assert sendgrid.counts()["taken"] == 1000
        assert len(sendgrid.taken_args()) == 1000


def test_faults_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps([{"name": "413", "when": {"more_than": 2}}]))
    with simulator_process("--faults", str(path)) as sendgrid, Client(sendgrid.url) as client:
        assert [client.send(make_request(*readers(count))).status for count in (3, 2)] == [413, 202]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--webhook", "example.org"], "no URL that events could be posted to"),
        (["--faults", "/nowhere.json"], "No such file"),
        (["--port", "70000"], "port"),
        (["--late-cancel", "perhaps"], "perhaps"),
    ],
)
def test_a_mistake_in_the_options_is_said_in_a_sentence(arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("method", "page", "content", "words"),
    [
        ("GET", "nothing", None, "no such page"),
        ("POST", "clock", {"advance": -1}, "goes ahead"),
        ("POST", "clock", {}, "'advance' is missing"),
        ("GET", "left", None, "'by' is missing"),
        ("POST", "faults", {}, "array"),
        ("POST", "faults", [{"name": "x", "y": 1}], "no fault"),
        ("POST", "faults", b"{", "Expecting"),
    ],
    ids=str,
)
def test_its_own_pages_say_what_is_wrong(method: str, page: str, content: object, words: str) -> None:
    with SendGridSimulator() as sendgrid, Client(sendgrid.url) as client:
        got = client.ask(method, f"/_simulator/{page}", content)
        assert got.status in {400, 404}
        assert words in got.json["errors"][0]["message"]


def test_a_simulator_that_is_gone_is_an_os_error() -> None:
    with SendGridSimulator() as sendgrid:
        gone = SimulatorProcess(sendgrid.url, sendgrid.public_key)
        assert gone.counts()["taken"] == 0
    with pytest.raises(OSError, match=r"."):
        gone.counts()
