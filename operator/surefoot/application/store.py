"""What is known of the watched objects: fed by events, by fresh reads and by our own writes.

It only ever grows newer: an older version of the same object is not taken in again, nor one that
is known to be gone. It may be late; what is at stake is read again (see `gather`).

Of an object that nobody looks at, only what it is found by is kept, and the object as it came,
packed: its model is made again when somebody looks, and those looked at last are kept within a
bound. So memory follows what is worked on, and not what there is.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar
from weakref import ref

import structlog

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.application.lanes import due_since, must_roll_back
from surefoot.application.ports import Kind, ObjectHead, ObjectKey, Observable, Parcel, Request
from surefoot.domain.facts.snapshot import Claim, ConfigMap, Halt
from surefoot.domain.facts.upstreams import (
    RolloutName,
    Upstream,
    may_depend,
    names_of,
    upstream_of,
)
from surefoot.domain.flag.release import rollout_named_by
from surefoot.domain.record.verification import Origin
from surefoot.domain.signoff.decisions import has_no_unrecorded_decision
from surefoot.errors import UnreadableObject

log = structlog.get_logger(__name__)

REMEMBERED_DEAD = 10_000
"""UIDs of deleted objects that are kept, so that a late event does not bring one back."""

IN_USE = 2 * 1024 * 1024
"""Bytes of JSON whose models are kept. The models take five times as much, and 1.4 ms to make."""

REQUESTS = (Kind.CHECKPOINT, Kind.APPROVAL)

Wake = Callable[[ObjectKey], None]
K = TypeVar("K")
V = TypeVar("V")


class _Links(NamedTuple):
    """What an object is found by, and is told of, while it is packed."""

    to: ObjectKey | None = None
    """The ConfigMap of a Rollout; the Rollout that a request names."""
    upstreams: tuple[RolloutName, ...] = ()
    """Of a Rollout: those that its plan waits for."""
    made_for: tuple[str, str] | None = None
    """Of a ConfigMap: the name and the UID of the Rollout that it says it belongs to."""
    is_urgent: bool = False
    """Of a Rollout: it must be rolled back."""
    due_since: datetime | None = None
    """Of a Rollout: when something may become, or have become, possible."""
    has_news: bool = False
    """Of a request: it carries a decision that is not on record."""


@dataclass(slots=True, eq=False)
class Entry:
    """A version of an object, or why it cannot be read.

    ``content`` is None while nobody looks; then there is a ``parcel``. Of what was only read or
    written here so far there is no parcel yet: a watch brings it.
    """

    head: ObjectHead
    content: Observable | UnreadableObject | None
    parcel: Parcel | None
    links: _Links
    elsewhere: ref[Rollout] | None = None
    """The model of a Rollout that was let go of here; somebody else may still use it."""


class _InUse:
    """The entries that were looked at last: of them the content is kept, within a bound."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._entries: OrderedDict[Entry, int] = OrderedDict()

    def note(self, entry: Entry) -> None:
        """Somebody looks at it. Others are let go of; what could not be read again is kept."""
        if entry.parcel is None:
            return
        if entry not in self._entries:
            self._entries[entry] = entry.parcel.size
            self._size += entry.parcel.size
        self._entries.move_to_end(entry)
        while self._size > self._most and len(self._entries) > 1:
            self.discard(next(iter(self._entries)))

    def discard(self, entry: Entry) -> None:
        """Let go of it."""
        size = self._entries.pop(entry, None)
        if size is not None:
            self._size -= size
            entry.elsewhere = ref(entry.content) if isinstance(entry.content, Rollout) else None
            entry.content = None


