"""Files that are generated: what they should hold, and how that differs from what is there."""

import argparse
import difflib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import yaml

Texts = Mapping[PurePath, str]
"""The text of each file, by its path below the generator's directory."""


class PlainDumper(yaml.SafeDumper):
    """YAML without anchors: the same node in two places is written twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the same for all data
        """PyYAML's hook: True for what may not become an anchor."""
        return True


@dataclass(frozen=True, slots=True)
class Generator:
    """Makes the files of one directory.

    ``source`` is what they are made from, as in "is not what the models say"; ``target`` is the
    target of `make` that writes them. ``patterns`` match every file that this generator owns or
    once made.
    """

    wanted: Callable[[], Texts]
    patterns: tuple[str, ...]
    directory: Path
    source: str
    target: str

    def present(self, directory: Path) -> Texts:
        """The text of every file that this generator owns or once made."""
        paths = (path for pattern in self.patterns for path in directory.glob(pattern))
        return {path.relative_to(directory): path.read_text(encoding="utf-8") for path in paths}

    def write(self, directory: Path) -> None:
        """Make the directory hold the generated files, and none that is no longer generated."""
        wanted = self.wanted()
        for stale in self.present(directory).keys() - wanted.keys():
            (directory / stale).unlink()
        for path, text in wanted.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(text, encoding="utf-8")

    def differences(self, directory: Path) -> Iterator[str]:
        """The lines of a unified diff from what is there to what should be."""
        present, wanted = self.present(directory), self.wanted()
        for path in sorted(present.keys() | wanted.keys()):
            yield from difflib.unified_diff(
                present.get(path, "").splitlines(keepends=True),
                wanted.get(path, "").splitlines(keepends=True),
                fromfile=str(directory / path),
                tofile=f"{directory / path} (generated)",
            )

    def run(self, program: str, says: str | None, arguments: Sequence[str] | None) -> int:
        """Be a command: write, or with `--check` show what differs and answer with 1."""
        parser = argparse.ArgumentParser(prog=program, description=says)
        parser.add_argument("--check", action="store_true", help="write nothing, show what differs")
        parser.add_argument(
            "--directory", type=Path, default=self.directory, help=f"default: {self.directory}"
        )
        options = parser.parse_args(arguments)
        if not options.check:
            self.write(options.directory)
            return 0
        diff = "".join(self.differences(options.directory))
        if not diff:
            return 0
        sys.stdout.write(diff)
        sys.stderr.write(
            f"{options.directory} is not what the {self.source} say: run make {self.target}\n"
        )
        return 1
