"""When the flag must go down, and how far. Needs no human, no gate, and no valid plan."""

from dataclasses import dataclass

from surefoot.domain.derive.triggers import TriggerVerdict
from surefoot.domain.facts.steps import allowed_percents
from surefoot.domain.review import Review


@dataclass(frozen=True, slots=True)
class Rollback:
    """Where to, why, and who or what decided it."""

    to: int
    reason: str
    message: str
    by: tuple[str, ...]


def required_rollback(review: Review) -> Rollback | None:
    """The lowest of what a person and the triggers ask for; None where nobody is to be moved."""
    percent = review.situation.percent
    if percent is None or percent == 0:
        return None
    wanted = [
        rollback
        for rollback in (
            _requested(review, percent),
            *(_triggered(review, verdict, percent) for verdict in review.triggers),
        )
        if rollback is not None and rollback.to < percent
    ]
    return min(wanted, key=lambda rollback: rollback.to, default=None)


def _requested(review: Review, percent: int) -> Rollback | None:
    spec = review.situation.rollout.spec
    ceiling = spec.rollback
    if ceiling is None or ceiling.to >= percent:
        return None
    to = max(step for step in allowed_percents(spec) if step <= ceiling.to)
    reason = ceiling.reason or "no reason was given"
    return Rollback(
        to, "Requested", f"spec.rollback asks for {ceiling.to} %: {reason}", ("person",)
    )


def _triggered(review: Review, verdict: TriggerVerdict, percent: int) -> Rollback | None:
    if not verdict.rolls_back:
        return None
    return Rollback(
        to=verdict.target(review.situation.rollout.spec, percent),
        reason="TriggerFired",
        message=f"trigger {verdict.name}: {verdict.message}",
        by=(f"trigger {verdict.name}",),
    )
