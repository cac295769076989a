"""What the text below each field of a model says: the manual of the API, for those who ask for it.

Pydantic can read these texts as well, but does so whenever a model is imported, which takes a
quarter of the time until a command or the operator has its models. So models are without them, and
what prints a manual or a schema asks here.
"""

import ast
import functools
import inspect
import sys
from collections.abc import Mapping

from pydantic import BaseModel


@functools.cache
def descriptions_of(model: type[BaseModel]) -> Mapping[str, str]:
    """The text of each field that has one, by the field's name in Python; inherited ones too."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base is not BaseModel and issubclass(base, BaseModel):
            found |= _written(base.__module__).get(base.__qualname__, {})
    explicit = {name: field.description for name, field in model.model_fields.items()}
    return found | {name: text for name, text in explicit.items() if text}


@functools.cache
def _written(module: str) -> Mapping[str, Mapping[str, str]]:
    """By class of a module, the texts below its fields."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return {node.name: dict(_below_fields(node)) for node in classes}


def _below_fields(node: ast.ClassDef) -> list[tuple[str, str]]:
    return [
        (field.target.id, inspect.cleandoc(text.value.value))
        for field, text in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    ]
