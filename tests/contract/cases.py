"""The constraint table: what the contract takes and refuses, no matter who is asked.

Cases of rules and of the mistakes that people make. Plain bounds of single fields (lengths, sizes,
ranges, choices) are derived from the schema itself, in `bounds`.
"""

from typing import Any

from surefoot.api.v1alpha1.approval import ApprovalRequest, ApprovalSpec
from surefoot.api.v1alpha1.checkpoint import CheckpointSpec, CheckpointTest, People
from surefoot.api.v1alpha1.meta import ApiModel
from surefoot.api.v1alpha1.rollout import (
    ApprovalsPolicy,
    CheckpointPlan,
    Cohort,
    Gate,
    GateCondition,
    Role,
    Rollout,
    RolloutSpec,
    ScorecardItem,
    Target,
    Trigger,
)
from tests.contract.case import Case
from tests.contract.manifests import COMPLETE, REMOVED, example

ATLAS = {"users": ["atlas"]}
ROLE = {"name": "security", "users": ["hudson"]}
METRIC = {"name": "errors", "query": "up"}


def takes(kind: str, name: str, **change: Any) -> Case:
    """A case that is accepted."""
    return Case(name, kind, _paths(change), accepted=True)


def refuses(
    kind: str, name: str, says: str, breaks: type[ApiModel] | None = None, **change: Any
) -> Case:
    """A case that is refused, with the reason."""
    return Case(name, kind, _paths(change), accepted=False, says=says, breaks=breaks)


def _paths(change: dict[str, Any]) -> dict[str, Any]:
    """`spec__steps` stands for `spec.steps`, so that paths can be keywords."""
    return {path.replace("__", "."): value for path, value in change.items()}


def at(*percents: Any) -> list[dict[str, Any]]:
    """Steps at these percentages."""
    return [{"percent": percent} for percent in percents]


def checkpoint(**fields: Any) -> list[dict[str, Any]]:
    """Steps with one checkpoint at the first."""
    plan = {"name": "hour-48", "reporter": ATLAS, **fields}
    return [{"percent": 10, "hold": {"checkpoints": [plan]}}, {"percent": 100}]


def role(**fields: Any) -> dict[str, Any]:
    """An approvals policy with one role."""
    return {"roles": [{**ROLE, **fields}]}


def roles(count: int) -> list[dict[str, Any]]:
    """As many roles."""
    return [{**ROLE, "name": f"role-{index}"} for index in range(count)]


def gate(**fields: Any) -> list[dict[str, Any]]:
    """One gate."""
    return [{"name": "errors", **fields}]


def freeze(start: str, end: str) -> dict[str, Any]:
    """A schedule with one window."""
    return {"freeze": [{"name": "weekend", "from": start, "to": end}]}


def items(*sources: dict[str, Any]) -> dict[str, Any]:
    """A scorecard that shares its points out evenly."""
    points = 100 // len(sources)
    return {
        "items": [{"name": f"item-{n}", "points": points, **each} for n, each in enumerate(sources)]
    }


def trigger(**fields: Any) -> list[dict[str, Any]]:
    """One trigger."""
    return [{"name": "errors", **fields}]


WHOLE = (
    takes("Rollout", "minimal rollout"),
    takes("Checkpoint", "minimal checkpoint"),
    takes("Approval", "minimal approval"),
    *(Case(f"complete {kind}", kind, {}, accepted=True, base=COMPLETE) for kind in COMPLETE),
    Case("example: minimal", "Rollout", {}, True, base={"Rollout": example("minimal")}),
    Case("example: rollout", "Rollout", {}, True, base={"Rollout": example("rollout")}),
)

