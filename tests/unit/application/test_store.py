"""The cache only grows newer, tells whom something concerns, and forgets what is gone."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from surefoot.api.v1alpha1.approval import Approval, Decision
from surefoot.api.v1alpha1.meta import (
    MANAGED_LABEL,
    ROLLOUT_ANNOTATION,
    ROLLOUT_UID_ANNOTATION,
)
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.application.ports import Kind, ObjectHead, ObjectKey
from surefoot.application.store import Store
from surefoot.domain.facts.snapshot import ConfigMap, Halt
from surefoot.errors import UnreadableObject
from tests.support.world import START, a_rollout

KEY = ObjectKey("agents", "memory-sync")
FLAGS = ObjectKey("agents", "memory-sync-flags")


@dataclass
class Boxed:
    """A parcel that counts how often it was opened."""

    content: Any
    opened: int = 0
    size: int = 1

    def open(self) -> Any:
        """Read it."""
        self.opened += 1
        return self.made()

    def made(self) -> Any:
        """A model that nobody else has."""
        return self.content.model_copy() if hasattr(self.content, "spec") else self.content


class Woken:
    """A store that keeps no model which it can read again, and whom it woke."""

    def __init__(self, in_use: int = 0) -> None:
        self.keys: list[str] = []
        self.store = Store(lambda key: self.keys.append(key.name), in_use=in_use)

    def sees(self, content: Any, version: str = "1") -> Boxed:
        """An event came in."""
        kind, head, seen = _as(content, version)
        parcel = Boxed(seen)
        self.store.observe(kind, head, parcel.made, parcel)
        return parcel

    def loses(self, content: Any, version: str = "9") -> None:
        """A deletion came in."""
        kind, head, _ = _as(content, version)
        self.store.remove(kind, head)


def _as(content: Any, version: str) -> tuple[Kind, ObjectHead, Any]:
    if isinstance(content, ConfigMap):
        head = ObjectHead(ObjectKey("agents", content.name), content.uid, version)
        return Kind.CONFIG_MAP, head, replace(content, resource_version=version)
    metadata = content.metadata.model_copy(update={"resource_version": version})
    key = ObjectKey(metadata.namespace, metadata.name)
    seen = content.model_copy(update={"metadata": metadata})
    return Kind(content.kind), ObjectHead(key, metadata.uid, version), seen


def an_approval(name: str = "memory-sync-25-security", **spec: Any) -> Approval:
    """An Approval that names the Rollout of these tests."""
    return Approval.model_validate(
        {
            "metadata": {"name": name, "namespace": "agents", "uid": f"uid-{name}"},
            "spec": {
                "request": {
                    "rollout": {"name": "memory-sync", "uid": "uid-memory-sync"},
                    "planHash": "h",
                    "attempt": 0,
                    "from": 10,
                    "to": 25,
                    "role": "security",
                    "users": ["hudson"],
                }
            }
            | spec,
        }
    )


def a_flag(**changes: Any) -> ConfigMap:
    """The ConfigMap of the Rollout of these tests."""
    return ConfigMap(
        **{
            "name": FLAGS.name,
            "uid": "cm",
            "resource_version": "1",
            "data": {"memory-sync": "10"},
            "labels": {MANAGED_LABEL: "true"},
            "annotations": {
                ROLLOUT_ANNOTATION: "memory-sync",
                ROLLOUT_UID_ANNOTATION: "uid-memory-sync",
            },
        }
        | changes
    )


def test_older_version_is_not_taken_in_again() -> None:
    """A watch that starts over tells old things; numbers are compared, not texts."""
    woken = Woken()
    woken.sees(a_rollout(paused=True), version="10")
    woken.sees(a_rollout(), version="9")
    rollout = woken.store.rollout(KEY)
    assert isinstance(rollout, Rollout)
    assert rollout.spec.paused
    assert woken.keys == ["memory-sync"]


def test_version_that_is_known_is_not_parsed_again() -> None:
    """Parsing costs; a version never changes."""
    woken = Woken()
    woken.sees(a_rollout(), version="5")

    def parse() -> Rollout:
        raise AssertionError("parsed again")

    woken.store.observe(Kind.ROLLOUT, ObjectHead(KEY, "uid-memory-sync", "5"), parse)


def test_deleted_object_does_not_come_back_by_a_late_event() -> None:
    """Its UID is remembered; another of the same name is another."""
    woken = Woken()
    woken.sees(a_rollout())
    woken.loses(a_rollout())
    woken.sees(a_rollout(), version="12")
    assert woken.store.rollout(KEY) is None
    again = a_rollout()
    metadata = again.metadata.model_copy(update={"uid": "another"})
    woken.sees(again.model_copy(update={"metadata": metadata}), version="13")
    assert woken.store.rollout(KEY) is not None


def test_late_deletion_does_not_remove_a_successor() -> None:
    """Deletion is of a UID, not of a name."""
    woken = Woken()
    again = a_rollout()
    metadata = again.metadata.model_copy(update={"uid": "another"})
    woken.sees(again.model_copy(update={"metadata": metadata}), version="13")
    woken.loses(a_rollout())
    assert woken.store.rollout(KEY) is not None


def test_config_map_that_has_its_label_back_stays() -> None:
    """It was lost to the watch and written again; the event of the loss comes late."""
    woken = Woken()
    woken.sees(a_flag(), version="5")
    woken.store.put(Kind.CONFIG_MAP, a_flag(resource_version="8"), FLAGS)
    woken.loses(a_flag(), version="7")
    assert woken.store.config_map(FLAGS) is not None
    woken.loses(a_flag(), version="9")
    assert woken.store.config_map(FLAGS) is None
    woken.sees(a_flag(), version="11")
    assert woken.store.config_map(FLAGS) is not None


def test_own_write_wakes_nobody_when_its_event_comes() -> None:
    """Anyone who wrote it has gone on already."""
    woken = Woken()
    written = a_rollout()
    metadata = written.metadata.model_copy(update={"resource_version": "7"})
    woken.store.put(Kind.ROLLOUT, written.model_copy(update={"metadata": metadata}), KEY)
    woken.sees(written, version="7")
    assert woken.keys == []


def test_requests_and_config_maps_wake_their_rollout() -> None:
    """By the name in the request, and by the plan that names the ConfigMap."""
    woken = Woken()
    woken.sees(a_rollout())
    woken.sees(an_approval())
    woken.sees(a_flag())
    woken.loses(a_flag())
    assert woken.keys == ["memory-sync"] * 4
    assert [each.metadata.name for each in woken.store.approvals(KEY)] == [
        "memory-sync-25-security"
    ]


def test_decision_on_what_was_seen_undecided_is_known_to_be_new() -> None:
    """One that had its decision when first seen is not."""
    woken = Woken()
    woken.sees(an_approval("a"), version="1")
    decided = {"decision": Decision.GO, "reason": "fine"}
    watched = an_approval("a").model_copy(
        update={"spec": an_approval("a").spec.model_copy(update=decided)}
    )
    other = an_approval("b")
    found_decided = other.model_copy(update={"spec": other.spec.model_copy(update=decided)})
    woken.sees(watched, version="2")
    woken.sees(found_decided, version="2")
    approvals = woken.store.approvals(KEY)
    assert woken.store.watched_requests(approvals) == {"uid-a"}


def test_decision_on_what_was_seen_with_all_decisions_on_record_is_known_to_be_new() -> None:
    """A changed decision is new where the operator had recorded the one before it."""
    woken = Woken()
    recorded, unrecorded = (
        Approval.model_validate(
            {
                "metadata": {"name": name, "uid": f"uid-{name}", "generation": 2},
                "spec": {
                    "request": an_approval(name).spec.request.to_wire(),
                    "decision": "GO",
                    "reason": "fine",
                    "decidedBy": {"username": "hudson"},
                },
                "status": {
                    "decisions": [
                        {
                            "decision": "GO",
                            "by": "hudson",
                            "generation": generation,
                            "seenAt": "2025-10-23T22:00:00Z",
                        }
                    ]
                },
            }
        )
        for name, generation in (("a", 2), ("b", 1))
    )
    woken.sees(recorded, version="2")
    woken.sees(unrecorded, version="2")
    assert woken.store.watched_requests((recorded, unrecorded)) == {"uid-a"}


def decided(approval: Approval) -> Approval:
    """The same with a GO on it."""
    says = {"decision": Decision.GO, "reason": "fine"}
    return approval.model_copy(update={"spec": approval.spec.model_copy(update=says)})


def head_of(approval: Approval, version: str) -> ObjectHead:
    """Its entry in a list."""
    return _as(approval, version)[1]


class Sight:
    """A store that saw an Approval undecided, and may have been blind since."""

    def __init__(self) -> None:
        self.woken = Woken()
        self.approval = an_approval("a")
        self.woken.sees(self.approval, version="1")

    @property
    def is_known_to_be_new(self) -> bool:
        """Whether what the request says now was said since the store saw it."""
        store = self.woken.store
        return store.watched_requests(store.approvals(KEY)) == {"uid-a"}

    def is_lost(self, namespace: str | None = None) -> None:
        """The watch failed."""
        self.woken.store.lost_sight(Kind.APPROVAL, namespace)

    def is_back(self, *approvals: Approval, namespace: str | None = None, version: str) -> None:
        """Everything is listed, and nothing of it is newer than this."""
        for each in approvals:
            self.woken.sees(each, version)
        heads = [head_of(each, version) for each in approvals]
        self.woken.store.listed(Kind.APPROVAL, namespace, heads, version)


@pytest.mark.parametrize("namespace", [None, "agents"])
def test_decision_of_while_the_watch_was_broken_is_not_known_to_be_new(
    namespace: str | None,
) -> None:
    """Whether it is listed afterwards or read in between."""
    listed, read = Sight(), Sight()
    listed.is_lost(namespace)
    listed.is_back(decided(listed.approval), namespace=namespace, version="2")
    assert not listed.is_known_to_be_new
    read.is_lost(namespace)
    read.woken.store.put(Kind.APPROVAL, *fresh(decided(read.approval), "2"))
    assert not read.is_known_to_be_new


def fresh(approval: Approval, version: str) -> tuple[Approval, ObjectKey]:
    """A version of it, as a read answers, and its key."""
    _, head, seen = _as(approval, version)
    return seen, head.key


def test_decision_after_everything_was_listed_again_is_known_to_be_new() -> None:
    """What is listed undecided is in sight again, also where it has not changed."""
    sight = Sight()
    sight.is_lost()
    sight.is_back(sight.approval, version="1")
    sight.woken.sees(decided(sight.approval), version="2")
    assert sight.is_known_to_be_new


def test_undecided_version_of_while_the_watch_was_broken_proves_nothing() -> None:
    """Somebody touches the request and decides it, both while nobody looks."""
    sight = Sight()
    sight.is_lost()
    sight.woken.sees(sight.approval, version="2")
    sight.woken.sees(decided(sight.approval), version="3")
    assert not sight.is_known_to_be_new


@pytest.mark.parametrize(("namespace", "is_seen"), [("agents", False), ("elsewhere", True)])
def test_watch_of_one_namespace_that_breaks_leaves_the_others_in_sight(
    namespace: str, is_seen: bool
) -> None:
    """Each namespace may have a watch of its own."""
    sight = Sight()
    sight.is_lost(namespace)
    sight.woken.sees(decided(sight.approval), version="2")
    assert sight.is_known_to_be_new is is_seen


def test_request_that_is_listed_with_a_decision_is_in_sight_once_that_is_on_record() -> None:
    """The next decision on it is new."""
    sight = Sight()
    sight.is_lost()
    sight.is_back(decided(sight.approval), version="2")
    assert not sight.is_known_to_be_new
    sight.woken.sees(sight.approval, version="3")
    sight.woken.sees(decided(sight.approval), version="4")
    assert sight.is_known_to_be_new


def test_unreadable_object_is_kept_as_its_error() -> None:
    """It must not end the operator, and not look like an absent one."""
    woken = Woken()

    def parse() -> Rollout:
        raise UnreadableObject("steps: wrong")

    woken.store.observe(Kind.ROLLOUT, ObjectHead(KEY, "u", "1"), parse)
    assert isinstance(woken.store.rollout(KEY), UnreadableObject)
    assert woken.keys == ["memory-sync"]


def unreadable_approval(version: str = "3") -> UnreadableObject:
    """An Approval of the Rollout of these tests that no model reads."""
    return UnreadableObject(
        "spec: wrong",
        kind="Approval",
        namespace="agents",
        name="a",
        uid="uid-a",
        resource_version=version,
        rollout="memory-sync",
        decision="NO-GO",
    )


def test_an_unreadable_request_wakes_its_rollout_and_is_named() -> None:
    """The readable ones are there as ever, and the unreadable one is counted until it is gone."""
    counts: list[tuple[str, int]] = []
    woken = Woken()
    woken.store = Store(
        lambda key: woken.keys.append(key.name),
        unreadable=lambda kind, count: counts.append((kind.value, count)),
    )
    woken.sees(an_approval("a"), version="2")
    woken.sees(an_approval("b"), version="2")
    error = unreadable_approval()

    def parse() -> Approval:
        raise error

    head = ObjectHead(ObjectKey("agents", "a"), "uid-a", "3")
    woken.store.observe(Kind.APPROVAL, head, parse)

    assert woken.keys == ["memory-sync"] * 3
    assert [each.metadata.name for each in woken.store.approvals(KEY)] == ["b"]
    assert woken.store.unreadable(KEY) == (error,)
    woken.sees(an_approval("a"), version="4")
    assert woken.store.unreadable(KEY) == ()
    assert counts == [("Approval", 1), ("Approval", 0)]


def test_what_was_just_found_unreadable_wakes_nobody() -> None:
    """Anyone who read it knows; and an older version of it is no news."""
    woken = Woken()
    woken.store.put_unreadable(Kind.APPROVAL, unreadable_approval("5"))
    woken.store.put_unreadable(Kind.APPROVAL, unreadable_approval("4"))
    assert woken.keys == []
    assert [each.resource_version for each in woken.store.unreadable(KEY)] == ["5"]


def test_two_rollouts_on_one_config_map_see_each_other() -> None:
    """And a change of one wakes the other, since it may be its turn."""
    woken = Woken()
    woken.sees(a_rollout())
    rival = a_rollout("rival")
    woken.sees(rival)
    [claim] = woken.store.claims_beside(a_rollout())
    assert (claim.name, claim.created_at, claim.started) == ("rival", START, False)
    assert woken.keys == ["memory-sync", "rival", "memory-sync"]
    woken.loses(rival)
    assert woken.store.claims_beside(a_rollout()) == ()


@pytest.mark.parametrize(("uid", "orphaned"), [("uid-memory-sync", False), ("old", True)])
def test_config_map_of_an_unknown_rollout_is_an_orphan(uid: str, orphaned: bool) -> None:
    """By UID: one of the same name is another."""
    woken = Woken()
    woken.sees(a_rollout())
    annotations = {ROLLOUT_ANNOTATION: "memory-sync", ROLLOUT_UID_ANNOTATION: uid}
    woken.sees(a_flag(annotations=annotations))
    assert bool(list(woken.store.orphans())) is orphaned


def test_rollout_that_is_gone_is_told_of() -> None:
    """It was deleted, or another has its name; a Rollout that nobody knew is not told of twice."""
    gone: list[str] = []
    store = Store(gone=lambda key: gone.append(key.name))
    first, again = a_rollout(), a_rollout()
    metadata = again.metadata.model_copy(update={"uid": "another", "resource_version": "900"})
    again = again.model_copy(update={"metadata": metadata})
    key = ObjectKey("agents", "memory-sync")
    store.observe_fresh(Kind.ROLLOUT, key, first)
    store.observe_fresh(Kind.ROLLOUT, key, first)
    assert gone == []
    store.observe_fresh(Kind.ROLLOUT, key, again)
    assert gone == ["memory-sync"]
    head = ObjectHead(key, "another", "900")
    store.remove(Kind.ROLLOUT, head)
    store.remove(Kind.ROLLOUT, head)
    assert gone == ["memory-sync", "memory-sync"]


def test_halts_tell_where_something_changed() -> None:
    """Coming, changing and going; the operator's own halts every namespace."""
    store = Store()
    everywhere, here = Halt("surefoot-system", "incident"), Halt("agents", "deploy freeze")
    assert store.replace_halts([everywhere]) == {"surefoot-system"}
    assert store.halt("agents", "surefoot-system") == everywhere
    assert store.replace_halts([everywhere, here]) == {"agents"}
    assert store.halt("agents", "surefoot-system") == here
    assert store.replace_halts([]) == {"agents", "surefoot-system"}
    assert store.halt("agents", "surefoot-system") is None


