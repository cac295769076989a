"""What people asked for is told with their names, in every report."""

import json
import re
from dataclasses import replace
from functools import cache

import pytest

from surefoot.api.v1alpha1.rollout_status import Transition, TransitionType
from surefoot.domain.derive.pause import with_pause
from surefoot.domain.record.requesters import UNNAMED, is_requested
from surefoot.plugin import explanation
from surefoot.reports.asked import asked_by_people
from surefoot.reports.audit import audit_of
from surefoot.reports.communications import communications_of
from surefoot.reports.document import document_of
from surefoot.reports.dossier import Dossier
from surefoot.reports.rendering import Report, html, markdown
from surefoot.reports.retrospective import retrospective_of
from surefoot.reports.standards import Standards
from surefoot.reports.timeline import timeline_of
from tests.support.world import World, a_rollout, hours, minutes, steps_of
from tests.unit.plugin.things import MARKS, text_of
from tests.unit.reports.conducted import dossier

STANDARDS = Standards()


def paused(world: World, *, is_paused: bool) -> None:
    """Pause or resume, and record it, with nothing else on the way."""
    world.now += minutes(10)
    world.edit(paused=is_paused or None)
    status = with_pause(world.rollout, world.status, world.now, verified=True)
    world.rollout = world.rollout.model_copy(update={"status": status})
    world.settle()


@cache
def conducted() -> Dossier:
    """To 25%, paused and resumed, back to 10 by a person, a changed plan, and to 25% again."""
    world = World(a_rollout(steps=steps_of(10, 25, 100), hold={"soak": "1h"}))
    world.annotate(requested_by="nobody", changed_by="nobody", attempt_by="nobody")
    world.run(minutes(30))
    paused(world, is_paused=True)
    paused(world, is_paused=False)
    world.run(hours(0.5))
    assert world.percent == 25
    world.edit(rollback={"to": 10, "reason": "a bad feeling"})
    world.settle()
    world.edit(rollback=None, attempt=1)
    world.settle()
    world.edit(hold={"soak": "30m"})
    world.run(hours(0.6))
    assert world.percent == 25
    return dossier(world)


def by(found: Dossier, *names: str, verified: bool | None) -> Dossier:
    """The same, with who asked for everything that a person did."""
    history = tuple(
        each.model_copy(update={"by": names, "verified": verified}) if is_requested(each) else each
        for each in found.history
    )
    rollout = found.rollout
    status = rollout.status.model_copy(update={"history": history})
    return replace(found, history=history, rollout=rollout.model_copy(update={"status": status}))


def reports(found: Dossier) -> dict[str, Report]:
    """Every report that is made from a history."""
    return {
        "audit": audit_of(found, STANDARDS),
        "timeline": timeline_of(found, STANDARDS),
        "retrospective": retrospective_of(found, STANDARDS),
        "communications": communications_of(found),
        "document": document_of(found, 25),
    }


def entry(found: Dossier, kind: TransitionType) -> Transition:
    return next(each for each in reversed(found.history) if each.type is kind)


def test_history_has_everything_that_a_person_can_ask_for() -> None:
    """Else the tests below would prove little."""
    kinds = {each.type.value for each in conducted().history if is_requested(each)}
    assert kinds == {"Paused", "Resumed", "Rollback", "Retry", "PlanChanged"}


@pytest.mark.parametrize("names", [("person",), ("surefoot",), ()])
@pytest.mark.parametrize("which", reports(conducted()))
def test_no_report_names_nobody(which: str, names: tuple[str, ...]) -> None:
    """An entry of an earlier version says that the name is not recorded, and not "person"."""
    report = reports(by(conducted(), *names, verified=None))[which]
    for text in (markdown(report), html(report), json.dumps(report.to_json())):
        assert not re.search(r"by person\b|\bperson \(|[|*\"] ?person ?[|*\"]", text)
        assert not re.search(r"(Retry|Paused|Resumed|PlanChanged) by surefoot", text)


