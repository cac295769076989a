"""Plans as texts, to be looked at by lint."""

from surefoot.lint.finding import Finding
from surefoot.lint.linter import lint
from surefoot.lint.meaning import Surroundings

HEAD = """\
apiVersion: surefoot.dev/v1alpha1
kind: Rollout
metadata:
  name: checkout
spec:
  target: {configMapName: flags, flags: [checkout]}
"""
STEPS = """\
  steps:
  - percent: 10
  - percent: 25
  - percent: 60
  - percent: 100
"""
HOLD = "  hold: {soak: 1h}\n"
ERRORS = """\
  metrics:
  - name: errors
    query: (sum(rate(errors_total[5m])) or vector(0)) / (sum(rate(requests_total[5m])) > 0)
"""


def a_plan(*parts: str, hold: str = HOLD, steps: str = STEPS) -> str:
    """A plan in which nothing is wrong but what the parts say."""
    return "".join((HEAD, steps, hold, *parts))


def found(text: str, around: Surroundings | None = None) -> list[tuple[str, int, int]]:
    """Rule, line and column of everything that is found."""
    return [(each.rule.id, each.line, each.column) for each in lint("plan", text, around).findings]


def rules(text: str, around: Surroundings | None = None) -> list[str]:
    """The rules of everything that is found."""
    return [rule for rule, _, _ in found(text, around)]


def the(rule: str, text: str, around: Surroundings | None = None) -> Finding:
    """The only finding of a rule."""
    (finding,) = [each for each in lint("plan", text, around).findings if each.rule.id == rule]
    return finding


def pointed_at(finding: Finding) -> str:
    """The characters that the caret is under."""
    start = finding.column - 1
    return finding.source[start : start + finding.length]
