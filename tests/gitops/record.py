"""`python -m tests.gitops.record`: write the test data of Argo CD's layout from the scenarios.

Argo CD's own suites run scripts on files. This writes the files, cut down to what a script reads.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from surefoot.generated import PlainDumper
from tests.gitops.argocd import (
    CUSTOMIZATIONS,
    LuaError,
    actions,
    as_json,
    health,
    merge_patch,
    result_of,
    script_of,
)
from tests.gitops.scenarios import APPROVALS, CHECKPOINTS, SCENARIOS

ROOT = CUSTOMIZATIONS / "surefoot.dev"
OF_METADATA = ("name", "namespace", "uid", "generation")
OF_STATUS = {
    "Rollout": ("observedGeneration", "phase", "waitingOn", "attempt", "step", "percent"),
    "Approval": ("state", "voidReason", "observedGeneration"),
    "Checkpoint": ("state", "voidReason", "late", "acknowledged", "observedGeneration"),
}
OF_CONDITION = ("type", "status", "reason", "message")
OF_BLOCKER = ("condition", "reason", "message", "command")
ACTIONS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("pause", "soaking", {}),
    ("resume", "paused", {}),
    ("rollback", "soaking", {"reason": "errors at night"}),
    ("rollback", "completed", {"to": "10", "reason": "errors at night"}),
    ("rollback", "completed", {"to": "75"}),
    ("retry", "rolledBackTrigger", {}),
    ("retry", "rolledBackRequested", {}),
)
DISCOVERED = ("soaking", "paused", "rolledBackTrigger", "completed")


def _only(wanted: tuple[str, ...], found: dict[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in wanted if key in found}


def cut_down(raw: dict[str, Any]) -> dict[str, Any]:
    """An object with what a script can read, and no more."""
    raw = as_json(raw)
    status = _only(OF_STATUS[raw["kind"]], raw["status"])
    if raw["kind"] == "Rollout":
        for name, wanted in (("conditions", OF_CONDITION), ("blockedBy", OF_BLOCKER)):
            if name in raw["status"]:
                status[name] = [_only(wanted, each) for each in raw["status"][name]]
    return {
        "apiVersion": raw["apiVersion"],
        "kind": raw["kind"],
        "metadata": _only(OF_METADATA, raw["metadata"]),
        "spec": raw["spec"],
        "status": status,
    }


def unseen(raw: dict[str, Any]) -> dict[str, Any]:
    """The object before the operator has looked at it."""
    return {key: value for key, value in raw.items() if key != "status"}


def changed(raw: dict[str, Any]) -> dict[str, Any]:
    """The object after a change that the operator has not looked at."""
    metadata = raw["metadata"] | {"generation": raw["metadata"]["generation"] + 1}
    return raw | {"metadata": metadata}


def objects() -> dict[str, dict[str, dict[str, Any]]]:
    """Every object of the test data, by kind and by the name of its file."""
    rollouts = {name: cut_down(play().rollout.to_wire()) for name, (play, *_) in SCENARIOS.items()}
    rollouts |= {"unseen": unseen(rollouts["soaking"]), "changed": changed(rollouts["completed"])}
    approvals = {name: cut_down(make()) for name, (make, *_) in APPROVALS.items()}
    checkpoints = {name: cut_down(make()) for name, (make, *_) in CHECKPOINTS.items()}
    return {
        "Rollout": rollouts,
        "Approval": approvals | {"unseen": unseen(approvals["pending"])},
        "Checkpoint": checkpoints | {"unseen": unseen(checkpoints["pending"])},
    }


def write(root: Path = ROOT) -> None:
    """Write all of it."""
    made = objects()
    for kind, by_name in made.items():
        tests = []
        for name, raw in by_name.items():
            state = health(raw)["status"].lower()
            path = f"testdata/{state}_{name}.yaml"
            _write(root / kind / path, raw)
            answer = dict(sorted(health(raw).items(), reverse=True))
            tests.append({"inputPath": path, "healthStatus": answer})
        _write(root / kind / "health_test.yaml", {"tests": tests})
    _write_actions(root / "Rollout" / "actions", made["Rollout"])


def _write_actions(folder: Path, rollouts: dict[str, dict[str, Any]]) -> None:
    discoveries = []
    for name in DISCOVERED:
        path = f"testdata/{name}.yaml"
        _write(folder / path, rollouts[name])
        found = actions(rollouts[name])
        result = [{"name": each, **dict(sorted(found[each].items()))} for each in sorted(found)]
        discoveries.append({"inputPath": path, "result": result})
    tests = []
    for number, (action, name, params) in enumerate(ACTIONS):
        _write(folder / f"testdata/{name}.yaml", rollouts[name])
        case: dict[str, Any] = {"action": action, "inputPath": f"testdata/{name}.yaml"}
        if params:
            case["parameters"] = params
        script = script_of("Rollout", f"actions/{action}/action.lua")
        try:
            after = result_of(rollouts[name], script, params)
        except LuaError as error:
            case["expectedErrorMessage"] = str(error)
        else:
            assert merge_patch(rollouts[name], after).keys() == {"spec"}
            case["expectedOutputPath"] = f"testdata/{name}_{action}_{number}.yaml"
            _write(folder / case["expectedOutputPath"], after)
        tests.append(case)
    _write(folder / "action_test.yaml", {"discoveryTests": discoveries, "actionTests": tests})


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.dump(content, Dumper=PlainDumper, sort_keys=False, width=1000, allow_unicode=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for stale in ROOT.glob("**/testdata/*.yaml"):
        stale.unlink()
    write()
    sys.stdout.write(f"written below {ROOT}\n")
