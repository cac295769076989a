"""The record as lines of text that outlive the cluster, and what such lines say of themselves.

Every entry of a history becomes one line, the same bytes each time it is made, so that a line that
was delivered twice is seen to be the same. The entries of one Rollout are a chain by their hashes;
the `seal` of a line also covers whose entry it is. Where entries are missing, a line of type `Gap`
says so. Neither is a signature: those who may rewrite a whole file can make a new chain. What stays
is its last hash, which the Rollout and every other sink have as well.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import rfc8785

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import Transition
from surefoot.domain.record.transitions import sealing_hash, wire_hash

GAP = "Gap"
JSON = dict[str, Any]


class Origin(NamedTuple):
    """Whose history it is."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name} ({self.uid})"


class Mark(NamedTuple):
    """An entry, by its id and its hash."""

    transition_id: str
    hash: str


class Line(NamedTuple):
    """One line of the record, without its line break. ``mark`` is the entry it brings up to."""

    text: str
    mark: Mark
    is_gap_line: bool = False
    """Whether it is of type `Gap`."""
    is_gap: bool = False
    """Whether it says that entries are missing between two that are known."""


# Making lines


def origin_of(rollout: Rollout) -> Origin:
    """Whose history a Rollout's is."""
    metadata = rollout.metadata
    return Origin(metadata.namespace, metadata.name, metadata.uid)


def mark_of(entry: Transition) -> Mark:
    """The entry, by its id and its hash."""
    return Mark(entry.transition_id, entry.hash)


def following(entries: Sequence[Transition], after: Mark | None) -> tuple[Transition, ...]:
    """The entries after this one, or all of them where it is not (or no longer) among them."""
    for index, entry in enumerate(entries):
        if after is not None and entry.hash == after.hash:
            return tuple(entries[index + 1 :])
    return tuple(entries)


def lines(origin: Origin, entries: Iterable[Transition], after: Mark | None) -> Iterator[Line]:
    """A line for each entry, and before those that do not follow the one before, a `Gap`.

    ``after`` is the entry that came last before them; None where none is known.
    """
    last = after
    for entry in entries:
        mark = mark_of(entry)
        if entry.prev_hash != (last.hash if last else ""):
            text = _sealed(_gap(origin, last, mark))
            yield Line(text, mark, is_gap_line=True, is_gap=last is not None)
        yield Line(_sealed(_entry(origin, entry.to_wire())), mark)
        last = mark


def exported(raw: JSON) -> tuple[str, ...]:
    """The whole history of a Rollout, as it was read, as lines.

    Each line names the last entry, so that it shows where the end is cut off.
    """
    metadata = raw["metadata"]
    origin = Origin(metadata["namespace"], metadata["name"], metadata["uid"])
    history = (raw.get("status") or {}).get("history") or ()
    if not history:
        return ()
    last = {"last": _wire_of(_mark(history[-1]))}
    made: list[str] = []
    before: Mark | None = None
    for wire in history:
        if wire.get("prevHash", "") != (before.hash if before else ""):
            made.append(_sealed({**_gap(origin, before, _mark(wire)), **last}))
        made.append(_sealed({**_entry(origin, wire), **last}))
        before = _mark(wire)
    return tuple(made)


def _entry(origin: Origin, wire: JSON) -> JSON:
    return {
        "type": wire["type"],
        "id": wire["transitionId"],
        "rollout": origin._asdict(),
        "entry": wire,
    }


def _gap(origin: Origin, after: Mark | None, before: Mark) -> JSON:
    known = "\n".join((origin.uid, after.hash if after else "", before.hash))
    return {
        "type": GAP,
        "id": f"gap-{hashlib.sha256(known.encode()).hexdigest()[:20]}",
        "rollout": origin._asdict(),
        "gap": {"from": _wire_of(after) if after else None, "to": _wire_of(before)},
    }


def _wire_of(mark: Mark) -> JSON:
    return {"transitionId": mark.transition_id, "hash": mark.hash}


def _sealed(line: JSON) -> str:
    return rfc8785.dumps({**line, "seal": sealing_hash(line, "seal")}).decode()


# Verifying lines


class FaultKind(StrEnum):
    """What is wrong with a record."""

    UNREADABLE = "unreadable"
    CHANGED = "changed"
    MISSING = "missing"
    REORDERED = "reordered"
    GAP = "gap"


class Fault(NamedTuple):
    """One thing that is wrong, and in which line, counted from 1."""

    line: int
    kind: FaultKind
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.kind.value}: {self.message}"


@dataclass(slots=True)
class Chain:
    """What the lines have of one Rollout."""

    origin: Origin
    entries: int = 0
    doubles: int = 0
    last: Mark | None = None
    begins_late: bool = False
    """Whether there were entries before the first, of which a line says that they are not there."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. The record is intact where there are no faults."""

    chains: tuple[Chain, ...]
    faults: tuple[Fault, ...]
    """What was tampered with or lost, by line."""
    gaps: tuple[Fault, ...]
    """Entries that were lost before they could be delivered, as the record itself says."""


def verify(texts: Iterable[str]) -> Verification:
    """Check lines: that each is as it was made, and that every chain is whole and in order.

    The same line twice counts once: delivery is repeated where it is not known to have arrived.
    """
    return _Verifier(list(texts)).verify()


@dataclass(frozen=True, slots=True)
class _Read:
    """A line that has the shape of one."""

    number: int
    origin: Origin
    entry: Mark | None
    previous: str
    gap: tuple[Mark | None, Mark] | None
    last: Mark | None


