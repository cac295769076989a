"""The extra `testbed` of the distribution surefoot, so that the version stands in one place."""

from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class ExtraHook(MetadataHookInterface):
    """Adds the extra to the metadata; hatchling finds this class by its base."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Ask for surefoot-testbed in the very version of this distribution."""
        metadata["optional-dependencies"] = {
            "testbed": [f"surefoot-testbed=={metadata['version']}"]
        }