NAMES = (
    takes("Rollout", "name of 63 characters", metadata__name="x" * 63),
    refuses("Rollout", "name of 64 characters", "at most 63", Rollout, metadata__name="x" * 64),
    takes("Rollout", "name with -r inside", metadata__name="checkout-r2-eu"),
    takes("Rollout", "name ending in r2", metadata__name="checkoutr2"),
    takes("Rollout", "name ending in -r", metadata__name="checkout-r"),
    refuses(
        "Rollout",
        "name ending in -r2",
        'may not end in "-r"',
        Rollout,
        metadata__name="checkout-r2",
    ),
    refuses(
        "Rollout", "name ending in -r007", 'may not end in "-r"', Rollout, metadata__name="a-r007"
    ),
)

TARGET = (
    takes(
        "Rollout",
        "keys that ConfigMaps take",
        spec__target={"configMapName": "a.b-c.d", "flags": ["a", "A_b", ".hidden", "x.y", "-"]},
    ),
    refuses("Rollout", "no target", "required", spec__target=REMOVED),
    refuses("Rollout", "target without flags", "required", spec__target={"configMapName": "c"}),
    refuses(
        "Rollout",
        "the halting ConfigMap as target",
        "surefoot-halt is the name",
        Target,
        spec__target__configMapName="surefoot-halt",
    ),
    takes("Rollout", "a name that begins like it", spec__target__configMapName="surefoot-halted"),
    refuses("Rollout", "ConfigMap name A", "should match", spec__target__configMapName="A"),
    refuses("Rollout", "ConfigMap name a..b", "should match", spec__target__configMapName="a..b"),
    refuses("Rollout", "ConfigMap name a.-b", "should match", spec__target__configMapName="a.-b"),
    refuses("Rollout", "flag with a slash", "should match", spec__target__flags=["a/b"]),
    refuses("Rollout", "flag of one dot", "should match", spec__target__flags=["."]),
    refuses("Rollout", "flag of two dots", "should match", spec__target__flags=["..", "a"]),
    refuses(
        "Rollout", "flag that begins with two dots", "should match", spec__target__flags=["..a"]
    ),
    refuses("Rollout", "same flag twice", "twin", spec__target__flags=["twin", "twin"]),
    refuses(
        "Rollout",
        "flags that write the same key",
        "may not write the same key",
        Target,
        spec__target__flags=["a", "b", "a.json"],
    ),
    takes("Rollout", "flag that ends in .json", spec__target__flags=["a.json", "b"]),
    *(
        refuses(
            "Rollout",
            f"flag named {flag}",
            "are reserved keys",
            Target,
            spec__target__flags=["a", flag],
        )
        for flag in ("flags.flagd", "flags.flagd.json", "flags.goff.yaml")
    ),
    takes("Rollout", "flag named flags", spec__target__flags=["flags", "flags.goff"]),
)

STEPS = (
    takes("Rollout", "a single step", spec__steps=at(100)),
    takes("Rollout", "first step of 0", spec__steps=at(0, 1, 99, 100)),
    refuses("Rollout", "steps missing", "required", spec__steps=REMOVED),
    refuses("Rollout", "steps empty", "at least 1 item", spec__steps=[]),
    refuses(
        "Rollout", "steps unsorted", "strictly increasing", RolloutSpec, spec__steps=at(50, 10, 100)
    ),
    refuses(
        "Rollout", "steps twice", "strictly increasing", RolloutSpec, spec__steps=at(10, 10, 100)
    ),
    refuses(
        "Rollout", "last step twice", "strictly increasing", RolloutSpec, spec__steps=at(100, 100)
    ),
    refuses("Rollout", "last step not 100", "must be 100", RolloutSpec, spec__steps=at(10, 50)),
    refuses("Rollout", "100 not last", "strictly increasing", RolloutSpec, spec__steps=at(100, 50)),
    refuses("Rollout", "step above 100", "less than or equal to 100", spec__steps=at(10, 101)),
    refuses("Rollout", "step below 0", "greater than or equal to 0", spec__steps=at(-1, 100)),
    refuses("Rollout", "step without percent", "required", spec__steps=[{}, {"percent": 100}]),
    refuses("Rollout", "percent as text", "percent", spec__steps=at("10", 100)),
    refuses("Rollout", "percent with its sign", "percent", spec__steps=at("10%", 100)),
    refuses("Rollout", "percent as fraction", "integer", spec__steps=at(0.5, 100)),
    refuses("Rollout", "percent as truth", "percent", spec__steps=at(True, 100)),
)

