"""Deliberate defects: each must be caught by the invariants, or the harness is worth nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.approval import Approval, Purpose, RequestState
from surefoot.api.v1alpha1.rollout_status import TriggerState
from surefoot.application.store import Store
from surefoot.domain import decide, review, rollback
from surefoot.domain.checks import check, dependencies, rehearsal, schedule
from surefoot.domain.derive import attempt, baseline, fold, soak, state, trigger_past, triggers
from surefoot.domain.derive.state import Move
from surefoot.domain.facts import plan_hash, windows
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.facts.verdicts import ConditionType, Verdict, passes
from surefoot.domain.flag import config_map
from surefoot.domain.record import transitions
from surefoot.domain.signoff import (
    acknowledgements,
    approvals,
    checkpoints,
    conditions,
    decisions,
    dry_run,
    evaluate,
    meetings,
    records,
    requests,
    veto,
)
from tests.support import world as worlds
from tests.support.scenarios import Op, Shape, a_tale
from tests.unit.application import test_cut_off as cut_off
from tests.unit.domain import test_domain_conditions as conditional
from tests.unit.domain import test_domain_config_map as mapped
from tests.unit.domain import test_domain_decision_times as dated
from tests.unit.domain import test_domain_decisions_on_record as kept
from tests.unit.domain import test_domain_meetings as met
from tests.unit.domain import test_domain_no_go as refused
from tests.unit.domain import test_domain_odd_annotations as odd
from tests.unit.domain import test_domain_one_door as door
from tests.unit.domain import test_domain_pending as pended
from tests.unit.domain import test_domain_plan_changes as changed
from tests.unit.domain import test_domain_soak as soaked
from tests.unit.domain import test_domain_triggers as fired
from tests.unit.domain import test_domain_vetoes as vetoed

Break = Callable[[pytest.MonkeyPatch], None]
"""Puts a defect into the production code."""


def no_soak(patch: pytest.MonkeyPatch) -> None:
    """The soak check is dropped."""
    patch.setattr(soak.SoakAccount, "is_complete", property(lambda _: True))


def soak_by_the_wrong_clock(patch: pytest.MonkeyPatch) -> None:
    """A second is counted that may not have passed."""
    account = soak.accrue_soak

    def generous(*args: Any, **kwargs: Any) -> Any:
        found = account(*args, **kwargs)
        return replace(found, healthy=found.healthy + timedelta(seconds=31))

    patch.setattr("surefoot.domain.derive.fold.accrue_soak", generous)


def expired_counts(patch: pytest.MonkeyPatch) -> None:
    """An expired approval counts."""
    _change_views(patch, is_expired=False)


def no_go_ignored(patch: pytest.MonkeyPatch) -> None:
    """A NO-GO does not stand."""
    patch.setattr(approvals, "active_no_gos", lambda *_: ())
    patch.setattr(checkpoints, "active_no_gos", lambda *_: ())


def no_go_outvoted(patch: pytest.MonkeyPatch) -> None:
    """Only the latest decision of a request is looked at, no matter who gave it."""

    words = veto._last_words

    def latest(where: Any, request: Any, decision: Any) -> Any:
        newest = decision.history[-1]
        all_words = words(where, request, decision)
        return all_words._replace(
            gos=tuple(word for word in all_words.gos if word == newest),
            no_gos=tuple(word for word in all_words.no_gos if word == newest),
        )

    patch.setattr(veto, "_last_words", latest)


def meeting_needs_nobody(patch: pytest.MonkeyPatch) -> None:
    """A meeting counts before its parties have acknowledged it."""
    patch.setattr(acknowledgements.AcknowledgementView, "is_go", property(lambda _: True))


def meeting_resolves_what_comes_later(patch: pytest.MonkeyPatch) -> None:
    """A NO-GO that was given after the meeting does not stand."""
    patch.setattr(meetings.Conflict, "resolves", lambda self, _: self.view.is_go)


def condition_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """A GO counts whatever it asks for."""
    patch.setattr(conditions.ConditionsView, "unmet", property(lambda _: ()))


def forged_counts(patch: pytest.MonkeyPatch) -> None:
    """A name counts that admission did not see."""
    patch.setattr(evaluate, "is_signer_authenticated", lambda *_: True)


def forged_lifts(patch: pytest.MonkeyPatch) -> None:
    """A GO that admission did not see lifts a NO-GO."""
    patch.setattr(veto, "is_signer_authenticated", lambda *_: True)
    patch.setattr(veto, "_earlier_go_is_theirs", lambda *_: True)


def planner_signs(patch: pytest.MonkeyPatch) -> None:
    """Separation of duties is forgotten."""
    patch.setattr(approvals, "planners", lambda _: ())


def one_person_is_two(patch: pytest.MonkeyPatch) -> None:
    """One person fills two roles."""
    patch.setattr(approvals, "_one_role_a_person", lambda views: views)


def quorum_is_one(patch: pytest.MonkeyPatch) -> None:
    """One signature is enough."""
    verdict = approvals._verdict

    def lenient(policy: Any, views: Any, against: Any, **kwargs: Any) -> Any:
        signed = tuple(view for view in views if view.is_go)
        return verdict(policy, signed or views, against, **kwargs)

    patch.setattr(approvals, "_verdict", lenient)


def dry_run_counts(patch: pytest.MonkeyPatch) -> None:
    """A signature is one, whatever it was asked for."""
    _dry_runs_are_seen(patch)
    about = approvals._is_about

    def any_purpose(where: Any, approval: Any) -> bool:
        return about(where, _asked_in_earnest(approval))

    patch.setattr(approvals, "_is_about", any_purpose)


def dry_run_lifts(patch: pytest.MonkeyPatch) -> None:
    """What somebody says in a dry run takes back their NO-GO."""
    _dry_runs_are_seen(patch)
    question = veto._question

    def any_purpose(where: Any, request: Any, names: Any) -> Any:
        is_approval = isinstance(request, Approval)
        return question(where, _asked_in_earnest(request) if is_approval else request, names)

    patch.setattr(veto, "_question", any_purpose)


def dry_run_is_the_plan(patch: pytest.MonkeyPatch) -> None:
    """To raise a run is to change the plan."""
    real = plan_hash.plan_hash

    def another(spec: Any) -> str:
        run = spec.approval_dry_run
        return real(spec) if run is None else f"{real(spec)[:60]}{run.run}"

    patch.setattr("surefoot.domain.derive.plan.plan_hash", another)


def _dry_runs_are_seen(patch: pytest.MonkeyPatch) -> None:
    """The judgement of what really counts has the requests of dry runs before it."""
    seen: list[Any] = []
    judge = approvals.judge_approvals

    def split_dry_runs(facts: Any) -> Any:
        real, seen[:] = dry_run.split_dry_runs(facts)
        return real, tuple(seen)

    def judged(where: Any, **known: Any) -> Any:
        facts = replace(where.snapshot, approvals=(*where.snapshot.approvals, *seen))
        return judge(replace(where, snapshot=facts), **known)

    patch.setattr("surefoot.domain.review.split_dry_runs", split_dry_runs)
    patch.setattr("surefoot.domain.checks.approved.judge_approvals", judged)


def _asked_in_earnest(approval: Any) -> Any:
    request = approval.spec.request.model_copy(update={"purpose": Purpose.ADVANCE})
    return approval.model_copy(
        update={"spec": approval.spec.model_copy(update={"request": request})}
    )


def plan_not_bound(patch: pytest.MonkeyPatch) -> None:
    """A signature for another plan or attempt counts."""

    def current(situation: Any, approval: Any) -> bool:
        return bool(approval.spec.request.from_ == situation.percent)

    patch.setattr(approvals, "_is_current", current)
    record = requests.FINAL - {RequestState.VOID}
    patch.setattr(approvals, "FINAL", record)


def report_skipped(patch: pytest.MonkeyPatch) -> None:
    """A checkpoint without a report passes."""
    patch.setattr(checkpoints.CheckpointView, "is_go", property(lambda _: True))


def no_data_is_quiet(patch: pytest.MonkeyPatch) -> None:
    """NoData is treated as quiet."""
    state_at = triggers.ArmedTrigger.state_at

    def quiet(self: Any, *args: Any) -> Any:
        state = state_at(self, *args)
        return TriggerState.QUIET if state is TriggerState.NO_DATA else state

    patch.setattr(triggers.ArmedTrigger, "state_at", quiet)

    def unquiet(points: Any) -> bytearray:
        return bytearray(points._breached[points._first - points._low :])

    patch.setattr(trigger_past._Points, "unquiet", unquiet)


def unreachable_is_quiet(patch: pytest.MonkeyPatch) -> None:
    """A provider that does not answer is treated as quiet."""
    without = triggers._without_answer

    def quiet(*args: Any) -> Any:
        return replace(without(*args), state=TriggerState.QUIET)

    patch.setattr(triggers, "_without_answer", quiet)


def _judge_as(patch: pytest.MonkeyPatch, verdict: Verdict) -> None:
    """A check says this, whatever is so."""
    judge_all = review.judge_all

    def judged(*args: Any) -> Any:
        return {**judge_all(*args), verdict.condition: verdict}

    patch.setattr(review, "judge_all", judged)


def pause_ignored(patch: pytest.MonkeyPatch) -> None:
    """Pause and halt hold nothing."""
    _judge_as(patch, passes(ConditionType.NOT_PAUSED, "Running"))


def failed_rehearsal_counts(patch: pytest.MonkeyPatch) -> None:
    """A rehearsal counts whatever it came to."""
    patch.setattr(rehearsal, "PASSED", "Failed")


def old_rehearsal_counts(patch: pytest.MonkeyPatch) -> None:
    """A rehearsal counts forever."""
    patch.setattr(rehearsal, "_max_age", lambda _: timedelta(days=1))


def any_rehearsal_counts(patch: pytest.MonkeyPatch) -> None:
    """A rehearsal counts for every plan and attempt."""
    patch.setattr(rehearsal, "_is_of_this_plan", lambda *_: True)


def ceiling_ignored(patch: pytest.MonkeyPatch) -> None:
    """A person's ceiling holds nothing."""
    _judge_as(patch, passes(ConditionType.NOT_ROLLED_BACK, "NotRolledBack"))