def test_halt_that_one_rollout_has_seen_is_news_to_the_others() -> None:
    """Its coming and its end alike, whether a fresh read or the list has shown it first."""
    store = Store()
    halt = Halt("agents", "incident")
    store.put_halt(halt, "agents", "surefoot-system")
    assert store.replace_halts([halt]) == {"agents"}
    assert store.replace_halts([halt]) == frozenset()
    store.put_halt(None, "agents", "surefoot-system")
    assert store.replace_halts([]) == {"agents"}
    store.put_halt(halt, "agents", "surefoot-system")
    store.put_halt(None, "agents", "surefoot-system")
    assert store.replace_halts([]) == frozenset()
    assert store.halt("agents", "surefoot-system") is None


def test_what_is_not_in_a_list_is_gone() -> None:
    """A watch that missed its deletion will never tell; who depends on it is woken."""
    woken = Woken()
    woken.sees(a_rollout(), "5")
    woken.store.listed(Kind.ROLLOUT, None, [], "10")
    assert woken.store.rollout(KEY) is None
    assert woken.keys == ["memory-sync"] * 2


def test_what_is_newer_than_a_list_or_elsewhere_stays() -> None:
    """It was written after the list was made; and a list of one namespace tells of no other."""
    woken = Woken()
    woken.sees(a_rollout(), "11")
    woken.store.listed(Kind.ROLLOUT, None, [], "10")
    woken.store.listed(Kind.ROLLOUT, "elsewhere", [], "20")
    assert isinstance(woken.store.rollout(KEY), Rollout)


