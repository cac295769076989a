"""The audit of whatever can happen: it is made, it adds up, and hiding evidence never helps."""

import json
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.reports.audit import Audit, audit_of
from surefoot.reports.dossier import Dossier
from surefoot.reports.practices import Compliance
from surefoot.reports.rendering import html, markdown
from surefoot.reports.retrospective import retrospective_of
from surefoot.reports.standards import Standards, Weights
from tests.support.scenarios import Op, Shape, Tale, sequences, shapes
from tests.unit.reports.conducted import (
    a_conflict,
    advance,
    dossier,
    the_incident,
    the_proper_path,
    with_evidence,
    with_status,
)


def audit(found: Dossier, weights: Weights | None = None) -> Audit:
    """With the default standards."""
    return audit_of(found, Standards(weights=weights or Weights()))


FEWER = settings(max_examples=settings().max_examples // 4)
"""Each example makes a dozen audits."""


@FEWER
@given(shapes, sequences)
def test_whatever_happened_can_be_audited(shape: Shape, ops: list[Op]) -> None:
    """In all formats; the score is within its bounds, and the rows add up to it."""
    tale = Tale(shape)
    for op in ops:
        tale.play(op)
    is_sound(dossier(tale.world))
    tale.end_well()
    found = dossier(tale.world)
    is_sound(found)
    assert html(audit(found)).startswith("<!doctype html>")
    assert markdown(retrospective_of(found, Standards())).startswith("# Retrospective")


def is_sound(found: Dossier) -> None:
    """What every audit is."""
    made = audit(found)
    assert json.loads(json.dumps(made.to_json()))["rollout"] == found.rollout.metadata.name
    total = made.score.total
    assert (total is None) == (not made.taken)
    assert total is None or 0 <= total <= 10
    rows = sum(each.contribution or 0 for each in made.score.categories)
    assert abs(rows - (total or 0)) < 0.01
    complied = [
        each.compliance is Compliance.COMPLIES
        for expansion in made.taken
        for each in expansion.practices
    ]
    assert (made.compliance.complied, made.compliance.out_of) == (sum(complied), len(complied))


EVIDENCE = ("decisions", "baselines", "soak", "conditions", "windows", "admission", "since")
PATHS = (the_proper_path, the_incident, a_conflict)


@st.composite
def less(draw: st.DrawFn) -> tuple[Dossier, Dossier]:
    """A dossier with some of its evidence, and the same with some of that left out."""
    found = draw(st.sampled_from(PATHS))()
    for _ in range(draw(st.integers(0, 3))):
        found = draw(without(found))
    return found, draw(without(found))


def without(found: Dossier) -> st.SearchStrategy[Dossier]:
    """The dossier with a piece of evidence left out."""
    evidence = advance(found).evidence
    pieces = [
        st.just(with_status(found, rehearsal=None)),
        st.just(replace(found, checkpoints=())),
        st.just(with_evidence(found, shortened=True)),
        st.just(replace(found, history=found.history[1:]) if len(found.history) > 1 else found),
        *(
            st.just(with_evidence(found, **{name: type(evidence).model_fields[name].default}))
            for name in EVIDENCE
        ),
    ]
    for name in ("decisions", "baselines", "conditions", "windows"):
        kept = getattr(evidence, name)
        if kept:
            pieces += [
                st.just(with_evidence(found, **{name: kept[:index] + kept[index + 1 :]}))
                for index in range(len(kept))
            ]
    return st.one_of(pieces)


@given(less())
def test_hiding_evidence_never_raises_the_score(pair: tuple[Dossier, Dossier]) -> None:
    """Whatever of it speaks for the step, in whatever order; and it is never out of bounds."""
    more, fewer = audit(pair[0]).score.total, audit(pair[1]).score.total
    for total in (more, fewer):
        assert total is None or 0 <= total <= 10
    assert more is not None
    assert fewer is None or fewer <= more


@given(st.lists(st.integers(0, 100), min_size=5, max_size=5, unique=True).map(sorted))
def test_any_weights_that_add_up_keep_the_score_within_its_bounds(cuts: list[int]) -> None:
    """And the rows add up."""
    edges = [0, *cuts, 100]
    names = ("execution", "coordination", "decision", "workload", "monitoring", "risk")
    parts = [high - low for low, high in pairwise(edges)]
    weights = Weights.model_validate(dict(zip(names, parts, strict=True)))
    total = audit(the_incident(), weights).score.total
    assert total is None or 0 <= total <= 10
