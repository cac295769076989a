"""What the API server would refuse or drop: unknown fields, wrong values, rules between fields.

It is judged by the models that the CRD is generated from, so that both say the same.
"""

import difflib
import re
import typing
from collections.abc import Iterator
from enum import Enum
from itertools import chain, islice
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from surefoot.api.v1alpha1.durations import BOUND_PATTERN, DURATION_PATTERN
from surefoot.api.v1alpha1.meta import API_VERSION, ApiModel, ObjectMeta
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.lint import rules
from surefoot.lint.finding import Edit, Fault, written
from surefoot.lint.text import Node, Path

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
MOST_FAULTS = 100
"""Of one document: anyone who has more begins with these."""
_PEOPLES = ("paused", "rollback", "attempt", "approvalDryRun")
_DIGITS = re.compile(r"-?[0-9]+")


def read(node: Node) -> tuple[Rollout | None, tuple[Fault, ...]]:
    """The Rollout of a document, where it is one, and all that is wrong with its shape."""
    found = chain(_header(node), _repeated(node), _unknown(node, Rollout, ()), _of_people(node))
    faults = list(islice(found, MOST_FAULTS))
    try:
        rollout = Rollout.model_validate(_without_status(node))
    except ValidationError as error:
        faults += islice(_refused(node, error.errors(include_url=False)), MOST_FAULTS)
        return None, tuple(faults)
    return rollout, tuple(faults)


def _without_status(node: Node) -> Any:
    value = node.value()
    return {name: part for name, part in value.items() if name != "status"}


def _header(node: Node) -> Iterator[Fault]:
    for name, value in (("apiVersion", API_VERSION), ("kind", "Rollout")):
        if node.at((name,)) is None:
            yield Fault(rules.WRONG_VALUE, f"{name} is missing", (), f"write {name}: {value}")
    metadata = node.at(("metadata",))
    if metadata is not None and isinstance(metadata.content, dict):
        yield from _metadata(metadata)


def _metadata(metadata: Node) -> Iterator[Fault]:
    name = metadata.at(("name",))
    if name is None:
        if metadata.at(("generateName",)) is None:
            yield Fault(
                rules.WRONG_VALUE, "metadata.name is missing", ("metadata",), "give it a name"
            )
    elif isinstance(name.content, str) and (
        len(name.content) > 63 or not _NAME.fullmatch(name.content)
    ):
        yield Fault(
            rules.WRONG_VALUE,
            f"metadata.name is {_said(name.content)}",
            ("metadata", "name"),
            "at most 63 of a-z, 0-9, - and ., beginning and ending with a letter or digit",
        )


def _repeated(node: Node) -> Iterator[Fault]:
    for path, each in node.nodes():
        for name, place in each.repeated:
            yield Fault(
                rules.REPEATED,
                f"{written((*path, name))} is there twice",
                (*path, name),
                "remove one of them",
                place=place,
            )


def _of_people(node: Node) -> Iterator[Fault]:
    if node.at(("status",)) is not None:
        yield Fault(
            rules.STATUS_WRITTEN, "the file has a status", ("status",), "remove it from the file"
        )
    for name in _PEOPLES:
        if node.at(("spec", name)) is not None:
            yield Fault(
                rules.PERSONS_FIELD,
                f"spec.{name} is set by people while the rollout runs",
                ("spec", name),
                "remove it from the file; `kubectl surefoot` has a command for it",
            )


# Fields that are not known.


def _unknown(node: Node, model: type[ApiModel], path: Path) -> Iterator[Fault]:
    content = node.content
    if isinstance(content, list):
        for index, each in enumerate(content):
            yield from _unknown(each, model, (*path, index))
    if not isinstance(content, dict):
        return
    known = {_alias(model, name): field.annotation for name, field in model.model_fields.items()}
    for name, child in content.items():
        if name not in known:
            yield _unknown_field(node, name, (*path, name), tuple(known))
            continue
        below = _model_in(known[name])
        is_left_alone = below is ObjectMeta or (not path and name == "status")
        if below is not None and not is_left_alone:
            yield from _unknown(child, below, (*path, name))


