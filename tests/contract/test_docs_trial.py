"""The list of what a trial found names tests that there are."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "explanation" / "trial.md").read_text(encoding="utf-8")
TESTS = frozenset(
    name
    for file in (PROJECT / "tests").rglob("*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE))))
def test_finding_is_held_by_a_test_that_there_is(name: str) -> None:
    """A finding whose test is gone could come back unseen."""
    assert name in TESTS