class _FaultyLineError(Exception):
    def __init__(self, kind: FaultKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(slots=True)
class _Verifier:
    texts: list[str]
    faults: list[Fault] = field(default_factory=list)
    gaps: list[Fault] = field(default_factory=list)
    chains: dict[str, Chain] = field(default_factory=dict)
    where: dict[tuple[str, str], int] = field(default_factory=dict)
    """For each entry, by Rollout UID and hash, the line that first has it."""
    announced: dict[tuple[str, str], tuple[Mark | None, Mark]] = field(default_factory=dict)
    """Gaps that were announced, by Rollout UID and the hash of the entry after them."""
    promised: dict[str, tuple[int, Mark]] = field(default_factory=dict)
    """The last entry that a line says there is, by Rollout UID."""

    def verify(self) -> Verification:
        read = [line for line in map(self._read, *self._numbered()) if line is not None]
        for line in read:
            if line.entry is not None:
                self.where.setdefault((line.origin.uid, line.entry.hash), line.number)
        for line in read:
            self._take(line)
        for uid, (number, last) in self.promised.items():
            if (uid, last.hash) not in self.where:
                self._fault(
                    number,
                    FaultKind.MISSING,
                    f"entry {last.transition_id}, which it names as the last of Rollout "
                    f"{self.chains[uid].origin}, is not there",
                )
        return Verification(
            tuple(self.chains.values()), tuple(sorted(self.faults)), tuple(self.gaps)
        )

    def _numbered(self) -> tuple[list[int], list[str]]:
        numbered = [(number, text) for number, text in enumerate(self.texts, 1) if text.strip()]
        return [number for number, _ in numbered], [text for _, text in numbered]

    def _read(self, number: int, text: str) -> _Read | None:
        try:
            return _read(number, text)
        except _FaultyLineError as fault:
            if fault.kind is not FaultKind.UNREADABLE or not self._is_begun_again(number, text):
                self._fault(number, fault.kind, str(fault))
            return None

    def _is_begun_again(self, number: int, text: str) -> bool:
        """Whether a crash cut this line short and the whole of it came later."""
        return any(later.startswith(text) for later in self.texts[number:])

    def _take(self, line: _Read) -> None:
        chain = self.chains.setdefault(line.origin.uid, Chain(line.origin))
        if line.last is not None:
            self.promised[line.origin.uid] = (line.number, line.last)
        if line.gap is not None:
            self.announced[line.origin.uid, line.gap[1].hash] = line.gap
        if line.entry is None:
            return
        if self.where[line.origin.uid, line.entry.hash] != line.number:
            chain.doubles += 1
            return
        self._links(chain, line, line.entry)
        chain.entries += 1
        chain.last = line.entry

    def _links(self, chain: Chain, line: _Read, entry: Mark) -> None:
        """Whether the entry follows the one before it, or a gap says why not."""
        known = chain.last.hash if chain.last else ""
        if line.previous == known:
            return
        gap = self.announced.get((chain.origin.uid, entry.hash))
        if gap is not None and (gap[0].hash if gap[0] else "") == known:
            self._is_gap(chain, line, entry)
            return
        there = self.where.get((chain.origin.uid, line.previous))
        before = f"entry {chain.last.transition_id}" if chain.last else "the beginning"
        if there is None:
            kind = FaultKind.MISSING
            message = f"between {before} and it at least one entry is missing"
        elif there > line.number:
            kind, message = FaultKind.REORDERED, f"it stands before line {there}, which it follows"
        elif not any(fault.line >= there for fault in self.faults):
            kind, message = (
                FaultKind.REORDERED,
                f"it follows line {there}, and stands after {before}",
            )
        else:
            return  # what stands in its place has been told of
        name = f"entry {entry.transition_id} of Rollout {chain.origin}"
        self._fault(line.number, kind, f"{name}: {message}")

    def _is_gap(self, chain: Chain, line: _Read, entry: Mark) -> None:
        if chain.last is None:
            chain.begins_late = True
            return
        message = (
            f"between entries {chain.last.transition_id} and {entry.transition_id} of Rollout "
            f"{chain.origin} some were dropped from the history before they were delivered"
        )
        self.gaps.append(Fault(line.number, FaultKind.GAP, message))

    def _fault(self, number: int, kind: FaultKind, message: str) -> None:
        self.faults.append(Fault(number, kind, message))


def _read(number: int, text: str) -> _Read:
    """Take a line apart. Raises _FaultyLineError where it is not as it was made."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        raise _FaultyLineError(FaultKind.UNREADABLE, "it is not whole JSON") from None
    try:
        is_sealed = line["seal"] == sealing_hash(line, "seal")
        origin, name = Origin(**line["rollout"]), str(line["id"])
        last = _mark(line["last"]) if "last" in line else None
        if line["type"] == GAP:
            came = line["gap"]["from"]
            gap = (None if came is None else _mark(came), _mark(line["gap"]["to"]))
            entry, previous, is_hashed = None, "", True
        else:
            wire, gap = line["entry"], None
            entry, previous = _mark(wire), wire.get("prevHash", "")
            is_hashed = entry.hash == wire_hash(wire)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise _FaultyLineError(FaultKind.CHANGED, "it is not a line of a record") from None
    if not is_hashed:
        message = f"entry {name} of Rollout {origin} is not what its hash was made of"
        raise _FaultyLineError(FaultKind.CHANGED, message)
    if not is_sealed:
        message = f"what it says beside entry {name} is not what its seal was made of"
        raise _FaultyLineError(FaultKind.CHANGED, message)
    return _Read(number, origin, entry, previous, gap, last)


def _mark(wire: JSON) -> Mark:
    return Mark(str(wire["transitionId"]), str(wire["hash"]))
