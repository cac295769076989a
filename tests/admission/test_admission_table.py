"""Every attempt, in a cluster that fills in names and in one that does not."""

import pytest

from tests.admission.attempt import Attempt
from tests.admission.cluster import World
from tests.admission.table import TABLE

pytestmark = pytest.mark.apiserver

EVERY_ATTEMPT = pytest.mark.parametrize("attempt", TABLE, ids=lambda attempt: attempt.name)


@EVERY_ATTEMPT
def test_attempt_where_names_are_filled_in(filled: World, attempt: Attempt) -> None:
    """What must be refused is refused, by the layer and in the words of the table."""
    assert filled.fault(attempt) == ""


@EVERY_ATTEMPT
def test_attempt_where_names_are_not_filled_in(unfilled: World, attempt: Attempt) -> None:
    """The same; a name or stamp that is missing or wrong is refused with what to write."""
    assert unfilled.fault(attempt) == ""
