"""The dry run of an approval: the same people, the same judgement, and it counts for nothing.

It is judged by `judge_approvals` in a state that is imagined: as if the rollout stood before
the step that is tried, and with the requests of this run alone. Nothing else ever sees these
requests: `split_dry_runs` takes them out of the facts before anything is judged.
"""

from dataclasses import dataclass, replace

from surefoot.api.v1alpha1.approval import Approval, ApprovalSpec
from surefoot.api.v1alpha1.rollout import ApprovalDryRun, ApprovalsPolicy
from surefoot.api.v1alpha1.rollout_status import ApprovalDryRunStatus
from surefoot.domain.derive.state import State
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.steps import hold_of, index_of, next_index, previous_percent
from surefoot.domain.plan import OpenRequest
from surefoot.domain.signoff.approvals import ApprovalsJudgement, RoleView, judge_approvals
from surefoot.domain.signoff.feasibility import SigningConstraints, signing_obstacles
from surefoot.domain.signoff.percent_ranges import asked_percent
from surefoot.domain.signoff.requests import format_people, is_dry_run
from surefoot.domain.signoff.role_status import role_statuses
from surefoot.domain.signoff.separation import NOBODY, Reporters, planning

_MOST_OBSTACLES = 32


@dataclass(frozen=True, slots=True)
class DryRun:
    """The latest dry run, and the requests that it makes.

    ``situation`` is what is really so, but with the requests of all dry runs and no others, and
    None where there was never any; ``views`` are the roles of the run that is on.
    """

    status: ApprovalDryRunStatus | None
    situation: State | None
    views: tuple[RoleView, ...] = ()
    opens: tuple[OpenRequest, ...] = ()


def split_dry_runs(snapshot: Snapshot) -> tuple[Snapshot, tuple[Approval, ...]]:
    """The facts without dry runs, and the requests of dry runs."""
    requests = tuple(filter(is_dry_run, snapshot.approvals))
    if not requests:
        return snapshot, ()
    real = tuple(approval for approval in snapshot.approvals if not is_dry_run(approval))
    return replace(snapshot, approvals=real), requests


def judge_dry_run(state: State, requests: tuple[Approval, ...], reporters: Reporters) -> DryRun:
    """How the latest dry run stands. ``reporters`` have reported on the step that is stood on."""
    run = _latest(state)
    if run is None and not requests:
        return DryRun(None, None)
    around = replace(state, snapshot=replace(state.snapshot, approvals=requests, checkpoints=()))
    if run is None or run.started_at is None or run.ended_at is not None:
        return _dry_run(around, run)
    there = _there(around, run)
    if not there.opens_requests:
        return _dry_run(around, run)
    here = there.percent == state.percent
    reporters = reporters if here else NOBODY
    judgement = judge_approvals(
        there, hold_is_satisfied=True, reporters=reporters, replaced_at=None
    )
    # What people would then do beside signing is said and not asked for: meetings and reports.
    opens = tuple(item for item in judgement.opens if isinstance(item.spec, ApprovalSpec))
    status = _with_outcome(there, run, judgement, reporters)
    return _dry_run(around, status, judgement.views, opens)


def _dry_run(
    around: State,
    run: ApprovalDryRunStatus | None,
    views: tuple[RoleView, ...] = (),
    opens: tuple[OpenRequest, ...] = (),
) -> DryRun:
    status = around.status.model_copy(update={"approval_dry_run": run})
    return DryRun(run, replace(around, status=status), views, opens)


# Which run it is, and whether it is on.


def _latest(state: State) -> ApprovalDryRunStatus | None:
    """The run on record, or a higher one that somebody asks for. Under an invalid plan none is."""
    known, asked = state.status.approval_dry_run, state.rollout.spec.approval_dry_run
    if not state.plan_is_valid:
        return known
    if asked is not None and (known is None or _is_yet_to_begin(asked, known)):
        return _begun(state, asked)
    if known is None or known.started_at is None or known.ended_at is not None:
        return known
    why = _superseded_reason(state, known)
    if why is None:
        return known
    return known.model_copy(update={"ended_at": state.now, "ended_because": why})


def _is_yet_to_begin(asked: ApprovalDryRun, known: ApprovalDryRunStatus) -> bool:
    return asked.run > known.run or (asked.run == known.run and known.started_at is None)


def _begun(state: State, asked: ApprovalDryRun) -> ApprovalDryRunStatus:
    """The run as it begins now; or that it waits, and for what."""
    why_not = _why_not(state, asked)
    if why_not is not None:
        message = f"dry run {asked.run} of the approval has not begun: {why_not}"
        return ApprovalDryRunStatus(run=asked.run, to=asked.to, message=message)
    to = _to(state, asked)
    return ApprovalDryRunStatus(
        run=asked.run,
        from_=_from(state, to),
        to=to,
        plan_hash=state.plan_hash,
        attempt=state.attempt,
        started_at=state.now,
    )