def test_what_took_the_name_of_a_listed_object_is_told_apart() -> None:
    """The one that was deleted is gone, though there is one of its name."""
    woken = Woken()
    woken.sees(a_rollout(), "5")
    another = ObjectHead(KEY, "another", "9")
    woken.store.listed(Kind.ROLLOUT, "agents", [another], "10")
    assert woken.store.rollout(KEY) is None


def test_models_are_kept_of_those_that_were_looked_at_last() -> None:
    """Within the bound nothing is read twice; beyond it, anyone who looks gets it read again."""
    woken = Woken(in_use=2)
    parcels = {name: woken.sees(a_rollout(name)) for name in ("a", "b", "c")}

    def look(name: str) -> None:
        found = woken.store.rollout(ObjectKey("agents", name))
        assert isinstance(found, Rollout)
        assert found.metadata.name == name

    for name in ("b", "c", "a", "a", "c"):
        look(name)
    assert {name: parcel.opened for name, parcel in parcels.items()} == {"a": 1, "b": 0, "c": 0}
    look("b")
    assert parcels["b"].opened == 1
    assert [rollout.metadata.name for rollout in woken.store.rollouts()] == ["a", "b", "c"]
    look("b")
    look("c")
    assert {name: parcel.opened for name, parcel in parcels.items()} == {"a": 2, "b": 1, "c": 0}