def goes_on_after_a_rollback(patch: pytest.MonkeyPatch) -> None:
    """The attempt does not end with a rollback."""
    commit = transitions.committed

    def forgiving(*args: Any) -> Any:
        return commit(*args).model_copy(update={"rolled_back": False})

    patch.setattr(worlds, "committed", forgiving)


def rollback_goes_up(patch: pytest.MonkeyPatch) -> None:
    """The target of a rollback is not checked to be lower."""
    required = rollback.required_rollback

    def upwards(*args: Any) -> Any:
        down = required(*args)
        return None if down is None else replace(down, to=100)

    patch.setattr(rollback, "required_rollback", upwards)


def step_is_taken_twice(patch: pytest.MonkeyPatch) -> None:
    """A recorded advance is forgotten without looking whether it was applied."""
    patch.setattr(rollback, "carries", lambda *_: False)
    patch.setattr(decide, "_reason_to_withdraw", lambda *_: "a whim")
    patch.setattr(worlds, "was_written_for", lambda *_: False)


def step_is_skipped(patch: pytest.MonkeyPatch) -> None:
    """The step after the next is taken."""
    take = decide._take_the_step

    def jump(found: Any) -> Any:
        last = len(found.state.rollout.spec.steps) - 1
        if found.state.index is None or found.state.next_index is None:
            return take(found)
        return take(replace(found, state=replace(found.state, next_index=last)))

    patch.setattr(decide, "_take_the_step", jump)


