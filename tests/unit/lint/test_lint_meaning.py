"""What a valid plan says that cannot be meant."""

from datetime import timedelta
from pathlib import Path

import pytest

from surefoot.lint.linter import lint
from surefoot.lint.meaning import Surroundings
from tests.unit.lint.plans import ERRORS, a_plan, pointed_at, rules, the

EXAMPLES = Path(__file__).parents[3] / "manifests" / "examples"
ROLES = "    roles:\n"


def signed(rule: str, *roles: str) -> str:
    """An approval by these roles."""
    return f"  approvals:\n{rule}{ROLES}" + "".join(f"    - {role}\n" for role in roles)


def test_bound_of_five_on_a_ratio_is_found() -> None:
    """Anyone who writes 5 on a share means 5%."""
    text = a_plan(ERRORS, "  triggers: [{name: errors, above: 5}]\n")
    finding = the("SF101", text)
    assert pointed_at(finding) == "5"
    assert '"5%" would be a percentage' in finding.message


def test_gate_that_is_looser_than_its_trigger_is_found() -> None:
    """It holds where the trigger already fires."""
    text = a_plan(
        ERRORS,
        '  gates: [{name: errors, atMost: "10%"}]\n',
        '  triggers: [{name: errors, above: "5%"}]\n',
    )
    assert pointed_at(the("SF102", text)) == '"10%"'


def test_query_without_a_value_while_all_is_well_is_found() -> None:
    """A counter of errors does not exist before the first error."""
    metrics = "  metrics: [{name: errors, query: 'sum(rate(errors_total[5m]))'}]\n"
    text = a_plan(metrics, "  triggers: [{name: errors, above: 5}]\n")
    assert "or vector(0)" in the("SF103", text).advice


@pytest.mark.parametrize(("scrape", "is_found"), [(10, False), (30, True), (60, True)])
def test_range_shorter_than_two_scrapes_is_found(scrape: int, is_found: bool) -> None:
    """A rate needs two samples; how often they are taken only the author knows."""
    metrics = "  metrics: [{name: m, query: 'max(rate(errors_total[45s])) or vector(0)'}]\n"
    text = a_plan(metrics, "  triggers: [{name: m, above: 5}]\n")
    around = Surroundings(scrape_interval=timedelta(seconds=scrape))
    assert ("SF104" in rules(text, around)) is is_found


def test_sole_signer_who_is_the_author_is_found() -> None:
    """Nobody signs for their own plan; who applies it only the author knows."""
    text = a_plan(signed("", "{name: qa, users: [bob]}"))
    assert rules(text) == ["SF106"]
    finding = the("SF013", text, Surroundings(author="bob"))
    assert "nobody can sign for qa: bob requested this rollout" in finding.message
    assert "SF013" not in rules(text, Surroundings(author="alice"))


def test_quorum_that_one_absence_blocks_is_found() -> None:
    """Two of three, but one person is in two of them."""
    quorum = "    rule: Quorum\n    quorum: 2\n"
    roles = ("{name: a, users: [bob]}", "{name: b, users: [bob]}", "{name: c, users: [eve]}")
    finding = the("SF105", a_plan(signed(quorum, *roles)))
    assert "without bob or without eve" in finding.message
    enough = signed(quorum, *roles[:2], "{name: c, groups: [leads]}", "{name: d, users: [kim]}")
    assert "SF105" not in rules(a_plan(enough))


def test_window_longer_than_samples_are_kept_is_found() -> None:
    """Such a gate never holds, and such a trigger never fires."""
    text = a_plan(ERRORS, '  gates: [{name: errors, atMost: "1%", for: 20d}]\n')
    assert pointed_at(the("SF107", text)) == "20d"
    assert "SF107" not in rules(text, Surroundings(retention=timedelta(days=90)))


def test_trigger_that_comes_too_late_for_the_hold_is_found() -> None:
    """The step is left before it could have fired."""
    text = a_plan(ERRORS, '  triggers: [{name: errors, above: "5%", for: 2h}]\n')
    assert "10%, 25%, 60% may be left after 1h" in the("SF108", text).message
    assert "SF108" not in rules(text.replace("soak: 1h", "soak: 3h"))


def test_step_that_asks_for_nothing_is_found() -> None:
    """It is left as soon as it is entered."""
    assert rules(a_plan(hold="")) == ["SF109"] * 3


def test_metric_that_nothing_looks_at_is_noted() -> None:
    """A note does not fail."""
    finding = the("SF110", a_plan(ERRORS))
    assert not finding.fails


@pytest.mark.parametrize(
    ("parts", "rule", "at"),
    [
        (("  triggers: [{name: errors, above: 1}]\n",), "SF010", "{name: errors, above: 1}"),
        ((ERRORS, "  gates: [{name: errors, atMost: 1, for: 1m}]\n"), "SF101", "1"),
        (("  metrics: [{name: m, query: 'sum(rate(x['}]\n",), "SF011", "{name: m"),
        (("  schedule: {timeZone: Mars/Phobos}\n",), "SF010", "schedule"),
        (("  dependsOn: [{rollout: checkout}]\n",), "SF010", "dependsOn"),
        (("  coverage: {metric: share}\n",), "SF010", "coverage"),
    ],
)
def test_faults_that_the_operator_would_tell_are_told_at_their_place(
    parts: tuple[str, ...], rule: str, at: str
) -> None:
    """The same functions of the core say so."""
    findings = lint("plan", a_plan(*parts)).findings
    assert any(f.rule.id == rule and pointed_at(f).startswith(at) for f in findings), findings


def test_step_beyond_the_limit_is_found() -> None:
    """The plan would not start."""
    steps = "  steps: [{percent: 10}, {percent: 100}]\n"
    assert "10 times as much" in the("SF012", a_plan(steps=steps)).message


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_shipped_examples_have_no_finding(path: Path) -> None:
    """What we show people to begin with: no error and no warning."""
    report = lint(path.name, path.read_text())
    assert (report.plans > 0) is (path.stem != "bindings")
    assert [each for each in report.findings if each.fails] == []
