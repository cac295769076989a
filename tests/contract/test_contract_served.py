"""What people and programs get from an API server that has the three kinds."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.crdgen.definitions import DEFINITIONS, Definition
from surefoot.domain.abbreviation import room_beside
from surefoot.testbed.bed import TestBed
from tests.contract.case import apply, collection
from tests.contract.manifests import COMPLETE, EXAMPLES, MINIMAL, Manifest, changed, rollouts_in
from tests.contract.samples import sample

pytestmark = pytest.mark.apiserver

EVERY_KIND = pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda known: known.kind)

GATES = [{"name": "errors", "atMost": 1}]
TRIGGERS = [{"name": "errors", "above": 1}]


@pytest.fixture(scope="module")
def api(testbed: TestBed, crds: None) -> Iterator[httpx.Client]:
    """A connection to an API server that knows the three kinds."""
    with testbed.client() as client:
        yield client


def stored(api: httpx.Client, namespace: str, manifest: Manifest) -> Manifest:
    """Apply the manifest, its status too if it has one, and read back what was made of it."""
    apply(api, namespace, manifest).raise_for_status()
    if "status" in manifest:
        apply(api, namespace, manifest, subresource="/status").raise_for_status()
    path = f"{collection(manifest['kind'], namespace)}/{manifest['metadata']['name']}"
    answer: Manifest = api.get(path).raise_for_status().json()
    return answer


def with_status(manifest: Manifest, **status: Any) -> Manifest:
    """The manifest as the operator has reported on it."""
    return {**manifest, "status": status}


def status_schema(definition: Definition) -> dict[str, Any]:
    """What the API server takes for a status of this kind."""
    version = definition.manifest()["spec"]["versions"][0]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    return schema


@EVERY_KIND
def test_complete_object_survives_the_api_server(
    api: httpx.Client, namespace: str, definition: Definition
) -> None:
    """Nothing is pruned, changed or added: it is the same object for Python before and after."""
    manifest = with_status(COMPLETE[definition.kind], **sample(status_schema(definition)))

    found = stored(api, namespace, manifest)

    assert found["spec"] == manifest["spec"]
    assert found["status"] == manifest["status"]
    before, after = (definition.model.model_validate(one).to_wire() for one in (manifest, found))
    assert (after["spec"], after["status"]) == (before["spec"], before["status"])


@EVERY_KIND
def test_what_python_writes_as_status_is_stored_as_written(
    api: httpx.Client, namespace: str, definition: Definition
) -> None:
    """The operator writes `to_wire()`; were a field unknown to the schema, it would vanish."""
    status = sample(status_schema(definition))
    model = definition.model.model_validate(with_status(COMPLETE[definition.kind], **status))
    written = model.to_wire()["status"]

    found = stored(api, namespace, with_status(COMPLETE[definition.kind], **written))

    assert found["status"] == written


CHECK = {"name": "SoakTime", "outcome": "Passed", "blocking": False}


@pytest.mark.parametrize(
    ("compliance", "says"),
    [
        ({"passed": True, "checks": [CHECK] * 6}, None),
        ({"passed": True, "checks": [CHECK] * 7}, "status.compliance.checks"),
        ({"passed": True, "checks": [CHECK | {"outcome": "Green"}]}, "checks[0].outcome"),
        ({"checks": [CHECK]}, "status.compliance.passed"),
    ],
)
def test_compliance_has_six_checks_of_three_outcomes(
    api: httpx.Client, namespace: str, compliance: dict[str, Any], says: str | None
) -> None:
    """Who reads it can rely on that, no matter who wrote it."""
    apply(api, namespace, MINIMAL["Rollout"]).raise_for_status()
    manifest = with_status(MINIMAL["Rollout"], compliance=compliance)
    answer = apply(api, namespace, manifest, subresource="/status", dryRun="All")
    assert (answer.status_code == 200) == (says is None), answer.text
    assert says is None or says in answer.text


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_kubectl_applies_the_examples(
    testbed: TestBed, crds: None, namespace: str, path: Path
) -> None:
    """As a user would type it; and the model reads what is stored as what was written."""
    testbed.kubectl("apply", "--server-side", "-n", namespace, "-f", str(path))
    stored = testbed.kubectl("get", "rollouts", "-n", namespace, "-o", "json").stdout
    found = {item["metadata"]["name"]: item for item in json.loads(stored)["items"]}
    written = {rollout["metadata"]["name"]: rollout for rollout in rollouts_in(path)}
    assert found.keys() == written.keys()
    for name, item in found.items():
        expected = Rollout.model_validate(written[name])
        assert Rollout.model_validate(item).spec == expected.spec, name


@pytest.mark.parametrize(
    ("change", "path", "expected"),
    [
        (
            {},
            "target",
            {"format": "Percentage", "bucketingKey": "targetingKey", "onDelete": "Keep"},
        ),
        (
            {"spec.approvals": {}},
            "approvals",
            {
                "rule": "All",
                "maxAge": "7d",
                "opens": "AfterHold",
                "separationOfDuties": "Required",
            },
        ),
        ({"spec.limits": {}}, "limits", {"maxExpansionFactor": 3}),
        ({"spec.rehearsal": {}}, "rehearsal", {"maxAge": "7d", "mode": "Manual"}),
        ({"spec.coverage": {"metric": "a"}}, "coverage", {"tolerance": 1}),
        ({"spec.schedule": {}}, "schedule", {"timeZone": "UTC"}),
        (
            {"spec.scorecard": {}},
            "scorecard",
            {"go": 90, "goWithMonitoring": 70, "gate": False},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_defaults_arrive(
    api: httpx.Client,
    namespace: str,
    change: Mapping[str, Any],
    path: str,
    expected: Mapping[str, Any],
) -> None:
    """What a plan leaves out is filled in: so much, and nothing else."""
    manifest = changed(MINIMAL["Rollout"], change)
    sent, found = (at(one, f"spec.{path}") for one in (manifest, stored(api, namespace, manifest)))
    assert found == {**sent, **expected}


def at(node: Any, path: str) -> Any:
    """What is found along the path."""
    for part in path.split("."):
        node = node[int(part)] if part.isdigit() else node[part]
    return node


def test_absence_is_kept_where_it_has_a_meaning(api: httpx.Client, namespace: str) -> None:
    """A hold inherits field by field, and people's fields mean "as it is": neither is filled in."""
    hold = {
        "checkpoints": [{"name": "hour-48", "reporter": {"users": ["atlas"]}}],
        "approvals": {"roles": [{"name": "security", "users": ["hudson"]}]},
    }
    change = {"spec.hold": hold, "spec.steps.0.hold": hold, "spec.rollback": {"to": 0}}
    found = stored(api, namespace, changed(MINIMAL["Rollout"], change))["spec"]
    assert (found["hold"], found["steps"][0]["hold"]) == (hold, hold)
    assert found["rollback"] == {"to": 0}
    assert not {"paused", "attempt", "limits", "rehearsal", "approvals"} & found.keys()


