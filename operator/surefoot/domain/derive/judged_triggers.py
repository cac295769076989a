"""The triggers' judgement: what each of them says, found once in a pass and handed on.

The way down needs it first, and nothing else that is derived. The way up takes it over, so that
nothing is judged twice and both act on the same judgement.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from surefoot.api.v1alpha1.rollout import Trigger
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.domain.derive.trigger_faults import valid_triggers
from surefoot.domain.derive.triggers import TriggerVerdict, judge_trigger
from surefoot.domain.facts.fallback import with_fallback
from surefoot.domain.facts.measurements import is_stale
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.snapshot import FlagFacts

_Ground = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class TriggersJudgement:
    """What the triggers of a Rollout say.

    ``ground`` are the facts that it stands on. ``triggers`` are those that can be judged, None
    where that could not be found out. ``verdicts`` has none of a trigger whose judging failed: that
    silences no other on the way down, and nothing goes up without it.
    """

    ground: _Ground
    triggers: tuple[Trigger, ...] | None
    verdicts: tuple[TriggerVerdict, ...]

    def under(
        self, status: RolloutStatus, facts: FlagFacts, now: datetime
    ) -> tuple[TriggerVerdict, ...]:
        """The verdicts under a status that is ahead of the Rollout's own, perhaps by its baselines.

        What could not be judged is judged here, where a failure ends the pass.
        """
        if status.completed_at is not None:
            return ()
        triggers = valid_triggers(facts) if self.triggers is None else self.triggers
        has_other_baselines = status.baselines != facts.rollout.status.baselines
        known = {
            verdict.name: verdict
            for verdict in self.verdicts
            if not (has_other_baselines and verdict.trigger.spec.relative_to is not None)
        }
        return tuple(
            known.get(trigger.name) or judge_trigger(facts, status, trigger, now)
            for trigger in triggers
        )


@remembered_with
def judge_triggers(facts: FlagFacts, now: datetime) -> TriggersJudgement:
    """Judge every trigger that can be judged. Never fails: see `TriggersJudgement`."""
    if facts.rollout.status.completed_at is not None:
        return TriggersJudgement(_ground_of(facts), None, ())
    triggers = with_fallback(None, partial(valid_triggers, facts))
    verdicts = tuple(_verdicts(facts, triggers or (), now))
    return TriggersJudgement(_ground_of(facts), triggers, verdicts)


def hand_on(judgement: TriggersJudgement, facts: FlagFacts, now: datetime) -> None:
    """Let a judgement count for other facts as well, if they would be judged the same now.

    An answer speaks for itself until it is stale. What is said of a missing one changes with time
    alone, and is judged again.
    """
    interval = facts.evaluation_interval
    depends_on_time = any(
        verdict.measurement is None or is_stale(verdict.measurement, now, interval)
        for verdict in judgement.verdicts
    )
    if not depends_on_time and judgement.ground == _ground_of(facts):
        judge_triggers.remember(judgement, facts, now)


def _verdicts(
    facts: FlagFacts, triggers: Iterable[Trigger], now: datetime
) -> Iterable[TriggerVerdict]:
    status = facts.rollout.status
    for trigger in triggers:
        verdict: TriggerVerdict | None = with_fallback(
            None, partial(judge_trigger, facts, status, trigger, now)
        )
        if verdict is not None:
            yield verdict


def _ground_of(facts: FlagFacts) -> _Ground:
    """All that a judgement of the triggers stands on, but for the moment."""
    metadata = facts.rollout.metadata
    return (
        metadata.uid,
        metadata.resource_version,
        facts.evaluation_interval,
        facts.providers,
        facts.queries,
        facts.measurements,
    )