@pytest.mark.parametrize(("verified", "doubt"), [(True, ""), (False, " (not verified)")])
def test_audit_lists_what_people_asked_for(verified: bool, doubt: str) -> None:
    """When, what, at which percentage, who, and whether that is certain."""
    found = by(conducted(), "hudson", verified=verified)
    audit = audit_of(found, STANDARDS)
    assert [(each.what, each.percent, each.by, each.verified) for each in audit.asked] == [
        ("Paused", 10, "hudson", verified),
        ("Resumed", 10, "hudson", verified),
        ("Rollback", 10, "hudson", verified),
        ("Retry", 10, "hudson", verified),
        ("PlanChanged", 10, "hudson", verified),
    ]
    rolled_back = [each.decided_by for each in audit.steps if each.type == "Rollback"]
    assert rolled_back == [f"hudson{doubt}"]
    [change] = audit.refusals.plan_changes
    assert (change.by, change.verified) == ("hudson", verified)


def test_audit_without_a_name_says_so() -> None:
    """Whether a name that is not there is verified is no question."""
    found = asked_by_people(by(conducted(), "person", verified=None))
    assert {(each.by, each.verified) for each in found} == {(None, None)}


def test_audit_never_says_that_nobody_decided_where_somebody_did() -> None:
    """A rollback that a person asked for, an advance after a pause, and one after a retry."""
    steps = audit_of(by(conducted(), "hudson", verified=True), STANDARDS).steps
    said = {(each.step, each.at): each.people for each in steps}
    assert list(said.values()) == [
        "No decision of a person is on the record.",
        "No signature is on the record. Before it: Paused by hudson; Resumed by hudson.",
        "It was asked for by hudson, which needs no signature.",
        "No signature is on the record. Before it: Retry by hudson; PlanChanged by hudson.",
    ]


def test_audit_of_a_shortened_entry_says_that_its_decisions_are_lost() -> None:
    """They were there, and had no room."""
    found = conducted()
    start = found.history[0]
    short = start.model_copy(
        update={"evidence": start.evidence.model_copy(update={"shortened": True})}
    )
    steps = audit_of(replace(found, history=(short, *found.history[1:])), STANDARDS).steps
    assert steps[0].people == (
        "The entry was shortened: which decisions it used is not on the record."
    )


def test_timeline_tells_who_asked() -> None:
    """Beside what happened; of a step, what a person did last decided when it was taken."""
    timeline = timeline_of(by(conducted(), "hudson", verified=False), STANDARDS)
    remarks = {each.event: each.remark for each in timeline.schedule.events}
    assert remarks["Rollback 25% → 10%"] == (
        "spec.rollback asks for 10%: a bad feeling; by hudson (not verified)"
    )
    assert remarks["Paused at 10%"].endswith("; by hudson (not verified)")
    last = [path.decided_last for path in timeline.schedule.paths]
    assert last[0].startswith("Resumed by hudson (not verified), ")
    assert last[1].startswith("PlanChanged by hudson (not verified), ")


def test_communications_are_from_whoever_asked() -> None:
    """The name alone; the doubt is in the status."""
    for verified, doubt in ((True, False), (False, True)):
        messages = communications_of(by(conducted(), "hudson", verified=verified)).messages
        mine = [each for each in messages if each.from_ == "hudson"]
        assert len(mine) == 5
        assert all(each.status.endswith("the name is not verified") is doubt for each in mine)
    messages = communications_of(by(conducted(), "person", verified=None)).messages
    assert sum(each.from_ == UNNAMED for each in messages) == 5


def test_document_tells_who_undid_the_step() -> None:
    """A rollback that a person asked for, by name."""
    found = by(conducted(), "hudson", verified=True)
    upto = found.history.index(entry(found, TransitionType.ROLLBACK))
    document = document_of(replace(found, history=found.history[: upto + 1]), 25)
    assert "a rollback to 10% by hudson undid it" in document.decided


def test_explain_tells_what_was_asked_for_last() -> None:
    """So that anyone who looks knows whom to ask."""
    found = by(conducted(), "hudson", verified=False)
    raw = found.rollout.to_wire()
    text = "\n".join(text_of(explanation.in_lines(raw, found.now, MARKS)))
    assert "Last asked: PlanChanged by hudson (not verified), " in text
    last = explanation.explanation(raw, found.now)["lastRequest"]
    assert (last["type"], last["by"], last["verified"]) == ("PlanChanged", "hudson", False)
