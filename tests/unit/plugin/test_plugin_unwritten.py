"""An answer that cannot be written: one line and a code of its own, whatever the command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = "from surefoot.plugin.entry import main; main()"
SUREFOOT = "from surefoot.cli.main import main; main()"
COMPLETION = "from surefoot.cli.completion import main; main()"
FULL = Path("/dev/full")
NOT_WRITTEN = 74
EVERY_KIND = [
    (PLUGIN, ("--help",)),
    (PLUGIN, ("--version",)),
    (PLUGIN, ("version", "--client")),
    (PLUGIN, ("get", "--help")),
    (PLUGIN, ("simulate", "--list")),
    (PLUGIN, ("lint", "broken.yaml")),
    (PLUGIN, ("lint", "broken.yaml", "-o", "sarif")),
    (PLUGIN, ("record", "verify", "record.jsonl")),
    (SUREFOOT, ("--help",)),
    (SUREFOOT, ("version",)),
    (SUREFOOT, ("ctl", "--help")),
    (SUREFOOT, ("ctl", "lint", "broken.yaml")),
    (COMPLETION, ("get", "--")),
]


def end_of(
    folder: Path, program: str, *words: str, stdout: int | None = None, redirect: str = ""
) -> tuple[int, str]:
    """The exit code, and what was printed on standard error."""
    (folder / "broken.yaml").write_text("kind: Rollout\n")
    (folder / "record.jsonl").write_text("")
    shell = ["sh", "-c", f'exec "$@" {redirect}', "sh"] if redirect else []
    done = subprocess.run(
        [*shell, sys.executable, "-c", program, *words],
        cwd=folder,
        env={"KUBECONFIG": "/nowhere", "HOME": "/nowhere", "PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(("program", "words"), EVERY_KIND, ids=str)
def test_full_device_is_told_in_one_line(
    tmp_path: Path, program: str, words: tuple[str, ...]
) -> None:
    """It names what could not be written and why, and is no fault of the program."""
    code, told = end_of(tmp_path, program, *words, redirect=">/dev/full")
    about_the_answer = [line for line in told.splitlines() if "standard output" in line]
    assert about_the_answer == [
        "Error: cannot write to standard output: no space left on device; the answer is incomplete"
    ], told
    assert "Traceback" not in told
    assert "fault of this program" not in told
    assert code == NOT_WRITTEN


@pytest.mark.parametrize(("program", "words"), EVERY_KIND, ids=str)
def test_closed_pipe_ends_every_command_without_a_word(
    tmp_path: Path, program: str, words: tuple[str, ...]
) -> None:
    """`--help` as well, which runs no command."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        code, told = end_of(tmp_path, program, *words, stdout=writer)
    finally:
        os.close(writer)
    assert (code, "standard output" in told, "Traceback" in told) == (141, False, False), told


def test_closed_standard_output_is_told(tmp_path: Path) -> None:
    """`>&-` leaves nothing to write to, and no file that is opened later takes its place."""
    code, told = end_of(tmp_path, PLUGIN, "simulate", "--list", redirect=">&-")
    expected = "cannot write to standard output: bad file descriptor; the answer is incomplete"
    assert (code, told) == (NOT_WRITTEN, f"Error: {expected}\n")


def test_closed_standard_input_is_an_empty_one(tmp_path: Path) -> None:
    """`<&-` is answered as an empty file is."""
    closed = end_of(tmp_path, PLUGIN, "lint", "-", redirect="<&- >/dev/null")
    empty = end_of(tmp_path, PLUGIN, "lint", "-", redirect="</dev/null >/dev/null")
    assert closed == empty


@pytest.mark.parametrize("redirect", ["2>/dev/full", "2>&-"])
def test_code_is_the_same_where_no_error_can_be_written(tmp_path: Path, redirect: str) -> None:
    """A script that throws the messages away still learns what the answer was."""
    told = end_of(tmp_path, PLUGIN, "get")
    assert told[0] == 3
    assert end_of(tmp_path, PLUGIN, "get", redirect=redirect) == (3, "")


def test_full_device_after_a_no_is_told_as_well(tmp_path: Path) -> None:
    """Code 1 would say that the answer was given."""
    with FULL.open("wb") as full:
        code, told = end_of(tmp_path, PLUGIN, "lint", "broken.yaml", stdout=full.fileno())
    assert (code, told.count("\n")) == (NOT_WRITTEN, 1)
