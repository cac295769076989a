"""What is suggested when somebody presses Tab, and of which Rollout."""

import sys
from typing import Any

import pytest

from surefoot.cli.completion import main, question
from surefoot.plugin import completing


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["rollback", "checkout", "-n", "shop", "--to", ""], "checkout"),
        (["rollback", "-n", "shop", "checkout", "--to", "1"], "checkout"),
        (["approve", "checkout", "--role", "sec"], "checkout"),
        (["checkpoint", "checkout", ""], "checkout"),
        (["rollback", "--to", ""], None),
    ],
)
def test_suggestions_are_of_the_rollout_that_was_named(
    words: list[str], name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while the value of an option is being typed, when the words are not all there yet."""
    asked: list[dict[str, Any]] = []

    def remembered(params: dict[str, Any], _find: object) -> list[str]:
        asked.append(params)
        return []

    monkeypatch.setattr(completing, "suggestions", remembered)
    for variable in question(words):
        monkeypatch.setenv(variable, "")  # so that it is not left behind
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-surefoot", *words])
    main()
    assert [each.get("name") for each in asked] == [name]