def history_is_rewritten(patch: pytest.MonkeyPatch) -> None:
    """The last entry is replaced where it is of the same type."""
    append = transitions.with_entry

    def forgetful(status: Any, item: Any) -> Any:
        shorter = status.model_copy(update={"history": status.history[:-1]})
        return append(shorter if item.type == "Advance" else status, item)

    patch.setattr(transitions, "with_entry", forgetful)


def chain_is_broken(patch: pytest.MonkeyPatch) -> None:
    """Entries are not chained."""
    patch.setattr(transitions, "entry_hash", lambda _: "sha256:0")


def void_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A Hold trigger that fired voids nothing."""
    patch.setattr(fold, "void_decisions", lambda status, *_: status)


def window_of_before(patch: pytest.MonkeyPatch) -> None:
    """Data of before the rollback are judged."""
    patch.setattr(triggers, "_judged_from", lambda *_: (None, False))


def drift_is_not_seen(patch: pytest.MonkeyPatch) -> None:
    """The ConfigMap is never compared."""
    patch.setattr(fold, "_find_drift", lambda _: None)


def every_window_is_full(patch: pytest.MonkeyPatch) -> None:
    """A `for` reaches back before the step."""
    look = windows.window_at

    def full(*args: Any) -> Any:
        return replace(look(*args), is_full=True)

    patch.setattr("surefoot.domain.checks.gates.window_at", full)
    patch.setattr("surefoot.domain.derive.triggers.window_at", full)


def coverage_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    """Few points are enough to fire."""
    patch.setattr("surefoot.domain.derive.triggers.ENOUGH_COVERAGE", 0.0)


def flapping_disarms(patch: pytest.MonkeyPatch) -> None:
    """Every point must be there to fire."""
    patch.setattr("surefoot.domain.derive.triggers.ENOUGH_COVERAGE", 1.0)


def gap_counts_for_nothing_bad(patch: pytest.MonkeyPatch) -> None:
    """Time without an operator counts whatever the data say."""
    patch.setattr(soak, "free_time", lambda start, end, _: max(timedelta(0), end - start))


def invalid_plan_is_in_force(patch: pytest.MonkeyPatch) -> None:
    """The plan is taken over though it is not valid."""
    found = state.state_of_rollout

    def valid(*args: Any, **kwargs: Any) -> Any:
        return found(*args, **(kwargs | {"plan_is_valid": True}))

    patch.setattr(fold, "state_of_rollout", valid)


def waits_for_nothing_before_abandoning(patch: pytest.MonkeyPatch) -> None:
    """Missing data abandon a recorded advance."""
    patch.setattr(decide, "_interference", lambda _: "no data")


def freeze_ignored(patch: pytest.MonkeyPatch) -> None:
    """Steps are taken at any time."""
    verdict = passes(ConditionType.WITHIN_SCHEDULE, "Open")
    patch.setattr(schedule, "judge_schedule", lambda _: verdict)


def freeze_by_the_wrong_clock(patch: pytest.MonkeyPatch) -> None:
    """The time zone of a schedule is taken for UTC."""
    lay_out = schedule._laid_out_around.__wrapped__

    def in_utc(found: Any, monday: Any) -> Any:
        return lay_out(found.model_copy(update={"time_zone": "UTC"}), monday)

    patch.setattr(schedule, "_laid_out_around", in_utc)


def freeze_is_waited_out(patch: pytest.MonkeyPatch) -> None:
    """A recorded advance goes on after a freeze, on what was found before it."""
    stop = decide._reason_to_withdraw

    def patient(*args: Any) -> str | None:
        reason = stop(*args)
        return None if reason and reason.startswith("a freeze is in force") else reason

    patch.setattr(decide, "_reason_to_withdraw", patient)


def upstream_ignored(patch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for."""
    verdict = passes(ConditionType.DEPENDENCIES_MET, "DependenciesMet")
    patch.setattr(dependencies, "judge_dependencies", lambda *_: verdict)


