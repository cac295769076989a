"""Pages of a list, read item by item, so that no more than one item is parsed at a time."""

import json
from collections.abc import Iterator
from json.decoder import JSONDecodeError
from typing import Any

from surefoot.errors import Unavailable

JSON = dict[str, Any]
_BLANK = " \t\n\r"
_decode = json.JSONDecoder().raw_decode


class Page:
    """One page. ``items`` must be read to its end before anything else is known."""

    def __init__(self, what: str, raw: bytes) -> None:
        self._what = what
        self._raw = raw
        self._head: JSON = {}

    def items(self) -> Iterator[tuple[JSON, str]]:
        """The items, each with its text.

        Raises `Unavailable` where this is not a list of objects, to its end.
        """
        try:
            yield from self._read(self._raw.decode())
        except (JSONDecodeError, UnicodeDecodeError, IndexError, RecursionError) as error:
            raise Unavailable(f"{self._what}: the answer is not a list in JSON") from error
        if not str(self._head.get("kind", "")).endswith("List"):
            raise Unavailable(f"{self._what}: the answer is not a list: it has no such kind")
        if not self.version:
            raise Unavailable(f"{self._what}: the answer is not a list: it has no resourceVersion")

    @property
    def version(self) -> str:
        """The resourceVersion at which the list is true."""
        return str(self._metadata.get("resourceVersion") or "")

    @property
    def following(self) -> str:
        """The token that asks for the next page; empty after the last one."""
        return str(self._metadata.get("continue") or "")

    @property
    def _metadata(self) -> JSON:
        metadata = self._head.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    def _read(self, text: str) -> Iterator[tuple[JSON, str]]:
        at = _after(text, 0, "{")
        while text[at] != "}":
            name, at = _decode(text, at)
            at = _after(text, at, ":")
            if name == "items" and text[at] == "[":
                at = _after(text, at, "[")
                while text[at] != "]":
                    began = at
                    item, at = _decode(text, at)
                    if not isinstance(item, dict):
                        raise Unavailable(f"{self._what}: the answer is not a list of objects")
                    yield item, text[began:at]
                    at = _next(text, at, "]")
                at = _skip(text, at + 1)
            else:
                self._head[name], at = _decode(text, at)
            at = _next(text, at, "}")


def _skip(text: str, at: int) -> int:
    while text[at] in _BLANK:
        at += 1
    return at


def _after(text: str, at: int, sign: str) -> int:
    """The place of what follows a sign that must be here."""
    at = _skip(text, at)
    if text[at] != sign:
        raise JSONDecodeError(f"expected {sign}", text, at)
    return _skip(text, at + 1)


def _next(text: str, at: int, end: str) -> int:
    """The place of the next member, or of the end."""
    at = _skip(text, at)
    return at if text[at] == end else _after(text, at, ",")