def test_lists_are_stored_as_written(api: httpx.Client, namespace: str) -> None:
    """GitOps tools replace lists as a whole: a default filled in there would differ forever."""
    lists = {
        "metrics": [{"name": "a", "query": "up"}],
        "gates": GATES,
        "triggers": TRIGGERS,
        "approvals": {"roles": [{"name": "a", "users": ["b"]}]},
    }
    change = {f"spec.{name}": value for name, value in lists.items()}
    found = stored(api, namespace, changed(MINIMAL["Rollout"], change))["spec"]
    assert {name: found[name] for name in ("metrics", "gates", "triggers")} == {
        name: lists[name] for name in ("metrics", "gates", "triggers")
    }
    assert found["approvals"]["roles"] == [{"name": "a", "users": ["b"]}]


@pytest.mark.parametrize("kind", ["Checkpoint", "Approval"])
def test_nothing_is_added_to_requests_and_decisions(
    api: httpx.Client, namespace: str, kind: str
) -> None:
    """The operator says everything itself, and to a person's decision nobody adds a word."""
    assert stored(api, namespace, MINIMAL[kind])["spec"] == MINIMAL[kind]["spec"]


def test_explain_prints_the_manual(testbed: TestBed, crds: None) -> None:
    """Field descriptions are the user's manual, where kubectl users look for it."""
    said = testbed.kubectl("explain", "rollout.spec.steps.hold.soak").stdout
    assert "FIELD: soak <string>" in said
    assert "The healthy time that is needed at this percentage" in " ".join(said.split())