def upstreams_rollback_ignored(patch: pytest.MonkeyPatch) -> None:
    """Only the percentage of the other Rollout is looked at."""
    lacking = dependencies._lacking

    def forgiving(dependency: Any, name: Any, found: Any) -> Any:
        return lacking(dependency, name, found and replace(found, rolled_back=False))

    patch.setattr(dependencies, "_lacking", forgiving)


def baselines_outlive_the_attempt(patch: pytest.MonkeyPatch) -> None:
    """What was recorded in an earlier attempt is compared with."""
    raise_attempt = attempt.begin_attempt

    def keeping(status: Any, *args: Any, **known: Any) -> Any:
        raised = raise_attempt(status, *args, **known)
        return raised.model_copy(update={"baselines": status.baselines})

    patch.setattr(fold, "begin_attempt", keeping)


def relative_is_absolute(patch: pytest.MonkeyPatch) -> None:
    """A bound that is relative is taken as it stands."""
    patch.setattr("surefoot.domain.checks.gates.reference_value", lambda *_: baseline.ABSOLUTE)


def _rollback_waits_for(patch: pytest.MonkeyPatch, condition: ConditionType) -> None:
    go_down = rollback.roll_back

    def patient(facts: Any, now: Any) -> Any:
        return go_down(facts, now) if review.evaluate(facts, now).holds(condition) else None

    patch.setattr(decide, "roll_back", patient)


def rollback_waits_for_the_schedule(patch: pytest.MonkeyPatch) -> None:
    """A rollback is put off until a freeze ends."""
    _rollback_waits_for(patch, ConditionType.WITHIN_SCHEDULE)


