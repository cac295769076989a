"""`python -m surefoot.docgen`: write the generated pages of docs/, or compare with `--check`."""

import sys
from collections.abc import Sequence

from surefoot.docgen.files import FILES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 where `--check` finds a difference."""
    return FILES.run("python -m surefoot.docgen", __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
