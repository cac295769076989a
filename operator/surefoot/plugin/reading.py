"""Lists of objects as models: one that cannot be read is said and does not hide the others."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from surefoot.errors import UnreadableObject
from surefoot.plugin import output

JSON = dict[str, Any]
T = TypeVar("T")


def readable(raw_objects: Iterable[JSON], read: Callable[[JSON], T]) -> list[T]:
    """The objects that can be read. A warning names each of the others."""
    models: list[T] = []
    for raw in raw_objects:
        try:
            models.append(read(raw))
        except UnreadableObject as error:
            output.warn(f"Warning: {error}")
    return models