def _unknown_field(node: Node, name: str, path: Path, known: tuple[str, ...]) -> Fault:
    place = node.keys[name]
    same = [each for each in known if _folded(each) == _folded(name)]
    near = same or difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    is_safe = bool(same) and same[0] not in node.content
    return Fault(
        rules.UNKNOWN_FIELD,
        f"{written(path)} is no field",
        path,
        f"write {near[0]}" if near else f"there are: {', '.join(known)}",
        Edit(place.start, place.end, same[0]) if is_safe else None,
        place,
    )


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _alias(model: type[ApiModel], name: str) -> str:
    return model.model_fields[name].alias or name


def _model_in(annotation: Any) -> type[ApiModel] | None:
    """The model that a field holds, be it optional, annotated or a list."""
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        return annotation
    found = (_model_in(part) for part in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)


# Values that are refused.


def _refused(node: Node, errors: list[ErrorDetails]) -> Iterator[Fault]:
    seen: set[Path] = set()
    for error in errors:
        path = _path_in(node, error["loc"])
        found = node.at(path)
        if error["type"] == "missing":
            name = str(error["loc"][-1])
            where = written((*path, name))
            if found is not None and isinstance(found.content, dict) and _is_misspelt(found, name):
                continue  # the unknown field says so
            yield Fault(rules.WRONG_VALUE, f"{where} is missing", path, f"add {name}")
        elif error["type"] == "value_error" and _is_of_rule(error, path):
            yield _broken_rule(error, path)
        elif path not in seen:
            seen.add(path)
            meant = _branch(found, path, errors, node) or error
            yield _wrong_value(node, found or node, path, meant)


def _is_misspelt(found: Node, name: str) -> bool:
    return any(_folded(each) == _folded(name) for each in found.content)


def _path_in(node: Node, loc: tuple[int | str, ...]) -> Path:
    """The part of pydantic's place that the document has: what is behind it names alternatives."""
    path: Path = ()
    for part in loc:
        if node.at((*path, part)) is None:
            break
        path = (*path, part)
    return path


def _branch(
    found: Node | None, path: Path, errors: list[ErrorDetails], node: Node
) -> ErrorDetails | None:
    """Of the alternatives that a value may be, what the one that was meant says of it."""
    same = [error for error in errors if _path_in(node, error["loc"]) == path]
    wrong_type = {"int_type", "string_type", "bool_type"}
    fitting = [error for error in same if error["type"] not in wrong_type]
    return fitting[0] if fitting and found is not None else None


def _is_of_rule(error: ErrorDetails, path: Path) -> bool:
    return _rule_field(path, _message(error)) is not None


def _broken_rule(error: ErrorDetails, path: Path) -> Fault:
    message = _message(error)
    field = _rule_field(path, message) or ""
    whole = (*path, field.removeprefix(".")) if field else path
    return Fault(rules.BROKEN_RULE, f"{written(path) or 'the Rollout'}: {message}", whole)


def _rule_field(path: Path, message: str) -> str | None:
    """The field that the broken rule of a model names; None where it is no rule of a model."""
    model: type[ApiModel] | None = Rollout
    for part in path:
        if isinstance(part, int) or model is None:
            continue
        name = next((n for n in model.model_fields if _alias(model, n) == part), None)
        model = _model_in(model.model_fields[name].annotation) if name is not None else None
    broken = next((r for r in model.rules if r.message == message), None) if model else None
    return None if broken is None else broken.field


def _message(error: ErrorDetails) -> str:
    return error["msg"].removeprefix("Value error, ")


def _wrong_value(node: Node, found: Node, path: Path, error: ErrorDetails) -> Fault:
    expected, edit = _expected(found, error)
    if error["type"] == "string_type":
        later = _as_a_text(node, found, path)
        if later is not None:
            expected, edit = later, None
    message = f"{written(path) or 'the document'} is {_said(found.content)}"
    return Fault(rules.WRONG_VALUE, message, path, expected, edit)


