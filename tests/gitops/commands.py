"""The kubectl commands that we document and print, and which resources they name."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.gitops.argocd import PROJECT

KINDS = ("rollout", "checkpoint", "approval")
SHORT = ("sfr", "sfc", "sfa")
VERBS = frozenset(
    {
        "get",
        "describe",
        "patch",
        "edit",
        "delete",
        "explain",
        "annotate",
        "label",
        "wait",
        "replace",
    }
)
"""Commands of kubectl whose first argument is a resource."""
WITH_VALUE = frozenset({"-n", "--namespace", "-o", "-p", "-l", "-f", "-k", "--as", "--context"})

_BARE = re.compile(rf"^(?:{'|'.join(KINDS)})s?(?:[./].*)?$")
_OURS = re.compile(
    rf"^(?:(?:{'|'.join(KINDS)})s\.surefoot\.dev(?:/.*)?|(?:{'|'.join(SHORT)})(?:[./].*)?)$"
)


@dataclass(frozen=True)
class Command:
    """A command, and where it stands."""

    where: str
    text: str

    @property
    def words(self) -> tuple[str, ...]:
        """The command's words, up to its end in the shell."""
        lexer = shlex.shlex(self.text, posix=True, punctuation_chars="|>;&")
        lexer.whitespace_split = True
        words = []
        try:
            for word in lexer:
                if set(word) <= set("|>;&"):
                    break
                words.append(word)
        except ValueError:
            return tuple(self.text.split())
        return tuple(words)

    @property
    def resources(self) -> tuple[str, ...]:
        """The resources that it names: the first argument of a verb that takes one."""
        words = list(self.words[1:])
        plain: list[str] = []
        while words:
            word = words.pop(0)
            if word in WITH_VALUE and words:
                words.pop(0)
            elif not word.startswith("-"):
                plain.append(word)
        if len(plain) < 2 or plain[0] not in VERBS:
            return ()
        return tuple(plain[1].split(","))

    @property
    def ambiguous(self) -> tuple[str, ...]:
        """The resources that another project's kind could be meant by."""
        return tuple(name for name in self.resources if _BARE.match(name) and not _OURS.match(name))

    @property
    def ours(self) -> tuple[str, ...]:
        """The resources that can only be ours."""
        return tuple(name for name in self.resources if _OURS.match(name))


def commands_in(path: Path) -> Iterator[Command]:
    """Every kubectl command in a file, whatever stands before it in its line."""
    text = re.sub(r"\\\n\s*#?\s*", "", path.read_text(encoding="utf-8"))
    for number, line in enumerate(text.splitlines(), 1):
        for match in re.finditer(r"(?<![\w/.-])kubectl (?!surefoot)", line):
            yield Command(f"{path.relative_to(PROJECT)}:{number}", _up_to_the_end(line, match))


def _up_to_the_end(line: str, match: re.Match[str]) -> str:
    """Up to the quote that the command stands in, or to a comment behind it."""
    quote = line[match.start() - 1 : match.start()]
    rest = line[match.start() :]
    if quote in {"`", '"', "'"}:
        rest = rest.partition(quote)[0]
    return re.split(r"\s{2,}#", rest)[0].strip()


def documented() -> Iterator[Path]:
    """What people read."""
    yield from (PROJECT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md"))
    yield from sorted((PROJECT / "docs").rglob("*.md"))
    recorded = PROJECT / "manifests" / "argocd" / "resource_customizations"
    for path in sorted((PROJECT / "manifests").rglob("*.yaml")):
        if not path.is_relative_to(recorded):
            yield path


def sources() -> Iterator[Path]:
    """What people read, and what the programs print."""
    yield from documented()
    yield from sorted((PROJECT / "crds").rglob("*.*"))
    for suffix in ("*.py", "*.yaml", "*.j2"):
        yield from sorted((PROJECT / "operator").rglob(suffix))