def test_what_was_written_here_is_kept_until_a_watch_brings_it() -> None:
    """Until then it could not be read again."""
    woken = Woken()
    woken.store.put(Kind.ROLLOUT, _as(a_rollout(), "7")[2], KEY)
    kept = woken.store.rollout(KEY)
    for name in ("a", "b"):
        woken.sees(a_rollout(name))
    assert isinstance(kept, Rollout)
    assert woken.store.rollout(KEY) is kept
    kept = kept.model_copy()
    parcel = woken.sees(a_rollout(), version="7")
    woken.sees(a_rollout("c"))
    assert woken.store.rollout(KEY) == kept
    assert parcel.opened == 1


def test_what_goes_first_is_known_without_reading_anything() -> None:
    """It is asked of all Rollouts at once: after a start, and when the policies have changed."""
    woken = Woken()
    parcels = [woken.sees(a_rollout(name)) for name in ("a", "b", "c")]
    parcels += [woken.sees(an_approval(name)) for name in ("d", "e")]
    keys = woken.store.rollout_keys()
    assert [woken.store.is_urgent(key) for key in keys] == [False] * 3
    assert all(woken.store.is_due(key, START) for key in keys)
    assert [parcel.opened for parcel in parcels] == [0] * 5


def test_model_that_somebody_else_still_uses_is_not_made_again() -> None:
    """Such as the metrics feed, which holds the Rollouts that it asks for."""
    woken = Woken()
    parcel = woken.sees(a_rollout())
    held = woken.store.rollout(KEY)
    woken.sees(a_rollout("another"))
    assert woken.store.rollout(KEY) is held
    assert parcel.opened == 0


