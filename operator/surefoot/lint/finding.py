"""Findings: what was found where, by which rule, and what to do."""

from dataclasses import dataclass
from enum import StrEnum

from surefoot.lint.text import Path, Place


class Level(StrEnum):
    """How bad a finding is. A note does not fail."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is looked for. The id is stable: tools and comments name it.

    ``why`` says in a sentence what goes wrong where it is not kept.
    """

    id: str
    name: str
    level: Level
    why: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the text that is safe: what it means is beyond doubt."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something found in a document, at a path. ``advice`` says what to do about it.

    ``place`` is given where the path does not say it, such as the place of a name.
    """

    rule: Rule
    message: str
    path: Path = ()
    advice: str = ""
    edit: Edit | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault with its place in a file. Line and column are counted from 1."""

    rule: Rule
    message: str
    advice: str
    file: str
    line: int
    column: int
    length: int
    path: str
    source: str
    """The line of the text."""
    edit: Edit | None = None

    @property
    def fails(self) -> bool:
        """Whether it makes the command end with 1."""
        return self.rule.level is not Level.NOTE


def written(path: Path) -> str:
    """A path as people write it: `spec.steps[0].percent`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