def rollback_waits_for_an_upstream(patch: pytest.MonkeyPatch) -> None:
    """A rollback is put off until another Rollout has come far enough."""
    _rollback_waits_for(patch, ConditionType.DEPENDENCIES_MET)


def rollback_waits_for_a_baseline(patch: pytest.MonkeyPatch) -> None:
    """A rollback is put off until there is a baseline."""
    _rollback_waits_for(patch, ConditionType.BASELINE_RECORDED)


def found_is_committed(patch: pytest.MonkeyPatch) -> None:
    """Whatever carries the id of a recorded Start was written for it."""

    def anything(config_map: Any, transition_id: str) -> bool:
        return bool(config_map.annotations.get("surefoot.dev/transition-id") == transition_id)

    patch.setattr(config_map, "was_written_for", anything)
    patch.setattr(rollback, "carries", lambda found, _: bool(found.annotations))


def late_start_is_left(patch: pytest.MonkeyPatch) -> None:
    """A withdrawn Start that lands late stays where it is."""
    patch.setattr(decide, "_late_start", lambda _: None)


def adoption_is_not_asked_again(patch: pytest.MonkeyPatch) -> None:
    """What was found in a ConfigMap is taken to be there still."""
    patch.setattr(decide, "may_be_written", lambda *_: True)
    patch.setattr(worlds, "may_be_written", lambda *_: True)


def start_asks_nobody(patch: pytest.MonkeyPatch) -> None:
    """What stops every move does not stop a Start."""
    blocks = check.Check.blocks

    def lax(self: Any, verdict: Any, move: Any) -> bool:
        if move is Move.START and move not in self.applies_to:
            return False
        return blocks(self, verdict, move)

    patch.setattr(check.Check, "blocks", lax)


def breach_of_meanwhile_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A recorded advance goes on whatever happened while the operator was down."""
    stop = decide._reason_to_withdraw

    def forgetful(*args: Any) -> str | None:
        reason = stop(*args)
        return None if reason and ("has fired" in reason or "counted" in reason) else reason

    patch.setattr(decide, "_reason_to_withdraw", forgetful)


def no_go_counts_at_its_own_percentage(patch: pytest.MonkeyPatch) -> None:
    """A word on a checkpoint is about leaving exactly that percentage."""
    statements = veto._statements

    def narrow(where: Any) -> Any:
        return {
            question: [
                statement
                for statement in said
                if question.kind is veto.QuestionKind.ROLE
                or statement.about.from_ == (where.percent or 0)
            ]
            for question, said in statements(where).items()
        }

    patch.setattr(veto, "_statements", narrow)


def case_is_folded_to_allow(patch: pytest.MonkeyPatch) -> None:
    """Somebody whose name differs in case lifts a NO-GO."""
    words = veto._last_words

    def folded(where: Any, request: Any, decision: Any) -> Any:
        def fold(entries: Any) -> Any:
            return tuple(entry.model_copy(update={"by": entry.by.lower()}) for entry in entries)

        all_words = words(where, request, decision)
        return all_words._replace(gos=fold(all_words.gos), no_gos=fold(all_words.no_gos))

    patch.setattr(veto, "_last_words", folded)


def unwatched_no_go_is_dated_early(patch: pytest.MonkeyPatch) -> None:
    """A NO-GO that nobody watched is taken to have been given when it was asked."""
    patch.setattr(decisions, "given_at", decisions.earliest)
    patch.setattr(veto, "given_at", decisions.earliest)


def unwatched_go_is_dated_late(patch: pytest.MonkeyPatch) -> None:
    """A GO that nobody watched is taken to have been given when it was seen."""
    patch.setattr(decisions, "given_at", lambda entry: entry.seen_at)
    patch.setattr(veto, "given_at", lambda entry: entry.seen_at)


def counted_go_is_not_recorded(patch: pytest.MonkeyPatch) -> None:
    """A GO that counted and became a NO-GO is nowhere on its request."""
    patch.setattr(decisions, "_with_counted", lambda _, request: request.status.decisions)


def only_what_fits_is_excluded(patch: pytest.MonkeyPatch) -> None:
    """Anyone who does not fit in the request is not excluded."""
    patch.setattr(evaluate, "why_excluded", lambda *_: None)


def last_decisions_are_kept(patch: pytest.MonkeyPatch) -> None:
    """The oldest decision goes first, whatever it says."""
    patch.setattr(decisions, "_bounded", lambda _, history: history[-16:])


def failed_watch_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What is seen after a watch failed is news."""
    patch.setattr(Store, "lost_sight", lambda *_: None)