def test_own_write_is_no_news_though_a_watch_tells_of_it_before_the_answer() -> None:
    """What a watch tells of an object waits while that object is written: nobody is woken by it."""
    woken, rollout = Woken(), a_rollout()
    woken.sees(rollout, "1")
    woken.keys.clear()
    with woken.store.writing(Kind.ROLLOUT, KEY):
        parcel = woken.sees(rollout, "2")
        _, _, written = _as(rollout, "2")
        woken.store.put(Kind.ROLLOUT, written, KEY)
    assert (woken.keys, parcel.opened) == ([], 0)
    woken.sees(rollout, "3")
    assert woken.keys == [KEY.name]


def test_change_by_somebody_else_during_a_write_is_news_once_that_is_answered() -> None:
    """It wakes everyone whom it concerns, also where the write failed."""
    woken, rollout = Woken(), a_rollout()
    woken.sees(rollout, "1")
    woken.keys.clear()

    def write() -> None:
        with woken.store.writing(Kind.ROLLOUT, KEY):
            woken.sees(rollout, "2")
            assert woken.keys == []
            raise ConnectionError

    with pytest.raises(ConnectionError):
        write()
    assert woken.keys == [KEY.name]
    assert woken.store.heads(Kind.ROLLOUT)[KEY].resource_version == "2"


def test_flag_that_is_lost_during_a_write_stays_lost() -> None:
    """What a watch told of it before comes before that, and not after."""
    woken = Woken()
    woken.sees(a_flag(), "1")
    with woken.store.writing(Kind.CONFIG_MAP, FLAGS):
        woken.sees(a_flag(), "2")
        woken.loses(a_flag(), "3")
    assert woken.store.config_map(FLAGS) is None