def _why_not(state: State, asked: ApprovalDryRun) -> str | None:
    """Why a run cannot begin now; None where it can."""
    spec = state.rollout.spec
    if state.is_complete:
        return "the rollout is complete, and nothing is left to be signed for"
    if state.status.rolled_back:
        return "a rollback ended the attempt; raise attempt first"
    if not state.asks_people:
        return "the rollout has not started"
    to = _to(state, asked)
    if index_of(spec, to) is None:
        steps = ", ".join(str(step.percent) for step in spec.steps)
        return f"no step is at {to}%: raise run with to at one of {steps}, or without"
    if _is_reached(state, _from(state, to)):
        return f"{to}% is reached: raise run with to at a later step, or without"
    if not _policy(state, _from(state, to)).roles:
        return f"nobody has to sign for {_goal(_from(state, to), to)}"
    return None


def _to(state: State, asked: ApprovalDryRun) -> int:
    """The percentage that is tried: the next step's where none is named."""
    return asked_percent(state) if asked.to is None else asked.to


def _from(state: State, to: int) -> int:
    """The percentage that is left for it. From the last step only completion follows."""
    last = state.percent == to == state.rollout.spec.steps[-1].percent
    return to if last else previous_percent(state.rollout.spec, to)


def _is_reached(state: State, from_: int) -> bool:
    return state.is_complete or (state.percent or 0) > from_


def _superseded_reason(state: State, run: ApprovalDryRunStatus) -> str | None:
    """Why a run that had begun is over; None while it is on."""
    over = state.superseded_reason(attempt=run.attempt, plan_hash=run.plan_hash)
    if over is None and _is_reached(state, run.from_ or 0):
        return "the step was taken"
    return over


# What it comes to.


def _there(around: State, run: ApprovalDryRunStatus) -> State:
    """As if the rollout stood before the step that is tried, with the requests of this run alone.

    Nothing that happened to the flag meanwhile voids what is said there: a dry run is about people.
    """
    spec, index = around.rollout.spec, index_of(around.rollout.spec, run.from_)
    requests = tuple(
        approval
        for approval in around.snapshot.approvals
        if approval.spec.request.dry_run == run.run
    )
    return replace(
        around,
        snapshot=replace(around.snapshot, approvals=requests),
        status=around.status.model_copy(update={"percent": run.from_, "void_before": None}),
        index=index,
        next_index=next_index(spec, run.from_),
        hold=hold_of(spec, index),
        dry_run=run.run,
    )


def _policy(state: State, from_: int) -> ApprovalsPolicy:
    spec = state.rollout.spec
    return hold_of(spec, index_of(spec, from_)).approvals or ApprovalsPolicy()


def _with_outcome(
    there: State,
    run: ApprovalDryRunStatus,
    judgement: ApprovalsJudgement,
    reporters: Reporters,
) -> ApprovalDryRunStatus:
    """The run with how it stands now."""
    verdict = judgement.verdict
    outcome = "it would be approved" if verdict.holds else "it would not be approved"
    goal = _goal(run.from_ or 0, run.to or 0)
    policy = _policy(there, run.from_ or 0)
    return ApprovalDryRunStatus(
        run=run.run,
        from_=run.from_,
        to=run.to,
        would_be_approved=verdict.holds is True,
        message=f"dry run {run.run} of the approval of {goal}: it counts for nothing; {outcome}: "
        f"{verdict.message}{_not_known(policy)}",
        obstacles=signing_obstacles(policy, _constraints(there, reporters))[:_MOST_OBSTACLES],
        roles=role_statuses(judgement, there.snapshot.signatures),
        plan_hash=run.plan_hash,
        attempt=run.attempt,
        started_at=run.started_at,
    )


def _not_known(policy: ApprovalsPolicy) -> str:
    """Say what is not known about obstacles."""
    groups = dict.fromkeys(group for role in policy.roles for group in role.groups)
    return f". Who is in {format_people((), groups)} is not known to the operator" if groups else ""


def _constraints(there: State, reporters: Reporters) -> SigningConstraints:
    return SigningConstraints(
        planning=planning(there.rollout),
        reporters=reporters,
        checkpoints=there.hold.checkpoints,
        signers=there.snapshot.signers,
    )


def _goal(from_: int, to: int) -> str:
    return "completion" if from_ == to else f"the step to {to}%"