class Store:
    """The cache. ``wake`` is told which Rollouts something changed for.

    ``recorded`` is told every newer version of a Rollout, those that we wrote ourselves included,
    and ``gone`` where a Rollout was that is no longer there, also where another one took its name.
    ``unreadable`` is told how many objects of a kind cannot be read, whenever that changes.
    ``in_use`` bounds what is kept as a model, in bytes of JSON.
    """

    def __init__(
        self,
        wake: Wake = lambda _key: None,
        recorded: Callable[[Rollout], None] = lambda _rollout: None,
        gone: Callable[[ObjectKey], None] = lambda _key: None,
        unreadable: Callable[[Kind, int], None] = lambda _kind, _count: None,
        in_use: int = IN_USE,
    ) -> None:
        self.wake = wake
        self._recorded = recorded
        self._gone = gone
        self._count_unreadable = unreadable
        self._unreadable: dict[Kind, set[ObjectKey]] = {kind: set() for kind in Kind}
        self._entries: dict[Kind, dict[ObjectKey, Entry]] = {kind: {} for kind in Kind}
        self._in_use = _InUse(in_use)
        self._dead: OrderedDict[str, None] = OrderedDict()
        self._watched: set[str] = set()
        self._out_of_sight: set[tuple[Kind, str | None]] = set()
        self._requests: dict[ObjectKey, set[tuple[Kind, ObjectKey]]] = {}
        self._rollouts_on: dict[ObjectKey, set[ObjectKey]] = {}
        self._downstreams: dict[ObjectKey, set[ObjectKey]] = {}
        self._halts: dict[str, Halt] = {}
        self._listed_halts: dict[str, Halt] = {}
        self._held_back: dict[tuple[Kind, ObjectKey], list[Callable[[], None]]] = {}

    # Feeding

    def observe(
        self,
        kind: Kind,
        head: ObjectHead,
        read: Callable[[], Observable],
        parcel: Parcel | None = None,
    ) -> None:
        """Take in a version that exists. ``read`` parses it, if it is news."""
        held_back = self._held_back.get((kind, head.key))
        if held_back is not None:
            held_back.append(partial(self.observe, kind, head, read, parcel))
            return
        if not self._is_news(kind, head):
            self._complete(kind, head, parcel)
            return
        content: Observable | UnreadableObject
        try:
            content = read()
        except UnreadableObject as error:
            self._log_unreadable(kind, head, error)
            content, parcel = error, None
        self._replace(kind, Entry(head, content, parcel, _links_of(head, content)))

    @contextmanager
    def writing(self, kind: Kind, key: ObjectKey) -> Iterator[None]:
        """Until a write of an object is answered, what watches tell of that object waits.

        It mostly tells of this very write, which is no news to anyone who wrote it.
        """
        if (kind, key) in self._held_back:
            yield
            return
        waiting = self._held_back[kind, key] = []
        try:
            yield
        finally:
            del self._held_back[kind, key]
            for observe in waiting:
                observe()

    def _complete(self, kind: Kind, head: ObjectHead, parcel: Parcel | None) -> None:
        """A watch brings what we read or wrote ourselves: from now on it can be read again."""
        entry = self._entries[kind].get(head.key)
        if (
            entry is not None
            and entry.head == head
            and entry.parcel is None
            and not isinstance(entry.content, UnreadableObject)
        ):
            entry.parcel = parcel
            self._in_use.note(entry)

    def put(self, kind: Kind, content: Observable, key: ObjectKey) -> None:
        """Take in what we just read or wrote ourselves, without being woken for it later.

        Rollouts that depend on it are woken: no event will tell them.
        """
        head = ObjectHead(key, *_identity(content))
        if self._is_news(kind, head):
            self._replace(kind, Entry(head, content, None, _links_of(head, content)), wakes=False)

    def put_unreadable(self, kind: Kind, error: UnreadableObject) -> None:
        """Take in that an object which was just read cannot be understood, without being woken."""
        key = ObjectKey(error.namespace, error.name)
        head = ObjectHead(key, error.uid, error.resource_version)
        if self._is_news(kind, head):
            self._log_unreadable(kind, head, error)
            self._replace(kind, Entry(head, error, None, _links_of(head, error)), wakes=False)

    def _log_unreadable(self, kind: Kind, head: ObjectHead, error: UnreadableObject) -> None:
        log.warning("unreadable object", kind=kind.value, object=str(head.key), fault=str(error))

    def observe_fresh(self, kind: Kind, key: ObjectKey, content: Observable) -> None:
        """Take in a fresh read, and wake whom it concerns."""
        self.observe(kind, ObjectHead(key, *_identity(content)), lambda: content)

    def remove(self, kind: Kind, head: ObjectHead) -> None:
        """An object of this UID was deleted, or is no longer among those watched."""
        held_back = self._held_back.get((kind, head.key))
        if held_back is not None:
            held_back.append(partial(self.remove, kind, head))
            return
        if kind is not Kind.CONFIG_MAP:  # a ConfigMap without the label may get it back
            self._dead[head.uid] = None
            while len(self._dead) > REMEMBERED_DEAD:
                self._dead.popitem(last=False)
        entry = self._entries[kind].get(head.key)
        if entry is None or entry.head.uid != head.uid:
            return
        if kind is Kind.CONFIG_MAP and is_newer(
            entry.head.resource_version, than=head.resource_version
        ):
            return  # it lost its label, and has it back since
        self._forget(kind, entry)
        self._wake_for(kind, entry)
        if kind is Kind.ROLLOUT:
            self._wake_downstreams(entry.head.key)
            self._gone(entry.head.key)

    def listed(
        self, kind: Kind, namespace: str | None, heads: Iterable[ObjectHead], version: str
    ) -> None:
        """What is not among these, and not newer than the list, is gone. The rest is in sight."""
        there = {head.key: head.uid for head in heads}
        for key, entry in list(self._entries[kind].items()):
            is_elsewhere = namespace is not None and key.namespace != namespace
            if is_elsewhere or there.get(key) == entry.head.uid:
                continue
            if not is_newer(entry.head.resource_version, than=version):
                self.remove(kind, entry.head)
        self._out_of_sight.discard((kind, namespace))
        for entry in self._entries_in(kind, namespace):
            self._note_watched(kind, entry)

    def lost_sight(self, kind: Kind, namespace: str | None) -> None:
        """What changes is not told as it happens: a decision that is seen next may be of before."""
        self._out_of_sight.add((kind, namespace))
        for entry in self._entries_in(kind, namespace):
            self._watched.discard(entry.head.uid)

    def was_missed(self, head: ObjectHead) -> None:
        """No watch has told of this version: what it says may be of long before."""
        self._watched.discard(head.uid)

    def _entries_in(self, kind: Kind, namespace: str | None) -> Iterator[Entry]:
        for key, entry in self._entries[kind].items():
            if namespace in (None, key.namespace):
                yield entry

    def _note_watched(self, kind: Kind, entry: Entry) -> None:
        """What a request decides next is known to be new, if all of it so far is on record."""
        is_request = kind in REQUESTS and not isinstance(entry.content, UnreadableObject)
        places = ((kind, None), (kind, entry.head.key.namespace))
        is_in_sight = self._out_of_sight.isdisjoint(places)
        if is_request and is_in_sight and not entry.links.has_news:
            self._watched.add(entry.head.uid)

    def replace_halts(self, halts: Iterable[Halt]) -> frozenset[str]:
        """Take in all halts there are; answers with the namespaces where that changed something.

        Nothing else tells of a halt. So what a fresh read has shown since the last list is news as
        well: one Rollout has seen it, and the others of its namespace have not.
        """
        found = {halt.namespace: halt for halt in halts}
        changed = {
            namespace
            for namespace in {*found, *self._listed_halts, *self._halts}
            if not found.get(namespace)
            == self._listed_halts.get(namespace)
            == self._halts.get(namespace)
        }
        self._listed_halts, self._halts = found, dict(found)
        return frozenset(changed)

    def put_halt(self, halt: Halt | None, *places: str) -> None:
        """Take in what a fresh read of these namespaces showed: a halt, or that there is none."""
        if halt is not None:
            self._halts[halt.namespace] = halt
            return
        for place in places:
            self._halts.pop(place, None)

    def _is_news(self, kind: Kind, head: ObjectHead) -> bool:
        if head.uid in self._dead:
            return False
        entry = self._entries[kind].get(head.key)
        if entry is None or entry.head.uid != head.uid:
            return True
        return is_newer(head.resource_version, entry.head.resource_version)

    def _replace(self, kind: Kind, entry: Entry, *, wakes: bool = True) -> None:
        key, content = entry.head.key, entry.content
        before = self._entries[kind].get(key)
        changes = kind is Kind.ROLLOUT and self._changes_for_downstreams(before, entry)
        if before is not None:
            self._unindex(kind, before)
            self._in_use.discard(before)
        self._entries[kind][key] = entry
        self._index(kind, entry)
        if isinstance(content, Rollout):
            self._tell(content)
        if wakes:
            self._wake_for(kind, entry)
        if changes:
            self._wake_downstreams(key)
        if kind is Kind.ROLLOUT and before is not None and before.head.uid != entry.head.uid:
            self._gone(key)
        self._in_use.note(entry)

    def _changes_for_downstreams(self, before: Entry | None, after: Entry) -> bool:
        """Whether what others act on has changed, where there are any."""
        if not self._downstreams.get(after.head.key):
            return False
        return self._matters(before) != self._matters(after)

    def _matters(self, entry: Entry | None) -> tuple[object, ...] | None:
        content = None if entry is None else self._content(entry)
        return upstream_of(content).matters if isinstance(content, Rollout) else None

    def _content(self, entry: Entry) -> Observable | UnreadableObject | None:
        """Look at it."""
        entry.content = self._opened(entry)
        self._in_use.note(entry)
        return entry.content

    def _opened(self, entry: Entry) -> Observable | UnreadableObject | None:
        in_use = entry.content or (entry.elsewhere() if entry.elsewhere is not None else None)
        if in_use is None and entry.parcel is not None:
            return entry.parcel.open()
        return in_use

    def _tell(self, rollout: Rollout) -> None:
        """Tell the keeper of the record; a defect there must not stop the work on the Rollout."""
        try:
            self._recorded(rollout)
        except Exception as error:
            name = rollout.metadata.name
            log.exception("the record was not told", rollout=name, error=repr(error))

    def _forget(self, kind: Kind, entry: Entry) -> None:
        del self._entries[kind][entry.head.key]
        self._unindex(kind, entry)
        self._in_use.discard(entry)
        self._watched.discard(entry.head.uid)

    def _index(self, kind: Kind, entry: Entry) -> None:
        key, links, content = entry.head.key, entry.links, entry.content
        if links.to is not None and kind is Kind.ROLLOUT:
            self._rollouts_on.setdefault(links.to, set()).add(key)
        elif links.to is not None:
            self._requests.setdefault(links.to, set()).add((kind, key))
        for name in links.upstreams:
            self._downstreams.setdefault(ObjectKey(*name), set()).add(key)
        self._note_watched(kind, entry)
        if isinstance(content, UnreadableObject):
            self._unreadable[kind].add(key)
            self._count_unreadable(kind, len(self._unreadable[kind]))

    def _unindex(self, kind: Kind, entry: Entry) -> None:
        key, links = entry.head.key, entry.links
        if links.to is not None and kind is Kind.ROLLOUT:
            _discard(self._rollouts_on, links.to, key)
        elif links.to is not None:
            _discard(self._requests, links.to, (kind, key))
        for name in links.upstreams:
            _discard(self._downstreams, ObjectKey(*name), key)
        if isinstance(entry.content, UnreadableObject):
            self._unreadable[kind].discard(key)
            self._count_unreadable(kind, len(self._unreadable[kind]))

    def _wake_for(self, kind: Kind, entry: Entry) -> None:
        for key in self._concerned(kind, entry):
            self.wake(key)

    def _concerned(self, kind: Kind, entry: Entry) -> Iterator[ObjectKey]:
        key, to = entry.head.key, entry.links.to
        if kind is Kind.CONFIG_MAP:
            yield from set(self._rollouts_on.get(key, ()))
        elif kind is Kind.ROLLOUT:
            yield key
            if to is not None:  # two on one ConfigMap: it decides who waits
                yield from self._rollouts_on.get(to, set()) - {key}
        elif to is not None:
            yield to

    def _wake_downstreams(self, key: ObjectKey) -> None:
        """Wake anyone who waits for a Rollout, directly or not: a cycle concerns all on it."""
        woken, ahead = {key}, [key]
        while ahead:
            fresh = self._downstreams.get(ahead.pop(), set()) - woken
            woken |= fresh
            ahead += fresh
            for each in sorted(fresh):
                self.wake(each)

    # Asking

    def rollout(self, key: ObjectKey) -> Rollout | UnreadableObject | None:
        """The Rollout, as far as it can be read."""
        entry = self._entries[Kind.ROLLOUT].get(key)
        content = None if entry is None else self._content(entry)
        return content if isinstance(content, Rollout | UnreadableObject) else None

    def known(self, kind: Kind, key: ObjectKey) -> Observable | None:
        """The newest version of an object that is known, as far as its model is in use."""
        entry = self._entries[kind].get(key)
        content = None if entry is None else entry.content
        return None if isinstance(content, UnreadableObject) else content

    def rollout_keys(self) -> tuple[ObjectKey, ...]:
        """All Rollouts."""
        return tuple(self._entries[Kind.ROLLOUT])

    def rollouts(
        self, within: Callable[[str], bool] = lambda _namespace: True
    ) -> Iterator[Rollout]:
        """All Rollouts there are now that can be read, one by one; none is kept for it.

        ``within`` says of which namespaces.
        """
        known = self._entries[Kind.ROLLOUT].items()
        entries = [entry for key, entry in known if within(key.namespace)]
        return (content for content in map(self._opened, entries) if isinstance(content, Rollout))

    def is_urgent(self, key: ObjectKey) -> bool:
        """Whether the Rollout itself says that it must be rolled back. Reads nothing."""
        entry = self._entries[Kind.ROLLOUT].get(key)
        return entry is not None and entry.links.is_urgent

    def is_due(self, key: ObjectKey, now: datetime) -> bool:
        """Whether something may have become possible while nobody looked. Reads nothing."""
        entry = self._entries[Kind.ROLLOUT].get(key)
        if entry is None or isinstance(entry.content, UnreadableObject):
            return True
        since = entry.links.due_since
        requests = (self._entries[kind][at] for kind, at in self._requests.get(key, ()))
        return (since is not None and since <= now) or any(r.links.has_news for r in requests)

    def config_map(self, key: ObjectKey) -> ConfigMap | None:
        """A managed ConfigMap."""
        entry = self._entries[Kind.CONFIG_MAP].get(key)
        content = None if entry is None else self._content(entry)
        return content if isinstance(content, ConfigMap) else None

    def checkpoints(self, rollout: ObjectKey) -> tuple[Checkpoint, ...]:
        """Those that name this Rollout, by name."""
        return tuple(r for r in self._requests_of(rollout) if isinstance(r, Checkpoint))

    def approvals(self, rollout: ObjectKey) -> tuple[Approval, ...]:
        """Those that name this Rollout, by name."""
        return tuple(r for r in self._requests_of(rollout) if isinstance(r, Approval))

    def _requests_of(self, rollout: ObjectKey) -> Iterator[Observable | UnreadableObject | None]:
        for kind, key in sorted(self._requests.get(rollout, ())):
            yield self._content(self._entries[kind][key])

    def unreadable(self, rollout: ObjectKey) -> tuple[UnreadableObject, ...]:
        """The requests that name this Rollout and cannot be read, by name."""
        return tuple(r for r in self._requests_of(rollout) if isinstance(r, UnreadableObject))

    def unreadable_upstreams(self, rollout: Rollout) -> tuple[UnreadableObject, ...]:
        """The Rollouts that this one names, and that cannot be read."""
        named = (self.rollout(ObjectKey(*name)) for name in names_of(rollout))
        return tuple(content for content in named if isinstance(content, UnreadableObject))

    def watched_requests(self, requests: Iterable[Request]) -> frozenset[str]:
        """The UIDs of those that were seen here before their present decision, and ever since.

        Then they had no decision, or the last one on record.
        """
        return frozenset(r.metadata.uid for r in requests if r.metadata.uid in self._watched)

    def claims_beside(self, rollout: Rollout) -> tuple[Claim, ...]:
        """Other Rollouts of the namespace that name the same ConfigMap."""
        claims: list[Claim] = []
        for key in sorted(self._rollouts_on.get(_config_map_key(rollout), ())):
            entry = self._entries[Kind.ROLLOUT][key]
            if entry.head.uid == rollout.metadata.uid:
                continue
            other = self._content(entry)
            created = other.metadata.creation_timestamp if isinstance(other, Rollout) else None
            if isinstance(other, Rollout) and created is not None:
                started = other.status.committed is not None
                claims.append(Claim(key.name, other.metadata.uid, created, started=started))
        return tuple(claims)

    def upstreams(self, rollout: Rollout, shared: frozenset[str]) -> dict[RolloutName, Upstream]:
        """The Rollouts that this one waits for, and those that they wait for in turn.

        ``shared`` are the namespaces that are open to others; what may not be waited for is not
        looked at.
        """
        found: dict[RolloutName, Upstream] = {}
        ahead = [(rollout.metadata.namespace, name) for name in names_of(rollout)]
        while ahead:
            namespace, name = ahead.pop()
            content = self.rollout(ObjectKey(*name))
            if name in found or not isinstance(content, Rollout):
                continue
            if may_depend(namespace, name, shared):
                found[name] = upstream_of(content)
                ahead += [(name.namespace, further) for further in found[name].depends_on]
        return found

    def halt(self, namespace: str, operator_namespace: str) -> Halt | None:
        """What halts this namespace, as last listed."""
        return self._halts.get(namespace) or self._halts.get(operator_namespace)

    def heads(self, kind: Kind) -> dict[ObjectKey, ObjectHead]:
        """Which versions are known of a kind."""
        return {key: entry.head for key, entry in self._entries[kind].items()}

    def head(self, kind: Kind, key: ObjectKey) -> ObjectHead | None:
        """Which version is known of an object."""
        entry = self._entries[kind].get(key)
        return None if entry is None else entry.head

    def orphans(self) -> Iterator[tuple[ObjectKey, Origin]]:
        """Managed ConfigMaps whose Rollout is not known here, each with the Rollout it names."""
        for key, entry in list(self._entries[Kind.CONFIG_MAP].items()):
            if entry.links.made_for is None:
                continue
            name, uid = entry.links.made_for
            rollout = self._entries[Kind.ROLLOUT].get(ObjectKey(key.namespace, name))
            if rollout is None or rollout.head.uid != uid:
                yield key, Origin(key.namespace, name, uid)


