"""record export, record verify: lines of the record, out of the cluster and checked."""

from collections.abc import Sequence

import typer

from surefoot.adapters.kubernetes.http import JSON
from surefoot.cli.exits import NO, USAGE
from surefoot.domain.record.verification import Chain, Verification, exported
from surefoot.domain.record.verification import verify as verify_lines
from surefoot.plugin import output
from surefoot.plugin.commands.options import Format
from surefoot.plugin.files import BadFile, read_record
from surefoot.plugin.session import Session


async def export(session: Session, name: str | None) -> int:
    """Every entry that the Rollouts have."""
    for raw in await session.rollouts(name):
        for line in exported(raw):
            # As it is: the lines are sealed. JSON has control characters escaped.
            typer.echo(line)
    return 0


async def verify(session: Session, name: str, format_: Format, *, allow_gaps: bool) -> int:
    """The history as the cluster has it now."""
    texts = [line for raw in await session.rollouts(name) for line in exported(raw)]
    return _told(name, verify_lines(texts), format_, allow_gaps=allow_gaps)


def verify_file(source: str, format_: Format, *, allow_gaps: bool) -> int:
    """A file, or standard input; no cluster is asked. Raises nothing for what is in it."""
    try:
        texts = read_record(source)
    except BadFile as error:
        output.warn(f"Error: {error}")
        return USAGE
    return _told(source, verify_lines(texts), format_, allow_gaps=allow_gaps)


def _told(source: str, found: Verification, format_: Format, *, allow_gaps: bool) -> int:
    faults = (*found.faults, *(() if allow_gaps else found.gaps))
    is_empty = not found.chains and not faults
    if format_ is Format.JSON:
        output.say_json(_as_json(found))
    else:
        output.say("\n".join(_in_lines(source, found, intact=not faults and not is_empty)))
    if is_empty:
        # Nothing to be found fault with is not the same as intact.
        output.warn(f"Error: {source} has no entries")
    elif faults:
        output.warn(f"Error: {source} is not intact: {faults[0]}")
    return NO if faults or is_empty else 0


def _in_lines(source: str, found: Verification, *, intact: bool) -> Sequence[str]:
    lines = [*map(str, found.faults), *map(str, found.gaps)]
    lines += [_chain_in_words(chain) for chain in found.chains]
    if intact:
        lines.append(f"{source}: intact")
    return lines


def _chain_in_words(chain: Chain) -> str:
    said = f"{chain.origin}: {chain.entries} entries"
    if chain.doubles:
        said += f" ({chain.doubles} lines came twice)"
    if chain.begins_late:
        said += ", those before the first are not in it"
    return f"{said}; last {chain.last.transition_id} {chain.last.hash}" if chain.last else said


def _as_json(found: Verification) -> JSON:
    return {
        "intact": not found.faults and not found.gaps,
        "faults": [
            {"line": fault.line, "kind": fault.kind.value, "message": fault.message}
            for fault in (*found.faults, *found.gaps)
        ],
        "rollouts": [
            {
                **chain.origin._asdict(),
                "entries": chain.entries,
                "doubles": chain.doubles,
                "beginsLate": chain.begins_late,
                "last": chain.last._asdict() if chain.last else None,
            }
            for chain in found.chains
        ],
    }
