"""What is said at the end: how to go on by hand, or why the demo got stuck."""

import shlex
import shutil
import sys
from pathlib import Path

from surefoot.demo.cast import AUTHOR
from surefoot.demo.scene import Scene
from surefoot.demo.stage import Stage
from surefoot.testbed.toolchain import find_kubectl

LAST_LINES = 15
LONGEST_LINE = 300

DRIFT = """kubectl patch configmap checkout-flags -n shop -p '{"data":{"checkout-v2":"77"}}'"""
ROLLBACK = (
    "kubectl patch sfr checkout -n shop --type=merge "
    """-p '{"spec":{"rollback":{"to":25,"reason":"trying it"}}}'"""
)


def how_to_go_on(place: Stage) -> str:
    """The way into what was left running, and how to end it."""
    bed = place.bed
    directory = shlex.quote(str(bed.directory))
    users = (f"{user.name} ({', '.join(user.groups)})" for user in bed.users)
    lines = [
        "",
        "Everything is left running. To go on by hand:",
        "",
        f"    export DEMO={directory}",
        "    export KUBECONFIG=$DEMO/kubeconfigs/admin.yaml",
        *([] if shutil.which("kubectl") else [f"    alias kubectl={find_kubectl()}"]),
        "    kubectl get sfr -n shop --watch",
        "    kubectl describe sfr checkout -n shop",
        "    kubectl get sfa,sfc -n shop",
        "    kubectl get events -n shop",
        "",
        "Move the flag past the operator, and see it put back:",
        "",
        f"    {DRIFT}",
        "",
        "Go back to 25%, as the author. Others may not:",
        "",
        f"    KUBECONFIG=$DEMO/kubeconfigs/{AUTHOR}.yaml \\",
        f"    {ROLLBACK}",
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
    config_map = "is not there" if scene.percent is None else f"says {scene.percent}%"
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
        f"Rollout checkout: {status.phase} at {status.percent}%, attempt {status.attempt}.",
        f"It waits for {waits}.",
        *closed,
        *lines,
    ]