def _identity(content: Observable) -> tuple[str, str]:
    if isinstance(content, ConfigMap):
        return content.uid, content.resource_version
    return content.metadata.uid, content.metadata.resource_version


def is_newer(version: str, than: str) -> bool:
    """Whether a resourceVersion is later. They are ordered numbers since Kubernetes 1.35."""
    try:
        return int(version) > int(than)
    except ValueError:
        return version != than


def _links_of(head: ObjectHead, content: Observable | UnreadableObject) -> _Links:
    match content:
        case Rollout():
            return _Links(
                to=_config_map_key(content),
                upstreams=names_of(content),
                is_urgent=must_roll_back(content),
                due_since=due_since(content),
            )
        case Checkpoint() | Approval():
            name = content.spec.request.rollout.name
            key = ObjectKey(content.metadata.namespace, name)
            return _Links(to=key, has_news=not has_no_unrecorded_decision(content))
        case ConfigMap():
            return _Links(made_for=rollout_named_by(content))
    if content.rollout and content.kind != Kind.ROLLOUT:  # a request that cannot be read
        return _Links(to=ObjectKey(head.key.namespace, content.rollout))
    return _Links()


def _config_map_key(rollout: Rollout) -> ObjectKey:
    return ObjectKey(rollout.metadata.namespace, rollout.spec.target.config_map_name)


def _discard(index: dict[K, set[V]], key: K, value: V) -> None:
    values = index.get(key)
    if values is not None:
        values.discard(value)
        if not values:
            del index[key]