UNITS = (
    *(
        takes("Rollout", f"soak of {soak}", spec__hold={"soak": soak})
        for soak in ("0s", "48h", "7d", "1h30m", "1d2h3m4s", "9999d", "90m")
    ),
    *(
        refuses("Rollout", f"soak of {soak!r}", soak, spec__hold={"soak": soak})
        for soak in ("48", "48 h", "2w", "1.5h", "-1h", "30m1h", "1h1h", "10ms", "48H", "h1", "P2D")
    ),
    refuses("Rollout", "soak as a number", "soak", spec__hold={"soak": 48}),
    refuses("Rollout", "soak of nothing", "at least 2 char", spec__hold={"soak": ""}),
    *(
        takes("Rollout", f"bound of {bound!r}", spec__gates=gate(atMost=bound))
        for bound in (0, 1, -3, "0.001", "0.1%", "-0.5", "200%", "1", 999_999_999_999_999)
    ),
    *(
        refuses("Rollout", f"bound of {bound!r}", bound, spec__gates=gate(atMost=bound))
        for bound in ("0,1", "1e-3", "5ms", "0.1\x20%", ".5", "1.", "+1", "NaN", "Inf", "%")
    ),
    refuses("Rollout", "bound of nothing", "atMost", spec__gates=gate(atMost="")),
    refuses("Rollout", "bound as a fraction", "integer", spec__gates=gate(atMost=0.001)),
    refuses("Rollout", "bound as truth", "atMost", spec__gates=gate(atMost=True)),
    refuses("Rollout", "bound as a list", "atMost", spec__gates=gate(atMost=[1])),
    refuses("Rollout", "bound too large", "999999999999999", spec__gates=gate(atMost=10**15)),
    refuses("Rollout", "paused as text", "paused", spec__paused="true"),
    refuses("Rollout", "attempt as text", "attempt", spec__attempt="1"),
    takes("Rollout", "dry run of the next step", spec__approvalDryRun={"run": 1}),
    takes("Rollout", "dry run of no step of the plan", spec__approvalDryRun={"run": 1, "to": 33}),
    refuses("Rollout", "dry run without a number", "run", spec__approvalDryRun={"to": 25}),
    refuses("Rollout", "dry run nought", "run", spec__approvalDryRun={"run": 0}),
)

HOLD = (
    takes("Rollout", "hold that asks for nothing", spec__hold={}),
    takes("Rollout", "hold with no gates at all", spec__hold={"gates": []}),
    refuses("Rollout", "gate named twice", "errors", spec__hold={"gates": ["errors", "errors"]}),
    takes("Rollout", "report", spec__steps=checkpoint()),
    takes("Rollout", "report by a group", spec__steps=checkpoint(reporter={"groups": ["ops"]})),
    takes("Rollout", "handoff", spec__steps=checkpoint(type="Handoff", receiver=ATLAS)),
    refuses(
        "Rollout",
        "handoff to nobody",
        "must name its receiver",
        CheckpointPlan,
        spec__steps=checkpoint(type="Handoff"),
    ),
    refuses(
        "Rollout",
        "receiver of a report",
        "only a Handoff has one",
        CheckpointPlan,
        spec__steps=checkpoint(receiver=ATLAS),
    ),
    refuses(
        "Rollout",
        "reporter is nobody",
        "at least one user",
        People,
        spec__steps=checkpoint(reporter={}),
    ),
    refuses(
        "Rollout",
        "reporter is an empty list",
        "at least one user",
        People,
        spec__steps=checkpoint(reporter={"users": [], "groups": []}),
    ),
    refuses(
        "Rollout",
        "checkpoint named conflict",
        "meeting that a NO-GO opens",
        CheckpointPlan,
        spec__steps=checkpoint(name="conflict"),
    ),
    takes("Rollout", "checkpoint named conflicts", spec__steps=checkpoint(name="conflicts")),
    refuses(
        "Rollout",
        "checkpoint ending in -r2",
        'may not end in "-r"',
        CheckpointPlan,
        spec__steps=checkpoint(name="report-r2"),
    ),
    refuses("Rollout", "checkpoint of 64", "63", spec__steps=checkpoint(name="x" * 64)),
    refuses(
        "Rollout",
        "two checkpoints of one name",
        '"twin"',
        spec__hold={"checkpoints": [{"name": "twin", "reporter": ATLAS}] * 2},
    ),
    refuses(
        "Rollout",
        "same checkpoint awaited twice",
        "warm",
        spec__steps=checkpoint(after=["warm", "warm"]),
    ),
)

