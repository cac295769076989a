"""The stage that every test here plays on."""

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
