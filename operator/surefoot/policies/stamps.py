"""Who planned a Rollout: annotations that say who asked, and that nobody can forge.

They live in annotations, because those survive `kubectl replace`, leave `generation` alone and
make no difference to a GitOps tool. What `planHash` leaves out is not the plan.
"""

from surefoot.api.v1alpha1.meta import (
    ATTEMPT_BY_ANNOTATION,
    AUTHOR_SEPARATOR,
    AUTHORS_ANNOTATION,
    CHANGED_BY_ANNOTATION,
    REQUESTED_BY_ANNOTATION,
)
from surefoot.api.v1alpha1.rollout import Rehearsal
from surefoot.policies import cel
from surefoot.policies.metadata import STAMPS
from surefoot.policies.rendering import Check, Policy, Resources
from surefoot.policies.settings import PolicySettings

PEOPLES = ("paused", "rollback", "attempt", "approvalDryRun")
"""Fields of the spec that are people's and not the plan's."""
APART = ("target", "rehearsal")
"""Of these a part is the plan's: all of the target but `onDelete` never changes anyway."""

_PLAN_OF_REHEARSAL = tuple(
    info.alias or name for name, info in Rehearsal.model_fields.items() if name != "run"
)
_OTHERS = cel.texts((*PEOPLES, *APART))

STAMP_VARIABLES = (
    ("me", cel.ME),
    ("before", cel.kept("annotations")),
    (
        "changesPlan",
        "request.operation == 'CREATE' || "
        f"object.spec.exists(k, !(k in {_OTHERS}) && "
        "oldObject.spec[?k] != optional.of(object.spec[k])) || "
        f"oldObject.spec.exists(k, !(k in {_OTHERS}) && !(k in object.spec)) || "
        + " || ".join(
            f"object.spec.?rehearsal.?{name} != oldObject.spec.?rehearsal.?{name}"
            for name in _PLAN_OF_REHEARSAL
        ),
    ),
    ("changesSpec", "request.operation == 'CREATE' || object.spec != oldObject.spec"),
    (
        "raisesAttempt",
        (
            "request.operation == 'CREATE' || "
            # Where the spec does not say it, the attempt is the status's.
            "[oldObject.spec.?attempt, oldObject.?status.?attempt]"
            ".all(known, object.spec.?attempt.orValue(0) > known.orValue(0))"
        ),
    ),
    ("authors", f"variables.before[?'{AUTHORS_ANNOTATION}'].orValue('')"),
    (
        "stamps",
        (
            "{"
            f"'{REQUESTED_BY_ANNOTATION}': variables.changesPlan ? variables.me : "
            f"variables.before[?'{REQUESTED_BY_ANNOTATION}'].orValue(''), "
            f"'{AUTHORS_ANNOTATION}': "
            "!variables.changesPlan || variables.me in "
            f"variables.authors.split('{AUTHOR_SEPARATOR}') ? "
            "variables.authors : variables.authors == '' ? variables.me : "
            f"variables.authors + '{AUTHOR_SEPARATOR}' + variables.me, "
            f"'{CHANGED_BY_ANNOTATION}': variables.changesSpec ? variables.me : "
            f"variables.before[?'{CHANGED_BY_ANNOTATION}'].orValue(''), "
            f"'{ATTEMPT_BY_ANNOTATION}': variables.raisesAttempt ? variables.me : "
            f"variables.before[?'{ATTEMPT_BY_ANNOTATION}'].orValue('')"
            "}"
        ),
    ),
)
"""Shared with the policy that fills them in: ``variables.stamps`` is what must stand there."""


def policy(_settings: PolicySettings) -> Policy:
    """The policy `surefoot-stamps`."""
    return Policy(
        "surefoot-stamps",
        matches=(Resources(("rollouts",), ("CREATE", "UPDATE")),),
        variables=(
            *STAMP_VARIABLES,
            (
                "wrong",
                (
                    # A list, so that the words come in the same order each time.
                    f"{cel.texts(STAMPS)}.filter(k, "
                    f"{cel.given('annotations')}[?k].orValue('') != variables.stamps[k])"
                ),
            ),
        ),
        checks=(
            Check(
                f"!variables.changesPlan || !variables.me.contains('{AUTHOR_SEPARATOR}')",
                "a user whose name has a comma cannot write a plan: commas separate its authors",
            ),
            Check(
                "variables.wrong.size() == 0",
                "who changes a Rollout is recorded in its annotations, and nobody is recorded for "
                "another",
                "'who changes a Rollout is recorded, and nobody is recorded for another: you are '"
                " + variables.me + '; under metadata.annotations there must be ' + "
                "variables.wrong.map(k, k + ': \"' + variables.stamps[k] + '\"').join(', ')",
            ),
        ),
    )
