"""The compliance check: six questions about the step ahead, answered from what the review review.

Nothing is judged a second time here: each answer is read off the verdict that the step waits for.
What the plan does not ask for has not passed, and is not in the way either.
"""

from collections.abc import Iterable

from surefoot.api.v1alpha1.checkpoint import CheckpointType
from surefoot.api.v1alpha1.rollout import Gate
from surefoot.api.v1alpha1.rollout_status import Compliance, ComplianceCheck, ComplianceOutcome
from surefoot.domain.checks.gates import NOBODY_IS_IN, NOT_REQUIRED, GateVerdict
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.verdicts import ConditionType, Verdict
from surefoot.domain.review import Review
from surefoot.domain.signoff.approvals import RoleView, awaiting
from surefoot.domain.signoff.checkpoints import CheckpointView

CHECKPOINT_REPORT = "CheckpointReport"
APPROVAL_DOCUMENT = "ApprovalDocument"
ALL_SIGNATURES = "AllSignatures"
SOAK_TIME = "SoakTime"
HEALTH_CHECKS = "HealthChecks"
TEST_PASS_RATE = "TestPassRate"  # noqa: S105 - the name of a check
CHECKS = (
    CHECKPOINT_REPORT,
    APPROVAL_DOCUMENT,
    ALL_SIGNATURES,
    SOAK_TIME,
    HEALTH_CHECKS,
    TEST_PASS_RATE,
)
"""The six, in the order in which they are reported."""

HEALTH_GATE = "health"
TEST_GATE = "test-pass-rate"
_REPORTS = frozenset({CheckpointType.REPORT, CheckpointType.HANDOFF})
_SAYS_NOTHING = frozenset({NOT_REQUIRED, NOBODY_IS_IN})
_TOLD_BY = {
    ConditionType.CHECKPOINTS_PASSED: CHECKPOINT_REPORT,
    ConditionType.APPROVED: ALL_SIGNATURES,
    ConditionType.SOAK_COMPLETE: SOAK_TIME,
}
"""The check that says all there is to say, where it fails, about a condition."""


def assess(review: Review) -> Compliance | None:
    """The compliance of the step ahead; None once complete, when there is none."""
    state = review.state
    if state.is_complete:
        return None
    checks = _checks(review)
    failed = {check.name for check in checks if check.blocking}
    return Compliance(
        step=state.index,
        from_=state.percent,
        to=state.target_percent,
        passed=not review.in_the_way,
        checks=checks,
        further_blockers=tuple(
            verdict.condition.value
            for verdict in review.in_the_way
            if not _is_told(review, verdict, failed)
        ),
    )


def outcomes(review: Review) -> tuple[str, ...]:
    """The answers alone, for the record: `SoakTime=Passed` and so on."""
    return tuple(f"{check.name}={check.outcome.value}" for check in _checks(review))


@remembered_with
def _checks(review: Review) -> tuple[ComplianceCheck, ...]:
    if review.state.is_below_first:
        message = "nothing is asked for below the first step"
        return tuple(_not_asked(name, message) for name in CHECKS)
    return (
        _checkpoint_report(review),
        _approval_document(review),
        _all_signatures(review),
        _soak_time(review),
        _health_checks(review),
        _test_pass_rate(review),
    )


def _is_told(review: Review, verdict: Verdict, failed: set[str]) -> bool:
    """Whether the checks that failed say everything that this verdict would."""
    if verdict.condition is ConditionType.GATES_HEALTHY:
        told = {*_health_gates(review), TEST_GATE}
        return all(gate.name in told for gate in review.gates.gates if not gate.holds)
    return _TOLD_BY.get(verdict.condition) in failed


def _checkpoint_report(review: Review) -> ComplianceCheck:
    """Reports and handoffs. A meeting of the plan is no report: it is a condition beside them."""
    reports = [view for view in review.checkpoints.views if view.plan.type in _REPORTS]
    if not reports:
        return _not_asked(CHECKPOINT_REPORT, "this step has no report and no handoff")
    if all(view.is_go for view in reports):
        return _passed(CHECKPOINT_REPORT, ", ".join(map(_describe_report, reports)))
    return _failed(CHECKPOINT_REPORT, review.verdict(ConditionType.CHECKPOINTS_PASSED).message)


