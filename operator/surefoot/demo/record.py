"""The history of the Rollout as a table: when, what, who decided, on what evidence.

What its entries say of signers is compared with the API server's audit log, which knows with whose
credentials each decision was patched.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from surefoot.api.v1alpha1.durations import parse_elapsed
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import (
    DecisionEvidence,
    Transition,
    TransitionType,
    WindowEvidence,
)
from surefoot.demo.news import Mood, as_percent
from surefoot.domain.record.requesters import UNNAMED, named

Patchers = Mapping[tuple[str, str], frozenset[str]]
"""Who patched an object, by its kind and name."""

COLOURS = {
    TransitionType.ROLLBACK: Mood.BAD.value,
    TransitionType.RETRY: Mood.WAITING.value,
    TransitionType.COMPLETE: f"bold {Mood.GOOD.value}",
}


def print_history(console: Console, rollout: Rollout, patchers: Patchers) -> None:
    """Print the table, and below it what the audit log says of its signers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column("when, UTC", no_wrap=True, style="bright_black")
    table.add_column("what", no_wrap=True)
    table.add_column("who decided", no_wrap=True)
    table.add_column("on what evidence", ratio=1)
    for entry in rollout.status.history:
        table.add_row(
            f"{entry.at:%H:%M:%S}",
            Text(_what(entry), COLOURS.get(entry.type, Mood.GOOD.value)),
            Text("\n".join(named(entry)) or UNNAMED),
            Text("\n".join(_evidence(entry))),
        )
    console.print(table)
    console.print(Text(_verdict_of_the_audit_log(rollout, patchers)))


def _what(entry: Transition) -> str:
    if entry.from_ is None or entry.from_ == entry.to:
        return f"{entry.type}, {entry.to}%"
    return f"{entry.type}, {entry.from_}% → {entry.to}%"


def _evidence(entry: Transition) -> Iterator[str]:
    evidence = entry.evidence
    if entry.type not in {TransitionType.ADVANCE, TransitionType.COMPLETE}:
        yield entry.message
    elif evidence.soak is not None:
        healthy = parse_elapsed(evidence.soak.healthy).total_seconds()
        yield f"soak: {healthy:.1f} s healthy of {evidence.soak.required}"
    for window in evidence.windows:
        if _decides(entry, window):
            yield _of_window(window)
    yield from map(_of_decision, evidence.decisions)
    if entry.type is TransitionType.ROLLBACK and entry.took is not None:
        yield f"decided and committed in {parse_elapsed(entry.took).total_seconds():.2f} s"


def _decides(entry: Transition, window: WindowEvidence) -> bool:
    """Gates let forward, triggers send back; a Start asks for neither."""
    match entry.type:
        case TransitionType.ROLLBACK:
            return window.used_by.startswith("trigger ")
        case TransitionType.ADVANCE | TransitionType.COMPLETE:
            return window.used_by.startswith("gate ")
        case _:
            return False


def _of_window(window: WindowEvidence) -> str:
    if window.min is None or window.max is None:
        return f"{window.used_by}: {window.metric} {window.outcome}"
    low, high = as_percent(float(window.min)), as_percent(float(window.max))
    return f"{window.used_by}: {low} to {high} in {window.count} values"


def _of_decision(decision: DecisionEvidence) -> str:
    return f"{decision.role}, {decision.by}: {decision.decision} “{decision.reason}”"


def _verdict_of_the_audit_log(rollout: Rollout, patchers: Patchers) -> str:
    """Whether the credentials were those of the people whose names were signed."""
    decisions = [d for entry in rollout.status.history for d in entry.evidence.decisions]
    others = [d for d in decisions if patchers.get((d.kind, d.name)) != frozenset({d.by})]
    if others:
        return "\n".join(
            f"The audit log does not know {d.kind} {d.name} as {d.by}'s: it was patched by "
            f"{', '.join(sorted(patchers.get((d.kind, d.name), ()))) or 'nobody'}."
            for d in others
        )
    names = ", ".join(dict.fromkeys(decision.by for decision in decisions))
    return (
        f"{_counted(decisions)}, each in the name of its author: by the API server's audit log, "
        f"{names} wrote them with their own credentials."
    )


def _counted(decisions: Sequence[DecisionEvidence]) -> str:
    """Signatures and reports: ``5 signatures and 1 report``."""
    numbers = Counter(
        "report" if decision.kind == "Checkpoint" else "signature" for decision in decisions
    )
    parts = [
        f"{numbers[what]} {what}{'' if numbers[what] == 1 else 's'}"
        for what in ("signature", "report")
        if numbers[what]
    ]
    return " and ".join(parts) or "no signature"


def patchers_in(audit_log: Path) -> Patchers:
    """Read who patched which Approval and Checkpoint off the API server's audit log."""
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    kinds = {"approvals": "Approval", "checkpoints": "Checkpoint"}
    for line in audit_log.read_text().splitlines():
        event = json.loads(line)
        what = event.get("objectRef") or {}
        succeeded = (event.get("responseStatus") or {}).get("code") == 200
        if event["verb"] == "patch" and what.get("resource") in kinds and succeeded:
            found[kinds[what["resource"]], what["name"]].add(event["user"]["username"])
    return {key: frozenset(names) for key, names in found.items()}
