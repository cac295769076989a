"""Values of options without pydantic, which typer would load for every one of them.

Texts, switches and words of a list need no more than a look. Whatever else there is, or is wrong,
is left to typer. Should another version of typer not ask here, commands only start later.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any

import typer


class PlainCoercion:
    """What `get_runtime_param` of one parameter answers with."""

    def __init__(self, param: Any, otherwise: Callable[[], Any]) -> None:
        self._annotation = param.type_descriptor.annotation
        self._otherwise = otherwise

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as the command wants it."""
        is_many = param.multiple or param.nargs == -1
        if value is None or (is_many and not value):
            return () if is_many else None
        if self._is_plain(value):
            return value
        if isinstance(self._annotation, type) and issubclass(self._annotation, Enum):
            named = [each for each in self._annotation if each.value == value]
            if named:
                return named[0]
        try:
            return self._otherwise().coerce(value, param=param, ctx=ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix(
                "Value error, "
            )  # pydantic's, not a person's
            raise

    def _is_plain(self, value: Any) -> bool:
        if isinstance(value, list | tuple):
            return self._annotation == list[str] and all(isinstance(each, str) for each in value)
        is_wanted = isinstance(self._annotation, type) and isinstance(value, self._annotation)
        return is_wanted and isinstance(value, str | bool)


def without_pydantic(command: Any) -> Any:
    """Have a command's parameters read plainly where that is enough, its `--help` among them."""
    for param in command.params:
        read_plainly(param)
    make_help = command.get_help_option
    command.get_help_option = lambda ctx: read_plainly(make_help(ctx))
    return command


def read_plainly(param: Any) -> Any:
    """Have this parameter read plainly where that is enough."""
    otherwise = getattr(param, "get_runtime_param", None)
    is_read_plainly = "get_runtime_param" in vars(param)
    if otherwise is not None and hasattr(param, "type_descriptor") and not is_read_plainly:
        plain = PlainCoercion(param, otherwise)
        param.get_runtime_param = lambda: plain
    return param
