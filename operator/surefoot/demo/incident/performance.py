"""One performance of the replay, from setting up to the two reports, with its exit code."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from surefoot.demo import afterwards
from surefoot.demo.incident.lanes import Lane, Lanes
from surefoot.demo.incident.live import LanesScreen, in_hours
from surefoot.demo.incident.onlooker import NAMESPACE, Onlooker
from surefoot.demo.incident.story import AS_IT_WAS, GATED, OBJECTS, Story
from surefoot.demo.interruption import Interrupted, Interruption
from surefoot.demo.patience import DemoError, Patience
from surefoot.demo.production import Production
from surefoot.demo.screen import PlainLines, Screen, is_live, telling
from surefoot.demo.stage import Stage, stage
from surefoot.errors import TestbedError

DONE, STUCK, CANNOT = 0, 1, 3
LAST_LINES = 15

INCIDENT = Production(
    namespace=NAMESPACE,
    objects=OBJECTS,
    plan=OBJECTS / "memory.yaml",
    author="admin",
    service="memory",
    module="surefoot.demo.incident.service",
    hardening=("required-gates",),
    rules=(OBJECTS / "rules.yaml",),
)


def perform(reports: Path, *, keep: bool) -> int:
    """Set up, play, write the reports, and clear away unless it is to be kept: the exit code."""
    interruption = Interruption().listen()
    began = time.monotonic()
    try:
        with telling() as tell, stage(tell, interruption, INCIDENT) as place:
            if not play(place, interruption, reports):
                return STUCK
            took = f"The replay took {time.monotonic() - began:.0f} s."
            if keep:
                place.leave_standing()
                print(f"{took}\n{afterwards.incident(place, reports)}")
        if not keep:
            print(f"{took} Nothing is left running.")
    except Interrupted as interrupted:
        print("Interrupted. Nothing is left running.", file=sys.stderr)
        return interrupted.exit_code
    except TestbedError as error:
        print(error, file=sys.stderr)
        return CANNOT
    return DONE


def play(place: Stage, interruption: Interruption, reports: Path) -> bool:
    """Play, and write the reports; False where it got stuck, and why is printed."""
    lanes = Lanes(
        Lane("AS IT WAS", AS_IT_WAS, f"{AS_IT_WAS}-flags"),
        Lane("WITH GATES", GATED, "memory-flags"),
    )
    screen = LanesScreen(Console(highlight=False)) if is_live() else PlainLines(stamp=in_hours)
    patience = Patience(place.operator, interruption)
    try:
        onlooker = Onlooker(place.bed, patience, screen, lanes)
        lanes.watch(place.bed, NAMESPACE)
        screen.begin(lanes)
        try:
            Story(onlooker, patience, screen, lanes).play()
            summary = _report(onlooker, screen, place.bed.audit_log, reports)
        finally:
            screen.end()
    except (DemoError, TestbedError) as error:
        interruption.check()
        words = place.operator.last_lines(LAST_LINES) or "(it said nothing)"
        print(f"\nThe replay got stuck: {error}\n\nThe operator's last lines:\n{words}")
        return False
    print("\n".join(("", *summary)))
    return True


def _in_a_line(name: str, audit: dict[str, Any]) -> str:
    """What an audit comes to; ``audit`` is its JSON."""
    step = audit["taken"][0]
    refused = len(audit["refusals"]["log"]["refusals"])
    score, severity = audit["score"], audit["severity"]["worst"]
    return (
        f"{name}: score {score['total']} of {score['outOf']}, "
        f"{step['complied']} of {step['outOf']} practices kept at {step['fromPercent']}% → "
        f"{step['toPercent']}%, worst finding {severity or 'none'}, {refused} attempts refused"
    )


def _report(onlooker: Onlooker, screen: Screen, audit_log: Path, folder: Path) -> tuple[str, ...]:
    """Both audits, and what belongs to the step, as files. What they come to, in lines."""
    screen.narrate(
        "What the record says of both, by the same rules. The reports are being written."
    )
    folder.mkdir(parents=True, exist_ok=True)
    standards = f"--standards {OBJECTS / 'standards.yaml'}"
    options = f"-n {NAMESPACE} {standards} --audit-log {audit_log}"
    summary = []
    for name in (AS_IT_WAS, GATED):
        for kind, ending in (("markdown", "md"), ("html", "html"), ("json", "json")):
            text = onlooker.quietly("admin", f"kubectl surefoot audit {name} {options} -o {kind}")
            (folder / f"audit-{name}.{ending}").write_text(text, encoding="utf-8")
        summary.append(_in_a_line(name, json.loads(text)))
    for report, command in (
        ("approval-document", f"document {GATED} --step 25"),
        ("communications", f"communications {GATED}"),
        ("timeline", f"timeline {GATED} {standards}"),
        ("retrospective", f"retrospective {AS_IT_WAS} {standards}"),
    ):
        text = onlooker.quietly("admin", f"kubectl surefoot {command} -n {NAMESPACE}")
        (folder / f"{report}.md").write_text(text, encoding="utf-8")
    verified = onlooker.asks(
        "admin", f"kubectl surefoot record verify {GATED} -n {NAMESPACE}", code=0
    )
    return (
        *summary,
        verified.strip(),
        f"The reports are in {folder}; audit-*.html are to look at.",
    )
