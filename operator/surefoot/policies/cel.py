"""Writing CEL: literals, and expressions that several policies share.

Expressions are total: an error while one is evaluated would be a 422 that explains nothing. So a
field that may be absent is always read with `.?` and `[?key]`.
"""

import json
from collections.abc import Iterable

ME = "request.userInfo.username"
MY_GROUPS = "request.userInfo.?groups.orValue([])"
MY_UID = "request.userInfo.?uid.orValue('')"


def text(value: str) -> str:
    """A string literal."""
    return json.dumps(value, ensure_ascii=True)


def texts(values: Iterable[str]) -> str:
    """A list of string literals."""
    return f"[{', '.join(map(text, values))}]"


def is_one_of(values: Iterable[str]) -> str:
    """Whether the caller is one of these users."""
    return f"{ME} in {texts(values)}"


def on(operation: str, then: str) -> str:
    """``then`` must hold for requests of this operation; others pass."""
    return f"request.operation != '{operation}' || {then}"


def kept(field: str) -> str:
    """The value of a metadata map before the request; empty where there was no object."""
    return f"request.operation == 'UPDATE' ? oldObject.metadata.?{field}.orValue({{}}) : {{}}"


def given(field: str) -> str:
    """The value of a metadata map as the request has it."""
    return f"object.metadata.?{field}.orValue({{}})"
