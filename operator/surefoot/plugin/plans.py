"""The plan of a file, for those who look at one before it is applied."""

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.lint.linter import Report, lint, rollouts
from surefoot.lint.printing import picture
from surefoot.lint.text import MOST_BYTES
from surefoot.plugin.files import STDIN, BadFile, read_text


def plan_from(name: str, wanted: str | None) -> Rollout:
    """The Rollout of a file, or the one of this name. Raises `BadFile`."""
    text = read_text(name, MOST_BYTES)
    shown = "stdin" if name == STDIN else name
    report = lint(shown, text)
    broken = [finding for finding in report.findings if finding.rule.id in _UNREADABLE]
    found = rollouts(text) if not any(each.rule.id == "SF001" for each in broken) else ()
    fitting = [each for each in found if wanted is None or each.metadata.name == wanted]
    if len(fitting) == 1 and len(found) == report.plans:
        return fitting[0]
    if broken:
        first = broken[0]
        where = f"{shown}:{first.line}:{first.column}"
        raise BadFile("\n".join((f"{where}: {first.message}; see `lint`", *picture(first))))
    names = ", ".join(each.metadata.name for each in found)
    if not fitting:
        have = f"; there are: {names}" if names else ""
        named = f"no Rollout{f' {wanted}' if wanted else ''} is in {shown}"
        raise BadFile(f"{named}{have or skipped(report, shown)}")
    raise BadFile(f"{shown} has {len(fitting)} Rollouts: name one with --rollout ({names})")


def skipped(report: Report, shown: str) -> str:
    """What a file has instead of a Rollout, to stand after that; empty where it says nothing."""
    notes = [note.removeprefix(f"{shown}: ").removesuffix(": skipped") for note in report.notes]
    more = f" and {len(notes) - MOST_NOTES} more" if len(notes) > MOST_NOTES else ""
    return f": {', '.join(notes[:MOST_NOTES])}{more}" if notes else ""


MOST_NOTES = 3
_UNREADABLE = frozenset({"SF001", "SF004", "SF005"})
