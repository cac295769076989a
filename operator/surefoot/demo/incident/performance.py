"""One performance of the replay, from setting up to the two reports, with its exit code."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from surefoot.demo.incident.onlooker import NAMESPACE, Onlooker
from surefoot.demo.incident.story import AS_IT_WAS, GATED, OBJECTS, Story
from surefoot.demo.interruption import Interrupted, Interruption
from surefoot.demo.news import News
from surefoot.demo.patience import DemoError, Patience
from surefoot.demo.production import Production
from surefoot.demo.screen import PlainLines
from surefoot.demo.stage import Stage, stage
from surefoot.errors import TestbedError
from surefoot.testbed import progress

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
)


class Hours:
    """The clock of the replay: a second is an hour."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began


def in_hours(seconds: float) -> str:
    """What a second stands for."""
    return f"{seconds:5.1f} h"


def perform(reports: Path) -> int:
    """Set up, play, write the reports to a folder, and clear away. The answer is the exit code."""
    interruption = Interruption().listen()
    began = time.monotonic()
    try:
        with stage(progress.PlainLines(sys.stdout), interruption, INCIDENT) as place:
            if not _play(place, interruption, reports):
                return STUCK
        print(f"The replay took {time.monotonic() - began:.0f} s. Nothing is left running.")
    except Interrupted as interrupted:
        print("Interrupted. Nothing is left running.", file=sys.stderr)
        return interrupted.exit_code
    except TestbedError as error:
        print(error, file=sys.stderr)
        return CANNOT
    return DONE


def _play(place: Stage, interruption: Interruption, reports: Path) -> bool:
    screen = PlainLines(sys.stdout, stamp=in_hours)
    patience = Patience(place.operator, interruption)
    try:
        onlooker = Onlooker(place.bed, patience, screen)
        screen.begin(Hours())
        Story(onlooker, patience, screen).play()
        _report(onlooker, screen, place.bed.audit_log, reports)
    except (DemoError, TestbedError) as error:
        interruption.check()
        words = place.operator.last_lines(LAST_LINES) or "(it said nothing)"
        print(f"\nThe replay got stuck: {error}\n\nThe operator's last lines:\n{words}")
        return False
    return True


def _in_a_line(name: str, audit: dict[str, Any]) -> str:
    """What an audit comes to; ``audit`` is its JSON."""
    (step,) = audit["taken"]
    refused = len(audit["refusals"]["log"]["refusals"])
    score, severity = audit["score"], audit["severity"]["worst"]
    return (
        f"{name}: score {score['total']} of {score['outOf']}, "
        f"{step['complied']} of {step['outOf']} practices kept at {step['fromPercent']} → "
        f"{step['toPercent']}%, worst finding {severity or 'none'}, {refused} attempts refused"
    )


def _report(onlooker: Onlooker, screen: PlainLines, audit_log: Path, folder: Path) -> None:
    """Both audits, and what belongs to the step, as files; their summaries for the audience."""
    screen.narrate("What the record says of both, by the same rules:")
    folder.mkdir(parents=True, exist_ok=True)
    options = f"-n {NAMESPACE} --standards {OBJECTS / 'standards.yaml'} --audit-log {audit_log}"
    for name in (AS_IT_WAS, GATED):
        for kind, ending in (("markdown", "md"), ("html", "html"), ("json", "json")):
            text = onlooker.quietly("admin", f"kubectl surefoot audit {name} {options} -o {kind}")
            (folder / f"audit-{name}.{ending}").write_text(text, encoding="utf-8")
        screen.happened(News(_in_a_line(name, json.loads(text))))
    for report, command in (
        ("approval-document", f"document {GATED} --step 25"),
        ("communications", f"communications {GATED}"),
        ("timeline", f"timeline {GATED}"),
        ("retrospective", f"retrospective {AS_IT_WAS}"),
    ):
        text = onlooker.quietly("admin", f"kubectl surefoot {command} -n {NAMESPACE}")
        (folder / f"{report}.md").write_text(text, encoding="utf-8")
    onlooker.asks("admin", f"kubectl surefoot record verify {GATED} -n {NAMESPACE}", code=0)
    screen.narrate(f"The reports are in {folder}")
