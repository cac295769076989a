"""The audit as people and programs get it: all formats say the same, and nothing is made up."""

import json
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt

from surefoot.reports.audit import Audit, audit_of
from surefoot.reports.dossier import Dossier
from surefoot.reports.refusals import AuditLog, Refusal
from surefoot.reports.rendering import Report, html, markdown
from surefoot.reports.retrospective import retrospective_of
from surefoot.reports.standards import Standards
from surefoot.reports.timeline import timeline_of
from tests.unit.plugin.things import NOW, rollout
from tests.unit.reports.conducted import (
    a_conflict,
    advance,
    the_incident,
    the_proper_path,
    with_evidence,
    with_status,
)

STANDARDS = Standards()
HOSTILE = "</td><script>alert(1)</script> | **GO** [x](javascript:1)\n# approved\n\n| a | b |"


def audit(found: Dossier, log: AuditLog | None = None) -> Audit:
    """With the default standards."""
    return audit_of(found, STANDARDS, log)


def a_log(said: str) -> AuditLog:
    """With one refusal."""
    refusal = Refusal(
        at=NOW,
        by="forge",
        through=None,
        verb="patch",
        object="approvals/memory-sync-25-security",
        code=403,
        refused_by="policy surefoot-decisions",
        said=said,
        client="curl",
    )
    return AuditLog(
        source="audit.log", covers_from=NOW, covers_to=NOW, unreadable_lines=0, refusals=(refusal,)
    )


REPORTS: dict[str, Report] = {
    "incident": audit(the_incident()),
    "proper": audit(the_proper_path(), a_log("hudson alone may")),
    "conflict": audit(a_conflict()),
    "new": audit(Dossier(rollout(), (), (), (), NOW)),
    "timeline": timeline_of(the_proper_path(), STANDARDS),
    "retrospective": retrospective_of(the_incident(), STANDARDS),
}


