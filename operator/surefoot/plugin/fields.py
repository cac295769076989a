"""explain --field: what a field is, and what a change of it would do."""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from surefoot.api.v1alpha1.descriptions import descriptions_of
from surefoot.api.v1alpha1.rollout import RolloutSpec
from surefoot.domain.facts.plan_hash import SOAK_BEARING_PARTS
from surefoot.plugin import output
from surefoot.plugin.commands.options import Format
from surefoot.plugin.session import Declined, Session

JSON = dict[str, Any]
PEOPLES = ("paused", "rollback", "attempt", "approvalDryRun", "rehearsal.run")
"""Fields that are no part of the plan: people set them in the cluster."""
_INDEX = re.compile(r"\[[^\]]*\]")


async def explain_field(session: Session, name: str, path: str, format_: Format) -> int:
    """Say it of a field of this Rollout's plan."""
    raw = await session.rollout(name)
    found = about_field(path, raw)
    if format_.is_text:
        output.say_lines(_in_lines(found))
    else:
        output.say_data(found, Format.JSON if format_ is Format.NAME else format_)
    return 0


def about_field(path: str, raw: Mapping[str, Any]) -> JSON:
    """What the field is and what a change does. `Declined` where the plan has no such field."""
    plain = _INDEX.sub("", path.removeprefix("spec.")).strip(".")
    description = description_of(plain)
    status = raw.get("status") or {}
    value = _value_at(raw.get("spec") or {}, path.removeprefix("spec."))
    return {
        "field": f"spec.{plain}",
        "description": description,
        "value": value,
        "effects": list(_effects(plain, path, status)),
    }


def description_of(path: str) -> str:
    """What `kubectl explain` says of it. `Declined` where there is none, with the nearest."""
    model: Any = RolloutSpec
    said = ""
    for part in path.split("."):
        fields = {field.alias or name: name for name, field in model.model_fields.items()}
        if part not in fields:
            near = output.nearest(part, fields)
            meant = f"did you mean {near}?" if near else f"there are {', '.join(sorted(fields))}"
            raise Declined(f"the plan has no field {path}: not {part}; {meant}")
        field = model.model_fields[fields[part]]
        said = descriptions_of(model).get(fields[part], "")
        model = _model_in(field.annotation) or _Leaf
    return inspect.cleandoc(said)


class _Leaf(BaseModel):
    """A value without fields."""


def _model_in(annotation: Any) -> Any:
    """The model that a field holds, in whatever it is wrapped; None where it is a plain value."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Annotated, Union, tuple, list} or get_args(annotation):
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None


def _value_at(spec: Any, path: str) -> Any:
    for part, key in re.findall(r"([^.\[\]]+)|\[([^\]]*)\]", path):
        if part:
            spec = spec.get(part) if isinstance(spec, Mapping) else None
        else:
            entries = spec if isinstance(spec, list) else []
            named = (e for e in entries if str(e.get("name", e.get("percent"))) == key)
            spec = next(named, None)
    return spec


def _effects(plain: str, path: str, status: Mapping[str, Any]) -> Iterator[str]:
    first = plain.partition(".")[0]
    if plain in PEOPLES:
        yield "It is no part of the plan: no signature is lost, and no soak."
        yield "It is set in the cluster, best by this plugin, and does not belong in Git."
        return
    if plain == "target.onDelete":
        yield "It is no part of the plan: no signature is lost, and no soak."
        return
    if first == "target":
        yield "It cannot be changed: another target is another Rollout."
        return
    yield "It is part of the plan: every signature and report for it is void, and asked for again."
    here = status.get("percent")
    if first in SOAK_BEARING_PARTS:
        yield "The soak of the present step begins again, and so does its baseline."
    elif first == "steps" and f"[{here}]" in path:
        yield "The soak that was earned is kept; the present step's percentage cannot be changed."
    else:
        yield "The soak that was earned is kept."
    yield "Nobody is moved by it. `kubectl surefoot diff FILE` says what a certain edit costs."


def _in_lines(found: JSON) -> Iterator[output.Line]:
    yield found["field"]
    for line in found["description"].splitlines():
        yield f"  {line}"
    value = "absent" if found["value"] is None else str(found["value"])
    yield f"  now: {value}"
    yield "A change of it:"
    for effect in found["effects"]:
        yield f"  {effect}"
