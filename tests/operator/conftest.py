"""The stage that every test here plays on."""

from tests.support.scene import scene, service_account

__all__ = ["scene", "service_account"]
