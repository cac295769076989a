"""The extras of the distribution surefoot: `testbed` in its own version, and `pictures`."""

from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class ExtraHook(MetadataHookInterface):
    """Adds the extras to the metadata; hatchling finds this class by its base."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Ask for surefoot-testbed in the very version of this distribution."""
        metadata["optional-dependencies"] = {
            "testbed": [f"surefoot-testbed=={metadata['version']}"],
            "pictures": ["resvg-py>=0.5,<0.6"],
        }
