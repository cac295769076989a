"""Moments that are printed: one way to write them, no fractions, and nothing past is ahead."""

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

import surefoot.dashboard
import surefoot.plugin
from surefoot.plugin import waiting
from surefoot.plugin.amounts import ago, written
from surefoot.plugin.explanation import in_lines
from surefoot.plugin.preview import evidence

NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
FINE = "2026-03-01T09:59:59.022251Z"
FOLDERS = [Path(str(each.__file__)).parent for each in (surefoot.plugin, surefoot.dashboard)]


def test_what_has_just_happened_is_not_ahead() -> None:
    """The API server says whole seconds: its time may be before that of what was just written."""
    status = {"observedAt": "2026-03-01T10:00:01Z", "percent": 5}
    raw = {"metadata": {"name": "search", "namespace": "shop"}, "status": status}
    said = "\n".join(
        line if isinstance(line, str) else "" for line in in_lines(raw, NOW, ("#", "-"))
    )
    assert "wrote this status at 2026-03-01T10:00:01Z, just now." in said
    assert ago(NOW + timedelta(hours=1), NOW) == "in 1h", "another clock wrote that, and it is said"


def test_no_moment_has_a_fraction_of_a_second() -> None:
    """Neither in the inbox nor in what is shown before somebody signs."""
    metric = {"name": "errors", "value": "0.1", "outcome": "Value", "observedAt": FINE}
    said = metric | {"said": "0.1"}
    known = {"soak": None, "gates": None, "triggers": [], "metrics": [said], "reports": []}
    item = {
        "about": "search",
        "namespace": "shop",
        "kind": "Approval",
        "name": "search-15",
        "requestedBy": None,
        "evidence": known,
        "command": "true",
    }
    inbox = "\n".join(waiting.in_lines([item], NOW))
    shown = "\n".join(evidence({"status": {"metrics": [metric]}}, NOW))
    for text in (inbox, shown):
        assert "as of 2026-03-01T09:59:59Z" in text


def test_moments_are_written_in_one_place() -> None:
    """No other module of the plugin or of the dashboard has a format of its own."""
    others = [
        path for folder in FOLDERS for path in folder.rglob("*.py") if path.name != "amounts.py"
    ]
    found = [
        f"{path.name}: {ast.unparse(node)}"
        for path in others
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _writes_a_moment(node)
    ]
    assert len(others) > 40
    assert found == []
    assert written(datetime.fromisoformat(FINE)) == "2026-03-01T09:59:59Z"


def _writes_a_moment(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in {"isoformat", "strftime"}
    return isinstance(node, ast.FormattedValue) and "%Y-" in ast.unparse(node)
