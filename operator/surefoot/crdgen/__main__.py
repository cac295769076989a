"""`python -m surefoot.crdgen`: write crds/, or with `--check` see whether it is up to date."""

import sys
from collections.abc import Sequence

from surefoot.crdgen.files import FILES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 where `--check` finds a difference."""
    return FILES.run("python -m surefoot.crdgen", __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