APPROVALS = (
    takes("Rollout", "one role", spec__approvals=role()),
    takes("Rollout", "no roles", spec__approvals={}),
    takes("Rollout", "role of a group", spec__approvals=role(users=[], groups=["security"])),
    refuses("Rollout", "role of nobody", "at least one user", Role, spec__approvals=role(users=[])),
    refuses(
        "Rollout",
        "role ending in -r1",
        'may not end in "-r"',
        Role,
        spec__approvals=role(name="security-r1"),
    ),
    refuses("Rollout", "role of 64 characters", "63", spec__approvals=role(name="x" * 64)),
    refuses("Rollout", "role in capitals", "should match", spec__approvals=role(name="Security")),
    refuses(
        "Rollout", "two roles of one name", '"security"', spec__approvals={"roles": [ROLE, ROLE]}
    ),
    refuses(
        "Rollout",
        "user named twice",
        "hudson",
        spec__approvals=role(users=["hudson", "hudson"]),
    ),
    takes(
        "Rollout",
        "quorum of all roles",
        spec__approvals={"rule": "Quorum", "quorum": 3, "roles": roles(3)},
    ),
    refuses(
        "Rollout",
        "quorum larger than the roles",
        "not be larger than the number of roles",
        ApprovalsPolicy,
        spec__approvals={"rule": "Quorum", "quorum": 4, "roles": roles(3)},
    ),
    refuses(
        "Rollout",
        "quorum without roles",
        "not be larger than the number of roles",
        ApprovalsPolicy,
        spec__approvals={"rule": "Quorum", "quorum": 1},
    ),
    refuses(
        "Rollout",
        "rule Quorum without quorum",
        "must state its quorum",
        ApprovalsPolicy,
        spec__approvals={"rule": "Quorum", "roles": roles(3)},
    ),
    refuses(
        "Rollout",
        "quorum with rule All",
        "only Quorum has one",
        ApprovalsPolicy,
        spec__approvals={"rule": "All", "quorum": 1, "roles": roles(3)},
    ),
    refuses(
        "Rollout",
        "quorum without a rule, in a hold",
        "only Quorum has one",
        ApprovalsPolicy,
        spec__hold={"approvals": {"quorum": 1, "roles": roles(3)}},
    ),
    takes("Rollout", "roles without a rule, in a hold", spec__hold={"approvals": role()}),
    refuses(
        "Rollout", "meeting of nobody", "at least one user", People, spec__approvals={"meeting": {}}
    ),
)