class Cells(HTMLParser):
    """How many cells each row of each table has."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[int]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append(0)
        elif tag in {"td", "th"}:
            self.tables[-1][-1] += 1


def page(made: Report) -> Cells:
    """The HTML, taken apart."""
    found = Cells()
    found.feed(html(made))
    return found


def test_every_section_has_its_place() -> None:
    """In reading order."""
    headings = [
        line for line in markdown(audit(the_proper_path())).splitlines() if line[:3] == "## "
    ]
    assert headings == [
        "## Summary",
        "## Compliance",
        "## Timeline",
        "## Decisions",
        "## What people asked for",
        "## Approvals",
        "## Handoffs",
        "## Conflicts",
        "## Refused attempts",
        "## Severity",
        "## Confidence",
        "## Risks",
        "## Readiness",
        "## Cost",
        "## Score",
    ]


@pytest.mark.parametrize("made", REPORTS.values(), ids=REPORTS)
def test_tables_are_tables_in_every_report(made: Report) -> None:
    """Each row has as many cells as its head, and no line of a table is left as text."""
    for table in page(made).tables:
        assert len(table) > 1
        assert len(set(table)) == 1
    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(markdown(made))
    texts = [token.content for token in tokens if token.type == "inline"]
    assert [text for text in texts if text.startswith("|")] == []


@pytest.mark.parametrize("made", REPORTS.values(), ids=REPORTS)
def test_a_page_needs_no_other_file(made: Report) -> None:
    """It has its style in it, and asks no one for anything."""
    assert page(made).tags & {"script", "img", "link", "iframe", "object"} == set()
    assert "@media print" in html(made)


def leaves(value: Any) -> Iterator[Any]:
    """What is at the ends of JSON."""
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield value


@pytest.mark.parametrize("name", ["incident", "proper", "conflict"])
def test_what_people_read_is_what_programs_get(name: str) -> None:
    """Every word of a table is a value of the JSON."""
    made = REPORTS[name]
    assert isinstance(made, Audit)
    values = json.loads(json.dumps(made.to_json()))
    assert values["score"]["total"] == made.score.total
    said = {str(each) for each in leaves(values) if isinstance(each, str)}
    for judged in made.taken:
        for each in judged.practices:
            assert {each.found, each.standard, each.compliance.value} <= said
    assert values["score"]["categories"][0]["leftOutBecause"] == ""


def test_who_decided_on_what_evidence_is_told_step_by_step() -> None:
    """Signers, keys, windows, soak."""
    made = audit(the_proper_path())
    step = made.steps[-1]
    assert (step.step, step.soak_healthy, step.admission) == ("10% → 25%", "48h30m0s", "Enforced")
    assert {(each.of, each.by, each.verified) for each in step.decisions} >= {
        ("hour-48", "atlas", True),
        ("security", "hudson", True),
    }
    assert [(each.used_by, each.outcome) for each in step.windows] == [
        ("trigger errors", "Value"),
        ("gate errors", "Value"),
    ]
    assert "AllSignatures=Passed" in step.compliance
    assert {each.name for each in made.checks} >= {"CheckpointReport", "SoakTime"}
    assert made.matrix.steps == ("10% → 25%", "next (ahead)")
    cells = {row.role: row.cells for row in made.matrix.rows}
    assert cells["security"] == ("GO by hudson", "Pending")
    assert [(each.percent, each.metric, each.median) for each in made.costs.rows] == [
        (10, "cost", "4")
    ]
    (handoff,) = made.handoffs
    assert (handoff.from_whom, handoff.to_whom, handoff.acknowledged_by) == ("thon", "cora", "cora")


def test_a_conflict_is_told_with_its_parties_resolution_and_dissent() -> None:
    """As people said it."""
    (conflict,) = audit(a_conflict()).conflicts
    assert [(each.of, each.decision, each.reason) for each in conflict.opinions] == [
        ("security", "NO-GO", "a leak"),
        ("lead", "GO", "all green"),
    ]
    assert (conflict.chaired_by, conflict.resolution) == ("cora", "GO: go on")
    assert (conflict.resolved, conflict.acknowledged) == (True, True)
    said = markdown(audit(a_conflict()))
    assert "> It is elsewhere." in said
    assert "- Dissent of hudson: we have not proved it" in said


def test_what_is_not_known_is_called_unknown() -> None:
    """Of a Rollout that has just begun."""
    said = markdown(REPORTS["new"])
    assert "- **Score:** unknown of 10" in said
    assert "No expansion from above 0% is on the record." in said
    assert "unknown: only the API server knows what it refused" in said
    assert "Unknown: the plan names no risks." in said
    assert "- **Requested by:** unknown" in said


def test_an_incomplete_record_is_said_first() -> None:
    """Before anything is read from it."""
    found = the_proper_path()
    cut = replace(found, history=(advance(found),))
    assert "**The record is not whole:**" in markdown(audit(cut)).split("## Summary")[0]
    assert "**The record is not whole:**" not in markdown(audit(found))


def test_what_people_wrote_becomes_no_markup() -> None:
    """Anyone who wrote it: signers, reporters, metrics, the API server, the plan."""
    found = a_conflict()
    evidence = advance(found).evidence
    decisions = tuple(
        each.model_copy(update={"by": HOSTILE, "role": HOSTILE, "reason": HOSTILE})
        for each in evidence.decisions
    )
    found = with_evidence(found, decisions=decisions)
    meant = advance(found).model_copy(update={"message": HOSTILE, "by": (HOSTILE,)})
    history = tuple(meant if each.to == 25 else each for each in found.history)
    found = replace(with_status(found, waiting_on=HOSTILE), history=history)
    meeting = next(each for each in found.checkpoints if each.spec.dissent)
    spec = meeting.spec.model_copy(
        update={
            "report": HOSTILE,
            "summary": HOSTILE,
            "dissent": tuple(
                each.model_copy(update={"statement": HOSTILE}) for each in meeting.spec.dissent
            ),
        }
    )
    others = tuple(each for each in found.checkpoints if each is not meeting)
    found = replace(found, checkpoints=(*others, meeting.model_copy(update={"spec": spec})))
    made = audit(found, a_log(HOSTILE))
    cells = page(made)
    assert "script" not in cells.tags
    assert all(len(set(table)) == 1 for table in cells.tables)
    said = html(made)
    assert "<script>" not in said
    assert 'href="javascript' not in said
    headings = [line for line in markdown(made).splitlines() if line.startswith("# ")]
    assert headings == ["# Audit: memory-sync"]


def test_the_retrospective_asks_what_it_can_not_know() -> None:
    """And names no owner for anybody."""
    made = retrospective_of(the_incident(), STANDARDS)
    not_asked, too_short = made.causes
    assert not_asked == (
        "10% → 25%: the plan did not ask for: Checkpoint validation, Stakeholder approval, "
        "Monitoring baseline, Rollback rehearsal"
    )
    assert too_short == "10% → 25%: the plan asked for a soak of 1h42m, the standard for 24h"
    assert {each.owner for each in made.actions} == {"to be named"}
    assert [each.about for each in made.questions] == [
        "10% → 25%, initial soak",
        "10% → 25%, checkpoint validation",
        "10% → 25%, stakeholder approval",
        "10% → 25%, monitoring baseline",
        "10% → 25%, rollback rehearsal",
        "users",
        "root cause",
        "lessons",
    ]
    assert "nothing had to be rolled back" in made.went_well
    assert len({each.action for each in made.actions}) == len(made.actions)