def foreign_config_map_is_left(patch: pytest.MonkeyPatch) -> None:
    """A ConfigMap that no watch tells of is looked at when something else happens."""
    patch.setattr(decide, "_look_again_in", decide._time_changes_in)


def counted_request_is_void_at_once(patch: pytest.MonkeyPatch) -> None:
    """What an open intent counts is void before the intent is resolved."""
    patch.setattr(records, "_counted_by_pending", lambda _: frozenset())


def _change_views(patch: pytest.MonkeyPatch, **changes: Any) -> None:
    view = approvals._view

    def changed_view(*args: Any) -> Any:
        found = view(*args)
        return replace(found, answer=replace(found.answer, **changes))

    patch.setattr(approvals, "_view", changed_view)


SIGNS: list[Op] = [
    ("all sign",),
    ("tick", 1),
    ("all sign",),
    ("tick", 1),
    ("all sign",),
    ("tick", 1),
]
WALK: list[Op] = [("tick", 6), *SIGNS, ("tick", 6), *SIGNS, ("tick", 6), *SIGNS]

SEEDED: list[tuple[Break, str, Shape, list[Op]]] = [
    (no_soak, "S4", Shape(roles=0, soak="2m30s"), []),
    (soak_by_the_wrong_clock, "S4", Shape(roles=0, soak="2m30s"), []),
    (
        expired_counts,
        "S6",
        Shape(roles=2, max_age="4m"),
        [("sign", 0, "ann", "GO"), ("tick", 6), ("tick", 6), ("sign", 1, "bob", "GO")],
    ),
    (
        no_go_ignored,
        "S7",
        Shape(roles=2, quorum=1),
        [("sign", 0, "ann", "NO-GO"), ("tick", 1), ("sign", 1, "bob", "GO"), ("tick", 1)],
    ),
    (
        no_go_outvoted,
        "S7",
        Shape(),
        [("sign", 0, "ann", "NO-GO"), ("tick", 1), ("sign", 0, "bob", "GO"), ("tick", 1)],
    ),
    (
        failed_rehearsal_counts,
        "Rehearsal",
        Shape(roles=0, soak="2m30s", rehearses=True),
        [("rehearsals", "Failed"), ("attempt",), ("tick", 6)],
    ),
    (
        old_rehearsal_counts,
        "Rehearsal",
        Shape(roles=0, soak="6m", rehearses=True),
        [("skip", 300), ("rehearsals", "Failed"), ("tick", 6), ("tick", 6)],
    ),
    (
        any_rehearsal_counts,
        "Rehearsal",
        Shape(roles=0, soak="2m30s", rehearses=True),
        [("plan", 3), ("tick", 6)],
    ),
    (meeting_needs_nobody, "S7", Shape(roles=2), [("conflict", False), ("tick", 1)]),
    (
        forged_counts,
        "S6",
        Shape(roles=1, enforced=True),
        [
            ("admission", Admission.NOT_ENFORCED),
            ("sign", 0, "ann", "GO"),
            ("tick", 1),
            ("admission", Admission.ENFORCED),
            ("tick", 1),
        ],
    ),
    (
        forged_lifts,
        "S7",
        Shape(roles=1, enforced=True),
        [
            ("sign", 0, "ann", "NO-GO"),
            ("tick", 1),
            ("admission", Admission.NOT_ENFORCED),
            ("sign", 0, "ann", "GO"),
            ("tick", 1),
            ("admission", Admission.ENFORCED),
            ("sign", 0, "bob", "GO"),
            ("tick", 2),
            ("all sign",),
            ("tick", 1),
        ],
    ),
    (planner_signs, "S6", Shape(roles=1), [("sign", 0, "pat", "GO"), ("tick", 1)]),
    (
        one_person_is_two,
        "S6",
        Shape(roles=2),
        [("sign", 0, "ann", "GO"), ("sign", 1, "ann", "GO"), ("tick", 1)],
    ),
    (quorum_is_one, "S6", Shape(roles=2), [("sign", 0, "ann", "GO"), ("tick", 1)]),
    (
        dry_run_counts,
        "S12",
        Shape(roles=1),
        [("dry run", None), ("tick", 1), ("sign", 1, "ann", "GO"), ("tick", 1)],
    ),
    (
        dry_run_lifts,
        "S12",
        Shape(roles=1),
        [
            ("dry run", None),
            ("tick", 1),
            ("sign", 0, "ann", "NO-GO"),
            ("tick", 1),
            ("sign", 1, "ann", "GO"),
            ("tick", 1),
        ],
    ),
    (dry_run_is_the_plan, "S12", Shape(roles=1), [("dry run", None), ("tick", 1)]),
    (
        plan_not_bound,
        "S6",
        Shape(roles=1, soak="2m30s"),
        [("sign", 0, "ann", "GO"), ("tick", 1), ("attempt",), ("tick", 6)],
    ),
    (report_skipped, "S5", Shape(roles=0, reports=True), [("tick", 1)]),
    (
        no_data_is_quiet,
        "S10",
        Shape(roles=0, soak="1m"),
        [("metric", None), ("tick", 6)],
    ),
    (
        unreachable_is_quiet,
        "S10",
        Shape(roles=1),
        [("provider", True), ("all sign",), ("tick", 3)],
    ),
    (pause_ignored, "S7", Shape(), [("pause", True), *WALK]),
    (pause_ignored, "S7", Shape(), [("halt", True), *WALK]),
    (ceiling_ignored, "S7", Shape(), [("ceiling", 10), *WALK]),
    (
        goes_on_after_a_rollback,
        "S11",
        Shape(roles=0, soak="1m"),
        [("tick", 3), ("metric", 0.9), ("tick", 1), ("metric", 0.0), ("tick", 6), ("tick", 6)],
    ),
    (
        rollback_goes_up,
        "S3",
        Shape(percents=(5, 10, 20, 100), soak="2m30s", roles=0),
        [("ceiling", 0), ("tick", 1)],
    ),
    (
        step_is_taken_twice,
        "S2",
        Shape(roles=0, watches=False, soak="1m"),
        [("crash", "after", 2), ("tick", 6)],
    ),
    (step_is_skipped, "S3", Shape(percents=(5, 10, 20, 100), roles=0), [("tick", 6)]),
    (history_is_rewritten, "S9", Shape(roles=0), [("tick", 6)]),
    (chain_is_broken, "S9", Shape(roles=0), [("tick", 6)]),
    (freeze_ignored, "S14", Shape(roles=0, soak="1m", freeze="dated"), []),
    (freeze_by_the_wrong_clock, "S14", Shape(roles=0, soak="1m", freeze="weekly"), []),
    (
        freeze_is_waited_out,
        "S14",
        Shape(freeze="dated"),
        [
            ("all sign",),
            ("crash", "after", 1),
            ("look",),
            ("provider", True),
            ("tick", 6),
            ("tick", 6),
            ("tick", 6),
        ],
    ),
    (upstream_ignored, "S15", Shape(roles=0, depends=True), [("tick", 1)]),
    (
        upstreams_rollback_ignored,
        "S15",
        Shape(roles=0, soak="1m", depends=True),
        [("upstream", 100, False), ("tick", 1), ("upstream", 60, True), ("tick", 6)],
    ),
    (
        baselines_outlive_the_attempt,
        "S16",
        Shape(roles=0, soak="1m", relative=True),
        [("tick", 3), ("attempt",), ("tick", 6)],
    ),
    (relative_is_absolute, "S16", Shape(roles=0, soak="1m", relative=True), [("tick", 6)]),
    (
        rollback_waits_for_the_schedule,
        "L2",
        Shape(roles=0, soak="1m", freeze="dated"),
        [("tick", 3), ("ceiling", 0), ("tick", 1)],
    ),
    (
        rollback_waits_for_an_upstream,
        "L2",
        Shape(roles=0, soak="2m30s", depends=True),
        [("upstream", 60, False), ("tick", 1), ("upstream", 60, True), ("ceiling", 0), ("tick", 1)],
    ),
    (
        rollback_waits_for_a_baseline,
        "L2",
        Shape(roles=0, soak="1m", relative=True),
        [("tick", 1), ("metric", 0.9), ("tick", 1)],
    ),
]