GATES = (
    takes("Rollout", "gate with a lower bound", spec__gates=gate(atLeast=1)),
    takes("Rollout", "gate between bounds", spec__gates=gate(atLeast=1, atMost=2)),
    takes(
        "Rollout",
        "one of two",
        spec__gates=gate(passing=1, of=gate(atMost=1) + gate(atMost=2, name="b")),
    ),
    refuses("Rollout", "gate without bounds", "either bounds", Gate, spec__gates=gate()),
    refuses(
        "Rollout",
        "gate with bounds and conditions",
        "either bounds",
        Gate,
        spec__gates=gate(atMost=1, passing=1, of=gate(atMost=1)),
    ),
    refuses(
        "Rollout",
        "gate with a metric and conditions",
        "either bounds",
        Gate,
        spec__gates=gate(metric="m", passing=1, of=gate(atMost=1)),
    ),
    refuses(
        "Rollout",
        "conditions without a number",
        "given together",
        Gate,
        spec__gates=gate(of=gate(atMost=1)),
    ),
    refuses(
        "Rollout",
        "a number without conditions",
        "given together",
        Gate,
        spec__gates=gate(atMost=1, passing=1),
    ),
    refuses(
        "Rollout",
        "more must pass than there are",
        "larger than the number of conditions",
        Gate,
        spec__gates=gate(passing=2, of=gate(atMost=1)),
    ),
    refuses(
        "Rollout",
        "condition without bounds",
        "atMost or atLeast",
        GateCondition,
        spec__gates=gate(passing=1, of=gate()),
    ),
    refuses("Rollout", "two gates of one name", '"errors"', spec__gates=gate(atMost=1) * 2),
    refuses(
        "Rollout",
        "two conditions of one name",
        '"errors"',
        spec__gates=gate(passing=1, of=gate(atMost=1) * 2),
    ),
    refuses("Rollout", "two metrics of one name", '"errors"', spec__metrics=[METRIC, METRIC]),
    refuses("Rollout", "metric without a query", "required", spec__metrics=[{"name": "errors"}]),
    refuses("Rollout", "metric without a name", "name", spec__metrics=[{"query": "up"}]),
)

TRIGGERS = (
    takes("Rollout", "trigger above", spec__triggers=trigger(above=1)),
    takes("Rollout", "trigger below", spec__triggers=trigger(below="99%")),
    refuses("Rollout", "trigger without a bound", "exactly one", Trigger, spec__triggers=trigger()),
    refuses(
        "Rollout",
        "trigger with both bounds",
        "exactly one",
        Trigger,
        spec__triggers=trigger(above=2, below=1),
    ),
    *(
        takes("Rollout", f"rollback to {to!r}", spec__triggers=trigger(above=1, to=to))
        for to in ("PreviousStep", "Zero", 0, 10, 100)
    ),
    *(
        refuses(
            "Rollout",
            f"rollback to {to!r}",
            "to must be PreviousStep, Zero",
            Trigger,
            spec__triggers=trigger(above=1, to=to),
        )
        for to in ("previousStep", "10", "", "zero", -1, 101)
    ),
    refuses("Rollout", "two triggers of one name", '"errors"', spec__triggers=trigger(above=1) * 2),
)

_UNTIL: dict[str, dict[str, Any]] = {
    "percentage alone": {},
    "checkpoint": {"untilCheckpoint": "hour-48"},
    "gate": {"untilGate": "errors", "risk": {"level": "High", "reason": "real money"}},
    "percentage, measured": {"metric": "payments-share"},
}

