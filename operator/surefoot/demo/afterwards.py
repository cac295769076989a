"""What is said at the end: how to go on by hand, or why the demo got stuck."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot.demo.cast import AUTHOR
from surefoot.demo.scene import Scene
from surefoot.demo.stage import Stage
from surefoot.testbed.programs import link_programs

LAST_LINES = 15
LONGEST_LINE = 300


@dataclass(frozen=True, slots=True)
class Hint:
    """Something to try by hand, as the administrator or as ``user``; ``is_refused``: it must fail.

    The commands of a hint are what people read: a test types each of them.
    """

    words: str
    commands: tuple[str, ...]
    user: str | None = None
    is_refused: bool = False


CHECKOUT_HINTS = (
    Hint(
        "Where it stands, and why:",
        (
            "kubectl get sfr -n shop -o wide",
            "kubectl surefoot explain checkout -n shop",
            "kubectl get sfa,sfc,events -n shop",
            "kubectl surefoot audit checkout -n shop",
        ),
    ),
    Hint(
        "Try to move the flag past the operator. You may do anything else, and are refused:",
        ("""kubectl patch configmap checkout-flags -n shop -p '{"data":{"checkout-v2":"77"}}'""",),
        is_refused=True,
    ),
    Hint(
        f"Take it down to 0 % at once, as {AUTHOR}, the author. That needs no signature:",
        ("kubectl surefoot rollback checkout -n shop --to 0 --reason 'trying it' --yes",),
        user=AUTHOR,
    ),
)
INCIDENT_HINTS = (
    Hint(
        "Both Rollouts are paused at 25 %:",
        (
            "kubectl get sfr -n agents -o wide",
            "kubectl surefoot explain memory -n agents",
            "kubectl surefoot communications memory -n agents",
        ),
    ),
    Hint(
        "Try what the automation did. It is refused, also with all your rights:",
        ("""kubectl patch configmap memory-flags -n agents -p '{"data":{"hybrid-rag":"50"}}'""",),
        is_refused=True,
    ),
    Hint(
        "Let the one with gates go on. It asks for a report and five signatures before 50 %:",
        ("kubectl surefoot resume memory -n agents",),
    ),
    Hint("What waits for hudson then:", ("kubectl surefoot inbox -n agents",), user="hudson"),
)


def how_to_go_on(place: Stage) -> str:
    """The way into what was left running, and how to end it."""
    return _how_to_go_on(place, CHECKOUT_HINTS)


def incident(place: Stage, reports: Path) -> str:
    """The same for the replay of the incident."""
    return f"{_how_to_go_on(place, INCIDENT_HINTS)}\n\nThe reports are in {reports}."


def _how_to_go_on(place: Stage, hints: Sequence[Hint]) -> str:
    bed = place.bed
    directory = shlex.quote(str(bed.directory))
    users = (f"{user.name} ({', '.join(user.groups)})" for user in bed.users)
    lines = [
        "",
        "Everything is left running. To go on by hand, with kubectl and its plugin:",
        "",
        f"    export DEMO={directory}",
        f'    export PATH={shlex.quote(str(link_programs(bed.directory)))}:"$PATH"',
        "    export KUBECONFIG=$DEMO/kubeconfigs/admin.yaml",
    ]
    for hint in hints:
        before = f"KUBECONFIG=$DEMO/kubeconfigs/{hint.user}.yaml " if hint.user else ""
        lines += ["", hint.words, "", *(f"    {before}{command}" for command in hint.commands)]
    lines += [
        "",
        "Each user has such a file:",
        "",
        f"    {', '.join(users)}",
        "",
        f"    Prometheus          {bed.prometheus_url}",
        f"    operator's log      {place.operator.log}",
        f"    API server's audit  {bed.audit_log}",
        "",
        "Stop all of it:",
        "",
        f"    {_surefoot()} demo stop --dir {directory}",
    ]
    return "\n".join(lines)


def _surefoot() -> str:
    return shlex.quote(str(Path(sys.executable).with_name("surefoot")))


def why_it_got_stuck(error: Exception, scene: Scene, place: Stage) -> str:
    """What was waited for, where the Rollout stands, and the operator's last words."""
    words = place.operator.last_lines(LAST_LINES) or "(it said nothing)"
    return "\n".join(
        [
            "",
            f"The demo got stuck: {error}.",
            "",
            *_where_it_stands(scene),
            "",
            f"The operator's last lines ({place.operator.state}):",
            *(f"    {line[:LONGEST_LINE]}" for line in words.splitlines()),
        ]
    )


def _where_it_stands(scene: Scene) -> list[str]:
    config_map = "is not there" if scene.percent is None else f"says {scene.percent} %"
    lines = [f"ConfigMap checkout-flags {config_map}."]
    if scene.rollout is None:
        return ["Rollout checkout is not there.", *lines]
    status = scene.rollout.status
    closed = [
        f"    {condition.type}={condition.status}, {condition.reason}: {condition.message}"
        for condition in status.conditions
        if condition.status != "True"
    ]
    waits = status.waiting_on or "nothing"
    return [
        f"Rollout checkout: {status.phase} at {status.percent} %, attempt {status.attempt}.",
        f"It waits for {waits}.",
        *closed,
        *lines,
    ]