def _name(value: Any) -> str | None:
    return getattr(value, "__name__", None) if callable(value) else None


@pytest.mark.parametrize(("defect", "number", "shape", "story"), SEEDED, ids=_name)
def test_judge_catches_a_seeded_defect(
    defect: Break, number: str, shape: Shape, story: list[Op], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same story is well without the defect, and breaks that very invariant with it."""
    a_tale(shape, story)
    defect(monkeypatch)
    with pytest.raises(AssertionError, match=f"^{number}:"):
        a_tale(shape, story)


NAMED: list[tuple[Break, Callable[[], None]]] = [
    (void_is_forgotten, fired.test_go_given_while_a_hold_trigger_fires_is_void_at_once),
    (meeting_resolves_what_comes_later, met.test_meeting_resolves_only_older_no_gos),
    (
        condition_is_ignored,
        conditional.test_blocking_condition_keeps_a_go_from_counting_until_it_is_met,
    ),
    (window_of_before, fired.test_one_breach_does_not_cascade),
    (every_window_is_full, fired.test_breach_of_before_the_step_does_not_count_towards_its_window),
    (every_window_is_full, fired.test_gate_is_false_until_its_window_is_full),
    (
        coverage_is_not_asked,
        lambda: fired.test_flapping_exporter_does_not_disarm_a_trigger(2, False),
    ),
    (flapping_disarms, lambda: fired.test_flapping_exporter_does_not_disarm_a_trigger(1, True)),
    (found_is_committed, door.test_look_alike_of_a_recorded_start_is_not_committed),
    (late_start_is_left, door.test_withdrawn_start_that_lands_late_is_undone),
    (
        adoption_is_not_asked_again,
        lambda: door.test_adoption_does_not_write_over_what_somebody_did_meanwhile("after", "25"),
    ),
    (start_asks_nobody, door.test_start_does_not_happen_while_a_trigger_fires),
    (start_asks_nobody, door.test_start_waits_for_the_first_answers_of_its_triggers),
    (
        breach_of_meanwhile_is_forgotten,
        door.test_trigger_that_fired_and_ended_meanwhile_withdraws_a_recorded_advance,
    ),
    (drift_is_not_seen, mapped.test_drift_is_restored_and_the_manager_is_named),
    (gap_counts_for_nothing_bad, soaked.test_gap_counts_as_far_as_data_were_present_and_quiet),
    (
        invalid_plan_is_in_force,
        changed.test_soak_under_an_invalid_plan_is_read_back_by_the_valid_one,
    ),
    (
        waits_for_nothing_before_abandoning,
        lambda: pended.test_missing_data_only_wait("after intent"),
    ),
    (
        no_go_counts_at_its_own_percentage,
        vetoed.test_no_go_of_a_checkpoint_is_not_escaped_by_another_first_percentage,
    ),
    (
        no_go_counts_at_its_own_percentage,
        vetoed.test_refused_acknowledgement_is_not_escaped_by_another_first_percentage,
    ),
    (
        case_is_folded_to_allow,
        lambda: refused.test_go_of_a_name_in_other_letters_does_not_lift_a_no_go("Hudson"),
    ),
    (
        unwatched_no_go_is_dated_early,
        dated.test_first_no_go_given_while_the_operator_was_down_outlives_an_older_meeting,
    ),
    (
        unwatched_go_is_dated_late,
        dated.test_unwatched_go_counts_from_the_last_decision_before_it,
    ),
    (
        counted_go_is_not_recorded,
        kept.test_go_that_became_no_go_before_its_intent_was_applied_is_recorded_before_it,
    ),
    (
        counted_request_is_void_at_once,
        kept.test_request_that_an_open_intent_counts_is_not_void_before_the_intent_is_resolved,
    ),
    (
        only_what_fits_is_excluded,
        odd.test_author_who_did_not_fit_in_the_request_still_does_not_sign,
    ),
    (
        failed_watch_is_forgotten,
        lambda: asyncio.run(
            cut_off.test_go_given_while_cut_off_does_not_outlive_a_hold_trigger_that_fired_then(
                "before it fires"
            )
        ),
    ),
    (
        foreign_config_map_is_left,
        lambda: mapped.test_config_map_that_no_watch_tells_of_is_looked_at_at_every_evaluation(
            True
        ),
    ),
    (
        last_decisions_are_kept,
        lambda: refused.test_no_go_is_not_pushed_off_the_record("ivy"),
    ),
]


@pytest.mark.parametrize(("defect", "named"), NAMED, ids=_name)
def test_named_test_catches_a_seeded_defect(
    defect: Break, named: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes without the defect and fails with it."""
    named()
    defect(monkeypatch)
    with pytest.raises(AssertionError):
        named()