LATER = (
    takes(
        "Rollout", "two rollouts awaited", spec__dependsOn=[{"rollout": "a.b", "atLeast": 1}] * 2
    ),
    refuses(
        "Rollout",
        "two cohorts of one name",
        '"twin"',
        spec__cohorts=[{"name": "twin", "match": {"attribute": "a"}, "from": 50}] * 2,
    ),
    *(
        takes(
            "Rollout",
            f"cohort until a {what}",
            spec__cohorts=[
                {"name": "a", "match": {"attribute": "a", "in": ["x"]}, "from": 0, **until}
            ],
        )
        for what, until in _UNTIL.items()
    ),
    refuses(
        "Rollout",
        "cohort until a checkpoint and a gate",
        "at most one of untilCheckpoint and untilGate",
        Cohort,
        spec__cohorts=[
            {
                "name": "a",
                "match": {"attribute": "a", "in": ["x"]},
                "from": 50,
                "untilCheckpoint": "hour-48",
                "untilGate": "errors",
            }
        ],
    ),
    refuses(
        "Rollout",
        "cohort by what flagd itself adds",
        "attributes that begin with $flagd are the same for everybody",
        Cohort,
        spec__cohorts=[
            {"name": "a", "match": {"attribute": "$flagd.flagKey", "in": ["x"]}, "from": 50}
        ],
    ),
    refuses(
        "Rollout",
        "risk without a reason",
        "reason",
        spec__cohorts=[
            {
                "name": "a",
                "match": {"attribute": "a", "in": ["x"]},
                "from": 50,
                "risk": {"level": "High", "reason": ""},
            }
        ],
    ),
    takes("Rollout", "bucketed by account", spec__target__bucketingKey="accountId"),
    refuses(
        "Rollout",
        "bucketed by what is the same for everybody",
        "name a bucketingKey of your own",
        Target,
        spec__target__bucketingKey="$flagd.timestamp",
    ),
    refuses(
        "Rollout",
        "value meant twice",
        "pay",
        spec__cohorts=[
            {"name": "a", "match": {"attribute": "a", "in": ["pay", "pay"]}, "from": 50}
        ],
    ),
    refuses(
        "Rollout",
        "two windows of one name",
        '"twin"',
        spec__schedule={"freeze": [{"name": "twin", "from": "Fri 16:00", "to": "Mon 08:00"}] * 2},
    ),
    refuses(
        "Rollout",
        "two risks of one name",
        '"twin"',
        spec__risks=[{"name": "twin", "severity": "Low", "probability": "Low"}] * 2,
    ),
    refuses(
        "Rollout",
        "two items of one name",
        '"twin"',
        spec__scorecard={"items": [{"name": "twin", "points": 50}] * 2},
    ),
    *(
        takes("Rollout", f"freeze from {start} to {end}", spec__schedule=freeze(start, end))
        for start, end in (
            ("Fri 16:00", "Mon 08:00"),
            ("Sun 23:59", "Mon 00:00"),
            ("2025-12-20 00:00", "2026-01-02 08:00"),
        )
    ),
    takes("Rollout", "completion awaited", spec__dependsOn=[{"rollout": "schema-v2"}]),
    *(
        takes("Rollout", f"open risks up to {level}", spec__limits={"maxOpenRisk": level})
        for level in ("Low", "Medium", "High")
    ),
    takes(
        "Rollout",
        "points for a gate, a condition, a checkpoint and a type of them",
        spec__scorecard=items(
            {"gate": "errors"},
            {"condition": "Approved"},
            {"checkpoint": "hour-48"},
            {"checkpoint": "DecisionMeeting"},
        ),
    ),
    takes("Rollout", "points for the gate of that name", spec__scorecard=items({})),
    refuses(
        "Rollout",
        "points for two things at once",
        "at most one of gate, condition and checkpoint",
        ScorecardItem,
        spec__scorecard=items({"gate": "errors", "condition": "Approved"}),
    ),
    refuses(
        "Rollout",
        "points for a checkpoint of no type",
        "checkpoint",
        spec__scorecard=items({"checkpoint": "Meeting"}),
    ),
    takes("Rollout", "one threshold", spec__scorecard={"go": 80, "goWithMonitoring": 80}),
)

TEST = {"name": "ground-truth", "passed": 6, "total": 6}
CONDITION = {"name": "support", "text": "tell them"}
BY = {"username": "hudson"}
SIGNED = {
    "value": "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n",
    "expiresAt": "2026-03-08T10:00:00Z",
}
REQUIRED = {"request__signing": "Required"}
OPTIONAL = {"request__signing": "Optional"}
SECTIONS = ("riskAssessment", "metricsSummary", "securityStatus")