def _as_a_text(node: Node, found: Node, path: Path) -> str | None:
    """What would be said of the value if it were written as a text; None where that is enough."""
    was, found.content = found.content, str(found.content)
    try:
        Rollout.model_validate(_without_status(node))
    except ValidationError as error:
        errors = error.errors(include_url=False)
        same = (each for each in errors if _path_in(node, each["loc"]) == path)
        return next((_expected(found, each)[0] for each in same), None)
    finally:
        found.content = was
    return None


_SENTENCES = {
    "greater_than_equal": "write at least {ge}",
    "less_than_equal": "write at most {le}",
    "too_short": "it needs at least {min_length}",
    "string_too_short": "it needs at least {min_length} characters",
    "too_long": "at most {max_length} are taken",
    "string_too_long": "at most {max_length} characters are taken",
    "tuple_type": "write a list",
    "list_type": "write a list",
    "model_type": "write a mapping of fields",
    "model_attributes_type": "write a mapping of fields",
    "dict_type": "write a mapping of fields",
}


def _expected(found: Node, error: ErrorDetails) -> tuple[str, Edit | None]:
    """What would be taken, and the edit that makes it so where that is beyond doubt."""
    context = error.get("ctx", {})
    match error["type"]:
        case "int_type" | "int_from_float" | "string_type" if isinstance(found.content, float):
            return "write it as a text, in quotes", _quoted(found)
        case "int_type" | "int_from_float":
            text = found.content if isinstance(found.content, str) else ""
            edit = _scalar_edit(found, text) if _DIGITS.fullmatch(text) else None
            return "write a whole number, without quotes", edit
        case "string_type":
            edit = _quoted(found) if _DIGITS.fullmatch(str(found.content)) else None
            return "write a text; in quotes, where YAML would read something else", edit
        case "bool_type":
            meant = {"true": "true", "false": "false"}.get(str(found.content).lower())
            return "write true or false, without quotes", _scalar_edit(found, meant)
        case "enum" | "literal_error":
            return _one_of(found, str(context.get("expected", "")))
        case "string_too_short" if context.get("min_length") == 2:
            return _of_pattern(DURATION_PATTERN, found)  # no other text has this least length
        case "string_pattern_mismatch":
            return _of_pattern(str(context.get("pattern", "")), found)
        case kind:
            sentence = _SENTENCES.get(kind)
            return (sentence.format(**context) if sentence else _message(error)), None


def _one_of(found: Node, expected: str) -> tuple[str, Edit | None]:
    choices = re.findall(r"'([^']*)'", expected)
    same = [each for each in choices if each.lower() == str(found.content).lower()]
    near = same or difflib.get_close_matches(str(found.content), choices, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"write {' or '.join(choices)}{hint}", _scalar_edit(found, same[0] if same else None)


def _of_pattern(pattern: str, found: Node) -> tuple[str, Edit | None]:
    if pattern == DURATION_PATTERN:
        return "write a duration: 48h, 30m, 90s, 7d or 1h30m", None
    if pattern == BOUND_PATTERN:
        return 'write a bound: 1, "0.001" or "0.1%"', None
    text = str(found.content)
    if pattern.startswith("^[a-z0-9]"):
        return "write a name of a-z, 0-9 and -, beginning and ending with a letter or digit", None
    return f"{text!r} does not fit {pattern}", None


def _scalar_edit(found: Node, text: str | None) -> Edit | None:
    if text is None or isinstance(found.content, dict | list):
        return None
    return Edit(found.place.start, found.place.end, text)


def _quoted(found: Node) -> Edit | None:
    """The scalar in quotes, as it is written: `0.1` becomes `"0.1"`."""
    if not found.is_plain or isinstance(found.content, bool) or found.content is None:
        return None
    text = repr(found.content) if isinstance(found.content, float) else str(found.content)
    return Edit(found.place.start, found.place.end, f'"{text}"')


def _said(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            shown = value if len(value) <= 60 else f"{value[:59]}…"
            return f'"{shown}"'
        case _:
            return str(value)
