"""The pages of the commands: every command with its arguments and options, as `--help` has them."""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer

from surefoot.cli.main import app as surefoot
from surefoot.docgen.markdown import code, page, table
from surefoot.plugin.app import app as plugin

_SUREFOOT = """\
The command `surefoot` runs the operator and holds the tools around it. `testbed` and `demo` come with
the extra `surefoot[testbed]`. `surefoot ctl` is the plugin: [`kubectl surefoot`](kubectl-surefoot.md).
How commands end is on [a page of its own](exit-codes.md).
"""
_PLUGIN = """\
The plugin is installed with Surefoot as `kubectl-surefoot`, which kubectl runs for `kubectl surefoot`.
Every command works with your own rights and in your own name ([the rights of each](../rights.md)).
How commands end is on [a page of its own](exit-codes.md).
"""
_OWN_PAGE = frozenset({"ctl"})


def command_pages() -> Iterator[tuple[str, str]]:
    """The name and the text of each page."""
    for name, title, introduction, app, source in (
        ("surefoot.md", "surefoot", _SUREFOOT, surefoot, "operator/surefoot/cli"),
        ("kubectl-surefoot.md", "kubectl surefoot", _PLUGIN, plugin, "operator/surefoot/plugin"),
    ):
        root = typer.main.get_command(app)
        yield name, page(f"`{title}`", source, introduction, _command(title, root))


def _command(path: str, command: Any) -> Iterator[str]:
    for name, child in getattr(command, "commands", {}).items():
        if child.hidden or name in _OWN_PAGE:
            continue
        where = f"{path} {name}"
        yield f"## `{where}`"
        yield ""
        if child.help:
            yield from _paragraphs(child.help)
        yield from _usage(where, child)
        yield from _parameters(child)
        yield from _command(where, child)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text.replace("\b", "").strip()):
        yield " ".join(paragraph.split())
        yield ""


def _usage(where: str, command: Any) -> Iterator[str]:
    arguments = [_metavar(parameter) for parameter in command.params if _is_argument(parameter)]
    options = ["[OPTIONS]"] if any(not _is_argument(p) for p in command.params) else []
    below = ["COMMAND"] if getattr(command, "commands", None) else []
    yield f"    {' '.join((where, *options, *arguments, *below))}"
    yield ""


def _parameters(command: Any) -> Iterator[str]:
    rows = []
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        if _is_argument(parameter):
            names = code(_metavar(parameter))
        else:
            names = ", ".join(map(code, (*parameter.opts, *parameter.secondary_opts)))
            value = "" if parameter.is_flag else _value(parameter)
            names += f" {code(value)}" if value else ""
        rows.append((names, _default(parameter), parameter.help or ""))
    if rows:
        yield from table(("argument or option", "default", "meaning"), rows)
        yield ""


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _value(parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(choice.value) for choice in kind)
    return str(getattr(kind, "__name__", "value")).upper()


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = getattr(parameter.default, "value", parameter.default)
    if default in (None, False, (), [], "") or callable(default):
        return ""
    return code(str(default).lower() if isinstance(default, bool) else str(default))
