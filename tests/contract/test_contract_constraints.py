"""Every constraint holds in Python and at the API server, and both say why."""

from collections.abc import Iterator

import httpx
import pytest

from surefoot.api.v1alpha1.meta import ApiModel
from surefoot.testbed.bed import TestBed
from tests.contract.bounds import PLACES, Place, boundaries
from tests.contract.case import Case, api_server_says, apply, python_says
from tests.contract.cases import CASES
from tests.contract.models import models_of_the_contract
from tests.contract.transitions import TRANSITIONS, Transition

TABLE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
EVERY_PLACE = pytest.mark.parametrize("place", PLACES, ids=str)


@pytest.fixture(scope="module")
def api(testbed: TestBed, crds: None) -> Iterator[httpx.Client]:
    """A connection to an API server that knows the three kinds."""
    with testbed.client() as client:
        yield client


@TABLE
def test_python_agrees_with_the_table(case: Case) -> None:
    """The models take and refuse what the table says, for the reason it says."""
    verdict = python_says(case.manifest)
    assert case.is_told_by(verdict), verdict


@pytest.mark.apiserver
@TABLE
def test_api_server_agrees_with_the_table(api: httpx.Client, case: Case) -> None:
    """The API server takes and refuses what the table says, for the reason it says."""
    verdict = api_server_says(api, case.manifest)
    assert case.is_told_by(verdict), verdict


@EVERY_PLACE
def test_python_keeps_the_bounds(place: Place) -> None:
    """The models take what is just within the bounds of a field and refuse what is beyond."""
    for case in boundaries(place):
        verdict = python_says(case.manifest)
        assert case.is_told_by(verdict), (case.name, verdict)


@pytest.mark.apiserver
@EVERY_PLACE
def test_api_server_keeps_the_bounds(api: httpx.Client, place: Place) -> None:
    """The API server takes what is just within the bounds of a field and refuses the rest."""
    for case in boundaries(place):
        verdict = api_server_says(api, case.manifest)
        assert case.is_told_by(verdict), (case.name, verdict)


@pytest.mark.apiserver
@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda transition: transition.name)
def test_api_server_judges_a_change(
    api: httpx.Client, namespace: str, transition: Transition
) -> None:
    """What was written once may be changed as the second table says, and not otherwise."""
    apply(api, namespace, transition.old).raise_for_status()
    if transition.state:
        in_state = {**transition.old, "status": transition.state}
        apply(api, namespace, in_state, subresource="/status").raise_for_status()

    answer = apply(api, namespace, transition.new, dryRun="All")

    assert answer.is_success == transition.accepted, answer.text
    assert transition.says in answer.text


def refused_by_a_rule() -> Iterator[tuple[type[ApiModel], Case | Transition]]:
    """The entries of both tables that break a rule, with the model that has it."""
    for case in CASES:
        if case.breaks is not None:
            yield case.breaks, case
    for transition in TRANSITIONS:
        if transition.breaks is not None:
            yield transition.breaks, transition


def test_every_rule_has_a_case_that_breaks_it() -> None:
    """A rule without a case fails here: nobody has seen it refuse anything."""
    rules = {(model, rule.message) for model in models_of_the_contract() for rule in model.rules}
    broken = {
        (model, rule.message)
        for model, entry in refused_by_a_rule()
        for rule in model.rules
        if entry.says in rule.message
    }
    assert rules == broken


def test_every_case_by_a_rule_means_exactly_one() -> None:
    """A fragment that several rules of a model contain would prove nothing of either."""
    for model, entry in refused_by_a_rule():
        meant = [rule.message for rule in model.rules if entry.says in rule.message]
        assert len(meant) == 1, entry.name


def test_rules_that_need_two_objects_are_in_the_second_table() -> None:
    """A rule that Python cannot check is one that compares with an older object."""
    for model in models_of_the_contract():
        for rule in model.rules:
            assert (rule.holds is None) == ("oldSelf" in rule.cel), rule.message