def columns(table: str) -> list[str]:
    """The headings of a table that kubectl printed."""
    return table.splitlines()[0].split()


def width(table: str) -> int:
    """How wide it is on a screen."""
    return max(len(line.rstrip()) for line in table.splitlines())


def test_rollouts_are_listed_with_their_columns(
    testbed: TestBed, api: httpx.Client, namespace: str
) -> None:
    """`kubectl get rollouts` answers where each stands and what it waits for."""
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "Soaking",
        "lastTransitionTime": "2026-03-01T10:00:00Z",
    }
    stored(
        api,
        namespace,
        with_status(
            MINIMAL["Rollout"],
            percent=10,
            progress="1/2",
            phase="Soaking",
            reason="WarmingUp",
            waitingOn="soak 46h left, counting in 2h; then security (hudson)",
            waitingOnShort="security (hudson), soak 46h",
            earliestAdvance="2026-03-03T10:00:00Z",
            conditions=[ready],
        ),
    )
    lines = testbed.kubectl("get", "rollouts", "-n", namespace).stdout.splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "NAME PERCENT PROGRESS PHASE WAITING-ON",
        "checkout 10 1/2 Soaking security (hudson), soak 46h",
    ]
    lines = testbed.kubectl("get", "rollouts", "-n", namespace, "-o", "wide").stdout.splitlines()
    names, row = (" ".join(line.split()) for line in lines)
    assert names == "NAME PERCENT PROGRESS PHASE WAITING-ON EARLIEST READY REASON AGE"
    assert row.startswith(
        "checkout 10 1/2 Soaking security (hudson), soak 46h 2026-03-03T10:00:00Z False WarmingUp"
    )


@pytest.mark.parametrize("name", ["checkout", "memory-sync", "ground-truth", "n" * 25])
def test_row_of_a_rollout_fits_80_columns(
    testbed: TestBed, api: httpx.Client, namespace: str, name: str
) -> None:
    """In the longest phase, with all the words for which there is room beside the name."""
    words = "security (hudson), soak 46h, and more"[: room_beside(name)]
    status = {"percent": 100, "progress": "10/10", "phase": "AwaitingCheckpoint"}
    manifest = changed(MINIMAL["Rollout"], {"metadata.name": name})
    stored(api, namespace, with_status(manifest, **status, waitingOnShort=words))
    table = testbed.kubectl("get", "sfr", "-n", namespace).stdout
    assert words in table
    assert width(table) <= 80


REQUESTS = [
    (
        "Approval",
        "NAME TO ROLE STATE AGE",
        "NAME ROLLOUT FROM TO ROLE STATE EXPIRES AGE PURPOSE",
        {"metadata.name": f"{'n' * 21}-100-implementation", "spec.request.role": "implementation"},
    ),
    (
        "Checkpoint",
        "NAME PERCENT TYPE STATE AGE",
        "NAME ROLLOUT PERCENT CHECKPOINT TYPE STATE DUE AGE",
        {"metadata.name": f"{'n' * 21}-100-decision", "spec.request.type": "DecisionMeeting"},
    ),
]


