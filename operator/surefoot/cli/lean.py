"""What libraries load while they are imported, and this program does not use."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def without_plugins_of_pydantic() -> None:
    """Have pydantic not read the metadata of every installed package, in search of its plugins.

    To be called before the first model. A variable that is set already stays as it is.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


@contextmanager
def as_if_absent(library: str) -> Iterator[None]:
    """Within this, an import of a library that is optional for the importer finds nothing."""
    if library in sys.modules:
        yield
        return
    sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[library]
