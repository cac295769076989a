"""The page's table of symptoms beside the programs that say them."""

import re
from pathlib import Path

import pytest

from deploy.project import ROOT
from surefoot.adapters.settings import load
from surefoot.errors import ConfigurationError

PAGE = ROOT / "docs" / "install.md"
SOURCES = ("operator/surefoot", "charts/surefoot/templates", "charts/surefoot/values.yaml")
BY_OTHERS = {
    "at '/image/digest': 'latest' does not match pattern",  # Helm: `test_chart.py`
    "additional properties 'imagee' not allowed",
    'no matches for kind "MutatingAdmissionPolicy"',  # kubectl: `version_checks.py`
    "evaluationIntervall: Extra inputs are not permitted",  # pydantic: here
}
"""What others say, and where a test has them say it."""


def symptoms() -> list[str]:
    """What the first column of the table quotes."""
    _, _, table = PAGE.read_text("utf-8").partition("## If it does not work")
    cells = re.findall(r"^\| (.+?) \| .+ \|$", table, re.MULTILINE)
    quoted = [each for cell in cells[1:] for each in re.findall(r"`(.+?)`", cell)]
    assert set(quoted) >= BY_OTHERS
    return [each for each in quoted if each not in BY_OTHERS]


@pytest.fixture(scope="module")
def words() -> str:
    """All that our programs and templates may say, with the texts of adjacent lines joined."""
    files = [
        file
        for source in SOURCES
        for file in ([ROOT / source] if (ROOT / source).is_file() else (ROOT / source).rglob("*"))
        if file.suffix in {".py", ".tpl", ".yaml"}
    ]
    text = "\n".join(file.read_text("utf-8") for file in files)
    return re.sub(r'"\s*\n\s*f?"', "", text)


@pytest.mark.parametrize("symptom", symptoms())
def test_symptom_of_the_page_is_what_is_said(symptom: str, words: str) -> None:
    """A message that is changed changes the page."""
    assert symptom in words


def test_wrong_key_of_the_configuration_is_named(tmp_path: Path) -> None:
    """By its place in the file."""
    file = tmp_path / "config.yaml"
    file.write_text("evaluationIntervall: 30s\n")
    with pytest.raises(ConfigurationError) as raised:
        load(file)
    assert str(raised.value) == (
        f"{file} has faults:\n  evaluationIntervall: Extra inputs are not permitted"
    )