@pytest.mark.parametrize(
    ("kind", "expected", "wide", "longest"), REQUESTS, ids=["approvals", "checkpoints"]
)
def test_requests_are_listed_with_their_columns(
    testbed: TestBed,
    api: httpx.Client,
    namespace: str,
    *,
    kind: str,
    expected: str,
    wide: str,
    longest: dict[str, Any],
) -> None:
    """The lists of requests say of what, for what, and what became of it, in 80 columns."""
    for manifest in (MINIMAL[kind], changed(MINIMAL[kind], longest)):
        stored(api, namespace, with_status(manifest, state="Pending"))
    table = testbed.kubectl("get", f"{kind.lower()}s", "-n", namespace).stdout
    assert columns(table) == expected.split()
    assert width(table) <= 80
    everything = testbed.kubectl("get", f"{kind.lower()}s", "-n", namespace, "-o", "wide").stdout
    assert columns(everything) == wide.split()


def test_wide_list_of_approvals_says_what_is_a_dry_run(
    testbed: TestBed, api: httpx.Client, namespace: str
) -> None:
    """After all other columns, which stay where scripts know them."""
    asked = {"spec.request.purpose": "DryRun", "spec.request.dryRun": 1}
    stored(api, namespace, changed(MINIMAL["Approval"], asked))
    table = testbed.kubectl("get", "approvals", "-n", namespace, "-o", "wide").stdout
    assert columns(table)[-2:] == ["AGE", "PURPOSE"]
    assert table.split()[-1] == "DryRun"


@pytest.mark.parametrize(
    ("kind", "selector", "count"),
    [
        ("sfa", "spec.request.role=security", 1),
        ("sfa", "spec.request.role=metrics", 1),
        ("sfa", "spec.request.rollout.name=checkout", 2),
        ("sfa", "spec.request.rollout.name=other", 0),
        ("sfa", "status.state=Go", 1),
        ("sfa", "spec.request.role=security,status.state=Pending", 0),
        ("sfc", "spec.request.name=hour-48", 1),
        ("sfc", "spec.request.rollout.name=checkout", 1),
        ("sfc", "status.state=Pending", 1),
    ],
)
def test_requests_are_selected_by_field(
    testbed: TestBed, api: httpx.Client, namespace: str, *, kind: str, selector: str, count: int
) -> None:
    """`--field-selector` finds what waits for a role, of a Rollout, in a state."""
    metrics = {"metadata.name": "checkout-100-metrics", "spec.request.role": "metrics"}
    stored(api, namespace, with_status(MINIMAL["Approval"], state="Go"))
    stored(api, namespace, with_status(changed(MINIMAL["Approval"], metrics), state="Pending"))
    stored(api, namespace, with_status(MINIMAL["Checkpoint"], state="Pending"))
    found = testbed.kubectl(
        "get", kind, "-n", namespace, "--field-selector", selector, "-o", "json"
    ).stdout
    assert len(json.loads(found)["items"]) == count


def test_all_kinds_are_one_category(testbed: TestBed, api: httpx.Client, namespace: str) -> None:
    """`kubectl get surefoot` lists everything that is ours."""
    for manifest in MINIMAL.values():
        stored(api, namespace, manifest)
    listed = testbed.kubectl("get", "surefoot", "-n", namespace, "-o", "name").stdout.split()
    assert sorted(name.split(".")[0] for name in listed) == ["approval", "checkpoint", "rollout"]


def test_status_is_a_subresource(api: httpx.Client, namespace: str) -> None:
    """Who may write a plan may not thereby write what became of it, nor the other way round."""
    apply(api, namespace, with_status(MINIMAL["Rollout"], percent=100)).raise_for_status()
    other = changed(MINIMAL["Rollout"], {"spec.paused": True, "status.percent": 10})
    answer = apply(api, namespace, other, subresource="/status").raise_for_status().json()
    assert "paused" not in answer["spec"]
    assert answer["status"] == {"percent": 10}
