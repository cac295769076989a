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
TEXT_TOKENS = frozenset(
    number
    for number, name in tokenize.tok_name.items()
    if name in {"STRING", "COMMENT", "FSTRING_MIDDLE"}
)


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
    before, after = r"(?<![-\w`*{])", r"(?![-\w`*}])"
    pattern = rf'{before}(?:(?<!")(?:{words})|(?:{words})(?!")){after}'
    return Expression(re.compile(pattern), advice, instead)


EXPRESSIONS = (
    _words("can not", "write cannot", "cannot"),
    _words("Can not", "write Cannot", "Cannot"),
    _words("anew", "write again", "again"),
    _words("afresh", "write again", "again"),
    _words("whoever", "write anyone who, or name the person", "anyone who"),
    _words("Whoever", "write Anyone who, or name the person", "Anyone who"),
    _words("aught|naught|ought not", "use a plain word"),
    _words("thereof|therein|hereby|whereby", "say it in two sentences"),
    Expression(
        re.compile(r"(?<=[\d}]) %(?=[\s.,;:)\]\"'`|*<\\{?!/]|$)", re.MULTILINE),
        "write percentages without a space: 25%",
        "%",
    ),
    Expression(
        re.compile(
            r'(?<=^    """)(?:Who|Whom|Whose|Where) (?!is |are |may |can |must )', re.MULTILINE
        ),
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
    for line, part in texts(name, text):
        for expression in EXPRESSIONS:
            if name.startswith(expression.only):
                for match in expression.pattern.finditer(part):
                    yield line + part.count("\n", 0, match.start()), expression, match[0].strip()


def texts(name: str, text: str) -> Iterator[tuple[int, str]]:
    """What people read of a file, with the line on which it begins."""
    if not name.endswith(".py"):
        yield 1, text
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in TEXT_TOKENS:
            before = " " * token.start[1] if token.type == tokenize.STRING else ""
            yield token.start[0], before + token.string


def fix(name: str, text: str) -> str:
    """The text of a file with everything replaced that has one replacement."""
    if not name.endswith(".py"):
        return _replaced(text)
    lines = text.splitlines(keepends=True)
    edits = [
        (token.start, token.end, _replaced(token.string))
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type in TEXT_TOKENS
    ]
    for (top, left), (bottom, right), words in reversed(edits):
        head, tail = lines[top - 1][:left], lines[bottom - 1][right:]
        lines[top - 1 : bottom] = [head + words + tail]
    return "".join(lines)


def _replaced(text: str) -> str:
    for expression in EXPRESSIONS:
        if expression.instead is not None:
            text = expression.pattern.sub(expression.instead, text)
    return text


if __name__ == "__main__":
    sys.exit(main())