def approval(decision: str, **spec: Any) -> dict[str, Any]:
    """The change by which an Approval is decided; a field that is None is left out."""
    decided = {"decision": decision, "reason": "re-validated", "decidedBy": BY} | spec
    return {f"spec__{name}": value for name, value in decided.items() if value is not None}


def report(decision: str, **spec: Any) -> dict[str, Any]:
    """The change by which a Checkpoint is decided; a field that is None is left out."""
    decided = {"decision": decision, "summary": "stable", "decidedBy": BY} | spec
    return {f"spec__{name}": value for name, value in decided.items() if value is not None}


def lacking(*sections: str) -> dict[str, Any]:
    """A request that requires all sections, and a decision that says all but these."""
    written = {name: "none" for name in SECTIONS if name not in sections}
    return {"request__requiredSections": list(SECTIONS), **written}


DECISIONS = (
    takes("Checkpoint", "GO with a summary", **report("GO")),
    takes("Checkpoint", "NO-GO with a summary", **report("NO-GO")),
    takes("Checkpoint", "a summary before the decision", spec__summary="so far so good"),
    refuses(
        "Checkpoint",
        "GO without a summary",
        "must have a summary",
        CheckpointSpec,
        **report("GO", summary=None),
    ),
    refuses(
        "Checkpoint",
        "GO with a blank summary",
        "must have a summary",
        CheckpointSpec,
        **report("GO", summary=" \t\n\u00a0"),
    ),
    refuses(
        "Checkpoint",
        "NO-GO with an empty summary",
        "must have a summary",
        CheckpointSpec,
        **report("NO-GO", summary=""),
    ),
    *(
        refuses(
            "Checkpoint",
            f"{decision} by nobody",
            "a decision and its signer go together",
            CheckpointSpec,
            **report(decision, decidedBy=None),
        )
        for decision in ("GO", "NO-GO")
    ),
    refuses(
        "Checkpoint",
        "reporter without a decision",
        "a decision and its signer go together",
        CheckpointSpec,
        spec__summary="so far so good",
        spec__decidedBy=BY,
    ),
    takes(
        "Checkpoint",
        "GO of a handoff",
        **report("GO", request__type="Handoff", requiredAction="watch the cache"),
    ),
    takes("Checkpoint", "NO-GO of a handoff", **report("NO-GO", request__type="Handoff")),
    *(
        refuses(
            "Checkpoint",
            f"GO of a handoff that {how}",
            "must say what its receiver has to do",
            CheckpointSpec,
            **report("GO", request__type="Handoff", requiredAction=action),
        )
        for how, action in (("asks for nothing", None), ("asks for a blank", " \t"))
    ),
    takes("Checkpoint", "all tests passed", spec__tests=[TEST]),
    refuses(
        "Checkpoint",
        "more tests passed than there are",
        "not be more than total",
        CheckpointTest,
        spec__tests=[{**TEST, "total": 5}],
    ),
    refuses("Checkpoint", "two tests of one name", '"ground-truth"', spec__tests=[TEST, TEST]),
    refuses(
        "Checkpoint", "two conditions of one name", '"support"', spec__conditions=[CONDITION] * 2
    ),
    refuses(
        "Checkpoint",
        "a request to nobody",
        "at least one user",
        People,
        spec__request__reporter={"users": []},
    ),
    takes(
        "Approval",
        "a dry run",
        spec__request__purpose="DryRun",
        spec__request__dryRun=1,
    ),
    refuses(
        "Approval",
        "a dry run without its number",
        "a DryRun must say which dry run",
        ApprovalRequest,
        spec__request__purpose="DryRun",
    ),
    *(
        refuses(
            "Approval",
            f"the number of a dry run for {purpose}",
            "a DryRun must say which dry run",
            ApprovalRequest,
            spec__request__purpose=purpose,
            spec__request__dryRun=1,
        )
        for purpose in ("Advance", "Acknowledge")
    ),
    takes("Approval", "GO with a reason", **approval("GO")),
    takes("Approval", "NO-GO with a reason", **approval("NO-GO")),
    takes("Approval", "a reason before the decision", spec__reason="so far so good"),
    refuses(
        "Approval",
        "GO without a reason",
        "must have a reason",
        ApprovalSpec,
        **approval("GO", reason=None),
    ),
    refuses(
        "Approval",
        "NO-GO with a blank reason",
        "must have a reason",
        ApprovalSpec,
        **approval("NO-GO", reason="  "),
    ),
    refuses("Approval", "NOGO", "NO-GO", **approval("NOGO")),
    refuses("Approval", "go in small letters", "NO-GO", **approval("go")),
    *(
        refuses(
            "Approval",
            f"{decision} by nobody",
            "a decision and its signer go together",
            ApprovalSpec,
            **approval(decision, decidedBy=None),
        )
        for decision in ("GO", "NO-GO")
    ),
    refuses(
        "Approval",
        "signer without a decision",
        "a decision and its signer go together",
        ApprovalSpec,
        spec__decidedBy=BY,
    ),
    refuses(
        "Approval", "signer of no name", "at least 1 char", **approval("GO", decidedBy__username="")
    ),
    takes("Approval", "GO with every section required", **approval("GO", **lacking())),
    takes("Approval", "NO-GO without the sections", **approval("NO-GO", **lacking(*SECTIONS))),
    takes(
        "Approval",
        "GO without sections that nobody requires",
        **approval("GO", request__requiredSections=[]),
    ),
    *(
        refuses(
            "Approval",
            f"GO without its {section}",
            f"needs a {section}",
            ApprovalSpec,
            **approval("GO", **lacking(section)),
        )
        for section in SECTIONS
    ),
    *(
        refuses(
            "Approval",
            f"GO with a blank {section}",
            f"needs a {section}",
            ApprovalSpec,
            **approval("GO", **lacking(section), **{section: " \n"}),
        )
        for section in SECTIONS
    ),
    takes("Approval", "signed GO that needs it", **approval("GO", signature=SIGNED, **REQUIRED)),
    takes("Approval", "signed GO that needs none", **approval("GO", signature=SIGNED)),
    takes("Approval", "signed NO-GO", **approval("NO-GO", signature=SIGNED, **REQUIRED)),
    takes("Approval", "unsigned NO-GO where a GO needs it", **approval("NO-GO", **REQUIRED)),
    takes("Approval", "GO where a signature is optional", **approval("GO", **OPTIONAL)),
    refuses(
        "Approval",
        "unsigned GO that needs a signature",
        "needs a detached signature",
        ApprovalSpec,
        **approval("GO", **REQUIRED),
    ),
    refuses(
        "Approval",
        "signature of no decision",
        "must come with the decision",
        ApprovalSpec,
        spec__signature=SIGNED,
    ),
    refuses(
        "Approval",
        "signature of another kind",
        "should match",
        **approval("GO", signature=SIGNED | {"value": "-----BEGIN PGP SIGNATURE-----"}),
    ),
    refuses(
        "Approval", "two conditions of one name", '"support"', spec__conditions=[CONDITION] * 2
    ),
)

LIMITS_OF_SIZE = (
    takes(
        "Rollout",
        "the largest plan",
        spec__steps=at(*range(81, 101)),
        spec__metrics=[{"name": f"m-{n}", "query": "up"} for n in range(32)],
        spec__gates=[{"name": f"m-{n}", "atMost": 1} for n in range(32)],
        spec__triggers=[{"name": f"m-{n}", "above": 1} for n in range(32)],
        spec__approvals={"rule": "Quorum", "quorum": 16, "roles": roles(16)},
        spec__target__flags=[f"flag-{n}" for n in range(32)],
    ),
)

CASES = (
    *WHOLE, *NAMES, *TARGET, *STEPS, *UNITS, *HOLD, *APPROVALS, *GATES, *TRIGGERS, *LATER,
    *DECISIONS, *LIMITS_OF_SIZE,
)  # fmt: skip
