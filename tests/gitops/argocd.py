"""Argo CD's Lua, as Argo CD runs it: a Lua 5.1 with hardly any library, and its JSON.

Without `useOpenLibs` Argo CD opens the base and table libraries, `package`, and an `os` that has
`time` and `date`. Scripts here get the base and table libraries alone, so they also run there.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lupa import lua51

PROJECT = Path(__file__).parents[2]
CUSTOMIZATIONS = PROJECT / "manifests" / "argocd" / "resource_customizations"
KINDS = ("Rollout", "Checkpoint", "Approval")
STATUSES = frozenset({"Healthy", "Progressing", "Suspended", "Degraded", "Missing", "Unknown"})

CLOSED = (
    *("string", "math", "io", "os", "debug", "coroutine", "package", "python"),
    *("require", "module", "dofile", "loadfile", "load", "loadstring", "print", "collectgarbage"),
)
INSTRUCTIONS = 2_000_000
"""More than any script may need; Argo CD allows a second."""


class LuaError(Exception):
    """The script has refused, in its own words."""


def run(script: str, obj: Mapping[str, Any], params: Mapping[str, str] | None = None) -> Any:
    """What the script returns for an object, as JSON."""
    lua = lua51.LuaRuntime(
        register_eval=False, register_builtins=False, unpack_returned_tuples=True
    )
    lua.execute('debug.getmetatable("").__index = nil')
    lua.execute(f"debug.sethook(function() error('it takes too long', 0) end, '', {INSTRUCTIONS})")
    lua.execute(" ".join(f"{name} = nil" for name in CLOSED))
    scope = lua.globals()
    scope.obj = _decoded(lua, obj)
    scope.actionParams = _decoded(lua, params or {})
    try:
        return _encoded(lua.execute(script))
    except lua51.LuaError as error:
        raise LuaError(str(error).splitlines()[0]) from error


def _decoded(lua: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        return lua.table_from({key: _decoded(lua, each) for key, each in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, str):
        return lua.table_from([_decoded(lua, each) for each in value])
    return value


def _encoded(value: Any) -> Any:
    """A table whose first key is a number is an array; an empty one as well."""
    if lua51.lua_type(value) != "table":
        return int(value) if isinstance(value, float) and value.is_integer() else value
    keys = list(value)
    if not keys or isinstance(keys[0], int | float):
        assert keys == list(range(1, len(keys) + 1)), "an array with holes cannot be JSON"
        return [_encoded(value[key]) for key in keys]
    assert all(isinstance(key, str) for key in keys), "an object cannot have a number as its key"
    return {key: _encoded(value[key]) for key in keys}


def health(obj: Mapping[str, Any], script: str | None = None) -> dict[str, str]:
    """The health that Argo CD shows for an object, by the script of its kind."""
    answer = run(script or script_of(obj["kind"], "health.lua"), obj)
    assert isinstance(answer, dict)
    assert answer["status"] in STATUSES
    return answer


def actions(obj: Mapping[str, Any], script: str | None = None) -> dict[str, dict[str, Any]]:
    """What can be done to an object, by name."""
    answer = run(script or script_of(obj["kind"], "actions/discovery.lua"), obj)
    assert isinstance(answer, dict)
    return answer


def act(
    obj: Mapping[str, Any], action: str, params: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The merge patch that Argo CD sends for an action."""
    script = script_of(obj["kind"], f"actions/{action}/action.lua")
    return merge_patch(obj, result_of(obj, script, params))


def result_of(
    obj: Mapping[str, Any], script: str, params: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The object as an action's script leaves it, cleaned of what Lua cannot tell apart."""
    answer = run(script, obj, params)
    assert isinstance(answer, dict)
    cleaned = _cleaned(answer, obj)
    assert isinstance(cleaned, dict)
    return cleaned


def _cleaned(new: Any, old: Any) -> Any:
    """An empty table is an empty object where the original had one."""
    if new == [] and isinstance(old, Mapping):
        return {}
    if isinstance(new, dict) and isinstance(old, Mapping):
        order = [*(key for key in old if key in new), *sorted(new.keys() - old.keys())]
        return {key: _cleaned(new[key], old.get(key)) for key in order}
    if isinstance(new, list) and isinstance(old, list):
        return [_cleaned(value, was) for value, was in zip(new, old, strict=False)] + new[
            len(old) :
        ]
    return new


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What RFC 7386 says turns one object into the other."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            inner = merge_patch(old[key], value)
            if inner:
                patch[key] = inner
        elif key not in old or old[key] != value:
            patch[key] = value
    return patch


def script_of(kind: str, name: str) -> str:
    """A script in Argo CD's layout."""
    return (CUSTOMIZATIONS / "surefoot.dev" / kind / name).read_text(encoding="utf-8")


def as_json(obj: Any) -> dict[str, Any]:
    """An object as the API server sends it, which knows nothing but JSON."""
    copy = json.loads(json.dumps(obj))
    assert isinstance(copy, dict)
    return copy
