"""Names on the wire that programs need which read no models: these take long to load."""

from typing import Final

API_VERSION: Final = "surefoot.dev/v1alpha1"
HALT_CONFIGMAP = "surefoot-halt"
FIELD_MANAGER = "surefoot"
"""The operator's name in managedFields."""
CHANGED_BY_ANNOTATION = "surefoot.dev/changed-by"
"""On a Rollout: who last changed anything of its spec."""
ATTEMPT_BY_ANNOTATION = "surefoot.dev/attempt-by"
"""On a Rollout: who asked for the attempt that `spec.attempt` says, at first its creator."""
ADOPT_ANNOTATION = "surefoot.dev/adopt"
