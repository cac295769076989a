"""lint: the files that were named, and how what was found is printed."""

from collections.abc import Sequence
from pathlib import Path

from surefoot.cli.exits import NO, USAGE
from surefoot.lint.linter import Report, apply, lint
from surefoot.lint.meaning import Surroundings
from surefoot.lint.printing import as_annotations, as_json, as_sarif, in_lines, summary
from surefoot.lint.text import MOST_BYTES
from surefoot.plugin import output
from surefoot.plugin.commands.offline import LintFormat
from surefoot.plugin.files import STDIN, BadFile, read_text, say_lines, write_text

_SUFFIXES = ("*.yaml", "*.yml", "*.json")


def lint_files(
    names: Sequence[str], around: Surroundings, format_: LintFormat, *, fix: bool
) -> int:
    """What is wrong in these files; 1 where something is, 2 where one cannot be read."""
    try:
        reports = [_lint(name, around, fix=fix) for name in _expanded(names)]
    except BadFile as error:
        output.warn(f"Error: {error}")
        return USAGE
    findings = [finding for report in reports for finding in report.findings]
    notes = [note for report in reports for note in report.notes]
    plans = sum(report.plans for report in reports)
    match format_:
        case LintFormat.JSON:
            output.say_json(as_json(findings, notes, plans))
        case LintFormat.SARIF:
            output.say_json(as_sarif(findings))
        case LintFormat.GITHUB:
            say_lines(as_annotations(findings))
        case LintFormat.TEXT:
            say_lines(in_lines(findings))
    if format_ is not LintFormat.JSON:
        for note in notes:
            output.warn(note)
    if not plans and not findings:
        output.warn(f"Error: no Rollout is in {', '.join(names)}")
        return USAGE
    if format_ is LintFormat.TEXT:
        output.warn(summary(findings, plans))
    return NO if any(finding.fails for finding in findings) else 0


def _expanded(names: Sequence[str]) -> list[str]:
    """The files of directories, and the names as they are."""
    found: list[str] = []
    for name in names:
        path = Path(name)
        if name != STDIN and path.is_dir():
            try:
                within = sorted(str(each) for suffix in _SUFFIXES for each in path.rglob(suffix))
            except OSError as error:
                raise BadFile(f"{name}: {(error.strerror or str(error)).lower()}") from error
            if not within:
                raise BadFile(f"{name} has no {' or '.join(_SUFFIXES)} in it")
            found += within
        else:
            found.append(name)
    return list(dict.fromkeys(found))


def _lint(name: str, around: Surroundings, *, fix: bool) -> Report:
    text = read_text(name, MOST_BYTES)
    shown = "stdin" if name == STDIN else name
    report = lint(shown, text, around)
    if not fix or all(finding.edit is None for finding in report.findings):
        return report
    if name == STDIN:
        raise BadFile("standard input cannot be mended: name a file with --fix")
    mended, count = apply(text, report.findings)
    write_text(name, mended)
    output.warn(f"{name}: mended {count} of {len(report.findings)}")
    return lint(shown, mended, around)
