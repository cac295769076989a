"""Objects as models, also those of a cluster that is newer than this command.

The operator refuses to act on what it cannot read. A command only shows, and writes the few fields
that a person decides, which the API server judges. So it leaves out what it does not know, says so,
and works with the rest: nobody may be kept from a rollback by a word in another field.
"""

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from surefoot.adapters.kubernetes import objects
from surefoot.adapters.kubernetes.objects import LEAST_STATUS, head_of
from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.errors import UnreadableObject
from surefoot.plugin import output

JSON = dict[str, Any]
Path = tuple[str | int, ...]
T = TypeVar("T")

INDISPENSABLE: frozenset[Path] = frozenset({
    (), ("apiVersion",), ("kind",), ("metadata",), ("spec",), ("status",), ("spec", "steps"),
    ("spec", "target"), ("spec", "request"), ("spec", "request", "purpose"),
    ("spec", "request", "acknowledges"),
    *(("status", field) for field in LEAST_STATUS),
})  # fmt: skip
"""What says what an object is and where a flag stands: without it, it is taken for another."""
MISSING = ": Field required"
MOST_TRIES = 8
LONGEST_VALUE = 60


def rollout_from(raw: Mapping[str, Any]) -> Rollout:
    """Read a Rollout; a warning says what is left out of it. Raises `UnreadableObject`."""
    return _told(raw, objects.rollout_from)


def checkpoint_from(raw: Mapping[str, Any]) -> Checkpoint:
    """Read a Checkpoint; a warning says what is left out of it. Raises `UnreadableObject`."""
    return _told(raw, objects.checkpoint_from)


def approval_from(raw: Mapping[str, Any]) -> Approval:
    """Read an Approval; a warning says what is left out of it. Raises `UnreadableObject`."""
    return _told(raw, objects.approval_from)


def readable(raw_objects: Iterable[JSON], read: Callable[[JSON], T]) -> list[T]:
    """The objects that can be read. A warning names each of the others."""
    models: list[T] = []
    for raw in raw_objects:
        try:
            models.append(read(raw))
        except UnreadableObject as error:
            output.warn(f"Warning: {error}")
    return models


def _told(raw: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]) -> T:
    model, left_out = known(raw, read)
    if left_out:
        kind = read.__name__.partition("_")[0].capitalize()
        output.warn(f"Warning: {kind} {head_of(raw).key}: {words_of(left_out)}")
    return model


def words_of(left_out: Iterable[str]) -> str:
    """What to say of parts that were left out."""
    return (
        f"this command does not know {'; '.join(left_out)}, and leaves it out of account; in the "
        "cluster it stays as it is; `version` says whether the CRDs are newer"
    )


def known(
    raw: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]
) -> tuple[T, tuple[str, ...]]:
    """The object without what cannot be read, and what that is. Raises `UnreadableObject`. Pure."""
    whole: Any = raw
    left_out: list[str] = []
    for _ in range(MOST_TRIES):
        try:
            model = read(whole)
            of_status = model.left_out.split("; ") if isinstance(model, Rollout) else ()
            # A field that is missing is what a value was that is left out and said already.
            left_out += [part for part in of_status if part and not part.endswith(MISSING)]
            return model, tuple(left_out)
        except UnreadableObject as error:
            faults = error.__cause__
            paths = _unknown_parts(whole, faults) if isinstance(faults, ValidationError) else None
            if not paths:
                raise
            # A part that is gone already is said once, by the value that nobody knew.
            left_out += [text for path in paths if (text := _said(whole, path))]
            whole = _without(whole, paths)
    raise UnreadableObject(f"{head_of(raw).key} has too much that this command does not know")


def _unknown_parts(raw: Any, faults: ValidationError) -> list[Path] | None:
    """The smallest parts with a fault; None where one of them is indispensable."""
    paths = {_part(raw, fault) for fault in faults.errors()}
    return None if paths & INDISPENSABLE else sorted(paths, key=_order)


def _part(raw: Any, fault: ErrorDetails) -> Path:
    """As far as the place of a fault is there: where a field is missing, what it is missing in."""
    path: Path = ()
    for step in fault["loc"]:
        try:
            raw = raw[step]
        except (KeyError, IndexError, TypeError):
            break
        path = (*path, step)
    return path


def _order(path: Path) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (0, step) for step in path]


def _without(raw: Any, paths: list[Path]) -> Any:
    """A copy without these parts, removed from the back: earlier places in lists stay true."""
    whole = copy.deepcopy(raw)
    for path in reversed(paths):
        inner = whole
        for step in path[:-1]:
            inner = inner[step]
        del inner[path[-1]]
    return whole


def _said(raw: Any, path: Path) -> str:
    """`spec.triggers[0].action: "Novel"`."""
    place = ""
    for step in path:
        raw = raw[step]
        place += f"[{step}]" if isinstance(step, int) else f".{step}"
    if isinstance(raw, Mapping) and "name" in raw:
        return f"{place[1:]} ({raw['name']})"
    text = json.dumps(raw, ensure_ascii=False)
    text = text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
    return f"{place[1:]}: {text}"
