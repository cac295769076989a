"""Calm: nothing is to be done, and nothing will be while answers stay as they are, until a moment.

Most answers of a provider change nothing that anybody acts on. After a judgement that found nothing
to do it is known what they must look like for the next one to find nothing either: every check says
within which bands the values leave its verdict as it is. An answer that lies within them needs no
look at the whole Rollout. Its triggers are judged all the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from functools import partial

from surefoot.api.v1alpha1.rollout import RolloutSpec, Trigger
from surefoot.api.v1alpha1.rollout_status import TriggerState
from surefoot.domain.checks.table import CHECKS
from surefoot.domain.derive.soak import opened_at
from surefoot.domain.derive.state import State
from surefoot.domain.derive.triggers import judge_trigger
from surefoot.domain.facts.bands import Band, Bands, is_within, joined
from surefoot.domain.facts.fallback import with_fallback
from surefoot.domain.facts.measurements import is_stale, stale_after
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.moments import later
from surefoot.domain.facts.questions import length_of, metric_name, windowed
from surefoot.domain.facts.snapshot import FlagFacts
from surefoot.domain.metric_queries import metric_queries
from surefoot.domain.plan import Calm
from surefoot.domain.review import Review

LONGEST = timedelta(minutes=1)
"""A Rollout is looked at whole at least so often, whatever its answers say."""
_A_SHARE = Band(0.0, 1.0)
_JUDGED_APART = frozenset({"rollout", "measurements"})
_NOT_COMPARED = frozenset({"config_map", "unanswered_since", "clock_uncertainty"})
"""A watch tells of the ConfigMap. A Rollout is calm only if every question has an answer. Nothing
moves while it is calm, so that more doubt about the time allows nothing; much more is a
disagreement."""
_COMPARED = tuple(
    field.name for field in fields(FlagFacts) if field.name not in _JUDGED_APART | _NOT_COMPARED
)


def calm_until(review: Review, until: datetime) -> Calm | None:
    """What must stay as it is until then; None where any answer may change something.

    ``until`` is when time alone may change a verdict, or a status is due. There must be nothing to
    do now.
    """
    state = review.state
    facts, rollout, now = state.snapshot, state.rollout, state.now
    status = rollout.status
    if status.committed is None or status.pending is not None or facts.clock_disagreement:
        return None
    until = min(until, now + LONGEST, *_end_of_the_soak(state))
    bands = _bands(review)
    if bands is None or until <= now:
        return None
    answers = facts.measurements
    if not bands.keys() <= answers.keys():
        return None
    calm = Calm(
        ground=_ground(facts),
        until=until,
        bands=bands,
        stale_after={
            question: stale_after(answers[question], facts.evaluation_interval)
            for question in bands
        },
        read_from=opened_at(status, state.began) if state.soak and state.began else None,
    )
    return calm if stays_calm(calm, facts, now) else None


def stays_calm(calm: Calm, facts: FlagFacts, now: datetime) -> bool:
    """Whether there is nothing to do either with these answers, which may be some of all.

    Every trigger that looks at one of them is judged.
    """
    return with_fallback(False, partial(_stays_calm, calm, facts, now))


def _stays_calm(calm: Calm, facts: FlagFacts, now: datetime) -> bool:
    return (
        now < calm.until
        and _ground(facts) == calm.ground
        and all(_is_as_before(calm, facts, question, now) for question in facts.measurements)
    )


def _is_as_before(calm: Calm, facts: FlagFacts, question: str, now: datetime) -> bool:
    answer, bands = facts.measurements[question], calm.bands.get(question)
    if bands is None or is_stale(answer, now, facts.evaluation_interval):
        return False
    triggers = _triggers_by_question(facts.rollout.spec).get(question, ())
    if triggers and calm.read_from is not None and answer.start > calm.read_from:
        return False
    return is_within(answer, bands) and all(_is_quiet(facts, trigger, now) for trigger in triggers)


def _is_quiet(facts: FlagFacts, trigger: Trigger, now: datetime) -> bool:
    verdict = judge_trigger(facts, facts.rollout.status, trigger, now)
    return verdict.state is TriggerState.QUIET and not verdict.rolls_back


def _bands(review: Review) -> Bands | None:
    """The bands of every question; None where a check has none within which it stays."""
    state = review.state
    rollout, facts = state.rollout, state.snapshot
    asked = metric_queries(rollout, state.now, facts.evaluation_interval)
    all_bands: list[Bands] = [dict.fromkeys(asked, ())]
    if not asked:
        return None
    for check in CHECKS:
        bands = check.steady_within(state, review.judgements[check.type])
        if bands is None:
            return None
        all_bands.append(bands)
    # A warning is given of a share, which lies between 0 and 1, and of nothing that does not.
    shares = (name for name, query in facts.queries.items() if query.is_ratio and name in asked)
    all_bands += [{name: (_A_SHARE,)} for name in shares]
    return joined(all_bands)


def _end_of_the_soak(state: State) -> Iterable[datetime]:
    """When the answers may say for the first time that the soak is over."""
    if state.soak is not None and not state.soak.is_complete:
        yield later(state.soak.observed_at, state.soak.left)


def _ground(facts: FlagFacts) -> tuple[object, ...]:
    """What must be as it was when the Rollout was judged, beside the answers."""
    metadata = facts.rollout.metadata
    others = (getattr(facts, name) for name in _COMPARED)
    return (metadata.uid, metadata.resource_version, *others)


@remembered_with
def _triggers_by_question(spec: RolloutSpec) -> Mapping[str, tuple[Trigger, ...]]:
    by_question: dict[str, tuple[Trigger, ...]] = {}
    for trigger in spec.triggers:
        question = windowed(metric_name(trigger), length_of(trigger.for_))
        by_question[question] = (*by_question.get(question, ()), trigger)
    return by_question
