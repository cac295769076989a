"""Files that are no plan and far too large: one line, code 2, and no memory spent on them."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.plugin.app import app
from surefoot.plugin.files import LONGEST_LINE, BadFile, lines_of, read_record

ENDLESS = "/dev/zero"
GIB = 1024 * 1024 * 1024


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    """No cluster is to be found."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    return CliRunner()


def a_large_file(tmp_path: Path, size: int) -> Path:
    """A file of this size that takes no room on the disk."""
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, size)
    return path


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        (("record", "verify"), "256 MiB"),
        (("audit", "checkout", "--standards"), "64 KiB"),
        (("timeline", "checkout", "--standards"), "64 KiB"),
        (("checkpoint", "checkout", "load", "--go", "--summary", "fine", "--report"), "128 KiB"),
        (("lint",), "3 MiB"),
        (("simulate",), "3 MiB"),
        (("backtest", "--prometheus", "http://x", "--from", "7d"), "3 MiB"),
        (("diff",), "3 MiB"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_file_that_is_far_too_large_is_not_read_whole(
    runner: CliRunner, tmp_path: Path, words: tuple[str, ...], limit: str
) -> None:
    """The file, its size and the limit."""
    path = a_large_file(tmp_path, GIB)
    answer = runner.invoke(app, [*words, str(path)])
    assert answer.exit_code == 2, answer.output
    said = " ".join(answer.output.split())
    assert f"{path} has 1024 MiB: at most {limit} are read" in said, answer.output


def test_record_of_a_report_is_bounded(tmp_path: Path) -> None:
    """`--record` is asked of a cluster first, so it is tried here."""
    with pytest.raises(BadFile, match="has 1024 MiB: at most 256 MiB are read"):
        read_record(str(a_large_file(tmp_path, GIB)))


def test_record_that_cannot_be_read_is_a_wrong_use(runner: CliRunner, tmp_path: Path) -> None:
    """1 would say that the record was changed."""
    answer = runner.invoke(app, ["record", "verify", str(tmp_path)])
    assert (answer.exit_code, answer.stderr) == (2, f"Error: {tmp_path}: is a directory\n")


def test_line_without_an_end_is_not_read_whole() -> None:
    """A log may have any size, and none of its lines may."""
    with pytest.raises(BadFile, match="/dev/zero:1: the line has more than 16 MiB"):
        list(lines_of(Path(ENDLESS)))


def test_log_is_read_by_the_line(tmp_path: Path) -> None:
    """Only at line breaks, and a line of the largest size is one."""
    longest = "x" * (LONGEST_LINE - 1)
    path = tmp_path / "log"
    path.write_text(f"a\u2028b\n{longest}\nc", encoding="utf-8")
    assert list(lines_of(path)) == ["a\u2028b\n", f"{longest}\n", "c"]
