"""The stage that every test here plays on."""

from collections.abc import Iterator

import pytest

from surefoot.adapters.kubernetes import cluster, policies
from tests.support.allowed_signers import allowed_signers
from tests.support.attended import (
    attended_scene,
    guarded_attended_scene,
    guarded_operator_at_work,
    operator_at_work,
)
from tests.support.scene import elsewhere, scene, service_account

__all__ = [
    "allowed_signers",
    "attended_scene",
    "elsewhere",
    "guarded_attended_scene",
    "guarded_operator_at_work",
    "operator_at_work",
    "scene",
    "service_account",
]


@pytest.fixture(scope="session", autouse=True)
def _no_check_is_too_late() -> Iterator[None]:
    """On a busy machine, two seconds are no time: a check would find now and then that nothing is
    known, and what was in force a moment ago would not be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policies, "WITHIN", 30.0)
        patch.setattr(cluster, "NAMESPACE_WITHIN", 30.0)
        yield
