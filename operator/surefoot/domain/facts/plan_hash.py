"""What makes two plans the same plan.

The hash is sha256 over RFC 8785 JSON of the spec without the people's fields and `target.onDelete`,
without what equals its default, with durations in seconds and bounds as numbers: neither an upgrade
nor another spelling changes it.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import rfc8785

from surefoot.api.v1alpha1.meta import CANONICAL, ApiModel
from surefoot.api.v1alpha1.rollout import Rehearsal, RolloutSpec, Step, Target
from surefoot.domain.facts.memory import remembered_with

_NOT_THE_PLAN: dict[type[ApiModel], frozenset[str]] = {
    RolloutSpec: frozenset({"paused", "rollback", "attempt", "approval_dry_run"}),
    Target: frozenset({"on_delete"}),
    Rehearsal: frozenset({"run"}),
}


def _common_hold(hold: dict[str, Any]) -> dict[str, Any]:
    """`spec.hold` is what a step falls back to, so what is the default there may as well be absent.

    In a step's own hold it may not: `soak: 0s` there overrides the common one.
    """
    defaults = {"soak": 0.0, "warmUp": 0.0, "baseline": 0.0, "onBreach": "Reset", "checkpoints": []}
    return {name: value for name, value in hold.items() if defaults.get(name) != value}


_SAME_AS_ABSENT: dict[tuple[type[ApiModel], str], Callable[[dict[str, Any]], dict[str, Any]]] = {
    (RolloutSpec, "hold"): _common_hold,
    (RolloutSpec, "limits"): dict,
    (Step, "hold"): dict,
}
"""Sections that ask for nothing when they are empty."""
SOAK_BEARING_PARTS = ("target", "metrics", "triggers", "cohorts")
"""Parts that soak and baseline measured; if one of them changes, both start again."""


def plan_hash(spec: RolloutSpec) -> str:
    """The identity of the plan: `sha256:` and 64 hex digits."""
    return _hashes(spec).plan


class _Hashes(NamedTuple):
    plan: str
    parts: tuple[tuple[str, str], ...]


_MOST_KNOWN = 1024
"""Plans of which the hashes are known: some kilobytes each, however large the plan is."""
_known: OrderedDict[bytes, _Hashes] = OrderedDict()


@remembered_with
def _hashes(spec: RolloutSpec) -> _Hashes:
    """The hashes of a plan. The same plan, read again, is recognised by a digest of its text."""
    text = hashlib.sha256(spec.model_dump_json().encode()).digest()
    hashes = _known.get(text)
    if hashes is None:
        hashes = _known[text] = _computed(canonical(spec))
        if len(_known) > _MOST_KNOWN:
            _known.popitem(last=False)
    _known.move_to_end(text)
    return hashes


def _computed(plan: dict[str, Any]) -> _Hashes:
    parts = {name: value for name, value in plan.items() if name != "steps"}
    parts |= {f"steps[{step['percent']}]": step for step in plan["steps"]}
    return _Hashes(
        plan=_sha256(plan),
        parts=tuple((name, _sha256(value)[:23]) for name, value in sorted(parts.items())),
    )


def plan_parts(spec: RolloutSpec) -> dict[str, str]:
    """A short hash for each part of the plan; a step is `steps[10]`."""
    return dict(_hashes(spec).parts)


def changed_parts(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    """The names of the parts that were added, changed or removed."""
    return tuple(
        sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    )


def _sha256(value: Any) -> str:
    return f"sha256:{hashlib.sha256(rfc8785.dumps(value)).hexdigest()}"


def canonical(model: ApiModel) -> dict[str, Any]:
    """The model as JSON values that do not depend on spelling."""
    skipped = _NOT_THE_PLAN.get(type(model), frozenset())
    plain = model.model_dump(mode="json", by_alias=True, exclude_none=True, context=CANONICAL)
    values: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        alias = field.alias or name
        if name in skipped or alias not in plain:
            continue
        value = _canonical_value(getattr(model, name), plain[alias])
        if (type(model), name) in _SAME_AS_ABSENT:
            value = _SAME_AS_ABSENT[type(model), name](value)
            if not value:
                continue
        if alias not in _defaults(type(model)) or _defaults(type(model))[alias] != value:
            values[alias] = value
    return values


def _canonical_value(value: Any, plain: Any) -> Any:
    if isinstance(value, ApiModel):
        return canonical(value)
    if isinstance(value, tuple):
        return [_canonical_value(*pair) for pair in zip(value, plain, strict=True)]
    return plain


@cache
def _defaults(kind: type[ApiModel]) -> dict[str, Any]:
    return kind.model_construct().model_dump(
        mode="json", by_alias=True, exclude_none=True, context=CANONICAL, warnings=False
    )