def _describe_report(view: CheckpointView) -> str:
    by = f" by {view.decision.by}" if view.decision is not None else ""
    return f"{view.plan.name} GO{by}"


def _approval_document(review: Review) -> ComplianceCheck:
    """Whether everybody's decision is in it, with all that it must say, whatever they decided.

    A quorum that has signed needs no more of the others.
    """
    views = review.approvals.views
    if not views:
        return _not_asked(APPROVAL_DOCUMENT, "this step asks nobody to sign")
    undecided = [view for view in views if not _has_decided(view)]
    message = f"{len(views) - len(undecided)} of {len(views)} roles have decided"
    if not undecided or review.holds(ConditionType.APPROVED):
        return _passed(APPROVAL_DOCUMENT, message)
    waits = (awaiting(view, may_ask=review.approvals.may_ask).message for view in undecided)
    return _failed(APPROVAL_DOCUMENT, f"{message}: {'; '.join(waits)}")


def _has_decided(view: RoleView) -> bool:
    return view.says_go or view.no_go is not None or view.resolved is not None


def _all_signatures(review: Review) -> ComplianceCheck:
    verdict, views = review.verdict(ConditionType.APPROVED), review.approvals.views
    if verdict.reason == NOT_REQUIRED:
        return _not_asked(ALL_SIGNATURES, "this step asks nobody to sign")
    policy = review.state.hold.approvals
    needed = policy.quorum if policy is not None else None
    of_these = f" ({needed} needed)" if needed is not None else ""
    signed = sum(view.is_go for view in views)
    message = f"{signed} of {len(views)}{of_these} signed: {verdict.message}"
    return _as_it_holds(ALL_SIGNATURES, verdict, message)


def _soak_time(review: Review) -> ComplianceCheck:
    verdict = review.verdict(ConditionType.SOAK_COMPLETE)
    if verdict.reason == NOT_REQUIRED:
        return _not_asked(SOAK_TIME, "this step asks for no soak")
    return _as_it_holds(SOAK_TIME, verdict, verdict.message)


def _health_checks(review: Review) -> ComplianceCheck:
    names = _health_gates(review)
    absent = f"this step has no group of gates and none named {HEALTH_GATE}"
    return _by_gates(HEALTH_CHECKS, [g for g in review.gates.gates if g.name in names], absent)


def _test_pass_rate(review: Review) -> ComplianceCheck:
    gates = [gate for gate in review.gates.gates if gate.name == TEST_GATE]
    return _by_gates(TEST_PASS_RATE, gates, f"this step has no gate named {TEST_GATE}")


def _health_gates(review: Review) -> frozenset[str]:
    return frozenset(g.name for g in review.state.rollout.spec.gates if _is_of_health(g))


def _is_of_health(gate: Gate) -> bool:
    return gate.name == HEALTH_GATE or (gate.of is not None and gate.name != TEST_GATE)


def _by_gates(name: str, gates: Iterable[GateVerdict], absent: str) -> ComplianceCheck:
    """By all of these gates; one that holds without having been measured shows nothing."""
    judged = list(gates)
    measured = [gate for gate in judged if gate.reason not in _SAYS_NOTHING]
    if not measured:
        return _not_asked(name, "; ".join(gate.message for gate in judged) or absent)
    failing = [gate for gate in measured if not gate.holds]
    message = "; ".join(gate.message for gate in failing or measured)
    return _failed(name, message) if failing else _passed(name, message)


def _as_it_holds(name: str, verdict: Verdict, message: str) -> ComplianceCheck:
    return _passed(name, message) if verdict.holds else _failed(name, message)


def _passed(name: str, message: str) -> ComplianceCheck:
    outcome = ComplianceOutcome.PASSED
    return ComplianceCheck(name=name, outcome=outcome, blocking=False, message=message)


def _failed(name: str, message: str) -> ComplianceCheck:
    outcome = ComplianceOutcome.FAILED
    return ComplianceCheck(name=name, outcome=outcome, blocking=True, message=message)


def _not_asked(name: str, message: str) -> ComplianceCheck:
    outcome = ComplianceOutcome.NOT_ASKED
    return ComplianceCheck(name=name, outcome=outcome, blocking=False, message=message)
