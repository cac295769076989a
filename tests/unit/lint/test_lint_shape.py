"""What the API server would refuse or drop, and what is mended without a doubt."""

import pytest

from surefoot.lint.linter import apply, lint
from tests.unit.lint.plans import HEAD, a_plan, found, pointed_at, rules, the


def mended(text: str) -> str:
    """The text with every safe edit made."""
    return apply(text, lint("plan", text).findings)[0]


def test_plan_without_a_fault_has_no_finding() -> None:
    """Else every other test here would say less."""
    assert found(a_plan()) == []


@pytest.mark.parametrize(
    ("part", "rule", "at", "advice"),
    [
        ("  paussed: true\n", "SF003", "paussed", "write paused"),
        ("  wholly_new: 1\n", "SF003", "wholly_new", "there are: target"),
        ("  attempt: x\n", "SF004", '"x"', "a whole number"),
        ("  risks: [{name: r, severity: Huge, probability: Low}]\n", "SF004", "Huge", "Low or Med"),
        ("  schedule: {freeze: {}}\n", "SF004", "freeze", "write a list"),
        ("  scorecard: {go: 101}\n", "SF004", "101", "at most 100"),
        ("  coverage: {metric: UP}\n", "SF004", "UP", "a name of a-z"),
        ("  rehearsal: {maxAge: 7}\n", "SF004", "7", "48h, 30m"),
        ("  rehearsal: {maxAge: soon}\n", "SF004", "soon", "48h, 30m"),
        ("  limits: {maxExpansionFactor: a lot}\n", "SF004", "a lot", '"0.1%"'),
        ("  approvals: {quorum: 1}\n", "SF005", "1", ""),
        ("  triggers: [{name: a}]\n", "SF005", "{name: a}", ""),
        ("  triggers: [{name: a, above: 1, to: Middle}]\n", "SF005", "Middle", ""),
    ],
)
def test_what_is_refused_is_found_at_its_place(part: str, rule: str, at: str, advice: str) -> None:
    """With what would be taken instead."""
    text = a_plan(part)
    (finding,) = [each for each in lint("plan", text).findings if each.rule.id == rule]
    assert pointed_at(finding).strip('"') == at.strip('"')
    assert advice in finding.advice


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (a_plan().replace("  name: checkout\n", "  labels: {}\n"), "metadata.name is missing"),
        (a_plan().replace("name: checkout", "name: -checkout"), '"-checkout"'),
        (a_plan().replace("name: checkout", "name: check_out"), '"check_out"'),
        (a_plan().replace("v1alpha1", "v9"), '"surefoot.dev/v9"'),
        (a_plan().replace("kind: Rollout", "kind: rollout"), 'kind is "rollout"'),
        (a_plan().replace("apiVersion: surefoot.dev/v1alpha1\n", ""), "apiVersion is missing"),
        (HEAD + "  steps: []\n", "spec.steps is a list"),
        (HEAD, "spec.steps is missing"),
        (HEAD.partition("spec:")[0], "spec is missing"),
        (HEAD.partition("spec:")[0] + "spec: 3\n", "spec is 3"),
    ],
)
def test_what_the_whole_object_lacks_is_said(text: str, said: str) -> None:
    """In words that name it."""
    assert said in " ".join(each.message for each in lint("plan", text).findings)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("  limits: {max_expansion_factor: 5}\n", "  limits: {maxExpansionFactor: 5}\n"),
        ("  limits: {maxExpansionFactor: 2.5}\n", '  limits: {maxExpansionFactor: "2.5"}\n'),
        ('  scorecard: {go: "95"} # why\n', "  scorecard: {go: 95} # why\n"),
        ('  scorecard: {gate: "True"}\n', "  scorecard: {gate: true}\n"),
        ("  rehearsal: {mode: automatic}\n", "  rehearsal: {mode: Automatic}\n"),
    ],
)
def test_what_is_beyond_doubt_is_mended_in_place(wrong: str, right: str) -> None:
    """Everything around it stays as it was, comments too."""
    assert mended(a_plan(wrong)) == a_plan(right)
    assert rules(a_plan(right)) == []


def test_field_that_is_only_misspelt_is_not_missing_as_well() -> None:
    """One mistake is told once."""
    text = a_plan().replace("configMapName", "config_map_name")
    assert rules(text) == ["SF003"]
    assert mended(text) == a_plan()


@pytest.mark.parametrize("part", ["  rehearsal: {maxAge: 7}\n", "  wholly_new: 1\n"])
def test_what_is_in_doubt_is_left_alone(part: str) -> None:
    """Seven days or seven seconds: only the author knows."""
    assert mended(a_plan(part)) == a_plan(part)


def test_status_and_fields_of_people_are_told() -> None:
    """They belong in no file."""
    assert rules(a_plan("  paused: true\nstatus: {}\n")) == ["SF008", "SF007"]


def test_advice_stands_only_once_for_a_value_of_two_types() -> None:
    """A bound may be a number or a text: what is neither is one mistake."""
    assert rules(a_plan("  limits: {maxExpansionFactor: [1]}\n")) == ["SF004"]


def test_rules_of_the_models_are_named_where_they_are_broken() -> None:
    """With the words that the API server would use."""
    steps = "  steps: [{percent: 50}, {percent: 10}, {percent: 100}]\n"
    finding = the("SF005", a_plan(steps=steps))
    assert "strictly increasing" in finding.message
    assert finding.path == "spec.steps"
