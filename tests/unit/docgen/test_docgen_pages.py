"""The generated pages say everything that the code can say."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from surefoot.docgen.conditions import MEANINGS, REASONS
from surefoot.docgen.events import EVENTS
from surefoot.docgen.files import generated_files
from surefoot.docgen.markdown import table
from surefoot.domain.checks.table import CHECKS
from surefoot.domain.facts.measurements import Outcome
from surefoot.domain.notifications import REASONS as ANNOUNCED

DOMAIN = Path(__file__).parents[3] / "operator" / "surefoot" / "domain"
GIVES_REASONS = frozenset({"UnmetRequirement", "passes", "Verdict", "GateVerdict", "_lacks"})
"""The calls of the decision core that carry the reason of a condition."""
OF_ALL = frozenset({"NotRequired", "Completed"}) | {outcome.value for outcome in Outcome}
"""Reasons that are explained once for all conditions."""
PREFIX = "Trigger"
"""The states of triggers follow this one: TriggerFiring and so on."""


def reasons_in_the_code() -> Iterator[str]:
    """Every word in a call that carries a reason."""
    for path in DOMAIN.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in GIVES_REASONS:
                yield from _words(node)


def _name(function: ast.expr) -> str:
    return getattr(function, "id", getattr(function, "attr", ""))


def _words(call: ast.Call) -> Iterator[str]:
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        for node in ast.walk(argument):
            word = node.value if isinstance(node, ast.Constant) else None
            if isinstance(word, str) and re.fullmatch(r"[A-Z][A-Za-z]+", word):
                yield word


def test_every_reason_that_a_check_can_give_is_explained() -> None:
    """Add what is missing to `REASONS` of surefoot.docgen.conditions."""
    explained = {reason for reasons in REASONS.values() for reason in reasons}
    assert set(reasons_in_the_code()) - explained - OF_ALL - {PREFIX} == set()


def test_every_condition_is_explained() -> None:
    """In the order of the table of checks, which the page follows."""
    assert MEANINGS.keys() == REASONS.keys() == {check.type for check in CHECKS}


def test_every_event_is_explained_and_no_other() -> None:
    """What routes can ask for, and what the routes themselves say on the Rollout."""
    assert EVENTS.keys() == ANNOUNCED | {"NotificationFailed", "NotificationDropped"}


def test_pages_have_every_key_and_command() -> None:
    """One of each kind, by its place in the page."""
    pages = {path.name: text for path, text in generated_files().items()}
    assert "## `providers[].tls`" in pages["configuration.md"]
    assert "| `insecureSkipVerify` | `false` |" in pages["configuration.md"]
    assert "See [`spec.hold`](#spechold)." in pages["rollout.md"]
    assert "## `kubectl surefoot record verify`" in pages["kubectl-surefoot.md"]
    assert "## `surefoot testbed up`" in pages["surefoot.md"]
    assert "`surefoot_trigger_state` | gauge | `namespace`" in pages["metrics.md"]


def test_text_stays_in_its_cell() -> None:
    """A bar or a line break would tear the table."""
    assert list(table(("a",), [("x|y\nz",)]))[-1] == "| x\\|y z |"
