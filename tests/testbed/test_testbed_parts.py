"""The small parts: ports, progress, users, and the helper that waits."""

import io
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import platformdirs
import pytest

from surefoot.testbed.certificates import Authority
from surefoot.testbed.health import reason_of
from surefoot.testbed.kubeconfig import tls_for
from surefoot.testbed.ports import HIGHEST, LOWEST, free_ports
from surefoot.testbed.progress import PlainLines, spoken
from surefoot.testbed.users import User
from tests.support import balance
from tests.support.testbed import (
    SURELY,
    audit_events,
    wait_until,
    wait_until_async,
    whole_lines,
)
from tests.support.weigh import weights_in


def test_ports_are_free_different_and_not_for_outgoing_connections() -> None:
    """A retrying client must not be able to occupy the port of a stopped server."""
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(LOWEST <= port < HIGHEST for port in ports)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", ports[0]))


def test_port_is_not_given_to_two_who_have_not_begun_to_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of two processes: a program that was just launched binds its port a second later."""
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: tmp_path)
    chosen = [port for _ in range(2) for port in free_ports(300)]
    assert len(set(chosen)) == len(chosen)


def test_certificate_that_many_ask_for_at_once_is_made_once(tmp_path: Path) -> None:
    """Tests that share a bed do, from several processes: nobody reads half a file or two halves."""
    at_once = 8
    authorities = [Authority(tmp_path) for _ in range(at_once)]
    begin = threading.Barrier(at_once)

    def asked(authority: Authority, user: User) -> bytes:
        begin.wait()
        files = authority.client(user)
        tls_for(authority.files.certificate, files)
        return files.certificate.read_bytes()

    with ThreadPoolExecutor(at_once) as threads:
        for number in range(20):
            user = User(f"stranger-{number}")
            found = set(threads.map(asked, authorities, [user] * at_once))
            assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '{"kind":"Status","message":"serviceaccounts \\"default\\" not found"}',
            'serviceaccounts "default" not found',
        ),
        ("[+]ping ok\n[-]etcd failed: reason withheld\n", "[-]etcd failed: reason withheld"),
        ("not\n  ready", "not ready"),
        ("", "nothing"),
    ],
)
def test_reason_why_a_program_is_not_ready_is_in_words(text: str, words: str) -> None:
    """Of an API server's answer people are shown the message, and not the JSON around it."""
    assert reason_of(httpx.Response(503, text=text)) == words


def test_plain_progress_speaks_every_fifteen_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to show life in a log, not so much that it drowns."""
    now = 0.0
    monkeypatch.setattr("surefoot.testbed.progress.time.monotonic", lambda: now)
    stream = io.StringIO()
    lines = PlainLines(stream)
    lines.say("building")
    for second in range(1, 47):
        now = float(second)
        lines.update(f"at {second} s")
    assert stream.getvalue().splitlines() == ["building", "at 15 s", "at 30 s", "at 45 s"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59, "59 s"), (60, "1 min 00 s"), (451, "7 min 31 s")]
)
def test_durations_are_spoken(seconds: float, words: str) -> None:
    """As people read them."""
    assert spoken(seconds) == words


def test_waiting_gives_the_answer_back() -> None:
    """Errors that mean "too early" are asked again."""
    answers = iter([AssertionError("not yet"), None, "done"])

    def ask() -> str | None:
        answer = next(answers)
        if isinstance(answer, AssertionError):
            raise answer
        return answer

    assert wait_until(ask, SURELY, "the answer") == "done"


def test_waiting_in_vain_says_for_what_and_what_was_seen() -> None:
    """The message of a failed wait is all that a CI log shows."""
    with pytest.raises(pytest.fail.Exception, match=r"waited 0 s for rain; the last answer was 0"):
        wait_until(lambda: 0, 0, "rain")


def test_unexpected_errors_end_the_wait_at_once() -> None:
    """A slip in the predicate does not cost the whole time limit."""
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 // 0, SURELY, "never")


async def test_waiting_asynchronously() -> None:
    """The same for coroutines."""
    answers = iter([0, 0, 3])

    async def ask() -> int:
        return next(answers)

    assert await wait_until_async(ask, SURELY, "a number") == 3


def test_events_that_are_half_written_are_left_out(tmp_path: Path) -> None:
    """Neither the one that was being written when reading began, nor the one that is now."""
    log = tmp_path / "audit.log"
    first, second = (f"{json.dumps({'about': 'shop', 'n': number})}\n" for number in (1, 2))
    log.write_text(first + second + first[:9])
    bed: Any = SimpleNamespace(audit_log=log)
    begins = {0: [1, 2], 9: [2], len(first) - 1: [2], len(first): [2], len(first) + 9: []}
    for from_byte, numbers in begins.items():
        found = audit_events(bed, about="shop", from_byte=from_byte)
        assert [event["n"] for event in found] == numbers, from_byte


def test_line_that_is_half_written_is_left_out(tmp_path: Path) -> None:
    """Its last character as well, which is no character yet."""
    log = tmp_path / "operator.log"
    log.write_bytes("10% → 25%\n".encode() + "25% →".encode()[:-1])
    with pytest.raises(UnicodeDecodeError):
        log.read_text("utf-8")
    assert whole_lines(log) == ["10% → 25%"]
    log.write_bytes(b"half")
    assert whole_lines(log) == []


def test_files_that_are_weighed_are_there() -> None:
    """A file that was renamed would otherwise come last again."""
    top = Path(__file__).parents[2]
    named = [*balance.SECONDS, *balance.BY_FUNCTION, *balance.BY_TEST]
    files = {name.partition("::")[0] for name in named}
    assert sorted(name for name in files if not (top / name).exists()) == []


def test_only_files_that_can_be_cut_are_cut() -> None:
    """By function, whatever its cases; by case, where nothing is shared; or not at all."""
    table, of_a_file = "tests/admission/test_admission_table.py", "tests/unit/cli/test_sign.py"
    assert balance.unit_of(f"{table}::test_one[a::b]") == f"{table}::test_one"
    assert balance.unit_of("tests/property/test_a.py::test_b[c]").endswith("test_b[c]")
    assert balance.unit_of(f"{of_a_file}::test_one[a]") == of_a_file
    assert balance.weight_of(f"{table}::test_new[a]") > balance.weight_of(f"{of_a_file}::test_new")


def test_weights_are_read_from_the_log_of_a_run() -> None:
    """Set-up and what is put away count as well; units that start nothing and are quick do not."""
    log = """
    = slowest durations =
2.00s setup    tests/operator/test_a.py::test_one
1.50s call     tests/operator/test_a.py::test_two[x y]
0.10s teardown tests/operator/test_b.py::test_three
0.10s call     tests/unit/test_c.py::test_four
"""
    assert weights_in(log) == {"tests/operator/test_a.py": 3.5, "tests/operator/test_b.py": 0.1}
