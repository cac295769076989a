"""The word list: expressions that we do not use, and what we write in their place.

    python -m deploy.words           # says where they are; part of `make check`
    python -m deploy.words --fix     # replaces those that have one replacement

Texts are what people read: pages, manifests and templates as a whole, and of programs their strings
and comments, which are docstrings, messages and help. Generated files follow their sources.
"""

import argparse
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_READ = (
    *("crds/", "charts/surefoot/templates/crds/", "docs/reference/"),  # generated
    *("deploy/words.py", "tests/unit/deploy/test_words.py"),  # they name the expressions
)
SUFFIXES = frozenset({".py", ".md", ".j2", ".yaml", ".txt"})


@dataclass(frozen=True, slots=True)
class Expression:
    """Something that we do not write. ``instead`` replaces it; None where that takes a person."""

    pattern: re.Pattern[str]
    advice: str
    instead: str | None = None
    only: str = ""
    """A folder to which it is limited."""


def _words(words: str, advice: str, instead: str | None = None) -> Expression:
    # Not within a name such as --anew or {anew}, and not a word that is spoken about, as in "anew".
    before, after = r"(?<![-\w`{])", r"(?![-\w`}])"
    pattern = rf'{before}(?:(?<!")(?:{words})|(?:{words})(?!")){after}'
    return Expression(re.compile(pattern), advice, instead)


EXPRESSIONS = (
    _words("can not", "write cannot", "cannot"),
    _words("Can not", "write Cannot", "Cannot"),
    _words("anew", "write again", "again"),
    _words("afresh", "write again", "again"),
    _words("whoever", "write anyone who, or name the person", "anyone who"),
    _words("Whoever", "write Anyone who, or name the person", "Anyone who"),
    _words("for ever", "write forever", "forever"),
    _words("belongs? into", "write belongs in"),
    _words("(?:is|are) meant so", "write intended"),
    _words("looks? whether", "write check whether"),
    _words("aught|naught|ought not", "use a plain word"),
    _words("thereof|therein|hereby|whereby", "say it in two sentences"),
    Expression(
        re.compile(r"(?<=[\d}]) %(?=[\s.,;:)\]\"'`|*<\\{?!/]|$)", re.MULTILINE),
        "write percentages without a space: 25%",
        "%",
    ),
    Expression(
        re.compile(r'(?<=""")(?:Who|Whom|Whose|Where) '),
        "begin a description with its subject, not with Who or Where",
        only="operator/surefoot/api/",
    ),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command: 1 where something is to be changed."""
    parser = argparse.ArgumentParser(prog="python -m deploy.words", description=__doc__)
    parser.add_argument("--fix", action="store_true", help="replace what has one replacement")
    options = parser.parse_args(arguments)
    found = 0
    for path in files():
        text = path.read_text(encoding="utf-8")
        inside = str(path.relative_to(ROOT))
        if options.fix:
            fixed = fix(inside, text)
            if fixed != text:
                path.write_text(fixed, encoding="utf-8")
                text = fixed
        for line, expression, words in findings(inside, text):
            found += 1
            sys.stdout.write(f'{inside}:{line}: "{words}": {expression.advice}\n')
    return 1 if found else 0


def files() -> Iterator[Path]:
    """The files that people write and read. This one names the expressions."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in sorted(set(listed.stdout.splitlines())):
        path = ROOT / name
        is_read = path.suffix in SUFFIXES or path.name == "Makefile"
        if is_read and path.is_file() and not name.startswith(NOT_READ):
            yield path


def findings(name: str, text: str) -> Iterator[tuple[int, Expression, str]]:
    """The line, the expression and the words of everything that is to be changed."""
    wanted = [e for e in EXPRESSIONS if name.startswith(e.only) and e.pattern.search(text)]
    if not wanted:  # most files: nothing needs to be taken apart
        return
    for start, _, part in passages(name, text):
        for expression in wanted:
            for match in expression.pattern.finditer(part):
                line = text.count("\n", 0, start) + part.count("\n", 0, match.start()) + 1
                yield line, expression, match[0].strip()


def fix(name: str, text: str) -> str:
    """The text of a file with everything replaced that has one replacement."""
    for start, end, part in reversed(tuple(passages(name, text))):
        text = text[:start] + _replaced(part) + text[end:]
    return text


def passages(name: str, text: str) -> Iterator[tuple[int, int, str]]:
    """What people read of a file: from where, to where, and the text."""
    if not name.endswith(".py"):
        yield 0, len(text), text
        return
    begins = [0]
    for line in text.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    outer = None  # where a formatted string began that later versions of Python take apart
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        start = begins[token.start[0] - 1] + token.start[1]
        end = begins[token.end[0] - 1] + token.end[1]
        depth += {"FSTRING_START": 1, "FSTRING_END": -1}.get(kind, 0)
        if kind == "FSTRING_START" and depth == 1:
            outer = start
        elif kind == "FSTRING_END" and depth == 0 and outer is not None:
            yield outer, end, text[outer:end]
        elif kind in {"STRING", "COMMENT"} and depth == 0:
            yield start, end, text[start:end]


def _replaced(text: str) -> str:
    for expression in EXPRESSIONS:
        if expression.instead is not None:
            text = expression.pattern.sub(expression.instead, text)
    return text


if __name__ == "__main__":
    sys.exit(main())
