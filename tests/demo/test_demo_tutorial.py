"""The tutorial on the test bed: every command of the page is typed, in the order of the page."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot.demo import afterwards
from surefoot.demo.interruption import Interruption
from surefoot.demo.production import CHECKOUT
from surefoot.demo.stage import Stage, stage
from surefoot.testbed.progress import Silent
from tests.support.testbed import SURELY, wait_until

pytestmark = [pytest.mark.apiserver, pytest.mark.long]

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial" / "testbed.md").read_text(encoding="utf-8")


def section(number: int) -> str:
    """The text of a numbered section."""
    found = re.search(rf"^## {number}\. .*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"the page has no section {number}"
    return found[1]


def commands(number: int) -> list[str]:
    """The commands of a section, each in one line."""
    text = re.sub(r"^```.*?^```", "", section(number), flags=re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^    (.*)$", text.replace("\\\n", " "), re.MULTILINE)
    return [line for line in lines if not line.startswith("export ")]


class Shell:
    """A person's shell in a folder of theirs, prepared as the first section says."""

    def __init__(self, place: Stage, folder: Path) -> None:
        self._place = place
        self._folder = folder
        told = afterwards.how_to_go_on(place)
        exports = re.findall(r"^ *(export \w+=)(.*)$", told, re.MULTILINE)
        shown = re.findall(r"^    (export \w+=)", section(1), re.MULTILINE)
        assert [name for name, _ in exports] == shown
        acting = next(line for line in commands(1) if line.startswith("as()"))
        self._before = "\n".join([*(f"{name}{value}" for name, value in exports), acting])

    def type(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run one line, and return how it ended."""
        return subprocess.run(
            ["bash", "-c", f"{self._before}\n{command}"],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def type_all(self, lines: list[str]) -> str:
        """Run lines that must succeed, and return what they printed."""
        said = []
        for line in lines:
            done = self.type(line)
            assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
            said.append(done.stdout)
        return "".join(said)

    def leave(self) -> None:
        """Leave everything running, as `make demo KEEP=1` does."""
        self._place.leave_standing()

    def wait_for(self, percent: int) -> None:
        """Wait until the flag of the tutorial has a percentage."""
        path = "jsonpath={.status.percent}"
        asked = ("get", "sfr", "greeting", "-n", "shop", "-o", path)
        wait_until(
            lambda: self._place.bed.kubectl(*asked).stdout == str(percent), SURELY, f"{percent}%"
        )


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """The shell of somebody for whom a demo was set up; no story is played."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with stage(Silent(), Interruption(), CHECKOUT) as place:
        (folder := tmp_path / "home").mkdir()
        yield Shell(place, folder)


def test_tutorial_does_what_it_says(shell: Shell, tmp_path: Path) -> None:
    """From an empty folder to 100%, and what is to be refused is refused by the API server."""
    plan = re.search(r"^```yaml\n(.*?)^```", section(2), re.MULTILINE | re.DOTALL)
    assert plan is not None
    (tmp_path / "home" / "greeting.yaml").write_text(plan[1], encoding="utf-8")
    *apply, read_flag = commands(2)
    shell.type_all(apply)
    shell.wait_for(10)
    assert '"new-greeting":"10"' in shell.type_all([read_flag])
    assert "security must be signed by hudson" in shell.type_all(commands(3))

    assert len(commands(4)) == 2
    for line in commands(4):
        refused = shell.type(line)
        assert refused.returncode != 0
        assert "denied request" in refused.stderr

    assert "greeting 10% → 30%" in shell.type_all(commands(5))
    shell.wait_for(30)
    down, look, up = commands(6)
    shell.type_all([down])
    shell.wait_for(10)
    assert "RolledBack" in shell.type_all([look])
    shell.type_all([up])

    wait, approve, complete = commands(7)
    for percent in (30, 90, 100):
        shell.type_all([wait, approve])
        shell.wait_for(percent)
    shell.type_all([complete])
    assert "Advance 90% → 100%" in shell.type_all(commands(8))
    shell.leave()
    shell.type_all(commands(9))
    assert list(tmp_path.glob("surefoot-testbed-*")) == []
